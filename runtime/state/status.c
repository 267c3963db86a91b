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
#include "base/process.h"
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

/* Where connect() finds the socket: by a descriptor when the path is too long for an address. */
static int socket_address(const struct hoy_state *state, struct sockaddr_un *ret, int *ret_dir)
{
	size_t size = sizeof ret->sun_path;
	int n = snprintf(ret->sun_path, size, "%s/%s", state->path, HOY_STATE_SOCKET);

	if (n >= 0 && (size_t) n < size)
		return 0;
	*ret_dir = open(state->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_dir < 0)
		return -errno;
	(void) snprintf(ret->sun_path, size, "/proc/self/fd/%d/%s", *ret_dir, HOY_STATE_SOCKET);
	return 0;
}

/*
 * The socket's file may outlive the waiting, when `start` was killed: only one with somebody behind it counts. A socket
 * of another type finds that out without being let in, so that nobody wakes up for the question.
 */
bool hoy_state_waits_for_start(const struct hoy_state *state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	auto_fd int sock = -EBADF, dir = -EBADF;

	if (!state->path || socket_address(state, &addr, &dir) < 0)
		return false;
	if (faccessat(AT_FDCWD, addr.sun_path, F_OK, 0) < 0)
		return false;
	sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return true;
	if (connect(sock, (struct sockaddr *) &addr, sizeof addr) == 0)
		return false; /* not ours */
	/* A user without rights on it can't know better. */
	return errno == EPROTOTYPE || errno == EACCES;
}

bool hoy_state_is_frozen(const struct hoy_state *state)
{
	return state->cgroup && hoy_cgroup_saved_is_frozen(state->cgroup, NULL) == 1;
}

enum hoy_status hoy_state_status_pidfd(const struct hoy_state *state, int *ret_pidfd)
{
	auto_fd int pidfd = state->read && state->pid > 0 ? hoy_pidfd_open(state->pid) : -ESRCH;
	enum hoy_status status = hoy_state_status(state); /* looks behind the pidfd, as hoy_state_pidfd() does */

	*ret_pidfd = status == HOY_STATUS_CREATING || status == HOY_STATUS_STOPPED || pidfd < 0 ? -ESRCH
												: TAKE_FD(pidfd);
	return status;
}

enum hoy_status hoy_state_status(const struct hoy_state *state)
{
	struct hoy_process_stat stat;

	if (!state->read || state->pid == 0)
		return HOY_STATUS_CREATING;
	if (hoy_process_stat(state->pid, &stat) < 0 || !hoy_state_is_process(state, &stat))
		return HOY_STATUS_STOPPED;
	if (hoy_state_is_frozen(state))
		return HOY_STATUS_PAUSED;
	return !hoy_state_has_executed(state, &stat) && hoy_state_waits_for_start(state) ? HOY_STATUS_CREATED
											 : HOY_STATUS_RUNNING;
}
