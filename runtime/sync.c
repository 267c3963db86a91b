/* Messages between hoyrun and its child; knows nothing of what the stages do. */
#include "runtime/sync.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

static const char *const names[] = {
	[HOY_SYNC_ERROR] = "error",
	[HOY_SYNC_PID] = "pid",
	[HOY_SYNC_UNSHARED] = "unshared",
	[HOY_SYNC_GO] = "go",
	[HOY_SYNC_IDMAP] = "idmap",
	[HOY_SYNC_HOOKS] = "hooks",
	[HOY_SYNC_SECCOMP] = "seccomp",
	[HOY_SYNC_READY] = "ready",
	[HOY_SYNC_COMMIT] = "commit",
	[HOY_SYNC_START] = "start",
};

const char *hoy_sync_to_string(enum hoy_sync type)
{
	return (size_t) type < ARRAY_LEN(names) ? names[type] : "unknown";
}

int hoy_sync_pair(int ret_fds[2], struct hoy_err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret_fds) < 0)
		return hoy_err_sys(err, "socket pair for the container process");
	return 0;
}

static int send_msg(int sock, const struct hoy_sync_msg *msg, int fd)
{
	ssize_t n = hoy_fd_send(sock, msg, sizeof *msg, &fd, fd >= 0 ? 1 : 0);

	return n < 0 ? (int) n : 0;
}

int hoy_sync_send(int sock, enum hoy_sync type, int number, int fd, struct hoy_err *err)
{
	const struct hoy_sync_msg msg = { .type = (int) type, .number = number };
	int r = send_msg(sock, &msg, fd);

	return r < 0 ? hoy_err_code(err, r, "send '%s'", hoy_sync_to_string(type)) : 0;
}

void hoy_sync_send_error(int sock, const struct hoy_err *err)
{
	const struct hoy_sync_msg msg = { .type = HOY_SYNC_ERROR, .err = *err };

	(void) send_msg(sock, &msg, -EBADF);
}

/* A peer that ends without having read all that we sent resets the connection; what it sent itself comes behind that.
 */
static ssize_t recv_msg(int sock, struct hoy_sync_msg *msg, int *fd, size_t *n_fds)
{
	size_t max = n_fds ? *n_fds : 0;
	ssize_t n = hoy_fd_recv(sock, msg, sizeof *msg, fd, n_fds);

	if (n != -ECONNRESET)
		return n;
	if (n_fds)
		*n_fds = max;
	return hoy_fd_recv(sock, msg, sizeof *msg, fd, n_fds);
}

int hoy_sync_recv(int sock, struct hoy_sync_msg *ret_msg, int *ret_fd, struct hoy_err *err)
{
	auto_fd int fd = -EBADF;
	size_t n_fds = 1;
	struct hoy_sync_msg msg;
	ssize_t n = recv_msg(sock, &msg, &fd, &n_fds);

	if (n_fds == 0)
		fd = -EBADF;
	if (n < 0)
		return hoy_err_code(err, (int) n, "wait for the container process");
	if (n == 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPIPE, "container process died during its set-up");
	if (n != sizeof msg)
		return hoy_err_code(err, -EPROTO, "message of the container process");
	if (msg.type == HOY_SYNC_ERROR)
		return hoy_err_import(err, &msg.err);
	*ret_msg = msg;
	if (ret_fd)
		*ret_fd = TAKE_FD(fd);
	return 0;
}

int hoy_sync_expect(int sock, enum hoy_sync want, struct hoy_err *err)
{
	struct hoy_sync_msg msg;
	int r = hoy_sync_recv(sock, &msg, NULL, err);

	if (r < 0)
		return r;
	if (msg.type != (int) want)
		return hoy_err_code(err, -EPROTO, "message '%s' where '%s' was expected",
			hoy_sync_to_string((enum hoy_sync) msg.type), hoy_sync_to_string(want));
	return 0;
}

int hoy_sync_wait_exec(int sock, struct hoy_err *err)
{
	struct hoy_sync_msg msg;
	ssize_t n = recv_msg(sock, &msg, NULL, NULL);

	if (n == 0 || n == -ECONNRESET)
		return 0;
	if (n < 0)
		return hoy_err_code(err, (int) n, "wait for the container's program");
	if (n != sizeof msg || msg.type != HOY_SYNC_ERROR)
		return hoy_err_code(err, -EPROTO, "message of the container process");
	return hoy_err_import(err, &msg.err);
}
