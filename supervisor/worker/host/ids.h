/* The ids of a rootless hoyd: its user's own, as root, and the subordinate ones behind it. */
#ifndef HOY_WORKER_HOST_IDS_H
#define HOY_WORKER_HOST_IDS_H

#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/*
 * Maps the ids of the new user namespace that `child` is in, by newuidmap and newgidmap. Where they or the ranges are
 * missing the user's own id alone is mapped, which is no error: *ret_n is 1 then, and `why` says what is missing.
 */
int hoy_host_map_ids(pid_t child, uint32_t *ret_n, struct hoy_err *why, struct hoy_err *err);

#endif
