/*
 * The one caller of mount(2): fsconfig() takes at most 255 bytes per value, and a file system that has no other way to
 * split a long one (overlay before Linux 6.5 and its list of layers) gets its options as one string, at most a page.
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

int hoy_mount_new_by_string(const char *type, const char *source, char *const *data, int target, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf options = {};
	char path[HOY_PROC_FD_MAX];
	unsigned long flags = 0;
	int r;

	for (; data && *data; data++) {
		unsigned long flag = flag_of(*data);

		flags |= flag;
		if (!flag)
			(void) hoy_buf_addf(&options, "%s%s", options.len ? "," : "", *data);
	}
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
