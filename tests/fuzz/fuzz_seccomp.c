/* Any bytes as a seccomp profile: what parses resolves, and what resolves compiles to a program the kernel could take,
 * or is refused; every jump stays inside the program. */
#include <assert.h>
#include <linux/filter.h>
#include <stdint.h>

#include "libocispec/runtime.h"
#include "runtime/plan/seccomp.h"
#include "supervisor/container/seccomp_profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_program(const struct hoy_seccomp_program *prog)
{
	assert(prog->n_insns > 0 && prog->n_insns <= BPF_MAXINSNS);
	for (size_t i = 0; i < prog->n_insns; i++) {
		const struct sock_filter *insn = &prog->insns[i];

		if (insn->code == (BPF_JMP | BPF_JA))
			assert(insn->k < prog->n_insns - i - 1);
		else if (BPF_CLASS(insn->code) == BPF_JMP)
			assert(i + 1 + insn->jt < prog->n_insns && i + 1 + insn->jf < prog->n_insns);
	}
	assert(prog->insns[prog->n_insns - 1].code == (BPF_RET | BPF_K));
}

static void compile(const struct hoy_seccomp_profile *profile, const char *const *caps)
{
	auto_ptr(hoy_oci_seccomp_free) struct hoy_oci_seccomp *oci = NULL;
	auto_(hoy_seccomp_program_done) struct hoy_seccomp_program prog = {};
	const struct hoy_seccomp_target target = { .caps = caps, .kernel_major = 6, .kernel_minor = 1 };

	if (hoy_seccomp_profile_resolve(profile, &target, &oci, NULL) < 0)
		return;
	if (hoy_seccomp_compile(oci, &prog, NULL) == 0)
		check_program(&prog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const none[] = { NULL }, *const some[] = { "CAP_SYS_ADMIN", "CAP_SYS_PTRACE", NULL };
	auto_ptr(hoy_seccomp_profile_free) struct hoy_seccomp_profile *profile = NULL;

	if (hoy_seccomp_profile_parse((const char *) data, size, &profile, NULL) < 0)
		return 0;
	compile(profile, none);
	compile(profile, some);
	return 0;
}
