/* The network namespace's way out: pasta, or slirp4netns where there is no pasta. Started again when it ends. */
#ifndef HOY_WORKER_HOST_UPLINK_H
#define HOY_WORKER_HOST_UPLINK_H

#include <sys/types.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_uplink;
struct hoy_namespaces;

/* Takes over the one that is noted in `exec_root` and still runs, or starts one. That there is none to start is said in
 * the log, and no error: what is published works without. `ns` outlives it. */
int hoy_uplink_new(struct hoy_loop *loop, const char *exec_root, const struct hoy_namespaces *ns,
	struct hoy_uplink **ret, struct hoy_err *err);
/* Its own processes, which live in the namespaces, too: at most HOY_UPLINK_PIDS. Returns how many. */
#define HOY_UPLINK_PIDS 2
size_t hoy_uplink_pids(const struct hoy_uplink *uplink, pid_t ret[HOY_UPLINK_PIDS]);
/* Ends it. NULL is fine. */
void hoy_uplink_end(struct hoy_uplink *uplink);

#endif
