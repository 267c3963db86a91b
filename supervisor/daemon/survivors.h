/* What outlives hoyd when a service manager kills its whole unit: shims and hoy-net are born in a group elsewhere. */
#ifndef HOY_DAEMON_SURVIVORS_H
#define HOY_DAEMON_SURVIVORS_H

#include "base/err.h"

/*
 * The v2 group "/hoy/services", beside the containers' groups: made if need be. Returns its descriptor, for
 * CLONE_INTO_CGROUP; 0 when hoyd is not a unit of systemd (no INVOCATION_ID) or the host has no v2 tree. -errno when
 * the group can't be made.
 */
int hoy_survivors_open(struct hoy_err *err);

/* Removes the group if nobody lives in it. */
void hoy_survivors_remove(void);

#endif
