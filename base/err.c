/* The error value: set once, wrapped on the way out, rendered by one function. */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERR_MAX_ERRNO 4095

static enum hoy_err_kind kind_of(int errnum)
{
	switch (errnum) {
	case ENOENT:
	case ESRCH:
		return HOY_ERR_NOT_FOUND;
	case EINVAL:
	case ENAMETOOLONG:
	case ERANGE:
	case EMSGSIZE:
		return HOY_ERR_INVALID;
	case EEXIST:
	case EBUSY:
	case EADDRINUSE:
		return HOY_ERR_CONFLICT;
	case EOPNOTSUPP:
	case ENOSYS:
		return HOY_ERR_UNSUPPORTED;
	default:
		return HOY_ERR_SYSTEM;
	}
}

HOY_PRINTF(5, 0)
static int fill(struct hoy_err *err, enum hoy_err_kind kind, int errnum, bool stated, const char *fmt, va_list args)
{
	if (errnum <= 0 || errnum > ERR_MAX_ERRNO)
		errnum = EIO;
	if (err) {
		err->errnum = errnum;
		err->kind = kind;
		err->stated = stated;
		(void) vsnprintf(err->msg, sizeof err->msg, fmt, args);
	}
	return -errnum;
}

int hoy_err_sys(struct hoy_err *err, const char *fmt, ...)
{
	int errnum = errno;
	va_list args;

	va_start(args, fmt);
	int code = fill(err, kind_of(errnum), errnum, /* stated= */ false, fmt, args);
	va_end(args);
	return code;
}

int hoy_err_code(struct hoy_err *err, int code, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	code = fill(err, kind_of(-code), -code, /* stated= */ false, fmt, args);
	va_end(args);
	return code;
}

int hoy_err_set(struct hoy_err *err, enum hoy_err_kind kind, int errnum, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int code = fill(err, kind, errnum, /* stated= */ true, fmt, args);
	va_end(args);
	return code;
}

#define DEFINE_STATEMENT(name, kind, errnum)                                                                           \
	int name(struct hoy_err *err, const char *fmt, ...)                                                            \
	{                                                                                                              \
		va_list args;                                                                                          \
                                                                                                                       \
		va_start(args, fmt);                                                                                   \
		int code = fill(err, kind, errnum, /* stated= */ true, fmt, args);                                     \
		va_end(args);                                                                                          \
		return code;                                                                                           \
	}

DEFINE_STATEMENT(hoy_err_invalid, HOY_ERR_INVALID, EINVAL)
DEFINE_STATEMENT(hoy_err_not_found, HOY_ERR_NOT_FOUND, ENOENT)
DEFINE_STATEMENT(hoy_err_conflict, HOY_ERR_CONFLICT, EBUSY)
DEFINE_STATEMENT(hoy_err_unsupported, HOY_ERR_UNSUPPORTED, EOPNOTSUPP)

int hoy_err_oom(struct hoy_err *err)
{
	return hoy_err_set(err, HOY_ERR_SYSTEM, ENOMEM, "out of memory");
}

int hoy_err_wrap(struct hoy_err *err, const char *fmt, ...)
{
	char inner[sizeof err->msg];
	va_list args;
	int len;

	if (!err)
		return -EIO;
	memcpy(inner, err->msg, sizeof inner);
	inner[sizeof inner - 1] = '\0';

	va_start(args, fmt);
	len = vsnprintf(err->msg, sizeof err->msg, fmt, args);
	va_end(args);
	if (len >= 0 && (size_t) len < sizeof err->msg)
		(void) snprintf(
			err->msg + len, sizeof err->msg - (size_t) len, ": %.*s", (int) sizeof err->msg - len, inner);
	if (err->errnum <= 0)
		err->errnum = EIO;
	return -err->errnum;
}

int hoy_err_import(struct hoy_err *err, const struct hoy_err *from)
{
	int errnum = from->errnum > 0 && from->errnum <= ERR_MAX_ERRNO ? from->errnum : EPROTO;

	if (err) {
		err->errnum = errnum;
		err->kind = from->kind <= HOY_ERR_UNSUPPORTED ? from->kind : HOY_ERR_SYSTEM;
		err->stated = *(const unsigned char *) &from->stated != 0;
		memcpy(err->msg, from->msg, sizeof err->msg);
		err->msg[sizeof err->msg - 1] = '\0';
	}
	return -errnum;
}

const char *hoy_err_text(const struct hoy_err *err, char *buf, size_t size)
{
	if (err->stated)
		(void) snprintf(buf, size, "%s", err->msg);
	else
		(void) snprintf(buf, size, "%s: %s", err->msg, strerror(err->errnum));
	return buf;
}
