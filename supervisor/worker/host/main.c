/*
 * hoy-host: what stays outside when a rootless hoyd moves into namespaces of its own. It makes them and hands them to each
 * hoyd that comes, keeps pasta running, and binds the host's ports that containers publish; their sockets go to hoy-net,
 * which passes on what comes. Its user is an ordinary one, and so is it.
 *
 * Descriptor 3 is its listening socket, its arguments that socket's path and the exec root; it logs to descriptor 2. It ends when no hoyd is
 * there and nothing lives in the namespaces. Killed, it takes nothing with it: the namespaces belong to their processes,
 * the ports to hoy-net, and the next hoyd starts another.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "supervisor/worker/host/namespaces.h"
#include "supervisor/worker/host/proto.h"
#include "supervisor/worker/host/uplink.h"
#include "supervisor/worker/net/reserve.h"

#define LISTEN_FD 3
#define IDLE_NS (5 * UINT64_C(1000000000))

struct server {
	struct hoy_loop *loop;
	const char *exec_root;
	struct hoy_namespaces ns;
	bool has_ns;
	struct hoy_uplink *uplink;
	struct hoy_source *accepting, *idle, *term;
	struct client *clients;
	unsigned int n_hoyds;
};

struct client {
	struct client *next;
	struct server *server;
	int sock;
	bool is_hoyd;
	struct hoy_source *source;
};

/* --- requests --------------------------------------------------------------------------------------------------- */

static int open_namespaces(struct server *server, struct hoy_err *err)
{
	int r;

	if (server->has_ns)
		return 0;
	r = hoy_namespaces_open(server->exec_root, &server->ns, err);
	if (r < 0)
		return r;
	server->has_ns = true;
	return hoy_uplink_new(server->loop, server->exec_root, &server->ns, &server->uplink, err);
}

static int do_namespaces(struct client *client, struct hoy_host_reply *reply, int *fds, size_t *ret_n)
{
	struct server *server = client->server;
	int r = open_namespaces(server, &reply->err);

	if (r < 0)
		return r;
	server->n_hoyds += !client->is_hoyd;
	client->is_hoyd = true;
	reply->n_ids = server->ns.n_ids;
	reply->err = server->ns.why;
	reply->err.errnum = 0;
	for (size_t i = 0; i < HOY_HOST_N_NS; i++)
		fds[i] = server->ns.fd[i];
	*ret_n = HOY_HOST_N_NS;
	return 0;
}

static unsigned int first_port(void)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	if (hoy_file_read(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", &text, NULL) < 0 || !text.data)
		return 1024;
	return (unsigned int) strtoul(text.data, NULL, 10);
}

static int do_port(const struct hoy_host_request *request, struct hoy_host_reply *reply, int *fds, size_t *ret_n)
{
	int sockets[2] = { -EBADF, -EBADF }, r;

	reply->port = request->port;
	r = hoy_reserve_port(&reply->port, sockets, &reply->err);
	if (r == -EACCES)
		(void) hoy_err_set(&reply->err, HOY_ERR_INVALID, EACCES,
			"port %u of the host: an ordinary user's hoyd publishes ports from %u on (sysctl "
			"net.ipv4.ip_unprivileged_port_start)",
			request->port.host_port, first_port());
	for (size_t i = 0; r >= 0 && i < 2; i++)
		if (sockets[i] >= 0)
			fds[(*ret_n)++] = sockets[i];
	return r;
}

static void drop(struct client *client)
{
	struct client **link = &client->server->clients;

	while (*link != client)
		link = &(*link)->next;
	*link = client->next;
	if (client->is_hoyd && --client->server->n_hoyds == 0)
		hoy_source_set_timer(client->server->idle, IDLE_NS);
	client->source = hoy_source_free(client->source);
	hoy_fd_close(&client->sock);
	free(client);
}

static void on_request(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct client *client = userdata;
	struct hoy_host_request request = { 0 };
	struct hoy_host_reply reply = { .version = HOY_HOST_VERSION };
	int fds[HOY_HOST_N_NS] = { -EBADF, -EBADF, -EBADF };
	size_t n_fds = 0;
	ssize_t n = hoy_fd_recv(client->sock, &request, sizeof request, NULL, &n_fds);
	int r;

	(void) source;
	(void) events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n != sizeof request) {
		drop(client);
		return;
	}
	n_fds = 0;
	reply.op = request.op;
	if (request.version != HOY_HOST_VERSION)
		r = hoy_err_set(&reply.err, HOY_ERR_SYSTEM, EPROTO, "hoy-host speaks version %d, not %u",
			HOY_HOST_VERSION, request.version);
	else if (request.op == HOY_HOST_NAMESPACES)
		r = do_namespaces(client, &reply, fds, &n_fds);
	else
		r = do_port(&request, &reply, fds, &n_fds);
	n = hoy_fd_send(client->sock, &reply, sizeof reply, fds, r < 0 ? 0 : n_fds);
	for (size_t i = 0; request.op == HOY_HOST_PORT && i < n_fds; i++)
		hoy_fd_close(&fds[i]);
	if (n < 0)
		drop(client);
}

/* --- clients ---------------------------------------------------------------------------------------------------- */

/* Ours, from outside or from inside, where we are root. */
static bool is_trusted(int sock)
{
	struct ucred peer;
	socklen_t len = sizeof peer;

	return getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == geteuid();
}

static void on_connect(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct server *server = userdata;
	auto_fd int sock = accept4(LISTEN_FD, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client;

	(void) source;
	(void) events;
	if (sock < 0 || !is_trusted(sock))
		return;
	client = calloc(1, sizeof *client);
	if (!client)
		return;
	client->server = server;
	client->sock = TAKE_FD(sock);
	client->next = server->clients;
	server->clients = client;
	if (hoy_loop_io(server->loop, &client->source, client->sock, EPOLLIN, on_request, client, NULL) < 0)
		drop(client);
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static void on_idle(struct hoy_source *source, void *userdata)
{
	struct server *server = userdata;
	pid_t own[HOY_UPLINK_PIDS] = { 0 };
	size_t n_own = server->uplink ? hoy_uplink_pids(server->uplink, own) : 0;

	if (server->n_hoyds > 0)
		return;
	if (server->has_ns && hoy_namespaces_are_used(&server->ns, own, n_own)) {
		hoy_source_set_timer(source, IDLE_NS);
		return;
	}
	hoy_loop_exit(server->loop, 0);
}

static void on_term(struct hoy_source *source, const struct signalfd_siginfo *si, void *userdata)
{
	struct server *server = userdata;

	(void) source;
	(void) si;
	hoy_loop_exit(server->loop, 0);
}

static void end(struct server *server)
{
	while (server->clients)
		drop(server->clients);
	server->accepting = hoy_source_free(server->accepting);
	server->idle = hoy_source_free(server->idle);
	server->term = hoy_source_free(server->term);
	hoy_uplink_end(server->uplink);
	if (server->has_ns && !hoy_namespaces_are_used(&server->ns, NULL, 0))
		hoy_namespaces_forget(server->exec_root, &server->ns);
	hoy_loop_free(server->loop);
}

static int serve(struct server *server, struct hoy_err *err)
{
	int r = hoy_loop_new(&server->loop, err);

	if (r >= 0)
		r = hoy_loop_signal(server->loop, &server->term, SIGTERM, on_term, server, err);
	if (r >= 0)
		r = hoy_loop_io(server->loop, &server->accepting, LISTEN_FD, EPOLLIN, on_connect, server, err);
	if (r >= 0)
		r = hoy_loop_timer(server->loop, &server->idle, IDLE_NS, on_idle, server, err);
	return r < 0 ? r : hoy_loop_run(server->loop, err);
}

int main(int argc, char **argv)
{
	struct server server = { .ns.fd = { -EBADF, -EBADF, -EBADF } };
	struct hoy_err err = { 0 };
	int r;

	if (argc != 3 || hoy_fd_set_nonblocking(LISTEN_FD, true) < 0) {
		(void) fprintf(stderr, "hoy-host is started by hoyd, with its listening socket as descriptor 3\n");
		return EXIT_FAILURE;
	}
	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGHUP, SIG_IGN);
	(void) signal(SIGINT, SIG_IGN);
	hoy_log_setup(2, HOY_LOG_TEXT, HOY_LOG_INFO);
	server.exec_root = argv[2];
	r = serve(&server, &err);
	if (r < 0)
		hoy_log_err(&err, "hoy-host");
	(void) unlink(argv[1]);
	end(&server);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
