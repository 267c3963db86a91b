/* Resolution inside the rootfs; the kernel does it (RESOLVE_IN_ROOT), we only make what is missing. */
#include "runtime/child/target.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define MAX_SYMLINKS 40
#define MAX_LINK ((size_t) 4096)

bool hoy_fd_is_on(int fd, long magic)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && (long) fs.f_type == magic;
}

int hoy_target_open(int root, const char *path, struct hoy_err *err)
{
	return hoy_path_open_in_root(root, path, O_PATH, 0, err);
}

/* The text of the symlink `name` in `dir`. NULL: it is none. */
static char *read_link(int dir, const char *name)
{
	auto_free char *text = malloc(MAX_LINK + 1);
	ssize_t n = text ? readlinkat(dir, name, text, MAX_LINK) : -1;

	if (n < 0)
		return NULL;
	text[n] = '\0';
	return TAKE_PTR(text);
}

/* -EEXIST: there is something (a dangling symlink, or somebody else made it). */
static int make_last(int dir, const char *name, bool directory, struct hoy_err *err)
{
	int fd;

	if (directory && mkdirat(dir, name, 0755) < 0)
		return errno == EEXIST ? -EEXIST : hoy_err_sys(err, "make directory '%s' in rootfs", name);
	if (directory)
		fd = openat(dir, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	else
		fd = openat(dir, name, O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_RDONLY, 0644);
	if (fd < 0)
		return errno == EEXIST ? -EEXIST : hoy_err_sys(err, "make '%s' in rootfs", name);
	return fd;
}

/* What path to try after `parent`/`name` turned out to be the symlink `link`. */
static char *follow(const char *path, const char *name, const char *link)
{
	auto_free char *dir = strndup(path, (size_t) (name - path));
	auto_free char *joined = dir ? hoy_path_join(dir, link) : NULL;

	return joined ? hoy_path_clean(joined) : NULL;
}

int hoy_target_make_new(int root, const char *path, bool directory, bool *ret_made, struct hoy_err *err)
{
	auto_free char *rooted = hoy_str_concat("/", path);
	auto_free char *now = rooted ? hoy_path_clean(rooted) : NULL;

	if (!now)
		return hoy_err_oom(err);
	*ret_made = false;
	for (int links = 0; links < MAX_SYMLINKS; links++) {
		int fd = hoy_target_open(root, now, NULL);
		auto_fd int dir = -EBADF;
		auto_free char *link = NULL;
		char *next;
		const char *name;

		if (fd >= 0)
			return fd;
		if (fd != -ENOENT)
			return hoy_err_code(err, fd, "open '%s' in rootfs", path);
		dir = hoy_target_parent(root, now, &name, err);
		if (dir < 0)
			return dir;
		fd = make_last(dir, name, directory, err);
		*ret_made = fd >= 0;
		if (fd != -EEXIST)
			return fd;
		link = read_link(dir, name);
		if (!link)
			continue;
		next = follow(now, name, link);
		if (!next)
			return hoy_err_oom(err);
		free(now);
		now = next;
	}
	return hoy_err_code(err, -ELOOP, "make '%s' in rootfs", path);
}

int hoy_target_make(int root, const char *path, bool directory, struct hoy_err *err)
{
	bool made;

	return hoy_target_make_new(root, path, directory, &made, err);
}

int hoy_target_parent(int root, const char *path, const char **ret_name, struct hoy_err *err)
{
	const char *slash = strrchr(path, '/');
	auto_free char *dir = NULL;

	*ret_name = slash ? slash + 1 : path;
	if (!hoy_path_is_component(*ret_name))
		return hoy_err_code(err, -EINVAL, "'%s' in rootfs", path);
	if (!slash || slash == path)
		return hoy_path_open_in_root(root, "/", O_PATH | O_DIRECTORY, 0, err);
	dir = strndup(path, (size_t) (slash - path));
	if (!dir)
		return hoy_err_oom(err);
	return hoy_target_make(root, dir, /* directory= */ true, err);
}
