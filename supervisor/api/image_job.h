/* Jobs of the image room whose progress is the answer to a request. */
#ifndef HOY_API_IMAGE_JOB_H
#define HOY_API_IMAGE_JOB_H

#include "supervisor/api/internal.h"
#include "supervisor/image/image.h"

/* The client may leave before it is done: that ends the job, or (outlives_client) only while its request is read. */
struct hoy_api_job {
	struct hoy_http_exchange *x; /* NULL: the client is gone */
	struct hoy_api_request *rq;  /* as long as `x` */
	struct hoy_image_job *job;
	bool quiet;
	bool outlives_client; /* skopeo sends its archive and does not wait for the answer's end */
	bool begun;           /* the answer's head is given: errors come in the stream */
	void (*tell_result)(struct hoy_http_exchange *x, const struct hoy_image_result *result); /* may be NULL */
	/* Called instead of the end when it went well: > 0, another job was started in its place. May be NULL. */
	int (*next)(struct hoy_api_job *job, struct hoy_err *err);
	void (*free_userdata)(void *userdata);
	void *userdata;
};

/* Fills in the handler that its job is to be started with. NULL when out of memory. */
struct hoy_api_job *hoy_api_job_new(struct hoy_api_request *rq, struct hoy_image_job_handler *handler);
struct hoy_image_job_handler hoy_api_job_handler(struct hoy_api_job *job);
/* Gives the answer's head. */
int hoy_api_job_begin(struct hoy_api_job *job, struct hoy_err *err);
/* For one whose job could not be started. */
void hoy_api_job_free(struct hoy_api_job *job);

/* registry.c */
int hoy_api_image_pull(struct hoy_api_request *rq, struct hoy_err *err);

#endif
