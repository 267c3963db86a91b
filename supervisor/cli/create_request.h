/* The options of `run` and `create`, and the create request they become. */
#ifndef HOY_CLI_CREATE_REQUEST_H
#define HOY_CLI_CREATE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "supervisor/cli/options.h"

/* --health-cmd and its numbers (times in ns), --no-healthcheck: of `run`, `create` and `update`. */
struct hoy_health_options {
	const char *cmd;
	int64_t interval, timeout, start_period, start_interval, retries;
	bool none;
};

struct hoy_run_options {
	/* how the command behaves */
	bool detach, rm, sig_proxy, quiet, content_untrusted, api_socket;
	const char *name, *detach_keys, *cidfile, *pull, *platform;
	/* Config */
	bool interactive, tty;
	const char *hostname, *domainname, *user, *workdir, *entrypoint, *stop_signal;
	bool entrypoint_given, stop_timeout_given;
	int64_t stop_timeout;
	char **env, **env_file, **label, **label_file, **expose, **attach;
	struct hoy_health_options health;
	/* HostConfig */
	char **publish, **volume, **mount, **tmpfs, **volumes_from, **cap_add, **cap_drop, **security_opt, **group_add,
		**add_host, **dns, **dns_option, **dns_search, **device, **device_cgroup_rule, **gpus, **sysctl,
		**ulimit, **secret, **config, **log_opt, **annotation, **storage_opt;
	char **blkio_weight_device, **device_read_bps, **device_read_iops, **device_write_bps, **device_write_iops;
	const char *restart, *ipc, *pid, *uts, *userns, *cgroupns, *cgroup_parent, *cpuset_cpus, *cpuset_mems,
		*log_driver, *runtime, *volume_driver, *isolation;
	bool publish_all, read_only, privileged, oom_kill_disable, init, init_given;
	int64_t memory, memory_swap, memory_reservation, memory_swappiness, kernel_memory, shm_size, cpu_shares,
		cpu_quota, cpu_period, cpu_rt_period, cpu_rt_runtime, cpu_count, cpu_percent, pids_limit, oom_score_adj,
		blkio_weight, io_maxiops, io_maxbandwidth;
	double cpus;
	/* networks */
	char **network, **network_alias, **link, **link_local_ip;
	const char *egress;
	const char *ip, *ip6, *mac_address;
};

extern const struct hoy_option hoy_run_option_table[];
extern const struct hoy_option hoy_create_option_table[];
extern const struct hoy_run_options hoy_run_option_defaults;

/* The JSON body for `args` = IMAGE [COMMAND] [ARG...]. `proxies` are variables for those the user didn't set; NULL:
 * none. 0 or -errno with the option named. */
int hoy_create_request_print(const struct hoy_run_options *options, char *const *args, char *const *proxies,
	struct hoy_buf *out, struct hoy_err *err);

/* The variables that -e and --env-file give: "NAME=value"; a NAME alone takes ours; of -e, one we have not stays a NAME
 * alone. */
int hoy_create_request_env(char *const *env, char *const *files, char ***ret, struct hoy_err *err);

bool hoy_health_options_given(const struct hoy_health_options *health);

/* The member Healthcheck that they ask for; what they do not name is as in `now`, the one that is there (NULL: none). */
int hoy_health_options_print(struct hoy_json_writer *w, const struct hoy_health_options *health,
	const struct hoy_json *now, struct hoy_err *err);

/* One published port, "127.0.0.1:8080:80/tcp" with its parts resolved; for a range one per port. */
struct hoy_publish {
	char *host_ip;   /* "" when none was given */
	char *host_port; /* "" for any */
	char *container; /* "80/tcp" */
};
/* Appends what `spec` means to the array. */
int hoy_publish_parse(const char *spec, struct hoy_publish **list, size_t *n, struct hoy_err *err);
void hoy_publish_free(struct hoy_publish *list, size_t n);

#endif
