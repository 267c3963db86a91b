/* Makes the process that becomes the container, in its new namespaces. */
#ifndef HOY_RUNTIME_SPAWN_H
#define HOY_RUNTIME_SPAWN_H

#include <sys/types.h>

#include "base/err.h"

struct hoy_child;

/*
 * Clones; the child runs hoy_child_run(child). *ret_pid is our child in our pid namespace, *ret_pidfd a descriptor of
 * it. The current directory of the caller is where the child starts. Joined pid namespaces are entered for the clone
 * only; a joined user namespace takes a helper process, which is gone on return.
 */
int hoy_spawn_child(struct hoy_child *child, pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err);

#endif
