/* run: a one-off container of a service, with what the command line changes. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "supervisor/cli/create_request.h"
#include "supervisor/cli/stream.h"
#include "supervisor/cli/wait.h"
#include "supervisor/compose/body.h"
#include "supervisor/compose/resources.h"
#include "supervisor/compose/converge.h"
#include "supervisor/compose/health.h"

struct run_options {
	bool build, detach, interactive, no_deps, no_tty, no_tty_given, tty, quiet, quiet_pull, quiet_build, rm,
		remove_orphans, service_ports, use_aliases, entrypoint_given;
	char **cap_add, **cap_drop, **env, **env_from_file, **label, **publish, **volume;
	const char *entrypoint, *name, *pull, *user, *workdir;
};
static const struct run_options run_defaults = { .interactive = true, .tty = true };
static const struct hoy_option run_options[] = {
	HOY_OPTION(
		0, "build", HOY_OPTION_BOOL, NULL, struct run_options, build, "Build image before starting container"),
	HOY_OPTION(0, "cap-add", HOY_OPTION_LIST, "list", struct run_options, cap_add, "Add Linux capabilities"),
	HOY_OPTION(0, "cap-drop", HOY_OPTION_LIST, "list", struct run_options, cap_drop, "Drop Linux capabilities"),
	HOY_OPTION('d', "detach", HOY_OPTION_BOOL, NULL, struct run_options, detach,
		"Run container in background and print container ID"),
	HOY_OPTION_WITH_SET(0, "entrypoint", HOY_OPTION_STRING, "string", struct run_options, entrypoint,
		entrypoint_given, "Override the entrypoint of the image"),
	HOY_OPTION('e', "env", HOY_OPTION_LIST, "stringArray", struct run_options, env, "Set environment variables"),
	HOY_OPTION(0, "env-from-file", HOY_OPTION_LIST, "stringArray", struct run_options, env_from_file,
		"Set environment variables from file"),
	HOY_OPTION('i', "interactive", HOY_OPTION_BOOL, NULL, struct run_options, interactive,
		"Keep STDIN open even if not attached (default true)"),
	HOY_OPTION('l', "label", HOY_OPTION_LIST, "stringArray", struct run_options, label, "Add or override a label"),
	HOY_OPTION(0, "name", HOY_OPTION_STRING, "string", struct run_options, name, "Assign a name to the container"),
	HOY_OPTION(0, "no-deps", HOY_OPTION_BOOL, NULL, struct run_options, no_deps, "Don't start linked services"),
	HOY_OPTION_WITH_SET('T', "no-tty", HOY_OPTION_BOOL, NULL, struct run_options, no_tty, no_tty_given,
		"Disable pseudo-TTY allocation (default: auto-detected)"),
	HOY_OPTION('p', "publish", HOY_OPTION_LIST, "stringArray", struct run_options, publish,
		"Publish a container's port(s) to the host"),
	HOY_OPTION(0, "pull", HOY_OPTION_STRING, "string", struct run_options, pull,
		"Pull image before running (\"always\"|\"missing\"|\"never\")"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct run_options, quiet, "Don't tell progress"),
	HOY_OPTION(0, "quiet-build", HOY_OPTION_BOOL, NULL, struct run_options, quiet_build,
		"Suppress progress output from the build process"),
	HOY_OPTION(0, "quiet-pull", HOY_OPTION_BOOL, NULL, struct run_options, quiet_pull,
		"Pull without printing progress information"),
	HOY_OPTION(0, "remove-orphans", HOY_OPTION_BOOL, NULL, struct run_options, remove_orphans,
		"Remove containers for services not defined in the Compose file"),
	HOY_OPTION(0, "rm", HOY_OPTION_BOOL, NULL, struct run_options, rm,
		"Automatically remove the container when it exits"),
	HOY_OPTION('P', "service-ports", HOY_OPTION_BOOL, NULL, struct run_options, service_ports,
		"Run command with all service's ports enabled and mapped to the host"),
	HOY_OPTION_HIDDEN('t', "tty", HOY_OPTION_BOOL, NULL, struct run_options, tty),
	HOY_OPTION(0, "use-aliases", HOY_OPTION_BOOL, NULL, struct run_options, use_aliases,
		"Use the service's network aliases in the network(s) the container connects to"),
	HOY_OPTION(
		'u', "user", HOY_OPTION_STRING, "string", struct run_options, user, "Run as specified username or uid"),
	HOY_OPTION('v', "volume", HOY_OPTION_LIST, "stringArray", struct run_options, volume, "Bind mount a volume"),
	HOY_OPTION('w', "workdir", HOY_OPTION_STRING, "string", struct run_options, workdir,
		"Working directory inside the container"),
	HOY_OPTION_END,
};

/* --- what the command line changes in the service ---------------------------- */

/* "K=V" entries over the service's pairs, in the project's arena. */
static int merge_pairs(struct hoy_arena *arena, struct hoy_compose_pair **pairs, char *const *entries)
{
	size_t n = 0, m = hoy_strv_len((char *const *) entries);
	struct hoy_compose_pair *merged;

	while (*pairs && (*pairs)[n].key)
		n++;
	merged = hoy_arena_alloc(arena, (n + m + 1) * sizeof *merged);
	if (!merged)
		return -ENOMEM;
	if (n)
		memcpy(merged, *pairs, n * sizeof *merged);
	for (; entries && *entries; entries++) {
		size_t len = strcspn(*entries, "="), at = 0;

		while (at < n && (strlen(merged[at].key) != len || strncmp(merged[at].key, *entries, len) != 0))
			at++;
		if (at == n)
			merged[n++].key = hoy_arena_strndup(arena, *entries, len);
		merged[at].value = hoy_arena_strdup(arena, (*entries)[len] ? *entries + len + 1 : "");
		if (!merged[at].key || !merged[at].value)
			return -ENOMEM;
	}
	*pairs = merged;
	return 0;
}

static char **words_in(struct hoy_arena *arena, char *const *first, char *const *words)
{
	size_t n = hoy_strv_len(first), m = hoy_strv_len(words);
	char **copy = hoy_arena_alloc(arena, (n + m + 1) * sizeof *copy);

	for (size_t i = 0; copy && i < n; i++)
		copy[i] = first[i];
	for (size_t i = 0; copy && i < m; i++)
		copy[n + i] = hoy_arena_strdup(arena, words[i]);
	return copy;
}

/* -p: ports of the command line, by the rules of `hoy run`. */
static int add_ports(struct hoy_arena *arena, struct hoy_compose_service *s, char *const *specs, struct hoy_err *err)
{
	struct hoy_publish *list = NULL;
	struct hoy_compose_port **ports;
	size_t n = 0, old = 0;
	int r = 0;

	for (; r == 0 && specs && *specs; specs++)
		r = hoy_publish_parse(*specs, &list, &n, err);
	hoy_compose_each(struct hoy_compose_port, p, s->ports) old += p != NULL;
	ports = r == 0 ? hoy_arena_alloc(arena, (old + n + 1) * sizeof(struct hoy_compose_port *)) : NULL;
	if (old && ports)
		memcpy(ports, s->ports, old * sizeof(struct hoy_compose_port *));
	for (size_t i = 0; ports && i < n; i++) {
		struct hoy_compose_port *p = ports[old + i] = hoy_arena_alloc(arena, sizeof *p);
		char *slash = strchr(list[i].container, '/');

		if (!p)
			break;
		*p = (struct hoy_compose_port){ .host_ip = hoy_arena_strdup(arena, list[i].host_ip),
			.published = hoy_arena_strdup(arena, list[i].host_port),
			.protocol = hoy_arena_strdup(arena, slash ? slash + 1 : "tcp"),
			.target = strtoll(list[i].container, NULL, 10) };
	}
	hoy_publish_free(list, n);
	if (r < 0)
		return r;
	s->ports = ports;
	return ports ? 0 : hoy_err_oom(err);
}

/* -v SOURCE:TARGET[:ro]: a path becomes a bind mount, a name a volume of the engine. */
static int add_volumes(struct hoy_arena *arena, const struct hoy_compose *app, struct hoy_compose_service *s,
	char *const *specs, struct hoy_err *err)
{
	size_t old = 0, n = 0;
	struct hoy_compose_service_volume **volumes;

	hoy_compose_each(struct hoy_compose_service_volume, v, s->volumes) old += v != NULL;
	volumes = hoy_arena_alloc(arena, (old + hoy_strv_len(specs) + 1) * sizeof(struct hoy_compose_service_volume *));
	if (!volumes)
		return hoy_err_oom(err);
	if (old)
		memcpy(volumes, s->volumes, old * sizeof(struct hoy_compose_service_volume *));
	for (; specs && *specs; specs++) {
		auto_ptr(hoy_strv_free) char **parts = hoy_str_split(*specs, ':');
		size_t len = hoy_strv_len(parts);
		struct hoy_compose_service_volume *v = hoy_arena_alloc(arena, sizeof *v);
		bool path;

		if (!v || !parts)
			return hoy_err_oom(err);
		if (len > 3 || (len == 3 && strcmp(parts[2], "ro") != 0 && strcmp(parts[2], "rw") != 0) ||
			parts[len > 1][0] != '/')
			return hoy_err_invalid(
				err, "invalid volume \"%s\": [SOURCE:]/TARGET[:ro|rw] is wanted", *specs);
		path = len > 1 && strchr("./~", parts[0][0]) && *parts[0];
		v->type = path ? "bind" : "volume";
		v->target = hoy_arena_strdup(arena, parts[len > 1]);
		v->read_only = len == 3 && strcmp(parts[2], "ro") == 0;
		if (path && parts[0][0] == '/')
			v->source = hoy_arena_strdup(arena, parts[0]);
		else if (path)
			v->source = hoy_arena_printf(arena, "%s/%s",
				parts[0][0] == '~' && getenv("HOME") ? getenv("HOME") : app->project->working_dir,
				parts[0] + (parts[0][0] == '~'));
		else if (len > 1)
			v->source = hoy_arena_strdup(arena, parts[0]);
		volumes[old + n++] = v;
	}
	s->volumes = volumes;
	return 0;
}

static int override(struct hoy_compose *app, struct hoy_compose_service *s, const struct run_options *o, bool tty,
	struct hoy_err *err)
{
	struct hoy_arena *arena = &app->project->arena;
	char *const *command = app->cli->args + 1;
	auto_ptr(hoy_strv_free) char **env = NULL;
	int r;

	r = hoy_create_request_env(o->env, o->env_from_file, &env, err);
	if (r == 0 && (merge_pairs(arena, &s->environment, env) < 0 || merge_pairs(arena, &s->labels, o->label) < 0))
		r = hoy_err_oom(err);
	/* They stand in place of the service's own. */
	if (o->publish && !o->service_ports)
		s->ports = NULL;
	if (r == 0 && o->publish)
		r = add_ports(arena, s, o->publish, err);
	if (r == 0 && o->volume)
		r = add_volumes(arena, app, s, o->volume, err);
	if (r < 0)
		return r;
	if (*command)
		s->command = words_in(arena, NULL, command);
	if (o->entrypoint_given) {
		auto_ptr(hoy_strv_free) char **words = hoy_str_split(o->entrypoint, ' ');

		s->entrypoint = *o->entrypoint ? words_in(arena, NULL, words) : words_in(arena, NULL, NULL);
		if (!*command)
			s->command = words_in(arena, NULL, NULL);
	}
	s->cap_add = o->cap_add ? words_in(arena, s->cap_add, o->cap_add) : s->cap_add;
	s->cap_drop = o->cap_drop ? words_in(arena, s->cap_drop, o->cap_drop) : s->cap_drop;
	s->user = o->user ? o->user : s->user;
	s->working_dir = o->workdir ? o->workdir : s->working_dir;
	s->tty = tty;
	s->stdin_open = o->interactive && !o->detach;
	s->container_name = NULL;
	s->restart = NULL;
	return 0;
}

/* --- making it --------------------------------------------------------------- */

static char *slug(void)
{
	unsigned char bytes[6];
	char text[13];

	hoy_random(bytes, sizeof bytes);
	hoy_hex(bytes, sizeof bytes, text);
	return strdup(text);
}

static int create(struct hoy_compose *app, struct hoy_compose_service *s, const struct run_options *o,
	const struct hoy_compose_image *image, char **ret_id, struct hoy_err *err)
{
	auto_free char *own = slug(), *depends = hoy_compose_depends_label(s), *name = NULL;
	auto_free char *env_files = hoy_compose_env_files_label(app);
	auto_(hoy_buf_done) struct hoy_buf text = {}, path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	char hash[HOY_COMPOSE_HASH_SIZE];
	struct hoy_compose_body body = {
		.project = app->project,
		.service = s,
		.image = image->name,
		.image_id = image->id,
		.hash = hash,
		.slug = own,
		.depends = depends,
		.env_files = env_files,
		.number = 1,
		.aliases = o->use_aliases,
		.ports = o->service_ports || o->publish,
		.container_of = hoy_compose_container_name_of,
		.userdata = app,
	};
	int r = hoy_compose_service_hash(s, hash, err);

	name = o->name ? strdup(o->name) : own ? hoy_str_printf("%s-%s-run-%s", app->name, s->name, own) : NULL;
	if (r < 0 || !depends || !name)
		return r < 0 ? r : hoy_err_oom(err);
	if (!o->service_ports && !o->publish)
		s->ports = NULL;
	body.container_name = name;
	(void) hoy_buf_adds(&path, "/containers/create?name=");
	hoy_http_escape(&path, name);
	r = hoy_compose_body_print(&body, &text, err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(app->cli, "POST", path.data, text.data, &answer, err);
	if (r < 0)
		return r;
	*ret_id = strdup(hoy_cli_text(answer, "Id"));
	if (!*ret_id)
		return hoy_err_oom(err);
	return hoy_compose_complete_container(app, s, name, *ret_id, o->use_aliases, NULL, err);
}

static void remove_container(struct hoy_compose *app, const char *id)
{
	(void) hoy_compose_post(app, "DELETE", id, NULL, "?force=1&v=1");
}

/* Attached until it ends: its exit status. */
static int run_attached(
	struct hoy_compose *app, const struct hoy_compose_service *s, const char *id, struct hoy_err *err)
{
	auto_(hoy_stream_done) struct hoy_stream stream = {
		.cli = app->cli,
		.container = id,
		.tty = s->tty,
		.stdin_open = s->stdin_open,
		.stdout_open = true,
		.stderr_open = true,
		.sig_proxy = !s->tty,
		.fd = -EBADF,
	};
	auto_(hoy_http_done) struct hoy_http wait = { .fd = -EBADF };
	int status = 0;
	int r = hoy_stream_attach(&stream, NULL, err);

	if (r == 0)
		r = hoy_wait_open(app->cli, id, "next-exit", &wait, err);
	if (r == 0)
		r = hoy_compose_post(app, "POST", id, err, "/start");
	if (r == 0 && s->tty)
		hoy_stream_send_size(&stream);
	if (r == 0)
		r = hoy_stream_run(&stream, err);
	if (r < 0 || stream.detached)
		return r;
	r = hoy_wait_read(&wait, &status, err);
	return r < 0 ? r : status;
}

static int run_container(struct hoy_compose *app, struct hoy_compose_service *s, const struct run_options *o,
	const struct hoy_compose_image *image, struct hoy_err *err)
{
	auto_free char *id = NULL;
	int r = create(app, s, o, image, &id, err);

	hoy_compose_end_report(app);
	if (r == 0 && o->detach) {
		r = hoy_compose_post(app, "POST", id, err, "/start");
		if (r == 0)
			(void) puts(id);
		return r;
	}
	if (r == 0)
		r = run_attached(app, s, id, err);
	if (id && (o->rm || r < 0))
		remove_container(app, id);
	return r;
}

/* --- the command ------------------------------------------------------------- */

/* What the service depends on is started first, by the rules of up. */
static int start_dependencies(
	struct hoy_compose *app, const struct hoy_compose_service *s, const struct run_options *o, struct hoy_err *err)
{
	const struct hoy_compose_image_options images = { .pull = o->pull, .quiet_pull = o->quiet_pull };
	auto_free char *scale = hoy_str_printf("%s=0", s->name);
	char *scales[] = { scale, NULL };
	const struct hoy_compose_converge_options options = {
		.remove_orphans = o->remove_orphans, .timeout = -1, .scale = scales
	};
	struct hoy_compose_plan plan = {};
	int r = scale ? hoy_compose_plan_make(app, &options, &images, &plan, err) : hoy_err_oom(err);

	/* Containers of the service itself are none of ours. */
	for (size_t i = 0; r == 0 && i < app->containers.n; i++)
		if (strcmp(app->containers.all[i].service, s->name) == 0)
			plan.surplus[i] = false;
	if (r == 0)
		r = hoy_compose_plan_create(&plan, err);
	if (r == 0)
		r = hoy_compose_plan_start(&plan, err);
	hoy_compose_plan_done(&plan);
	if (r == 0)
		r = hoy_compose_refresh(app, err);
	if (r == 0) {
		auto_free char *depends = hoy_compose_depends_label(s);

		r = depends ? hoy_compose_await_dependencies(app, depends, err) : hoy_err_oom(err);
	}
	return r;
}

/* A one-off stops nothing of what runs. */
static int ensure_resources(struct hoy_compose *app, struct hoy_err *err)
{
	auto_(hoy_compose_existing_done) struct hoy_compose_existing existing = {};
	int r = hoy_compose_existing_load(app, &existing, err);

	existing.keep = true;
	return r < 0 ? r : hoy_compose_ensure_resources(app, &existing, err);
}

static int run(struct hoy_compose *app, const struct run_options *o, struct hoy_err *err)
{
	const struct hoy_compose_image_options images = {
		.pull = o->pull, .build = o->build, .quiet_pull = o->quiet_pull, .quiet_build = o->quiet_build
	};
	char *name[] = { app->cli->args[0], NULL };
	struct hoy_compose_images all = {};
	struct hoy_compose_service *s;
	bool tty = o->no_tty_given ? !o->no_tty : o->tty && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	int r = hoy_compose_select(app->project, name, o->no_deps, err);

	s = r == 0 ? hoy_compose_service_find(app->project, name[0]) : NULL;
	if (!s)
		return r < 0 ? r : hoy_err_not_found(err, "no such service: %s", name[0]);
	r = hoy_compose_body_check(s, err);
	if (r == 0 && !o->quiet)
		r = hoy_compose_begin_report(app, "Creating", err);
	if (r == 0 && !o->no_deps && s->depends_on)
		r = start_dependencies(app, s, o, err);
	else if (r == 0)
		r = ensure_resources(app, err);
	if (r == 0)
		r = hoy_compose_name_services(app, err);
	if (r == 0)
		r = hoy_compose_images_resolve(app, &images, &all, err);
	if (r == 0)
		r = override(app, s, o, tty && !o->detach, err);
	if (r == 0)
		r = run_container(app, s, o, hoy_compose_images_find(&all, s), err);
	hoy_compose_images_done(&all);
	return r;
}

static int cmd_run(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r;

	r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE, (char *[]){ cli->args[0], NULL }, &app, &err);
	if (r == 0)
		r = run(&app, cli->values, &err);
	hoy_compose_end_report(&app);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : r;
}

const struct hoy_command hoy_cmd_compose_run = {
	.name = "compose run",
	.args = "SERVICE [COMMAND] [ARGS...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Run a one-off command on a service",
	.options = run_options,
	.values_size = sizeof(struct run_options),
	.defaults = &run_defaults,
	.flags = HOY_OPTIONS_STOP_AT_ARGUMENT,
	.run = cmd_run,
};
