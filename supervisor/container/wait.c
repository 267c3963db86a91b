/* Waiting for the end or the removal of a container. */
#include <errno.h>
#include <stdlib.h>

#include "supervisor/container/internal.h"
#include "supervisor/store/store.h"

struct hoy_container_wait {
	struct hoy_container_wait *next;
	struct hoy_container *container; /* NULL: it is answered at the end of the turn */
	enum hoy_container_condition condition;
	hoy_container_waited done; /* NULL: cancelled */
	void *userdata;
	int exit_code; /* of the answer at the end of the turn */
};

static void unlink_wait(struct hoy_container_wait *wait)
{
	struct hoy_container_wait **p = &wait->container->waits;

	while (*p != wait)
		p = &(*p)->next;
	*p = wait->next;
}

static void on_turn_over(void *userdata, const struct hoy_err *err)
{
	struct hoy_container_wait *wait = userdata;
	hoy_container_waited done = wait->done;
	void *theirs = wait->userdata;
	int exit_code = wait->exit_code;

	(void) err;
	free(wait);
	if (done)
		done(theirs, NULL, exit_code, "");
}

int hoy_container_wait(struct hoy_containers *room, const char *ref, enum hoy_container_condition condition,
	hoy_container_waited done, void *userdata, struct hoy_container_wait **ret, struct hoy_err *err)
{
	struct hoy_container_wait *wait;
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (r < 0)
		return r;
	wait = calloc(1, sizeof *wait);
	if (!wait)
		return hoy_err_oom(err);
	wait->condition = condition;
	wait->done = done;
	wait->userdata = userdata;
	if (condition == HOY_WAIT_NOT_RUNNING && c->info.status != HOY_CONTAINER_RUNNING) {
		wait->exit_code = c->info.exit_code;
		r = hoy_store_after_commit(room->options.store, on_turn_over, wait, err);
		if (r < 0) {
			free(wait);
			return r;
		}
	} else {
		wait->container = c;
		wait->next = c->waits;
		c->waits = wait;
	}
	*ret = wait;
	return 0;
}

void hoy_container_wait_cancel(struct hoy_container_wait *wait)
{
	if (!wait->container) {
		wait->done = NULL;
		return;
	}
	unlink_wait(wait);
	free(wait);
}

/* A callback may cancel other waits, so the list is looked at anew after each. */
static struct hoy_container_wait *next_due(struct hoy_container *c, bool removed)
{
	for (struct hoy_container_wait *wait = c->waits; wait; wait = wait->next)
		if (removed || wait->condition != HOY_WAIT_REMOVED)
			return wait;
	return NULL;
}

static void tell(struct hoy_container_wait *wait, const struct hoy_err *err, int exit_code, const char *error)
{
	hoy_container_waited done = wait->done;
	void *userdata = wait->userdata;

	unlink_wait(wait);
	free(wait);
	done(userdata, err, exit_code, error);
}

void hoy_container_waits_tell(struct hoy_container *c, bool removed)
{
	struct hoy_container_wait *wait;

	while ((wait = next_due(c, removed)))
		tell(wait, NULL, c->info.exit_code, removed ? "" : c->info.error);
}

void hoy_container_waits_cancel(struct hoy_container *c, const struct hoy_err *err)
{
	while (c->waits)
		tell(c->waits, err, 0, "");
}
