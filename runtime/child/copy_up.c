/* Copies a small tree by descriptors; a depth limit keeps a hostile image from using up the stack. */
#include "runtime/child/copy_up.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"

#define MAX_DEPTH 64

static int copy_dir(int from, int to, int depth, struct hoy_err *err);

static int copy_meta(int fd, const struct stat *st, struct hoy_err *err)
{
	const struct timespec times[] = { st->st_atim, st->st_mtim };

	if (fchown(fd, st->st_uid, st->st_gid) < 0)
		return hoy_err_sys(err, "chown");
	if (fchmod(fd, st->st_mode & 07777) < 0)
		return hoy_err_sys(err, "chmod");
	return futimens(fd, times) < 0 ? hoy_err_sys(err, "set times") : 0;
}

static int copy_file(int from, int to, const char *name, const struct stat *st, struct hoy_err *err)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_fd int out = openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	ssize_t n;

	if (in < 0 || out < 0)
		return hoy_err_sys(err, "open '%s'", name);
	do
		n = sendfile(out, in, NULL, (size_t) 16 << 20);
	while (n > 0 || (n < 0 && errno == EINTR));
	return n < 0 ? hoy_err_sys(err, "copy '%s'", name) : copy_meta(out, st, err);
}

static int copy_link(int from, int to, const char *name, const struct stat *st, struct hoy_err *err)
{
	size_t size = (size_t) st->st_size + 2;
	auto_free char *text = malloc(size);
	ssize_t n = text ? readlinkat(from, name, text, size - 1) : -1;

	if (n < 0)
		return hoy_err_sys(err, "read link '%s'", name);
	text[n] = '\0';
	if (symlinkat(text, to, name) < 0)
		return hoy_err_sys(err, "link '%s'", name);
	return fchownat(to, name, st->st_uid, st->st_gid, AT_SYMLINK_NOFOLLOW) < 0
		       ? hoy_err_sys(err, "chown '%s'", name)
		       : 0;
}

static int copy_subdir(int from, int to, const char *name, const struct stat *st, int depth, struct hoy_err *err)
{
	auto_fd int in = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), out = -EBADF;
	int r;

	if (in < 0 || mkdirat(to, name, 0700) < 0)
		return hoy_err_sys(err, "make '%s'", name);
	out = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return hoy_err_sys(err, "open '%s'", name);
	r = copy_dir(in, out, depth + 1, err);
	return r < 0 ? r : copy_meta(out, st, err);
}

static int copy_entry(int from, int to, const char *name, dev_t dev, int depth, struct hoy_err *err)
{
	struct stat st;

	if (fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "stat '%s'", name);
	if (st.st_dev != dev)
		return 0;
	if (S_ISDIR(st.st_mode))
		return copy_subdir(from, to, name, &st, depth, err);
	if (S_ISLNK(st.st_mode))
		return copy_link(from, to, name, &st, err);
	return S_ISREG(st.st_mode) ? copy_file(from, to, name, &st, err) : 0;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		(void) closedir(*dir);
}

static int copy_dir(int from, int to, int depth, struct hoy_err *err)
{
	auto_(close_dir) DIR *dir = NULL;
	struct dirent *entry;
	struct stat st;
	int fd, r = 0;

	if (depth > MAX_DEPTH)
		return hoy_err_code(err, -ELOOP, "directories nest deeper than %d", MAX_DEPTH);
	if (fstat(from, &st) < 0)
		return hoy_err_sys(err, "stat");
	fd = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return hoy_err_sys(err, "read directory");
	while (r == 0 && (entry = readdir(dir)))
		if (hoy_path_is_component(entry->d_name))
			r = copy_entry(from, to, entry->d_name, st.st_dev, depth, err);
	return r;
}

int hoy_copy_up(int from, int to, struct hoy_err *err)
{
	struct stat st;
	int r;

	if (fstat(from, &st) < 0)
		return hoy_err_sys(err, "stat");
	r = copy_dir(from, to, 0, err);
	if (r < 0)
		return hoy_err_wrap(err, "tmpcopyup");
	if (fchownat(to, "", st.st_uid, st.st_gid, AT_EMPTY_PATH) < 0)
		return hoy_err_sys(err, "tmpcopyup: chown");
	return 0;
}
