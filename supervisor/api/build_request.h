/* The parameters that both roads of POST /build share. */
#ifndef HOY_API_BUILD_REQUEST_H
#define HOY_API_BUILD_REQUEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "supervisor/api/uri.h"

struct hoy_api_request;
struct hoy_build_request;
struct hoy_registry_credentials;

struct hoy_build_parameters {
	char **build_args, **labels;
	char *platform;
	struct hoy_buf host; /* members of HostConfig */
	const char **tags, **no_cache_filter, **contexts;
	struct hoy_json *cache_from, *cache_to;
};
int hoy_build_parameters_take(const struct hoy_uri *uri, struct hoy_build_parameters *p, struct hoy_err *err);
void hoy_build_parameters_done(struct hoy_build_parameters *p);
/* All but the context; borrows from both. */
void hoy_build_parameters_fill(
	const struct hoy_uri *uri, const struct hoy_build_parameters *p, struct hoy_build_request *ret);

/* X-Registry-Config: credentials by registry, a JSON object in base64. *ret stays NULL without one. */
int hoy_build_registry_config(const struct hoy_api_request *rq, struct hoy_json **ret, struct hoy_err *err);
/* What it has for the registry of `reference`, borrowed; false: nothing. */
bool hoy_build_registry_credentials(
	const struct hoy_json *config, const char *reference, struct hoy_registry_credentials *ret);

/* The read end of a pipe into which the request's body goes. */
int hoy_build_body_pipe(struct hoy_api_request *rq, struct hoy_err *err);

/* build_upload.c: the context of the build `id` comes with this request; taking it when it is there (a descriptor, or
 * -ENOENT). */
int hoy_api_upload_keep(struct hoy_api_request *rq, const char *id, struct hoy_err *err);
struct hoy_api;
int hoy_api_upload_find(struct hoy_api *api, const char *id);
void hoy_api_uploads_free(struct hoy_api *api);

/* build_session.c: POST /build?version=2, and with trace=1 */
int hoy_api_build_by_session(struct hoy_api_request *rq, struct hoy_err *err);

#endif
