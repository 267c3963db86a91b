/* peer-server PORT [6]: tells every TCP and UDP client on PORT, of IPv4 or IPv6, the address it is seen with. For the
 * network tests. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/str.h"

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static int open_socket(int family, int type, unsigned int port)
{
	union address address = { .in = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) } };
	const int one = 1;
	int sock = socket(family, type | SOCK_CLOEXEC, 0);

	if (family == AF_INET6)
		address.in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port) };
	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
		(family == AF_INET6 && setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0) ||
		bind(sock, &address.any, family == AF_INET ? sizeof address.in : sizeof address.in6) < 0)
		return -1;
	if (type == SOCK_STREAM && listen(sock, 16) < 0)
		return -1;
	return sock;
}

static size_t describe(const union address *address, char *text, size_t size)
{
	char buf[INET6_ADDRSTRLEN];

	if (address->any.sa_family == AF_INET)
		inet_ntop(AF_INET, &address->in.sin_addr, buf, sizeof buf);
	else
		inet_ntop(AF_INET6, &address->in6.sin6_addr, buf, sizeof buf);
	return (size_t) snprintf(text, size, "%s\n", buf);
}

static void serve_stream(int sock)
{
	union address address;
	socklen_t len = sizeof address;
	char text[64];
	int conn = accept4(sock, &address.any, &len, SOCK_CLOEXEC);

	if (conn < 0)
		return;
	(void) !write(conn, text, describe(&address, text, sizeof text));
	(void) close(conn);
}

static void serve_datagram(int sock)
{
	union address address;
	socklen_t len = sizeof address;
	char text[64];

	if (recvfrom(sock, text, sizeof text, 0, &address.any, &len) >= 0)
		(void) sendto(sock, text, describe(&address, text, sizeof text), 0, &address.any, len);
}

int main(int argc, char **argv)
{
	int family = argc == 3 && hoy_str_eq(argv[2], "6") ? AF_INET6 : AF_INET;
	unsigned int port;
	struct pollfd fds[2];

	if (argc < 2 || hoy_str_to_uint(argv[1], &port) < 0)
		return EXIT_FAILURE;
	fds[0] = (struct pollfd){ .fd = open_socket(family, SOCK_STREAM, port), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = open_socket(family, SOCK_DGRAM, port), .events = POLLIN };
	if (fds[0].fd < 0 || fds[1].fd < 0)
		return EXIT_FAILURE;
	while (poll(fds, ARRAY_LEN(fds), -1) > 0) {
		if (fds[0].revents)
			serve_stream(fds[0].fd);
		if (fds[1].revents)
			serve_datagram(fds[1].fd);
	}
	return EXIT_FAILURE;
}
