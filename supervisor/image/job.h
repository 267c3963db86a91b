/*
 * What loading and importing share: a temporary directory, layers and blobs that the job counts on, the images it has
 * made, and the way to the end: bring the files to disk, write the rows, tell after the commit.
 */
#ifndef HOY_SUPERVISOR_IMAGE_JOB_H
#define HOY_SUPERVISOR_IMAGE_JOB_H

#include "supervisor/image/image_internal.h"
#include "supervisor/worker/layer/protocol.h"

struct hoy_source;

/* An image that the job will add. */
struct job_image {
	struct new_image new; /* its strings and `blobs` belong to this */
	char **names;         /* normalised; NULL: none */
};

enum job_state { JOB_WORKING, JOB_WAITS_TO_UNPACK, JOB_UNPACKS, JOB_SYNCS, JOB_COMMITS };

struct hoy_image_job {
	struct hoy_images *images;
	struct hoy_image_job *next;
	struct hoy_image_job_handler handler;
	const char *event; /* "load", "import" */
	enum job_state state;
	bool waits_for_layer;                           /* that is unpacked ahead: JOB_WORKING until it is */
	void (*unpack)(struct hoy_image_job *job);      /* its turn has come */
	void (*free_detail)(struct hoy_image_job *job); /* the kind's own members, then the job itself */
	void (*on_read)(void *userdata);                /* commit: told when the container was read; may be NULL */
	struct hoy_layer_run *run;
	struct hoy_source *ending; /* the deferred end of a job that was cancelled while it waited */
	struct hoy_err failed;     /* why it ends, for free_detail; errnum 0: it ends well */

	char *temp; /* directory in tmp/ */
	int temp_fd;
	struct job_image *made;
	size_t n_made;
	struct layer **layers; /* each counted once */
	size_t n_layers;
	struct blob **blobs;
	size_t n_blobs;
	struct hoy_image_result result;
};

/* Enters the job into the room's list and makes its directory. After a failure nothing is left. */
int hoy_image_job_init(struct hoy_image_job *job, struct hoy_images *images,
	const struct hoy_image_job_handler *handler, const char *event, struct hoy_err *err);

/* Takes back an init whose job never got under way: nobody is told. */
void hoy_image_job_discard(struct hoy_image_job *job);

/* Starts a worker for it; `options` needs request, fds and callbacks only. */
struct hoy_layer_run_options;
int hoy_image_job_run(struct hoy_image_job *job, struct hoy_layer_run_options *options, struct hoy_err *err);

/* For a worker that unpacks a layer: what hoyd's settings allow. */
struct hoy_layer_limits hoy_images_layer_limits(const struct hoy_images *images);

/* Counts on a layer or blob until the job ends. 0 or -ENOMEM. */
int hoy_image_job_keep_layer(struct hoy_image_job *job, struct layer *layer, struct hoy_err *err);
int hoy_image_job_keep_blob(struct hoy_image_job *job, struct blob *blob, struct hoy_err *err);

/* Room for one more image; copies the strings and the blobs, `names` too. */
int hoy_image_job_add(
	struct hoy_image_job *job, const struct new_image *image, char *const *names, struct hoy_err *err);

/* One job at a time unpacks layers that others may want too: `unpack` is called now or when the others are done. */
void hoy_image_job_queue_unpack(struct hoy_image_job *job);
/* It can't go on at the moment: others may. To be queued again. */
void hoy_image_job_pause_unpack(struct hoy_image_job *job);

/* A layer that was unpacked ahead is ready, or is not to be: those that wait for it wait for their turn now. */
void hoy_image_jobs_requeue(struct hoy_images *images);
/* The same, and the next one has its turn at once: from the loop. */
void hoy_image_jobs_wake(struct hoy_images *images);

/* All files are in place: sync, rows, commit, done. The job is gone when this returns, or some time later. */
void hoy_image_job_complete(struct hoy_image_job *job);

/* The same when nothing new was made but names: there is nothing to bring to disk. */
void hoy_image_job_complete_names(struct hoy_image_job *job);

/* The image `name` (familiar) is here as it is: what follows is told, nothing is written. The job is gone when this
 * returns, or some time later. */
void hoy_image_job_complete_unchanged(struct hoy_image_job *job, const struct image *image, const char *name);

/* Ends it well without having made an image. Only from the loop; the job is gone when this returns. */
void hoy_image_job_succeed(struct hoy_image_job *job);

/* Ends it with an error; the job is gone when this returns. Only from the loop, and with no worker running. */
void hoy_image_job_fail(struct hoy_image_job *job, const struct hoy_err *err);

/* The rows are written, in a bracket that the caller has begun: commits it, tells, ends. The job is gone when this
 * returns, or some time later. On failure nothing of it is done, and the job is to be failed. */
int hoy_image_job_commit(struct hoy_image_job *job, struct hoy_err *err);

void hoy_image_job_progress(
	struct hoy_image_job *job, const char *id, const char *status, int64_t current, int64_t total);

/* A line of text, beside `id` if that is not NULL. */
void hoy_image_job_message(struct hoy_image_job *job, const char *id, const char *text);
void hoy_image_job_aux(struct hoy_image_job *job, const char *json);

/* The room closes: kills the workers, tells all jobs that they were cancelled. */
void hoy_images_end_jobs(struct hoy_images *images);

#endif
