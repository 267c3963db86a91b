/* Requests on the attach socket: one packet, one descriptor, one answer. */
#include "shim/attach.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "shim/protocol.h"

#define MAX_CONNECTIONS 64
#define DEFAULT_DETACH_KEYS "ctrl-p,ctrl-q"

struct connection {
	struct connection *next;
	struct hoy_attach *attach;
	int fd;
	struct hoy_source *source;
};

struct hoy_attach {
	struct hoy_loop *loop;
	char *path;
	int fd;
	struct hoy_source *source;
	struct connection *connections;
	size_t n_connections;
	hoy_attach_handler handler;
	void *userdata;
};

static void connection_free(struct connection *connection)
{
	struct hoy_attach *attach = connection->attach;

	for (struct connection **at = &attach->connections; *at; at = &(*at)->next)
		if (*at == connection) {
			*at = connection->next;
			attach->n_connections--;
			break;
		}
	hoy_source_free(connection->source);
	hoy_fd_close(&connection->fd);
	free(connection);
}

static bool get_bool(const struct hoy_json *doc, const char *key)
{
	const struct hoy_json *value = hoy_json_get(doc, key);

	return value && hoy_json_type(value) == HOY_JSON_BOOL && hoy_json_bool(value);
}

static const char *get_string(const struct hoy_json *doc, const char *key)
{
	const struct hoy_json *value = hoy_json_get(doc, key);
	const char *text = value ? hoy_json_string(value) : NULL;

	return text ? text : "";
}

/* Takes `stream`. */
static int handle_packet(struct hoy_attach *attach, const char *packet, size_t len, int stream, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_fd int fd = stream;
	const char *nul = memchr(packet, '\0', len);
	size_t json_len = nul ? (size_t) (nul - packet) : len;
	struct hoy_attach_request request;
	int r;

	if (fd < 0)
		return hoy_err_invalid(err, "attach without a stream");
	r = hoy_json_parse(packet, json_len, /* limits= */ NULL, &doc, err);
	if (r < 0)
		return r;
	if (hoy_json_type(doc) != HOY_JSON_OBJECT)
		return hoy_err_invalid(err, "the attach request is no object");
	request = (struct hoy_attach_request){
		.id = get_string(doc, "id"),
		.exec_id = get_string(doc, "exec_id"),
		.stdin_ = get_bool(doc, "stdin"),
		.stdout_ = get_bool(doc, "stdout"),
		.stderr_ = get_bool(doc, "stderr"),
		.framed = get_bool(doc, "framed"),
		.detach_keys = get_string(doc, "detach_keys"),
		.input = nul ? nul + 1 : NULL,
		.input_len = nul ? len - json_len - 1 : 0,
	};
	if (!*request.detach_keys)
		request.detach_keys = DEFAULT_DETACH_KEYS;
	return attach->handler(attach->userdata, &request, TAKE_FD(fd), err);
}

static void answer(int fd, int result, const struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };

	hoy_json_object(&w, NULL);
	if (result < 0)
		hoy_json_add_string(&w, "error", hoy_err_str(err));
	else
		hoy_json_add_bool(&w, "ok", true);
	hoy_json_end(&w);
	if (hoy_buf_check(&text, "answer", NULL) == 0)
		(void) send(fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void on_packet(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct connection *connection = userdata;
	auto_free char *packet = malloc(HOY_SHIM_ATTACH_MAX);
	struct hoy_err err = {};
	int stream = -EBADF;
	size_t n_fds = 1;
	ssize_t n;
	int r;

	(void) source;
	(void) events;
	n = packet ? hoy_fd_recv(connection->fd, packet, HOY_SHIM_ATTACH_MAX, &stream, &n_fds) : -ENOMEM;
	if (n > 0) {
		if (n == HOY_SHIM_ATTACH_MAX) {
			hoy_fd_close(&stream);
			r = hoy_err_invalid(&err, "the attach request is too long");
		} else {
			r = handle_packet(connection->attach, packet, (size_t) n, n_fds ? stream : -EBADF, &err);
		}
		answer(connection->fd, r, &err);
	}
	connection_free(connection);
}

static bool is_ours(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 && cred.uid == geteuid();
}

static void on_connect(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_attach *attach = userdata;
	struct connection *connection;
	auto_fd int fd = -EBADF;

	(void) source;
	(void) events;
	fd = accept4(attach->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 || attach->n_connections >= MAX_CONNECTIONS || !is_ours(fd))
		return;
	connection = calloc(1, sizeof *connection);
	if (!connection)
		return;
	connection->attach = attach;
	connection->fd = TAKE_FD(fd);
	connection->next = attach->connections;
	attach->connections = connection;
	attach->n_connections++;
	if (hoy_loop_io(attach->loop, &connection->source, connection->fd, EPOLLIN, on_packet, connection, NULL) < 0)
		connection_free(connection);
}

int hoy_attach_new(struct hoy_loop *loop, const char *bundle, hoy_attach_handler handler, void *userdata,
	struct hoy_attach **ret, struct hoy_err *err)
{
	struct hoy_attach *attach = calloc(1, sizeof *attach);
	int r = 0;

	if (!attach)
		return hoy_err_oom(err);
	*attach = (struct hoy_attach){ .loop = loop, .fd = -EBADF, .handler = handler, .userdata = userdata };
	attach->path = hoy_path_join(bundle, HOY_SHIM_ATTACH_SOCKET);
	if (!attach->path)
		r = hoy_err_oom(err);
	if (r >= 0) {
		(void) unlink(attach->path); /* of a shim that was killed */
		attach->fd = r = hoy_fd_unix_listen(attach->path, SOCK_SEQPACKET | SOCK_NONBLOCK, 0600, err);
	}
	if (r >= 0)
		r = hoy_loop_io(loop, &attach->source, attach->fd, EPOLLIN, on_connect, attach, err);
	if (r < 0) {
		hoy_attach_free(attach);
		return r;
	}
	*ret = attach;
	return 0;
}

void hoy_attach_free(struct hoy_attach *attach)
{
	if (!attach)
		return;
	while (attach->connections)
		connection_free(attach->connections);
	hoy_source_free(attach->source);
	if (attach->fd >= 0)
		(void) unlink(attach->path);
	hoy_fd_close(&attach->fd);
	free(attach->path);
	free(attach);
}
