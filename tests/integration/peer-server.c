/* peer-server PORT: tells every TCP and UDP client on PORT the address it is seen with. For the network tests. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/defs.h"
#include "base/str.h"

static int open_socket(int type, unsigned int port)
{
	const struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons((uint16_t) port) };
	const int one = 1;
	int sock = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (sock < 0 || setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
		bind(sock, (const struct sockaddr *) &in, sizeof in) < 0)
		return -1;
	if (type == SOCK_STREAM && listen(sock, 16) < 0)
		return -1;
	return sock;
}

static size_t describe(const struct sockaddr_in *in, char *text, size_t size)
{
	char address[INET_ADDRSTRLEN];

	return (size_t) snprintf(text, size, "%s\n", inet_ntop(AF_INET, &in->sin_addr, address, sizeof address));
}

static void serve_stream(int sock)
{
	struct sockaddr_in in;
	socklen_t len = sizeof in;
	char text[64];
	int conn = accept4(sock, (struct sockaddr *) &in, &len, SOCK_CLOEXEC);

	if (conn < 0)
		return;
	(void) !write(conn, text, describe(&in, text, sizeof text));
	(void) close(conn);
}

static void serve_datagram(int sock)
{
	struct sockaddr_in in;
	socklen_t len = sizeof in;
	char text[64];

	if (recvfrom(sock, text, sizeof text, 0, (struct sockaddr *) &in, &len) >= 0)
		(void) sendto(sock, text, describe(&in, text, sizeof text), 0, (struct sockaddr *) &in, len);
}

int main(int argc, char **argv)
{
	unsigned int port;
	struct pollfd fds[2];

	if (argc != 2 || hoy_str_to_uint(argv[1], &port) < 0)
		return EXIT_FAILURE;
	fds[0] = (struct pollfd){ .fd = open_socket(SOCK_STREAM, port), .events = POLLIN };
	fds[1] = (struct pollfd){ .fd = open_socket(SOCK_DGRAM, port), .events = POLLIN };
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
