/*
 * Seccomp: the OCI description becomes a BPF program (in the parent, pure), and the program is loaded (in the child).
 *
 * The compiler is our own: per architecture the syscall numbers are sorted, joined to ranges of equal action and
 * searched by a balanced tree, so that building takes microseconds (no cache is needed) and a syscall costs about ten
 * instructions. Architectures that it does not know are compiled by libseccomp. Names that an architecture does not
 * have are skipped, as other runtimes do.
 *
 *	parent: hoy_seccomp_compile(spec->linux_->seccomp, &prog, err);
 *	child:  hoy_seccomp_load(&prog, &listener, err);       after no_new_privs, or with CAP_SYS_ADMIN still held
 *	        if (prog.notify) hoy_seccomp_send_listener(spec->linux_->seccomp, listener, state_json, len, err);
 */
#ifndef HOY_RUNTIME_PLAN_SECCOMP_H
#define HOY_RUNTIME_PLAN_SECCOMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct hoy_oci_seccomp;
struct hoy_oci_state;
struct sock_filter;

struct hoy_seccomp_program {
	struct sock_filter *insns; /* owned; NULL: nothing to load */
	size_t n_insns;
	unsigned int flags; /* SECCOMP_FILTER_FLAG_* for seccomp(2) */
	bool notify;        /* some rule asks a listener: loading gives a descriptor */
};
void hoy_seccomp_program_done(struct hoy_seccomp_program *prog);

/*
 * Compiles. -EINVAL: the description contradicts itself (an errno for an action that takes none, a bad argument index,
 * notify as default or for the calls that deliver it), -EOPNOTSUPP: an action, flag or architecture that neither we
 * nor libseccomp know, -E2BIG: more than the kernel's 4096 instructions. Without seccomp (NULL) the program is empty.
 *
 * Calls newer than every call that the description names answer ENOSYS, when the default action is an errno (or
 * kill, trap): C libraries then fall back, as they do on a kernel without the call.
 */
int hoy_seccomp_compile(const struct hoy_oci_seccomp *seccomp, struct hoy_seccomp_program *ret, struct hoy_err *err);

/* Installs it for the calling process, which is single threaded; no allocation. With prog->notify, *ret_listener is the
 * listener's descriptor
 * (close-on-exec), else -1. 0 or -errno. */
int hoy_seccomp_load(const struct hoy_seccomp_program *prog, int *ret_listener, struct hoy_err *err);

/* The container process state that goes to listenerPath, as JSON: `state` with its pid. */
int hoy_seccomp_process_state(const struct hoy_oci_seccomp *seccomp, const struct hoy_oci_state *state,
	struct hoy_buf *ret, struct hoy_err *err);

/* Connects to seccomp->listener_path, sends the text and the descriptor, closes the connection. Nothing but
 * socket calls on descriptors, so that who calls it (child or parent) decides. 0 or -errno. */
int hoy_seccomp_send_listener(
	const struct hoy_oci_seccomp *seccomp, int listener, const char *state_json, size_t len, struct hoy_err *err);

#endif
