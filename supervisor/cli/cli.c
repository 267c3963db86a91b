/* What the commands share: API calls, error texts. */
#include "supervisor/cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

int hoy_cli_fail(const struct hoy_cli *cli, int status, const struct hoy_err *err)
{
	bool of_run = status >= HOY_EXIT_ENGINE && status <= HOY_EXIT_NOT_FOUND;

	(void) fflush(stdout);
	(void) fprintf(stderr, "%s%s%s\n", of_run ? cli->program : "", of_run ? ": " : "", hoy_err_str(err));
	if (of_run && cli->called)
		(void) fprintf(stderr, "\nRun '%s %s --help' for more information\n", cli->program, cli->called);
	return status;
}

static enum hoy_err_kind kind_of_status(int status, int *ret_errnum)
{
	switch (status) {
	case 400:
		*ret_errnum = EINVAL;
		return HOY_ERR_INVALID;
	case 404:
		*ret_errnum = ENOENT;
		return HOY_ERR_NOT_FOUND;
	case 409:
		*ret_errnum = EBUSY;
		return HOY_ERR_CONFLICT;
	case 501:
		*ret_errnum = EOPNOTSUPP;
		return HOY_ERR_UNSUPPORTED;
	default:
		*ret_errnum = EREMOTEIO;
		return HOY_ERR_SYSTEM;
	}
}

int hoy_cli_answer_error(struct hoy_http *http, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf body = { .cap = (size_t) 1 << 20 };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const char *message = NULL;
	enum hoy_err_kind kind;
	int errnum;

	kind = kind_of_status(http->status, &errnum);
	(void) hoy_http_read_all(http, &body, NULL);
	if (hoy_json_parse(body.data ? body.data : "", body.len, NULL, &doc, NULL) == 0)
		message = hoy_json_string(hoy_json_get_ci(doc, "message"));
	if (!message && body.len) {
		body.data[strcspn(body.data, "\r\n")] = '\0';
		message = body.data;
	}
	if (!message)
		return hoy_err_set(err, kind, errnum, "Error response from daemon: HTTP status %d", http->status);
	return hoy_err_set(err, kind, errnum, "Error response from daemon: %s", message);
}

int hoy_cli_open(
	const struct hoy_cli *cli, const struct hoy_http_request *request, struct hoy_http *ret, struct hoy_err *err)
{
	/* Without a version in the path an engine speaks its newest one: no round trip to negotiate. */
	int r = hoy_http_send(&cli->host, request, ret, err);

	if (r < 0)
		return r;
	if (ret->status >= 400) {
		r = hoy_cli_answer_error(ret, err);
		hoy_http_done(ret);
		return r;
	}
	return 0;
}

int hoy_cli_call(const struct hoy_cli *cli, const char *method, const char *path, const char *body,
	struct hoy_json **ret, struct hoy_err *err)
{
	const struct hoy_http_request request = {
		.method = method,
		.path = path,
		.content_type = body ? "application/json" : NULL,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.body_fd = -1,
	};
	auto_(hoy_buf_done) struct hoy_buf answer = { .cap = (size_t) 64 << 20 };
	auto_(hoy_http_done) struct hoy_http http = { .fd = -1 };
	const struct hoy_json_limits limits = { .max_size = (size_t) 64 << 20 };
	int r;

	if (cli->dry_run && strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		static const char made[] = "{\"Id\":\"dry-run\"}";

		return ret ? hoy_json_parse(made, strlen(made), NULL, ret, err) : 0;
	}
	r = hoy_cli_open(cli, &request, &http, err);
	if (r < 0)
		return r;
	r = hoy_http_read_all(&http, &answer, err);
	if (r < 0 || !ret)
		return r;
	*ret = NULL;
	if (!answer.len)
		return 0;
	r = hoy_json_parse(answer.data, answer.len, &limits, ret, err);
	return r < 0 ? hoy_err_wrap(err, "the engine's answer to %s %s", method, path) : 0;
}

int hoy_cli_each_arg(
	struct hoy_cli *cli, int (*one)(struct hoy_cli *cli, const char *arg, struct hoy_err *err), bool print)
{
	int status = 0;

	for (size_t i = 0; i < cli->n_args; i++) {
		struct hoy_err err;

		if (one(cli, cli->args[i], &err) < 0) {
			(void) fflush(stdout);
			(void) fprintf(stderr, "%s\n", hoy_err_str(&err));
			status = 1;
		} else if (print) {
			(void) puts(cli->args[i]);
		}
	}
	return status;
}

const char *hoy_cli_text(const struct hoy_json *object, const char *key)
{
	const struct hoy_json *value = hoy_json_get(object, key);
	const char *text = value ? hoy_json_string(value) : NULL;

	return text ? text : "";
}

int64_t hoy_cli_number(const struct hoy_json *object, const char *key)
{
	const struct hoy_json *value = hoy_json_get(object, key);
	int64_t number = 0;

	if (value)
		(void) hoy_json_to_i64(value, &number);
	return number;
}

bool hoy_cli_bool(const struct hoy_json *object, const char *key)
{
	const struct hoy_json *value = hoy_json_get(object, key);

	return value && hoy_json_bool(value);
}

int hoy_cli_check_engine(const struct hoy_cli *cli, const char *what, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *version = NULL;
	int r = hoy_cli_call(cli, "GET", "/version", NULL, &version, err);

	if (r == 0 && strcmp(hoy_cli_text(hoy_json_get(version, "Platform"), "Name"), "Hoy") != 0)
		r = hoy_err_unsupported(err, "%s: this engine does not know that", what);
	return r;
}
