/* The events of hoyd (the newest in memory, more in the journal) and the clients that listen to them. */
#ifndef HOY_API_EVENTS_H
#define HOY_API_EVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/err.h"

struct hoy_api;
struct hoy_api_events;
struct hoy_api_request;

/* One event. `attributes` is a vector of "key=value". */
struct hoy_api_event {
	const char *type; /* "container", "image", "daemon" */
	const char *action;
	const char *id;
	const char *from; /* image of a container; NULL otherwise */
	char *const *attributes;
	struct timespec time;
};

int hoy_api_events_new(struct hoy_api_events **ret, struct hoy_api *api, struct hoy_err *err);
void hoy_api_events_stop(struct hoy_api_events *events); /* nothing is heard of the rooms any more; idempotent */
void hoy_api_events_free(struct hoy_api_events *events); /* its listeners must be gone */
void hoy_api_events_add(struct hoy_api_events *events, const struct hoy_api_event *event);
uint64_t hoy_api_events_total(const struct hoy_api_events *events); /* since hoyd is up */
size_t hoy_api_events_listeners(const struct hoy_api_events *events);

/* `container_id` NULL: not about a container. */
void hoy_api_network_event(
	struct hoy_api *api, const char *action, const char *id, const char *name, const char *container_id);

/* GET /events */
int hoy_api_events_listen(struct hoy_api_request *rq, struct hoy_err *err);

/* Of a secret or config: "create", "update", "remove". */
void hoy_api_secret_event(struct hoy_api *api, const char *type, const char *action, const char *id, const char *name);

#endif
