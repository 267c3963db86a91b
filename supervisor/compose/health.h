/* Waiting for containers without polling: the engine's events say when their state may have changed, /wait when they
 * ended. */
#ifndef HOY_COMPOSE_HEALTH_H
#define HOY_COMPOSE_HEALTH_H

#include "supervisor/compose/app.h"

enum hoy_compose_condition {
	HOY_COMPOSE_STARTED,
	HOY_COMPOSE_HEALTHY,
	HOY_COMPOSE_COMPLETED, /* with status 0 */
	HOY_COMPOSE_READY,     /* running, and healthy if it has a health check: `up --wait` */
};

/* "service_healthy" and so on; -EINVAL. */
int hoy_compose_condition_parse(const char *text);
const char *hoy_compose_condition_name(enum hoy_compose_condition condition);

/* Blocks until the condition holds for the container `id`. It fails when it no longer can hold ("container web-1 is
 * unhealthy"), and with -ETIMEDOUT after `timeout` seconds (0: never). Progress is told. */
int hoy_compose_await(struct hoy_compose *app, const char *id, const char *name, enum hoy_compose_condition condition,
	int64_t timeout, struct hoy_err *err);

/* For all that a container's label "depends_on" names, in turn. */
int hoy_compose_await_dependencies(struct hoy_compose *app, const char *depends, struct hoy_err *err);

/* Until every container of `services` (NULL: all) is running, or healthy. */
int hoy_compose_await_ready(struct hoy_compose *app, char *const *services, int64_t timeout, struct hoy_err *err);

/* Does the label say that its container restarts with one of `services`? */
bool hoy_compose_restarts_with(const char *depends, char *const *services);

#endif
