/* Queries by TCP (RFC 7766): a listener per container, a few connections with several queries each. */
#ifndef HOY_WORKER_DNS_STREAM_H
#define HOY_WORKER_DNS_STREAM_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_dns_listener;
struct hoy_dns_stream;

struct hoy_dns_stream_owner {
	/* A query has come; its answer is given to hoy_dns_stream_send(), now or later. */
	void (*query)(void *userdata, struct hoy_dns_stream *stream, const uint8_t *packet, size_t len);
	/* It is closed: no answer any more. */
	void (*closed)(void *userdata, const struct hoy_dns_stream *stream);
	void *userdata;
};

/* `fd` listens and is borrowed. */
int hoy_dns_listener_new(struct hoy_loop *loop, int fd, const struct hoy_dns_stream_owner *owner,
	struct hoy_dns_listener **ret, struct hoy_err *err);
void hoy_dns_listener_free(struct hoy_dns_listener *listener); /* with its connections */
HOY_DEFINE_AUTO_PTR(struct hoy_dns_listener, hoy_dns_listener_free);

void hoy_dns_stream_send(struct hoy_dns_stream *stream, const uint8_t *packet, size_t len);

#endif
