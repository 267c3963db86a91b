/*
 * The error value of all Hoy programs.
 *
 * A function that can fail returns int: >= 0 is fine, -errno means failed with `err` filled. The setters return that
 * code, so that the two cannot disagree. The struct is flat: a child can write it into a socket as it is. `err` may
 * be NULL everywhere: probing is free. Set once where it happens, then wrap with context on the way out.
 *
 *	fd = open(path, O_RDONLY | O_CLOEXEC);
 *	if (fd < 0)
 *		return hoy_err_sys(err, "open '%s'", path);
 *
 * Texts say what was tried on what: lower case, user data quoted, no "failed to", no full stop.
 */
#ifndef HOY_BASE_ERR_H
#define HOY_BASE_ERR_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/defs.h"

/* What a caller may do about it; becomes the HTTP status, the ttrpc code, the exit status. */
enum hoy_err_kind {
	HOY_ERR_SYSTEM,      /* the kernel or a resource said no */
	HOY_ERR_INVALID,     /* the caller's input is wrong */
	HOY_ERR_NOT_FOUND,   /* the named object does not exist */
	HOY_ERR_CONFLICT,    /* the object's state forbids it, or the name is taken */
	HOY_ERR_UNSUPPORTED, /* valid, but this build or host can't do it */
};

struct hoy_err {
	int errnum; /* positive errno; 0 is no error */
	enum hoy_err_kind kind;
	bool stated;    /* msg says it all: strerror(errnum) is not shown behind it */
	char msg[1000]; /* "start web: mount '/proc': move_mount", outermost context first, without strerror */
};
_Static_assert(sizeof(struct hoy_err) <= PIPE_BUF, "an error crosses a pipe in one write");

/* From errno, as libc just set it (an errno of 0 becomes EIO). Returns -errno. */
int hoy_err_sys(struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);

/* From a -errno that some call returned. Kind follows from the code (ENOENT: not found, EINVAL: invalid ...: see
 * err.c). Returns `code`. */
int hoy_err_code(struct hoy_err *err, int code, const char *fmt, ...) HOY_PRINTF(3, 4);

/* A plain statement of ours; `errnum` is positive and is not rendered (the text says it all). Returns -errnum. */
int hoy_err_set(struct hoy_err *err, enum hoy_err_kind kind, int errnum, const char *fmt, ...) HOY_PRINTF(4, 5);

/* Short forms of hoy_err_set(): EINVAL, ENOENT, EBUSY, EOPNOTSUPP. */
int hoy_err_invalid(struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);
int hoy_err_not_found(struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);
int hoy_err_conflict(struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);
int hoy_err_unsupported(struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);

/* Out of memory: returns -ENOMEM. */
int hoy_err_oom(struct hoy_err *err);

/* Puts "context: " in front of the message and returns the code that is in `err` (-EIO for NULL). */
int hoy_err_wrap(struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);

/* Takes over an error that came from another process: terminates the text, refuses a code or kind out of range.
 * Returns the code. */
int hoy_err_import(struct hoy_err *err, const struct hoy_err *from);

/* The message as a user reads it, "msg" or "msg: strerror", cut to `size`. Returns `buf`. */
const char *hoy_err_text(const struct hoy_err *err, char *buf, size_t size);
#define HOY_ERR_TEXT_MAX (sizeof(struct hoy_err) + 128)

/* hoy_err_text() into a buffer of the caller's block: `hoy_err_str(&err)` as a printf argument. */
#define hoy_err_str(err) hoy_err_text(err, (char[HOY_ERR_TEXT_MAX]){ 0 }, HOY_ERR_TEXT_MAX)

#endif
