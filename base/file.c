/* Whole small files. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"

int hoy_file_read_fd(int fd, const char *name, struct hoy_buf *buf, struct hoy_err *err)
{
	size_t chunk = 4096, size = 0, begin = buf->len;
	struct stat st;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		size = (size_t) st.st_size;
		chunk = MIN(size + 1, (size_t) 1 << 20);
	}
	for (;;) {
		size_t cap = buf->cap ? buf->cap : HOY_BUF_DEFAULT_CAP;
		/* At the cap, one byte more tells a file that just fits from one that does not. */
		size_t room = MIN(chunk, cap - buf->len);
		char probe;
		char *to = room ? hoy_buf_reserve(buf, room) : &probe;
		ssize_t n;

		if (!to)
			return hoy_buf_check(buf, name, err);
		n = read(fd, to, room ? room : 1);
		if (n < 0) {
			if (errno == EINTR)
				continue;
			return hoy_err_sys(err, "read '%s'", name);
		}
		if (n > 0 && !room) {
			buf->failed = -EMSGSIZE;
			return hoy_buf_check(buf, name, err);
		}
		if (n > 0)
			hoy_buf_commit(buf, (size_t) n);
		/* A read that asked for more than the file's size and got just that has seen its end. */
		if (n == 0 || ((size_t) n < room && buf->len - begin == size))
			return hoy_buf_add(buf, "", 0) < 0 ? hoy_buf_check(buf, name, err) : 0;
	}
}

int hoy_file_read(int at, const char *path, struct hoy_buf *buf, struct hoy_err *err)
{
	auto_fd int fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

	if (fd < 0)
		return hoy_err_sys(err, "open '%s'", path);
	return hoy_file_read_fd(fd, path, buf, err);
}

static int sync_parent(int at, const char *path)
{
	const char *slash = strrchr(path, '/');
	auto_free char *parent = slash ? strndup(path, (size_t) (slash - path) + 1) : strdup(".");
	auto_fd int dir = -EBADF;

	if (!parent)
		return -ENOMEM;
	dir = openat(at, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir) < 0)
		return -errno;
	return 0;
}

int hoy_file_write(int at, const char *path, const void *data, size_t len, mode_t mode, int flags, struct hoy_err *err)
{
	auto_free char *temp = NULL;
	auto_fd int fd = -EBADF;
	int r;

	if (asprintf(&temp, "%s.tmp%d", path, (int) getpid()) < 0) {
		temp = NULL;
		return hoy_err_oom(err);
	}
	fd = openat(at, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return hoy_err_sys(err, "create '%s'", temp);
	r = hoy_fd_write_all(fd, data, len);
	if (r == 0 && (flags & HOY_FILE_SYNC) && fsync(fd) < 0)
		r = -errno;
	if (r == 0 && renameat(at, temp, at, path) < 0)
		r = -errno;
	if (r < 0) {
		(void) unlinkat(at, temp, 0);
		return hoy_err_code(err, r, "write '%s'", path);
	}
	if (flags & HOY_FILE_SYNC) {
		r = sync_parent(at, path);
		if (r < 0)
			return hoy_err_code(err, r, "sync directory of '%s'", path);
	}
	return 0;
}

int hoy_file_set(int at, const char *path, const char *value, struct hoy_err *err)
{
	auto_fd int fd = openat(at, path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n;

	if (fd < 0)
		return hoy_err_sys(err, "open '%s'", path);
	do
		n = write(fd, value, strlen(value));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return hoy_err_sys(err, "write '%s' to '%s'", value, path);
	if ((size_t) n != strlen(value))
		return hoy_err_code(err, -EIO, "write '%s' to '%s'", value, path);
	return 0;
}
