/* The table of steps, and the loop that alone reports. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "runtime/child/child.h"
#include "runtime/hooks.h"
#include "runtime/sync.h"

/* prestart and createRuntime hooks belong to the parent: it runs them while we wait. */
static int step_runtime_hooks(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_hooks *hooks = c->plan->spec->hooks;
	int r;

	if (!hooks || (!hooks->n_prestart && !hooks->n_create_runtime))
		return 0;
	r = hoy_sync_send(c->sync, HOY_SYNC_HOOKS, 0, -EBADF, err);
	return r < 0 ? r : hoy_sync_expect(c->sync, HOY_SYNC_GO, err);
}

static int step_create_container_hooks(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_hooks *hooks = c->plan->spec->hooks;

	if (!hooks || !hooks->n_create_container)
		return 0;
	if (fchdir(c->root) < 0)
		return hoy_err_sys(err, "chdir to the rootfs");
	c->state->pid = getpid();
	c->state->status = HOY_OCI_STATUS_CREATING;
	return hoy_hooks_run(
		&(struct hoy_hook_list){ "createContainer", hooks->create_container, hooks->n_create_container },
		c->state, err);
}

static bool has_start_hooks(const struct hoy_child *c)
{
	const struct hoy_oci_hooks *hooks = c->plan->spec->hooks;

	return c->work == HOY_CHILD_INIT && hooks && hooks->n_start_container;
}

/* A filter with a listener: the agent gets that during create. */
static int step_listener_seccomp(struct hoy_child *c, struct hoy_err *err)
{
	return c->seccomp->notify ? hoy_child_load_seccomp(c, err) : 0;
}

/* startContainer hooks are programs of the container: they run under its filter, which must allow to start them. */
static int step_hooks_seccomp(struct hoy_child *c, struct hoy_err *err)
{
	return !c->seccomp->notify && has_start_hooks(c) ? hoy_child_load_seccomp(c, err) : 0;
}

static _Noreturn void on_end(int sig)
{
	_exit(128 + sig);
}

/* Nobody is in the container yet who could handle them, and the kernel drops what a first process does not handle: a
 * container that was not started yet can be ended politely too. What the caller had ignored stays so. In place before
 * anybody hears of the container: a signal that came earlier would be lost. */
static int step_end_by_signals(struct hoy_child *c, struct hoy_err *err)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	sigset_t set;

	if (c->start_listener < 0)
		return 0;
	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		const struct sigaction ours = { .sa_handler = on_end };
		struct sigaction before;

		if (sigaction(signals[i], &ours, &before) < 0 ||
			(before.sa_handler == SIG_IGN && sigaction(signals[i], &before, NULL) < 0))
			return hoy_err_sys(err, "handle signal %d", signals[i]);
		sigaddset(&set, signals[i]);
	}
	return sigprocmask(SIG_UNBLOCK, &set, NULL) < 0 ? hoy_err_sys(err, "unblock signals") : 0;
}

static int step_ready(struct hoy_child *c, struct hoy_err *err)
{
	int r = hoy_sync_send(c->sync, HOY_SYNC_READY, (int) c->denied_rlimits, -EBADF, err);

	/* The commit may have been there for long: GO says that the parent has set the limits. */
	for (int left = c->denied_rlimits ? 2 : 1; r >= 0 && left > 0; left--) {
		struct hoy_sync_msg msg;

		r = hoy_sync_recv(c->sync, &msg, NULL, err);
		if (r >= 0 && msg.type != HOY_SYNC_COMMIT && msg.type != HOY_SYNC_GO)
			r = hoy_err_code(err, -EPROTO, "message '%s' where '%s' was expected",
				hoy_sync_to_string((enum hoy_sync) msg.type), hoy_sync_to_string(HOY_SYNC_COMMIT));
	}
	return r;
}

/* A connection without a message is somebody asking whether we still wait. */
static int step_wait_for_start(struct hoy_child *c, struct hoy_err *err)
{
	if (c->start_listener < 0)
		return 0;
	hoy_fd_close(&c->sync);
	for (;;) {
		auto_fd int conn = accept4(c->start_listener, NULL, NULL, SOCK_CLOEXEC);

		if (conn < 0 && errno != EINTR && errno != ECONNABORTED)
			return hoy_err_sys(err, "wait for start");
		if (conn < 0 || hoy_sync_expect(conn, HOY_SYNC_START, NULL) < 0)
			continue;
		c->sync = TAKE_FD(conn);
		hoy_fd_close(&c->start_listener);
		return 0;
	}
}

static int step_start_container_hooks(struct hoy_child *c, struct hoy_err *err)
{
	const struct hoy_oci_hooks *hooks = c->plan->spec->hooks;

	if (!hooks || !hooks->n_start_container)
		return 0;
	c->state->pid = getpid();
	c->state->status = HOY_OCI_STATUS_CREATED;
	return hoy_hooks_run(&(struct hoy_hook_list){ "startContainer", hooks->start_container,
				     hooks->n_start_container, c->plan->env },
		c->state, err);
}

/* Before the filter, which need not let through more than execve(). */
static int step_unblock_signals(struct hoy_child *c, struct hoy_err *err)
{
	sigset_t none;

	(void) c;
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? hoy_err_sys(err, "unblock signals") : 0;
}

static int step_late_seccomp(struct hoy_child *c, struct hoy_err *err)
{
	return c->seccomp->notify || has_start_hooks(c) ? 0 : hoy_child_load_seccomp(c, err);
}

/* Before it is ready: for its parent or for a hook. Then it must see the parent's end, and hold no lock. */
static bool waits_in_between(const struct hoy_child *c)
{
	const struct hoy_oci_hooks *h = c->plan->spec->hooks;

	for (size_t i = 0; c->idmaps && i < c->plan->n_mounts; i++)
		if (c->idmaps[i] >= 0)
			return true;
	return c->wait_for_go || (h && (h->n_prestart || h->n_create_runtime || h->n_create_container));
}

/* Among them the cgroup's directory: born in the group, we don't need it any more. */
static void close_foreign(struct hoy_child *c)
{
	int *fds[ARRAY_LEN(c->foreign) + 1] = { &c->entry.v2_fd };

	for (size_t i = 0; i < ARRAY_LEN(c->foreign); i++)
		fds[i + 1] = &c->foreign[i];
	hoy_fd_close_all(fds, ARRAY_LEN(fds));
}

static int step_end(struct hoy_child *c, struct hoy_err *err)
{
	(void) c;
	(void) err;
	_exit(EXIT_SUCCESS);
}

static const struct hoy_step init_steps[] = {
	{ "user namespace", hoy_child_wait_for_go },
	{ "join namespaces", hoy_child_join_namespaces },
	{ "cgroup", hoy_child_enter_cgroup },
	{ NULL, hoy_child_final_affinity },
	{ "time namespace", hoy_child_make_time_ns },
	{ "session", hoy_child_new_session },
	{ NULL, hoy_child_open_proc },
	{ "rootfs", hoy_child_prepare_rootfs },
	{ NULL, hoy_child_mounts },
	{ NULL, hoy_child_devices },
	{ NULL, hoy_child_dev_links },
	{ NULL, hoy_child_make_working_dir },
	{ NULL, hoy_child_names_and_net },
	{ NULL, step_runtime_hooks },
	{ NULL, step_create_container_hooks },
	{ NULL, hoy_child_sysctl },
	{ "readonlyPaths", hoy_child_readonly_paths },
	{ "maskedPaths", hoy_child_masked_paths },
	{ "terminal", hoy_child_terminal },
	{ NULL, hoy_child_labels },
	{ "pivot_root", hoy_child_pivot },
	{ "rootfs", hoy_child_finish_rootfs },
	{ NULL, hoy_child_environment },
	{ NULL, hoy_child_close_fds },
	{ NULL, hoy_child_user },
	{ NULL, hoy_child_working_dir },
	{ NULL, hoy_child_find_program },
	{ "seccomp", step_listener_seccomp },
	{ NULL, step_end_by_signals },
	{ NULL, step_ready },
	{ NULL, step_wait_for_start },
	{ "seccomp", step_hooks_seccomp },
	{ NULL, step_start_container_hooks },
	{ NULL, step_unblock_signals },
	{ "seccomp", step_late_seccomp },
	{ NULL, hoy_child_exec },
};

/* A process that joins a container. The labels are written through the host's procfs, opened before it is out of
 * sight. */
static const struct hoy_step exec_steps[] = {
	{ "user namespace", hoy_child_wait_for_go },
	{ NULL, hoy_child_open_proc },
	{ "process.execCPUAffinity.initial", hoy_child_initial_affinity },
	{ "cgroup", hoy_child_enter_cgroup },
	{ "process.execCPUAffinity.final", hoy_child_final_affinity },
	{ "join namespaces", hoy_child_join_namespaces },
	{ NULL, hoy_child_open_root },
	{ "session", hoy_child_new_session },
	{ "terminal", hoy_child_terminal },
	{ NULL, hoy_child_labels },
	{ NULL, hoy_child_environment },
	{ NULL, hoy_child_close_fds },
	{ NULL, hoy_child_user },
	{ NULL, hoy_child_working_dir },
	{ NULL, hoy_child_find_program },
	{ "seccomp", step_listener_seccomp },
	{ NULL, step_ready },
	{ "seccomp", step_late_seccomp },
	{ NULL, hoy_child_exec },
};

/* Not a process of the container, though it is in its namespaces: it is in none of its cgroups, runs nothing and ends.
 */
#define MOUNT_STEPS                                                                                                    \
	{ "user namespace", hoy_child_wait_for_go }, { NULL, hoy_child_open_proc },                                    \
		{ "join namespaces", hoy_child_join_namespaces },                                                      \
	{                                                                                                              \
		NULL, hoy_child_open_root                                                                              \
	}

static const struct hoy_step add_mounts_steps[] = {
	MOUNT_STEPS,
	{ NULL, hoy_child_add_mounts },
	{ NULL, step_end },
};

static const struct hoy_step remove_mounts_steps[] = {
	MOUNT_STEPS,
	{ NULL, hoy_child_remove_mounts },
	{ NULL, step_end },
};

static const struct {
	const struct hoy_step *steps;
	size_t n;
} works[] = {
	[HOY_CHILD_INIT] = { init_steps, ARRAY_LEN(init_steps) },
	[HOY_CHILD_EXEC] = { exec_steps, ARRAY_LEN(exec_steps) },
	[HOY_CHILD_ADD_MOUNTS] = { add_mounts_steps, ARRAY_LEN(add_mounts_steps) },
	[HOY_CHILD_REMOVE_MOUNTS] = { remove_mounts_steps, ARRAY_LEN(remove_mounts_steps) },
};

void hoy_child_run(struct hoy_child *c)
{
	const struct hoy_step *steps = works[c->work].steps;
	size_t n_steps = works[c->work].n;
	struct hoy_err err = {};

	if (c->work != HOY_CHILD_INIT || waits_in_between(c))
		close_foreign(c);
	(void) umask(0); /* modes of what we make are meant as they are written */
	for (size_t i = 0; i < n_steps; i++) {
		if (steps[i].run(c, &err) >= 0)
			continue;
		if (steps[i].name)
			(void) hoy_err_wrap(&err, "%s", steps[i].name);
		hoy_sync_send_error(c->sync, &err);
		break;
	}
	_exit(EXIT_FAILURE); /* hoy_child_exec does not return when it succeeds */
}
