/*
 * Networks that users define: what may be asked for, the choice of a subnet, making and removing. Error texts are
 * docker's, for clients that look for them; EPERM stands for its "forbidden".
 */
#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/network/network_internal.h"
#include "supervisor/network/routes.h"
#include "supervisor/store/store.h"

#define OPTION_NAME "com.docker.network.bridge.name"
#define OPTION_ICC "com.docker.network.bridge.enable_icc"
#define OPTION_MASQUERADE "com.docker.network.bridge.enable_ip_masquerade"
#define OPTION_HOST_IP "com.docker.network.bridge.host_binding_ipv4"
#define OPTION_MTU "com.docker.network.driver.mtu"
#define OPTION_PUBLISH "hoy.publish"
#define OPTION_ENCRYPTED "encrypted"
#define VXLAN_HEAD 50U /* bytes that a packet has more on its way between hosts */

#define MAX_DEFINITION ((size_t) 64 << 10) /* of options or labels, as JSON */

static int forbidden(struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);
static int forbidden(struct hoy_err *err, const char *fmt, ...)
{
	char text[512];
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM, "%s", text);
}

bool hoy_network_is_builtin(const char *name)
{
	return hoy_str_eq(name, "bridge") || hoy_str_eq(name, "host") || hoy_str_eq(name, "none");
}

int hoy_networks_count_defined(struct hoy_networks *networks, struct hoy_err *err)
{
	auto_free char *after = strdup("");
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	int r = 0;

	while (after && (r = hoy_networks_next(networks->store, after, &row, err)) > 0) {
		networks->n_defined += !hoy_network_is_builtin(row.name);
		free(after);
		after = TAKE_PTR(row.name);
		hoy_network_row_done(&row);
	}
	return after ? r : hoy_err_oom(err);
}

/* --- options -------------------------------------------------------------------------- */

/* As Go's ParseBool. */
static int parse_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (hoy_str_eq(text, yes[i]) || hoy_str_eq(text, no[i])) {
			*ret = hoy_str_eq(text, yes[i]);
			return 0;
		}
	}
	return -EINVAL;
}

static int set_flag(struct hoy_network_shape *shape, uint32_t flag, const char *text)
{
	bool value;

	if (parse_bool(text, &value) < 0)
		return -EINVAL;
	shape->flags = value ? shape->flags & ~flag : shape->flags | flag;
	return 0;
}

static int set_bridge(struct hoy_network_shape *shape, const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

	if (!*text)
		return 0;
	if (strlen(text) >= IFNAMSIZ || strspn(text, allowed) != strlen(text) || strspn(text, ".") == strlen(text))
		return -EINVAL;
	(void) snprintf(shape->bridge, sizeof shape->bridge, "%s", text);
	return 0;
}

static int set_mtu(struct hoy_network_shape *shape, const char *text)
{
	unsigned int mtu;

	if (hoy_str_to_uint(text, &mtu) < 0 || mtu > 65535 || (mtu != 0 && mtu < 68))
		return -EINVAL;
	if (mtu > 0)
		shape->mtu = mtu;
	return 0;
}

struct mode {
	const char *name;
	uint32_t value;
};

static int set_mode(struct hoy_network_shape *shape, const struct mode *modes, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (hoy_str_eq(modes[i].name, text)) {
			shape->mode = modes[i].value;
			return 0;
		}
	return *text ? -EINVAL : 0;
}

/* Of a network whose interfaces are children of one of the host's. */
static int set_child_option(struct hoy_network_shape *shape, const char *key, const char *text, struct hoy_err *err)
{
	static const struct mode macvlan[] = { { "bridge", MACVLAN_MODE_BRIDGE }, { "private", MACVLAN_MODE_PRIVATE },
		{ "vepa", MACVLAN_MODE_VEPA }, { "passthru", MACVLAN_MODE_PASSTHRU } };
	static const struct mode ipvlan[] = { { "l2", IPVLAN_MODE_L2 }, { "l3", IPVLAN_MODE_L3 },
		{ "l3s", IPVLAN_MODE_L3S } };
	int r;

	if (hoy_str_eq(key, "parent"))
		r = strlen(text) < sizeof shape->parent && !strpbrk(text, "/ ")
			    ? snprintf(shape->parent, sizeof shape->parent, "%s", text)
			    : -EINVAL;
	else if (hoy_str_eq(key, OPTION_MTU))
		r = set_mtu(shape, text);
	else if (hoy_str_eq(key, "macvlan_mode") && shape->kind == HOY_NET_MACVLAN)
		r = set_mode(shape, macvlan, ARRAY_LEN(macvlan), text);
	else if (hoy_str_eq(key, "ipvlan_mode") && shape->kind == HOY_NET_IPVLAN)
		r = set_mode(shape, ipvlan, ARRAY_LEN(ipvlan), text);
	else
		return hoy_err_unsupported(err, "network option '%s' is not supported", key);
	if (r < 0)
		return hoy_err_invalid(err, "invalid value '%s' of network option '%s'", text, key);
	return 0;
}

/* Where ports without an address are published: as docker everywhere, or for the host itself; or how: to a socket of the
 * host, before which its own rules stand. */
static int set_publish(struct hoy_network_shape *shape, const char *text)
{
	shape->relay = hoy_str_eq(text, "host-firewall");
	if (!shape->relay && !hoy_str_eq(text, "open") && !hoy_str_eq(text, "local"))
		return -EINVAL;
	if (hoy_str_eq(text, "local"))
		shape->host_ip = INADDR_LOOPBACK;
	return 0;
}

/* Of a network between hosts: the number of its VXLAN is in its row. */
static int set_overlay_option(struct hoy_network_shape *shape, const char *key, const char *text, struct hoy_err *err)
{
	int r;

	if (hoy_str_eq(key, HOY_EGRESS_OPTION))
		return hoy_egress_check(text, err);
	if (hoy_str_eq(key, OPTION_MTU))
		r = set_mtu(shape, text);
	else if (hoy_str_eq(key, OPTION_PUBLISH))
		r = set_publish(shape, text);
	else if (hoy_str_eq(key, HOY_OVERLAY_OPTION_VNI))
		r = hoy_str_to_uint(text, &shape->vni) < 0 || shape->vni == 0 ? -EINVAL : 0;
	else if (hoy_str_eq(key, OPTION_ENCRYPTED))
		return hoy_err_unsupported(err,
			"network option 'encrypted' is not supported: this version of Hoy does not encrypt what goes between "
			"hosts");
	else
		return hoy_err_unsupported(err, "network option '%s' with driver 'overlay' is not supported", key);
	if (r < 0)
		return hoy_err_invalid(err, "invalid value '%s' of network option '%s'", text, key);
	return 0;
}

static int set_option(struct hoy_network_shape *shape, const char *key, const char *text, struct hoy_err *err)
{
	int r;

	if (shape->kind != HOY_NET_BRIDGED)
		return set_child_option(shape, key, text, err);
	if (hoy_str_eq(key, HOY_EGRESS_OPTION))
		return hoy_egress_check(text, err);
	if (hoy_str_eq(key, OPTION_NAME))
		r = set_bridge(shape, text);
	else if (hoy_str_eq(key, OPTION_MTU))
		r = set_mtu(shape, text);
	else if (hoy_str_eq(key, OPTION_ICC))
		r = set_flag(shape, HOY_NET_SEPARATE, text);
	else if (hoy_str_eq(key, OPTION_MASQUERADE))
		r = set_flag(shape, HOY_NET_NO_MASQUERADE, text);
	else if (hoy_str_eq(key, OPTION_PUBLISH))
		r = set_publish(shape, text);
	else if (hoy_str_eq(key, OPTION_HOST_IP))
		r = *text ? hoy_ipv4_parse(text, &shape->host_ip) : 0;
	else
		return hoy_err_unsupported(err, "network option '%s' is not supported", key);
	if (r == -EINVAL)
		return hoy_err_invalid(err, "invalid value '%s' of network option '%s'", text, key);
	return r;
}

int hoy_network_shape(struct hoy_networks *networks, const struct hoy_network_row *row, struct hoy_network_shape *ret,
	struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *options = NULL;
	int r = hoy_json_parse(row->options, strlen(row->options), NULL, &options, err);

	if (r < 0)
		return hoy_err_wrap(err, "options of network '%s'", row->name);
	*ret = (struct hoy_network_shape){ .mtu = networks->mtu };
	if (hoy_str_eq(row->driver, "macvlan"))
		*ret = (struct hoy_network_shape){ .kind = HOY_NET_MACVLAN, .mode = MACVLAN_MODE_BRIDGE };
	else if (hoy_overlay_is(row))
		ret->mtu -= VXLAN_HEAD;
	else if (hoy_str_eq(row->driver, "ipvlan"))
		*ret = (struct hoy_network_shape){ .kind = HOY_NET_IPVLAN, .mode = IPVLAN_MODE_L2 };
	if (ret->kind != HOY_NET_BRIDGED)
		(void) snprintf(ret->bridge, sizeof ret->bridge, "mv-%.12s", row->id);
	else if (hoy_str_eq(row->name, "bridge"))
		(void) snprintf(ret->bridge, sizeof ret->bridge, "%s", networks->bridge);
	else
		(void) snprintf(ret->bridge, sizeof ret->bridge, "br-%.12s", row->id);
	if (row->flags & HOY_NETWORK_INTERNAL)
		ret->flags |= HOY_NET_INTERNAL;
	hoy_json_each(option, options)
	{
		const char *text = hoy_json_string(option);

		r = hoy_overlay_is(row) ? set_overlay_option(ret, hoy_json_key(option), text ? text : "", err)
					: set_option(ret, hoy_json_key(option), text ? text : "", err);
		if (r < 0)
			return r;
	}
	if (ret->kind != HOY_NET_BRIDGED && !*ret->parent)
		return hoy_err_unsupported(err,
			"a network with driver '%s' and without a parent is not supported: give -o parent=INTERFACE",
			row->driver);
	return 0;
}

/* --- the subnet ------------------------------------------------------------------------- */

static int bad_config(struct hoy_err *err, const char *what, const char *value, const char *why)
{
	return hoy_err_invalid(err, "invalid network config:\ninvalid %s %s: %s", what, value, why);
}

static bool contains(const struct hoy_network_row *row, uint32_t address)
{
	return (address & hoy_prefix_mask(row->prefix_len)) == row->subnet;
}

static int set_subnet(const struct hoy_network_definition *d, struct hoy_network_row *row, struct hoy_err *err)
{
	struct hoy_prefix subnet;
	char text[INET_ADDRSTRLEN];

	if (hoy_prefix_parse(d->subnet, &subnet) < 0)
		return bad_config(err, "subnet", d->subnet, "invalid CIDR block notation");
	row->subnet = subnet.address & hoy_prefix_mask(subnet.len);
	row->prefix_len = subnet.len;
	if (row->subnet != subnet.address)
		return hoy_err_invalid(err, "invalid network config:\ninvalid subnet %s: it should be %s/%u", d->subnet,
			hoy_ipv4_format(row->subnet, text), subnet.len);
	if (subnet.len < 8 || subnet.len > 30)
		return hoy_err_invalid(
			err, "subnet %s: a network needs a prefix of 8 to 30 bits on this version of Hoy", d->subnet);
	row->flags |= HOY_NETWORK_CONFIGURED;
	return 0;
}

static int set_range(const struct hoy_network_definition *d, struct hoy_network_row *row, struct hoy_err *err)
{
	struct hoy_prefix range;

	if (hoy_prefix_parse(d->ip_range, &range) < 0)
		return bad_config(err, "ip-range", d->ip_range, "invalid CIDR block notation");
	if (range.len < row->prefix_len)
		return bad_config(err, "ip-range", d->ip_range, "CIDR block is bigger than its parent subnet");
	if (!contains(row, range.address))
		return bad_config(err, "ip-range", d->ip_range, "parent subnet doesn't contain ip-range");
	row->ip_range = (char *) d->ip_range;
	return 0;
}

/* docker takes the first address of the range, if there is one. */
static int set_gateway(const struct hoy_network_definition *d, struct hoy_network_row *row, struct hoy_err *err)
{
	struct hoy_prefix range;
	uint32_t address;

	row->gateway = 1;
	if (d->gateway && *d->gateway) {
		if (hoy_ipv4_parse(d->gateway, &address) < 0)
			return bad_config(err, "gateway", d->gateway, "invalid address");
		if (!contains(row, address))
			return bad_config(err, "gateway", d->gateway, "parent subnet doesn't contain this address");
		row->gateway = address - row->subnet;
	} else if (*row->ip_range && hoy_prefix_parse(row->ip_range, &range) == 0) {
		row->gateway = MAX((range.address & hoy_prefix_mask(range.len)) - row->subnet, 1U);
	}
	if (row->gateway == 0 || row->gateway >= ~hoy_prefix_mask(row->prefix_len))
		return bad_config(err, "gateway", d->gateway ? d->gateway : "", "it is no host's address");
	return 0;
}

int hoy_network_check_others(struct hoy_networks *networks, const struct hoy_network_row *row, struct hoy_err *err)
{
	const struct hoy_prefix mine = { row->subnet, row->prefix_len };
	auto_(hoy_network_row_done) struct hoy_network_row other = {};
	auto_free char *after = strdup("");
	struct hoy_network_shape shape, others;
	int r = hoy_network_shape(networks, row, &shape, err), found = 0;

	while (r >= 0 && after && (found = hoy_networks_next(networks->store, after, &other, err)) > 0) {
		const struct hoy_prefix theirs = { other.subnet, other.prefix_len };

		if (other.prefix_len > 0 && row->prefix_len > 0 && hoy_prefix_overlaps(&mine, &theirs))
			return forbidden(
				err, "invalid pool request: Pool overlaps with other one on this address space");
		if (hoy_ipv6_overlaps(row, &other))
			return forbidden(
				err, "invalid pool request: Pool overlaps with other one on this address space");
		if (hoy_network_mode_of(other.driver) == HOY_NETWORK_BRIDGE &&
			(r = hoy_network_shape(networks, &other, &others, err)) >= 0 &&
			hoy_str_eq(shape.bridge, others.bridge))
			return forbidden(err,
				"cannot create network %s (%s): conflicts with network %s (%s): networks have same bridge name",
				row->id, shape.bridge, other.id, others.bridge);
		free(after);
		after = TAKE_PTR(other.name);
		hoy_network_row_done(&other);
	}
	return r < 0 ? r : found;
}

struct prefixes {
	struct hoy_prefix *all;
	size_t n;
};

static int add_prefix(struct prefixes *used, const struct hoy_network_row *row, struct hoy_err *err)
{
	struct hoy_prefix *grown = reallocarray(used->all, used->n + 1, sizeof *grown);

	if (!grown)
		return hoy_err_oom(err);
	used->all = grown;
	used->all[used->n++] = (struct hoy_prefix){ row->subnet, row->prefix_len };
	return 0;
}

static int add_networks(struct hoy_networks *networks, struct prefixes *used, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	auto_free char *after = strdup("");
	int r = 0;

	while (after && r >= 0 && (r = hoy_networks_next(networks->store, after, &row, err)) > 0) {
		if (row.prefix_len > 0)
			r = add_prefix(used, &row, err);
		free(after);
		after = TAKE_PTR(row.name);
		hoy_network_row_done(&row);
	}
	return r;
}

static int choose_subnet(struct hoy_networks *networks, struct hoy_network_row *row, struct hoy_err *err)
{
	struct prefixes used = {};
	struct hoy_prefix chosen = {};
	int r = hoy_routes_read(/* except= */ "", &used.all, &used.n, err);

	if (r >= 0)
		r = add_networks(networks, &used, err);
	if (r >= 0 && !hoy_pool_choose(used.all, used.n, networks->first_pool, &chosen))
		r = hoy_err_set(err, HOY_ERR_SYSTEM, ENOSPC,
			"all predefined address pools have been fully subnetted: give a subnet");
	free(used.all);
	if (r < 0)
		return r;
	row->subnet = chosen.address;
	row->prefix_len = chosen.len;
	return 0;
}

/* The default network gets the first pool, as on docker's hosts, also when it was not needed yet. */
static int settle_default(struct hoy_networks *networks, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	int r = hoy_networks_row(networks, "bridge", &row, err);

	return r < 0 || row.prefix_len > 0 ? r : hoy_networks_settle(networks, &row, err);
}

static int set_addresses(struct hoy_networks *networks, const struct hoy_network_definition *d,
	struct hoy_network_row *row, struct hoy_ipv6_texts *texts, struct hoy_err *err)
{
	bool has_subnet = d->subnet && *d->subnet;
	int r = settle_default(networks, err);

	row->ip_range = "";
	if (r >= 0)
		r = hoy_ipv6_define(d, row, texts, err);
	if (r >= 0 && !has_subnet && ((d->ip_range && *d->ip_range) || (d->gateway && *d->gateway)))
		r = hoy_err_invalid(err, "invalid network config:\na gateway or an ip-range needs a subnet");
	if (r >= 0)
		r = has_subnet ? set_subnet(d, row, err) : choose_subnet(networks, row, err);
	if (r >= 0 && d->ip_range && *d->ip_range)
		r = set_range(d, row, err);
	if (r >= 0)
		r = set_gateway(d, row, err);
	return r < 0 ? r : hoy_network_check_others(networks, row, err);
}

static int reserve(struct hoy_networks *networks, const struct hoy_network_definition *d,
	const struct hoy_network_row *row, struct hoy_err *err)
{
	for (size_t i = 0; i < d->n_auxiliary; i++) {
		const char *text = d->auxiliary[i].value;
		uint32_t address;
		int r;

		if (hoy_ipv4_parse(text, &address) < 0)
			return bad_config(err, "auxiliary address", text, "invalid address");
		if (!contains(row, address))
			return bad_config(err, "auxiliary address", text, "parent subnet doesn't contain this address");
		if (address - row->subnet == row->gateway)
			return forbidden(err, "failed to allocate secondary ip address (%s:%s): Address already in use",
				d->auxiliary[i].key, text);
		r = hoy_networks_reserve(networks->store, row->id, address - row->subnet, err);
		if (r == -EEXIST)
			return forbidden(err, "failed to allocate secondary ip address (%s:%s): Address already in use",
				d->auxiliary[i].key, text);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- the row ------------------------------------------------------------------------------ */

int hoy_network_check_name(const char *name, struct hoy_err *err)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_. -";

	if (!name || !*name)
		return hoy_err_invalid(err, "invalid network name: name is empty");
	if (!strchr(first, name[0]) || strspn(name, rest) != strlen(name) || name[strlen(name) - 1] == ' ' ||
		strlen(name) > 255)
		return hoy_err_invalid(err,
			"invalid network name: '%s': only [a-zA-Z0-9][a-zA-Z0-9_. -]* is allowed, 255 characters at most",
			name);
	if (hoy_network_is_builtin(name) || hoy_str_eq(name, "default"))
		return forbidden(err, "operation is not permitted on predefined %s network ", name);
	return 0;
}

int hoy_network_kv_text(const struct hoy_oci_kv *kv, size_t n, const char *what, char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_json_writer w = { .buf = &buf };
	int r;

	hoy_buf_init(&buf, MAX_DEFINITION);
	hoy_json_object(&w, NULL);
	for (size_t i = 0; i < n; i++)
		hoy_json_add_string(&w, kv[i].key, kv[i].value);
	hoy_json_end(&w);
	r = hoy_buf_check(&buf, what, err);
	if (r >= 0)
		*ret = hoy_buf_take(&buf);
	return r;
}

static bool is_bridge(const char *driver)
{
	return !driver || !*driver || hoy_str_eq(driver, "bridge") || hoy_str_eq(driver, "default");
}

static int check_driver(
	const struct hoy_networks *networks, const struct hoy_network_definition *d, struct hoy_err *err)
{
	const char *driver = d->driver;

	if (networks->rootless && (hoy_str_eq(driver, "macvlan") || hoy_str_eq(driver, "ipvlan")))
		return hoy_err_unsupported(
			err, "network driver '%s': a rootless hoyd has none of the host's interfaces", driver);
	if (is_bridge(driver) || hoy_str_eq(driver, "macvlan") || hoy_str_eq(driver, "ipvlan"))
		return 0;
	if (hoy_str_eq(driver, "host") || hoy_str_eq(driver, "null"))
		return forbidden(err, "only one instance of \"%s\" network is allowed", driver);
	if (hoy_str_eq(driver, "overlay"))
		return hoy_overlay_check(networks, d, err);
	return hoy_err_not_found(err, "plugin \"%s\" not found", driver);
}

static int check_definition(struct hoy_networks *networks, const struct hoy_network_definition *d, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row found = {};
	int r = hoy_network_check_name(d->name, err);

	if (r >= 0)
		r = check_driver(networks, d, err);
	if (r >= 0)
		r = hoy_networks_find(networks->store, d->name, &found, err);
	if (r > 0)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "network with name %s already exists", d->name);
	return r;
}

/* That of a network between hosts is written when the cluster has it: `done` is called then. */
static int write_row(struct hoy_networks *networks, const struct hoy_network_definition *d, char *id,
	hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	auto_free char *auxiliary = NULL, *auxiliary6 = NULL, *options = NULL, *labels = NULL;
	struct hoy_ipv6_texts texts = {};
	struct hoy_network_row row = { .id = id,
		.name = (char *) d->name,
		.driver = is_bridge(d->driver) ? (char *) "bridge" : (char *) d->driver,
		.created = time(NULL),
		.flags = (d->internal ? HOY_NETWORK_INTERNAL : 0U) | (d->attachable ? HOY_NETWORK_ATTACHABLE : 0U) };
	int r = hoy_network_kv_text(d->auxiliary, d->n_auxiliary, "auxiliary addresses", &auxiliary, err);

	if (r >= 0)
		r = hoy_network_kv_text(d->auxiliary6, d->n_auxiliary6, "auxiliary addresses", &auxiliary6, err);
	if (r >= 0)
		r = hoy_network_kv_text(d->options, d->n_options, "network options", &options, err);
	if (r >= 0)
		r = hoy_network_kv_text(d->labels, d->n_labels, "network labels", &labels, err);
	if (r < 0)
		return r;
	row.auxiliary = auxiliary;
	row.auxiliary6 = auxiliary6;
	row.options = options;
	row.labels = labels;
	r = set_addresses(networks, d, &row, &texts, err);
	if (r >= 0 && hoy_overlay_is(&row))
		return hoy_overlay_create(networks, &row, done, userdata, err);
	if (r >= 0)
		r = hoy_networks_insert(networks->store, &row, err);
	return r < 0 ? r : reserve(networks, d, &row, err);
}

/* --- making and removing -------------------------------------------------------------------- */

static void on_made(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_networks *networks = op->networks;
	struct hoy_err ignored = {};

	if (reply && reply->err.errnum == 0) {
		hoy_bridge_note(networks, reply->bridge, &reply->err);
		hoy_network_op_done(op, NULL);
		return;
	}
	if (hoy_networks_delete(networks->store, op->id, &ignored) >= 0)
		networks->n_defined--;
	hoy_network_op_done(op, reply ? &reply->err : err);
}

static int send_new(
	struct hoy_networks *networks, const char *id, hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	struct hoy_network_op *op;
	int r = hoy_networks_row(networks, id, &row, err);

	if (r >= 0)
		r = hoy_network_op_new(networks, id, NULL, done, userdata, &op, err);
	if (r < 0)
		return r;
	r = hoy_bridge_send(networks, &row, on_made, op, err);
	if (r < 0)
		hoy_network_op_free(op);
	return r;
}

int hoy_network_create(struct hoy_networks *networks, const struct hoy_network_definition *definition,
	char ret_id[HOY_NETWORK_ID_MAX], hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	const bool is_overlay = hoy_str_eq(definition->driver, "overlay");
	unsigned char random[32];
	int r = check_definition(networks, definition, err);

	if (r >= 0)
		r = hoy_store_begin(networks->store, err);
	if (r < 0)
		return r;
	hoy_random(random, sizeof random);
	hoy_hex(random, sizeof random, ret_id);
	r = write_row(networks, definition, ret_id, done, userdata, err);
	if (r >= 0 && !is_overlay)
		r = send_new(networks, ret_id, done, userdata, err);
	if (r < 0) {
		hoy_store_rollback(networks->store);
		return r;
	}
	networks->n_defined += !is_overlay;
	return hoy_store_commit(networks->store, err);
}

static int check_unused(struct hoy_networks *networks, const struct hoy_network_row *row, struct hoy_err *err)
{
	for (size_t i = 0; i < networks->n_sandboxes; i++) {
		const struct hoy_sandbox *sandbox = networks->sandboxes[i];

		if (hoy_sandbox_attachment(sandbox, row->id))
			return forbidden(err,
				"error while removing network: network %s id %s has active endpoints (%s)", row->name,
				row->id, sandbox->name);
	}
	return 0;
}

static void on_committed(void *userdata, const struct hoy_err *err)
{
	hoy_network_op_done(userdata, err);
}

/* The bridge first: a crash in between leaves a network whose bridge is made again. */
static void on_removed(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_networks *networks = op->networks;
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	struct hoy_err why = {};
	int r;

	if (!reply || reply->err.errnum) {
		hoy_network_op_done(op, reply ? &reply->err : err);
		return;
	}
	r = hoy_networks_get(networks->store, op->id, &row, &why);
	if (r > 0) {
		r = hoy_networks_delete(networks->store, op->id, &why);
		networks->n_defined -= r >= 0;
	}
	if (r >= 0) {
		r = hoy_store_after_commit(networks->store, on_committed, op, &why);
	}
	if (r < 0)
		hoy_network_op_done(op, &why);
}

int hoy_network_remove_here(struct hoy_networks *networks, const struct hoy_network_row *row, hoy_network_attached done,
	void *userdata, struct hoy_err *err)
{
	struct hoy_net_request request = { .op = HOY_NET_REMOVE_BRIDGE };
	struct hoy_network_shape shape;
	struct hoy_network_op *op;
	int r = check_unused(networks, row, err);

	if (r >= 0)
		r = hoy_network_shape(networks, row, &shape, err);
	if (r >= 0)
		r = hoy_network_op_new(networks, row->id, NULL, done, userdata, &op, err);
	if (r < 0)
		return r;
	(void) snprintf(request.bridge.name, sizeof request.bridge.name, "%s", shape.bridge);
	r = hoy_service_send(networks->service, &request, HOY_NET_REQUEST_SIZE(0), -1, on_removed, op, err);
	if (r < 0)
		hoy_network_op_free(op);
	return r;
}

int hoy_network_remove(
	struct hoy_networks *networks, const char *ref, hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	int r = hoy_networks_row(networks, ref, &row, err);

	if (r >= 0 && hoy_network_is_builtin(row.name))
		return forbidden(err, "%s is a pre-defined network and cannot be removed", row.name);
	if (r >= 0)
		r = check_unused(networks, &row, err);
	if (r < 0)
		return r;
	return hoy_overlay_is(&row) ? hoy_overlay_remove(networks, &row, done, userdata, err)
				    : hoy_network_remove_here(networks, &row, done, userdata, err);
}
