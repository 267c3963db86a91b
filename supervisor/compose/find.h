/* What is to be loaded: files, directory, environment, profiles and name, by docker compose's rules. */
#ifndef HOY_COMPOSE_FIND_H
#define HOY_COMPOSE_FIND_H

#include "supervisor/compose/project.h"

struct hoy_compose_found {
	char **files;       /* absolute; "-" is stdin */
	char **names;       /* the same as the user named them, for messages */
	char *dir;          /* absolute: the project's directory */
	char **environment; /* the caller's, and the .env file's below it */
	char **profiles;
	char *name;      /* -p or COMPOSE_PROJECT_NAME, checked; NULL: neither */
	char **warnings; /* each a line */
};

/* HOY_ERR_NOT_FOUND: no file was named and none is found; the other members are filled all the same. */
int hoy_compose_find(const struct hoy_compose_options *options, struct hoy_compose_found *ret, struct hoy_err *err);
void hoy_compose_found_done(struct hoy_compose_found *found);

/* `text` with what a project's name may not hold taken out; heap, may be "". */
char *hoy_compose_name_from(const char *text);

/* An absolute, clean path from one that may be relative to `dir`; "~" is HOME. Heap. */
char *hoy_compose_absolute(const char *path, const char *dir, char *const *environment);

#endif
