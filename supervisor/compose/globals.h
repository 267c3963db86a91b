/* The options between `compose` and its command: which file, which project. */
#ifndef HOY_COMPOSE_GLOBALS_H
#define HOY_COMPOSE_GLOBALS_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/cli/options.h"

struct hoy_compose_globals {
	char **files, **profiles, **env_files; /* NULL: none was named */
	const char *project_name, *project_directory, *ansi, *progress;
	int64_t parallel; /* -1: as much as can be */
	bool dry_run;     /* the engine is asked, but told nothing */
	bool compatibility, all_resources, version, no_ansi;
};

extern const struct hoy_option hoy_compose_global_options[];

/*
 * `words` is "compose" and what follows. The options behind it are taken out, so that a command and its own words
 * follow. *ret_help: --help stood there.
 */
int hoy_compose_globals_take(char **words, struct hoy_compose_globals *ret, bool *ret_help, struct hoy_err *err);
void hoy_compose_globals_done(struct hoy_compose_globals *globals);

/* Were we called as docker-compose (or hoy-compose): by that name, or by docker's command line as its plugin? Then
 * `words` may begin with "compose" or not. */
bool hoy_compose_is_program(const char *program);

/* What docker's command line asks of a plugin before it uses it. */
void hoy_compose_print_plugin(void);

#endif
