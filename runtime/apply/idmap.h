/* Maps of user namespaces: of the container's process, and of a namespace that only carries an id-mapped mount. */
#ifndef HOY_RUNTIME_IDMAP_H
#define HOY_RUNTIME_IDMAP_H

#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_oci_id_mapping;

struct hoy_idmap {
	const struct hoy_oci_id_mapping *uid, *gid;
	size_t n_uid, n_gid;
};

/* Writes both maps of process `pid`; by newuidmap and newgidmap where we are not allowed to. */
int hoy_idmap_write(pid_t pid, const struct hoy_idmap *map, struct hoy_err *err);

/* A user namespace with these maps and nobody in it: fd for MOUNT_ATTR_IDMAP, or -errno. */
int hoy_idmap_namespace(const struct hoy_idmap *map, struct hoy_err *err);

#endif
