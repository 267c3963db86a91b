/*
 * Conversations with a registry, several at a time. Each is a chain of requests; what may go away is asked again, with
 * patience, and an expired token is renewed.
 */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_FLEET_H
#define HOY_SUPERVISOR_WORKER_FETCH_FLEET_H

#include "supervisor/worker/fetch/registry.h"

/* One conversation: the first member of its owner's struct, zero at the beginning. */
struct hoy_fleet_way {
	struct hoy_http_transfer *transfer; /* NULL: none, or it waits for `again_at` */
	int64_t again_at;                   /* milliseconds */
	unsigned int attempt;               /* at the request that is next or under way, from 1 */
	bool broke;                         /* the last request came to no answer that stands */
	bool renewed;                       /* the token was, and nothing was answered since */
	bool ended;
};

struct hoy_fleet_ops {
	/* Fills in the next request; URL, TLS and proxy's part is done. What it points to must stay until the answer.
	 */
	int (*ask)(struct hoy_fleet_way *way, struct hoy_http_request *request, struct hoy_err *err);
	/* An answer that is neither 401 nor "busy": 0 to go on with the next request, 1 when the conversation is over,
	 * -EAGAIN when the request is to be made again, another error ends all. */
	int (*answer)(struct hoy_fleet_way *way, struct hoy_http_answer *answer, struct hoy_err *err);
	/* Bytes have come or gone since the last request failed: then patience begins anew. May be NULL. */
	bool (*advanced)(struct hoy_fleet_way *way);
};

/* Leads `n` conversations, `size` bytes apart, to their end; the first that fails ends all. `at_once` > 0. */
int hoy_fleet_run(struct hoy_registry *registry, const struct hoy_fleet_ops *ops, void *ways, size_t n, size_t size,
	size_t at_once, struct hoy_err *err);

int64_t hoy_fleet_now_ms(void);

#endif
