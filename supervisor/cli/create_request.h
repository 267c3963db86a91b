/* The options of `run` and `create`, and the create request they become. */
#ifndef HOY_CLI_CREATE_REQUEST_H
#define HOY_CLI_CREATE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "supervisor/cli/options.h"

struct hoy_run_options {
	/* how the command behaves */
	bool detach, rm, sig_proxy, quiet;
	const char *name, *detach_keys, *cidfile, *pull;
	/* Config */
	bool interactive, tty;
	const char *hostname, *domainname, *user, *workdir, *entrypoint, *stop_signal;
	bool entrypoint_given, stop_timeout_given;
	int64_t stop_timeout;
	char **env, **env_file, **label, **label_file, **expose, **attach;
	/* HostConfig */
	char **publish, **volume, **tmpfs, **cap_add, **cap_drop, **security_opt, **group_add, **add_host, **dns,
		**dns_option, **dns_search, **device, **sysctl, **ulimit, **log_opt, **annotation;
	const char *network, *restart, *ipc, *pid, *uts, *cgroup_parent, *cpuset_cpus, *cpuset_mems, *log_driver,
		*runtime;
	bool publish_all, read_only, privileged, oom_kill_disable, init;
	int64_t memory, memory_swap, memory_reservation, shm_size, cpu_shares, cpu_quota, cpu_period, pids_limit,
		oom_score_adj, blkio_weight;
	double cpus;
};

extern const struct hoy_option hoy_run_option_table[];
extern const struct hoy_option hoy_create_option_table[];
extern const struct hoy_run_options hoy_run_option_defaults;

/* The JSON body for `args` = IMAGE [COMMAND] [ARG...]. 0 or -errno with the option named. */
int hoy_create_request_print(
	const struct hoy_run_options *options, char *const *args, struct hoy_buf *out, struct hoy_err *err);

/* The variables that -e and --env-file give: "NAME=value"; a NAME alone takes ours, if we have it. */
int hoy_create_request_env(char *const *env, char *const *files, char ***ret, struct hoy_err *err);

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
