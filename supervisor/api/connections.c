/* Connections that wait for their clients, oldest first, and the one timer of them all. */
#include "supervisor/api/connections.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "base/log.h"
#include "base/loop.h"

#define NS_PER_MS 1000000

struct hoy_connection {
	struct hoy_connections *owner;
	struct hoy_waiting_list *list; /* NULL: busy, or shut down */
	struct hoy_connection *prev, *next;
	uint64_t since;
	int fd;
	const void *door;
};

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t) ts.tv_sec * 1000000000 + (uint64_t) ts.tv_nsec;
}

static uint64_t due(const struct hoy_waiting_list *list)
{
	return list->first ? list->first->since + list->ns : UINT64_MAX;
}

static void arm(struct hoy_connections *connections)
{
	uint64_t next = MIN(due(&connections->idle), due(&connections->request)), now = now_ns();

	hoy_source_set_timer(connections->timer, next == UINT64_MAX ? UINT64_MAX : next > now ? next - now : 0);
}

static void leave_list(struct hoy_connection *c)
{
	struct hoy_waiting_list *list = c->list;

	if (!list)
		return;
	*(c->prev ? &c->prev->next : &list->first) = c->next;
	*(c->next ? &c->next->prev : &list->last) = c->prev;
	c->prev = c->next = NULL;
	c->list = NULL;
}

static void join_list(struct hoy_connection *c, struct hoy_waiting_list *list)
{
	leave_list(c);
	c->list = list;
	c->since = now_ns();
	c->prev = list->last;
	*(c->prev ? &c->prev->next : &list->first) = c;
	list->last = c;
	/* Later ones are due later: only the first one, with nothing armed before it, changes the timer. */
	if (!c->prev)
		arm(c->owner);
}

/* Whoever serves the connection sees its end and closes it. */
static void drop(struct hoy_connection *c, const char *why)
{
	hoy_log_debug("http: connection closed: %s", why);
	leave_list(c);
	(void) shutdown(c->fd, SHUT_RDWR);
}

static void on_time(struct hoy_source *source, void *userdata)
{
	struct hoy_connections *connections = userdata;
	uint64_t now = now_ns();

	(void) source;
	while (due(&connections->idle) <= now)
		drop(connections->idle.first, "idle");
	while (due(&connections->request) <= now)
		drop(connections->request.first, "its request did not arrive in time");
	arm(connections);
}

int hoy_connections_init(struct hoy_connections *connections, struct hoy_loop *loop, struct hoy_err *err)
{
	hoy_connections_set_times(connections, HOY_CONNECTION_IDLE_MS, HOY_CONNECTION_REQUEST_MS);
	return hoy_loop_timer(loop, &connections->timer, UINT64_MAX, on_time, connections, err);
}

void hoy_connections_done(struct hoy_connections *connections)
{
	connections->timer = hoy_source_free(connections->timer);
}

void hoy_connections_set_times(struct hoy_connections *connections, uint64_t idle_ms, uint64_t request_ms)
{
	connections->idle.ns = idle_ms * NS_PER_MS;
	connections->request.ns = request_ms * NS_PER_MS;
}

struct hoy_connection *hoy_connection_new(struct hoy_connections *connections, int fd, const void *door)
{
	struct hoy_connection *c = calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->owner = connections;
	c->fd = fd;
	c->door = door;
	connections->n++;
	join_list(c, &connections->idle);
	return c;
}

const void *hoy_connection_door(const struct hoy_connection *c)
{
	return c->door;
}

void hoy_connection_free(struct hoy_connection *c)
{
	if (!c)
		return;
	leave_list(c);
	c->owner->n--;
	free(c);
}

void hoy_connection_idle(struct hoy_connection *c)
{
	if (c)
		join_list(c, &c->owner->idle);
}

void hoy_connection_request(struct hoy_connection *c)
{
	if (c && c->list != &c->owner->request)
		join_list(c, &c->owner->request);
}

void hoy_connection_busy(struct hoy_connection *c)
{
	if (c)
		leave_list(c);
}

bool hoy_connections_drop_idle(struct hoy_connections *connections)
{
	if (!connections->idle.first)
		return false;
	drop(connections->idle.first, "too many connections");
	return true;
}
