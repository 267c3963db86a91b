/* Installing a filter, and handing its listener to the agent that asked for it. */
#include "runtime/plan/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "libocispec/runtime.h"

int hoy_seccomp_load(const struct hoy_seccomp_program *prog, int *ret_listener, struct hoy_err *err)
{
	const struct sock_fprog fprog = { .len = (unsigned short) prog->n_insns, .filter = prog->insns };
	long r;

	*ret_listener = -1;
	if (prog->insns == NULL)
		return 0;
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, prog->flags, &fprog);
	if (r < 0)
		return hoy_err_sys(err, "load the seccomp filter of %zu instructions", prog->n_insns);
	if (prog->notify)
		*ret_listener = (int) r;
	return 0;
}

int hoy_seccomp_process_state(const struct hoy_oci_seccomp *seccomp, const struct hoy_oci_state *state,
	struct hoy_buf *ret, struct hoy_err *err)
{
	char *fds[] = { "seccompFd", NULL };
	const struct hoy_oci_process_state document = {
		.oci_version = state->oci_version,
		.fds = fds,
		.pid = state->pid,
		.metadata = seccomp->listener_metadata,
		.state = (struct hoy_oci_state *) state,
	};

	return hoy_oci_process_state_print(&document, ret, /* indent= */ 0, err);
}

/* The descriptor goes with the first byte; the rest of a long text follows. */
int hoy_seccomp_send_listener(
	const struct hoy_oci_seccomp *seccomp, int listener, const char *state_json, size_t len, struct hoy_err *err)
{
	auto_fd int sock = hoy_fd_unix_connect(seccomp->listener_path, SOCK_STREAM, err);
	ssize_t n;
	int r;

	if (sock < 0)
		return hoy_err_wrap(err, "failed to connect with seccomp agent");
	n = hoy_fd_send(sock, state_json, len, &listener, 1);
	if (n < 0)
		return hoy_err_code(err, (int) n, "send the seccomp descriptor to '%s'", seccomp->listener_path);
	r = hoy_fd_write_all(sock, state_json + n, len - (size_t) n);
	return r < 0 ? hoy_err_code(err, r, "send the container's state to '%s'", seccomp->listener_path) : 0;
}
