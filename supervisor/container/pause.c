/* Pause, unpause and update: questions to the shim whose answer is the request's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "libocispec/runtime.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/shim.h"
#include "supervisor/container/spec.h"
#include "supervisor/store/containers.h"

static int ask_new(
	struct hoy_container *c, hoy_container_done done, void *userdata, struct hoy_op **ret, struct hoy_err *err)
{
	struct hoy_op *op = calloc(1, sizeof *op);

	if (!op)
		return hoy_err_oom(err);
	op->container = c;
	op->done = done;
	op->userdata = userdata;
	*ret = op;
	return 0;
}

static void finish(struct hoy_op *op, const struct hoy_err *err)
{
	struct hoy_op **p = &op->container->asked;

	while (*p != op)
		p = &(*p)->next;
	*p = op->next;
	hoy_op_finish(op->container, op, err);
}

void hoy_container_asks_lost(struct hoy_container *c)
{
	struct hoy_err err = {};

	hoy_err_conflict(&err, "container %s is not running", c->info.id);
	hoy_ops_finish(c, &c->asked, &err);
}

/* --- pause ------------------------------------------------------------------------------------- */

static void set_paused(struct hoy_container *c, bool paused)
{
	if (c->info.paused == paused)
		return;
	c->info.paused = paused;
	hoy_container_publish(c, paused ? "pause" : "unpause", NULL);
}

static void on_paused(void *userdata, const struct hoy_err *err)
{
	struct hoy_op *op = userdata;

	if (!err)
		set_paused(op->container, true);
	finish(op, err);
}

static void on_resumed(void *userdata, const struct hoy_err *err)
{
	struct hoy_op *op = userdata;

	if (!err)
		set_paused(op->container, false);
	finish(op, err);
}

static int set(struct hoy_containers *room, const char *ref, bool paused, hoy_container_done done, void *userdata,
	struct hoy_err *err)
{
	struct hoy_container *c;
	struct hoy_op *op = NULL;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	if (c->phase != HOY_PHASE_RUNNING)
		return hoy_err_conflict(err, "container %s is not running", c->info.id);
	if (c->info.paused == paused)
		return hoy_err_conflict(err, "container %s is %s paused", c->info.id, paused ? "already" : "not");
	r = ask_new(c, done, userdata, &op, err);
	if (r < 0)
		return r;
	r = paused ? hoy_shim_pause(c->shim, on_paused, op, err) : hoy_shim_resume(c->shim, on_resumed, op, err);
	if (r < 0) {
		free(op);
		return r;
	}
	hoy_ops_append(&c->asked, op);
	return 0;
}

int hoy_container_pause(
	struct hoy_containers *room, const char *ref, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	return set(room, ref, true, done, userdata, err);
}

int hoy_container_unpause(
	struct hoy_containers *room, const char *ref, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	return set(room, ref, false, done, userdata, err);
}

void hoy_container_thaw(struct hoy_container *c)
{
	struct hoy_err err = {};

	if (!c->info.paused)
		return;
	if (hoy_shim_resume(c->shim, NULL, NULL, &err) < 0)
		hoy_log_ignored(&err, "container '%s': resume", c->info.id);
	set_paused(c, false);
}

/* --- update ------------------------------------------------------------------------------------- */

static void on_updated(void *userdata, const struct hoy_err *err)
{
	finish(userdata, err);
}

/* The row first: limits that the kernel refuses then stand in it as in docker's, but a crash loses none. */
int hoy_container_config_save(struct hoy_container *c, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = hoy_container_config_print(c->config, &text, err);

	return r < 0 ? r : hoy_store_container_set_config(c->room->options.store, c->info.id, text.data, err);
}

static int apply(struct hoy_container *c, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_op *op = NULL;
	int r = hoy_container_resources_text(c, &text, err);

	if (r >= 0)
		r = ask_new(c, done, userdata, &op, err);
	if (r < 0)
		return r;
	r = hoy_shim_update(c->shim, text.data, on_updated, op, err);
	if (r < 0) {
		free(op);
		return r;
	}
	hoy_ops_append(&c->asked, op);
	return 0;
}

static int check_state(const struct hoy_container *c, struct hoy_err *err)
{
	if (c->phase == HOY_PHASE_REMOVING)
		return hoy_err_conflict(err, "container %s is marked for removal and cannot be updated", c->info.id);
	if (c->ports_busy)
		return hoy_err_conflict(err, "cannot update container %s: another update is under way", c->info.id);
	if (c->phase == HOY_PHASE_STARTING || c->phase == HOY_PHASE_ENDING || c->info.restarting)
		return hoy_err_conflict(
			err, "cannot update container %s: it is just being started or stopped", c->info.id);
	return 0;
}

int hoy_container_update(struct hoy_containers *room, const char *ref, const char *text, size_t len,
	hoy_container_done done, void *userdata, struct hoy_err *err)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *updated = NULL;
	auto_free char *bindings = NULL;
	struct hoy_container_config *former;
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r >= 0)
		r = check_state(c, err);
	if (r >= 0)
		r = hoy_container_config_update_ports(text, len, &bindings, err);
	if (r >= 0 && bindings)
		return hoy_container_update_ports(c, bindings, done, userdata, err);
	if (r >= 0)
		r = hoy_container_config_update(c->config, text, len, &updated, err);
	if (r < 0)
		return r;
	former = c->config;
	c->config = updated;
	r = hoy_container_config_save(c, err);
	if (r < 0) {
		c->config = former;
		return r;
	}
	c->info.config = c->config;
	hoy_container_probes_renew(c, former->healthcheck);
	updated = former; /* freed at the end */
	hoy_container_publish(c, "update", NULL);
	if (c->phase == HOY_PHASE_RUNNING)
		return apply(c, done, userdata, err);
	hoy_done_later(room, done, userdata, NULL);
	return 0;
}
