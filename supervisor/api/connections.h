/*
 * How long a client may be silent. A connection waits for its client in one of two ways: between requests (from
 * accept() on, and after each answer), and in the middle of one, from its request line to the end of its head, or of
 * a body that is collected. Each way has its time, after which the connection is shut down. A connection whose
 * request is served, or whose streamed body arrives, waits for us or for somebody's pipe: it has no time.
 */
#ifndef HOY_API_CONNECTIONS_H
#define HOY_API_CONNECTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_source;

#define HOY_CONNECTION_IDLE_MS 300000    /* between two requests; clients drop theirs much earlier */
#define HOY_CONNECTION_REQUEST_MS 120000 /* for a head with its body, all of it */

struct hoy_connection;

/* Oldest first: all of a list have the same time. */
struct hoy_waiting_list {
	struct hoy_connection *first, *last;
	uint64_t ns;
};

/* A member of the server: zeroed, then hoy_connections_init(). */
struct hoy_connections {
	struct hoy_source *timer;
	struct hoy_waiting_list idle, request;
	size_t n;
};

int hoy_connections_init(struct hoy_connections *connections, struct hoy_loop *loop, struct hoy_err *err);
/* Call when no connection is left. */
void hoy_connections_done(struct hoy_connections *connections);
void hoy_connections_set_times(struct hoy_connections *connections, uint64_t idle_ms, uint64_t request_ms);

/* A connection was accepted: it is idle. `fd` stays the caller's. NULL: no memory. */
struct hoy_connection *hoy_connection_new(struct hoy_connections *connections, int fd, const void *door);
const void *hoy_connection_door(const struct hoy_connection *connection); /* as given to new() */
void hoy_connection_free(struct hoy_connection *connection);
void hoy_connection_idle(struct hoy_connection *connection);    /* waits for a request */
void hoy_connection_request(struct hoy_connection *connection); /* waits for the rest of one; again: no new time */
void hoy_connection_busy(struct hoy_connection *connection);    /* has no time */

/* Shuts down the connection that has been idle for longest, to make room; false: none is idle. */
bool hoy_connections_drop_idle(struct hoy_connections *connections);

#endif
