/*
 * Files of a container, whatever state it is in: a hoy-files does the work inside the mount namespace of a running one,
 * or in one of its own over the layers and mounts of one that does not run. What is asked of a container that does not
 * run is done one after the other, and a start waits for it.
 */
#ifndef HOY_CONTAINER_ARCHIVE_H
#define HOY_CONTAINER_ARCHIVE_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_containers;
struct hoy_container_job;
struct hoy_files_stat;

enum hoy_archive_op {
	HOY_ARCHIVE_STAT,    /* what a path is */
	HOY_ARCHIVE_GET,     /* a tar of it into `fd` */
	HOY_ARCHIVE_PUT,     /* the tar from `fd` into the directory */
	HOY_ARCHIVE_CHANGES, /* the JSON of GET /containers/{id}/changes into `fd`; no path */
};

struct hoy_archive_request {
	enum hoy_archive_op op;
	const char *path;
	int fd;            /* taken over, also on failure; -EBADF for STAT */
	bool no_overwrite; /* PUT: a directory takes no file's place, nor a file a directory's */
	bool copy_owner;   /* PUT: all belongs to the container's user */
};

/* Called from the loop, never from inside the call. */
struct hoy_archive_handler {
	void (*on_stat)(const struct hoy_files_stat *stat, void *userdata); /* STAT, GET: first; may be NULL */
	void (*done)(const struct hoy_err *err, void *userdata);            /* once; the job is gone */
	void *userdata;
};

/* HOY_ERR_NOT_FOUND: no such container. What is not there inside it is told to `done` as
 * "Could not find the file PATH in container REF". */
int hoy_container_archive(struct hoy_containers *containers, const char *ref, const struct hoy_archive_request *request,
	const struct hoy_archive_handler *handler, struct hoy_container_job **ret, struct hoy_err *err);
/* `done` is not called any more. */
void hoy_container_job_cancel(struct hoy_container_job *job);

#endif
