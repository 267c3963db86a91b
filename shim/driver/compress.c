/* `hoy-log compress PATH`: PATH becomes PATH.gz. Killed in the middle it leaves PATH as it was, and PATH.gz.tmp.
 * `hoy-log unpack`: what is in the compressed files on descriptors 3 and up, one behind the other, on stdout. */
#include "shim/driver/driver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/fd.h"
#include "base/str.h"

#define BUFFER_SIZE ((size_t) 64 << 10)

static int copy(int from, gzFile to, const char *path, struct hoy_err *err)
{
	auto_free char *data = malloc(BUFFER_SIZE);
	ssize_t n;

	if (!data)
		return hoy_err_oom(err);
	while ((n = TEMP_FAILURE_RETRY(read(from, data, BUFFER_SIZE))) > 0)
		if (gzwrite(to, data, (unsigned int) n) != n)
			return hoy_err_code(err, errno ? -errno : -EIO, "write '%s.gz'", path);
	return n < 0 ? hoy_err_sys(err, "read '%s'", path) : 0;
}

int hoy_log_compress(const char *path, struct hoy_err *err)
{
	auto_free char *temporary = hoy_str_printf("%s.gz.tmp", path), *target = hoy_str_printf("%s.gz", path);
	auto_fd int from = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), to = -EBADF;
	struct stat st;
	gzFile stream;
	int r;

	if (!temporary || !target)
		return hoy_err_oom(err);
	if (from < 0 || fstat(from, &st) < 0)
		return hoy_err_sys(err, "open '%s'", path);
	(void) unlink(temporary);
	to = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, st.st_mode & 0777);
	if (to < 0)
		return hoy_err_sys(err, "make '%s'", temporary);
	stream = gzdopen(to, "wb");
	if (!stream)
		return hoy_err_oom(err);
	to = -EBADF; /* the stream's */
	r = copy(from, stream, path, err);
	if (gzclose(stream) != Z_OK && r >= 0)
		r = hoy_err_code(err, errno ? -errno : -EIO, "write '%s'", temporary);
	if (r >= 0 && rename(temporary, target) < 0)
		r = hoy_err_sys(err, "rename '%s'", temporary);
	if (r >= 0 && unlink(path) < 0)
		r = hoy_err_sys(err, "remove '%s'", path);
	if (r < 0)
		(void) unlink(temporary);
	return r;
}

static int unpack_one(gzFile from, struct hoy_err *err)
{
	auto_free char *data = malloc(BUFFER_SIZE);
	int n, r = 0;

	if (!data)
		return hoy_err_oom(err);
	while (r >= 0 && (n = gzread(from, data, BUFFER_SIZE)) > 0)
		r = hoy_fd_write_all(STDOUT_FILENO, data, (size_t) n);
	if (r < 0)
		return hoy_err_code(err, r, "write what was unpacked");
	return n < 0 ? hoy_err_code(err, -EBADMSG, "unpack a log: %s", gzerror(from, &n)) : 0;
}

int hoy_log_unpack(struct hoy_err *err)
{
	for (int fd = 3; fcntl(fd, F_GETFD) >= 0; fd++) {
		gzFile from = gzdopen(fd, "rb");
		int r = from ? unpack_one(from, err) : hoy_err_oom(err);

		if (from)
			(void) gzclose_r(from);
		if (r < 0)
			return r;
	}
	return 0;
}
