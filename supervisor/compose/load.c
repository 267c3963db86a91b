/* The loader: files are found, read, brought into the long form, merged, and become a project. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/compose/interpolate.h"
#include "supervisor/compose/load_internal.h"
#include "supervisor/compose/yaml.h"

int hoy_load_warn(struct hoy_loader *loader, const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	int r;

	va_start(args, fmt);
	r = vasprintf(&text, fmt, args);
	va_end(args);
	if (r < 0)
		return hoy_err_oom(loader->err);
	r = hoy_strv_has(loader->warnings, text) ? 0 : hoy_strv_add(&loader->warnings, text);
	free(text);
	return r < 0 ? hoy_err_oom(loader->err) : 0;
}

int hoy_load_documents(
	struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	bool is_stdin = !strcmp(scope->file, "-");
	int r = 0;

	if (++loader->n_files > HOY_LOAD_MAX_FILES)
		return hoy_err_invalid(err, "more than %d files", HOY_LOAD_MAX_FILES);
	hoy_buf_init(&text, HOY_YAML_MAX_SIZE + 1);
	if (is_stdin && loader->from_stdin)
		(void) hoy_buf_adds(&text, loader->from_stdin);
	else if (is_stdin)
		r = hoy_file_read_fd(STDIN_FILENO, "stdin", &text, err);
	else
		r = hoy_file_read(AT_FDCWD, scope->file, &text, err);
	if (r >= 0 && is_stdin && !loader->from_stdin)
		loader->from_stdin = hoy_arena_strdup(loader->arena, text.data ? text.data : "");
	if (r == -EMSGSIZE)
		return hoy_err_invalid(err, "%s: larger than %d MiB", scope->name, HOY_YAML_MAX_SIZE >> 20);
	if (r < 0)
		return r;
	return hoy_yaml_parse(loader->arena, scope->name, text.data ? text.data : "", text.len, ret, err);
}

/* --- Variables -------------------------------------------------------------------------------- */

struct variables {
	struct hoy_loader *loader;
	char *const *environment;
};

static const char *get_variable(const char *name, void *userdata)
{
	const struct variables *variables = userdata;

	return hoy_env_get(variables->environment, name);
}

static void variable_missing(const char *name, void *userdata)
{
	const struct variables *variables = userdata;

	(void) hoy_interpolate_warn(&variables->loader->warnings, name);
}

int hoy_load_prepare(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *document)
{
	struct variables variables = { loader, scope->environment };
	const struct hoy_interpolation how = {
		.get = get_variable, .missing = variable_missing, .userdata = &variables
	};
	bool open = loader->options->no_interpolate;
	int r;

	if (document->type != HOY_NODE_MAP)
		return hoy_node_invalid(document, loader->err, "top-level object must be a mapping, not %s",
			hoy_node_type_name(document));
	if (!open) {
		r = hoy_interpolate_tree(loader->arena, document, &how, loader->err);
		if (r < 0)
			return r;
	}
	if (hoy_node_get(document, "version")) {
		r = hoy_load_warn(loader,
			"%s: the attribute `version` is obsolete, it will be ignored, please remove it to avoid potential confusion",
			scope->file);
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_load_file(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *tree)
{
	struct hoy_node *documents = NULL, *next;
	int r = hoy_load_documents(loader, scope, &documents, loader->err);

	if (r < 0)
		return r;
	for (struct hoy_node *document = documents->first; document; document = next) {
		next = document->next;
		if (document->type == HOY_NODE_NULL)
			continue;
		r = hoy_load_prepare(loader, scope, document);
		if (r >= 0)
			r = hoy_load_includes(loader, scope, document);
		if (r >= 0)
			r = hoy_shape_canonical(loader->arena, &hoy_shape_project, document, "",
				loader->options->no_interpolate, loader->err);
		if (r >= 0)
			r = hoy_load_extends(loader, scope, document, tree);
		if (r >= 0)
			r = hoy_shape_merge(loader->arena, &hoy_shape_project, tree, document, loader->err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- The project's name ----------------------------------------------------------------------- */

/* The last `name` of the files; a file that cannot be parsed is told of later. NULL: none. */
static int name_of_files(struct hoy_loader *loader, const struct hoy_compose_found *found, char **ret)
{
	struct variables variables = { loader, found->environment };
	const struct hoy_interpolation how = { .get = get_variable, .userdata = &variables };

	for (size_t i = 0; found->files && found->files[i]; i++) {
		const struct hoy_load_scope scope = { .file = found->files[i], .name = found->names[i] };
		struct hoy_node *documents = NULL;

		if (hoy_load_documents(loader, &scope, &documents, NULL) < 0)
			continue;
		hoy_node_each(document, documents)
		{
			const struct hoy_node *name = hoy_node_get(document, "name");
			auto_free char *text = NULL;
			int r;

			if (!name || name->type != HOY_NODE_STRING || !*name->text)
				continue;
			r = hoy_interpolate(name->text, &how, &text, loader->err);
			if (r < 0)
				return hoy_node_invalid(name, loader->err, "error while interpolating name: %s",
					loader->err ? loader->err->msg : "");
			free(*ret);
			*ret = hoy_compose_name_from(text);
			if (!*ret)
				return hoy_err_oom(loader->err);
		}
	}
	return 0;
}

static int choose_name(struct hoy_loader *loader, const struct hoy_compose_found *found, char **ret)
{
	auto_free char *name = NULL;
	int r = 0;

	if (found->name)
		name = strdup(found->name);
	else
		r = name_of_files(loader, found, &name);
	if (r < 0)
		return r;
	if (!name || !*name) {
		free(name);
		name = hoy_compose_name_from(hoy_path_base(found->dir));
	}
	if (!name)
		return hoy_err_oom(loader->err);
	if (!*name)
		return hoy_err_invalid(
			loader->err, "project name must not be empty: give one with -p, or `name:` in the file");
	*ret = TAKE_PTR(name);
	return 0;
}

int hoy_compose_find_name(
	const struct hoy_compose_options *options, char **ret_name, char **ret_dir, struct hoy_err *err)
{
	auto_(hoy_compose_found_done) struct hoy_compose_found found = {};
	struct hoy_arena arena = {};
	struct hoy_loader loader = { .arena = &arena, .options = options, .err = err };
	int r = hoy_compose_find(options, &found, err);

	if (r == -ENOENT && found.name)
		r = 0;
	if (r >= 0)
		r = choose_name(&loader, &found, ret_name);
	hoy_strv_free(loader.warnings);
	hoy_arena_done(&arena);
	if (r >= 0)
		*ret_dir = TAKE_PTR(found.dir);
	return r;
}

/* --- From tree to project --------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
	const struct {
		const char *name;
	} *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static size_t sort_vector(void *list)
{
	void **items = list;
	size_t n = 0;

	while (items && items[n])
		n++;
	if (n > 1)
		qsort(items, n, sizeof *items, by_name);
	return n;
}

static char **copy_strings(struct hoy_arena *arena, char *const *from)
{
	size_t n = from ? hoy_strv_len(from) : 0;
	char **copy = hoy_arena_alloc(arena, (n + 1) * sizeof *copy);

	for (size_t i = 0; copy && i < n; i++) {
		copy[i] = hoy_arena_strdup(arena, from[i]);
		if (!copy[i])
			return NULL;
	}
	return copy;
}

static bool is_enabled(const struct hoy_compose_service *service, char *const *profiles)
{
	if (!service->profiles || !*service->profiles || hoy_strv_has(profiles, "*"))
		return true;
	for (char **profile = service->profiles; *profile; profile++)
		if (profiles && hoy_strv_has(profiles, *profile))
			return true;
	return false;
}

static int set_disabled_apart(struct hoy_compose_project *project, struct hoy_err *err)
{
	size_t n = 0, enabled = 0, disabled = 0;

	hoy_compose_each(struct hoy_compose_service, one, project->services) n += one != NULL;
	project->disabled = hoy_arena_alloc(&project->arena, (n + 1) * sizeof *project->disabled);
	if (!project->services)
		project->services = hoy_arena_alloc(&project->arena, sizeof *project->services);
	if (!project->disabled || !project->services)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		struct hoy_compose_service *service = project->services[i];

		if (is_enabled(service, project->profiles))
			project->services[enabled++] = service;
		else
			project->disabled[disabled++] = service;
	}
	project->services[enabled] = NULL;
	project->n_services = enabled;
	return 0;
}

static int fill_project(struct hoy_loader *loader, const struct hoy_compose_found *found, const char *name,
	struct hoy_node *tree, struct hoy_compose_project *project)
{
	struct hoy_arena *arena = &project->arena;
	int r = hoy_shape_decode(arena, &hoy_shape_project, tree, project, loader->err);

	if (r < 0)
		return r;
	project->node = tree;
	project->name = hoy_arena_strdup(arena, name);
	project->working_dir = hoy_arena_strdup(arena, found->dir);
	project->files = copy_strings(arena, found->files);
	project->environment = copy_strings(arena, found->environment);
	project->profiles = copy_strings(arena, found->profiles);
	if (!project->name || !project->working_dir || !project->files || !project->environment || !project->profiles)
		return hoy_err_oom(loader->err);
	(void) sort_vector(project->services);
	(void) sort_vector(project->networks);
	(void) sort_vector(project->volumes);
	(void) sort_vector(project->secrets);
	(void) sort_vector(project->configs);
	(void) sort_vector(project->models);
	r = set_disabled_apart(project, loader->err);
	if (r < 0)
		return r;
	if (!loader->options->no_consistency)
		r = hoy_load_check_project(project, loader->err);
	return r;
}

/* All files, merged; defaults set. */
static int load_tree(
	struct hoy_loader *loader, const struct hoy_compose_found *found, const char *name, struct hoy_node *tree)
{
	const struct hoy_compose_options *options = loader->options;
	int r;

	for (size_t i = 0; found->files[i]; i++) {
		const struct hoy_load_scope scope = { .file = found->files[i],
			.name = found->names[i],
			.dir = found->dir,
			.environment = found->environment };

		r = hoy_load_file(loader, &scope, tree);
		if (r < 0)
			return r;
	}
	hoy_shape_finish_merge(tree);
	if (!tree->len)
		return hoy_err_invalid(loader->err, "empty compose file");
	r = hoy_load_defaults(loader, tree);
	if (r >= 0)
		r = hoy_load_check_tree(loader, tree);
	if (r >= 0 && !options->no_path_resolution)
		r = hoy_load_paths(loader, tree, found->dir, found->environment);
	if (r >= 0 && !options->no_normalize)
		r = hoy_load_normalize(loader, tree, name, found->environment);
	if (r >= 0 && !options->no_env_resolution && !options->no_interpolate)
		r = hoy_load_env_files(loader, tree, found->environment);
	return r;
}

static int load_found(struct hoy_loader *loader, struct hoy_compose_found *found, struct hoy_compose_project *project)
{
	struct hoy_node *tree = hoy_node_new(loader->arena, HOY_NODE_MAP, NULL);
	auto_free char *name = NULL, *entry = NULL;
	int r = choose_name(loader, found, &name);

	if (r < 0)
		return r;
	entry = hoy_str_printf("COMPOSE_PROJECT_NAME=%s", name);
	if (!tree || !entry || hoy_env_set(&found->environment, entry) < 0)
		return hoy_err_oom(loader->err);
	loader->n_files = 0;
	r = load_tree(loader, found, name, tree);
	return r < 0 ? r : fill_project(loader, found, name, tree, project);
}

int hoy_compose_load(const struct hoy_compose_options *options, struct hoy_compose_project **ret, struct hoy_err *err)
{
	auto_(hoy_compose_found_done) struct hoy_compose_found found = {};
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = calloc(1, sizeof *project);
	struct hoy_loader loader = { .options = options, .err = err };
	int r;

	if (!project)
		return hoy_err_oom(err);
	loader.arena = &project->arena;
	r = hoy_compose_find(options, &found, err);
	if (r >= 0)
		r = load_found(&loader, &found, project);
	if (r >= 0) {
		for (char **warning = loader.warnings; warning && *warning; warning++)
			if (hoy_strv_add(&found.warnings, *warning) < 0)
				r = hoy_err_oom(err);
		project->warnings = copy_strings(&project->arena, found.warnings);
		if (!project->warnings)
			r = hoy_err_oom(err);
	}
	hoy_strv_free(loader.warnings);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(project);
	return 0;
}

/* --- Variables of a project ------------------------------------------------------------------- */

struct listener {
	void (*on_variable)(const char *name, char op, const char *word, void *userdata);
	void *userdata;
};

/* A value for all: what is required is not missed. */
static const char *get_anything(const char *name, void *userdata)
{
	(void) name;
	(void) userdata;
	return "1";
}

static void pass_on(const char *name, char op, const char *word, void *userdata)
{
	const struct listener *listener = userdata;

	listener->on_variable(name, op, word, listener->userdata);
}

int hoy_compose_variables(const struct hoy_compose_options *options,
	void (*on_variable)(const char *name, char op, const char *word, void *userdata), void *userdata,
	struct hoy_err *err)
{
	auto_(hoy_compose_found_done) struct hoy_compose_found found = {};
	struct listener listener = { on_variable, userdata };
	const struct hoy_interpolation how = { .get = get_anything, .seen = pass_on, .userdata = &listener };
	struct hoy_arena arena = {};
	struct hoy_loader loader = { .arena = &arena, .options = options, .err = err };
	int r = hoy_compose_find(options, &found, err);

	for (size_t i = 0; r >= 0 && found.files[i]; i++) {
		const struct hoy_load_scope scope = { .file = found.files[i], .name = found.names[i] };
		struct hoy_node *documents = NULL;

		r = hoy_load_documents(&loader, &scope, &documents, err);
		if (r >= 0)
			r = hoy_interpolate_tree(&arena, documents, &how, err);
	}
	hoy_arena_done(&arena);
	return r;
}
