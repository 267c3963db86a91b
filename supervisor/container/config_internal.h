/* The parts of a create request that are texts with a grammar of their own; shared by this room. */
#ifndef HOY_CONTAINER_CONFIG_INTERNAL_H
#define HOY_CONTAINER_CONFIG_INTERNAL_H

#include "supervisor/container/config.h"
#include "supervisor/container/container.h"

/* Values beyond their types; first fault reported, with docker's texts where it has one. */
int hoy_container_config_check(const struct hoy_container_config *config, struct hoy_err *err);

/* The part of it that an update can change. */
int hoy_container_config_check_update(const struct hoy_container_config *config, struct hoy_err *err);

/* "/src:/dst:ro,rprivate" taken apart. */
struct hoy_bind {
	char *source; /* an absolute path, or a volume's name */
	bool is_volume;
	bool no_copy;
	char *destination;
	char *mode;              /* as written; "" without */
	const char *propagation; /* NULL: none was written */
	bool read_only;
	bool non_recursive;
};
int hoy_bind_parse(const char *text, struct hoy_bind *ret, struct hoy_err *err);
void hoy_bind_done(struct hoy_bind *bind);

/* What --security-opt says. */
struct hoy_security {
	bool no_new_privileges;
	bool seccomp_unconfined;
	bool system_paths_unconfined;
	const char *apparmor_profile; /* inside the config; NULL: none, we have no default one */
	const char *seccomp_profile;  /* JSON text inside the config, NULL: the default profile */
};
int hoy_security_parse(const struct hoy_container_config *config, struct hoy_security *ret, struct hoy_err *err);

/* The 64 bits of the capabilities a container gets. */
int hoy_caps_resolve(const struct hoy_container_config *config, uint64_t *ret, struct hoy_err *err);
const char *hoy_caps_name(unsigned int cap); /* "CAP_CHOWN"; NULL: no such number */

int hoy_log_config_check(const struct hoy_container_log_config *log, struct hoy_err *err);
/* A driver that sends takes the output itself: nobody can be attached to it. */
bool hoy_log_takes_output(const struct hoy_container_log_config *log);

/* Secrets and configs; `i` counts both lists, secrets first. The path of its file inside the container, heap. */
int hoy_container_secrets_check(const struct hoy_container_host_config *host, struct hoy_err *err);
char *hoy_container_secret_target(const struct hoy_container_host_config *host, size_t i);

/* "container:web": the name of the container whose namespace is shared, else NULL. */
const char *hoy_container_mode_names(const char *mode);

/* "c 13:* rwm" */
struct hoy_device_rule {
	char type;            /* 'a', 'b', 'c' */
	int64_t major, minor; /* -1: any */
	char access[4];
};
int hoy_device_rule_parse(const char *text, struct hoy_device_rule *ret, struct hoy_err *err);

/* "RLIMIT_NOFILE" for "nofile"; NULL: unknown. */
const char *hoy_ulimit_type(const char *name);

/* Options of a tmpfs as mount options: unknown ones are an error. */
int hoy_tmpfs_options_check(const char *options, struct hoy_err *err);

/* "name:address" split at the first ':' or '='; *ret_address points into `entry`. */
int hoy_extra_host_split(const char *entry, char **ret_name, const char **ret_address, struct hoy_err *err);

/* The mounts that the request itself names: Binds, then Mounts. Sources and names of volumes are not filled in. Tmpfs
 * of HostConfig.Tmpfs are not in the list. */
int hoy_container_mounts_list(const struct hoy_container_config *config, struct hoy_container_mount_info **ret,
	size_t *ret_n, struct hoy_err *err);
void hoy_container_mounts_free(struct hoy_container_mount_info *mounts, size_t n);

/* As text for the store, and back. */
int hoy_container_mounts_print(
	const struct hoy_container_mount_info *mounts, size_t n, struct hoy_buf *buf, struct hoy_err *err);
int hoy_container_mounts_parse(
	const char *text, struct hoy_container_mount_info **ret, size_t *ret_n, struct hoy_err *err);

/* "name[:mode]" of HostConfig.VolumesFrom. *ret_id is heap. */
int hoy_volumes_from_split(const char *entry, char **ret_id, bool *ret_read_only, struct hoy_err *err);

#endif
