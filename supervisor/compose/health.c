/* Waiting for conditions. */
#include "supervisor/compose/health.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/lines.h"
#include "supervisor/cli/wait.h"
#include "supervisor/compose/work.h"

static const char *const condition_names[] = {
	[HOY_COMPOSE_STARTED] = "service_started",
	[HOY_COMPOSE_HEALTHY] = "service_healthy",
	[HOY_COMPOSE_COMPLETED] = "service_completed_successfully",
	[HOY_COMPOSE_READY] = "ready",
};

int hoy_compose_condition_parse(const char *text)
{
	for (int i = 0; i < HOY_COMPOSE_READY; i++)
		if (strcmp(text, condition_names[i]) == 0)
			return i;
	return -EINVAL;
}

const char *hoy_compose_condition_name(enum hoy_compose_condition condition)
{
	return condition_names[condition];
}

struct waiting {
	struct hoy_compose *app;
	const char *id, *name;
	enum hoy_compose_condition condition;
	struct hoy_http events;
	time_t deadline; /* of CLOCK_MONOTONIC; 0: none */
	bool held;
};

static time_t now(void)
{
	struct timespec t = {};

	(void) clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

/* Reads of the engine's events end at the deadline. */
static int arm(struct waiting *w, struct hoy_err *err)
{
	struct timeval left = {};

	if (!w->deadline)
		return 0;
	left.tv_sec = w->deadline - now();
	if (left.tv_sec <= 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ETIMEDOUT,
			"container %s: application not healthy after the time of --wait-timeout", w->name);
	if (setsockopt(w->events.fd, SOL_SOCKET, SO_RCVTIMEO, &left, sizeof left) < 0)
		return hoy_err_sys(err, "set a time limit");
	return 0;
}

/* Looks at the container's state: w->held, or an error when waiting is in vain. */
static int look(struct waiting *w, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/containers/%s/json", w->id);
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	const struct hoy_json *state, *health;
	const char *status;
	int r = path ? hoy_cli_call(w->app->cli, "GET", path, NULL, &info, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	state = hoy_json_get(info, "State");
	health = hoy_json_get(state, "Health");
	status = hoy_cli_text(health, "Status");
	if (w->condition == HOY_COMPOSE_HEALTHY && (!health || !*status || strcmp(status, "none") == 0))
		return hoy_err_invalid(err, "container %s has no healthcheck configured", w->name);
	if (strcmp(status, "unhealthy") == 0)
		return hoy_err_conflict(err, "container %s is unhealthy", w->name);
	if (strcmp(status, "healthy") == 0)
		w->held = true;
	else if (w->condition != HOY_COMPOSE_HEALTHY && (!*status || strcmp(status, "none") == 0))
		w->held = hoy_cli_bool(state, "Running");
	if (!w->held && strcmp(hoy_cli_text(state, "Status"), "exited") == 0)
		return hoy_err_conflict(
			err, "container %s exited (%lld)", w->name, (long long) hoy_cli_number(state, "ExitCode"));
	return 0;
}

static int on_event(const struct hoy_json *event, void *userdata, struct hoy_err *err)
{
	struct waiting *w = userdata;
	int r;

	(void) event;
	r = look(w, err);
	if (r == 0 && w->held)
		return -ECANCELED; /* enough */
	return r < 0 ? r : arm(w, err);
}

/* The stream is opened before the first look, so that no change is missed between. */
static int await_state(struct waiting *w, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_http_request request = { .method = "GET", .body_fd = -1 };
	int r;

	(void) hoy_buf_adds(&path, "/events?filters=");
	hoy_http_escape(&path,
		"{\"type\":[\"container\"],\"event\":[\"health_status\",\"health_status: healthy\",\"health_status: unhealthy\",\"start\",\"die\",\"destroy\"],\"container\":[\"");
	hoy_http_escape(&path, w->id);
	hoy_http_escape(&path, "\"]}");
	r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	r = hoy_cli_open(w->app->cli, &request, &w->events, err);
	if (r == 0)
		r = arm(w, err);
	if (r == 0)
		r = look(w, err);
	if (r < 0 || w->held)
		return r;
	r = hoy_lines_read(&w->events, on_event, w, err);
	if (w->held)
		return 0;
	if (r == -EAGAIN)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ETIMEDOUT,
			"container %s: application not healthy after the time of --wait-timeout", w->name);
	return r < 0 ? r : hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "the engine closed the stream of events");
}

static int await_completion(struct waiting *w, struct hoy_err *err)
{
	int status = 0;
	int r = hoy_wait_open(w->app->cli, w->id, "not-running", &w->events, err);

	if (r == 0)
		r = hoy_wait_read(&w->events, &status, err);
	if (r == 0 && status != 0)
		r = hoy_err_conflict(err, "container %s didn't complete successfully: exit %d", w->name, status);
	return r;
}

int hoy_compose_await(struct hoy_compose *app, const char *id, const char *name, enum hoy_compose_condition condition,
	int64_t timeout, struct hoy_err *err)
{
	struct waiting w = { .app = app, .id = id, .name = name, .condition = condition, .events.fd = -EBADF };
	int r;

	if (condition == HOY_COMPOSE_STARTED || app->globals->dry_run)
		return 0;
	if (timeout > 0)
		w.deadline = now() + timeout;
	hoy_compose_tell(app, HOY_REPORT_WORKING, "Container", name, "Waiting");
	r = condition == HOY_COMPOSE_COMPLETED ? await_completion(&w, err) : await_state(&w, err);
	hoy_http_done(&w.events);
	if (r < 0)
		hoy_compose_tell(app, HOY_REPORT_ERROR, "Container", name, "Error");
	else
		hoy_compose_tell(app, HOY_REPORT_DONE, "Container", name,
			condition == HOY_COMPOSE_COMPLETED ? "Exited" : "Healthy");
	return r;
}

/* --- the label "depends_on" -------------------------------------------------- */

/* Takes the next "service:condition:restart" off. Fields are owned by `fields`; NULL at the end. */
static char **next_dependency(const char **at)
{
	size_t len = strcspn(*at, ",");
	auto_free char *entry = len ? strndup(*at, len) : NULL;

	*at += len + ((*at)[len] == ',');
	return entry ? hoy_str_split(entry, ':') : NULL;
}

int hoy_compose_await_dependencies(struct hoy_compose *app, const char *depends, struct hoy_err *err)
{
	while (*depends) {
		auto_ptr(hoy_strv_free) char **fields = next_dependency(&depends);
		int condition = fields && fields[0] && fields[1] ? hoy_compose_condition_parse(fields[1]) : -EINVAL;

		if (condition < 0)
			continue;
		for (size_t i = 0; i < app->containers.n; i++) {
			const struct hoy_compose_container *c = &app->containers.all[i];
			int r;

			if (c->oneoff || strcmp(c->service, fields[0]) != 0)
				continue;
			r = hoy_compose_await(
				app, c->id, c->name, (enum hoy_compose_condition) condition, /* timeout= */ 0, err);
			if (r < 0)
				return hoy_err_wrap(err, "dependency failed to start");
		}
	}
	return 0;
}

bool hoy_compose_restarts_with(const char *depends, char *const *services)
{
	while (*depends) {
		auto_ptr(hoy_strv_free) char **fields = next_dependency(&depends);

		if (fields && hoy_strv_len(fields) == 3 && strcmp(fields[2], "true") == 0 &&
			hoy_strv_has(services, fields[0]))
			return true;
	}
	return false;
}

/* --- all of them ------------------------------------------------------------- */

struct readiness {
	struct hoy_compose *app;
	const struct hoy_compose_container *container;
	int64_t timeout;
};

static int await_one(void *userdata, struct hoy_err *err)
{
	struct readiness *one = userdata;

	return hoy_compose_await(
		one->app, one->container->id, one->container->name, HOY_COMPOSE_READY, one->timeout, err);
}

int hoy_compose_await_ready(struct hoy_compose *app, char *const *services, int64_t timeout, struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(/* parallel= */ -1);
	auto_free struct readiness *all = calloc(app->containers.n + 1, sizeof *all);

	if (!work || !all)
		return hoy_err_oom(err);
	for (size_t i = 0; i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];

		all[i] = (struct readiness){ .app = app, .container = c, .timeout = timeout };
		if (!c->oneoff && hoy_compose_container_of(c, services))
			(void) hoy_work_add(work, await_one, &all[i]);
	}
	return hoy_work_run(work, err);
}
