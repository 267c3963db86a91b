/* Writes /proc/PID/{uid_map,gid_map,setgroups}. */
#include "runtime/apply/idmap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/str.h"
#include "libocispec/runtime.h"

#define PROC_PATH_MAX 64
#define OUTPUT_MAX ((size_t) 4096)

static int write_file(pid_t pid, const char *file, const char *text, struct hoy_err *err)
{
	char path[PROC_PATH_MAX];

	(void) snprintf(path, sizeof path, "/proc/%d/%s", (int) pid, file);
	return hoy_file_set(AT_FDCWD, path, text, err);
}

/* newuidmap PID CONTAINER HOST SIZE ... */
static int map_by_program(
	pid_t pid, const char *program, const struct hoy_oci_id_mapping *map, size_t n, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = calloc(1, sizeof *argv);
	auto_free char *output = NULL;
	struct hoy_spawn spawn = { .path = program };
	int r = argv ? 0 : -ENOMEM, status;

	if (r == 0)
		r = hoy_strv_add(&argv, program);
	if (r == 0)
		r = hoy_strv_addf(&argv, "%d", (int) pid);
	for (size_t i = 0; r == 0 && i < n; i++) {
		const unsigned int ids[] = { map[i].container_id, map[i].host_id, map[i].size };

		for (size_t j = 0; r == 0 && j < ARRAY_LEN(ids); j++)
			r = hoy_strv_addf(&argv, "%u", ids[j]);
	}
	if (r < 0)
		return hoy_err_oom(err);
	spawn.argv = argv;
	r = hoy_process_run(&spawn, OUTPUT_MAX, &output, &status, err);
	if (r < 0)
		return hoy_err_wrap(err, "map more than one's own id");
	if (status) {
		output[strcspn(output, "\n")] = '\0';
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPERM,
			"%s (a user may map itself and what /etc/sub%cid grants)", output[0] ? output : program,
			program[3]);
	}
	return 0;
}

static int write_map(pid_t pid, const char *file, const char *program, const struct hoy_oci_id_mapping *map, size_t n,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	for (size_t i = 0; i < n; i++)
		(void) hoy_buf_addf(&text, "%u %u %u\n", map[i].container_id, map[i].host_id, map[i].size);
	r = hoy_buf_check(&text, file, err);
	if (r < 0)
		return r;
	r = write_file(pid, file, text.data ? text.data : "", err);
	if (r != -EPERM)
		return r;
	return geteuid() != 0
		       ? map_by_program(pid, program, map, n, err)
		       : hoy_err_wrap(err,
				 "without all rights over the host's ids (CAP_SETUID, CAP_SETGID; CAP_SETFCAP for 0)");
}

int hoy_idmap_write(pid_t pid, const struct hoy_idmap *map, struct hoy_err *err)
{
	int r = 0;

	/* An unprivileged process may map only itself, and must give up setgroups for it. newgidmap does not need
	 * that. */
	if (geteuid() != 0 && map->n_gid == 1 && map->gid->size == 1)
		r = write_file(pid, "setgroups", "deny", err);
	if (r == 0)
		r = write_map(pid, "uid_map", "newuidmap", map->uid, map->n_uid, err);
	if (r == 0)
		r = write_map(pid, "gid_map", "newgidmap", map->gid, map->n_gid, err);
	return r;
}

int hoy_idmap_namespace(const struct hoy_idmap *map, struct hoy_err *err)
{
	auto_fd int ns = -EBADF, pidfd = -EBADF;
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_PIDFD,
		.pidfd = (uint64_t) (uintptr_t) &pidfd,
		.exit_signal = SIGCHLD,
	};
	char path[PROC_PATH_MAX];
	siginfo_t si;
	pid_t pid;
	int r;

	pid = (pid_t) syscall(SYS_clone3, &args, sizeof args);
	if (pid < 0)
		return hoy_err_sys(err, "make a user namespace");
	if (pid == 0)
		for (;;)
			(void) pause();
	r = hoy_idmap_write(pid, map, err);
	if (r == 0) {
		(void) snprintf(path, sizeof path, "/proc/%d/ns/user", (int) pid);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		r = ns < 0 ? hoy_err_sys(err, "open '%s'", path) : 0;
	}
	(void) kill(pid, SIGKILL);
	(void) hoy_process_wait(pid, &si, NULL);
	return r < 0 ? r : TAKE_FD(ns);
}
