/* hoy compose config: the project in its canonical form, or the names of one kind. Asks an engine for digests only. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/compose/app.h"
#include "supervisor/compose/project.h"

struct config_options {
	bool environment, images, lock_digests, models, networks, no_consistency, no_env_resolution, no_interpolate;
	bool no_normalize, no_path_resolution, profiles, quiet, resolve_digests, services, variables, volumes;
	const char *format, *hash, *output;
};

#define FLAG(letter, name, member, help)                                                                               \
	HOY_OPTION(letter, name, HOY_OPTION_BOOL, NULL, struct config_options, member, help)
static const struct hoy_option config_options[] = {
	FLAG(0, "environment", environment, "Print environment used for interpolation"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct config_options, format,
		"Format the output. Values: [yaml | json]"),
	HOY_OPTION(0, "hash", HOY_OPTION_STRING, "string", struct config_options, hash,
		"Print the service config hash, one per line"),
	FLAG(0, "images", images, "Print the image names, one per line"),
	FLAG(0, "lock-image-digests", lock_digests, "Produces an override file with image digests"),
	FLAG(0, "models", models, "Print the model names, one per line"),
	FLAG(0, "networks", networks, "Print the network names, one per line"),
	FLAG(0, "no-consistency", no_consistency,
		"Don't check model consistency - warning: may produce invalid Compose output"),
	FLAG(0, "no-env-resolution", no_env_resolution, "Don't resolve service env files"),
	FLAG(0, "no-interpolate", no_interpolate, "Don't interpolate environment variables"),
	FLAG(0, "no-normalize", no_normalize, "Don't normalize compose model"),
	FLAG(0, "no-path-resolution", no_path_resolution, "Don't resolve file paths"),
	HOY_OPTION('o', "output", HOY_OPTION_STRING, "string", struct config_options, output,
		"Save to file (default to stdout)"),
	FLAG(0, "profiles", profiles, "Print the profile names, one per line"),
	FLAG('q', "quiet", quiet, "Only validate the configuration, don't print anything"),
	FLAG(0, "resolve-image-digests", resolve_digests, "Pin image tags to digests"),
	FLAG(0, "services", services, "Print the service names, one per line"),
	FLAG(0, "variables", variables, "Print model variables and default values"),
	FLAG(0, "volumes", volumes, "Print the volume names, one per line"),
	HOY_OPTION_END,
};
#undef FLAG

static int oom(struct hoy_err *err)
{
	return hoy_err_oom(err);
}

/* --- Names ------------------------------------------------------------------------------------ */

/* Dependencies first, each service once. */
static void add_service(const struct hoy_compose_project *project, const struct hoy_compose_service *service,
	char ***done, struct hoy_buf *out)
{
	if (*done && hoy_strv_has(*done, service->name))
		return;
	if (hoy_strv_add(done, service->name) < 0)
		return;
	hoy_compose_each(struct hoy_compose_dependency, dependency, service->depends_on)
	{
		const struct hoy_compose_service *other = hoy_compose_service_find(project, dependency->name);

		if (other)
			add_service(project, other, done, out);
	}
	(void) hoy_buf_addf(out, "%s\n", service->name);
}

static void print_services(const struct hoy_compose_project *project, struct hoy_buf *out)
{
	auto_ptr(hoy_strv_free) char **done = NULL;

	hoy_compose_each(struct hoy_compose_service, service, project->services)
		add_service(project, service, &done, out);
}

/* Every object begins with its name. */
static void print_names(void *list, struct hoy_buf *out)
{
	struct {
		const char *name;
	} *const *items = list;

	for (; items && *items; items++)
		(void) hoy_buf_addf(out, "%s\n", (*items)->name);
}

static void print_images(const struct hoy_compose_project *project, bool old_names, struct hoy_buf *out)
{
	hoy_compose_each(struct hoy_compose_service, service, project->services)
	{
		if (service->image && *service->image)
			(void) hoy_buf_addf(out, "%s\n", service->image);
		else
			(void) hoy_buf_addf(out, "%s%c%s\n", project->name, old_names ? '_' : '-', service->name);
	}
}

static int add_profiles(struct hoy_compose_service **services, char ***all)
{
	hoy_compose_each(struct hoy_compose_service, service,
		services) for (char **profile = service->profiles; profile && *profile;
			       profile++) if ((!*all || !hoy_strv_has(*all, *profile)) &&
					      hoy_strv_add(all, *profile) < 0) return -ENOMEM;
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *) a, *(const char *const *) b);
}

static void print_sorted(char **lines, struct hoy_buf *out)
{
	if (!lines)
		return;
	qsort(lines, hoy_strv_len(lines), sizeof *lines, by_text);
	for (; *lines; lines++)
		(void) hoy_buf_addf(out, "%s\n", *lines);
}

static int print_profiles(const struct hoy_compose_project *project, struct hoy_buf *out)
{
	auto_ptr(hoy_strv_free) char **all = NULL;

	if (add_profiles(project->services, &all) < 0 || add_profiles(project->disabled, &all) < 0)
		return -ENOMEM;
	print_sorted(all, out);
	return 0;
}

static int print_environment(const struct hoy_compose_project *project, struct hoy_buf *out)
{
	auto_ptr(hoy_strv_free) char **copy = hoy_strv_copy(project->environment);

	if (!copy)
		return -ENOMEM;
	print_sorted(copy, out);
	return 0;
}

/* "*", or names with commas. */
static int print_hashes(
	const struct hoy_compose_project *project, const char *which, struct hoy_buf *out, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = strcmp(which, "*") != 0 ? hoy_str_split(which, ',') : NULL;

	for (char **name = names; name && *name; name++)
		if (!hoy_compose_service_find(project, *name))
			return hoy_err_not_found(err, "no such service: %s", *name);
	hoy_compose_each(struct hoy_compose_service, service, project->services)
	{
		char hash[HOY_COMPOSE_HASH_SIZE];
		int r;

		if (names && !hoy_strv_has(names, service->name))
			continue;
		r = hoy_compose_service_hash(service, hash, err);
		if (r < 0)
			return r;
		(void) hoy_buf_addf(out, "%s %s\n", service->name, hash);
	}
	return 0;
}

/* --- Variables -------------------------------------------------------------------------------- */

struct variable {
	char *name, *otherwise, *instead;
	bool required;
};

struct variables {
	struct variable *list;
	size_t n;
	bool failed;
};

static void on_variable(const char *name, char op, const char *word, void *userdata)
{
	struct variables *all = userdata;
	struct variable *variable = NULL;
	char **text;

	for (size_t i = 0; i < all->n && !variable; i++)
		if (!strcmp(all->list[i].name, name))
			variable = &all->list[i];
	if (!variable) {
		struct variable *list = reallocarray(all->list, all->n + 1, sizeof *list);
		char *copy = strdup(name);

		if (!list || !copy) {
			all->list = list ? list : all->list;
			free(copy);
			all->failed = true;
			return;
		}
		all->list = list;
		variable = &list[all->n++];
		*variable = (struct variable){ .name = copy };
	}
	variable->required = variable->required || op == '?';
	text = op == '-' ? &variable->otherwise : &variable->instead;
	if ((op == '-' || op == '+') && !*text)
		*text = strdup(word);
}

static int by_variable(const void *a, const void *b)
{
	return strcmp(((const struct variable *) a)->name, ((const struct variable *) b)->name);
}

static int print_variables(const struct hoy_compose_options *options, struct hoy_buf *out, struct hoy_err *err)
{
	struct variables all = {};
	int r = hoy_compose_variables(options, on_variable, &all, err);
	size_t width = strlen("NAME"), default_width = strlen("DEFAULT VALUE");

	if (all.n)
		qsort(all.list, all.n, sizeof *all.list, by_variable);
	for (size_t i = 0; i < all.n; i++) {
		const struct variable *one = &all.list[i];

		width = strlen(one->name) > width ? strlen(one->name) : width;
		if (one->otherwise && strlen(one->otherwise) > default_width)
			default_width = strlen(one->otherwise);
	}
	(void) hoy_buf_addf(out, "%-*s   REQUIRED   %-*s   ALTERNATE VALUE\n", (int) width, "NAME", (int) default_width,
		"DEFAULT VALUE");
	for (size_t i = 0; i < all.n; i++) {
		struct variable *one = &all.list[i];

		(void) hoy_buf_addf(out, "%-*s   %-8s   %-*s   %s\n", (int) width, one->name,
			one->required ? "true" : "false", (int) default_width, one->otherwise ? one->otherwise : "",
			one->instead ? one->instead : "");
		free(one->name);
		free(one->otherwise);
		free(one->instead);
	}
	free(all.list);
	return all.failed ? oom(err) : r;
}

/* --- Digests ---------------------------------------------------------------------------------- */

/* The image's name with the digest that its registry has for it. */
static int pin(struct hoy_cli *cli, struct hoy_compose_service *service, struct hoy_compose_project *project,
	struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	auto_free char *path = NULL;
	struct hoy_node *image = hoy_node_get(service->node, "image");
	const char *digest;
	int r;

	if (!service->image || !*service->image || strchr(service->image, '@'))
		return 0;
	path = hoy_str_printf("/distribution/%s/json", service->image);
	if (!path)
		return oom(err);
	r = hoy_cli_call(cli, "GET", path, NULL, &answer, err);
	if (r < 0)
		return hoy_err_wrap(err, "service %s", service->name);
	digest = hoy_cli_text(hoy_json_get(answer, "Descriptor"), "digest");
	image->text = hoy_arena_printf(&project->arena, "%s@%s", service->image, digest);
	if (!image->text)
		return oom(err);
	service->image = image->text;
	return 0;
}

static int pin_all(struct hoy_cli *cli, struct hoy_compose_project *project, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_service, service, project->services)
	{
		int r = pin(cli, service, project, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static void print_lock(const struct hoy_compose_project *project, struct hoy_buf *out)
{
	(void) hoy_buf_adds(out, "services:\n");
	hoy_compose_each(struct hoy_compose_service, service, project->services) if (service->image && *service->image)(
		void) hoy_buf_addf(out, "  %s:\n    image: %s\n", service->name, service->image);
}

/* --- The command ------------------------------------------------------------------------------ */

static int print_project(const struct config_options *options, const struct hoy_compose_project *project,
	struct hoy_buf *out, struct hoy_err *err)
{
	bool json = options->format && !strcmp(options->format, "json");
	int r;

	if (options->format && !json && strcmp(options->format, "yaml") != 0)
		return hoy_err_invalid(err, "unsupported format \"%s\": yaml or json", options->format);
	r = json ? hoy_compose_print_json(project, !options->no_interpolate, out)
		 : hoy_compose_print_yaml(project, !options->no_interpolate, out);
	return r < 0 ? oom(err) : 0;
}

static int print_what_is_asked(
	struct hoy_cli *cli, struct hoy_compose_project *project, struct hoy_buf *out, struct hoy_err *err)
{
	const struct config_options *options = cli->values;
	int r = 0;

	if (options->resolve_digests || options->lock_digests)
		r = pin_all(cli, project, err);
	if (r < 0 || options->quiet)
		return r;
	if (options->services)
		print_services(project, out);
	else if (options->volumes)
		print_names(project->volumes, out);
	else if (options->networks)
		print_names(project->networks, out);
	else if (options->models)
		print_names(project->models, out);
	else if (options->images)
		print_images(project, cli->compose->compatibility, out);
	else if (options->profiles)
		r = print_profiles(project, out) < 0 ? oom(err) : 0;
	else if (options->environment)
		r = print_environment(project, out) < 0 ? oom(err) : 0;
	else if (options->hash)
		r = print_hashes(project, options->hash, out, err);
	else if (options->lock_digests)
		print_lock(project, out);
	else
		r = print_project(options, project, out, err);
	return r < 0 ? r : hoy_buf_check(out, "the project's text", err);
}

static int write_out(const char *path, const struct hoy_buf *text, struct hoy_err *err)
{
	const char *data = text->data ? text->data : "";

	if (path)
		return hoy_file_write(AT_FDCWD, path, data, text->len, 0666, 0, err);
	if (fwrite(data, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
		return hoy_err_sys(err, "write to stdout");
	return 0;
}

static int load_and_print(struct hoy_cli *cli, struct hoy_buf *out, struct hoy_err *err)
{
	const struct config_options *options = cli->values;
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;
	struct hoy_compose_options load = {};
	int r;

	hoy_compose_load_options(cli->compose, &load);
	load.no_interpolate = options->no_interpolate;
	load.no_normalize = options->no_normalize;
	load.no_path_resolution = options->no_path_resolution;
	load.no_env_resolution = options->no_env_resolution;
	load.no_consistency = options->no_consistency || options->no_interpolate;
	if (options->variables)
		return print_variables(&load, out, err);
	r = hoy_compose_load(&load, &project, err);
	if (r < 0)
		return r;
	for (char **warning = project->warnings; *warning; warning++)
		(void) fprintf(stderr, "WARN: %s\n", *warning);
	r = hoy_compose_select(project, cli->args, /* no_deps= */ false, err);
	if (r < 0)
		return r;
	if (!cli->compose->all_resources)
		hoy_compose_prune(project);
	return print_what_is_asked(cli, project, out, err);
}

static int config_run(struct hoy_cli *cli)
{
	const struct config_options *options = cli->values;
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct hoy_err err = {};
	int r = load_and_print(cli, &out, &err);

	if (r >= 0)
		r = write_out(options->output, &out, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_config = {
	.name = "compose config",
	.alias = "compose convert",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "Parse, resolve and render compose file in canonical format",
	.options = config_options,
	.values_size = sizeof(struct config_options),
	.run = config_run,
};
