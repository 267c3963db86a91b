/* The nftables texts: the frame of the table, bridges, published ports. Talks to nobody. */
#include "supervisor/worker/net/ruleset.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/*
 * guard       a container must not reach the host's 127/8 through route_localnet
 * publish     port to container; what comes from outside for 127/8 is left to die as a martian
 * postrouting to the outside as the host; from 127/8 and from a neighbour through a published port (hairpin) as the
 *             bridge, so that the answer comes back this way; else the client's address is kept
 * incoming    into a bridge: answers, published ports and neighbours only
 * forward     neighbours first; then nothing into or out of an internal bridge
 *
 * Priorities are numbers because nft 1.0.6 knows the name "dstnat" in prerouting only.
 */
static const char frame[] =
	"add set ip %1$s bridges { type ifname; }\n"
	"add set ip %1$s internal { type ifname; }\n"
	"add set ip %1$s subnets { type ipv4_addr; flags interval; }\n"
	"add set ip %1$s masqueraded { type ipv4_addr; flags interval; }\n"
	"add set ip %1$s neighbours { type ifname . ifname; }\n"
	"add map ip %1$s published { type inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	"add map ip %1$s published_on "
	"{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }\n"
	"add chain ip %1$s publish\n"
	"add chain ip %1$s incoming\n"
	"add chain ip %1$s guard { type filter hook prerouting priority -300; }\n"
	"add chain ip %1$s prerouting { type nat hook prerouting priority -100; }\n"
	"add chain ip %1$s output { type nat hook output priority -100; }\n"
	"add chain ip %1$s postrouting { type nat hook postrouting priority 100; }\n"
	"add chain ip %1$s forward { type filter hook forward priority 0; }\n"
	"add rule ip %1$s guard iifname @bridges ip daddr 127.0.0.0/8 drop\n"
	"add rule ip %1$s publish dnat ip to ip daddr . meta l4proto . th dport map @published_on\n"
	"add rule ip %1$s publish dnat ip to meta l4proto . th dport map @published\n"
	"add rule ip %1$s prerouting iifname != \"lo\" ip daddr 127.0.0.0/8 return\n"
	"add rule ip %1$s prerouting fib daddr type local jump publish\n"
	"add rule ip %1$s output fib daddr type local jump publish\n"
	"add rule ip %1$s postrouting ip saddr @masqueraded oifname != @bridges masquerade\n"
	"add rule ip %1$s postrouting ip saddr @subnets oifname @bridges ct status dnat masquerade\n"
	"add rule ip %1$s postrouting ip saddr 127.0.0.0/8 oifname @bridges masquerade\n"
	"add rule ip %1$s forward iifname . oifname @neighbours accept\n"
	"add rule ip %1$s forward iifname @internal drop\n"
	"add rule ip %1$s forward oifname @internal drop\n"
	"add rule ip %1$s forward oifname @bridges jump incoming\n"
	"add rule ip %1$s incoming ct state established,related accept\n"
	"add rule ip %1$s incoming ct status dnat accept\n"
	"add rule ip %1$s incoming drop\n";

/* Adding before deleting makes the delete succeed whether or not the table exists. */
void hoy_ruleset_remove(struct hoy_buf *out, const char *table)
{
	(void) hoy_buf_addf(out, "add table ip %1$s\ndelete table ip %1$s\n", table);
}

void hoy_ruleset_nameserver(struct hoy_buf *out, uint16_t udp_port, uint16_t tcp_port)
{
	static const char table[] = "hoy-dns";

	hoy_ruleset_remove(out, table);
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

void hoy_ruleset_frame(struct hoy_buf *out, const char *table)
{
	hoy_ruleset_remove(out, table);
	(void) hoy_buf_addf(out, "add table ip %s\n", table);
	(void) hoy_buf_addf(out, frame, table);
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

static const char *verb_text(enum hoy_ruleset_verb verb)
{
	return verb == HOY_RULESET_ADD ? "add" : "delete";
}

void hoy_ruleset_bridge(
	struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb, const struct hoy_net_bridge *bridge)
{
	uint32_t mask = bridge->prefix_len ? ~0U << (32 - bridge->prefix_len) : 0;
	const char *do_ = verb_text(verb), *name = bridge->name;
	struct ipv4_text subnet = ipv4(bridge->address & mask);

	(void) hoy_buf_addf(out, "%s element ip %s bridges { \"%s\" }\n", do_, table, name);
	(void) hoy_buf_addf(out, "%s element ip %s subnets { %s/%u }\n", do_, table, subnet.text, bridge->prefix_len);
	if (!(bridge->flags & HOY_NET_SEPARATE))
		(void) hoy_buf_addf(out, "%s element ip %s neighbours { \"%s\" . \"%s\" }\n", do_, table, name, name);
	if (bridge->flags & HOY_NET_INTERNAL)
		(void) hoy_buf_addf(out, "%s element ip %s internal { \"%s\" }\n", do_, table, name);
	else if (!(bridge->flags & HOY_NET_NO_MASQUERADE))
		(void) hoy_buf_addf(
			out, "%s element ip %s masqueraded { %s/%u }\n", do_, table, subnet.text, bridge->prefix_len);
}

static void add_elements(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb, uint32_t address,
	const struct hoy_net_port *ports, size_t n, bool on_address)
{
	size_t listed = 0;

	for (size_t i = 0; i < n; i++) {
		if ((ports[i].host_ip != 0) != on_address)
			continue;
		if (listed++ == 0)
			(void) hoy_buf_addf(out, "%s element ip %s %s {", verb_text(verb), table,
				on_address ? "published_on" : "published");
		else
			(void) hoy_buf_addc(out, ',');
		if (on_address)
			(void) hoy_buf_addf(out, " %s .", ipv4(ports[i].host_ip).text);
		(void) hoy_buf_addf(out, " %u . %u : %s . %u", ports[i].proto, ports[i].host_port, ipv4(address).text,
			ports[i].container_port);
	}
	if (listed > 0)
		(void) hoy_buf_adds(out, " }\n");
}

void hoy_ruleset_ports(struct hoy_buf *out, const char *table, enum hoy_ruleset_verb verb, uint32_t address,
	const struct hoy_net_port *ports, size_t n)
{
	add_elements(out, table, verb, address, ports, n, /* on_address= */ false);
	add_elements(out, table, verb, address, ports, n, /* on_address= */ true);
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
		else if (strstr(text, "hook forward") && strstr(text, "policy drop") &&
			 !(hoy_str_starts(ret_table, "ip ") && hoy_str_eq(ret_table + 3, own_table)))
			return true;
		line += len + (line[len] == '\n');
	}
	return false;
}
