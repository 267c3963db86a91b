/* From a container to its config.json. Reads the container's layers (passwd, group) and the host (devices, cgroups). */
#ifndef HOY_CONTAINER_SPEC_H
#define HOY_CONTAINER_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "libocispec/runtime.h"

struct hoy_buf;
struct hoy_container;
struct hoy_container_config;
struct hoy_container_mount_info;
struct hoy_container_user;

/* What the spec is made of. */
struct hoy_spec_input {
	const char *id;
	const struct hoy_container_config *config; /* completed */
	const struct hoy_container_user *user;
	char *const *args;
	char *const *layers; /* directories, top first */
	const char *upper_dir, *work_dir;
	const char *hostname_path, *hosts_path, *resolv_conf_path;
	const struct hoy_container_mount_info *mounts;
	size_t n_mounts;
	char *const *sources; /* what is mounted for each of them; NULL: the mount's own source */
	char *const *const
		*lowers; /* of an image's directory: what its overlay is of, top first; NULL, or NULL in it: a bind */
	const bool *read_only;                      /* those whose volume is read-only by its own options; NULL: none */
	unsigned int tty_height, tty_width;         /* 0: unknown */
	const char *net_path, *pid_path, *ipc_path; /* namespaces of other containers; NULL: not shared */
	char *const *link_env;                      /* of links; NULL: none */
	const char *empty_path; /* mounted where secrets and configs will be; NULL: there are none */
	const char *init_path;  /* of hoy-init; NULL: without */
	bool swap_limits;       /* the host can limit swap */
	int oom_score_adj;      /* hoyd's own: a container does not inherit a protected one */
};

#define HOY_INIT_INSIDE "/sbin/docker-init" /* where docker has it: programs look for it by that name */

int hoy_spec_build(const struct hoy_spec_input *input, struct hoy_oci_spec **ret, struct hoy_err *err);

/* The process alone, for an exec. */
int hoy_spec_build_process(const struct hoy_spec_input *input, struct hoy_oci_process *process, struct hoy_err *err);

int hoy_spec_add_block_io(struct hoy_oci_spec *spec, const struct hoy_spec_input *input, struct hoy_err *err);
int hoy_spec_build_resources(const struct hoy_spec_input *input, struct hoy_oci_linux *l);

/* The parts: spec_mounts.c and spec_devices.c. All add to `spec`. */
int hoy_spec_add_mounts(struct hoy_oci_spec *spec, const struct hoy_spec_input *input, struct hoy_err *err);
int hoy_spec_add_devices(struct hoy_oci_spec *spec, const struct hoy_spec_input *input, struct hoy_err *err);

/* The user that `config` names, by the container's own passwd and group. `layers` top first. */
int hoy_container_find_user(const struct hoy_container *c, const struct hoy_container_config *config,
	char *const *layers, struct hoy_container_user *ret, struct hoy_err *err);

/* Gathers the input of a container and prints its spec. */
int hoy_container_spec_text(struct hoy_container *c, struct hoy_buf *text, struct hoy_err *err);
/* Its limits, as an update wants them. */
int hoy_container_resources_text(struct hoy_container *c, struct hoy_buf *text, struct hoy_err *err);
/* A process of the container as `config` (its own, changed) wants it. */
int hoy_container_process_build(struct hoy_container *c, const struct hoy_container_config *config, char *const *args,
	struct hoy_oci_process **ret, struct hoy_err *err);

#endif
