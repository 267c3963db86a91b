/*
 * Scoped sockets: listeners of the API on which a policy says what may be asked, and whose requests are written down.
 * Nothing of a request is acted on before it was looked at here.
 *
 * The audit log has a JSON object a line: time, socket, request (a number), pid, uid, gid, method, path (without its
 * query, which may hold secrets), object (the ID that the path's name stood for), decision ("allow", "deny"), reason,
 * status. A request that may change something has a line before it is acted on ("status" is 0), and each has one before
 * its answer leaves. What can't be written down is not done, and not answered.
 */
#ifndef HOY_API_SCOPE_H
#define HOY_API_SCOPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_api;
struct hoy_api_request;
struct hoy_http_exchange;
struct hoy_scope;
struct hoy_scope_policy;

/* What a request that came by one has besides. */
struct hoy_scope_visit {
	uint64_t number;
	char *reason; /* of a refusal */
	bool allowed, answered;
};
void hoy_scope_visit_done(struct hoy_scope_visit *visit);

/* A request is about to be run. 0: it may. < 0: it was refused, `err` is its answer (errnum EPERM: status 403). */
int hoy_scope_enter(struct hoy_scope *scope, struct hoy_api_request *rq, struct hoy_err *err);
/* Its answer, of this status, is about to leave. */
void hoy_scope_answer(struct hoy_scope *scope, struct hoy_api_request *rq, int status);
/* It is over; was it never answered? */
void hoy_scope_over(struct hoy_scope *scope, struct hoy_api_request *rq);

void hoy_scopes_free(struct hoy_api *api);

#endif
