/* One hoy-fetch process on the loop: a request, answers to what it wants, progress, one end. */
#ifndef HOY_SUPERVISOR_IMAGE_FETCH_RUN_H
#define HOY_SUPERVISOR_IMAGE_FETCH_RUN_H

#include "base/err.h"
#include "supervisor/worker/fetch/protocol.h"

struct hoy_fetch_run;
struct hoy_loop;

struct hoy_fetch_run_options {
	struct hoy_loop *loop;
	const char *helper; /* path of hoy-fetch */
	/* All are called from the loop. on_want fills in the answer (which is HAVE), with GIVE the file is in *ret_fd
	 * (the caller's no longer); < 0 ends the worker with that error; NULL: nothing may be wanted. on_packet:
	 * PROGRESS, GOT and HEAD; NULL: they are of no interest. on_done is called once, when the process is gone; `err`
	 * NULL: `done` is its DONE. */
	int (*on_want)(const struct hoy_fetch_packet *want, struct hoy_fetch_answer *answer, int *ret_fd,
		void *userdata, struct hoy_err *err);
	int (*on_packet)(const struct hoy_fetch_packet *packet, void *userdata, struct hoy_err *err);
	void (*on_done)(const struct hoy_err *err, const struct hoy_fetch_packet *done, void *userdata);
	void *userdata;
	int output; /* the file beside the request, of operations that have one; borrowed for the start. 0: none */
};

int hoy_fetch_run_start(const struct hoy_fetch_run_options *options, const struct hoy_fetch_request *request,
	struct hoy_fetch_run **ret, struct hoy_err *err);

/* Frees; a process that still runs is killed and waited for, and on_done is not called. Always NULL. */
struct hoy_fetch_run *hoy_fetch_run_free(struct hoy_fetch_run *run);

#endif
