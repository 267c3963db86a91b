/* The overlay that a config's first mount puts on "/". */
#ifndef HOY_RUNTIME_OVERLAY_H
#define HOY_RUNTIME_OVERLAY_H

#include "base/err.h"

struct hoy_plan_mount;

/* Mounts it on the directory `target` (descriptor; its path in our mount namespace is `target_path`). Returns a fd of
 * the mounted root. */
int hoy_overlay_mount(const struct hoy_plan_mount *mount, int target, const char *target_path, struct hoy_err *err);

/* Splits "a:b\:c" at colons that are not escaped and unescapes the parts: NULL-terminated vector, NULL: no memory. */
char **hoy_overlay_split(const char *lowerdir);

/* Longest directory ("/a/b", at least "/") that holds all of the absolute paths; heap. */
char *hoy_overlay_common_dir(char *const *paths);

#endif
