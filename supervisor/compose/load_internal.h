/* What the steps of the loader share. Order: load.c reads and merges files (extends.c, include.c on the way),
 * normalize.c sets defaults and names, paths.c makes paths absolute, check.c looks at the whole. */
#ifndef HOY_COMPOSE_LOAD_INTERNAL_H
#define HOY_COMPOSE_LOAD_INTERNAL_H

#include "supervisor/compose/find.h"
#include "supervisor/compose/project.h"
#include "supervisor/compose/shape.h"

struct hoy_loader {
	struct hoy_arena *arena;
	const struct hoy_compose_options *options;
	char **warnings; /* owned */
	unsigned int n_files;
	const char *from_stdin; /* read once, used for the name and the content */
	struct hoy_err *err;
};

/* Where a file is read for: its project's directory and environment, and the files that led to it. */
struct hoy_load_scope {
	const struct hoy_load_scope *parent; /* the file that includes or is extended from; NULL: named by the user */
	const char *file;                    /* absolute */
	const char *name;                    /* for messages */
	const char *dir;                     /* relative paths are relative to it */
	char *const *environment;
};

enum { HOY_LOAD_MAX_FILES = 1000, HOY_LOAD_MAX_NESTING = 50 };

/* A file's documents; -ENOENT with "open PATH". */
int hoy_load_documents(
	struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node **ret, struct hoy_err *err);
/* Variables replaced and the long form made, in place. */
int hoy_load_prepare(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *document);
/* Prepared documents of a file, with includes and extends resolved, are merged into `tree`. */
int hoy_load_file(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *tree);

/* Replaces each service of `document` that extends another by the two merged. `tree` holds the earlier files. */
int hoy_load_extends(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *document,
	const struct hoy_node *tree);
/* Dissolves `include` of a document. */
int hoy_load_includes(struct hoy_loader *loader, const struct hoy_load_scope *scope, struct hoy_node *document);

/* Makes relative paths of a canonical tree absolute. */
int hoy_load_paths(struct hoy_loader *loader, struct hoy_node *tree, const char *dir, char *const *environment);
/* Defaults that each file's own objects get: contexts, protocols, targets. */
int hoy_load_defaults(struct hoy_loader *loader, struct hoy_node *tree);
/* What follows from the whole: the default network, names, implied dependencies, values from the environment. */
int hoy_load_normalize(struct hoy_loader *loader, struct hoy_node *tree, const char *name, char *const *environment);
/* env_file and label_file become environment and labels. */
int hoy_load_env_files(struct hoy_loader *loader, struct hoy_node *tree, char *const *environment);
/* Required keys, keys that exclude each other. */
int hoy_load_check_tree(struct hoy_loader *loader, struct hoy_node *tree);
/* References, cycles, limits said twice. */
int hoy_load_check_project(const struct hoy_compose_project *project, struct hoy_err *err);

int hoy_load_warn(struct hoy_loader *loader, const char *fmt, ...) HOY_PRINTF(2, 3);

#endif
