/* Connection of ttrpc client and server: non-blocking reads and writes around the framing. */
#include "base/ttrpc/conn_internal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/loop.h"

#define READ_SIZE 4096
#define MAX_UNSENT ((size_t) 16 << 20) /* what a peer that does not read may keep us from sending */

static void end(struct hoy_ttrpc_conn *conn)
{
	if (conn->ended)
		return;
	conn->ended = true;
	conn->on_end(conn->userdata);
}

/* 0, or -errno when the connection is broken. */
static int flush(struct hoy_ttrpc_conn *conn)
{
	while (conn->out.len) {
		ssize_t n = send(conn->fd, conn->out.data, conn->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return hoy_source_set_events(conn->source, EPOLLIN | EPOLLOUT, NULL);
		if (n < 0)
			return -errno;
		hoy_buf_consume(&conn->out, (size_t) n);
	}
	hoy_buf_done(&conn->out);
	return hoy_source_set_events(conn->source, EPOLLIN, NULL);
}

/* False when the connection is gone. */
static bool take_frames(struct hoy_ttrpc_conn *conn, const uint8_t *data, size_t len)
{
	struct hoy_ttrpc_frame frame;
	bool gone = false;
	int r;

	conn->gone = &gone;
	while ((r = hoy_ttrpc_reader_next(&conn->reader, &data, &len, &frame)) > 0) {
		conn->on_frame(&frame, conn->userdata);
		if (gone)
			return false;
	}
	conn->gone = NULL;
	if (r < 0)
		end(conn);
	return r == 0;
}

static void on_ready(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_ttrpc_conn *conn = userdata;
	uint8_t data[READ_SIZE];
	ssize_t n;

	(void) source;
	if ((events & EPOLLOUT) && flush(conn) < 0) {
		end(conn);
		return;
	}
	if ((events & EPOLLOUT) && !conn->out.len && conn->on_clear)
		conn->on_clear(conn->userdata);
	if (!(events & ~(uint32_t) EPOLLOUT))
		return;
	n = recv(conn->fd, data, sizeof data, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end(conn);
		return;
	}
	(void) take_frames(conn, data, (size_t) n);
}

int hoy_ttrpc_conn_open(struct hoy_ttrpc_conn *conn, struct hoy_loop *loop, int fd, struct hoy_err *err)
{
	int r;

	conn->fd = fd;
	hoy_buf_init(&conn->out, MAX_UNSENT);
	r = hoy_loop_io(loop, &conn->source, fd, EPOLLIN, on_ready, conn, err);
	if (r < 0)
		hoy_fd_close(&conn->fd);
	return r;
}

void hoy_ttrpc_conn_close(struct hoy_ttrpc_conn *conn)
{
	if (conn->gone)
		*conn->gone = true;
	conn->gone = NULL;
	conn->ended = true;
	conn->source = hoy_source_free(conn->source);
	hoy_fd_close(&conn->fd);
	hoy_ttrpc_reader_done(&conn->reader);
	hoy_buf_done(&conn->out);
}

int hoy_ttrpc_conn_send(
	struct hoy_ttrpc_conn *conn, uint32_t stream, enum hoy_ttrpc_type type, const ProtobufCMessage *message)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *to;

	if (conn->ended)
		return -ENOTCONN;
	if (len > HOY_TTRPC_MAX_DATA)
		return -EMSGSIZE;
	if (conn->out.len + len + HOY_TTRPC_HEADER > MAX_UNSENT)
		return -ENOBUFS;
	to = hoy_ttrpc_frame_add(&conn->out, stream, type, /* flags= */ 0, len);
	if (!to)
		return -ENOMEM;
	protobuf_c_message_pack(message, to);
	return flush(conn);
}

int hoy_ttrpc_conn_send_end(struct hoy_ttrpc_conn *conn, uint32_t stream)
{
	if (conn->ended)
		return -ENOTCONN;
	if (!hoy_ttrpc_frame_add(
		    &conn->out, stream, HOY_TTRPC_DATA, HOY_TTRPC_CLOSED | HOY_TTRPC_NO_DATA, /* len= */ 0))
		return -ENOMEM;
	return flush(conn);
}

bool hoy_ttrpc_conn_has_input(const struct hoy_ttrpc_conn *conn)
{
	int n = 0;

	return conn->reader.buf.len || (ioctl(conn->fd, FIONREAD, &n) == 0 && n > 0);
}
