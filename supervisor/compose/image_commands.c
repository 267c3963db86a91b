/* pull, push, build, images. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/commands.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/pull.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/text.h"
#include "supervisor/compose/images.h"
#include "supervisor/compose/project.h"
#include "supervisor/compose/work.h"

/* --- pull -------------------------------------------------------------------- */

struct pull_options {
	bool ignore_buildable, ignore_failures, include_deps, quiet, parallel, no_parallel;
	const char *policy;
};
static const struct hoy_option pull_options[] = {
	HOY_OPTION(0, "ignore-buildable", HOY_OPTION_BOOL, NULL, struct pull_options, ignore_buildable,
		"Ignore images that can be built"),
	HOY_OPTION(0, "ignore-pull-failures", HOY_OPTION_BOOL, NULL, struct pull_options, ignore_failures,
		"Pull what it can and ignores images with pull failures"),
	HOY_OPTION(0, "include-deps", HOY_OPTION_BOOL, NULL, struct pull_options, include_deps,
		"Also pull services declared as dependencies"),
	HOY_OPTION_HIDDEN(0, "no-parallel", HOY_OPTION_BOOL, NULL, struct pull_options, no_parallel),
	HOY_OPTION_HIDDEN(0, "parallel", HOY_OPTION_BOOL, NULL, struct pull_options, parallel),
	HOY_OPTION(0, "policy", HOY_OPTION_STRING, "string", struct pull_options, policy,
		"Apply pull policy (\"missing\"|\"always\")"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct pull_options, quiet,
		"Pull without printing progress information"),
	HOY_OPTION_END,
};

struct pulling {
	struct hoy_compose *app;
	const struct hoy_compose_service *service;
	const struct pull_options *options;
};

static bool is_there(struct hoy_compose *app, const char *image)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};

	(void) hoy_buf_adds(&path, "/images/");
	hoy_http_escape(&path, image);
	(void) hoy_buf_adds(&path, "/json");
	return !path.failed && hoy_cli_call(app->cli, "GET", path.data, NULL, NULL, NULL) == 0;
}

static int run_pull(void *userdata, struct hoy_err *err)
{
	const struct pulling *p = userdata;
	int r;

	if (hoy_str_eq(p->options->policy, "missing") && is_there(p->app, p->service->image))
		return 0;
	r = hoy_compose_pull_image(p->app, p->service, p->service->image, p->options->quiet, err);
	/* What can be built needs no registry that has it. */
	return p->options->ignore_failures || p->service->build ? 0 : r;
}

static int pull(struct hoy_compose *app, const struct pull_options *o, struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(app->globals->parallel);
	auto_free struct pulling *all = NULL;
	auto_ptr(hoy_strv_free) char **seen = NULL;
	size_t n = 0;
	int r = 0;

	if (o->policy && strcmp(o->policy, "missing") != 0 && strcmp(o->policy, "always") != 0)
		return hoy_err_invalid(err, "--policy \"%s\": missing or always", o->policy);
	r = hoy_compose_select(app->project, app->cli->args, !o->include_deps, err);
	all = calloc(app->project->n_services + 1, sizeof *all);
	if (!work || !all)
		return hoy_err_oom(err);
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		if (r < 0 || !s->image || (s->build && o->ignore_buildable) || hoy_strv_has(seen, s->image) ||
			hoy_str_eq(s->pull_policy, "never") || hoy_str_eq(s->pull_policy, "build"))
			continue;
		all[n] = (struct pulling){ .app = app, .service = s, .options = o };
		(void) hoy_work_add(work, run_pull, &all[n++]);
		if (hoy_strv_add(&seen, s->image) < 0)
			r = hoy_err_oom(err);
	}
	return r < 0 ? r : hoy_work_run_all(work, err);
}

static int cmd_pull(struct hoy_cli *cli)
{
	const struct pull_options *o = cli->values;
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE | HOY_COMPOSE_NO_CONTAINERS, cli->args, &app, &err);

	if (r == 0 && !o->quiet)
		r = hoy_compose_begin_report(&app, "Pulling", &err);
	if (r == 0)
		r = pull(&app, o, &err);
	hoy_compose_end_report(&app);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_pull = {
	.name = "compose pull",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Pull service images",
	.options = pull_options,
	.values_size = sizeof(struct pull_options),
	.run = cmd_pull,
};

/* --- push -------------------------------------------------------------------- */

struct push_options {
	bool ignore_failures, include_deps, quiet;
};
static const struct hoy_option push_options[] = {
	HOY_OPTION(0, "ignore-push-failures", HOY_OPTION_BOOL, NULL, struct push_options, ignore_failures,
		"Push what it can and ignores images with push failures"),
	HOY_OPTION(0, "include-deps", HOY_OPTION_BOOL, NULL, struct push_options, include_deps,
		"Also push images of services declared as dependencies"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct push_options, quiet,
		"Push without printing progress information"),
	HOY_OPTION_END,
};

/* By the command line's own push, one after the other: what is built here is what can be pushed. */
static int push(struct hoy_compose *app, const struct push_options *o, struct hoy_err *err)
{
	int r = hoy_compose_select(app->project, app->cli->args, !o->include_deps, err), status = 0;

	if (r < 0)
		return r;
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		static char name[] = "push", quiet[] = "--quiet";
		auto_free char *image = s->image ? strdup(s->image) : NULL;
		char *loud_words[] = { name, image, NULL }, *quiet_words[] = { name, quiet, image, NULL };
		char **words = o->quiet ? quiet_words : loud_words;
		const struct hoy_command *command = hoy_command_find(words, &(int){ 0 });

		if (!image || !s->build || !command)
			continue;
		if (hoy_command_run(app->cli, command, (int) hoy_strv_len(words), words) != 0 && !o->ignore_failures)
			status = 1;
	}
	return status;
}

static int cmd_push(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE | HOY_COMPOSE_NO_CONTAINERS, cli->args, &app, &err);

	if (r == 0)
		r = push(&app, cli->values, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : r;
}

const struct hoy_command hoy_cmd_compose_push = {
	.name = "compose push",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Push service images",
	.options = push_options,
	.values_size = sizeof(struct push_options),
	.run = cmd_push,
};

/* --- build ------------------------------------------------------------------- */

struct build_options {
	bool no_cache, pull, quiet, push, with_dependencies;
	char **build_arg, **ssh;
	int64_t memory;
	const char *builder, *provenance, *sbom;
};
static const struct hoy_option build_options[] = {
	HOY_OPTION(0, "build-arg", HOY_OPTION_LIST, "stringArray", struct build_options, build_arg,
		"Set build-time variables for services"),
	HOY_OPTION(0, "builder", HOY_OPTION_STRING, "string", struct build_options, builder,
		"Set builder to use: there is \"default\", the engine's own"),
	HOY_OPTION_REFUSE(0, "check", NULL, "build --check is not supported"),
	HOY_OPTION('m', "memory", HOY_OPTION_BYTES, "bytes", struct build_options, memory,
		"Set memory limit for the build container."),
	HOY_OPTION(0, "no-cache", HOY_OPTION_BOOL, NULL, struct build_options, no_cache,
		"Do not use cache when building the image"),
	HOY_OPTION_REFUSE(0, "print", NULL, "build --print is not supported"),
	HOY_OPTION(0, "provenance", HOY_OPTION_STRING, "string", struct build_options, provenance,
		"Provenance attestation: \"false\", for none is made"),
	HOY_OPTION(0, "pull", HOY_OPTION_BOOL, NULL, struct build_options, pull,
		"Always attempt to pull a newer version of the image"),
	HOY_OPTION(0, "push", HOY_OPTION_BOOL, NULL, struct build_options, push, "Push service images"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct build_options, quiet, "Suppress the build output"),
	HOY_OPTION(0, "sbom", HOY_OPTION_STRING, "string", struct build_options, sbom,
		"SBOM attestation: \"false\", for none is made"),
	HOY_OPTION(0, "ssh", HOY_OPTION_LIST, "string", struct build_options, ssh,
		"SSH agents used when building service images (\"default\" for the one of SSH_AUTH_SOCK)"),
	HOY_OPTION(0, "with-dependencies", HOY_OPTION_BOOL, NULL, struct build_options, with_dependencies,
		"Also build dependencies (transitively)"),
	HOY_OPTION_END,
};

static int build(struct hoy_compose *app, const struct build_options *o, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **extra = NULL;
	int r = hoy_compose_select(app->project, app->cli->args, !o->with_dependencies, err), failed = 0, built = 0;

	if (r < 0)
		return r;
	failed |= o->no_cache ? hoy_strv_add(&extra, "--no-cache") : 0;
	failed |= o->pull ? hoy_strv_add(&extra, "--pull") : 0;
	failed |= o->quiet ? hoy_strv_add(&extra, "--quiet") : 0;
	failed |= o->memory ? hoy_strv_addf(&extra, "--memory=%lld", (long long) o->memory) : 0;
	for (char **arg = o->build_arg; arg && *arg; arg++)
		failed |= hoy_strv_addf(&extra, "--build-arg=%s", *arg);
	for (char **agent = o->ssh; agent && *agent; agent++)
		failed |= hoy_strv_addf(&extra, "--ssh=%s", *agent);
	failed |= o->builder ? hoy_strv_addf(&extra, "--builder=%s", o->builder) : 0;
	failed |= o->provenance ? hoy_strv_addf(&extra, "--provenance=%s", o->provenance) : 0;
	failed |= o->sbom ? hoy_strv_addf(&extra, "--sbom=%s", o->sbom) : 0;
	if (failed)
		return hoy_err_oom(err);
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		if (r < 0 || !s->build)
			continue;
		r = hoy_compose_build_image(app, s, extra, err);
		built++;
	}
	/* As docker compose: what has no name of its own is not pushed. */
	if (r == 0 && o->push && push(app, &(const struct push_options){ .quiet = o->quiet }, err) != 0)
		r = hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "not all images were pushed");
	if (r == 0 && !built)
		(void) fputs("No services to build\n", stderr);
	return r;
}

static int cmd_build(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, HOY_COMPOSE_NEEDS_FILE | HOY_COMPOSE_NO_CONTAINERS, cli->args, &app, &err);

	if (r == 0)
		r = build(&app, cli->values, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_build = {
	.name = "compose build",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Build or rebuild services",
	.options = build_options,
	.values_size = sizeof(struct build_options),
	.run = cmd_build,
};

/* --- images ------------------------------------------------------------------ */

struct images_options {
	bool quiet;
	const char *format;
};
static const struct hoy_option images_options[] = {
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct images_options, format,
		"Format the output. Values: [table | json] (default table)"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct images_options, quiet, "Only display IDs"),
	HOY_OPTION_END,
};
static const struct hoy_format_field image_fields[] = { { "ContainerName", "CONTAINER" },
	{ "Repository", "REPOSITORY" }, { "Tag", "TAG" }, { "Platform", "PLATFORM" }, { "ID", "IMAGE ID" },
	{ "Size", "SIZE" }, { "Created", "CREATED" }, {} };
static const struct hoy_format_list image_kind = {
	.fields = image_fields,
	.table = "{{.ContainerName}}\t{{.Repository}}\t{{.Tag}}\t{{.Platform}}\t{{.ID}}\t{{.Size}}\t{{.Created}}",
	.quiet = "{{.ID}}",
};

static int add_image(struct hoy_compose *app, struct hoy_json_writer *w, const struct hoy_compose_container *c,
	const struct images_options *o, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	const char *name = hoy_text_familiar(c->image), *tag = hoy_cli_image_tag(name);
	auto_free char *platform = NULL;
	int r;

	(void) hoy_buf_adds(&path, "/images/");
	hoy_http_escape(&path, c->image_id);
	(void) hoy_buf_adds(&path, "/json");
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(app->cli, "GET", path.data, NULL, &info, err);
	if (r < 0)
		return r;
	platform = hoy_str_printf("%s/%s", hoy_cli_text(info, "Os"), hoy_cli_text(info, "Architecture"));
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "ContainerName", c->name);
	hoy_json_add_stringn(w, "Repository", name, tag ? (size_t) (tag - name) : strlen(name));
	hoy_json_add_string(w, "Tag", tag && *tag == ':' ? tag + 1 : "latest");
	r = hoy_rows_add(w, "Platform", TAKE_PTR(platform));
	r |= hoy_rows_add(w, "ID", o->quiet ? strdup(c->image_id) : hoy_text_short_id(c->image_id));
	r |= hoy_rows_add(w, "Size", hoy_human_size((double) hoy_cli_number(info, "Size")));
	hoy_json_add_string(w, "Created", hoy_cli_text(info, "Created"));
	hoy_json_end(w);
	return r ? hoy_err_oom(err) : 0;
}

static int images(struct hoy_compose *app, const struct images_options *o, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf rows = {};
	struct hoy_json_writer w = { .buf = &rows };
	bool json = o->format && strcmp(o->format, "json") == 0;

	if (o->format && !json && strcmp(o->format, "table") != 0)
		return hoy_err_invalid(err, "unsupported format \"%s\": table or json", o->format);
	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];
		int r = hoy_compose_container_of(c, app->cli->args) ? add_image(app, &w, c, o, err) : 0;

		if (r < 0)
			return r;
	}
	hoy_json_end(&w);
	if (!json || o->quiet)
		return hoy_format_list(app->cli, &image_kind, NULL, o->quiet, &rows, err);
	(void) puts(rows.data);
	return 0;
}

static int cmd_images(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = images(&app, cli->values, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_images = {
	.name = "compose images",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "List images used by the created containers",
	.options = images_options,
	.values_size = sizeof(struct images_options),
	.run = cmd_images,
};
