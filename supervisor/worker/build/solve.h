/*
 * Requests of BuildKit's control API for a build, as messages of a client that is not trusted; and what becomes of
 * them: one typed request of ours. No input or output.
 */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_SOLVE_H
#define HOY_SUPERVISOR_WORKER_BUILD_SOLVE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/* moby.buildkit.v1.SolveRequest: all strings are heap; lists of names and values in turn end with NULL and may be NULL
 * when they are empty. */
struct hoy_solve {
	char *ref, *session, *frontend;
	char **attrs;                     /* of the frontend, names and values */
	char *exporter, **exporter_attrs; /* NULL: none */
	unsigned int n_exporters;
	char **cache_to, **cache_from; /* JSON: {"Type", "Attrs": {}} */
	bool has_definition, has_inputs, has_policy;
};
int hoy_solve_parse(const char *data, size_t len, struct hoy_solve *ret, struct hoy_err *err);
void hoy_solve_done(struct hoy_solve *solve);

/* moby.buildkit.v1.frontend.SolveRequest */
struct hoy_frontend_solve {
	char *frontend, **attrs;
	bool has_definition, has_inputs, has_policy;
};
int hoy_frontend_solve_parse(const char *data, size_t len, struct hoy_frontend_solve *ret, struct hoy_err *err);
void hoy_frontend_solve_done(struct hoy_frontend_solve *solve);

/* moby.buildkit.v1.frontend.ReturnRequest: `ref` NULL: the client wanted nothing. `code` is gRPC's, 0: no error. */
struct hoy_frontend_return {
	char *ref, *message;
	unsigned int code;
	bool has_many;
};
int hoy_frontend_return_parse(const char *data, size_t len, struct hoy_frontend_return *ret, struct hoy_err *err);
void hoy_frontend_return_done(struct hoy_frontend_return *result);

/* moby.buildkit.v1.PruneRequest and DiskUsageRequest (whose filter is the only member) as a JSON object. */
int hoy_prune_print(const char *data, size_t len, bool is_prune, struct hoy_buf *ret, struct hoy_err *err);

/*
 * The build that is asked for, as a JSON object: "ref", "session", "dockerfile", "target", "platform", "network",
 * "cgroup_parent", "dockerfile_session" and "context_session" (where they are not of "session"), "shm_size", "export"
 * ("image", "local", "tar", "archive", "none"), "upload" (path of a context that the client uploads), "remote" (URL of a
 * context), booleans "no_cache" and "pull", lists of strings "build_args", "labels", "hosts", "tags", "contexts"
 * ("K=V"), "no_cache_filter", "cache_from" and "cache_to" ({"Type", "Attrs": {}}), and "ulimits" ({"Name", "Soft", "Hard"}). HOY_ERR_UNSUPPORTED: an option
 * that we don't know changes what is built. `attrs` are the frontend's.
 */
int hoy_solve_print(const struct hoy_solve *solve, const char *frontend, char *const *attrs, struct hoy_buf *ret,
	struct hoy_err *err);

#endif
