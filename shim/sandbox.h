/* containerd.runtime.sandbox.v1.Sandbox: the pod itself, a container of the shim's whose process only waits. */
#ifndef HOY_SHIM_SANDBOX_H
#define HOY_SHIM_SANDBOX_H

#include "base/err.h"

struct hoy_loop;
struct hoy_sandbox;
struct hoy_service;

/* One per shim. Its requests reach it by hoy_service_handle(). */
int hoy_sandbox_new(struct hoy_loop *loop, struct hoy_service *service, struct hoy_sandbox **ret, struct hoy_err *err);
void hoy_sandbox_free(struct hoy_sandbox *sandbox);

#endif
