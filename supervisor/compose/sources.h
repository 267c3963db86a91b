/* A tree of source files under watch, by inotify. */
#ifndef HOY_COMPOSE_SOURCES_H
#define HOY_COMPOSE_SOURCES_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_sources;

/*
 * Watches `path`, a directory with all below it or one file. `ignore` and `include` are patterns as in .dockerignore,
 * relative to it; NULL: none, all. `context` has a .dockerignore that counts too; NULL: no. What editors leave for a
 * moment, and .git, are ignored.
 */
int hoy_sources_new(const char *path, const char *context, char *const *ignore, char *const *include,
	struct hoy_sources **ret, struct hoy_err *err);
void hoy_sources_free(struct hoy_sources *sources);

int hoy_sources_fd(const struct hoy_sources *sources); /* readable: something happened */

/* Reads what has happened. The paths that changed (now there or gone), relative to `path`, "" for itself, are added to
 * *changed, each once. */
int hoy_sources_read(struct hoy_sources *sources, char ***changed, struct hoy_err *err);

/* All files there are now, added to *files. */
int hoy_sources_all(struct hoy_sources *sources, char ***files, struct hoy_err *err);

#endif
