/* The containers of a project as the engine has them: what is there is known by labels, not by files of ours. */
#ifndef HOY_COMPOSE_CONTAINERS_H
#define HOY_COMPOSE_CONTAINERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json.h"

struct hoy_cli;

/* Texts belong to the list's document. */
struct hoy_compose_container {
	const char *id, *name, *service, *state, *status, *health; /* health: "", "starting", "healthy", "unhealthy" */
	const char *hash, *image, *image_id;                       /* what it was made of; the image's id then */
	const char *depends;                                       /* as in the label */
	long long number, exit_code;                               /* exit_code: of an exited one */
	bool oneoff;
	const struct hoy_json *json; /* the row of the engine's list */
};

struct hoy_compose_containers {
	struct hoy_json *list;
	struct hoy_compose_container *all; /* sorted by service, number, name */
	size_t n;
};

/* Running and stopped ones, those of `run` too. `project` NULL: of all projects. */
int hoy_compose_containers_load(
	const struct hoy_cli *cli, const char *project, struct hoy_compose_containers *ret, struct hoy_err *err);
void hoy_compose_containers_done(struct hoy_compose_containers *containers);

/* The container of `service` with that number, one-offs apart; 0: the one with the lowest, running ones first. NULL:
 * none. */
struct hoy_compose_container *hoy_compose_containers_find(
	const struct hoy_compose_containers *containers, const char *service, long long number);

bool hoy_compose_container_runs(const struct hoy_compose_container *container); /* paused and restarting too */

/* Was it made in place of another that it has not yet replaced? Its name is not the final one then. */
bool hoy_compose_container_is_temporary(const struct hoy_compose_container *container);

/* Has `container` the service of one of `services`? NULL or empty: any. */
bool hoy_compose_container_of(const struct hoy_compose_container *container, char *const *services);

/* Calls `on_service` with the services that the container's label says it depends on. */
int hoy_compose_container_each_dependency(const struct hoy_compose_container *container,
	int (*on_service)(const char *service, void *userdata), void *userdata);

#endif
