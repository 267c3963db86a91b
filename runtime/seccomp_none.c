/* Until the compiler is there, a config that asks for seccomp is refused. */
#include <stdlib.h>

#include "runtime/plan/seccomp.h"

void hoy_seccomp_program_done(struct hoy_seccomp_program *prog)
{
	free(prog->insns);
	prog->insns = NULL;
}

int hoy_seccomp_compile(const struct hoy_oci_seccomp *seccomp, struct hoy_seccomp_program *ret, struct hoy_err *err)
{
	*ret = (struct hoy_seccomp_program){};
	return seccomp ? hoy_err_unsupported(err, "linux.seccomp: not supported by this build") : 0;
}

int hoy_seccomp_load(const struct hoy_seccomp_program *prog, int *ret_listener, struct hoy_err *err)
{
	*ret_listener = -1;
	return prog->insns ? hoy_err_unsupported(err, "seccomp") : 0;
}

int hoy_seccomp_process_state(const struct hoy_oci_seccomp *seccomp, const struct hoy_oci_state *state,
	struct hoy_buf *ret, struct hoy_err *err)
{
	(void) seccomp;
	(void) state;
	(void) ret;
	return hoy_err_unsupported(err, "seccomp");
}

int hoy_seccomp_send_listener(
	const struct hoy_oci_seccomp *seccomp, int listener, const char *state_json, size_t len, struct hoy_err *err)
{
	(void) seccomp;
	(void) listener;
	(void) state_json;
	(void) len;
	return hoy_err_unsupported(err, "seccomp");
}
