/* The connection to hoy-peer. */
#include "supervisor/network/peers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/network/program.h"

#define RETRY_NS UINT64_C(100000000)
#define MAX_BACKOFF 6U
#define MAX_FAILURES 3

struct parcel {
	struct parcel *next;
	size_t size;
	hoy_peers_replied replied; /* of a request */
	void *userdata;
	struct hoy_peer_message message;
};

struct hoy_peers {
	struct hoy_loop *loop;
	struct hoy_peers_owner owner;
	struct hoy_peer_hello hello;
	struct hoy_program *program;
	int sock; /* -EBADF: not connected */
	struct hoy_source *io, *retry;
	struct parcel *first, **last; /* to be sent */
	struct parcel *asked;         /* sent or not: they wait for an answer */
	uint32_t seq;
	unsigned int failures; /* connections lost since hoy-peer has said something */
	struct hoy_peer_message in;
};

/* --- sending -------------------------------------------------------------------- */

static void drop_first(struct hoy_peers *peers)
{
	struct parcel *first = peers->first;

	peers->first = first->next;
	if (!peers->first)
		peers->last = &peers->first;
	free(first);
}

static void disconnect(struct hoy_peers *peers)
{
	peers->io = hoy_source_free(peers->io);
	hoy_fd_close(&peers->sock);
	while (peers->first)
		drop_first(peers);
}

static void push(struct hoy_peers *peers)
{
	while (peers->first && hoy_fd_send(peers->sock, &peers->first->message, peers->first->size, NULL, 0) >= 0)
		drop_first(peers);
	(void) hoy_source_set_events(peers->io, peers->first ? EPOLLIN | EPOLLOUT : EPOLLIN, NULL);
}

static struct parcel *parcel_new(const struct hoy_peer_message *message)
{
	struct parcel *parcel = calloc(1, sizeof *parcel);

	if (!parcel)
		return NULL;
	parcel->size = hoy_peer_size(message->op);
	memcpy(&parcel->message, message, parcel->size);
	return parcel;
}

void hoy_peers_send(struct hoy_peers *peers, const struct hoy_peer_message *message)
{
	struct parcel *parcel = peers->sock >= 0 ? parcel_new(message) : NULL;

	if (!parcel) {
		if (peers->sock >= 0)
			hoy_log_error("hoy-peer: out of memory");
		return;
	}
	*peers->last = parcel;
	peers->last = &parcel->next;
	push(peers);
}

int hoy_peers_ask(struct hoy_peers *peers, const struct hoy_peer_message *message, hoy_peers_replied replied,
	void *userdata, struct hoy_err *err)
{
	struct parcel *parcel = parcel_new(message);

	if (!parcel)
		return hoy_err_oom(err);
	parcel->message.seq = ++peers->seq;
	parcel->replied = replied;
	parcel->userdata = userdata;
	parcel->next = peers->asked;
	peers->asked = parcel;
	hoy_peers_send(peers, &parcel->message);
	return 0;
}

/* --- what comes ---------------------------------------------------------------------- */

static void fail_asked(struct hoy_peers *peers, const struct hoy_err *err)
{
	struct parcel *asked = peers->asked;

	peers->asked = NULL;
	while (asked) {
		struct parcel *next = asked->next;

		asked->replied(asked->userdata, NULL, err);
		free(asked);
		asked = next;
	}
}

static void on_reply(struct hoy_peers *peers, const struct hoy_peer_message *message)
{
	struct parcel **link = &peers->asked, *parcel;
	struct hoy_err err = {};

	while (*link && (*link)->message.seq != message->seq)
		link = &(*link)->next;
	parcel = *link;
	if (!parcel || parcel->message.op != message->op)
		return;
	*link = parcel->next;
	if (message->err.errnum) {
		(void) hoy_err_import(&err, &message->err);
		parcel->replied(parcel->userdata, NULL, &err);
	} else {
		parcel->replied(parcel->userdata, message, NULL);
	}
	free(parcel);
}

/* What hoy-peer read elsewhere it has checked; here only that texts end, whatever became of it. */
static void terminate(struct hoy_peer_message *m)
{
	const size_t size = hoy_peer_size(m->op);

	if (size == hoy_peer_size(HOY_PEER_NETWORK)) {
		m->network.id[sizeof m->network.id - 1] = m->network.name[sizeof m->network.name - 1] = '\0';
		m->network.ip_range[sizeof m->network.ip_range - 1] = '\0';
		m->network.options[sizeof m->network.options - 1] = '\0';
		m->network.labels[sizeof m->network.labels - 1] = '\0';
	} else if (size == hoy_peer_size(HOY_PEER_MEMBER)) {
		m->member.network[sizeof m->member.network - 1] = '\0';
		m->member.endpoint[sizeof m->member.endpoint - 1] = '\0';
		m->member.names[sizeof m->member.names - 1] = '\0';
	}
}

static void on_message(struct hoy_peers *peers, struct hoy_peer_message *message)
{
	terminate(message);
	switch (message->op) {
	case HOY_PEER_HELLO:
		if (message->hello.version == HOY_PEER_VERSION) {
			peers->failures = 0;
			break;
		}
		hoy_log_warn("hoy-peer speaks version %u: another is started", message->hello.version);
		hoy_peers_send(peers, &(struct hoy_peer_message){ .op = HOY_PEER_QUIT });
		break;
	case HOY_PEER_CREATE:
	case HOY_PEER_REMOVE:
	case HOY_PEER_LEASE:
		on_reply(peers, message);
		break;
	default:
		peers->owner.told(peers->owner.userdata, message);
		break;
	}
}

static void lost(struct hoy_peers *peers)
{
	struct hoy_err err = {};

	disconnect(peers);
	peers->failures++;
	if (peers->failures >= MAX_FAILURES) {
		(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECONNRESET, "hoy-peer ended unexpectedly, see '%s'",
			hoy_program_log(peers->program));
		fail_asked(peers, &err);
	}
	hoy_source_set_timer(peers->retry, peers->failures > 1 ? RETRY_NS << MIN(peers->failures, MAX_BACKOFF) : 0);
}

static void on_io(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_peers *peers = userdata;
	ssize_t n;

	(void) source;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		memset(&peers->in, 0, sizeof peers->in);
		n = hoy_fd_recv(peers->sock, &peers->in, sizeof peers->in, NULL, NULL);
		if (n == 0 || (n < 0 && n != -EAGAIN)) {
			lost(peers);
			return;
		}
		if (n >= (ssize_t) offsetof(struct hoy_peer_message, hello) &&
			(size_t) n == hoy_peer_size(peers->in.op))
			on_message(peers, &peers->in);
	}
	if (peers->sock >= 0)
		push(peers);
}

/* --- connecting -------------------------------------------------------------------------- */

static int try_connect(struct hoy_peers *peers, struct hoy_err *err)
{
	struct hoy_peer_message hello = { .op = HOY_PEER_HELLO, .hello = peers->hello };
	int r;

	peers->sock = hoy_program_connect(peers->program, err);
	if (peers->sock < 0)
		return peers->sock;
	r = hoy_loop_io(peers->loop, &peers->io, peers->sock, EPOLLIN, on_io, peers, err);
	if (r < 0) {
		disconnect(peers);
		return r;
	}
	hoy_peers_send(peers, &hello);
	peers->owner.tell_all(peers->owner.userdata);
	hoy_peers_send(peers, &(struct hoy_peer_message){ .op = HOY_PEER_SYNC_END });
	for (const struct parcel *asked = peers->asked; asked; asked = asked->next)
		hoy_peers_send(peers, &asked->message);
	return 0;
}

void hoy_peers_start(struct hoy_peers *peers)
{
	struct hoy_err err = {};

	if (peers->sock >= 0 || try_connect(peers, &err) >= 0)
		return;
	hoy_log_err(&err, "start hoy-peer");
	peers->failures++;
	fail_asked(peers, &err);
	hoy_source_set_timer(peers->retry, RETRY_NS << MIN(peers->failures, MAX_BACKOFF));
}

static void on_retry(struct hoy_source *source, void *userdata)
{
	(void) source;
	hoy_peers_start(userdata);
}

int hoy_peers_new(struct hoy_loop *loop, const char *exec_root, const struct hoy_peer_hello *hello,
	const struct hoy_peers_owner *owner, struct hoy_peers **ret, struct hoy_err *err)
{
	struct hoy_peers *peers = calloc(1, sizeof *peers);
	const struct hoy_program_start start = {
		.name = "hoy-peer", .exec_root = exec_root, .cgroup_fd = owner->cgroup_fd
	};
	int r;

	if (!peers)
		return hoy_err_oom(err);
	peers->loop = loop;
	peers->owner = *owner;
	peers->hello = *hello;
	peers->hello.version = HOY_PEER_VERSION;
	peers->sock = -EBADF;
	peers->last = &peers->first;
	r = hoy_program_new(loop, &start, &peers->program, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &peers->retry, UINT64_MAX, on_retry, peers, err);
	if (r < 0) {
		hoy_peers_free(peers);
		return r;
	}
	*ret = peers;
	return 0;
}

void hoy_peers_free(struct hoy_peers *peers)
{
	if (!peers)
		return;
	disconnect(peers);
	while (peers->asked) {
		struct parcel *asked = peers->asked;

		peers->asked = asked->next;
		free(asked);
	}
	peers->retry = hoy_source_free(peers->retry);
	hoy_program_free(peers->program);
	free(peers);
}

void hoy_peers_quit(struct hoy_peers *peers)
{
	if (peers->sock < 0)
		return;
	hoy_peers_send(peers, &(struct hoy_peer_message){ .op = HOY_PEER_QUIT });
	hoy_program_gone(peers->program);
}
