/* What `build` sends: a directory's files as a tar, without what its ignore file names; or what comes on stdin. */
#ifndef HOY_CLI_BUILD_CONTEXT_H
#define HOY_CLI_BUILD_CONTEXT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_build_context {
	const char *dir;        /* NULL: stdin is the context */
	const char *dockerfile; /* path relative to `dir`, slashes between; NULL: "Dockerfile" */
	const char *text;       /* a Dockerfile from elsewhere, sent as `dockerfile`; NULL: it lies in the context */
	size_t text_len;
	const char *ignore; /* with `text`: its own ignore file's text; NULL: that of the context counts */
	bool compress;
};

/* A process that writes the tar into the pipe whose other end is returned: the descriptor or -errno. */
int hoy_build_context_start(const struct hoy_build_context *context, pid_t *ret, struct hoy_err *err);
/* Waits for it: has it written all? */
int hoy_build_context_end(pid_t pid, struct hoy_err *err);

#endif
