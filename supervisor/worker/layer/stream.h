/*
 * The bytes of a layer or archive on their way in: read from a descriptor, hashed as they came, decompressed (gzip,
 * zstd or not at all, told by the first bytes), hashed again. One pass, block by block.
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_STREAM_H
#define HOY_SUPERVISOR_WORKER_LAYER_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "supervisor/worker/layer/protocol.h"

struct hoy_layer_stream;

struct hoy_layer_stream_options {
	int fd;      /* borrowed, blocking */
	int copy_fd; /* gets the bytes as they came; < 0: nobody does. Borrowed */
	/* The file at `fd` still grows, an eventfd says how far (HOY_LAYER_FOLLOW). Who writes it may change what was
	 * read already: the digest of the input is made of the file as it is when nobody can any more. */
	bool follow;
	int follow_fd;        /* borrowed */
	uint64_t follow_size; /* what it grows to */
	uint64_t max_bytes;   /* of decompressed data */
	bool foreign;         /* xz and bzip2 are taken too; the bytes as they came are the decoded ones then */
	bool no_digests;      /* nobody wants to know them: they stay "" */
	/* Called after every read of input; < 0 ends the stream with that error. May be NULL. */
	int (*on_read)(uint64_t total, void *userdata, struct hoy_err *err);
	void *userdata;
};

int hoy_layer_stream_new(
	const struct hoy_layer_stream_options *options, struct hoy_layer_stream **ret, struct hoy_err *err);
void hoy_layer_stream_free(struct hoy_layer_stream *stream);
HOY_DEFINE_AUTO_PTR(struct hoy_layer_stream, hoy_layer_stream_free);

/* The next decompressed block, valid until the next call. Returns its length, 0 at the end, -errno (HOY_ERR_INVALID
 * for broken, truncated or oversized data); an error stays. */
ssize_t hoy_layer_stream_next(struct hoy_layer_stream *stream, const void **ret, struct hoy_err *err);

/* Reads to the very end (what is behind a tar's end mark belongs to the digests) and tells compression, sizes and
 * digests. */
int hoy_layer_stream_finish(struct hoy_layer_stream *stream, struct hoy_layer_reply *done, struct hoy_err *err);

/* What the first bytes of some content say. */
enum hoy_layer_compression hoy_layer_compression_of(const void *data, size_t len);

#endif
