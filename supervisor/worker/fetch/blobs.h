/* What hoyd is asked and told, and blobs brought to it, each hashed while it is written. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_BLOBS_H
#define HOY_SUPERVISOR_WORKER_FETCH_BLOBS_H

#include "supervisor/worker/fetch/registry.h"

struct hoy_fetch_blob {
	char digest[HOY_FETCH_DIGEST_MAX];
	uint64_t size; /* as announced: no byte more is taken */
	enum hoy_fetch_kind kind;
	const char *media_type;              /* of a manifest or index, borrowed; NULL: of no interest */
	int fd;                              /* where it goes, or what is sent; -EBADF: nothing is to be done with it */
	char from[HOY_FETCH_REPOSITORY_MAX]; /* as hoyd's answer says */
};

/* Fetches those that have a file; each that is complete is told by GOT. The first that fails ends all. */
int hoy_fetch_blobs(struct hoy_registry *registry, struct hoy_fetch_blob *blobs, size_t n, struct hoy_err *err);

/* Asks hoyd whether it wants, or has, this one; `fd` and so on are filled in. Its answer's type, or -errno. */
int hoy_fetch_want(struct hoy_fetch_blob *blob, struct hoy_err *err);
int hoy_fetch_tell(const struct hoy_fetch_packet *packet, struct hoy_err *err);
int hoy_fetch_tell_blob(
	enum hoy_fetch_packet_type type, const struct hoy_fetch_blob *blob, uint64_t current, struct hoy_err *err);
int hoy_fetch_tell_got(const struct hoy_fetch_blob *blob, enum hoy_fetch_how how, struct hoy_err *err);

#endif
