/*
 * hoy-tls: TLS in front of hoyd, and in front of hoy. hoyd and hoy speak plainly with it and know nothing of
 * certificates.
 *
 *	hoy-tls serve SOCKET KEY=FILE...        descriptor 3: a listening TCP socket; 4: a pipe that ends with hoyd
 *	hoy-tls connect HOST PORT KEY=FILE...   descriptor 0: the client's end
 *
 * KEY is cert, key, ca; "verify=1" asks the other side for a certificate of that authority. A server has one process
 * per connection, nobody's uid without capabilities: it parses what strangers send. Connections outlive hoyd.
 */
#include <errno.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/worker/tls/relay.h"

#define LISTENING_FD 3
#define HOYD_FD 4
#define CONNECTIONS_MAX 512
#define HANDSHAKE_SECONDS 15
#define NOBODY 65534

struct files {
	const char *cert, *key, *ca;
	bool verify;
};

static int tls_error(struct hoy_err *err, const char *what)
{
	char text[160];

	ERR_error_string_n(ERR_get_error(), text, sizeof text);
	return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "%s: %s", what, text);
}

static int parse_files(char **words, struct files *ret, struct hoy_err *err)
{
	*ret = (struct files){ 0 };
	for (; *words; words++) {
		const char *value = strchr(*words, '=');

		if (value && hoy_str_starts(*words, "cert="))
			ret->cert = value + 1;
		else if (value && hoy_str_starts(*words, "key="))
			ret->key = value + 1;
		else if (value && hoy_str_starts(*words, "ca="))
			ret->ca = value + 1;
		else if (!strcmp(*words, "verify=1"))
			ret->verify = true;
		else
			return hoy_err_invalid(err, "unknown argument '%s'", *words);
	}
	return 0;
}

static int load_files(SSL_CTX *ctx, const struct files *files, struct hoy_err *err)
{
	if (files->cert && SSL_CTX_use_certificate_chain_file(ctx, files->cert) != 1)
		return tls_error(err, files->cert);
	if (files->key && SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM) != 1)
		return tls_error(err, files->key);
	if (files->key && files->cert && SSL_CTX_check_private_key(ctx) != 1)
		return tls_error(err, "the key does not fit the certificate");
	if (files->ca && SSL_CTX_load_verify_locations(ctx, files->ca, NULL) != 1)
		return tls_error(err, files->ca);
	if (!files->ca && files->verify)
		(void) SSL_CTX_set_default_verify_paths(ctx);
	return 0;
}

static int new_context(const SSL_METHOD *method, const struct files *files, SSL_CTX **ret, struct hoy_err *err)
{
	SSL_CTX *ctx = SSL_CTX_new(method);
	int r;

	if (!ctx)
		return hoy_err_oom(err);
	(void) SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	(void) SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET);
	r = load_files(ctx, files, err);
	if (r < 0) {
		SSL_CTX_free(ctx);
		return r;
	}
	*ret = ctx;
	return 0;
}

/* Blocking calls of the handshake end, one way or the other. */
static void limit_time(int fd, time_t seconds)
{
	const struct timeval tv = { .tv_sec = seconds };

	(void) setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv);
	(void) setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv);
}

static void set_up_tcp(int fd)
{
	const int on = 1;

	(void) setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* --- the server ----------------------------------------------------------------------------------------------- */

static int drop_privileges(struct hoy_err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return hoy_err_sys(err, "no_new_privs");
	if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0))
		return hoy_err_sys(err, "become nobody");
	return 0;
}

/* One connection, in a process of its own. */
static int serve_one(SSL_CTX *ctx, int net, const char *socket_path, struct hoy_err *err)
{
	auto_fd int plain = hoy_fd_unix_connect(socket_path, SOCK_STREAM, err);
	SSL *ssl;
	int r = plain;

	if (r >= 0)
		r = drop_privileges(err);
	if (r < 0)
		return r;
	ssl = SSL_new(ctx);
	if (!ssl || SSL_set_fd(ssl, net) != 1)
		return hoy_err_oom(err);
	set_up_tcp(net);
	limit_time(net, HANDSHAKE_SECONDS);
	(void) alarm(HANDSHAKE_SECONDS); /* for one that comes byte by byte, too: this process is that client's alone */
	if (SSL_accept(ssl) != 1)
		return tls_error(err, "handshake");
	(void) alarm(0);
	return hoy_tls_relay(ssl, net, plain, /* ends_with_plain= */ true, err);
}

static int accept_one(SSL_CTX *ctx, const char *socket_path, int *n_children)
{
	int net = accept4(LISTENING_FD, NULL, NULL, SOCK_CLOEXEC);
	struct hoy_err err = { 0 };
	pid_t pid;

	if (net < 0)
		return 0; /* it left, or there are no descriptors: the next one */
	pid = fork();
	if (pid == 0) {
		(void) close(LISTENING_FD);
		(void) close(HOYD_FD);
		_exit(serve_one(ctx, net, socket_path, &err) < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	(void) close(net);
	if (pid > 0)
		(*n_children)++;
	return 0;
}

static int serve(const char *socket_path, const struct files *files, struct hoy_err *err)
{
	SSL_CTX *ctx = NULL;
	int n_children = 0, r;

	if (!files->cert || !files->key)
		return hoy_err_invalid(err, "a server needs cert= and key=");
	r = new_context(TLS_server_method(), files, &ctx, err);
	if (r < 0)
		return r;
	if (files->verify) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
		if (files->ca)
			SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(files->ca));
	}
	(void) hoy_fd_set_cloexec(LISTENING_FD, true);
	(void) hoy_fd_set_cloexec(HOYD_FD, true);
	/* hoyd reads this: the files are fine */
	(void) !write(STDOUT_FILENO, "ready\n", 6);
	for (;;) {
		struct pollfd fds[2] = { { .fd = HOYD_FD, .events = POLLIN },
			{ .fd = n_children < CONNECTIONS_MAX ? LISTENING_FD : -1, .events = POLLIN } };

		if (poll(fds, 2, n_children ? 1000 : -1) < 0 && errno != EINTR)
			return hoy_err_sys(err, "poll");
		while (waitpid(-1, NULL, WNOHANG) > 0)
			n_children--;
		if (fds[0].revents)
			return 0; /* hoyd has ended; connections go on */
		if (fds[1].revents)
			(void) accept_one(ctx, socket_path, &n_children);
	}
}

/* --- the client ----------------------------------------------------------------------------------------------- */

static int connect_tcp(const char *host, const char *port, struct hoy_err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	int k = getaddrinfo(host, port, &hints, &list), fd = -EBADF, saved = EHOSTUNREACH;

	if (k != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EHOSTUNREACH, "resolve '%s': %s", host, gai_strerror(k));
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
			saved = errno;
			hoy_fd_close(&fd);
		}
	}
	freeaddrinfo(list);
	return fd < 0 ? hoy_err_code(err, -saved, "connect to %s:%s", host, port) : fd;
}

/* The name or address that the server's certificate must be for. */
static int expect(SSL *ssl, const char *host, struct hoy_err *err)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1)
		return 0;
	(void) SSL_set_tlsext_host_name(ssl, host);
	return SSL_set1_host(ssl, host) == 1 ? 0 : hoy_err_oom(err);
}

static int explain(SSL *ssl, struct hoy_err *err)
{
	long verdict = SSL_get_verify_result(ssl);

	if (verdict != X509_V_OK)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "the server's certificate: %s",
			X509_verify_cert_error_string(verdict));
	return tls_error(err, "handshake");
}

static int dial(const char *host, const char *port, const struct files *files, struct hoy_err *err)
{
	SSL_CTX *ctx = NULL;
	SSL *ssl = NULL;
	int net, r = new_context(TLS_client_method(), files, &ctx, err);

	if (r < 0)
		return r;
	net = connect_tcp(host, port, err);
	if (net < 0)
		return net;
	set_up_tcp(net);
	limit_time(net, HANDSHAKE_SECONDS);
	ssl = SSL_new(ctx);
	if (!ssl || SSL_set_fd(ssl, net) != 1)
		return hoy_err_oom(err);
	r = files->verify ? expect(ssl, host, err) : 0;
	if (r >= 0 && SSL_connect(ssl) != 1)
		r = explain(ssl, err);
	return r < 0 ? r : hoy_tls_relay(ssl, net, STDIN_FILENO, /* ends_with_plain= */ false, err);
}

int main(int argc, char **argv)
{
	struct hoy_err err = { 0 };
	struct files files;
	int r;

	(void) signal(SIGPIPE, SIG_IGN);
	if (argc >= 3 && !strcmp(argv[1], "serve")) {
		r = parse_files(argv + 3, &files, &err);
		r = r < 0 ? r : serve(argv[2], &files, &err);
	} else if (argc >= 4 && !strcmp(argv[1], "connect")) {
		r = parse_files(argv + 4, &files, &err);
		r = r < 0 ? r : dial(argv[2], argv[3], &files, &err);
	} else {
		(void) fprintf(stderr, "hoy-tls: a helper of hoyd and hoy, which start it; see hoyd(8)\n");
		return 2;
	}
	if (r < 0)
		(void) fprintf(stderr, "hoy-tls: %s\n", hoy_err_str(&err));
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
