/*
 * hoyd's settings, from the command line (dockerd's flags) and daemon.json (dockerd's keys). One table names both; a
 * setting given both ways is an error. Flags and keys of dockerd that Hoy does not act on are refused by name, or
 * taken only with the one value that is true of Hoy anyway.
 */
#ifndef HOY_DAEMON_OPTIONS_H
#define HOY_DAEMON_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_oci_kv;

enum { HOY_SETTINGS_MAX = 64 };

struct hoy_daemon_options {
	char **hosts;
	char *data_root, *exec_root, *pidfile, *group;
	char *config_file;
	char *log_level, *log_format;
	char *default_runtime;
	char **runtimes; /* "name=path", "hoyrun" itself not among them */
	char **labels;
	char *bridge, *bip;
	char *cluster_store, *cluster_advertise;
	int64_t mtu;
	char *fixed_cidr_v6;
	bool ipv6;
	char **insecure_registries, **registry_mirrors;
	char *http_proxy, *https_proxy, *no_proxy;
	char *signature_policy;
	char **scoped_sockets;                         /* JSON texts (supervisor/api/scope_policy.h) */
	char *metrics_addr;                            /* NULL: nowhere */
	int64_t downloads, uploads, download_attempts; /* 0: the defaults */
	int64_t layer_entries, layer_bytes;            /* 0: the defaults */
	bool tls, tlsverify;
	char *tlscacert, *tlscert, *tlskey;
	bool debug, experimental;
	bool help, version, validate;
	bool rootless;      /* an ordinary user's: other defaults. Not said: main() finds out. */
	uint64_t max_files; /* the soft RLIMIT_NOFILE hoyd was started with: what containers get */

	bool by_flag[HOY_SETTINGS_MAX], by_file[HOY_SETTINGS_MAX]; /* where each setting came from */
};

/* Reads the flags. Errors are HOY_ERR_INVALID ("unknown flag: --x", "flag needs an argument: --x", ...) or
 * HOY_ERR_UNSUPPORTED. */
int hoy_daemon_options_parse(struct hoy_daemon_options *options, int argc, char *const *argv, struct hoy_err *err);
/* Reads the configuration file on top; a missing one is an error only when it was named by --config-file. */
int hoy_daemon_options_load(struct hoy_daemon_options *options, struct hoy_err *err);
/* The same from text; for load and tests. */
int hoy_daemon_options_load_text(struct hoy_daemon_options *options, const char *text, size_t len, struct hoy_err *err);
/* Fills in the defaults and checks the values. */
int hoy_daemon_options_finish(struct hoy_daemon_options *options, struct hoy_err *err);
/* Takes over from `fresh` what may change while hoyd runs (debug, log-level, labels, registries) unless a flag set it.
 */
void hoy_daemon_options_reload(struct hoy_daemon_options *options, struct hoy_daemon_options *fresh);
void hoy_daemon_options_done(struct hoy_daemon_options *options);

/* Path of the runtime `name`; "" for hoyrun, which is found beside hoyd; NULL: there is none of that name. */
const char *hoy_daemon_options_runtime(const struct hoy_daemon_options *options, const char *name);

/* Was it said, by flag or file? `flag` is its long flag. */
bool hoy_daemon_options_given(const struct hoy_daemon_options *options, const char *flag);

void hoy_daemon_options_print_help(void);

#endif
