/*
 * hoy-log: what the shim does not do itself with a container's output. `hoy-log compress PATH` is for rotated logs; as
 * a log driver (binary:///.../hoy-log?driver=NAME&option=value) it gets stdout on descriptor 3 and stderr on 4, and says
 * on 5 that it is ready.
 *
 *	main.c      options, and the loop: descriptors -> lines -> messages -> target
 *	target.c    where messages go: connecting again, what waits, what is lost
 *	syslog.c gelf.c fluentd.c   a line as a message
 */
#ifndef HOY_SHIM_DRIVER_DRIVER_H
#define HOY_SHIM_DRIVER_DRIVER_H

#include <stdbool.h>
#include <time.h>

#include "base/buf.h"
#include "base/err.h"

int hoy_log_compress(const char *path, struct hoy_err *err);
int hoy_log_unpack(struct hoy_err *err);

/* --- options ------------------------------------------------------------------------------------------------------ */

/* Keys and values as the command line has them. */
struct hoy_driver_options {
	char *const *pairs; /* key, value, key, value, NULL */
};
/* "" counts as not given: `fallback`. */
const char *hoy_driver_option(const struct hoy_driver_options *options, const char *key, const char *fallback);

/* --- messages ----------------------------------------------------------------------------------------------------- */

struct hoy_driver_line {
	const char *text;
	size_t len;
	bool is_stderr;
	bool partial; /* more of the line follows */
	struct timespec time;
};

struct hoy_target;
struct hoy_target_address;
struct hoy_tls;

/* A driver turns lines into messages. */
struct hoy_driver {
	const char *name;
	const char *address_option;  /* its address: "tcp://host:port", "unix:///path" ... */
	const char *default_address; /* NULL: it must be given */
	unsigned int default_port;
	const char *const *options; /* further ones it knows, NULL at the end */
	bool tls;                   /* it may speak TLS */
	/* Checks the options once; `to` says what the target takes. */
	int (*set_up)(
		const struct hoy_driver_options *options, const struct hoy_target_address *to, struct hoy_err *err);
	/* Sends by hoy_target_send(), in as many messages as it takes. */
	void (*send)(struct hoy_target *target, const struct hoy_driver_line *line);
};
extern const struct hoy_driver hoy_driver_syslog, hoy_driver_gelf, hoy_driver_fluentd;

/* Extra fields, from options "attr-NAME=value"; the i-th, or false. */
bool hoy_driver_attribute(
	const struct hoy_driver_options *options, size_t i, const char **ret_name, const char **ret_value);

/* --- the target --------------------------------------------------------------------------------------------------- */

struct hoy_target_address {
	int type;   /* SOCK_STREAM or SOCK_DGRAM */
	char *path; /* of a unix socket, else NULL */
	char *host, *port;
	bool tls;
};
/* SCHEME://host[:port] with tcp, udp, tcp+tls, tls; unix:///path, unixgram:///path. */
int hoy_target_parse(const char *text, unsigned int default_port, struct hoy_target_address *ret, struct hoy_err *err);
void hoy_target_address_done(struct hoy_target_address *address);

/* Takes the address. `lossy`: what waits is at most `max_buffer` bytes, the oldest goes first; else it is held back at
 * the source by hoy_target_is_full(). */
struct hoy_target *hoy_target_new(struct hoy_target_address *address, bool lossy, size_t max_buffer);
void hoy_target_free(struct hoy_target *target);
/* The address as it was taken, with the host that TLS borrows. */
const struct hoy_target_address *hoy_target_to(const struct hoy_target *target);
/* From now on by TLS; takes it over. */
void hoy_target_set_tls(struct hoy_target *target, struct hoy_tls *tls);
void hoy_target_send(struct hoy_target *target, const void *data, size_t len);
bool hoy_target_is_full(const struct hoy_target *target);
bool hoy_target_is_empty(const struct hoy_target *target);
/* For poll(): its descriptor (-1: none) and events; the most milliseconds to wait, -1: for ever. */
int hoy_target_poll(const struct hoy_target *target, short *ret_events, int *ret_timeout);
/* After poll(): connects, sends what waits. */
void hoy_target_work(struct hoy_target *target);

#endif
