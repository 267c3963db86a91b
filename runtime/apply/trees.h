/* Bind sources that the parent opens, because the child in its user namespace may not reach them or map them. */
#ifndef HOY_RUNTIME_TREES_H
#define HOY_RUNTIME_TREES_H

#include "base/err.h"

struct hoy_plan;

/* Fills trees[i] for bind mounts: all of them with a user namespace (if we may mount at all), only the id-mapped ones
 * without. Sources below the rootfs are left to the child, because earlier mounts may show there; idmaps[i] is then the
 * user namespace with the map. For a running container all sources are the host's. The others stay as they are. On
 * failure the caller closes what is open. */
int hoy_trees_open(const struct hoy_plan *plan, int *trees, int *idmaps, struct hoy_err *err);

#endif
