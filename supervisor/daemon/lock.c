/* Lock files and the PID file. */
#include "supervisor/daemon/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

/* The number in a small file; 0 when there is none. */
static int read_pid(const char *path)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	int pid;

	hoy_buf_init(&buf, 64);
	if (hoy_file_read(AT_FDCWD, path, &buf, NULL) < 0 || !buf.data)
		return 0;
	buf.data[strcspn(buf.data, "\n")] = '\0';
	return hoy_str_to_int(buf.data, &pid) < 0 || pid < 1 ? 0 : pid;
}

int hoy_lock_root(const char *what, const char *dir, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(dir, "hoyd.lock");
	auto_fd int fd = -EBADF;
	char pid[16];

	if (!path)
		return hoy_err_oom(err);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return hoy_err_sys(err, "open '%s'", path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			return hoy_err_conflict(
				err, "%s '%s' is in use by another hoyd (pid %d)", what, dir, read_pid(path));
		return hoy_err_sys(err, "lock '%s'", path);
	}
	(void) snprintf(pid, sizeof pid, "%d\n", (int) getpid());
	if (ftruncate(fd, 0) < 0 || hoy_fd_write_all(fd, pid, strlen(pid)) < 0)
		return hoy_err_sys(err, "write '%s'", path);
	return TAKE_FD(fd);
}

/* A zombie does not run: killed and restarted at once, the former hoyd may wait for its reaper yet. */
static bool is_running(int pid)
{
	auto_fd int pidfd = hoy_pidfd_open(pid);
	struct pollfd ended = { .fd = pidfd, .events = POLLIN };

	return pidfd >= 0 && poll(&ended, 1, 0) == 0;
}

int hoy_pidfile_write(const char *path, struct hoy_err *err)
{
	int pid = read_pid(path);
	char text[16];

	if (pid && pid != getpid() && is_running(pid))
		return hoy_err_conflict(err, "process with PID %d is still running (PID file '%s')", pid, path);
	(void) snprintf(text, sizeof text, "%d\n", (int) getpid());
	return hoy_file_write(AT_FDCWD, path, text, strlen(text), 0644, /* flags= */ 0, err);
}

void hoy_pidfile_remove(const char *path)
{
	if (read_pid(path) == getpid() && unlink(path) < 0)
		hoy_log_warn("remove '%s': %s, ignoring", path, strerror(errno));
}
