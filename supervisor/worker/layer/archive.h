/* Tar entries of a stream: libarchive's reader, tar only, over our own decoding. */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_ARCHIVE_H
#define HOY_SUPERVISOR_WORKER_LAYER_ARCHIVE_H

#include <stdint.h>

#include "base/err.h"
#include "supervisor/worker/layer/stream.h"

struct archive;
struct archive_entry;

struct hoy_layer_archive {
	struct archive *reader;
	struct hoy_layer_stream *stream; /* borrowed */
	struct hoy_err failed;           /* the stream's error, which libarchive only passes on as "failed" */
	uint64_t entries, max_entries;
};

/* `max_entries` 0: 5,000,000. An empty stream is an archive without entries. */
int hoy_layer_archive_open(
	struct hoy_layer_archive *archive, struct hoy_layer_stream *stream, uint64_t max_entries, struct hoy_err *err);
void hoy_layer_archive_done(struct hoy_layer_archive *archive);

/* 1: *ret is the next entry, valid until the next call; 0: the end; -errno. */
int hoy_layer_archive_next(struct hoy_layer_archive *archive, struct archive_entry **ret, struct hoy_err *err);

/* Name and link target as the archive has them; NULL when absent. */
const char *hoy_layer_archive_path(struct archive_entry *entry);
const char *hoy_layer_archive_hardlink(struct archive_entry *entry);
const char *hoy_layer_archive_symlink(struct archive_entry *entry);

/* The next piece of content. 1: a block, which belongs at *ret_offset (sparse files have gaps); 0: the end; -errno. */
int hoy_layer_archive_data(
	struct hoy_layer_archive *archive, const void **ret, size_t *ret_len, int64_t *ret_offset, struct hoy_err *err);

#endif
