/* TLS, for target.c: one client that connects again and again to the same host. */
#ifndef HOY_SHIM_DRIVER_TLS_H
#define HOY_SHIM_DRIVER_TLS_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

/* Paths of PEM files; "": not given. */
struct hoy_tls_options {
	const char *ca; /* who is trusted; "": whom the system trusts */
	const char *cert, *key;
	bool skip_verify;
};

struct hoy_tls;

/* `host`, a name or an address, is borrowed: the certificate has to be its. */
int hoy_tls_new(const struct hoy_tls_options *options, const char *host, struct hoy_tls **ret, struct hoy_err *err);
void hoy_tls_free(struct hoy_tls *tls);
HOY_DEFINE_AUTO_PTR(struct hoy_tls, hoy_tls_free);

/* Over the connected socket `fd`, which stays the caller's. 0 or -ENOMEM. */
int hoy_tls_connect(struct hoy_tls *tls, int fd);
void hoy_tls_disconnect(struct hoy_tls *tls);

/* 0: established; -EAGAIN: when hoy_tls_events() come; else it has failed. */
int hoy_tls_handshake(struct hoy_tls *tls, struct hoy_err *err);
/* Bytes taken, or -EAGAIN: the same bytes again when hoy_tls_events() come; or another -errno: it is broken. */
ssize_t hoy_tls_send(struct hoy_tls *tls, const void *data, size_t len);
/* What the other end says (tickets) is thrown away; false: it has ended. */
bool hoy_tls_listen(struct hoy_tls *tls);
/* Everything was sent: waits a while for the other end to take it. A socket closed before would take back what is under
 * way, when anything that came is not read. */
void hoy_tls_end(struct hoy_tls *tls);
short hoy_tls_events(const struct hoy_tls *tls);

#endif
