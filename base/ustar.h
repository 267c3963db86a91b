/* Small tar archives in memory: POSIX.1-1988 ustar. Whole file systems are hoy-layer's. */
#ifndef HOY_BASE_USTAR_H
#define HOY_BASE_USTAR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct hoy_ustar_file {
	const char *path; /* a leading '/' is left out; at most 255 bytes */
	const char *data;
	size_t len;
	unsigned int uid, gid, mode;
};

/* One regular file behind `out`. 0 or -errno. */
int hoy_ustar_add(struct hoy_buf *out, const struct hoy_ustar_file *file, struct hoy_err *err);

/* The end of the archive. */
void hoy_ustar_end(struct hoy_buf *out);

/* Where a reader is in an archive: begin with `rest` and `len` set to the whole of it. */
struct hoy_ustar {
	const char *rest;
	size_t len;
	/* the entry read last */
	char path[257];
	bool regular; /* a file; `data` is its content, inside the archive */
	const char *data;
	size_t data_len;
};

/* The next entry: 1, at the end 0, -EINVAL for what is no tar archive or ends in the midst. */
int hoy_ustar_next(struct hoy_ustar *tar, struct hoy_err *err);

#endif
