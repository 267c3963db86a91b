/*
 * A container that stands by: it runs, but the ports and names it is to have are another's. Promoted it takes that
 * one's place, and the other way round: so a service is replaced without a moment in which nobody serves.
 */
#include <errno.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/network/network.h"
#include "supervisor/store/containers.h"
#include "supervisor/store/store.h"

struct promotion {
	struct hoy_containers *room;
	char id[65], former[65]; /* they may be gone when the answer comes */
	hoy_container_done done;
	void *userdata;
};

/* Names are unique in the table, so that one of the two is nobody's for a moment. */
static int write_rows(struct hoy_container *c, struct hoy_container *former, struct hoy_err *err)
{
	struct hoy_store *store = c->room->options.store;
	int r = hoy_store_begin(store, err);

	if (r < 0)
		return r;
	r = hoy_store_container_rename(store, c->info.id, c->info.id, err);
	if (r >= 0)
		r = hoy_store_container_rename(store, former->info.id, c->info.name, err);
	if (r >= 0)
		r = hoy_store_container_rename(store, c->info.id, former->info.name, err);
	if (r >= 0)
		r = hoy_container_config_save(c, err);
	if (r >= 0)
		r = hoy_container_config_save(former, err);
	if (r < 0) {
		hoy_store_rollback(store);
		return r;
	}
	return hoy_store_commit(store, err);
}

/* Who stands by does so no more, the other does, and each has the other's name. */
static int change_places(struct hoy_container *c, struct hoy_container *former, struct hoy_err *err)
{
	int r;

	c->config->host.standby = false;
	former->config->host.standby = true;
	r = write_rows(c, former, err);
	if (r < 0) {
		c->config->host.standby = true;
		former->config->host.standby = false;
		return r;
	}
	{
		char *name = c->info.name;

		c->info.name = former->info.name;
		former->info.name = name;
	}
	return 0;
}

static void undo(struct hoy_container *c, struct hoy_container *former)
{
	struct hoy_err err = {};

	if (change_places(former, c, &err) < 0)
		hoy_log_err(&err, "container '%s' stands by no more, but publishes nothing", c->info.id);
}

static void tell(struct hoy_container *c, const char *action)
{
	hoy_network_renamed(c->room->options.networks, c->info.id);
	hoy_container_publish(c, action, NULL);
}

static void on_exchanged(void *userdata, const struct hoy_err *err)
{
	struct promotion *p = userdata;
	struct hoy_container *c = NULL, *former = NULL;
	bool there = hoy_containers_lookup(p->room, p->id, &c, NULL) >= 0,
	     former_there = hoy_containers_lookup(p->room, p->former, &former, NULL) >= 0;

	if (err && there && former_there)
		undo(c, former);
	if (!err && there)
		tell(c, "promote");
	if (!err && former_there)
		tell(former, "demote");
	p->done(p->userdata, err);
	free(p);
}

static int check(const struct hoy_container *c, const struct hoy_container *former, struct hoy_err *err)
{
	if (!c->config->host.standby)
		return hoy_err_conflict(err, "container %s does not stand by", c->info.name);
	if (former->config->host.standby)
		return hoy_err_conflict(err, "container %s stands by itself", former->info.name);
	if (c->phase != HOY_PHASE_RUNNING)
		return hoy_err_conflict(err, "container %s is not running", c->info.name);
	if (former->phase != HOY_PHASE_RUNNING && former->phase != HOY_PHASE_IDLE)
		return hoy_err_conflict(
			err, "container %s is just starting, ending or being removed: try again", former->info.name);
	return 0;
}

int hoy_container_promote(struct hoy_containers *room, const char *ref, const char *former_ref, hoy_container_done done,
	void *userdata, struct hoy_err *err)
{
	auto_free struct promotion *p = calloc(1, sizeof *p);
	struct hoy_container *c, *former;
	auto_fd int netns = -EBADF;
	int r = p ? hoy_containers_lookup(room, ref, &c, err) : hoy_err_oom(err);

	if (r >= 0)
		r = hoy_containers_lookup(room, former_ref, &former, err);
	if (r >= 0)
		r = check(c, former, err);
	if (r >= 0)
		r = hoy_container_open_netns(c, &netns, err);
	if (r < 0)
		return r;
	*p = (struct promotion){ .room = room, .done = done, .userdata = userdata };
	r = change_places(c, former, err);
	if (r < 0)
		return r;
	memcpy(p->id, c->info.id, sizeof p->id);
	memcpy(p->former, former->info.id, sizeof p->former);
	r = hoy_network_exchange(room->options.networks, c->info.id, former->info.id, netns, on_exchanged, p, err);
	if (r < 0)
		undo(c, former);
	else
		TAKE_PTR(p);
	return r;
}
