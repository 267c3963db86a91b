/*
 * A device goes over under a name that nobody has and is renamed there: the kernel moves first and renames then, so
 * that a name which is taken would leave it half-way.
 */
#include "runtime/apply/net_devices.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "libocispec/runtime.h"
#include "runtime/apply/netlink.h"

/* What of an address's flags its owner chose; the rest is the kernel's own book-keeping. */
#define KEPT_FLAGS (IFA_F_NODAD | IFA_F_HOMEADDRESS | IFA_F_MANAGETEMPADDR | IFA_F_NOPREFIXROUTE | IFA_F_MCAUTOJOIN)

/* --- one side -------------------------------------------------------------------------------------------------- */

struct link {
	unsigned int index, flags;
	char name[IFNAMSIZ];
};

static int take_link(const struct nlmsghdr *msg, void *userdata)
{
	const struct ifinfomsg *info = NLMSG_DATA(msg);
	const struct rtattr *name = hoy_netlink_find(msg, sizeof *info, IFLA_IFNAME);
	struct link *link = userdata;

	if (msg->nlmsg_type != RTM_NEWLINK || msg->nlmsg_len < NLMSG_LENGTH(sizeof *info))
		return -EPROTO;
	link->index = (unsigned int) info->ifi_index;
	link->flags = info->ifi_flags;
	if (name)
		(void) snprintf(
			link->name, sizeof link->name, "%.*s", (int) RTA_PAYLOAD(name), (const char *) RTA_DATA(name));
	return 0;
}

static int find_link(int sock, const char *name, struct link *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf msg = {};
	const struct ifinfomsg info = {};

	hoy_netlink_begin(&msg, RTM_GETLINK, 0, &info, sizeof info);
	hoy_netlink_add_string(&msg, IFLA_IFNAME, name);
	return hoy_netlink_exchange(sock, &msg, take_link, ret, err);
}

static int rename_link(int sock, unsigned int index, const char *name, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf msg = {};
	const struct ifinfomsg info = { .ifi_index = (int) index };

	hoy_netlink_begin(&msg, RTM_NEWLINK, 0, &info, sizeof info);
	hoy_netlink_add_string(&msg, IFLA_IFNAME, name);
	return hoy_netlink_exchange(sock, &msg, NULL, NULL, err);
}

static int bring_up(int sock, unsigned int index, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf msg = {};
	const struct ifinfomsg info = { .ifi_index = (int) index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };

	hoy_netlink_begin(&msg, RTM_NEWLINK, 0, &info, sizeof info);
	return hoy_netlink_exchange(sock, &msg, NULL, NULL, err);
}

/* --- addresses ------------------------------------------------------------------------------------------------- */

struct address {
	struct ifaddrmsg head;
	struct hoy_buf attrs; /* as they came, without the label: that holds the device's name */
};
struct addresses {
	unsigned int index;
	struct address *list;
	size_t n;
};

static void addresses_done(struct addresses *a)
{
	for (size_t i = 0; i < a->n; i++)
		hoy_buf_done(&a->list[i].attrs);
	free(a->list);
}

static void copy_attrs(const struct nlmsghdr *msg, uint32_t flags, struct hoy_buf *to)
{
	static const uint16_t kept[] = { IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_ANYCAST, IFA_RT_PRIORITY,
		IFA_PROTO };

	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		const struct rtattr *a = hoy_netlink_find(msg, sizeof(struct ifaddrmsg), kept[i]);

		if (a)
			hoy_netlink_add(to, kept[i], RTA_DATA(a), RTA_PAYLOAD(a));
	}
	flags &= KEPT_FLAGS;
	hoy_netlink_add(to, IFA_FLAGS, &flags, sizeof flags);
}

/* Permanent ones of global scope: the others are the kernel's to make again. */
static int take_address(const struct nlmsghdr *msg, void *userdata)
{
	const struct ifaddrmsg *head = NLMSG_DATA(msg);
	const struct rtattr *attr = hoy_netlink_find(msg, sizeof *head, IFA_FLAGS);
	struct addresses *all = userdata;
	struct address *more;
	uint32_t flags;

	if (msg->nlmsg_type != RTM_NEWADDR || msg->nlmsg_len < NLMSG_LENGTH(sizeof *head))
		return -EPROTO;
	flags = attr && RTA_PAYLOAD(attr) >= sizeof flags ? *(const uint32_t *) RTA_DATA(attr) : head->ifa_flags;
	if (head->ifa_index != all->index || head->ifa_scope != RT_SCOPE_UNIVERSE || !(flags & IFA_F_PERMANENT))
		return 0;
	more = reallocarray(all->list, all->n + 1, sizeof *more);
	if (!more)
		return -ENOMEM;
	all->list = more;
	more += all->n++;
	*more = (struct address){ .head = *head };
	more->head.ifa_flags = (uint8_t) (flags & KEPT_FLAGS);
	copy_attrs(msg, flags, &more->attrs);
	return more->attrs.failed;
}

static int read_addresses(int sock, struct addresses *all, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf msg = {};
	const struct ifaddrmsg head = {};

	hoy_netlink_begin(&msg, RTM_GETADDR, NLM_F_DUMP, &head, sizeof head);
	return hoy_netlink_exchange(sock, &msg, take_address, all, err);
}

static int add_addresses(int sock, unsigned int index, const struct addresses *all, struct hoy_err *err)
{
	for (size_t i = 0; i < all->n; i++) {
		auto_(hoy_buf_done) struct hoy_buf msg = {};
		struct ifaddrmsg head = all->list[i].head;
		int r;

		head.ifa_index = index;
		hoy_netlink_begin(&msg, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof head);
		(void) hoy_buf_add(&msg, all->list[i].attrs.data, all->list[i].attrs.len);
		r = hoy_netlink_exchange(sock, &msg, NULL, NULL, err);
		if (r < 0)
			return hoy_err_wrap(err, "set its addresses");
	}
	return 0;
}

/* --- from one side to the other -------------------------------------------------------------------------------- */

struct side {
	int sock;
	int ns;
};

static int send_over(
	const struct side *from, unsigned int index, const struct side *to, const char *name, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf msg = {};
	const struct ifinfomsg info = { .ifi_index = (int) index };

	hoy_netlink_begin(&msg, RTM_NEWLINK, 0, &info, sizeof info);
	hoy_netlink_add_string(&msg, IFLA_IFNAME, name);
	hoy_netlink_add(&msg, IFLA_NET_NS_FD, &to->ns, sizeof to->ns);
	return hoy_netlink_exchange(from->sock, &msg, NULL, NULL, err);
}

/* The device `link` of `from` becomes `name` on the other side. *ret_index is set as soon as it is over there. */
static int move_link(const struct side *from, const struct link *link, const struct side *to, const char *name, bool up,
	unsigned int *ret_index, struct hoy_err *err)
{
	auto_(addresses_done) struct addresses addresses = { .index = link->index };
	char passing[IFNAMSIZ];
	struct link over = {};
	uint32_t random;
	int r = read_addresses(from->sock, &addresses, err);

	if (r < 0)
		return r;
	if (getrandom(&random, sizeof random, 0) != sizeof random)
		return hoy_err_sys(err, "random number");
	(void) snprintf(passing, sizeof passing, "hoy%08x", random);
	r = send_over(from, link->index, to, passing, err);
	if (r < 0)
		return r;
	r = find_link(to->sock, passing, &over, err);
	if (r < 0)
		return r;
	*ret_index = over.index;
	/* First of all, so that a device which goes back takes them along. */
	r = add_addresses(to->sock, over.index, &addresses, err);
	if (r == 0)
		r = rename_link(to->sock, over.index, name, err);
	if (r == -EEXIST)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "a device called '%s' is there already", name);
	return r < 0 || !up ? r : bring_up(to->sock, over.index, err);
}

/* A socket of the namespace `ns`, from where we come back. */
static int open_there(int ns, int own, struct hoy_err *err)
{
	auto_fd int sock = -EBADF;

	if (setns(ns, CLONE_NEWNET) < 0)
		return hoy_err_sys(err, "enter the container's network namespace");
	sock = hoy_netlink_open(err);
	if (setns(own, CLONE_NEWNET) < 0)
		return hoy_err_sys(err, "return to our network namespace");
	return sock < 0 ? sock : TAKE_FD(sock);
}

static void side_done(struct side *s)
{
	hoy_fd_close(&s->sock);
	hoy_fd_close(&s->ns);
}

static int open_sides(int ns, struct side *ours, struct side *theirs, struct hoy_err *err)
{
	ours->ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (ours->ns < 0)
		return hoy_err_sys(err, "open '/proc/self/ns/net'");
	theirs->ns = hoy_fd_dup(ns);
	if (theirs->ns < 0)
		return hoy_err_code(err, theirs->ns, "duplicate descriptor");
	ours->sock = hoy_netlink_open(err);
	if (ours->sock < 0)
		return ours->sock;
	theirs->sock = open_there(ns, ours->ns, err);
	return theirs->sock < 0 ? theirs->sock : 0;
}

static int move_one(const struct hoy_oci_net_device *spec, const struct side *ours, const struct side *theirs,
	struct hoy_moved_devices *moved, struct hoy_err *err)
{
	struct hoy_moved_device *device = &moved->devices[moved->n];
	struct link link = {};
	int r = find_link(ours->sock, spec->host_name, &link, err);

	if (r == -ENODEV)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENODEV, "the host has no such network device");
	if (r < 0)
		return r;
	(void) snprintf(device->host_name, sizeof device->host_name, "%s", spec->host_name);
	device->was_up = link.flags & IFF_UP;
	r = move_link(ours, &link, theirs, spec->name && spec->name[0] ? spec->name : spec->host_name, /* up= */ true,
		&device->index, err);
	moved->n += device->index != 0;
	return r;
}

int hoy_net_devices_move(const struct hoy_oci_linux *spec, int ns, struct hoy_moved_devices *moved, struct hoy_err *err)
{
	auto_(side_done) struct side ours = { -EBADF, -EBADF }, theirs = { -EBADF, -EBADF };
	int r = open_sides(ns, &ours, &theirs, err);

	if (r < 0)
		return hoy_err_wrap(err, "linux.netDevices");
	moved->ns = TAKE_FD(theirs.ns);
	theirs.ns = hoy_fd_dup(moved->ns);
	moved->devices = calloc(spec->n_net_devices + 1, sizeof *moved->devices);
	if (!moved->devices || theirs.ns < 0)
		return hoy_err_oom(err);
	for (size_t i = 0; i < spec->n_net_devices; i++) {
		r = move_one(&spec->net_devices[i], &ours, &theirs, moved, err);
		if (r < 0) {
			hoy_net_devices_return(moved);
			return hoy_err_wrap(err, "linux.netDevices.%s", spec->net_devices[i].host_name);
		}
	}
	return 0;
}

void hoy_net_devices_return(struct hoy_moved_devices *moved)
{
	auto_(side_done) struct side ours = { -EBADF, -EBADF }, theirs = { -EBADF, -EBADF };
	struct hoy_err err = {};
	unsigned int index;
	int opened = moved->n ? open_sides(moved->ns, &ours, &theirs, &err) : 0;

	while (moved->n) {
		const struct hoy_moved_device *d = &moved->devices[--moved->n];
		const struct link link = { .index = d->index };

		if (opened < 0 || move_link(&theirs, &link, &ours, d->host_name, d->was_up, &index, &err) < 0)
			hoy_log_ignored(&err, "give network device '%s' back", d->host_name);
	}
}

void hoy_moved_devices_done(struct hoy_moved_devices *moved)
{
	hoy_fd_close(&moved->ns);
	free(moved->devices);
	*moved = (struct hoy_moved_devices) HOY_MOVED_DEVICES_INIT;
}
