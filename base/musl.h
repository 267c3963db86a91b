/*
 * What musl lacks of Linux, and what it does otherwise, for the programs that are linked statically with it. The compiler
 * includes this before anything else, as it does config.h (MUSL_CPPFLAGS); with glibc it is not used. Names and meanings are
 * those of glibc's headers and of the manual's section 2. Texts of errors: musl.c.
 */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/mount.h>
#include <linux/stat.h>

#ifdef __GLIBC__
#error only for musl
#endif
#ifdef __clang__
#pragma clang diagnostic ignored "-Wsign-compare" /* in CMSG_NXTHDR, a macro of musl's */
#endif

#define TEMP_FAILURE_RETRY(expression)                                                                                 \
	(__extension__({                                                                                               \
		long hoy_result_;                                                                                      \
		do                                                                                                     \
			hoy_result_ = (long) (expression);                                                             \
		while (hoy_result_ == -1 && errno == EINTR);                                                           \
		hoy_result_;                                                                                           \
	}))

/* What the kernel takes, and cpu_set_t has room for. */
#undef SOMAXCONN
#define SOMAXCONN 4096
#undef CPU_SETSIZE
#define CPU_SETSIZE 1024

/* <linux/prctl.h> and <sys/prctl.h> exclude each other there. */
#define PR_SCHED_CORE 62
#define PR_SCHED_CORE_CREATE 1
#define PR_SCHED_CORE_SCOPE_THREAD_GROUP 1

static inline int open_tree(int dirfd, const char *path, unsigned int flags)
{
	return (int) syscall(SYS_open_tree, dirfd, path, flags);
}

static inline int move_mount(int from_dirfd, const char *from, int to_dirfd, const char *to, unsigned int flags)
{
	return (int) syscall(SYS_move_mount, from_dirfd, from, to_dirfd, to, flags);
}

static inline int fsopen(const char *type, unsigned int flags)
{
	return (int) syscall(SYS_fsopen, type, flags);
}

static inline int fsconfig(int fd, unsigned int command, const char *key, const void *value, int aux)
{
	return (int) syscall(SYS_fsconfig, fd, command, key, value, aux);
}

static inline int fsmount(int fd, unsigned int flags, unsigned int attributes)
{
	return (int) syscall(SYS_fsmount, fd, flags, attributes);
}

static inline int mount_setattr(int dirfd, const char *path, unsigned int flags, struct mount_attr *attr, size_t size)
{
	return (int) syscall(SYS_mount_setattr, dirfd, path, flags, attr, size);
}

static inline int statx(int dirfd, const char *restrict path, int flags, unsigned int mask, struct statx *restrict buf)
{
	return (int) syscall(SYS_statx, dirfd, path, flags, mask, buf);
}

/* musl leaves out 32 to 34, which it takes for itself where there are threads. There are none here, and 34 is SIGRTMIN to
 * everybody else. */
static inline int hoy_sigfillset(sigset_t *set)
{
	memset(set, 0xff, sizeof *set);
	return 0;
}
#define sigfillset hoy_sigfillset

/* For the calling thread, and there is no other: musl's stop all threads first, which is three more calls even then. */
static inline int hoy_setgroups(size_t n, const gid_t *groups)
{
	return (int) syscall(SYS_setgroups, n, groups);
}
#define setgroups hoy_setgroups

static inline int hoy_setresgid(gid_t real, gid_t effective, gid_t saved)
{
	return (int) syscall(SYS_setresgid, real, effective, saved);
}
#define setresgid hoy_setresgid

static inline int hoy_setresuid(uid_t real, uid_t effective, uid_t saved)
{
	return (int) syscall(SYS_setresuid, real, effective, saved);
}
#define setresuid hoy_setresuid

/*
 * What _FORTIFY_SOURCE does with glibc: the compiler checks where it knows the size of the target, and has the rest checked at
 * run time by the functions of musl.c, which end the program.
 */
#ifdef _FORTIFY_SOURCE
#define HOY_FORTIFIED extern inline __attribute__((gnu_inline, always_inline, artificial))

HOY_FORTIFIED void *memcpy(void *restrict to, const void *restrict from, size_t n)
{
	return __builtin___memcpy_chk(to, from, n, __builtin_object_size(to, 0));
}

HOY_FORTIFIED void *memmove(void *to, const void *from, size_t n)
{
	return __builtin___memmove_chk(to, from, n, __builtin_object_size(to, 0));
}

HOY_FORTIFIED void *memset(void *to, int c, size_t n)
{
	return __builtin___memset_chk(to, c, n, __builtin_object_size(to, 0));
}
#endif
