/* The contexts in ~/.docker/contexts/meta, shared with the docker CLI: DIGEST-OF-NAME/meta.json each. */
#ifndef HOY_CLI_CONTEXT_STORE_H
#define HOY_CLI_CONTEXT_STORE_H

#include "base/json.h"
#include "supervisor/cli/config.h"

/* The directory of a context's meta.json. Heap, NULL when out of memory. */
char *hoy_context_directory(const struct hoy_config *config, const char *name);

/* meta.json of the context; "default" is made up. -ENOENT with docker's text. */
int hoy_context_load(const struct hoy_config *config, const char *name, struct hoy_json **ret, struct hoy_err *err);

/* Writes or replaces it. `host` may be "". */
int hoy_context_save(const struct hoy_config *config, const char *name, const char *description, const char *host,
	bool skip_verify, struct hoy_err *err);

int hoy_context_remove(const struct hoy_config *config, const char *name, struct hoy_err *err);

/* Calls `each` for "default" and every stored one, sorted by name. */
int hoy_context_each(const struct hoy_config *config,
	int (*each)(const struct hoy_json *meta, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);

/* The engine's address in a meta.json, "" when there is none. */
const char *hoy_context_host(const struct hoy_json *meta);

#endif
