/* Device rules: the v1 exceptions and the BPF program must both decide as the plain reading of the list does. */
#include "base/cgroup/cgroup_internal.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>

#include "tests/unit/test_cgroup.h"
#include "tests/unit/unit.h"

/* --- the plain reading ------------------------------------------------------------------------------------------ */

struct request {
	char type; /* 'b' or 'c' */
	int64_t major, minor;
	unsigned int access;
};

static bool matches(const struct hoy_cgroup_device *rule, const struct request *request)
{
	return (rule->type == 'a' || rule->type == request->type) &&
	       (rule->major < 0 || rule->major == request->major) && (rule->minor < 0 || rule->minor == request->minor);
}

/* Per access bit the last rule that matches; nothing is denied. */
static bool is_allowed(const struct hoy_cgroup_device *rules, size_t n, const struct request *request)
{
	for (unsigned int bit = 1; bit <= HOY_CGROUP_DEV_MKNOD; bit <<= 1) {
		bool allow = false;

		if ((request->access & bit) == 0)
			continue;
		for (size_t i = 0; i < n; i++)
			if (matches(&rules[i], request) && (rules[i].access & bit))
				allow = rules[i].allow;
		if (!allow)
			return false;
	}
	return true;
}

/* --- an interpreter of the few instructions that the program has ------------------------------------------------- */

static uint32_t alu(const struct bpf_insn *insn, uint32_t dst, uint32_t operand)
{
	switch (BPF_OP(insn->code)) {
	case BPF_MOV:
		return operand;
	case BPF_AND:
		return dst & operand;
	case BPF_OR:
		return dst | operand;
	case BPF_LSH:
		return dst << operand;
	case BPF_RSH:
		return dst >> operand;
	default:
		ck_abort_msg("unexpected operation %#x", insn->code);
	}
	return 0;
}

static bool jumps(const struct bpf_insn *insn, uint32_t dst)
{
	switch (BPF_OP(insn->code)) {
	case BPF_JA:
		return true;
	case BPF_JEQ:
		return dst == (uint32_t) insn->imm;
	case BPF_JNE:
		return dst != (uint32_t) insn->imm;
	case BPF_JSET:
		return (dst & (uint32_t) insn->imm) != 0;
	default:
		ck_abort_msg("unexpected jump %#x", insn->code);
	}
	return false;
}

static bool run_program(const struct bpf_insn *insns, size_t n, const struct bpf_cgroup_dev_ctx *ctx)
{
	uint32_t regs[11] = {};

	for (size_t pc = 0; pc < n; pc++) {
		const struct bpf_insn *insn = &insns[pc];

		if (insn->code == (BPF_LDX | BPF_MEM | BPF_W))
			memcpy(&regs[insn->dst_reg], (const char *) ctx + insn->off, 4);
		else if (BPF_CLASS(insn->code) == BPF_ALU)
			regs[insn->dst_reg] = alu(insn, regs[insn->dst_reg],
				BPF_SRC(insn->code) == BPF_X ? regs[insn->src_reg] : (uint32_t) insn->imm);
		else if (insn->code == (BPF_JMP | BPF_EXIT))
			return regs[0];
		else if (jumps(insn, regs[insn->dst_reg]))
			pc += (size_t) insn->off;
	}
	ck_abort_msg("the program has no end");
	return false;
}

/* Every instruction can be reached by falling through or by a jump, as the verifier demands; jumps go forward. */
static void check_reachable(const struct bpf_insn *insns, size_t n)
{
	auto_free bool *reached = calloc(n + 1, sizeof *reached);

	reached[0] = true;
	for (size_t pc = 0; pc < n; pc++) {
		bool is_exit = insns[pc].code == (BPF_JMP | BPF_EXIT), is_ja = insns[pc].code == (BPF_JMP | BPF_JA);

		if (!reached[pc])
			ck_abort_msg("instruction %zu of %zu can't be reached", pc, n);
		if (!is_exit && !is_ja)
			reached[pc + 1] = true;
		if (!is_exit && (BPF_CLASS(insns[pc].code) == BPF_JMP || BPF_CLASS(insns[pc].code) == BPF_JMP32)) {
			ck_assert(insns[pc].off >= 0 && pc + 1 + (size_t) insns[pc].off < n);
			reached[pc + 1 + (size_t) insns[pc].off] = true;
		}
	}
	ck_assert(!reached[n]);
}

static struct bpf_cgroup_dev_ctx kernel_request(const struct request *request)
{
	uint32_t access = (request->access & HOY_CGROUP_DEV_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0u) |
			  (request->access & HOY_CGROUP_DEV_READ ? BPF_DEVCG_ACC_READ : 0u) |
			  (request->access & HOY_CGROUP_DEV_WRITE ? BPF_DEVCG_ACC_WRITE : 0u);
	uint32_t type = request->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR;

	return (struct bpf_cgroup_dev_ctx){ .access_type = access << 16 | type,
		.major = (uint32_t) request->major,
		.minor = (uint32_t) request->minor };
}

/* --- both against it -------------------------------------------------------------------------------------------- */

static void each_request(void (*check)(const struct request *request, const void *userdata), const void *userdata)
{
	for (int64_t major = 0; major < 4; major++)
		for (int64_t minor = 0; minor < 4; minor++)
			for (unsigned int access = 1; access <= HOY_CGROUP_DEV_ALL; access++) {
				const struct request c = { 'c', major, minor, access },
						     b = { 'b', major, minor, access };

				check(&c, userdata);
				check(&b, userdata);
			}
}

struct subject {
	const struct hoy_cgroup_device *rules;
	size_t n;
	const struct bpf_insn *insns;
	size_t n_insns;
	const struct hoy_cgroup_device_list *simple;
};

static void check_program(const struct request *request, const void *userdata)
{
	const struct subject *s = userdata;
	const struct bpf_cgroup_dev_ctx ctx = kernel_request(request);

	if (run_program(s->insns, s->n_insns, &ctx) != is_allowed(s->rules, s->n, request))
		ck_abort_msg("the program errs about %c %d:%d %u", request->type, (int) request->major,
			(int) request->minor, request->access);
}

/* Exceptions to the default: here their order must not matter. */
static void check_simple(const struct request *request, const void *userdata)
{
	const struct subject *s = userdata;
	bool all = true;

	for (unsigned int bit = 1; bit <= HOY_CGROUP_DEV_MKNOD; bit <<= 1) {
		bool exception = false;

		if ((request->access & bit) == 0)
			continue;
		for (size_t i = 0; i < s->simple->n; i++)
			exception |= matches(&s->simple->rules[i], request) && (s->simple->rules[i].access & bit);
		all &= exception != s->simple->allow_default;
	}
	if (all != is_allowed(s->rules, s->n, request))
		ck_abort_msg("the exceptions err about %c %d:%d %u", request->type, (int) request->major,
			(int) request->minor, request->access);
}

static bool check_list(const struct hoy_cgroup_device *rules, size_t n)
{
	auto_(hoy_cgroup_device_list_done) struct hoy_cgroup_device_list list = {}, simple = {};
	auto_free struct bpf_insn *insns = NULL;
	struct subject subject = { .rules = rules, .n = n, .simple = &simple };

	if (hoy_cgroup_device_list_init(&list, rules, n, NULL) < 0 ||
		hoy_cgroup_device_list_init(&simple, rules, n, NULL) < 0 ||
		hoy_cgroup_device_program(&list, &insns, &subject.n_insns, NULL) < 0)
		ck_abort_msg("a list was refused");
	subject.insns = insns;
	check_reachable(insns, subject.n_insns);
	each_request(check_program, &subject);
	if (!hoy_cgroup_device_list_simplify(&simple))
		return false;
	each_request(check_simple, &subject);
	return true;
}

#define ALL HOY_CGROUP_DEV_ALL
#define R HOY_CGROUP_DEV_READ
#define W HOY_CGROUP_DEV_WRITE
#define M HOY_CGROUP_DEV_MKNOD

START_TEST(a_container_s_list_is_decided)
{
	const struct hoy_cgroup_device rules[] = {
		{ false, 'a', -1, -1, ALL },
		{ true, 'c', -1, -1, M },
		{ true, 'b', -1, -1, M },
		{ true, 'c', 1, 3, ALL },
		{ true, 'c', 1, 2, R | W },
		{ true, 'c', 2, -1, ALL },
	};

	ck_assert(check_list(rules, ARRAY_LEN(rules)));
}
END_TEST

START_TEST(nothing_listed_is_denied)
{
	ck_assert(check_list(NULL, 0));
}
END_TEST

START_TEST(an_open_list_has_exceptions)
{
	const struct hoy_cgroup_device rules[] = {
		{ true, 'a', -1, -1, ALL },
		{ false, 'b', 2, 1, ALL },
		{ false, 'c', 1, 1, W },
	};

	ck_assert(check_list(rules, 1));
	ck_assert(check_list(rules, ARRAY_LEN(rules)));
}
END_TEST

START_TEST(a_hole_in_a_wider_rule_needs_a_program)
{
	const struct hoy_cgroup_device rules[] = {
		{ false, 'a', -1, -1, ALL },
		{ true, 'c', 1, -1, ALL },
		{ false, 'c', 1, 2, R },
	};

	ck_assert(!check_list(rules, ARRAY_LEN(rules)));
}
END_TEST

START_TEST(nothing_follows_a_rule_for_all_devices_of_a_type)
{
	const struct hoy_cgroup_device rules[] = {
		{ true, 'c', 1, 1, ALL },
		{ true, 'c', -1, -1, ALL },
		{ false, 'b', 2, 2, ALL },
		{ false, 'b', -1, -1, ALL },
	};

	ck_assert(check_list(rules, ARRAY_LEN(rules)));
}
END_TEST

START_TEST(random_lists_are_decided)
{
	uint32_t state = 12345;
	size_t simple = 0;

	for (int round = 0; round < 400; round++) {
		struct hoy_cgroup_device rules[8];

		for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
			state = state * 1664525 + 1013904223;
			rules[i] = (struct hoy_cgroup_device){
				.allow = state >> 8 & 1,
				.type = "abc"[(state >> 10) % 3],
				.major = (int64_t) (state >> 14 & 3) - (state >> 29 & 1),
				.minor = (int64_t) (state >> 18 & 3) - (state >> 30 & 1),
				.access = state >> 31 ? ALL : 1 + (state >> 22) % 7,
			};
		}
		simple += check_list(rules, ARRAY_LEN(rules));
	}
	ck_assert_uint_gt(simple, 10);
}
END_TEST

START_TEST(impossible_rules_are_refused)
{
	const struct hoy_cgroup_device bad[] = { { true, 'p', 1, 1, ALL }, { true, 'c', 1, 1, 0 },
		{ true, 'c', 1, 1, 8 }, { true, 'c', 4096, 1, ALL }, { true, 'c', 1, 1 << 20, ALL },
		{ true, 'c', -2, 1, ALL } };
	struct hoy_cgroup_device_list list;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_int_eq(hoy_cgroup_device_list_init(&list, &bad[i], 1, NULL), -EINVAL);
}
END_TEST

Suite *hoy_test_cgroup_devices(void)
{
	const TTest *const tests[] = {
		a_container_s_list_is_decided,
		nothing_listed_is_denied,
		an_open_list_has_exceptions,
		a_hole_in_a_wider_rule_needs_a_program,
		nothing_follows_a_rule_for_all_devices_of_a_type,
		random_lists_are_decided,
		impossible_rules_are_refused,
	};

	return hoy_unit_suite("cgroup-devices", tests, ARRAY_LEN(tests));
}
