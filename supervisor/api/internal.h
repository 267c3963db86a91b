/* What the files of the API share: the request as handlers see it, the route table, replies. */
#ifndef HOY_API_INTERNAL_H
#define HOY_API_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "supervisor/api/api.h"
#include "supervisor/api/metrics.h"
#include "supervisor/api/scope.h"
#include "supervisor/api/server.h"
#include "supervisor/api/uri.h"

struct hoy_api_events;     /* events.h */
struct hoy_audit;          /* scopes.c */
struct hoy_session_build;  /* session_build.h */
struct hoy_session_upload; /* build_upload.c */
struct hoy_ws_relay;       /* attach_ws.h */

struct hoy_api {
	struct hoy_api_options o;
	struct hoy_http_server *server;
	struct hoy_api_events *events;
	struct hoy_api_metrics metrics;
	struct hoy_ws_relay *relays; /* attached by websockets */
	struct hoy_session_build *session_builds;
	struct hoy_session_upload *session_uploads;
	struct hoy_scope *scopes; /* sockets with a policy */
	struct hoy_audit *audits; /* their logs */
	uint64_t visits;          /* requests by them */
};

struct hoy_api_route;

/* Context of an exchange; lives as long as it. */
struct hoy_api_request {
	struct hoy_api *api;
	struct hoy_http_exchange *x;
	const struct hoy_api_route *route;
	int version; /* minor number of the API version spoken: 50 is 1.50 */
	struct hoy_uri uri;
	char *name;                   /* the {..} part of the path; NULL when the pattern has none */
	struct hoy_held_answer *held; /* reply.c: its answer, which waits for a commit */
	struct hoy_scope_visit visit; /* of those that came by a scoped socket */
};

/* Answers, now or later (then it keeps `rq`). An error is answered by the router; the handler must not have answered.
 */
typedef int (*hoy_api_handler)(struct hoy_api_request *rq, struct hoy_err *err);

enum { HOY_ROUTE_BODY_STREAM = 1 }; /* the handler wants the body as it comes */

struct hoy_api_route {
	const char *method;
	/* at most one "{name}", which matches any non-empty text, slashes included; the last part may be another one,
	 * without slashes: hoy_api_last_part() */
	const char *pattern;
	hoy_api_handler handler;
	unsigned int flags;
	int min_version; /* 0: all */
};

/* Each family's rows, ended by a row without a method; in the order in which they are tried: the first
 * that matches wins. */
extern const struct hoy_api_route hoy_api_system_routes[];
extern const struct hoy_api_route hoy_api_archive_routes[];
extern const struct hoy_api_route hoy_api_build_cache_routes[];
extern const struct hoy_api_route hoy_api_build_routes[];
extern const struct hoy_api_route hoy_api_build_control_routes[];
extern const struct hoy_api_route hoy_api_build_session_routes[];
extern const struct hoy_api_route hoy_api_secret_routes[];
extern const struct hoy_api_route hoy_api_volume_routes[];
extern const struct hoy_api_route hoy_api_volume_transfer_routes[];
extern const struct hoy_api_route hoy_api_checkpoint_routes[];
extern const struct hoy_api_route hoy_api_container_routes[];
extern const struct hoy_api_route hoy_api_exec_routes[];
extern const struct hoy_api_route hoy_api_image_archive_routes[];
extern const struct hoy_api_route hoy_api_commit_routes[];
extern const struct hoy_api_route hoy_api_disk_usage_routes[];
extern const struct hoy_api_route hoy_api_fsck_routes[];
extern const struct hoy_api_route hoy_api_image_routes[];
extern const struct hoy_api_route hoy_api_registry_routes[];
extern const struct hoy_api_route hoy_api_metrics_routes[]; /* not of the API: of metrics-addr */
extern const struct hoy_api_route hoy_api_network_routes[];
extern const struct hoy_api_route hoy_api_prune_routes[];
extern const struct hoy_api_route hoy_api_refused_routes[];

/* By which socket requests come: the engine's own (NULL), or */
enum hoy_api_door_kind { HOY_DOOR_METRICS, HOY_DOOR_SCOPE };
struct hoy_api_door {
	enum hoy_api_door_kind kind;
	struct hoy_scope *scope; /* of HOY_DOOR_SCOPE */
};

/* router.c */
extern const struct hoy_http_hooks hoy_api_hooks;
const struct hoy_api_route *hoy_api_route_find(const char *method, const char *path, char **ret_name);
/* True when the decoded `path` matches; *ret_name is a heap copy of the {name} part or NULL. */
bool hoy_api_route_matches(const struct hoy_api_route *route, const char *path, char **ret_name);

const char *hoy_api_last_part(const struct hoy_api_request *rq); /* of the path, decoded */

/* reply.c */
int hoy_api_status_of(const struct hoy_err *err);
void hoy_api_reply_error(struct hoy_api_request *rq, const struct hoy_err *err);
void hoy_api_reply_error_status(struct hoy_api_request *rq, int status, const char *text);
void hoy_api_reply_empty(struct hoy_api_request *rq, int status);
/* The request ends: an answer that still waits is dropped. */
void hoy_api_answer_forget(struct hoy_api_request *rq);
/* Sends the JSON text in `buf` (taken over) and a newline; a buffer that failed becomes a 500. */
void hoy_api_reply_json(struct hoy_api_request *rq, int status, struct hoy_buf *buf);
/* The request's JSON body: NULL (and 0) when empty. -EINVAL for another content type or bad JSON. */
int hoy_api_body_json(struct hoy_api_request *rq, struct hoy_json **ret, struct hoy_err *err);
/* Only the check of body_json(): the content type of a non-empty body. */
int hoy_api_check_json_type(struct hoy_api_request *rq, struct hoy_err *err);

/* container_streams.c: the content type of a stream that is hijacked or logged */
const char *hoy_api_stream_type(const struct hoy_api_request *rq, bool framed);
/* containers.c: a number of lines or columns */
int hoy_api_query_size(struct hoy_api_request *rq, const char *key, unsigned int *ret, struct hoy_err *err);

/* build_cache.c: the member BuildCache */
void hoy_api_add_build_cache(struct hoy_json_writer *w, struct hoy_api_request *rq);
/* The cache, and what of it goes, as moby.buildkit.v1.DiskUsageResponse; `doc` says which: {"all", "unused" (ns),
 * "keep" (bytes), "ids"}. */
int hoy_api_usage_records(struct hoy_api *api, const struct hoy_json *doc, struct hoy_buf *ret, struct hoy_err *err);
int hoy_api_prune_records(struct hoy_api *api, const struct hoy_json *doc, struct hoy_buf *ret, struct hoy_err *err);

/* encode.c: small pieces that several families write */
void hoy_api_add_time(struct hoy_json_writer *w, const char *key, const struct timespec *ts); /* 0: 0001-01-01 */
void hoy_api_add_strings(struct hoy_json_writer *w, const char *key, char *const *values);    /* NULL: [] */
void hoy_api_add_kv(struct hoy_json_writer *w, const char *key, const struct hoy_oci_kv *kv, size_t n); /* {} */
/* Seconds with optional ".nanoseconds", or RFC 3339, as `since` and `until` take them. Empty or NULL: *ret is 0. */
int hoy_api_parse_time(const char *text, const char *what, struct timespec *ret, struct hoy_err *err);
/* The filter `until`: a point in time as above, or a duration before now ("24h"); nanoseconds since 1970. */
int hoy_api_parse_until(const char *text, int64_t *ret, struct hoy_err *err);

#endif
