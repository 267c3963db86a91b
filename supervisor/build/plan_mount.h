/* The value of RUN --mount=. */
#ifndef HOY_SUPERVISOR_BUILD_PLAN_MOUNT_H
#define HOY_SUPERVISOR_BUILD_PLAN_MOUNT_H

#include "supervisor/build/plan_internal.h"

/* "type=cache,target=/x": variables put in, defaults filled, target absolute. `source` is the stage of its `from`,
 * NULL: none was given; its step is made if need be. */
int hoy_plan_mount(struct planner *planner, struct stage *stage, const struct command *command, const char *text,
	struct stage *source, struct hoy_build_mount *ret);

#endif
