/* Shared by the files of the seccomp compiler and its unit test. */
#ifndef HOY_RUNTIME_PLAN_SECCOMP_INTERNAL_H
#define HOY_RUNTIME_PLAN_SECCOMP_INTERNAL_H

#include <linux/filter.h>

#include "libocispec/runtime.h"
#include "runtime/plan/seccomp.h"

/* --- system calls ----------------------------------------------------------------------------------------------- */

enum hoy_seccomp_abi {
	HOY_SECCOMP_X86_64,
	HOY_SECCOMP_I386,
	HOY_SECCOMP_X32,
	HOY_SECCOMP_AARCH64,
	HOY_SECCOMP_ARM,
	HOY_SECCOMP_RISCV64,
	_HOY_SECCOMP_ABI_MAX,
};

struct hoy_seccomp_call {
	char name[30];
	int16_t multiplex;                /* i386: 100 + socketcall's or 200 + ipc's number, 0: neither */
	int32_t nr[_HOY_SECCOMP_ABI_MAX]; /* -1: does not exist; x32 without its bit */
};
extern const struct hoy_seccomp_call hoy_seccomp_calls[]; /* sorted by name */
extern const size_t hoy_seccomp_n_calls;

/* NULL when no architecture of ours has it. */
const struct hoy_seccomp_call *hoy_seccomp_call_find(const char *name);

#define HOY_SECCOMP_X32_BIT 0x40000000u
#define HOY_SECCOMP_I386_SOCKETCALL 102
#define HOY_SECCOMP_I386_IPC 117
#define HOY_SECCOMP_ARM_PRIVATE 0xf0000u /* breakpoint, cacheflush ... follow from here */

/* --- decisions: what one call number leads to ------------------------------------------------------------------- */

struct hoy_seccomp_rule {
	uint32_t ret; /* SECCOMP_RET_* with its data */
	const struct hoy_oci_seccomp_arg *args;
	size_t n_args;
	uint32_t subcall;                    /* i386 multiplexer: argument 0 must be this; 0: none */
	const struct hoy_seccomp_rule *next; /* tried when this one does not match */
};

/* From `start` up to the next range's start. */
struct hoy_seccomp_range {
	uint32_t start;
	uint32_t ret;                         /* when there is no rule, or none matches */
	const struct hoy_seccomp_rule *rules; /* first match decides */
	bool is_32bit;                        /* arguments have 32 bits */
};

/* --- emitting: backwards, from the last instruction to the first ------------------------------------------------- */

struct hoy_seccomp_emitter {
	struct sock_filter insns[BPF_MAXINSNS]; /* in reverse order */
	size_t n;
	bool full;
	struct {
		uint32_t ret;
		size_t at;
	} returns[16]; /* the newest instruction that returns a value, to be shared by who is near */
	size_t n_returns;
};

/* A label is the index of an instruction that is emitted already: everything jumps forward. */
size_t hoy_seccomp_emit_return(struct hoy_seccomp_emitter *e, uint32_t ret);
/* The call number is searched in the ranges (sorted, the first starts at 0). */
size_t hoy_seccomp_emit_search(struct hoy_seccomp_emitter *e, const struct hoy_seccomp_range *ranges, size_t n);
/* Loads a word of struct seccomp_data and goes on at `next`. */
size_t hoy_seccomp_emit_load(struct hoy_seccomp_emitter *e, uint32_t offset, size_t next);
size_t hoy_seccomp_emit_if_equal(struct hoy_seccomp_emitter *e, uint32_t value, size_t then, size_t otherwise);
/* The instructions in their order, heap. */
struct sock_filter *hoy_seccomp_emit_finish(const struct hoy_seccomp_emitter *e);

/* --- the compilers ---------------------------------------------------------------------------------------------- */

/* SECCOMP_RET_* for an action and its errno (NULL: EPERM). */
uint32_t hoy_seccomp_action(enum hoy_oci_seccomp_action action, const uint32_t *errno_ret);

/* By libseccomp, for machines that our tables do not cover; does not answer ENOSYS for unknown calls. */
int hoy_seccomp_compile_foreign(
	const struct hoy_oci_seccomp *seccomp, struct hoy_seccomp_program *ret, struct hoy_err *err);

#endif
