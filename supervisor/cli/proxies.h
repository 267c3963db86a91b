/* The "proxies" of config.json, for the environment of containers and builds. */
#ifndef HOY_CLI_PROXIES_H
#define HOY_CLI_PROXIES_H

#include "supervisor/cli/config.h"

/* "HTTP_PROXY=..." and "http_proxy=..." entries for the engine at `host`, else for "default". NULL when there are none.
 */
int hoy_proxies_of(const struct hoy_config *config, const char *host, char ***ret, struct hoy_err *err);

#endif
