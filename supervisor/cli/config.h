/* The client's configuration: config.json in ~/.docker, shared with the docker CLI. Keys we don't know survive. */
#ifndef HOY_CLI_CONFIG_H
#define HOY_CLI_CONFIG_H

#include "base/err.h"
#include "base/json.h"

struct hoy_config {
	char *dir;             /* --config, DOCKER_CONFIG or ~/.docker */
	struct hoy_json *root; /* config.json; NULL when there is none */
};

/* `dir` NULL: from the environment. A missing file is an empty configuration, a broken one an error that names it. */
int hoy_config_load(const char *dir, struct hoy_config *ret, struct hoy_err *err);
void hoy_config_done(struct hoy_config *config);

/* A text member of config.json ("psFormat"), NULL when it isn't there or empty. */
const char *hoy_config_text(const struct hoy_config *config, const char *key);

/* Writes config.json anew with one member replaced: `value` is JSON text, NULL takes the member out. Atomic, 0600. The
 * configuration in memory is replaced too. */
int hoy_config_set(struct hoy_config *config, const char *key, const char *value, struct hoy_err *err);

#endif
