/* The options of `run` and `create`. */
#include "supervisor/cli/create_request.h"

const struct hoy_run_options hoy_run_option_defaults = { .sig_proxy = true, .pids_limit = 0 };

#define O(letter, name, type, value, member, help)                                                                     \
	HOY_OPTION(letter, name, HOY_OPTION_##type, value, struct hoy_run_options, member, help)

#define R(name, value, why) HOY_OPTION_REFUSE(0, name, value, why)

/* What docker has and this version has not: told by name, never ignored. */
#define REFUSED_OPTIONS                                                                                                \
	R("blkio-weight-device", "list", "io weights per device are not set by this version"),                         \
		R("cgroupns", "string", "every container has a cgroup namespace of its own"),                          \
		R("cpu-count", "int", "Windows only"), R("cpu-percent", "int", "Windows only"),                        \
		R("cpu-rt-period", "int", "real-time scheduling of containers is not set by this version"),            \
		R("cpu-rt-runtime", "int", "real-time scheduling of containers is not set by this version"),           \
		R("device-cgroup-rule", "list", "use --device"),                                                       \
		R("device-read-bps", "list", "io limits per device are not set by this version"),                      \
		R("device-read-iops", "list", "io limits per device are not set by this version"),                     \
		R("device-write-bps", "list", "io limits per device are not set by this version"),                     \
		R("device-write-iops", "list", "io limits per device are not set by this version"),                    \
		R("disable-content-trust", NULL, "there is no content trust to switch off"),                           \
		R("gpus", "gpu-request", "devices are not found by name yet: use --device"),                           \
		R("health-cmd", "string", "health checks are not run by this version"),                                \
		R("health-interval", "duration", "health checks are not run by this version"),                         \
		R("health-retries", "int", "health checks are not run by this version"),                               \
		R("health-start-interval", "duration", "health checks are not run by this version"),                   \
		R("health-start-period", "duration", "health checks are not run by this version"),                     \
		R("health-timeout", "duration", "health checks are not run by this version"),                          \
		R("io-maxbandwidth", "bytes", "Windows only"), R("io-maxiops", "uint", "Windows only"),                \
		R("ip", "string", "addresses are given by the network in this version"),                               \
		R("ip6", "string", "networks have no IPv6 in this version"), R("isolation", "string", "Windows only"), \
		R("kernel-memory", "bytes", "the kernel has no such limit any more: use --memory"),                    \
		R("link", "list", "use a network"),                                                                    \
		R("link-local-ip", "list", "addresses are given by the network in this version"),                      \
		R("mac-address", "string", "addresses are given by the network in this version"),                      \
		R("memory-swappiness", "int", "cgroups v2 have no such knob"),                                         \
		R("mount", "mount", "use --volume and --tmpfs in this version"),                                       \
		R("network-alias", "list", "names are not served by this version"),                                    \
		R("no-healthcheck", NULL, "health checks are not run by this version"),                                \
		R("platform", "string", "images run on the platform of this machine"),                                 \
		R("storage-opt", "list", "layers have no size limit in this version"),                                 \
		R("use-api-socket", NULL, "mount the socket with --volume if a container must reach the engine"),      \
		R("userns", "string", "user namespaces are not set up by this version"),                               \
		R("volume-driver", "string", "there are no volume drivers"),                                           \
		R("volumes-from", "list", "name the directories with --volume")

/* Rows that `run` and `create` share. */
#define SHARED_OPTIONS                                                                                                 \
	O(0, "add-host", LIST, "list", add_host, "Add a custom host-to-IP mapping (host:ip)"),                         \
		O(0, "annotation", LIST, "map", annotation,                                                            \
			"Add an annotation to the container (passed through to the OCI runtime)"),                     \
		O('a', "attach", LIST, "list", attach, "Attach to STDIN, STDOUT or STDERR"),                           \
		O(0, "blkio-weight", UINT, "uint16", blkio_weight,                                                     \
			"Block IO (relative weight), between 10 and 1000, or 0 to disable"),                           \
		O(0, "cap-add", LIST, "list", cap_add, "Add Linux capabilities"),                                      \
		O(0, "cap-drop", LIST, "list", cap_drop, "Drop Linux capabilities"),                                   \
		O(0, "cgroup-parent", STRING, "string", cgroup_parent, "Optional parent cgroup for the container"),    \
		O(0, "cidfile", STRING, "string", cidfile, "Write the container ID to the file"),                      \
		O(0, "cpu-period", INT, "int", cpu_period, "Limit CPU CFS period"),                                    \
		O(0, "cpu-quota", INT, "int", cpu_quota, "Limit CPU CFS quota"),                                       \
		O('c', "cpu-shares", INT, "int", cpu_shares, "CPU shares (relative weight)"),                          \
		O(0, "cpus", DECIMAL, "decimal", cpus, "Number of CPUs"),                                              \
		O(0, "cpuset-cpus", STRING, "string", cpuset_cpus, "CPUs in which to allow execution (0-3, 0,1)"),     \
		O(0, "cpuset-mems", STRING, "string", cpuset_mems, "MEMs in which to allow execution (0-3, 0,1)"),     \
		O(0, "device", LIST, "list", device, "Add a host device to the container"),                            \
		O(0, "dns", LIST, "list", dns, "Set custom DNS servers"),                                              \
		O(0, "dns-option", LIST, "list", dns_option, "Set DNS options"),                                       \
		O(0, "dns-search", LIST, "list", dns_search, "Set custom DNS search domains"),                         \
		O(0, "domainname", STRING, "string", domainname, "Container NIS domain name"),                         \
		HOY_OPTION_WITH_SET(0, "entrypoint", HOY_OPTION_STRING, "string", struct hoy_run_options, entrypoint,  \
			entrypoint_given, "Overwrite the default ENTRYPOINT of the image"),                            \
		O('e', "env", LIST, "list", env, "Set environment variables"),                                         \
		O(0, "env-file", LIST, "list", env_file, "Read in a file of environment variables"),                   \
		O(0, "expose", LIST, "list", expose, "Expose a port or a range of ports"),                             \
		O(0, "group-add", LIST, "list", group_add, "Add additional groups to join"),                           \
		O('h', "hostname", STRING, "string", hostname, "Container host name"),                                 \
		O(0, "init", BOOL, NULL, init,                                                                         \
			"Run an init inside the container that forwards signals and reaps processes"),                 \
		O('i', "interactive", BOOL, NULL, interactive, "Keep STDIN open even if not attached"),                \
		O(0, "ipc", STRING, "string", ipc, "IPC mode to use"),                                                 \
		O('l', "label", LIST, "list", label, "Set meta data on a container"),                                  \
		O(0, "label-file", LIST, "list", label_file, "Read in a line delimited file of labels"),               \
		O(0, "log-driver", STRING, "string", log_driver, "Logging driver for the container"),                  \
		O(0, "log-opt", LIST, "list", log_opt, "Log driver options"),                                          \
		O('m', "memory", BYTES, "bytes", memory, "Memory limit"),                                              \
		O(0, "memory-reservation", BYTES, "bytes", memory_reservation, "Memory soft limit"),                   \
		O(0, "memory-swap", BYTES, "bytes", memory_swap,                                                       \
			"Swap limit equal to memory plus swap: '-1' to enable unlimited swap"),                        \
		O(0, "name", STRING, "string", name, "Assign a name to the container"),                                \
		O(0, "network", STRING, "network", network, "Connect a container to a network (bridge, host, none)"),  \
		O(0, "net", STRING, "network", network, "Same as --network"),                                          \
		O(0, "oom-kill-disable", BOOL, NULL, oom_kill_disable, "Disable OOM Killer"),                          \
		O(0, "oom-score-adj", INT, "int", oom_score_adj, "Tune host's OOM preferences (-1000 to 1000)"),       \
		O(0, "pid", STRING, "string", pid, "PID namespace to use"),                                            \
		O(0, "pids-limit", INT, "int", pids_limit, "Tune container pids limit (set -1 for unlimited)"),        \
		O(0, "privileged", BOOL, NULL, privileged, "Give extended privileges to this container"),              \
		O('p', "publish", LIST, "list", publish, "Publish a container's port(s) to the host"),                 \
		O('P', "publish-all", BOOL, NULL, publish_all, "Publish all exposed ports to random ports"),           \
		O(0, "pull", STRING, "string", pull, "Pull image before running (\"missing\", \"never\")"),            \
		O('q', "quiet", BOOL, NULL, quiet, "Suppress the pull output"),                                        \
		O(0, "read-only", BOOL, NULL, read_only, "Mount the container's root filesystem as read only"),        \
		O(0, "restart", STRING, "string", restart,                                                             \
			"Restart policy to apply when a container exits (default \"no\")"),                            \
		O(0, "rm", BOOL, NULL, rm,                                                                             \
			"Automatically remove the container and its anonymous volumes when it exits"),                 \
		O(0, "runtime", STRING, "string", runtime, "Runtime to use for this container"),                       \
		O(0, "security-opt", LIST, "list", security_opt, "Security Options"),                                  \
		O(0, "shm-size", BYTES, "bytes", shm_size, "Size of /dev/shm"),                                        \
		O(0, "stop-signal", STRING, "string", stop_signal, "Signal to stop the container"),                    \
		HOY_OPTION_WITH_SET(0, "stop-timeout", HOY_OPTION_INT, "int", struct hoy_run_options, stop_timeout,    \
			stop_timeout_given, "Timeout (in seconds) to stop a container"),                               \
		O(0, "sysctl", LIST, "map", sysctl, "Sysctl options"),                                                 \
		O(0, "tmpfs", LIST, "list", tmpfs, "Mount a tmpfs directory"),                                         \
		O('t', "tty", BOOL, NULL, tty, "Allocate a pseudo-TTY"),                                               \
		O(0, "ulimit", LIST, "ulimit", ulimit, "Ulimit options"),                                              \
		O('u', "user", STRING, "string", user, "Username or UID (format: <name|uid>[:<group|gid>])"),          \
		O(0, "uts", STRING, "string", uts, "UTS namespace to use"),                                            \
		O('v', "volume", LIST, "list", volume, "Bind mount a volume"),                                         \
		O('w', "workdir", STRING, "string", workdir, "Working directory inside the container")

const struct hoy_option hoy_run_option_table[] = {
	SHARED_OPTIONS,
	REFUSED_OPTIONS,
	O('d', "detach", BOOL, NULL, detach, "Run container in background and print container ID"),
	O(0, "detach-keys", STRING, "string", detach_keys, "Override the key sequence for detaching a container"),
	O(0, "sig-proxy", BOOL, NULL, sig_proxy, "Proxy received signals to the process (default true)"),
	HOY_OPTION_END,
};

const struct hoy_option hoy_create_option_table[] = {
	SHARED_OPTIONS,
	REFUSED_OPTIONS,
	HOY_OPTION_END,
};
