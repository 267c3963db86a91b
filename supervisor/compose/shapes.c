/* The tables: every key of a compose file, what it may hold, where it goes. */
#include "supervisor/compose/shape.h"

#include "supervisor/compose/project.h"
#include "supervisor/compose/short_forms.h"

#define FIELD(key, kind_, member) .name = key, .kind = HOY_SHAPE_##kind_, .offset = offsetof(T, member)
#define SHAPE(var, what_, table)                                                                                       \
	static const struct hoy_shape var = { what_, sizeof(T), table, ARRAY_LEN(table), false }

/* --- Small objects of services ---------------------------------------------------------------- */

#define T struct hoy_compose_mount
static const struct hoy_shape_field mount_fields[] = {
	{ FIELD("source", STRING, source) },
	{ FIELD("target", STRING, target) },
	{ FIELD("uid", STRING, uid) },
	{ FIELD("gid", STRING, gid) },
	{ FIELD("mode", MODE_PTR, mode) },
};
SHAPE(mount_shape, "a config or secret of a service", mount_fields);
#undef T

#define T struct hoy_compose_ulimit
static const struct hoy_shape_field ulimit_fields[] = {
	{ FIELD("single", INT, soft), .flags = HOY_SHAPE_NOT_PRINTED },
	{ FIELD("soft", INT, soft), .flags = HOY_SHAPE_ALWAYS },
	{ FIELD("hard", INT, hard), .flags = HOY_SHAPE_ALWAYS },
};
SHAPE(ulimit_shape, "a ulimit", ulimit_fields);
#undef T

#define T struct hoy_compose_build
static const struct hoy_shape_field build_fields[] = {
	{ FIELD("context", STRING, context) },
	{ FIELD("dockerfile", STRING, dockerfile) },
	{ FIELD("dockerfile_inline", STRING, dockerfile_inline) },
	{ FIELD("entitlements", STRINGS, entitlements) },
	{ FIELD("args", ENV, args) },
	{ FIELD("provenance", TEXT, provenance) },
	{ FIELD("sbom", TEXT, sbom) },
	{ FIELD("ssh", SSH, ssh) },
	{ FIELD("labels", LABELS, labels) },
	{ FIELD("cache_from", STRING_OR_LIST, cache_from) },
	{ FIELD("cache_to", STRING_OR_LIST, cache_to) },
	{ FIELD("no_cache", BOOL, no_cache) },
	{ FIELD("no_cache_filter", STRING_OR_LIST, no_cache_filter) },
	{ FIELD("additional_contexts", LABELS, additional_contexts) },
	{ FIELD("pull", BOOL, pull) },
	{ FIELD("extra_hosts", HOSTS, extra_hosts) },
	{ FIELD("isolation", STRING, isolation) },
	{ FIELD("network", STRING, network) },
	{ FIELD("target", STRING, target) },
	{ FIELD("secrets", OBJECTS, secrets), .shape = &mount_shape, .expand = hoy_expand_mount,
		.unique = HOY_UNIQUE_MOUNT },
	{ FIELD("shm_size", BYTES, shm_size) },
	{ FIELD("tags", STRINGS, tags), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("ulimits", MAP, ulimits), .shape = &ulimit_shape, .expand = hoy_expand_ulimit,
		.flags = HOY_SHAPE_REPLACE },
	{ FIELD("platforms", STRINGS, platforms), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("privileged", BOOL, privileged) },
};
SHAPE(build_shape, "build", build_fields);
#undef T

#define T struct hoy_compose_hook
static const struct hoy_shape_field hook_fields[] = {
	{ FIELD("command", COMMAND, command), .flags = HOY_SHAPE_REQUIRED | HOY_SHAPE_ALWAYS_JSON | HOY_SHAPE_REPLACE },
	{ FIELD("user", STRING, user) },
	{ FIELD("privileged", BOOL, privileged) },
	{ FIELD("working_dir", STRING, working_dir) },
	{ FIELD("environment", ENV, environment) },
};
SHAPE(hook_shape, "a hook", hook_fields);

static const struct hoy_shape_field pre_start_fields[] = {
	{ FIELD("command", COMMAND, command), .flags = HOY_SHAPE_ALWAYS_JSON | HOY_SHAPE_REPLACE },
	{ FIELD("image", STRING, image) },
	{ FIELD("user", STRING, user) },
	{ FIELD("privileged", BOOL, privileged) },
	{ FIELD("working_dir", STRING, working_dir) },
	{ FIELD("environment", ENV, environment) },
	{ FIELD("per_replica", BOOL, per_replica) },
};
SHAPE(pre_start_shape, "a pre_start hook", pre_start_fields);
#undef T

#define T struct hoy_compose_watch
static const struct hoy_shape_field watch_fields[] = {
	{ FIELD("path", STRING, path), .flags = HOY_SHAPE_REQUIRED | HOY_SHAPE_ALWAYS },
	{ FIELD("action", STRING, action), .flags = HOY_SHAPE_REQUIRED | HOY_SHAPE_ALWAYS,
		.choices = "rebuild|sync|restart|sync+restart|sync+exec" },
	{ FIELD("target", STRING, target) },
	{ FIELD("exec", OBJECT, exec), .shape = &hook_shape, .flags = HOY_SHAPE_ALWAYS_JSON },
	{ FIELD("include", STRING_OR_LIST, include) },
	{ FIELD("ignore", STRING_OR_LIST, ignore) },
	{ FIELD("initial_sync", BOOL, initial_sync) },
};
SHAPE(watch_shape, "a watch rule", watch_fields);
#undef T

#define T struct hoy_compose_develop
static const struct hoy_shape_field develop_fields[] = {
	{ FIELD("watch", OBJECTS, watch), .shape = &watch_shape },
};
SHAPE(develop_shape, "develop", develop_fields);
#undef T

#define T struct hoy_compose_blkio_device
static const struct hoy_shape_field rate_fields[] = {
	{ FIELD("path", STRING, path), .flags = HOY_SHAPE_ALWAYS | HOY_SHAPE_CAPITAL },
	{ FIELD("rate", BYTES, rate), .flags = HOY_SHAPE_ALWAYS | HOY_SHAPE_CAPITAL },
};
static const struct hoy_shape rate_shape = { "a rate", sizeof(T), rate_fields, ARRAY_LEN(rate_fields), true };

static const struct hoy_shape_field weight_fields[] = {
	{ FIELD("path", STRING, path), .flags = HOY_SHAPE_ALWAYS | HOY_SHAPE_CAPITAL },
	{ FIELD("weight", INT, weight), .flags = HOY_SHAPE_ALWAYS | HOY_SHAPE_CAPITAL, .min = 0, .max = 1000 },
};
static const struct hoy_shape weight_shape = { "a weight", sizeof(T), weight_fields, ARRAY_LEN(weight_fields), true };
#undef T

#define T struct hoy_compose_blkio
static const struct hoy_shape_field blkio_fields[] = {
	{ FIELD("weight", INT, weight), .min = 0, .max = 1000 },
	{ FIELD("weight_device", OBJECTS, weight_device), .shape = &weight_shape },
	{ FIELD("device_read_bps", OBJECTS, device_read_bps), .shape = &rate_shape },
	{ FIELD("device_read_iops", OBJECTS, device_read_iops), .shape = &rate_shape },
	{ FIELD("device_write_bps", OBJECTS, device_write_bps), .shape = &rate_shape },
	{ FIELD("device_write_iops", OBJECTS, device_write_iops), .shape = &rate_shape },
};
static const struct hoy_shape blkio_shape = { "blkio_config", sizeof(T), blkio_fields, ARRAY_LEN(blkio_fields), true };
#undef T

#define T struct hoy_compose_credential_spec
static const struct hoy_shape_field credential_fields[] = {
	{ FIELD("config", STRING, config) },
	{ FIELD("file", STRING, file) },
	{ FIELD("registry", STRING, registry) },
};
SHAPE(credential_shape, "credential_spec", credential_fields);
#undef T

#define T struct hoy_compose_dependency
static const struct hoy_shape_field dependency_fields[] = {
	{ FIELD("condition", STRING, condition), .flags = HOY_SHAPE_REQUIRED,
		.choices = "service_started|service_healthy|service_completed_successfully" },
	{ FIELD("restart", BOOL, restart) },
	{ FIELD("required", OPT_OUT, required), .flags = HOY_SHAPE_ALWAYS },
};
SHAPE(dependency_shape, "a dependency", dependency_fields);
#undef T

#define T struct hoy_compose_device_request
static const struct hoy_shape_field reservation_fields[] = {
	{ FIELD("capabilities", STRINGS, capabilities), .flags = HOY_SHAPE_REQUIRED },
	{ FIELD("driver", STRING, driver) },
	{ FIELD("count", COUNT, count) },
	{ FIELD("device_ids", STRINGS, device_ids) },
	{ FIELD("options", LABELS, options) },
};
SHAPE(reservation_shape, "a device request", reservation_fields);

static const struct hoy_shape_field gpu_fields[] = {
	{ FIELD("capabilities", STRINGS, capabilities) },
	{ FIELD("driver", STRING, driver) },
	{ FIELD("count", COUNT, count) },
	{ FIELD("device_ids", STRINGS, device_ids) },
	{ FIELD("options", LABELS, options) },
};
SHAPE(gpu_shape, "a request for GPUs", gpu_fields);
#undef T

/* --- deploy ----------------------------------------------------------------------------------- */

#define T struct hoy_compose_discrete_resource
static const struct hoy_shape_field discrete_fields[] = {
	{ FIELD("kind", STRING, kind), .flags = HOY_SHAPE_ALWAYS },
	{ FIELD("value", INT, value), .flags = HOY_SHAPE_ALWAYS },
};
SHAPE(discrete_shape, "discrete_resource_spec", discrete_fields);
#undef T

#define T struct hoy_compose_generic_resource
static const struct hoy_shape_field generic_fields[] = {
	{ FIELD("discrete_resource_spec", OBJECT, discrete_resource_spec), .shape = &discrete_shape },
};
SHAPE(generic_shape, "a generic resource", generic_fields);
#undef T

#define T struct hoy_compose_resource
static const struct hoy_shape_field limit_fields[] = {
	{ FIELD("cpus", FLOAT, cpus) },
	{ FIELD("memory", BYTES, memory) },
	{ FIELD("pids", INT, pids) },
};
SHAPE(limit_shape, "limits", limit_fields);

static const struct hoy_shape_field reserve_fields[] = {
	{ FIELD("cpus", FLOAT, cpus) },
	{ FIELD("memory", BYTES, memory) },
	{ FIELD("devices", OBJECTS, devices), .shape = &reservation_shape },
	{ FIELD("generic_resources", OBJECTS, generic_resources), .shape = &generic_shape },
};
SHAPE(reserve_shape, "reservations", reserve_fields);
#undef T

#define T struct hoy_compose_resources
static const struct hoy_shape_field resources_fields[] = {
	{ FIELD("limits", OBJECT, limits), .shape = &limit_shape },
	{ FIELD("reservations", OBJECT, reservations), .shape = &reserve_shape },
};
SHAPE(resources_shape, "resources", resources_fields);
#undef T

#define T struct hoy_compose_update
static const struct hoy_shape_field update_fields[] = {
	{ FIELD("parallelism", INT_PTR, parallelism) },
	{ FIELD("delay", DURATION, delay) },
	{ FIELD("failure_action", STRING, failure_action) },
	{ FIELD("monitor", DURATION, monitor) },
	{ FIELD("max_failure_ratio", FLOAT, max_failure_ratio) },
	{ FIELD("order", STRING, order), .choices = "start-first|stop-first" },
};
SHAPE(update_shape, "an update", update_fields);
#undef T

#define T struct hoy_compose_restart_policy
static const struct hoy_shape_field restart_policy_fields[] = {
	{ FIELD("condition", STRING, condition) },
	{ FIELD("delay", DURATION_PTR, delay) },
	{ FIELD("max_attempts", INT_PTR, max_attempts) },
	{ FIELD("window", DURATION_PTR, window) },
};
SHAPE(restart_policy_shape, "restart_policy", restart_policy_fields);
#undef T

#define T struct hoy_compose_preference
static const struct hoy_shape_field preference_fields[] = {
	{ FIELD("spread", STRING, spread) },
};
SHAPE(preference_shape, "a placement preference", preference_fields);
#undef T

#define T struct hoy_compose_placement
static const struct hoy_shape_field placement_fields[] = {
	{ FIELD("constraints", STRINGS, constraints) },
	{ FIELD("preferences", OBJECTS, preferences), .shape = &preference_shape },
	{ FIELD("max_replicas_per_node", INT, max_replicas_per_node) },
};
SHAPE(placement_shape, "placement", placement_fields);
#undef T

#define T struct hoy_compose_deploy
static const struct hoy_shape_field deploy_fields[] = {
	{ FIELD("mode", STRING, mode) },
	{ FIELD("replicas", INT_PTR, replicas) },
	{ FIELD("labels", LABELS, labels) },
	{ FIELD("update_config", OBJECT, update_config), .shape = &update_shape },
	{ FIELD("rollback_config", OBJECT, rollback_config), .shape = &update_shape },
	{ FIELD("resources", OBJECT, resources), .shape = &resources_shape, .flags = HOY_SHAPE_ALWAYS_JSON },
	{ FIELD("restart_policy", OBJECT, restart_policy), .shape = &restart_policy_shape },
	{ FIELD("placement", OBJECT, placement), .shape = &placement_shape, .flags = HOY_SHAPE_ALWAYS_JSON },
	{ FIELD("endpoint_mode", STRING, endpoint_mode) },
};
SHAPE(deploy_shape, "deploy", deploy_fields);
#undef T

/* --- More of services ------------------------------------------------------------------------- */

#define T struct hoy_compose_device
static const struct hoy_shape_field device_fields[] = {
	{ FIELD("source", STRING, source), .flags = HOY_SHAPE_REQUIRED },
	{ FIELD("target", STRING, target) },
	{ FIELD("permissions", STRING, permissions) },
};
SHAPE(device_shape, "a device", device_fields);
#undef T

#define T struct hoy_compose_provider
static const struct hoy_shape_field provider_fields[] = {
	{ FIELD("type", STRING, type), .flags = HOY_SHAPE_REQUIRED },
	{ FIELD("options", MULTI, options) },
};
SHAPE(provider_shape, "provider", provider_fields);
#undef T

#define T struct hoy_compose_env_file
static const struct hoy_shape_field env_file_fields[] = {
	{ FIELD("path", STRING, path), .flags = HOY_SHAPE_REQUIRED },
	{ FIELD("required", OPT_OUT, required) },
	{ FIELD("format", STRING, format) },
};
static const struct hoy_shape env_file_shape = { "an env_file", sizeof(T), env_file_fields, ARRAY_LEN(env_file_fields),
	true };
#undef T

#define T struct hoy_compose_extends
static const struct hoy_shape_field extends_fields[] = {
	{ FIELD("file", STRING, file) },
	{ FIELD("service", STRING, service), .flags = HOY_SHAPE_REQUIRED },
};
static const struct hoy_shape extends_shape = { "extends", sizeof(T), extends_fields, ARRAY_LEN(extends_fields), true };
#undef T

#define T struct hoy_compose_healthcheck
static const struct hoy_shape_field healthcheck_fields[] = {
	{ FIELD("test", TEST, test), .flags = HOY_SHAPE_REPLACE },
	{ FIELD("timeout", DURATION_PTR, timeout) },
	{ FIELD("interval", DURATION_PTR, interval) },
	{ FIELD("retries", INT_PTR, retries) },
	{ FIELD("start_period", DURATION_PTR, start_period) },
	{ FIELD("start_interval", DURATION_PTR, start_interval) },
	{ FIELD("disable", BOOL, disable) },
};
SHAPE(healthcheck_shape, "healthcheck", healthcheck_fields);
#undef T

#define T struct hoy_compose_logging
static const struct hoy_shape_field logging_fields[] = {
	{ FIELD("driver", STRING, driver) },
	{ FIELD("options", OPTIONS, options) },
};
SHAPE(logging_shape, "logging", logging_fields);
#undef T

#define T struct hoy_compose_service_model
static const struct hoy_shape_field service_model_fields[] = {
	{ FIELD("endpoint_var", STRING, endpoint_var) },
	{ FIELD("model_var", STRING, model_var) },
};
SHAPE(service_model_shape, "a model of a service", service_model_fields);
#undef T

#define T struct hoy_compose_service_network
static const struct hoy_shape_field service_network_fields[] = {
	{ FIELD("aliases", STRINGS, aliases), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("driver_opts", OPTIONS, driver_opts) },
	{ FIELD("gw_priority", INT, gw_priority) },
	{ FIELD("interface_name", STRING, interface_name) },
	{ FIELD("ipv4_address", STRING, ipv4_address) },
	{ FIELD("ipv6_address", STRING, ipv6_address) },
	{ FIELD("link_local_ips", STRINGS, link_local_ips), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("mac_address", STRING, mac_address) },
	{ FIELD("priority", INT, priority) },
};
SHAPE(service_network_shape, "a network of a service", service_network_fields);
#undef T

#define T struct hoy_compose_port
static const struct hoy_shape_field port_fields[] = {
	{ FIELD("name", STRING, port_name) },
	{ FIELD("mode", STRING, mode) },
	{ FIELD("host_ip", STRING, host_ip) },
	{ FIELD("target", INT, target), .flags = HOY_SHAPE_REQUIRED, .min = 1, .max = 65535 },
	{ FIELD("published", TEXT, published) },
	{ FIELD("protocol", STRING, protocol) },
	{ FIELD("app_protocol", STRING, app_protocol) },
};
SHAPE(port_shape, "a port", port_fields);
#undef T

#define T struct hoy_compose_bind
static const struct hoy_shape_field bind_fields[] = {
	{ FIELD("selinux", STRING, selinux), .choices = "z|Z" },
	{ FIELD("propagation", STRING, propagation) },
	{ FIELD("create_host_path", OPT_OUT, create_host_path) },
	{ FIELD("recursive", STRING, recursive), .choices = "enabled|disabled|writable|readonly" },
};
SHAPE(bind_shape, "bind", bind_fields);
#undef T

#define T struct hoy_compose_volume_options
static const struct hoy_shape_field volume_options_fields[] = {
	{ FIELD("labels", LABELS, labels) },
	{ FIELD("nocopy", BOOL, nocopy) },
	{ FIELD("subpath", STRING, subpath) },
};
SHAPE(volume_options_shape, "volume", volume_options_fields);
#undef T

#define T struct hoy_compose_tmpfs
static const struct hoy_shape_field tmpfs_fields[] = {
	{ FIELD("size", BYTES, size) },
	{ FIELD("mode", MODE, mode) },
};
SHAPE(tmpfs_shape, "tmpfs", tmpfs_fields);
#undef T

#define T struct hoy_compose_image_mount
static const struct hoy_shape_field image_mount_fields[] = {
	{ FIELD("subpath", STRING, subpath) },
};
SHAPE(image_mount_shape, "image", image_mount_fields);
#undef T

#define T struct hoy_compose_service_volume
static const struct hoy_shape_field service_volume_fields[] = {
	{ FIELD("type", STRING, type), .flags = HOY_SHAPE_REQUIRED,
		.choices = "bind|volume|tmpfs|cluster|npipe|image" },
	{ FIELD("source", STRING, source) },
	{ FIELD("target", STRING, target) },
	{ FIELD("read_only", BOOL, read_only) },
	{ FIELD("consistency", STRING, consistency) },
	{ FIELD("bind", OBJECT, bind), .shape = &bind_shape },
	{ FIELD("volume", OBJECT, volume), .shape = &volume_options_shape },
	{ FIELD("tmpfs", OBJECT, tmpfs), .shape = &tmpfs_shape },
	{ FIELD("image", OBJECT, image), .shape = &image_mount_shape },
};
SHAPE(service_volume_shape, "a volume of a service", service_volume_fields);
#undef T

/* --- Services --------------------------------------------------------------------------------- */

#define T struct hoy_compose_service
#define PULL_POLICIES "always|never|build|if_not_present|missing|refresh|daily|weekly|every_*"
static const struct hoy_shape_field service_fields[] = {
	{ FIELD("profiles", STRINGS, profiles), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("annotations", LABELS, annotations) },
	{ FIELD("attach", BOOL_PTR, attach) },
	{ FIELD("build", OBJECT, build), .shape = &build_shape, .expand = hoy_expand_build },
	{ FIELD("develop", OBJECT, develop), .shape = &develop_shape, .flags = HOY_SHAPE_NULL_OK },
	{ FIELD("blkio_config", OBJECT, blkio_config), .shape = &blkio_shape },
	{ FIELD("cap_add", STRINGS, cap_add), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("cap_drop", STRINGS, cap_drop), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("cgroup_parent", STRING, cgroup_parent) },
	{ FIELD("cgroup", STRING, cgroup), .choices = "host|private" },
	{ FIELD("cpu_count", INT, cpu_count), .min = 0, .max = INT64_MAX },
	{ FIELD("cpu_percent", FLOAT, cpu_percent) },
	{ FIELD("cpu_period", INT, cpu_period) },
	{ FIELD("cpu_quota", INT, cpu_quota) },
	{ FIELD("cpu_rt_period", INT, cpu_rt_period) },
	{ FIELD("cpu_rt_runtime", INT, cpu_rt_runtime) },
	{ FIELD("cpus", FLOAT, cpus) },
	{ FIELD("cpuset", STRING, cpuset) },
	{ FIELD("cpu_shares", INT, cpu_shares) },
	{ FIELD("command", COMMAND, command), .flags = HOY_SHAPE_REPLACE | HOY_SHAPE_ALWAYS_JSON },
	{ FIELD("configs", OBJECTS, configs), .shape = &mount_shape, .expand = hoy_expand_mount,
		.unique = HOY_UNIQUE_MOUNT },
	{ FIELD("container_name", STRING, container_name) },
	{ FIELD("credential_spec", OBJECT, credential_spec), .shape = &credential_shape },
	{ FIELD("depends_on", MAP, depends_on), .shape = &dependency_shape, .expand = hoy_expand_depends_on,
		.flags = HOY_SHAPE_USER_KEYS },
	{ FIELD("deploy", OBJECT, deploy), .shape = &deploy_shape, .flags = HOY_SHAPE_NULL_OK },
	{ FIELD("device_cgroup_rules", STRINGS, device_cgroup_rules), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("devices", OBJECTS, devices), .shape = &device_shape, .expand = hoy_expand_device,
		.unique = HOY_UNIQUE_TARGET },
	{ FIELD("dns", STRING_OR_LIST, dns), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("dns_opt", STRINGS, dns_opt), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("dns_search", STRING_OR_LIST, dns_search), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("domainname", STRING, domainname) },
	{ FIELD("entrypoint", COMMAND, entrypoint), .flags = HOY_SHAPE_REPLACE | HOY_SHAPE_ALWAYS_JSON },
	{ FIELD("provider", OBJECT, provider), .shape = &provider_shape },
	{ FIELD("environment", ENV, environment) },
	{ FIELD("env_file", OBJECTS, env_file), .shape = &env_file_shape, .expand = hoy_expand_env_file,
		.unique = HOY_UNIQUE_PATH },
	{ FIELD("expose", TEXTS, expose), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("extends", OBJECT, extends), .shape = &extends_shape, .expand = hoy_expand_extends },
	{ FIELD("external_links", STRINGS, external_links), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("extra_hosts", HOSTS, extra_hosts), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("group_add", TEXTS, group_add), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("gpus", OBJECTS, gpus), .shape = &gpu_shape, .expand = hoy_expand_gpus },
	{ FIELD("hostname", STRING, hostname) },
	{ FIELD("healthcheck", OBJECT, healthcheck), .shape = &healthcheck_shape },
	{ FIELD("image", STRING, image) },
	{ FIELD("init", BOOL_PTR, init) },
	{ FIELD("ipc", STRING, ipc) },
	{ FIELD("isolation", STRING, isolation) },
	{ FIELD("labels", LABELS, labels) },
	{ FIELD("label_file", STRING_OR_LIST, label_file), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("links", STRINGS, links), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("logging", OBJECT, logging), .shape = &logging_shape, .flags = HOY_SHAPE_NEEDS_SAME_DRIVER },
	{ FIELD("log_driver", LEGACY, logging) },
	{ FIELD("log_opt", LEGACY, logging) },
	{ FIELD("mem_limit", BYTES, mem_limit) },
	{ FIELD("mem_reservation", BYTES, mem_reservation) },
	{ FIELD("memswap_limit", BYTES, memswap_limit) },
	{ FIELD("mem_swappiness", BYTES, mem_swappiness) },
	{ FIELD("mac_address", STRING, mac_address) },
	{ FIELD("models", MAP, models), .shape = &service_model_shape, .expand = hoy_expand_models,
		.flags = HOY_SHAPE_NULL_OK | HOY_SHAPE_USER_KEYS },
	{ FIELD("net", LEGACY, network_mode) },
	{ FIELD("network_mode", STRING, network_mode) },
	{ FIELD("networks", MAP, networks), .shape = &service_network_shape, .expand = hoy_expand_networks,
		.flags = HOY_SHAPE_NULL_OK | HOY_SHAPE_USER_KEYS },
	{ FIELD("oom_kill_disable", BOOL, oom_kill_disable) },
	{ FIELD("oom_score_adj", INT, oom_score_adj), .min = -1000, .max = 1000 },
	{ FIELD("pid", STRING, pid) },
	{ FIELD("pids_limit", INT, pids_limit) },
	{ FIELD("platform", STRING, platform) },
	{ FIELD("ports", OBJECTS, ports), .shape = &port_shape, .expand = hoy_expand_port, .unique = HOY_UNIQUE_PORT },
	{ FIELD("privileged", BOOL, privileged) },
	{ FIELD("pull_policy", STRING, pull_policy), .choices = PULL_POLICIES },
	{ FIELD("pull_refresh_after", STRING, pull_refresh_after), .flags = HOY_SHAPE_NOT_PRINTED },
	{ FIELD("read_only", BOOL, read_only) },
	{ FIELD("restart", STRING, restart) },
	{ FIELD("runtime", STRING, runtime) },
	{ FIELD("scale", INT_PTR, scale) },
	{ FIELD("secrets", OBJECTS, secrets), .shape = &mount_shape, .expand = hoy_expand_mount,
		.unique = HOY_UNIQUE_MOUNT },
	{ FIELD("security_opt", STRINGS, security_opt), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("shm_size", BYTES, shm_size) },
	{ FIELD("stdin_open", BOOL, stdin_open) },
	{ FIELD("stop_grace_period", DURATION_PTR, stop_grace_period) },
	{ FIELD("stop_signal", STRING, stop_signal) },
	{ FIELD("storage_opt", OPTIONS, storage_opt) },
	{ FIELD("sysctls", LABELS, sysctls) },
	{ FIELD("tmpfs", STRING_OR_LIST, tmpfs), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("tty", BOOL, tty) },
	{ FIELD("ulimits", MAP, ulimits), .shape = &ulimit_shape, .expand = hoy_expand_ulimit,
		.flags = HOY_SHAPE_REPLACE },
	{ FIELD("use_api_socket", BOOL, use_api_socket) },
	{ FIELD("user", STRING, user) },
	{ FIELD("userns_mode", STRING, userns_mode) },
	{ FIELD("uts", STRING, uts) },
	{ FIELD("volume_driver", LEGACY, volumes) },
	{ FIELD("volumes", OBJECTS, volumes), .shape = &service_volume_shape, .expand = hoy_expand_volume,
		.unique = HOY_UNIQUE_TARGET },
	{ FIELD("volumes_from", STRINGS, volumes_from), .unique = HOY_UNIQUE_TEXT },
	{ FIELD("working_dir", STRING, working_dir) },
	{ FIELD("pre_start", OBJECTS, pre_start), .shape = &pre_start_shape },
	{ FIELD("post_start", OBJECTS, post_start), .shape = &hook_shape },
	{ FIELD("pre_stop", OBJECTS, pre_stop), .shape = &hook_shape },
};
const struct hoy_shape hoy_shape_service = { "a service", sizeof(T), service_fields, ARRAY_LEN(service_fields), false };
#undef T

/* --- Networks, volumes, configs, secrets, models ---------------------------------------------- */

#define T struct hoy_compose_ipam_pool
static const struct hoy_shape_field pool_fields[] = {
	{ FIELD("subnet", STRING, subnet) },
	{ FIELD("gateway", STRING, gateway) },
	{ FIELD("ip_range", STRING, ip_range) },
	{ FIELD("aux_addresses", OPTIONS, aux_addresses) },
};
SHAPE(pool_shape, "an address pool", pool_fields);
#undef T

#define T struct hoy_compose_ipam
static const struct hoy_shape_field ipam_fields[] = {
	{ FIELD("driver", STRING, driver) },
	{ FIELD("config", OBJECTS, config), .shape = &pool_shape, .unique = HOY_UNIQUE_SUBNET },
	{ FIELD("options", OPTIONS, options) },
};
SHAPE(ipam_shape, "ipam", ipam_fields);
#undef T

#define T struct hoy_compose_network
static const struct hoy_shape_field network_fields[] = {
	{ FIELD("name", STRING, real_name) },
	{ FIELD("driver", STRING, driver) },
	{ FIELD("driver_opts", OPTIONS, driver_opts) },
	{ FIELD("ipam", OBJECT, ipam), .shape = &ipam_shape, .flags = HOY_SHAPE_ALWAYS_JSON },
	{ FIELD("external", BOOL, external), .expand = hoy_expand_external },
	{ FIELD("internal", BOOL, internal) },
	{ FIELD("attachable", BOOL, attachable) },
	{ FIELD("labels", LABELS, labels) },
	{ FIELD("enable_ipv4", BOOL_PTR, enable_ipv4) },
	{ FIELD("enable_ipv6", BOOL_PTR, enable_ipv6) },
};
SHAPE(network_shape, "a network", network_fields);
#undef T

#define T struct hoy_compose_volume
static const struct hoy_shape_field volume_fields[] = {
	{ FIELD("name", STRING, real_name) },
	{ FIELD("driver", STRING, driver) },
	{ FIELD("driver_opts", OPTIONS, driver_opts) },
	{ FIELD("external", BOOL, external), .expand = hoy_expand_external },
	{ FIELD("labels", LABELS, labels) },
};
SHAPE(volume_shape, "a volume", volume_fields);
#undef T

#define T struct hoy_compose_file_object
static const struct hoy_shape_field secret_fields[] = {
	{ FIELD("name", STRING, real_name) },
	{ FIELD("file", STRING, file) },
	{ FIELD("environment", STRING, environment) },
	{ FIELD("external", BOOL, external), .expand = hoy_expand_external },
	{ FIELD("labels", LABELS, labels) },
	{ FIELD("driver", STRING, driver) },
	{ FIELD("driver_opts", OPTIONS, driver_opts) },
	{ FIELD("template_driver", STRING, template_driver) },
};
SHAPE(secret_shape, "a secret", secret_fields);

static const struct hoy_shape_field config_fields[] = {
	{ FIELD("name", STRING, real_name) },
	{ FIELD("file", STRING, file) },
	{ FIELD("environment", STRING, environment) },
	{ FIELD("content", STRING, content) },
	{ FIELD("external", BOOL, external), .expand = hoy_expand_external },
	{ FIELD("labels", LABELS, labels) },
	{ FIELD("template_driver", STRING, template_driver) },
};
SHAPE(config_shape, "a config", config_fields);
#undef T

#define T struct hoy_compose_model
static const struct hoy_shape_field model_fields[] = {
	{ FIELD("name", STRING, real_name) },
	{ FIELD("model", STRING, model), .flags = HOY_SHAPE_REQUIRED },
	{ FIELD("context_size", INT, context_size) },
	{ FIELD("runtime_flags", STRINGS, runtime_flags) },
};
SHAPE(model_shape, "a model", model_fields);
#undef T

/* --- The file --------------------------------------------------------------------------------- */

#define T struct hoy_compose_include
static const struct hoy_shape_field include_fields[] = {
	{ FIELD("path", STRING_OR_LIST, path) },
	{ FIELD("project_directory", STRING, project_directory) },
	{ FIELD("env_file", STRING_OR_LIST, env_file) },
};
const struct hoy_shape hoy_shape_include = { "an include", sizeof(T), include_fields, ARRAY_LEN(include_fields), true };
#undef T

#define T struct hoy_compose_project
static const struct hoy_shape_field project_fields[] = {
	{ FIELD("name", STRING, name) },
	{ FIELD("version", LEGACY, name) },
	{ FIELD("services", MAP, services), .shape = &hoy_shape_service,
		.flags = HOY_SHAPE_USER_KEYS | HOY_SHAPE_ALWAYS },
	{ FIELD("networks", MAP, networks), .shape = &network_shape, .flags = HOY_SHAPE_USER_KEYS | HOY_SHAPE_NULL_OK },
	{ FIELD("volumes", MAP, volumes), .shape = &volume_shape, .flags = HOY_SHAPE_USER_KEYS | HOY_SHAPE_NULL_OK },
	{ FIELD("secrets", MAP, secrets), .shape = &secret_shape, .flags = HOY_SHAPE_USER_KEYS },
	{ FIELD("configs", MAP, configs), .shape = &config_shape, .flags = HOY_SHAPE_USER_KEYS },
	{ FIELD("models", MAP, models), .shape = &model_shape, .flags = HOY_SHAPE_USER_KEYS },
};
const struct hoy_shape hoy_shape_project = { "a compose file", sizeof(T), project_fields, ARRAY_LEN(project_fields),
	false };
#undef T
