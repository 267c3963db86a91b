/* Engines behind TLS: hoy-tls speaks it, in a process of its own. */
#ifndef HOY_CLI_TLS_H
#define HOY_CLI_TLS_H

#include <stdbool.h>

#include "supervisor/cli/http.h"

/* What the user said, by flags or environment; NULL: not. */
struct hoy_tls_flags {
	bool tls, verify;
	const char *ca, *cert, *key;
};

/*
 * Settings of a tcp:// host from flags, DOCKER_TLS, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH: ca.pem, cert.pem and
 * key.pem of that directory (else of `config_dir`) where they exist. Other hosts are left alone, and
 * those whose context has said it.
 */
int hoy_tls_configure(
	struct hoy_http_host *host, const struct hoy_tls_flags *flags, const char *config_dir, struct hoy_err *err);

/* A socket to hoy-tls, which connects; what goes wrong there it says on stderr. */
int hoy_tls_connect(const struct hoy_http_host *host, struct hoy_err *err);

#endif
