/* One connection, one question, one answer: hoy-host only binds, which takes it microseconds. */
#include "supervisor/worker/net/host.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/fd.h"
#include "supervisor/worker/host/proto.h"

#define TIMEOUT_S 5

static int ask(const char *path, const struct hoy_host_request *request, struct hoy_host_reply *reply, int fds[2],
	size_t *n_fds, struct hoy_err *err)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	auto_fd int sock = hoy_fd_unix_connect(path, SOCK_SEQPACKET, err);
	ssize_t n;

	if (sock == -ENOENT || sock == -ECONNREFUSED)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ENOTCONN,
			"hoy-host, which binds ports of the host, is gone: restart hoyd");
	if (sock < 0)
		return sock;
	if (setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout) < 0)
		return hoy_err_sys(err, "ask hoy-host");
	n = hoy_fd_send(sock, request, sizeof *request, NULL, 0);
	if (n >= 0)
		n = hoy_fd_recv(sock, reply, sizeof *reply, fds, n_fds);
	if (n < 0)
		return hoy_err_code(err, (int) n, "ask hoy-host");
	if (n != sizeof *reply)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "ask hoy-host: no answer");
	return reply->err.errnum ? hoy_err_import(err, &reply->err) : 0;
}

int hoy_host_port(const char *path, struct hoy_net_port *port, int sockets[2], struct hoy_err *err)
{
	struct hoy_host_request request = { .version = HOY_HOST_VERSION, .op = HOY_HOST_PORT, .port = *port };
	struct hoy_host_reply reply;
	int fds[2] = { -EBADF, -EBADF };
	size_t n_fds = 2, used = 0;
	int r;

	if (port->proto != IPPROTO_TCP && port->proto != IPPROTO_UDP)
		return hoy_err_unsupported(err, "a rootless hoyd publishes TCP and UDP ports only");
	request.port.families |= HOY_NET_RELAYED;
	r = ask(path, &request, &reply, fds, &n_fds, err);
	if (r < 0)
		return r;
	if ((reply.port.families & HOY_NET_V4) && used < n_fds)
		sockets[0] = TAKE_FD(fds[used++]);
	if ((reply.port.families & HOY_NET_V6) && used < n_fds)
		sockets[1] = TAKE_FD(fds[used++]);
	port->host_port = reply.port.host_port;
	port->families &= reply.port.families;
	return 0;
}
