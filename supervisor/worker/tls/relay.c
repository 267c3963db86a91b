#include "supervisor/worker/tls/relay.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/fd.h"

#define PIECE 32768

struct pipe {
	char data[PIECE];
	size_t from, to;
};

struct relay {
	SSL *ssl;
	int net, plain;
	struct pipe up, down; /* to the plain end, to the net */
	bool net_ended, plain_ended;
	bool plain_told, net_told; /* of the other's end */
	short net_wants, plain_wants;
	bool moved;
};

static bool is_empty(const struct pipe *pipe)
{
	return pipe->from == pipe->to;
}

/* What SSL_read() or SSL_write() waits for; < 0: it is over with the connection. */
static int wait_for_net(struct relay *r, int result)
{
	switch (SSL_get_error(r->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		r->net_wants |= POLLIN;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		r->net_wants |= POLLOUT;
		return 0;
	default:
		return -ECONNRESET;
	}
}

static int read_net(struct relay *r)
{
	int n;

	if (r->net_ended || !is_empty(&r->up))
		return 0;
	ERR_clear_error();
	n = SSL_read(r->ssl, r->up.data, PIECE);
	if (n > 0) {
		r->up.from = 0;
		r->up.to = (size_t) n;
		r->moved = true;
		return 0;
	}
	if (SSL_get_error(r->ssl, n) != SSL_ERROR_ZERO_RETURN)
		return wait_for_net(r, n);
	r->net_ended = r->moved = true;
	return 0;
}

static int write_plain(struct relay *r)
{
	while (!is_empty(&r->up)) {
		ssize_t n = send(r->plain, r->up.data + r->up.from, r->up.to - r->up.from, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			r->plain_wants |= POLLOUT;
			return 0;
		}
		if (n < 0 && (errno == EPIPE || errno == ECONNRESET)) { /* it may still have something to say */
			r->up.from = r->up.to = 0;
			r->net_ended = r->plain_told = true;
			return 0;
		}
		if (n < 0)
			return -errno;
		r->up.from += (size_t) n;
		r->moved = true;
	}
	if (r->net_ended && !r->plain_told) {
		(void) shutdown(r->plain, SHUT_WR);
		r->plain_told = true;
	}
	return 0;
}

static int read_plain(struct relay *r)
{
	ssize_t n;

	if (r->plain_ended || !is_empty(&r->down))
		return 0;
	n = TEMP_FAILURE_RETRY(recv(r->plain, r->down.data, PIECE, 0));
	if (n < 0 && errno == EAGAIN) {
		r->plain_wants |= POLLIN;
		return 0;
	}
	r->moved = true;
	if (n <= 0) {
		r->plain_ended = true;
		return 0;
	}
	r->down.from = 0;
	r->down.to = (size_t) n;
	return 0;
}

static int write_net(struct relay *r)
{
	while (!is_empty(&r->down)) {
		int n;

		ERR_clear_error();
		n = SSL_write(r->ssl, r->down.data + r->down.from, (int) (r->down.to - r->down.from));
		if (n <= 0)
			return wait_for_net(r, n);
		r->down.from += (size_t) n;
		r->moved = true;
	}
	if (r->plain_ended && !r->net_told) {
		(void) SSL_shutdown(r->ssl);
		r->net_told = true;
	}
	return 0;
}

static bool is_over(const struct relay *r, bool ends_with_plain)
{
	return r->plain_ended && r->net_told && (ends_with_plain || r->net_ended);
}

int hoy_tls_relay(SSL *ssl, int net, int plain, bool ends_with_plain, struct hoy_err *err)
{
	static struct relay relay; /* 64 KiB: not on the stack */
	struct relay *r = &relay;
	int k = hoy_fd_set_nonblocking(net, true);

	r->ssl = ssl;
	r->net = net;
	r->plain = plain;
	SSL_set_mode(ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	if (k >= 0)
		k = hoy_fd_set_nonblocking(plain, true);
	while (k >= 0 && !is_over(r, ends_with_plain)) {
		struct pollfd fds[2];

		r->net_wants = r->plain_wants = 0;
		r->moved = false;
		k = read_net(r);
		if (k >= 0)
			k = write_plain(r);
		if (k >= 0)
			k = read_plain(r);
		if (k >= 0)
			k = write_net(r);
		if (k < 0 || r->moved)
			continue;
		fds[0] = (struct pollfd){ .fd = r->net_wants ? net : -1, .events = r->net_wants };
		fds[1] = (struct pollfd){ .fd = r->plain_wants ? plain : -1, .events = r->plain_wants };
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			k = -errno;
	}
	return k < 0 ? hoy_err_code(err, k, "relay") : 0;
}
