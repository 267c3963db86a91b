/* Which engine to talk to: -H, DOCKER_HOST, --context, DOCKER_CONTEXT, the current context of config.json, or the
 * default socket, in this order. */
#ifndef HOY_CLI_CONTEXT_H
#define HOY_CLI_CONTEXT_H

#include "supervisor/cli/config.h"
#include "supervisor/cli/http.h"

/* Path of the socket of the hoyd that is meant when nobody says which: root's, /run/hoy/hoy.sock; for an ordinary user the
 * user's own, below XDG_RUNTIME_DIR, but root's where that is open to them and they have none. Heap, NULL: no memory. */
char *hoy_context_default_socket(void);

/* *ret_default tells that nobody named an engine. A context is read from contexts/meta of the configuration's
 * directory, where the docker CLI keeps it. */
int hoy_context_resolve(const char *host, const char *context, const struct hoy_config *config,
	struct hoy_http_host *ret, bool *ret_default, struct hoy_err *err);

/* The name of the context in force: `given`, DOCKER_CONTEXT, currentContext of config.json, "default". Heap. */
char *hoy_context_current(const char *given, const struct hoy_config *config);

/* Starts hoyd on the default socket and waits until it answers; says so once on stderr. The caller has seen that
 * nobody answers there. An
 * ordinary user's is a rootless one; refused with a clear text where that can have no socket. */
int hoy_context_start_daemon(struct hoy_err *err);

#endif
