/* Between the files that make a create request. Each prints members into the object that is open in `w`. */
#ifndef HOY_CLI_CREATE_INTERNAL_H
#define HOY_CLI_CREATE_INTERNAL_H

#include "base/json.h"
#include "supervisor/cli/create_request.h"

struct hoy_create_ports {
	struct hoy_publish *list;
	size_t n;
};

/* Members that are left out when they say nothing. */
void hoy_create_add_number(struct hoy_json_writer *w, const char *key, int64_t value);
void hoy_create_add_text(struct hoy_json_writer *w, const char *key, const char *value);
void hoy_create_add_list(struct hoy_json_writer *w, const char *key, char *const *values);
/* "key=value" and "key" entries as an object; of a key given twice the last counts. */
void hoy_create_add_map(struct hoy_json_writer *w, const char *name, char *const *entries);

/* SecurityOpt with profiles read, MaskedPaths and ReadonlyPaths when they are taken away. */
int hoy_create_security(struct hoy_json_writer *w, char *const *given, struct hoy_err *err);
/* ExtraHosts of "name:address" and "name=address". */
int hoy_create_hosts(struct hoy_json_writer *w, char *const *given, struct hoy_err *err);

/* HostConfig with all it holds. */
int hoy_create_host_config(struct hoy_json_writer *w, const struct hoy_run_options *o,
	const struct hoy_create_ports *ports, struct hoy_err *err);
/* Devices, DeviceRequests, block I/O limits: members of HostConfig. */
int hoy_create_devices(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err);
/* Binds, Mounts, Tmpfs, VolumesFrom: members of HostConfig. */
int hoy_create_mounts(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err);
/* Secrets, Configs: members of HostConfig. */
int hoy_create_secrets(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err);
/* Config.Volumes: the anonymous ones. */
void hoy_create_volumes(struct hoy_json_writer *w, const struct hoy_run_options *o);
/* The name for HostConfig.NetworkMode. Heap. */
/* The driver's option that --egress stands for. */
int hoy_create_add_egress(char ***options, const char *rule);
int hoy_create_network_mode(const struct hoy_run_options *o, char **ret, struct hoy_err *err);
/* NetworkingConfig, when there is something to say. */
int hoy_create_networking(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err);

#endif
