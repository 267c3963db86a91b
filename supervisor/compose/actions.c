/* Doing something to many containers. */
#include "supervisor/compose/actions.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/hooks.h"
#include "supervisor/compose/work.h"

struct job {
	struct hoy_compose *app;
	const struct hoy_compose_action *action;
	struct hoy_compose_container *container;
	const void *options;
	struct hoy_work_step *step;
};

static int run_job(void *userdata, struct hoy_err *err)
{
	struct job *job = userdata;
	int r;

	hoy_compose_tell(job->app, HOY_REPORT_WORKING, "Container", job->container->name, job->action->begun);
	r = job->action->run(job->app, job->container, job->options, err);
	if (r < 0)
		hoy_compose_tell(job->app, HOY_REPORT_ERROR, "Container", job->container->name, hoy_err_str(err));
	else
		hoy_compose_tell(job->app, HOY_REPORT_DONE, "Container", job->container->name, job->action->ended);
	return r;
}

/* The jobs of one service wait for those of the services it depends on, or the other way round. */
struct ordering {
	struct job *jobs, *of;
	size_t n;
};

static int order_after(const char *service, void *userdata)
{
	struct ordering *o = userdata;

	for (size_t i = 0; i < o->n; i++) {
		struct job *other = &o->jobs[i];

		if (other == o->of || strcmp(other->container->service, service) != 0)
			continue;
		if (o->of->action->order == HOY_COMPOSE_FORWARD)
			hoy_work_after(o->of->step, other->step);
		else
			hoy_work_after(other->step, o->of->step);
	}
	return 0;
}

static int order(struct hoy_compose *app, struct job *jobs, size_t n)
{
	struct ordering o = { .jobs = jobs, .n = n };
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		o.of = &jobs[i];
		r = hoy_compose_each_dependency(app, jobs[i].container->service, order_after, &o);
	}
	return r;
}

int hoy_compose_act(struct hoy_compose *app, const struct hoy_compose_action *action, char *const *services,
	const void *options, struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(app->globals->parallel);
	auto_free struct job *jobs = calloc(app->containers.n + 1, sizeof *jobs);
	size_t n = 0;

	if (!work || !jobs)
		return hoy_err_oom(err);
	for (size_t i = 0; i < app->containers.n; i++) {
		struct hoy_compose_container *c = &app->containers.all[i];

		if (!hoy_compose_container_of(c, services) || (action->wanted && !action->wanted(c, options)))
			continue;
		jobs[n] = (struct job){ .app = app, .action = action, .container = c, .options = options };
		jobs[n].step = hoy_work_add(work, run_job, &jobs[n]);
		n++;
	}
	if (action->order != HOY_COMPOSE_UNORDERED && order(app, jobs, n) < 0)
		return hoy_err_oom(err);
	return hoy_work_run_all(work, err);
}

/* --- stop, kill, remove ------------------------------------------------------ */

static bool wants_stop(const struct hoy_compose_container *c, const void *options)
{
	const struct hoy_compose_stop_options *o = options;

	return hoy_compose_container_runs(c) && (o->oneoffs || !c->oneoff);
}

static int stop(struct hoy_compose *app, struct hoy_compose_container *c, const void *options, struct hoy_err *err)
{
	const struct hoy_compose_stop_options *o = options;
	int r = hoy_compose_run_hooks(app, c, HOY_COMPOSE_PRE_STOP, err);

	if (r < 0)
		return r;
	if (o->timeout >= 0)
		r = hoy_compose_post(app, "POST", c->id, err, "/stop?t=%lld", (long long) o->timeout);
	else
		r = hoy_compose_post(app, "POST", c->id, err, "/stop");
	return r == -ENOENT ? 0 : r;
}

const struct hoy_compose_action hoy_compose_stop_action = {
	.begun = "Stopping",
	.ended = "Stopped",
	.order = HOY_COMPOSE_REVERSE,
	.wanted = wants_stop,
	.run = stop,
};

static int kill_container(
	struct hoy_compose *app, struct hoy_compose_container *c, const void *options, struct hoy_err *err)
{
	const struct hoy_compose_stop_options *o = options;
	auto_(hoy_buf_done) struct hoy_buf signal = {};
	int r;

	hoy_http_escape(&signal, o->signal ? o->signal : "SIGKILL");
	r = hoy_buf_check(&signal, "the request", err);
	return r < 0 ? r : hoy_compose_post(app, "POST", c->id, err, "/kill?signal=%s", signal.data);
}

const struct hoy_compose_action hoy_compose_kill_action = {
	.begun = "Killing",
	.ended = "Killed",
	.wanted = wants_stop,
	.run = kill_container,
};

static bool wants_removal(const struct hoy_compose_container *c, const void *options)
{
	const struct hoy_compose_remove_options *o = options;

	return (o->force || !hoy_compose_container_runs(c)) && (o->oneoffs || !c->oneoff);
}

static int remove_container(
	struct hoy_compose *app, struct hoy_compose_container *c, const void *options, struct hoy_err *err)
{
	const struct hoy_compose_remove_options *o = options;
	int r = hoy_compose_post(app, "DELETE", c->id, err, "?force=%d&v=%d", o->force, o->volumes);

	return r == -ENOENT ? 0 : r;
}

const struct hoy_compose_action hoy_compose_remove_action = {
	.begun = "Removing",
	.ended = "Removed",
	.order = HOY_COMPOSE_REVERSE,
	.wanted = wants_removal,
	.run = remove_container,
};
