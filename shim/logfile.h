/*
 * A log in files: appended to with one write() per batch, rotated by size (PATH.1, PATH.2 ...), old ones compressed by
 * hoy-log (PATH.1.gz). Never blocks the container: what can't be written is dropped, with one warning.
 */
#ifndef HOY_SHIM_LOGFILE_H
#define HOY_SHIM_LOGFILE_H

#include "shim/log.h"

struct hoy_outlog_file;
int hoy_outlog_file_open(const struct hoy_outlog_options *options, struct hoy_reaper *reaper,
	struct hoy_outlog_file **ret, struct hoy_err *err);
void hoy_outlog_file_free(struct hoy_outlog_file *file); /* NULL is fine */

/* Where the entries of a batch are encoded. Ask before each entry: a full file is written and rotated. */
struct hoy_buf *hoy_outlog_file_batch(struct hoy_outlog_file *file);
/* Writes the batch and frees its memory. */
void hoy_outlog_file_flush(struct hoy_outlog_file *file);

#endif
