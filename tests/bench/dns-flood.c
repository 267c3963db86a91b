/* dns-flood NAME SECONDS: asks 127.0.0.11 for the addresses of NAME by UDP, 64 queries under way; prints the answers
 * per second. To be run inside a container's network namespace. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define WINDOW 64

static double now(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double) ts.tv_sec + (double) ts.tv_nsec / 1e9;
}

static size_t make_query(const char *name, unsigned char *out)
{
	static const unsigned char head[12] = { 0, 1, 1, 0, 0, 1 }, tail[5] = { 0, 0, 1, 0, 1 };
	size_t n = sizeof head;

	memcpy(out, head, sizeof head);
	while (*name) {
		size_t len = strcspn(name, ".");

		out[n++] = (unsigned char) len;
		memcpy(out + n, name, len);
		n += len;
		name += len + (name[len] == '.');
	}
	memcpy(out + n, tail, sizeof tail);
	return n + sizeof tail;
}

int main(int argc, char **argv)
{
	const struct sockaddr_in server = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f00000b), .sin_port = htons(53)
	};
	const struct timeval patience = { .tv_sec = 5 };
	int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned char query[512], answer[4096];
	unsigned long answers = 0;
	double start, seconds;
	size_t len;

	if (argc != 3 || strlen(argv[1]) > 250)
		return EXIT_FAILURE;
	len = make_query(argv[1], query);
	seconds = strtod(argv[2], NULL);
	if (sock < 0 || connect(sock, (const struct sockaddr *) &server, sizeof server) < 0 ||
		setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
		return EXIT_FAILURE;
	for (int i = 0; i < WINDOW; i++)
		(void) send(sock, query, len, 0);
	for (start = now(); now() - start < seconds; answers++) {
		if (recv(sock, answer, sizeof answer, 0) < 12 || (answer[3] & 0xf) != 0 || answer[7] == 0) {
			(void) fprintf(stderr, "dns-flood: no answer: %s\n", strerror(errno));
			return EXIT_FAILURE;
		}
		(void) send(sock, query, len, 0);
	}
	(void) printf("%.0f\n", (double) answers / seconds);
	return EXIT_SUCCESS;
}
