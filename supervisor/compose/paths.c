/* Paths of the host become absolute; URLs, names of services and images stay. */
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/load_internal.h"

struct base {
	struct hoy_loader *loader;
	const char *dir;
	char *const *environment;
};

static int make_absolute(const struct base *base, struct hoy_node *node)
{
	auto_free char *path = NULL;

	if (!node || node->type != HOY_NODE_STRING || !*node->text)
		return 0;
	/* Windows paths are the engine's business, as docker has it. */
	if (node->text[0] && node->text[1] == ':' && (node->text[2] == '\\' || node->text[2] == '/'))
		return 0;
	path = hoy_compose_absolute(node->text, base->dir, base->environment);
	node->text = path ? hoy_arena_strdup(base->loader->arena, path) : NULL;
	return node->text ? 0 : hoy_err_oom(base->loader->err);
}

static bool is_remote(const char *text)
{
	static const char *const prefixes[] = { "service:", "github.com/", "git@" };

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (hoy_str_starts(text, prefixes[i]))
			return true;
	return strstr(text, "://") != NULL;
}

static int context_path(const struct base *base, struct hoy_node *node)
{
	return node && node->type == HOY_NODE_STRING && !is_remote(node->text) ? make_absolute(base, node) : 0;
}

/* "id=path" */
static int ssh_path(const struct base *base, struct hoy_node *node)
{
	char *equals = strchr(node->text, '=');
	struct hoy_node path = { .type = HOY_NODE_STRING, .text = equals ? equals + 1 : "" };
	int r;

	if (!equals)
		return 0;
	r = make_absolute(base, &path);
	if (r < 0)
		return r;
	node->text = hoy_arena_printf(
		base->loader->arena, "%.*s=%s", (int) (equals - node->text), node->text, path.text);
	return node->text ? 0 : hoy_err_oom(base->loader->err);
}

static int each(const struct base *base, struct hoy_node *list, const char *key,
	int (*one)(const struct base *base, struct hoy_node *node))
{
	hoy_node_each(item, list)
	{
		struct hoy_node *node = key ? hoy_node_get(item, key) : item;
		int r = node ? one(base, node) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int bind_path(const struct base *base, struct hoy_node *volume)
{
	const char *type = hoy_node_text(volume, "type");

	if (!type || strcmp(type, "bind") != 0)
		return 0;
	if (!hoy_node_text(volume, "source"))
		return hoy_node_invalid(volume, base->loader->err,
			"invalid mount config for type \"bind\": field Source must not be empty");
	return make_absolute(base, hoy_node_get(volume, "source"));
}

/* A local volume that is a bind mount. */
static int device_path(const struct base *base, struct hoy_node *volume)
{
	const char *driver = hoy_node_text(volume, "driver");
	struct hoy_node *options = hoy_node_get(volume, "driver_opts");
	const char *how = hoy_node_text(options, "o");

	if (!driver || strcmp(driver, "local") != 0 || !how || strcmp(how, "bind") != 0)
		return 0;
	return make_absolute(base, hoy_node_get(options, "device"));
}

static int service_paths(const struct base *base, struct hoy_node *service)
{
	struct hoy_node *build = hoy_node_get(service, "build");
	int r = context_path(base, hoy_node_get(build, "context"));

	if (r >= 0)
		r = each(base, hoy_node_get(build, "additional_contexts"), NULL, context_path);
	if (r >= 0)
		r = each(base, hoy_node_get(build, "ssh"), NULL, ssh_path);
	if (r >= 0)
		r = each(base, hoy_node_get(service, "env_file"), "path", make_absolute);
	if (r >= 0)
		r = each(base, hoy_node_get(service, "label_file"), NULL, make_absolute);
	if (r >= 0)
		r = each(base, hoy_node_get(hoy_node_get(service, "develop"), "watch"), "path", make_absolute);
	if (r >= 0)
		r = each(base, hoy_node_get(service, "volumes"), NULL, bind_path);
	return r;
}

int hoy_load_paths(struct hoy_loader *loader, struct hoy_node *tree, const char *dir, char *const *environment)
{
	const struct base base = { loader, dir, environment };
	int r = each(&base, hoy_node_get(tree, "services"), NULL, service_paths);

	if (r >= 0)
		r = each(&base, hoy_node_get(tree, "configs"), "file", make_absolute);
	if (r >= 0)
		r = each(&base, hoy_node_get(tree, "secrets"), "file", make_absolute);
	if (r >= 0)
		r = each(&base, hoy_node_get(tree, "volumes"), NULL, device_path);
	return r;
}
