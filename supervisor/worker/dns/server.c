/* The conversation with hoyd. One hoyd at a time; a new connection takes the place of the old one. */
#include "supervisor/worker/dns/server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/worker/dns/grants.h"
#include "supervisor/worker/dns/names.h"
#include "supervisor/worker/dns/proto.h"
#include "supervisor/worker/dns/resolver.h"

#define SNAPSHOT_MAX ((size_t) 16 << 20)
#define ALONE_NS (10 * UINT64_C(1000000000))

struct container {
	struct container *next;
	char id[HOY_DNS_ID_MAX];
	struct hoy_dns_resolver *resolver; /* NULL: its sockets are still to come */
	struct hoy_dns_service *service;
	int pidfd; /* -EBADF: hoyd alone says when it has ended */
	struct hoy_source *ending;
	bool stale;
};

struct hoy_dns_service {
	struct hoy_loop *loop;
	int listen_fd;
	uid_t trusted;
	int client; /* -EBADF: none */
	struct hoy_source *accepting;
	struct hoy_source *receiving;
	struct hoy_source *alone;
	struct hoy_dns_names *names;
	struct hoy_dns_grants *grants;
	struct container *containers;
	struct hoy_buf snapshot; /* pieces of a NETWORK */
	union {
		struct hoy_dns_message message;
		unsigned char bytes[HOY_DNS_HEAD + HOY_DNS_TEXT_MAX];
	} in;
};

static void drop_client(struct hoy_dns_service *service)
{
	service->receiving = hoy_source_free(service->receiving);
	hoy_fd_close(&service->client);
	hoy_buf_clear(&service->snapshot);
	hoy_source_set_timer(service->alone, ALONE_NS);
}

static void say(struct hoy_dns_service *service, enum hoy_dns_op op, const char *id)
{
	struct hoy_dns_message message = { .op = op, .version = HOY_DNS_VERSION };

	(void) snprintf(message.id, sizeof message.id, "%s", id);
	if (hoy_fd_send(service->client, &message, HOY_DNS_HEAD, NULL, 0) < 0)
		drop_client(service);
}

/* --- containers ---------------------------------------------------------------------- */

static struct container *find(struct hoy_dns_service *service, const char *id)
{
	struct container *c = service->containers;

	while (c && !hoy_str_eq(c->id, id))
		c = c->next;
	return c;
}

static void forget(struct hoy_dns_service *service, struct container *c)
{
	struct container **link = &service->containers;

	while (*link != c)
		link = &(*link)->next;
	*link = c->next;
	hoy_dns_resolver_free(c->resolver);
	c->ending = hoy_source_free(c->ending);
	hoy_fd_close(&c->pidfd);
	free(c);
}

/* hoyd may be away: its sockets would keep its namespace, and with that its interfaces. */
static void on_ended(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct container *c = userdata;

	(void) source;
	(void) events;
	forget(c->service, c);
}

static int add(struct hoy_dns_service *service, const char *id, struct container **ret, struct hoy_err *err)
{
	struct container *c = find(service, id);

	if (!c) {
		c = calloc(1, sizeof *c);
		if (!c)
			return hoy_err_oom(err);
		(void) snprintf(c->id, sizeof c->id, "%s", id);
		c->service = service;
		c->pidfd = -EBADF;
		c->next = service->containers;
		service->containers = c;
	}
	*ret = c;
	return 0;
}

/* New sockets are of a new run of the container. */
static int serve(struct hoy_dns_service *service, struct container *c, int *fds, size_t n, struct hoy_err *err)
{
	int r;

	hoy_dns_resolver_free(c->resolver);
	c->resolver = NULL;
	c->ending = hoy_source_free(c->ending);
	hoy_fd_close(&c->pidfd);
	r = hoy_dns_resolver_new(service->loop, fds, service->grants, &c->resolver, err);
	if (r < 0 || n < HOY_DNS_N_FDS)
		return r;
	c->pidfd = TAKE_FD(fds[HOY_DNS_PIDFD]);
	return hoy_loop_io(service->loop, &c->ending, c->pidfd, EPOLLIN, on_ended, c, err);
}

static int tell_container(struct hoy_dns_service *service, const struct hoy_dns_message *message, size_t len, int *fds,
	size_t n, struct hoy_err *err)
{
	struct container *c = NULL;
	int r = add(service, message->id, &c, err);

	if (r < 0)
		return r;
	c->stale = false;
	if (n >= HOY_DNS_N_SOCKETS)
		r = serve(service, c, fds, n, err);
	if (r >= 0 && c->resolver)
		r = hoy_dns_resolver_tell(c->resolver, service->names, message->text, len, err);
	else if (r >= 0)
		say(service, HOY_DNS_NEED, c->id);
	return r;
}

static void container_gone(struct hoy_dns_service *service, const char *id)
{
	struct container *c = find(service, id);

	if (c)
		forget(service, c);
}

/* --- messages ---------------------------------------------------------------------------- */

static int tell_network(
	struct hoy_dns_service *service, const struct hoy_dns_message *message, size_t len, struct hoy_err *err)
{
	int r;

	(void) hoy_buf_add(&service->snapshot, message->text, len);
	if (message->more)
		return 0;
	r = hoy_buf_check(&service->snapshot, "snapshot of a network", err);
	if (r >= 0)
		r = hoy_dns_names_tell(service->names, message->id, message->version, service->snapshot.data,
			service->snapshot.len, err);
	hoy_buf_clear(&service->snapshot);
	return r;
}

static void begin(struct hoy_dns_service *service)
{
	say(service, HOY_DNS_HELLO, "");
	hoy_dns_names_mark(service->names);
	for (struct container *c = service->containers; c; c = c->next)
		c->stale = true;
}

static void sweep(struct hoy_dns_service *service)
{
	for (struct container *c = service->containers, *next; c; c = next) {
		next = c->next;
		if (c->stale)
			forget(service, c);
	}
	hoy_dns_names_sweep(service->names);
}

static int act(struct hoy_dns_service *service, const struct hoy_dns_message *message, size_t len, int *fds, size_t n,
	struct hoy_err *err)
{
	switch (message->op) {
	case HOY_DNS_HELLO:
		begin(service);
		return 0;
	case HOY_DNS_NETWORK:
		return tell_network(service, message, len, err);
	case HOY_DNS_NETWORK_GONE:
		hoy_dns_names_gone(service->names, message->id);
		return 0;
	case HOY_DNS_CONTAINER:
		return tell_container(service, message, len, fds, n, err);
	case HOY_DNS_CONTAINER_GONE:
		container_gone(service, message->id);
		return 0;
	case HOY_DNS_SYNC_END:
		sweep(service);
		return 0;
	case HOY_DNS_GRANTOR:
		if (n > 0)
			hoy_dns_grants_connect(service->grants, TAKE_FD(fds[0]));
		return 0;
	case HOY_DNS_QUIT:
		hoy_loop_exit(service->loop, 0);
		return 0;
	default:
		return hoy_err_unsupported(err, "unknown message %u", message->op);
	}
}

static void on_message(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_dns_service *service = userdata;
	const struct hoy_dns_message *message = &service->in.message;
	int fds[HOY_FD_PASS_MAX];
	size_t n_fds = ARRAY_LEN(fds);
	struct hoy_err err = {};
	ssize_t n = hoy_fd_recv(service->client, &service->in, sizeof service->in, fds, &n_fds);

	(void) source;
	(void) events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n < (ssize_t) HOY_DNS_HEAD || !memchr(message->id, '\0', sizeof message->id)) {
		drop_client(service);
		n = -1;
	}
	if (n > 0 && act(service, message, (size_t) n - HOY_DNS_HEAD, fds, n_fds, &err) < 0)
		hoy_log_err(&err, "hoyd's message");
	for (size_t i = 0; i < n_fds; i++)
		hoy_fd_close(&fds[i]); /* those that were taken are -EBADF */
}

/* --- connections ----------------------------------------------------------------------------- */

/* The socket's mode keeps others out; this also holds for one whose directory was opened up. */
static bool is_trusted(const struct hoy_dns_service *service, int client)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == service->trusted);
}

static void on_connect(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_dns_service *service = userdata;
	auto_fd int client = accept4(service->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct hoy_err err = {};

	(void) source;
	(void) events;
	if (client < 0 || !is_trusted(service, client))
		return;
	drop_client(service);
	if (hoy_loop_io(service->loop, &service->receiving, client, EPOLLIN, on_message, service, &err) < 0) {
		hoy_log_err(&err, "accept hoyd");
		return;
	}
	service->client = TAKE_FD(client);
	hoy_source_set_timer(service->alone, UINT64_MAX);
}

/* Without hoyd and without containers there is nobody to serve. */
static void on_alone(struct hoy_source *source, void *userdata)
{
	struct hoy_dns_service *service = userdata;

	if (service->containers)
		hoy_source_set_timer(source, ALONE_NS);
	else
		hoy_loop_exit(service->loop, 0);
}

int hoy_dns_service_new(
	struct hoy_loop *loop, int listen_fd, uid_t trusted, struct hoy_dns_service **ret, struct hoy_err *err)
{
	auto_ptr(hoy_dns_service_free) struct hoy_dns_service *service = calloc(1, sizeof *service);
	int r;

	if (!service)
		return hoy_err_oom(err);
	service->loop = loop;
	service->listen_fd = listen_fd;
	service->trusted = trusted;
	service->client = -EBADF;
	hoy_buf_init(&service->snapshot, SNAPSHOT_MAX);
	r = hoy_dns_names_new(&service->names, err);
	if (r >= 0)
		r = hoy_dns_grants_new(loop, &service->grants, err);
	if (r >= 0)
		r = hoy_loop_io(loop, &service->accepting, listen_fd, EPOLLIN, on_connect, service, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &service->alone, ALONE_NS, on_alone, service, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(service);
	return 0;
}

void hoy_dns_service_free(struct hoy_dns_service *service)
{
	if (!service)
		return;
	service->accepting = hoy_source_free(service->accepting);
	service->receiving = hoy_source_free(service->receiving);
	service->alone = hoy_source_free(service->alone);
	hoy_fd_close(&service->client);
	while (service->containers)
		forget(service, service->containers);
	hoy_dns_grants_free(service->grants);
	hoy_dns_names_free(service->names);
	hoy_buf_done(&service->snapshot);
	free(service);
}
