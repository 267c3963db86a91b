/* Sockets of hoyd. */
#include "supervisor/daemon/sockets.h"

#include <errno.h>
#include <grp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/daemon/tcp.h"

#define GROUP "hoy"
#define FIRST_PASSED_FD 3

const char *hoy_host_unix_path(const char *host)
{
	return hoy_str_starts(host, "unix://") ? host + strlen("unix://") : NULL;
}

int hoy_host_check(const char *host, struct hoy_err *err)
{
	const char *path = hoy_host_unix_path(host);

	if (path && path[0] == '/')
		return 0;
	if (path)
		return hoy_err_invalid(err, "invalid bind address (%s): the path of the socket must be absolute", host);
	if (!strcmp(host, "fd://"))
		return 0;
	if (hoy_host_is_tcp(host))
		return hoy_host_check_tcp(host, err);
	return hoy_err_invalid(err, "invalid bind address (%s): want unix://PATH, fd:// or tcp://ADDRESS:PORT", host);
}

static int remove_stale(const char *path, struct hoy_err *err)
{
	auto_fd int fd = hoy_fd_unix_connect(path, SOCK_STREAM | SOCK_NONBLOCK, NULL);
	struct stat st;

	if (fd >= 0 || fd == -EAGAIN)
		return hoy_err_conflict(err, "socket '%s' is served by another process", path);
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : hoy_err_sys(err, "look at '%s'", path);
	if (!S_ISSOCK(st.st_mode))
		return hoy_err_conflict(err, "'%s' exists and is not a socket", path);
	return unlink(path) < 0 ? hoy_err_sys(err, "remove '%s'", path) : 0;
}

static int set_group(const char *path, const char *group, struct hoy_err *err)
{
	const struct group *gr = group && !*group ? NULL : getgrnam(group ? group : GROUP);

	if (group && !*group)
		return 0;
	if (!gr && !group)
		return 0;
	if (!gr)
		return hoy_err_invalid(err, "group '%s' of socket '%s' not found", group, path);
	return chown(path, (uid_t) -1, gr->gr_gid) < 0 ? hoy_err_sys(err, "chown '%s'", path) : 0;
}

int hoy_host_listen_unix(const char *path, const char *group, mode_t mode, struct hoy_err *err)
{
	auto_free char *dir = strndup(path, (size_t) (hoy_path_base(path) - path));
	auto_fd int fd = -EBADF;
	int r = dir ? hoy_path_mkdir_all(dir, 0755, err) : hoy_err_oom(err);

	if (r >= 0)
		r = remove_stale(path, err);
	if (r < 0)
		return r;
	fd = hoy_fd_unix_listen(path, SOCK_STREAM | SOCK_NONBLOCK, mode, err);
	if (fd < 0)
		return fd;
	r = set_group(path, group, err);
	return r < 0 ? r : TAKE_FD(fd);
}

int hoy_passed_sockets(struct hoy_err *err)
{
	const char *pid_text = getenv("LISTEN_PID"), *n_text = getenv("LISTEN_FDS");
	int pid, n;

	if (!pid_text || !n_text || hoy_str_to_int(pid_text, &pid) < 0 || pid != getpid() ||
		hoy_str_to_int(n_text, &n) < 0 || n < 1)
		return hoy_err_invalid(err,
			"no sockets found via socket activation: make sure the service manager started "
			"hoyd, or use -H unix://PATH");
	for (int fd = FIRST_PASSED_FD; fd < FIRST_PASSED_FD + n; fd++)
		if (hoy_fd_set_cloexec(fd, true) < 0)
			return hoy_err_sys(err, "use passed descriptor %d", fd);
	(void) unsetenv("LISTEN_PID");
	(void) unsetenv("LISTEN_FDS");
	(void) unsetenv("LISTEN_FDNAMES");
	return n;
}

void hoy_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	size_t len = path ? strlen(path) : 0;
	auto_fd int fd = -EBADF;

	if (!len || len >= sizeof addr.sun_path)
		return;
	memcpy(addr.sun_path, path, len);
	if (path[0] == '@')
		addr.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *) &addr,
			      (socklen_t) (offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		hoy_log_warn("notify the service manager: %s, ignoring", strerror(errno));
}

uint64_t hoy_watchdog_ns(void)
{
	const char *pid_text = getenv("WATCHDOG_PID"), *us_text = getenv("WATCHDOG_USEC");
	uint64_t us;
	int pid;

	if (!us_text || hoy_str_to_u64(us_text, &us) < 0 || us > UINT64_MAX / 1000)
		return 0;
	if (pid_text && (hoy_str_to_int(pid_text, &pid) < 0 || pid != getpid()))
		return 0;
	return us * 1000 / 2;
}
