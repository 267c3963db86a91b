/*
 * IPv6 of networks: the subnet a network gets, and the addresses leased in it. An address is the one of IPv4 in another
 * subnet where that is free (172.20.0.2 has fd00::2), so that both have one MAC and neighbour tables stay right.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/network/network_internal.h"

#define LEASE_TRIES 65536U

static int bad_config(struct hoy_err *err, const char *what, const char *value, const char *why)
{
	return hoy_err_invalid(err, "invalid network config:\ninvalid %s %s: %s", what, value, why);
}

static bool is_given(const char *text)
{
	return text && *text;
}

/* --- the subnet ------------------------------------------------------------------------ */

/* A prefix of RFC 4193: fd, then 56 bits of the network's ID, which is random. */
static struct hoy_prefix6 unique_local(const char *id)
{
	struct hoy_prefix6 prefix = { .len = 64 };

	prefix.address.s6_addr[0] = 0xfd;
	for (size_t i = 1; i < 8; i++) {
		unsigned int byte = 0;

		(void) sscanf(id + 2 * i, "%2x", &byte);
		prefix.address.s6_addr[i] = (uint8_t) byte;
	}
	return prefix;
}

static int parse_subnet(const char *text, struct hoy_prefix6 *ret, struct hoy_err *err)
{
	char wanted[INET6_ADDRSTRLEN];
	struct in6_addr base;

	if (hoy_prefix6_parse(text, ret) < 0)
		return bad_config(err, "subnet", text, "invalid CIDR block notation");
	base = hoy_prefix6_base(ret);
	if (memcmp(&base, &ret->address, sizeof base) != 0)
		return hoy_err_invalid(err, "invalid network config:\ninvalid subnet %s: it should be %s/%u", text,
			hoy_ipv6_format(&base, wanted), ret->len);
	if (ret->len < 16 || ret->len > 126)
		return bad_config(err, "subnet", text, "a network needs a prefix of 16 to 126 bits");
	if (IN6_IS_ADDR_MULTICAST(&base) || IN6_IS_ADDR_LINKLOCAL(&base))
		return bad_config(err, "subnet", text, "link-local and multicast addresses are no network's");
	return 0;
}

static int choose_gateway(const struct hoy_network_definition *d, const struct hoy_prefix6 *subnet,
	const struct hoy_prefix6 *range, struct in6_addr *ret, struct hoy_err *err)
{
	const struct in6_addr base = hoy_prefix6_base(subnet);

	if (!is_given(d->gateway6)) {
		*ret = hoy_prefix6_base(range);
		if (memcmp(ret, &base, sizeof base) == 0)
			(void) hoy_prefix6_at(subnet, 1, ret);
		return 0;
	}
	if (hoy_ipv6_parse(d->gateway6, ret) < 0)
		return bad_config(err, "gateway", d->gateway6, "invalid address");
	if (!hoy_prefix6_contains(subnet, ret))
		return bad_config(err, "gateway", d->gateway6, "parent subnet doesn't contain this address");
	if (memcmp(ret, &base, sizeof base) == 0)
		return bad_config(err, "gateway", d->gateway6, "it is no host's address");
	return 0;
}

static int parse_range(const struct hoy_network_definition *d, const struct hoy_prefix6 *subnet,
	struct hoy_prefix6 *ret, struct hoy_err *err)
{
	*ret = *subnet;
	if (!is_given(d->ip_range6))
		return 0;
	if (hoy_prefix6_parse(d->ip_range6, ret) < 0)
		return bad_config(err, "ip-range", d->ip_range6, "invalid CIDR block notation");
	if (ret->len < subnet->len)
		return bad_config(err, "ip-range", d->ip_range6, "CIDR block is bigger than its parent subnet");
	if (!hoy_prefix6_contains(subnet, &ret->address))
		return bad_config(err, "ip-range", d->ip_range6, "parent subnet doesn't contain ip-range");
	return 0;
}

static int check_auxiliary(const struct hoy_network_definition *d, const struct hoy_prefix6 *subnet,
	const struct in6_addr *gateway, struct hoy_err *err)
{
	for (size_t i = 0; i < d->n_auxiliary6; i++) {
		const char *text = d->auxiliary6[i].value;
		struct in6_addr address;

		if (hoy_ipv6_parse(text, &address) < 0)
			return bad_config(err, "auxiliary address", text, "invalid address");
		if (!hoy_prefix6_contains(subnet, &address))
			return bad_config(err, "auxiliary address", text, "parent subnet doesn't contain this address");
		if (memcmp(&address, gateway, sizeof address) == 0)
			return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM,
				"failed to allocate secondary ip address (%s:%s): Address already in use",
				d->auxiliary6[i].key, text);
	}
	return 0;
}

int hoy_ipv6_define(const struct hoy_network_definition *d, struct hoy_network_row *row, struct hoy_ipv6_texts *texts,
	struct hoy_err *err)
{
	struct hoy_prefix6 subnet = {}, range = {};
	struct in6_addr gateway;
	char address[INET6_ADDRSTRLEN];
	int r = 0;

	row->subnet6 = row->gateway6 = texts->none;
	row->ip_range6 = is_given(d->ip_range6) ? (char *) d->ip_range6 : texts->none;
	if (!d->ipv6)
		return is_given(d->subnet6) ? bad_config(err, "subnet", d->subnet6,
						      "IPv6 has not been enabled for this network (--ipv6)")
					    : 0;
	if (is_given(d->subnet6))
		r = parse_subnet(d->subnet6, &subnet, err);
	else
		subnet = unique_local(row->id);
	if (r >= 0)
		r = parse_range(d, &subnet, &range, err);
	if (r >= 0)
		r = choose_gateway(d, &subnet, &range, &gateway, err);
	if (r >= 0)
		r = check_auxiliary(d, &subnet, &gateway, err);
	if (r < 0)
		return r;
	(void) snprintf(
		texts->subnet, sizeof texts->subnet, "%s/%u", hoy_ipv6_format(&subnet.address, address), subnet.len);
	(void) hoy_ipv6_format(&gateway, texts->gateway);
	row->subnet6 = texts->subnet;
	row->gateway6 = texts->gateway;
	row->flags |= is_given(d->subnet6) ? HOY_NETWORK_CONFIGURED6 : 0U;
	return 0;
}

bool hoy_ipv6_overlaps(const struct hoy_network_row *a, const struct hoy_network_row *b)
{
	struct hoy_prefix6 x, y;

	return is_given(a->subnet6) && is_given(b->subnet6) && hoy_prefix6_parse(a->subnet6, &x) >= 0 &&
	       hoy_prefix6_parse(b->subnet6, &y) >= 0 && hoy_prefix6_overlaps(&x, &y);
}

/* The default network's is the daemon's to say, at each start. */
int hoy_ipv6_settle_default(struct hoy_networks *networks, bool ipv6, const char *subnet, struct hoy_err *err)
{
	const struct hoy_network_definition d = { .ipv6 = ipv6, .subnet6 = ipv6 ? subnet : NULL };
	auto_(hoy_network_row_done) struct hoy_network_row found = {};
	struct hoy_ipv6_texts texts = {};
	struct hoy_network_row row;
	int r;

	if (!ipv6 && is_given(subnet))
		return hoy_err_invalid(err, "fixed-cidr-v6 is of no use without ipv6");
	r = hoy_networks_row(networks, "bridge", &found, err);
	if (r < 0)
		return r;
	row = (struct hoy_network_row){ .id = found.id };
	r = hoy_ipv6_define(&d, &row, &texts, err);
	if (r < 0 || hoy_str_eq(row.subnet6, found.subnet6))
		return r;
	return hoy_networks_set_subnet6(networks->store, found.id, row.subnet6, row.gateway6, err);
}

/* --- leases ------------------------------------------------------------------------------ */

static bool is_reserved(const struct hoy_network_row *network, const struct in6_addr *address)
{
	auto_ptr(hoy_json_free) struct hoy_json *auxiliary = NULL;
	struct in6_addr one;

	if (hoy_ipv6_parse(network->gateway6, &one) >= 0 && memcmp(&one, address, sizeof one) == 0)
		return true;
	if (!is_given(network->auxiliary6) ||
		hoy_json_parse(network->auxiliary6, strlen(network->auxiliary6), NULL, &auxiliary, NULL) < 0)
		return false;
	hoy_json_each(item, auxiliary)
	{
		const char *text = hoy_json_string(item);

		if (text && hoy_ipv6_parse(text, &one) >= 0 && memcmp(&one, address, sizeof one) == 0)
			return true;
	}
	return false;
}

bool hoy_ipv6_fits(const struct hoy_network_row *network, const char *address)
{
	struct hoy_prefix6 subnet;
	struct in6_addr one;

	if (!is_given(network->subnet6))
		return !address;
	return address && hoy_ipv6_parse(address, &one) >= 0 && hoy_prefix6_parse(network->subnet6, &subnet) >= 0 &&
	       hoy_prefix6_contains(&subnet, &one) && !hoy_str_eq(network->gateway6, address);
}

static int take_asked(struct hoy_networks *networks, const struct hoy_network_row *network, const char *asked,
	char ret[INET6_ADDRSTRLEN], struct hoy_err *err)
{
	static const char prefix[] = "invalid config for network";
	struct hoy_prefix6 subnet;
	struct in6_addr address, base;
	int r;

	if (!(network->flags & HOY_NETWORK_CONFIGURED6))
		return hoy_err_invalid(err, "%s %s: invalid endpoint settings:\n%s", prefix, network->name,
			hoy_network_is_builtin(network->name)
				? "user specified IP address is supported on user defined networks only"
				: "user specified IP address is supported only when connecting to networks with user "
				  "configured subnets");
	if (hoy_ipv6_parse(asked, &address) < 0)
		return hoy_err_invalid(err, "%s %s: invalid endpoint settings:\ninvalid IPv6 address: %s", prefix,
			network->name, asked);
	r = hoy_prefix6_parse(network->subnet6, &subnet);
	if (r < 0)
		return hoy_err_code(err, r, "subnet of network '%s'", network->name);
	base = hoy_prefix6_base(&subnet);
	if (!hoy_prefix6_contains(&subnet, &address) || memcmp(&base, &address, sizeof base) == 0)
		return hoy_err_invalid(err,
			"%s %s: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address %s",
			prefix, network->name, asked);
	(void) hoy_ipv6_format(&address, ret);
	r = hoy_str_eq(ret, network->gateway6) ? 1 : hoy_endpoints_has_address6(networks->store, network->id, ret, err);
	return r > 0 ? hoy_err_set(err, HOY_ERR_CONFLICT, EADDRINUSE, "Address already in use: %s", asked) : r;
}

int hoy_ipv6_lease(struct hoy_networks *networks, const struct hoy_network_row *network, const char *asked,
	uint32_t place, char ret[INET6_ADDRSTRLEN], struct hoy_err *err)
{
	struct hoy_prefix6 range;
	struct in6_addr address;

	*ret = '\0';
	if (is_given(asked))
		return take_asked(networks, network, asked, ret, err);
	if (!is_given(network->subnet6) ||
		hoy_prefix6_parse(is_given(network->ip_range6) ? network->ip_range6 : network->subnet6, &range) < 0)
		return 0;
	for (uint32_t i = 0; i < LEASE_TRIES; i++) {
		int r;

		if (!hoy_prefix6_at(&range, i == 0 ? place : i, &address) || is_reserved(network, &address))
			continue;
		(void) hoy_ipv6_format(&address, ret);
		r = hoy_endpoints_has_address6(networks->store, network->id, ret, err);
		if (r <= 0)
			return r;
	}
	return hoy_err_set(err, HOY_ERR_SYSTEM, ENOSPC,
		"no available IPv6 addresses on this network's address pools: %s (%s)", network->name, network->id);
}
