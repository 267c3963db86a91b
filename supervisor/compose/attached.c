/*
 * up in the foreground. Three kinds of threads: one that waits for signals and stops or kills, one for each container
 * whose output is printed, and the first, which reads the project's events and ends when nothing runs any more.
 */
#include "supervisor/compose/up.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/lines.h"
#include "supervisor/compose/actions.h"
#include "supervisor/compose/labels.h"
#include "supervisor/compose/logs.h"
#include "supervisor/compose/watch.h"

enum presence { GONE, AWAITED /* its start event is to come */, RUNNING };

struct attached {
	struct hoy_compose *app;
	struct hoy_compose_plan *plan;
	const struct hoy_compose_attach_options *options;
	struct hoy_compose_printer printer;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	size_t threads;          /* that print or stop */
	enum presence *presence; /* of each slot's container */
	bool stopping, interrupted;
	int exit_code;
	struct hoy_http events;
	char **former; /* ids of containers that others took the place of; a thread may be printing from one */
	size_t n_former;
};

struct follower {
	struct attached *a;
	struct hoy_compose_container container; /* texts: of the slot, which stays */
	size_t nth;
	char *since;
};

/* A thread of ours, counted: nothing is left undone when we end. */
static void end_thread(struct attached *a)
{
	(void) pthread_mutex_lock(&a->lock);
	a->threads--;
	(void) pthread_cond_signal(&a->ended);
	(void) pthread_mutex_unlock(&a->lock);
}

static int begin_thread(struct attached *a, void *(*run)(void *), void *userdata)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	(void) pthread_mutex_lock(&a->lock);
	a->threads++;
	(void) pthread_mutex_unlock(&a->lock);
	(void) pthread_attr_init(&attributes);
	(void) pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &attributes, run, userdata);
	(void) pthread_attr_destroy(&attributes);
	if (r != 0)
		end_thread(a);
	return -r;
}

/* --- output ------------------------------------------------------------------ */

static void *follow(void *userdata)
{
	struct follower *f = userdata;
	struct attached *a = f->a;
	struct hoy_compose_log_options options = {
		.follow = true, .timestamps = a->options->timestamps, .since = f->since, .tail = f->since ? "all" : "0"
	};
	struct hoy_err err;

	if (hoy_compose_print_log(a->app, &a->printer, &f->container, f->nth, &options, &err) < 0 && !a->stopping)
		(void) fprintf(stderr, "%s: %s\n", f->container.name, hoy_err_str(&err));
	free(f->since);
	free(f);
	end_thread(a);
	return NULL;
}

static bool is_shown(const struct attached *a, const struct hoy_compose_service *s)
{
	const struct hoy_compose_attach_options *o = a->options;

	if (o->attach)
		return hoy_strv_has(o->attach, s->name);
	if (o->no_attach && hoy_strv_has(o->no_attach, s->name))
		return false;
	if (s->attach)
		return *s->attach;
	return !o->services || !*o->services || hoy_strv_has(o->services, s->name);
}

/* `since`: when the container started; NULL: it ran before, only what comes now is shown. */
static void begin_follow(struct attached *a, size_t nth, const char *since)
{
	const struct hoy_compose_slot *slot = &a->plan->slots[nth];
	struct follower *f = is_shown(a, slot->service) ? calloc(1, sizeof *f) : NULL;

	if (!f)
		return;
	*f = (struct follower){ .a = a, .nth = nth, .since = since ? strdup(since) : NULL };
	f->container = (struct hoy_compose_container){
		.id = slot->id, .name = slot->name, .service = slot->service->name, .number = slot->number
	};
	if (begin_thread(a, follow, f) < 0) {
		free(f->since);
		free(f);
	}
}

/* When it started, as the engine says it. Heap or NULL. */
static char *started_at(struct attached *a, const char *id)
{
	auto_free char *path = hoy_str_printf("/containers/%s/json", id);
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;

	if (!path || hoy_cli_call(a->app->cli, "GET", path, NULL, &info, NULL) < 0)
		return NULL;
	return strdup(hoy_cli_text(hoy_json_get(info, "State"), "StartedAt"));
}

/* --- ending ------------------------------------------------------------------ */

/* The containers of the plan, against their dependencies. */
static int stop_all(struct attached *a, struct hoy_err *err)
{
	const struct hoy_compose_stop_options stop = { .timeout = a->options->timeout };
	auto_ptr(hoy_strv_free) char **services = NULL;
	int r = hoy_compose_refresh(a->app, err);

	for (size_t i = 0; r == 0 && i < a->plan->n; i++)
		if (hoy_strv_add(&services, a->plan->slots[i].service->name) < 0)
			r = hoy_err_oom(err);
	return r < 0 ? r : hoy_compose_act(a->app, &hoy_compose_stop_action, services, &stop, err);
}

static void *run_stop(void *userdata)
{
	struct attached *a = userdata;
	struct hoy_err err;

	if (stop_all(a, &err) < 0)
		(void) fprintf(stderr, "%s\n", hoy_err_str(&err));
	if (a->options->watcher) /* there may have been nothing that could end */
		(void) shutdown(a->events.fd, SHUT_RDWR);
	end_thread(a);
	return NULL;
}

static void begin_stop(struct attached *a)
{
	struct hoy_err err;

	a->stopping = true;
	(void) hoy_compose_begin_report(a->app, "Stopping", NULL);
	if (begin_thread(a, run_stop, a) < 0 && stop_all(a, &err) < 0)
		(void) fprintf(stderr, "%s\n", hoy_err_str(&err));
}

/* Kills without looking at lists that the thread that stops is using. */
static void kill_all(struct attached *a)
{
	for (size_t i = 0; i < a->plan->n; i++)
		(void) hoy_compose_post(a->app, "POST", a->plan->slots[i].id, NULL, "/kill");
}

static void *wait_for_signals(void *userdata)
{
	struct attached *a = userdata;
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	while (sigwait(&set, &sig) == 0) {
		if (!a->interrupted) {
			a->interrupted = true;
			hoy_compose_print_note(&a->printer, "Gracefully stopping... (press Ctrl+C again to force)");
			if (!a->stopping)
				begin_stop(a);
		} else {
			kill_all(a);
		}
	}
	return NULL;
}

/* --- events ------------------------------------------------------------------ */

static size_t slot_of(const struct attached *a, const char *id)
{
	size_t i = 0;

	while (i < a->plan->n && !hoy_str_eq(a->plan->slots[i].id, id))
		i++;
	return i;
}

/* What is to start again doesn't any more when everything is stopped. */
static bool is_over(const struct attached *a)
{
	if (a->options->watcher && !a->stopping) /* the next change may start something */
		return false;
	for (size_t i = 0; i < a->plan->n; i++)
		if (a->presence[i] == RUNNING || (a->presence[i] == AWAITED && !a->stopping))
			return false;
	return true;
}

/* A container that the engine starts again by its policy is not over: its next start is awaited. */
static bool comes_back(struct attached *a, const char *id)
{
	auto_free char *path = hoy_str_printf("/containers/%s/json", id);
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	const struct hoy_json *state;

	if (!path || hoy_cli_call(a->app->cli, "GET", path, NULL, &info, NULL) < 0)
		return false;
	state = hoy_json_get(info, "State");
	return hoy_cli_bool(state, "Running") || hoy_cli_bool(state, "Restarting");
}

static void on_exit_of(struct attached *a, size_t nth, long long code)
{
	const struct hoy_compose_slot *slot = &a->plan->slots[nth];
	const struct hoy_compose_attach_options *o = a->options;
	const struct hoy_compose_container as = { .name = slot->name };
	auto_free char *note = hoy_str_printf("%s exited with code %lld", hoy_compose_short_name(a->app, &as), code);
	bool ends = o->abort_on_exit || (o->abort_on_failure && code != 0);

	if (note)
		hoy_compose_print_note(&a->printer, note);
	if (o->exit_code_from) {
		if (strcmp(slot->service->name, o->exit_code_from) == 0 && a->exit_code < 0)
			a->exit_code = (int) code;
		ends = ends && (strcmp(slot->service->name, o->exit_code_from) == 0 || o->abort_on_exit);
	} else if (ends && a->exit_code < 0) {
		a->exit_code = (int) code;
	}
	if (ends && !a->stopping) {
		hoy_compose_print_note(&a->printer, "Aborting on container exit...");
		begin_stop(a);
	}
}

/* What the watch rebuilt stands in its slot: a new container of that service and number. */
static size_t slot_of_new(struct attached *a, const struct hoy_json *actor)
{
	const struct hoy_json *attributes = hoy_json_get(actor, "Attributes");
	const char *service = hoy_cli_text(attributes, HOY_COMPOSE_SERVICE);
	long long number = strtoll(hoy_cli_text(attributes, HOY_COMPOSE_NUMBER), NULL, 10);
	char **former = reallocarray(a->former, a->n_former + 1, sizeof(char *)), *id;
	size_t i = 0;

	a->former = former ? former : a->former;
	while (i < a->plan->n &&
		(strcmp(a->plan->slots[i].service->name, service) != 0 || a->plan->slots[i].number != number))
		i++;
	if (i == a->plan->n || strcmp(hoy_cli_text(attributes, HOY_COMPOSE_ONEOFF), "True") == 0)
		return a->plan->n;
	id = strdup(hoy_cli_text(actor, "ID"));
	if (!id || !former) {
		free(id);
		return a->plan->n;
	}
	former[a->n_former++] = a->plan->slots[i].id;
	a->plan->slots[i].id = id;
	a->presence[i] = AWAITED;
	return i;
}

static int on_event(const struct hoy_json *event, void *userdata, struct hoy_err *err)
{
	struct attached *a = userdata;
	const struct hoy_json *actor = hoy_json_get(event, "Actor");
	const char *action = hoy_cli_text(event, "Action");
	size_t nth = slot_of(a, hoy_cli_text(actor, "ID"));

	(void) err;
	if (nth == a->plan->n && a->options->watcher && strcmp(action, "start") == 0)
		nth = slot_of_new(a, actor);
	if (nth == a->plan->n)
		return 0;
	if (strcmp(action, "start") == 0 && a->presence[nth] != RUNNING) {
		auto_free char *since = started_at(a, a->plan->slots[nth].id);

		a->presence[nth] = RUNNING;
		begin_follow(a, nth, since);
	} else if (strcmp(action, "die") == 0 && a->presence[nth] == RUNNING) {
		on_exit_of(a, nth, strtoll(hoy_cli_text(hoy_json_get(actor, "Attributes"), "exitCode"), NULL, 10));
		a->presence[nth] = !a->stopping && comes_back(a, a->plan->slots[nth].id) ? AWAITED : GONE;
	}
	return is_over(a) ? -ECANCELED : 0;
}

static int open_events(struct attached *a, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_free char *filters = hoy_str_printf(
		"{\"type\":[\"container\"],\"event\":[\"start\",\"die\"],\"label\":[\"%s=%s\"]}", HOY_COMPOSE_PROJECT,
		a->app->name);
	struct hoy_http_request request = { .method = "GET", .body_fd = -1 };
	int r;

	if (!filters)
		return hoy_err_oom(err);
	(void) hoy_buf_adds(&path, "/events?filters=");
	hoy_http_escape(&path, filters);
	r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	return hoy_cli_open(a->app->cli, &request, &a->events, err);
}

/* --- the whole --------------------------------------------------------------- */

static int begin_signals(struct attached *a, struct hoy_err *err)
{
	pthread_t thread;
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	(void) pthread_sigmask(SIG_BLOCK, &set, NULL);
	r = pthread_create(&thread, NULL, wait_for_signals, a);
	if (r != 0)
		return hoy_err_code(err, -r, "start a thread");
	(void) pthread_detach(thread);
	return 0;
}

/* Lines that were written before the end are printed before we go. */
static void drain(struct attached *a)
{
	(void) pthread_mutex_lock(&a->lock);
	while (a->threads)
		(void) pthread_cond_wait(&a->ended, &a->lock);
	(void) pthread_mutex_unlock(&a->lock);
}

static int watch(struct attached *a, struct hoy_err *err)
{
	int r;

	for (size_t i = 0; i < a->plan->n; i++) {
		const struct hoy_compose_slot *slot = &a->plan->slots[i];

		if (slot->started) {
			a->presence[i] = AWAITED;
		} else if (slot->old && hoy_compose_container_runs(slot->old)) {
			a->presence[i] = RUNNING;
			begin_follow(a, i, NULL);
		}
	}
	r = a->options->watcher ? hoy_compose_watcher_begin(a->options->watcher, err) : 0;
	if (r < 0 || is_over(a))
		return r;
	r = hoy_lines_read(&a->events, on_event, a, err);
	return r == -ECANCELED || (a->options->watcher && a->stopping) ? 0 : r;
}

/* The names get their room before the first line. */
static void fit_names(struct attached *a)
{
	for (size_t i = 0; i < a->plan->n; i++) {
		const struct hoy_compose_container as = { .name = a->plan->slots[i].name };

		if (is_shown(a, a->plan->slots[i].service))
			a->printer.width = MAX(a->printer.width, strlen(hoy_compose_short_name(a->app, &as)));
	}
}

int hoy_compose_run_attached(
	struct hoy_compose_plan *plan, const struct hoy_compose_attach_options *options, struct hoy_err *err)
{
	struct attached *a = calloc(1, sizeof *a);
	int r;

	/* Not freed: threads that print or wait for signals may look at it until we exit. */
	if (!a)
		return hoy_err_oom(err);
	*a = (struct attached){
		.app = plan->app, .plan = plan, .options = options, .exit_code = -1, .events.fd = -EBADF
	};
	a->presence = calloc(plan->n + 1, sizeof *a->presence);
	(void) pthread_mutex_init(&a->lock, NULL);
	(void) pthread_cond_init(&a->ended, NULL);
	hoy_compose_printer_init(&a->printer, plan->app, options->no_color, options->no_prefix);
	fit_names(a);
	r = a->presence ? begin_signals(a, err) : hoy_err_oom(err);
	if (r == 0)
		r = open_events(a, err);
	if (r == 0)
		r = hoy_compose_plan_start(plan, err);
	hoy_compose_end_report(plan->app);
	if (r == 0)
		r = watch(a, err);
	if (r < 0)
		return r;
	drain(a);
	if (a->interrupted)
		return 130;
	return a->exit_code > 0 ? a->exit_code : 0;
}
