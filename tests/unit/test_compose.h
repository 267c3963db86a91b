/* Files of a test, loaded as a project. */
#ifndef HOY_TESTS_UNIT_COMPOSE_H
#define HOY_TESTS_UNIT_COMPOSE_H

#include "supervisor/compose/project.h"
#include "tests/unit/unit.h"

/* The files of a test's directory: "name", "text" pairs, ended by NULL. Replaces those of the last call. */
void compose_files(const char *name, ...);
/* The directory, absolute. */
const char *compose_dir(void);

/* Loads compose.yaml (and compose.override.yaml); `environment` NULL: none. */
struct hoy_compose_project *compose_load(char *const *environment);
/* What `config` prints of one file with that text; "ERROR ..." when it is refused. Freed by the next call. */
const char *compose_config(const char *text);
/* What is printed of the files there are. */
const char *compose_print(char *const *environment);
/* Checks that `text` is refused with a message that contains `want`. */
void compose_refused(const char *text, const char *want);
/* Checks that the printed form of `text` contains each line of `want`, in that order. */
void compose_shows(const char *text, const char *want);

#endif
