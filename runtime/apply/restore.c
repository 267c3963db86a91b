/*
 * The way back: a container whose state and cgroup are made as for a new one, and whose processes CRIU makes. They are
 * born in the cgroup; what the images call by a name gets what the config has for it now.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "runtime/apply/create_internal.h"
#include "runtime/apply/criu_internal.h"
#include "runtime/apply/handover.h"
#include "runtime/apply/lifecycle.h"
#include "runtime/child/target.h"
#include "runtime/hooks.h"

#define DESCRIPTORS_MAX ((size_t) 1 << 20)
#define PTMX_NAME "/dev/ptmx"

struct restoration {
	struct creation c;
	struct criu criu;
};

/* --- what is asked of the helper -------------------------------------------------------------------------------- */

static bool is_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return strncmp(path, dir, len) == 0 && path[len] == '/';
}

/* Mount points on what is mounted before come with that. */
static bool is_on_another_mount(const struct hoy_plan *plan, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (plan->mounts[j].kind != HOY_MOUNT_ROOTFS &&
			is_below(plan->mounts[i].target, plan->mounts[j].target))
			return true;
	return false;
}

/* CRIU does not make them, and the root file system may be a fresh copy. `root`: as the helper has mounted it. */
static int make_mount_points(const struct hoy_plan *plan, int root, struct hoy_err *err)
{
	for (size_t i = 0; i < plan->n_mounts; i++) {
		const struct hoy_plan_mount *m = &plan->mounts[i];
		auto_free char *source = NULL;
		auto_fd int made = -EBADF;
		struct stat st = { .st_mode = S_IFDIR };

		if (m->kind == HOY_MOUNT_ROOTFS || m->kind == HOY_MOUNT_REMOUNT || is_on_another_mount(plan, i))
			continue;
		if (m->kind == HOY_MOUNT_BIND) {
			source = hoy_path_join(plan->params.bundle, m->source);
			if (!source)
				return hoy_err_oom(err);
			if (stat(source, &st) < 0)
				return hoy_err_sys(err, "mounts[%zu].source: '%s'", m->index, source);
		}
		made = hoy_target_make(root, m->target, S_ISDIR(st.st_mode), err);
		if (made < 0)
			return hoy_err_wrap(err, "mounts[%zu]", m->index);
	}
	return 0;
}

static int add_mounts(struct criu *criu, const struct hoy_plan *plan, struct hoy_err *err)
{
	int r = hoy_criu_external(criu, err, "mnt[%s]:/dev/null", CRIU_KEY_NULL);

	for (size_t i = 0; r == 0 && i < plan->n_mounts; i++) {
		const struct hoy_plan_mount *m = &plan->mounts[i];
		auto_free char *source = NULL;

		if (m->kind != HOY_MOUNT_BIND)
			continue;
		source = hoy_path_join(plan->params.bundle, m->source);
		r = source ? hoy_criu_external(criu, err, "mnt[%s]:%s", m->target, source) : hoy_err_oom(err);
	}
	for (size_t i = 0; r == 0 && plan->bind_devices && i < plan->n_devices; i++)
		r = hoy_criu_external(criu, err, "mnt[%s]:%s", plan->devices[i].path, plan->devices[i].path);
	return r;
}

static const char *join_type(int type)
{
	return type == CLONE_NEWIPC ? "ipc" : type == CLONE_NEWUTS ? "uts" : type == CLONE_NEWTIME ? "time" : NULL;
}

/* Descriptors of the namespaces that the container joins are kept in child.join_fds until the helper has them. */
static int add_namespaces(struct restoration *x, struct hoy_err *err)
{
	const struct hoy_plan *plan = &x->c.plan;
	int *fds = x->c.child.join_fds = malloc((plan->n_joins + 1) * sizeof *fds);
	int r = fds ? 0 : hoy_err_oom(err);

	for (size_t i = 0; fds && i < plan->n_joins; i++)
		fds[i] = -EBADF;
	for (size_t i = 0; r == 0 && i < plan->n_joins; i++) {
		const struct hoy_plan_join *j = &plan->joins[i];
		struct hoy_criu_join *join;

		if (j->type == CLONE_NEWNET || j->type == CLONE_NEWPID) {
			fds[i] = open(j->path, O_RDONLY | O_CLOEXEC);
			r = fds[i] < 0 ? hoy_err_sys(err, "open namespace '%s'", j->path)
				       : hoy_criu_inherit(&x->criu,
						 j->type == CLONE_NEWNET ? CRIU_KEY_NET : CRIU_KEY_PID, fds[i], err);
			continue;
		}
		join = join_type(j->type) ? hoy_field_add(&x->criu.request.joins, &x->criu.request.n_joins) : NULL;
		if (!join)
			return hoy_err_unsupported(
				err, "namespace '%s': criu joins no namespace of that type", j->path);
		join->type = strdup(join_type(j->type));
		join->path = strdup(j->path);
		r = join->type && join->path ? 0 : hoy_err_oom(err);
	}
	return r;
}

static bool is_inherited(const struct criu *criu, const char *key)
{
	for (size_t i = 0; i < criu->request.n_inherit; i++)
		if (strcmp(criu->request.inherit[i].key, key) == 0)
			return true;
	return false;
}

/* Pipes and files that the container had as stdio become ours. Images without the list come from elsewhere. */
static int add_stdio(struct criu *criu, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = DESCRIPTORS_MAX };
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	int fd = 0, r = hoy_file_read(criu->images, CRIU_DESCRIPTORS, &text, err);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = hoy_json_parse(text.data, text.len, NULL, &list, err);
	hoy_json_each(item, list)
	{
		const char *name = hoy_json_string(item);

		if (r < 0 || fd > STDERR_FILENO)
			break;
		if (name && (hoy_str_starts(name, "pipe:") || hoy_str_starts(name, "file[")) &&
			!is_inherited(criu, name))
			r = hoy_criu_inherit(criu, name, fd, err);
		fd++;
	}
	return r < 0 ? hoy_err_wrap(err, CRIU_DESCRIPTORS) : 0;
}

static int add_overlay(struct hoy_criu_request *q, const struct hoy_plan *plan)
{
	const struct hoy_plan_mount *m = plan->mounts;

	if (!plan->n_mounts || m->kind != HOY_MOUNT_ROOTFS)
		return 0;
	q->overlay_attrs = m->attr_set;
	for (char **option = m->data; option && *option; option++)
		if (hoy_strv_add(&q->overlay, *option) < 0)
			return -ENOMEM;
	return 0;
}

static int describe(struct restoration *x, struct hoy_err *err)
{
	const struct hoy_plan *plan = &x->c.plan;
	struct hoy_criu_request *q = &x->criu.request;
	int r;

	if (x->c.o->no_pivot)
		return hoy_err_unsupported(
			err, "restore: --no-pivot: criu enters the root by pivot_root and nothing else");
	q->root = strdup(plan->rootfs);
	if (!q->root || add_overlay(q, plan) < 0)
		return hoy_err_oom(err);
	r = add_mounts(&x->criu, plan, err);
	if (r == 0)
		r = add_namespaces(x, err);
	return r < 0 ? r : add_stdio(&x->criu, err);
}

/* In the mode "ignore" the processes stay in the group they are born in, which is the helper's: the new one. In the
 * others CRIU puts them where they were saved, unless it is told that this has another name now. */
static int add_cgroup(struct restoration *x, struct hoy_err *err)
{
	const struct hoy_cgroup *cg = x->c.cgroup;
	struct hoy_criu_request *q = &x->criu.request;

	if (!cg)
		return 0;
	if (q->cgroup_mode) {
		q->cgroup_root = strdup(hoy_cgroup_path(cg));
		if (!q->cgroup_root)
			return hoy_err_oom(err);
	}
	for (size_t i = 0; i < x->c.plan.n_mounts; i++) {
		auto_free char *dir = NULL;

		if (x->c.plan.mounts[i].kind != HOY_MOUNT_CGROUP)
			continue;
		dir = hoy_cgroup_dir(cg, 0);
		return dir ? hoy_criu_external(&x->criu, err, "mnt[%s]:%s", CRIU_KEY_CGROUP, dir) : hoy_err_oom(err);
	}
	return 0;
}

/* --- while CRIU is at it ---------------------------------------------------------------------------------------- */

static int bring_lo_up(const struct creation *c, struct hoy_err *err)
{
	auto_fd int own = -EBADF, ns = -EBADF;
	char path[64];
	int r;

	if (!c->plan.loopback)
		return 0;
	(void) snprintf(path, sizeof path, "/proc/%d/ns/net", (int) c->pid);
	own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	ns = open(path, O_RDONLY | O_CLOEXEC);
	if (own < 0 || ns < 0)
		return hoy_err_sys(err, "open '%s'", path);
	if (setns(ns, CLONE_NEWNET) < 0)
		return hoy_err_sys(err, "join '%s'", path);
	r = hoy_net_bring_lo_up(err);
	return setns(own, CLONE_NEWNET) < 0 ? hoy_err_sys(err, "return to our network namespace") : r;
}

/* The namespaces are there, the processes are not. From here on the state names the first of them, so that somebody
 * else can end what we could not. */
static int on_namespaces(struct creation *c, pid_t pid, struct hoy_err *err)
{
	struct hoy_process_stat stat;
	int r = hoy_process_stat(pid, &stat);

	if (r < 0)
		return hoy_err_code(err, r, "start time of process %d", (int) pid);
	c->state.start_time = stat.start_time;
	c->pid = c->state.pid = pid;
	r = hoy_create_save(c, err);
	if (r == 0)
		r = bring_lo_up(c, err);
	if (r == 0)
		r = hoy_create_move_devices(c, err);
	return r < 0 ? r : hoy_create_run_hooks(c, err);
}

/* The master of the terminal that the processes have: to the socket, or to us who serve it. */
static int on_terminal(struct creation *c, int master, struct hoy_err *err)
{
	ssize_t n;

	if (master < 0)
		return hoy_err_code(err, -EPROTO, "criu sent no terminal");
	if (c->console >= 0) {
		c->master = hoy_fd_dup(master);
		return c->master < 0 ? hoy_err_code(err, c->master, "keep the terminal") : 0;
	}
	if (c->console_peer < 0)
		return hoy_err_invalid(
			err, "the saved processes have a terminal, the config has none (process.terminal)");
	n = hoy_fd_send(c->console_peer, PTMX_NAME, strlen(PTMX_NAME), &master, 1);
	return n < 0 ? hoy_err_code(err, (int) n, "send the terminal to the console socket") : 0;
}

static int converse(struct restoration *x, struct hoy_err *err)
{
	for (;;) {
		auto_fd int fd = -EBADF;
		struct hoy_helper_msg msg;
		int r = hoy_helper_recv(&x->criu.helper, &msg, &fd, err);

		if (r < 0)
			return r;
		if (msg.type == HOY_HELPER_DONE)
			return msg.number;
		if (msg.type != HOY_HELPER_ASK)
			return hoy_err_code(err, -EPROTO, "message of '%s'", HOY_CRIU_HELPER);
		if (strncmp(msg.name, HOY_CRIU_ROOT_MOUNTED, sizeof msg.name) == 0)
			r = make_mount_points(&x->c.plan, fd, err);
		else
			r = fd >= 0 ? on_terminal(&x->c, fd, err) : on_namespaces(&x->c, (pid_t) msg.number, err);
		if (r == 0)
			r = hoy_helper_go(&x->criu.helper, err);
		if (r < 0)
			return r;
	}
}

static int commit(struct creation *c, pid_t pid, struct hoy_err *err)
{
	struct hoy_process_stat stat;
	int r = hoy_process_stat(pid, &stat);

	if (r < 0)
		return hoy_err_code(err, r, "start time of process %d", (int) pid);
	c->state.start_time = stat.start_time;
	c->pid = c->state.pid = pid;
	c->pidfd = hoy_pidfd_open(pid);
	if (c->pidfd < 0)
		return hoy_err_code(err, c->pidfd, "open process %d", (int) pid);
	(void) hoy_pidfd_handle(c->pidfd, &c->state.pid_handle);
	c->state.started = true;
	r = hoy_create_save(c, err);
	if (r == 0)
		r = hoy_write_pid_file(c->o->pid_file, pid, err);
	return r < 0 ? r : hoy_container_started(&c->state, c->spec->hooks, c->pidfd, err);
}

static int revive(struct restoration *x, struct hoy_err *err)
{
	int entry = x->c.child.entry.v2_fd, r = add_cgroup(x, err);

	if (r == 0)
		r = hoy_criu_start_helper(&x->criu, entry >= 0 ? entry : 0, err);
	if (r == 0)
		r = converse(x, err);
	/* Its end makes the processes orphans, that is ours or those of whoever adopts our children. */
	hoy_helper_end(&x->criu.helper);
	return r < 0 ? r : commit(&x->c, (pid_t) r, err);
}

/* --- all of it -------------------------------------------------------------------------------------------------- */

static int make(struct restoration *x, struct hoy_err *err)
{
	struct creation *c = &x->c;
	int r = hoy_create_state(c, err);

	if (r < 0)
		return r;
	r = hoy_create_cgroup(c, err);
	if (r == 0)
		r = hoy_create_save(c, err);
	if (r == 0)
		r = revive(x, err);
	if (r == 0)
		r = hoy_create_release_unit(c, err);
	if (r == 0)
		return 0;
	hoy_net_devices_return(&c->moved);
	hoy_create_undo_cgroup(c); /* with what is left of the processes */
	if (c->pid && c->spec->hooks) {
		const struct hoy_oci_hooks *h = c->spec->hooks;
		struct hoy_oci_state state;

		hoy_container_state(&c->state, HOY_OCI_STATUS_STOPPED, 0, true, &state);
		hoy_hooks_run_all(&(struct hoy_hook_list){ "poststop", h->poststop, h->n_poststop }, &state);
	}
	hoy_create_undo_state(c);
	return r;
}

static void restoration_done(struct restoration *x)
{
	hoy_criu_done(&x->criu);
	hoy_creation_done(&x->c);
}

int hoy_container_restore(const struct hoy_create_options *create, const struct hoy_criu_options *o,
	struct hoy_container *ret, struct hoy_err *err)
{
	auto_(restoration_done) struct restoration x = { .c = CREATION_INIT(create), .criu = CRIU_INIT };
	struct creation *c = &x.c;
	int r = hoy_create_read_config(c, err);

	if (r == 0)
		r = hoy_create_plan(c, err);
	if (r == 0 && c->spec->linux_->intel_rdt)
		r = hoy_err_unsupported(err, "linux.intelRdt: not for a container that is restored");
	if (r == 0)
		r = hoy_criu_prepare(&x.criu, HOY_CRIU_RESTORE, o, c->spec, err);
	if (r == 0)
		r = hoy_open_console(
			c->spec->process, create->console_socket, create->detach, &c->console_peer, &c->console, err);
	if (r == 0)
		r = describe(&x, err);
	if (r == 0)
		r = make(&x, err);
	if (r < 0)
		return r;
	ret->spec = TAKE_PTR(c->spec);
	ret->state = c->state;
	c->state = (struct hoy_state){ .dir = -EBADF };
	ret->pidfd = TAKE_FD(c->pidfd);
	ret->master = TAKE_FD(c->master);
	return 0;
}
