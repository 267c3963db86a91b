/* Hooks by exec. */
#include "supervisor/compose/hooks.h"

#include <string.h>

#include "base/str.h"
#include "supervisor/compose/project.h"

static int print_exec(const struct hoy_compose_hook *hook, struct hoy_buf *out, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = out };

	hoy_json_object(&w, NULL);
	hoy_json_add_bool(&w, "AttachStdout", true);
	hoy_json_add_bool(&w, "AttachStderr", true);
	hoy_json_add_bool(&w, "Privileged", hook->privileged);
	if (hook->user)
		hoy_json_add_string(&w, "User", hook->user);
	if (hook->working_dir)
		hoy_json_add_string(&w, "WorkingDir", hook->working_dir);
	hoy_json_add_strv(&w, "Cmd", hook->command);
	hoy_json_array(&w, "Env");
	for (const struct hoy_compose_pair *p = hook->environment; p && p->key; p++) {
		auto_free char *entry = hoy_str_printf("%s=%s", p->key, p->value ? p->value : "");

		hoy_json_add_string(&w, NULL, entry ? entry : "");
	}
	hoy_json_end(&w);
	hoy_json_end(&w);
	return hoy_buf_check(out, "the request", err);
}

/* The start's answer ends when the command has: its output is read and let go. */
static int run(struct hoy_compose *app, const char *id, struct hoy_err *err)
{
	auto_free char *start = hoy_str_printf("/exec/%s/start", id), *look = hoy_str_printf("/exec/%s/json", id);
	auto_(hoy_http_done) struct hoy_http http = { .fd = -1 };
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	const struct hoy_http_request request = {
		.method = "POST",
		.path = start,
		.content_type = "application/json",
		.body = "{}",
		.body_len = 2,
		.body_fd = -1,
	};
	char piece[4096];
	ssize_t n;
	int r = start && look ? hoy_cli_open(app->cli, &request, &http, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	while ((n = hoy_http_read(&http, piece, sizeof piece, err)) > 0)
		;
	if (n < 0)
		return (int) n;
	r = hoy_cli_call(app->cli, "GET", look, NULL, &info, err);
	return r < 0 ? r : (int) hoy_cli_number(info, "ExitCode");
}

int hoy_compose_exec_hook(struct hoy_compose *app, const struct hoy_compose_container *c,
	const struct hoy_compose_hook *hook, const char *what, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	auto_free char *path = hoy_str_printf("/containers/%s/exec", c->id);
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	int r = path ? print_exec(hook, &body, err) : hoy_err_oom(err);

	if (r == 0)
		r = hoy_cli_call(app->cli, "POST", path, body.data, &answer, err);
	if (r == 0)
		r = run(app, hoy_cli_text(answer, "Id"), err);
	if (r > 0)
		r = hoy_err_conflict(err, "exited with code %d", r);
	return r < 0 ? hoy_err_wrap(err, "%s hook of %s", what, c->name) : 0;
}

int hoy_compose_run_hooks(struct hoy_compose *app, const struct hoy_compose_container *container,
	enum hoy_compose_hook_time when, struct hoy_err *err)
{
	const struct hoy_compose_service *s = app->project ? hoy_compose_service_find(app->project, container->service)
							   : NULL;
	int r = 0;

	if (!s || container->oneoff || app->globals->dry_run)
		return 0;
	hoy_compose_each(struct hoy_compose_hook, hook, when == HOY_COMPOSE_POST_START ? s->post_start : s->pre_stop)
	{
		if (r == 0)
			r = hoy_compose_exec_hook(
				app, container, hook, when == HOY_COMPOSE_POST_START ? "post_start" : "pre_stop", err);
	}
	return r;
}
