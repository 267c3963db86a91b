/*
 * hoy-net: the networks' hand in the kernel, a service that hoyd starts and that outlives it. Descriptor 3 is its
 * listening socket (EXECROOT/hoy-net.sock); it logs to descriptor 2. Its second argument, if any, is the
 * socket of hoy-host. Decides nothing: hoyd says what there is to be.
 *
 * Linked with libnftables, whose licence is the GPL version 2: see LICENSE beside this file.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/worker/net/sandbox.h"
#include "supervisor/worker/net/server.h"
#include "supervisor/worker/net/state.h"

#define LISTEN_FD 3

static void on_term(struct hoy_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	(void) source;
	(void) si;
	hoy_loop_exit(userdata, 0); /* rules and bridges stay: containers go on */
}

static int serve(const char *host_socket, struct hoy_err *err)
{
	auto_ptr(hoy_loop_free) struct hoy_loop *loop = NULL;
	auto_ptr(hoy_state_free) struct hoy_state *state = NULL;
	auto_ptr(hoy_server_free) struct hoy_server *server = NULL;
	auto_ptr(hoy_source_free) struct hoy_source *term = NULL;
	int r = hoy_loop_new(&loop, err);

	if (r >= 0)
		r = hoy_loop_signal(loop, &term, SIGTERM, on_term, loop, err);
	if (r >= 0)
		r = hoy_state_new(loop, host_socket, &state, err);
	if (r >= 0)
		r = hoy_server_new(loop, state, LISTEN_FD, &server, err);
	if (r >= 0)
		r = hoy_sandbox_enter(err);
	return r < 0 ? r : hoy_loop_run(loop, err);
}

int main(int argc, char **argv)
{
	struct hoy_err err = {};

	if (argc < 2 || argc > 3 || hoy_fd_set_nonblocking(LISTEN_FD, true) < 0) {
		(void) fprintf(stderr, "hoy-net is started by hoyd, with its listening socket as descriptor 3\n");
		return EXIT_FAILURE;
	}
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGHUP, SIG_IGN);
	(void) signal(SIGINT, SIG_IGN);
	hoy_log_setup(2, HOY_LOG_TEXT, HOY_LOG_INFO);
	if (serve(argv[2], &err) < 0) {
		hoy_log_err(&err, "hoy-net");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
