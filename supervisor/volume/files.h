/* One hoy-files process on the loop: a request, what it answers, its end. */
#ifndef HOY_VOLUME_FILES_H
#define HOY_VOLUME_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "supervisor/worker/files/protocol.h"

struct hoy_buf;
struct hoy_files_run;
struct hoy_loop;
struct hoy_volumes;

struct hoy_files_run_options {
	struct hoy_volumes *volumes;   /* tells the program and the loop */
	const struct hoy_buf *request; /* JSON, see protocol.h; borrowed for the start */
	const int *fds;                /* borrowed for the start */
	size_t n_fds;
	void (*on_stat)(const struct hoy_files_stat *stat, void *userdata); /* may be NULL */
	void (*on_size)(uint64_t bytes, void *userdata);                    /* may be NULL */
	/* Called once from the loop, when the process is gone; the run must be freed in it, or later. */
	void (*done)(const struct hoy_err *err, void *userdata);
	void *userdata;
};

int hoy_files_run_start(const struct hoy_files_run_options *options, struct hoy_files_run **ret, struct hoy_err *err);
/* `done` comes with -ECANCELED. */
void hoy_files_run_cancel(struct hoy_files_run *run);
/* Kills a process that still runs, without `done`. Always NULL. */
struct hoy_files_run *hoy_files_run_free(struct hoy_files_run *run);

/* The sizes of directories, in their order; UINT64_MAX: unknown. `done` owns nothing. */
typedef void (*hoy_files_sizes_done)(void *userdata, const struct hoy_err *err, const uint64_t *sizes, size_t n);
int hoy_files_sizes(
	struct hoy_volumes *volumes, char *const *dirs, hoy_files_sizes_done done, void *userdata, struct hoy_err *err);

#endif
