/* One hoy-layer process on the loop: started with a request, told of as it goes, ended once. */
#ifndef HOY_SUPERVISOR_IMAGE_LAYER_RUN_H
#define HOY_SUPERVISOR_IMAGE_LAYER_RUN_H

#include <stddef.h>

#include "base/err.h"
#include "supervisor/worker/layer/protocol.h"

struct hoy_layer_run;
struct hoy_loop;

struct hoy_layer_run_options {
	struct hoy_loop *loop;
	const char *helper; /* path of hoy-layer */
	struct hoy_layer_request request;
	int fds[4]; /* borrowed: the worker gets duplicates */
	size_t n_fds;
	char *const *lowers; /* with HOY_LAYER_LOWERS: names, top first */

	/* All are called from the loop; on_entry and on_progress may be NULL. on_entry returning < 0 ends the worker
	 * with that error. on_done is called once, when the process is gone; `err` NULL: `reply` is its DONE. */
	int (*on_entry)(const struct hoy_layer_reply *entry, void *userdata, struct hoy_err *err);
	void (*on_progress)(uint64_t read, void *userdata);
	void (*on_done)(const struct hoy_err *err, const struct hoy_layer_reply *reply, void *userdata);
	void *userdata;
};

int hoy_layer_run_start(const struct hoy_layer_run_options *options, struct hoy_layer_run **ret, struct hoy_err *err);

/* Ends the process: on_done will be called with -ECANCELED. */
void hoy_layer_run_cancel(struct hoy_layer_run *run);

/* Frees; a process that still runs is killed and waited for, and on_done is not called. Always NULL. */
struct hoy_layer_run *hoy_layer_run_free(struct hoy_layer_run *run);

#endif
