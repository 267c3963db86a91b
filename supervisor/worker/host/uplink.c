/* One child process that is looked after. */
#include "supervisor/worker/host/uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/worker/host/namespaces.h"

#define NOTE "uplink.pid"
#define FIRST_DELAY_NS UINT64_C(250000000)
#define LAST_DELAY_NS UINT64_C(16000000000) /* a machine without a network gets one at some time */

enum program { PASTA, SLIRP, N_PROGRAMS };

struct hoy_uplink {
	struct hoy_loop *loop;
	const struct hoy_namespaces *ns;
	char *note, *log_path;
	pid_t pid, door;
	int pidfd;
	uint64_t started, delay;
	struct hoy_source *ended, *again;
	bool warned;
};

static const char *const programs[N_PROGRAMS] = { "pasta", "slirp4netns" };

static void start_or_retry(struct hoy_uplink *uplink);

/* No port of the host is theirs to find: hoy-net asks for each. The host's loopback is not reached from inside. */
static int build_argv(const struct hoy_uplink *uplink, enum program program, char ***argv)
{
	auto_free char *user = hoy_str_printf("/proc/%d/ns/user", (int) uplink->door);
	auto_free char *net = hoy_str_printf("/proc/%d/ns/net", (int) uplink->door);
	const char *const pasta[] = { "pasta", "--foreground", "--quiet", "--config-net", "--no-map-gw", "-t", "none",
		"-u", "none", "-T", "none", "-U", "none", "--userns", user, "--netns", net, NULL };
	const char *const slirp[] = { "slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback",
		"--netns-type=path", NULL };
	int r = user && net ? 0 : -ENOMEM;

	for (const char *const *arg = program == PASTA ? pasta : slirp; r >= 0 && *arg; arg++)
		r = hoy_strv_add(argv, *arg);
	if (r >= 0 && program == SLIRP)
		r = hoy_strv_addf(argv, "--userns-path=%s", user);
	if (r >= 0 && program == SLIRP)
		r = hoy_strv_add(argv, net);
	if (r >= 0 && program == SLIRP)
		r = hoy_strv_add(argv, "tap0");
	return r;
}

static int run(struct hoy_uplink *uplink, enum program program, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_fd int log = open(uplink->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const int fds[] = { -1, log, log };
	struct hoy_spawn spawn = { .path = programs[program], .cwd = "/", .fds = fds, .n_fds = 3, .new_session = true };
	char *const envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", NULL };

	if (log < 0)
		return hoy_err_sys(err, "open '%s'", uplink->log_path);
	if (build_argv(uplink, program, &argv) < 0)
		return hoy_err_oom(err);
	spawn.argv = argv;
	spawn.envp = envp;
	return hoy_process_spawn(&spawn, &uplink->pid, &uplink->pidfd, err);
}

static void note_pid(const struct hoy_uplink *uplink)
{
	char text[16];
	struct hoy_err err = { 0 };

	(void) snprintf(text, sizeof text, "%d\n", (int) uplink->pid);
	if (hoy_file_write(AT_FDCWD, uplink->note, text, strlen(text), 0600, /* flags= */ 0, &err) < 0)
		hoy_log_ignored(&err, "note the uplink");
}

static void gone(struct hoy_uplink *uplink)
{
	uplink->ended = hoy_source_free(uplink->ended);
	hoy_fd_close(&uplink->pidfd);
	uplink->pid = 0;
	/* one that held for a while is worth an attempt at once */
	if (hoy_loop_now(uplink->loop) - uplink->started > LAST_DELAY_NS)
		uplink->delay = 0;
	if (uplink->delay == 0) {
		start_or_retry(uplink);
		return;
	}
	hoy_source_set_timer(uplink->again, uplink->delay);
}

static void on_child(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct hoy_uplink *uplink = userdata;

	(void) source;
	if (!uplink->warned)
		hoy_log_warn("what connects containers with the outside ended with status %d, see '%s'",
			hoy_process_status(si), uplink->log_path);
	uplink->warned = true;
	gone(uplink);
}

static void on_adopted_end(struct hoy_source *source, uint32_t events, void *userdata)
{
	(void) source;
	(void) events;
	gone(userdata);
}

static void on_again(struct hoy_source *source, void *userdata)
{
	(void) source;
	start_or_retry(userdata);
}

static int start(struct hoy_uplink *uplink, struct hoy_err *err)
{
	int r = uplink->door ? 0 : hoy_namespaces_door(uplink->ns, &uplink->door, err);

	if (r < 0)
		return r;
	r = -ENOENT;
	for (enum program each = 0; r == -ENOENT && each < N_PROGRAMS; each++)
		r = run(uplink, each, err);
	if (r == -ENOENT)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT,
			"neither pasta nor slirp4netns is installed: containers reach nothing outside (Debian: 'apt install "
			"passt')");
	if (r < 0)
		return r;
	note_pid(uplink);
	return hoy_loop_child(uplink->loop, &uplink->ended, uplink->pid, on_child, uplink, err);
}

static void start_or_retry(struct hoy_uplink *uplink)
{
	struct hoy_err err = { 0 };
	uint64_t delay = uplink->delay ? MIN(2 * uplink->delay, LAST_DELAY_NS) : FIRST_DELAY_NS;

	uplink->started = hoy_loop_now(uplink->loop);
	uplink->delay = delay;
	if (start(uplink, &err) >= 0)
		return;
	if (!uplink->warned)
		hoy_log_warn("%s", hoy_err_str(&err));
	uplink->warned = true;
	hoy_source_set_timer(uplink->again, LAST_DELAY_NS);
}

static bool is_uplink(int pid)
{
	auto_free char *path = hoy_str_printf("/proc/%d/comm", pid);
	auto_(hoy_buf_done) struct hoy_buf comm = { 0 };

	hoy_buf_init(&comm, 64);
	if (!path || hoy_file_read(AT_FDCWD, path, &comm, NULL) < 0 || !comm.data)
		return false;
	/* passt.avx2 is what pasta becomes on most machines */
	return hoy_str_starts(comm.data, "pasta") || hoy_str_starts(comm.data, "passt") ||
	       hoy_str_starts(comm.data, "slirp4netns");
}

static bool adopt(struct hoy_uplink *uplink)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int pid;

	hoy_buf_init(&text, 64);
	if (hoy_file_read(AT_FDCWD, uplink->note, &text, NULL) < 0 || !text.data)
		return false;
	text.data[strcspn(text.data, "\n")] = '\0';
	if (hoy_str_to_int(text.data, &pid) < 0 || pid < 2)
		return false;
	uplink->pidfd = hoy_pidfd_open(pid);
	if (uplink->pidfd < 0 || !is_uplink(pid)) {
		hoy_fd_close(&uplink->pidfd);
		return false;
	}
	uplink->pid = pid;
	uplink->started = hoy_loop_now(uplink->loop);
	return hoy_loop_io(uplink->loop, &uplink->ended, uplink->pidfd, EPOLLIN, on_adopted_end, uplink, NULL) >= 0;
}

int hoy_uplink_new(struct hoy_loop *loop, const char *exec_root, const struct hoy_namespaces *ns,
	struct hoy_uplink **ret, struct hoy_err *err)
{
	struct hoy_uplink *uplink = calloc(1, sizeof *uplink);
	int r;

	if (!uplink)
		return hoy_err_oom(err);
	uplink->loop = loop;
	uplink->ns = ns;
	uplink->pidfd = -EBADF;
	uplink->note = hoy_path_join(exec_root, NOTE);
	uplink->log_path = hoy_path_join(exec_root, "uplink.log");
	r = uplink->note && uplink->log_path ? hoy_loop_timer(loop, &uplink->again, UINT64_MAX, on_again, uplink, err)
					     : hoy_err_oom(err);
	if (r < 0) {
		hoy_uplink_end(uplink);
		return r;
	}
	if (!adopt(uplink))
		start_or_retry(uplink);
	*ret = uplink;
	return 0;
}

size_t hoy_uplink_pids(const struct hoy_uplink *uplink, pid_t ret[HOY_UPLINK_PIDS])
{
	ret[0] = uplink->pid;
	ret[1] = uplink->door;
	return HOY_UPLINK_PIDS;
}

void hoy_uplink_end(struct hoy_uplink *uplink)
{
	if (!uplink)
		return;
	uplink->ended = hoy_source_free(uplink->ended);
	uplink->again = hoy_source_free(uplink->again);
	if (uplink->pidfd >= 0)
		(void) hoy_pidfd_signal(uplink->pidfd, SIGTERM);
	hoy_fd_close(&uplink->pidfd);
	if (uplink->door) {
		(void) kill(uplink->door, SIGKILL);
		(void) waitpid(uplink->door, NULL, 0);
	}
	if (uplink->note)
		(void) unlink(uplink->note);
	free(uplink->note);
	free(uplink->log_path);
	free(uplink);
}
