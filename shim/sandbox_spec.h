/* config.json of a pod's own container, when the caller gave none. */
#ifndef HOY_SHIM_SANDBOX_SPEC_H
#define HOY_SHIM_SANDBOX_SPEC_H

#include "base/err.h"
#include "base/ttrpc/sandbox.pb-c.h"

/* Writes config.json and makes rootfs/ in the bundle: hoy-pause, alone in a read-only root, in the namespaces that the
 * pod's containers are to join. Options of the type runtime.v1.PodSandboxConfig say which, and name, sysctls, user and
 * cgroup; others are ignored. Does nothing in a bundle that has a config.json. */
int hoy_sandbox_spec_write(const Hoy__Pb__CreateSandboxRequest *request, struct hoy_err *err);

#endif
