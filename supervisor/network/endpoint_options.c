/* What is asked of a single endpoint beside its address: its interface's name and kernel settings, link-local addresses. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/network/network_internal.h"

#define OPTIONS_OF_DOCKER "com.docker.network."
#define OPTION_SYSCTLS OPTIONS_OF_DOCKER "endpoint.sysctls"
#define OPTION_IFNAME OPTIONS_OF_DOCKER "endpoint.ifname"
#define INTERFACE ".IFNAME."

/* "net.ipv4.conf.IFNAME.log_martians=1" as "net/ipv4/conf/eth0/log_martians=1\n", into `out` if there is one. */
static int add_sysctl(const char *text, const char *ifname, struct hoy_buf *out, struct hoy_err *err)
{
	static const char *const known[] = { "net.ipv4.conf", "net.ipv4.neigh", "net.ipv6.conf", "net.ipv6.neigh",
		"net.mpls.conf" };
	static const char key_bytes[] = "abcdefghijklmnopqrstuvwxyz0123456789_";
	const char *interface = strstr(text, INTERFACE), *key = interface ? interface + strlen(INTERFACE) : "";
	size_t key_len = strspn(key, key_bytes);
	bool is_known = false;

	for (size_t i = 0; interface && i < ARRAY_LEN(known); i++)
		is_known = is_known ||
			   (strlen(known[i]) == (size_t) (interface - text) && hoy_str_starts(text, known[i]));
	if (!is_known || key_len == 0 || key[key_len] != '=' || !key[key_len + 1] || strpbrk(key, "\n"))
		return hoy_err_invalid(err,
			"invalid sysctl '%s' of an endpoint: want net.ipv4.conf.IFNAME.NAME=VALUE, or another of the interface's",
			text);
	for (const char *c = text; out && c < interface; c++)
		(void) hoy_buf_addc(out, *c == '.' ? '/' : *c);
	if (out)
		(void) hoy_buf_addf(out, "/%s/%s\n", ifname, key);
	return 0;
}

static int add_sysctls(const char *value, const char *ifname, struct hoy_buf *out, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **list = hoy_str_split(value, ',');
	int r = list ? 0 : hoy_err_oom(err);

	if (strlen(value) > HOY_NET_SYSCTLS_MAX / 2)
		return hoy_err_invalid(err, "the sysctls of an endpoint are too long");
	for (size_t i = 0; list && list[i] && r >= 0; i++)
		r = add_sysctl(list[i], ifname, out, err);
	return r;
}

/* As the kernel judges it; "lo" is another one's. */
static int check_ifname(const char *name, struct hoy_err *err)
{
	size_t len = strlen(name);

	for (const char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || strchr("/:", *c))
			len = 0;
	if (len == 0 || len >= IFNAMSIZ || hoy_str_eq(name, ".") || hoy_str_eq(name, "..") || hoy_str_eq(name, "lo"))
		return hoy_err_invalid(err,
			"invalid interface name '%s' of an endpoint: want 1 to %d characters without '/', ':' and blanks, not lo",
			name, IFNAMSIZ - 1);
	return 0;
}

/* With prefixes as docker's: /16 and /64. */
static int parse_link_local(const char *text, struct in6_addr *ret, struct hoy_err *err)
{
	uint32_t v4;

	if (hoy_ipv4_parse(text, &v4) >= 0 && v4 >> 16 == 0xa9fe) {
		const struct in_addr in = { htonl(v4) };

		*ret = (struct in6_addr){ .s6_addr = { [10] = 0xff, [11] = 0xff } };
		memcpy(&ret->s6_addr[12], &in, sizeof in);
		return 0;
	}
	if (hoy_ipv6_parse(text, ret) >= 0 && IN6_IS_ADDR_LINKLOCAL(ret))
		return 0;
	return hoy_err_invalid(err, "invalid link-local IP address: %s: want one of 169.254.0.0/16 or fe80::/10", text);
}

int hoy_endpoint_options_check(const struct hoy_network_request *request, struct hoy_err *err)
{
	struct in6_addr ignored;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; i < request->n_driver_opts && r >= 0; i++) {
		const char *key = request->driver_opts[i].key, *value = request->driver_opts[i].value;

		if (hoy_str_eq(key, HOY_EGRESS_OPTION))
			r = hoy_egress_check(value, err);
		else if (hoy_str_eq(key, OPTION_IFNAME))
			r = check_ifname(value, err);
		else if (hoy_str_eq(key, OPTION_SYSCTLS))
			r = add_sysctls(value, "eth0", NULL, err);
		else if (hoy_str_starts(key, OPTIONS_OF_DOCKER) || hoy_str_starts(key, "hoy."))
			r = hoy_err_unsupported(err, "driver option '%s' of an endpoint is not supported", key);
		/* somebody else's: kept and shown */
	}
	for (; request->link_local && request->link_local[n] && r >= 0; n++)
		r = parse_link_local(request->link_local[n], &ignored, err);
	if (r >= 0 && n > HOY_NET_MAX_LINK_LOCAL)
		return hoy_err_invalid(
			err, "%zu link-local addresses, at most %d are possible", n, HOY_NET_MAX_LINK_LOCAL);
	return r;
}

static int put_options(const char *json, struct hoy_net_attach *attach, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *opts = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	const char *value;
	int r = hoy_json_parse(json, strlen(json), NULL, &opts, err);

	if (r < 0)
		return r;
	value = hoy_json_string(hoy_json_get(opts, OPTION_IFNAME));
	if (value && check_ifname(value, NULL) >= 0)
		(void) snprintf(attach->ifname, sizeof attach->ifname, "%s", value);
	value = hoy_json_string(hoy_json_get(opts, OPTION_SYSCTLS));
	if (!value || !*value)
		return 0;
	r = add_sysctls(value, attach->ifname, &text, err);
	if (r >= 0)
		r = hoy_buf_check(&text, "sysctls", err);
	if (r >= 0 && text.len >= sizeof attach->sysctls)
		r = hoy_err_invalid(err, "the sysctls of an endpoint are too long");
	if (r >= 0)
		memcpy(attach->sysctls, text.data, text.len);
	return r;
}

int hoy_endpoint_options_put(const struct hoy_endpoint_row *row, struct hoy_net_attach *attach, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *addresses = NULL;
	int r = put_options(row->driver_opts, attach, err);

	if (r >= 0)
		r = hoy_json_parse(row->link_local, strlen(row->link_local), NULL, &addresses, err);
	if (r < 0)
		return r;
	hoy_json_each(address, addresses)
	{
		const char *text = hoy_json_string(address);

		if (attach->n_link_local < HOY_NET_MAX_LINK_LOCAL && text &&
			parse_link_local(text, &attach->link_local[attach->n_link_local], NULL) >= 0)
			attach->n_link_local++;
	}
	return 0;
}
