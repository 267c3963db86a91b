/* The files a shim keeps in a bundle, and what it reads of config.json. */
#ifndef HOY_SHIM_BUNDLE_H
#define HOY_SHIM_BUNDLE_H

#include <sys/types.h>
#include <time.h>

#include "base/err.h"

/* What the caller configured: kept in options.json, because `delete` gets none of it on its command line. */
struct hoy_shim_options {
	char *binary_name;    /* NULL: hoyrun */
	char *root;           /* of the runtime, without the namespace; NULL: HOY_SHIM_DEFAULT_ROOT */
	char *socket_dir;     /* NULL: HOY_SHIM_DEFAULT_SOCKET_DIR */
	char *shim_cgroup;    /* NULL: the caller's */
	char *criu_work_path; /* NULL: in the bundle */
	bool systemd_cgroup;
	bool no_pivot_root;
	bool no_new_keyring;
	uid_t io_uid;
	gid_t io_gid;
	unsigned int kill_timeout;      /* seconds between SIGTERM to the shim and SIGKILL for its containers */
	unsigned int bootstrap_version; /* what `start` prints: 0 the address alone, 2 or 3 the JSON of that version */
};
#define HOY_SHIM_OPTIONS_INIT                                                                                          \
	{                                                                                                              \
		.kill_timeout = HOY_SHIM_DEFAULT_KILL_TIMEOUT                                                          \
	}
#define HOY_SHIM_DEFAULT_KILL_TIMEOUT 10
#define HOY_SHIM_DEFAULT_ROOT "/run/hoyrun"
#define HOY_SHIM_DEFAULT_SOCKET_DIR "/run/containerd/s"

void hoy_shim_options_done(struct hoy_shim_options *options);
int hoy_shim_options_save(const struct hoy_shim_options *options, const char *bundle, struct hoy_err *err);
/* A bundle without the file gives defaults. */
int hoy_shim_options_load(const char *bundle, struct hoy_shim_options *ret, struct hoy_err *err);

/* Takes over what an Any of options says: containerd.runc.v1.Options, or runtimeoptions.v1.Options, whose TOML has the
 * former's fields as keys (BinaryName, Root, SystemdCgroup, NoPivotRoot, NoNewKeyring, ShimCgroup, IoUid, IoGid) and
 * KillTimeout, BootstrapVersion besides. Other types are ignored. */
int hoy_shim_options_set(
	struct hoy_shim_options *options, const char *type_url, const void *value, size_t len, struct hoy_err *err);

/* What containerd 2.3 and later say on stdin besides options; they say it on the command line too. NULL: not said. */
struct hoy_shim_bootstrap {
	char *id, *namespace_, *ttrpc_address, *grpc_address, *containerd_binary;
	bool debug;
};
void hoy_shim_bootstrap_done(struct hoy_shim_bootstrap *bootstrap);

/* stdin of `start` and `-info`: BootstrapParams or an Any of options; empty is fine. */
int hoy_shim_options_from_stdin(struct hoy_shim_options *options, struct hoy_shim_bootstrap *bootstrap,
	const void *data, size_t len, struct hoy_err *err);

/* Containers with the same group share a shim: the pod they belong to, else the container itself, also when there is no
 * config.json yet (a sandbox). Heap. */
int hoy_bundle_group(const char *bundle, const char *id, char **ret, struct hoy_err *err);

/* The signal that the container's annotation org.opencontainers.image.stopSignal names; SIGTERM without one. */
int hoy_bundle_stop_signal(const char *bundle);

/* True when config.json gives the container a pid namespace of its own. */
bool hoy_bundle_has_pid_namespace(const char *bundle);

int hoy_bundle_write_pid(const char *bundle, pid_t pid, struct hoy_err *err);
/* 0 when there is none. */
pid_t hoy_bundle_read_pid(const char *bundle, const char *file);

int hoy_bundle_write_exit(const char *bundle, unsigned int status, const struct timespec *exited_at, bool oom_killed,
	struct hoy_err *err);

/* Container and exec ids: letters and digits, single . _ - between them, at most 76 bytes. */
bool hoy_shim_id_is_valid(const char *id);

#endif
