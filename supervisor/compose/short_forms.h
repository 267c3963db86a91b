/* Short forms of a compose file's objects: each becomes the long form's tree, or fails with what is wrong in it. */
#ifndef HOY_COMPOSE_SHORT_FORMS_H
#define HOY_COMPOSE_SHORT_FORMS_H

#include "supervisor/compose/node.h"

/* Each takes a node that is no map (its field says which types come here) and returns a map, or a list of maps that
 * takes the place of the item; NULL with `err` set. A string with a variable in it never comes here. */
typedef struct hoy_node *hoy_expand_fn(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err);

hoy_expand_fn hoy_expand_build, hoy_expand_port, hoy_expand_volume, hoy_expand_device, hoy_expand_mount,
	hoy_expand_ulimit, hoy_expand_env_files, hoy_expand_env_file, hoy_expand_extends, hoy_expand_depends_on,
	hoy_expand_networks, hoy_expand_models, hoy_expand_gpus, hoy_expand_external, hoy_expand_include;

/* A command line split into words as a shell does it, without replacing anything. NULL-terminated, in the arena; NULL
 * with `err` set: unbalanced quotes. */
char **hoy_split_words(struct hoy_arena *arena, const struct hoy_node *node, const char *text, struct hoy_err *err);

#endif
