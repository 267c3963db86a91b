/* The networks and volumes of a project: made when they are missing, removed by labels. */
#ifndef HOY_COMPOSE_RESOURCES_H
#define HOY_COMPOSE_RESOURCES_H

#include "supervisor/compose/app.h"
#include "supervisor/compose/existing.h"

/* Makes what the services (with --all-resources: what the file) need and what isn't there, all at once, and anew what
 * has changed: a network, whose containers are stopped and leave it first, and a volume that may go. An external one
 * that isn't there is an error. */
int hoy_compose_ensure_resources(
	struct hoy_compose *app, const struct hoy_compose_existing *existing, struct hoy_err *err);

int hoy_compose_remove_networks(struct hoy_compose *app, struct hoy_err *err);
int hoy_compose_remove_volumes(struct hoy_compose *app, struct hoy_err *err);

/* The engine's list of networks or volumes that carry the project's label; the caller frees. */
int hoy_compose_list_networks(struct hoy_compose *app, struct hoy_json **ret, struct hoy_err *err);
int hoy_compose_list_volumes(struct hoy_compose *app, struct hoy_json **ret, struct hoy_err *err);

#endif
