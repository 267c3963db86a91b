/* One helper process on the loop that serves one request: started with a socket as its descriptor 3, listened to, ended
 * once. What the packets mean is its user's business (layer_run.h, fetch_run.h). */
#ifndef HOY_SUPERVISOR_IMAGE_WORKER_RUN_H
#define HOY_SUPERVISOR_IMAGE_WORKER_RUN_H

#include <stddef.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_worker_run;

struct hoy_worker_run_options {
	struct hoy_loop *loop;
	const char *name; /* "hoy-layer", a literal */
	const char *path; /* borrowed for the start */
	void *packet;     /* where packets are received; the user's, for as long as the run */
	size_t packet_size;

	/* Both are called from the loop. on_packet: > 0 for the last packet, whose sender has done its work; < 0 ends
	 * the process with that error. on_end is called once, when the process is gone; `err` NULL: it has done its
	 * work. */
	int (*on_packet)(size_t len, void *userdata, struct hoy_err *err);
	void (*on_end)(const struct hoy_err *err, void *userdata);
	void *userdata;
};

int hoy_worker_run_start(
	const struct hoy_worker_run_options *options, struct hoy_worker_run **ret, struct hoy_err *err);

/* Sends it a packet; the descriptors are borrowed. */
int hoy_worker_run_send(
	struct hoy_worker_run *run, const void *data, size_t len, const int *fds, size_t n_fds, struct hoy_err *err);

/* Ends the process: on_end will be called with -ECANCELED. */
void hoy_worker_run_cancel(struct hoy_worker_run *run);

/* Frees; a process that still runs is killed and waited for, and on_end is not called. Always NULL. */
struct hoy_worker_run *hoy_worker_run_free(struct hoy_worker_run *run);

#endif
