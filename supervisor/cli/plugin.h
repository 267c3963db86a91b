/*
 * Commands that other programs add, by docker's protocol: an executable `docker-NAME` in one of the directories for
 * them is the command NAME. It is asked for its metadata (`docker-cli-plugin-metadata`), and gets our whole command
 * line. Our own commands come first: a plugin can't take their place.
 */
#ifndef HOY_CLI_PLUGIN_H
#define HOY_CLI_PLUGIN_H

#include "supervisor/cli/config.h"

/* All texts but name and path may be empty. */
struct hoy_plugin {
	char *name, *path, *version, *vendor, *summary;
};

struct hoy_plugins {
	struct hoy_plugin *list; /* by name */
	size_t n;
};

/* The program of plugin `name`: in cli-plugins of the configuration's directory, its cliPluginsExtraDirs, and where
 * packages install; the first one wins. NULL: there is none. Heap. */
char *hoy_plugin_find(const struct hoy_config *config, const char *name);

/* Becomes the program `path` with our command line. `host` (NULL: leave) is set as its DOCKER_HOST. Returns on failure
 * only: -errno. */
int hoy_plugin_exec(const char *path, char **argv, const char *host, struct hoy_err *err);

/* All plugins that answer with valid metadata; others are left out. -ENOMEM. */
int hoy_plugins_load(const struct hoy_config *config, struct hoy_plugins *ret, struct hoy_err *err);
void hoy_plugins_done(struct hoy_plugins *plugins);

#endif
