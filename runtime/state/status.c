/* What a container is doing, found out by looking. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "runtime/state/state.h"

static const char *const names[] = {
	[HOY_STATUS_CREATING] = "creating",
	[HOY_STATUS_CREATED] = "created",
	[HOY_STATUS_RUNNING] = "running",
	[HOY_STATUS_PAUSED] = "paused",
	[HOY_STATUS_STOPPED] = "stopped",
};

const char *hoy_status_to_string(enum hoy_status status)
{
	return names[status];
}

/* The socket's file may outlive the waiting, when `start` was killed: only one that answers counts. */
static bool waits_for_start(const struct hoy_state *state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	auto_fd int sock = -EBADF;

	if (faccessat(state->dir, HOY_STATE_SOCKET, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	sock = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock < 0)
		return true;
	(void) snprintf(addr.sun_path, sizeof addr.sun_path, "/proc/self/fd/%d/%s", state->dir, HOY_STATE_SOCKET);
	if (connect(sock, (struct sockaddr *) &addr, sizeof addr) == 0)
		return true;
	/* A full queue has somebody listening behind it. A user without rights on it can't know better. */
	return errno == EAGAIN || errno == EACCES;
}

static bool is_frozen(const struct hoy_state *state)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;

	return state->cgroup && hoy_cgroup_from_string(state->cgroup, &cg, NULL) == 0 &&
	       hoy_cgroup_is_frozen(cg, NULL) == 1;
}

enum hoy_status hoy_state_status(const struct hoy_state *state)
{
	auto_fd int pidfd = -EBADF;

	if (!state->read || state->pid == 0)
		return HOY_STATUS_CREATING;
	pidfd = hoy_state_pidfd(state);
	if (pidfd < 0)
		return HOY_STATUS_STOPPED;
	if (is_frozen(state))
		return HOY_STATUS_PAUSED;
	return waits_for_start(state) ? HOY_STATUS_CREATED : HOY_STATUS_RUNNING;
}
