/* The connection to hoy-net, who waits for its answers, and what it has granted. */
#include "supervisor/worker/dns/grants.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"

#define SECOND_NS UINT64_C(1000000000)
#define WAIT_NS (2 * SECOND_NS)
#define TICK_NS (SECOND_NS / 4)
#define GRACE 5U /* seconds that a client may take from the answer to its connect() */
#define MAX_TTL (60U * 60 * 12)
#define N_BUCKETS 256
#define MAX_IN_BUCKET 16

/* In force at hoy-net. */
struct known {
	struct known *next;
	struct hoy_net_grant grant;
	uint64_t until;
};

struct call {
	struct call *next;
	struct hoy_net_grant grant;
	bool is_sent;
	uint64_t deadline;
	hoy_dns_granted done;
	void *userdata;
};

struct hoy_dns_grants {
	struct hoy_loop *loop;
	int sock; /* -EBADF: hoy-net is away */
	struct hoy_source *io;
	struct hoy_source *timer;
	uint32_t seq;
	struct call *calls;
	struct known *buckets[N_BUCKETS];
};

/* --- what is in force ----------------------------------------------------------------- */

static struct known **bucket_of(struct hoy_dns_grants *grants, const struct hoy_net_grant *grant)
{
	uint32_t hash = 2166136261U;

	for (const char *c = grant->name; *c; c++)
		hash = (hash ^ (uint8_t) *c) * 16777619U;
	return &grants->buckets[(hash ^ grant->endpoint[0]) % N_BUCKETS];
}

/* Addresses of the one family are asked for by themselves. */
static bool is_same_subject(const struct hoy_net_grant *a, const struct hoy_net_grant *b)
{
	return memcmp(a->endpoint, b->endpoint, sizeof a->endpoint) == 0 && strcmp(a->name, b->name) == 0 &&
	       IN6_IS_ADDR_V4MAPPED(&a->addresses[0]) == IN6_IS_ADDR_V4MAPPED(&b->addresses[0]);
}

static bool has_all(const struct hoy_net_grant *known, const struct hoy_net_grant *asked)
{
	for (uint32_t i = 0; i < asked->n_addresses; i++) {
		bool has = false;

		for (uint32_t j = 0; j < known->n_addresses && !has; j++)
			has = IN6_ARE_ADDR_EQUAL(&known->addresses[j], &asked->addresses[i]);
		if (!has)
			return false;
	}
	return true;
}

static bool is_in_force(struct hoy_dns_grants *grants, const struct hoy_net_grant *asked, uint64_t until)
{
	for (const struct known *known = *bucket_of(grants, asked); known; known = known->next)
		if (is_same_subject(&known->grant, asked))
			return known->until >= until && has_all(&known->grant, asked);
	return false;
}

/* In place of what was known of the name, and of what is over. */
static void remember(struct hoy_dns_grants *grants, const struct hoy_net_grant *grant)
{
	uint64_t now = hoy_loop_now(grants->loop);
	struct known **link = bucket_of(grants, grant), **bucket = link, *known = calloc(1, sizeof *known);

	for (size_t n = 1; *link;) {
		struct known *one = *link;

		if (is_same_subject(&one->grant, grant) || one->until <= now || n == MAX_IN_BUCKET) {
			*link = one->next;
			free(one);
		} else {
			link = &one->next;
			n++;
		}
	}
	if (!known)
		return;
	known->grant = *grant;
	known->until = now + grant->seconds * SECOND_NS;
	known->next = *bucket;
	*bucket = known;
}

/* --- calls ------------------------------------------------------------------------------ */

static void finish(struct call **link, bool is_granted)
{
	struct call *call = *link;
	hoy_dns_granted done = call->done;
	void *userdata = call->userdata;

	*link = call->next;
	free(call);
	done(userdata, is_granted);
}

static void send_call(struct hoy_dns_grants *grants, struct call *call)
{
	call->is_sent = grants->sock >= 0 && hoy_fd_send(grants->sock, &call->grant, sizeof call->grant, NULL, 0) >= 0;
}

static void on_tick(struct hoy_source *source, void *userdata)
{
	struct hoy_dns_grants *grants = userdata;
	uint64_t now = hoy_loop_now(grants->loop);

	for (struct call **link = &grants->calls; *link;) {
		struct call *call = *link;

		if (call->deadline <= now) {
			hoy_log_warn("hoy-net does not grant the addresses of '%s'", call->grant.name);
			finish(link, false);
			continue;
		}
		if (!call->is_sent)
			send_call(grants, call);
		link = &call->next;
	}
	if (grants->calls)
		hoy_source_set_timer(source, TICK_NS);
}

static void disconnect(struct hoy_dns_grants *grants)
{
	grants->io = hoy_source_free(grants->io);
	hoy_fd_close(&grants->sock);
	for (struct call *call = grants->calls; call; call = call->next)
		call->is_sent = false;
}

static void on_reply(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_dns_grants *grants = userdata;
	struct hoy_net_granted reply;
	ssize_t n = hoy_fd_recv(grants->sock, &reply, sizeof reply, NULL, NULL);

	(void) source;
	(void) events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n != (ssize_t) sizeof reply) {
		disconnect(grants);
		return;
	}
	for (struct call **link = &grants->calls; *link; link = &(*link)->next) {
		if ((*link)->grant.seq != reply.seq)
			continue;
		if (reply.result == 0)
			remember(grants, &(*link)->grant);
		finish(link, reply.result == 0);
		return;
	}
}

/* One that can't be told is not in force there: it is asked for when its name is. */
static void tell_known(struct hoy_dns_grants *grants)
{
	uint64_t now = hoy_loop_now(grants->loop);

	for (size_t i = 0; i < N_BUCKETS; i++)
		for (struct known **link = &grants->buckets[i]; *link;) {
			struct known *known = *link;

			known->grant.seq = 0;
			known->grant.seconds = known->until > now ? (uint32_t) ((known->until - now) / SECOND_NS) : 0;
			if (known->grant.seconds > 0 &&
				hoy_fd_send(grants->sock, &known->grant, sizeof known->grant, NULL, 0) >= 0) {
				link = &known->next;
			} else {
				*link = known->next;
				free(known);
			}
		}
}

void hoy_dns_grants_connect(struct hoy_dns_grants *grants, int sock)
{
	struct hoy_err err = {};

	disconnect(grants);
	grants->sock = sock;
	if (hoy_fd_set_nonblocking(sock, true) < 0 ||
		hoy_loop_io(grants->loop, &grants->io, sock, EPOLLIN, on_reply, grants, &err) < 0) {
		disconnect(grants);
		return;
	}
	tell_known(grants);
	for (struct call *call = grants->calls; call; call = call->next)
		send_call(grants, call);
}

int hoy_dns_grants_ask(struct hoy_dns_grants *grants, const struct hoy_net_grant *grant, uint32_t ttl,
	hoy_dns_granted done, void *userdata)
{
	uint64_t now = hoy_loop_now(grants->loop);
	struct call *call;

	ttl = MIN(ttl, MAX_TTL);
	if (is_in_force(grants, grant, now + ttl * SECOND_NS))
		return 1;
	call = calloc(1, sizeof *call);
	if (!call)
		return -ENOMEM;
	call->grant = *grant;
	call->grant.seconds = ttl + ttl / 4 + GRACE; /* so that hoy-net is not asked for every answer */
	call->grant.seq = ++grants->seq ? grants->seq : ++grants->seq;
	call->deadline = now + WAIT_NS;
	call->done = done;
	call->userdata = userdata;
	if (!grants->calls)
		hoy_source_set_timer(grants->timer, TICK_NS);
	call->next = grants->calls;
	grants->calls = call;
	send_call(grants, call);
	return 0;
}

void hoy_dns_grants_forget(struct hoy_dns_grants *grants, const void *userdata)
{
	for (struct call **link = &grants->calls; *link;) {
		struct call *call = *link;

		if (call->userdata == userdata) {
			*link = call->next;
			free(call);
		} else {
			link = &call->next;
		}
	}
}

int hoy_dns_grants_new(struct hoy_loop *loop, struct hoy_dns_grants **ret, struct hoy_err *err)
{
	struct hoy_dns_grants *grants = calloc(1, sizeof *grants);
	int r;

	if (!grants)
		return hoy_err_oom(err);
	grants->loop = loop;
	grants->sock = -EBADF;
	r = hoy_loop_timer(loop, &grants->timer, UINT64_MAX, on_tick, grants, err);
	if (r < 0)
		hoy_dns_grants_free(grants);
	else
		*ret = grants;
	return r;
}

void hoy_dns_grants_free(struct hoy_dns_grants *grants)
{
	if (!grants)
		return;
	disconnect(grants);
	grants->timer = hoy_source_free(grants->timer);
	for (struct call *call = grants->calls, *next; call; call = next) {
		next = call->next;
		free(call);
	}
	for (size_t i = 0; i < N_BUCKETS; i++)
		for (struct known *known = grants->buckets[i], *next; known; known = next) {
			next = known->next;
			free(known);
		}
	free(grants);
}
