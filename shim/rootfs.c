/*
 * mount(2) for containerd: type, source and fstab options. Overlays with many layers can exceed the page that the
 * kernel takes as options; their layers are then named relative to the directory they share.
 */
#include "shim/rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define MAX_DATA 4095 /* a page with its NUL */
#define MAX_STACKED 128

static const struct {
	const char *name;
	unsigned long set, clear;
} options_table[] = {
	{ "async", 0, MS_SYNCHRONOUS },
	{ "atime", 0, MS_NOATIME },
	{ "bind", MS_BIND, 0 },
	{ "defaults", 0, 0 },
	{ "dev", 0, MS_NODEV },
	{ "diratime", 0, MS_NODIRATIME },
	{ "dirsync", MS_DIRSYNC, 0 },
	{ "exec", 0, MS_NOEXEC },
	{ "mand", MS_MANDLOCK, 0 },
	{ "noatime", MS_NOATIME, 0 },
	{ "nodev", MS_NODEV, 0 },
	{ "nodiratime", MS_NODIRATIME, 0 },
	{ "noexec", MS_NOEXEC, 0 },
	{ "nomand", 0, MS_MANDLOCK },
	{ "norelatime", 0, MS_RELATIME },
	{ "nostrictatime", 0, MS_STRICTATIME },
	{ "nosuid", MS_NOSUID, 0 },
	{ "rbind", MS_BIND | MS_REC, 0 },
	{ "relatime", MS_RELATIME, 0 },
	{ "remount", MS_REMOUNT, 0 },
	{ "ro", MS_RDONLY, 0 },
	{ "rw", 0, MS_RDONLY },
	{ "strictatime", MS_STRICTATIME, 0 },
	{ "suid", 0, MS_NOSUID },
	{ "sync", MS_SYNCHRONOUS, 0 },
};

struct parsed {
	unsigned long flags;
	struct hoy_buf data;
	const char *lowerdir; /* borrowed; NULL: none */
};

static bool set_flag(struct parsed *parsed, const char *option)
{
	for (size_t i = 0; i < ARRAY_LEN(options_table); i++)
		if (strcmp(options_table[i].name, option) == 0) {
			parsed->flags = (parsed->flags | options_table[i].set) & ~options_table[i].clear;
			return true;
		}
	return false;
}

static void parse_options(const Hoy__Pb__Mount *mount, struct parsed *parsed)
{
	for (size_t i = 0; i < mount->n_options; i++) {
		const char *option = mount->options[i];

		if (set_flag(parsed, option))
			continue;
		if (hoy_str_starts(option, "lowerdir="))
			parsed->lowerdir = option + strlen("lowerdir=");
		if (parsed->data.len)
			(void) hoy_buf_addc(&parsed->data, ',');
		(void) hoy_buf_adds(&parsed->data, option);
	}
}

/* Length of the directory (with its last slash) that all layers share. */
static size_t common_dir(const char *lowerdir)
{
	size_t common = strcspn(lowerdir, ":");

	for (const char *layer = lowerdir; *layer;) {
		size_t len = strcspn(layer, ":"), same = 0;

		while (same < common && same < len && layer[same] == lowerdir[same])
			same++;
		common = same;
		layer += len + (layer[len] == ':');
	}
	while (common && lowerdir[common - 1] != '/')
		common--;
	return common;
}

static void add_relative(struct hoy_buf *out, const char *lowerdir, size_t common)
{
	for (const char *layer = lowerdir; *layer;) {
		size_t len = strcspn(layer, ":");

		(void) hoy_buf_add(out, layer + common, len - common);
		layer += len;
		if (*layer == ':') {
			(void) hoy_buf_addc(out, ':');
			layer++;
		}
	}
}

/* The same overlay with short names; the working directory changes for the one call. */
static int mount_relative(
	const Hoy__Pb__Mount *mount_, const struct parsed *parsed, const char *target, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf data = {};
	size_t common = common_dir(parsed->lowerdir);
	auto_free char *dir = strndup(parsed->lowerdir, common);
	auto_fd int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	(void) hoy_buf_adds(&data, "lowerdir=");
	add_relative(&data, parsed->lowerdir, common);
	for (size_t i = 0; i < mount_->n_options; i++) {
		struct parsed ignored = { 0 };

		if (set_flag(&ignored, mount_->options[i]) || hoy_str_starts(mount_->options[i], "lowerdir="))
			continue;
		(void) hoy_buf_addc(&data, ',');
		(void) hoy_buf_adds(&data, mount_->options[i]);
	}
	if (!dir || hoy_buf_check(&data, "mount options", NULL) < 0)
		return hoy_err_oom(err);
	if (!common || data.len > MAX_DATA)
		return hoy_err_unsupported(err, "mount rootfs: %zu bytes of overlay options", data.len);
	if (here < 0 || chdir(dir) < 0)
		return hoy_err_sys(err, "change to '%s'", dir);
	if (mount(mount_->source, target, mount_->type, parsed->flags, data.data) < 0)
		r = hoy_err_sys(err, "mount rootfs '%s'", target);
	if (fchdir(here) < 0 && r >= 0)
		r = hoy_err_sys(err, "change back from '%s'", dir);
	return r;
}

static int mount_one(const Hoy__Pb__Mount *mount_, const char *target, struct hoy_err *err)
{
	struct parsed parsed = { 0 };
	const char *data;
	int r = 0;

	parse_options(mount_, &parsed);
	data = parsed.data.len ? parsed.data.data : NULL;
	if (parsed.data.len > MAX_DATA && parsed.lowerdir)
		r = mount_relative(mount_, &parsed, target, err);
	else if (mount(mount_->source, target, mount_->type, parsed.flags, data) < 0)
		r = hoy_err_sys(err, "mount rootfs '%s' of type '%s'", target, mount_->type);
	/* A bind takes no other flags at first: they need a second call. */
	if (r >= 0 && (parsed.flags & MS_BIND) && (parsed.flags & ~(unsigned long) (MS_BIND | MS_REC)) &&
		mount(NULL, target, NULL, parsed.flags | MS_REMOUNT, NULL) < 0)
		r = hoy_err_sys(err, "remount rootfs '%s'", target);
	hoy_buf_done(&parsed.data);
	return r;
}

int hoy_rootfs_mount(Hoy__Pb__Mount *const *mounts, size_t n, const char *bundle, struct hoy_err *err)
{
	auto_free char *rootfs = hoy_path_join(bundle, "rootfs");

	if (!rootfs)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		auto_free char *target = *mounts[i]->target ? hoy_str_printf("%s/%s", rootfs, mounts[i]->target)
							    : strdup(rootfs);
		int r = target ? mount_one(mounts[i], target, err) : hoy_err_oom(err);

		if (r < 0) {
			(void) hoy_rootfs_unmount(bundle, /* err= */ NULL);
			return r;
		}
	}
	return 0;
}

int hoy_rootfs_unmount(const char *bundle, struct hoy_err *err)
{
	auto_free char *rootfs = hoy_path_join(bundle, "rootfs");

	if (!rootfs)
		return hoy_err_oom(err);
	/* Several may lie on top of each other; a detached one takes along what is mounted below it. */
	for (int i = 0; i < MAX_STACKED; i++) {
		if (umount2(rootfs, UMOUNT_NOFOLLOW) == 0)
			continue;
		if (errno == EINVAL || errno == ENOENT)
			return 0;
		if (errno != EBUSY || umount2(rootfs, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)
			return hoy_err_sys(err, "unmount '%s'", rootfs);
	}
	return 0;
}
