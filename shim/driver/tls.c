/* TLS to a log's receiver, on a non-blocking socket. Only hoy-log links libssl. */
#include "shim/driver/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define END_MS 5000

struct hoy_tls {
	SSL_CTX *context;
	SSL *ssl; /* NULL: no connection */
	const char *host;
	bool is_address, verify, established;
	short events; /* what the connection waits for */
};

/* The reason on top of libssl's queue, which is emptied. */
static const char *reason(void)
{
	unsigned long code = ERR_peek_last_error();
	const char *text = code ? ERR_reason_error_string(code) : NULL;

	ERR_clear_error();
	return text ? text : "unknown reason";
}

static int set_trust(struct hoy_tls *tls, const struct hoy_tls_options *options, struct hoy_err *err)
{
	tls->verify = !options->skip_verify;
	SSL_CTX_set_verify(tls->context, tls->verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	if (!*options->ca) {
		(void) SSL_CTX_set_default_verify_paths(tls->context);
		return 0;
	}
	if (SSL_CTX_load_verify_locations(tls->context, options->ca, NULL) == 1)
		return 0;
	return hoy_err_set(err, HOY_ERR_INVALID, EINVAL, "certificates of '%s': %s", options->ca, reason());
}

static int set_own_certificate(struct hoy_tls *tls, const struct hoy_tls_options *options, struct hoy_err *err)
{
	if (!*options->cert && !*options->key)
		return 0;
	if (!*options->cert || !*options->key)
		return hoy_err_invalid(err, "a certificate needs its key, and a key its certificate");
	if (SSL_CTX_use_certificate_chain_file(tls->context, options->cert) != 1)
		return hoy_err_set(err, HOY_ERR_INVALID, EINVAL, "certificate '%s': %s", options->cert, reason());
	if (SSL_CTX_use_PrivateKey_file(tls->context, options->key, SSL_FILETYPE_PEM) != 1)
		return hoy_err_set(err, HOY_ERR_INVALID, EINVAL, "key '%s': %s", options->key, reason());
	return 0;
}

int hoy_tls_new(const struct hoy_tls_options *options, const char *host, struct hoy_tls **ret, struct hoy_err *err)
{
	auto_ptr(hoy_tls_free) struct hoy_tls *tls = calloc(1, sizeof *tls);
	unsigned char address[sizeof(struct in6_addr)];
	int r;

	if (!tls)
		return hoy_err_oom(err);
	tls->host = host;
	tls->is_address = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	tls->context = SSL_CTX_new(TLS_client_method());
	if (!tls->context)
		return hoy_err_oom(err);
	(void) SSL_CTX_set_min_proto_version(tls->context, TLS1_2_VERSION);
	/* What waits may move in memory between two tries. */
	SSL_CTX_set_mode(tls->context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	r = set_trust(tls, options, err);
	if (r >= 0)
		r = set_own_certificate(tls, options, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(tls);
	return 0;
}

void hoy_tls_free(struct hoy_tls *tls)
{
	if (!tls)
		return;
	hoy_tls_disconnect(tls);
	SSL_CTX_free(tls->context);
	free(tls);
}

/* Whose certificate it has to be. */
static bool set_peer(struct hoy_tls *tls)
{
	if (tls->is_address)
		return !tls->verify || X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), tls->host) == 1;
	return SSL_set_tlsext_host_name(tls->ssl, tls->host) == 1 &&
	       (!tls->verify || SSL_set1_host(tls->ssl, tls->host) == 1);
}

int hoy_tls_connect(struct hoy_tls *tls, int fd)
{
	hoy_tls_disconnect(tls);
	tls->ssl = SSL_new(tls->context);
	if (!tls->ssl || SSL_set_fd(tls->ssl, fd) != 1 || !set_peer(tls)) {
		hoy_tls_disconnect(tls);
		return -ENOMEM;
	}
	SSL_set_connect_state(tls->ssl);
	tls->events = POLLOUT;
	return 0;
}

void hoy_tls_disconnect(struct hoy_tls *tls)
{
	if (tls->ssl && tls->established)
		(void) SSL_shutdown(tls->ssl); /* says that this is the end; nobody waits for the answer */
	SSL_free(tls->ssl);
	tls->ssl = NULL;
	tls->established = false;
	ERR_clear_error();
}

/* -EAGAIN with the events it waits for, or -EPROTO when the connection is of no more use. */
static int why_not(struct hoy_tls *tls, int result)
{
	switch (SSL_get_error(tls->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		tls->events = POLLIN;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		tls->events = POLLOUT;
		return -EAGAIN;
	default:
		return -EPROTO;
	}
}

int hoy_tls_handshake(struct hoy_tls *tls, struct hoy_err *err)
{
	int result = SSL_do_handshake(tls->ssl), r;
	long verified;

	if (result == 1) {
		tls->established = true;
		tls->events = POLLOUT;
		return 0;
	}
	r = why_not(tls, result);
	if (r == -EAGAIN)
		return r;
	verified = SSL_get_verify_result(tls->ssl);
	return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "TLS with '%s': %s", tls->host,
		verified != X509_V_OK ? X509_verify_cert_error_string(verified) : reason());
}

ssize_t hoy_tls_send(struct hoy_tls *tls, const void *data, size_t len)
{
	size_t n = 0;
	int result = SSL_write_ex(tls->ssl, data, len, &n);

	if (result == 1)
		return (ssize_t) n;
	return why_not(tls, result);
}

bool hoy_tls_listen(struct hoy_tls *tls)
{
	char data[1024];
	size_t n;
	int result;

	while ((result = SSL_read_ex(tls->ssl, data, sizeof data, &n)) == 1)
		;
	return SSL_get_error(tls->ssl, result) == SSL_ERROR_WANT_READ;
}

void hoy_tls_end(struct hoy_tls *tls)
{
	struct pollfd poll_fd = { .fd = tls->ssl ? SSL_get_fd(tls->ssl) : -1, .events = POLLIN };
	char data[1024];

	if (!tls->established || SSL_shutdown(tls->ssl) < 0 || shutdown(poll_fd.fd, SHUT_WR) < 0)
		return;
	tls->established = false;
	while (TEMP_FAILURE_RETRY(poll(&poll_fd, 1, END_MS)) > 0 &&
		TEMP_FAILURE_RETRY(recv(poll_fd.fd, data, sizeof data, MSG_DONTWAIT)) > 0)
		;
}

short hoy_tls_events(const struct hoy_tls *tls)
{
	return tls->events;
}
