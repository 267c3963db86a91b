#include "supervisor/worker/build/protocol.h"

#include <errno.h>
#include <string.h>

#include "supervisor/worker/build/control_protocol.h"
#include "supervisor/worker/build/session_protocol.h"

int hoy_build_reply_check(const struct hoy_build_reply *reply, size_t len, struct hoy_err *err)
{
	size_t head = offsetof(struct hoy_build_reply, text);

	if (len >= sizeof reply->type)
		switch ((enum hoy_build_reply_type) reply->type) {
		case HOY_BUILD_READY:
		case HOY_BUILD_PLAN:
			return 0;
		case HOY_BUILD_WANTED:
			if (len > head && !reply->text[len - head - 1])
				return 0;
			break;
		case HOY_BUILD_ERROR:
			if (len == offsetof(struct hoy_build_reply, err) + sizeof reply->err)
				return 0;
			break;
		}
	return hoy_err_code(err, -EPROTO, "unexpected message from hoy-build");
}

int hoy_session_reply_check(const struct hoy_session_reply *reply, size_t len, struct hoy_err *err)
{
	size_t head = offsetof(struct hoy_session_reply, text);

	if (len >= head && reply->type == HOY_SESSION_DONE && len > head && !reply->text[len - head - 1])
		return 0;
	if (len == offsetof(struct hoy_session_reply, err) + sizeof reply->err && reply->type == HOY_SESSION_ERROR &&
		memchr(reply->err.msg, '\0', sizeof reply->err.msg))
		return 0;
	return hoy_err_code(err, -EPROTO, "unexpected message from hoy-build");
}

int hoy_control_request_check(const struct hoy_control_request *request, size_t len, struct hoy_err *err)
{
	size_t head = offsetof(struct hoy_control_request, text);

	if (len >= head)
		switch ((enum hoy_control_request_type) request->type) {
		case HOY_CONTROL_BUILD:
		case HOY_CONTROL_USAGE:
		case HOY_CONTROL_PRUNE:
		case HOY_CONTROL_SESSION:
			if (len > head && !request->text[len - head - 1])
				return 0;
			break;
		case HOY_CONTROL_CANCEL:
		case HOY_CONTROL_ACK:
			return 0;
		}
	return hoy_err_code(err, -EPROTO, "unexpected message from hoy-build");
}

int hoy_control_event_check(const struct hoy_control_event *event, size_t len, struct hoy_err *err)
{
	size_t head = offsetof(struct hoy_control_event, data);

	if (len >= head)
		switch ((enum hoy_control_event_type) event->type) {
		case HOY_CONTROL_PART:
		case HOY_CONTROL_DATA:
		case HOY_CONTROL_CONNECTION:
			return 0;
		case HOY_CONTROL_DONE:
			if (len > head && !event->data[len - head - 1])
				return 0;
			break;
		case HOY_CONTROL_ERROR:
			if (len == offsetof(struct hoy_control_event, err) + sizeof event->err)
				return 0;
			break;
		}
	return hoy_err_code(err, -EPROTO, "unexpected message from hoyd");
}
