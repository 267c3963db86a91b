/* --network in both its forms, and the flags that are about the (first) network. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/cli/csv.h"

/* One network of the container. Texts are borrowed from `fields` or the options. */
struct network {
	const char *name, *ip, *ip6, *mac;
	char **aliases, **links, **link_local, **driver_opts; /* owned */
	int64_t priority;
	char **fields; /* owned */
};

static void network_done(struct network *n)
{
	hoy_strv_free(n->aliases);
	hoy_strv_free(n->links);
	hoy_strv_free(n->link_local);
	hoy_strv_free(n->driver_opts);
	hoy_strv_free(n->fields);
}

static int network_key(struct network *n, const char *key, const char *value, struct hoy_err *err)
{
	int r = 0;

	if (strcmp(key, "name") == 0)
		n->name = value;
	else if (strcmp(key, "ip") == 0)
		n->ip = value;
	else if (strcmp(key, "ip6") == 0)
		n->ip6 = value;
	else if (strcmp(key, "mac-address") == 0)
		n->mac = value;
	else if (strcmp(key, "alias") == 0)
		r = hoy_strv_add(&n->aliases, value);
	else if (strcmp(key, "link-local-ip") == 0)
		r = hoy_strv_add(&n->link_local, value);
	else if (strcmp(key, "driver-opt") == 0)
		r = hoy_strv_add(&n->driver_opts, value);
	else if (strcmp(key, "gw-priority") == 0)
		return hoy_str_to_i64(value, &n->priority) < 0 ? hoy_err_invalid(err, "invalid gw-priority: %s", value)
							       : 0;
	else
		return hoy_err_invalid(err, "invalid field key %s", key);
	return r < 0 ? hoy_err_oom(err) : 0;
}

/* "mynet" or "name=mynet,alias=a,ip=..." */
static int network_parse(const char *text, struct network *n, struct hoy_err *err)
{
	int r = 0;

	if (!strchr(text, '=')) {
		n->name = text;
		return 0;
	}
	r = hoy_csv_split(text, &n->fields, err);
	for (size_t i = 0; r == 0 && n->fields[i]; i++) {
		char *value = hoy_csv_value(n->fields[i]);

		if (!value)
			return hoy_err_invalid(err, "invalid field %s", n->fields[i]);
		r = network_key(n, n->fields[i], value, err);
	}
	if (r == 0 && (!n->name || !*n->name))
		return hoy_err_invalid(err, "network name/id is not specified");
	return r < 0 ? hoy_err_wrap(err, "invalid argument \"%s\" for \"--network\" flag", text) : 0;
}

static int add_all(char ***to, char *const *from, struct hoy_err *err)
{
	for (; from && *from; from++)
		if (hoy_strv_add(to, *from) < 0)
			return hoy_err_oom(err);
	return 0;
}

int hoy_create_add_egress(char ***options, const char *rule)
{
	auto_free char *text = hoy_str_printf("hoy.egress=%s", rule);

	return text ? hoy_strv_add(options, text) : -ENOMEM;
}

/* The flags without a network in them are about the first one. */
static int network_add_flags(struct network *n, const struct hoy_run_options *o, struct hoy_err *err)
{
	int r;

	if ((n->ip && o->ip) || (n->ip6 && o->ip6))
		return hoy_err_conflict(
			err, "conflicting options: cannot specify both --ip and per-network IP address");
	if (n->aliases && o->network_alias)
		return hoy_err_conflict(
			err, "conflicting options: cannot specify both --network-alias and per-network alias");
	if (n->mac && o->mac_address)
		return hoy_err_conflict(
			err, "conflicting options: cannot specify both --mac-address and per-network MAC address");
	n->ip = n->ip ? n->ip : o->ip;
	n->ip6 = n->ip6 ? n->ip6 : o->ip6;
	n->mac = n->mac ? n->mac : o->mac_address;
	r = add_all(&n->aliases, o->network_alias, err);
	if (r == 0)
		r = add_all(&n->links, o->link, err);
	if (r == 0)
		r = add_all(&n->link_local, o->link_local_ip, err);
	if (r == 0 && o->egress && hoy_create_add_egress(&n->driver_opts, o->egress) < 0)
		r = hoy_err_oom(err);
	return r;
}

static bool user_defined(const char *name)
{
	return strcmp(name, "default") != 0 && strcmp(name, "bridge") != 0 && strcmp(name, "host") != 0 &&
	       strcmp(name, "none") != 0 && !hoy_str_starts(name, "container:");
}

static bool says_something(const struct network *n)
{
	return n->ip || n->ip6 || n->mac || n->aliases || n->link_local || n->driver_opts || n->priority;
}

static void print_network(struct hoy_json_writer *w, const struct network *n)
{
	hoy_json_object(w, n->name);
	if (n->ip || n->ip6 || n->link_local) {
		hoy_json_object(w, "IPAMConfig");
		hoy_create_add_text(w, "IPv4Address", n->ip);
		hoy_create_add_text(w, "IPv6Address", n->ip6);
		hoy_create_add_list(w, "LinkLocalIPs", n->link_local);
		hoy_json_end(w);
	}
	if (user_defined(n->name))
		hoy_create_add_list(w, "Links", n->links);
	hoy_create_add_list(w, "Aliases", n->aliases);
	hoy_create_add_text(w, "MacAddress", n->mac);
	hoy_create_add_map(w, "DriverOpts", n->driver_opts);
	hoy_create_add_number(w, "GwPriority", n->priority);
	hoy_json_end(w);
}

int hoy_create_network_mode(const struct hoy_run_options *o, char **ret, struct hoy_err *err)
{
	auto_(network_done) struct network n = { .name = "default" };
	int r = o->network ? network_parse(o->network[0], &n, err) : 0;

	if (r < 0)
		return r;
	*ret = strdup(n.name);
	return *ret ? 0 : hoy_err_oom(err);
}

int hoy_create_networking(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	static char standard[] = "default";
	char *const none[] = { standard, NULL };
	char *const *networks = o->network ? o->network : none;
	size_t count = hoy_strv_len(networks);
	int r = 0;

	hoy_json_object(w, "NetworkingConfig");
	hoy_json_object(w, "EndpointsConfig");
	for (size_t i = 0; r == 0 && i < count; i++) {
		auto_(network_done) struct network n = {};

		r = network_parse(networks[i], &n, err);
		if (r == 0 && i == 0)
			r = network_add_flags(&n, o, err);
		if (r == 0 && count > 1 && !user_defined(n.name) && strcmp(n.name, "bridge") != 0 &&
			strcmp(n.name, "default") != 0)
			r = hoy_err_invalid(err,
				"conflicting options: cannot attach both user-defined and non-user-defined network-modes");
		if (r == 0 && n.aliases && !user_defined(n.name))
			r = hoy_err_invalid(err, "network-scoped aliases are only supported for user-defined networks");
		if (r == 0 && (user_defined(n.name) || count > 1 || says_something(&n)))
			print_network(w, &n);
	}
	hoy_json_end(w);
	hoy_json_end(w);
	return r;
}
