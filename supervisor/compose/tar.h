/* Configs and secrets that are no bind mounts: written into the container before it starts. */
#ifndef HOY_COMPOSE_TAR_H
#define HOY_COMPOSE_TAR_H

#include "supervisor/compose/app.h"
#include "supervisor/compose/project.h"

/* Fills the hash of what hoy_compose_copy_files() would write; "" when that is nothing. */
int hoy_compose_contents_hash(struct hoy_compose *app, const struct hoy_compose_service *service,
	char ret[HOY_COMPOSE_HASH_SIZE], struct hoy_err *err);

int hoy_compose_copy_files(
	struct hoy_compose *app, const struct hoy_compose_service *service, const char *id, struct hoy_err *err);

#endif
