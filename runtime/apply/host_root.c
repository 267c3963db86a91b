/* The root of a container without a mount namespace: mounted where all see it, taken away when it is deleted. */
#include "runtime/apply/host_root.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "runtime/state/state.h"

#ifndef STATX_MNT_ID
#define STATX_MNT_ID 0x00001000U
#endif

/* 0: not to be found out. */
static uint64_t mount_of(const char *path)
{
	struct statx sx;

	return statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, STATX_MNT_ID, &sx) == 0 ? sx.stx_mnt_id : 0;
}

int hoy_host_root_note(struct hoy_state *state, struct hoy_err *err)
{
	state->host_mount = mount_of(state->rootfs);
	return state->host_mount ? 0 : hoy_err_sys(err, "find the mount of rootfs '%s'", state->rootfs);
}

void hoy_host_root_unmount(const struct hoy_state *state)
{
	uint64_t now = state->host_mount ? mount_of(state->rootfs) : 0;

	if (now && now != state->host_mount && umount2(state->rootfs, MNT_DETACH | UMOUNT_NOFOLLOW) < 0)
		hoy_log_warn("unmount rootfs '%s': %m, ignoring", state->rootfs);
}

int hoy_host_root_open(const struct hoy_state *state, struct hoy_err *err)
{
	char path[sizeof "/proc/2147483647/root"];
	auto_fd int root = -EBADF, still_there = -EBADF;

	(void) snprintf(path, sizeof path, "/proc/%d/root", (int) state->pid);
	root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return hoy_err_sys(err, "open '%s'", path);
	/* Only now it is proven that the number was the container's. */
	still_there = hoy_state_pidfd(state);
	return still_there < 0 ? hoy_err_code(err, still_there, "the container's process") : TAKE_FD(root);
}
