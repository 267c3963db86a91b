/* The connection to hoy-dns. */
#include "supervisor/network/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/network/program.h"
#include "supervisor/worker/dns/proto.h"

#define RETRY_NS UINT64_C(100000000)
#define MAX_BACKOFF 6U

struct message {
	struct message *next;
	int fds[HOY_DNS_N_FDS];
	size_t n_fds;
	size_t size;
	struct hoy_dns_message head;
};

struct hoy_names {
	struct hoy_loop *loop;
	struct hoy_names_owner owner;
	struct hoy_program *program;
	int sock; /* -EBADF: not connected */
	struct hoy_source *io;
	struct hoy_source *retry;
	struct message *first, **last; /* to be sent */
	uint32_t version;              /* of the last snapshot */
	unsigned int failures;
};

static void on_io(struct hoy_source *source, uint32_t events, void *userdata);

/* --- sending -------------------------------------------------------------------- */

static void message_free(struct message *message)
{
	for (size_t i = 0; i < message->n_fds; i++)
		hoy_fd_close(&message->fds[i]);
	free(message);
}

static void drop_first(struct hoy_names *names)
{
	struct message *first = names->first;

	names->first = first->next;
	if (!names->first)
		names->last = &names->first;
	message_free(first);
}

static void disconnect(struct hoy_names *names)
{
	names->io = hoy_source_free(names->io);
	hoy_fd_close(&names->sock);
	while (names->first)
		drop_first(names);
}

/* What the socket takes. A broken connection shows on the reading side. */
static void push(struct hoy_names *names)
{
	while (names->first) {
		const struct message *first = names->first;

		if (hoy_fd_send(names->sock, &first->head, first->size, first->fds, first->n_fds) < 0)
			break;
		drop_first(names);
	}
	(void) hoy_source_set_events(names->io, names->first ? EPOLLIN | EPOLLOUT : EPOLLIN, NULL);
}

/* Takes the descriptors. Without memory hoy-dns is behind until the next message of the kind. */
static void queue(struct hoy_names *names, enum hoy_dns_op op, const char *id, const char *text, size_t len, bool more,
	int *fds, size_t n_fds)
{
	struct message *message = calloc(1, sizeof *message + len);

	for (size_t i = 0; i < n_fds; i++) {
		if (message)
			message->fds[message->n_fds++] = TAKE_FD(fds[i]);
		else
			hoy_fd_close(&fds[i]);
	}
	if (!message) {
		hoy_log_error("hoy-dns: out of memory");
		return;
	}
	message->head.op = op;
	message->head.version = op == HOY_DNS_HELLO ? HOY_DNS_VERSION : names->version;
	message->head.more = more;
	(void) snprintf(message->head.id, sizeof message->head.id, "%s", id);
	memcpy(message->head.text, text, len);
	message->size = HOY_DNS_HEAD + len;
	*names->last = message;
	names->last = &message->next;
}

/* --- connecting ------------------------------------------------------------------- */

static void retry_later(struct hoy_names *names)
{
	names->failures++;
	if (names->owner.wanted(names->owner.userdata))
		hoy_source_set_timer(names->retry, RETRY_NS << MIN(names->failures, MAX_BACKOFF));
}

static void lost(struct hoy_names *names)
{
	disconnect(names);
	retry_later(names);
}

static void on_message(struct hoy_names *names, const struct hoy_dns_message *message)
{
	if (message->op == HOY_DNS_NEED && memchr(message->id, '\0', sizeof message->id)) {
		names->owner.need(names->owner.userdata, message->id);
	} else if (message->op == HOY_DNS_HELLO && message->version != HOY_DNS_VERSION) {
		hoy_log_warn("hoy-dns speaks version %u: another is started", message->version);
		queue(names, HOY_DNS_QUIT, "", "", 0, false, NULL, 0);
	} else {
		names->failures = 0;
	}
}

static void on_io(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_names *names = userdata;
	struct hoy_dns_message message;
	ssize_t n;

	(void) source;
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		n = hoy_fd_recv(names->sock, &message, HOY_DNS_HEAD, NULL, NULL);
		if (n == 0 || (n < 0 && n != -EAGAIN)) {
			lost(names);
			return;
		}
		if (n == (ssize_t) HOY_DNS_HEAD)
			on_message(names, &message);
	}
	if (names->sock >= 0)
		push(names);
}

static int try_connect(struct hoy_names *names, struct hoy_err *err)
{
	int r;

	names->sock = hoy_program_connect(names->program, err);
	if (names->sock < 0)
		return names->sock;
	r = hoy_loop_io(names->loop, &names->io, names->sock, EPOLLIN, on_io, names, err);
	if (r < 0) {
		disconnect(names);
		return r;
	}
	queue(names, HOY_DNS_HELLO, "", "", 0, false, NULL, 0);
	names->owner.tell_all(names->owner.userdata);
	queue(names, HOY_DNS_SYNC_END, "", "", 0, false, NULL, 0);
	push(names);
	return 0;
}

void hoy_names_start(struct hoy_names *names)
{
	struct hoy_err err = {};

	if (names->sock >= 0 || try_connect(names, &err) >= 0)
		return;
	hoy_log_err(&err, "start hoy-dns");
	retry_later(names);
}

static void on_retry(struct hoy_source *source, void *userdata)
{
	struct hoy_names *names = userdata;

	(void) source;
	if (names->owner.wanted(names->owner.userdata))
		hoy_names_start(names);
}

/* --- for the room ------------------------------------------------------------------- */

int hoy_names_new(struct hoy_loop *loop, const char *exec_root, const struct hoy_names_owner *owner,
	struct hoy_names **ret, struct hoy_err *err)
{
	struct hoy_names *names = calloc(1, sizeof *names);
	const struct hoy_program_start start = {
		.name = "hoy-dns", .exec_root = exec_root, .cgroup_fd = owner->cgroup_fd
	};
	int r;

	if (!names)
		return hoy_err_oom(err);
	names->loop = loop;
	names->owner = *owner;
	names->sock = -EBADF;
	names->last = &names->first;
	r = hoy_program_new(loop, &start, &names->program, err);
	if (r >= 0)
		r = hoy_loop_timer(loop, &names->retry, UINT64_MAX, on_retry, names, err);
	if (r < 0) {
		hoy_names_free(names);
		return r;
	}
	*ret = names;
	return 0;
}

void hoy_names_free(struct hoy_names *names)
{
	if (!names)
		return;
	disconnect(names);
	names->retry = hoy_source_free(names->retry);
	hoy_program_free(names->program);
	free(names);
}

void hoy_names_quit(struct hoy_names *names)
{
	if (names->sock < 0)
		return;
	queue(names, HOY_DNS_QUIT, "", "", 0, false, NULL, 0);
	push(names);
	hoy_program_gone(names->program);
}

void hoy_names_network(struct hoy_names *names, const char *id, const struct hoy_buf *text)
{
	size_t at = 0;

	if (names->sock < 0)
		return;
	names->version++;
	do {
		size_t len = MIN(text->len - at, (size_t) HOY_DNS_TEXT_MAX);

		queue(names, HOY_DNS_NETWORK, id, text->data + at, len, at + len < text->len, NULL, 0);
		at += len;
	} while (at < text->len);
	push(names);
}

void hoy_names_network_gone(struct hoy_names *names, const char *id)
{
	if (names->sock < 0)
		return;
	queue(names, HOY_DNS_NETWORK_GONE, id, "", 0, false, NULL, 0);
	push(names);
}

void hoy_names_container(struct hoy_names *names, const char *id, const struct hoy_buf *text, int *fds, size_t n_fds)
{
	hoy_names_start(names);
	if (names->sock < 0) { /* it will be asked for again */
		for (size_t i = 0; i < n_fds; i++)
			hoy_fd_close(&fds[i]);
		return;
	}
	queue(names, HOY_DNS_CONTAINER, id, text->data, MIN(text->len, (size_t) HOY_DNS_TEXT_MAX), false, fds, n_fds);
	push(names);
}

void hoy_names_grantor(struct hoy_names *names, int sock)
{
	queue(names, HOY_DNS_GRANTOR, "", "", 0, false, &sock, 1);
	push(names);
}

bool hoy_names_is_connected(const struct hoy_names *names)
{
	return names->sock >= 0;
}

void hoy_names_container_gone(struct hoy_names *names, const char *id)
{
	if (names->sock < 0)
		return;
	queue(names, HOY_DNS_CONTAINER_GONE, id, "", 0, false, NULL, 0);
	push(names);
}
