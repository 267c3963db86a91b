/* Removing: the rows first, the files after the commit. */
#include <stdlib.h>

#include "base/log.h"
#include "supervisor/container/internal.h"
#include "supervisor/network/network.h"
#include "supervisor/store/containers.h"
#include "supervisor/store/store.h"
#include "supervisor/store/volumes.h"

struct removal {
	struct hoy_container *container;
	struct hoy_op *op; /* NULL: AutoRemove */
	enum hoy_container_status was;
};

static void give_up(struct removal *removal, const struct hoy_err *err)
{
	struct hoy_container *c = removal->container;

	c->phase = HOY_PHASE_IDLE;
	c->info.status = removal->was;
	hoy_log_err(err, "container '%s': remove", c->info.id);
	(void) hoy_container_volumes_hold(c, NULL);
	if (removal->op)
		hoy_op_finish(c, removal->op, err);
	hoy_ops_finish(c, &c->removers, err);
	hoy_ops_retry(c);
}

static void on_committed(void *userdata, const struct hoy_err *err)
{
	struct removal *removal = userdata;
	struct hoy_container *c = removal->container;

	if (err) {
		give_up(removal, err);
		free(removal);
		return;
	}
	hoy_container_readers_tell(c);
	hoy_container_attaches_drop(c);
	hoy_container_files_remove(c);
	hoy_container_release_layers(c);
	hoy_containers_drop(c->room, c);
	hoy_container_publish(c, "destroy", NULL);
	hoy_container_waits_tell(c, /* removed= */ true);
	if (removal->op)
		hoy_op_finish(c, removal->op, NULL);
	hoy_ops_finish(c, &c->removers, NULL);
	hoy_ops_retry(c); /* all that waited is refused: it is being removed */
	hoy_container_free(c);
	free(removal);
}

/* Volumes last: what is removed of them is taken back only when the commit fails. */
static int delete_rows(struct hoy_container *c, bool volumes, struct hoy_err *err)
{
	struct hoy_store *store = c->room->options.store;
	int r = hoy_store_begin(store, err);

	if (r < 0)
		return r;
	r = hoy_store_container_delete(store, c->info.id, err);
	if (r >= 0)
		r = hoy_store_mounts_delete(store, c->info.id, err);
	if (r >= 0)
		r = hoy_network_release(c->room->options.networks, c->info.id, err);
	if (r >= 0) {
		hoy_container_secrets_remove(c);
		hoy_container_volumes_release(c);
		if (volumes)
			hoy_container_volumes_remove(c);
	}
	if (r < 0) {
		hoy_store_rollback(store);
		return r;
	}
	return hoy_store_commit(store, err);
}

static int begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	struct removal *removal = malloc(sizeof *removal);
	int r;

	if (!removal)
		return hoy_err_oom(err);
	*removal = (struct removal){ .container = c, .op = op, .was = c->info.status };
	r = delete_rows(c, !op || op->volumes, err);
	if (r >= 0)
		r = hoy_store_after_commit(c->room->options.store, on_committed, removal, err);
	if (r < 0) {
		free(removal);
		return r;
	}
	c->phase = HOY_PHASE_REMOVING;
	c->info.status = HOY_CONTAINER_REMOVING;
	return 0;
}

int hoy_container_remove_begin(struct hoy_container *c, struct hoy_op *op, struct hoy_err *err)
{
	return begin(c, op, err);
}

void hoy_container_remove_now(struct hoy_container *c)
{
	struct hoy_err err = {};

	if (begin(c, /* op= */ NULL, &err) < 0)
		hoy_log_err(&err, "container '%s': remove", c->info.id);
}
