/* Bind sources that the parent opens, because the child in its user namespace may not reach them or map them. */
#ifndef HOY_RUNTIME_TREES_H
#define HOY_RUNTIME_TREES_H

#include "base/err.h"

struct hoy_plan;

/* Fills trees[i] for bind mounts: all of them with a user namespace (if we may mount at all), only the id-mapped ones
 * without. The others stay as they are. On failure the caller closes what is open. */
int hoy_trees_open(const struct hoy_plan *plan, int *trees, struct hoy_err *err);

#endif
