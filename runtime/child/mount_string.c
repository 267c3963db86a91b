/*
 * The one caller of mount(2). It does in one call what takes seven by descriptor, so it is tried first where nothing
 * more is asked for; the long way tells why something is refused. And fsconfig() takes at most 255 bytes per value: a
 * file system that has no other way to split a long one (overlay before Linux 6.5 and its list of layers) gets its
 * options as one string, at most a page.
 */
#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/path.h"
#include "runtime/child/mount_api.h"

static const struct {
	const char *name;
	unsigned long flag;
} sb_flags[] = {
	{ "ro", MS_RDONLY },
	{ "sync", MS_SYNCHRONOUS },
	{ "dirsync", MS_DIRSYNC },
	{ "lazytime", MS_LAZYTIME },
	{ "mand", MS_MANDLOCK },
	{ "iversion", MS_I_VERSION },
};

static unsigned long flag_of(const char *option)
{
	for (size_t i = 0; i < ARRAY_LEN(sb_flags); i++)
		if (strcmp(sb_flags[i].name, option) == 0)
			return sb_flags[i].flag;
	return 0;
}

static const struct {
	uint64_t attr;
	unsigned long flag;
} attr_flags[] = {
	{ MOUNT_ATTR_NOSUID, MS_NOSUID },
	{ MOUNT_ATTR_NODEV, MS_NODEV },
	{ MOUNT_ATTR_NOEXEC, MS_NOEXEC },
	{ MOUNT_ATTR_NODIRATIME, MS_NODIRATIME },
};

/* Not those that are more than the mount's own (MS_RDONLY would make the file system itself read-only, which others
 * may share), and the odd ones. */
static bool flags_of_attrs(uint64_t attrs, unsigned long *flags)
{
	for (size_t i = 0; i < ARRAY_LEN(attr_flags); i++)
		if (attrs & attr_flags[i].attr) {
			*flags |= attr_flags[i].flag;
			attrs &= ~attr_flags[i].attr;
		}
	if ((attrs & MOUNT_ATTR__ATIME) == MOUNT_ATTR_STRICTATIME)
		*flags |= MS_STRICTATIME;
	else if ((attrs & MOUNT_ATTR__ATIME) == MOUNT_ATTR_NOATIME)
		*flags |= MS_NOATIME;
	return !(attrs & ~(uint64_t) MOUNT_ATTR__ATIME);
}

/* Options of mount(2): flags, and the file system's own in one string. False: an option holds the separator. */
static bool split_options(char *const *data, struct hoy_buf *options, unsigned long *flags)
{
	bool plain = true;

	for (; data && *data; data++) {
		unsigned long flag = flag_of(*data);

		*flags |= flag;
		if (!flag)
			(void) hoy_buf_addf(options, "%s%s", options->len ? "," : "", *data);
		plain = plain && !strchr(*data, ',');
	}
	return plain;
}

bool hoy_mount_at_once(
	const char *type, const char *source, char *const *data, uint64_t attrs, int at, const char *name)
{
	auto_(hoy_buf_done) struct hoy_buf options = {};
	unsigned long flags = 0;

	if (!flags_of_attrs(attrs, &flags) || !split_options(data, &options, &flags) || options.failed)
		return false;
	return (at < 0 || fchdir(at) == 0) && mount(source, name, type, flags, options.data) == 0;
}

int hoy_mount_new_by_string(const char *type, const char *source, char *const *data, int target, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf options = {};
	char path[HOY_PROC_FD_MAX];
	unsigned long flags = 0;
	int r;

	(void) split_options(data, &options, &flags);
	r = hoy_buf_check(&options, "mount options", err);
	if (r < 0)
		return r;
	if (options.len >= (size_t) sysconf(_SC_PAGESIZE))
		return hoy_err_code(err, -E2BIG, "mount options of %zu bytes", options.len);
	hoy_path_proc_fd(target, path);
	if (mount(source ? source : type, path, type, flags, options.data) < 0)
		return hoy_err_sys(err, "mount '%s'", type);
	return 0;
}
