/*
 * hoy-dns answers in a container's namespace without ever being in it. Its sockets listen on ports that the kernel
 * chooses; two DNAT rules in that namespace lead 127.0.0.11:53 there, so that port 53 is the container's own: a server
 * on 0.0.0.0:53 inside it gets what is sent to its other addresses.
 */
#include "supervisor/worker/net/nameserver.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "supervisor/worker/dns/proto.h"
#include "supervisor/worker/net/firewall.h"
#include "supervisor/worker/net/ruleset.h"

#define BACKLOG 64

struct opened {
	int sockets[HOY_DNS_N_SOCKETS];
	uint16_t ports[2]; /* of the first two */
	struct hoy_firewall *firewall;
};

static void opened_done(struct opened *opened)
{
	for (size_t i = 0; i < HOY_DNS_N_SOCKETS; i++)
		hoy_fd_close(&opened->sockets[i]);
	hoy_firewall_free(opened->firewall);
}

static int listen_on(int sock, bool is_tcp, uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(HOY_DNS_ADDRESS) };
	socklen_t len = sizeof in;

	if (bind(sock, (const struct sockaddr *) &in, sizeof in) < 0 || (is_tcp && listen(sock, BACKLOG) < 0) ||
		getsockname(sock, (struct sockaddr *) &in, &len) < 0)
		return -errno;
	*ret_port = ntohs(in.sin_port);
	return 0;
}

/* Inside the namespace. */
static int open_inside(void *userdata, struct hoy_err *err)
{
	struct opened *opened = userdata;

	for (size_t i = 0; i < HOY_DNS_N_SOCKETS; i++) {
		bool is_tcp = i == HOY_DNS_TCP || i >= HOY_DNS_OUT_TCP;
		int r = 0;

		opened->sockets[i] = socket(
			AF_INET, (is_tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (opened->sockets[i] < 0)
			return hoy_err_sys(err, "open a socket of the name server");
		if (i < HOY_DNS_OUT_UDP)
			r = listen_on(opened->sockets[i], is_tcp, &opened->ports[i]);
		if (r < 0)
			return hoy_err_code(err, r, "listen as name server");
	}
	return hoy_firewall_new(&opened->firewall, err); /* netlink reaches the namespace it was opened in */
}

int hoy_nameserver_open(struct hoy_links *links, int netns, int *ret_sockets, struct hoy_err *err)
{
	auto_(opened_done) struct opened opened = {};
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	for (size_t i = 0; i < HOY_DNS_N_SOCKETS; i++)
		opened.sockets[i] = -EBADF;
	r = hoy_links_inside(links, netns, open_inside, &opened, err);
	if (r < 0)
		return r;
	hoy_ruleset_nameserver(&text, opened.ports[HOY_DNS_UDP], opened.ports[HOY_DNS_TCP]);
	r = hoy_firewall_run(opened.firewall, &text, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < HOY_DNS_N_SOCKETS; i++)
		ret_sockets[i] = TAKE_FD(opened.sockets[i]);
	return 0;
}
