/*
 * The files of one json-file log, oldest line first: PATH.N ... PATH.1, PATH. Copes with a writer that rotates (renames
 * all by one and starts anew) or truncates meanwhile. Gives lines as they stand in the files.
 */
#ifndef HOY_CONTAINER_LOG_FILES_H
#define HOY_CONTAINER_LOG_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct hoy_log_files {
	char *path;
	int *fds; /* still to be read, oldest first; the last one is PATH as it was when it was opened */
	size_t n, at;
	off_t offset;      /* how far the file `at` has been read */
	struct hoy_buf in; /* read, not yet given */
	size_t given;      /* of `in` */
};

/* `tail` < 0: from the first line. A log that does not exist yet is empty. */
int hoy_log_files_open(struct hoy_log_files *files, const char *path, int64_t tail, struct hoy_err *err);
void hoy_log_files_done(struct hoy_log_files *files);

/* 1: *ret is the next whole line, without its newline, NUL-terminated, valid until the next call. 0: none now; a later
 * call looks again. < 0: failed. */
int hoy_log_files_next(struct hoy_log_files *files, char **ret, size_t *ret_len, struct hoy_err *err);

#endif
