/* fsopen, fsconfig, fsmount, open_tree, mount_setattr, move_mount: by descriptor. mount(2) is in mount_string.c. */
#include "runtime/child/mount_api.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "runtime/child/child.h"

#ifndef SYS_open_tree_attr
#define SYS_open_tree_attr 467
#endif
#define FS_STRING_MAX 255

int hoy_mount_clone(int at, const char *path, bool recursive, struct hoy_err *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
	int fd = open_tree(at, path, flags | (path[0] ? 0 : AT_EMPTY_PATH));

	return fd < 0 ? hoy_err_sys(err, "clone the mount of '%s'", path) : fd;
}

int hoy_mount_clone_set(int at, const char *path, bool recursive, uint64_t set, uint64_t clear, struct hoy_err *err)
{
	unsigned int flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };
	auto_fd int fd = -EBADF;
	int r;

	flags |= path[0] ? 0 : AT_EMPTY_PATH;
	fd = (int) syscall(SYS_open_tree_attr, at, path, flags, &attr, sizeof attr);
	if (fd >= 0)
		return TAKE_FD(fd);
	if (errno != ENOSYS)
		return hoy_err_sys(err, "clone the mount of '%s'", path);
	fd = hoy_mount_clone(at, path, recursive, err);
	if (fd < 0)
		return fd;
	r = hoy_mount_set(fd, set, clear, recursive, err);
	return r < 0 ? r : TAKE_FD(fd);
}

int hoy_mount_attach(int tree, int target, struct hoy_err *err)
{
	return hoy_mount_attach_at(tree, target, "", err);
}

int hoy_mount_attach_at(int tree, int at, const char *name, struct hoy_err *err)
{
	unsigned int flags = MOVE_MOUNT_F_EMPTY_PATH | (name[0] ? 0 : MOVE_MOUNT_T_EMPTY_PATH);

	return move_mount(tree, "", at, name, flags) < 0 ? hoy_err_sys(err, "attach the mount") : 0;
}

int hoy_mount_set(int mount, uint64_t set, uint64_t clear, bool recursive, struct hoy_err *err)
{
	struct mount_attr attr = { .attr_set = set, .attr_clr = clear };

	if (!set && !clear)
		return 0;
	if (mount_setattr(mount, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) < 0)
		return hoy_err_sys(err, "set mount attributes");
	return 0;
}

int hoy_mount_idmap(int tree, int user_ns, bool recursive, const char *source, struct hoy_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t) user_ns };

	if (mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attr, sizeof attr) == 0)
		return 0;
	if (errno == EINVAL)
		return hoy_err_unsupported(
			err, "failed to set MOUNT_ATTR_IDMAP: the file system of '%s' can't be id-mapped here", source);
	return hoy_err_sys(err, "failed to set MOUNT_ATTR_IDMAP on '%s'", source);
}

int hoy_mount_propagation(int at, const char *path, unsigned int ms_flags, struct hoy_err *err)
{
	struct mount_attr attr = { .propagation = ms_flags & (MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE) };
	unsigned int flags = (ms_flags & MS_REC ? AT_RECURSIVE : 0) | (path[0] ? 0 : AT_EMPTY_PATH);

	if (mount_setattr(at, path, flags, &attr, sizeof attr) < 0)
		return hoy_err_sys(err, "change the propagation of '%s'", path);
	return 0;
}

/* The kernel's own words about what it refused, behind our message. */
static int fail_with_log(int fs, struct hoy_err *err, const char *what)
{
	int saved = errno;
	char log[256];
	ssize_t n = read(fs, log, sizeof log - 1);

	if (n > 2 && log[1] == ' ') {
		while (n > 0 && log[n - 1] == '\n')
			n--;
		log[n] = '\0';
		return hoy_err_set(err, saved == EINVAL ? HOY_ERR_INVALID : HOY_ERR_SYSTEM, saved, "%s: %s (%s)", what,
			strerror(saved), log + 2);
	}
	return hoy_err_code(err, -saved, "%s", what);
}

static int set_option(int fs, const char *option, struct hoy_err *err)
{
	const char *eq = strchr(option, '=');
	auto_free char *key = eq ? strndup(option, (size_t) (eq - option)) : NULL;
	char what[300];
	int r;

	if (eq && !key)
		return hoy_err_oom(err);
	if (eq)
		r = fsconfig(fs, FSCONFIG_SET_STRING, key, eq + 1, 0);
	else
		r = fsconfig(fs, FSCONFIG_SET_FLAG, option, NULL, 0);
	if (r == 0)
		return 0;
	if (!eq && errno == EINVAL && strcmp(option, "iversion") == 0)
		return 0; /* for mount(2) a flag, which file systems without it ignore */
	(void) snprintf(what, sizeof what, "option '%s'", option);
	return fail_with_log(fs, err, what);
}

int hoy_mount_new(const char *type, const char *source, char *const *data, uint64_t attrs, struct hoy_err *err)
{
	swept_fd fs = fsopen(type, FSOPEN_CLOEXEC);
	int mount;

	if (fs < 0)
		return hoy_err_sys(err, "file system '%s'", type);
	if (source && source[0] && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0) < 0)
		return fail_with_log(fs, err, "source");
	for (; data && *data; data++) {
		int r = set_option(fs, *data, err);

		if (r < 0)
			return r;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return fail_with_log(fs, err, "create the file system");
	mount = fsmount(fs, FSMOUNT_CLOEXEC, (unsigned int) attrs);
	return mount < 0 ? fail_with_log(fs, err, "fsmount") : mount;
}

bool hoy_mount_needs_string(char *const *data)
{
	for (; data && *data; data++) {
		const char *eq = strchr(*data, '=');

		if (eq && strlen(eq + 1) > FS_STRING_MAX)
			return true;
	}
	return false;
}
