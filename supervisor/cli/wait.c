/* The wait call. */
#include "supervisor/cli/wait.h"

#include <errno.h>

#include "base/str.h"

int hoy_wait_open(const struct hoy_cli *cli, const char *container, const char *condition, struct hoy_http *ret,
	struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/containers/%s/wait?condition=%s", container, condition);
	const struct hoy_http_request request = { .method = "POST", .path = path, .body_fd = -1 };

	return path ? hoy_cli_open(cli, &request, ret, err) : hoy_err_oom(err);
}

int hoy_wait_read(struct hoy_http *wait, int *ret_status, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf body = { .cap = (size_t) 1 << 20 };
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	const char *message;
	int64_t code;
	int r = hoy_http_read_all(wait, &body, err);

	if (r == 0)
		r = hoy_json_parse(body.data, body.len, NULL, &answer, err);
	if (r < 0)
		return hoy_err_wrap(err, "wait for the container");
	message = hoy_json_string(hoy_json_get(hoy_json_get(answer, "Error"), "Message"));
	if (message && *message)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "%s", message);
	if (!hoy_json_get(answer, "StatusCode") || hoy_json_to_i64(hoy_json_get(answer, "StatusCode"), &code) < 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the engine's answer to wait has no StatusCode");
	*ret_status = (int) code;
	return 0;
}
