/* What hoy-fetch gives up before it speaks with anybody. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_CONFINE_H
#define HOY_SUPERVISOR_WORKER_FETCH_CONFINE_H

#include "base/err.h"

/* Becomes nobody when started as root; no capabilities, no new privileges, no core files, and no system call by which a
 * process starts programs, reaches into others or changes what is mounted. */
int hoy_fetch_confine(struct hoy_err *err);

#endif
