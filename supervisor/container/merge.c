/* From a request to what the container is: the image's defaults, then Hoy's. What inspect shows is what will run. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"

static const char *const masked[] = { "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys",
	"/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	"/sys/devices/virtual/powercap", "/sys/firmware" };
static const char *const readonly[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };

/* --- helpers: all return 0 or -ENOMEM ----------------------------------------------------- */

static int set_default(char **field, const char *value)
{
	if (!value || (*field && **field))
		return 0;
	free(*field);
	*field = strdup(value);
	return *field ? 0 : -ENOMEM;
}

static int copy_strv(char ***field, char *const *from)
{
	if (!from)
		return 0;
	hoy_strv_free(*field);
	*field = hoy_strv_copy(from);
	return *field ? 0 : -ENOMEM;
}

static int empty_strv(char ***field)
{
	hoy_strv_free(*field);
	*field = calloc(1, sizeof **field);
	return *field ? 0 : -ENOMEM;
}

/* --- the image's ---------------------------------------------------------------------------- */

/* What the client gave comes first and wins; "NAME" without '=' takes the image's NAME away. */
static int merge_env(struct hoy_container_config *config, char *const *env)
{
	int r = 0;

	for (size_t i = 0; env && env[i] && r >= 0; i++) {
		size_t len = strcspn(env[i], "=");
		bool given = false;

		for (size_t k = 0; config->env && config->env[k]; k++)
			given = given ||
				(strncmp(config->env[k], env[i], len) == 0 && strcspn(config->env[k], "=") == len);
		if (!given)
			r = hoy_strv_add(&config->env, env[i]);
	}
	return r;
}

static int merge_keys(char ***keys, char *const *more)
{
	int r = 0;

	for (size_t i = 0; more && more[i] && r >= 0; i++)
		if (!*keys || !hoy_strv_has(*keys, more[i]))
			r = hoy_strv_add(keys, more[i]);
	return r;
}

static int merge_labels(struct hoy_container_config *config, const struct hoy_oci_image_run *image)
{
	int r = 0;

	for (size_t i = 0; i < image->n_labels && r >= 0; i++)
		if (!hoy_oci_kv_get(config->labels, config->n_labels, image->labels[i].key))
			r = hoy_oci_kv_add(
				&config->labels, &config->n_labels, image->labels[i].key, image->labels[i].value);
	return r;
}

/* A given entrypoint drops the image's command; [""] stands for "none". */
static int merge_command(struct hoy_container_config *config, const struct hoy_oci_image_run *image)
{
	int r = 0;

	if (hoy_strv_len(config->entrypoint) == 0) {
		if (hoy_strv_len(config->cmd) == 0)
			r = copy_strv(&config->cmd, image->cmd);
		if (r >= 0 && !config->entrypoint)
			r = copy_strv(&config->entrypoint, image->entrypoint);
	}
	if (hoy_strv_len(config->entrypoint) == 1 && !*config->entrypoint[0]) {
		hoy_strv_free(config->entrypoint);
		config->entrypoint = NULL;
	}
	return r;
}

/* A check of the client's may leave parts of the image's as they are. */
static int merge_healthcheck(struct hoy_container_config *config, const struct hoy_oci_healthcheck *image)
{
	struct hoy_oci_healthcheck *own = config->healthcheck;
	int r = 0;

	if (!image || !image->test)
		return 0;
	if (!own) {
		own = config->healthcheck = calloc(1, sizeof *own);
		if (!own)
			return -ENOMEM;
	}
	if (!own->test || !own->test[0])
		r = copy_strv(&own->test, image->test);
	own->interval = own->interval ? own->interval : image->interval;
	own->timeout = own->timeout ? own->timeout : image->timeout;
	own->start_period = own->start_period ? own->start_period : image->start_period;
	own->start_interval = own->start_interval ? own->start_interval : image->start_interval;
	own->retries = own->retries ? own->retries : image->retries;
	return r;
}

static int merge_image(struct hoy_container_config *config, const struct hoy_oci_image_run *image)
{
	int r = merge_command(config, image);

	if (r >= 0)
		r = merge_env(config, image->env);
	if (r >= 0)
		r = merge_keys(&config->exposed_ports, image->exposed_ports);
	if (r >= 0)
		r = merge_keys(&config->volumes, image->volumes);
	if (r >= 0)
		r = merge_labels(config, image);
	if (r >= 0)
		r = merge_healthcheck(config, image->healthcheck);
	if (r >= 0)
		r = set_default(&config->user, image->user);
	if (r >= 0)
		r = set_default(&config->working_dir, image->working_dir);
	if (r >= 0)
		r = set_default(&config->stop_signal, image->stop_signal);
	if (r >= 0 && !config->shell)
		r = copy_strv(&config->shell, image->shell);
	return r;
}

/* --- Hoy's ------------------------------------------------------------------------------------ */

static int add_thermal_paths(char ***paths)
{
	long n = sysconf(_SC_NPROCESSORS_CONF);
	int r = 0;

	for (long cpu = 0; cpu < n && r >= 0; cpu++) {
		auto_free char *path = hoy_str_printf("/sys/devices/system/cpu/cpu%ld/thermal_throttle", cpu);

		if (!path)
			return -ENOMEM;
		if (access(path, F_OK) == 0)
			r = hoy_strv_add(paths, path);
	}
	return r;
}

static int default_paths(struct hoy_container_host_config *host, bool open)
{
	int r = 0;

	if (!host->masked_paths) {
		r = empty_strv(&host->masked_paths);
		for (size_t i = 0; !open && i < ARRAY_LEN(masked) && r >= 0; i++)
			r = hoy_strv_add(&host->masked_paths, masked[i]);
		if (!open && r >= 0)
			r = add_thermal_paths(&host->masked_paths);
	}
	if (r >= 0 && !host->readonly_paths) {
		r = empty_strv(&host->readonly_paths);
		for (size_t i = 0; !open && i < ARRAY_LEN(readonly) && r >= 0; i++)
			r = hoy_strv_add(&host->readonly_paths, readonly[i]);
	}
	return r;
}

/* On a host whose controllers sit on v1 a private cgroup namespace would hide nothing more; docker's default too. */
static const char *default_cgroupns(void)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;

	if (hoy_cgroup_host_detect(&host, NULL) < 0)
		return "host";
	return hoy_cgroup_host_mode(host) == HOY_CGROUP_UNIFIED ? "private" : "host";
}

static int default_host(struct hoy_container_host_config *host, bool system_paths_unconfined)
{
	int r = 0;

	if (hoy_str_eq(host->network_mode, "default")) {
		free(host->network_mode);
		host->network_mode = NULL;
	}
	r = set_default(&host->network_mode, "bridge");
	if (r >= 0)
		r = set_default(&host->log_config.type, "json-file");
	if (r >= 0)
		r = set_default(&host->restart_policy.name, "no");
	if (r >= 0)
		r = set_default(&host->ipc_mode, "private");
	if (r >= 0)
		r = set_default(&host->cgroupns_mode, host->privileged ? "host" : default_cgroupns());
	if (r >= 0)
		r = set_default(&host->runtime, "hoyrun");
	if (r >= 0 && !host->port_bindings)
		r = set_default(&host->port_bindings, "{}");
	if (r >= 0)
		r = default_paths(host, host->privileged || system_paths_unconfined);
	if (host->shm_size == 0)
		host->shm_size = 64 << 20;
	if (host->memory > 0 && host->memory_swap == 0)
		host->memory_swap = 2 * host->memory;
	return r;
}

static int default_console_size(struct hoy_container_host_config *host)
{
	if (host->n_console_size == 2)
		return 0;
	host->console_size = calloc(2, sizeof *host->console_size);
	host->n_console_size = host->console_size ? 2 : 0;
	return host->console_size ? 0 : -ENOMEM;
}

static int default_hostname(struct hoy_container_config *config, const char *id)
{
	char name[64] = "";

	if (config->hostname && *config->hostname)
		return 0;
	if (hoy_str_eq(config->host.network_mode, "host") || hoy_str_eq(config->host.uts_mode, "host")) {
		gethostname(name, sizeof name - 1);
		return set_default(&config->hostname, name);
	}
	snprintf(name, sizeof name, "%.12s", id);
	return set_default(&config->hostname, name);
}

int hoy_container_config_complete(struct hoy_container_config *config, const struct hoy_oci_image_config *image,
	const char *id, struct hoy_err *err)
{
	struct hoy_security security;
	int r = hoy_security_parse(config, &security, err);

	if (r < 0)
		return r;
	if (image->config)
		r = merge_image(config, image->config);
	if (r >= 0)
		r = default_host(&config->host, security.system_paths_unconfined);
	if (r >= 0)
		r = default_console_size(&config->host);
	if (r >= 0)
		r = default_hostname(config, id);
	if (r < 0)
		return hoy_err_oom(err);
	if (hoy_strv_len(config->entrypoint) == 0 && hoy_strv_len(config->cmd) == 0)
		return hoy_err_invalid(err, "no command specified");
	return 0;
}
