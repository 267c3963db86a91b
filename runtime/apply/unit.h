/* A container's systemd unit, through the helper hoyrun-systemd. See runtime/systemd/request.h. */
#ifndef HOY_RUNTIME_APPLY_UNIT_H
#define HOY_RUNTIME_APPLY_UNIT_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/helper.h"

struct hoy_oci_resources;
struct hoy_plan;
struct hoy_state;

/* Makes plan->unit with the limits of the config. The helper that comes back keeps it alive, with the process
 * `*ret_pid` in it, until the container's process is there: then hoy_unit_release(). hoy_helper_end() alone lets it
 * end. */
int hoy_unit_start(
	const struct hoy_plan *plan, bool unified, struct hoy_helper *ret_holder, pid_t *ret_pid, struct hoy_err *err);
int hoy_unit_release(struct hoy_helper *holder, struct hoy_err *err);

/* New limits; `cgroup` is the unit's directory. */
int hoy_unit_set(const struct hoy_state *state, const char *cgroup, bool unified,
	const struct hoy_oci_resources *resources, struct hoy_err *err);
/* Moves a process into the unit, or into the group `sub` below it (NULL: none). */
int hoy_unit_attach(const struct hoy_state *state, const char *sub, pid_t pid, struct hoy_err *err);
/* Ends the unit; one that is gone is fine. */
int hoy_unit_stop(const struct hoy_state *state, struct hoy_err *err);

#endif
