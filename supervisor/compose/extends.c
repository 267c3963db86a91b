/* extends: a service is merged on another, of the same file or of one that is named. */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "supervisor/compose/load_internal.h"

/* The services on the way, to find cycles and to tell them. */
struct chain {
	const struct chain *parent;
	const char *file, *service;
};

static int resolve(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *services,
	const struct hoy_node *earlier, struct hoy_node *service, const struct chain *parent, unsigned int level);

static void add_to_text(const struct chain *link, struct hoy_buf *text)
{
	if (link->parent)
		add_to_text(link->parent, text);
	(void) hoy_buf_addf(text, "%s%s (%s)", text->len ? " -> " : "", link->service, link->file);
}

static int check_cycle(struct hoy_loader *loader, const struct hoy_node *at, const struct chain *link)
{
	for (const struct chain *other = link->parent; other; other = other->parent) {
		auto_(hoy_buf_done) struct hoy_buf text = {};

		if (strcmp(other->file, link->file) != 0 || strcmp(other->service, link->service) != 0)
			continue;
		add_to_text(link, &text);
		return hoy_node_invalid(
			at, loader->err, "circular reference in extends: %s", text.data ? text.data : link->service);
	}
	return 0;
}

/* The services of another file, in the long form. */
static int read_services(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node **ret)
{
	struct hoy_node *documents = NULL, *tree = hoy_node_new(loader->arena, HOY_NODE_MAP, NULL), *next;
	int r = hoy_load_documents(loader, scope, &documents, loader->err);

	if (!tree)
		return hoy_err_oom(loader->err);
	if (r < 0)
		return r;
	for (struct hoy_node *document = documents->first; document; document = next) {
		next = document->next;
		if (document->type == HOY_NODE_NULL)
			continue;
		r = hoy_load_prepare(loader, scope, document);
		if (r < 0)
			return r;
		(void) hoy_node_remove(document, "include");
		r = hoy_shape_canonical(
			loader->arena, &hoy_shape_project, document, "", loader->options->no_interpolate, loader->err);
		if (r >= 0)
			r = hoy_shape_merge(loader->arena, &hoy_shape_project, tree, document, loader->err);
		if (r < 0)
			return r;
	}
	*ret = hoy_node_get(tree, "services");
	return 0;
}

/* The base's own extends are resolved before it is copied; paths of another file are made absolute. */
static int base_from_file(struct hoy_loader *loader, const struct hoy_load_scope *scope, const struct hoy_node *extends,
	const struct hoy_node *service, const struct chain *link, unsigned int level, struct hoy_node **ret)
{
	const struct hoy_node *file = hoy_node_get(extends, "file");
	const char *name = hoy_node_text(extends, "service");
	auto_free char *path = hoy_compose_absolute(file->text, scope->dir, scope->environment);
	char *dir = path ? hoy_arena_strdup(loader->arena, path) : NULL;
	struct hoy_load_scope theirs = { .parent = scope, .name = file->text, .environment = scope->environment };
	struct hoy_node *services = NULL, *base, *wrapped;
	int r;

	if (!dir)
		return hoy_err_oom(loader->err);
	theirs.file = hoy_arena_strdup(loader->arena, path);
	*strrchr(dir, '/') = '\0';
	theirs.dir = *dir ? dir : "/";
	if (!theirs.file)
		return hoy_err_oom(loader->err);
	r = read_services(loader, &theirs, &services);
	if (r == -ENOENT)
		return hoy_node_invalid(
			file, loader->err, "cannot extend service \"%s\": no file %s", service->key, path);
	if (r < 0)
		return r;
	base = hoy_node_get(services, name);
	if (!base)
		return hoy_node_invalid(extends, loader->err,
			"cannot extend service \"%s\" in %s: service \"%s\" not found in %s", service->key, scope->name,
			name, file->text);
	r = resolve(loader, &theirs, services, NULL, base, link, level + 1);
	if (r < 0 || loader->options->no_path_resolution) {
		*ret = hoy_node_get(services, name);
		return r;
	}
	wrapped = hoy_node_new(loader->arena, HOY_NODE_MAP, base);
	if (!wrapped)
		return hoy_err_oom(loader->err);
	hoy_node_set(wrapped, "services", services);
	*ret = hoy_node_get(services, name);
	return hoy_load_paths(loader, wrapped, theirs.dir, scope->environment);
}

static int resolve(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *services,
	const struct hoy_node *earlier, struct hoy_node *service, const struct chain *parent, unsigned int level)
{
	struct hoy_node *extends = hoy_node_get(service, "extends"), *base = NULL, *merged;
	const char *name = hoy_node_text(extends, "service");
	const struct chain link = { parent, scope->file, service->key };
	bool elsewhere = hoy_node_text(extends, "file") != NULL;
	int r;

	if (!extends || extends->merge == HOY_NODE_RESET || hoy_shape_is_open(extends))
		return 0;
	if (!name)
		return hoy_node_invalid(extends, loader->err, "services.%s.extends.service is required", service->key);
	r = check_cycle(loader, extends, &link);
	if (r < 0)
		return r;
	if (level > HOY_LOAD_MAX_NESTING)
		return hoy_node_invalid(
			extends, loader->err, "extends goes deeper than %d services", HOY_LOAD_MAX_NESTING);
	if (elsewhere) {
		r = base_from_file(loader, scope, extends, service, &link, level, &base);
	} else {
		base = hoy_node_get(services, name);
		if (!base)
			base = hoy_node_get(hoy_node_get(earlier, "services"), name);
		if (!base)
			return hoy_node_invalid(extends, loader->err,
				"cannot extend service \"%s\" in %s: service \"%s\" not found", service->key,
				scope->name, name);
		r = resolve(loader, scope, services, earlier, base, &link, level + 1);
		base = hoy_node_get(services, name) ? hoy_node_get(services, name) : base;
	}
	if (r < 0)
		return r;
	(void) hoy_node_remove(service, "extends");
	merged = hoy_node_copy(loader->arena, base);
	if (!merged)
		return hoy_err_oom(loader->err);
	r = hoy_shape_merge(loader->arena, &hoy_shape_service, merged, service, loader->err);
	if (r < 0)
		return r;
	/* The service keeps its node, which others may point to. */
	service->first = merged->first;
	service->last = merged->last;
	service->len = merged->len;
	return 0;
}

int hoy_load_extends(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *document,
	const struct hoy_node *tree)
{
	struct hoy_node *services = hoy_node_get(document, "services");

	hoy_node_each(service, services)
	{
		int r = service->type == HOY_NODE_MAP ? resolve(loader, scope, services, tree, service, NULL, 0) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}
