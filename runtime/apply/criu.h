/* Checkpoint and restore through hoyrun-criu. */
#ifndef HOY_RUNTIME_APPLY_CRIU_H
#define HOY_RUNTIME_APPLY_CRIU_H

#include <stdbool.h>

#include "base/err.h"
#include "runtime/apply/create.h"

/* What both command lines say. NULL and 0: not given. */
struct hoy_criu_options {
	const char *image_path; /* default: "checkpoint" */
	const char *work_path;  /* for logs; default: the images' */
	const char *parent_path;
	const char *page_server; /* ADDRESS:PORT */
	const char *cgroups_mode;
	const char *const *empty_ns; /* NULL-terminated names */
	const char *lsm_profile, *lsm_mount_context;
	int status_fd;
	bool leave_running, pre_dump;
	bool tcp_established, tcp_skip_in_flight, ext_unix_sk, shell_job, file_locks, link_remap, lazy_pages,
		auto_dedup;
};

/* Saves the processes of a running (or paused) container. Unless they were left running the container is gone then:
 * deleted, with its poststop hooks. */
int hoy_container_checkpoint(
	const char *root, struct hoy_state *state, const struct hoy_criu_options *options, struct hoy_err *err);

/* A container like hoy_container_create() makes, whose processes are those that were saved; they run. Its prestart,
 * createRuntime and poststart hooks have run. On failure nothing is left. */
int hoy_container_restore(const struct hoy_create_options *create, const struct hoy_criu_options *options,
	struct hoy_container *ret, struct hoy_err *err);

#endif
