/*
 * The files of one log, oldest entry first: PATH.N ... PATH.1, PATH. Copes with a writer that rotates (renames all by
 * one and starts anew) or truncates meanwhile. Gives entries as they stand in the files: lines (json-file), or frames
 * with their length in front and behind (local). Files that were compressed (PATH.N.gz) are the caller's to unpack.
 */
#ifndef HOY_CONTAINER_LOG_FILES_H
#define HOY_CONTAINER_LOG_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct hoy_log_files {
	char *path;
	bool frames;
	int *fds; /* still to be read, oldest first; the last one is PATH as it was when it was opened */
	size_t n, at;
	off_t offset;      /* how far the file `at` has been read */
	struct hoy_buf in; /* read, not yet given */
	size_t given;      /* of `in` */
	int *packed;       /* compressed ones, oldest first: the entries before all others */
	size_t n_packed;
	int64_t tail;
};

/* `tail` < 0: from the first entry. A log that does not exist yet is empty. */
int hoy_log_files_open(struct hoy_log_files *files, const char *path, bool frames, int64_t tail, struct hoy_err *err);
/* When files->n_packed is not 0 nothing may be read before this: `fd` (taken over) is what was in them, one behind the
 * other. */
int hoy_log_files_unpacked(struct hoy_log_files *files, int fd, struct hoy_err *err);
void hoy_log_files_done(struct hoy_log_files *files);

/* 1: *ret is the next whole line, without its newline, NUL-terminated, or the next frame, valid until the next call. 0:
 * none now; a later call looks again. < 0: failed. */
int hoy_log_files_next(struct hoy_log_files *files, char **ret, size_t *ret_len, struct hoy_err *err);

#endif
