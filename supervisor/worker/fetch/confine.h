/* What hoy-fetch and hoy-peer give up before they speak with anybody. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_CONFINE_H
#define HOY_SUPERVISOR_WORKER_FETCH_CONFINE_H

#include <stdbool.h>

#include "base/err.h"

/* Becomes nobody when started as root; no capabilities, no new privileges, no core files, and no system call by which a
 * process starts programs, reaches into others or changes what is mounted. Ends with who has started it, or outlives it. */
int hoy_fetch_confine(bool outlives_parent, struct hoy_err *err);

#endif
