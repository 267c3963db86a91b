/*
 * Headers of tar entries: POSIX ustar, with a pax header in front for what ustar can't say (long or non-ASCII names,
 * large sizes and IDs, fractions of seconds, xattrs). Reading is libarchive's (archive.h).
 */
#ifndef HOY_SUPERVISOR_WORKER_LAYER_TAR_WRITE_H
#define HOY_SUPERVISOR_WORKER_LAYER_TAR_WRITE_H

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/worker/layer/sink.h"

enum hoy_tar_type {
	HOY_TAR_FILE = '0',
	HOY_TAR_HARD_LINK = '1',
	HOY_TAR_SYMLINK = '2',
	HOY_TAR_CHAR = '3',
	HOY_TAR_BLOCK = '4',
	HOY_TAR_DIR = '5',
	HOY_TAR_FIFO = '6',
};

struct hoy_tar_entry {
	enum hoy_tar_type type;
	const char *name; /* a directory's ends in '/' */
	const char *link; /* target; NULL: none */
	mode_t mode;      /* permission bits */
	uid_t uid;
	gid_t gid;
	uint64_t size; /* of content that follows */
	dev_t device;
	struct timespec mtime;
	const struct hoy_buf *xattrs; /* pax records made by hoy_tar_add_xattr(); NULL: none */
};

/* Appends an xattr's pax record to `records`. */
void hoy_tar_add_xattr(struct hoy_buf *records, const char *name, const void *value, size_t size);

int hoy_tar_header(struct hoy_layer_sink *sink, const struct hoy_tar_entry *entry, struct hoy_err *err);
/* Behind a file's content of `size` bytes: up to the next block. */
int hoy_tar_pad(struct hoy_layer_sink *sink, uint64_t size, struct hoy_err *err);
/* The two empty blocks at the end. */
int hoy_tar_end(struct hoy_layer_sink *sink, struct hoy_err *err);

#endif
