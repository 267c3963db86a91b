/* config.json: linux.seccomp. */
#include "libocispec/runtime_internal.h"

#define SYSCALL_ARGS 6

/* --- names --------------------------------------------------------------------------------------------------- */

static const char *const action_names[] = {
	[HOY_OCI_ACT_KILL] = "SCMP_ACT_KILL",
	[HOY_OCI_ACT_KILL_PROCESS] = "SCMP_ACT_KILL_PROCESS",
	[HOY_OCI_ACT_KILL_THREAD] = "SCMP_ACT_KILL_THREAD",
	[HOY_OCI_ACT_TRAP] = "SCMP_ACT_TRAP",
	[HOY_OCI_ACT_ERRNO] = "SCMP_ACT_ERRNO",
	[HOY_OCI_ACT_TRACE] = "SCMP_ACT_TRACE",
	[HOY_OCI_ACT_ALLOW] = "SCMP_ACT_ALLOW",
	[HOY_OCI_ACT_LOG] = "SCMP_ACT_LOG",
	[HOY_OCI_ACT_NOTIFY] = "SCMP_ACT_NOTIFY",
};
static const struct hoy_enum actions = HOY_ENUM(action_names);

static const char *const arch_names[] = {
	[HOY_OCI_ARCH_X86] = "SCMP_ARCH_X86",
	[HOY_OCI_ARCH_X86_64] = "SCMP_ARCH_X86_64",
	[HOY_OCI_ARCH_X32] = "SCMP_ARCH_X32",
	[HOY_OCI_ARCH_ARM] = "SCMP_ARCH_ARM",
	[HOY_OCI_ARCH_AARCH64] = "SCMP_ARCH_AARCH64",
	[HOY_OCI_ARCH_LOONGARCH64] = "SCMP_ARCH_LOONGARCH64",
	[HOY_OCI_ARCH_M68K] = "SCMP_ARCH_M68K",
	[HOY_OCI_ARCH_MIPS] = "SCMP_ARCH_MIPS",
	[HOY_OCI_ARCH_MIPS64] = "SCMP_ARCH_MIPS64",
	[HOY_OCI_ARCH_MIPS64N32] = "SCMP_ARCH_MIPS64N32",
	[HOY_OCI_ARCH_MIPSEL] = "SCMP_ARCH_MIPSEL",
	[HOY_OCI_ARCH_MIPSEL64] = "SCMP_ARCH_MIPSEL64",
	[HOY_OCI_ARCH_MIPSEL64N32] = "SCMP_ARCH_MIPSEL64N32",
	[HOY_OCI_ARCH_PPC] = "SCMP_ARCH_PPC",
	[HOY_OCI_ARCH_PPC64] = "SCMP_ARCH_PPC64",
	[HOY_OCI_ARCH_PPC64LE] = "SCMP_ARCH_PPC64LE",
	[HOY_OCI_ARCH_S390] = "SCMP_ARCH_S390",
	[HOY_OCI_ARCH_S390X] = "SCMP_ARCH_S390X",
	[HOY_OCI_ARCH_SH] = "SCMP_ARCH_SH",
	[HOY_OCI_ARCH_SHEB] = "SCMP_ARCH_SHEB",
	[HOY_OCI_ARCH_PARISC] = "SCMP_ARCH_PARISC",
	[HOY_OCI_ARCH_PARISC64] = "SCMP_ARCH_PARISC64",
	[HOY_OCI_ARCH_RISCV64] = "SCMP_ARCH_RISCV64",
};
static const struct hoy_enum archs = HOY_ENUM(arch_names);

static const char *const flag_names[] = {
	[HOY_OCI_FILTER_FLAG_TSYNC] = "SECCOMP_FILTER_FLAG_TSYNC",
	[HOY_OCI_FILTER_FLAG_LOG] = "SECCOMP_FILTER_FLAG_LOG",
	[HOY_OCI_FILTER_FLAG_SPEC_ALLOW] = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
	[HOY_OCI_FILTER_FLAG_WAIT_KILLABLE_RECV] = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
};
static const struct hoy_enum flags = HOY_ENUM(flag_names);

static const char *const op_names[] = {
	[HOY_OCI_CMP_NE] = "SCMP_CMP_NE",
	[HOY_OCI_CMP_LT] = "SCMP_CMP_LT",
	[HOY_OCI_CMP_LE] = "SCMP_CMP_LE",
	[HOY_OCI_CMP_EQ] = "SCMP_CMP_EQ",
	[HOY_OCI_CMP_GE] = "SCMP_CMP_GE",
	[HOY_OCI_CMP_GT] = "SCMP_CMP_GT",
	[HOY_OCI_CMP_MASKED_EQ] = "SCMP_CMP_MASKED_EQ",
};
static const struct hoy_enum ops = HOY_ENUM(op_names);

const char *hoy_oci_seccomp_action_to_string(enum hoy_oci_seccomp_action action)
{
	return hoy_enum_to_string(&actions, action);
}

const char *hoy_oci_seccomp_arch_to_string(enum hoy_oci_seccomp_arch arch)
{
	return hoy_enum_to_string(&archs, arch);
}

/* --- rules --------------------------------------------------------------------------------------------------- */

static bool takes_errno(enum hoy_oci_seccomp_action action)
{
	return action == HOY_OCI_ACT_ERRNO || action == HOY_OCI_ACT_TRACE;
}

static int arg_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_seccomp_arg *arg = object;

	if (arg->index >= SYSCALL_ARGS)
		return hoy_field_invalid(at, err, "index", "%u is not between 0 and 5", arg->index);
	return 0;
}

#define ARG struct hoy_oci_seccomp_arg
static const struct hoy_field arg_fields[] = {
	HOY_FIELD_U32(ARG, "index", index, REQUIRED),
	HOY_FIELD_U64(ARG, "value", value, REQUIRED),
	HOY_FIELD_U64(ARG, "valueTwo", value_two, 0),
	HOY_FIELD_ENUM(ARG, "op", op, &ops, REQUIRED),
};
static const struct hoy_object arg_object = HOY_OBJECT(ARG, arg_fields, arg_check);

static int syscall_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_seccomp_syscall *rule = object;

	if (!rule->names[0])
		return hoy_field_invalid(at, err, "names", "empty");
	for (size_t i = 0; rule->names[i]; i++)
		if (!*rule->names[i])
			return hoy_field_invalid(at, err, "names", "a name is empty");
	if (rule->errno_ret && !takes_errno(rule->action))
		return hoy_field_invalid(
			at, err, "errnoRet", "%s has no errno", hoy_oci_seccomp_action_to_string(rule->action));
	return 0;
}

#define RULE struct hoy_oci_seccomp_syscall
static const struct hoy_field syscall_fields[] = {
	HOY_FIELD_STRV(RULE, "names", names, REQUIRED),
	HOY_FIELD_ENUM(RULE, "action", action, &actions, REQUIRED),
	HOY_FIELD_U32_PTR(RULE, "errnoRet", errno_ret, 0),
	HOY_FIELD_OBJECTS(RULE, "args", args, ARG, &arg_object, 0),
};
static const struct hoy_object syscall_object = HOY_OBJECT(RULE, syscall_fields, syscall_check);

/* --- profile ------------------------------------------------------------------------------------------------- */

static bool notifies(const struct hoy_oci_seccomp *seccomp)
{
	if (seccomp->default_action == HOY_OCI_ACT_NOTIFY)
		return true;
	for (size_t i = 0; i < seccomp->n_syscalls; i++)
		if (seccomp->syscalls[i].action == HOY_OCI_ACT_NOTIFY)
			return true;
	return false;
}

static int seccomp_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	const struct hoy_oci_seccomp *seccomp = object;

	if (seccomp->default_errno_ret && !takes_errno(seccomp->default_action))
		return hoy_field_invalid(at, err, "defaultErrnoRet", "%s has no errno",
			hoy_oci_seccomp_action_to_string(seccomp->default_action));
	if (seccomp->listener_metadata && !seccomp->listener_path)
		return hoy_field_invalid(at, err, "listenerMetadata", "needs listenerPath");
	if (!seccomp->listener_path && notifies(seccomp))
		return hoy_field_invalid(at, err, "listenerPath", "missing, and SCMP_ACT_NOTIFY is used");
	return 0;
}

#define SECCOMP struct hoy_oci_seccomp
static const struct hoy_field seccomp_fields[] = {
	HOY_FIELD_ENUM(SECCOMP, "defaultAction", default_action, &actions, REQUIRED),
	HOY_FIELD_U32_PTR(SECCOMP, "defaultErrnoRet", default_errno_ret, 0),
	HOY_FIELD_ENUMS(SECCOMP, "architectures", architectures, &archs, 0),
	HOY_FIELD_ENUMS(SECCOMP, "flags", flags, &flags, 0),
	HOY_FIELD_STRING(SECCOMP, "listenerPath", listener_path, OPTIONAL),
	HOY_FIELD_STRING(SECCOMP, "listenerMetadata", listener_metadata, OPTIONAL),
	HOY_FIELD_OBJECTS(SECCOMP, "syscalls", syscalls, RULE, &syscall_object, 0),
};
const struct hoy_object hoy_oci_seccomp_object = {
	.what = "seccomp profile",
	.size = sizeof(SECCOMP),
	.fields = seccomp_fields,
	.n_fields = ARRAY_LEN(seccomp_fields),
	.check = seccomp_check,
};

int hoy_oci_seccomp_parse(const char *text, size_t len, struct hoy_oci_seccomp **ret, struct hoy_err *err)
{
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *seccomp = NULL;
	int r = hoy_field_parse(&hoy_oci_seccomp_object, text, len, NULL, (void **) &seccomp, err);

	if (r >= 0)
		r = hoy_field_validate(&hoy_oci_seccomp_object, seccomp, err);
	if (r >= 0)
		*ret = TAKE_PTR(seccomp);
	return r;
}

void hoy_oci_seccomp_free(struct hoy_oci_seccomp *seccomp)
{
	hoy_field_free(&hoy_oci_seccomp_object, seccomp);
}
