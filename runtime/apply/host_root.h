/*
 * A container without a mount namespace is mounted in the host's, below its own root file system, and its root is a
 * chroot. What is mounted there ends with one unmount of the rootfs, which is bound over itself.
 */
#ifndef HOY_RUNTIME_HOST_ROOT_H
#define HOY_RUNTIME_HOST_ROOT_H

#include "base/err.h"

struct hoy_state;

/* Before the child mounts: remembers what the rootfs is on, so that nothing of somebody else's is unmounted. */
int hoy_host_root_note(struct hoy_state *state, struct hoy_err *err);
/* Nothing to do without a note, or when the rootfs is not mounted (any more). */
void hoy_host_root_unmount(const struct hoy_state *state);
/* The root that the container's process sees. */
int hoy_host_root_open(const struct hoy_state *state, struct hoy_err *err);

#endif
