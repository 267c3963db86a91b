/*
 * The documents of the OCI runtime specification 1.3 as C structs: config.json (Linux), state, features.
 *
 * Names are those of the documents in snake_case. What may be absent is a pointer (NULL: absent): objects, strings,
 * optional numbers and optional bools; a plain bool is false when absent. Lists of strings are NULL-terminated vectors,
 * other lists are a pointer and a count beside it; a list that is there but empty has a pointer and a count of 0.
 * Maps are arrays too, in document order. 0 of an enumeration means absent.
 *
 * All memory is malloc'd piece by piece: a caller may replace, add and take members, or build a document from nothing
 * (calloc the struct), and frees the whole with the _free function of the root.
 *
 * The windows, solaris, vm, zos and freebsd parts of a config are recognised and dropped.
 */
#ifndef HOY_LIBOCISPEC_RUNTIME_H
#define HOY_LIBOCISPEC_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "libocispec/field.h"

/* What we write, and the newest we know. Any 1.x is accepted: unknown properties are ignored by rule. */
#define HOY_OCI_VERSION_MIN "1.0.0"
#define HOY_OCI_VERSION_MAX "1.3.0"

/* --- process -------------------------------------------------------------------------------------------------- */

struct hoy_oci_console_size {
	uint64_t height;
	uint64_t width;
};

struct hoy_oci_user {
	uint32_t uid;
	uint32_t gid;
	uint32_t *umask;
	uint32_t *additional_gids;
	size_t n_additional_gids;
	char *username; /* Windows; kept, without effect on Linux */
};

struct hoy_oci_capabilities { /* names stay strings: one that is unknown is a warning, not an error */
	char **bounding;
	char **effective;
	char **inheritable;
	char **permitted;
	char **ambient;
};

struct hoy_oci_rlimit {
	char *type; /* "RLIMIT_NOFILE" */
	uint64_t hard;
	uint64_t soft;
};

enum hoy_oci_sched_policy {
	HOY_OCI_SCHED_UNSET,
	HOY_OCI_SCHED_OTHER,
	HOY_OCI_SCHED_FIFO,
	HOY_OCI_SCHED_RR,
	HOY_OCI_SCHED_BATCH,
	HOY_OCI_SCHED_ISO,
	HOY_OCI_SCHED_IDLE,
	HOY_OCI_SCHED_DEADLINE,
};

enum hoy_oci_sched_flag {
	HOY_OCI_SCHED_FLAG_UNSET,
	HOY_OCI_SCHED_FLAG_RESET_ON_FORK,
	HOY_OCI_SCHED_FLAG_RECLAIM,
	HOY_OCI_SCHED_FLAG_DL_OVERRUN,
	HOY_OCI_SCHED_FLAG_KEEP_POLICY,
	HOY_OCI_SCHED_FLAG_KEEP_PARAMS,
	HOY_OCI_SCHED_FLAG_UTIL_CLAMP_MIN,
	HOY_OCI_SCHED_FLAG_UTIL_CLAMP_MAX,
};

struct hoy_oci_scheduler {
	enum hoy_oci_sched_policy policy;
	int32_t *nice;
	int32_t *priority;
	enum hoy_oci_sched_flag *flags;
	size_t n_flags;
	uint64_t *runtime;
	uint64_t *deadline;
	uint64_t *period;
};

enum hoy_oci_ioprio_class {
	HOY_OCI_IOPRIO_UNSET,
	HOY_OCI_IOPRIO_RT,
	HOY_OCI_IOPRIO_BE,
	HOY_OCI_IOPRIO_IDLE,
};

struct hoy_oci_io_priority {
	enum hoy_oci_ioprio_class class_;
	int32_t priority;
};

struct hoy_oci_exec_cpu_affinity {
	char *initial;
	char *final;
};

struct hoy_oci_process {
	bool terminal;
	struct hoy_oci_console_size *console_size;
	struct hoy_oci_user user; /* absent: 0:0 */
	char **args;
	char *command_line; /* Windows; kept, without effect on Linux */
	char **env;
	char *cwd;
	struct hoy_oci_capabilities *capabilities;
	struct hoy_oci_rlimit *rlimits;
	size_t n_rlimits;
	bool no_new_privileges;
	char *apparmor_profile;
	int32_t *oom_score_adj;
	struct hoy_oci_scheduler *scheduler;
	char *selinux_label;
	struct hoy_oci_io_priority *io_priority;
	struct hoy_oci_exec_cpu_affinity *exec_cpu_affinity;
};

/* --- root, mounts, hooks -------------------------------------------------------------------------------------- */

struct hoy_oci_root {
	char *path;
	bool readonly;
};

struct hoy_oci_id_mapping {
	uint32_t container_id;
	uint32_t host_id;
	uint32_t size;
};

struct hoy_oci_mount {
	char *destination;
	char *type;
	char *source;
	char **options;
	struct hoy_oci_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct hoy_oci_id_mapping *gid_mappings;
	size_t n_gid_mappings;
};

struct hoy_oci_hook {
	char *path;
	char **args;
	char **env;
	int32_t *timeout; /* seconds */
};

struct hoy_oci_hooks {
	struct hoy_oci_hook *prestart;
	size_t n_prestart;
	struct hoy_oci_hook *create_runtime;
	size_t n_create_runtime;
	struct hoy_oci_hook *create_container;
	size_t n_create_container;
	struct hoy_oci_hook *start_container;
	size_t n_start_container;
	struct hoy_oci_hook *poststart;
	size_t n_poststart;
	struct hoy_oci_hook *poststop;
	size_t n_poststop;
};

/* --- linux.resources ------------------------------------------------------------------------------------------ */

struct hoy_oci_device_rule {
	bool allow;
	char *type;     /* "a", "b", "c"; NULL is "a" */
	int64_t *major; /* NULL and -1: all */
	int64_t *minor;
	char *access; /* of "rwm" */
};

struct hoy_oci_memory {
	int64_t *limit; /* -1: unlimited */
	int64_t *reservation;
	int64_t *swap; /* memory + swap */
	int64_t *kernel;
	int64_t *kernel_tcp;
	uint64_t *swappiness;
	bool *disable_oom_killer;
	bool *use_hierarchy;
	bool *check_before_update;
};

struct hoy_oci_cpu {
	uint64_t *shares;
	int64_t *quota;
	uint64_t *burst;
	uint64_t *period;
	int64_t *realtime_runtime;
	uint64_t *realtime_period;
	char *cpus;
	char *mems;
	int64_t *idle;
};

struct hoy_oci_pids {
	int64_t limit; /* -1: unlimited */
};

struct hoy_oci_weight_device {
	int64_t major;
	int64_t minor;
	uint16_t *weight;
	uint16_t *leaf_weight;
};

struct hoy_oci_throttle_device {
	int64_t major;
	int64_t minor;
	uint64_t rate;
};

struct hoy_oci_block_io {
	uint16_t *weight;
	uint16_t *leaf_weight;
	struct hoy_oci_weight_device *weight_device;
	size_t n_weight_device;
	struct hoy_oci_throttle_device *throttle_read_bps_device;
	size_t n_throttle_read_bps_device;
	struct hoy_oci_throttle_device *throttle_write_bps_device;
	size_t n_throttle_write_bps_device;
	struct hoy_oci_throttle_device *throttle_read_iops_device;
	size_t n_throttle_read_iops_device;
	struct hoy_oci_throttle_device *throttle_write_iops_device;
	size_t n_throttle_write_iops_device;
};

struct hoy_oci_hugepage_limit {
	char *page_size; /* "2MB" */
	uint64_t limit;
};

struct hoy_oci_interface_priority {
	char *name;
	uint32_t priority;
};

struct hoy_oci_network {
	uint32_t *class_id;
	struct hoy_oci_interface_priority *priorities;
	size_t n_priorities;
};

struct hoy_oci_rdma {
	char *device; /* the key of the map */
	uint32_t *hca_handles;
	uint32_t *hca_objects;
};

struct hoy_oci_resources {
	struct hoy_oci_device_rule *devices;
	size_t n_devices;
	struct hoy_oci_memory *memory;
	struct hoy_oci_cpu *cpu;
	struct hoy_oci_pids *pids;
	struct hoy_oci_block_io *block_io;
	struct hoy_oci_hugepage_limit *hugepage_limits;
	size_t n_hugepage_limits;
	struct hoy_oci_network *network;
	struct hoy_oci_rdma *rdma;
	size_t n_rdma;
	struct hoy_oci_kv *unified;
	size_t n_unified;
};

/* --- linux.seccomp -------------------------------------------------------------------------------------------- */

enum hoy_oci_seccomp_action {
	HOY_OCI_ACT_UNSET,
	HOY_OCI_ACT_KILL, /* same as KILL_THREAD */
	HOY_OCI_ACT_KILL_PROCESS,
	HOY_OCI_ACT_KILL_THREAD,
	HOY_OCI_ACT_TRAP,
	HOY_OCI_ACT_ERRNO,
	HOY_OCI_ACT_TRACE,
	HOY_OCI_ACT_ALLOW,
	HOY_OCI_ACT_LOG,
	HOY_OCI_ACT_NOTIFY,
};

enum hoy_oci_seccomp_arch {
	HOY_OCI_ARCH_UNSET,
	HOY_OCI_ARCH_X86,
	HOY_OCI_ARCH_X86_64,
	HOY_OCI_ARCH_X32,
	HOY_OCI_ARCH_ARM,
	HOY_OCI_ARCH_AARCH64,
	HOY_OCI_ARCH_LOONGARCH64,
	HOY_OCI_ARCH_M68K,
	HOY_OCI_ARCH_MIPS,
	HOY_OCI_ARCH_MIPS64,
	HOY_OCI_ARCH_MIPS64N32,
	HOY_OCI_ARCH_MIPSEL,
	HOY_OCI_ARCH_MIPSEL64,
	HOY_OCI_ARCH_MIPSEL64N32,
	HOY_OCI_ARCH_PPC,
	HOY_OCI_ARCH_PPC64,
	HOY_OCI_ARCH_PPC64LE,
	HOY_OCI_ARCH_S390,
	HOY_OCI_ARCH_S390X,
	HOY_OCI_ARCH_SH,
	HOY_OCI_ARCH_SHEB,
	HOY_OCI_ARCH_PARISC,
	HOY_OCI_ARCH_PARISC64,
	HOY_OCI_ARCH_RISCV64,
};

enum hoy_oci_seccomp_flag {
	HOY_OCI_FILTER_FLAG_UNSET,
	HOY_OCI_FILTER_FLAG_TSYNC,
	HOY_OCI_FILTER_FLAG_LOG,
	HOY_OCI_FILTER_FLAG_SPEC_ALLOW,
	HOY_OCI_FILTER_FLAG_WAIT_KILLABLE_RECV,
};

enum hoy_oci_seccomp_op {
	HOY_OCI_CMP_UNSET,
	HOY_OCI_CMP_NE,
	HOY_OCI_CMP_LT,
	HOY_OCI_CMP_LE,
	HOY_OCI_CMP_EQ,
	HOY_OCI_CMP_GE,
	HOY_OCI_CMP_GT,
	HOY_OCI_CMP_MASKED_EQ, /* (argument & value) == value_two */
};

struct hoy_oci_seccomp_arg {
	uint32_t index;
	uint64_t value;
	uint64_t value_two;
	enum hoy_oci_seccomp_op op;
};

struct hoy_oci_seccomp_syscall {
	char **names;
	enum hoy_oci_seccomp_action action;
	uint32_t *errno_ret;
	struct hoy_oci_seccomp_arg *args;
	size_t n_args;
};

struct hoy_oci_seccomp {
	enum hoy_oci_seccomp_action default_action;
	uint32_t *default_errno_ret;
	enum hoy_oci_seccomp_arch *architectures;
	size_t n_architectures;
	enum hoy_oci_seccomp_flag *flags;
	size_t n_flags;
	char *listener_path;
	char *listener_metadata;
	struct hoy_oci_seccomp_syscall *syscalls;
	size_t n_syscalls;
};

/* --- linux ---------------------------------------------------------------------------------------------------- */

enum hoy_oci_ns_type {
	HOY_OCI_NS_UNSET,
	HOY_OCI_NS_PID,
	HOY_OCI_NS_NETWORK,
	HOY_OCI_NS_MOUNT,
	HOY_OCI_NS_IPC,
	HOY_OCI_NS_UTS,
	HOY_OCI_NS_USER,
	HOY_OCI_NS_CGROUP,
	HOY_OCI_NS_TIME,
	_HOY_OCI_NS_MAX,
};

struct hoy_oci_namespace {
	enum hoy_oci_ns_type type;
	char *path; /* NULL: a new one; "" in the document is NULL here */
};

struct hoy_oci_device {
	char *type; /* "c", "b", "u", "p" */
	char *path;
	int64_t *major; /* absent for "p" only */
	int64_t *minor;
	uint32_t *file_mode;
	uint32_t *uid;
	uint32_t *gid;
};

struct hoy_oci_net_device {
	char *host_name; /* the key of the map */
	char *name;      /* inside; NULL: the same */
};

struct hoy_oci_time_offset {
	int64_t secs;
	uint32_t nanosecs;
};

struct hoy_oci_time_offsets {
	struct hoy_oci_time_offset *monotonic;
	struct hoy_oci_time_offset *boottime;
};

enum hoy_oci_propagation {
	HOY_OCI_PROPAGATION_UNSET,
	HOY_OCI_PROPAGATION_PRIVATE,
	HOY_OCI_PROPAGATION_SHARED,
	HOY_OCI_PROPAGATION_SLAVE,
	HOY_OCI_PROPAGATION_UNBINDABLE,
	HOY_OCI_PROPAGATION_RPRIVATE, /* the r* forms are not in the specification, but docker and podman write them */
	HOY_OCI_PROPAGATION_RSHARED,
	HOY_OCI_PROPAGATION_RSLAVE,
	HOY_OCI_PROPAGATION_RUNBINDABLE,
};

struct hoy_oci_intel_rdt {
	char *clos_id;
	char **schemata;
	char *l3_cache_schema;
	char *mem_bw_schema;
	bool enable_monitoring;
};

enum hoy_oci_mpol_mode {
	HOY_OCI_MPOL_UNSET,
	HOY_OCI_MPOL_DEFAULT,
	HOY_OCI_MPOL_BIND,
	HOY_OCI_MPOL_INTERLEAVE,
	HOY_OCI_MPOL_WEIGHTED_INTERLEAVE,
	HOY_OCI_MPOL_PREFERRED,
	HOY_OCI_MPOL_PREFERRED_MANY,
	HOY_OCI_MPOL_LOCAL,
};

enum hoy_oci_mpol_flag {
	HOY_OCI_MPOL_F_UNSET,
	HOY_OCI_MPOL_F_NUMA_BALANCING,
	HOY_OCI_MPOL_F_RELATIVE_NODES,
	HOY_OCI_MPOL_F_STATIC_NODES,
};

struct hoy_oci_memory_policy {
	enum hoy_oci_mpol_mode mode;
	char *nodes;
	enum hoy_oci_mpol_flag *flags;
	size_t n_flags;
};

enum hoy_oci_personality_domain {
	HOY_OCI_PER_UNSET,
	HOY_OCI_PER_LINUX,
	HOY_OCI_PER_LINUX32,
};

struct hoy_oci_personality {
	enum hoy_oci_personality_domain domain;
	char **flags; /* the specification knows none: validate refuses any */
};

struct hoy_oci_linux {
	struct hoy_oci_id_mapping *uid_mappings;
	size_t n_uid_mappings;
	struct hoy_oci_id_mapping *gid_mappings;
	size_t n_gid_mappings;
	struct hoy_oci_kv *sysctl;
	size_t n_sysctl;
	struct hoy_oci_resources *resources;
	char *cgroups_path;
	struct hoy_oci_namespace *namespaces;
	size_t n_namespaces;
	struct hoy_oci_device *devices;
	size_t n_devices;
	struct hoy_oci_net_device *net_devices;
	size_t n_net_devices;
	struct hoy_oci_seccomp *seccomp;
	enum hoy_oci_propagation rootfs_propagation;
	char **masked_paths;
	char **readonly_paths;
	char *mount_label;
	struct hoy_oci_intel_rdt *intel_rdt;
	struct hoy_oci_memory_policy *memory_policy;
	struct hoy_oci_personality *personality;
	struct hoy_oci_time_offsets *time_offsets;
};

/* --- config.json ---------------------------------------------------------------------------------------------- */

struct hoy_oci_spec {
	char *oci_version;
	struct hoy_oci_process *process; /* NULL is allowed until the container is started */
	struct hoy_oci_root *root;
	char *hostname;
	char *domainname;
	struct hoy_oci_mount *mounts;
	size_t n_mounts;
	struct hoy_oci_hooks *hooks;
	struct hoy_oci_kv *annotations;
	size_t n_annotations;
	struct hoy_oci_linux *linux_; /* "linux" is a macro of the compiler */

	char **unknown_fields; /* parse: their paths, for a debug log; NULL when there are none. Not printed. */
};

/* Strict types, unknown values of enumerations refused, sizes capped. Errors carry the JSON path:
 * "linux.namespaces[2].type: unknown value "nett"", "process.cwd: missing". Does not validate. */
int hoy_oci_spec_parse(const char *text, size_t len, struct hoy_oci_spec **ret, struct hoy_err *err);

/* What the specification says of the document alone; nothing of the host is looked at. The first fault is reported. */
int hoy_oci_spec_validate(const struct hoy_oci_spec *spec, struct hoy_err *err);

/* `indent` spaces per level, 0 is compact. Members in the order of the structs; absent ones are left out. */
int hoy_oci_spec_print(const struct hoy_oci_spec *spec, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);

void hoy_oci_spec_free(struct hoy_oci_spec *spec);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_spec, hoy_oci_spec_free);

/* The mounts of the document `text`, {"mounts": [...]} or the list alone, take the place of the spec's, and are
 * validated. For mounts that are added to a running container. */
int hoy_oci_spec_replace_mounts(struct hoy_oci_spec *spec, const char *text, size_t len, struct hoy_err *err);

/* Parts on their own: `exec --process FILE`, `update --resources FILE`, a seccomp profile. Parse also validates. */
int hoy_oci_process_parse(const char *text, size_t len, struct hoy_oci_process **ret, struct hoy_err *err);
int hoy_oci_process_validate(const struct hoy_oci_process *process, struct hoy_err *err);
int hoy_oci_process_print(
	const struct hoy_oci_process *process, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);
void hoy_oci_process_free(struct hoy_oci_process *process);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_process, hoy_oci_process_free);

int hoy_oci_resources_parse(const char *text, size_t len, struct hoy_oci_resources **ret, struct hoy_err *err);
int hoy_oci_resources_print(
	const struct hoy_oci_resources *resources, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);
void hoy_oci_resources_free(struct hoy_oci_resources *resources);
/* The table, for documents of ours that carry resources. */
extern const struct hoy_object hoy_oci_resources_object;
HOY_DEFINE_AUTO_PTR(struct hoy_oci_resources, hoy_oci_resources_free);

int hoy_oci_seccomp_parse(const char *text, size_t len, struct hoy_oci_seccomp **ret, struct hoy_err *err);
void hoy_oci_seccomp_free(struct hoy_oci_seccomp *seccomp);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_seccomp, hoy_oci_seccomp_free);
/* Its table, for documents that hold these members and more: docker's profiles. */
extern const struct hoy_object hoy_oci_seccomp_object;

/* Names as the documents have them ("network", "SCMP_ACT_ERRNO"); NULL for the _UNSET value. */
const char *hoy_oci_ns_type_to_string(enum hoy_oci_ns_type type);
const char *hoy_oci_seccomp_action_to_string(enum hoy_oci_seccomp_action action);
const char *hoy_oci_seccomp_arch_to_string(enum hoy_oci_seccomp_arch arch);

/* The namespace entry of a type, NULL when the container shares the runtime's. */
const struct hoy_oci_namespace *hoy_oci_spec_namespace(const struct hoy_oci_spec *spec, enum hoy_oci_ns_type type);
/* The value of an annotation, or NULL. */
const char *hoy_oci_spec_annotation(const struct hoy_oci_spec *spec, const char *key);

/* --- state ---------------------------------------------------------------------------------------------------- */

enum hoy_oci_status {
	HOY_OCI_STATUS_UNSET,
	HOY_OCI_STATUS_CREATING,
	HOY_OCI_STATUS_CREATED,
	HOY_OCI_STATUS_RUNNING,
	HOY_OCI_STATUS_PAUSED, /* not in the specification; what runc's `state` says */
	HOY_OCI_STATUS_STOPPED,
};

struct hoy_oci_state {
	char *oci_version;
	char *id;
	int32_t pid; /* always printed; 0 once stopped */
	enum hoy_oci_status status;
	char *bundle;
	char *rootfs;  /* rootfs, created, owner: what runc's `state` and `list` add; NULL for hooks */
	char *created; /* RFC 3339 */
	struct hoy_oci_kv *annotations;
	size_t n_annotations;
	char *owner;
};

int hoy_oci_state_parse(const char *text, size_t len, struct hoy_oci_state **ret, struct hoy_err *err);
int hoy_oci_state_print(
	const struct hoy_oci_state *state, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);
void hoy_oci_state_free(struct hoy_oci_state *state);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_state, hoy_oci_state_free);
const char *hoy_oci_status_to_string(enum hoy_oci_status status);

/* What goes to linux.seccomp.listenerPath together with the descriptors named in `fds`. */
struct hoy_oci_process_state {
	char *oci_version;
	char **fds;
	int32_t pid;
	char *metadata;
	struct hoy_oci_state *state;
};

int hoy_oci_process_state_print(
	const struct hoy_oci_process_state *state, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);

/* --- features ------------------------------------------------------------------------------------------------- */

struct hoy_oci_features_enabled {
	bool *enabled;
};

struct hoy_oci_features_cgroup {
	bool *v1;
	bool *v2;
	bool *systemd;
	bool *systemd_user;
	bool *rdma;
};

struct hoy_oci_features_seccomp {
	bool *enabled;
	char **actions;
	char **operators;
	char **archs;
	char **known_flags;
	char **supported_flags;
};

struct hoy_oci_features_memory_policy {
	char **modes;
	char **flags;
};

struct hoy_oci_features_intel_rdt {
	bool *enabled;
	bool *schemata;
	bool *monitoring;
};

struct hoy_oci_features_mount_extensions {
	struct hoy_oci_features_enabled *idmap;
};

struct hoy_oci_features_linux {
	char **namespaces;
	char **capabilities;
	struct hoy_oci_features_cgroup *cgroup;
	struct hoy_oci_features_seccomp *seccomp;
	struct hoy_oci_features_enabled *apparmor;
	struct hoy_oci_features_enabled *selinux;
	struct hoy_oci_features_memory_policy *memory_policy;
	struct hoy_oci_features_intel_rdt *intel_rdt;
	struct hoy_oci_features_mount_extensions *mount_extensions;
	struct hoy_oci_features_enabled *net_devices;
};

struct hoy_oci_features {
	char *oci_version_min;
	char *oci_version_max;
	char **hooks;
	char **mount_options;
	struct hoy_oci_features_linux *linux_;
	struct hoy_oci_kv *annotations;
	size_t n_annotations;
	char **potentially_unsafe_config_annotations;
};

int hoy_oci_features_parse(const char *text, size_t len, struct hoy_oci_features **ret, struct hoy_err *err);
int hoy_oci_features_print(
	const struct hoy_oci_features *features, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err);
void hoy_oci_features_free(struct hoy_oci_features *features);
HOY_DEFINE_AUTO_PTR(struct hoy_oci_features, hoy_oci_features_free);

#endif
