/*
 * What a client asks a container to be: the body of POST /containers/create as typed structs, also kept as JSON text in
 * the store and printed for inspect. Names are the API's in snake_case; one field table per object (config.c) drives
 * parse, print and free. Keys are matched in any case, as Go does.
 *
 * A NULL vector or pointer prints as null, an empty one as [] or {}: what a client sent is what it reads back.
 * Fields that Hoy does not act on are refused by name unless they hold their neutral value; see
 * hoy_container_config_parse().
 */
#ifndef HOY_CONTAINER_CONFIG_H
#define HOY_CONTAINER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "libocispec/field.h"

struct hoy_oci_healthcheck; /* libocispec/image.h */
struct hoy_network_port;    /* supervisor/network/network.h */

struct hoy_container_log_config {
	char *type; /* "json-file" or "none"; "" means the daemon's default */
	struct hoy_oci_kv *config;
	size_t n_config;
};

struct hoy_container_restart_policy {
	char *name; /* "" or "no" */
	int64_t maximum_retry_count;
};

struct hoy_container_device {
	char *path_on_host;
	char *path_in_container;
	char *cgroup_permissions; /* "rwm" */
};

struct hoy_container_device_request {
	char *driver;  /* "cdi"; "" and "nvidia" for GPUs */
	int64_t count; /* -1: all */
	char **device_ids;
	char *capabilities; /* JSON text: [["gpu"]] */
	struct hoy_oci_kv *options;
	size_t n_options;
};

struct hoy_container_weight_device {
	char *path;
	int64_t weight;
};

struct hoy_container_throttle_device {
	char *path;
	uint64_t rate; /* bytes or operations a second */
};

struct hoy_container_ulimit {
	char *name; /* "nofile" */
	int64_t soft;
	int64_t hard;
};

struct hoy_container_bind_options {
	char *propagation;
	bool non_recursive;
	bool create_mountpoint;
	bool read_only_non_recursive;
	bool read_only_force_recursive;
};

struct hoy_container_driver {
	char *name;
	struct hoy_oci_kv *options;
	size_t n_options;
};

struct hoy_container_volume_options {
	bool no_copy;
	struct hoy_oci_kv *labels;
	size_t n_labels;
	struct hoy_container_driver *driver_config;
	char *subpath;
};

struct hoy_container_image_options {
	char *subpath;
};

struct hoy_container_tmpfs_options {
	int64_t size_bytes;
	uint32_t mode; /* 0: 1777 */
};

struct hoy_container_mount_request {
	char *type; /* "bind", "volume", "image" or "tmpfs" */
	char *source;
	char *target;
	char *consistency;
	bool read_only;
	struct hoy_container_bind_options *bind_options;
	struct hoy_container_volume_options *volume_options;
	struct hoy_container_image_options *image_options;
	struct hoy_container_tmpfs_options *tmpfs_options;
};

struct hoy_container_secret_file {
	char *name;      /* absolute, or below /run/secrets (a secret) or / (a config); NULL: as the secret is called */
	char *uid, *gid; /* numbers */
	uint32_t *mode;  /* NULL: 0444 */
};

/* A secret or a config: one of the engine's, or a content of the container's own. */
struct hoy_container_secret {
	char *id, *name;
	struct hoy_container_secret_file *file;
	char *data; /* base64, of a request: never kept, never printed */
	bool own;   /* was given as data: goes with the container */
};

struct hoy_container_host_config {
	char **binds;
	char *container_id_file;
	char *volume_driver; /* of volumes that are made by their name; "" or "local" */
	char **volumes_from; /* containers, each with an optional ":ro" or ":rw" */
	struct hoy_container_log_config log_config;
	char *network_mode;  /* "default", "bridge", "host", "none", or a network's name or ID */
	char *port_bindings; /* JSON text; hoy_container_config_ports() */
	bool standby;        /* its ports and names wait until it is promoted */
	struct hoy_container_restart_policy restart_policy;
	bool auto_remove;
	uint32_t *console_size; /* height, width of the client's terminal; 0: unknown */
	size_t n_console_size;
	char **cap_add;
	char **cap_drop;
	char *cgroupns_mode; /* "private" or "host" */
	char **dns;
	char **dns_options;
	char **dns_search;
	char **extra_hosts; /* "name:address" */
	char **links;       /* "name:alias", in a container "ID:alias"; see links.h */
	char *isolation;    /* "" or "default" */
	char **group_add;
	char *ipc_mode; /* "private", "shareable", "none", "host" */
	int64_t oom_score_adj;
	char *pid_mode; /* "" or "host" */
	bool privileged;
	bool publish_all_ports;
	bool readonly_rootfs;
	char **security_opt;
	struct hoy_oci_kv *tmpfs; /* path: options */
	size_t n_tmpfs;
	char *uts_mode;   /* "" or "host" */
	int64_t shm_size; /* bytes; 0 means 64 MiB */
	struct hoy_oci_kv *sysctls;
	size_t n_sysctls;
	char *runtime;
	struct hoy_oci_kv *annotations;
	size_t n_annotations;
	struct hoy_container_mount_request *mounts;
	size_t n_mounts;
	struct hoy_container_secret *secrets, *configs;
	size_t n_secrets, n_configs;
	char **masked_paths;   /* NULL: the default list */
	char **readonly_paths; /* NULL: the default list */

	/* resources */
	int64_t cpu_shares;
	int64_t memory; /* bytes; 0: no limit */
	int64_t memory_reservation;
	int64_t memory_swap; /* memory + swap; 0: twice memory, -1: no limit */
	int64_t nano_cpus;
	char *cgroup_parent;
	int64_t cpu_period;
	int64_t cpu_quota;
	char *cpuset_cpus;
	char *cpuset_mems;
	struct hoy_container_device *devices;
	size_t n_devices;
	int64_t *memory_swappiness; /* NULL or -1: the host's */
	int64_t *pids_limit;        /* NULL, 0 or -1: none */
	struct hoy_container_ulimit *ulimits;
	size_t n_ulimits;
	bool *init;
	bool *oom_kill_disable;
	char **device_cgroup_rules;
	struct hoy_container_device_request *device_requests;
	size_t n_device_requests;
	char *userns_mode; /* "" or "host": there are no other user namespaces */
	int64_t cpu_realtime_period;
	int64_t cpu_realtime_runtime;
	int64_t blkio_weight;
	struct hoy_container_weight_device *blkio_weight_device;
	size_t n_blkio_weight_device;
	struct hoy_container_throttle_device *blkio_read_bps, *blkio_write_bps, *blkio_read_iops, *blkio_write_iops;
	size_t n_blkio_read_bps, n_blkio_write_bps, n_blkio_read_iops, n_blkio_write_iops;
};

struct hoy_container_endpoint_ipam {
	char *ipv4_address;
	char *ipv6_address;
	char **link_local_ips;
};

struct hoy_container_endpoint {
	char *network; /* first, the key of EndpointsConfig: name or ID as the client wrote it */
	struct hoy_container_endpoint_ipam *ipam;
	char *mac_address;
	char **aliases;
	char **links; /* "name:alias" */
	int64_t gw_priority;
	struct hoy_oci_kv *driver_opts;
	size_t n_driver_opts;
};

struct hoy_container_networking {
	struct hoy_container_endpoint *endpoints;
	size_t n_endpoints;
};

struct hoy_container_config {
	char *hostname;
	char *domainname;
	char *user;
	bool attach_stdin;
	bool attach_stdout;
	bool attach_stderr;
	char **exposed_ports; /* "80/tcp" */
	bool tty;
	bool open_stdin;
	bool stdin_once;
	char **env;
	char **cmd;
	char *mac_address; /* of old clients: the endpoint's on the network of the mode */
	char *image;       /* as the client wrote it */
	char **volumes;
	char *working_dir;
	char **entrypoint;
	struct hoy_oci_kv *labels;
	size_t n_labels;
	char *stop_signal;
	int64_t *stop_timeout; /* seconds */
	char **shell;
	char **on_build;
	struct hoy_oci_healthcheck *healthcheck;

	struct hoy_container_host_config host;
	struct hoy_container_networking networking;
};

/*
 * Parses the body of a create request (one JSON object). HOY_ERR_INVALID: not JSON, a wrong type or a value that makes
 * no sense, with the path of the field ("HostConfig.Memory: ..."). HOY_ERR_UNSUPPORTED: a field or value that Hoy does
 * not act on ("HostConfig.StorageOpt: not supported"). Unknown keys are passed over.
 */
int hoy_container_config_parse(const char *text, size_t len, struct hoy_container_config **ret, struct hoy_err *err);
/* The same from our own rows: nothing is checked but types. */
int hoy_container_config_load(const char *text, struct hoy_container_config **ret, struct hoy_err *err);
/* A copy of `config` with the limits and the restart policy that the request `text` names (0 and "" name nothing). */
int hoy_container_config_update(const struct hoy_container_config *config, const char *text, size_t len,
	struct hoy_container_config **ret, struct hoy_err *err);
/* The PortBindings of an update, JSON text on the heap; *ret NULL: it is none of ports. They come alone. */
int hoy_container_config_update_ports(const char *text, size_t len, char **ret, struct hoy_err *err);
void hoy_container_config_free(struct hoy_container_config *config);
HOY_DEFINE_AUTO_PTR(struct hoy_container_config, hoy_container_config_free);

/* An EndpointSettings alone, as a connect request has it (NULL: all defaults); `network` is its key. */
struct hoy_json;
int hoy_container_endpoint_parse(
	const struct hoy_json *value, const char *network, struct hoy_container_endpoint **ret, struct hoy_err *err);
void hoy_container_endpoint_free(struct hoy_container_endpoint *endpoint);
HOY_DEFINE_AUTO_PTR(struct hoy_container_endpoint, hoy_container_endpoint_free);

/* Compact JSON: the members of inspect's "Config", of "HostConfig", and the whole as it was parsed. */
int hoy_container_config_print_config(
	const struct hoy_container_config *config, struct hoy_buf *buf, struct hoy_err *err);
int hoy_container_config_print_host(
	const struct hoy_container_config *config, struct hoy_buf *buf, struct hoy_err *err);
/* With `links` in the place of those in the config. */
int hoy_container_config_print_host_with(
	const struct hoy_container_config *config, char **links, struct hoy_buf *buf, struct hoy_err *err);
int hoy_container_config_print(const struct hoy_container_config *config, struct hoy_buf *buf, struct hoy_err *err);

/* PortBindings and, with PublishAllPorts, ExposedPorts, as the network room wants them; free() the array. */
int hoy_container_config_ports(
	const struct hoy_container_config *config, struct hoy_network_port **ret, size_t *ret_n, struct hoy_err *err);

#endif
