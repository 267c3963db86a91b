/* Single-threaded by nature: a process with threads can't join a user namespace. */
#include "supervisor/daemon/rootless.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/network/program.h"
#include "supervisor/worker/host/proto.h"

#define TIMEOUT_S 30
#define TRIES 3 /* one that is at its end may have been found */

struct hoy_rootless {
	char *socket_path;
	int sock; /* while it is open, hoy-host stays */
	struct hoy_source *ended;
};

/* --- directories ------------------------------------------------------------------------------------------------- */

static char *below(const char *variable, const char *in_home, const char *name)
{
	const char *dir = getenv(variable), *home = getenv("HOME");
	const struct passwd *pw = home && *home ? NULL : getpwuid(getuid());

	if (dir && dir[0] == '/')
		return hoy_str_printf("%s/%s", dir, name);
	return hoy_str_printf("%s/%s/%s", pw ? pw->pw_dir : home && *home ? home : "/", in_home, name);
}

char *hoy_rootless_config_file(void)
{
	return below("XDG_CONFIG_HOME", ".config", "hoy/daemon.json");
}

char *hoy_rootless_data_root(void)
{
	return below("XDG_DATA_HOME", ".local/share", "hoy");
}

/* --- hoy-host ---------------------------------------------------------------------------------------------------- */

static int connect_or_start(struct hoy_rootless *rootless, const char *exec_root, struct hoy_err *err)
{
	const struct hoy_program_start start = { .name = HOY_HOST_NAME, .exec_root = exec_root, .argument = exec_root };
	int sock = hoy_fd_unix_connect(rootless->socket_path, SOCK_SEQPACKET, err);
	pid_t pid;
	int r;

	if (sock != -ENOENT && sock != -ECONNREFUSED)
		return sock;
	r = hoy_program_spawn(&start, &pid, err);
	return r < 0 ? r : hoy_fd_unix_connect(rootless->socket_path, SOCK_SEQPACKET, err);
}

static int ask(int sock, struct hoy_host_reply *reply, int fds[HOY_HOST_N_NS], struct hoy_err *err)
{
	const struct hoy_host_request request = { .version = HOY_HOST_VERSION, .op = HOY_HOST_NAMESPACES };
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	size_t n_fds = HOY_HOST_N_NS;
	ssize_t n;

	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0)
		return hoy_err_sys(err, "ask hoy-host");
	n = hoy_fd_send(sock, &request, sizeof request, NULL, 0);
	if (n >= 0)
		n = hoy_fd_recv(sock, reply, sizeof *reply, fds, &n_fds);
	if (n == 0 || n == -EPIPE || n == -ECONNRESET)
		return hoy_err_code(err, -ECONNRESET, "hoy-host ended");
	if (n < 0)
		return hoy_err_code(err, (int) n, "ask hoy-host");
	if (n != sizeof *reply)
		return hoy_err_set(
			err, HOY_ERR_SYSTEM, EPROTO, "hoy-host speaks another version: end it, and start hoyd again");
	if (reply->err.errnum)
		return hoy_err_import(err, &reply->err);
	return n_fds == HOY_HOST_N_NS ? 0 : hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "hoy-host sent no namespaces");
}

static int get_namespaces(struct hoy_rootless *rootless, const char *exec_root, struct hoy_host_reply *reply,
	int fds[HOY_HOST_N_NS], struct hoy_err *err)
{
	int r = -ECONNRESET;

	for (int i = 0; i < TRIES && r == -ECONNRESET; i++) {
		hoy_fd_close(&rootless->sock);
		rootless->sock = connect_or_start(rootless, exec_root, err);
		r = rootless->sock < 0 ? rootless->sock : ask(rootless->sock, reply, fds, err);
	}
	return r;
}

/* --- joining ----------------------------------------------------------------------------------------------------- */

static int join(const int fds[HOY_HOST_N_NS], struct hoy_err *err)
{
	static const int kinds[HOY_HOST_N_NS] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET };
	static const char *const names[HOY_HOST_N_NS] = { "user", "mount", "network" };
	auto_free char *cwd = getcwd(NULL, 0);

	for (size_t i = 0; i < HOY_HOST_N_NS; i++)
		if (setns(fds[i], kinds[i]) < 0)
			return hoy_err_sys(err, "join the %s namespace", names[i]);
	if (cwd && chdir(cwd) < 0)
		return hoy_err_sys(err, "enter '%s'", cwd);
	/* with one id alone there is no changing groups, and those that we keep are nobody's inside */
	(void) setgroups(0, NULL);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return hoy_err_sys(err, "become root of the user namespace");
	/* new privileges make /proc/self root's of the host, who we are not */
	return prctl(PR_SET_DUMPABLE, 1) < 0 ? hoy_err_sys(err, "prctl") : 0;
}

int hoy_rootless_enter(const char *exec_root, struct hoy_rootless **ret, struct hoy_err *err)
{
	auto_ptr(hoy_rootless_free) struct hoy_rootless *rootless = calloc(1, sizeof *rootless);
	struct hoy_host_reply reply = { 0 };
	int fds[HOY_HOST_N_NS] = { -EBADF, -EBADF, -EBADF }, r;

	if (!rootless)
		return hoy_err_oom(err);
	rootless->sock = -EBADF;
	rootless->socket_path = hoy_path_join(exec_root, HOY_HOST_SOCKET);
	r = rootless->socket_path ? get_namespaces(rootless, exec_root, &reply, fds, err) : hoy_err_oom(err);
	if (r >= 0)
		r = join(fds, err);
	for (size_t i = 0; i < HOY_HOST_N_NS; i++)
		hoy_fd_close(&fds[i]);
	if (r < 0)
		return hoy_err_wrap(err, "rootless");
	if (reply.n_ids == 1) {
		reply.err.errnum = EPERM;
		hoy_log_warn(
			"rootless with one id alone: images whose files have other owners can't be unpacked, and no "
			"container has users beside root: %s",
			hoy_err_str(&reply.err));
	}
	*ret = TAKE_PTR(rootless);
	return 0;
}

static void on_host_end(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_rootless *rootless = userdata;

	(void) source;
	(void) events;
	rootless->ended = hoy_source_free(rootless->ended);
	hoy_log_error("hoy-host has ended: containers and their ports live on, but none can be published until hoyd is "
		      "restarted");
}

int hoy_rootless_watch(struct hoy_rootless *rootless, struct hoy_loop *loop, struct hoy_err *err)
{
	return hoy_loop_io(loop, &rootless->ended, rootless->sock, EPOLLIN, on_host_end, rootless, err);
}

const char *hoy_rootless_socket(const struct hoy_rootless *rootless)
{
	return rootless->socket_path;
}

void hoy_rootless_free(struct hoy_rootless *rootless)
{
	if (!rootless)
		return;
	rootless->ended = hoy_source_free(rootless->ended);
	hoy_fd_close(&rootless->sock);
	free(rootless->socket_path);
	free(rootless);
}
