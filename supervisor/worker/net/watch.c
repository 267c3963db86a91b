/* Notifications of nf_tables over netlink. Reads only; what is to be done about it is the caller's. */
#include "supervisor/worker/net/watch.h"

#include <errno.h>
#include <netinet/in.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/str.h"

int hoy_watch_open(struct hoy_err *err)
{
	auto_fd int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	const struct sockaddr_nl groups = { .nl_family = AF_NETLINK, .nl_groups = 1U << (NFNLGRP_NFTABLES - 1) };

	if (sock < 0 || bind(sock, (const struct sockaddr *) &groups, sizeof groups) < 0)
		return hoy_err_sys(err, "watch nftables");
	return TAKE_FD(sock);
}

static bool is_deletion_of(struct nlmsghdr *message, const char *table)
{
	const struct nfgenmsg *header = nlmsg_data(message);
	struct nlattr *name;

	if (message->nlmsg_type != (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE) ||
		!nlmsg_valid_hdr(message, sizeof *header) ||
		(header->nfgen_family != NFPROTO_IPV4 && header->nfgen_family != NFPROTO_IPV6 &&
			header->nfgen_family != NFPROTO_BRIDGE))
		return false;
	name = nlmsg_find_attr(message, sizeof *header, NFTA_TABLE_NAME);
	return name && nla_strcmp(name, table) == 0;
}

bool hoy_watch_read(int fd, const char *table)
{
	static _Alignas(struct nlmsghdr) unsigned char data[64 << 10];
	ssize_t n = recv(fd, data, sizeof data, 0);
	int rest = (int) n;
	bool deleted = false;

	if (n < 0)
		return errno == ENOBUFS;
	for (struct nlmsghdr *message = (struct nlmsghdr *) data; nlmsg_ok(message, rest);
		message = nlmsg_next(message, &rest))
		deleted = deleted || is_deletion_of(message, table);
	return deleted;
}
