/* HostConfig: limits, namespaces, rights, logs, restarts. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/compose/body_internal.h"

int hoy_compose_body_mode(
	const struct hoy_compose_body *b, const char *what, const char *mode, char **ret, struct hoy_err *err)
{
	const char *container;

	if (!hoy_str_starts(mode, "service:")) {
		*ret = strdup(mode);
		return *ret ? 0 : hoy_err_oom(err);
	}
	container = b->container_of(mode + strlen("service:"), b->userdata);
	if (!container)
		return hoy_err_not_found(err, "%s: service \"%s\" has no container", what, mode + strlen("service:"));
	*ret = hoy_str_printf("container:%s", container);
	return *ret ? 0 : hoy_err_oom(err);
}

static int add_mode(const struct hoy_compose_body *b, struct hoy_json_writer *w, const char *member, const char *what,
	const char *mode, struct hoy_err *err)
{
	auto_free char *text = NULL;
	int r;

	if (!mode)
		return 0;
	r = hoy_compose_body_mode(b, what, mode, &text, err);
	if (r == 0)
		hoy_json_add_string(w, member, text);
	return r;
}

/* The mode that is given, or the network it is created on. */
static int add_network_mode(const struct hoy_compose_body *b, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_free struct hoy_compose_service_network **networks = hoy_compose_body_networks(b->service);
	const struct hoy_compose_network *network;

	if (!networks)
		return hoy_err_oom(err);
	if (b->service->network_mode)
		return add_mode(b, w, "NetworkMode", "network_mode", b->service->network_mode, err);
	network = networks[0] ? hoy_compose_network_find(b->project, networks[0]->name) : NULL;
	hoy_json_add_string(w, "NetworkMode", network ? network->real_name : "none");
	return 0;
}

static int add_restart(const struct hoy_compose_body *b, struct hoy_json_writer *w, struct hoy_err *err)
{
	const struct hoy_compose_service *s = b->service;
	const struct hoy_compose_restart_policy *policy = s->deploy ? s->deploy->restart_policy : NULL;
	const char *name = "no", *colon;
	int64_t count = 0;

	if (b->slug) {
		/* one-offs end when they end */
	} else if (s->restart) {
		colon = strchr(s->restart, ':');
		if (colon && hoy_str_to_i64(colon + 1, &count) < 0)
			return hoy_err_invalid(err, "restart: \"%s\" is no policy", s->restart);
		name = s->restart;
	} else if (policy && policy->condition) {
		name = strcmp(policy->condition, "none") == 0  ? "no"
		       : strcmp(policy->condition, "any") == 0 ? "always"
							       : policy->condition;
		count = policy->max_attempts && strcmp(name, "on-failure") == 0 ? *policy->max_attempts : 0;
	}
	hoy_json_object(w, "RestartPolicy");
	hoy_json_add_stringn(w, "Name", name, strcspn(name, ":"));
	hoy_json_add_i64(w, "MaximumRetryCount", count);
	hoy_json_end(w);
	return 0;
}

static int64_t nano(double cpus)
{
	return (int64_t) (cpus * 1e9 + 0.5);
}

/* deploy.resources counts before the older keys. */
static void add_resources(const struct hoy_compose_service *s, struct hoy_json_writer *w)
{
	const struct hoy_compose_resources *resources = s->deploy ? s->deploy->resources : NULL;
	const struct hoy_compose_resource *limits = resources ? resources->limits : NULL;
	const struct hoy_compose_resource *reserved = resources ? resources->reservations : NULL;
	const struct {
		const char *key;
		int64_t value;
	} numbers[] = {
		{ "Memory", limits && limits->memory ? limits->memory : s->mem_limit },
		{ "MemoryReservation", reserved && reserved->memory ? reserved->memory : s->mem_reservation },
		{ "MemorySwap", s->memswap_limit },
		{ "NanoCpus", nano(limits && limits->cpus > 0 ? limits->cpus : s->cpus) },
		{ "PidsLimit", limits && limits->pids ? limits->pids : s->pids_limit },
		{ "CpuShares", s->cpu_shares },
		{ "CpuPeriod", s->cpu_period },
		{ "CpuQuota", s->cpu_quota },
		{ "CpuRealtimePeriod", s->cpu_rt_period },
		{ "CpuRealtimeRuntime", s->cpu_rt_runtime },
		{ "CpuCount", s->cpu_count },
		{ "CpuPercent", (int64_t) s->cpu_percent },
		{ "OomScoreAdj", s->oom_score_adj },
		{ "ShmSize", s->shm_size },
		{ "BlkioWeight", s->blkio_config ? s->blkio_config->weight : 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		hoy_create_add_number(w, numbers[i].key, numbers[i].value);
	if (hoy_node_get(s->node, "mem_swappiness"))
		hoy_json_add_i64(w, "MemorySwappiness", s->mem_swappiness);
	if (s->oom_kill_disable)
		hoy_json_add_bool(w, "OomKillDisable", true);
	hoy_create_add_text(w, "CpusetCpus", s->cpuset);
	hoy_create_add_text(w, "CgroupParent", s->cgroup_parent);
}

static void add_ulimits(const struct hoy_compose_service *s, struct hoy_json_writer *w)
{
	if (!s->ulimits)
		return;
	hoy_json_array(w, "Ulimits");
	hoy_compose_each(struct hoy_compose_ulimit, u, s->ulimits)
	{
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "Name", u->name);
		hoy_json_add_i64(w, "Soft", u->soft);
		hoy_json_add_i64(w, "Hard", u->hard);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static void add_log(const struct hoy_compose_service *s, struct hoy_json_writer *w)
{
	if (!s->logging)
		return;
	hoy_json_object(w, "LogConfig");
	hoy_json_add_string(w, "Type", s->logging->driver ? s->logging->driver : "");
	hoy_compose_body_pairs(w, "Config", s->logging->options);
	hoy_json_end(w);
}

static int add_namespaces(const struct hoy_compose_body *b, struct hoy_json_writer *w, struct hoy_err *err)
{
	const struct hoy_compose_service *s = b->service;
	int r = add_network_mode(b, w, err);

	if (r == 0)
		r = add_mode(b, w, "IpcMode", "ipc", s->ipc, err);
	if (r == 0)
		r = add_mode(b, w, "PidMode", "pid", s->pid, err);
	hoy_create_add_text(w, "UTSMode", s->uts);
	hoy_create_add_text(w, "UsernsMode", s->userns_mode);
	hoy_create_add_text(w, "CgroupnsMode", s->cgroup);
	return r;
}

static int add_rights(const struct hoy_compose_service *s, struct hoy_json_writer *w, struct hoy_err *err)
{
	int r;

	hoy_json_add_bool(w, "Privileged", s->privileged);
	hoy_json_add_bool(w, "ReadonlyRootfs", s->read_only);
	hoy_create_add_list(w, "CapAdd", s->cap_add);
	hoy_create_add_list(w, "CapDrop", s->cap_drop);
	hoy_create_add_list(w, "GroupAdd", s->group_add);
	r = hoy_create_security(w, s->security_opt, err);
	return r < 0 ? hoy_err_wrap(err, "security_opt") : 0;
}

static int add_names(const struct hoy_compose_service *s, struct hoy_json_writer *w, struct hoy_err *err)
{
	hoy_create_add_list(w, "Dns", s->dns);
	hoy_create_add_list(w, "DnsOptions", s->dns_opt);
	hoy_create_add_list(w, "DnsSearch", s->dns_search);
	return hoy_create_hosts(w, s->extra_hosts, err);
}

int hoy_compose_body_host(const struct hoy_compose_body *b, struct hoy_json_writer *w, struct hoy_err *err)
{
	const struct hoy_compose_service *s = b->service;
	int r = add_namespaces(b, w, err);

	if (r == 0)
		r = add_restart(b, w, err);
	if (r == 0)
		r = add_rights(s, w, err);
	if (r == 0)
		r = add_names(s, w, err);
	if (r == 0)
		r = hoy_compose_body_ports(b, w, /* exposed= */ false, err);
	if (r == 0)
		r = hoy_compose_body_mounts(b, w, err);
	if (r < 0)
		return r;
	add_resources(s, w);
	add_ulimits(s, w);
	add_log(s, w);
	hoy_compose_body_devices(b, w);
	hoy_compose_body_pairs(w, "Sysctls", s->sysctls);
	hoy_compose_body_pairs(w, "StorageOpt", s->storage_opt);
	hoy_compose_body_pairs(w, "Annotations", s->annotations);
	hoy_create_add_text(w, "Runtime", s->runtime);
	hoy_create_add_text(w, "Isolation", s->isolation);
	if (s->init)
		hoy_json_add_bool(w, "Init", *s->init);
	if (b->standby)
		hoy_json_add_bool(w, "Standby", true);
	return 0;
}
