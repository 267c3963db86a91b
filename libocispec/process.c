/* config.json: the process object. */
#include <string.h>

#include "base/str.h"
#include "libocispec/runtime_internal.h"

/* --- console, user, capabilities ----------------------------------------------------------------------------- */

static int console_size_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_console_size *size = object;

	if (size->height > UINT16_MAX)
		return hoy_field_invalid(at, err, "height", "above %d", UINT16_MAX);
	if (size->width > UINT16_MAX)
		return hoy_field_invalid(at, err, "width", "above %d", UINT16_MAX);
	return 0;
}

static const struct hoy_field console_size_fields[] = {
	HOY_FIELD_U64(struct hoy_oci_console_size, "height", height, REQUIRED),
	HOY_FIELD_U64(struct hoy_oci_console_size, "width", width, REQUIRED),
};
static const struct hoy_object console_size_object = HOY_OBJECT(
	struct hoy_oci_console_size, console_size_fields, console_size_check);

static int user_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_user *user = object;

	if (user->umask && *user->umask > 0777)
		return hoy_field_invalid(at, err, "umask", "%u is above 511 (octal 777)", *user->umask);
	return 0;
}

/* Some tools leave uid and gid out when they are 0. */
static const struct hoy_field user_fields[] = {
	HOY_FIELD_U32(struct hoy_oci_user, "uid", uid, HOY_FIELD_ALWAYS),
	HOY_FIELD_U32(struct hoy_oci_user, "gid", gid, HOY_FIELD_ALWAYS),
	HOY_FIELD_U32_PTR(struct hoy_oci_user, "umask", umask, 0),
	HOY_FIELD_U32S(struct hoy_oci_user, "additionalGids", additional_gids, 0),
	HOY_FIELD_STRING(struct hoy_oci_user, "username", username, OPTIONAL),
};
static const struct hoy_object user_object = HOY_OBJECT(struct hoy_oci_user, user_fields, user_check);

static const struct hoy_field capabilities_fields[] = {
	HOY_FIELD_STRV(struct hoy_oci_capabilities, "bounding", bounding, 0),
	HOY_FIELD_STRV(struct hoy_oci_capabilities, "effective", effective, 0),
	HOY_FIELD_STRV(struct hoy_oci_capabilities, "inheritable", inheritable, 0),
	HOY_FIELD_STRV(struct hoy_oci_capabilities, "permitted", permitted, 0),
	HOY_FIELD_STRV(struct hoy_oci_capabilities, "ambient", ambient, 0),
};
static const struct hoy_object capabilities_object = HOY_OBJECT(struct hoy_oci_capabilities, capabilities_fields, NULL);

/* --- rlimits ------------------------------------------------------------------------------------------------- */

static bool rlimit_is_known(const char *type)
{
	static const char *const names[] = { "AS", "CORE", "CPU", "DATA", "FSIZE", "LOCKS", "MEMLOCK", "MSGQUEUE",
		"NICE", "NOFILE", "NPROC", "RSS", "RTPRIO", "RTTIME", "SIGPENDING", "STACK" };

	if (!hoy_str_starts(type, "RLIMIT_"))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(type + strlen("RLIMIT_"), names[i]) == 0)
			return true;
	return false;
}

static int rlimit_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_rlimit *rlimit = object;

	if (!rlimit_is_known(rlimit->type))
		return hoy_field_invalid(at, err, "type", "unknown value \"%.100s\"", rlimit->type);
	if (rlimit->soft > rlimit->hard)
		return hoy_field_invalid(at, err, "soft", "above the hard limit");
	return 0;
}

static const struct hoy_field rlimit_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_rlimit, "type", type, REQUIRED),
	HOY_FIELD_U64(struct hoy_oci_rlimit, "hard", hard, REQUIRED),
	HOY_FIELD_U64(struct hoy_oci_rlimit, "soft", soft, REQUIRED),
};
static const struct hoy_object rlimit_object = HOY_OBJECT(struct hoy_oci_rlimit, rlimit_fields, rlimit_check);

/* There are 16 kinds of limits, so pairs are few unless one is there twice, which is found at once. */
static int check_duplicate_rlimits(
	const struct hoy_oci_process *process, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_field_path list = { .parent = at, .name = "rlimits" };

	for (size_t i = 1; i < process->n_rlimits; i++)
		for (size_t j = 0; j < i; j++) {
			const struct hoy_field_path here = { .parent = &list, .index = i };

			if (strcmp(process->rlimits[i].type, process->rlimits[j].type) == 0)
				return hoy_field_invalid(
					&here, err, "type", "%.100s is given twice", process->rlimits[i].type);
		}
	return 0;
}

/* --- scheduling ---------------------------------------------------------------------------------------------- */

static const char *const policy_names[] = {
	[HOY_OCI_SCHED_OTHER] = "SCHED_OTHER",
	[HOY_OCI_SCHED_FIFO] = "SCHED_FIFO",
	[HOY_OCI_SCHED_RR] = "SCHED_RR",
	[HOY_OCI_SCHED_BATCH] = "SCHED_BATCH",
	[HOY_OCI_SCHED_ISO] = "SCHED_ISO",
	[HOY_OCI_SCHED_IDLE] = "SCHED_IDLE",
	[HOY_OCI_SCHED_DEADLINE] = "SCHED_DEADLINE",
};
static const struct hoy_enum policies = HOY_ENUM(policy_names);

static const char *const sched_flag_names[] = {
	[HOY_OCI_SCHED_FLAG_RESET_ON_FORK] = "SCHED_FLAG_RESET_ON_FORK",
	[HOY_OCI_SCHED_FLAG_RECLAIM] = "SCHED_FLAG_RECLAIM",
	[HOY_OCI_SCHED_FLAG_DL_OVERRUN] = "SCHED_FLAG_DL_OVERRUN",
	[HOY_OCI_SCHED_FLAG_KEEP_POLICY] = "SCHED_FLAG_KEEP_POLICY",
	[HOY_OCI_SCHED_FLAG_KEEP_PARAMS] = "SCHED_FLAG_KEEP_PARAMS",
	[HOY_OCI_SCHED_FLAG_UTIL_CLAMP_MIN] = "SCHED_FLAG_UTIL_CLAMP_MIN",
	[HOY_OCI_SCHED_FLAG_UTIL_CLAMP_MAX] = "SCHED_FLAG_UTIL_CLAMP_MAX",
};
static const struct hoy_enum sched_flags = HOY_ENUM(sched_flag_names);

static bool is_set(const uint64_t *number)
{
	return number && *number;
}

static int scheduler_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_scheduler *s = object;
	bool fair = s->policy == HOY_OCI_SCHED_OTHER || s->policy == HOY_OCI_SCHED_BATCH;
	bool real_time = s->policy == HOY_OCI_SCHED_FIFO || s->policy == HOY_OCI_SCHED_RR;

	if (fair && s->nice && (*s->nice < -20 || *s->nice > 19))
		return hoy_field_invalid(at, err, "nice", "%d is not between -20 and 19", *s->nice);
	if (!real_time && s->priority && *s->priority)
		return hoy_field_invalid(at, err, "priority", "only for SCHED_FIFO and SCHED_RR");
	if (s->policy != HOY_OCI_SCHED_DEADLINE && (is_set(s->runtime) || is_set(s->deadline) || is_set(s->period)))
		return hoy_field_invalid(
			at, err, /* member= */ NULL, "runtime, deadline and period are only for SCHED_DEADLINE");
	return 0;
}

static const struct hoy_field scheduler_fields[] = {
	HOY_FIELD_ENUM(struct hoy_oci_scheduler, "policy", policy, &policies, REQUIRED),
	HOY_FIELD_I32_PTR(struct hoy_oci_scheduler, "nice", nice, 0),
	HOY_FIELD_I32_PTR(struct hoy_oci_scheduler, "priority", priority, 0),
	HOY_FIELD_ENUMS(struct hoy_oci_scheduler, "flags", flags, &sched_flags, 0),
	HOY_FIELD_U64_PTR(struct hoy_oci_scheduler, "runtime", runtime, 0),
	HOY_FIELD_U64_PTR(struct hoy_oci_scheduler, "deadline", deadline, 0),
	HOY_FIELD_U64_PTR(struct hoy_oci_scheduler, "period", period, 0),
};
static const struct hoy_object scheduler_object = HOY_OBJECT(
	struct hoy_oci_scheduler, scheduler_fields, scheduler_check);

static const char *const ioprio_names[] = {
	[HOY_OCI_IOPRIO_RT] = "IOPRIO_CLASS_RT",
	[HOY_OCI_IOPRIO_BE] = "IOPRIO_CLASS_BE",
	[HOY_OCI_IOPRIO_IDLE] = "IOPRIO_CLASS_IDLE",
};
static const struct hoy_enum ioprio_classes = HOY_ENUM(ioprio_names);

static int io_priority_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_io_priority *io = object;

	if (io->priority < 0 || io->priority > 7)
		return hoy_field_invalid(at, err, "priority", "%d is not between 0 and 7", io->priority);
	return 0;
}

static const struct hoy_field io_priority_fields[] = {
	HOY_FIELD_ENUM(struct hoy_oci_io_priority, "class", class_, &ioprio_classes, REQUIRED),
	HOY_FIELD_I32(struct hoy_oci_io_priority, "priority", priority, HOY_FIELD_ALWAYS),
};
static const struct hoy_object io_priority_object = HOY_OBJECT(
	struct hoy_oci_io_priority, io_priority_fields, io_priority_check);

static int affinity_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_exec_cpu_affinity *affinity = object;
	int r = hoy_oci_check_list(at, err, "initial", affinity->initial);

	return r < 0 ? r : hoy_oci_check_list(at, err, "final", affinity->final);
}

static const struct hoy_field affinity_fields[] = {
	HOY_FIELD_STRING(struct hoy_oci_exec_cpu_affinity, "initial", initial, OPTIONAL),
	HOY_FIELD_STRING(struct hoy_oci_exec_cpu_affinity, "final", final, OPTIONAL),
};
static const struct hoy_object affinity_object = HOY_OBJECT(
	struct hoy_oci_exec_cpu_affinity, affinity_fields, affinity_check);

/* --- process ------------------------------------------------------------------------------------------------- */

static int process_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_process *process = object;
	int r;

	if (!process->args)
		return hoy_field_invalid(at, err, "args", "missing");
	if (!process->args[0])
		return hoy_field_invalid(at, err, "args", "empty");
	if (process->oom_score_adj && (*process->oom_score_adj < -1000 || *process->oom_score_adj > 1000))
		return hoy_field_invalid(
			at, err, "oomScoreAdj", "%d is not between -1000 and 1000", *process->oom_score_adj);
	r = hoy_oci_check_absolute(at, err, "cwd", process->cwd);
	return r < 0 ? r : check_duplicate_rlimits(process, at, err);
}

#define PROCESS struct hoy_oci_process
static const struct hoy_field process_fields[] = {
	HOY_FIELD_BOOL(PROCESS, "terminal", terminal, 0),
	HOY_FIELD_OBJECT_PTR(
		PROCESS, "consoleSize", console_size, struct hoy_oci_console_size, &console_size_object, 0),
	HOY_FIELD_OBJECT(PROCESS, "user", user, struct hoy_oci_user, &user_object, 0),
	HOY_FIELD_STRV(PROCESS, "args", args, 0),
	HOY_FIELD_STRING(PROCESS, "commandLine", command_line, OPTIONAL),
	HOY_FIELD_STRV(PROCESS, "env", env, 0),
	HOY_FIELD_STRING(PROCESS, "cwd", cwd, REQUIRED),
	HOY_FIELD_OBJECT_PTR(
		PROCESS, "capabilities", capabilities, struct hoy_oci_capabilities, &capabilities_object, 0),
	HOY_FIELD_OBJECTS(PROCESS, "rlimits", rlimits, struct hoy_oci_rlimit, &rlimit_object, 0),
	HOY_FIELD_BOOL(PROCESS, "noNewPrivileges", no_new_privileges, 0),
	HOY_FIELD_STRING(PROCESS, "apparmorProfile", apparmor_profile, OPTIONAL),
	HOY_FIELD_I32_PTR(PROCESS, "oomScoreAdj", oom_score_adj, 0),
	HOY_FIELD_OBJECT_PTR(PROCESS, "scheduler", scheduler, struct hoy_oci_scheduler, &scheduler_object, 0),
	HOY_FIELD_STRING(PROCESS, "selinuxLabel", selinux_label, OPTIONAL),
	HOY_FIELD_OBJECT_PTR(PROCESS, "ioPriority", io_priority, struct hoy_oci_io_priority, &io_priority_object, 0),
	HOY_FIELD_OBJECT_PTR(
		PROCESS, "execCPUAffinity", exec_cpu_affinity, struct hoy_oci_exec_cpu_affinity, &affinity_object, 0),
};
const struct hoy_object hoy_oci_process_object = {
	.what = "process",
	.size = sizeof(PROCESS),
	.fields = process_fields,
	.n_fields = ARRAY_LEN(process_fields),
	.check = process_check,
};

int hoy_oci_process_parse(const char *text, size_t len, struct hoy_oci_process **ret, struct hoy_err *err)
{
	auto_ptr(hoy_oci_process_free) struct hoy_oci_process *process = NULL;
	int r = hoy_field_parse(&hoy_oci_process_object, text, len, NULL, (void **) &process, err);

	if (r >= 0)
		r = hoy_oci_process_validate(process, err);
	if (r >= 0)
		*ret = TAKE_PTR(process);
	return r;
}

int hoy_oci_process_validate(const struct hoy_oci_process *process, struct hoy_err *err)
{
	return hoy_field_validate(&hoy_oci_process_object, process, err);
}

int hoy_oci_process_print(
	const struct hoy_oci_process *process, struct hoy_buf *buf, unsigned int indent, struct hoy_err *err)
{
	return hoy_field_print(&hoy_oci_process_object, process, buf, indent, err);
}

void hoy_oci_process_free(struct hoy_oci_process *process)
{
	hoy_field_free(&hoy_oci_process_object, process);
}
