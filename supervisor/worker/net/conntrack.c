/*
 * ctnetlink: one dump of the UDP entries (filtered by the kernel, Linux 5.8), one delete request for each that matches.
 * Deleting by filter would be one request, but only from Linux 6.8 on.
 */
#include "supervisor/worker/net/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

/* Bits of CTA_FILTER_ORIG_FLAGS: what of the tuple given is to be compared. */
#define FILTER_PROTO_NUM (1U << 3)

#define MAX_VICTIMS 4096

/* As on the wire; an IPv4 address is the first four bytes. */
struct victim {
	struct in6_addr source, destination;
	uint16_t source_port, destination_port;
};

struct search {
	const struct hoy_net_port *ports;
	size_t n_ports;
	uint8_t family;
	struct victim *victims;
	size_t n;
};

static void free_sock(struct nl_sock **sock)
{
	nl_socket_free(*sock);
}

static struct nl_msg *new_message(int type, int flags, uint8_t family)
{
	const struct nfgenmsg header = { .nfgen_family = family, .version = NFNETLINK_V0 };
	struct nl_msg *msg = nlmsg_alloc_simple(NFNL_SUBSYS_CTNETLINK << 8 | type, flags);

	if (msg && nlmsg_append(msg, (void *) &header, sizeof header, NLMSG_ALIGNTO) < 0) {
		nlmsg_free(msg);
		return NULL;
	}
	return msg;
}

/* --- finding ----------------------------------------------------------------------- */

static bool is_published(const struct search *search, const struct victim *entry)
{
	for (size_t i = 0; i < search->n_ports; i++) {
		const struct hoy_net_port *port = &search->ports[i];
		const struct in_addr in = { htonl(port->host_ip) };
		bool is_v4 = search->family == AF_INET;
		bool everywhere = is_v4 ? port->host_ip == 0 : IN6_IS_ADDR_UNSPECIFIED(&port->host_ip6);

		if (port->proto != IPPROTO_UDP || htons(port->host_port) != entry->destination_port ||
			!(port->families & (is_v4 ? HOY_NET_V4 : HOY_NET_V6)))
			continue;
		if (everywhere || (is_v4 ? memcmp(&in, &entry->destination, sizeof in) == 0
					 : IN6_ARE_ADDR_EQUAL(&port->host_ip6, &entry->destination)))
			return true;
	}
	return false;
}

/* A host's own address can be bound. A flow to the same port of another host is not ours to touch. */
static bool is_local(uint8_t family, const struct in6_addr *address)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	const struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = *address };
	auto_fd int sock = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(&in.sin_addr, address, sizeof in.sin_addr);
	if (sock < 0)
		return false;
	return family == AF_INET ? bind(sock, (const struct sockaddr *) &in, sizeof in) == 0
				 : bind(sock, (const struct sockaddr *) &in6, sizeof in6) == 0;
}

static size_t address_size(uint8_t family)
{
	return family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
}

static int parse_tuple(struct nlattr *tuple, uint8_t family, struct victim *ret)
{
	int source = family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC;
	int destination = family == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST;
	size_t size = address_size(family);
	struct nlattr *part[CTA_TUPLE_MAX + 1], *ip[CTA_IP_MAX + 1], *proto[CTA_PROTO_MAX + 1];

	if (nla_parse_nested(part, CTA_TUPLE_MAX, tuple, NULL) < 0 || !part[CTA_TUPLE_IP] || !part[CTA_TUPLE_PROTO])
		return -1;
	if (nla_parse_nested(ip, CTA_IP_MAX, part[CTA_TUPLE_IP], NULL) < 0 || !ip[source] || !ip[destination] ||
		(size_t) nla_len(ip[source]) != size || (size_t) nla_len(ip[destination]) != size)
		return -1;
	if (nla_parse_nested(proto, CTA_PROTO_MAX, part[CTA_TUPLE_PROTO], NULL) < 0 || !proto[CTA_PROTO_NUM] ||
		!proto[CTA_PROTO_SRC_PORT] || !proto[CTA_PROTO_DST_PORT])
		return -1;
	if (nla_get_u8(proto[CTA_PROTO_NUM]) != IPPROTO_UDP)
		return -1;
	*ret = (struct victim){
		.source_port = nla_get_u16(proto[CTA_PROTO_SRC_PORT]),
		.destination_port = nla_get_u16(proto[CTA_PROTO_DST_PORT]),
	};
	memcpy(&ret->source, nla_data(ip[source]), size);
	memcpy(&ret->destination, nla_data(ip[destination]), size);
	return 0;
}

static int on_entry(struct nl_msg *msg, void *userdata)
{
	struct search *search = userdata;
	struct nlattr *attr[CTA_MAX + 1];
	struct victim entry, *grown;

	if (nlmsg_parse(nlmsg_hdr(msg), sizeof(struct nfgenmsg), attr, CTA_MAX, NULL) < 0 || !attr[CTA_TUPLE_ORIG] ||
		parse_tuple(attr[CTA_TUPLE_ORIG], search->family, &entry) < 0)
		return NL_OK;
	if (search->n >= MAX_VICTIMS || !is_published(search, &entry) || !is_local(search->family, &entry.destination))
		return NL_OK;
	grown = reallocarray(search->victims, search->n + 1, sizeof *grown);
	if (!grown)
		return NL_OK;
	search->victims = grown;
	grown[search->n++] = entry;
	return NL_OK;
}

static struct nl_msg *dump_request(uint8_t family)
{
	struct nl_msg *msg = new_message(IPCTNL_MSG_CT_GET, NLM_F_DUMP, family);
	struct nlattr *tuple, *proto, *filter;

	if (!msg)
		return NULL;
	if (!(tuple = nla_nest_start(msg, CTA_TUPLE_ORIG | NLA_F_NESTED)) ||
		!(proto = nla_nest_start(msg, CTA_TUPLE_PROTO | NLA_F_NESTED)) ||
		nla_put_u8(msg, CTA_PROTO_NUM, IPPROTO_UDP) < 0)
		goto failed;
	nla_nest_end(msg, proto);
	nla_nest_end(msg, tuple);
	filter = nla_nest_start(msg, CTA_FILTER | NLA_F_NESTED);
	if (!filter || nla_put_u32(msg, CTA_FILTER_ORIG_FLAGS, FILTER_PROTO_NUM) < 0 ||
		nla_put_u32(msg, CTA_FILTER_REPLY_FLAGS, 0) < 0)
		goto failed;
	nla_nest_end(msg, filter);
	return msg;
failed:
	nlmsg_free(msg);
	return NULL;
}

static int find(struct nl_sock *sock, struct search *search)
{
	struct nl_msg *msg = dump_request(search->family);
	int r;

	if (!msg)
		return -1;
	r = nl_socket_modify_cb(sock, NL_CB_VALID, NL_CB_CUSTOM, on_entry, search);
	if (r >= 0)
		r = nl_send_auto(sock, msg);
	nlmsg_free(msg);
	return r < 0 ? r : nl_recvmsgs_default(sock);
}

/* --- forgetting ---------------------------------------------------------------------- */

static struct nl_msg *delete_request(const struct victim *victim, uint8_t family)
{
	struct nl_msg *msg = new_message(IPCTNL_MSG_CT_DELETE, 0, family);
	int size = (int) address_size(family);
	struct nlattr *tuple, *ip, *proto;

	if (!msg)
		return NULL;
	if (!(tuple = nla_nest_start(msg, CTA_TUPLE_ORIG | NLA_F_NESTED)) ||
		!(ip = nla_nest_start(msg, CTA_TUPLE_IP | NLA_F_NESTED)) ||
		nla_put(msg, family == AF_INET ? CTA_IP_V4_SRC : CTA_IP_V6_SRC, size, &victim->source) < 0 ||
		nla_put(msg, family == AF_INET ? CTA_IP_V4_DST : CTA_IP_V6_DST, size, &victim->destination) < 0)
		goto failed;
	nla_nest_end(msg, ip);
	proto = nla_nest_start(msg, CTA_TUPLE_PROTO | NLA_F_NESTED);
	if (!proto || nla_put_u8(msg, CTA_PROTO_NUM, IPPROTO_UDP) < 0 ||
		nla_put_u16(msg, CTA_PROTO_SRC_PORT, victim->source_port) < 0 ||
		nla_put_u16(msg, CTA_PROTO_DST_PORT, victim->destination_port) < 0)
		goto failed;
	nla_nest_end(msg, proto);
	nla_nest_end(msg, tuple);
	return msg;
failed:
	nlmsg_free(msg);
	return NULL;
}

static bool has_udp(const struct hoy_net_port *ports, size_t n, enum hoy_net_family family)
{
	for (size_t i = 0; i < n; i++)
		if (ports[i].proto == IPPROTO_UDP && (ports[i].families & family))
			return true;
	return false;
}

static void forget(const struct hoy_net_port *ports, size_t n, uint8_t family)
{
	auto_(free_sock) struct nl_sock *sock = nl_socket_alloc();
	auto_(free_sock) struct nl_sock *deleting = sock ? nl_socket_alloc() : NULL;
	struct search search = { .ports = ports, .n_ports = n, .family = family };

	if (!deleting || nl_connect(sock, NETLINK_NETFILTER) < 0 || nl_connect(deleting, NETLINK_NETFILTER) < 0)
		return;
	(void) find(sock, &search);
	for (size_t i = 0; i < search.n; i++) {
		struct nl_msg *msg = delete_request(&search.victims[i], family);

		if (msg)
			(void) nl_send_sync(deleting, msg); /* frees it; an entry that is gone already is fine */
	}
	free(search.victims);
}

void hoy_conntrack_forget(const struct hoy_net_port *ports, size_t n)
{
	if (has_udp(ports, n, HOY_NET_V4))
		forget(ports, n, AF_INET);
	if (has_udp(ports, n, HOY_NET_V6))
		forget(ports, n, AF_INET6);
}
