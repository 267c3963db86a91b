/* The parent's part: opens the bind sources in the host's view, makes the child, waits for it. */
#include "runtime/apply/live_mounts.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/process.h"
#include "libocispec/runtime.h"
#include "runtime/apply/handover.h"
#include "runtime/apply/spawn.h"
#include "runtime/apply/trees.h"
#include "runtime/child/child.h"
#include "runtime/state/state.h"
#include "runtime/sync.h"
#include "runtime/texts.h"

struct work {
	const struct hoy_state *state;
	struct hoy_plan plan;
	struct hoy_child child;
	int join_fds[HOY_PLAN_JOIN_ALL_MAX];
	int *fds; /* three per mount: trees, idmaps, late_readonly */
	int sync, child_sync;
};

static void work_done(struct work *w)
{
	for (size_t i = 0; w->fds && i < 3 * w->plan.n_mounts; i++)
		hoy_fd_close(&w->fds[i]);
	free(w->fds);
	for (size_t i = 0; i < HOY_PLAN_JOIN_ALL_MAX; i++)
		hoy_fd_close(&w->join_fds[i]);
	hoy_fd_close(&w->sync);
	hoy_fd_close(&w->child_sync);
	hoy_plan_done(&w->plan);
}

static int open_fds(struct work *w, struct hoy_err *err)
{
	auto_fd int pidfd = hoy_state_pidfd(w->state);
	size_t n = w->plan.n_mounts;

	if (pidfd < 0)
		return hoy_err_conflict(err, TEXT_NOT_RUNNING);
	for (size_t i = 0; i < w->plan.n_joins; i++) {
		w->join_fds[i] = hoy_fd_dup(pidfd);
		if (w->join_fds[i] < 0)
			return hoy_err_code(err, w->join_fds[i], "duplicate descriptor");
	}
	w->fds = malloc((3 * n + 1) * sizeof *w->fds);
	if (!w->fds)
		return hoy_err_oom(err);
	for (size_t i = 0; i < 3 * n; i++)
		w->fds[i] = -EBADF;
	w->child.trees = w->fds;
	w->child.idmaps = w->fds + n;
	w->child.late_readonly = w->fds + 2 * n;
	return w->child.work == HOY_CHILD_ADD_MOUNTS ? hoy_trees_open(&w->plan, w->child.trees, w->child.idmaps, err)
						     : 0;
}

/* End of file is the end of the child; only its status tells that all went well. */
static int run_child(struct work *w, struct hoy_err *err)
{
	auto_fd int pidfd = -EBADF;
	int pair[2], r = hoy_sync_pair(pair, err);
	siginfo_t si;
	pid_t pid;

	if (r < 0)
		return r;
	w->sync = pair[0];
	w->child_sync = w->child.sync = pair[1];
	w->child.foreign[0] = w->sync;
	w->child.foreign[1] = w->state->dir;
	w->child.plan = &w->plan;
	w->child.join_fds = w->join_fds;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return hoy_err_sys(err, "become undumpable");
	r = hoy_spawn_child(&w->child, &pid, &pidfd, err);
	if (r < 0)
		return r;
	hoy_fd_close(&w->child_sync);
	r = hoy_sync_wait_exec(w->sync, err);
	if (hoy_process_wait(pid, &si, r < 0 ? NULL : err) < 0 || r < 0)
		return r < 0 ? r : -ECHILD;
	if (si.si_code != CLD_EXITED || si.si_status)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ECHILD, "the process that mounts was killed");
	return 0;
}

int hoy_container_mounts(
	const struct hoy_state *state, const struct hoy_oci_spec *spec, bool remove, struct hoy_err *err)
{
	auto_(work_done) struct work w = {
		.state = state,
		.join_fds = { -EBADF, -EBADF, -EBADF, -EBADF },
		.sync = -EBADF,
		.child_sync = -EBADF,
		.child = {
			.work = remove ? HOY_CHILD_REMOVE_MOUNTS : HOY_CHILD_ADD_MOUNTS,
			HOY_CHILD_CLOSED,
		},
	};
	const struct hoy_plan_params params = {
		.id = state->id,
		.bundle = state->bundle,
		.rootless = state->rootless,
		.may_mount = hoy_own_caps() & 1ULL << CAP_SYS_ADMIN,
		.live = true,
		.remove = remove,
	};
	int r;

	if (state->host_mount)
		return hoy_err_unsupported(err, "the container has no mount namespace of its own");
	r = hoy_plan_make_live_mounts(spec, &params, &w.plan, err);
	if (r == 0)
		r = open_fds(&w, err);
	return r < 0 ? r : run_child(&w, err);
}
