/* The nftables texts: the frame of the table, bridges, published ports. Talks to nobody. */
#include "supervisor/worker/net/ruleset.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* What differs between the two tables of one name. */
struct family {
	const char *name; /* also the keyword of its addresses */
	const char *address;
	const char *loopback;
	bool loopback_is_ours; /* no address translation for it */
};

static const struct family families[] = {
	{ "ip", "ipv4_addr", "127.0.0.0/8", false },
	/* There is no route_localnet of IPv6: what is sent to ::1 is for hoy-net's own socket, which passes it on. */
	{ "ip6", "ipv6_addr", "::1", true },
};

/* What is ours in the table; anything else there is the operator's. ADDRESS is the family's type of addresses. */
static const struct {
	const char *kind, *name, *definition;
} sets[] = {
	{ "set", "bridges", "type ifname;" },
	{ "set", "internal", "type ifname;" },
	{ "set", "subnets", "type ADDRESS; flags interval;" },
	{ "set", "masqueraded", "type ADDRESS; flags interval;" },
	{ "set", "neighbours", "type ifname . ifname;" },
	{ "set", "restricted", "type ADDRESS;" },
	{ "set", "denied", "type ADDRESS; counter;" },
	{ "set", "allowed", "type ADDRESS . ADDRESS; flags interval;" },
	{ "set", "allowed_ports", "type ADDRESS . ADDRESS . inet_proto . inet_service; flags interval;" },
	{ "set", "named", "type ADDRESS . ADDRESS; flags timeout;" },
	{ "set", "named_ports", "type ADDRESS . ADDRESS . inet_proto . inet_service; flags timeout;" },
	{ "map", "published", "type inet_proto . inet_service : ADDRESS . inet_service;" },
	{ "map", "published_on", "type ADDRESS . inet_proto . inet_service : ADDRESS . inet_service;" },
};

/*
 * guard       a container must not reach the host's 127/8 through route_localnet
 * publish     port to container; what comes from outside for 127/8 is left to die as a martian
 * postrouting to the outside as the host; from 127/8 and from a neighbour through a published port (hairpin) as the
 *             bridge, so that the answer comes back this way; else the client's address is kept
 * incoming    into a bridge: answers, published ports and neighbours only
 * egress      what a restricted container sends off its network: answers, and to where it may; the rest is counted
 *             by its address, logged now and then, and refused
 * forward     the operator's rules; neighbours; then nothing into or out of an internal bridge
 * input       to the host itself
 *
 * Priorities are numbers because nft 1.0.6 knows the name "dstnat" in prerouting only.
 */
static const struct {
	const char *name, *hook;
} chains[] = {
	{ "publish", "" },
	{ "incoming", "" },
	{ "egress", "" },
	{ "guard", " { type filter hook prerouting priority -300; }" },
	{ "prerouting", " { type nat hook prerouting priority -100; }" },
	{ "output", " { type nat hook output priority -100; }" },
	{ "postrouting", " { type nat hook postrouting priority 100; }" },
	{ "forward", " { type filter hook forward priority 0; }" },
	{ "input", " { type filter hook input priority 0; }" },
};

static const char rules[] =
	"add rule %2$s %1$s guard iifname @bridges %2$s daddr %3$s drop\n"
	"add rule %2$s %1$s publish dnat %2$s to %2$s daddr . meta l4proto . th dport map @published_on\n"
	"add rule %2$s %1$s publish dnat %2$s to meta l4proto . th dport map @published\n"
	"add rule %2$s %1$s prerouting iifname != \"lo\" %2$s daddr %3$s return\n"
	"add rule %2$s %1$s prerouting fib daddr type local jump publish\n";
static const char loopback_rules[] = "add rule %2$s %1$s output %2$s daddr %3$s return\n";
static const char further_rules[] =
	"add rule %2$s %1$s output fib daddr type local jump publish\n"
	"add rule %2$s %1$s postrouting %2$s saddr @masqueraded oifname != @bridges masquerade\n"
	"add rule %2$s %1$s postrouting %2$s saddr @subnets oifname @bridges ct status dnat masquerade\n"
	"add rule %2$s %1$s postrouting %2$s saddr %3$s oifname @bridges masquerade\n"
	"add rule %2$s %1$s forward jump " HOY_RULESET_USER "\n"
	"add rule %2$s %1$s forward iifname . oifname @neighbours accept\n"
	"add rule %2$s %1$s forward iifname @bridges %2$s saddr @restricted jump egress\n"
	"add rule %2$s %1$s input iifname @bridges %2$s saddr @restricted jump egress\n"
	"add rule %2$s %1$s forward iifname @internal drop\n"
	"add rule %2$s %1$s forward oifname @internal drop\n"
	"add rule %2$s %1$s forward oifname @bridges jump incoming\n"
	"add rule %2$s %1$s incoming ct state established,related accept\n"
	"add rule %2$s %1$s incoming ct status dnat accept\n"
	"add rule %2$s %1$s incoming drop\n"
	"add rule %2$s %1$s egress ct state established,related return\n"
	"add rule %2$s %1$s egress %2$s saddr . %2$s daddr @allowed return\n"
	"add rule %2$s %1$s egress %2$s saddr . %2$s daddr . meta l4proto . th dport @allowed_ports return\n"
	"add rule %2$s %1$s egress %2$s saddr . %2$s daddr @named return\n"
	"add rule %2$s %1$s egress %2$s saddr . %2$s daddr . meta l4proto . th dport @named_ports return\n"
	"add rule %2$s %1$s egress meta l4proto 58 @th,0,8 { 135, 136 } return\n" /* who has an address */
	"add rule %2$s %1$s egress %2$s saddr @denied limit rate 10/second burst 20 packets "
	"log prefix \"hoy: egress denied: \"\n"
	"add rule %2$s %1$s egress meta l4proto 6 reject with tcp reset\n"
	"add rule %2$s %1$s egress reject\n";

/* Ports of bridges through which nothing may come but from the addresses of their containers: rules by source address
 * would mean nothing else. ARP is no way out. */
static const char sources[] =
	"add table bridge %1$s\n"
	"add set bridge %1$s restricted { type ifname; }\n"
	"flush set bridge %1$s restricted\n"
	"add set bridge %1$s source { type ifname . ipv4_addr; }\n"
	"flush set bridge %1$s source\n"
	"add set bridge %1$s source6 { type ifname . ipv6_addr; }\n"
	"flush set bridge %1$s source6\n"
	"add chain bridge %1$s check\n"
	"flush chain bridge %1$s check\n"
	"add chain bridge %1$s prerouting { type filter hook prerouting priority -300; }\n"
	"flush chain bridge %1$s prerouting\n"
	"add rule bridge %1$s prerouting iifname @restricted jump check\n"
	"add rule bridge %1$s check ether type arp accept\n"
	"add rule bridge %1$s check ether type ip iifname . ip saddr @source accept\n"
	"add rule bridge %1$s check ether type ip6 iifname . ip6 saddr @source6 accept\n"
	"add rule bridge %1$s check ether type ip6 meta l4proto 58 @th,0,8 { 131, 132, 135, 136, 143 } accept\n"
	"add rule bridge %1$s check drop\n";

/* Adding before deleting makes the delete succeed whether or not the table exists. */
static void remove_table(struct hoy_buf *out, const char *family, const char *table)
{
	(void) hoy_buf_addf(out, "add table %2$s %1$s\ndelete table %2$s %1$s\n", table, family);
}

void hoy_ruleset_remove(struct hoy_buf *out, const char *table, unsigned int which)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++)
		if (which & 1U << i)
			remove_table(out, families[i].name, table);
}

void hoy_ruleset_nameserver(struct hoy_buf *out, uint16_t udp_port, uint16_t tcp_port)
{
	static const char table[] = "hoy-dns";

	remove_table(out, "ip", table);
	(void) hoy_buf_addf(out,
		"table ip %s {\n"
		"	chain output {\n"
		"		type nat hook output priority -100\n"
		"		ip daddr 127.0.0.11 udp dport 53 dnat to 127.0.0.11:%u\n"
		"		ip daddr 127.0.0.11 tcp dport 53 dnat to 127.0.0.11:%u\n"
		"	}\n"
		"}\n",
		table, udp_port, tcp_port);
}

/* Whatever is ours is there then, and empty. Adding what exists is fine; flushing what doesn't is not. */
static void empty_frame(struct hoy_buf *out, const struct family *f, const char *table)
{
	(void) hoy_buf_addf(
		out, "add table %s %s\nadd chain %s %s %s\n", f->name, table, f->name, table, HOY_RULESET_USER);
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		(void) hoy_buf_addf(out, "add chain %2$s %1$s %3$s%4$s\nflush chain %2$s %1$s %3$s\n", table, f->name,
			chains[i].name, chains[i].hook);
	for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
		const char *definition = sets[i].definition;

		(void) hoy_buf_addf(out, "add %s %s %s %s { ", sets[i].kind, f->name, table, sets[i].name);
		for (const char *type; (type = strstr(definition, "ADDRESS")); definition = type + strlen("ADDRESS"))
			(void) hoy_buf_addf(out, "%.*s%s", (int) (type - definition), definition, f->address);
		(void) hoy_buf_addf(
			out, "%s }\nflush %s %s %s %s\n", definition, sets[i].kind, f->name, table, sets[i].name);
	}
}

void hoy_ruleset_frame(struct hoy_buf *out, const char *table, unsigned int which)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct family *f = &families[i];

		if (!(which & 1U << i))
			continue;
		empty_frame(out, f, table);
		(void) hoy_buf_addf(out, rules, table, f->name, f->loopback);
		if (f->loopback_is_ours)
			(void) hoy_buf_addf(out, loopback_rules, table, f->name, f->loopback);
		(void) hoy_buf_addf(out, further_rules, table, f->name, f->loopback);
	}
}

void hoy_ruleset_sources(struct hoy_buf *out, const char *table)
{
	(void) hoy_buf_addf(out, sources, table);
}

void hoy_ruleset_remove_sources(struct hoy_buf *out, const char *table)
{
	remove_table(out, "bridge", table);
}

void hoy_ruleset_strip(struct hoy_buf *out, const char *table, unsigned int which)
{
	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		const struct family *f = &families[i];

		if (!(which & 1U << i))
			continue;
		empty_frame(out, f, table);
		for (size_t j = 0; j < ARRAY_LEN(chains); j++)
			(void) hoy_buf_addf(out, "delete chain %s %s %s\n", f->name, table, chains[j].name);
		for (size_t j = 0; j < ARRAY_LEN(sets); j++)
			(void) hoy_buf_addf(out, "delete %s %s %s %s\n", sets[j].kind, f->name, table, sets[j].name);
	}
}

/* "table ... {", "chain user {", two times "}" */
bool hoy_ruleset_has_rules(const char *listing)
{
	size_t lines = 0;

	for (const char *c = listing; *c; c++)
		lines += *c == '\n';
	return lines > 4;
}

struct ipv4_text {
	char text[16];
};

static struct ipv4_text ipv4(uint32_t address)
{
	struct ipv4_text t;

	(void) snprintf(t.text, sizeof t.text, "%u.%u.%u.%u", address >> 24, address >> 16 & 0xff, address >> 8 & 0xff,
		address & 0xff);
	return t;
}

struct ipv6_text {
	char text[INET6_ADDRSTRLEN];
};

static struct ipv6_text ipv6(const struct in6_addr *address)
{
	struct ipv6_text t;

	(void) inet_ntop(AF_INET6, address, t.text, sizeof t.text);
	return t;
}

static const char *verb_text(enum hoy_ruleset_verb verb)
{
	return verb == HOY_RULESET_ADD ? "add" : "delete";
}

static void add_bridge(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_net_bridge *bridge, const char *family, const char *subnet, uint32_t prefix_len)
{
	const char *do_ = verb_text(verb), *name = bridge->name;

	(void) hoy_buf_addf(out, "%s element %s %s bridges { \"%s\" }\n", do_, family, table, name);
	(void) hoy_buf_addf(out, "%s element %s %s subnets { %s/%u }\n", do_, family, table, subnet, prefix_len);
	if (!(bridge->flags & HOY_NET_SEPARATE))
		(void) hoy_buf_addf(
			out, "%s element %s %s neighbours { \"%s\" . \"%s\" }\n", do_, family, table, name, name);
	if (bridge->flags & HOY_NET_INTERNAL)
		(void) hoy_buf_addf(out, "%s element %s %s internal { \"%s\" }\n", do_, family, table, name);
	else if (!(bridge->flags & HOY_NET_NO_MASQUERADE))
		(void) hoy_buf_addf(
			out, "%s element %s %s masqueraded { %s/%u }\n", do_, family, table, subnet, prefix_len);
}

static struct in6_addr base_of(const struct in6_addr *address, uint32_t prefix_len)
{
	struct in6_addr base = *address;

	for (uint32_t i = 0; i < 16; i++)
		base.s6_addr[i] &= (uint8_t) (0xff00U >> (prefix_len > 8 * i ? MIN(prefix_len - 8 * i, 8U) : 0));
	return base;
}

bool hoy_ruleset_is_in(const struct hoy_net_bridge *bridge, const struct in6_addr *address)
{
	uint32_t mask = bridge->prefix_len ? ~0U << (32 - bridge->prefix_len) : 0, v4;
	const struct in6_addr net = base_of(&bridge->address6, bridge->prefix6_len),
			      theirs = base_of(address, bridge->prefix6_len);

	if (!IN6_IS_ADDR_V4MAPPED(address))
		return bridge->prefix6_len > 0 && IN6_ARE_ADDR_EQUAL(&net, &theirs);
	memcpy(&v4, &address->s6_addr[12], sizeof v4);
	return bridge->prefix_len > 0 && ((ntohl(v4) ^ bridge->address) & mask) == 0;
}

void hoy_ruleset_bridge(
	struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb, const struct hoy_net_bridge *bridge)
{
	uint32_t mask = bridge->prefix_len ? ~0U << (32 - bridge->prefix_len) : 0;
	const struct in6_addr base6 = base_of(&bridge->address6, bridge->prefix6_len);

	add_bridge(out, table, verb, bridge, "ip", ipv4(bridge->address & mask).text, bridge->prefix_len);
	if (bridge->prefix6_len > 0)
		add_bridge(out, table, verb, bridge, "ip6", ipv6(&base6).text, bridge->prefix6_len);
}

/* One family's elements in one of the two maps. */
struct list {
	struct hoy_buf *out;
	const char *table, *verb, *family;
	const char *map;
	size_t n;
};

static void add_name(struct list *list)
{
	if (list->n++ == 0)
		(void) hoy_buf_addf(
			list->out, "%s element %s %s %s {", list->verb, list->family, list->table, list->map);
	else
		(void) hoy_buf_addc(list->out, ',');
}

static void add_element(struct list *list, const char *on, const struct hoy_net_port *port, const char *to)
{
	add_name(list);
	if (on)
		(void) hoy_buf_addf(list->out, " %s .", on);
	(void) hoy_buf_addf(list->out, " %u . %u : %s . %u", port->proto, port->host_port, to, port->container_port);
}

static void end_list(const struct list *list)
{
	if (list->n > 0)
		(void) hoy_buf_adds(list->out, " }\n");
}

static void add_ports(struct list *list, const struct hoy_ruleset_target *to, const struct hoy_net_port *ports,
	size_t n, bool on_address)
{
	for (size_t i = 0; i < n; i++)
		if ((ports[i].families & (HOY_NET_V4 | HOY_NET_RELAYED)) == HOY_NET_V4 &&
			(ports[i].host_ip != 0) == on_address)
			add_element(list, on_address ? ipv4(ports[i].host_ip).text : NULL, &ports[i],
				ipv4(to->address).text);
	end_list(list);
}

/* ::1 is not translated, and what goes to a container without IPv6 is passed on by hoy-net. */
static void add_ports6(struct list *list, const struct hoy_ruleset_target *to, const struct hoy_net_port *ports,
	size_t n, bool on_address)
{
	for (size_t i = 0; i < n; i++)
		if ((ports[i].families & (HOY_NET_V6 | HOY_NET_RELAYED)) == HOY_NET_V6 &&
			!IN6_IS_ADDR_LOOPBACK(&ports[i].host_ip6) &&
			IN6_IS_ADDR_UNSPECIFIED(&ports[i].host_ip6) != on_address)
			add_element(list, on_address ? ipv6(&ports[i].host_ip6).text : NULL, &ports[i],
				ipv6(&to->address6).text);
	end_list(list);
}

void hoy_ruleset_ports(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_ruleset_target *to, const struct hoy_net_port *ports, size_t n)
{
	for (int on_address = 0; on_address < 2; on_address++) {
		struct list list = { out, table, verb_text(verb), "ip", on_address ? "published_on" : "published", 0 };
		struct list list6 = list;

		list6.family = "ip6";
		add_ports(&list, to, ports, n, on_address);
		if (!IN6_IS_ADDR_UNSPECIFIED(&to->address6))
			add_ports6(&list6, to, ports, n, on_address);
	}
}

/* --- egress ---------------------------------------------------------------------- */

static const unsigned int port_protocols[] = { IPPROTO_TCP, IPPROTO_UDP, IPPROTO_SCTP };

/* Without port: those that are allowed on all of them. */
static void add_allowed(struct list *list, const char *from, const struct hoy_net_allowed *allowed, size_t n,
	bool is_v4, bool with_port)
{
	for (size_t i = 0; i < n; i++) {
		const struct hoy_net_allowed *a = &allowed[i];
		char to[INET6_ADDRSTRLEN];

		if (IN6_IS_ADDR_V4MAPPED(&a->address) != is_v4 || (a->port != 0) != with_port)
			continue;
		(void) inet_ntop(is_v4 ? AF_INET : AF_INET6, &a->address.s6_addr[is_v4 ? 12 : 0], to, sizeof to);
		for (size_t j = 0; j < (with_port ? ARRAY_LEN(port_protocols) : 1); j++) {
			add_name(list);
			(void) hoy_buf_addf(list->out, " %s . %s/%u", from, to, a->prefix_len);
			if (with_port)
				(void) hoy_buf_addf(list->out, " . %u . %u", port_protocols[j], a->port);
		}
	}
	end_list(list);
}

static void add_egress(struct hoy_buf *out, const char *table, const char *verb, const char *family, const char *from,
	const struct hoy_ruleset_egress *egress)
{
	bool is_v4 = hoy_str_eq(family, "ip");
	struct list list = { out, table, verb, family, "allowed", 0 };
	struct list ports = { out, table, verb, family, "allowed_ports", 0 };

	(void) hoy_buf_addf(out, "%s element %s %s restricted { %s }\n", verb, family, table, from);
	(void) hoy_buf_addf(out, "%s element %s %s denied { %s }\n", verb, family, table, from);
	add_allowed(&list, from, egress->allowed, egress->n_allowed, is_v4, false);
	add_allowed(&ports, from, egress->allowed, egress->n_allowed, is_v4, true);
	if (*egress->port)
		(void) hoy_buf_addf(out, "%s element bridge %s %s { \"%s\" . %s }\n", verb, table,
			is_v4 ? "source" : "source6", egress->port, from);
}

void hoy_ruleset_egress(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_ruleset_target *from, const struct hoy_ruleset_egress *egress)
{
	const char *do_ = verb_text(verb);

	add_egress(out, table, do_, "ip", ipv4(from->address).text, egress);
	if (!IN6_IS_ADDR_UNSPECIFIED(&from->address6))
		add_egress(out, table, do_, "ip6", ipv6(&from->address6).text, egress);
	if (*egress->port)
		(void) hoy_buf_addf(out, "%s element bridge %s restricted { \"%s\" }\n", do_, table, egress->port);
}

static void put_granted(struct list *list, const struct hoy_ruleset_target *from,
	const struct hoy_ruleset_granted *granted, size_t n, bool is_v4, bool with_port, bool with_time)
{
	for (size_t i = 0; i < n; i++) {
		const struct hoy_ruleset_granted *g = &granted[i];
		char to[INET6_ADDRSTRLEN];

		if (IN6_IS_ADDR_V4MAPPED(&g->address) != is_v4 || (g->port != 0) != with_port)
			continue;
		(void) inet_ntop(is_v4 ? AF_INET : AF_INET6, &g->address.s6_addr[is_v4 ? 12 : 0], to, sizeof to);
		for (size_t j = 0; j < (with_port ? ARRAY_LEN(port_protocols) : 1); j++) {
			add_name(list);
			(void) hoy_buf_addf(list->out, " %s . %s",
				is_v4 ? ipv4(from->address).text : ipv6(&from->address6).text, to);
			if (with_port)
				(void) hoy_buf_addf(list->out, " . %u . %u", port_protocols[j], g->port);
			if (with_time)
				(void) hoy_buf_addf(list->out, " timeout %us", g->seconds);
		}
	}
	end_list(list);
}

/* An element that is there keeps its time when it is added once more, and deleting one that is not there fails. */
void hoy_ruleset_granted(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_ruleset_target *from, const struct hoy_ruleset_granted *granted, size_t n)
{
	static const char *const verbs[] = { "add", "delete", "add" };

	for (int v4 = 0; v4 < 2; v4++)
		for (int port = 0; port < 2; port++)
			for (size_t i = 0; i < (verb == HOY_RULESET_ADD ? 3 : 2); i++) {
				struct list list = { out, table, verbs[i], v4 ? "ip" : "ip6",
					port ? "named_ports" : "named", 0 };

				if (v4 || !IN6_IS_ADDR_UNSPECIFIED(&from->address6))
					put_granted(&list, from, granted, n, v4, port, i != 1);
			}
}

/* "ip hoy", "ip6 hoy" */
static bool is_table(const char *text, const char *name)
{
	const char *space = strchr(text, ' ');

	return space && hoy_str_eq(space + 1, name);
}

bool hoy_ruleset_foreign_drop(const char *listing, const char *own_table, char *ret_table, size_t size)
{
	const char *line = listing;

	*ret_table = '\0';
	while (*line) {
		size_t len = strcspn(line, "\n");
		auto_free char *text = strndup(line, len);

		if (!text)
			return false;
		if (hoy_str_starts(text, "table "))
			(void) snprintf(ret_table, size, "%.*s", (int) strcspn(text + 6, "{") - 1, text + 6);
		else if (strstr(text, "hook forward") && strstr(text, "policy drop") && !is_table(ret_table, own_table))
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}
