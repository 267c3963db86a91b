/*
 * The v2 device program: built by hand, loaded and attached with bpf(2).
 *
 * The verifier's work decides what it costs, so device type, major and minor are compared as one number where a rule
 * names all of them: one compare per rule, and one exit for all. Rules run from last to first: for each access bit the
 * last rule that matches decides, so the first one met here does.
 */
#include "base/cgroup/cgroup_internal.h"

#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"

#define PROGRAM_NAME "hoy_devices"
#define RULES_MAX 4000 /* at most 5 instructions each: within a jump's 16 bits */

/* r0 result, r1 context, r2 access still to be allowed, r3 type, r4 major << 20 | minor, r5 scratch */
#define LOAD_WORD(dst, off) ((struct bpf_insn){ BPF_LDX | BPF_MEM | BPF_W, dst, BPF_REG_1, off, 0 })
#define MOVE(dst, src) ((struct bpf_insn){ BPF_ALU | BPF_MOV | BPF_X, dst, src, 0, 0 })
#define ALU_IMM(op, dst, imm) ((struct bpf_insn){ BPF_ALU | BPF_##op | BPF_K, dst, 0, 0, imm })
#define OR_REG(dst, src) ((struct bpf_insn){ BPF_ALU | BPF_OR | BPF_X, dst, src, 0, 0 })
#define JUMP_IMM(op, dst, imm, off) ((struct bpf_insn){ BPF_JMP32 | BPF_##op | BPF_K, dst, 0, off, imm })
#define JUMP(off) ((struct bpf_insn){ BPF_JMP | BPF_JA, 0, 0, off, 0 })
#define EXIT ((struct bpf_insn){ BPF_JMP | BPF_EXIT, 0, 0, 0, 0 })

struct builder {
	struct bpf_insn *insns;
	size_t n;
};

/* Jump targets that are known only at the end; kept in `off` until then. */
enum { TO_ALLOW = 0x7001, TO_DENY = 0x7002 };

static void emit(struct builder *b, struct bpf_insn insn)
{
	b->insns[b->n++] = insn;
}

/* Skips the rule's body, whose length is filled in, unless the device matches. */
static size_t emit_match(struct builder *b, const struct hoy_cgroup_device *rule)
{
	if (rule->major >= 0 && rule->minor >= 0) {
		emit(b, JUMP_IMM(JNE, BPF_REG_4, (int32_t) (rule->major << 20 | rule->minor), 0));
	} else if (rule->major >= 0) {
		emit(b, MOVE(BPF_REG_5, BPF_REG_4));
		emit(b, ALU_IMM(RSH, BPF_REG_5, 20));
		emit(b, JUMP_IMM(JNE, BPF_REG_5, (int32_t) rule->major, 0));
	} else if (rule->minor >= 0) {
		emit(b, MOVE(BPF_REG_5, BPF_REG_4));
		emit(b, ALU_IMM(AND, BPF_REG_5, (1 << 20) - 1));
		emit(b, JUMP_IMM(JNE, BPF_REG_5, (int32_t) rule->minor, 0));
	} else {
		return SIZE_MAX;
	}
	return b->n - 1;
}

/* The access bits of the rule are decided: allowed ones are ticked off, one denied bit denies the request. */
static void emit_decision(struct builder *b, const struct hoy_cgroup_device *rule)
{
	if (rule->access == HOY_CGROUP_DEV_ALL) {
		emit(b, JUMP(rule->allow ? TO_ALLOW : TO_DENY));
	} else if (rule->allow) {
		emit(b, ALU_IMM(AND, BPF_REG_2, (int32_t) (HOY_CGROUP_DEV_ALL & ~rule->access)));
		emit(b, JUMP_IMM(JEQ, BPF_REG_2, 0, TO_ALLOW));
	} else {
		emit(b, JUMP_IMM(JSET, BPF_REG_2, (int32_t) rule->access, TO_DENY));
	}
}

static void emit_rule(struct builder *b, const struct hoy_cgroup_device *rule)
{
	size_t skip = emit_match(b, rule);

	/* whole device, all access: the test itself jumps to the end */
	if (skip != SIZE_MAX && rule->access == HOY_CGROUP_DEV_ALL) {
		b->insns[skip].code = BPF_JMP32 | BPF_JEQ | BPF_K;
		b->insns[skip].off = rule->allow ? TO_ALLOW : TO_DENY;
		return;
	}
	emit_decision(b, rule);
	if (skip != SIZE_MAX)
		b->insns[skip].off = (int16_t) (b->n - skip - 1);
}

static bool is_final(const struct hoy_cgroup_device *rule)
{
	return rule->major < 0 && rule->minor < 0 && rule->access == HOY_CGROUP_DEV_ALL;
}

/* Nothing may follow a rule that decides everything: the verifier refuses code that can't be reached. */
static void emit_type(struct builder *b, const struct hoy_cgroup_device_list *list, char type)
{
	size_t skip = b->n;
	bool final = false;

	emit(b, JUMP_IMM(JNE, BPF_REG_3, type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR, 0));
	for (size_t i = list->n; i-- > 0 && !final;)
		if (list->rules[i].type == type) {
			emit_rule(b, &list->rules[i]);
			final = is_final(&list->rules[i]);
		}
	if (!final)
		emit(b, JUMP(list->allow_default ? TO_ALLOW : TO_DENY));
	b->insns[skip].off = (int16_t) (b->n - skip - 1);
}

static void emit_prologue(struct builder *b)
{
	emit(b, LOAD_WORD(BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type)));
	emit(b, MOVE(BPF_REG_3, BPF_REG_2));
	emit(b, ALU_IMM(AND, BPF_REG_3, 0xffff));
	emit(b, ALU_IMM(RSH, BPF_REG_2, 16));
	emit(b, LOAD_WORD(BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, major)));
	emit(b, ALU_IMM(LSH, BPF_REG_4, 20));
	emit(b, LOAD_WORD(BPF_REG_5, offsetof(struct bpf_cgroup_dev_ctx, minor)));
	emit(b, OR_REG(BPF_REG_4, BPF_REG_5));
	emit(b, ALU_IMM(MOV, BPF_REG_0, 1));
}

static bool has_jump(const struct builder *b, int16_t target)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->insns[i].off == target)
			return true;
	return false;
}

/* The end: "deny: r0 = 0", "allow: exit". A device of neither type gets here and takes the default. */
static void finish(struct builder *b, bool allow_default)
{
	size_t deny, allow;

	if (allow_default && has_jump(b, TO_DENY))
		emit(b, JUMP(1));
	deny = b->n;
	if (!allow_default || has_jump(b, TO_DENY))
		emit(b, ALU_IMM(MOV, BPF_REG_0, 0));
	allow = b->n;
	emit(b, EXIT);
	for (size_t i = 0; i < deny; i++) {
		if (b->insns[i].off == TO_DENY)
			b->insns[i].off = (int16_t) (deny - i - 1);
		else if (b->insns[i].off == TO_ALLOW)
			b->insns[i].off = (int16_t) (allow - i - 1);
	}
}

/* The kernel's access bits are mknod 1, read 2, write 4. */
static unsigned int kernel_access(unsigned int access)
{
	return (access & HOY_CGROUP_DEV_MKNOD ? BPF_DEVCG_ACC_MKNOD : 0u) |
	       (access & HOY_CGROUP_DEV_READ ? BPF_DEVCG_ACC_READ : 0u) |
	       (access & HOY_CGROUP_DEV_WRITE ? BPF_DEVCG_ACC_WRITE : 0u);
}

int hoy_cgroup_device_program(
	const struct hoy_cgroup_device_list *list, struct bpf_insn **ret, size_t *ret_n, struct hoy_err *err)
{
	auto_(hoy_cgroup_device_list_done) struct hoy_cgroup_device_list rules = *list;
	struct builder b = {};

	rules.rules = calloc(list->n + 1, sizeof *rules.rules);
	if (list->n > RULES_MAX)
		return hoy_err_set(
			err, HOY_ERR_INVALID, E2BIG, "%zu device rules are more than %d", list->n, RULES_MAX);
	b.insns = calloc(5 * list->n + 32, sizeof *b.insns);
	if (b.insns == NULL || rules.rules == NULL) {
		free(b.insns);
		return hoy_err_oom(err);
	}
	for (size_t i = 0; i < list->n; i++) {
		rules.rules[i] = list->rules[i];
		rules.rules[i].access = kernel_access(list->rules[i].access);
	}
	emit_prologue(&b);
	emit_type(&b, &rules, 'c');
	emit_type(&b, &rules, 'b');
	finish(&b, list->allow_default);
	*ret = b.insns;
	*ret_n = b.n;
	return 0;
}

/* --- bpf(2) ----------------------------------------------------------------------------------------------------- */

static int bpf(int cmd, union bpf_attr *attr)
{
	return (int) syscall(SYS_bpf, cmd, attr, sizeof *attr);
}

static int load(const struct bpf_insn *insns, size_t n, struct hoy_err *err)
{
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
		.insns = (uintptr_t) insns,
		.insn_cnt = (uint32_t) n,
		.license = (uintptr_t) "MIT",
		.prog_name = PROGRAM_NAME,
	};
	int fd;

	/* EAGAIN: the verifier was interrupted by a signal */
	do
		fd = bpf(BPF_PROG_LOAD, &attr);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? hoy_err_sys(err, "load the device program") : fd;
}

static bool is_ours(int prog)
{
	struct bpf_prog_info info = {};
	union bpf_attr attr = {
		.info = { .bpf_fd = (uint32_t) prog, .info_len = sizeof info, .info = (uintptr_t) &info }
	};

	return bpf(BPF_OBJ_GET_INFO_BY_FD, &attr) == 0 && strcmp(info.name, PROGRAM_NAME) == 0;
}

/* The program of ours that is attached to the group itself: fd, or -ENOENT. */
static int find_attached(int dir)
{
	uint32_t ids[64];
	union bpf_attr query = { .query = {
					 .target_fd = (uint32_t) dir,
					 .attach_type = BPF_CGROUP_DEVICE,
					 .prog_ids = (uintptr_t) ids,
					 .prog_cnt = ARRAY_LEN(ids),
				 } };

	if (bpf(BPF_PROG_QUERY, &query) < 0)
		return -ENOENT;
	for (uint32_t i = 0; i < query.query.prog_cnt; i++) {
		union bpf_attr attr = { .prog_id = ids[i] };
		auto_fd int prog = bpf(BPF_PROG_GET_FD_BY_ID, &attr);

		if (prog >= 0 && is_ours(prog))
			return TAKE_FD(prog);
	}
	return -ENOENT;
}

bool hoy_cgroup_device_attached(int dir)
{
	auto_fd int prog = dir < 0 ? -EBADF : find_attached(dir);

	return prog >= 0;
}

int hoy_cgroup_device_attach(int dir, const struct bpf_insn *insns, size_t n, bool replace, struct hoy_err *err)
{
	auto_fd int old = replace ? find_attached(dir) : -ENOENT, prog = load(insns, n, err);
	union bpf_attr attr = {
		.target_fd = (uint32_t) dir,
		.attach_bpf_fd = (uint32_t) prog,
		.attach_type = BPF_CGROUP_DEVICE,
		.attach_flags = BPF_F_ALLOW_MULTI,
	};

	if (prog < 0)
		return prog;
	if (old >= 0) {
		attr.attach_flags |= BPF_F_REPLACE;
		attr.replace_bpf_fd = (uint32_t) old;
	}
	if (bpf(BPF_PROG_ATTACH, &attr) < 0)
		return hoy_err_sys(err, "attach the device program");
	return TAKE_FD(prog);
}
