/* /dev/shm of a container whose IPC namespace another one joins: the same mount, in the other's mount namespace too. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "base/fd.h"
#include "base/path.h"
#include "supervisor/worker/files/files.h"

static int open_shm(int namespace, bool clone, struct hoy_err *err)
{
	auto_fd int root = -EBADF, fd = -EBADF;
	int tree;

	if (setns(namespace, CLONE_NEWNS) < 0)
		return hoy_err_sys(err, "enter a container's mount namespace");
	root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return hoy_err_sys(err, "open a container's root directory");
	fd = hoy_path_open_in_root(root, "/dev/shm", O_PATH | O_DIRECTORY, 0, err);
	if (fd < 0 || !clone)
		return fd < 0 ? fd : TAKE_FD(fd);
	tree = open_tree(fd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	return tree < 0 ? hoy_err_sys(err, "open /dev/shm of the container that shares it") : tree;
}

int hoy_files_share_shm(int donor, int namespace, struct hoy_err *err)
{
	struct mount_attr attr = { .propagation = MS_PRIVATE };
	auto_fd int tree = open_shm(donor, /* clone= */ true, err), target = -EBADF;

	if (tree < 0)
		return tree;
	target = open_shm(namespace, /* clone= */ false, err);
	if (target < 0)
		return target;
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0 ||
		move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return hoy_err_sys(err, "mount /dev/shm of another container");
	return 0;
}
