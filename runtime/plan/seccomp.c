/*
 * The OCI seccomp description to a filter: names to numbers, rules to decisions per call number, call numbers to
 * ranges. Pure. The instructions are made in seccomp_emit.c; loading is in seccomp_load.c.
 */
#include "runtime/plan/seccomp_internal.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

#if defined(__x86_64__) && defined(__ILP32__)
#define NATIVE HOY_SECCOMP_X32
#elif defined(__x86_64__)
#define NATIVE HOY_SECCOMP_X86_64
#elif defined(__i386__)
#define NATIVE HOY_SECCOMP_I386
#elif defined(__aarch64__) && defined(__LITTLE_ENDIAN__)
#define NATIVE HOY_SECCOMP_AARCH64
#elif defined(__aarch64__) && !defined(__AARCH64EB__)
#define NATIVE HOY_SECCOMP_AARCH64
#elif defined(__arm__) && !defined(__ARMEB__)
#define NATIVE HOY_SECCOMP_ARM
#elif defined(__riscv) && __riscv_xlen == 64
#define NATIVE HOY_SECCOMP_RISCV64
#endif

#define CALLS_MAX 1024      /* call numbers we look at; the rest is beyond every known call */
#define PRIVATE_CALLS_MAX 8 /* arm's own, far behind the others */
#define SLOTS (CALLS_MAX + PRIVATE_CALLS_MAX)
#define RANGES_MAX (2 * (2 * SLOTS + 4))

/* --- values ----------------------------------------------------------------------------------------------------- */

uint32_t hoy_seccomp_action(enum hoy_oci_seccomp_action action, const uint32_t *errno_ret)
{
	uint32_t data = (errno_ret == NULL ? EPERM : *errno_ret) & SECCOMP_RET_DATA;

	switch (action) {
	case HOY_OCI_ACT_KILL_PROCESS:
		return SECCOMP_RET_KILL_PROCESS;
	case HOY_OCI_ACT_TRAP:
		return SECCOMP_RET_TRAP;
	case HOY_OCI_ACT_ERRNO:
		return SECCOMP_RET_ERRNO | data;
	case HOY_OCI_ACT_TRACE:
		return SECCOMP_RET_TRACE | data;
	case HOY_OCI_ACT_ALLOW:
		return SECCOMP_RET_ALLOW;
	case HOY_OCI_ACT_LOG:
		return SECCOMP_RET_LOG;
	case HOY_OCI_ACT_NOTIFY:
		return SECCOMP_RET_USER_NOTIF;
	default:
		return SECCOMP_RET_KILL_THREAD;
	}
}

/* What makes calls that nobody has named yet answer ENOSYS: a default that would otherwise mislead a C library. A
 * tracer can do that itself. */
static bool hides_new_calls(enum hoy_oci_seccomp_action action)
{
	return action != HOY_OCI_ACT_ALLOW && action != HOY_OCI_ACT_LOG && action != HOY_OCI_ACT_TRACE;
}

const struct hoy_seccomp_call *hoy_seccomp_call_find(const char *name)
{
	size_t low = 0, high = hoy_seccomp_n_calls;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(name, hoy_seccomp_calls[middle].name);

		if (order == 0)
			return &hoy_seccomp_calls[middle];
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

/* --- checks ----------------------------------------------------------------------------------------------------- */

static bool takes_errno(enum hoy_oci_seccomp_action action)
{
	return action == HOY_OCI_ACT_ERRNO || action == HOY_OCI_ACT_TRACE;
}

static int check_rule(const struct hoy_oci_seccomp_syscall *rule, size_t i, struct hoy_err *err)
{
	if (rule->action == HOY_OCI_ACT_UNSET)
		return hoy_err_invalid(err, "seccomp rule %zu has no action", i);
	if (rule->errno_ret != NULL && !takes_errno(rule->action))
		return hoy_err_invalid(err, "seccomp rule %zu has an errno, which its action does not take", i);
	for (size_t a = 0; a < rule->n_args; a++)
		if (rule->args[a].index > 5 || rule->args[a].op == HOY_OCI_CMP_UNSET)
			return hoy_err_invalid(
				err, "seccomp rule %zu: argument %zu has a wrong index or operator", i, a);
	if (rule->action == HOY_OCI_ACT_NOTIFY)
		for (char **name = rule->names; name != NULL && *name != NULL; name++)
			if (strcmp(*name, "sendmsg") == 0 || strcmp(*name, "write") == 0)
				return hoy_err_invalid(err,
					"seccomp rule %zu: SCMP_ACT_NOTIFY cannot be used for the %s syscall, which hands over the listener",
					i, *name);
	return 0;
}

static int check(const struct hoy_oci_seccomp *seccomp, struct hoy_err *err)
{
	if (seccomp->default_action == HOY_OCI_ACT_UNSET)
		return hoy_err_invalid(err, "seccomp has no default action");
	if (seccomp->default_action == HOY_OCI_ACT_NOTIFY)
		return hoy_err_invalid(err, "SCMP_ACT_NOTIFY cannot be the default action of seccomp");
	if (seccomp->default_errno_ret != NULL && !takes_errno(seccomp->default_action))
		return hoy_err_invalid(err, "seccomp has a default errno, which its default action does not take");
	for (size_t i = 0; i < seccomp->n_syscalls; i++) {
		int r = check_rule(&seccomp->syscalls[i], i, err);

		if (r < 0)
			return r;
	}
	return 0;
}

static bool notifies(const struct hoy_oci_seccomp *seccomp)
{
	for (size_t i = 0; i < seccomp->n_syscalls; i++)
		if (seccomp->syscalls[i].action == HOY_OCI_ACT_NOTIFY)
			return true;
	return false;
}

/* Without a list: SPEC_ALLOW, so that kernels before 5.16 do not slow the container down. TSYNC is about other threads,
 * of which there are none; WAIT_KILLABLE_RECV is about a listener. */
static unsigned int filter_flags(const struct hoy_oci_seccomp *seccomp, bool notify)
{
	unsigned int flags = seccomp->flags == NULL ? SECCOMP_FILTER_FLAG_SPEC_ALLOW : 0;

	for (size_t i = 0; i < seccomp->n_flags; i++) {
		if (seccomp->flags[i] == HOY_OCI_FILTER_FLAG_LOG)
			flags |= SECCOMP_FILTER_FLAG_LOG;
		if (seccomp->flags[i] == HOY_OCI_FILTER_FLAG_SPEC_ALLOW)
			flags |= SECCOMP_FILTER_FLAG_SPEC_ALLOW;
		if (seccomp->flags[i] == HOY_OCI_FILTER_FLAG_WAIT_KILLABLE_RECV && notify)
			flags |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	}
	return notify ? flags | SECCOMP_FILTER_FLAG_NEW_LISTENER : flags;
}

#ifdef NATIVE

/* --- rules of one architecture ---------------------------------------------------------------------------------- */

/* What is known of one call number. */
struct slot {
	bool decided; /* by a rule without conditions, which is `ret` */
	uint32_t ret;
	struct hoy_seccomp_rule *rules, *last_rule;
};

struct rule_block {
	struct rule_block *next;
	struct hoy_seccomp_rule rule;
};

struct compiler {
	const struct hoy_oci_seccomp *seccomp;
	const struct hoy_seccomp_call **calls; /* per name of all rules, in order; NULL: unknown */
	uint32_t default_ret;
	struct rule_block *blocks; /* all conditional rules, to be freed */
	struct slot slots[SLOTS];
	size_t n_ranges;
	struct hoy_seccomp_range ranges[RANGES_MAX];
	struct hoy_seccomp_emitter emitter;
};

static void compiler_free(struct compiler *c)
{
	if (c == NULL)
		return;
	while (c->blocks != NULL) {
		struct rule_block *block = c->blocks;

		c->blocks = block->next;
		free(block);
	}
	free(c->calls);
	free(c);
}
HOY_DEFINE_AUTO_PTR(struct compiler, compiler_free);

static struct slot *find_slot(struct compiler *c, int32_t nr)
{
	if (nr >= 0 && nr < CALLS_MAX)
		return &c->slots[nr];
	if ((uint32_t) nr - HOY_SECCOMP_ARM_PRIVATE < PRIVATE_CALLS_MAX)
		return &c->slots[CALLS_MAX + (uint32_t) nr - HOY_SECCOMP_ARM_PRIVATE];
	return NULL;
}

static int add_conditional(struct compiler *c, struct slot *slot, const struct hoy_seccomp_rule *rule)
{
	struct rule_block *block = calloc(1, sizeof *block);

	if (block == NULL)
		return -ENOMEM;
	block->next = c->blocks;
	c->blocks = block;
	block->rule = *rule;
	if (slot->last_rule == NULL)
		slot->rules = &block->rule;
	else
		slot->last_rule->next = &block->rule;
	slot->last_rule = &block->rule;
	return 0;
}

/* A rule without conditions replaces the conditional ones, whatever their order; of several the first counts. */
static int add_rule(struct compiler *c, int32_t nr, const struct hoy_seccomp_rule *rule)
{
	struct slot *slot = find_slot(c, nr);

	if (slot == NULL || slot->decided)
		return 0;
	if (rule->n_args > 0 || rule->subcall != 0)
		return add_conditional(c, slot, rule);
	slot->decided = true;
	slot->ret = rule->ret;
	slot->rules = NULL;
	return 0;
}

/* Two conditions on the same argument are alternatives: engines write ranges that way, and other runtimes read it so.
 */
static bool has_alternatives(const struct hoy_oci_seccomp_syscall *rule)
{
	unsigned int seen = 0;

	for (size_t i = 0; i < rule->n_args; i++) {
		if (seen & 1u << rule->args[i].index)
			return true;
		seen |= 1u << rule->args[i].index;
	}
	return false;
}

static int add_split(
	struct compiler *c, int32_t nr, const struct hoy_oci_seccomp_syscall *syscall, struct hoy_seccomp_rule *rule)
{
	if (nr < 0)
		return 0;
	if (!has_alternatives(syscall))
		return add_rule(c, nr, rule);
	for (size_t i = 0; i < syscall->n_args; i++) {
		struct hoy_seccomp_rule one = *rule;
		int r;

		one.args = &syscall->args[i];
		one.n_args = 1;
		r = add_rule(c, nr, &one);
		if (r < 0)
			return r;
	}
	return 0;
}

static int add_call(struct compiler *c, enum hoy_seccomp_abi abi, const struct hoy_seccomp_call *call,
	const struct hoy_oci_seccomp_syscall *syscall, uint32_t ret)
{
	struct hoy_seccomp_rule rule = { .ret = ret, .args = syscall->args, .n_args = syscall->n_args };
	int r = add_split(c, call->nr[abi], syscall, &rule);

	if (r < 0 || abi != HOY_SECCOMP_I386 || call->multiplex == 0)
		return r;
	rule.subcall = (uint32_t) call->multiplex % 100;
	return add_split(c, call->multiplex < 200 ? HOY_SECCOMP_I386_SOCKETCALL : HOY_SECCOMP_I386_IPC, syscall, &rule);
}

/* Fills the slots; *ret_newest is the highest number that the description names, -1 when it names none. */
static int fill_slots(struct compiler *c, enum hoy_seccomp_abi abi, int32_t *ret_newest)
{
	const struct hoy_seccomp_call **call = c->calls;

	memset(c->slots, 0, sizeof c->slots);
	*ret_newest = -1;
	for (size_t i = 0; i < c->seccomp->n_syscalls; i++) {
		const struct hoy_oci_seccomp_syscall *syscall = &c->seccomp->syscalls[i];
		uint32_t ret = hoy_seccomp_action(syscall->action, syscall->errno_ret);

		for (char **name = syscall->names; name != NULL && *name != NULL; name++, call++) {
			int r;

			if (*call == NULL)
				continue;
			if ((*call)->nr[abi] < CALLS_MAX)
				*ret_newest = MAX(*ret_newest, (*call)->nr[abi]);
			/* what happens anyway would only hide what another rule says */
			if (ret == c->default_ret)
				continue;
			r = add_call(c, abi, *call, syscall, ret);
			if (r < 0)
				return r;
		}
	}
	return 0;
}

/* --- ranges ----------------------------------------------------------------------------------------------------- */

static void add_range(struct compiler *c, uint32_t start, uint32_t ret)
{
	const struct hoy_seccomp_range *last = c->n_ranges == 0 ? NULL : &c->ranges[c->n_ranges - 1];

	if (last != NULL && last->ret == ret && last->rules == NULL)
		return;
	c->ranges[c->n_ranges++] = (struct hoy_seccomp_range){ .start = start, .ret = ret };
}

static void add_slot_range(struct compiler *c, const struct slot *slot, uint32_t nr, bool is_32bit)
{
	if (slot->decided || slot->rules == NULL) {
		add_range(c, nr, slot->decided ? slot->ret : c->default_ret);
		return;
	}
	c->ranges[c->n_ranges++] = (struct hoy_seccomp_range){
		.start = nr, .ret = c->default_ret, .rules = slot->rules, .is_32bit = is_32bit
	};
}

/* The calls of one architecture, from number `base` on. */
static int add_ranges(struct compiler *c, enum hoy_seccomp_abi abi, uint32_t base)
{
	bool is_32bit = abi == HOY_SECCOMP_I386 || abi == HOY_SECCOMP_X32 || abi == HOY_SECCOMP_ARM;
	uint32_t beyond = c->default_ret;
	int32_t newest;
	int r = fill_slots(c, abi, &newest);

	if (r < 0)
		return r;
	if (newest >= 0 && hides_new_calls(c->seccomp->default_action))
		beyond = SECCOMP_RET_ERRNO | ENOSYS;
	/* rules may stand behind the newest number too: for multiplexers of calls that have no number of their own */
	for (uint32_t nr = 0; nr < CALLS_MAX; nr++) {
		const struct slot *slot = &c->slots[nr];

		if ((int32_t) nr <= newest || slot->decided || slot->rules != NULL)
			add_slot_range(c, slot, base + nr, is_32bit);
		else
			add_range(c, base + nr, beyond);
	}
	if (abi == HOY_SECCOMP_ARM) {
		for (uint32_t i = 0; i < PRIVATE_CALLS_MAX; i++)
			add_slot_range(c, &c->slots[CALLS_MAX + i], HOY_SECCOMP_ARM_PRIVATE + i, is_32bit);
		add_range(c, HOY_SECCOMP_ARM_PRIVATE + PRIVATE_CALLS_MAX, beyond);
	}
	return 0;
}

/* --- architectures ---------------------------------------------------------------------------------------------- */

static const struct machine {
	uint32_t audit_arch;
	enum hoy_seccomp_abi abi, second; /* `second`: its numbers carry a bit of their own */
} machines[] = {
	{ AUDIT_ARCH_X86_64, HOY_SECCOMP_X86_64, HOY_SECCOMP_X32 },
	{ AUDIT_ARCH_I386, HOY_SECCOMP_I386, HOY_SECCOMP_I386 },
	{ AUDIT_ARCH_AARCH64, HOY_SECCOMP_AARCH64, HOY_SECCOMP_AARCH64 },
	{ AUDIT_ARCH_ARM, HOY_SECCOMP_ARM, HOY_SECCOMP_ARM },
	{ AUDIT_ARCH_RISCV64, HOY_SECCOMP_RISCV64, HOY_SECCOMP_RISCV64 },
};

/* Those of machines that we have no table of are left out: the kernel we run on makes no such calls, and what is not
 * listed is killed. */
static unsigned int wanted_abis(const struct hoy_oci_seccomp *seccomp)
{
	static const struct {
		enum hoy_oci_seccomp_arch arch;
		enum hoy_seccomp_abi abi;
	} known[] = {
		{ HOY_OCI_ARCH_X86_64, HOY_SECCOMP_X86_64 },
		{ HOY_OCI_ARCH_X86, HOY_SECCOMP_I386 },
		{ HOY_OCI_ARCH_X32, HOY_SECCOMP_X32 },
		{ HOY_OCI_ARCH_AARCH64, HOY_SECCOMP_AARCH64 },
		{ HOY_OCI_ARCH_ARM, HOY_SECCOMP_ARM },
		{ HOY_OCI_ARCH_RISCV64, HOY_SECCOMP_RISCV64 },
	};
	unsigned int abis = 1u << NATIVE;

	for (size_t i = 0; i < seccomp->n_architectures; i++)
		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			if (seccomp->architectures[i] == known[k].arch)
				abis |= 1u << known[k].abi;
	return abis;
}

/* The code for one machine; *ret_label is where it starts. */
static int emit_machine(struct compiler *c, const struct machine *machine, unsigned int abis, size_t *ret_label)
{
	bool first = abis & 1u << machine->abi, second = abis & 1u << machine->second;
	int r = 0;

	c->n_ranges = 0;
	if (first)
		r = add_ranges(c, machine->abi, 0);
	else
		add_range(c, 0, SECCOMP_RET_KILL_THREAD);
	if (r == 0 && machine->second != machine->abi) {
		if (second) {
			r = add_ranges(c, machine->second, HOY_SECCOMP_X32_BIT);
		} else {
			add_range(c, HOY_SECCOMP_X32_BIT, SECCOMP_RET_KILL_THREAD);
			/* a tracer skips a call by making it -1 */
			add_range(c, UINT32_MAX, c->default_ret);
		}
	}
	if (r < 0)
		return r;
	*ret_label = hoy_seccomp_emit_search(&c->emitter, c->ranges, c->n_ranges);
	*ret_label = hoy_seccomp_emit_load(&c->emitter, offsetof(struct seccomp_data, nr), *ret_label);
	return 0;
}

/* The native machine is emitted last and so is asked first and is near. */
static int emit_program(struct compiler *c, unsigned int abis)
{
	size_t labels[ARRAY_LEN(machines)], next = hoy_seccomp_emit_return(&c->emitter, SECCOMP_RET_KILL_THREAD);
	unsigned int order[ARRAY_LEN(machines)], n = 0;

	for (unsigned int pass = 0; pass < 2; pass++)
		for (unsigned int i = 0; i < ARRAY_LEN(machines); i++) {
			unsigned int mine = 1u << machines[i].abi | 1u << machines[i].second;

			if ((abis & mine) != 0 && ((mine & 1u << NATIVE) != 0) == (pass == 1))
				order[n++] = i;
		}
	for (unsigned int i = 0; i < n; i++) {
		int r = emit_machine(c, &machines[order[i]], abis, &labels[i]);

		if (r < 0)
			return r;
	}
	for (unsigned int i = 0; i < n; i++)
		next = hoy_seccomp_emit_if_equal(&c->emitter, machines[order[i]].audit_arch, labels[i], next);
	hoy_seccomp_emit_load(&c->emitter, offsetof(struct seccomp_data, arch), next);
	return 0;
}

/* Each name is looked up once, for all architectures. */
static int find_calls(struct compiler *c)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < c->seccomp->n_syscalls; i++)
		for (char **name = c->seccomp->syscalls[i].names; name != NULL && *name != NULL; name++)
			n++;
	c->calls = calloc(n + 1, sizeof *c->calls);
	if (c->calls == NULL)
		return -ENOMEM;
	for (size_t i = 0; i < c->seccomp->n_syscalls; i++)
		for (char **name = c->seccomp->syscalls[i].names; name != NULL && *name != NULL; name++)
			c->calls[k++] = hoy_seccomp_call_find(*name);
	return 0;
}

static int compile(const struct hoy_oci_seccomp *seccomp, struct hoy_seccomp_program *ret, struct hoy_err *err)
{
	auto_ptr(compiler_free) struct compiler *c = malloc(sizeof *c);
	int r;

	if (c == NULL)
		return hoy_err_oom(err);
	/* the big arrays are filled as far as they are used, page by page */
	c->seccomp = seccomp;
	c->calls = NULL;
	c->default_ret = hoy_seccomp_action(seccomp->default_action, seccomp->default_errno_ret);
	c->blocks = NULL;
	c->emitter.n = c->emitter.n_returns = 0;
	c->emitter.full = false;
	r = find_calls(c);
	if (r == 0)
		r = emit_program(c, wanted_abis(seccomp));
	if (r < 0)
		return hoy_err_oom(err);
	if (c->emitter.full)
		return hoy_err_set(err, HOY_ERR_INVALID, E2BIG, "seccomp needs more than the kernel's %d instructions",
			BPF_MAXINSNS);
	ret->insns = hoy_seccomp_emit_finish(&c->emitter);
	ret->n_insns = c->emitter.n;
	return ret->insns == NULL ? hoy_err_oom(err) : 0;
}

#else

static int compile(const struct hoy_oci_seccomp *seccomp, struct hoy_seccomp_program *ret, struct hoy_err *err)
{
	return hoy_seccomp_compile_foreign(seccomp, ret, err);
}

#endif

/* --- public ----------------------------------------------------------------------------------------------------- */

int hoy_seccomp_compile(const struct hoy_oci_seccomp *seccomp, struct hoy_seccomp_program *ret, struct hoy_err *err)
{
	struct hoy_seccomp_program program = {};
	int r;

	*ret = program;
	if (seccomp == NULL)
		return 0;
	r = check(seccomp, err);
	if (r < 0)
		return r;
	program.notify = notifies(seccomp);
	program.flags = filter_flags(seccomp, program.notify);
	if (program.notify && seccomp->listener_path == NULL)
		return hoy_err_invalid(err, "seccomp uses SCMP_ACT_NOTIFY, but has no listenerPath");
	r = compile(seccomp, &program, err);
	if (r == 0)
		*ret = program;
	return r;
}

void hoy_seccomp_program_done(struct hoy_seccomp_program *prog)
{
	free(prog->insns);
	*prog = (struct hoy_seccomp_program){};
}
