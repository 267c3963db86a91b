/* watch: sources that change are copied into containers, or build their image and start them anew (develop.watch). */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/str.h"
#include "base/ustar.h"
#include "supervisor/compose/app.h"
#include "supervisor/compose/hooks.h"
#include "supervisor/compose/images.h"
#include "supervisor/compose/project.h"
#include "supervisor/compose/sources.h"
#include "supervisor/compose/up.h"
#include "supervisor/compose/watch.h"

#define SETTLE_MS 200 /* after the last change: an editor or a checkout writes more than one file */
#define FILE_MAX ((size_t) 64 << 20)

struct watch_options {
	bool no_up, prune, quiet;
};
static const struct watch_options watch_defaults = { .prune = true };
static const struct hoy_option watch_options[] = {
	HOY_OPTION(0, "no-up", HOY_OPTION_BOOL, NULL, struct watch_options, no_up,
		"Do not build & start services before watching"),
	HOY_OPTION(0, "prune", HOY_OPTION_BOOL, NULL, struct watch_options, prune,
		"Remove the image that a rebuild replaces (default true)"),
	HOY_OPTION(0, "quiet", HOY_OPTION_BOOL, NULL, struct watch_options, quiet, "hide build output"),
	HOY_OPTION_END,
};

/* One entry of a service's develop.watch. */
struct rule {
	const struct hoy_compose_service *service;
	const struct hoy_compose_watch *watch;
	struct hoy_sources *sources;
	char **changed;
};

struct watching {
	struct hoy_compose *app;
	const struct watch_options *options;
	struct rule *rules;
	struct pollfd *fds;
	size_t n;
};

static bool does(const struct rule *rule, const char *what)
{
	const char *action = rule->watch->action;

	return action && strstr(action, what) != NULL;
}

/* --- sync -------------------------------------------------------------------- */

static char *target_of(const struct rule *rule, const char *path)
{
	const char *target = rule->watch->target;
	const char *slash = *target && target[strlen(target) - 1] == '/' ? "" : "/";

	return *path ? hoy_str_printf("%s%s%s", target, slash, path) : strdup(target);
}

/* There: into the archive. Gone: `gone` gets where it stood. */
static int collect(
	const struct rule *rule, const char *path, struct hoy_buf *archive, char ***gone, struct hoy_err *err)
{
	auto_free char *from = *path ? hoy_str_printf("%s/%s", rule->watch->path, path) : strdup(rule->watch->path);
	auto_free char *target = target_of(rule, path);
	auto_(hoy_buf_done) struct hoy_buf data = { .cap = FILE_MAX };
	struct stat st;
	int r;

	if (!from || !target)
		return hoy_err_oom(err);
	if (lstat(from, &st) < 0)
		return hoy_strv_add(gone, target) < 0 ? hoy_err_oom(err) : 0;
	if (!S_ISREG(st.st_mode))
		return 0;
	r = hoy_file_read(AT_FDCWD, from, &data, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	return hoy_ustar_add(archive,
		&(struct hoy_ustar_file){ .path = target,
			.data = data.data ? data.data : "",
			.len = data.len,
			.mode = st.st_mode & 0777 },
		err);
}

static int put(struct hoy_compose *app, const char *id, const struct hoy_buf *archive, struct hoy_err *err)
{
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	auto_free char *path = hoy_str_printf("/containers/%s/archive?path=%%2F", id);
	const struct hoy_http_request request = {
		.method = "PUT",
		.path = path,
		.content_type = "application/x-tar",
		.body = archive->data,
		.body_len = archive->len,
		.body_fd = -1,
	};

	return path ? hoy_cli_open(app->cli, &request, &http, err) : hoy_err_oom(err);
}

static int remove_gone(struct hoy_compose *app, const struct hoy_compose_container *c, char **gone, struct hoy_err *err)
{
	static char rm[] = "rm", flags[] = "-rf", end[] = "--", root[] = "0";
	auto_free char **words = calloc(hoy_strv_len(gone) + 4, sizeof *words);
	struct hoy_compose_hook hook = { .command = words, .user = root };

	if (!words)
		return hoy_err_oom(err);
	words[0] = rm;
	words[1] = flags;
	words[2] = end;
	memcpy(words + 3, gone, hoy_strv_len(gone) * sizeof *words);
	return hoy_compose_exec_hook(app, c, &hook, "removal of files", err);
}

static int sync_container(const struct rule *rule, struct hoy_compose *app, const struct hoy_compose_container *c,
	const struct hoy_buf *archive, char **gone, struct hoy_err *err)
{
	int r = archive->len ? put(app, c->id, archive, err) : 0;

	if (r == 0 && gone)
		r = remove_gone(app, c, gone, err);
	if (r == 0 && does(rule, "exec") && rule->watch->exec)
		r = hoy_compose_exec_hook(app, c, rule->watch->exec, "exec", err);
	if (r == 0 && does(rule, "restart"))
		r = hoy_compose_post(app, "POST", c->id, err, "/restart");
	return r;
}

/* Copies, and then runs or restarts what the rule says, in all of the service's containers that run. */
static int sync_rule(struct watching *w, const struct rule *rule, char **changed, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf archive = {};
	auto_ptr(hoy_strv_free) char **gone = NULL;
	int r = 0;

	for (char **path = changed; r == 0 && does(rule, "sync") && path && *path; path++)
		r = collect(rule, *path, &archive, &gone, err);
	if (archive.len)
		hoy_ustar_end(&archive);
	if (r == 0)
		r = hoy_buf_check(&archive, "the archive", err);
	if (r == 0)
		r = hoy_compose_refresh(w->app, err);
	for (size_t i = 0; r == 0 && i < w->app->containers.n; i++) {
		const struct hoy_compose_container *c = &w->app->containers.all[i];

		if (!c->oneoff && strcmp(c->service, rule->service->name) == 0 && hoy_compose_container_runs(c))
			r = sync_container(rule, w->app, c, &archive, gone, err);
	}
	return r;
}

/* --- rebuild ----------------------------------------------------------------- */

static char *image_id(struct hoy_compose *app, const struct hoy_compose_service *service)
{
	auto_free char *name = hoy_compose_image_name(app, service);
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;

	(void) hoy_buf_adds(&path, "/images/");
	hoy_http_escape(&path, name ? name : "");
	(void) hoy_buf_adds(&path, "/json");
	if (path.failed || hoy_cli_call(app->cli, "GET", path.data, NULL, &info, NULL) < 0)
		return NULL;
	return strdup(hoy_cli_text(info, "Id"));
}

static int rebuild(struct watching *w, const struct hoy_compose_service *service, struct hoy_err *err)
{
	auto_free char *before = image_id(w->app, service), *after = NULL, *path = NULL;
	char *services[] = { (char *) service->name, NULL };
	int r = hoy_compose_up_services(w->app->cli, services, /* no_deps= */ true, w->options->quiet, err);

	if (r < 0)
		return r;
	after = image_id(w->app, service);
	/* One that has another name, or that something else runs from, stays. */
	if (w->options->prune && before && after && strcmp(before, after) != 0)
		path = hoy_str_printf("/images/%s", before);
	if (path)
		(void) hoy_cli_call(w->app->cli, "DELETE", path, NULL, NULL, NULL);
	return 0;
}

/* --- the loop ---------------------------------------------------------------- */

static int act(struct watching *w, struct rule *rule, struct hoy_err *err)
{
	size_t n = hoy_strv_len(rule->changed);
	const char *service = rule->service->name;
	int r;

	if (does(rule, "rebuild")) {
		(void) fprintf(stderr, "Rebuilding service \"%s\" after changes were detected\n", service);
		r = rebuild(w, rule->service, err);
		if (r == 0)
			(void) fprintf(stderr, "Service \"%s\" is rebuilt\n", service);
		return r;
	}
	(void) fprintf(stderr, "%s service \"%s\" after %zu change%s\n", does(rule, "sync") ? "Syncing" : "Restarting",
		service, n, n == 1 ? "" : "s");
	r = sync_rule(w, rule, rule->changed, err);
	if (r == 0)
		(void) fprintf(stderr, "Service \"%s\" is in sync\n", service);
	return r;
}

/* A failure is told and does not end the watch: the next change may mend it. */
static void act_all(struct watching *w)
{
	for (size_t i = 0; i < w->n; i++) {
		struct rule *rule = &w->rules[i];
		bool again = false;
		struct hoy_err err = {};

		for (size_t k = 0; k < i; k++) /* one build serves all of a service's rules */
			again = again || (w->rules[k].changed && w->rules[k].service == rule->service &&
						 does(&w->rules[k], "rebuild"));
		if (rule->changed && !again && act(w, rule, &err) < 0)
			(void) fprintf(stderr, "WARN: %s\n", hoy_err_str(&err));
	}
	for (size_t i = 0; i < w->n; i++) {
		hoy_strv_free(w->rules[i].changed);
		w->rules[i].changed = NULL;
	}
}

static int loop(struct watching *w, struct hoy_err *err)
{
	bool pending = false;

	for (;;) {
		int r = poll(w->fds, w->n, pending ? SETTLE_MS : -1);

		if (r < 0 && errno != EINTR)
			return hoy_err_sys(err, "wait for changes");
		if (r == 0) {
			act_all(w);
			pending = false;
			continue;
		}
		for (size_t i = 0; i < w->n; i++) {
			if (r > 0 && w->fds[i].revents) {
				int got = hoy_sources_read(w->rules[i].sources, &w->rules[i].changed, err);

				if (got < 0)
					return got;
			}
			pending = pending || w->rules[i].changed;
		}
	}
}

static int check_rule(const struct rule *rule, struct hoy_err *err)
{
	const char *name = rule->service->name;

	if (!rule->watch->path || !rule->watch->action)
		return hoy_err_invalid(err, "service \"%s\": develop.watch needs a path and an action", name);
	if (does(rule, "rebuild") && !rule->service->build)
		return hoy_err_invalid(
			err, "can't watch service \"%s\" with action rebuild without a build context", name);
	if (does(rule, "sync") && !rule->watch->target)
		return hoy_err_invalid(err, "service \"%s\": develop.watch: sync needs a target", name);
	return 0;
}

static int add_rule(struct watching *w, const struct hoy_compose_service *s, const struct hoy_compose_watch *watch,
	struct hoy_err *err)
{
	struct rule *rules = reallocarray(w->rules, w->n + 1, sizeof *rules), *rule;
	struct pollfd *fds = reallocarray(w->fds, w->n + 1, sizeof *fds);
	int r;

	w->rules = rules ? rules : w->rules;
	w->fds = fds ? fds : w->fds;
	if (!rules || !fds)
		return hoy_err_oom(err);
	rule = &rules[w->n];
	*rule = (struct rule){ .service = s, .watch = watch };
	r = check_rule(rule, err);
	if (r == 0)
		r = hoy_sources_new(watch->path, s->build ? s->build->context : NULL, watch->ignore, watch->include,
			&rule->sources, err);
	if (r < 0)
		return r;
	fds[w->n++] = (struct pollfd){ .fd = hoy_sources_fd(rule->sources), .events = POLLIN };
	return 0;
}

static int add_rules(struct watching *w, struct hoy_err *err)
{
	int r = 0;

	hoy_compose_each(struct hoy_compose_service, s, w->app->project->services)
	{
		if (!s->develop || (w->app->cli->n_args && !hoy_strv_has(w->app->cli->args, s->name)))
			continue;
		hoy_compose_each(struct hoy_compose_watch, watch, s->develop->watch)
		{
			if (r == 0)
				r = add_rule(w, s, watch, err);
		}
	}
	if (r == 0 && !w->n)
		r = hoy_err_invalid(err,
			"none of the selected services is configured for watch, consider setting a 'develop' section");
	return r;
}

static int first_sync(struct watching *w, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n; i++) {
		auto_ptr(hoy_strv_free) char **files = NULL;

		if (!w->rules[i].watch->initial_sync || !does(&w->rules[i], "sync"))
			continue;
		r = hoy_sources_all(w->rules[i].sources, &files, err);
		if (r == 0)
			r = sync_rule(w, &w->rules[i], files, err);
	}
	return r;
}

static void watching_done(struct watching *w)
{
	for (size_t i = 0; i < w->n; i++) {
		hoy_sources_free(w->rules[i].sources);
		hoy_strv_free(w->rules[i].changed);
	}
	free(w->rules);
	free(w->fds);
}

/* Watched before the start: what changes meanwhile is not lost. */
static int prepare(struct watching *w, struct hoy_err *err)
{
	int r = hoy_compose_select(w->app->project, w->app->cli->args, /* no_deps= */ false, err);

	return r < 0 ? r : add_rules(w, err);
}

static int watch(struct hoy_compose *app, const struct watch_options *o, struct hoy_err *err)
{
	auto_(watching_done) struct watching w = { .app = app, .options = o };
	int r = prepare(&w, err);

	if (r == 0 && !o->no_up)
		r = hoy_compose_up_services(app->cli, app->cli->args, /* no_deps= */ false, o->quiet, err);
	if (r == 0)
		r = first_sync(&w, err);
	if (r < 0)
		return r;
	(void) fputs("Watch enabled\n", stderr);
	return loop(&w, err);
}

static int cmd_watch(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE | HOY_COMPOSE_NO_CONTAINERS, cli->args, &app, &err);

	if (r == 0)
		r = watch(&app, cli->values, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

/* --- beside up --------------------------------------------------------------- */

struct hoy_compose_watcher {
	struct hoy_cli *cli;
	struct hoy_compose app;
	struct watching watching;
};

int hoy_compose_watcher_new(struct hoy_cli *cli, struct hoy_compose_watcher **ret, struct hoy_err *err)
{
	struct hoy_compose_watcher *w = calloc(1, sizeof *w);
	int r;

	if (!w)
		return hoy_err_oom(err);
	w->cli = cli;
	r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE | HOY_COMPOSE_NO_CONTAINERS, cli->args, &w->app, err);
	w->watching = (struct watching){ .app = &w->app, .options = &watch_defaults };
	if (r == 0)
		r = prepare(&w->watching, err);
	if (r < 0)
		hoy_compose_watcher_free(w);
	else
		*ret = w;
	return r;
}

void hoy_compose_watcher_free(struct hoy_compose_watcher *watcher)
{
	if (!watcher)
		return;
	watching_done(&watcher->watching);
	hoy_compose_done(&watcher->app);
	free(watcher);
}

static void *run_watcher(void *userdata)
{
	struct hoy_compose_watcher *w = userdata;
	struct hoy_err err;
	int r = first_sync(&w->watching, &err);

	if (r == 0) {
		(void) fputs("Watch enabled\n", stderr);
		r = loop(&w->watching, &err);
	}
	if (r < 0)
		(void) fprintf(stderr, "WARN: watch: %s\n", hoy_err_str(&err));
	return NULL;
}

int hoy_compose_watcher_begin(struct hoy_compose_watcher *watcher, struct hoy_err *err)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run_watcher, watcher);

	if (r != 0)
		return hoy_err_code(err, -r, "start a thread");
	(void) pthread_detach(thread);
	return 0;
}

const struct hoy_command hoy_cmd_compose_watch = {
	.name = "compose watch",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Watch build context for service and rebuild/refresh containers when files are updated",
	.options = watch_options,
	.values_size = sizeof(struct watch_options),
	.defaults = &watch_defaults,
	.run = cmd_watch,
};
