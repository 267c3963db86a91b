/* The growable, capped byte buffer. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void hoy_buf_init(struct hoy_buf *buf, size_t cap)
{
	*buf = (struct hoy_buf){ .cap = cap };
}

void hoy_buf_done(struct hoy_buf *buf)
{
	free(buf->data);
	*buf = (struct hoy_buf){ .cap = buf->cap };
}

void hoy_buf_clear(struct hoy_buf *buf)
{
	buf->len = 0;
	buf->failed = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

void *hoy_buf_reserve(struct hoy_buf *buf, size_t len)
{
	size_t cap = buf->cap ? buf->cap : HOY_BUF_DEFAULT_CAP;
	size_t want, size;
	char *data;

	if (buf->failed)
		return NULL;
	if (len > cap || buf->len > cap - len) {
		buf->failed = -EMSGSIZE;
		return NULL;
	}
	want = buf->len + len + 1;
	if (want <= buf->size)
		return buf->data + buf->len;

	size = buf->size ? buf->size : 64;
	while (size < want)
		size += size / 2;
	data = realloc(buf->data, size);
	if (!data) {
		buf->failed = -ENOMEM;
		return NULL;
	}
	buf->data = data;
	buf->size = size;
	return buf->data + buf->len;
}

void hoy_buf_commit(struct hoy_buf *buf, size_t len)
{
	buf->len += len;
	buf->data[buf->len] = '\0';
}

int hoy_buf_add(struct hoy_buf *buf, const void *data, size_t len)
{
	void *to = hoy_buf_reserve(buf, len);

	if (!to)
		return buf->failed;
	if (len)
		memcpy(to, data, len);
	hoy_buf_commit(buf, len);
	return 0;
}

int hoy_buf_adds(struct hoy_buf *buf, const char *str)
{
	return hoy_buf_add(buf, str, strlen(str));
}

int hoy_buf_addc(struct hoy_buf *buf, char c)
{
	return hoy_buf_add(buf, &c, 1);
}

int hoy_buf_addf(struct hoy_buf *buf, const char *fmt, ...)
{
	va_list args, again;
	void *to;
	int len;

	if (buf->failed)
		return buf->failed;
	va_start(args, fmt);
	va_copy(again, args);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	to = len < 0 ? NULL : hoy_buf_reserve(buf, (size_t) len);
	if (to) {
		(void) vsnprintf(to, (size_t) len + 1, fmt, again);
		hoy_buf_commit(buf, (size_t) len);
	} else if (!buf->failed) {
		buf->failed = -EINVAL;
	}
	va_end(again);
	return buf->failed;
}

void hoy_buf_consume(struct hoy_buf *buf, size_t len)
{
	if (len >= buf->len) {
		buf->len = 0;
	} else {
		memmove(buf->data, buf->data + len, buf->len - len);
		buf->len -= len;
	}
	if (buf->data)
		buf->data[buf->len] = '\0';
}

int hoy_buf_check(const struct hoy_buf *buf, const char *what, struct hoy_err *err)
{
	if (!buf->failed)
		return 0;
	if (buf->failed == -EMSGSIZE)
		return hoy_err_set(err, HOY_ERR_INVALID, EMSGSIZE, "%s is larger than %zu bytes", what,
			buf->cap ? buf->cap : HOY_BUF_DEFAULT_CAP);
	return hoy_err_code(err, buf->failed, "%s", what);
}

char *hoy_buf_take(struct hoy_buf *buf)
{
	char *data;

	if (buf->failed || (!buf->data && hoy_buf_add(buf, "", 0) < 0)) {
		hoy_buf_done(buf);
		return NULL;
	}
	data = TAKE_PTR(buf->data);
	*buf = (struct hoy_buf){ .cap = buf->cap };
	return data;
}
