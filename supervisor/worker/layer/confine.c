/* Order: mounts while we may mount, then limits and capabilities, the system call filter last. */
#include "supervisor/worker/layer/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"

#define MEMORY_MAX                                                                                                     \
	((rlim_t) 2                                                                                                    \
		<< 30) /* of address space; a zstd window and the names of two million directories fit             \
			    */

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif

int hoy_layer_private_mounts(struct hoy_err *err)
{
	if (unshare(CLONE_NEWNS) < 0)
		return hoy_err_sys(err, "unshare the mount namespace");
	if (mount(/* source= */ NULL, "/", /* type= */ NULL, MS_REC | MS_PRIVATE, /* data= */ NULL) < 0)
		return hoy_err_sys(err, "make mounts private");
	return 0;
}

static int clone_read_only(int dir, const char *name, unsigned int flags, struct hoy_err *err)
{
	struct mount_attr attr = { .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
		.propagation = MS_PRIVATE };
	auto_fd int fd = open_tree(dir, name, flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (fd < 0)
		return hoy_err_sys(err, "open lower layer '%s'", name);
	if (mount_setattr(fd, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return hoy_err_sys(err, "make lower layer '%s' read-only", name);
	return TAKE_FD(fd);
}

/* Linux 6.5: one layer per call, no limit on the length of all together. -EINVAL: the kernel does not know it. */
static int overlay_by_fd(char *const *names, size_t n)
{
	auto_fd int fs = fsopen("overlay", FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
		return -errno;
	for (size_t i = 0; i < n; i++)
		if (fsconfig(fs, FSCONFIG_SET_STRING, "lowerdir+", names[i], 0) < 0)
			return -errno;
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	return fd < 0 ? -errno : fd;
}

/* Older kernels: one option string, over the working directory of our own mount namespace. */
static int overlay_by_string(char *const *names, size_t n, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf options = { 0 };
	auto_free char *cwd = getcwd(NULL, 0);
	int r;

	if (!cwd)
		return hoy_err_sys(err, "name the layers' directory");
	r = hoy_layer_private_mounts(err);
	if (r < 0)
		return r;
	if (chdir(cwd) < 0)
		return hoy_err_sys(err, "enter '%s'", cwd);
	(void) hoy_buf_adds(&options, "userxattr,lowerdir=");
	for (size_t i = 0; i < n; i++)
		(void) hoy_buf_addf(&options, "%s%s", i ? ":" : "", names[i]);
	r = hoy_buf_check(&options, "list of lower layers", err);
	if (r < 0)
		return r;
	if (mount("overlay", ".", "overlay", MS_RDONLY | MS_NOSUID | MS_NODEV, options.data) < 0)
		return hoy_err_sys(err, "mount an overlay of %zu lower layers", n);
	return clone_read_only(AT_FDCWD, cwd, 0, err);
}

int hoy_layer_mount_lowers(int dir, char *const *names, size_t n, struct hoy_err *err)
{
	int fd;

	if (n == 1)
		return clone_read_only(dir, names[0], 0, err);
	if (fchdir(dir) < 0)
		return hoy_err_sys(err, "enter the layers' directory");
	fd = overlay_by_fd(names, n);
	if (fd != -EINVAL)
		return fd < 0 ? hoy_err_code(err, fd, "mount an overlay of %zu lower layers", n) : fd;
	return overlay_by_string(names, n, err);
}

/* A clone of a shared mount is its peer, and nothing shared can become a root. */
int hoy_layer_detach(int target, bool read_only, struct hoy_err *err)
{
	struct mount_attr attr = { .attr_set = read_only ? MOUNT_ATTR_RDONLY : 0, .propagation = MS_PRIVATE };
	auto_fd int tree = open_tree(target, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

	if (tree < 0)
		return hoy_err_sys(err, "open the target as a mount");
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof attr) < 0)
		return hoy_err_sys(err, "make the target private");
	return TAKE_FD(tree);
}

/* On top of the old root, which then goes away. */
int hoy_layer_become_root(int tree, int *ret_root, struct hoy_err *err)
{
	if (move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return hoy_err_sys(err, "mount the target");
	if (fchdir(tree) < 0)
		return hoy_err_sys(err, "enter the target");
	if (syscall(SYS_pivot_root, ".", ".") < 0)
		return hoy_err_sys(err, "make the target the root");
	if (umount2(".", MNT_DETACH) < 0)
		return hoy_err_sys(err, "let the host's mounts go");
	if (chdir("/") < 0)
		return hoy_err_sys(err, "enter the new root");
	*ret_root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_root < 0 ? hoy_err_sys(err, "open the new root") : 0;
}

int hoy_layer_limit_resources(struct hoy_err *err)
{
	const struct rlimit none = { 0, 0 };

	if (setrlimit(RLIMIT_CORE, &none) < 0)
		return hoy_err_sys(err, "limit core files");
#ifndef SANITIZED
	const struct rlimit memory = { MEMORY_MAX, MEMORY_MAX };

	if (setrlimit(RLIMIT_AS, &memory) < 0)
		return hoy_err_sys(err, "limit memory");
#endif
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return hoy_err_sys(err, "forbid core files");
	return 0;
}

/* A worker that runs without some of these (tests, rootless) keeps what it has of them. */
static int drop_capabilities(struct hoy_err *err)
{
	static const cap_value_t wanted[] = { CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER, CAP_FSETID, CAP_MKNOD,
		CAP_SETFCAP };
	cap_t have = cap_get_proc(), keep = cap_init();
	int r = 0;

	if (!have || !keep)
		r = hoy_err_oom(err);
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(wanted); i++) {
		cap_flag_value_t value = CAP_CLEAR;

		if (cap_get_flag(have, wanted[i], CAP_PERMITTED, &value) < 0 ||
			cap_set_flag(keep, CAP_PERMITTED, 1, &wanted[i], value) < 0 ||
			cap_set_flag(keep, CAP_EFFECTIVE, 1, &wanted[i], value) < 0)
			r = hoy_err_sys(err, "choose capabilities");
	}
	if (r == 0 && cap_set_proc(keep) < 0)
		r = hoy_err_sys(err, "drop capabilities");
	(void) cap_free(have);
	(void) cap_free(keep);
	return r;
}

int hoy_layer_filter_calls(bool sockets, struct hoy_err *err)
{
	static const int allowed[] = { SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(readv), SCMP_SYS(writev),
		SCMP_SYS(pread64), SCMP_SYS(pwrite64), SCMP_SYS(lseek), SCMP_SYS(close), SCMP_SYS(fcntl),
		SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(sendfile), SCMP_SYS(sendmsg), SCMP_SYS(sendto),
		SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(mkdirat), SCMP_SYS(mknodat), SCMP_SYS(unlinkat),
		SCMP_SYS(linkat), SCMP_SYS(symlinkat), SCMP_SYS(renameat2), SCMP_SYS(readlinkat), SCMP_SYS(fchdir),
		SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(fstatfs), SCMP_SYS(getdents64),
		SCMP_SYS(fchown), SCMP_SYS(fchownat), SCMP_SYS(fchmod), SCMP_SYS(fchmodat), SCMP_SYS(utimensat),
		SCMP_SYS(fsetxattr), SCMP_SYS(lsetxattr), SCMP_SYS(fgetxattr), SCMP_SYS(flistxattr), SCMP_SYS(syncfs),
		SCMP_SYS(fsync), SCMP_SYS(umask), SCMP_SYS(mmap), SCMP_SYS(munmap), SCMP_SYS(mprotect),
		SCMP_SYS(mremap), SCMP_SYS(madvise), SCMP_SYS(brk), SCMP_SYS(futex), SCMP_SYS(clock_gettime),
		SCMP_SYS(getrandom), SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(tgkill), SCMP_SYS(rt_sigaction),
		SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall),
		SCMP_SYS(exit), SCMP_SYS(exit_group) };
	static const int of_sockets[] = { SCMP_SYS(recvfrom), SCMP_SYS(recvmsg), SCMP_SYS(accept4),
		SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(timerfd_settime),
		SCMP_SYS(close_range) };
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	int r = filter ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(allowed); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
	for (size_t i = 0; r == 0 && sockets && i < ARRAY_LEN(of_sockets); i++)
		r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, of_sockets[i], 0);
	if (r == 0)
		r = seccomp_load(filter);
	seccomp_release(filter);
	return r < 0 ? hoy_err_code(err, r, "filter system calls") : 0;
}

int hoy_layer_restrict(struct hoy_err *err)
{
	int r = hoy_layer_limit_resources(err);

	if (r == 0)
		r = drop_capabilities(err);
	return r < 0 ? r : hoy_layer_filter_calls(/* sockets= */ false, err);
}

int hoy_layer_confine(int tree, int *ret_root, struct hoy_err *err)
{
	int r = hoy_layer_private_mounts(err);

	if (r == 0)
		r = hoy_layer_become_root(tree, ret_root, err);
	return r < 0 ? r : hoy_layer_restrict(err);
}
