/* bind() and listen() for published ports. Sends and answers nothing. */
#include "supervisor/worker/net/reserve.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"

#define ANY_TRIES 32      /* for a number that is free on both families */
#define RELAY_BACKLOG 128 /* connections that may be for us to pass on */

static int open_socket(int family, uint8_t proto)
{
	int type = proto == IPPROTO_UDP ? SOCK_DGRAM : SOCK_STREAM;

	return socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, proto);
}

static int prepare(int sock, int family, uint8_t proto)
{
	const int one = 1, smallest = 1;

	if (family == AF_INET6 && setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0)
		return -errno;
	if (proto == IPPROTO_UDP) /* what comes while rules are missing is not worth memory */
		(void) setsockopt(sock, SOL_SOCKET, SO_RCVBUF, &smallest, sizeof smallest);
	else if (setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0)
		return -errno;
	return 0;
}

static int port_of(int sock, uint16_t *ret)
{
	struct sockaddr_in6 in; /* the port is where that of IPv4 is */
	socklen_t len = sizeof in;

	if (getsockname(sock, (struct sockaddr *) &in, &len) < 0)
		return -errno;
	*ret = ntohs(in.sin6_port);
	return 0;
}

static bool is_passed_on(const struct hoy_net_port *port, int family)
{
	return family == AF_INET6 || (port->families & HOY_NET_RELAYED);
}

/* Takes `number` (0: any) on one family; *ret_number is what it got. */
static int hold(const struct hoy_net_port *port, int family, uint16_t number, int *ret_sock, uint16_t *ret_number)
{
	const struct sockaddr_in in = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(port->host_ip), .sin_port = htons(number)
	};
	const struct sockaddr_in6 in6 = {
		.sin6_family = AF_INET6, .sin6_addr = port->host_ip6, .sin6_port = htons(number)
	};
	auto_fd int sock = open_socket(family, port->proto);
	int r;

	if (sock < 0)
		return -errno;
	r = prepare(sock, family, port->proto);
	if (r < 0)
		return r;
	if (family == AF_INET ? bind(sock, (const struct sockaddr *) &in, sizeof in) < 0
			      : bind(sock, (const struct sockaddr *) &in6, sizeof in6) < 0)
		return -errno;
	if (port->proto != IPPROTO_UDP && listen(sock, is_passed_on(port, family) ? RELAY_BACKLOG : 1) < 0)
		return -errno;
	r = port_of(sock, ret_number);
	if (r >= 0)
		*ret_sock = TAKE_FD(sock);
	return r;
}

/* A host may have no IPv6: then a port of both families is one of IPv4. */
static int hold_both(struct hoy_net_port *port, uint16_t number, int sockets[2])
{
	auto_fd int v4 = -EBADF;
	auto_fd int v6 = -EBADF;
	int r = 0;

	if (port->families & HOY_NET_V4)
		r = hold(port, AF_INET, number, &v4, &number);
	if (r >= 0 && (port->families & HOY_NET_V6)) {
		r = hold(port, AF_INET6, number, &v6, &number);
		if ((r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL) && (port->families & HOY_NET_V4)) {
			port->families &= (uint8_t) ~HOY_NET_V6;
			r = 0;
		}
	}
	if (r < 0)
		return r;
	port->host_port = number;
	sockets[0] = TAKE_FD(v4);
	sockets[1] = TAKE_FD(v6);
	return 0;
}

int hoy_reserve_port(struct hoy_net_port *port, int sockets[2], struct hoy_err *err)
{
	unsigned int first = port->host_port, last = MAX(port->host_port, port->host_port_last);
	int r = -EADDRINUSE;

	for (unsigned int number = first; number <= last && r == -EADDRINUSE; number++)
		for (unsigned int i = 0; i < (number == 0 ? ANY_TRIES : 1) && r == -EADDRINUSE; i++)
			r = hold_both(port, (uint16_t) number, sockets);
	return r < 0 ? hoy_err_code(err, r, "reserve port %u", first) : 0;
}

void hoy_reserve_refuse(int sock)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	auto_fd int conn = accept4(sock, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (conn >= 0)
		(void) setsockopt(conn, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}
