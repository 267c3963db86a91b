/* A remote end that comes and goes. Messages are kept whole: after a lost connection the one in transit is sent again.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "shim/driver/driver.h"
#include "shim/driver/tls.h"

#define HOLD_LIMIT ((size_t) 256 << 10)
#define RETRY_MS 500
#define RETRY_MAX_MS 10000U

struct hoy_target {
	struct hoy_target_address address;
	int fd;
	struct hoy_tls *tls; /* NULL: without */
	bool connecting, shaking_hands;
	bool offered;      /* TLS has seen the rest of the first message: it must be this that comes next */
	uint64_t retry_at; /* ms, when there is no connection */
	unsigned int delay;
	struct hoy_buf waiting; /* messages, each behind its length as a uint32_t */
	size_t sent;            /* of the first one */
	bool lossy;
	size_t max_buffer;
};

/* --- addresses ---------------------------------------------------------------------------------------------------- */

void hoy_target_address_done(struct hoy_target_address *address)
{
	free(address->path);
	free(address->host);
	free(address->port);
	*address = (struct hoy_target_address){ 0 };
}

static int parse_host(const char *text, unsigned int default_port, struct hoy_target_address *to, struct hoy_err *err)
{
	const char *end = *text == '[' ? strchr(text, ']') : strrchr(text, ':');
	const char *colon = *text == '[' && end ? strchr(end, ':') : end;
	size_t skip = *text == '[' ? 1 : 0;
	unsigned int port = default_port;

	if (colon && (hoy_str_to_uint(colon + 1, &port) < 0 || port > 65535))
		return hoy_err_invalid(err, "port of '%s'", text);
	if (!port)
		return hoy_err_invalid(err, "'%s' names no port", text);
	to->host = strndup(text + skip, end ? (size_t) (end - text) - skip : strlen(text));
	to->port = hoy_str_printf("%u", port);
	if (!to->host || !to->port)
		return hoy_err_oom(err);
	return *to->host ? 0 : hoy_err_invalid(err, "'%s' names no host", text);
}

int hoy_target_parse(const char *text, unsigned int default_port, struct hoy_target_address *ret, struct hoy_err *err)
{
	static const struct {
		const char *prefix;
		int type;
		bool is_unix, tls;
	} schemes[] = {
		{ "tcp://", SOCK_STREAM, false, false },
		{ "udp://", SOCK_DGRAM, false, false },
		{ "tcp+tls://", SOCK_STREAM, false, true },
		{ "tls://", SOCK_STREAM, false, true },
		{ "unix://", SOCK_STREAM, true, false },
		{ "unixgram://", SOCK_DGRAM, true, false },
	};
	auto_(hoy_target_address_done) struct hoy_target_address address = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
		const char *rest = text + strlen(schemes[i].prefix);
		int r = 0;

		if (!hoy_str_starts(text, schemes[i].prefix))
			continue;
		address.type = schemes[i].type;
		address.tls = schemes[i].tls;
		if (!schemes[i].is_unix)
			r = parse_host(rest, default_port, &address, err);
		else if (*rest != '/' || strlen(rest) >= sizeof(((struct sockaddr_un *) 0)->sun_path))
			r = hoy_err_invalid(err, "socket path of '%s'", text);
		else if (!(address.path = strdup(rest)))
			r = hoy_err_oom(err);
		if (r < 0)
			return r;
		*ret = address;
		address = (struct hoy_target_address){ 0 };
		return 0;
	}
	return hoy_err_unsupported(
		err, "address '%s': only tcp, udp, tcp+tls, tls, unix and unixgram are supported", text);
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t) now.tv_sec * 1000 + (uint64_t) now.tv_nsec / 1000000;
}

/* Gone, or not there yet: later again. The message that was on its way is sent from its beginning. */
static void disconnect(struct hoy_target *target)
{
	if (target->tls)
		hoy_tls_disconnect(target->tls);
	hoy_fd_close(&target->fd);
	target->connecting = target->shaking_hands = target->offered = false;
	target->sent = 0;
	target->retry_at = now_ms() + target->delay;
	target->delay = MIN(target->delay * 2, RETRY_MAX_MS);
}

static int connect_unix(const char *path, int type)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void) strncpy(address.sun_path, path, sizeof address.sun_path - 1);
	if (fd >= 0 && connect(fd, (const struct sockaddr *) &address, sizeof address) < 0)
		hoy_fd_close(&fd);
	return fd;
}

static int connect_inet(const struct hoy_target_address *to)
{
	const struct addrinfo hints = { .ai_socktype = to->type };
	struct addrinfo *list = NULL;
	int fd = -EBADF;

	if (getaddrinfo(to->host, to->port, &hints, &list) != 0)
		return -EBADF;
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next) {
		fd = socket(at->ai_family, to->type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0 && connect(fd, at->ai_addr, at->ai_addrlen) < 0 && errno != EINPROGRESS)
			hoy_fd_close(&fd);
	}
	freeaddrinfo(list);
	return fd;
}

static void connect_now(struct hoy_target *target)
{
	const struct hoy_target_address *to = &target->address;

	target->fd = to->path ? connect_unix(to->path, to->type) : connect_inet(to);
	if (target->fd < 0)
		disconnect(target);
	else
		target->connecting = true; /* until it turns out writable */
}

static void finish_connecting(struct hoy_target *target)
{
	struct pollfd poll_fd = { .fd = target->fd, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;

	if (poll(&poll_fd, 1, 0) <= 0)
		return;
	if (getsockopt(target->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error) {
		disconnect(target);
		return;
	}
	target->connecting = false;
	if (!target->tls)
		target->delay = RETRY_MS;
	else if (hoy_tls_connect(target->tls, target->fd) < 0)
		disconnect(target);
	else
		target->shaking_hands = true;
}

static void shake_hands(struct hoy_target *target)
{
	struct hoy_err err = {};
	int r = hoy_tls_handshake(target->tls, &err);

	if (r == -EAGAIN)
		return;
	if (r < 0) {
		hoy_log_err(&err, "log driver");
		disconnect(target);
		return;
	}
	target->shaking_hands = false;
	target->delay = RETRY_MS;
}

/* --- sending ------------------------------------------------------------------------------------------------------ */

static size_t first_len(const struct hoy_target *target)
{
	uint32_t len;

	memcpy(&len, target->waiting.data, sizeof len);
	return len;
}

static void drop_first(struct hoy_target *target)
{
	hoy_buf_consume(&target->waiting, sizeof(uint32_t) + first_len(target));
	target->sent = 0;
	target->offered = false;
	if (!target->waiting.len)
		hoy_buf_done(&target->waiting);
}

/* Bytes taken, or -1 with errno. */
static ssize_t send_some(struct hoy_target *target, const char *data, size_t len)
{
	ssize_t n;

	if (!target->tls)
		return TEMP_FAILURE_RETRY(send(target->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT));
	target->offered = true;
	n = hoy_tls_send(target->tls, data, len);
	if (n >= 0)
		return n;
	errno = (int) -n;
	return -1;
}

/* False: not now. */
static bool send_first(struct hoy_target *target)
{
	const char *data = target->waiting.data + sizeof(uint32_t) + target->sent;
	size_t len = first_len(target) - target->sent;
	ssize_t n = send_some(target, data, len);

	if (n < 0 && errno == EAGAIN)
		return false;
	if (n < 0 && target->address.type == SOCK_DGRAM && errno == EMSGSIZE) {
		drop_first(target); /* it will never fit */
		return true;
	}
	if (n < 0) {
		disconnect(target);
		return false;
	}
	target->sent += (size_t) n;
	if (target->sent == first_len(target))
		drop_first(target);
	return true;
}

void hoy_target_work(struct hoy_target *target)
{
	if (target->fd < 0 && target->waiting.len && now_ms() >= target->retry_at)
		connect_now(target);
	if (target->fd >= 0 && target->connecting)
		finish_connecting(target);
	if (target->fd >= 0 && target->shaking_hands)
		shake_hands(target);
	else if (target->tls && target->fd >= 0 && !target->connecting && !hoy_tls_listen(target->tls))
		disconnect(target);
	while (target->fd >= 0 && !target->connecting && !target->shaking_hands && target->waiting.len &&
		send_first(target))
		;
}

void hoy_target_send(struct hoy_target *target, const void *data, size_t len)
{
	uint32_t length = (uint32_t) len;
	bool begun = target->sent || target->offered;

	/* not the one that is half sent: the other end would see its beginning alone */
	while (target->lossy && target->waiting.len && !begun && target->waiting.len + len > target->max_buffer)
		drop_first(target);
	if (target->lossy && begun && target->waiting.len + len > target->max_buffer)
		return;
	(void) hoy_buf_add(&target->waiting, &length, sizeof length);
	(void) hoy_buf_add(&target->waiting, data, len);
}

bool hoy_target_is_full(const struct hoy_target *target)
{
	return !target->lossy && target->waiting.len >= HOLD_LIMIT;
}

bool hoy_target_is_empty(const struct hoy_target *target)
{
	return !target->waiting.len;
}

int hoy_target_poll(const struct hoy_target *target, short *ret_events, int *ret_timeout)
{
	uint64_t now = now_ms();

	*ret_timeout = -1;
	*ret_events = 0;
	if (target->fd < 0 && target->waiting.len)
		*ret_timeout = target->retry_at > now ? (int) (target->retry_at - now) : 0;
	else if (target->fd >= 0 && target->tls && !target->connecting)
		*ret_events = (short) (target->shaking_hands ? hoy_tls_events(target->tls)
				       : target->waiting.len ? POLLIN | hoy_tls_events(target->tls)
							     : POLLIN);
	else if (target->fd >= 0 && (target->connecting || target->waiting.len))
		*ret_events = POLLOUT;
	return target->fd;
}

struct hoy_target *hoy_target_new(struct hoy_target_address *address, bool lossy, size_t max_buffer)
{
	struct hoy_target *target = calloc(1, sizeof *target);

	if (!target)
		return NULL;
	target->address = *address;
	*address = (struct hoy_target_address){ 0 };
	target->fd = -EBADF;
	target->delay = RETRY_MS;
	target->lossy = lossy;
	target->max_buffer = max_buffer;
	return target;
}

const struct hoy_target_address *hoy_target_to(const struct hoy_target *target)
{
	return &target->address;
}

void hoy_target_set_tls(struct hoy_target *target, struct hoy_tls *tls)
{
	target->tls = tls;
}

void hoy_target_free(struct hoy_target *target)
{
	if (!target)
		return;
	if (target->tls && !target->waiting.len)
		hoy_tls_end(target->tls);
	hoy_tls_free(target->tls);
	hoy_fd_close(&target->fd);
	hoy_buf_done(&target->waiting);
	hoy_target_address_done(&target->address);
	free(target);
}
