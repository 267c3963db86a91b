/* Defaults of a project: what a file need not say, and what follows from what it says. */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/compose/env_file.h"
#include "supervisor/compose/load_internal.h"

static int oom(struct hoy_loader *loader)
{
	return hoy_err_oom(loader->err);
}

static int set_text(
	struct hoy_loader *loader, struct hoy_node *map, const char *key, enum hoy_node_type type, const char *text)
{
	struct hoy_node *value = text ? hoy_node_string(loader->arena, text, map) : NULL;

	if (!value)
		return oom(loader);
	value->type = type;
	hoy_node_set(map, key, value);
	return 0;
}

static int set_default(struct hoy_loader *loader, struct hoy_node *map, const char *key, const char *text)
{
	return hoy_node_get(map, key) ? 0 : set_text(loader, map, key, HOY_NODE_STRING, text);
}

/* The member `key`, made an empty map when it is absent or null. NULL when out of memory. */
static struct hoy_node *map_of(struct hoy_loader *loader, struct hoy_node *parent, const char *key)
{
	struct hoy_node *map = hoy_node_get(parent, key);

	if (map && map->type == HOY_NODE_MAP)
		return map;
	map = hoy_node_new(loader->arena, HOY_NODE_MAP, parent);
	if (map)
		hoy_node_set(parent, key, map);
	return map;
}

/* --- Defaults of objects ---------------------------------------------------------------------- */

static int default_device_requests(struct hoy_loader *loader, struct hoy_node *list)
{
	hoy_node_each(item, list) if (item->type == HOY_NODE_MAP && !hoy_node_get(item, "count") &&
				      !hoy_node_get(item, "device_ids") &&
				      set_text(loader, item, "count", HOY_NODE_INT, "-1") < 0) return -ENOMEM;
	return 0;
}

static int default_service(struct hoy_loader *loader, struct hoy_node *service)
{
	struct hoy_node *build = hoy_node_get(service, "build");
	struct hoy_node *reservations = hoy_node_get(
		hoy_node_get(hoy_node_get(service, "deploy"), "resources"), "reservations");
	int r = build && build->type == HOY_NODE_MAP ? set_default(loader, build, "context", ".") : 0;

	hoy_node_each(port, hoy_node_get(service, "ports"))
	{
		if (port->type != HOY_NODE_MAP || r < 0)
			continue;
		r = set_default(loader, port, "protocol", "tcp");
		if (r >= 0)
			r = set_default(loader, port, "mode", "ingress");
	}
	hoy_node_each(secret, hoy_node_get(service, "secrets"))
	{
		const char *source = hoy_node_text(secret, "source");

		if (source && r >= 0)
			r = set_default(
				loader, secret, "target", hoy_arena_printf(loader->arena, "/run/secrets/%s", source));
	}
	if (r >= 0)
		r = default_device_requests(loader, hoy_node_get(reservations, "devices"));
	return r < 0 ? r : default_device_requests(loader, hoy_node_get(service, "gpus"));
}

int hoy_load_defaults(struct hoy_loader *loader, struct hoy_node *tree)
{
	hoy_node_each(service, hoy_node_get(tree, "services"))
	{
		int r = default_service(loader, service);

		if (r < 0)
			return r;
	}
	return 0;
}

/* --- Networks and names ----------------------------------------------------------------------- */

static int normalize_networks(struct hoy_loader *loader, struct hoy_node *tree)
{
	struct hoy_node *networks;
	bool uses_default = false;

	hoy_node_each(service, hoy_node_get(tree, "services"))
	{
		struct hoy_node *mine;

		if (hoy_node_get(service, "provider") || hoy_node_get(service, "network_mode"))
			continue;
		mine = map_of(loader, service, "networks");
		if (!mine)
			return oom(loader);
		if (!mine->len) {
			struct hoy_node *none = hoy_node_new(loader->arena, HOY_NODE_NULL, service);

			if (!none)
				return oom(loader);
			hoy_node_set(mine, "default", none);
		}
		uses_default = uses_default || hoy_node_get(mine, "default");
	}
	if (!uses_default || hoy_node_get(hoy_node_get(tree, "networks"), "default"))
		return 0;
	networks = map_of(loader, tree, "networks");
	return networks && map_of(loader, networks, "default") ? 0 : oom(loader);
}

static int set_names(struct hoy_loader *loader, struct hoy_node *tree, const char *project)
{
	static const char *const kinds[] = { "networks", "volumes", "configs", "secrets" };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		struct hoy_node *all = hoy_node_get(tree, kinds[i]), *next;

		for (struct hoy_node *one = all ? all->first : NULL; one; one = next) {
			const char *key = one->key, *external = hoy_node_text(one, "external");
			struct hoy_node *map;

			next = one->next;
			map = map_of(loader, all, key);
			if (!map ||
				(!hoy_node_get(map, "name") &&
					set_text(loader, map, "name", HOY_NODE_STRING,
						external && !strcmp(external, "true")
							? key
							: hoy_arena_printf(loader->arena, "%s_%s", project, key)) < 0))
				return oom(loader);
		}
	}
	return 0;
}

/* --- Dependencies ----------------------------------------------------------------------------- */

static int add_dependency(
	struct hoy_loader *loader, struct hoy_node *service, const char *name, const struct hoy_node *at, bool restart)
{
	struct hoy_node *all, *one;

	if (hoy_node_get(hoy_node_get(service, "depends_on"), name))
		return 0;
	all = map_of(loader, service, "depends_on");
	one = hoy_node_new(loader->arena, HOY_NODE_MAP, at);
	if (!all || !one)
		return oom(loader);
	hoy_node_set(all, name, one);
	if (set_text(loader, one, "condition", HOY_NODE_STRING, "service_started") < 0 ||
		(restart && set_text(loader, one, "restart", HOY_NODE_BOOL, "true") < 0) ||
		set_text(loader, one, "required", HOY_NODE_BOOL, "true") < 0)
		return -ENOMEM;
	return 0;
}

/* What stands before the first colon. */
static const char *head(struct hoy_loader *loader, const char *text)
{
	return hoy_arena_strndup(loader->arena, text, strcspn(text, ":"));
}

static int imply_dependencies(struct hoy_loader *loader, struct hoy_node *service)
{
	static const char *const modes[] = { "network_mode", "ipc", "pid", "uts", "cgroup" };
	int r = 0;

	hoy_node_each(link, hoy_node_get(service, "links"))
	{
		const char *name = head(loader, link->text);

		r = name ? add_dependency(loader, service, name, link, /* restart= */ true) : oom(loader);
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < ARRAY_LEN(modes); i++) {
		const struct hoy_node *mode = hoy_node_get(service, modes[i]);

		if (!hoy_node_is_scalar(mode) || !hoy_str_starts(mode->text, "service:"))
			continue;
		r = add_dependency(loader, service, mode->text + strlen("service:"), mode, /* restart= */ true);
		if (r < 0)
			return r;
	}
	hoy_node_each(from, hoy_node_get(service, "volumes_from"))
	{
		const char *name;

		if (hoy_str_starts(from->text, "container:"))
			continue;
		name = head(loader, from->text);
		r = name ? add_dependency(loader, service, name, from, /* restart= */ false) : oom(loader);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- Services --------------------------------------------------------------------------------- */

/* Names without a value get the environment's; `keep` those that it lacks. */
static int resolve_pairs(struct hoy_loader *loader, struct hoy_node *map, char *const *environment, bool keep)
{
	struct hoy_node *next;

	for (struct hoy_node *pair = map ? map->first : NULL; pair; pair = next) {
		const char *value;

		next = pair->next;
		if (pair->type != HOY_NODE_NULL)
			continue;
		value = hoy_env_get(environment, pair->key);
		if (value) {
			pair->type = HOY_NODE_STRING;
			pair->text = hoy_arena_strdup(loader->arena, value);
			if (!pair->text)
				return oom(loader);
		} else if (!keep) {
			(void) hoy_node_remove(map, pair->key);
		}
	}
	return 0;
}

static int normalize_service(struct hoy_loader *loader, struct hoy_node *service, char *const *environment)
{
	struct hoy_node *build = hoy_node_get(service, "build"), *policy = hoy_node_get(service, "pull_policy");
	const struct hoy_node *image = hoy_node_get(service, "image");
	int r = 0;

	if (policy && hoy_node_is_scalar(policy) && !strcmp(policy->text, "if_not_present"))
		policy->text = "missing";
	if (build && !hoy_node_get(build, "dockerfile_inline"))
		r = set_default(loader, build, "dockerfile", "Dockerfile");
	if (r >= 0)
		r = resolve_pairs(loader, hoy_node_get(build, "args"), environment, /* keep= */ false);
	if (r >= 0)
		r = resolve_pairs(loader, hoy_node_get(service, "environment"), environment, /* keep= */ true);
	if (r >= 0)
		r = imply_dependencies(loader, service);
	hoy_node_each(volume, hoy_node_get(service, "volumes"))
	{
		struct hoy_node *target = hoy_node_get(volume, "target");
		auto_free char *clean = target ? hoy_path_clean(target->text) : NULL;

		if (clean && !(target->text = hoy_arena_strdup(loader->arena, clean)))
			return oom(loader);
	}
	hoy_node_each(hook, hoy_node_get(service, "pre_start")) if (r >= 0 && image && hoy_node_is_scalar(image))
		r = set_default(loader, hook, "image", image->text);
	return r;
}

int hoy_load_normalize(struct hoy_loader *loader, struct hoy_node *tree, const char *name, char *const *environment)
{
	int r = normalize_networks(loader, tree);

	hoy_node_each(service, hoy_node_get(tree, "services"))
	{
		if (r < 0)
			return r;
		r = normalize_service(loader, service, environment);
	}
	return r < 0 ? r : set_names(loader, tree, name);
}

/* --- env_file, label_file --------------------------------------------------------------------- */

/* The map `key` of the service gets the entries it does not have. */
static int add_entries(struct hoy_loader *loader, struct hoy_node *service, const char *key, char *const *entries)
{
	struct hoy_node *map = entries && *entries ? map_of(loader, service, key) : NULL;

	for (; map && *entries; entries++) {
		const char *equals = strchr(*entries, '=');
		const char *name = hoy_arena_strndup(loader->arena, *entries, (size_t) (equals - *entries));

		if (!name)
			return oom(loader);
		if (!hoy_node_get(map, name) && set_text(loader, map, name, HOY_NODE_STRING, equals + 1) < 0)
			return -ENOMEM;
	}
	return 0;
}

static int read_env_file(struct hoy_loader *loader, const struct hoy_node *file, char *const *lookup, char ***entries)
{
	const char *path = hoy_node_is_scalar(file) ? file->text : hoy_node_text(file, "path");
	const char *required = hoy_node_text(file, "required");
	struct hoy_err why = {};
	int r = hoy_env_file_read(path, hoy_node_text(file, "format"), lookup, entries, &loader->warnings, &why);

	if (r == -ENOENT && required && !strcmp(required, "false"))
		return 0;
	if (r == -ENOENT)
		return hoy_node_invalid(
			file, loader->err, "%s file %s not found", hoy_node_is_scalar(file) ? "label" : "env", path);
	return r < 0 ? hoy_node_invalid(file, loader->err, "%s", hoy_err_str(&why)) : 0;
}

/* Variables in an env_file are the project's, then the service's own. */
static int make_lookup(const struct hoy_node *service, char *const *environment, char ***ret)
{
	auto_ptr(hoy_strv_free) char **lookup = hoy_strv_copy(environment);

	if (!lookup)
		return -ENOMEM;
	hoy_node_each(pair,
		hoy_node_get(service, "environment")) if (hoy_node_is_scalar(pair) && !hoy_env_get(lookup, pair->key) &&
							  hoy_strv_addf(&lookup, "%s=%s", pair->key, pair->text) <
								  0) return -ENOMEM;
	*ret = TAKE_PTR(lookup);
	return 0;
}

static int read_service_files(
	struct hoy_loader *loader, struct hoy_node *service, const char *files, const char *key, char *const *lookup)
{
	auto_ptr(hoy_strv_free) char **entries = NULL;
	int r = 0;

	hoy_node_each(file, hoy_node_get(service, files))
	{
		r = read_env_file(loader, file, lookup, &entries);
		if (r < 0)
			return r;
	}
	r = add_entries(loader, service, key, entries);
	(void) hoy_node_remove(service, files);
	return r;
}

int hoy_load_env_files(struct hoy_loader *loader, struct hoy_node *tree, char *const *environment)
{
	hoy_node_each(service, hoy_node_get(tree, "services"))
	{
		auto_ptr(hoy_strv_free) char **lookup = NULL;
		int r;

		if (!hoy_node_get(service, "env_file") && !hoy_node_get(service, "label_file"))
			continue;
		if (make_lookup(service, environment, &lookup) < 0)
			return oom(loader);
		r = read_service_files(loader, service, "env_file", "environment", lookup);
		if (r >= 0)
			r = read_service_files(loader, service, "label_file", "labels", (char *[]){ NULL });
		if (r < 0)
			return r;
	}
	return 0;
}
