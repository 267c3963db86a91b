/*
 * The contexts in ~/.docker/contexts, shared with the docker CLI: meta/DIGEST-OF-NAME/meta.json each, certificates in
 * tls/DIGEST-OF-NAME/docker.
 */
#ifndef HOY_CLI_CONTEXT_STORE_H
#define HOY_CLI_CONTEXT_STORE_H

#include "base/json.h"
#include "supervisor/cli/config.h"

/* The directory of a context's meta.json. Heap, NULL when out of memory. */
char *hoy_context_directory(const struct hoy_config *config, const char *name);

/* Whether a context can have this name. 0 or -EINVAL with docker's text. */
int hoy_context_check_name(const char *name, struct hoy_err *err);

/* meta.json of the context; "default" is made up. -ENOENT with docker's text. */
int hoy_context_load(const struct hoy_config *config, const char *name, struct hoy_json **ret, struct hoy_err *err);

/* Writes or replaces it. `host` may be "". */
int hoy_context_save(const struct hoy_config *config, const char *name, const char *description, const char *host,
	bool skip_verify, struct hoy_err *err);

/* The same with all that `meta` holds, but for its name. */
int hoy_context_save_as(
	const struct hoy_config *config, const char *name, const struct hoy_json *meta, struct hoy_err *err);

/* With its certificates. */
int hoy_context_remove(const struct hoy_config *config, const char *name, struct hoy_err *err);

/* Calls `each` for "default" and every stored one, sorted by name. */
int hoy_context_each(const struct hoy_config *config,
	int (*each)(const struct hoy_json *meta, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);

/* The engine's address in a meta.json, "" when there is none. */
const char *hoy_context_host(const struct hoy_json *meta);

/* "SkipTLSVerify" of a meta.json. */
bool hoy_context_skips_verify(const struct hoy_json *meta);

/* --- certificates -------------------------------------------------------------- */

enum { HOY_CONTEXT_CA, HOY_CONTEXT_CERT, HOY_CONTEXT_KEY, HOY_CONTEXT_TLS_FILES };
extern const char *const hoy_context_tls_names[HOY_CONTEXT_TLS_FILES]; /* "ca.pem", "cert.pem", "key.pem" */

/* What the files hold; empty ones are not there. */
struct hoy_context_tls {
	struct hoy_buf files[HOY_CONTEXT_TLS_FILES];
};
void hoy_context_tls_done(struct hoy_context_tls *tls);

/* Where a context's certificates are, should it have any. Heap, NULL when out of memory. */
char *hoy_context_tls_directory(const struct hoy_config *config, const char *name);

int hoy_context_tls_load(
	const struct hoy_config *config, const char *name, struct hoy_context_tls *ret, struct hoy_err *err);

/* Puts these in the place of those that were there. */
int hoy_context_tls_save(
	const struct hoy_config *config, const char *name, const struct hoy_context_tls *tls, struct hoy_err *err);

#endif
