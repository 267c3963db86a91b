#include "supervisor/worker/git/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define NOBODY 65534

static int open_home(int target, struct hoy_err *err)
{
	auto_fd int fs = -EBADF;
	int tree;

	if (target >= 0) {
		if (fchown(target, NOBODY, NOBODY) < 0)
			return hoy_err_sys(err, "give the directory away");
		tree = open_tree(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
		return tree < 0 ? hoy_err_sys(err, "open the directory as a mount") : tree;
	}
	fs = fsopen("tmpfs", FSOPEN_CLOEXEC);
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", "16m", 0) < 0 ||
		fsconfig(fs, FSCONFIG_SET_STRING, "mode", "1777", 0) < 0 ||
		fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return hoy_err_sys(err, "make a file system in memory");
	tree = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return tree < 0 ? hoy_err_sys(err, "make a file system in memory") : tree;
}

static int arrange_mounts(int target, struct hoy_err *err)
{
	struct mount_attr all = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID },
			  own = { .attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC,
				  .propagation = MS_PRIVATE };
	auto_fd int tree = open_home(target, err);

	if (tree < 0)
		return tree;
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC) < 0)
		return hoy_err_sys(err, "unshare namespaces");
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return hoy_err_sys(err, "make mounts private");
	if (mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &all, sizeof all) < 0)
		return hoy_err_sys(err, "make the host's files read-only");
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &own, sizeof own) < 0 ||
		move_mount(tree, "", AT_FDCWD, HOY_GIT_HOME, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return hoy_err_sys(err, "mount the directory on " HOY_GIT_HOME);
	return 0;
}

/* The end of the keeper is that of all: the first process of a PID namespace takes the others along. */
static int become_first(struct hoy_err *err)
{
	pid_t child = fork();
	int status = 0;

	if (child < 0)
		return hoy_err_sys(err, "start a process");
	if (child == 0)
		return 0;
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE);
}

static int become_nobody(struct hoy_err *err)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return hoy_err_sys(err, "forbid core files");
	if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		return hoy_err_sys(err, "become an unprivileged user");
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return hoy_err_sys(err, "give up privileges");
	return 0;
}

/* git is many programs: the filter names what none of them needs. */
static int filter_calls(struct hoy_err *err)
{
	static const int forbidden[] = { SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
		SCMP_SYS(pidfd_getfd), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(open_tree), SCMP_SYS(move_mount),
		SCMP_SYS(fsopen), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
		SCMP_SYS(setns), SCMP_SYS(unshare), SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd),
		SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(io_uring_setup),
		SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(kexec_load), SCMP_SYS(mknod),
		SCMP_SYS(mknodat) };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(forbidden); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), forbidden[i], 0);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? hoy_err_code(err, r, "filter system calls") : 0;
}

int hoy_git_confine(int target, struct hoy_err *err)
{
	int r = arrange_mounts(target, err);

	if (r == 0)
		r = become_first(err);
	if (r == 0)
		r = become_nobody(err);
	if (r == 0 && chdir(HOY_GIT_HOME) < 0)
		r = hoy_err_sys(err, "enter " HOY_GIT_HOME);
	return r < 0 ? r : filter_calls(err);
}
