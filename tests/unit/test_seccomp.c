/*
 * The seccomp compiler against libseccomp: both compile the same description, both programs run in an interpreter for
 * every call number and samples of the arguments, and must decide alike. What ours adds (ENOSYS for calls newer than
 * the description) is expected on top.
 */
#include "runtime/plan/seccomp_internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <string.h>

#include "tests/unit/unit.h"

/* --- the interpreter -------------------------------------------------------------------------------------------- */

static uint32_t run(const struct hoy_seccomp_program *prog, const struct seccomp_data *data)
{
	uint32_t a = 0;

	for (size_t pc = 0; pc < prog->n_insns; pc++) {
		const struct sock_filter *insn = &prog->insns[pc];
		bool taken;

		switch (insn->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (insn->k > sizeof *data - 4) /* not ck_assert: that costs a system call each */
				ck_abort_msg("load from %u", insn->k);
			memcpy(&a, (const char *) data + insn->k, sizeof a);
			continue;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= insn->k;
			continue;
		case BPF_RET | BPF_K:
			return insn->k;
		case BPF_JMP | BPF_JA:
			pc += insn->k;
			continue;
		case BPF_JMP | BPF_JEQ | BPF_K:
			taken = a == insn->k;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			taken = a >= insn->k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			taken = a > insn->k;
			break;
		default:
			ck_abort_msg("unexpected instruction %#x", insn->code);
		}
		pc += taken ? insn->jt : insn->jf;
	}
	ck_abort_msg("the program has no end");
	return 0;
}

/* --- comparing -------------------------------------------------------------------------------------------------- */

static const struct {
	uint32_t audit;
	enum hoy_seccomp_abi abi;
	uint32_t base;
	uint32_t token;
} abis[] = {
	{ AUDIT_ARCH_X86_64, HOY_SECCOMP_X86_64, 0, SCMP_ARCH_X86_64 },
	{ AUDIT_ARCH_I386, HOY_SECCOMP_I386, 0, SCMP_ARCH_X86 },
	{ AUDIT_ARCH_X86_64, HOY_SECCOMP_X32, HOY_SECCOMP_X32_BIT, SCMP_ARCH_X32 },
	{ AUDIT_ARCH_AARCH64, HOY_SECCOMP_AARCH64, 0, SCMP_ARCH_AARCH64 },
	{ AUDIT_ARCH_ARM, HOY_SECCOMP_ARM, 0, SCMP_ARCH_ARM },
	{ AUDIT_ARCH_RISCV64, HOY_SECCOMP_RISCV64, 0, SCMP_ARCH_RISCV64 },
};

static bool is_listed(const struct hoy_oci_seccomp *seccomp, enum hoy_seccomp_abi abi)
{
	static const enum hoy_oci_seccomp_arch archs[] = { HOY_OCI_ARCH_X86_64, HOY_OCI_ARCH_X86, HOY_OCI_ARCH_X32,
		HOY_OCI_ARCH_AARCH64, HOY_OCI_ARCH_ARM, HOY_OCI_ARCH_RISCV64 };

	for (size_t i = 0; i < seccomp->n_architectures; i++)
		if (seccomp->architectures[i] == archs[abi])
			return true;
	return false;
}

/* -1 when the description names no call of that architecture. */
static int32_t newest_call(const struct hoy_oci_seccomp *seccomp, enum hoy_seccomp_abi abi)
{
	int32_t newest = -1;

	if (!is_listed(seccomp, abi))
		return -1;
	for (size_t i = 0; i < seccomp->n_syscalls; i++)
		for (char **name = seccomp->syscalls[i].names; *name != NULL; name++) {
			const struct hoy_seccomp_call *call = hoy_seccomp_call_find(*name);

			if (call != NULL && call->nr[abi] < 1024)
				newest = MAX(newest, call->nr[abi]);
		}
	return newest;
}

static bool known_to_libseccomp(uint32_t token, uint32_t nr)
{
	char *name = seccomp_syscall_resolve_num_arch(token, (int) nr);
	bool known = name != NULL;

	free(name);
	return known;
}

/* What libseccomp's version does not know yet, it can't decide by rule. */
static bool is_comparable(size_t abi, uint32_t nr)
{
	return nr <= 456 || nr > 470 || known_to_libseccomp(abis[abi].token, nr + abis[abi].base);
}

/* On x86-64 a bit of the number tells x32. */
static bool is_of_abi(size_t abi, uint32_t raw)
{
	return abis[abi].audit != AUDIT_ARCH_X86_64 || (raw >= HOY_SECCOMP_X32_BIT) == (abis[abi].base != 0);
}

struct both {
	struct hoy_seccomp_program ours, theirs;
};

static void compare_one(
	const struct both *both, const struct seccomp_data *data, size_t abi, int32_t newest, bool hides)
{
	uint32_t ours = run(&both->ours, data), theirs = run(&both->theirs, data);
	uint32_t nr = (uint32_t) data->nr - abis[abi].base;

	if (hides && newest >= 0 && nr > (uint32_t) newest && (nr - 0xf0000 >= 8 || abis[abi].abi != HOY_SECCOMP_ARM))
		theirs = SECCOMP_RET_ERRNO | ENOSYS;
	if (ours != theirs)
		ck_abort_msg("arch %zu nr %u (%#x) args %#llx %#llx %#llx: ours %#x, libseccomp %#x", abi, nr, data->nr,
			(unsigned long long) data->args[0], (unsigned long long) data->args[1],
			(unsigned long long) data->args[2], ours, theirs);
}

static bool hides_new_calls(enum hoy_oci_seccomp_action action)
{
	return action != HOY_OCI_ACT_ALLOW && action != HOY_OCI_ACT_LOG && action != HOY_OCI_ACT_TRACE;
}

/* Values around those that the rules name, in both halves. */
static size_t samples(const struct hoy_oci_seccomp *seccomp, uint64_t *values, size_t max)
{
	size_t n = 0;

	values[n++] = 0;
	values[n++] = 1;
	values[n++] = UINT32_MAX;
	for (size_t i = 0; i < seccomp->n_syscalls; i++)
		for (size_t a = 0; a < seccomp->syscalls[i].n_args && n + 6 < max; a++) {
			const struct hoy_oci_seccomp_arg *arg = &seccomp->syscalls[i].args[a];

			values[n++] = arg->value;
			values[n++] = arg->value + 1;
			values[n++] = arg->value - 1;
			values[n++] = arg->value ^ 1ull << 40;
			values[n++] = arg->value_two;
			values[n++] = arg->value & arg->value_two;
		}
	return n;
}

static bool has_conditions(const struct hoy_oci_seccomp *seccomp, const char *name)
{
	for (size_t i = 0; i < seccomp->n_syscalls; i++)
		for (char **n = seccomp->syscalls[i].names; *n != NULL; n++)
			if (seccomp->syscalls[i].n_args > 0 && strcmp(*n, name) == 0)
				return true;
	return false;
}

static bool needs_arguments(const struct hoy_oci_seccomp *seccomp, size_t abi, uint32_t nr)
{
	auto_free char *name = seccomp_syscall_resolve_num_arch(abis[abi].token, (int) nr);

	if (abis[abi].abi == HOY_SECCOMP_I386 && (nr == HOY_SECCOMP_I386_SOCKETCALL || nr == HOY_SECCOMP_I386_IPC))
		return true;
	return name != NULL && has_conditions(seccomp, name);
}

static void compare_call(const struct hoy_oci_seccomp *seccomp, const struct both *both, size_t abi, uint32_t nr)
{
	int32_t newest = newest_call(seccomp, abis[abi].abi);
	bool hides = hides_new_calls(seccomp->default_action);
	bool is_32bit = abi == 1 || abi == 4;
	struct seccomp_data data = { .nr = (int) nr, .arch = abis[abi].audit };
	uint64_t values[256];
	size_t n = samples(seccomp, values, ARRAY_LEN(values));

	compare_one(both, &data, abi, newest, hides);
	if (!needs_arguments(seccomp, abi, nr))
		return;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++) {
			/* every argument gets every value, two of them every pair */
			for (size_t a = 0; a < 6; a++)
				data.args[a] = values[a % 2 == 0 ? i : k];
			for (size_t a = 0; a < 6 && is_32bit; a++)
				data.args[a] &= UINT32_MAX;
			compare_one(both, &data, abi, newest, hides);
		}
	/* each argument alone, for multiplexers too */
	for (uint64_t v = 0; v < 32; v++) {
		data.args[0] = v;
		compare_one(both, &data, abi, newest, hides);
	}
}

/*
 * A program sees a number only through comparisons with constants. So between two neighbouring constants of both
 * programs all numbers are decided alike, and the constants with their neighbours stand for all numbers there are.
 */
static void compare_boundaries(const struct hoy_oci_seccomp *seccomp, const struct both *both, size_t abi)
{
	const struct hoy_seccomp_program *programs[] = { &both->ours, &both->theirs };
	int32_t newest = newest_call(seccomp, abis[abi].abi);
	bool hides = hides_new_calls(seccomp->default_action);

	for (size_t p = 0; p < ARRAY_LEN(programs); p++)
		for (size_t i = 0; i < programs[p]->n_insns; i++) {
			const struct sock_filter *insn = &programs[p]->insns[i];

			if (BPF_CLASS(insn->code) != BPF_JMP || BPF_OP(insn->code) == BPF_JA)
				continue;
			for (int near = -1; near <= 1; near++) {
				struct seccomp_data data = { .arch = abis[abi].audit,
					.nr = (int) (insn->k + (uint32_t) near) };
				uint32_t nr = (uint32_t) data.nr - abis[abi].base;

				if (is_of_abi(abi, (uint32_t) data.nr) && is_comparable(abi, nr))
					compare_one(both, &data, abi, newest, hides);
			}
		}
}

static void compare(const struct hoy_oci_seccomp *seccomp)
{
	auto_(hoy_seccomp_program_done) struct hoy_seccomp_program ours = {}, theirs = {};
	static const uint32_t specials[] = { 983041, 983045, 1023, 1024, 5000, 0x3fffffff, 0x7fffffff };
	struct hoy_err err = {};
	struct both both;

	ck_assert_msg(hoy_seccomp_compile(seccomp, &ours, &err) == 0, "%s", hoy_err_str(&err));
	ck_assert_msg(hoy_seccomp_compile_foreign(seccomp, &theirs, &err) == 0, "%s", hoy_err_str(&err));
	both = (struct both){ ours, theirs };
	for (size_t abi = 0; abi < ARRAY_LEN(abis); abi++) {
		for (uint32_t nr = 0; nr <= 700; nr++)
			if (is_comparable(abi, nr))
				compare_call(seccomp, &both, abi, nr + abis[abi].base);
		for (size_t i = 0; i < ARRAY_LEN(specials); i++)
			if (abis[abi].base == 0 || specials[i] < HOY_SECCOMP_X32_BIT)
				if (specials[i] < HOY_SECCOMP_X32_BIT || abis[abi].audit != AUDIT_ARCH_X86_64)
					compare_call(seccomp, &both, abi, specials[i] + abis[abi].base);
		compare_boundaries(seccomp, &both, abi);
	}
}

/* --- building descriptions ---------------------------------------------------------------------------------------- */

static enum hoy_oci_seccomp_arch all_archs[] = { HOY_OCI_ARCH_X86_64, HOY_OCI_ARCH_X86, HOY_OCI_ARCH_X32,
	HOY_OCI_ARCH_AARCH64, HOY_OCI_ARCH_ARM, HOY_OCI_ARCH_RISCV64 };

static struct hoy_oci_seccomp deny_all(struct hoy_oci_seccomp_syscall *rules, size_t n)
{
	return (struct hoy_oci_seccomp){
		.default_action = HOY_OCI_ACT_ERRNO,
		.architectures = all_archs,
		.n_architectures = ARRAY_LEN(all_archs),
		.syscalls = rules,
		.n_syscalls = n,
	};
}

#define NAMES(...) ((char *[]){ __VA_ARGS__, NULL })
#define ARGS(...)                                                                                                      \
	.args = (struct hoy_oci_seccomp_arg[]){ __VA_ARGS__ },                                                         \
	.n_args = sizeof((struct hoy_oci_seccomp_arg[]){ __VA_ARGS__ }) / sizeof(struct hoy_oci_seccomp_arg)

/* --- tests ------------------------------------------------------------------------------------------------------ */

START_TEST(the_table_agrees_with_libseccomp)
{
	for (size_t i = 0; i < hoy_seccomp_n_calls; i++) {
		const struct hoy_seccomp_call *call = &hoy_seccomp_calls[i];

		if (i > 0)
			ck_assert_int_lt(strcmp(hoy_seccomp_calls[i - 1].name, call->name), 0);
		if (seccomp_syscall_resolve_name(call->name) == __NR_SCMP_ERROR)
			continue;
		for (size_t a = 0; a < ARRAY_LEN(abis); a++) {
			int theirs = seccomp_syscall_resolve_name_arch(abis[a].token, call->name);
			int32_t ours = call->nr[abis[a].abi];

			if (theirs >= 0)
				ck_assert_msg(ours == (int32_t) ((uint32_t) theirs - abis[a].base), "%s on %zu: %d, %d",
					call->name, a, ours, theirs);
			else if (a == 1 && theirs > -300 && theirs < -100)
				ck_assert_int_eq(call->multiplex, -theirs);
			/* newer than libseccomp: the kernel numbers these alike everywhere */
			else if (ours >= 0)
				ck_assert_msg(ours > 300, "%s on %zu: %d", call->name, a, ours);
		}
	}
}
END_TEST

START_TEST(plain_rules_decide_as_with_libseccomp)
{
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("read", "write", "openat", "exit_group", "socketcall", "ipc", "futex_waitv"),
			.action = HOY_OCI_ACT_ALLOW },
		{ .names = NAMES("ptrace", "no_such_call"), .action = HOY_OCI_ACT_KILL_PROCESS },
		{ .names = NAMES("mount"), .action = HOY_OCI_ACT_ERRNO, .errno_ret = &(uint32_t){ 13 } },
		{ .names = NAMES("reboot"), .action = HOY_OCI_ACT_TRACE, .errno_ret = &(uint32_t){ 7 } },
		{ .names = NAMES("bpf"), .action = HOY_OCI_ACT_LOG },
		{ .names = NAMES("kexec_load"), .action = HOY_OCI_ACT_TRAP },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	compare(&seccomp);
}
END_TEST

START_TEST(every_operator_decides_as_with_libseccomp)
{
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("getpid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 0, 5, 0, HOY_OCI_CMP_NE }) },
		{ .names = NAMES("getppid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 1, 5, 0, HOY_OCI_CMP_LT }) },
		{ .names = NAMES("getuid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 2, 5, 0, HOY_OCI_CMP_LE }) },
		{ .names = NAMES("getgid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 3, 5, 0, HOY_OCI_CMP_EQ }) },
		{ .names = NAMES("geteuid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 4, 5, 0, HOY_OCI_CMP_GE }) },
		{ .names = NAMES("getegid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 5, 5, 0, HOY_OCI_CMP_GT }) },
		{ .names = NAMES("close"),
			.action = HOY_OCI_ACT_ALLOW,
			ARGS({ 0, 0xf0, 0x30, HOY_OCI_CMP_MASKED_EQ }) },
		{ .names = NAMES("dup"),
			.action = HOY_OCI_ACT_ALLOW,
			ARGS({ 0, 0x7e020000, 0, HOY_OCI_CMP_MASKED_EQ }) },
		{ .names = NAMES("lseek"),
			.action = HOY_OCI_ACT_ALLOW,
			ARGS({ 0, 3, 0, HOY_OCI_CMP_EQ }, { 1, 9, 0, HOY_OCI_CMP_GT }) },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	compare(&seccomp);
}
END_TEST

START_TEST(wide_arguments_compare_both_halves)
{
	const uint64_t wide = 0x100000005;
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("getpid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 0, wide, 0, HOY_OCI_CMP_NE }) },
		{ .names = NAMES("getppid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 1, wide, 0, HOY_OCI_CMP_LT }) },
		{ .names = NAMES("getuid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 2, wide, 0, HOY_OCI_CMP_LE }) },
		{ .names = NAMES("getgid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 3, wide, 0, HOY_OCI_CMP_EQ }) },
		{ .names = NAMES("geteuid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 4, wide, 0, HOY_OCI_CMP_GE }) },
		{ .names = NAMES("getegid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 5, wide, 0, HOY_OCI_CMP_GT }) },
		{ .names = NAMES("close"),
			.action = HOY_OCI_ACT_ALLOW,
			ARGS({ 0, 0xff00000000f0, 0x010000000030, HOY_OCI_CMP_MASKED_EQ }) },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	/* where all arguments are wide, beside the native architecture that is always there */
	seccomp.architectures = (enum hoy_oci_seccomp_arch[]){ HOY_OCI_ARCH_X86_64, HOY_OCI_ARCH_AARCH64,
		HOY_OCI_ARCH_RISCV64 };
	seccomp.n_architectures = 3;
	compare(&seccomp);
}
END_TEST

START_TEST(alternatives_on_one_argument_are_ored)
{
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("personality"),
			.action = HOY_OCI_ACT_ALLOW,
			ARGS({ 0, 0, 0, HOY_OCI_CMP_EQ }, { 0, 8, 0, HOY_OCI_CMP_EQ }) },
		{ .names = NAMES("personality"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 0, 0x20000, 0, HOY_OCI_CMP_EQ }) },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	compare(&seccomp);
}
END_TEST

START_TEST(a_rule_without_conditions_wins_over_conditional_ones)
{
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("getpid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 0, 5, 0, HOY_OCI_CMP_EQ }) },
		{ .names = NAMES("getpid"), .action = HOY_OCI_ACT_ALLOW },
		{ .names = NAMES("getuid"), .action = HOY_OCI_ACT_ALLOW },
		{ .names = NAMES("getuid"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 0, 5, 0, HOY_OCI_CMP_EQ }) },
		{ .names = NAMES("getgid"), .action = HOY_OCI_ACT_ALLOW },
		{ .names = NAMES("getgid"), .action = HOY_OCI_ACT_LOG },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	compare(&seccomp);
}
END_TEST

START_TEST(multiplexed_calls_of_i386_are_found)
{
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("socket", "connect", "recv", "semop", "shmat"), .action = HOY_OCI_ACT_ALLOW },
		{ .names = NAMES("bind"), .action = HOY_OCI_ACT_LOG },
		{ .names = NAMES("msgget"), .action = HOY_OCI_ACT_KILL_PROCESS },
		{ .names = NAMES("listen"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 0, 5, 0, HOY_OCI_CMP_NE }) },
		{ .names = NAMES("pidfd_open"), .action = HOY_OCI_ACT_ALLOW },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	compare(&seccomp);
}
END_TEST

START_TEST(an_open_default_keeps_new_calls_open)
{
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("mount", "ptrace"), .action = HOY_OCI_ACT_ERRNO },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	seccomp.default_action = HOY_OCI_ACT_ALLOW;
	compare(&seccomp);
	seccomp.n_syscalls = 0;
	compare(&seccomp);
}
END_TEST

static uint32_t decide(const struct hoy_oci_seccomp *seccomp, uint32_t arch, uint32_t nr)
{
	auto_(hoy_seccomp_program_done) struct hoy_seccomp_program prog = {};
	struct seccomp_data data = { .nr = (int) nr, .arch = arch };

	ck_assert_int_eq(hoy_seccomp_compile(seccomp, &prog, NULL), 0);
	return run(&prog, &data);
}

START_TEST(calls_newer_than_the_description_do_not_exist)
{
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("read", "openat2"), .action = HOY_OCI_ACT_ALLOW },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, 436), SECCOMP_RET_ERRNO | EPERM);
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, 437), SECCOMP_RET_ALLOW);
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, 438), SECCOMP_RET_ERRNO | ENOSYS);
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, 5000), SECCOMP_RET_ERRNO | ENOSYS);
	seccomp.default_action = HOY_OCI_ACT_KILL_PROCESS;
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, 436), SECCOMP_RET_KILL_PROCESS);
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, 438), SECCOMP_RET_ERRNO | ENOSYS);
}
END_TEST

START_TEST(other_architectures_are_killed)
{
	struct hoy_oci_seccomp_syscall rules[] = {
		{ .names = NAMES("read"), .action = HOY_OCI_ACT_ALLOW },
	};
	struct hoy_oci_seccomp seccomp = deny_all(rules, ARRAY_LEN(rules));

	seccomp.n_architectures = 0;
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_S390X, 0), SECCOMP_RET_KILL_THREAD);
#ifdef __x86_64__
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_I386, 3), SECCOMP_RET_KILL_THREAD);
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, 0), SECCOMP_RET_ALLOW);
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, HOY_SECCOMP_X32_BIT), SECCOMP_RET_KILL_THREAD);
	ck_assert_uint_eq(decide(&seccomp, AUDIT_ARCH_X86_64, UINT32_MAX), SECCOMP_RET_ERRNO | EPERM);
#endif
}
END_TEST

static uint32_t next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

/* Random descriptions: any calls, one action per call, conditions on different arguments. */
static void compare_random(uint32_t seed)
{
	static char *names[64][2];
	struct hoy_oci_seccomp_syscall rules[64] = {};
	struct hoy_oci_seccomp_arg args[64][2] = {};
	struct hoy_oci_seccomp seccomp = deny_all(rules, 0);
	uint32_t state = seed * 2654435761u + 1;

	for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
		const struct hoy_seccomp_call *call = &hoy_seccomp_calls[next_random(&state) % hoy_seccomp_n_calls];

		if (call->multiplex != 0 || strcmp(call->name, "socketcall") == 0 || strcmp(call->name, "ipc") == 0)
			continue;
		if (seccomp_syscall_resolve_name(call->name) == __NR_SCMP_ERROR)
			continue;
		names[i][0] = (char *) call->name;
		rules[seccomp.n_syscalls].names = names[i];
		rules[seccomp.n_syscalls].action = call->name[0] % 2 ? HOY_OCI_ACT_ALLOW : HOY_OCI_ACT_KILL_PROCESS;
		if (next_random(&state) % 3 == 0) {
			args[i][0] = (struct hoy_oci_seccomp_arg){ next_random(&state) % 6, next_random(&state),
				next_random(&state), HOY_OCI_CMP_NE + next_random(&state) % 7 };
			rules[seccomp.n_syscalls].args = args[i];
			rules[seccomp.n_syscalls].n_args = 1;
		}
		seccomp.n_syscalls++;
	}
	compare(&seccomp);
}

START_TEST(random_descriptions_decide_as_with_libseccomp)
{
	for (uint32_t seed = 1; seed <= 6; seed++)
		compare_random(seed);
}
END_TEST

START_TEST(contradictions_are_refused)
{
	struct hoy_oci_seccomp_syscall rule = { .names = NAMES("read"), .action = HOY_OCI_ACT_ALLOW };
	struct hoy_oci_seccomp seccomp = deny_all(&rule, 1);
	auto_(hoy_seccomp_program_done) struct hoy_seccomp_program prog = {};

	rule.errno_ret = &(uint32_t){ 1 };
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), -EINVAL);
	rule = (struct hoy_oci_seccomp_syscall){
		.names = NAMES("read"), .action = HOY_OCI_ACT_ALLOW, ARGS({ 6, 0, 0, HOY_OCI_CMP_EQ })
	};
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), -EINVAL);
	rule = (struct hoy_oci_seccomp_syscall){ .names = NAMES("sendmsg"), .action = HOY_OCI_ACT_NOTIFY };
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), -EINVAL);
	rule.names = NAMES("mkdir");
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), -EINVAL);
	seccomp.listener_path = (char *) "/run/agent";
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), 0);
	ck_assert(prog.notify);
	ck_assert_uint_ne(prog.flags & SECCOMP_FILTER_FLAG_NEW_LISTENER, 0);
	hoy_seccomp_program_done(&prog);
	seccomp.default_action = HOY_OCI_ACT_NOTIFY;
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), -EINVAL);
}
END_TEST

START_TEST(flags_are_the_kernels)
{
	enum hoy_oci_seccomp_flag flags[] = { HOY_OCI_FILTER_FLAG_TSYNC, HOY_OCI_FILTER_FLAG_LOG,
		HOY_OCI_FILTER_FLAG_SPEC_ALLOW, HOY_OCI_FILTER_FLAG_WAIT_KILLABLE_RECV };
	struct hoy_oci_seccomp_syscall rule = { .names = NAMES("mkdir"), .action = HOY_OCI_ACT_NOTIFY };
	struct hoy_oci_seccomp seccomp = {
		.default_action = HOY_OCI_ACT_ALLOW,
		.listener_path = (char *) "/run/agent",
		.syscalls = &rule,
		.n_syscalls = 1,
	};
	auto_(hoy_seccomp_program_done) struct hoy_seccomp_program prog = {};

	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), 0);
	ck_assert_uint_eq(prog.flags, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
	hoy_seccomp_program_done(&prog);

	/* a list without SPEC_ALLOW is as it is */
	seccomp.flags = flags;
	seccomp.n_flags = 2;
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), 0);
	ck_assert_uint_eq(prog.flags, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_LOG);
	hoy_seccomp_program_done(&prog);
	seccomp.n_flags = 4;
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), 0);
	ck_assert_uint_eq(prog.flags, SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_LOG |
					      SECCOMP_FILTER_FLAG_SPEC_ALLOW | 1UL << 5 /* WAIT_KILLABLE_RECV */);
	hoy_seccomp_program_done(&prog);

	/* nobody receives without a listener */
	rule.action = HOY_OCI_ACT_LOG;
	ck_assert_int_eq(hoy_seccomp_compile(&seccomp, &prog, NULL), 0);
	ck_assert_uint_eq(prog.flags, SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW);
}
END_TEST

START_TEST(nothing_is_an_empty_program)
{
	struct hoy_seccomp_program prog = { .n_insns = 7 };
	int listener = 0;

	ck_assert_int_eq(hoy_seccomp_compile(NULL, &prog, NULL), 0);
	ck_assert_ptr_null(prog.insns);
	ck_assert_int_eq(hoy_seccomp_load(&prog, &listener, NULL), 0);
	ck_assert_int_eq(listener, -1);
}
END_TEST

static Suite *suite(void)
{
	const TTest *const tests[] = {
		the_table_agrees_with_libseccomp,
		plain_rules_decide_as_with_libseccomp,
		every_operator_decides_as_with_libseccomp,
		wide_arguments_compare_both_halves,
		alternatives_on_one_argument_are_ored,
		a_rule_without_conditions_wins_over_conditional_ones,
		multiplexed_calls_of_i386_are_found,
		an_open_default_keeps_new_calls_open,
		calls_newer_than_the_description_do_not_exist,
		other_architectures_are_killed,
		random_descriptions_decide_as_with_libseccomp,
		contradictions_are_refused,
		flags_are_the_kernels,
		nothing_is_an_empty_program,
	};

	return hoy_unit_suite("seccomp", tests, ARRAY_LEN(tests));
}

int main(void)
{
	const hoy_suite_fn suites[] = { suite };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
