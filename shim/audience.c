/* Attached clients of one process. */
#include "shim/audience.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/loop.h"
#include "base/detach_keys.h"
#include "shim/inlet.h"

#define UNSENT_LIMIT ((size_t) 64 << 10)
#define INPUT_SIZE 4096
#define FRAME_HEADER 8
#define STALL_NS ((uint64_t) 60 * 1000000000)

struct client {
	struct client *next;
	struct hoy_audience *audience;
	int fd;
	struct hoy_source *source, *stall;
	bool stdin_, stdout_, stderr_, framed;
	bool ending; /* closed when everything is sent */
	struct hoy_detach_keys keys;
	struct hoy_buf unsent;
};

struct hoy_audience {
	struct hoy_loop *loop;
	struct client *clients;
	struct hoy_inlet *inlet;
	bool once, ended, orphan;
	size_t max_buffer; /* 0: clients hold up the output, else they lose it */
	hoy_audience_ready ready;
	void *userdata;
	size_t *lingering;
};

static void audience_destroy(struct hoy_audience *audience)
{
	if (audience->orphan)
		(*audience->lingering)--;
	free(audience);
}

static void client_free(struct client *client)
{
	hoy_source_free(client->source);
	hoy_source_free(client->stall);
	hoy_fd_close(&client->fd);
	hoy_buf_done(&client->unsent);
	free(client);
}

/* Ends the client and whatever waits for it. The audience may be gone afterwards. */
static void drop(struct client *client)
{
	struct hoy_audience *audience = client->audience;
	bool was_full = hoy_audience_is_full(audience);

	for (struct client **at = &audience->clients; *at; at = &(*at)->next)
		if (*at == client) {
			*at = client->next;
			break;
		}
	client_free(client);
	if (audience->orphan) {
		if (!audience->clients)
			audience_destroy(audience);
	} else if (was_full && !hoy_audience_is_full(audience)) {
		audience->ready(audience->userdata);
	}
}

static void watch(struct client *client)
{
	/* Edges for the far end's half close, so that one that only listens doesn't wake us for ever. */
	uint32_t events = EPOLLRDHUP | EPOLLET;

	if (client->stdin_ && client->audience->inlet && !hoy_inlet_is_full(client->audience->inlet))
		events = EPOLLIN;
	if (client->unsent.len)
		events = (events & ~(uint32_t) EPOLLET) == EPOLLIN ? EPOLLIN | EPOLLOUT : EPOLLOUT;
	(void) hoy_source_set_events(client->source, events, NULL);
}

/* 0, or -errno when the client is gone. */
static int flush(struct client *client)
{
	while (client->unsent.len) {
		ssize_t n = send(client->fd, client->unsent.data, client->unsent.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0)
			return -errno;
		hoy_buf_consume(&client->unsent, (size_t) n);
		hoy_source_set_timer(client->stall, STALL_NS);
	}
	hoy_buf_done(&client->unsent);
	hoy_source_set_timer(client->stall, UINT64_MAX);
	return 0;
}

static void end_input(struct client *client)
{
	struct hoy_audience *audience = client->audience;

	client->stdin_ = false;
	if (audience->inlet && audience->once)
		hoy_inlet_close(audience->inlet);
}

/* False: the client detached and is gone. */
static bool take_input(struct client *client, const char *data, size_t len)
{
	struct hoy_inlet *inlet = client->audience->inlet;
	auto_(hoy_buf_done) struct hoy_buf out = {};
	bool detach;

	if (!client->keys.n) {
		if (inlet)
			hoy_inlet_write(inlet, data, len);
		return true;
	}
	detach = hoy_detach_keys_filter(&client->keys, data, len, &out);
	if (inlet && out.len)
		hoy_inlet_write(inlet, out.data, out.len);
	if (!detach)
		return true;
	drop(client);
	return false;
}

/* False: the client is gone. */
static bool read_input(struct client *client)
{
	char data[INPUT_SIZE];
	ssize_t n = recv(client->fd, data, sizeof data, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0)
		return take_input(client, data, (size_t) n);
	end_input(client);
	return true;
}

static void on_client(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct client *client = userdata;
	struct hoy_audience *audience = client->audience;
	bool was_full = hoy_audience_is_full(audience);

	(void) source;
	if ((events & EPOLLIN) && client->stdin_) {
		if (!read_input(client))
			return;
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		if (client->stdin_)
			end_input(client);
		drop(client);
		return;
	}
	if (flush(client) < 0 || (client->ending && !client->unsent.len)) {
		drop(client);
		return;
	}
	watch(client);
	if (was_full && !audience->orphan && !hoy_audience_is_full(audience))
		audience->ready(audience->userdata);
}

static void on_stalled(struct hoy_source *source, void *userdata)
{
	(void) source;
	drop(userdata);
}

int hoy_audience_new(struct hoy_loop *loop, hoy_audience_ready ready, void *userdata, size_t *lingering,
	struct hoy_audience **ret, struct hoy_err *err)
{
	struct hoy_audience *audience = calloc(1, sizeof *audience);

	if (!audience)
		return hoy_err_oom(err);
	audience->loop = loop;
	audience->ready = ready;
	audience->userdata = userdata;
	audience->lingering = lingering;
	*ret = audience;
	return 0;
}

void hoy_audience_free(struct hoy_audience *audience)
{
	if (!audience)
		return;
	hoy_audience_end(audience);
	audience->inlet = NULL;
	audience->orphan = true;
	(*audience->lingering)++;
	if (!audience->clients)
		audience_destroy(audience);
}

void hoy_audience_set_inlet(struct hoy_audience *audience, struct hoy_inlet *inlet, bool once)
{
	audience->inlet = inlet;
	audience->once = once;
}

void hoy_audience_inlet_ready(struct hoy_audience *audience)
{
	for (struct client *client = audience->clients; client; client = client->next)
		watch(client);
}

static int client_new(struct hoy_audience *audience, int fd, const struct hoy_audience_client *how, struct client **ret,
	struct hoy_err *err)
{
	struct client *client = calloc(1, sizeof *client);
	int r = 0;

	if (!client) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	client->audience = audience;
	client->fd = fd;
	client->stdin_ = how->stdin_;
	client->stdout_ = how->stdout_;
	client->stderr_ = how->stderr_;
	client->framed = how->framed;
	if (how->detach_keys)
		r = hoy_detach_keys_parse(how->detach_keys, &client->keys, err);
	if (r >= 0)
		r = hoy_loop_timer(audience->loop, &client->stall, UINT64_MAX, on_stalled, client, err);
	if (r >= 0)
		r = hoy_loop_io(audience->loop, &client->source, fd, EPOLLIN, on_client, client, err);
	if (r < 0) {
		client_free(client);
		return r;
	}
	*ret = client;
	return 0;
}

int hoy_audience_add(struct hoy_audience *audience, int fd, const struct hoy_audience_client *how, const char *input,
	size_t input_len, struct hoy_err *err)
{
	struct client *client = NULL;
	int r = client_new(audience, fd, how, &client, err);

	if (r < 0)
		return r;
	client->next = audience->clients;
	audience->clients = client;
	if (input_len && client->stdin_ && !take_input(client, input, input_len))
		return 0;
	watch(client);
	return 0;
}

static void keep(struct client *client, const void *data, size_t len)
{
	if (!client->unsent.len && len)
		hoy_source_set_timer(client->stall, STALL_NS);
	(void) hoy_buf_add(&client->unsent, data, len);
}

static void send_to(struct client *client, enum hoy_output output, const char *data, size_t len)
{
	uint8_t header[FRAME_HEADER] = { (uint8_t) output };
	uint32_t be_len = htobe32((uint32_t) len);
	size_t header_len = client->framed ? FRAME_HEADER : 0, sent = 0;
	struct iovec iov[2] = { { header, header_len }, { (void *) data, len } };
	const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

	memcpy(header + 4, &be_len, sizeof be_len);
	if (!client->unsent.len) {
		ssize_t n = sendmsg(client->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		sent = n > 0 ? (size_t) n : 0; /* an error is met again by the next flush, which drops the client */
	}
	if (sent == header_len + len)
		return;
	if (sent < header_len)
		keep(client, header + sent, header_len - sent);
	sent -= MIN(sent, header_len);
	keep(client, data + sent, len - sent);
	watch(client);
}

void hoy_audience_set_lossy(struct hoy_audience *audience, size_t max_buffer)
{
	audience->max_buffer = max_buffer;
}

static bool loses(const struct client *client)
{
	return client->audience->max_buffer && client->unsent.len >= client->audience->max_buffer;
}

void hoy_audience_send(struct hoy_audience *audience, enum hoy_output output, const char *data, size_t len)
{
	for (struct client *client = audience->clients; client; client = client->next)
		if ((output == HOY_OUTPUT_STDOUT ? client->stdout_ : client->stderr_) && !loses(client))
			send_to(client, output, data, len);
}

bool hoy_audience_is_full(const struct hoy_audience *audience)
{
	if (audience->max_buffer)
		return false;
	for (const struct client *client = audience->clients; client; client = client->next)
		if (client->unsent.len >= UNSENT_LIMIT)
			return true;
	return false;
}

void hoy_audience_end(struct hoy_audience *audience)
{
	if (audience->ended)
		return;
	audience->ended = true;
	for (struct client *client = audience->clients, *next; client; client = next) {
		next = client->next;
		client->ending = true;
		client->stdin_ = false;
		if (client->unsent.len) {
			watch(client);
			continue;
		}
		drop(client);
	}
}
