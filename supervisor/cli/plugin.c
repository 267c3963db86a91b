#include "supervisor/cli/plugin.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

#define PREFIX "docker-"
#define METADATA_MAX ((size_t) 64 << 10)

/* Where docker's packages put them; the later ones are the distribution's. */
static const char *const system_dirs[] = { "/usr/local/lib/docker/cli-plugins", "/usr/local/libexec/docker/cli-plugins",
	"/usr/lib/docker/cli-plugins", "/usr/libexec/docker/cli-plugins" };

/* --- finding --------------------------------------------------------------------------------------------------- */

static bool is_name(const char *name)
{
	return *name >= 'a' && *name <= 'z' && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") == strlen(name);
}

/* All directories, in the order in which they are searched; NULL: no memory. */
static char **search_path(const struct hoy_config *config)
{
	auto_ptr(hoy_strv_free) char **dirs = NULL;
	int r = hoy_strv_addf(&dirs, "%s/cli-plugins", config->dir);

	hoy_json_each(dir, hoy_json_get(config->root, "cliPluginsExtraDirs"))
	{
		if (hoy_json_string(dir) && r >= 0)
			r = hoy_strv_add(&dirs, hoy_json_string(dir));
	}
	for (size_t i = 0; i < ARRAY_LEN(system_dirs) && r >= 0; i++)
		r = hoy_strv_add(&dirs, system_dirs[i]);
	return r < 0 ? NULL : TAKE_PTR(dirs);
}

char *hoy_plugin_find(const struct hoy_config *config, const char *name)
{
	auto_ptr(hoy_strv_free) char **dirs = is_name(name) ? search_path(config) : NULL;

	for (size_t i = 0; dirs && dirs[i]; i++) {
		auto_free char *path = hoy_str_printf("%s/" PREFIX "%s", dirs[i], name);

		if (path && access(path, X_OK) == 0)
			return TAKE_PTR(path);
	}
	return NULL;
}

int hoy_plugin_exec(const char *path, char **argv, const char *host, struct hoy_err *err)
{
	/* plugins call the command line that called them by this name */
	if (setenv("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND", argv[0], 1) < 0 ||
		(host && setenv("DOCKER_HOST", host, 1) < 0))
		return hoy_err_oom(err);
	argv[0] = (char *) (uintptr_t) path;
	execv(path, argv);
	return hoy_err_sys(err, "exec '%s'", path);
}

/* --- what they say of themselves --------------------------------------------------------------------------------- */

static void plugin_done(struct hoy_plugin *plugin)
{
	free(plugin->name);
	free(plugin->path);
	free(plugin->version);
	free(plugin->vendor);
	free(plugin->summary);
	*plugin = (struct hoy_plugin){ 0 };
}

static char *text(const struct hoy_json *metadata, const char *key)
{
	const char *value = hoy_json_string(hoy_json_get(metadata, key));

	return strdup(value ? value : "");
}

/* -EINVAL: it is no plugin; -ENOMEM. */
static int ask(const char *path, struct hoy_plugin *plugin)
{
	char *const argv[] = { (char *) (uintptr_t) path, (char *) (uintptr_t) "docker-cli-plugin-metadata", NULL };
	const int fds[] = { -1, -1, -1 };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_free char *output = NULL;
	const char *schema, *vendor;
	int status, r;

	r = hoy_process_run(&(struct hoy_spawn){ .path = path, .argv = argv, .fds = fds, .n_fds = ARRAY_LEN(fds) },
		METADATA_MAX, &output, &status, NULL);
	if (r < 0 || status != 0 || hoy_json_parse(output, strlen(output), /* limits= */ NULL, &doc, NULL) < 0)
		return -EINVAL;
	schema = hoy_json_string(hoy_json_get(doc, "SchemaVersion"));
	vendor = hoy_json_string(hoy_json_get(doc, "Vendor"));
	if (!schema || strcmp(schema, "0.1.0") != 0 || !vendor || !*vendor)
		return -EINVAL;
	plugin->path = strdup(path);
	plugin->version = text(doc, "Version");
	plugin->vendor = text(doc, "Vendor");
	plugin->summary = text(doc, "ShortDescription");
	return plugin->path && plugin->version && plugin->vendor && plugin->summary ? 0 : -ENOMEM;
}

static bool is_known(const struct hoy_plugins *plugins, const char *name)
{
	for (size_t i = 0; i < plugins->n; i++)
		if (strcmp(plugins->list[i].name, name) == 0)
			return true;
	return false;
}

static int add(struct hoy_plugins *plugins, const char *dir, const char *name)
{
	auto_(plugin_done) struct hoy_plugin plugin = { .name = strdup(name) };
	auto_free char *path = hoy_str_printf("%s/" PREFIX "%s", dir, name);
	struct hoy_plugin *grown = reallocarray(plugins->list, plugins->n + 1, sizeof *grown);
	int r;

	if (grown)
		plugins->list = grown;
	if (!grown || !plugin.name || !path)
		return -ENOMEM;
	r = access(path, X_OK) < 0 ? -EINVAL : ask(path, &plugin);
	if (r < 0)
		return r;
	plugins->list[plugins->n++] = plugin;
	plugin = (struct hoy_plugin){ 0 };
	return 0;
}

static int load_dir(struct hoy_plugins *plugins, const char *path)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int r = 0;

	while (dir && r != -ENOMEM && (entry = readdir(dir))) {
		const char *name = entry->d_name + strlen(PREFIX);

		if (hoy_str_starts(entry->d_name, PREFIX) && is_name(name) && !is_known(plugins, name))
			r = add(plugins, path, name);
	}
	if (dir)
		(void) closedir(dir);
	return r == -ENOMEM ? r : 0;
}

static int by_name(const void *a, const void *b)
{
	const struct hoy_plugin *x = a, *y = b;

	return strcmp(x->name, y->name);
}

int hoy_plugins_load(const struct hoy_config *config, struct hoy_plugins *ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **dirs = search_path(config);
	auto_(hoy_plugins_done) struct hoy_plugins plugins = { 0 };

	if (!dirs)
		return hoy_err_oom(err);
	for (size_t i = 0; dirs[i]; i++)
		if (load_dir(&plugins, dirs[i]) < 0)
			return hoy_err_oom(err);
	if (plugins.n)
		qsort(plugins.list, plugins.n, sizeof *plugins.list, by_name);
	*ret = plugins;
	plugins = (struct hoy_plugins){ 0 };
	return 0;
}

void hoy_plugins_done(struct hoy_plugins *plugins)
{
	for (size_t i = 0; i < plugins->n; i++)
		plugin_done(&plugins->list[i]);
	free(plugins->list);
	*plugins = (struct hoy_plugins){ 0 };
}
