/* Opening a project. */
#include "supervisor/compose/app.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "supervisor/cli/context.h"
#include "supervisor/compose/project.h"

void hoy_compose_load_options(const struct hoy_compose_globals *globals, struct hoy_compose_options *ret)
{
	*ret = (struct hoy_compose_options){
		.files = globals->files,
		.env_files = globals->env_files,
		.profiles = globals->profiles,
		.project_dir = globals->project_directory,
		.project_name = globals->project_name,
		.environment = environ,
		.compatibility = globals->compatibility,
	};
}

/* Nobody answers on the default socket and nobody said another: hoyd is started, once. */
static int ensure_daemon(struct hoy_cli *cli, struct hoy_err *err)
{
	const struct hoy_http_request ping = { .method = "HEAD", .path = "/_ping", .body_fd = -1, .probe = true };
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };

	if (!cli->default_host || cli->dry_run || hoy_http_send(&cli->host, &ping, &http, NULL) == 0)
		return 0;
	return hoy_context_start_daemon(err);
}

static int load_file(struct hoy_compose *app, int flags, struct hoy_err *err)
{
	struct hoy_compose_options options;
	auto_free char *dir = NULL;
	int r;

	hoy_compose_load_options(app->globals, &options);
	r = hoy_compose_load(&options, &app->project, err);
	if (r == 0) {
		app->name = app->project->name;
		for (char **warning = app->project->warnings; warning && *warning; warning++)
			(void) fprintf(stderr, "WARN: %s\n", *warning);
		return 0;
	}
	/* What runs is known by its labels: a name is enough. */
	if ((flags & HOY_COMPOSE_NEEDS_FILE) || r != -ENOENT || options.files)
		return r;
	if (!options.project_name && !getenv("COMPOSE_PROJECT_NAME"))
		return r;
	r = hoy_compose_find_name(&options, &app->own_name, &dir, err);
	app->name = app->own_name;
	return r;
}

bool hoy_compose_declares(const struct hoy_compose *app, const char *service)
{
	return app->declared && hoy_strv_has(app->declared, service);
}

static int list_declared(struct hoy_compose *app, struct hoy_err *err)
{
	int r = 0;

	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
		r |= hoy_strv_add(&app->declared, s->name);
	hoy_compose_each(struct hoy_compose_service, d, app->project->disabled)
		r |= hoy_strv_add(&app->declared, d->name);
	return r ? hoy_err_oom(err) : 0;
}

/* With a file its services count; without one those that have a container. */
static int check_services(const struct hoy_compose *app, char *const *services, struct hoy_err *err)
{
	for (; services && *services; services++) {
		bool known = hoy_compose_declares(app, *services);

		for (size_t i = 0; !known && i < app->containers.n; i++)
			known = strcmp(app->containers.all[i].service, *services) == 0;
		if (!known)
			return hoy_err_not_found(err, "no such service: %s", *services);
	}
	return 0;
}

/* Commands whose work goes other ways than by single calls, or that have nothing to say without it. */
static int begin_dry_run(struct hoy_cli *cli, struct hoy_err *err)
{
	static const char *const without[] = { "attach", "build", "commit", "cp", "exec", "export", "pull", "push",
		"run", "wait", "watch", NULL };
	const char *name = cli->command->name + strlen("compose ");

	if (cli->compose->dry_run && hoy_strv_has((char *const *) without, name))
		return hoy_err_unsupported(err, "%s has no dry run", name);
	cli->dry_run = cli->compose->dry_run;
	return 0;
}

int hoy_compose_open(
	struct hoy_cli *cli, int flags, char *const *services, struct hoy_compose *ret, struct hoy_err *err)
{
	int r;

	*ret = (struct hoy_compose){ .cli = cli, .globals = cli->compose };
	r = begin_dry_run(cli, err);
	if (r < 0)
		return r;
	r = load_file(ret, flags, err);
	if (r == 0 && ret->project)
		r = list_declared(ret, err);
	if (r == 0 && (flags & HOY_COMPOSE_NEEDS_FILE))
		r = ensure_daemon(cli, err);
	if (r == 0 && !(flags & HOY_COMPOSE_NO_CONTAINERS))
		r = hoy_compose_containers_load(cli, ret->name, &ret->containers, err);
	return r < 0 ? r : check_services(ret, services, err);
}

int hoy_compose_refresh(struct hoy_compose *app, struct hoy_err *err)
{
	struct hoy_compose_containers fresh;
	int r = hoy_compose_containers_load(app->cli, app->name, &fresh, err);

	if (r < 0)
		return r;
	hoy_compose_containers_done(&app->containers);
	app->containers = fresh;
	return 0;
}

void hoy_compose_done(struct hoy_compose *app)
{
	hoy_report_free(app->report);
	hoy_compose_containers_done(&app->containers);
	hoy_compose_project_free(app->project);
	hoy_strv_free(app->first_names);
	hoy_strv_free(app->declared);
	hoy_strv_free(app->built);
	free(app->own_name);
	*app = (struct hoy_compose){};
}

/* --- progress ---------------------------------------------------------------- */

static const char *ansi_of(const struct hoy_compose *app)
{
	const char *ansi = app->globals->no_ansi ? "never" : app->globals->ansi;

	return ansi ? ansi : getenv("COMPOSE_ANSI") ? getenv("COMPOSE_ANSI") : "auto";
}

bool hoy_compose_colours(const struct hoy_compose *app, int fd)
{
	const char *ansi = ansi_of(app);

	if (strcmp(ansi, "never") == 0)
		return false;
	return strcmp(ansi, "always") == 0 || (isatty(fd) && !getenv("NO_COLOR"));
}

int hoy_compose_begin_report(struct hoy_compose *app, const char *title, struct hoy_err *err)
{
	const char *progress = app->globals->progress ? app->globals->progress : getenv("COMPOSE_PROGRESS");
	const char *ansi = ansi_of(app);
	enum hoy_report_mode mode = HOY_REPORT_PLAIN;
	int r;

	if (strcmp(ansi, "auto") != 0 && strcmp(ansi, "always") != 0 && strcmp(ansi, "never") != 0)
		return hoy_err_invalid(err, "unknown value \"%s\" for --ansi: never, always or auto", ansi);
	r = hoy_report_mode_parse(progress, strcmp(ansi, "never") != 0, &mode, err);
	if (r < 0)
		return r;
	hoy_report_free(app->report);
	app->report = hoy_report_new(mode, title);
	return app->report ? 0 : hoy_err_oom(err);
}

void hoy_compose_end_report(struct hoy_compose *app)
{
	hoy_report_free(app->report);
	app->report = NULL;
}

void hoy_compose_tell(
	struct hoy_compose *app, enum hoy_report_state state, const char *kind, const char *name, const char *text)
{
	auto_free char *dry = app->globals->dry_run ? hoy_str_printf("DRY-RUN MODE -  %s", kind) : NULL;

	hoy_report_tell(app->report, state, dry ? dry : kind, name, text);
}

/* --- services and containers ------------------------------------------------- */

int hoy_compose_each_dependency(struct hoy_compose *app, const char *service,
	int (*on_service)(const char *service, void *userdata), void *userdata)
{
	const struct hoy_compose_service *s = app->project ? hoy_compose_service_find(app->project, service) : NULL;
	const struct hoy_compose_container *c;
	int r = 0;

	if (s) {
		hoy_compose_each(struct hoy_compose_dependency, d, s->depends_on)
		{
			if (r == 0)
				r = on_service(d->name, userdata);
		}
		return r;
	}
	c = hoy_compose_containers_find(&app->containers, service, 0);
	return c ? hoy_compose_container_each_dependency(c, on_service, userdata) : 0;
}

int hoy_compose_is_hoyd(const struct hoy_compose *app, bool *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *version = NULL;
	int r = hoy_cli_call(app->cli, "GET", "/version", NULL, &version, err);

	if (r == 0)
		*ret = strcmp(hoy_cli_text(hoy_json_get(version, "Platform"), "Name"), "Hoy") == 0;
	return r;
}

int hoy_compose_container_for(struct hoy_compose *app, const char *service, long long index, bool running,
	struct hoy_compose_container **ret, struct hoy_err *err)
{
	struct hoy_compose_container *c = hoy_compose_containers_find(&app->containers, service, index);

	if (!c && index)
		return hoy_err_not_found(err, "service \"%s\" has no container %lld", service, index);
	if (!c || (running && !hoy_compose_container_runs(c)))
		return hoy_err_conflict(err, "service \"%s\" is not running", service);
	*ret = c;
	return 0;
}

int hoy_compose_post(
	const struct hoy_compose *app, const char *method, const char *id, struct hoy_err *err, const char *fmt, ...)
{
	auto_free char *tail = NULL, *path = NULL;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&tail, fmt, ap);
	va_end(ap);
	if (n < 0) {
		tail = NULL;
		return hoy_err_oom(err);
	}
	path = hoy_str_printf("/containers/%s%s", id, tail);
	return path ? hoy_cli_call(app->cli, method, path, NULL, NULL, err) : hoy_err_oom(err);
}
