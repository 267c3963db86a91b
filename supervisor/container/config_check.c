/* What the values of a create request may be. Reads nothing of the host but the number of its CPUs. */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/cdi.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/links.h"
#include "supervisor/network/network.h"

static bool is_one_of(const char *value, const char *const *choices, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(value, choices[i]))
			return true;
	return false;
}
#define ONE_OF(value, ...)                                                                                             \
	is_one_of(value, (const char *const[]){ __VA_ARGS__ },                                                         \
		sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static bool has_any(char *const *list)
{
	return list && list[0];
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* --- Config -------------------------------------------------------------------------------- */

static int check_env(char *const *env, struct hoy_err *err)
{
	for (size_t i = 0; env && env[i]; i++)
		if (!*env[i] || *env[i] == '=')
			return hoy_err_invalid(err, "invalid environment variable: %s", env[i]);
	return 0;
}

static int check_process(const struct hoy_container_config *config, struct hoy_err *err)
{
	if (!config->image || !*config->image)
		return hoy_err_invalid(err, "no image was specified");
	if (config->working_dir && *config->working_dir && *config->working_dir != '/')
		return hoy_err_invalid(err, "the working directory '%s' is invalid, it needs to be an absolute path",
			config->working_dir);
	if (config->stop_signal && *config->stop_signal && hoy_signal_from_string(config->stop_signal) < 0)
		return hoy_err_invalid(err, "invalid signal: %s", config->stop_signal);
	if (strlen(or_empty(config->hostname)) > 63)
		return hoy_err_invalid(err, "invalid hostname '%s': longer than 63 characters", config->hostname);
	for (size_t i = 0; config->volumes && config->volumes[i]; i++)
		if (*config->volumes[i] != '/')
			return hoy_err_invalid(err,
				"invalid volume specification: '%s': invalid mount path: '%s' mount path must be absolute",
				config->volumes[i], config->volumes[i]);
	return 0;
}

/* --- HostConfig: resources ------------------------------------------------------------------- */

static int check_memory(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	if (host->memory < 0 || host->memory_reservation < 0)
		return hoy_err_invalid(err, "invalid memory limit: a negative number");
	if (host->memory > 0 && host->memory < 6 << 20)
		return hoy_err_invalid(err, "Minimum memory limit allowed is 6MB");
	if (host->memory == 0 && host->memory_swap > 0)
		return hoy_err_invalid(
			err, "You should always set the Memory limit when using Memoryswap limit, see usage");
	if (host->memory > 0 && host->memory_swap > 0 && host->memory_swap < host->memory)
		return hoy_err_invalid(err, "Minimum memoryswap limit should be larger than memory limit, see usage");
	if (host->memory > 0 && host->memory_reservation > host->memory)
		return hoy_err_invalid(
			err, "Minimum memory limit can not be less than memory reservation limit, see usage");
	if (host->memory_swappiness && (*host->memory_swappiness < -1 || *host->memory_swappiness > 100))
		return hoy_err_invalid(err, "invalid value: %" PRId64 ", valid memory swappiness range is 0-100",
			*host->memory_swappiness);
	return 0;
}

static int check_cpu(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	int64_t cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (host->nano_cpus > 0 && (host->cpu_period > 0 || host->cpu_quota > 0))
		return hoy_err_invalid(err, "Conflicting options: Nano CPUs and CPU %s cannot both be set",
			host->cpu_period > 0 ? "Period" : "Quota");
	if (host->nano_cpus < 0 || host->nano_cpus > cpus * 1000000000)
		return hoy_err_invalid(err,
			"range of CPUs is from 0.01 to %" PRId64 ".00, as there are only %" PRId64 " CPUs available",
			cpus, cpus);
	if (host->cpu_period != 0 && (host->cpu_period < 1000 || host->cpu_period > 1000000))
		return hoy_err_invalid(
			err, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
	if (host->cpu_quota > 0 && host->cpu_quota < 1000)
		return hoy_err_invalid(err, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
	if (host->cpu_shares < 0)
		return hoy_err_invalid(err, "invalid CPU shares: %" PRId64, host->cpu_shares);
	return 0;
}

static int check_ulimits(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	for (size_t i = 0; i < host->n_ulimits; i++) {
		const struct hoy_container_ulimit *u = &host->ulimits[i];

		if (!hoy_ulimit_type(or_empty(u->name)))
			return hoy_err_invalid(err, "invalid ulimit type: %s", or_empty(u->name));
		if (u->hard != -1 && (u->soft == -1 || u->soft > u->hard))
			return hoy_err_invalid(err,
				"ulimit soft limit must be less than or equal to hard limit: %" PRId64 " > %" PRId64,
				u->soft, u->hard);
	}
	return 0;
}

static int check_devices(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	for (size_t i = 0; i < host->n_devices; i++) {
		const struct hoy_container_device *d = &host->devices[i];
		const char *inside = or_empty(d->path_in_container);

		if (*or_empty(d->path_on_host) != '/' || (*inside && *inside != '/'))
			return hoy_err_invalid(err, "bad format for path: \"%s\"", or_empty(d->path_on_host));
		if (strspn(or_empty(d->cgroup_permissions), "rwm") != strlen(or_empty(d->cgroup_permissions)))
			return hoy_err_invalid(err, "invalid device mode: %s", d->cgroup_permissions);
	}
	return 0;
}

/* --- HostConfig: the rest -------------------------------------------------------------------------- */

static int check_io(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	if (host->blkio_weight != 0 && (host->blkio_weight < 10 || host->blkio_weight > 1000))
		return hoy_err_invalid(err, "range of blkio weight is from 10 to 1000");
	for (size_t i = 0; i < host->n_blkio_weight_device; i++)
		if (host->blkio_weight_device[i].weight < 10 || host->blkio_weight_device[i].weight > 1000)
			return hoy_err_invalid(err, "range of blkio weight is from 10 to 1000");
	for (size_t i = 0; i < host->n_device_requests; i++) {
		int r = hoy_device_request_check(&host->device_requests[i], err);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; host->device_cgroup_rules && host->device_cgroup_rules[i]; i++) {
		struct hoy_device_rule rule;
		int r = hoy_device_rule_parse(host->device_cgroup_rules[i], &rule, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_modes(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	const struct {
		const char *name, *value;
		bool known;
	} modes[] = {
		{ "IpcMode", host->ipc_mode,
			ONE_OF(or_empty(host->ipc_mode), "", "private", "shareable", "none", "host") ||
				hoy_container_mode_names(host->ipc_mode) },
		{ "PidMode", host->pid_mode,
			ONE_OF(or_empty(host->pid_mode), "", "host") || hoy_container_mode_names(host->pid_mode) },
		{ "UsernsMode", host->userns_mode, ONE_OF(or_empty(host->userns_mode), "", "host") },
		{ "UTSMode", host->uts_mode, ONE_OF(or_empty(host->uts_mode), "", "host") },
		{ "CgroupnsMode", host->cgroupns_mode, ONE_OF(or_empty(host->cgroupns_mode), "", "private", "host") },
		{ "Isolation", host->isolation, ONE_OF(or_empty(host->isolation), "", "default") },
		{ "Runtime", host->runtime, ONE_OF(or_empty(host->runtime), "", "hoyrun", "runc") },
	};

	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		if (!modes[i].known)
			return hoy_err_unsupported(
				err, "HostConfig.%s: '%s': not supported", modes[i].name, modes[i].value);
	if (host->oom_score_adj < -1000 || host->oom_score_adj > 1000)
		return hoy_err_invalid(err, "Invalid value %" PRId64 ", range for oom score adj is [-1000, 1000]",
			host->oom_score_adj);
	if (host->shm_size < 0)
		return hoy_err_invalid(err, "SHM size can not be less than 0");
	if (host->n_console_size != 0 && host->n_console_size != 2)
		return hoy_err_invalid(err, "HostConfig.ConsoleSize: not two numbers");
	return 0;
}

static int check_endpoint_links(const struct hoy_container_endpoint *e, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; e->links && e->links[i] && r >= 0; i++) {
		auto_free char *name = NULL, *alias = NULL;

		r = hoy_link_split(e->links[i], &name, &alias, err);
	}
	return r;
}

static int check_extra_hosts(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	struct in6_addr address;

	for (size_t i = 0; host->extra_hosts && host->extra_hosts[i]; i++) {
		auto_free char *name = NULL;
		const char *text;
		int r = hoy_extra_host_split(host->extra_hosts[i], &name, &text, err);

		if (r < 0)
			return r;
		if (strcmp(text, "host-gateway") != 0 && inet_pton(AF_INET, text, &address) != 1 &&
			inet_pton(AF_INET6, text, &address) != 1)
			return hoy_err_invalid(err, "invalid IP address in add-host: \"%s\"", text);
	}
	for (size_t i = 0; host->dns && host->dns[i]; i++)
		if (inet_pton(AF_INET, host->dns[i], &address) != 1 && inet_pton(AF_INET6, host->dns[i], &address) != 1)
			return hoy_err_invalid(err, "invalid DNS server: '%s'", host->dns[i]);
	return 0;
}

static int check_sysctls(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	for (size_t i = 0; i < host->n_sysctls; i++) {
		const char *key = host->sysctls[i].key;
		bool net = hoy_str_starts(key, "net.");

		if (net && hoy_str_eq(host->network_mode, "host"))
			return hoy_err_invalid(err, "sysctl '%s' is not allowed in the host's network namespace", key);
		if (net && hoy_container_mode_names(host->network_mode))
			return hoy_err_invalid(err, "sysctl '%s' is not allowed in another's network namespace", key);
		if (!net && !hoy_str_starts(key, "fs.mqueue.") &&
			!ONE_OF(key, "kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.shmall",
				"kernel.shmmax", "kernel.shmmni", "kernel.shm_rmid_forced", "kernel.domainname"))
			return hoy_err_invalid(err, "sysctl '%s' is not allowed: it is not a container's own", key);
	}
	return 0;
}

static int check_security(const struct hoy_container_config *config, struct hoy_err *err)
{
	struct hoy_security security;
	uint64_t caps;
	int r = hoy_security_parse(config, &security, err);

	return r < 0 ? r : hoy_caps_resolve(config, &caps, err);
}

/* --- mounts ------------------------------------------------------------------------------------------ */

/* Options of another type. */
static int check_options(const struct hoy_container_mount_request *m, const char *type, struct hoy_err *err)
{
	const struct {
		const char *type, *name;
		bool given;
	} options[] = {
		{ "bind", "BindOptions", m->bind_options != NULL },
		{ "volume", "VolumeOptions", m->volume_options != NULL },
		{ "image", "ImageOptions", m->image_options != NULL },
		{ "tmpfs", "TmpfsOptions", m->tmpfs_options != NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (options[i].given && strcmp(type, options[i].type) != 0)
			return hoy_err_invalid(err,
				"invalid mount config for type \"%s\": field %s must not be specified", type,
				options[i].name);
	return 0;
}

static int check_subpath(const char *type, const char *subpath, struct hoy_err *err)
{
	auto_free char *clean = hoy_path_clean(*or_empty(subpath) ? subpath : ".");

	if (!clean)
		return hoy_err_oom(err);
	if (*clean == '/' || !strcmp(clean, "..") || hoy_str_starts(clean, "../"))
		return hoy_err_invalid(err,
			"invalid mount config for type \"%s\": subpath must be a relative path within the %s", type,
			type);
	return 0;
}

static int check_volume(const struct hoy_container_mount_request *m, struct hoy_err *err)
{
	if (!*or_empty(m->source) && m->read_only)
		return hoy_err_invalid(err,
			"invalid mount config for type \"volume\": must not set ReadOnly mode when using anonymous volumes");
	return check_subpath("volume", m->volume_options ? m->volume_options->subpath : NULL, err);
}

static int check_image(const struct hoy_container_mount_request *m, struct hoy_err *err)
{
	if (!*or_empty(m->source))
		return hoy_err_invalid(err, "invalid mount config for type \"image\": field Source must not be empty");
	return check_subpath("image", m->image_options ? m->image_options->subpath : NULL, err);
}

static int check_mount(const struct hoy_container_mount_request *m, struct hoy_err *err)
{
	const char *type = or_empty(m->type);
	int r;

	if (!ONE_OF(type, "bind", "image", "tmpfs", "volume"))
		return hoy_err_unsupported(err, "HostConfig.Mounts: type '%s': not supported", type);
	if (!*or_empty(m->target))
		return hoy_err_invalid(
			err, "invalid mount config for type \"%s\": field Target must not be empty", type);
	if (*m->target != '/')
		return hoy_err_invalid(err,
			"invalid mount config for type \"%s\": invalid mount path: '%s' mount path must be absolute",
			type, m->target);
	if (!strcmp(hoy_path_base(m->target), "/") || !strcmp(m->target, "/."))
		return hoy_err_invalid(err,
			"invalid mount config for type \"%s\": invalid specification: destination can't be '/'", type);
	r = check_options(m, type, err);
	if (r < 0)
		return r;
	if (!strcmp(type, "volume"))
		return check_volume(m, err);
	if (!strcmp(type, "image"))
		return check_image(m, err);
	if (!strcmp(type, "tmpfs"))
		return m->source && *m->source
			       ? hoy_err_invalid(err,
					 "invalid mount config for type \"tmpfs\": field Source must not be specified")
			       : 0;
	if (!*or_empty(m->source))
		return hoy_err_invalid(err, "invalid mount config for type \"bind\": field Source must not be empty");
	if (*m->source != '/')
		return hoy_err_invalid(err,
			"invalid mount config for type \"bind\": invalid mount path: '%s' mount path must be absolute",
			m->source);
	if (m->bind_options && !ONE_OF(or_empty(m->bind_options->propagation), "", "private", "rprivate", "shared",
				       "rshared", "slave", "rslave"))
		return hoy_err_invalid(err, "invalid propagation mode: %s", m->bind_options->propagation);
	if (access(m->source, F_OK) < 0 && !(m->bind_options && m->bind_options->create_mountpoint))
		return hoy_err_invalid(
			err, "invalid mount config for type \"bind\": bind source path does not exist: %s", m->source);
	return 0;
}

static int check_tmpfs(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; i < host->n_tmpfs && r >= 0; i++) {
		if (*host->tmpfs[i].key != '/' || !strcmp(host->tmpfs[i].key, "/"))
			return hoy_err_invalid(err, "invalid tmpfs path '%s'", host->tmpfs[i].key);
		r = hoy_tmpfs_options_check(host->tmpfs[i].value, err);
	}
	return r;
}

/* Two mounts on one place: docker's "Duplicate mount point". */
static int check_duplicates(const struct hoy_container_config *config, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **seen = NULL;
	const struct hoy_container_host_config *host = &config->host;
	struct hoy_container_mount_info *mounts = NULL;
	size_t n = 0;
	int r = hoy_container_mounts_list(config, &mounts, &n, err);

	for (size_t i = 0; i < n && r >= 0; i++) {
		if (seen && hoy_strv_has(seen, mounts[i].destination))
			r = hoy_err_invalid(err, "Duplicate mount point: %s", mounts[i].destination);
		else if (hoy_strv_add(&seen, mounts[i].destination) < 0)
			r = hoy_err_oom(err);
	}
	for (size_t i = 0; i < host->n_tmpfs && r >= 0; i++)
		if (seen && hoy_strv_has(seen, host->tmpfs[i].key))
			r = hoy_err_invalid(err, "Duplicate mount point: %s", host->tmpfs[i].key);
	for (size_t i = 0; i < host->n_secrets + host->n_configs && r >= 0; i++) {
		auto_free char *target = hoy_container_secret_target(host, i);

		if (target && seen && hoy_strv_has(seen, target))
			r = hoy_err_invalid(err, "Duplicate mount point: %s", target);
		else if (!target || hoy_strv_add(&seen, target) < 0)
			r = hoy_err_oom(err);
	}
	hoy_container_mounts_free(mounts, n);
	return r;
}

static int check_volumes_from(char *const *entries, struct hoy_err *err)
{
	int r = 0;

	for (; entries && *entries && r >= 0; entries++) {
		auto_free char *id = NULL;
		bool read_only;

		r = hoy_volumes_from_split(*entries, &id, &read_only, err);
	}
	return r;
}

static int check_mounts(const struct hoy_container_config *config, struct hoy_err *err)
{
	int r = check_tmpfs(&config->host, err);

	if (r >= 0)
		r = check_volumes_from(config->host.volumes_from, err);

	for (size_t i = 0; i < config->host.n_mounts && r >= 0; i++)
		r = check_mount(&config->host.mounts[i], err);
	if (r >= 0)
		r = hoy_container_secrets_check(&config->host, err);
	return r < 0 ? r : check_duplicates(config, err);
}

/* --- network ------------------------------------------------------------------------------------------ */

static const char *plain_mode(const char *mode)
{
	mode = or_empty(mode);
	return !*mode || !strcmp(mode, "default") ? "bridge" : mode;
}

/* Modes that leave no room for networks. */
static bool is_alone(const char *mode)
{
	return !strcmp(mode, "host") || !strcmp(mode, "none");
}

static int check_shared_network(const struct hoy_container_config *config, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &config->host;

	if (*or_empty(config->hostname))
		return hoy_err_invalid(err, "conflicting options: hostname and the network mode");
	if (has_any(host->dns))
		return hoy_err_invalid(err, "conflicting options: dns and the network mode");
	if (has_any(host->extra_hosts))
		return hoy_err_invalid(err, "conflicting options: custom host-to-IP mapping and the network mode");
	if (host->publish_all_ports ||
		(host->port_bindings && strlen(host->port_bindings) > 2 && strcmp(host->port_bindings, "null") != 0))
		return hoy_err_invalid(err, "conflicting options: port publishing and the container type network mode");
	if (has_any(config->exposed_ports))
		return hoy_err_invalid(err, "conflicting options: port exposing and the container type network mode");
	return 0;
}

static int check_network(const struct hoy_container_config *config, struct hoy_err *err)
{
	const char *mode = plain_mode(config->host.network_mode);
	const struct hoy_container_networking *n = &config->networking;
	struct hoy_network_port *ports = NULL;
	size_t n_ports;
	int r;

	if (hoy_container_mode_names(mode))
		return check_shared_network(config, err);
	for (size_t i = 0; i < n->n_endpoints; i++) {
		const struct hoy_container_endpoint *e = &n->endpoints[i];

		r = check_endpoint_links(e, err);
		if (r < 0)
			return r;
		if (is_alone(mode) && strcmp(plain_mode(e->network), mode) != 0)
			return hoy_err_invalid(err,
				"conflicting options: a container in network mode '%s' cannot be connected to network '%s'",
				mode, e->network);
	}
	r = hoy_container_config_ports(config, &ports, &n_ports, err);
	free(ports);
	return r;
}

int hoy_container_config_check_update(const struct hoy_container_config *config, struct hoy_err *err)
{
	int r = hoy_restart_policy_check(&config->host, err);

	if (r >= 0)
		r = check_env(config->env, err);
	if (r >= 0)
		r = hoy_healthcheck_check(config->healthcheck, err);
	if (r >= 0)
		r = check_memory(&config->host, err);
	return r < 0 ? r : check_cpu(&config->host, err);
}

int hoy_container_config_check(const struct hoy_container_config *config, struct hoy_err *err)
{
	int r = check_process(config, err);

	if (r >= 0)
		r = check_modes(&config->host, err);
	if (r >= 0)
		r = hoy_container_config_check_update(config, err);
	if (r >= 0)
		r = check_ulimits(&config->host, err);
	if (r >= 0)
		r = check_devices(&config->host, err);
	if (r >= 0)
		r = check_io(&config->host, err);
	if (r >= 0)
		r = check_extra_hosts(&config->host, err);
	if (r >= 0)
		r = hoy_container_links_check(&config->host, err);
	if (r >= 0)
		r = check_sysctls(&config->host, err);
	if (r >= 0)
		r = hoy_log_config_check(&config->host.log_config, err);
	if (r >= 0)
		r = check_security(config, err);
	if (r >= 0)
		r = check_mounts(config, err);
	return r < 0 ? r : check_network(config, err);
}
