/*
 * One growable byte buffer, capped at init, so that no input grows without limit.
 *
 * A failed append (cap reached, out of memory) is remembered: appends can be chained and checked once with
 * hoy_buf_check(). `data` is always NUL-terminated behind `len` once something was appended.
 */
#ifndef HOY_BASE_BUF_H
#define HOY_BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_buf {
	char *data; /* NULL until the first append; owned */
	size_t len;
	size_t size; /* allocated */
	size_t cap;  /* most bytes it may hold; 0 means HOY_BUF_DEFAULT_CAP */
	int failed;  /* 0, or the -errno of the first append that failed */
};
#define HOY_BUF_DEFAULT_CAP ((size_t) 64 << 20)

void hoy_buf_init(struct hoy_buf *buf, size_t cap);
void hoy_buf_done(struct hoy_buf *buf);
void hoy_buf_clear(struct hoy_buf *buf); /* keeps the memory, forgets a failure */

int hoy_buf_add(struct hoy_buf *buf, const void *data, size_t len);
int hoy_buf_adds(struct hoy_buf *buf, const char *str);
int hoy_buf_addc(struct hoy_buf *buf, char c);
int hoy_buf_addf(struct hoy_buf *buf, const char *fmt, ...) HOY_PRINTF(2, 3);

/* Room for `len` more bytes at the end; returns where to write them, NULL on failure. Follow with hoy_buf_commit(). */
void *hoy_buf_reserve(struct hoy_buf *buf, size_t len);
void hoy_buf_commit(struct hoy_buf *buf, size_t len);

/* Drops `len` bytes from the front. */
void hoy_buf_consume(struct hoy_buf *buf, size_t len);

/* 0, or the code of the first failed append: -EMSGSIZE (cap) or -ENOMEM, with "`what` is larger than N bytes". */
int hoy_buf_check(const struct hoy_buf *buf, const char *what, struct hoy_err *err);

/* Hands over the string (never NULL on success) and resets the buffer. NULL if an append had failed. */
char *hoy_buf_take(struct hoy_buf *buf);

#endif
