/*
 * hoy-peer: speaks with the cluster's key-value store for networks between hosts, a service that hoyd starts and that
 * outlives it. Descriptor 3 is its listening socket (EXECROOT/hoy-peer.sock); it logs to descriptor 2. Nobody's uid: it
 * changes nothing on the host, hoyd decides what becomes of what it says.
 */
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/worker/fetch/confine.h"
#include "supervisor/worker/peer/server.h"

#define LISTEN_FD 3

static void on_term(struct hoy_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	(void) source;
	(void) si;
	hoy_loop_exit(userdata, 0);
}

static int serve(struct hoy_err *err)
{
	auto_ptr(hoy_loop_free) struct hoy_loop *loop = NULL;
	auto_ptr(hoy_peer_server_free) struct hoy_peer_server *server = NULL;
	auto_ptr(hoy_source_free) struct hoy_source *term = NULL;
	const uid_t starter = geteuid();
	int r = hoy_loop_new(&loop, err);

	if (r >= 0)
		r = hoy_loop_signal(loop, &term, SIGTERM, on_term, loop, err);
	if (r >= 0)
		r = hoy_peer_server_new(loop, LISTEN_FD, starter, &server, err);
	if (r >= 0)
		r = hoy_fetch_confine(/* outlives_parent= */ true, err);
	if (r >= 0 && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		r = hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "start libcurl");
	return r < 0 ? r : hoy_loop_run(loop, err);
}

int main(int argc, char **argv)
{
	struct hoy_err err = {};

	(void) argv;
	if (argc > 2 || hoy_fd_set_nonblocking(LISTEN_FD, true) < 0) {
		(void) fprintf(stderr, "hoy-peer is started by hoyd, with its listening socket as descriptor 3\n");
		return EXIT_FAILURE;
	}
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGHUP, SIG_IGN);
	(void) signal(SIGINT, SIG_IGN);
	hoy_log_setup(2, HOY_LOG_TEXT, HOY_LOG_INFO);
	if (serve(&err) < 0) {
		hoy_log_err(&err, "hoy-peer");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
