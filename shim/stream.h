/*
 * stdio by containerd's streaming service (`io_type = "streaming"`). The caller opens streams on the shim's own socket
 * and names each; a process whose stdin, stdout or stderr is ttrpc+unix://SOCKET?streaming_id=NAME takes the one of
 * that name, whichever of the two comes first. A stream lost with its connection may be opened again: the process
 * waits for it as for a fifo's reader.
 *
 * A port is the process's end. Who receives grants the sender bytes by window updates; a sender that takes more than
 * it was granted breaks the protocol. Nothing is read from the process before it can be sent.
 */
#ifndef HOY_SHIM_STREAM_H
#define HOY_SHIM_STREAM_H

#include "base/err.h"

struct hoy_loop;
struct hoy_stream_port;
struct hoy_streams;
struct hoy_ttrpc_request;

#define HOY_STREAM_SCHEME "ttrpc+unix://"

/* `socket` is the path that the shim listens on; it has to outlive the streams. */
int hoy_streams_new(struct hoy_loop *loop, const char *socket, struct hoy_streams **ret, struct hoy_err *err);
/* After all ports and the server. NULL is fine. */
void hoy_streams_free(struct hoy_streams *streams);

/* Streaming.Stream: takes the request over. */
void hoy_streams_accept(struct hoy_streams *streams, struct hoy_ttrpc_request *req);

/* The name in `uri`; heap. Refuses what is on another socket than the shim's. */
int hoy_streams_parse(const struct hoy_streams *streams, const char *uri, char **ret_name, struct hoy_err *err);

/* Ends the stream of that name, if it is open: the process that it was meant for was never made. */
void hoy_streams_drop(struct hoy_streams *streams, const char *name);

/* End of file was seen and everything is sent. */
typedef void (*hoy_stream_end)(void *userdata);

/* Sends what `fd` gives, until its end. Takes `fd`, also on failure. */
int hoy_stream_port_output(struct hoy_streams *streams, const char *name, int fd, hoy_stream_end end, void *userdata,
	struct hoy_stream_port **ret, struct hoy_err *err);

/* Writes what comes into `fd` and closes it at the stream's end. Takes `fd`, also on failure. */
int hoy_stream_port_input(
	struct hoy_streams *streams, const char *name, int fd, struct hoy_stream_port **ret, struct hoy_err *err);

/* CloseIO: the input ends behind what the caller had sent by now. */
void hoy_stream_port_close_input(struct hoy_stream_port *port);

/* Ends the stream too. NULL is fine. */
void hoy_stream_port_free(struct hoy_stream_port *port);

#endif
