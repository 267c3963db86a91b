/* Between up and what it does attached. */
#ifndef HOY_COMPOSE_UP_H
#define HOY_COMPOSE_UP_H

#include "supervisor/compose/converge.h"

struct hoy_compose_watcher;

struct hoy_compose_attach_options {
	bool no_color, no_prefix, timestamps;
	bool abort_on_exit, abort_on_failure;
	const char *exit_code_from; /* a service; NULL: the first that ended */
	int64_t timeout;
	char **attach, **no_attach;          /* services whose output is (not) shown */
	char *const *services;               /* those that were named; empty: all */
	struct hoy_compose_watcher *watcher; /* begins once all run; then only a signal ends. NULL: none; taken over */
};

/* Starts the plan and shows the output until all containers have ended, or the user or a flag ends it. The first
 * signal stops them, the second kills. The exit status or -errno. */
int hoy_compose_run_attached(
	struct hoy_compose_plan *plan, const struct hoy_compose_attach_options *options, struct hoy_err *err);

/* `up -d --build` of these services (empty: all), the file read again. For `watch`. */
int hoy_compose_up_services(struct hoy_cli *cli, char **services, bool no_deps, bool quiet_build, struct hoy_err *err);

#endif
