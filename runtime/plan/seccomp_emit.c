/*
 * BPF instructions of a seccomp filter. The program is built from its end: a jump's target is always known, and the
 * distance too, so that a branch that would be too far for its 8 bits gets a long jump, or a copy of the return.
 */
#include "runtime/plan/seccomp_internal.h"

#include <linux/seccomp.h>
#include <stddef.h>

#define NEAR_MAX 250 /* of 255, as a jump may be put in between */

static size_t emit(struct hoy_seccomp_emitter *e, struct sock_filter insn)
{
	if (e->n == BPF_MAXINSNS) {
		e->full = true;
		return e->n - 1;
	}
	e->insns[e->n] = insn;
	return e->n++;
}

static bool is_near(const struct hoy_seccomp_emitter *e, size_t label)
{
	return e->n - label <= NEAR_MAX;
}

size_t hoy_seccomp_emit_return(struct hoy_seccomp_emitter *e, uint32_t ret)
{
	size_t i = 0;

	while (i < e->n_returns && e->returns[i].ret != ret)
		i++;
	if (i < e->n_returns && is_near(e, e->returns[i].at))
		return e->returns[i].at;
	if (i == ARRAY_LEN(e->returns))
		i = 0;
	else if (i == e->n_returns)
		e->n_returns++;
	e->returns[i].ret = ret;
	e->returns[i].at = emit(e, (struct sock_filter) BPF_STMT(BPF_RET | BPF_K, ret));
	return e->returns[i].at;
}

/* A label that a conditional jump emitted next can reach, and leads where `label` does. */
static size_t make_near(struct hoy_seccomp_emitter *e, size_t label)
{
	const struct sock_filter *insn = &e->insns[label];

	if (is_near(e, label))
		return label;
	if (insn->code == (BPF_RET | BPF_K))
		return hoy_seccomp_emit_return(e, insn->k);
	return emit(e, (struct sock_filter) BPF_STMT(BPF_JMP | BPF_JA, (uint32_t) (e->n - label - 1)));
}

static size_t emit_jump(struct hoy_seccomp_emitter *e, uint16_t op, uint32_t k, size_t then, size_t otherwise)
{
	if (then == otherwise)
		return then;
	then = make_near(e, then);
	otherwise = make_near(e, otherwise);
	return emit(e, (struct sock_filter) BPF_JUMP(
			       BPF_JMP | op | BPF_K, k, (uint8_t) (e->n - then - 1), (uint8_t) (e->n - otherwise - 1)));
}

size_t hoy_seccomp_emit_if_equal(struct hoy_seccomp_emitter *e, uint32_t value, size_t then, size_t otherwise)
{
	return emit_jump(e, BPF_JEQ, value, then, otherwise);
}

/* What follows must be the instruction emitted last. */
static size_t emit_before(struct hoy_seccomp_emitter *e, struct sock_filter insn, size_t next)
{
	if (next != e->n - 1)
		emit(e, (struct sock_filter) BPF_STMT(BPF_JMP | BPF_JA, (uint32_t) (e->n - next - 1)));
	return emit(e, insn);
}

size_t hoy_seccomp_emit_load(struct hoy_seccomp_emitter *e, uint32_t offset, size_t next)
{
	return emit_before(e, (struct sock_filter) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offset), next);
}

/* --- arguments -------------------------------------------------------------------------------------------------- */

/* Where the halves of an argument are: all machines of our tables are little endian. */
static uint32_t low_half(uint32_t arg)
{
	return (uint32_t) offsetof(struct seccomp_data, args) + 8 * arg;
}

static uint32_t high_half(uint32_t arg)
{
	return low_half(arg) + 4;
}

struct compare {
	uint32_t arg;
	uint64_t value;
	bool is_32bit;
};

static size_t emit_equal(struct hoy_seccomp_emitter *e, const struct compare *c, size_t then, size_t otherwise)
{
	size_t low = emit_jump(e, BPF_JEQ, (uint32_t) c->value, then, otherwise);

	low = hoy_seccomp_emit_load(e, low_half(c->arg), low);
	if (c->is_32bit)
		return low;
	return hoy_seccomp_emit_load(
		e, high_half(c->arg), emit_jump(e, BPF_JEQ, (uint32_t) (c->value >> 32), low, otherwise));
}

static size_t emit_masked_equal(
	struct hoy_seccomp_emitter *e, const struct compare *c, uint64_t mask, size_t then, size_t otherwise)
{
	const uint64_t value = c->value & mask;
	size_t next = then;

	if ((uint32_t) mask != 0) {
		next = emit_jump(e, BPF_JEQ, (uint32_t) value, then, otherwise);
		next = emit_before(e, (struct sock_filter) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t) mask), next);
		next = hoy_seccomp_emit_load(e, low_half(c->arg), next);
	}
	if (mask >> 32 == 0 || c->is_32bit)
		return next;
	next = emit_jump(e, BPF_JEQ, (uint32_t) (value >> 32), next, otherwise);
	next = emit_before(e, (struct sock_filter) BPF_STMT(BPF_ALU | BPF_AND | BPF_K, (uint32_t) (mask >> 32)), next);
	return hoy_seccomp_emit_load(e, high_half(c->arg), next);
}

/* `op` is BPF_JGT or BPF_JGE. */
static size_t emit_greater(
	struct hoy_seccomp_emitter *e, uint16_t op, const struct compare *c, size_t then, size_t otherwise)
{
	size_t low = emit_jump(e, op, (uint32_t) c->value, then, otherwise), high;

	low = hoy_seccomp_emit_load(e, low_half(c->arg), low);
	if (c->is_32bit)
		return low;
	high = emit_jump(e, BPF_JEQ, (uint32_t) (c->value >> 32), low, otherwise);
	high = emit_jump(e, BPF_JGT, (uint32_t) (c->value >> 32), then, high);
	return hoy_seccomp_emit_load(e, high_half(c->arg), high);
}

static size_t emit_condition(struct hoy_seccomp_emitter *e, const struct hoy_oci_seccomp_arg *arg, bool is_32bit,
	size_t then, size_t otherwise)
{
	const struct compare c = { .arg = arg->index, .value = arg->value, .is_32bit = is_32bit };
	const struct compare masked = { .arg = arg->index, .value = arg->value_two, .is_32bit = is_32bit };

	if (then == otherwise)
		return then;
	switch (arg->op) {
	case HOY_OCI_CMP_EQ:
		return emit_equal(e, &c, then, otherwise);
	case HOY_OCI_CMP_NE:
		return emit_equal(e, &c, otherwise, then);
	case HOY_OCI_CMP_GT:
		return emit_greater(e, BPF_JGT, &c, then, otherwise);
	case HOY_OCI_CMP_GE:
		return emit_greater(e, BPF_JGE, &c, then, otherwise);
	case HOY_OCI_CMP_LE:
		return emit_greater(e, BPF_JGT, &c, otherwise, then);
	case HOY_OCI_CMP_LT:
		return emit_greater(e, BPF_JGE, &c, otherwise, then);
	default:
		return emit_masked_equal(e, &masked, arg->value, then, otherwise);
	}
}

static size_t emit_rule(
	struct hoy_seccomp_emitter *e, const struct hoy_seccomp_rule *rule, bool is_32bit, size_t otherwise)
{
	size_t next = hoy_seccomp_emit_return(e, rule->ret);

	for (size_t i = rule->n_args; i-- > 0;)
		/* the multiplexer's number stands in argument 0 */
		if (rule->subcall == 0 || rule->args[i].index != 0)
			next = emit_condition(e, &rule->args[i], is_32bit, next, otherwise);
	if (rule->subcall != 0) {
		const struct compare subcall = { .arg = 0, .value = rule->subcall, .is_32bit = true };

		next = emit_equal(e, &subcall, next, otherwise);
	}
	return next;
}

/* The first rule that matches decides: emitted from the last to the first. */
static size_t emit_rules(struct hoy_seccomp_emitter *e, const struct hoy_seccomp_range *range)
{
	const struct hoy_seccomp_rule *order[256];
	size_t n = 0, next = hoy_seccomp_emit_return(e, range->ret);

	for (const struct hoy_seccomp_rule *rule = range->rules; rule != NULL; rule = rule->next) {
		if (n == ARRAY_LEN(order)) {
			e->full = true;
			return next;
		}
		order[n++] = rule;
	}
	while (n-- > 0)
		next = emit_rule(e, order[n], range->is_32bit, next);
	return next;
}

/* --- the search ------------------------------------------------------------------------------------------------- */

/* A balanced tree: one compare halves the ranges. Its depth is at most 11, for 1024 call numbers twice. */
size_t hoy_seccomp_emit_search(struct hoy_seccomp_emitter *e, const struct hoy_seccomp_range *ranges, size_t n)
{
	size_t half = n / 2, high, low;

	if (n == 1)
		return emit_rules(e, ranges);
	high = hoy_seccomp_emit_search(e, ranges + half, n - half);
	low = hoy_seccomp_emit_search(e, ranges, half);
	return emit_jump(e, BPF_JGE, ranges[half].start, high, low);
}

struct sock_filter *hoy_seccomp_emit_finish(const struct hoy_seccomp_emitter *e)
{
	struct sock_filter *insns = calloc(e->n, sizeof *insns);

	for (size_t i = 0; insns != NULL && i < e->n; i++)
		insns[i] = e->insns[e->n - 1 - i];
	return insns;
}
