/* The reader's side of the protocol: a packet is checked as a whole before anybody looks into it. */
#include "supervisor/worker/files/protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static bool is_text(const char *text, size_t size)
{
	return strnlen(text, size) < size;
}

int hoy_files_reply_check(const struct hoy_files_reply *reply, size_t len, struct hoy_err *err)
{
	bool ok = false;

	if (len >= sizeof reply->type) {
		switch ((enum hoy_files_reply_type) reply->type) {
		case HOY_FILES_STAT:
			ok = len == HOY_FILES_REPLY_SIZE(stat) && is_text(reply->stat.name, sizeof reply->stat.name) &&
			     is_text(reply->stat.link_target, sizeof reply->stat.link_target);
			break;
		case HOY_FILES_SIZE:
			ok = len == HOY_FILES_REPLY_SIZE(size);
			break;
		case HOY_FILES_DONE:
			ok = len == HOY_FILES_REPLY_SIZE(bytes);
			break;
		case HOY_FILES_ERROR:
			ok = len == HOY_FILES_REPLY_SIZE(err);
			break;
		}
	}
	return ok ? 0 : hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "hoy-files sent a packet that makes no sense");
}
