/* One ttrpc connection, as client and server share it: reads frames, queues frames, notices the end. */
#ifndef HOY_BASE_TTRPC_CONN_INTERNAL_H
#define HOY_BASE_TTRPC_CONN_INTERNAL_H

#include <protobuf-c/protobuf-c.h>

#include "base/ttrpc/frame.h"

struct hoy_loop;
struct hoy_source;
struct hoy_ttrpc_conn;

typedef void (*hoy_ttrpc_on_frame)(const struct hoy_ttrpc_frame *frame, void *userdata);
typedef void (*hoy_ttrpc_on_end)(void *userdata);

struct hoy_ttrpc_conn {
	int fd;
	struct hoy_source *source;
	struct hoy_ttrpc_reader reader;
	struct hoy_buf out;
	hoy_ttrpc_on_frame on_frame;
	hoy_ttrpc_on_end on_end;          /* end of file, error or overflow; the owner then calls _close(); once */
	void (*on_clear)(void *userdata); /* what the socket did not take at once is out; may be NULL */
	void *userdata;
	bool ended;
	bool *gone; /* set by _close() for the handler that is running */
};

/* Takes `fd` over, also on failure. */
int hoy_ttrpc_conn_open(struct hoy_ttrpc_conn *conn, struct hoy_loop *loop, int fd, struct hoy_err *err);
void hoy_ttrpc_conn_close(struct hoy_ttrpc_conn *conn);

/* Packs `message` into a frame and sends what the socket takes; the rest follows from the loop. -EMSGSIZE: larger than
 * a frame; -ENOBUFS: the peer does not read; -ENOTCONN. Never calls on_end. */
int hoy_ttrpc_conn_send(
	struct hoy_ttrpc_conn *conn, uint32_t stream, enum hoy_ttrpc_type type, const ProtobufCMessage *message);

/* The same without a message: a frame of data that says that no more comes. */
int hoy_ttrpc_conn_send_end(struct hoy_ttrpc_conn *conn, uint32_t stream);

/* Bytes of the peer's are there that were not handled yet; not to be asked from inside on_frame. */
bool hoy_ttrpc_conn_has_input(const struct hoy_ttrpc_conn *conn);

#endif
