/*
 * The same description compiled by libseccomp: for machines that our tables do not cover, and as the other opinion in
 * our tests. Knows nothing of ENOSYS for calls newer than the description.
 */
#include "runtime/plan/seccomp_internal.h"

#include <errno.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"

static const struct {
	enum hoy_oci_seccomp_arch arch;
	uint32_t token;
} archs[] = {
	{ HOY_OCI_ARCH_X86, SCMP_ARCH_X86 },
	{ HOY_OCI_ARCH_X86_64, SCMP_ARCH_X86_64 },
	{ HOY_OCI_ARCH_X32, SCMP_ARCH_X32 },
	{ HOY_OCI_ARCH_ARM, SCMP_ARCH_ARM },
	{ HOY_OCI_ARCH_AARCH64, SCMP_ARCH_AARCH64 },
	{ HOY_OCI_ARCH_MIPS, SCMP_ARCH_MIPS },
	{ HOY_OCI_ARCH_MIPS64, SCMP_ARCH_MIPS64 },
	{ HOY_OCI_ARCH_MIPS64N32, SCMP_ARCH_MIPS64N32 },
	{ HOY_OCI_ARCH_MIPSEL, SCMP_ARCH_MIPSEL },
	{ HOY_OCI_ARCH_MIPSEL64, SCMP_ARCH_MIPSEL64 },
	{ HOY_OCI_ARCH_MIPSEL64N32, SCMP_ARCH_MIPSEL64N32 },
	{ HOY_OCI_ARCH_PPC, SCMP_ARCH_PPC },
	{ HOY_OCI_ARCH_PPC64, SCMP_ARCH_PPC64 },
	{ HOY_OCI_ARCH_PPC64LE, SCMP_ARCH_PPC64LE },
	{ HOY_OCI_ARCH_S390, SCMP_ARCH_S390 },
	{ HOY_OCI_ARCH_S390X, SCMP_ARCH_S390X },
	{ HOY_OCI_ARCH_PARISC, SCMP_ARCH_PARISC },
	{ HOY_OCI_ARCH_PARISC64, SCMP_ARCH_PARISC64 },
	{ HOY_OCI_ARCH_RISCV64, SCMP_ARCH_RISCV64 },
};

static void filter_release(scmp_filter_ctx *filter)
{
	if (*filter != NULL)
		seccomp_release(*filter);
}

static uint32_t action(enum hoy_oci_seccomp_action act, const uint32_t *errno_ret)
{
	uint32_t data = (errno_ret == NULL ? EPERM : *errno_ret) & 0xffff;

	switch (act) {
	case HOY_OCI_ACT_KILL_PROCESS:
		return SCMP_ACT_KILL_PROCESS;
	case HOY_OCI_ACT_TRAP:
		return SCMP_ACT_TRAP;
	case HOY_OCI_ACT_ERRNO:
		return SCMP_ACT_ERRNO(data);
	case HOY_OCI_ACT_TRACE:
		return SCMP_ACT_TRACE(data);
	case HOY_OCI_ACT_ALLOW:
		return SCMP_ACT_ALLOW;
	case HOY_OCI_ACT_LOG:
		return SCMP_ACT_LOG;
	case HOY_OCI_ACT_NOTIFY:
		return SCMP_ACT_NOTIFY;
	default:
		return SCMP_ACT_KILL_THREAD;
	}
}

static struct scmp_arg_cmp condition(const struct hoy_oci_seccomp_arg *arg)
{
	static const enum scmp_compare ops[] = {
		[HOY_OCI_CMP_NE] = SCMP_CMP_NE,
		[HOY_OCI_CMP_LT] = SCMP_CMP_LT,
		[HOY_OCI_CMP_LE] = SCMP_CMP_LE,
		[HOY_OCI_CMP_EQ] = SCMP_CMP_EQ,
		[HOY_OCI_CMP_GE] = SCMP_CMP_GE,
		[HOY_OCI_CMP_GT] = SCMP_CMP_GT,
		[HOY_OCI_CMP_MASKED_EQ] = SCMP_CMP_MASKED_EQ,
	};

	return (struct scmp_arg_cmp){
		.arg = arg->index, .op = ops[arg->op], .datum_a = arg->value, .datum_b = arg->value_two
	};
}

/* 0 also where the rule is there already, or the architecture does not have the call. */
static int add(scmp_filter_ctx filter, uint32_t act, int nr, const struct scmp_arg_cmp *args, unsigned int n)
{
	int r = seccomp_rule_add_array(filter, act, nr, n, args);

	return r == -EEXIST || r == -EDOM ? 0 : r;
}

static int add_syscall(
	scmp_filter_ctx filter, const struct hoy_oci_seccomp_syscall *rule, uint32_t act, const char *name)
{
	int nr = seccomp_syscall_resolve_name(name), r = 0;
	struct scmp_arg_cmp args[6];
	unsigned int seen = 0;
	bool alternatives = rule->n_args > ARRAY_LEN(args);

	if (nr == __NR_SCMP_ERROR)
		return 0;
	for (size_t i = 0; i < rule->n_args; i++) {
		alternatives |= (seen & 1u << rule->args[i].index) != 0;
		seen |= 1u << rule->args[i].index;
		args[i % ARRAY_LEN(args)] = condition(&rule->args[i]);
	}
	if (!alternatives)
		return add(filter, act, nr, args, (unsigned int) rule->n_args);
	for (size_t i = 0; i < rule->n_args && r == 0; i++) {
		args[0] = condition(&rule->args[i]);
		r = add(filter, act, nr, args, 1);
	}
	return r;
}

static int add_archs(scmp_filter_ctx filter, const struct hoy_oci_seccomp *seccomp)
{
	int r = 0;

	for (size_t i = 0; i < seccomp->n_architectures && (r == 0 || r == -EEXIST); i++) {
		r = -EINVAL;
		for (size_t k = 0; k < ARRAY_LEN(archs); k++)
			if (seccomp->architectures[i] == archs[k].arch)
				r = seccomp_arch_add(filter, archs[k].token);
	}
	return r == -EEXIST ? 0 : r;
}

static int add_rules(scmp_filter_ctx filter, const struct hoy_oci_seccomp *seccomp, uint32_t default_act)
{
	for (size_t i = 0; i < seccomp->n_syscalls; i++) {
		const struct hoy_oci_seccomp_syscall *rule = &seccomp->syscalls[i];
		uint32_t act = action(rule->action, rule->errno_ret);

		if (act == default_act)
			continue;
		for (char **name = rule->names; name != NULL && *name != NULL; name++) {
			int r = add_syscall(filter, rule, act, *name);

			if (r < 0)
				return r;
		}
	}
	return 0;
}

static int export(scmp_filter_ctx filter, struct hoy_seccomp_program *ret)
{
	auto_fd int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct stat st;
	int r;

	if (fd < 0)
		return -errno;
	r = seccomp_export_bpf(filter, fd);
	if (r < 0)
		return r;
	if (fstat(fd, &st) < 0)
		return -errno;
	ret->insns = malloc((size_t) st.st_size);
	if (ret->insns == NULL)
		return -ENOMEM;
	if (pread(fd, ret->insns, (size_t) st.st_size, 0) != st.st_size) {
		free(ret->insns);
		ret->insns = NULL;
		return -EIO;
	}
	ret->n_insns = (size_t) st.st_size / sizeof *ret->insns;
	return 0;
}

int hoy_seccomp_compile_foreign(
	const struct hoy_oci_seccomp *seccomp, struct hoy_seccomp_program *ret, struct hoy_err *err)
{
	uint32_t default_act = action(seccomp->default_action, seccomp->default_errno_ret);
	auto_(filter_release) scmp_filter_ctx filter = seccomp_init(default_act);
	int r;

	if (filter == NULL)
		return hoy_err_unsupported(err, "libseccomp does not take the default action");
	r = add_archs(filter, seccomp);
	if (r < 0)
		return hoy_err_unsupported(err, "libseccomp does not know an architecture of the seccomp description");
	r = add_rules(filter, seccomp, default_act);
	if (r == 0)
		r = export(filter, ret);
	return r < 0 ? hoy_err_code(err, r, "compile seccomp with libseccomp") : 0;
}
