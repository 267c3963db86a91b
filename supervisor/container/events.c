/* Subscribers of container events. */
#include <stdlib.h>

#include "supervisor/container/internal.h"

int hoy_containers_subscribe(
	struct hoy_containers *room, hoy_container_subscriber subscriber, void *userdata, struct hoy_err *err)
{
	struct hoy_subscription *grown = reallocarray(room->subscriptions, room->n_subscriptions + 1, sizeof *grown);

	if (!grown)
		return hoy_err_oom(err);
	room->subscriptions = grown;
	room->subscriptions[room->n_subscriptions++] = (struct hoy_subscription){ subscriber, userdata };
	return 0;
}

static void forget_unsubscribed(struct hoy_containers *room)
{
	size_t kept = 0;

	for (size_t i = 0; i < room->n_subscriptions; i++)
		if (room->subscriptions[i].subscriber)
			room->subscriptions[kept++] = room->subscriptions[i];
	room->n_subscriptions = kept;
}

void hoy_containers_unsubscribe(struct hoy_containers *room, hoy_container_subscriber subscriber, void *userdata)
{
	for (size_t i = 0; i < room->n_subscriptions; i++) {
		struct hoy_subscription *s = &room->subscriptions[i];

		if (s->subscriber == subscriber && s->userdata == userdata)
			s->subscriber = NULL;
	}
	if (room->publishing == 0)
		forget_unsubscribed(room);
}

void hoy_container_publish(struct hoy_container *c, const char *action, char *const *attributes)
{
	static char *const none[] = { NULL };
	struct hoy_containers *room = c->room;
	const struct hoy_container_event event = {
		.action = action, .container = &c->info, .attributes = attributes ? attributes : none, .time = hoy_now()
	};

	room->publishing++;
	for (size_t i = 0; i < room->n_subscriptions; i++)
		if (room->subscriptions[i].subscriber)
			room->subscriptions[i].subscriber(&event, room->subscriptions[i].userdata);
	if (--room->publishing == 0)
		forget_unsubscribed(room);
	hoy_container_order_changed(c);
}
