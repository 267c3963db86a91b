/* The config.json of a container: process, namespaces, limits. Mounts and devices have files of their own. */
#include "supervisor/container/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/ids.h"
#include "base/str.h"
#include "supervisor/container/cdi.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/seccomp_profile.h"
#include "supervisor/container/user.h"

/* --- process ------------------------------------------------------------------------------ */

/* PATH, HOSTNAME and TERM, then the container's own, of which "NAME" without '=' takes one away. */
static int build_env(const struct hoy_spec_input *in, char ***ret)
{
	auto_ptr(hoy_strv_free) char **env = NULL;
	auto_free char *hostname = hoy_str_printf("HOSTNAME=%s", in->config->hostname);
	int r = hostname ? 0 : -ENOMEM;

	if (r >= 0)
		r = hoy_env_set(&env, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	if (r >= 0)
		r = hoy_env_set(&env, hostname);
	if (r >= 0 && in->config->tty)
		r = hoy_env_set(&env, "TERM=xterm");
	for (size_t i = 0; in->link_env && in->link_env[i] && r >= 0; i++)
		r = hoy_env_set(&env, in->link_env[i]);
	for (size_t i = 0; in->config->env && in->config->env[i] && r >= 0; i++) {
		if (strchr(in->config->env[i], '='))
			r = hoy_env_set(&env, in->config->env[i]);
		else
			hoy_env_unset(env, in->config->env[i]);
	}
	if (r >= 0 && !hoy_env_get(env, "HOME")) {
		auto_free char *home = hoy_str_printf("HOME=%s", in->user->home ? in->user->home : "/");

		r = home ? hoy_env_set(&env, home) : -ENOMEM;
	}
	if (r < 0)
		return r;
	*ret = TAKE_PTR(env);
	return 0;
}

static int build_user(const struct hoy_container_user *from, struct hoy_oci_user *user)
{
	user->uid = from->uid;
	user->gid = from->gid;
	user->additional_gids = calloc(from->n_groups + 1, sizeof *user->additional_gids);
	if (!user->additional_gids)
		return -ENOMEM;
	if (hoy_ids_mapped("/proc/self/gid_map") == 1) /* nobody may set groups there */
		return 0;
	user->additional_gids[user->n_additional_gids++] = from->gid;
	for (size_t i = 0; i < from->n_groups; i++)
		user->additional_gids[user->n_additional_gids++] = from->groups[i];
	return 0;
}

static int build_caps(const struct hoy_container_config *config, struct hoy_oci_process *p, struct hoy_err *err)
{
	uint64_t caps;
	int r = hoy_caps_resolve(config, &caps, err);

	if (r < 0)
		return r;
	p->capabilities = calloc(1, sizeof *p->capabilities);
	if (!p->capabilities)
		return hoy_err_oom(err);
	for (unsigned int cap = 0; hoy_caps_name(cap) && r >= 0; cap++)
		if (caps & (1ULL << cap))
			r = hoy_strv_add(&p->capabilities->bounding, hoy_caps_name(cap));
	if (r < 0 || !p->capabilities->bounding)
		return r < 0 ? hoy_err_oom(err) : 0;
	p->capabilities->permitted = hoy_strv_copy(p->capabilities->bounding);
	p->capabilities->effective = hoy_strv_copy(p->capabilities->bounding);
	return p->capabilities->permitted && p->capabilities->effective ? 0 : hoy_err_oom(err);
}

static int build_rlimits(const struct hoy_container_config *config, struct hoy_oci_process *p)
{
	for (size_t i = 0; i < config->host.n_ulimits; i++) {
		const struct hoy_container_ulimit *u = &config->host.ulimits[i];
		struct hoy_oci_rlimit *limit = hoy_field_add(&p->rlimits, &p->n_rlimits);

		if (!limit)
			return -ENOMEM;
		limit->type = strdup(hoy_ulimit_type(u->name));
		limit->soft = (uint64_t) u->soft;
		limit->hard = (uint64_t) u->hard;
		if (!limit->type)
			return -ENOMEM;
	}
	return 0;
}

static int build_console(const struct hoy_spec_input *in, struct hoy_oci_process *p)
{
	const struct hoy_container_host_config *host = &in->config->host;
	uint64_t height = in->tty_height, width = in->tty_width;

	p->terminal = in->config->tty;
	if (height == 0 && host->n_console_size == 2) {
		height = host->console_size[0];
		width = host->console_size[1];
	}
	if (!p->terminal || height == 0 || width == 0)
		return 0;
	p->console_size = calloc(1, sizeof *p->console_size);
	if (!p->console_size)
		return -ENOMEM;
	*p->console_size = (struct hoy_oci_console_size){ .height = height, .width = width };
	return 0;
}

static int build_oom_score(const struct hoy_spec_input *in, struct hoy_oci_process *p)
{
	int32_t score = (int32_t) in->config->host.oom_score_adj;

	if (score == 0 && in->oom_score_adj >= 0)
		return 0;
	p->oom_score_adj = hoy_field_new(int32_t, score);
	return p->oom_score_adj ? 0 : -ENOMEM;
}

static int build_args(const struct hoy_spec_input *in, char ***ret)
{
	int r = 0;

	if (in->init_path)
		r = hoy_strv_add(ret, HOY_INIT_INSIDE);
	if (in->init_path && r >= 0)
		r = hoy_strv_add(ret, "--");
	for (size_t i = 0; in->args[i] && r >= 0; i++)
		r = hoy_strv_add(ret, in->args[i]);
	return r;
}

int hoy_spec_build_process(const struct hoy_spec_input *in, struct hoy_oci_process *p, struct hoy_err *err)
{
	const char *cwd = in->config->working_dir;
	struct hoy_security security;
	int r = hoy_security_parse(in->config, &security, err);

	if (r >= 0)
		r = build_caps(in->config, p, err);
	if (r < 0)
		return r;
	p->no_new_privileges = security.no_new_privileges;
	if (security.apparmor_profile && !(p->apparmor_profile = strdup(security.apparmor_profile)))
		return hoy_err_oom(err);
	r = build_args(in, &p->args);
	if (r < 0)
		return hoy_err_oom(err);
	p->cwd = strdup(cwd && *cwd ? cwd : "/");
	r = p->cwd ? 0 : -ENOMEM;
	if (r >= 0)
		r = build_env(in, &p->env);
	if (r >= 0)
		r = build_user(in->user, &p->user);
	if (r >= 0)
		r = build_rlimits(in->config, p);
	if (r >= 0)
		r = build_console(in, p);
	if (r >= 0)
		r = build_oom_score(in, p);
	return r < 0 ? hoy_err_oom(err) : 0;
}

/* --- linux --------------------------------------------------------------------------------- */

static int build_namespaces(const struct hoy_spec_input *in, struct hoy_oci_linux *l)
{
	const struct hoy_container_host_config *host = &in->config->host;
	const struct {
		enum hoy_oci_ns_type type;
		bool shared;
		const char *path;
	} namespaces[] = {
		{ HOY_OCI_NS_MOUNT, false, NULL },
		{ HOY_OCI_NS_NETWORK, hoy_str_eq(host->network_mode, "host"), in->net_path },
		{ HOY_OCI_NS_UTS, hoy_str_eq(host->uts_mode, "host"), NULL },
		{ HOY_OCI_NS_PID, hoy_str_eq(host->pid_mode, "host"), in->pid_path },
		{ HOY_OCI_NS_IPC, hoy_str_eq(host->ipc_mode, "host"), in->ipc_path },
		{ HOY_OCI_NS_CGROUP, !hoy_str_eq(host->cgroupns_mode, "private"), NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(namespaces); i++) {
		struct hoy_oci_namespace *ns;

		if (namespaces[i].shared)
			continue;
		ns = hoy_field_add(&l->namespaces, &l->n_namespaces);
		if (!ns)
			return -ENOMEM;
		ns->type = namespaces[i].type;
		if (namespaces[i].path && !(ns->path = strdup(namespaces[i].path)))
			return -ENOMEM;
	}
	return 0;
}

static int build_sysctls(const struct hoy_container_host_config *host, struct hoy_oci_linux *l)
{
	/* a group that is not mapped is none */
	uint32_t last_group = MIN(hoy_ids_mapped("/proc/self/gid_map") - 1, (uint32_t) INT32_MAX);
	auto_free char *groups = hoy_str_printf("0 %u", last_group);
	int r = groups ? 0 : -ENOMEM;

	if (r >= 0 && !hoy_str_eq(host->network_mode, "host") && !hoy_container_mode_names(host->network_mode)) {
		r = hoy_oci_kv_set(&l->sysctl, &l->n_sysctl, "net.ipv4.ip_unprivileged_port_start", "0");
		if (r >= 0)
			r = hoy_oci_kv_set(&l->sysctl, &l->n_sysctl, "net.ipv4.ping_group_range", groups);
	}
	for (size_t i = 0; i < host->n_sysctls && r >= 0; i++)
		r = hoy_oci_kv_set(&l->sysctl, &l->n_sysctl, host->sysctls[i].key, host->sysctls[i].value);
	return r;
}

#define SET(field, type, wanted, value)                                                                                \
	do {                                                                                                           \
		if (wanted) {                                                                                          \
			(field) = hoy_field_new(type, (type) (value));                                                 \
			if (!(field))                                                                                  \
				return -ENOMEM;                                                                        \
		}                                                                                                      \
	} while (0)

static int build_memory(const struct hoy_spec_input *in, struct hoy_oci_resources *res)
{
	const struct hoy_container_host_config *host = &in->config->host;
	const int64_t *swappiness = host->memory_swappiness;
	struct hoy_oci_memory *m = calloc(1, sizeof *m);

	res->memory = m;
	if (!m)
		return -ENOMEM;
	SET(m->limit, int64_t, host->memory > 0, host->memory);
	SET(m->reservation, int64_t, host->memory_reservation > 0, host->memory_reservation);
	SET(m->swap, int64_t, host->memory > 0 && host->memory_swap != 0 && in->swap_limits, host->memory_swap);
	SET(m->disable_oom_killer, bool, host->oom_kill_disable && * host->oom_kill_disable, true);
	SET(m->swappiness, uint64_t, swappiness && *swappiness >= 0, *swappiness);
	return 0;
}

static int build_cpu(const struct hoy_container_host_config *host, struct hoy_oci_resources *res)
{
	struct hoy_oci_cpu *cpu = calloc(1, sizeof *cpu);

	res->cpu = cpu;
	if (!cpu)
		return -ENOMEM;
	SET(cpu->shares, uint64_t, host->cpu_shares > 0, host->cpu_shares);
	if (host->nano_cpus > 0) {
		SET(cpu->period, uint64_t, true, 100000);
		SET(cpu->quota, int64_t, true, host->nano_cpus / 10000);
	}
	SET(cpu->period, uint64_t, host->cpu_period > 0, host->cpu_period);
	SET(cpu->quota, int64_t, host->cpu_quota > 0, host->cpu_quota);
	SET(cpu->realtime_period, uint64_t, host->cpu_realtime_period > 0, host->cpu_realtime_period);
	SET(cpu->realtime_runtime, int64_t, host->cpu_realtime_runtime > 0, host->cpu_realtime_runtime);
	if (host->cpuset_cpus && *host->cpuset_cpus && !(cpu->cpus = strdup(host->cpuset_cpus)))
		return -ENOMEM;
	if (host->cpuset_mems && *host->cpuset_mems && !(cpu->mems = strdup(host->cpuset_mems)))
		return -ENOMEM;
	return 0;
}

/* Without a cgroup a container may run that asks for none of this. */
static void drop_empty(struct hoy_oci_resources *res)
{
	static const struct hoy_oci_memory no_memory;
	static const struct hoy_oci_cpu no_cpu;

	if (memcmp(res->memory, &no_memory, sizeof no_memory) == 0) {
		free(res->memory);
		res->memory = NULL;
	}
	if (memcmp(res->cpu, &no_cpu, sizeof no_cpu) == 0) {
		free(res->cpu);
		res->cpu = NULL;
	}
}

int hoy_spec_build_resources(const struct hoy_spec_input *in, struct hoy_oci_linux *l)
{
	const struct hoy_container_host_config *host = &in->config->host;
	int r;

	l->resources = calloc(1, sizeof *l->resources);
	if (!l->resources)
		return -ENOMEM;
	r = build_memory(in, l->resources);
	if (r >= 0)
		r = build_cpu(host, l->resources);
	if (r < 0)
		return r;
	drop_empty(l->resources);
	if (!host->pids_limit || *host->pids_limit <= 0)
		return r;
	l->resources->pids = calloc(1, sizeof *l->resources->pids);
	if (!l->resources->pids)
		return -ENOMEM;
	l->resources->pids->limit = *host->pids_limit;
	return 0;
}

static int build_seccomp(const struct hoy_container_config *config, const struct hoy_oci_process *process,
	struct hoy_oci_linux *l, struct hoy_err *err)
{
	auto_ptr(hoy_seccomp_profile_free) struct hoy_seccomp_profile *profile = NULL;
	static char *const no_caps[] = { NULL };
	char *const *caps = process->capabilities->bounding ? process->capabilities->bounding : no_caps;
	const struct hoy_seccomp_target target = { .caps = (const char *const *) caps };
	struct hoy_security security;
	int r = hoy_security_parse(config, &security, err);

	if (r < 0 || security.seccomp_unconfined || (config->host.privileged && !security.seccomp_profile))
		return r;
	if (security.seccomp_profile)
		r = hoy_seccomp_profile_parse(
			security.seccomp_profile, strlen(security.seccomp_profile), &profile, err);
	else
		r = hoy_seccomp_profile_default(&profile, err);
	return r < 0 ? r : hoy_seccomp_profile_resolve(profile, &target, &l->seccomp, err);
}

static int build_linux(const struct hoy_spec_input *in, struct hoy_oci_spec *spec, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &in->config->host;
	const char *parent = host->cgroup_parent && *host->cgroup_parent ? host->cgroup_parent : "/hoy";
	struct hoy_oci_linux *l = spec->linux_;
	int r;

	l->cgroups_path = hoy_str_printf("%s%s/%s", *parent == '/' ? "" : "/", parent, in->id);
	l->masked_paths = hoy_strv_copy(host->masked_paths);
	l->readonly_paths = hoy_strv_copy(host->readonly_paths);
	r = l->cgroups_path && l->masked_paths && l->readonly_paths ? 0 : -ENOMEM;
	if (r >= 0)
		r = build_namespaces(in, l);
	if (r >= 0)
		r = build_sysctls(host, l);
	if (r >= 0)
		r = hoy_spec_build_resources(in, l);
	if (r < 0)
		return hoy_err_oom(err);
	return build_seccomp(in->config, spec->process, l, err);
}

/* --- the whole --------------------------------------------------------------------------------- */

static int build_names(const struct hoy_spec_input *in, struct hoy_oci_spec *spec)
{
	const struct hoy_container_config *config = in->config;
	int r = 0;

	spec->oci_version = strdup(HOY_OCI_VERSION_MAX);
	spec->root->path = strdup("rootfs");
	spec->root->readonly = config->host.readonly_rootfs;
	if (!spec->oci_version || !spec->root->path)
		return -ENOMEM;
	if (!hoy_str_eq(config->host.uts_mode, "host")) {
		spec->hostname = strdup(config->hostname);
		if (!spec->hostname)
			return -ENOMEM;
		if (config->domainname && *config->domainname && !(spec->domainname = strdup(config->domainname)))
			return -ENOMEM;
	}
	for (size_t i = 0; i < config->host.n_annotations && r >= 0; i++)
		r = hoy_oci_kv_add(&spec->annotations, &spec->n_annotations, config->host.annotations[i].key,
			config->host.annotations[i].value);
	return r;
}

int hoy_spec_build(const struct hoy_spec_input *input, struct hoy_oci_spec **ret, struct hoy_err *err)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = calloc(1, sizeof *spec);
	int r;

	if (!spec)
		return hoy_err_oom(err);
	spec->process = calloc(1, sizeof *spec->process);
	spec->root = calloc(1, sizeof *spec->root);
	spec->linux_ = calloc(1, sizeof *spec->linux_);
	if (!spec->process || !spec->root || !spec->linux_ || build_names(input, spec) < 0)
		return hoy_err_oom(err);
	r = hoy_spec_build_process(input, spec->process, err);
	if (r >= 0)
		r = build_linux(input, spec, err);
	if (r >= 0)
		r = hoy_spec_add_mounts(spec, input, err);
	if (r >= 0)
		r = hoy_spec_add_devices(spec, input, err);
	if (r >= 0)
		r = hoy_spec_add_block_io(spec, input, err);
	if (r >= 0)
		r = hoy_spec_add_cdi(spec, input, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(spec);
	return 0;
}
