/* Exec: the same child and the same conversation as for create, in namespaces that are there already. */
#include "runtime/apply/exec.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "libocispec/runtime.h"
#include "runtime/apply/create.h"
#include "runtime/apply/exec.h"
#include "runtime/apply/handover.h"
#include "runtime/apply/host_root.h"
#include "runtime/apply/process.h"
#include "runtime/apply/resctrl.h"
#include "runtime/apply/spawn.h"
#include "runtime/apply/unit.h"
#include "runtime/child/child.h"
#include "runtime/state/state.h"
#include "runtime/sync.h"
#include "runtime/texts.h"

#define ALL_CAPS ((1ULL << HOY_CAP_COUNT) - 1)

struct execution {
	const struct hoy_state *state;
	struct hoy_oci_spec *spec;
	const struct hoy_exec_options *o;
	struct hoy_plan plan;
	struct hoy_seccomp_program seccomp;
	struct hoy_cgroup *cgroup;
	bool attach; /* systemd moves it there, because we may not */
	struct hoy_child child;
	int init, join_fds[HOY_PLAN_JOIN_ALL_MAX];
	int sync, child_sync, console, console_peer, master;
	pid_t pid;
	int pidfd;
	bool committed, running;
};

static void execution_done(struct execution *e)
{
	siginfo_t si;

	if (!e->running && e->pidfd >= 0) {
		(void) hoy_pidfd_signal(e->pidfd, SIGKILL);
		(void) hoy_process_wait(e->pid, &si, NULL);
	}
	hoy_plan_done(&e->plan);
	hoy_seccomp_program_done(&e->seccomp);
	hoy_cgroup_entry_close(&e->child.entry);
	hoy_cgroup_free(e->cgroup);
	for (size_t i = 0; i < HOY_PLAN_JOIN_ALL_MAX; i++)
		hoy_fd_close(&e->join_fds[i]);
	hoy_fd_close(&e->init);
	hoy_fd_close(&e->sync);
	hoy_fd_close(&e->child_sync);
	hoy_fd_close(&e->console);
	hoy_fd_close(&e->console_peer);
	hoy_fd_close(&e->child.root);
	hoy_fd_close(&e->master);
	hoy_fd_close(&e->pidfd);
}

static bool has_user_ns(const struct hoy_oci_spec *spec)
{
	return hoy_oci_spec_namespace(spec, HOY_OCI_NS_USER) != NULL;
}

static int make_plan(struct execution *e, struct hoy_err *err)
{
	const struct hoy_plan_params params = {
		.id = e->state->id,
		.bundle = e->state->bundle,
		.rootless = e->state->rootless,
		.host_caps = has_user_ns(e->spec) ? ALL_CAPS : hoy_own_caps(),
		.preserve_fds = e->o->preserve_fds,
	};
	int r = hoy_plan_make_exec(e->spec, &params, &e->plan, err);

	if (r == 0)
		hoy_log_debug("exec '%s' in container '%s'", e->spec->process->args[0], e->state->id);
	if (r == 0)
		r = hoy_seccomp_compile(e->spec->linux_->seccomp, &e->seccomp, err);
	return r;
}

/* One pidfd names all of the container's namespaces, and can't come to mean another process. */
static int open_namespaces(struct execution *e, struct hoy_err *err)
{
	auto_fd int pidfd = e->init >= 0 ? TAKE_FD(e->init) : hoy_state_pidfd(e->state);

	if (pidfd < 0)
		return hoy_err_conflict(err, TEXT_EXEC_STOPPED);
	for (size_t i = 0; i < e->plan.n_joins; i++) {
		e->join_fds[i] = i + 1 < e->plan.n_joins ? hoy_fd_dup(pidfd) : TAKE_FD(pidfd);
		if (e->join_fds[i] < 0)
			return hoy_err_code(err, e->join_fds[i], "duplicate descriptor");
	}
	if (!e->state->host_mount)
		return 0;
	e->child.root = hoy_host_root_open(e->state, err);
	return e->child.root < 0 ? e->child.root : 0;
}

static int open_cgroup(struct execution *e, struct hoy_err *err)
{
	int r;

	if (!e->state->cgroup)
		return 0;
	r = hoy_cgroup_from_string(e->state->cgroup, &e->cgroup, err);
	if (r == 0)
		r = hoy_cgroup_open_entry(e->cgroup, e->o->cgroups, &e->child.entry, err);
	if (r == 0 && e->state->unit && e->state->rootless && !hoy_cgroup_may_enter(e->cgroup)) {
		hoy_fd_close(&e->child.entry.v2_fd);
		e->attach = e->child.wait_for_go = true;
	}
	return r;
}

/* An init that hands its controllers on (systemd) has moved itself to a group further down, and the container's own
 * takes no processes any more: the new one goes where init is. */
static int open_init_cgroup(struct execution *e, struct hoy_err *err)
{
	auto_free char *path = NULL;
	const char *own = hoy_cgroup_path(e->cgroup), *subs[2] = {};
	int r = hoy_cgroup_path_of(e->state->pid, &path, err);

	if (r < 0)
		return r;
	if (!hoy_str_starts(path, own) || path[strlen(own)] != '/')
		return hoy_err_conflict(err, "its cgroup '%s' takes no processes, and init is not below", own);
	subs[0] = path + strlen(own);
	hoy_cgroup_entry_close(&e->child.entry);
	return hoy_cgroup_open_entry(e->cgroup, subs, &e->child.entry, err);
}

static int spawn_child(struct execution *e, struct hoy_err *err)
{
	struct hoy_err first = {};
	int r = hoy_spawn_child(&e->child, &e->pid, &e->pidfd, &first);

	if (r == -EBUSY && e->cgroup && hoy_cgroup_is_unified(e->cgroup) && !e->o->cgroups[0]) {
		r = open_init_cgroup(e, err);
		for (size_t i = 0; i < HOY_PLAN_JOIN_ALL_MAX; i++) /* the attempt has used some of them up */
			hoy_fd_close(&e->join_fds[i]);
		if (r == 0)
			r = open_namespaces(e, err);
		return r < 0 ? r : hoy_spawn_child(&e->child, &e->pid, &e->pidfd, err);
	}
	return r < 0 ? hoy_err_import(err, &first) : 0;
}

static void log_affinity(const cpu_set_t *cpus)
{
	size_t n = sizeof cpus->__bits / sizeof cpus->__bits[0];
	char mask[CPU_SETSIZE / 4 + 1];
	size_t len = 0;

	if (!cpus || !hoy_log_enabled(HOY_LOG_DEBUG))
		return;
	while (n > 1 && !cpus->__bits[n - 1])
		n--;
	for (size_t i = n; i-- > 0;)
		len += (size_t) snprintf(mask + len, sizeof mask - len, i + 1 == n ? "%lx" : "%016lx", cpus->__bits[i]);
	hoy_log_debug(TEXT_DEBUG_AFFINITY "%s", mask);
}

static int spawn(struct execution *e, struct hoy_err *err)
{
	struct hoy_oci_state state;
	int pair[2], r;

	r = hoy_sync_pair(pair, err);
	if (r < 0)
		return r;
	hoy_log_debug(TEXT_DEBUG_SETUP);
	log_affinity(e->plan.affinity_initial);
	e->sync = pair[0];
	e->child_sync = pair[1];
	hoy_container_state(e->state, HOY_OCI_STATUS_RUNNING, e->state->pid, true, &state);
	e->child.work = HOY_CHILD_EXEC;
	e->child.plan = &e->plan;
	e->child.seccomp = &e->seccomp;
	e->child.cgroup = e->cgroup;
	e->child.sync = e->child_sync;
	e->child.console_socket = e->console_peer;
	e->child.join_fds = e->join_fds;
	e->child.state = &state;
	e->child.foreign[0] = e->sync;
	e->child.foreign[1] = e->state->dir;
	e->child.foreign[2] = e->console;
	e->child.undumpable = true;
	if (prctl(PR_SET_DUMPABLE, 0) < 0)
		return hoy_err_sys(err, "become undumpable");
	r = spawn_child(e, err);
	hoy_fd_close(&e->child_sync);
	hoy_fd_close(&e->console_peer);
	return r;
}

static int enter_resctrl(struct execution *e, struct hoy_err *err)
{
	return hoy_resctrl_enter(e->state, e->pid, err);
}

static int attach(struct execution *e, struct hoy_err *err)
{
	int r;

	if (!e->attach)
		return 0;
	r = hoy_unit_attach(e->state, e->o->cgroups[0], e->pid, err);
	return r < 0 ? r : hoy_sync_send(e->sync, HOY_SYNC_GO, 0, -EBADF, err);
}

static int pass_listener(struct execution *e, int listener, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_oci_state state;
	int r;

	hoy_container_state(e->state, HOY_OCI_STATUS_RUNNING, e->pid, true, &state);
	r = hoy_seccomp_process_state(e->spec->linux_->seccomp, &state, &text, err);
	if (r == 0)
		r = hoy_seccomp_send_listener(e->spec->linux_->seccomp, listener, text.data, text.len, err);
	return r < 0 ? r : hoy_sync_send(e->sync, HOY_SYNC_GO, 0, -EBADF, err);
}

/* Is there nothing left for us to do when the process is set up? Then it need not wait for us. */
static bool is_on_its_own(const struct execution *e)
{
	const struct hoy_exec_options *o = e->o;

	return !e->seccomp.notify && !o->pid_file && !o->pidfd_socket && e->console < 0 &&
	       hoy_process_is_complete(&e->plan);
}

static int commit(struct execution *e, struct hoy_err *err)
{
	int r = e->committed ? 0 : hoy_sync_send(e->sync, HOY_SYNC_COMMIT, 0, -EBADF, err);

	e->committed |= r == 0;
	return r;
}

static int converse(struct execution *e, struct hoy_err *err)
{
	/* One that has failed already tells us below. */
	if (is_on_its_own(e))
		(void) commit(e, NULL);
	for (;;) {
		auto_fd int fd = -EBADF;
		struct hoy_sync_msg msg;
		int r = hoy_sync_recv(e->sync, &msg, &fd, err);

		if (r == 0 && msg.type == HOY_SYNC_SECCOMP && fd >= 0)
			r = pass_listener(e, fd, err);
		if (r == 0 && msg.type == HOY_SYNC_READY)
			hoy_log_debug(TEXT_DEBUG_INIT);
		if (r == 0 && msg.type == HOY_SYNC_READY)
			return hoy_finish_process(e->sync, e->pid, &e->plan, (unsigned int) msg.number, err);
		if (r == 0 && msg.type != HOY_SYNC_SECCOMP)
			r = hoy_err_code(err, -EPROTO, "message of the new process");
		if (r < 0)
			return r;
	}
}

static int start(struct execution *e, struct hoy_err *err)
{
	int r = hoy_write_pid_file(e->o->pid_file, e->pid, err);

	if (r == 0)
		r = hoy_send_pidfd(e->o->pidfd_socket, e->pidfd, err);
	if (r == 0)
		r = hoy_take_master(e->spec->process, e->console, &e->master, err);
	if (r == 0)
		hoy_log_debug(TEXT_DEBUG_EXEC);
	if (r == 0)
		r = commit(e, err);
	return r < 0 ? r : hoy_sync_wait_exec(e->sync, err);
}

int hoy_container_exec(const struct hoy_state *state, struct hoy_oci_spec *spec, const struct hoy_exec_options *options,
	struct hoy_container *ret, struct hoy_err *err)
{
	auto_(execution_done) struct execution e = {
		.state = state,
		.spec = spec,
		.o = options,
		.init = options->init,
		.join_fds = { -EBADF, -EBADF, -EBADF, -EBADF },
		.sync = -EBADF,
		.child_sync = -EBADF,
		.console = -EBADF,
		.console_peer = -EBADF,
		.master = -EBADF,
		.pidfd = -EBADF,
		.child = { HOY_CHILD_CLOSED },
	};
	static int (*const steps[])(struct execution *, struct hoy_err *) = {
		make_plan,
		open_namespaces,
		open_cgroup,
		spawn,
		enter_resctrl,
		attach,
		converse,
		start,
	};
	int r = hoy_open_console(
		spec->process, options->console_socket, options->detach, &e.console_peer, &e.console, err);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(steps); i++)
		r = steps[i](&e, err);
	if (r < 0)
		return hoy_err_wrap(err, "exec failed: " TEXT_START_PROCESS);
	e.running = true;
	ret->state.pid = e.pid;
	ret->pidfd = TAKE_FD(e.pidfd);
	ret->master = TAKE_FD(e.master);
	return 0;
}
