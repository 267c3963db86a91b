/* network create. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/create_internal.h"

struct create_options {
	bool attachable, config_only, ingress, internal, ipv4, ipv4_given, ipv6, ipv6_given;
	const char *config_from, *driver, *egress, *ipam_driver, *scope;
	char **aux_address, **gateway, **ip_range, **ipam_opt, **label, **opt, **subnet;
};
static const struct create_options create_defaults = { .driver = "bridge", .ipam_driver = "default", .ipv4 = true };

#define O(letter, name, type, value, member, help)                                                                     \
	HOY_OPTION(letter, name, HOY_OPTION_##type, value, struct create_options, member, help)
#define S(name, member, help)                                                                                          \
	HOY_OPTION_WITH_SET(0, name, HOY_OPTION_BOOL, NULL, struct create_options, member, member##_given, help)

static const struct hoy_option create_options[] = {
	O(0, "attachable", BOOL, NULL, attachable, "Let containers be attached by hand"),
	O(0, "aux-address", LIST, "map", aux_address, "Addresses the driver keeps for itself (name=address)"),
	O(0, "config-from", STRING, "string", config_from, "Network whose configuration is copied"),
	O(0, "config-only", BOOL, NULL, config_only, "Create a configuration only"),
	O('d', "driver", STRING, "string", driver, "Driver of the network (default \"bridge\")"),
	O(0, "egress", STRING, "string", egress,
		"What leaves the network: none or allow=ADDRESS[/BITS][:PORT],NAME[:PORT],..."),
	O(0, "gateway", STRINGS, "strings", gateway, "Gateway of the subnet, IPv4 or IPv6"),
	O(0, "ingress", BOOL, NULL, ingress, "Create the swarm's routing-mesh network"),
	O(0, "internal", BOOL, NULL, internal, "No way from the network to the outside"),
	O(0, "ip-range", STRINGS, "strings", ip_range, "Part of the subnet that containers get addresses from"),
	O(0, "ipam-driver", STRING, "string", ipam_driver, "Driver of address management (default \"default\")"),
	O(0, "ipam-opt", LIST, "map", ipam_opt, "Options of the address management's driver"),
	S("ipv4", ipv4, "Give IPv4 addresses (default true)"),
	S("ipv6", ipv6, "Give IPv6 addresses"),
	O(0, "label", LIST, "list", label, "Set metadata on the network"),
	O('o', "opt", LIST, "map", opt, "Options of the driver"),
	O(0, "scope", STRING, "string", scope, "Scope of the network"),
	O(0, "subnet", STRINGS, "strings", subnet, "Subnet of the network, ADDRESS/BITS"),
	HOY_OPTION_END,
};

/* Does ADDRESS (or ADDRESS/BITS) lie in the subnet? */
static bool contains(const char *subnet, const char *address)
{
	auto_ptr(hoy_strv_free) char **net = hoy_str_split(subnet, '/'), **host = hoy_str_split(address, '/');
	unsigned char a[16] = {}, b[16] = {};
	unsigned int bits;
	int family;

	if (!net || !host || hoy_strv_len(net) != 2 || hoy_str_to_uint(net[1], &bits) < 0)
		return false;
	family = strchr(net[0], ':') ? AF_INET6 : AF_INET;
	if (bits > (family == AF_INET ? 32u : 128u) || inet_pton(family, net[0], a) != 1 ||
		inet_pton(family, host[0], b) != 1)
		return false;
	for (unsigned int i = 0; i < bits; i++)
		if ((a[i / 8] ^ b[i / 8]) >> (7 - i % 8) & 1)
			return false;
	return true;
}

/* The one of `list` that belongs to the subnet; more than one is refused. */
static int pick(char *const *list, const char *subnet, const char *what, const char **ret, struct hoy_err *err)
{
	*ret = NULL;
	for (; list && *list; list++) {
		if (!contains(subnet, *list))
			continue;
		if (*ret)
			return hoy_err_invalid(err, "cannot configure multiple %ss (%s, %s) on the same subnet (%s)",
				what, *list, *ret, subnet);
		*ret = *list;
	}
	return 0;
}

static int print_subnet(
	struct hoy_json_writer *w, const struct create_options *o, const char *subnet, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **aux = NULL;
	const char *range, *gateway;
	int r = pick(o->ip_range, subnet, "range", &range, err);

	if (r == 0)
		r = pick(o->gateway, subnet, "gateway", &gateway, err);
	for (char **a = o->aux_address; r == 0 && a && *a; a++)
		if (strchr(*a, '=') && contains(subnet, strchr(*a, '=') + 1) && hoy_strv_add(&aux, *a) < 0)
			r = hoy_err_oom(err);
	if (r < 0)
		return r;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Subnet", subnet);
	hoy_create_add_text(w, "IPRange", range);
	hoy_create_add_text(w, "Gateway", gateway);
	hoy_create_add_map(w, "AuxiliaryAddresses", aux);
	hoy_json_end(w);
	return 0;
}

static int check_inside(const struct create_options *o, const char *what, char *const *list, struct hoy_err *err)
{
	for (; list && *list; list++) {
		const char *address = strcmp(what, "aux-address") == 0 && strchr(*list, '=') ? strchr(*list, '=') + 1
											     : *list;
		bool inside = false;

		for (char **s = o->subnet; s && *s; s++)
			inside = inside || contains(*s, address);
		if (!inside)
			return hoy_err_invalid(err, "no matching subnet for %s %s", what, *list);
	}
	return 0;
}

static int print_ipam(struct hoy_json_writer *w, const struct create_options *o, struct hoy_err *err)
{
	int r = check_inside(o, "range", o->ip_range, err);

	if (r == 0)
		r = check_inside(o, "gateway", o->gateway, err);
	if (r == 0)
		r = check_inside(o, "aux-address", o->aux_address, err);
	if (r < 0)
		return r;
	hoy_json_object(w, "IPAM");
	hoy_json_add_string(w, "Driver", o->ipam_driver);
	hoy_create_add_map(w, "Options", o->ipam_opt);
	hoy_json_array(w, "Config");
	for (char **s = o->subnet; r == 0 && s && *s; s++)
		r = print_subnet(w, o, *s, err);
	hoy_json_end(w);
	hoy_json_end(w);
	return r;
}

static int print_request(const struct create_options *o, const char *name, struct hoy_buf *out, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **options = NULL;
	struct hoy_json_writer w = { .buf = out };
	int r = 0;

	for (char **opt = o->opt; opt && *opt && r == 0; opt++)
		r = hoy_strv_add(&options, *opt);
	if (r == 0 && o->egress)
		r = hoy_create_add_egress(&options, o->egress);
	if (r < 0)
		return hoy_err_oom(err);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Name", name);
	hoy_json_add_string(&w, "Driver", o->driver);
	hoy_create_add_text(&w, "Scope", o->scope);
	if (o->ipv4_given)
		hoy_json_add_bool(&w, "EnableIPv4", o->ipv4);
	if (o->ipv6_given)
		hoy_json_add_bool(&w, "EnableIPv6", o->ipv6);
	r = print_ipam(&w, o, err);
	if (r < 0)
		return r;
	hoy_json_add_bool(&w, "Internal", o->internal);
	hoy_json_add_bool(&w, "Attachable", o->attachable);
	if (o->ingress)
		hoy_json_add_bool(&w, "Ingress", true);
	if (o->config_only)
		hoy_json_add_bool(&w, "ConfigOnly", true);
	if (o->config_from) {
		hoy_json_object(&w, "ConfigFrom");
		hoy_json_add_string(&w, "Network", o->config_from);
		hoy_json_end(&w);
	}
	hoy_create_add_map(&w, "Options", options);
	hoy_create_add_map(&w, "Labels", o->label);
	hoy_json_end(&w);
	return hoy_buf_check(out, "the request", err);
}

static int cmd_network_create(struct hoy_cli *cli)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	struct hoy_err err;
	const char *warning;

	if (print_request(cli->values, cli->args[0], &body, &err) < 0 ||
		hoy_cli_call(cli, "POST", "/networks/create", body.data, &answer, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	warning = hoy_cli_text(answer, "Warning");
	if (*warning)
		(void) fprintf(stderr, "WARNING: %s\n", warning);
	(void) puts(hoy_cli_text(answer, "Id"));
	return 0;
}

const struct hoy_command hoy_cmd_network_create = {
	.name = "network create",
	.args = "NETWORK",
	.min_args = 1,
	.max_args = 1,
	.summary = "Create a network",
	.options = create_options,
	.values_size = sizeof(struct create_options),
	.defaults = &create_defaults,
	.run = cmd_network_create,
};
