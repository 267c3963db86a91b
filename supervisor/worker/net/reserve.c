/* bind() and listen() for published ports. Sends and answers nothing. */
#include "supervisor/worker/net/reserve.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"

static int open_socket(uint8_t proto)
{
	int type = proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;

	return socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
}

static int hold(int sock, uint8_t proto, uint32_t address, uint16_t port)
{
	const struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(address), .sin_port = htons(port)
	};
	const int one = 1, smallest = 1;

	if (proto == IPPROTO_UDP) /* what comes while rules are missing is not worth memory */
		(void) setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
	else if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
		return -errno;
	if (bind(sock, (const struct sockaddr *) &in, sizeof in) < 0)
		return -errno;
	if (proto != IPPROTO_UDP && listen(sock, 1) < 0)
		return -errno;
	return 0;
}

static int port_of(int sock, uint16_t *ret)
{
	struct sockaddr_in in;
	socklen_t len = sizeof in;

	if (getsockname(sock, (struct sockaddr *) &in, &len) < 0)
		return -errno;
	*ret = ntohs(in.sin_port);
	return 0;
}

int hoy_reserve_port(struct hoy_net_port *port, struct hoy_err *err)
{
	unsigned int last = MAX(port->host_port, port->host_port_last);
	int r = -EADDRINUSE;

	for (unsigned int number = port->host_port; number <= last; number++) {
		auto_fd int sock = open_socket(port->proto);

		if (sock < 0)
			return hoy_err_sys(err, "open a socket to reserve a port");
		r = hold(sock, port->proto, port->host_ip, (uint16_t) number);
		if (r >= 0)
			r = port_of(sock, &port->host_port);
		if (r >= 0)
			return TAKE_FD(sock);
		if (r != -EADDRINUSE)
			break;
	}
	return hoy_err_code(err, r, "reserve port %u", port->host_port);
}

void hoy_reserve_refuse(int sock)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	auto_fd int conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (conn >= 0)
		(void) setsockopt(conn, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}
