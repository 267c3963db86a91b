/* The parent's way to a container: steps in order, undone backwards from the one that failed. */
#include "runtime/apply/create.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "base/time.h"
#include "runtime/apply/create_internal.h"
#include "runtime/apply/handover.h"
#include "runtime/apply/host_root.h"
#include "runtime/apply/resctrl.h"
#include "runtime/apply/spawn.h"
#include "runtime/apply/trees.h"
#include "runtime/hooks.h"
#include "runtime/sync.h"
#include "runtime/texts.h"

#define CONFIG_MAX ((size_t) 16 << 20)

/* --- before anything is touched -------------------------------------------------------------------------------- */

int hoy_create_read_config(struct creation *c, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(c->o->bundle, c->o->config ? c->o->config : "config.json");
	int r;

	if (!path)
		return hoy_err_oom(err);
	c->config.cap = CONFIG_MAX;
	r = hoy_file_read(AT_FDCWD, path, &c->config, err);
	if (r == -ENOENT)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, "JSON specification file %s not found", path);
	if (r == 0)
		r = hoy_oci_spec_parse(c->config.data, c->config.len, &c->spec, err);
	if (r == 0)
		r = hoy_oci_spec_validate(c->spec, err);
	return r < 0 ? hoy_err_wrap(err, "%s", path) : 0;
}

/* In a new user namespace the container has them all. */
static uint64_t host_caps(const struct hoy_oci_spec *spec, uint64_t own)
{
	for (size_t i = 0; spec->linux_ && i < spec->linux_->n_namespaces; i++)
		if (spec->linux_->namespaces[i].type == HOY_OCI_NS_USER)
			return (1ULL << HOY_CAP_COUNT) - 1;
	return own;
}

static unsigned int listen_fds(void)
{
	const char *text = getenv("LISTEN_FDS");
	unsigned int n;

	return text && hoy_str_to_uint(text, &n) == 0 && n < 1024 ? n : 0;
}

/* Where nobody reads labels, one that a config brings along from elsewhere is no reason to fail. */
static void drop_unread_label(struct creation *c)
{
	struct hoy_oci_linux *l = c->spec->linux_;

	if (!l || !l->mount_label || !l->mount_label[0] || access("/sys/fs/selinux/enforce", F_OK) == 0)
		return;
	hoy_log_warn("linux.mountLabel: SELinux is not enabled on this host, ignoring '%s'", l->mount_label);
	free(l->mount_label);
	l->mount_label = NULL;
}

int hoy_create_plan(struct creation *c, struct hoy_err *err)
{
	uint64_t own = hoy_own_caps();
	struct hoy_plan_params params = {
		.id = c->o->id,
		.bundle = c->o->bundle,
		.rootless = c->o->rootless,
		.systemd = c->o->systemd_cgroup,
		.no_cgroup = c->o->no_cgroup,
		.may_mount = own & 1ULL << CAP_SYS_ADMIN,
		.host_caps = host_caps(c->spec, own),
		.no_pivot = c->o->no_pivot,
		.no_new_keyring = c->o->no_new_keyring,
		.listen_fds = listen_fds(),
		.listen_fdnames = getenv("LISTEN_FDNAMES"),
	};
	int r;

	params.preserve_fds = c->o->preserve_fds + params.listen_fds;
	if (!c->spec->process)
		return hoy_err_invalid(err, TEXT_NO_PROCESS);
	drop_unread_label(c);
	r = hoy_plan_make(c->spec, &params, &c->plan, err);
	if (r == 0)
		r = hoy_seccomp_compile(c->spec->linux_->seccomp, &c->seccomp, err);
	if (r < 0)
		return r;
	for (char **w = c->plan.warnings; w && *w; w++)
		hoy_log_warn("%s", *w);
	if (hoy_log_enabled(HOY_LOG_DEBUG)) {
		auto_(hoy_buf_done) struct hoy_buf text = {};

		if (hoy_plan_print(&c->plan, &text, NULL) == 0)
			hoy_log_debug("plan: %s", text.data);
	}
	return 0;
}

/* First of all, and the child's end the lower one: so the child can close all behind it with one call. */
static int open_sync(struct creation *c, struct hoy_err *err)
{
	int pair[2], r = hoy_sync_pair(pair, err);

	if (r < 0)
		return r;
	c->child_sync = pair[0];
	c->sync = pair[1];
	return 0;
}

/* --- the state ------------------------------------------------------------------------------------------------- */

static bool has_later_hooks(const struct hoy_oci_hooks *hooks)
{
	return hooks && (hooks->n_poststart || hooks->n_poststop);
}

int hoy_create_state(struct creation *c, struct hoy_err *err)
{
	struct hoy_state *s = &c->state;
	char now[HOY_TIME_MAX];
	int r = hoy_state_create(c->o->root, c->o->id, s, err);

	if (r < 0)
		return r;
	hoy_time_now(now);
	s->oci_version = strdup(c->spec->oci_version);
	s->bundle = strdup(c->o->bundle);
	s->rootfs = strdup(c->plan.rootfs);
	s->created = strdup(now);
	s->owner = (uid_t) getauxval(AT_EUID);
	s->runs_at_once = s->started = c->o->run;
	s->own_pid_ns = c->plan.new_ns & CLONE_NEWPID;
	s->has_hooks = has_later_hooks(c->spec->hooks);
	s->rootless = c->o->rootless;
	r = s->oci_version && s->bundle && s->rootfs && s->created ? 0 : hoy_err_oom(err);
	for (size_t i = 0; r == 0 && i < c->spec->n_annotations; i++)
		if (hoy_oci_kv_add(&s->annotations, &s->n_annotations, c->spec->annotations[i].key,
			    c->spec->annotations[i].value) < 0)
			r = hoy_err_oom(err);
	if (r == 0 && c->plan.host_mounts)
		r = hoy_host_root_note(s, err);
	/* The config as it is now is the container's for good. */
	if (r == 0)
		r = c->config_file = hoy_state_save_config(s, c->config.data, c->config.len, err);
	if (r >= 0)
		r = c->state_file = hoy_state_open_file(s, err);
	if (r < 0)
		(void) hoy_state_remove(c->o->root, s, NULL);
	return r < 0 ? r : 0;
}

void hoy_create_undo_state(struct creation *c)
{
	struct hoy_err err = {};

	if (hoy_state_remove(c->o->root, &c->state, &err) < 0)
		hoy_log_ignored(&err, "remove the state of '%s'", c->o->id);
}

int hoy_create_save(struct creation *c, struct hoy_err *err)
{
	return hoy_state_append(&c->state, c->state_file, err);
}

/* Before the process exists its cgroup is on disk: whoever finds the directory can clean up. What was told before the
 * group was made says enough when nobody but the process can be in it, which ends when we do; hooks don't. */
static int save_before_process(struct creation *c, struct hoy_err *err)
{
	bool told = c->cgroup && !c->plan.unit, hooks = c->spec->hooks && c->spec->hooks->n_create_container;

	return told && !hooks ? 0 : hoy_create_save(c, err);
}

/* --- cache and bandwidth --------------------------------------------------------------------------------------- */

static int make_resctrl(struct creation *c, struct hoy_err *err)
{
	const struct hoy_oci_intel_rdt *rdt = c->spec->linux_->intel_rdt;
	auto_free char *root = NULL;
	int r;

	if (!rdt)
		return 0;
	r = hoy_resctrl_find(&root, err);
	if (r == 0)
		r = hoy_resctrl_make(root, rdt, c->o->id, &c->state.resctrl, &c->state.resctrl_made, err);
	if (r == 0)
		c->state.resctrl_monitor = rdt->enable_monitoring;
	return r;
}

static void undo_resctrl(struct creation *c)
{
	struct hoy_err err = {};

	if (hoy_resctrl_remove(&c->state, &err) < 0)
		hoy_log_ignored(&err, "remove the class of service of '%s'", c->o->id);
}

/* --- what the child needs -------------------------------------------------------------------------------------- */

static int open_start_socket(struct creation *c, struct hoy_err *err)
{
	auto_free char *dir = NULL, *path = NULL;

	if (c->o->run)
		return 0;
	dir = hoy_path_join(c->o->root, c->o->id);
	path = dir ? hoy_path_join(dir, HOY_STATE_SOCKET) : NULL;
	if (!path)
		return hoy_err_oom(err);
	c->listener = hoy_fd_unix_listen(path, SOCK_SEQPACKET, 0600, err);
	return c->listener < 0 ? c->listener : 0;
}

static int open_console(struct creation *c, struct hoy_err *err)
{
	return hoy_open_console(
		c->spec->process, c->o->console_socket, !c->o->run || c->o->detach, &c->console_peer, &c->console, err);
}

/* `n` descriptors that are not open; NULL: no memory. */
static int *new_fds(size_t n)
{
	int *fds = malloc((n + 1) * sizeof *fds);

	for (size_t i = 0; fds && i < n; i++)
		fds[i] = -EBADF;
	return fds;
}

static int open_namespaces(struct creation *c, struct hoy_err *err)
{
	const struct hoy_plan *plan = &c->plan;

	c->child.join_fds = new_fds(plan->n_joins);
	c->child.trees = new_fds(plan->n_mounts);
	c->child.idmaps = new_fds(plan->n_mounts);
	c->child.late_readonly = new_fds(plan->n_mounts);
	if (!c->child.join_fds || !c->child.trees || !c->child.idmaps || !c->child.late_readonly)
		return hoy_err_oom(err);
	for (size_t i = 0; i < plan->n_joins; i++) {
		c->child.join_fds[i] = open(plan->joins[i].path, O_RDONLY | O_CLOEXEC);
		if (c->child.join_fds[i] < 0)
			return hoy_err_sys(err, "open namespace '%s'", plan->joins[i].path);
		if (plan->joins[i].type == CLONE_NEWNET && c->spec->linux_->n_net_devices)
			c->net_ns = hoy_fd_dup(c->child.join_fds[i]);
	}
	return hoy_trees_open(plan, c->child.trees, c->child.idmaps, err);
}

static void close_namespaces(struct creation *c)
{
	for (size_t i = 0; c->child.join_fds && i < c->plan.n_joins; i++)
		hoy_fd_close(&c->child.join_fds[i]);
	for (size_t i = 0; c->child.trees && i < c->plan.n_mounts; i++)
		hoy_fd_close(&c->child.trees[i]);
	for (size_t i = 0; c->child.idmaps && i < c->plan.n_mounts; i++)
		hoy_fd_close(&c->child.idmaps[i]);
	free(c->child.join_fds);
	free(c->child.trees);
	free(c->child.idmaps);
	free(c->child.late_readonly);
	c->child.join_fds = c->child.trees = c->child.idmaps = c->child.late_readonly = NULL;
}

/* --- the process ----------------------------------------------------------------------------------------------- */

/* The child starts in the rootfs directory (see hoy_child_prepare_rootfs), we come back. */
static int spawn_in_rootfs(struct creation *c, struct hoy_err *err)
{
	auto_fd int here = -EBADF;
	int r;

	if (!hoy_child_starts_in_rootfs(&c->plan))
		return hoy_spawn_child(&c->child, &c->pid, &c->pidfd, err);
	here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (chdir(c->plan.rootfs) < 0)
		return hoy_err_sys(err, "rootfs '%s'", c->plan.rootfs);
	r = hoy_spawn_child(&c->child, &c->pid, &c->pidfd, err);
	if (here >= 0 && fchdir(here) < 0 && r == 0)
		r = hoy_err_sys(err, "return to our directory");
	return r;
}

static int spawn(struct creation *c, struct hoy_err *err)
{
	struct hoy_oci_state hook_state;
	int r;

	hoy_log_debug(TEXT_DEBUG_SETUP);
	hoy_container_state(&c->state, HOY_OCI_STATUS_CREATING, 0, true, &hook_state);
	c->child.plan = &c->plan;
	c->child.seccomp = &c->seccomp;
	c->child.sync = c->child_sync;
	c->child.start_listener = c->listener;
	c->child.console_socket = c->console_peer;
	c->child.wait_for_go = c->plan.new_ns & CLONE_NEWUSER || c->attach;
	c->child.state = &hook_state;
	c->child.foreign[0] = c->sync;
	c->child.foreign[1] = c->state.dir;
	c->child.foreign[2] = c->console;
	c->child.foreign[3] = c->state_file;
	c->child.foreign[4] = c->config_file;
	/* Out of reach of processes that share a pid namespace with the child. Not for a user's own hoyrun: it could
	 * not write the maps of its child then; the child does it itself later. */
	c->child.undumpable = c->state.owner == 0;
	if (c->child.undumpable && prctl(PR_SET_DUMPABLE, 0) < 0)
		return hoy_err_sys(err, "become undumpable");
	r = spawn_in_rootfs(c, err);
	hoy_fd_close(&c->child_sync);
	hoy_fd_close(&c->console_peer);
	hoy_fd_close(&c->listener);
	return r;
}

static void undo_spawn(struct creation *c)
{
	const struct hoy_oci_hooks *hooks = c->spec->hooks;
	struct hoy_oci_state state;
	siginfo_t si;

	if (c->pidfd < 0)
		return;
	(void) hoy_pidfd_signal(c->pidfd, SIGKILL);
	(void) hoy_process_wait(c->pid, &si, NULL);
	hoy_host_root_unmount(&c->state);
	hoy_container_state(&c->state, HOY_OCI_STATUS_STOPPED, 0, true, &state);
	if (hooks)
		hoy_hooks_run_all(&(struct hoy_hook_list){ "poststop", hooks->poststop, hooks->n_poststop }, &state);
}

static void undo_set_up(struct creation *c)
{
	hoy_net_devices_return(&c->moved);
}

static bool was_oom_killed(const struct creation *c)
{
	uint64_t kills;

	return c->cgroup && hoy_cgroup_oom_kills(c->cgroup, &kills, NULL) == 0 && kills > 0;
}

static int set_up(struct creation *c, struct hoy_err *err)
{
	int r = hoy_create_converse(c, err);

	if (r == -EPIPE && was_oom_killed(c))
		r = hoy_err_set(err, HOY_ERR_SYSTEM, ENOMEM, TEXT_INIT_OOM);
	else if (r < 0)
		(void) hoy_err_wrap(err, TEXT_INIT);
	if (r < 0)
		undo_set_up(c);
	return r < 0 ? hoy_err_wrap(err, TEXT_START_PROCESS) : 0;
}

static int take_master(struct creation *c, struct hoy_err *err)
{
	return hoy_take_master(c->spec->process, c->console, &c->master, err);
}

static int commit(struct creation *c, struct hoy_err *err)
{
	struct hoy_process_stat stat;
	int r = hoy_process_stat(c->pid, &stat);

	if (r < 0)
		return hoy_err_code(err, r, "start time of process %d", (int) c->pid);
	c->state.pid = c->pid;
	c->state.start_time = stat.start_time;
	(void) hoy_pidfd_handle(c->pidfd, &c->state.pid_handle);
	free(c->state.init_name);
	c->state.init_name = strdup(stat.name);
	if (!c->state.init_name)
		return hoy_err_oom(err);
	r = hoy_create_save(c, err);
	if (r == 0)
		r = hoy_write_pid_file(c->o->pid_file, c->pid, err);
	if (r == 0)
		r = hoy_send_pidfd(c->o->pidfd_socket, c->pidfd, err);
	if (r == 0)
		hoy_log_debug(TEXT_DEBUG_COMMIT);
	/* From here on the container lives without us. */
	return r < 0 ? r : hoy_sync_send(c->sync, HOY_SYNC_COMMIT, 0, -EBADF, err);
}

static const struct {
	int (*run)(struct creation *c, struct hoy_err *err);
	void (*undo)(struct creation *c);
} steps[] = {
	{ hoy_create_read_config },
	{ hoy_create_plan },
	{ open_console },
	{ open_sync },
	{ hoy_create_state, hoy_create_undo_state },
	{ make_resctrl, undo_resctrl },
	{ hoy_create_cgroup, hoy_create_undo_cgroup },
	{ save_before_process },
	{ open_start_socket },
	{ open_namespaces },
	{ spawn, undo_spawn },
	{ hoy_create_release_unit },
	{ set_up, undo_set_up },
	{ take_master },
	{ commit },
};

void hoy_creation_done(struct creation *c)
{
	int spent[HOY_CGROUP_SPENT] = { -EBADF, -EBADF };
	int *const fds[] = { &c->config_file, &c->state_file, &c->child.entry.v2_fd, &c->net_ns, &c->sync,
		&c->child_sync, &c->listener, &c->console, &c->console_peer, &c->master, &c->pidfd, &spent[0],
		&spent[1] };

	if (c->cgroup)
		hoy_cgroup_take_spent(c->cgroup, spent);
	close_namespaces(c);
	hoy_buf_done(&c->config);
	hoy_plan_done(&c->plan);
	hoy_seccomp_program_done(&c->seccomp);
	hoy_oci_spec_free(c->spec);
	hoy_state_done(&c->state);
	hoy_fd_close_all(fds, ARRAY_LEN(fds));
	hoy_cgroup_entry_close(&c->child.entry);
	hoy_cgroup_free(c->cgroup);
	hoy_cgroup_host_free(c->cgroup_host);
	hoy_helper_end(&c->unit);
	hoy_moved_devices_done(&c->moved);
}

int hoy_container_create(const struct hoy_create_options *options, struct hoy_container *ret, struct hoy_err *err)
{
	auto_(hoy_creation_done) struct creation c = CREATION_INIT(options);
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < ARRAY_LEN(steps); i++)
		r = steps[i].run(&c, err);
	if (r < 0) {
		/* The step that failed has cleaned up after itself, but for the process, which may exist. */
		for (size_t j = i; j-- > 0;)
			if (steps[j].undo && (j + 1 < i || steps[j].undo == undo_spawn))
				steps[j].undo(&c);
		return r;
	}
	ret->spec = TAKE_PTR(c.spec);
	ret->state = c.state;
	c.state = (struct hoy_state){ .dir = -EBADF };
	ret->pidfd = TAKE_FD(c.pidfd);
	ret->sync = TAKE_FD(c.sync);
	ret->master = TAKE_FD(c.master);
	return 0;
}

void hoy_container_done(struct hoy_container *c)
{
	hoy_oci_spec_free(c->spec);
	c->state.dir = -EBADF;
	hoy_state_done(&c->state);
}

void hoy_container_state(
	const struct hoy_state *s, enum hoy_oci_status status, pid_t pid, bool for_hooks, struct hoy_oci_state *ret)
{
	*ret = (struct hoy_oci_state){
		.oci_version = s->oci_version,
		.id = s->id,
		.pid = pid,
		.status = status,
		.bundle = s->bundle,
		.rootfs = for_hooks ? NULL : s->rootfs,
		.created = for_hooks ? NULL : s->created,
		.annotations = s->annotations,
		.n_annotations = s->n_annotations,
	};
}
