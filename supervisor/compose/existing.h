/*
 * The networks and volumes that the engine has, against those of the file: which are missing, which are no longer what
 * the file says. What is made anew is known by the label config-hash, as docker compose sets it.
 */
#ifndef HOY_COMPOSE_EXISTING_H
#define HOY_COMPOSE_EXISTING_H

#include "supervisor/compose/app.h"
#include "supervisor/compose/project.h"

struct hoy_compose_existing {
	struct hoy_json *networks, *volumes; /* the engine's lists; NULL: the project has none */
	bool keep;                           /* what has changed is used as it is */
	char **agreed;                       /* real names of the changed volumes that may go, with what is in them */
};

/* Asks the engine. Told later what becomes of what has changed: see hoy_compose_existing_agree(). */
int hoy_compose_existing_load(struct hoy_compose *app, struct hoy_compose_existing *ret, struct hoy_err *err);
void hoy_compose_existing_done(struct hoy_compose_existing *existing);

/* Asks the user, for each volume that a service uses and whose definition has changed, whether it may go; `yes`: it
 * may. One that stays is told. */
int hoy_compose_existing_agree(
	struct hoy_compose *app, struct hoy_compose_existing *existing, bool yes, struct hoy_err *err);

/* The engine's object; NULL: none has that name. */
const struct hoy_json *hoy_compose_existing_network(const struct hoy_compose_existing *existing, const char *real_name);
const struct hoy_json *hoy_compose_existing_volume(const struct hoy_compose_existing *existing, const char *real_name);

/* Is what stands there made of another definition? No: it isn't there, is external, or nobody knows of what it was
 * made. */
bool hoy_compose_network_differs(
	const struct hoy_compose_existing *existing, const struct hoy_compose_network *network);
bool hoy_compose_volume_goes(const struct hoy_compose_existing *existing, const struct hoy_compose_volume *volume);

/* Does a service use it? With --all-resources: always. */
bool hoy_compose_network_is_used(const struct hoy_compose *app, const char *key);
bool hoy_compose_volume_is_used(const struct hoy_compose *app, const char *key);

/* Is the container not on the networks, or without a volume, that its service has now or will have? */
bool hoy_compose_existing_moved(const struct hoy_compose *app, const struct hoy_compose_existing *existing,
	const struct hoy_compose_service *service, const struct hoy_compose_container *container);
/* Does its service use a volume that goes? */
bool hoy_compose_existing_loses(const struct hoy_compose *app, const struct hoy_compose_existing *existing,
	const struct hoy_compose_service *service);

#endif
