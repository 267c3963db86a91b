/*
 * The caller's end of one shim: starting it, its Task service, its attach socket. Knows the container by ID and bundle
 * only; what a container does with an answer is start.c's and exit.c's.
 *
 * Every `done` is called at most once and never after hoy_shim_free(). A lost connection answers all pending calls with
 * an error, then calls `lost`.
 */
#ifndef HOY_CONTAINER_SHIM_H
#define HOY_CONTAINER_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_shim;

struct hoy_shim_options {
	struct hoy_loop *loop;
	const char *id;
	const char *bundle;
	const char *program;      /* of the shim */
	const char *runtime;      /* BinaryName for the shim */
	const char *runtime_root; /* the shim puts its namespace ("hoy") behind it */
	const char *socket_dir;
	const char *address; /* of hoyd */
	bool debug;
	int cgroup_fd;      /* where the program is born; 0: with us */
	uint64_t max_files; /* its soft RLIMIT_NOFILE; 0: ours */
	void (*lost)(void *userdata);
	void *userdata; /* of `lost` and of the callbacks that get none of their own */
};
/* Strings are borrowed and outlive the shim object. */
int hoy_shim_new(const struct hoy_shim_options *options, struct hoy_shim **ret, struct hoy_err *err);
void hoy_shim_free(struct hoy_shim *shim); /* drops the connection; the shim itself lives on */
HOY_DEFINE_AUTO_PTR(struct hoy_shim, hoy_shim_free);
/* `done` of what was asked with this `userdata` and is not answered yet will not be called. NULL is fine. */
void hoy_shim_forget(struct hoy_shim *shim, const void *userdata);

typedef void (*hoy_shim_done)(void *userdata, const struct hoy_err *err);

/* Starts the program and connects to it. */
int hoy_shim_spawn(struct hoy_shim *shim, hoy_shim_done done, struct hoy_err *err);
/* Connects to the shim that serves the bundle. -ENOENT, -ECONNREFUSED: there is none. */
int hoy_shim_connect(struct hoy_shim *shim, struct hoy_err *err);
bool hoy_shim_is_connected(const struct hoy_shim *shim);

/* A shim of an older version lives as long as its container. It is asked at each connection what it can do
 * (hoy.shim.v1 Hello; the names are its features); -EOPNOTSUPP: it can't do this one, "can't `what`" is in the error.
 * As long as it has not answered it can all. */
int hoy_shim_require(const struct hoy_shim *shim, const char *feature, const char *what, struct hoy_err *err);

struct hoy_shim_create {
	bool terminal;
	const char *stdin_;
	const char *stdout_;
	const char *stderr_;
	const char *checkpoint; /* images that Start restores it from: there is no pid before; NULL: it is new */
};
typedef void (*hoy_shim_pid)(void *userdata, const struct hoy_err *err, pid_t pid);
int hoy_shim_create(
	struct hoy_shim *shim, const struct hoy_shim_create *create, hoy_shim_pid done, struct hoy_err *err);

/*
 * The calls below mean the container's first process when `exec_id` is NULL, else an exec; `userdata` is of the one
 * callback. `done` may be NULL for kill, resize, delete and shutdown.
 */
int hoy_shim_start(struct hoy_shim *shim, const char *exec_id, hoy_shim_pid done, void *userdata, struct hoy_err *err);

typedef void (*hoy_shim_exit)(
	void *userdata, const struct hoy_err *err, unsigned int status, const struct timespec *when);
int hoy_shim_wait(struct hoy_shim *shim, const char *exec_id, hoy_shim_exit done, void *userdata, struct hoy_err *err);

enum hoy_shim_status { HOY_SHIM_UNKNOWN, HOY_SHIM_CREATED, HOY_SHIM_RUNNING, HOY_SHIM_PAUSED, HOY_SHIM_STOPPED };
typedef void (*hoy_shim_state)(void *userdata, const struct hoy_err *err, enum hoy_shim_status status, pid_t pid);
int hoy_shim_get_state(
	struct hoy_shim *shim, const char *exec_id, hoy_shim_state done, void *userdata, struct hoy_err *err);

int hoy_shim_kill(
	struct hoy_shim *shim, const char *exec_id, int sig, hoy_shim_done done, void *userdata, struct hoy_err *err);
int hoy_shim_resize(struct hoy_shim *shim, const char *exec_id, unsigned int height, unsigned int width,
	hoy_shim_done done, void *userdata, struct hoy_err *err);
int hoy_shim_delete(
	struct hoy_shim *shim, const char *exec_id, hoy_shim_done done, void *userdata, struct hoy_err *err);

/* One more process of the container; it begins with hoy_shim_start(). */
struct hoy_shim_exec {
	const char *id;
	struct hoy_shim_create io;
	const char *process; /* JSON text, config.json's "process" */
};
int hoy_shim_exec(struct hoy_shim *shim, const struct hoy_shim_exec *exec, hoy_shim_done done, void *userdata,
	struct hoy_err *err);

int hoy_shim_pause(struct hoy_shim *shim, hoy_shim_done done, void *userdata, struct hoy_err *err);
int hoy_shim_resume(struct hoy_shim *shim, hoy_shim_done done, void *userdata, struct hoy_err *err);
/* `resources`: JSON text, config.json's "linux.resources". */
int hoy_shim_update(
	struct hoy_shim *shim, const char *resources, hoy_shim_done done, void *userdata, struct hoy_err *err);

/* Saves its processes as files in the directory `path`; `exit`: they end with it. */
int hoy_shim_checkpoint(
	struct hoy_shim *shim, const char *path, bool exit, hoy_shim_done done, void *userdata, struct hoy_err *err);

int hoy_shim_shutdown(struct hoy_shim *shim, hoy_shim_done done, struct hoy_err *err);

/* What the exit.json at `path` says. -ENOENT: the container did not end, or its shim was killed before it could tell.
 */
struct hoy_shim_exit_record {
	int status;
	struct timespec when;
	bool oom_killed;
};
int hoy_shim_exit_read(const char *path, struct hoy_shim_exit_record *ret, struct hoy_err *err);

#endif
