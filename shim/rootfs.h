/* The rootfs mounts that containerd asks the shim to make on BUNDLE/rootfs. */
#ifndef HOY_SHIM_ROOTFS_H
#define HOY_SHIM_ROOTFS_H

#include <stddef.h>

#include "base/err.h"
#include "base/ttrpc/common.pb-c.h"

/* Mounts them in order; undone on failure. None: the rootfs is in place already. */
int hoy_rootfs_mount(Hoy__Pb__Mount *const *mounts, size_t n, const char *bundle, struct hoy_err *err);

/* Unmounts everything on and below BUNDLE/rootfs, lazily where it is busy. Nothing mounted is fine. */
int hoy_rootfs_unmount(const char *bundle, struct hoy_err *err);

#endif
