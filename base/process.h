/*
 * Starting a helper process: program, arguments, environment, descriptors, working directory; the child is a pid with
 * a pidfd. Built on a vfork-like clone: the parent does not copy its memory.
 */
#ifndef HOY_BASE_PROCESS_H
#define HOY_BASE_PROCESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_spawn {
	const char *path;   /* absolute, or looked up in PATH when it has no slash */
	char *const *argv;  /* argv[0] included */
	char *const *envp;  /* NULL: our environment */
	const char *cwd;    /* NULL: ours */
	const int *fds;     /* fds[i] becomes descriptor i in the child; -1 is /dev/null; everything else closes */
	size_t n_fds;       /* fewer than 3: the missing ones of 0, 1, 2 are /dev/null */
	bool new_session;   /* setsid() */
	bool new_group;     /* setpgid(0, 0) */
	int death_signal;   /* PR_SET_PDEATHSIG, 0: none */
	int cgroup_fd;      /* CLONE_INTO_CGROUP when > 0 */
	uint64_t max_files; /* soft RLIMIT_NOFILE, 0: ours */
};

/* Starts it. On success *ret_pid is the child and *ret_pidfd (may be NULL) a pidfd of the caller. The error of a failed
 * execve is returned here ("exec 'x': No such file or directory"). Signal mask and dispositions are reset. */
int hoy_process_spawn(const struct hoy_spawn *spawn, pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err);

/* Waits for `pid` through EINTR; fills *ret_si. 0 or -errno. */
int hoy_process_wait(pid_t pid, siginfo_t *ret_si, struct hoy_err *err);

/* Spawns, feeds nothing, collects at most `cap` bytes of stdout and stderr (of stdout, when `fds` has a third one),
 * waits. *ret_status is a shell-like status. */
int hoy_process_run(const struct hoy_spawn *spawn, size_t cap, char **ret_output, int *ret_status, struct hoy_err *err);

/* Exit code, or 128 + signal. */
int hoy_process_status(const siginfo_t *si);

int hoy_pidfd_open(pid_t pid);            /* fd or -errno */
int hoy_pidfd_signal(int pidfd, int sig); /* 0 or -errno */

/* A number that no other process has until the next boot, and the process by it: one call, where a pid must be opened
 * and then proven (Linux 6.14; -EOPNOTSUPP before). `any` is a pidfd of whatever process. A process that has ended is
 * found until it is forgotten: poll() tells. -ESTALE: there is none. */
int hoy_pidfd_handle(int pidfd, uint64_t *ret);
int hoy_pidfd_open_handle(int any, uint64_t handle);

#endif
