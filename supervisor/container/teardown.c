/*
 * Taking down what a start had put up: the task and the shim (Delete, Shutdown, the connection's end), the network,
 * the bundle. A shim that does not answer any more is replaced by the shim program's `delete` mode, which kills
 * everything that is left. Ends in `after`, whatever went wrong on the way.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/shim.h"
#include "supervisor/network/network.h"
#include "supervisor/secret/secret.h"
#include "supervisor/volume/files.h"

/* A shim that was found in the middle of a Create (hoyd was killed meanwhile) knows no task yet and does not end: it is
 * asked again. */
#define PATIENCE_NS 200000000ULL
#define TRIES_MAX 50

struct hoy_teardown {
	struct hoy_container *container;
	void (*after)(struct hoy_container *c);
	bool force;               /* the delete mode has to run */
	unsigned int tries;       /* of Delete and Shutdown */
	struct hoy_source *timer; /* for the connection's end */
	struct hoy_source *child; /* the delete mode */
	struct hoy_source *defer;
	bool is_done; /* but for the network's answer */
};

bool hoy_container_teardown_is_on(const struct hoy_container *c)
{
	return c->teardown != NULL;
}

void hoy_container_teardown_free(struct hoy_container *c)
{
	struct hoy_teardown *t = TAKE_PTR(c->teardown);

	if (!t)
		return;
	hoy_source_free(t->timer);
	hoy_source_free(t->child);
	hoy_source_free(t->defer);
	free(t);
}

static void finish(struct hoy_container *c)
{
	void (*after)(struct hoy_container *) = c->teardown->after;

	c->teardown->is_done = true;
	if (c->network_pending) /* its answer still refers to the container */
		return;
	hoy_container_teardown_free(c);
	hoy_container_bundle_remove(c);
	hoy_container_volumes_unmount(c);
	c->shim_created = false;
	c->info.pid = 0;
	after(c);
}

void hoy_container_teardown_go_on(struct hoy_container *c)
{
	if (c->teardown->is_done)
		finish(c);
}

/* --- the delete mode --------------------------------------------------------------------------- */

static void on_deleter_exit(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct hoy_container *c = userdata;
	int status = hoy_process_status(si);

	(void) source;
	if (status != 0)
		hoy_log_warn("container '%s': the shim's delete ended with status %d, ignoring", c->info.id, status);
	finish(c);
}

static int run_deleter(struct hoy_container *c, struct hoy_err *err)
{
	const struct hoy_containers_options *o = &c->room->options;
	const char *const argv[] = { o->shim, "-namespace", "hoy", "-address", o->address, "-id", c->info.id, "-bundle",
		c->bundle, "delete", NULL };
	const struct hoy_spawn spawn = { .path = o->shim, .argv = (char *const *) argv, .cwd = c->bundle };
	pid_t pid;
	int r = hoy_process_spawn(&spawn, &pid, NULL, err);

	return r < 0 ? r : hoy_loop_child(o->loop, &c->teardown->child, pid, on_deleter_exit, c, err);
}

static void on_defer(struct hoy_source *source, void *userdata)
{
	(void) source;
	finish(userdata);
}

static void without_shim(struct hoy_container *c)
{
	struct hoy_teardown *t = c->teardown;
	struct hoy_err err = {};

	t->timer = hoy_source_free(t->timer);
	hoy_shim_free(c->shim);
	c->shim = NULL;
	hoy_container_execs_lost(c);
	hoy_container_asks_lost(c);
	if (t->force) {
		if (run_deleter(c, &err) >= 0)
			return;
		hoy_log_ignored(&err, "container '%s': run the shim's delete", c->info.id);
	}
	if (hoy_loop_defer(c->room->options.loop, &t->defer, on_defer, c, &err) < 0)
		finish(c);
}

/* --- with a shim --------------------------------------------------------------------------------- */

void hoy_container_teardown_lost(struct hoy_container *c)
{
	without_shim(c);
}

static void ask_to_end(struct hoy_container *c);

static void on_impatient(struct hoy_source *source, void *userdata)
{
	struct hoy_container *c = userdata;

	(void) source;
	if (++c->teardown->tries < TRIES_MAX) {
		ask_to_end(c);
		return;
	}
	hoy_log_warn("container '%s': its shim does not end", c->info.id);
	c->teardown->force = true;
	without_shim(c);
}

static void send_shutdown(struct hoy_container *c)
{
	struct hoy_teardown *t = c->teardown;
	struct hoy_err err = {};

	/* without a connection its end is being told already */
	if (hoy_shim_shutdown(c->shim, NULL, &err) < 0 && err.errnum != ENOTCONN && err.errnum != EPIPE)
		hoy_log_ignored(&err, "container '%s': shut the shim down", c->info.id);
	if (t->timer)
		hoy_source_set_timer(t->timer, PATIENCE_NS);
	else if (hoy_loop_timer(c->room->options.loop, &t->timer, PATIENCE_NS, on_impatient, c, &err) < 0)
		hoy_log_ignored(&err, "container '%s'", c->info.id);
}

static void on_deleted(void *userdata, const struct hoy_err *err)
{
	struct hoy_container *c = userdata;

	c->teardown->force = err != NULL; /* a task that is not there may be in the making */
	if (err && err->kind != HOY_ERR_NOT_FOUND)
		hoy_log_ignored(err, "container '%s': delete the task", c->info.id);
	send_shutdown(c);
}

static void ask_to_end(struct hoy_container *c)
{
	struct hoy_err err = {};

	if (hoy_shim_delete(c->shim, NULL, on_deleted, c, &err) < 0) {
		c->teardown->force = true;
		send_shutdown(c);
	}
}

void hoy_container_teardown(struct hoy_container *c, void (*after)(struct hoy_container *c))
{
	struct hoy_teardown *t = calloc(1, sizeof *t);

	if (!t) {
		hoy_log_error("container '%s': out of memory, its shim is left behind", c->info.id);
		after(c);
		return;
	}
	c->teardown = t;
	hoy_secret_placing_free(TAKE_PTR(c->placing));
	c->sharing = hoy_files_run_free(c->sharing);
	t->container = c;
	t->after = after;
	hoy_network_detach(c->room->options.networks, c->info.id);
	if (!c->shim || !hoy_shim_is_connected(c->shim)) {
		t->force = c->shim_created;
		without_shim(c);
		return;
	}
	ask_to_end(c);
}
