/* include: whole projects, each with its own directory and environment, below what the including file says itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/compose/env_file.h"
#include "supervisor/compose/load_internal.h"
#include "supervisor/compose/short_forms.h"

static int check_cycle(
	struct hoy_loader *loader, const struct hoy_node *at, const struct hoy_load_scope *scope, const char *path)
{
	unsigned int level = 0;

	for (const struct hoy_load_scope *file = scope; file; file = file->parent) {
		if (!strcmp(file->file, path))
			return hoy_node_invalid(
				at, loader->err, "include cycle detected: %s includes %s again", scope->file, path);
		if (++level > HOY_LOAD_MAX_NESTING)
			return hoy_node_invalid(
				at, loader->err, "include goes deeper than %d files", HOY_LOAD_MAX_NESTING);
	}
	return 0;
}

/* The environment of an included project: the parent's, and below it its own files. Caller frees. */
static int make_environment(struct hoy_loader *loader, const struct hoy_load_scope *scope,
	const struct hoy_compose_include *include, const char *dir, char ***ret)
{
	auto_ptr(hoy_strv_free) char **environment = hoy_strv_copy(scope->environment), **entries = NULL;
	auto_free char *own = hoy_path_join(dir, ".env");
	int r = 0;

	if (!environment || !own)
		return hoy_err_oom(loader->err);
	if (!include->env_file && access(own, R_OK) == 0)
		r = hoy_env_file_read(own, NULL, environment, &entries, &loader->warnings, loader->err);
	for (char **file = include->env_file; file && *file && r >= 0; file++) {
		auto_free char *path = hoy_compose_absolute(*file, scope->dir, scope->environment);

		if (!path)
			return hoy_err_oom(loader->err);
		if (strcmp(path, "/dev/null") != 0)
			r = hoy_env_file_read(path, NULL, environment, &entries, &loader->warnings, loader->err);
	}
	if (r < 0)
		return hoy_node_invalid(include->node, loader->err, "include: %s", loader->err ? loader->err->msg : "");
	for (char **entry = entries; entry && *entry; entry++) {
		auto_free char *key = strndup(*entry, strcspn(*entry, "="));

		if (!key || (!hoy_env_get(environment, key) && hoy_env_set(&environment, *entry) < 0))
			return hoy_err_oom(loader->err);
	}
	*ret = TAKE_PTR(environment);
	return 0;
}

static char *directory_of(const struct hoy_load_scope *scope, const struct hoy_compose_include *include)
{
	auto_free char *path = NULL;
	char *slash;

	if (include->project_directory)
		return hoy_compose_absolute(include->project_directory, scope->dir, scope->environment);
	path = hoy_compose_absolute(include->path[0], scope->dir, scope->environment);
	slash = path ? strrchr(path, '/') : NULL;
	if (!slash)
		return NULL;
	return slash == path ? strdup("/") : strndup(path, (size_t) (slash - path));
}

static int load_files(struct hoy_loader *loader, const struct hoy_load_scope *scope,
	const struct hoy_compose_include *include, const char *dir, char *const *environment, struct hoy_node *tree)
{
	for (char **file = include->path; *file; file++) {
		auto_free char *path = hoy_compose_absolute(*file, scope->dir, scope->environment);
		struct hoy_load_scope theirs = {
			.parent = scope, .name = *file, .dir = dir, .environment = environment
		};
		int r;

		if (!path || !(theirs.file = hoy_arena_strdup(loader->arena, path)))
			return hoy_err_oom(loader->err);
		r = check_cycle(loader, include->node, scope, theirs.file);
		if (r < 0)
			return r;
		if (access(theirs.file, R_OK) < 0)
			return hoy_node_invalid(include->node, loader->err, "include: cannot read %s", theirs.file);
		r = hoy_load_file(loader, &theirs, tree);
		if (r < 0)
			return r;
	}
	return 0;
}

/* One included project becomes a tree of its own, and that the base of what the document says. */
static int load_one(
	struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *item, struct hoy_node *all)
{
	struct hoy_compose_include include = {};
	struct hoy_node *tree = hoy_node_new(loader->arena, HOY_NODE_MAP, item);
	auto_free char *dir = NULL;
	auto_ptr(hoy_strv_free) char **environment = NULL;
	int r = hoy_shape_decode(loader->arena, &hoy_shape_include, item, &include, loader->err);

	if (r < 0)
		return r;
	if (!tree)
		return hoy_err_oom(loader->err);
	if (!include.path || !*include.path)
		return hoy_node_invalid(item, loader->err, "include: path is required");
	for (char **path = include.path; *path; path++)
		if (strstr(*path, "://") || hoy_str_starts(*path, "git@") || hoy_str_starts(*path, "oci:"))
			return hoy_err_unsupported(loader->err,
				"include: remote resource \"%s\" is not supported: copy it next to this file", *path);
	dir = directory_of(scope, &include);
	if (!dir)
		return hoy_err_oom(loader->err);
	r = make_environment(loader, scope, &include, dir, &environment);
	if (r >= 0)
		r = load_files(loader, scope, &include, dir, environment, tree);
	if (r >= 0 && !loader->options->no_path_resolution)
		r = hoy_load_paths(loader, tree, dir, environment);
	if (r < 0)
		return r;
	(void) hoy_node_remove(tree, "name");
	return hoy_shape_merge(loader->arena, &hoy_shape_project, all, tree, loader->err);
}

/* Strings become maps, values are checked. */
static int prepare_item(struct hoy_loader *loader, struct hoy_node **item)
{
	if ((*item)->type == HOY_NODE_STRING) {
		*item = hoy_expand_include(loader->arena, *item, loader->err);
		if (!*item)
			return -ENOMEM;
	}
	return hoy_shape_canonical(
		loader->arena, &hoy_shape_include, *item, "include", loader->options->no_interpolate, loader->err);
}

int hoy_load_includes(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *document)
{
	struct hoy_node *includes = hoy_node_get(document, "include");
	struct hoy_node *all = hoy_node_new(loader->arena, HOY_NODE_MAP, document), *next;
	int r = 0;

	if (!includes)
		return 0;
	(void) hoy_node_remove(document, "include");
	if (!all)
		return hoy_err_oom(loader->err);
	if (includes->type == HOY_NODE_NULL)
		return 0;
	if (includes->type != HOY_NODE_LIST)
		return hoy_node_invalid(
			includes, loader->err, "include must be a list, not %s", hoy_node_type_name(includes));
	for (struct hoy_node *item = includes->first; item && r >= 0; item = next) {
		next = item->next;
		r = prepare_item(loader, &item);
		if (r >= 0)
			r = load_one(loader, scope, item, all);
	}
	/* The document is checked here already, so that its merge with what it includes is one of long forms. */
	if (r >= 0)
		r = hoy_shape_canonical(
			loader->arena, &hoy_shape_project, document, "", loader->options->no_interpolate, loader->err);
	if (r >= 0)
		r = hoy_load_extends(loader, scope, document, all);
	if (r >= 0)
		r = hoy_shape_merge(loader->arena, &hoy_shape_project, all, document, loader->err);
	if (r < 0)
		return r;
	document->first = all->first;
	document->last = all->last;
	document->len = all->len;
	return 0;
}
