/* The parent's part while the child sets itself up: answers its messages until it is ready. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "runtime/apply/create_internal.h"
#include "runtime/apply/idmap.h"
#include "runtime/apply/process.h"
#include "runtime/apply/resctrl.h"
#include "runtime/child/mount_api.h"
#include "runtime/hooks.h"
#include "runtime/sync.h"
#include "runtime/texts.h"

static int map_ids(struct creation *c, struct hoy_err *err)
{
	const struct hoy_oci_linux *l = c->spec->linux_;
	const struct hoy_idmap map = { l->uid_mappings, l->gid_mappings, l->n_uid_mappings, l->n_gid_mappings };
	int r;

	if (!c->child.wait_for_go)
		return 0;
	r = c->plan.new_ns & CLONE_NEWUSER ? hoy_idmap_write(c->pid, &map, err) : 0;
	return r < 0 ? hoy_err_wrap(err, "user namespace") : hoy_sync_send(c->sync, HOY_SYNC_GO, 0, -EBADF, err);
}

/* Before the hooks, which may want to see them. The namespace is there since the clone. */
int hoy_create_move_devices(struct creation *c, struct hoy_err *err)
{
	auto_fd int ns = -EBADF;
	char path[64];

	if (!c->spec->linux_->n_net_devices)
		return 0;
	if (c->net_ns < 0) {
		(void) snprintf(path, sizeof path, "/proc/%d/ns/net", (int) c->pid);
		ns = open(path, O_RDONLY | O_CLOEXEC);
		if (ns < 0)
			return hoy_err_sys(err, "linux.netDevices: open '%s'", path);
	}
	return hoy_net_devices_move(c->spec->linux_, c->net_ns >= 0 ? c->net_ns : ns, &c->moved, err);
}

/* Of a tree that only the child could clone, but that belongs to a file system of our user namespace. */
static int map_mount(struct creation *c, int i, int tree, struct hoy_err *err)
{
	const struct hoy_plan_mount *m;
	int r;

	if (i < 0 || (size_t) i >= c->plan.n_mounts || c->child.idmaps[i] < 0)
		return hoy_err_code(err, -EPROTO, "mount %d has no map", i);
	m = &c->plan.mounts[i];
	r = hoy_mount_idmap(tree, c->child.idmaps[i], m->idmap_recursive, m->source, err);
	return r < 0 ? r : hoy_sync_send(c->sync, HOY_SYNC_GO, 0, -EBADF, err);
}

int hoy_create_run_hooks(struct creation *c, struct hoy_err *err)
{
	const struct hoy_oci_hooks *h = c->spec->hooks;
	struct hoy_oci_state state;
	int r;

	if (!h)
		return 0;
	/* prestart belongs to start, which to it is yet to come: "created", as all runtimes but runc say. */
	hoy_container_state(&c->state, HOY_OCI_STATUS_CREATED, c->pid, true, &state);
	r = hoy_hooks_run(&(struct hoy_hook_list){ "prestart", h->prestart, h->n_prestart }, &state, err);
	state.status = HOY_OCI_STATUS_CREATING;
	if (r == 0)
		r = hoy_hooks_run(&(struct hoy_hook_list){ "createRuntime", h->create_runtime, h->n_create_runtime },
			&state, err);
	return r;
}

static int answer_hooks(struct creation *c, struct hoy_err *err)
{
	int r = hoy_create_run_hooks(c, err);

	return r < 0 ? r : hoy_sync_send(c->sync, HOY_SYNC_GO, 0, -EBADF, err);
}

static int pass_listener(struct creation *c, int listener, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_oci_state state;
	int r;

	hoy_container_state(&c->state, HOY_OCI_STATUS_CREATING, c->pid, true, &state);
	r = hoy_seccomp_process_state(c->spec->linux_->seccomp, &state, &text, err);
	if (r == 0)
		r = hoy_seccomp_send_listener(c->spec->linux_->seccomp, listener, text.data, text.len, err);
	return r < 0 ? hoy_err_wrap(err, "seccomp") : hoy_sync_send(c->sync, HOY_SYNC_GO, 0, -EBADF, err);
}

int hoy_create_converse(struct creation *c, struct hoy_err *err)
{
	int r = map_ids(c, err);

	if (r == 0)
		r = hoy_resctrl_enter(&c->state, c->pid, err);
	if (r == 0)
		r = hoy_create_move_devices(c, err);
	while (r == 0) {
		auto_fd int fd = -EBADF;
		struct hoy_sync_msg msg;

		r = hoy_sync_recv(c->sync, &msg, &fd, err);
		if (r < 0)
			return r;
		if (msg.type == HOY_SYNC_READY)
			hoy_log_debug(TEXT_DEBUG_INIT);
		if (msg.type == HOY_SYNC_READY)
			return hoy_finish_process(c->sync, c->pid, &c->plan, (unsigned int) msg.number, err);
		if (msg.type == HOY_SYNC_HOOKS)
			r = answer_hooks(c, err);
		else if (msg.type == HOY_SYNC_SECCOMP && fd >= 0)
			r = pass_listener(c, fd, err);
		else if (msg.type == HOY_SYNC_IDMAP && fd >= 0)
			r = map_mount(c, msg.number, fd, err);
		else
			r = hoy_err_code(err, -EPROTO, "message '%s' of the container process",
				hoy_sync_to_string((enum hoy_sync) msg.type));
	}
	return r;
}
