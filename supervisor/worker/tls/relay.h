/* Bytes between a TLS connection and a plain one, in both directions, with half-closed ends. */
#ifndef HOY_SUPERVISOR_WORKER_TLS_RELAY_H
#define HOY_SUPERVISOR_WORKER_TLS_RELAY_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "base/err.h"

/*
 * Until both ends have said all, or with `ends_with_plain` until the plain one has. Both descriptors become
 * non-blocking and stay the caller's. The handshake is over before. < 0: one of them broke.
 */
int hoy_tls_relay(SSL *ssl, int net, int plain, bool ends_with_plain, struct hoy_err *err);

#endif
