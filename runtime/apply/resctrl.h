/*
 * linux.intelRdt: a class of service (a directory of the resctrl file system) for the container, and a monitoring group
 * in it. Where no resctrl is mounted, asking for it is an error.
 */
#ifndef HOY_RUNTIME_RESCTRL_H
#define HOY_RUNTIME_RESCTRL_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_oci_intel_rdt;
struct hoy_state;

/* Where resctrl is mounted, from mountinfo; heap. -ENOENT: nowhere. */
int hoy_resctrl_find(char **ret, struct hoy_err *err);

/*
 * Makes or checks the class of service below `root` and writes its schemata. *ret_dir (heap) is its path; *ret_made: it
 * is the container's own, to be removed with it. On failure nothing is left.
 */
int hoy_resctrl_make(const char *root, const struct hoy_oci_intel_rdt *rdt, const char *id, char **ret_dir,
	bool *ret_made, struct hoy_err *err);

/* Puts the process into the container's class and its monitoring group; nothing without them. */
int hoy_resctrl_enter(const struct hoy_state *state, pid_t pid, struct hoy_err *err);

/* One line each into its schemata; NULL: not given. For update. */
int hoy_resctrl_update(const char *dir, const char *l3, const char *mb, struct hoy_err *err);

/* What the container had of its own goes; missing is fine. */
int hoy_resctrl_remove(const struct hoy_state *state, struct hoy_err *err);

#endif
