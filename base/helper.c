/* Where our programs lie, how a helper is started and spoken with. Knows nothing of what they do. */
#include "base/helper.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/process.h"

#define MAX_FDS 64
#define REQUEST_MAX ((size_t) 64 << 20)

/* The directory of our own executable; heap, NULL when it can't be told. What runs from a mount or a copy of its own
 * (hoyrun does) has no directory there: it was called by its name once. */
static char *own_directory(void)
{
	char link[4096];
	ssize_t n = readlink("/proc/self/exe", link, sizeof link - 1);
	const char *path = link, *slash;

	if (n <= 0 || (size_t) n >= sizeof link - 1)
		return NULL;
	link[n] = '\0';
	slash = strrchr(path, '/');
	if (!slash || slash == path) {
		path = program_invocation_name;
		slash = strrchr(path, '/');
	}
	return slash && slash != path ? strndup(path, (size_t) (slash - path)) : NULL;
}

/* NULL when there is no such executable. */
static char *executable_in(const char *dir, size_t len, const char *name)
{
	auto_free char *copy = strndup(dir, len);
	auto_free char *path = copy ? hoy_path_join(copy, name) : NULL;

	return path && access(path, X_OK) == 0 ? TAKE_PTR(path) : NULL;
}

static char *in_search_path(const char *name)
{
	const char *dirs = getenv("PATH");
	char *path = NULL;

	while (dirs && *dirs && !path) {
		size_t len = strcspn(dirs, ":");

		if (len > 0)
			path = executable_in(dirs, len, name);
		dirs += len + (dirs[len] == ':');
	}
	return path;
}

int hoy_helper_find(const char *name, enum hoy_helper_kind kind, char **ret_path, struct hoy_err *err)
{
	const char *installed = kind == HOY_HELPER_LIBEXEC ? HOY_LIBEXECDIR : HOY_BINDIR;
	auto_free char *own = own_directory();
	char *path = own ? executable_in(own, strlen(own), name) : NULL;

	if (!path)
		path = executable_in(installed, strlen(installed), name);
	if (!path && kind == HOY_HELPER_PROGRAM)
		path = in_search_path(name);
	if (!path)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOENT, "program '%s' not found in '%s' or '%s'", name,
			own ? own : ".", installed);
	*ret_path = path;
	return 0;
}

/* --- the starter ----------------------------------------------------------------------------------------------- */

static int write_request(const struct hoy_buf *text, struct hoy_err *err)
{
	auto_fd int fd = memfd_create("request", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : hoy_fd_write_all(fd, text->data, text->len);

	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	return r < 0 ? hoy_err_code(err, r, "write a helper's request") : TAKE_FD(fd);
}

int hoy_helper_start(
	const char *name, const struct hoy_helper_start *start, struct hoy_helper *ret, struct hoy_err *err)
{
	int fds[MAX_FDS] = { STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO }, pair[2], r;
	auto_fd int request = -EBADF, ours = -EBADF, theirs = -EBADF;
	char *argv[] = { (char *) name, NULL };
	auto_free char *path = NULL;
	struct hoy_spawn spawn = {
		.argv = argv,
		.fds = fds,
		.n_fds = HOY_HELPER_FDS + start->n_fds,
		.death_signal = SIGKILL,
		.cgroup_fd = start->cgroup_fd,
	};

	if (spawn.n_fds > MAX_FDS)
		return hoy_err_code(err, -E2BIG, "descriptors for '%s'", name);
	r = hoy_helper_find(name, HOY_HELPER_LIBEXEC, &path, err);
	if (r < 0)
		return r;
	request = write_request(start->request, err);
	if (request < 0)
		return request;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return hoy_err_sys(err, "socket pair for '%s'", name);
	ours = pair[0];
	theirs = pair[1];
	fds[HOY_HELPER_SOCKET] = theirs;
	fds[HOY_HELPER_REQUEST] = request;
	for (size_t i = 0; i < start->n_fds; i++)
		fds[HOY_HELPER_FDS + i] = start->fds[i];
	spawn.path = path;
	r = hoy_process_spawn(&spawn, &ret->pid, /* ret_pidfd= */ NULL, err);
	if (r < 0)
		return r;
	ret->sock = TAKE_FD(ours);
	return 0;
}

static int recv_msg(int sock, struct hoy_helper_msg *msg, int *ret_fd, struct hoy_err *err)
{
	auto_fd int fd = -EBADF;
	size_t n_fds = 1;
	ssize_t n = hoy_fd_recv(sock, msg, sizeof *msg, &fd, &n_fds);

	if (n_fds == 0)
		fd = -EBADF;
	if (n < 0)
		return hoy_err_code(err, (int) n, "wait for a message");
	if (n == 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPIPE, "the other side has ended");
	if (n != sizeof *msg)
		return hoy_err_code(err, -EPROTO, "message");
	msg->name[sizeof msg->name - 1] = '\0';
	if (msg->type == HOY_HELPER_ERROR)
		return hoy_err_import(err, &msg->err);
	if (ret_fd)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

int hoy_helper_recv(struct hoy_helper *helper, struct hoy_helper_msg *ret, int *ret_fd, struct hoy_err *err)
{
	return recv_msg(helper->sock, ret, ret_fd, err);
}

static int send_msg(int sock, struct hoy_helper_msg *msg, const char *name, int fd, struct hoy_err *err)
{
	ssize_t n;

	(void) snprintf(msg->name, sizeof msg->name, "%s", name);
	n = hoy_fd_send(sock, msg, sizeof *msg, &fd, fd >= 0 ? 1 : 0);
	return n < 0 ? hoy_err_code(err, (int) n, "send a message") : 0;
}

int hoy_helper_go(struct hoy_helper *helper, struct hoy_err *err)
{
	return send_msg(helper->sock, &(struct hoy_helper_msg){ .type = HOY_HELPER_GO }, "", -EBADF, err);
}

void hoy_helper_end(struct hoy_helper *helper)
{
	siginfo_t si;

	hoy_fd_close(&helper->sock);
	if (helper->pid > 0)
		(void) hoy_process_wait(helper->pid, &si, NULL);
	helper->pid = 0;
}

/* --- the helper ------------------------------------------------------------------------------------------------ */

int hoy_helper_request(struct hoy_buf *text, struct hoy_err *err)
{
	text->cap = REQUEST_MAX;
	return hoy_file_read_fd(HOY_HELPER_REQUEST, "request", text, err);
}

int hoy_helper_ask(const char *name, int number, int fd, struct hoy_err *err)
{
	struct hoy_helper_msg msg = { .type = HOY_HELPER_ASK, .number = number };
	int r = send_msg(HOY_HELPER_SOCKET, &msg, name, fd, err);

	if (r == 0)
		r = recv_msg(HOY_HELPER_SOCKET, &msg, NULL, err);
	return r == 0 && msg.type != HOY_HELPER_GO ? hoy_err_code(err, -EPROTO, "message") : r;
}

int hoy_helper_finish(int result, const struct hoy_err *err)
{
	struct hoy_helper_msg msg = { .type = result < 0 ? HOY_HELPER_ERROR : HOY_HELPER_DONE, .number = result };

	if (result < 0)
		msg.err = *err;
	return send_msg(HOY_HELPER_SOCKET, &msg, "", -EBADF, NULL) < 0 || result < 0;
}
