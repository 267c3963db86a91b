/* post_start and pre_stop: commands run in a service's container. */
#ifndef HOY_COMPOSE_HOOKS_H
#define HOY_COMPOSE_HOOKS_H

#include "supervisor/compose/app.h"

enum hoy_compose_hook_time { HOY_COMPOSE_POST_START, HOY_COMPOSE_PRE_STOP };

/* Runs those of the container's service in turn; one that doesn't end with 0 is an error. Nothing without a file. */
int hoy_compose_run_hooks(struct hoy_compose *app, const struct hoy_compose_container *container,
	enum hoy_compose_hook_time when, struct hoy_err *err);

/* One command in a container, as hooks are run; `what` is for the error. */
struct hoy_compose_hook;
int hoy_compose_exec_hook(struct hoy_compose *app, const struct hoy_compose_container *container,
	const struct hoy_compose_hook *hook, const char *what, struct hoy_err *err);

#endif
