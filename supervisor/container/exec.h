/*
 * Execs: further processes in a running container. One is made from the body of POST /containers/{id}/exec, then
 * started once. Its process and its streams belong to the container's shim, and a file in the bundle tells the next
 * hoyd of it: it survives hoyd. What has ended is remembered for five minutes, or until the container is removed.
 *
 * Errors: HOY_ERR_NOT_FOUND "No such exec instance: x", HOY_ERR_CONFLICT when the container does not run, is paused, or
 * the exec has run already; HOY_ERR_INVALID also a command that can't be executed.
 */
#ifndef HOY_CONTAINER_EXEC_H
#define HOY_CONTAINER_EXEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "supervisor/container/container.h"

struct hoy_exec_config {
	bool attach_stdin, attach_stdout, attach_stderr, tty, privileged;
	char *user; /* "": the container's */
	char *working_dir;
	char *detach_keys;
	char **env; /* on top of the container's */
	char **cmd;
	uint32_t *console_size; /* height, width */
	size_t n_console_size;
};

/* Valid until the loop turns. */
struct hoy_exec_info {
	char id[65];
	const char *container_id;
	const struct hoy_exec_config *config;
	bool running;
	bool has_ended;
	int exit_code;
	pid_t pid;       /* 0: not started */
	bool can_remove; /* it was looked at after its end */
};

/* `body` is the JSON of the request. *ret_id is the caller's to free. */
int hoy_exec_create(struct hoy_containers *containers, const char *ref, const char *body, size_t len, char **ret_id,
	struct hoy_err *err);
int hoy_exec_find(
	struct hoy_containers *containers, const char *id, const struct hoy_exec_info **ret, struct hoy_err *err);

/* IDs of the execs of a container that are remembered, for inspect; NULL: none. Strings are borrowed: free() it. */
const char **hoy_execs_of(struct hoy_containers *containers, const char *container_id);

/* Can it be started now? */
int hoy_exec_check(struct hoy_containers *containers, const char *id, struct hoy_err *err);

struct hoy_exec_start {
	int fd;      /* the client's stream, or -EBADF: detached. Taken over, also on failure */
	bool framed; /* output in frames that name the stream */
	const void *leftover;
	size_t leftover_len;
};
/* `done` is called when the process runs, or could not be started (then a client's stream has been told the reason). */
int hoy_exec_start(struct hoy_containers *containers, const char *id, const struct hoy_exec_start *how,
	hoy_container_done done, void *userdata, struct hoy_err *err);

/* Before the start the size is kept for it. */
int hoy_exec_resize(struct hoy_containers *containers, const char *id, unsigned int height, unsigned int width,
	struct hoy_err *err);

/* Calls `done` when the room knows all that its shim knew at the time of the call: a client whose stream has ended asks
 * for the exit code, which may be on its way still. */
int hoy_exec_refresh(struct hoy_containers *containers, const char *id, hoy_container_done done, void *userdata,
	struct hoy_err *err);

#endif
