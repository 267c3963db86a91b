/* The order matters: a change of owner clears set-id bits and file capabilities, so mode and xattrs come after it. */
#include "supervisor/worker/layer/attrs.h"

#include <errno.h>
#include <sys/types.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define MAX_XATTR_NAMES ((size_t) 64 << 10) /* what the kernel allows at most */

bool hoy_layer_attrs_keeps_xattr(const char *name)
{
	static const char *const dropped[] = { "user.overlay.", "trusted.", "security.selinux", "security.ima",
		"security.evm", "security.SMACK64", "security.apparmor", "com.apple." };

	for (size_t i = 0; i < ARRAY_LEN(dropped); i++)
		if (hoy_str_starts(name, dropped[i]))
			return false;
	return true;
}

int hoy_layer_attrs_set_xattr(
	int fd, const char *base, const char *name, const void *value, size_t size, struct hoy_err *err)
{
	int r = fd >= 0 ? fsetxattr(fd, name, value, size, 0) : lsetxattr(base, name, value, size, 0);

	if (r == 0 || errno == EOPNOTSUPP)
		return 0;
	/* user.* on anything but files and directories, and namespaces that need more rights than a worker has. */
	if (errno == EPERM && strcmp(name, "security.capability") != 0)
		return 0;
	return hoy_err_sys(err, "set xattr '%s'", name);
}

static int copy_xattr(int from, int to, const char *name, struct hoy_err *err)
{
	auto_free char *value = NULL;
	ssize_t size = fgetxattr(from, name, NULL, 0);

	if (size < 0)
		return 0;
	value = malloc((size_t) size + 1);
	if (!value)
		return hoy_err_oom(err);
	size = fgetxattr(from, name, value, (size_t) size);
	if (size < 0)
		return 0;
	return hoy_layer_attrs_set_xattr(to, /* base= */ NULL, name, value, (size_t) size, err);
}

int hoy_layer_attrs_copy_xattrs(int from, int to, struct hoy_err *err)
{
	auto_free char *names = NULL;
	ssize_t len = flistxattr(from, NULL, 0);
	int r = 0;

	if (len <= 0 || (size_t) len > MAX_XATTR_NAMES)
		return 0;
	names = malloc((size_t) len);
	if (!names)
		return hoy_err_oom(err);
	len = flistxattr(from, names, (size_t) len);
	for (const char *name = names; r == 0 && name < names + len; name += strlen(name) + 1)
		if (hoy_layer_attrs_keeps_xattr(name))
			r = copy_xattr(from, to, name, err);
	return r;
}

int hoy_layer_attrs_copy(int from, int to, struct stat *ret_st, struct hoy_err *err)
{
	if (fstat(from, ret_st) < 0)
		return hoy_err_sys(err, "look at a lower layer's file");
	if (fchown(to, ret_st->st_uid, ret_st->st_gid) < 0)
		return hoy_err_sys(err, "set the owner");
	if (fchmod(to, ret_st->st_mode & 07777) < 0)
		return hoy_err_sys(err, "set the mode");
	return hoy_layer_attrs_copy_xattrs(from, to, err);
}

/* Zeros become a gap. The length is set at the end. */
static int write_block(int to, const char *block, size_t len)
{
	if (len > 0 && block[0] == 0 && memcmp(block, block + 1, len - 1) == 0)
		return lseek(to, (off_t) len, SEEK_CUR) < 0 ? -errno : 0;
	return hoy_fd_write_all(to, block, len);
}

int hoy_layer_attrs_copy_file(int from, int to, struct hoy_err *err)
{
	char block[65536];
	struct stat st;
	ssize_t n;
	int r;

	while ((n = hoy_fd_read_full(from, block, sizeof block)) > 0) {
		r = write_block(to, block, (size_t) n);
		if (r < 0)
			return hoy_err_code(err, r, "copy a lower layer's file");
	}
	if (n < 0)
		return hoy_err_code(err, (int) n, "read a lower layer's file");
	if (ftruncate(to, lseek(to, 0, SEEK_CUR)) < 0)
		return hoy_err_sys(err, "copy a lower layer's file");
	r = hoy_layer_attrs_copy(from, to, &st, err);
	if (r < 0)
		return r;
	if (futimens(to, (const struct timespec[2]){ st.st_mtim, st.st_mtim }) < 0)
		return hoy_err_sys(err, "set the times");
	return 0;
}
