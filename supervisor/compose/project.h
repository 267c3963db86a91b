/*
 * A compose project in its canonical form: what `docker compose config` means. Files are merged, `extends` and
 * `include` are resolved, variables are replaced, short forms are long, defaults are set, paths are absolute, inactive
 * profiles are set aside. The loader reads files and the environment it is given; it talks to no engine.
 *
 *	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;
 *	struct hoy_compose_options options = { .environment = environ };
 *	if (hoy_compose_load(&options, &project, err) < 0) ...
 *	for (size_t i = 0; i < project->n_services; i++) ...
 *
 * Everything belongs to the project and lives in its arena. A list of objects is a NULL-terminated vector of pointers,
 * a list of strings a NULL-terminated vector, a map of strings a vector that ends with a NULL key; each is NULL when
 * the file has none (read them with hoy_compose_each() and friends, which take NULL). Scalars that may be absent are
 * pointers. An object's `node` is where it stands in the file, for messages.
 */
#ifndef HOY_COMPOSE_PROJECT_H
#define HOY_COMPOSE_PROJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "supervisor/compose/node.h"

#define hoy_compose_each(type, item, list)                                                                             \
	for (type *const *item##_at = (type *const *) (list), *item = item##_at ? *item##_at : NULL; item;             \
		item = *++item##_at)

struct hoy_compose_pair {
	const char *key;
	const char *value; /* NULL: named without a value */
};

/* One value or several under one name (provider.options). */
struct hoy_compose_multi {
	const char *name;
	const struct hoy_node *node;
	char **values;
};

/* configs and secrets of a service, secrets of a build. */
struct hoy_compose_mount {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *source; /* name in the project */
	const char *target; /* configs: absolute; secrets: absolute, or a name below /run/secrets */
	const char *uid, *gid;
	const int64_t *mode;
};

struct hoy_compose_ulimit {
	const char *name; /* "nofile" */
	const struct hoy_node *node;
	int64_t soft, hard; /* both set, also from the single form */
	bool single;
};

struct hoy_compose_build {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *context, *dockerfile, *dockerfile_inline;
	char **entitlements;
	struct hoy_compose_pair *args; /* NULL value: from the environment, and absent there */
	const char *provenance, *sbom;
	char **ssh; /* "default", "id=path" */
	struct hoy_compose_pair *labels;
	char **cache_from, **cache_to;
	bool no_cache;
	char **no_cache_filter;
	struct hoy_compose_pair *additional_contexts;
	bool pull;
	char **extra_hosts; /* "host=ip" */
	const char *isolation, *network, *target;
	struct hoy_compose_mount **secrets;
	int64_t shm_size;
	char **tags;
	struct hoy_compose_ulimit **ulimits;
	char **platforms;
	bool privileged;
};

struct hoy_compose_hook {
	const char *name; /* NULL */
	const struct hoy_node *node;
	char **command;
	const char *image; /* pre_start only, as per_replica */
	const char *user;
	bool privileged;
	const char *working_dir;
	struct hoy_compose_pair *environment;
	bool per_replica;
};

struct hoy_compose_watch {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *path;   /* absolute */
	const char *action; /* rebuild, sync, restart, sync+restart, sync+exec */
	const char *target;
	struct hoy_compose_hook *exec;
	char **include, **ignore;
	bool initial_sync;
};

struct hoy_compose_develop {
	const char *name; /* NULL */
	const struct hoy_node *node;
	struct hoy_compose_watch **watch;
};

struct hoy_compose_blkio_device {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *path;
	int64_t rate;   /* bytes or operations per second */
	int64_t weight; /* of weight_device */
};

struct hoy_compose_blkio {
	const char *name; /* NULL */
	const struct hoy_node *node;
	int64_t weight;
	struct hoy_compose_blkio_device **weight_device;
	struct hoy_compose_blkio_device **device_read_bps, **device_read_iops, **device_write_bps, **device_write_iops;
};

struct hoy_compose_credential_spec {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *config, *file, *registry;
};

struct hoy_compose_dependency {
	const char *name; /* the service depended on */
	const struct hoy_node *node;
	const char *condition; /* service_started, service_healthy, service_completed_successfully */
	bool restart, required;
};

struct hoy_compose_device_request {
	const char *name; /* NULL */
	const struct hoy_node *node;
	char **capabilities;
	const char *driver;
	int64_t count; /* -1: all */
	char **device_ids;
	struct hoy_compose_pair *options;
};

struct hoy_compose_discrete_resource {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *kind;
	int64_t value;
};

struct hoy_compose_generic_resource {
	const char *name; /* NULL */
	const struct hoy_node *node;
	struct hoy_compose_discrete_resource *discrete_resource_spec;
};

struct hoy_compose_resource {
	const char *name; /* NULL */
	const struct hoy_node *node;
	double cpus;
	int64_t memory; /* bytes */
	int64_t pids;
	struct hoy_compose_device_request **devices;
	struct hoy_compose_generic_resource **generic_resources;
};

struct hoy_compose_resources {
	const char *name; /* NULL */
	const struct hoy_node *node;
	struct hoy_compose_resource *limits, *reservations;
};

/* update_config and rollback_config. */
struct hoy_compose_update {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const int64_t *parallelism;
	int64_t delay, monitor; /* nanoseconds, as all times here */
	const char *failure_action;
	double max_failure_ratio;
	const char *order; /* stop-first, start-first */
};

struct hoy_compose_restart_policy {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *condition; /* none, on-failure, any */
	const int64_t *delay, *max_attempts, *window;
};

struct hoy_compose_preference {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *spread;
};

struct hoy_compose_placement {
	const char *name; /* NULL */
	const struct hoy_node *node;
	char **constraints;
	struct hoy_compose_preference **preferences;
	int64_t max_replicas_per_node;
};

struct hoy_compose_deploy {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *mode; /* replicated, global, replicated-job, global-job */
	const int64_t *replicas;
	struct hoy_compose_pair *labels;
	struct hoy_compose_update *update_config, *rollback_config;
	struct hoy_compose_resources *resources;
	struct hoy_compose_restart_policy *restart_policy;
	struct hoy_compose_placement *placement;
	const char *endpoint_mode;
};

struct hoy_compose_device {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *source, *target, *permissions;
};

struct hoy_compose_provider {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *type;
	struct hoy_compose_multi **options;
};

struct hoy_compose_env_file {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *path; /* absolute */
	bool required;
	const char *format;
};

struct hoy_compose_extends {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *file, *service;
};

struct hoy_compose_healthcheck {
	const char *name; /* NULL */
	const struct hoy_node *node;
	char **test; /* "CMD", "CMD-SHELL" or "NONE" first */
	const int64_t *timeout, *interval, *retries, *start_period, *start_interval;
	bool disable;
};

struct hoy_compose_logging {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *driver;
	struct hoy_compose_pair *options;
};

struct hoy_compose_service_model {
	const char *name; /* the model */
	const struct hoy_node *node;
	const char *endpoint_var, *model_var;
};

/* A network that a service is on. */
struct hoy_compose_service_network {
	const char *name; /* the project's network */
	const struct hoy_node *node;
	char **aliases;
	struct hoy_compose_pair *driver_opts;
	int64_t gw_priority;
	const char *interface_name, *ipv4_address, *ipv6_address;
	char **link_local_ips;
	const char *mac_address;
	int64_t priority;
};

struct hoy_compose_port {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *port_name;
	const char *mode; /* ingress, host */
	const char *host_ip;
	int64_t target;
	const char *published; /* NULL: any; "8080", "8000-8010" */
	const char *protocol;  /* tcp, udp, sctp */
	const char *app_protocol;
};

struct hoy_compose_bind {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *selinux, *propagation;
	bool create_host_path; /* true unless the file says no */
	const char *recursive;
};

struct hoy_compose_volume_options {
	const char *name; /* NULL */
	const struct hoy_node *node;
	struct hoy_compose_pair *labels;
	bool nocopy;
	const char *subpath;
};

struct hoy_compose_tmpfs {
	const char *name; /* NULL */
	const struct hoy_node *node;
	int64_t size;
	int64_t mode; /* 0: the default */
};

struct hoy_compose_image_mount {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *subpath;
};

/* A volume that a service mounts. */
struct hoy_compose_service_volume {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *type;   /* bind, volume, tmpfs, cluster, npipe, image */
	const char *source; /* bind: absolute path; volume: the project's volume, NULL: an anonymous one */
	const char *target;
	bool read_only;
	const char *consistency;
	struct hoy_compose_bind *bind;
	struct hoy_compose_volume_options *volume;
	struct hoy_compose_tmpfs *tmpfs;
	struct hoy_compose_image_mount *image;
};

struct hoy_compose_service {
	const char *name;
	const struct hoy_node *node; /* the canonical form, all of it */
	char **profiles;
	struct hoy_compose_pair *annotations;
	const bool *attach;
	struct hoy_compose_build *build;
	struct hoy_compose_develop *develop;
	struct hoy_compose_blkio *blkio_config;
	char **cap_add, **cap_drop;
	const char *cgroup_parent, *cgroup;
	int64_t cpu_count;
	double cpu_percent;
	int64_t cpu_period, cpu_quota, cpu_rt_period, cpu_rt_runtime; /* microseconds */
	double cpus;
	const char *cpuset;
	int64_t cpu_shares;
	char **command; /* NULL: the image's; empty: none */
	struct hoy_compose_mount **configs;
	const char *container_name;
	struct hoy_compose_credential_spec *credential_spec;
	struct hoy_compose_dependency **depends_on; /* also what links, volumes_from and the *_modes imply */
	struct hoy_compose_deploy *deploy;
	char **device_cgroup_rules;
	struct hoy_compose_device **devices;
	char **dns, **dns_opt, **dns_search;
	const char *domainname;
	char **entrypoint; /* as command */
	struct hoy_compose_provider *provider;
	struct hoy_compose_pair *environment; /* with env_file's; NULL value: the environment lacks it, leave it out */
	struct hoy_compose_env_file **env_file;
	char **expose;
	struct hoy_compose_extends *extends;
	char **external_links;
	char **extra_hosts; /* "host=ip" */
	char **group_add;
	struct hoy_compose_device_request **gpus;
	const char *hostname;
	struct hoy_compose_healthcheck *healthcheck;
	const char *image;
	const bool *init;
	const char *ipc, *isolation;
	struct hoy_compose_pair *labels; /* with label_file's */
	char **label_file;
	char **links;
	struct hoy_compose_logging *logging;
	int64_t mem_limit, mem_reservation, memswap_limit; /* bytes; memswap_limit -1: no limit */
	int64_t mem_swappiness;
	const char *mac_address;
	struct hoy_compose_service_model **models;
	const char *network_mode; /* service:NAME as in the file */
	struct hoy_compose_service_network **networks;
	bool oom_kill_disable;
	int64_t oom_score_adj;
	const char *pid;
	int64_t pids_limit;
	const char *platform;
	struct hoy_compose_port **ports;
	bool privileged;
	const char *pull_policy, *pull_refresh_after;
	bool read_only;
	const char *restart; /* no, always, on-failure[:N], unless-stopped */
	const char *runtime;
	const int64_t *scale;
	struct hoy_compose_mount **secrets;
	char **security_opt;
	int64_t shm_size;
	bool stdin_open;
	const int64_t *stop_grace_period; /* nanoseconds */
	const char *stop_signal;
	struct hoy_compose_pair *storage_opt, *sysctls;
	char **tmpfs;
	bool tty;
	struct hoy_compose_ulimit **ulimits;
	bool use_api_socket;
	const char *user, *userns_mode, *uts;
	struct hoy_compose_service_volume **volumes;
	char **volumes_from;
	const char *working_dir;
	struct hoy_compose_hook **pre_start, **post_start, **pre_stop;
};

struct hoy_compose_ipam_pool {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *subnet, *gateway, *ip_range;
	struct hoy_compose_pair *aux_addresses;
};

struct hoy_compose_ipam {
	const char *name; /* NULL */
	const struct hoy_node *node;
	const char *driver;
	struct hoy_compose_ipam_pool **config;
	struct hoy_compose_pair *options;
};

struct hoy_compose_network {
	const char *name; /* key in the project */
	const struct hoy_node *node;
	const char *real_name; /* the engine's name: "project_key", or what `name` says */
	const char *driver;
	struct hoy_compose_pair *driver_opts;
	struct hoy_compose_ipam *ipam;
	bool external, internal, attachable;
	struct hoy_compose_pair *labels;
	const bool *enable_ipv4, *enable_ipv6;
};

struct hoy_compose_volume {
	const char *name; /* key in the project */
	const struct hoy_node *node;
	const char *real_name;
	const char *driver;
	struct hoy_compose_pair *driver_opts;
	bool external;
	struct hoy_compose_pair *labels;
};

/* A config or a secret. */
struct hoy_compose_file_object {
	const char *name; /* key in the project */
	const struct hoy_node *node;
	const char *real_name;
	const char *file;        /* absolute */
	const char *environment; /* the variable; its value is in project->environment */
	const char *content;
	bool external;
	struct hoy_compose_pair *labels;
	const char *driver;
	struct hoy_compose_pair *driver_opts;
	const char *template_driver;
};

struct hoy_compose_model {
	const char *name;
	const struct hoy_node *node;
	const char *real_name, *model;
	int64_t context_size;
	char **runtime_flags;
};

struct hoy_compose_project {
	const char *name;
	const struct hoy_node *node;           /* the whole canonical tree */
	struct hoy_compose_service **services; /* active ones, by name */
	struct hoy_compose_network **networks; /* all of them: see hoy_compose_prune() */
	struct hoy_compose_volume **volumes;
	struct hoy_compose_file_object **secrets, **configs;
	struct hoy_compose_model **models;

	struct hoy_compose_service **disabled; /* services whose profiles are not active */
	const char *working_dir;               /* absolute */
	char **files;                          /* absolute, in merge order; "-" for stdin */
	char **environment;                    /* "K=V": what variables were replaced from */
	char **profiles;                       /* active ones */
	char **warnings;                       /* for stderr, each one line */
	size_t n_services;
	struct hoy_arena arena;
};

struct hoy_compose_options {
	char *const *files;       /* -f, in order; "-" is stdin; NULL: COMPOSE_FILE, or searched upwards from the cwd */
	char *const *env_files;   /* --env-file; NULL: COMPOSE_ENV_FILES, or .env of the project directory */
	char *const *profiles;    /* --profile; with COMPOSE_PROFILES. "*": all */
	const char *project_dir;  /* --project-directory; NULL: that of the first file */
	const char *project_name; /* -p; NULL: COMPOSE_PROJECT_NAME, `name:`, the directory's name */
	char *const *environment; /* "K=V" of the caller's process */
	const char *cwd;          /* NULL: the process's */
	bool no_interpolate;      /* config --no-interpolate: nothing is replaced, typed checks of "${X}" are let be */
	bool no_normalize, no_consistency, no_path_resolution, no_env_resolution; /* the flags of config */
	bool compatibility; /* --compatibility or COMPOSE_COMPATIBILITY */
};

/* Loads, merges and checks a project. Errors: HOY_ERR_INVALID with "file:line:column: text", HOY_ERR_NOT_FOUND "no
 * configuration file provided: not found", or what reading a file said. The caller frees *ret. */
int hoy_compose_load(const struct hoy_compose_options *options, struct hoy_compose_project **ret, struct hoy_err *err);
void hoy_compose_project_free(struct hoy_compose_project *project);
HOY_DEFINE_AUTO_PTR(struct hoy_compose_project, hoy_compose_project_free);

/*
 * The project's name and directory without reading more than is needed for them: commands that work on what runs
 * (down, ps, logs with -p NAME) do without a file. Caller frees both. HOY_ERR_NOT_FOUND: neither a name nor a file.
 */
int hoy_compose_find_name(
	const struct hoy_compose_options *options, char **ret_name, char **ret_dir, struct hoy_err *err);

/* Calls `on_variable` for each ${NAME} of the files, as often as it stands there: `op` is '-', '+', '?' or 0, `word`
 * what follows it. Nothing is replaced. */
int hoy_compose_variables(const struct hoy_compose_options *options,
	void (*on_variable)(const char *name, char op, const char *word, void *userdata), void *userdata,
	struct hoy_err *err);

struct hoy_compose_service *hoy_compose_service_find(const struct hoy_compose_project *project, const char *name);
struct hoy_compose_network *hoy_compose_network_find(const struct hoy_compose_project *project, const char *key);
struct hoy_compose_volume *hoy_compose_volume_find(const struct hoy_compose_project *project, const char *key);
struct hoy_compose_file_object *hoy_compose_secret_find(const struct hoy_compose_project *project, const char *key);
struct hoy_compose_file_object *hoy_compose_config_find(const struct hoy_compose_project *project, const char *key);

/* "K=V" lookup of what hoy_compose_load() replaced variables from; NULL: unset. */
const char *hoy_compose_getenv(const struct hoy_compose_project *project, const char *name);
/* What a config or secret that isn't external holds: of its file, its variable, its content. `what`: "config" or
 * "secret", for messages. */
int hoy_compose_read_object(const struct hoy_compose_project *project, const struct hoy_compose_file_object *object,
	const char *what, struct hoy_buf *out, struct hoy_err *err);
const char *hoy_compose_pair_get(const struct hoy_compose_pair *pairs, const char *key);

/* Moves the named services, and unless `no_deps` what they depend on, from `disabled` into `services`, and leaves only
 * these (`hoy compose up web`). None named: nothing changes. HOY_ERR_NOT_FOUND: "no such service: X". */
int hoy_compose_select(struct hoy_compose_project *project, char *const *names, bool no_deps, struct hoy_err *err);

/* Leaves only the networks, volumes, configs, secrets and models that an active service uses (`up`, `config`; `down`
 * wants all). After hoy_compose_select(). */
void hoy_compose_prune(struct hoy_compose_project *project);

/* How many containers: scale, else deploy.replicas, else 1. */
int64_t hoy_compose_replicas(const struct hoy_compose_service *service);

/* docker compose's label com.docker.compose.config-hash: sha256 (64 hex digits and NUL) of the service's canonical JSON
 * without build, pull_policy, scale, deploy.replicas, depends_on and profiles. */
#define HOY_COMPOSE_HASH_SIZE 65
int hoy_compose_service_hash(
	const struct hoy_compose_service *service, char ret[HOY_COMPOSE_HASH_SIZE], struct hoy_err *err);

/* The label config-hash of a network or volume (`section`: "networks" or "volumes"), as docker compose computes it. */
int hoy_compose_resource_hash(
	const char *section, const struct hoy_node *node, char ret[HOY_COMPOSE_HASH_SIZE], struct hoy_err *err);

/* One service as compact canonical JSON, as `config --format json` has it. */
int hoy_compose_print_service_json(const struct hoy_compose_service *service, struct hoy_buf *out);

/* The canonical form as text, as docker compose prints it. `escape`: dollar signs are doubled, so that the text can be
 * loaded again. */
int hoy_compose_print_yaml(const struct hoy_compose_project *project, bool escape, struct hoy_buf *out);
int hoy_compose_print_json(const struct hoy_compose_project *project, bool escape, struct hoy_buf *out);

/* A dotenv file (comments, export, quotes, ${} with what stands before and `environment`); "K=V" entries are added to
 * *env, later ones replace. Errors name file and line. */
int hoy_compose_read_env_file(const char *path, char *const *environment, char ***env, struct hoy_err *err);

#endif
