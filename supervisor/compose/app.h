/* What the commands of compose share: the project's file, its containers, the progress that is told. */
#ifndef HOY_COMPOSE_APP_H
#define HOY_COMPOSE_APP_H

#include "supervisor/cli/cli.h"
#include "supervisor/compose/containers.h"
#include "supervisor/compose/globals.h"
#include "supervisor/compose/report.h"

struct hoy_compose_project;

struct hoy_compose {
	struct hoy_cli *cli;
	const struct hoy_compose_globals *globals;
	struct hoy_compose_project *project; /* NULL: there is no file, and the command needs none */
	const char *name;                    /* the project's */
	char *own_name;                      /* when no file says it */
	struct hoy_compose_containers containers;
	char **declared;           /* all services of the file, those of inactive profiles too */
	char **built;              /* services whose image this command built already */
	char **first_names;        /* of the container of each of the project's services; of converge.h */
	struct hoy_report *report; /* NULL until hoy_compose_begin_report() */
};

/* What the loader is told, by the options and our environment. Borrows from both. */
struct hoy_compose_options;
void hoy_compose_load_options(const struct hoy_compose_globals *globals, struct hoy_compose_options *ret);

enum {
	HOY_COMPOSE_NEEDS_FILE = 1,
	HOY_COMPOSE_NO_CONTAINERS = 2, /* the command doesn't look at them */
};

/* Reads the file (with `-p` a command that needs none does without) and lists the containers. `services` that neither
 * the file nor a container knows are refused: "no such service: x"; NULL: none. */
int hoy_compose_open(
	struct hoy_cli *cli, int flags, char *const *services, struct hoy_compose *ret, struct hoy_err *err);
void hoy_compose_done(struct hoy_compose *app);
/* Is the engine hoyd, which can do more than dockerd? Asks it. */
int hoy_compose_is_hoyd(const struct hoy_compose *app, bool *ret, struct hoy_err *err);

/* From here on progress is told under that head. */
int hoy_compose_begin_report(struct hoy_compose *app, const char *title, struct hoy_err *err);
/* The last drawing: what is printed next stands below. */
void hoy_compose_end_report(struct hoy_compose *app);

/* "Container web-1  Started". */
void hoy_compose_tell(
	struct hoy_compose *app, enum hoy_report_state state, const char *kind, const char *name, const char *text);

/* May colours be printed on that descriptor? */
bool hoy_compose_colours(const struct hoy_compose *app, int fd);

/* Tells of containers whose service the file no longer has. */
void hoy_compose_warn_orphans(const struct hoy_compose *app);

/* Lists the containers again. */
int hoy_compose_refresh(struct hoy_compose *app, struct hoy_err *err);

/* Calls `on_service` for the services that `service` depends on by the file, or by its container's label. */
int hoy_compose_each_dependency(struct hoy_compose *app, const char *service,
	int (*on_service)(const char *service, void *userdata), void *userdata);

/* Has the file that service? Without a file: no. */
bool hoy_compose_declares(const struct hoy_compose *app, const char *service);

/* The container that a command with --index means: "service "x" is not running". */
int hoy_compose_container_for(struct hoy_compose *app, const char *service, long long index, bool running,
	struct hoy_compose_container **ret, struct hoy_err *err);

/* "/containers/ID" and printf's text behind it: one call without answer. */
int hoy_compose_post(const struct hoy_compose *app, const char *method, const char *id, struct hoy_err *err,
	const char *fmt, ...) HOY_PRINTF(5, 6);

#endif
