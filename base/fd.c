/* File descriptor helpers. */
#include "base/fd.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "base/path.h"

void hoy_fd_close(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		(void) close(*fd);
	*fd = -EBADF;
	errno = saved;
}

static void sort(int *fds, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = i; k > 0 && fds[k - 1] > fds[k]; k--) {
			int fd = fds[k];

			fds[k] = fds[k - 1];
			fds[k - 1] = fd;
		}
}

void hoy_fd_close_all(int *const *fds, size_t n)
{
	int numbers[HOY_FD_CLOSE_MAX], saved = errno;
	size_t open = 0;

	for (size_t i = 0; i < n; i++) {
		if (*fds[i] >= 0)
			numbers[open++] = *fds[i];
		*fds[i] = -EBADF;
	}
	sort(numbers, open);
	for (size_t i = 0, run; i < open; i += run) {
		for (run = 1; i + run < open && numbers[i + run] == numbers[i] + (int) run; run++)
			;
		(void) syscall(SYS_close_range, numbers[i], numbers[i + run - 1], 0);
	}
	errno = saved;
}

int hoy_fd_close_except(int first, int *keep, size_t n)
{
	sort(keep, n);
	for (size_t i = 0; i < n; i++) {
		if (keep[i] < first)
			continue;
		if (keep[i] > first && syscall(SYS_close_range, first, keep[i] - 1, 0) < 0)
			return -errno;
		first = keep[i] + 1;
	}
	return syscall(SYS_close_range, first, ~0U, 0) < 0 ? -errno : 0;
}

int hoy_fd_write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += n;
		len -= (size_t) n;
	}
	return 0;
}

ssize_t hoy_fd_read_full(int fd, void *data, size_t len)
{
	char *p = data;
	size_t got = 0;

	while (got < len) {
		ssize_t n = read(fd, p + got, len - got);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (n == 0)
			break;
		got += (size_t) n;
	}
	return (ssize_t) got;
}

static int change_flag(int fd, int get, int set, int flag, bool on)
{
	int flags = fcntl(fd, get);
	int wanted = on ? flags | flag : flags & ~flag;

	if (flags < 0)
		return -errno;
	if (wanted != flags && fcntl(fd, set, wanted) < 0)
		return -errno;
	return 0;
}

int hoy_fd_set_nonblocking(int fd, bool on)
{
	return change_flag(fd, F_GETFL, F_SETFL, O_NONBLOCK, on);
}

int hoy_fd_set_cloexec(int fd, bool on)
{
	return change_flag(fd, F_GETFD, F_SETFD, FD_CLOEXEC, on);
}

int hoy_fd_cloexec_from(unsigned int first)
{
	return syscall(SYS_close_range, first, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

int hoy_fd_ensure_stdio(void)
{
	struct pollfd p[] = { { .fd = 0 }, { .fd = 1 }, { .fd = 2 } };

	if (poll(p, ARRAY_LEN(p), 0) < 0) /* interrupted, or out of memory: ask again, and not in vain */
		p[0].revents = p[1].revents = p[2].revents = POLLNVAL;
	for (int fd = 0; fd <= 2; fd++) {
		if (!(p[fd].revents & POLLNVAL) || fcntl(fd, F_GETFD) >= 0)
			continue;
		if (open("/dev/null", O_RDWR) != fd)
			return -EBADF;
	}
	return 0;
}

int hoy_fd_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

ssize_t hoy_fd_send(int sock, const void *data, size_t len, const int *fds, size_t n_fds)
{
	char control[CMSG_SPACE(sizeof(int) * HOY_FD_PASS_MAX)] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { .iov_base = (void *) data, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (n_fds > HOY_FD_PASS_MAX)
		return -EINVAL;
	if (n_fds) {
		struct cmsghdr *cmsg;

		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(cmsg), fds, sizeof(int) * n_fds);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static size_t collect_fds(struct msghdr *msg, int *fds, size_t room)
{
	size_t got = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
			if (got < room)
				fds[got++] = fd;
			else
				(void) close(fd);
		}
	}
	return got;
}

ssize_t hoy_fd_recv(int sock, void *data, size_t len, int *fds, size_t *n_fds)
{
	char control[CMSG_SPACE(sizeof(int) * HOY_FD_PASS_MAX)] __attribute__((aligned(8)));
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof control,
	};
	size_t room = n_fds ? *n_fds : 0;
	size_t got;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		if (n_fds)
			*n_fds = 0;
		return -errno;
	}
	got = collect_fds(&msg, fds, room);
	if (n_fds)
		*n_fds = got;
	return n;
}

/* An address for `path`; a path longer than sun_path is reached through its directory, kept open in *dir. */
static int unix_address(const char *path, struct sockaddr_un *addr, int *dir, struct hoy_err *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = NULL;
	int len;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) < sizeof addr->sun_path) {
		memcpy(addr->sun_path, path, strlen(path) + 1);
		return 0;
	}
	if (!slash)
		return hoy_err_code(err, -ENAMETOOLONG, "socket '%s'", path);
	parent = strndup(path, (size_t) (slash - path) + 1);
	if (!parent)
		return hoy_err_oom(err);
	*dir = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*dir < 0)
		return hoy_err_sys(err, "open '%s'", parent);
	len = snprintf(addr->sun_path, sizeof addr->sun_path, "/proc/self/fd/%d/%s", *dir, slash + 1);
	if (len < 0 || (size_t) len >= sizeof addr->sun_path)
		return hoy_err_code(err, -ENAMETOOLONG, "socket '%s'", path);
	return 0;
}

/* An unbound socket and the address of `path` for it. */
static int unix_socket(const char *path, int type, struct sockaddr_un *addr, int *dir, struct hoy_err *err)
{
	int r = unix_address(path, addr, dir, err);

	if (r < 0)
		return r;
	r = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	return r < 0 ? hoy_err_sys(err, "socket for '%s'", path) : r;
}

int hoy_fd_unix_listen(const char *path, int type, mode_t mode, struct hoy_err *err)
{
	auto_fd int sock = -EBADF, dir = -EBADF;
	struct sockaddr_un addr;

	sock = unix_socket(path, type, &addr, &dir, err);
	if (sock < 0)
		return sock;
	/* The mode is set before bind, on the socket inode's own creation mode: nobody can connect in between. */
	if (fchmod(sock, mode) < 0)
		return hoy_err_sys(err, "chmod socket '%s'", path);
	if (bind(sock, (struct sockaddr *) &addr, sizeof addr) < 0)
		return hoy_err_sys(err, "bind '%s'", path);
	if (chmod(addr.sun_path, mode) < 0)
		return hoy_err_sys(err, "chmod '%s'", path);
	if (listen(sock, SOMAXCONN) < 0)
		return hoy_err_sys(err, "listen on '%s'", path);
	return TAKE_FD(sock);
}

int hoy_fd_unix_connect(const char *path, int type, struct hoy_err *err)
{
	auto_fd int sock = -EBADF, dir = -EBADF;
	struct sockaddr_un addr;
	int r;

	sock = unix_socket(path, type, &addr, &dir, err);
	if (sock < 0)
		return sock;
	do
		r = connect(sock, (struct sockaddr *) &addr, sizeof addr);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		return hoy_err_sys(err, "connect to '%s'", path);
	return TAKE_FD(sock);
}
