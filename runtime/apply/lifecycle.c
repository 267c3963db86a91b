/* Start, kill, delete. */
#include "runtime/apply/lifecycle.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "libocispec/runtime.h"
#include "runtime/apply/create.h"
#include "runtime/apply/host_root.h"
#include "runtime/apply/resctrl.h"
#include "runtime/apply/unit.h"
#include "runtime/hooks.h"
#include "runtime/sync.h"
#include "runtime/texts.h"

#define KILL_TIMEOUT_MS 10000
#define REMOVE_TIMEOUT_MS 5000
#define CONFIG_MAX ((size_t) 16 << 20)

int hoy_container_config(const struct hoy_state *state, struct hoy_oci_spec **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = CONFIG_MAX };
	int r = hoy_file_read(state->dir, HOY_STATE_CONFIG, &text, err);

	return r < 0 ? r : hoy_oci_spec_parse(text.data, text.len, ret, err);
}

/* --- start ----------------------------------------------------------------------------------------------------- */

static int connect_to_init(const struct hoy_state *state, struct hoy_err *err)
{
	char dir[HOY_PROC_FD_MAX];
	auto_free char *full = NULL;
	int sock;

	full = hoy_path_join(hoy_path_proc_fd(state->dir, dir), HOY_STATE_SOCKET);
	if (!full)
		return hoy_err_oom(err);
	sock = hoy_fd_unix_connect(full, SOCK_SEQPACKET, err);
	return sock < 0 ? hoy_err_wrap(err, "container process") : sock;
}

static int check_can_start(const struct hoy_state *state, struct hoy_err *err)
{
	switch (hoy_state_status(state)) {
	case HOY_STATUS_CREATED:
		return 0;
	case HOY_STATUS_STOPPED:
		return hoy_err_conflict(err, TEXT_START_STOPPED);
	case HOY_STATUS_RUNNING:
		return hoy_err_conflict(err, TEXT_START_RUNNING);
	case HOY_STATUS_PAUSED:
	case HOY_STATUS_CREATING:
		break;
	}
	return hoy_err_conflict(
		err, "cannot start a container in the %s state", hoy_status_to_string(hoy_state_status(state)));
}

int hoy_container_started(
	const struct hoy_state *state, const struct hoy_oci_hooks *hooks, int pidfd, struct hoy_err *err)
{
	struct hoy_oci_state doc;
	int r;

	if (!hooks || !hooks->n_poststart)
		return 0;
	hoy_container_state(state, HOY_OCI_STATUS_RUNNING, state->pid, true, &doc);
	r = hoy_hooks_run(&(struct hoy_hook_list){ "poststart", hooks->poststart, hooks->n_poststart }, &doc, err);
	if (r < 0)
		(void) hoy_pidfd_signal(pidfd, SIGKILL);
	return r;
}

/* Whoever lets us in waits for start. Else look at it closer: what it does instead is the error. */
static int reach_init(const struct hoy_state *state, int pidfd, struct hoy_err *err)
{
	struct hoy_err why = {};
	int sock = pidfd < 0 || hoy_state_is_frozen(state) ? -ENOTCONN : connect_to_init(state, &why), r;

	if (sock >= 0)
		return sock;
	r = check_can_start(state, err);
	if (r < 0)
		return r;
	return why.errnum ? hoy_err_import(err, &why) : hoy_err_conflict(err, TEXT_START_STOPPED);
}

/* For who looks at many: nobody waits any more. Without it they look closer. */
static void note_start(struct hoy_state *state)
{
	struct hoy_err why = {};

	state->started = true;
	if (hoy_state_save(state, &why) < 0)
		hoy_log_ignored(&why, "state of '%s'", state->id);
}

int hoy_container_start(struct hoy_state *state, struct hoy_err *err)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	auto_fd int pidfd = hoy_state_pidfd(state), sock = reach_init(state, pidfd, err);
	int r = sock;

	if (r >= 0 && state->has_hooks)
		r = hoy_container_config(state, &spec, err);
	if (r < 0)
		return r;
	r = hoy_sync_send(sock, HOY_SYNC_START, 0, -EBADF, err);
	(void) unlinkat(state->dir, HOY_STATE_SOCKET, 0); /* meanwhile */
	if (r == 0)
		note_start(state);
	if (r == 0)
		r = hoy_sync_wait_exec(sock, err);
	if (r < 0)
		return hoy_err_wrap(err, TEXT_START_PROCESS);
	return hoy_container_started(state, spec ? spec->hooks : NULL, pidfd, err);
}

/* --- kill ------------------------------------------------------------------------------------------------------ */

static int kill_group(const struct hoy_state *state, int sig, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	int r;

	if (!state->cgroup || state->cgroup_pending)
		return 0;
	r = hoy_cgroup_from_string(state->cgroup, &cg, err);
	return r < 0 ? r : hoy_cgroup_kill(cg, sig, err);
}

int hoy_container_kill(const struct hoy_state *state, int sig, bool all, struct hoy_err *err)
{
	auto_fd int pidfd = hoy_state_pidfd(state);
	int r;

	/* Without a pid namespace of its own the others live on when the first process is gone. */
	if (all || (!state->own_pid_ns && sig == SIGKILL && state->pid)) {
		r = kill_group(state, sig, err);
		if (r < 0 || pidfd < 0)
			return r;
		if (state->cgroup)
			return 0;
	}
	if (pidfd < 0)
		return hoy_err_conflict(err, TEXT_NOT_RUNNING);
	r = hoy_pidfd_signal(pidfd, sig);
	if (r == -ESRCH)
		return hoy_err_conflict(err, TEXT_PROCESS_FINISHED);
	if (r < 0)
		return hoy_err_code(err, r, "signal process %d", (int) state->pid);
	/* A frozen process does not even die. */
	return sig == SIGKILL && hoy_state_is_frozen(state) ? kill_group(state, sig, err) : 0;
}

/* --- delete ---------------------------------------------------------------------------------------------------- */

static int wait_for_end(int pidfd, struct hoy_err *err)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	int n;

	do
		n = poll(&p, 1, KILL_TIMEOUT_MS);
	while (n < 0 && errno == EINTR);
	return n == 1 ? 0 : hoy_err_set(err, HOY_ERR_SYSTEM, ETIMEDOUT, "the container's process does not end");
}

static int kill_and_wait(const struct hoy_state *state, struct hoy_err *err)
{
	auto_fd int pidfd = hoy_state_pidfd(state);
	int r;

	if (pidfd < 0)
		return 0;
	r = hoy_pidfd_signal(pidfd, SIGKILL);
	if (r < 0 && r != -ESRCH)
		return hoy_err_code(err, r, "kill process %d", (int) state->pid);
	r = kill_group(state, SIGKILL, err);
	return r < 0 ? r : wait_for_end(pidfd, err);
}

static int remove_cgroup(const struct hoy_state *state, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	struct hoy_err why = {};
	int r;

	if (!state->cgroup)
		return 0;
	r = hoy_cgroup_from_string(state->cgroup, &cg, err);
	if (r < 0)
		return r;
	/* Mostly nobody is left. With a shared pid namespace, processes may have outlived the first one. A unit's group
	 * is not ours to take away: systemd would not hear of it and keep the unit. */
	if (!state->unit && hoy_cgroup_remove(cg, 0, NULL) == 0)
		return 0;
	/* Its creator died. The process that it may have made sees that and ends; who does not is another's. */
	if (state->cgroup_pending) {
		(void) hoy_cgroup_remove(cg, REMOVE_TIMEOUT_MS, NULL);
		return 0;
	}
	r = hoy_cgroup_kill(cg, SIGKILL, err);
	if (r < 0)
		return r;
	/* It ends with its last process; asking makes sure that it is gone when we say so. */
	if (state->unit && hoy_unit_stop(state, &why) < 0)
		hoy_log_ignored(&why, "unit of '%s'", state->id);
	return hoy_cgroup_remove(cg, REMOVE_TIMEOUT_MS, err);
}

int hoy_container_delete(const char *root, struct hoy_state *state, bool force, struct hoy_err *err)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	enum hoy_status status = hoy_state_status(state);
	struct hoy_oci_state doc;
	struct hoy_err why = {};
	int r;

	/* One whose creator died is locked by nobody and never gets further: it counts as stopped. */
	if (!force && status != HOY_STATUS_STOPPED && status != HOY_STATUS_CREATING)
		return hoy_err_set(
			err, HOY_ERR_CONFLICT, EBUSY, TEXT_DELETE_NOT_STOPPED, state->id, hoy_status_to_string(status));
	r = status == HOY_STATUS_STOPPED ? 0 : kill_and_wait(state, err);
	if (r < 0)
		return r;
	if (state->has_hooks && hoy_container_config(state, &spec, &why) < 0)
		hoy_log_ignored(&why, "hooks of '%s'", state->id);
	r = remove_cgroup(state, err);
	if (r == 0)
		r = hoy_resctrl_remove(state, err);
	if (r < 0)
		return r;
	hoy_host_root_unmount(state);
	r = hoy_state_remove(root, state, err);
	if (r < 0 || !spec || !spec->hooks)
		return r;
	hoy_container_state(state, HOY_OCI_STATUS_STOPPED, 0, true, &doc);
	hoy_hooks_run_all(&(struct hoy_hook_list){ "poststop", spec->hooks->poststop, spec->hooks->n_poststop }, &doc);
	return 0;
}
