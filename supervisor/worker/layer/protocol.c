/* The reader's side of the protocol: a packet is checked as a whole before anybody looks into it. */
#include "supervisor/worker/layer/protocol.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define NAMES_OFFSET offsetof(struct hoy_layer_reply, entry.names)

static bool is_digest(const char digest[HOY_LAYER_DIGEST_MAX])
{
	if (strnlen(digest, HOY_LAYER_DIGEST_MAX) != 71 || strncmp(digest, "sha256:", 7) != 0)
		return false;
	return strspn(digest + 7, "0123456789abcdef") == 64;
}

/* A file has one name, a link two; the packet ends with the last one's NUL. */
static bool is_entry(const struct hoy_layer_reply *reply, size_t len)
{
	size_t left = len - NAMES_OFFSET, name;
	const char *names = reply->entry.names;

	if (len <= NAMES_OFFSET || len > HOY_LAYER_REPLY_SIZE(entry) || names[left - 1] != '\0')
		return false;
	name = strlen(names) + 1;
	if (reply->entry.type == HOY_LAYER_ENTRY_LINK)
		return name < left && name + strlen(names + name) + 1 == left;
	return reply->entry.type == HOY_LAYER_ENTRY_FILE && name == left && is_digest(reply->entry.digest) &&
	       reply->entry.compression <= HOY_LAYER_ZSTD;
}

static bool is_done(const struct hoy_layer_reply *reply)
{
	bool no_stream = reply->done.digest[0] == '\0' && reply->done.diff_id[0] == '\0';

	return reply->done.compression <= HOY_LAYER_ZSTD && reply->done.root_implied <= 1 &&
	       reply->done.raw_size <= INT64_MAX && reply->done.size <= INT64_MAX &&
	       reply->done.unpacked <= INT64_MAX &&
	       (no_stream || (is_digest(reply->done.digest) && is_digest(reply->done.diff_id)));
}

int hoy_layer_reply_check(struct hoy_layer_reply *reply, size_t len, struct hoy_err *err)
{
	bool ok = false;

	if (len >= sizeof reply->type) {
		switch ((enum hoy_layer_reply_type) reply->type) {
		case HOY_LAYER_PROGRESS:
			ok = len == HOY_LAYER_REPLY_SIZE(progress);
			break;
		case HOY_LAYER_ENTRY:
			ok = is_entry(reply, len);
			break;
		case HOY_LAYER_DONE:
			ok = len == HOY_LAYER_REPLY_SIZE(done) && is_done(reply);
			break;
		case HOY_LAYER_ERROR:
			ok = len == HOY_LAYER_REPLY_SIZE(err);
			break;
		}
	}
	return ok ? 0 : hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "hoy-layer sent a packet that makes no sense");
}

const char *hoy_layer_reply_target(const struct hoy_layer_reply *reply)
{
	return reply->entry.names + strlen(reply->entry.names) + 1;
}
