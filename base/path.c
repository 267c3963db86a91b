/* Path helpers; see path.h for which are safe inside somebody else's tree. */
#include "base/path.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/fd.h"
#include "base/str.h"

char *hoy_path_join(const char *a, const char *b)
{
	size_t len = strlen(a), len_b = strlen(b);
	char *path, *end;

	if (b[0] == '/' || len == 0)
		return strdup(b);
	while (len > 0 && a[len - 1] == '/')
		len--;
	path = malloc(len + len_b + sizeof "/");
	if (!path)
		return NULL;
	end = mempcpy(path, a, len);
	*end++ = '/';
	memcpy(end, b, len_b + 1);
	return path;
}

char *hoy_path_clean(const char *path)
{
	bool rooted = path[0] == '/';
	char *out = malloc(strlen(path) + 2);
	size_t len = 0, floor; /* `floor`: how far ".." may go back */

	if (!out)
		return NULL;
	if (rooted)
		out[len++] = '/';
	floor = len;
	while (*path) {
		size_t part = strcspn(path, "/");

		if (part == 2 && path[0] == '.' && path[1] == '.') {
			if (len > floor) {
				while (len > floor && out[len - 1] != '/')
					len--;
				if (len > floor)
					len--;
			} else if (!rooted) {
				if (len)
					out[len++] = '/';
				out[len++] = '.';
				out[len++] = '.';
				floor = len;
			}
		} else if (part && !(part == 1 && path[0] == '.')) {
			if (len && out[len - 1] != '/')
				out[len++] = '/';
			memcpy(out + len, path, part);
			len += part;
		}
		path += part;
		while (*path == '/')
			path++;
	}
	if (!len)
		out[len++] = '.';
	out[len] = '\0';
	return out;
}

const char *hoy_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

bool hoy_path_is_component(const char *name)
{
	return name[0] && !strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int open_resolved(int root, const char *path, uint64_t flags, mode_t mode, uint64_t resolve, struct hoy_err *err)
{
	const struct open_how how = {
		.flags = flags | O_CLOEXEC,
		.mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? mode : 0,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve,
	};

	for (int tries = 0; tries < 64; tries++) { /* EAGAIN: a rename raced with ".." */
		int fd = (int) syscall(SYS_openat2, root, path, &how, sizeof how);

		if (fd >= 0)
			return fd;
		if (errno != EAGAIN && errno != EINTR)
			return hoy_err_sys(err, "open '%s' in rootfs", path);
	}
	return hoy_err_code(err, -EAGAIN, "open '%s' in rootfs", path);
}

int hoy_path_open_in_root(int root, const char *path, uint64_t flags, mode_t mode, struct hoy_err *err)
{
	return open_resolved(root, path, flags, mode, 0, err);
}

int hoy_path_open_on_mount(int root, const char *path, uint64_t flags, struct hoy_err *err)
{
	return open_resolved(root, path, flags, 0, RESOLVE_NO_XDEV, err);
}

int hoy_path_mkdir_in_root(int root, const char *path, mode_t mode, struct hoy_err *err)
{
	auto_fd int dir = -EBADF;
	auto_free char *clean = hoy_path_clean(path);
	const char *rest;
	int r;

	if (!clean)
		return hoy_err_oom(err);
	r = hoy_path_open_in_root(root, clean, O_PATH | O_DIRECTORY, 0, NULL);
	if (r >= 0)
		return r;
	if (r != -ENOENT)
		return hoy_err_code(err, r, "open '%s' in rootfs", path);

	/* Walk part by part. A part that exists is resolved from the root again, so that a symlink in it stays inside.
	 */
	dir = fcntl(root, F_DUPFD_CLOEXEC, 3);
	if (dir < 0)
		return hoy_err_sys(err, "duplicate rootfs descriptor");
	rest = clean;
	while (*rest == '/')
		rest++;
	while (*rest) {
		size_t part = strcspn(rest, "/");
		auto_free char *name = strndup(rest, part);
		auto_free char *so_far = strndup(clean, (size_t) (rest - clean) + part);
		int next;

		if (!name || !so_far)
			return hoy_err_oom(err);
		next = hoy_path_open_in_root(root, so_far, O_PATH | O_DIRECTORY, 0, NULL);
		if (next == -ENOENT) {
			if (mkdirat(dir, name, mode) < 0 && errno != EEXIST)
				return hoy_err_sys(err, "mkdir '%s' in rootfs", so_far);
			next = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (next < 0)
				return hoy_err_sys(err, "open new directory '%s' in rootfs", so_far);
		} else if (next < 0) {
			return hoy_err_code(err, next, "open '%s' in rootfs", so_far);
		}
		hoy_fd_close(&dir);
		dir = next;
		rest += part;
		while (*rest == '/')
			rest++;
	}
	return TAKE_FD(dir);
}

int hoy_path_mkdir_all(const char *path, mode_t mode, struct hoy_err *err)
{
	auto_free char *copy = strdup(path);

	if (!copy)
		return hoy_err_oom(err);
	if (mkdir(copy, mode) == 0)
		return 0;
	if (errno == EEXIST)
		goto check;
	if (errno != ENOENT || !*copy)
		return hoy_err_sys(err, "mkdir '%s'", path);
	for (char *p = copy + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return hoy_err_sys(err, "mkdir '%s'", copy);
		*p = '/';
	}
	if (mkdir(copy, mode) < 0 && errno != EEXIST)
		return hoy_err_sys(err, "mkdir '%s'", path);
check:;
	struct stat st;

	if (stat(path, &st) < 0)
		return hoy_err_sys(err, "mkdir '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return hoy_err_code(err, -ENOTDIR, "mkdir '%s'", path);
	return 0;
}

static int remove_tree(int at, const char *name, dev_t dev, unsigned int depth);

static int remove_children(int dir_fd, dev_t dev, unsigned int depth)
{
	DIR *dir = fdopendir(dir_fd); /* owns dir_fd from here */
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		int saved = errno;

		(void) close(dir_fd);
		return -saved;
	}
	while (r == 0 && (errno = 0, entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = remove_tree(dirfd(dir), entry->d_name, dev, depth);
	}
	if (r == 0 && errno)
		r = -errno;
	(void) closedir(dir);
	return r;
}

static int remove_tree(int at, const char *name, dev_t dev, unsigned int depth)
{
	struct stat st;
	int fd, r;

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	if (depth > 4096)
		return -ELOOP;
	fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fstat(fd, &st) < 0 || (dev && st.st_dev != dev)) {
		(void) close(fd);
		return -EXDEV;
	}
	r = remove_children(fd, st.st_dev, depth + 1);
	if (r < 0)
		return r;
	return unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}

int hoy_path_remove_all(int at, const char *path, struct hoy_err *err)
{
	int r = remove_tree(at, path, 0, 0);

	return r < 0 ? hoy_err_code(err, r, "remove '%s'", path) : 0;
}

const char *hoy_path_proc_fd(int fd, char buf[HOY_PROC_FD_MAX])
{
	(void) snprintf(buf, HOY_PROC_FD_MAX, "/proc/self/fd/%d", fd);
	return buf;
}

char *hoy_path_user_runtime(void)
{
	const char *dir = getenv("XDG_RUNTIME_DIR");
	auto_free char *usual = hoy_str_printf("/run/user/%u", geteuid());
	struct stat st;

	if (dir && dir[0] == '/')
		return strdup(dir);
	return usual && stat(usual, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == geteuid() ? TAKE_PTR(usual) : NULL;
}
