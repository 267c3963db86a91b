/* The way out: what came into the container from outside is named, so that a restore can put its own in place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/apply/criu_internal.h"
#include "runtime/apply/lifecycle.h"

#define MOUNTINFO_MAX ((size_t) 16 << 20)
#define LINK_MAX_LEN ((size_t) 4096)

/* --- mounts ----------------------------------------------------------------------------------------------------- */

/* Text of the link `name` in `dir`; NULL: it is none. */
static char *read_link(int dir, const char *name)
{
	auto_free char *text = malloc(LINK_MAX_LEN + 1);
	ssize_t n = text ? readlinkat(dir, name, text, LINK_MAX_LEN) : -1;

	if (n < 0)
		return NULL;
	text[n] = '\0';
	return TAKE_PTR(text);
}

/* Where a name of the config leads in the container: images have symlinks on the way (/var/run). NULL: nowhere now.
 * The kernel tells the path of a descriptor from the root of the mount namespace that it is in. */
static char *real_path(int root, const char *path, mode_t *ret_mode)
{
	auto_fd int fd = hoy_path_open_in_root(root, path, O_PATH, 0, NULL);
	char link[HOY_PROC_FD_MAX];
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	*ret_mode = st.st_mode;
	return read_link(AT_FDCWD, hoy_path_proc_fd(fd, link));
}

/* The mount at `path` is from outside; the images call it `key`. */
static int add_mount(struct criu *c, int root, const char *path, const char *key, struct hoy_err *err)
{
	mode_t mode;
	auto_free char *real = real_path(root, path, &mode);

	return real ? hoy_criu_external(c, err, "mnt[%s]:%s", real, key) : 0;
}

static int add_mask(struct criu *c, int root, const char *path, struct hoy_err *err)
{
	mode_t mode;
	auto_free char *real = real_path(root, path, &mode);

	return real && S_ISCHR(mode) ? hoy_criu_external(c, err, "mnt[%s]:%s", real, CRIU_KEY_NULL) : 0;
}

/* In a cgroup namespace of its own the container sees a whole tree, which CRIU knows to mount. */
static bool is_own_group(const struct hoy_plan *plan, const struct hoy_plan_mount *m)
{
	return m->kind == HOY_MOUNT_CGROUP && !(plan->new_ns & CLONE_NEWCGROUP);
}

static int add_mounts(struct criu *c, const struct hoy_plan *plan, int proc, struct hoy_err *err)
{
	auto_fd int root = openat(proc, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = root < 0 ? hoy_err_sys(err, "open the container's root") : 0;

	for (size_t i = 0; r == 0 && i < plan->n_mounts; i++) {
		const struct hoy_plan_mount *m = &plan->mounts[i];

		if (m->idmap)
			r = hoy_err_unsupported(err, "mounts[%zu]: criu can't save an id-mapped mount", m->index);
		else if (m->kind == HOY_MOUNT_BIND)
			r = add_mount(c, root, m->target, m->target, err);
		else if (is_own_group(plan, m))
			r = add_mount(c, root, m->target, CRIU_KEY_CGROUP, err);
	}
	for (size_t i = 0; r == 0 && plan->bind_devices && i < plan->n_devices; i++)
		r = add_mount(c, root, plan->devices[i].path, plan->devices[i].path, err);
	for (char **p = plan->spec->linux_->masked_paths; r == 0 && p && *p; p++)
		r = add_mask(c, root, *p, err);
	return r;
}

/* --- namespaces ------------------------------------------------------------------------------------------------- */

static int add_namespaces(struct criu *c, const struct hoy_plan *plan, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < plan->n_joins; i++) {
		const struct hoy_plan_join *j = &plan->joins[i];
		struct stat st;

		if (j->type != CLONE_NEWNET && j->type != CLONE_NEWPID)
			continue; /* saved like the container's own, and joined again by the restore */
		if (stat(j->path, &st) < 0)
			return hoy_err_sys(err, "namespace '%s'", j->path);
		r = hoy_criu_external(c, err, "%s[%lu]:%s", j->type == CLONE_NEWNET ? "net" : "pid",
			(unsigned long) st.st_ino, j->type == CLONE_NEWNET ? CRIU_KEY_NET : CRIU_KEY_PID);
	}
	return r;
}

/* --- stdio ------------------------------------------------------------------------------------------------------ */

/* The mount that descriptor `fd` of the process is on; -1: can't be told. */
static int mount_id(int proc, int fd)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = LINK_MAX_LEN };
	char name[32];
	const char *at;

	(void) snprintf(name, sizeof name, "fdinfo/%d", fd);
	if (hoy_file_read(proc, name, &text, NULL) < 0 || !text.data)
		return -1;
	at = strstr(text.data, "mnt_id:");
	return at ? (int) strtol(at + strlen("mnt_id:"), NULL, 10) : -1;
}

static bool has_mount(const char *mountinfo, int id)
{
	for (const char *line = mountinfo; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (strtol(line, NULL, 10) == id)
			return true;
	return false;
}

/* What the images call descriptor `fd`: pipes and sockets as the kernel does; a regular file of the host (a log) gets a
 * name of its own, because no path in the container leads to it. Heap. */
static char *name_stdio(int proc, int fd, const char *mountinfo)
{
	char name[32];
	struct stat st;
	int id;

	(void) snprintf(name, sizeof name, "fd/%d", fd);
	id = mount_id(proc, fd);
	if (fstatat(proc, name, &st, 0) == 0 && S_ISREG(st.st_mode) && id >= 0 && !has_mount(mountinfo, id))
		return hoy_str_printf("file[%x:%lx]", (unsigned int) id, (unsigned long) st.st_ino);
	return read_link(proc, name);
}

static int add_stdio(struct criu *c, int proc, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf mountinfo = { .cap = MOUNTINFO_MAX }, text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r = hoy_file_read(proc, "mountinfo", &mountinfo, err);

	hoy_json_array(&w, NULL);
	for (int fd = 0; r == 0 && fd <= STDERR_FILENO; fd++) {
		auto_free char *name = name_stdio(proc, fd, mountinfo.data);

		hoy_json_add_string(&w, NULL, name ? name : "");
		if (name && hoy_str_starts(name, "file["))
			r = hoy_criu_external(c, err, "%s", name);
	}
	hoy_json_end(&w);
	if (r == 0)
		r = hoy_buf_check(&text, CRIU_DESCRIPTORS, err);
	/* A pre-dump is no state that one could go back to: the last dump says what is open. */
	if (r == 0 && c->request.action == HOY_CRIU_DUMP)
		r = hoy_file_write(c->images, CRIU_DESCRIPTORS, text.data, text.len, 0600, 0, err);
	return r;
}

/* --- the dump --------------------------------------------------------------------------------------------------- */

/* CRIU stops the processes with the freezer where there is one file for that. */
static int add_freezer(struct criu *c, const struct hoy_state *state, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	int r = state->cgroup ? hoy_cgroup_from_string(state->cgroup, &cg, err) : 0;

	if (r < 0 || !cg || !hoy_cgroup_is_unified(cg))
		return r;
	c->request.freeze_cgroup = hoy_cgroup_dir(cg, 0);
	return c->request.freeze_cgroup ? 0 : hoy_err_oom(err);
}

static int describe(struct criu *c, const struct hoy_state *state, const struct hoy_oci_spec *spec, struct hoy_err *err)
{
	const struct hoy_plan_params params = {
		.id = state->id,
		.bundle = state->bundle,
		.rootless = state->rootless,
		.may_mount = true,
		.host_caps = ~0ULL,
	};
	auto_(hoy_plan_done) struct hoy_plan plan = {};
	auto_fd int proc = -EBADF;
	char path[sizeof "/proc/2147483647"];
	int r = hoy_plan_make(spec, &params, &plan, err);

	if (r < 0)
		return r;
	(void) snprintf(path, sizeof path, "/proc/%d", (int) state->pid);
	proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return hoy_err_sys(err, "open '%s'", path);
	c->request.pid = state->pid;
	c->request.root = strdup(state->rootfs);
	if (!c->request.root)
		return hoy_err_oom(err);
	r = add_mounts(c, &plan, proc, err);
	if (r == 0)
		r = add_namespaces(c, &plan, err);
	if (r == 0)
		r = add_stdio(c, proc, err);
	return r < 0 ? r : add_freezer(c, state, err);
}

int hoy_container_checkpoint(
	const char *root, struct hoy_state *state, const struct hoy_criu_options *o, struct hoy_err *err)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	auto_(hoy_criu_done) struct criu c = CRIU_INIT;
	enum hoy_status status = hoy_state_status(state);
	struct hoy_helper_msg msg;
	int r;

	if (status != HOY_STATUS_RUNNING && status != HOY_STATUS_PAUSED)
		return hoy_err_conflict(
			err, "container cannot be checkpointed in %s state", hoy_status_to_string(status));
	r = hoy_container_config(state, &spec, err);
	if (r == 0)
		r = hoy_criu_prepare(&c, o->pre_dump ? HOY_CRIU_PRE_DUMP : HOY_CRIU_DUMP, o, spec, err);
	if (r == 0)
		r = describe(&c, state, spec, err);
	if (r == 0)
		r = hoy_criu_start_helper(&c, /* cgroup_fd= */ 0, err);
	if (r == 0)
		r = hoy_helper_recv(&c.helper, &msg, NULL, err);
	if (r < 0 || c.request.leave_running)
		return r;
	return hoy_container_delete(root, state, /* force= */ true, err);
}
