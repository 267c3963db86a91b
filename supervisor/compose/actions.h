/* One thing done to many containers at once: along the dependencies, against them, or in no order. */
#ifndef HOY_COMPOSE_ACTIONS_H
#define HOY_COMPOSE_ACTIONS_H

#include "supervisor/compose/app.h"

enum hoy_compose_order { HOY_COMPOSE_UNORDERED, HOY_COMPOSE_FORWARD, HOY_COMPOSE_REVERSE };

struct hoy_compose_action {
	const char *begun, *ended; /* "Stopping", "Stopped" */
	enum hoy_compose_order order;
	/* Is there something to do? NULL: always. */
	bool (*wanted)(const struct hoy_compose_container *container, const void *options);
	int (*run)(struct hoy_compose *app, struct hoy_compose_container *container, const void *options,
		struct hoy_err *err);
};

/* Does it to those of app->containers that are wanted and of one of `services` (NULL: all). */
int hoy_compose_act(struct hoy_compose *app, const struct hoy_compose_action *action, char *const *services,
	const void *options, struct hoy_err *err);

/* How long and by which signal containers are stopped; timeout -1: as each of them says. */
struct hoy_compose_stop_options {
	int64_t timeout;
	const char *signal;
	bool oneoffs; /* those of `run` too */
};
extern const struct hoy_compose_action hoy_compose_stop_action;
extern const struct hoy_compose_action hoy_compose_kill_action;

struct hoy_compose_remove_options {
	bool volumes, force, oneoffs;
};
extern const struct hoy_compose_action hoy_compose_remove_action;

#endif
