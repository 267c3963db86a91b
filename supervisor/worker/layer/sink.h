/*
 * The bytes of a tar on their way out: to a file, compressed with gzip and hashed before and after that; or as they are
 * to a client, in the chunks of an HTTP/1.1 body. Content of files goes to a client without passing through us
 * (sendfile).
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_SINK_H
#define HOY_SUPERVISOR_WORKER_LAYER_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "supervisor/worker/layer/protocol.h"

struct hoy_layer_sink;

struct hoy_layer_sink_options {
	int fd;       /* borrowed; made blocking */
	bool chunked; /* HTTP chunks, the last one written by finish: an end without it tells the client of a failure */
	bool gzip;    /* compress, and tell digests */
};

int hoy_layer_sink_new(const struct hoy_layer_sink_options *options, struct hoy_layer_sink **ret, struct hoy_err *err);
void hoy_layer_sink_free(struct hoy_layer_sink *sink);
HOY_DEFINE_AUTO_PTR(struct hoy_layer_sink, hoy_layer_sink_free);

int hoy_layer_sink_write(struct hoy_layer_sink *sink, const void *data, size_t len, struct hoy_err *err);
int hoy_layer_sink_zeros(struct hoy_layer_sink *sink, uint64_t len, struct hoy_err *err);

/* Exactly `size` bytes: a file that became shorter meanwhile is filled up with zeros, what it grew by stays out. What
 * is read of it is also written to `copy`, unless that is < 0. */
int hoy_layer_sink_file(struct hoy_layer_sink *sink, int fd, uint64_t size, int copy, struct hoy_err *err);

/* Ends the output; `done` gets sizes, and with gzip the compression and both digests. */
int hoy_layer_sink_finish(struct hoy_layer_sink *sink, struct hoy_layer_reply *done, struct hoy_err *err);

#endif
