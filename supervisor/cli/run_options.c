/* The options of `run` and `create`. */
#include "supervisor/cli/create_request.h"

const struct hoy_run_options hoy_run_option_defaults = {
	.sig_proxy = true, .content_untrusted = true, .memory_swappiness = -1
};

#define O(letter, name, type, value, member, help)                                                                     \
	HOY_OPTION(letter, name, HOY_OPTION_##type, value, struct hoy_run_options, member, help)
#define H(name, type, value, member)                                                                                   \
	HOY_OPTION_HIDDEN(0, name, HOY_OPTION_##type, value, struct hoy_run_options, member)

/* Rows that `run` and `create` share. */
#define SHARED_OPTIONS                                                                                                                    \
	O(0, "add-host", LIST, "list", add_host, "Add a custom host-to-IP mapping (host:ip)"),                                            \
		O(0, "annotation", LIST, "map", annotation,                                                                               \
			"Add an annotation to the container (passed through to the OCI runtime)"),                                        \
		O('a', "attach", LIST, "list", attach, "Attach to STDIN, STDOUT or STDERR"),                                              \
		O(0, "blkio-weight", UINT, "uint16", blkio_weight,                                                                        \
			"Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)"),                                  \
		O(0, "blkio-weight-device", LIST, "list", blkio_weight_device,                                                            \
			"Block IO weight (relative device weight)"),                                                                      \
		O(0, "cap-add", LIST, "list", cap_add, "Add Linux capabilities"),                                                         \
		O(0, "cap-drop", LIST, "list", cap_drop, "Drop Linux capabilities"),                                                      \
		O(0, "cgroup-parent", STRING, "string", cgroup_parent, "Optional parent cgroup for the container"),                       \
		O(0, "cgroupns", STRING, "string", cgroupns,                                                                              \
			"Cgroup namespace to use: 'host' or 'private' (default: what the engine is set to)"),                             \
		O(0, "cidfile", STRING, "string", cidfile, "Write the container ID to the file"),                                         \
		O(0, "config", LIST, "config", config,                                                                                    \
			"Give the container a config as a file (NAME[,target=,uid=,gid=,mode=])"),                                        \
		O(0, "cpu-count", INT, "int", cpu_count, "CPU count (Windows only)"),                                                     \
		O(0, "cpu-percent", INT, "int", cpu_percent, "CPU percent (Windows only)"),                                               \
		O(0, "cpu-period", INT, "int", cpu_period, "Limit CPU CFS (Completely Fair Scheduler) period"),                           \
		O(0, "cpu-quota", INT, "int", cpu_quota, "Limit CPU CFS (Completely Fair Scheduler) quota"),                              \
		O(0, "cpu-rt-period", INT, "int", cpu_rt_period, "Limit CPU real-time period in microseconds"),                           \
		O(0, "cpu-rt-runtime", INT, "int", cpu_rt_runtime, "Limit CPU real-time runtime in microseconds"),                        \
		O('c', "cpu-shares", INT, "int", cpu_shares, "CPU shares (relative weight)"),                                             \
		O(0, "cpus", DECIMAL, "decimal", cpus, "Number of CPUs"),                                                                 \
		O(0, "cpuset-cpus", STRING, "string", cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)"),                        \
		O(0, "cpuset-mems", STRING, "string", cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)"),                        \
		O(0, "device", LIST, "list", device, "Add a host device to the container"),                                               \
		O(0, "device-cgroup-rule", LIST, "list", device_cgroup_rule,                                                              \
			"Add a rule to the cgroup allowed devices list"),                                                                 \
		O(0, "device-read-bps", LIST, "list", device_read_bps,                                                                    \
			"Limit read rate (bytes per second) from a device"),                                                              \
		O(0, "device-read-iops", LIST, "list", device_read_iops,                                                                  \
			"Limit read rate (IO per second) from a device"),                                                                 \
		O(0, "device-write-bps", LIST, "list", device_write_bps,                                                                  \
			"Limit write rate (bytes per second) to a device"),                                                               \
		O(0, "device-write-iops", LIST, "list", device_write_iops,                                                                \
			"Limit write rate (IO per second) to a device"),                                                                  \
		O(0, "disable-content-trust", BOOL, NULL, content_untrusted,                                                              \
			"Skip image verification: there is none to switch on (default true)"),                                            \
		O(0, "dns", LIST, "list", dns, "Set custom DNS servers"),                                                                 \
		O(0, "dns-option", LIST, "list", dns_option, "Set DNS options"),                                                          \
		O(0, "dns-search", LIST, "list", dns_search, "Set custom DNS search domains"),                                            \
		O(0, "domainname", STRING, "string", domainname, "Container NIS domain name"),                                            \
		HOY_OPTION_WITH_SET(0, "entrypoint", HOY_OPTION_STRING, "string", struct hoy_run_options, entrypoint,                     \
			entrypoint_given, "Overwrite the default ENTRYPOINT of the image"),                                               \
		O('e', "env", LIST, "list", env, "Set environment variables"),                                                            \
		O(0, "env-file", LIST, "list", env_file, "Read in a file of environment variables"),                                      \
		O(0, "expose", LIST, "list", expose, "Expose a port or a range of ports"),                                                \
		O(0, "gpus", LIST, "gpu-request", gpus,                                                                                   \
			"GPU devices to add to the container ('all' for all of them)"),                                                   \
		O(0, "group-add", LIST, "list", group_add, "Add additional groups to join"),                                              \
		O(0, "health-cmd", STRING, "string", health.cmd, "Command to run to check health"),                                       \
		O(0, "health-interval", DURATION, "duration", health.interval,                                                            \
			"Time between running the check (ms|s|m|h) (default 0s)"),                                                        \
		O(0, "health-retries", INT, "int", health.retries, "Consecutive failures needed to report unhealthy"),                    \
		O(0, "health-start-interval", DURATION, "duration", health.start_interval,                                                \
			"Time between running the check during the start period (ms|s|m|h) (default 0s)"),                                \
		O(0, "health-start-period", DURATION, "duration", health.start_period,                                                    \
			"Start period for the container to initialize before starting health-retries countdown (ms|s|m|h) (default 0s)"), \
		O(0, "health-timeout", DURATION, "duration", health.timeout,                                                              \
			"Maximum time to allow one check to run (ms|s|m|h) (default 0s)"),                                                \
		O('h', "hostname", STRING, "string", hostname, "Container host name"),                                                    \
		HOY_OPTION_WITH_SET(0, "init", HOY_OPTION_BOOL, NULL, struct hoy_run_options, init, init_given,                           \
			"Run an init inside the container that forwards signals and reaps processes"),                                    \
		O('i', "interactive", BOOL, NULL, interactive, "Keep STDIN open even if not attached"),                                   \
		O(0, "io-maxbandwidth", BYTES, "bytes", io_maxbandwidth,                                                                  \
			"Maximum IO bandwidth limit for the system drive (Windows only)"),                                                \
		O(0, "io-maxiops", UINT, "uint", io_maxiops,                                                                              \
			"Maximum IOps limit for the system drive (Windows only)"),                                                        \
		O(0, "ip", STRING, "string", ip, "IPv4 address (e.g., 172.30.100.104)"),                                                  \
		O(0, "ip6", STRING, "string", ip6, "IPv6 address (e.g., 2001:db8::33)"),                                                  \
		O(0, "ipc", STRING, "string", ipc, "IPC mode to use"),                                                                    \
		O(0, "isolation", STRING, "string", isolation, "Container isolation technology"),                                         \
		O(0, "kernel-memory", BYTES, "bytes", kernel_memory, "Kernel memory limit"),                                              \
		O('l', "label", LIST, "list", label, "Set meta data on a container"),                                                     \
		O(0, "label-file", LIST, "list", label_file, "Read in a line delimited file of labels"),                                  \
		O(0, "link", LIST, "list", link, "Add link to another container"),                                                        \
		O(0, "egress", STRING, "string", egress,                                                                                  \
			"What leaves its network: none or allow=ADDRESS[/BITS][:PORT],NAME[:PORT],..."),                                  \
		O(0, "link-local-ip", LIST, "list", link_local_ip, "Container IPv4/IPv6 link-local addresses"),                           \
		O(0, "log-driver", STRING, "string", log_driver, "Logging driver for the container"),                                     \
		O(0, "log-opt", LIST, "list", log_opt, "Log driver options"),                                                             \
		O(0, "mac-address", STRING, "string", mac_address, "Container MAC address (e.g., 92:d0:c6:0a:29:33)"),                    \
		O('m', "memory", BYTES, "bytes", memory, "Memory limit"),                                                                 \
		O(0, "memory-reservation", BYTES, "bytes", memory_reservation, "Memory soft limit"),                                      \
		O(0, "memory-swap", BYTES, "bytes", memory_swap,                                                                          \
			"Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),                                           \
		O(0, "memory-swappiness", INT, "int", memory_swappiness,                                                                  \
			"Tune container memory swappiness (0 to 100) (default -1)"),                                                      \
		O(0, "mount", LIST, "mount", mount, "Attach a filesystem mount to the container"),                                        \
		O(0, "name", STRING, "string", name, "Assign a name to the container"),                                                   \
		O(0, "network", LIST, "network", network, "Connect a container to a network"),                                            \
		O(0, "network-alias", LIST, "list", network_alias, "Add network-scoped alias for the container"),                         \
		O(0, "no-healthcheck", BOOL, NULL, health.none, "Disable any container-specified HEALTHCHECK"),                           \
		O(0, "oom-kill-disable", BOOL, NULL, oom_kill_disable, "Disable OOM Killer"),                                             \
		O(0, "oom-score-adj", INT, "int", oom_score_adj, "Tune host's OOM preferences (-1000 to 1000)"),                          \
		O(0, "pid", STRING, "string", pid, "PID namespace to use"),                                                               \
		O(0, "pids-limit", INT, "int", pids_limit, "Tune container pids limit (set -1 for unlimited)"),                           \
		O(0, "platform", STRING, "string", platform, "Set platform if server is multi-platform capable"),                         \
		O(0, "privileged", BOOL, NULL, privileged, "Give extended privileges to this container"),                                 \
		O('p', "publish", LIST, "list", publish, "Publish a container's port(s) to the host"),                                    \
		O('P', "publish-all", BOOL, NULL, publish_all, "Publish all exposed ports to random ports"),                              \
		O(0, "pull", STRING, "string", pull,                                                                                      \
			"Pull image before running (\"always\", \"missing\", \"never\") (default \"missing\")"),                          \
		O('q', "quiet", BOOL, NULL, quiet, "Suppress the pull output"),                                                           \
		O(0, "read-only", BOOL, NULL, read_only, "Mount the container's root filesystem as read only"),                           \
		O(0, "restart", STRING, "string", restart,                                                                                \
			"Restart policy to apply when a container exits (default \"no\")"),                                               \
		O(0, "rm", BOOL, NULL, rm,                                                                                                \
			"Automatically remove the container and its associated anonymous volumes when it exits"),                         \
		O(0, "runtime", STRING, "string", runtime, "Runtime to use for this container"),                                          \
		O(0, "secret", LIST, "secret", secret,                                                                                    \
			"Give the container a secret as a file (NAME[,target=,uid=,gid=,mode=])"),                                        \
		O(0, "security-opt", LIST, "list", security_opt, "Security Options"),                                                     \
		O(0, "shm-size", BYTES, "bytes", shm_size, "Size of /dev/shm"),                                                           \
		O(0, "stop-signal", STRING, "string", stop_signal, "Signal to stop the container"),                                       \
		HOY_OPTION_WITH_SET(0, "stop-timeout", HOY_OPTION_INT, "int", struct hoy_run_options, stop_timeout,                       \
			stop_timeout_given, "Timeout (in seconds) to stop a container"),                                                  \
		O(0, "storage-opt", LIST, "list", storage_opt, "Storage driver options for the container"),                               \
		O(0, "sysctl", LIST, "map", sysctl, "Sysctl options"),                                                                    \
		O(0, "tmpfs", LIST, "list", tmpfs, "Mount a tmpfs directory"),                                                            \
		O('t', "tty", BOOL, NULL, tty, "Allocate a pseudo-TTY"),                                                                  \
		O(0, "ulimit", LIST, "ulimit", ulimit, "Ulimit options"),                                                                 \
		HOY_OPTION_REFUSE(0, "use-api-socket", NULL,                                                                              \
			"mount the socket with --volume if a container must reach the engine"),                                           \
		O('u', "user", STRING, "string", user, "Username or UID (format: <name|uid>[:<group|gid>])"),                             \
		O(0, "userns", STRING, "string", userns, "User namespace to use"),                                                        \
		O(0, "uts", STRING, "string", uts, "UTS namespace to use"),                                                               \
		O('v', "volume", LIST, "list", volume, "Bind mount a volume"),                                                            \
		O(0, "volume-driver", STRING, "string", volume_driver, "Optional volume driver for the container"),                       \
		O(0, "volumes-from", LIST, "list", volumes_from, "Mount volumes from the specified container(s)"),                        \
		O('w', "workdir", STRING, "string", workdir, "Working directory inside the container"),                                   \
		H("dns-opt", LIST, "list", dns_option), H("net", LIST, "network", network),                                               \
		H("net-alias", LIST, "list", network_alias)

const struct hoy_option hoy_run_option_table[] = {
	SHARED_OPTIONS,
	O('d', "detach", BOOL, NULL, detach, "Run container in background and print container ID"),
	O(0, "detach-keys", STRING, "string", detach_keys, "Override the key sequence for detaching a container"),
	O(0, "sig-proxy", BOOL, NULL, sig_proxy, "Proxy received signals to the process (default true)"),
	HOY_OPTION_END,
};

const struct hoy_option hoy_create_option_table[] = {
	SHARED_OPTIONS,
	HOY_OPTION_END,
};
