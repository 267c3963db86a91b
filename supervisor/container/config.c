/* The field tables of the create request: JSON text to structs and back. What the values may be is config_check.c's. */
#include "supervisor/container/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/container/config_internal.h"

/* --- HostConfig ------------------------------------------------------------------------ */

#define T struct hoy_container_log_config
static const struct hoy_field log_fields[] = {
	HOY_FIELD_STRING(T, "Type", type, HOY_FIELD_ALWAYS),
	HOY_FIELD_KV(T, "Config", config, HOY_FIELD_EMPTY_LIST),
};
static const struct hoy_object log_object = HOY_OBJECT(T, log_fields, NULL);
#undef T

#define T struct hoy_container_restart_policy
static const struct hoy_field restart_fields[] = {
	HOY_FIELD_STRING(T, "Name", name, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "MaximumRetryCount", maximum_retry_count, HOY_FIELD_ALWAYS),
};
static const struct hoy_object restart_object = HOY_OBJECT(T, restart_fields, NULL);
#undef T

#define T struct hoy_container_device
static const struct hoy_field device_fields[] = {
	HOY_FIELD_STRING(T, "PathOnHost", path_on_host, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "PathInContainer", path_in_container, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "CgroupPermissions", cgroup_permissions, HOY_FIELD_ALWAYS),
};
static const struct hoy_object device_object = HOY_OBJECT(T, device_fields, NULL);
#undef T

#define T struct hoy_container_secret_file
static const struct hoy_field secret_file_fields[] = {
	HOY_FIELD_STRING(T, "Name", name, 0),
	HOY_FIELD_STRING(T, "UID", uid, 0),
	HOY_FIELD_STRING(T, "GID", gid, 0),
	HOY_FIELD_U32_PTR(T, "Mode", mode, 0),
};
static const struct hoy_object secret_file_object = HOY_OBJECT(T, secret_file_fields, NULL);
#undef T

#define T struct hoy_container_secret
static const struct hoy_field secret_fields[] = {
	HOY_FIELD_OBJECT_PTR(T, "File", file, struct hoy_container_secret_file, &secret_file_object, 0),
	HOY_FIELD_STRING(T, "SecretID", id, 0),
	HOY_FIELD_STRING(T, "SecretName", name, 0),
	HOY_FIELD_BOOL(T, "Own", own, 0),
	HOY_FIELD_STRING(T, "Data", data, 0),
};
static const struct hoy_object secret_object = HOY_OBJECT(T, secret_fields, NULL);
static const struct hoy_field config_ref_fields[] = {
	HOY_FIELD_OBJECT_PTR(T, "File", file, struct hoy_container_secret_file, &secret_file_object, 0),
	HOY_FIELD_STRING(T, "ConfigID", id, 0),
	HOY_FIELD_STRING(T, "ConfigName", name, 0),
	HOY_FIELD_BOOL(T, "Own", own, 0),
	HOY_FIELD_STRING(T, "Data", data, 0),
};
static const struct hoy_object config_ref_object = HOY_OBJECT(T, config_ref_fields, NULL);
#undef T

#define T struct hoy_container_ulimit
static const struct hoy_field ulimit_fields[] = {
	HOY_FIELD_STRING(T, "Name", name, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "Hard", hard, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "Soft", soft, HOY_FIELD_ALWAYS),
};
static const struct hoy_object ulimit_object = HOY_OBJECT(T, ulimit_fields, NULL);
#undef T

#define T struct hoy_container_device_request
static const struct hoy_field device_request_fields[] = {
	HOY_FIELD_STRING(T, "Driver", driver, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "Count", count, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "DeviceIDs", device_ids, HOY_FIELD_ALWAYS),
	HOY_FIELD_RAW(T, "Capabilities", capabilities, HOY_FIELD_ALWAYS),
	HOY_FIELD_KV(T, "Options", options, HOY_FIELD_EMPTY_LIST),
};
static const struct hoy_object device_request_object = HOY_OBJECT(T, device_request_fields, NULL);
#undef T

#define T struct hoy_container_weight_device
static const struct hoy_field weight_fields[] = {
	HOY_FIELD_STRING(T, "Path", path, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "Weight", weight, HOY_FIELD_ALWAYS),
};
static const struct hoy_object weight_object = HOY_OBJECT(T, weight_fields, NULL);
#undef T

#define T struct hoy_container_throttle_device
static const struct hoy_field throttle_fields[] = {
	HOY_FIELD_STRING(T, "Path", path, HOY_FIELD_ALWAYS),
	HOY_FIELD_U64(T, "Rate", rate, HOY_FIELD_ALWAYS),
};
static const struct hoy_object throttle_object = HOY_OBJECT(T, throttle_fields, NULL);
#undef T

#define T struct hoy_container_bind_options
static const struct hoy_field bind_fields[] = {
	HOY_FIELD_STRING(T, "Propagation", propagation, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_BOOL(T, "NonRecursive", non_recursive, 0),
	HOY_FIELD_BOOL(T, "CreateMountpoint", create_mountpoint, 0),
	HOY_FIELD_BOOL(T, "ReadOnlyNonRecursive", read_only_non_recursive, 0),
	HOY_FIELD_BOOL(T, "ReadOnlyForceRecursive", read_only_force_recursive, 0),
};
static const struct hoy_object bind_object = HOY_OBJECT(T, bind_fields, NULL);
#undef T

#define T struct hoy_container_driver
static const struct hoy_field driver_fields[] = {
	HOY_FIELD_STRING(T, "Name", name, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_KV(T, "Options", options, HOY_FIELD_OMIT_EMPTY),
};
static const struct hoy_object driver_object = HOY_OBJECT(T, driver_fields, NULL);
#undef T

#define T struct hoy_container_volume_options
static const struct hoy_field volume_fields[] = {
	HOY_FIELD_BOOL(T, "NoCopy", no_copy, 0),
	HOY_FIELD_KV(T, "Labels", labels, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRING(T, "Subpath", subpath, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_OBJECT_PTR(T, "DriverConfig", driver_config, struct hoy_container_driver, &driver_object, 0),
};
static const struct hoy_object volume_object = HOY_OBJECT(T, volume_fields, NULL);
#undef T

#define T struct hoy_container_image_options
static const struct hoy_field image_fields[] = {
	HOY_FIELD_STRING(T, "Subpath", subpath, HOY_FIELD_OMIT_EMPTY),
};
static const struct hoy_object image_object = HOY_OBJECT(T, image_fields, NULL);
#undef T

#define T struct hoy_container_tmpfs_options
static const struct hoy_field tmpfs_fields[] = {
	HOY_FIELD_I64(T, "SizeBytes", size_bytes, 0),
	HOY_FIELD_U32(T, "Mode", mode, 0),
};
static const struct hoy_object tmpfs_object = HOY_OBJECT(T, tmpfs_fields, NULL);
#undef T

#define T struct hoy_container_mount_request
static const struct hoy_field mount_fields[] = {
	HOY_FIELD_STRING(T, "Type", type, 0),
	HOY_FIELD_STRING(T, "Source", source, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRING(T, "Target", target, 0),
	HOY_FIELD_BOOL(T, "ReadOnly", read_only, 0),
	HOY_FIELD_STRING(T, "Consistency", consistency, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_OBJECT_PTR(T, "BindOptions", bind_options, struct hoy_container_bind_options, &bind_object, 0),
	HOY_FIELD_OBJECT_PTR(
		T, "VolumeOptions", volume_options, struct hoy_container_volume_options, &volume_object, 0),
	HOY_FIELD_OBJECT_PTR(T, "ImageOptions", image_options, struct hoy_container_image_options, &image_object, 0),
	HOY_FIELD_OBJECT_PTR(T, "TmpfsOptions", tmpfs_options, struct hoy_container_tmpfs_options, &tmpfs_object, 0),
};
static const struct hoy_object mount_object = HOY_OBJECT(T, mount_fields, NULL);
#undef T

#define T struct hoy_container_host_config
static const struct hoy_field host_fields[] = {
	HOY_FIELD_STRV(T, "Binds", binds, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "ContainerIDFile", container_id_file, HOY_FIELD_ALWAYS),
	HOY_FIELD_OBJECT(T, "LogConfig", log_config, struct hoy_container_log_config, &log_object, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "NetworkMode", network_mode, HOY_FIELD_ALWAYS),
	HOY_FIELD_RAW(T, "PortBindings", port_bindings, HOY_FIELD_ALWAYS),
	HOY_FIELD_OBJECT(T, "RestartPolicy", restart_policy, struct hoy_container_restart_policy, &restart_object,
		HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "AutoRemove", auto_remove, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "VolumeDriver", volume_driver, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "VolumesFrom", volumes_from, HOY_FIELD_ALWAYS),
	HOY_FIELD_U32S(T, "ConsoleSize", console_size, 0),
	HOY_FIELD_KV(T, "Annotations", annotations, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRV(T, "CapAdd", cap_add, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "CapDrop", cap_drop, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "CgroupnsMode", cgroupns_mode, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "Dns", dns, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_STRV(T, "DnsOptions", dns_options, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_STRV(T, "DnsSearch", dns_search, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_STRV(T, "ExtraHosts", extra_hosts, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "Links", links, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "Isolation", isolation, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "GroupAdd", group_add, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "IpcMode", ipc_mode, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "OomScoreAdj", oom_score_adj, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "PidMode", pid_mode, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "Privileged", privileged, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "PublishAllPorts", publish_all_ports, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "Standby", standby, 0), /* Hoy's own */
	HOY_FIELD_BOOL(T, "ReadonlyRootfs", readonly_rootfs, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "SecurityOpt", security_opt, HOY_FIELD_ALWAYS),
	HOY_FIELD_KV(T, "Tmpfs", tmpfs, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRING(T, "UTSMode", uts_mode, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "ShmSize", shm_size, HOY_FIELD_ALWAYS),
	HOY_FIELD_KV(T, "Sysctls", sysctls, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRING(T, "Runtime", runtime, HOY_FIELD_ALWAYS),
	HOY_FIELD_OBJECTS(T, "Mounts", mounts, struct hoy_container_mount_request, &mount_object, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_OBJECTS(T, "Secrets", secrets, struct hoy_container_secret, &secret_object, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_OBJECTS(T, "Configs", configs, struct hoy_container_secret, &config_ref_object, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRV(T, "MaskedPaths", masked_paths, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "ReadonlyPaths", readonly_paths, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "CpuShares", cpu_shares, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "Memory", memory, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "MemoryReservation", memory_reservation, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "MemorySwap", memory_swap, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64_PTR(T, "MemorySwappiness", memory_swappiness, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "NanoCpus", nano_cpus, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "CgroupParent", cgroup_parent, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "CpuPeriod", cpu_period, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "CpuQuota", cpu_quota, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "CpusetCpus", cpuset_cpus, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "CpusetMems", cpuset_mems, HOY_FIELD_ALWAYS),
	HOY_FIELD_OBJECTS(T, "Devices", devices, struct hoy_container_device, &device_object, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_I64_PTR(T, "PidsLimit", pids_limit, HOY_FIELD_ALWAYS),
	HOY_FIELD_OBJECTS(T, "Ulimits", ulimits, struct hoy_container_ulimit, &ulimit_object, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_BOOL_PTR(T, "Init", init, 0),
	HOY_FIELD_BOOL_PTR(T, "OomKillDisable", oom_kill_disable, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "DeviceCgroupRules", device_cgroup_rules, HOY_FIELD_ALWAYS),
	HOY_FIELD_OBJECTS(T, "DeviceRequests", device_requests, struct hoy_container_device_request,
		&device_request_object, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "UsernsMode", userns_mode, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "CpuRealtimePeriod", cpu_realtime_period, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "CpuRealtimeRuntime", cpu_realtime_runtime, HOY_FIELD_ALWAYS),
	HOY_FIELD_I64(T, "BlkioWeight", blkio_weight, HOY_FIELD_ALWAYS),
	HOY_FIELD_OBJECTS(T, "BlkioWeightDevice", blkio_weight_device, struct hoy_container_weight_device,
		&weight_object, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_OBJECTS(T, "BlkioDeviceReadBps", blkio_read_bps, struct hoy_container_throttle_device,
		&throttle_object, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_OBJECTS(T, "BlkioDeviceWriteBps", blkio_write_bps, struct hoy_container_throttle_device,
		&throttle_object, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_OBJECTS(T, "BlkioDeviceReadIOps", blkio_read_iops, struct hoy_container_throttle_device,
		&throttle_object, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_OBJECTS(T, "BlkioDeviceWriteIOps", blkio_write_iops, struct hoy_container_throttle_device,
		&throttle_object, HOY_FIELD_EMPTY_LIST),
};
static const struct hoy_object host_object = HOY_OBJECT(T, host_fields, NULL);
#undef T

/* --- NetworkingConfig -------------------------------------------------------------------- */

#define T struct hoy_container_endpoint_ipam
static const struct hoy_field ipam_fields[] = {
	HOY_FIELD_STRING(T, "IPv4Address", ipv4_address, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRING(T, "IPv6Address", ipv6_address, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRV(T, "LinkLocalIPs", link_local_ips, HOY_FIELD_OMIT_EMPTY),
};
static const struct hoy_object ipam_object = HOY_OBJECT(T, ipam_fields, NULL);
#undef T

#define T struct hoy_container_endpoint
static const struct hoy_field endpoint_fields[] = {
	HOY_FIELD_OBJECT_PTR(T, "IPAMConfig", ipam, struct hoy_container_endpoint_ipam, &ipam_object, 0),
	HOY_FIELD_STRING(T, "MacAddress", mac_address, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRV(T, "Aliases", aliases, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRV(T, "Links", links, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_I64(T, "GwPriority", gw_priority, 0),
	HOY_FIELD_KV(T, "DriverOpts", driver_opts, 0),
};
static const struct hoy_object endpoint_object = HOY_OBJECT(T, endpoint_fields, NULL);
#undef T

#define T struct hoy_container_networking
static const struct hoy_field networking_fields[] = {
	HOY_FIELD_OBJECT_MAP(T, "EndpointsConfig", endpoints, struct hoy_container_endpoint, &endpoint_object, 0),
};
static const struct hoy_object networking_object = HOY_OBJECT(T, networking_fields, NULL);
#undef T

/* --- the request --------------------------------------------------------------------------- */

#define T struct hoy_oci_healthcheck
static const struct hoy_field health_fields[] = {
	HOY_FIELD_STRV(T, "Test", test, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_I64(T, "Interval", interval, 0),
	HOY_FIELD_I64(T, "Timeout", timeout, 0),
	HOY_FIELD_I64(T, "StartPeriod", start_period, 0),
	HOY_FIELD_I64(T, "StartInterval", start_interval, 0),
	HOY_FIELD_I64(T, "Retries", retries, 0),
};
static const struct hoy_object health_object = HOY_OBJECT(T, health_fields, NULL);
#undef T

#define T struct hoy_container_config
static const struct hoy_field request_fields[] = {
	HOY_FIELD_STRING(T, "Hostname", hostname, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "Domainname", domainname, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "User", user, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "AttachStdin", attach_stdin, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "AttachStdout", attach_stdout, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "AttachStderr", attach_stderr, HOY_FIELD_ALWAYS),
	HOY_FIELD_KEYS(T, "ExposedPorts", exposed_ports, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_BOOL(T, "Tty", tty, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "OpenStdin", open_stdin, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "StdinOnce", stdin_once, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "Env", env, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_STRV(T, "Cmd", cmd, HOY_FIELD_ALWAYS | HOY_FIELD_STRING_OK),
	HOY_FIELD_OBJECT_PTR(T, "Healthcheck", healthcheck, struct hoy_oci_healthcheck, &health_object, 0),
	HOY_FIELD_STRING(T, "Image", image, HOY_FIELD_ALWAYS),
	HOY_FIELD_KEYS(T, "Volumes", volumes, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "WorkingDir", working_dir, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRV(T, "Entrypoint", entrypoint, HOY_FIELD_ALWAYS | HOY_FIELD_STRING_OK),
	HOY_FIELD_STRING(T, "MacAddress", mac_address, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRV(T, "OnBuild", on_build, HOY_FIELD_ALWAYS),
	HOY_FIELD_KV(T, "Labels", labels, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_STRING(T, "StopSignal", stop_signal, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_I64_PTR(T, "StopTimeout", stop_timeout, 0),
	HOY_FIELD_STRV(T, "Shell", shell, HOY_FIELD_OMIT_EMPTY | HOY_FIELD_STRING_OK),
	/* the last two are not part of inspect's "Config" */
	HOY_FIELD_OBJECT(T, "HostConfig", host, struct hoy_container_host_config, &host_object, HOY_FIELD_ALWAYS),
	HOY_FIELD_OBJECT(T, "NetworkingConfig", networking, struct hoy_container_networking, &networking_object,
		HOY_FIELD_ALWAYS),
};
static const struct hoy_object request_object = HOY_OBJECT(T, request_fields, NULL);
static const struct hoy_object config_object = {
	.size = sizeof(T), .fields = request_fields, .n_fields = ARRAY_LEN(request_fields) - 2
};
#undef T

/* --- what is refused ------------------------------------------------------------------------ */

/* Members that are not acted on. `neutral` is what inspect shows; null, false, 0, "", [] and {} are fine too, and -1
 * where it means "not set". */
struct refusal {
	const char *name;
	const char *neutral;
};
static const struct refusal refused_in_request[] = {
	{ "NetworkDisabled", NULL },
	{ "ArgsEscaped", NULL },
};
static const struct refusal refused_in_host[] = {
	{ "Cgroup", "\"\"" },
	{ "StorageOpt", NULL },
	{ "KernelMemory", NULL },
	{ "KernelMemoryTCP", NULL },
	{ "CpuCount", "0" },
	{ "CpuPercent", "0" },
	{ "IOMaximumIOps", "0" },
	{ "IOMaximumBandwidth", "0" },
};

static int refuse(
	const struct hoy_json *object, const char *where, const struct refusal *table, size_t n, struct hoy_err *err)
{
	for (size_t i = 0; object && i < n; i++) {
		const struct hoy_json *value = hoy_json_get_ci(object, table[i].name);

		if (value && !hoy_json_is_neutral(value))
			return hoy_err_unsupported(err, "%s%s: not supported", where, table[i].name);
	}
	return 0;
}

static int refuse_all(const struct hoy_json *request, struct hoy_err *err)
{
	const struct hoy_json *host = hoy_json_get_ci(request, "HostConfig");
	int r = refuse(request, "", refused_in_request, ARRAY_LEN(refused_in_request), err);

	if (r >= 0)
		r = refuse(host, "HostConfig.", refused_in_host, ARRAY_LEN(refused_in_host), err);
	return r;
}

/* --- text to struct and back ------------------------------------------------------------------- */

static const struct hoy_field_options as_go = { .any_case = true };

int hoy_container_config_parse(const char *text, size_t len, struct hoy_container_config **ret, struct hoy_err *err)
{
	static const struct hoy_json_limits limits = { .max_size = (size_t) 4 << 20 };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = NULL;
	int r = hoy_json_parse(text, len, &limits, &doc, err);

	if (r < 0)
		return r;
	if (hoy_json_type(doc) != HOY_JSON_OBJECT)
		return hoy_err_invalid(err, "config cannot be empty in order to create a container");
	r = refuse_all(doc, err);
	if (r >= 0)
		r = hoy_field_parse_value(&request_object, doc, NULL, &as_go, (void **) &config, err);
	if (r >= 0)
		r = hoy_container_config_check(config, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(config);
	return 0;
}

int hoy_container_endpoint_parse(
	const struct hoy_json *value, const char *network, struct hoy_container_endpoint **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *empty = NULL;
	auto_ptr(hoy_container_endpoint_free) struct hoy_container_endpoint *endpoint = NULL;
	int r = 0;

	if (hoy_json_type(value) == HOY_JSON_NULL) {
		r = hoy_json_parse("{}", 2, NULL, &empty, err);
		value = empty;
	}
	if (r >= 0)
		r = hoy_field_parse_value(&endpoint_object, value, NULL, &as_go, (void **) &endpoint, err);
	if (r < 0)
		return r;
	free(endpoint->network);
	endpoint->network = strdup(network);
	if (!endpoint->network)
		return hoy_err_oom(err);
	*ret = TAKE_PTR(endpoint);
	return 0;
}

void hoy_container_endpoint_free(struct hoy_container_endpoint *endpoint)
{
	if (endpoint)
		free(endpoint->network); /* a key, not a field */
	hoy_field_free(&endpoint_object, endpoint);
}

int hoy_container_config_load(const char *text, struct hoy_container_config **ret, struct hoy_err *err)
{
	return hoy_field_parse(&request_object, text, strlen(text), &as_go, (void **) ret, err);
}

/* What moves from the request's limits into the container's: pointers change places, so that both are freed. */
static void take_string(char **to, char **from)
{
	char *former = *to;

	if (!*from || !**from)
		return;
	*to = *from;
	*from = former;
}

static void take_number(int64_t *to, int64_t from)
{
	if (from != 0)
		*to = from;
}

static int take_limits(
	struct hoy_container_host_config *to, struct hoy_container_host_config *from, struct hoy_err *err)
{
	int64_t *former_pids = to->pids_limit;

	if (from->memory > 0 && from->memory_swap == 0 && to->memory_swap > 0 && from->memory > to->memory_swap)
		return hoy_err_conflict(err,
			"Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time");
	take_number(&to->cpu_shares, from->cpu_shares);
	take_number(&to->memory, from->memory);
	take_number(&to->memory_reservation, from->memory_reservation);
	take_number(&to->memory_swap, from->memory_swap);
	take_number(&to->nano_cpus, from->nano_cpus);
	take_number(&to->cpu_period, from->cpu_period);
	take_number(&to->cpu_quota, from->cpu_quota);
	take_string(&to->cpuset_cpus, &from->cpuset_cpus);
	take_string(&to->cpuset_mems, &from->cpuset_mems);
	if (from->pids_limit) {
		to->pids_limit = from->pids_limit;
		from->pids_limit = former_pids;
	}
	if (from->restart_policy.name && *from->restart_policy.name) {
		take_string(&to->restart_policy.name, &from->restart_policy.name);
		to->restart_policy.maximum_retry_count = from->restart_policy.maximum_retry_count;
	}
	return 0;
}

#define EXCHANGE(a, b)                                                                                                 \
	do {                                                                                                           \
		__auto_type former = (a);                                                                              \
		(a) = (b);                                                                                             \
		(b) = former;                                                                                          \
	} while (0)

static bool is_given(const struct hoy_json *doc, const char *key, enum hoy_json_type type)
{
	const struct hoy_json *value = hoy_json_get_ci(doc, key);

	return value && hoy_json_type(value) == type;
}

/* Members of a Config, each in place of the container's own. Docker's update knows none. */
static int take_config(struct hoy_container_config *to, const struct hoy_json *doc, struct hoy_err *err)
{
	struct hoy_container_config *asked = NULL;
	int r = hoy_field_parse_value(&config_object, doc, NULL, &as_go, (void **) &asked, err);

	if (r < 0)
		return r;
	if (is_given(doc, "Env", HOY_JSON_ARRAY))
		EXCHANGE(to->env, asked->env);
	if (is_given(doc, "Labels", HOY_JSON_OBJECT)) {
		EXCHANGE(to->labels, asked->labels);
		EXCHANGE(to->n_labels, asked->n_labels);
	}
	if (is_given(doc, "Healthcheck", HOY_JSON_OBJECT))
		EXCHANGE(to->healthcheck, asked->healthcheck);
	hoy_field_free(&config_object, asked);
	return 0;
}
#undef EXCHANGE

int hoy_container_config_update(const struct hoy_container_config *config, const char *text, size_t len,
	struct hoy_container_config **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_ptr(hoy_container_config_free) struct hoy_container_config *updated = NULL;
	auto_(hoy_buf_done) struct hoy_buf copy = {};
	struct hoy_container_host_config *asked = NULL;
	int r = hoy_json_parse(text, len, NULL, &doc, err);

	if (r >= 0 && hoy_json_type(doc) != HOY_JSON_OBJECT)
		r = hoy_err_invalid(err, "the update is no JSON object");
	if (r >= 0)
		r = refuse(doc, "", refused_in_host, ARRAY_LEN(refused_in_host), err);
	if (r >= 0)
		r = hoy_container_config_print(config, &copy, err);
	if (r >= 0)
		r = hoy_container_config_load(copy.data, &updated, err);
	if (r >= 0)
		r = hoy_field_parse_value(&host_object, doc, NULL, &as_go, (void **) &asked, err);
	if (r < 0)
		return r;
	r = take_limits(&updated->host, asked, err);
	hoy_field_free(&host_object, asked);
	if (r >= 0)
		r = take_config(updated, doc, err);
	if (r >= 0)
		r = hoy_container_config_check_update(updated, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(updated);
	return 0;
}

int hoy_container_config_update_ports(const char *text, size_t len, char **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct hoy_container_host_config *asked = NULL;
	size_t n = 0, others = 0;
	int r = hoy_json_parse(text, len, NULL, &doc, err);

	if (r < 0)
		return r;
	hoy_json_each(member, doc)
	{
		if (strcasecmp(hoy_json_key(member), "PortBindings") == 0)
			n++;
		else
			others++;
	}
	if (hoy_json_type(doc) != HOY_JSON_OBJECT || !n)
		return 0;
	if (others || n > 1)
		return hoy_err_invalid(err, "an update of PortBindings is of nothing else");
	r = hoy_field_parse_value(&host_object, doc, NULL, &as_go, (void **) &asked, err);
	if (r < 0)
		return r;
	*ret = strdup(asked->port_bindings ? asked->port_bindings : "{}");
	hoy_field_free(&host_object, asked);
	return *ret ? 0 : hoy_err_oom(err);
}

void hoy_container_config_free(struct hoy_container_config *config)
{
	hoy_field_free(&request_object, config);
}

int hoy_container_config_print(const struct hoy_container_config *config, struct hoy_buf *buf, struct hoy_err *err)
{
	return hoy_field_print(&request_object, config, buf, 0, err);
}

int hoy_container_config_print_config(
	const struct hoy_container_config *config, struct hoy_buf *buf, struct hoy_err *err)
{
	return hoy_field_print(&config_object, config, buf, 0, err);
}

/* The members that are refused belong to what clients expect of a HostConfig. */
int hoy_container_config_print_host(const struct hoy_container_config *config, struct hoy_buf *buf, struct hoy_err *err)
{
	return hoy_container_config_print_host_with(config, config->host.links, buf, err);
}

int hoy_container_config_print_host_with(
	const struct hoy_container_config *config, char **links, struct hoy_buf *buf, struct hoy_err *err)
{
	struct hoy_container_host_config host = config->host; /* a view, not a copy */
	int r;

	host.links = links;
	r = hoy_field_print(&host_object, &host, buf, 0, err);

	if (r < 0)
		return r;
	buf->len--; /* the closing brace */
	for (size_t i = 0; i < ARRAY_LEN(refused_in_host); i++)
		if (refused_in_host[i].neutral)
			hoy_buf_addf(buf, ",\"%s\":%s", refused_in_host[i].name, refused_in_host[i].neutral);
	hoy_buf_addc(buf, '}');
	return hoy_buf_check(buf, "HostConfig", err);
}
