/* tcp:// addresses: plain ones are hoyd's own, TLS is spoken by a hoy-tls in front of a unix socket. */
#ifndef HOY_DAEMON_TCP_H
#define HOY_DAEMON_TCP_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_daemon_options;

bool hoy_host_is_tcp(const char *host);
/* "tcp://[ADDRESS][:PORT]", IPv6 in brackets. */
int hoy_host_check_tcp(const char *host, struct hoy_err *err);
/* May this hoyd serve TCP as its settings are? Plainly only when that was said. */
int hoy_tcp_check_settings(const struct hoy_daemon_options *options, struct hoy_err *err);

/* Listens on "ADDRESS:PORT", which must be of this machine alone: HOY_ERR_INVALID where others reach it. The descriptor
 * or -errno. */
int hoy_host_listen_loopback(const char *address, struct hoy_err *err);

/* Listens; an address without a port has 2375, with `tls` 2376. A port that a former hoy-tls is just leaving is waited
 * for. The descriptor or -errno. */
int hoy_host_listen_tcp(const char *host, bool tls, struct hoy_err *err);

/* Starts a hoy-tls on `listening` (borrowed) in front of `socket_path`. It stops listening when *ret_lifeline, a
 * descriptor of the caller's, is closed. */
int hoy_tls_start(const struct hoy_daemon_options *options, int listening, const char *socket_path, int cgroup_fd,
	int *ret_lifeline, struct hoy_err *err);

#endif
