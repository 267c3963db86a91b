/* What a hoy-git process gives up before it starts git, which speaks with strangers. */
#ifndef HOY_SUPERVISOR_WORKER_GIT_CONFINE_H
#define HOY_SUPERVISOR_WORKER_GIT_CONFINE_H

#include "base/err.h"

/*
 * A mount namespace in which all is read-only but HOY_GIT_HOME, which is the directory `target` (< 0: an empty one in
 * memory); a PID namespace, so that nothing outlives the process that is now its first; nobody's ids, no capabilities,
 * no new privileges, a system call filter. Returns in that process alone: the caller has become its keeper, which
 * passes signals of hoyd's end on and never returns.
 */
#define HOY_GIT_HOME "/tmp"
int hoy_git_confine(int target, struct hoy_err *err);

#endif
