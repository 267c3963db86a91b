/*
 * deploy.update_config with `order: start-first`: a service's new container runs beside the old one until it is
 * healthy, then takes its ports, names and place in one change of hoyd's; only then is the old one stopped.
 */
#ifndef HOY_COMPOSE_EXCHANGE_H
#define HOY_COMPOSE_EXCHANGE_H

#include "supervisor/compose/converge.h"

/* Refuses what no number of containers and no share of them can be. */
int hoy_compose_exchange_check(const struct hoy_compose_service *service, struct hoy_err *err);

/* Does the file ask for it? */
bool hoy_compose_starts_first(const struct hoy_compose_service *service);

/* Sets `first` of the slots that are made again so. What can't be (a fixed address, another engine, ...) is told, and
 * is stopped first. */
int hoy_compose_plan_exchanges(struct hoy_compose_plan *plan, struct hoy_err *err);

/* What the replicas of a service have in common. */
struct hoy_compose_exchange {
	const struct hoy_compose_service *service;
	int failed; /* so many new containers that were given up */
	int total;
};

/* After the start, of which `started` and `err` tell: waits until the container is ready, promotes it, and ends the old
 * one unless that may yet be wanted. A failure that the file lets pass leaves the old one in place: 0, and slot->first
 * is false. */
int hoy_compose_exchange(
	struct hoy_compose_slot *slot, struct hoy_compose_exchange *all, int started, struct hoy_err *err);
/* How many replicas of the service are exchanged at a time; 0: all. */
size_t hoy_compose_exchange_parallel(const struct hoy_compose_service *service);
/* Nanoseconds between one lot and the next. */
int64_t hoy_compose_exchange_delay(const struct hoy_compose_service *service);

/* At the end of all, `failed` or not: old containers that were kept go, or have their places back (failure_action:
 * rollback). */
int hoy_compose_exchange_settle(struct hoy_compose_plan *plan, bool failed, struct hoy_err *err);

#endif
