/*
 * Starting: bundle, shim, Create, network, waiting streams, Start. Each step ends in a callback that begins the next;
 * whichever fails goes to start_failed(), which undoes all of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "shim/protocol.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/links.h"
#include "supervisor/container/shim.h"
#include "supervisor/network/network.h"
#include "supervisor/secret/secret.h"
#include "supervisor/volume/files.h"

/* --- failing --------------------------------------------------------------------------------- */

/* What docker makes of a runtime's words: exit code of the container and who is to blame. */
void hoy_container_start_verdict(struct hoy_err *err, int *ret_exit_code)
{
	static const struct {
		const char *text;
		int exit_code;
	} verdicts[] = {
		{ "executable file not found", 127 },
		{ "no such file or directory", 127 },
		{ "No such file or directory", 127 },
		{ "system cannot find the file specified", 127 },
		{ "not a directory", 127 },
		{ "Not a directory", 127 },
		{ "permission denied", 126 },
		{ "Permission denied", 126 },
		{ "exec format error", 126 },
		{ "Exec format error", 126 },
	};

	*ret_exit_code = 128;
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		if (!strstr(err->msg, verdicts[i].text))
			continue;
		*ret_exit_code = verdicts[i].exit_code;
		err->kind = HOY_ERR_INVALID;
		return;
	}
}

static void after_failed_start(struct hoy_container *c)
{
	struct hoy_err err = c->start_err;

	c->phase = HOY_PHASE_IDLE;
	hoy_container_restored(c);
	hoy_container_save(c);
	hoy_container_order_changed(c);
	hoy_ops_finish(c, &c->starters, &err);
	if (c->config->host.auto_remove)
		hoy_container_remove_now(c);
	hoy_ops_retry(c);
}

static void start_failed(struct hoy_container *c, const struct hoy_err *err)
{
	char text[HOY_ERR_TEXT_MAX];

	/* the whole text is the message from here on: texts of the kernel decide the verdict too */
	hoy_err_set(&c->start_err, err->kind, err->errnum, "%s", hoy_err_text(err, text, sizeof text));
	hoy_container_start_verdict(&c->start_err, &c->info.exit_code);
	free(c->info.error);
	c->info.error = strdup(c->start_err.msg);
	if (!c->info.error)
		c->info.error = strdup("");
	c->info.pid = 0;
	if (c->info.status == HOY_CONTAINER_RUNNING)
		c->info.status = c->was_status;
	c->info.restarting = false;
	hoy_container_attaches_drop(c);
	hoy_container_teardown(c, after_failed_start);
}

/* --- running ---------------------------------------------------------------------------------- */

static void became_running(struct hoy_container *c)
{
	c->phase = HOY_PHASE_RUNNING;
	hoy_container_publish(c, "start", NULL);
	hoy_container_probes_begin(c, /* anew= */ true);
	hoy_ops_finish(c, &c->starters, NULL);
	hoy_ops_retry(c);
	if (c->exit_seen)
		hoy_container_exited(c, c->end_status, &c->end_time, c->end_oom);
}

static int attach_network(struct hoy_container *c, struct hoy_err *err);

/* The network namespace of restored processes is there when they are. */
static void on_started(void *userdata, const struct hoy_err *err, pid_t pid)
{
	struct hoy_container *c = userdata;
	struct hoy_err own = {};

	if (hoy_container_teardown_is_on(c))
		return;
	if (err) {
		own = *err;
		hoy_err_wrap(&own, "failed to start task");
		start_failed(c, &own);
		return;
	}
	c->info.pid = pid;
	if (!c->restore_from)
		became_running(c);
	else if (attach_network(c, &own) < 0)
		start_failed(c, &own);
}

/* The row says "running" from before the Start on: a crash in between leads to a look at the shim, not to a
 * forgotten container. Its commit runs while the shim works. */
static int send_start(struct hoy_container *c, struct hoy_err *err)
{
	int r = hoy_container_watch(c, err);

	if (r >= 0)
		r = hoy_container_bundle_mark_started(c, err);
	if (r >= 0)
		r = hoy_shim_start(c->shim, NULL, on_started, c, err);
	if (r < 0)
		return r;
	c->was_status = c->info.status;
	c->info.status = HOY_CONTAINER_RUNNING;
	c->info.restarting = false;
	c->info.started = hoy_now();
	c->info.exit_code = 0;
	c->info.oom_killed = false;
	free(c->info.error);
	c->info.error = strdup("");
	hoy_container_save(c);
	return c->info.error ? 0 : hoy_err_oom(err);
}

void hoy_container_attaches_settled(struct hoy_container *c)
{
	struct hoy_err err = {};

	if (!c->start_waits)
		return;
	c->start_waits = false;
	if (send_start(c, &err) < 0)
		start_failed(c, &err);
}

static void pass_streams(struct hoy_container *c)
{
	c->start_waits = true;
	hoy_container_attaches_pass(c);
}

/* --- network ------------------------------------------------------------------------------------ */

static void on_network(void *userdata, const struct hoy_err *err)
{
	struct hoy_container *c = userdata;
	struct hoy_err own = {};
	int r;

	c->network_pending = false;
	if (hoy_container_teardown_is_on(c)) { /* the start has failed meanwhile */
		hoy_container_teardown_go_on(c);
		return;
	}
	if (err) {
		own = *err;
		hoy_err_wrap(&own, "failed to set up container networking");
		start_failed(c, &own);
		return;
	}
	r = hoy_container_hosts_write(c, &own);
	hoy_container_links_refresh(c);
	if (r >= 0 && c->tty_height > 0)
		r = hoy_shim_resize(c->shim, NULL, c->tty_height, c->tty_width, NULL, NULL, &own);
	if (r < 0) {
		start_failed(c, &own);
	} else if (c->restore_from) {
		hoy_container_restored(c);
		became_running(c);
	} else {
		pass_streams(c);
	}
}

static int attach_network(struct hoy_container *c, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("/proc/%d/ns/net", (int) c->info.pid);
	auto_fd int netns = -EBADF;
	int r;

	if (hoy_container_mode_names(c->config->host.network_mode)) {
		on_network(c, NULL); /* it is the other container's */
		return 0;
	}
	if (!path)
		return hoy_err_oom(err);
	netns = open(path, O_RDONLY | O_CLOEXEC);
	if (netns < 0)
		return hoy_err_sys(err, "open '%s'", path);
	r = hoy_network_attach(c->room->options.networks, c->info.id, c->info.name, netns, on_network, c, err);
	c->network_pending = r >= 0;
	return r;
}

/* --- what is put into the new mount namespace ---------------------------------------------------- */

static void on_shm(const struct hoy_err *err, void *userdata)
{
	struct hoy_container *c = userdata;
	struct hoy_err own = {};
	int r = err ? hoy_err_import(&own, err) : 0;

	c->sharing = hoy_files_run_free(c->sharing);
	if (r < 0 || attach_network(c, &own) < 0)
		start_failed(c, &own);
}

static int share_shm(struct hoy_container *c, struct hoy_err *err)
{
	if (hoy_container_mode_names(c->config->host.ipc_mode))
		return hoy_container_shm_share(c, on_shm, err);
	return attach_network(c, err);
}

static void on_secrets(void *userdata, const struct hoy_err *err)
{
	struct hoy_container *c = userdata;
	struct hoy_err own = {};
	int r = 0;

	hoy_secret_placing_free(TAKE_PTR(c->placing));
	if (err) {
		r = hoy_err_import(&own, err);
		hoy_err_wrap(&own, "failed to set up secrets");
	}
	if (r < 0 || share_shm(c, &own) < 0)
		start_failed(c, &own);
}

static void on_created(void *userdata, const struct hoy_err *err, pid_t pid)
{
	struct hoy_container *c = userdata;
	struct hoy_err own = {};

	if (hoy_container_teardown_is_on(c))
		return;
	if (err) {
		own = *err;
		hoy_err_wrap(&own, "failed to create task for container: failed to create shim task");
		start_failed(c, &own);
		return;
	}
	c->shim_created = true;
	c->info.pid = pid;
	if (c->restore_from) { /* there is no process before Start */
		pass_streams(c);
		return;
	}
	if ((hoy_container_has_secrets(c) ? hoy_container_secrets_place(c, on_secrets, &own) : share_shm(c, &own)) < 0)
		start_failed(c, &own);
}

/* --- shim ------------------------------------------------------------------------------------------ */

static int send_create(struct hoy_container *c, struct hoy_err *err)
{
	const struct hoy_container_config *config = c->config;
	auto_free char *uri = NULL;
	int r = hoy_container_log_uri(c, &uri, err);

	if (r < 0)
		return r;
	const struct hoy_shim_create create = {
		.terminal = config->tty,
		.stdin_ = !config->open_stdin  ? ""
			  : config->stdin_once ? HOY_SHIM_STDIN_ONCE
					       : HOY_SHIM_STDIN,
		.stdout_ = uri,
		.stderr_ = config->tty ? "" : uri,
		.checkpoint = c->restore_from,
	};
	return hoy_shim_create(c->shim, &create, on_created, err);
}

static void on_shim_up(void *userdata, const struct hoy_err *err)
{
	struct hoy_container *c = userdata;
	struct hoy_err own = {};

	if (hoy_container_teardown_is_on(c))
		return;
	if (err) {
		own = *err;
		hoy_err_wrap(&own, "failed to create task for container");
		start_failed(c, &own);
		return;
	}
	if (send_create(c, &own) < 0)
		start_failed(c, &own);
}

static void on_shim_lost(void *userdata)
{
	struct hoy_container *c = userdata;
	struct hoy_err err = {};

	if (hoy_container_teardown_is_on(c)) {
		hoy_container_teardown_lost(c);
	} else if (c->phase == HOY_PHASE_STARTING) {
		hoy_err_set(&err, HOY_ERR_SYSTEM, EIO, "the shim of the container ended");
		start_failed(c, &err);
	} else if (c->phase == HOY_PHASE_RUNNING) {
		hoy_container_shim_lost(c);
	}
}

int hoy_container_shim_new(struct hoy_container *c, struct hoy_err *err)
{
	const struct hoy_containers_options *o = &c->room->options;
	const struct hoy_shim_options options = {
		.loop = o->loop,
		.id = c->info.id,
		.bundle = c->bundle,
		.program = o->shim,
		.runtime = o->runtime,
		.runtime_root = c->room->runtime_root,
		.socket_dir = c->room->sockets,
		.address = o->address,
		.debug = o->debug,
		.cgroup_fd = o->cgroup_fd,
		.max_files = o->max_files,
		.lost = on_shim_lost,
		.userdata = c,
	};

	return hoy_shim_new(&options, &c->shim, err);
}

/* --- beginning ---------------------------------------------------------------------------------------- */

static int begin(struct hoy_container *c, struct hoy_err *err)
{
	int r = hoy_container_refill_networks(c, err);

	if (r >= 0)
		r = hoy_container_resolv_write(c, err);
	if (r >= 0)
		r = hoy_container_hosts_write(c, err);
	if (r >= 0)
		r = hoy_container_bundle_make(c, err);
	if (r >= 0)
		r = hoy_container_shim_new(c, err);
	return r < 0 ? r : hoy_shim_spawn(c->shim, on_shim_up, err);
}

static void on_content(struct hoy_container *c, const struct hoy_err *err)
{
	struct hoy_err own = {};

	if (err)
		own = *err;
	if (err || begin(c, &own) < 0)
		start_failed(c, &own);
}

/* The volumes are mounted; those that could not be filled before are filled now. */
static void on_volumes(struct hoy_container *c, const struct hoy_err *err)
{
	if (!err && hoy_container_volumes_want_content(c))
		hoy_container_volumes_fill(c, on_content);
	else
		on_content(c, err);
}

int hoy_container_start_begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	(void) err; /* a start that fails is told to all who wait for it */
	if (op->by_policy) {
		c->restart_timer = hoy_source_free(c->restart_timer); /* "restarting" until it runs */
	} else {
		hoy_container_restart_cancel(c);
		c->info.restart_count = 0;
		c->restart_delay = 0;
		c->stopped_by_user = false;
	}
	c->phase = HOY_PHASE_STARTING;
	c->shim_created = c->exit_seen = c->start_waits = c->stop_asked = false;
	hoy_ops_append(&c->starters, op);
	hoy_container_volumes_mount(c, on_volumes);
	return 0;
}
