/* pre_start: containers of their own that run to their end before a service's container starts. */
#ifndef HOY_COMPOSE_INIT_H
#define HOY_COMPOSE_INIT_H

#include "supervisor/compose/converge.h"

/* Runs the hooks of the slot's service in turn: those once for each replica, or those once for all. One that doesn't
 * end with 0 is an error, and its output is shown. They leave no container behind. */
int hoy_compose_run_init(struct hoy_compose_slot *slot, bool per_replica, struct hoy_err *err);

/* Has it such hooks? */
bool hoy_compose_has_init(const struct hoy_compose_service *service, bool per_replica);

#endif
