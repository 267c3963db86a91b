/* What hoy-net gives up once it has opened what it needs. */
#ifndef HOY_WORKER_NET_SANDBOX_H
#define HOY_WORKER_NET_SANDBOX_H

#include "base/err.h"

/* No new privileges; of the capabilities only NET_ADMIN, NET_BIND_SERVICE and SYS_ADMIN (setns) stay, of the system
 * calls those of netlink, sockets and the loop: no execve, no mount, no new namespace, setns into network ones only. */
int hoy_sandbox_enter(struct hoy_err *err);

#endif
