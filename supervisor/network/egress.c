/*
 * What a container may send off its network: the option "hoy.egress" of an endpoint, else that of its network. "none",
 * or "allow=" and where to, divided by commas: ADDRESS, ADDRESS/BITS, ADDRESS:PORT; with IPv6 and a port
 * "[ADDRESS]:PORT"; NAME, *.NAME, NAME:PORT.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"
#include "supervisor/worker/allowed_names.h"

#define DNS_PORT 53

/* "ADDRESS[/BITS]" */
static int parse_prefix(const char *text, struct hoy_net_allowed *ret)
{
	auto_free char *address = strndup(text, strcspn(text, "/"));
	const char *slash = strchr(text, '/');
	unsigned int bits = strchr(text, ':') ? 128 : 32, max = bits;
	struct hoy_prefix6 prefix;
	uint32_t v4;

	if (!address)
		return -ENOMEM;
	if (slash && (hoy_str_to_uint(slash + 1, &bits) < 0 || bits > max))
		return -EINVAL;
	ret->prefix_len = (uint8_t) bits;
	if (hoy_ipv4_parse(address, &v4) >= 0) {
		v4 = htonl(v4 & hoy_prefix_mask(bits));
		ret->address = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
		memcpy(&ret->address.s6_addr[12], &v4, sizeof v4);
		return 0;
	}
	if (hoy_ipv6_parse(address, &prefix.address) < 0)
		return -EINVAL;
	prefix.len = bits;
	ret->address = hoy_prefix6_base(&prefix);
	return 0;
}

static int parse_port(const char *text, uint16_t *ret)
{
	unsigned int port;

	if (hoy_str_to_uint(text, &port) < 0 || port < 1 || port > UINT16_MAX)
		return -EINVAL;
	*ret = (uint16_t) port;
	return 0;
}

/* The port is behind the only colon, or behind the bracket. */
static int parse_one(const char *text, struct hoy_net_allowed *ret)
{
	const char *colon = strchr(text, ':'), *bracket = *text == '[' ? strchr(text, ']') : NULL;
	const char *port = bracket ? bracket + 1 : colon && !strchr(colon + 1, ':') ? colon : "";
	size_t start = bracket ? 1 : 0;
	auto_free char *prefix = bracket ? strndup(text + start, (size_t) (bracket - text) - start)
				 : *port ? strndup(text, (size_t) (port - text))
					 : strdup(text);
	int r = prefix ? parse_prefix(prefix, ret) : -ENOMEM;

	if (r >= 0 && *port)
		r = *port == ':' ? parse_port(port + 1, &ret->port) : -EINVAL;
	return r;
}

/* In bits of the form that both have in common. */
static unsigned int bits_of(const struct hoy_net_allowed *a)
{
	return IN6_IS_ADDR_V4MAPPED(&a->address) ? a->prefix_len + 96U : a->prefix_len;
}

static bool covers(const struct hoy_net_allowed *a, const struct hoy_net_allowed *b)
{
	const struct hoy_prefix6 x = { a->address, bits_of(a) }, y = { b->address, bits_of(b) };

	return a->port == b->port && x.len <= y.len &&
	       IN6_IS_ADDR_V4MAPPED(&a->address) == IN6_IS_ADDR_V4MAPPED(&b->address) && hoy_prefix6_overlaps(&x, &y);
}

/* The kernel's sets take no element that lies in another. */
static int add(struct hoy_net_attach *to, const struct hoy_net_allowed *one, struct hoy_err *err)
{
	for (uint32_t i = to->n_allowed; i-- > 0;) {
		if (covers(&to->allowed[i], one))
			return 0;
		if (covers(one, &to->allowed[i]))
			to->allowed[i] = to->allowed[--to->n_allowed];
	}
	if (to->n_allowed == HOY_NET_MAX_ALLOWED)
		return hoy_err_invalid(err, "invalid egress: at most %d addresses are possible", HOY_NET_MAX_ALLOWED);
	to->allowed[to->n_allowed++] = *one;
	return 0;
}

/* Letters, digits, '-' and '_' between dots, not only digits behind the last of them: that is an address, a wrong one. */
static bool is_name(const char *name)
{
	const char *label = name;
	size_t len = strlen(name);

	if (len == 0 || len > HOY_ALLOWED_NAME_MAX)
		return false;
	for (;;) {
		size_t n = strcspn(label, ".");

		if (n == 0 || n > 63 || *label == '-' || label[n - 1] == '-')
			return false;
		for (size_t i = 0; i < n; i++)
			if (!isalnum((unsigned char) label[i]) && label[i] != '-' && label[i] != '_')
				return false;
		if (label[n] == '\0')
			return strspn(label, "0123456789") != n;
		label += n + 1;
	}
}

/* "NAME[:PORT]", lower case from here on. -EINVAL: it is none. */
static int add_name(const char *text, struct hoy_buf *names)
{
	size_t len = strcspn(text, ":");
	auto_free char *name = strndup(text, len);
	uint16_t port = 0;

	if (!name)
		return -ENOMEM;
	if (len > 1 && name[len - 1] == '.')
		name[len - 1] = '\0';
	for (char *c = name; *c; c++)
		*c = (char) tolower((unsigned char) *c);
	if (!is_name(hoy_str_starts(name, "*.") ? name + 2 : name) ||
		(text[len] == ':' && parse_port(text + len + 1, &port) < 0))
		return -EINVAL;
	return hoy_buf_addf(names, "%s %u\n", name, port);
}

int hoy_egress_parse(const char *text, struct hoy_net_attach *ret, struct hoy_buf *names, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **list = NULL;
	int r = 0;

	ret->restricted = *text != '\0';
	ret->n_allowed = 0;
	if (!*text || hoy_str_eq(text, "none"))
		return 0;
	if (!hoy_str_starts(text, "allow=") || !text[6])
		return hoy_err_invalid(err,
			"invalid egress '%s': want none or allow= and a list of ADDRESS[/BITS][:PORT] and NAME[:PORT]",
			text);
	list = hoy_str_split(text + 6, ',');
	if (!list)
		return hoy_err_oom(err);
	for (size_t i = 0; list[i] && r >= 0; i++) {
		struct hoy_net_allowed one = {};

		r = parse_one(list[i], &one);
		if (r >= 0)
			r = add(ret, &one, err);
		else if (r == -EINVAL && add_name(list[i], names) >= 0)
			r = 0;
		else
			r = hoy_err_invalid(
				err, "invalid egress '%s': want ADDRESS[/BITS][:PORT] or NAME[:PORT]", list[i]);
	}
	if (r >= 0)
		r = hoy_buf_check(names, "names of an egress rule", err);
	if (r >= 0 && names->len >= HOY_NET_NAMES_MAX)
		r = hoy_err_invalid(err, "invalid egress: its names are longer than %d bytes", HOY_NET_NAMES_MAX - 1);
	return r;
}

static int find(const char *json, char **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *options = NULL;
	const char *text;
	int r = hoy_json_parse(json, strlen(json), NULL, &options, err);

	if (r < 0)
		return r;
	text = hoy_json_string(hoy_json_get(options, HOY_EGRESS_OPTION));
	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : hoy_err_oom(err);
}

int hoy_egress_put(const struct hoy_network_row *network, const struct hoy_endpoint_row *endpoint,
	struct hoy_net_attach *attach, char **ret_names, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};
	auto_free char *text = NULL;
	int r = find(endpoint->driver_opts, &text, err);

	if (r >= 0 && !text)
		r = find(network->options, &text, err);
	if (r < 0 || !text)
		return r;
	r = hoy_egress_parse(text, attach, &names, err);
	if (r >= 0 && names.len > 0)
		*ret_names = hoy_buf_take(&names);
	return r;
}

int hoy_egress_check(const char *text, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};
	struct hoy_net_attach unused;

	return hoy_egress_parse(text, &unused, &names, err);
}

bool hoy_egress_has_names(const char *driver_opts)
{
	auto_(hoy_buf_done) struct hoy_buf names = {};
	auto_free char *text = NULL;
	struct hoy_net_attach unused;

	return driver_opts && find(driver_opts, &text, NULL) >= 0 && text &&
	       hoy_egress_parse(text, &unused, &names, NULL) >= 0 && names.len > 0;
}

bool hoy_egress_allows_resolver(const struct hoy_net_attach *attach, const char *server)
{
	struct hoy_net_allowed to = {};

	if (parse_prefix(server, &to) < 0)
		return false;
	for (uint32_t i = 0; i < attach->n_allowed; i++) {
		to.port = attach->allowed[i].port;
		if ((to.port == 0 || to.port == DNS_PORT) && covers(&attach->allowed[i], &to))
			return true;
	}
	return false;
}
