/* What a container sees of the names. */
#include "supervisor/worker/dns/view.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/worker/allowed_names.h"

#define CLASS_IN 1
#define CLASS_ANY 255
#define MAX_HOSTS 256 /* of one name in one answer */

/* --- the text ------------------------------------------------------------------------ */

void hoy_dns_view_done(struct hoy_dns_view *view)
{
	for (size_t i = 0; i < view->n_networks; i++)
		hoy_dns_network_drop(view->networks[i]);
	free(view->networks);
	for (size_t i = 0; i < view->n_rules; i++)
		free(view->rules[i].pattern);
	free(view->rules);
	*view = (struct hoy_dns_view){};
}

static int add_network(struct hoy_dns_names *names, const char *id, struct hoy_dns_view *view)
{
	struct hoy_dns_network **grown = reallocarray(
		view->networks, view->n_networks + 1, sizeof(struct hoy_dns_network *));

	if (!grown)
		return -ENOMEM;
	view->networks = grown;
	grown[view->n_networks] = hoy_dns_network_get(names, id);
	if (!grown[view->n_networks])
		return -ENOMEM;
	view->n_networks++;
	return 0;
}

static int parse_server(const char *address, struct hoy_dns_server *server)
{
	struct sockaddr_in *in = (struct sockaddr_in *) &server->address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *) &server->address;

	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(HOY_DNS_PORT);
		server->len = sizeof *in;
	} else if (inet_pton(AF_INET6, address, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(HOY_DNS_PORT);
		server->len = sizeof *in6;
	} else {
		return -EINVAL;
	}
	return 0;
}

/* "ADDRESS container|host" */
static int add_server(char *rest, struct hoy_dns_view *view)
{
	const char *address = strsep(&rest, " ");
	struct hoy_dns_server *server = &view->servers[view->n_servers];
	int r;

	if (!address || !rest)
		return -EINVAL;
	if (view->n_servers == HOY_DNS_MAX_SERVERS)
		return 0;
	server->from_host = hoy_str_eq(rest, "host");
	r = parse_server(address, server);
	view->n_servers += r >= 0;
	return r;
}

static int add_named(const char *address, struct hoy_dns_view *view)
{
	struct hoy_dns_server *server = &view->named[view->n_named];
	int r;

	if (view->n_named == HOY_DNS_MAX_SERVERS)
		return 0;
	server->from_host = true;
	r = parse_server(address, server);
	view->n_named += r >= 0;
	return r;
}

static int parse_id(const char *hex, uint8_t id[HOY_NET_ID_LEN])
{
	if (strlen(hex) != 2 * HOY_NET_ID_LEN || strspn(hex, "0123456789abcdef") != 2 * HOY_NET_ID_LEN)
		return -EINVAL;
	for (size_t i = 0; i < HOY_NET_ID_LEN; i++)
		(void) sscanf(hex + 2 * i, "%2hhx", &id[i]);
	return 0;
}

static int add_rule(const char *pattern, const uint8_t endpoint[HOY_NET_ID_LEN], struct hoy_dns_view *view)
{
	struct hoy_dns_rule *grown = reallocarray(view->rules, view->n_rules + 1, sizeof *grown), *rule;

	if (!grown)
		return -ENOMEM;
	view->rules = grown;
	rule = &grown[view->n_rules];
	memcpy(rule->endpoint, endpoint, sizeof rule->endpoint);
	rule->pattern = strdup(pattern);
	if (!rule->pattern)
		return -ENOMEM;
	view->n_rules++;
	return 0;
}

/* `endpoint` is the one that the lines are about. */
static int add_line(
	struct hoy_dns_names *names, char *line, uint8_t endpoint[HOY_NET_ID_LEN], struct hoy_dns_view *view)
{
	const char *keyword = strsep(&line, " ");

	if (!line) {
		view->internal = view->internal || hoy_str_eq(keyword, "internal");
		return *keyword == '\0' || hoy_str_eq(keyword, "internal") ? 0 : -EINVAL;
	}
	if (hoy_str_eq(keyword, "network"))
		return add_network(names, line, view);
	if (hoy_str_eq(keyword, "named"))
		return add_named(line, view);
	if (hoy_str_eq(keyword, "egress"))
		return parse_id(line, endpoint);
	if (hoy_str_eq(keyword, "allow"))
		return add_rule(line, endpoint, view);
	return hoy_str_eq(keyword, "server") ? add_server(line, view) : -EINVAL;
}

int hoy_dns_view_parse(
	struct hoy_dns_names *names, const char *text, size_t len, struct hoy_dns_view *ret, struct hoy_err *err)
{
	auto_(hoy_dns_view_done) struct hoy_dns_view view = {};
	auto_free char *copy = strndup(text, len);
	uint8_t endpoint[HOY_NET_ID_LEN] = {};
	char *rest = copy, *line;
	int r = copy ? 0 : -ENOMEM;

	while (r >= 0 && (line = strsep(&rest, "\n")))
		r = add_line(names, line, endpoint, &view);
	if (r < 0)
		return hoy_err_code(err, r, "settings of a container");
	*ret = view;
	view = (struct hoy_dns_view){};
	return 0;
}

/* --- names ------------------------------------------------------------------------------- */

/* "web.mynet": web on the network mynet, if that is one of the container's. */
static size_t find_qualified(
	const struct hoy_dns_view *view, const char *name, const struct hoy_dns_host **ret, size_t max)
{
	for (size_t i = 0; i < view->n_networks; i++) {
		const char *network = hoy_dns_network_name(view->networks[i]);
		size_t len = strlen(name), tail = strlen(network);
		char head[HOY_DNS_NAME_MAX + 1];
		size_t n;

		if (tail == 0 || len < tail + 2 || name[len - tail - 1] != '.' ||
			strcasecmp(name + len - tail, network) != 0)
			continue;
		memcpy(head, name, len - tail - 1);
		head[len - tail - 1] = '\0';
		n = hoy_dns_network_find(view->networks[i], head, ret, max);
		if (n > 0)
			return n;
	}
	return 0;
}

/* The first network that knows the name has it. */
static size_t find_hosts(const struct hoy_dns_view *view, const char *name, const struct hoy_dns_host **ret, size_t max)
{
	for (size_t i = 0; i < view->n_networks; i++) {
		size_t n = hoy_dns_network_find(view->networks[i], name, ret, max);

		if (n > 0)
			return n;
	}
	return find_qualified(view, name, ret, max);
}

/* Each answer begins with another host. */
static size_t answers_of(struct hoy_dns_view *view, const struct hoy_dns_host *const *hosts, size_t n, uint16_t type,
	struct hoy_dns_answer *ret)
{
	unsigned int turn = view->turn++;
	size_t done = 0;

	for (size_t i = 0; i < n; i++) {
		const struct hoy_dns_host *host = hosts[(i + turn) % n];

		if (host->has_v4 && (type == HOY_DNS_A || type == HOY_DNS_ANY))
			ret[done++] = (struct hoy_dns_answer){ .type = HOY_DNS_A, .address = host->v4 };
		if (host->has_v6 && (type == HOY_DNS_AAAA || type == HOY_DNS_ANY))
			ret[done++] = (struct hoy_dns_answer){ .type = HOY_DNS_AAAA, .address6 = host->v6 };
	}
	return done;
}

static size_t answer_name(
	struct hoy_dns_view *view, const struct hoy_dns_query *query, const uint8_t *packet, uint8_t *out, size_t limit)
{
	const struct hoy_dns_host *hosts[MAX_HOSTS];
	struct hoy_dns_answer answers[2 * MAX_HOSTS];
	size_t n = find_hosts(view, query->name, hosts, MAX_HOSTS);

	if (n == 0)
		return 0;
	n = answers_of(view, hosts, MIN(n, (size_t) MAX_HOSTS), query->type, answers);
	return hoy_dns_reply(query, packet, HOY_DNS_NOERROR, answers, n, out, limit);
}

static size_t answer_reverse(
	struct hoy_dns_view *view, const struct hoy_dns_query *query, const uint8_t *packet, uint8_t *out, size_t limit)
{
	uint32_t v4 = 0;
	struct in6_addr v6 = {};
	int family = hoy_dns_reverse(query->name, &v4, &v6);

	for (size_t i = 0; family && i < view->n_networks; i++) {
		const struct hoy_dns_host *host = hoy_dns_network_host(view->networks[i], v4, family == 6 ? &v6 : NULL);
		struct hoy_dns_answer answer = { .type = HOY_DNS_PTR };
		auto_free char *name = NULL;

		if (!host)
			continue;
		name = hoy_str_printf("%s.%s", host->name, hoy_dns_network_name(view->networks[i]));
		answer.name = name;
		return name ? hoy_dns_reply(query, packet, HOY_DNS_NOERROR, &answer, 1, out, limit) : 0;
	}
	return 0;
}

const struct hoy_dns_rule *hoy_dns_view_rule(
	const struct hoy_dns_view *view, const struct hoy_dns_query *query, size_t *at)
{
	const struct hoy_dns_rule *former = *at > 0 ? &view->rules[*at - 1] : NULL;

	while (query->is_plain && *at < view->n_rules) {
		const struct hoy_dns_rule *rule = &view->rules[(*at)++];

		if (!(former && memcmp(former->endpoint, rule->endpoint, sizeof rule->endpoint) == 0) &&
			hoy_allowed_name_matches(rule->pattern, query->name))
			return rule;
	}
	return NULL;
}

size_t hoy_dns_view_answer(struct hoy_dns_view *view, const struct hoy_dns_query *query, int rcode,
	const uint8_t *packet, uint8_t *out, size_t limit)
{
	size_t len = 0, at = 0;

	if (rcode != HOY_DNS_NOERROR)
		return hoy_dns_reply(query, packet, rcode, NULL, 0, out, limit);
	if (query->is_plain && *query->name && (query->class_ == CLASS_IN || query->class_ == CLASS_ANY))
		len = query->type == HOY_DNS_PTR ? answer_reverse(view, query, packet, out, limit)
						 : answer_name(view, query, packet, out, limit);
	if (len > 0)
		return len;
	if (hoy_dns_view_rule(view, query, &at))
		return view->n_named > 0 ? 0 : hoy_dns_reply(query, packet, HOY_DNS_SERVFAIL, NULL, 0, out, limit);
	/* On an internal network there is nobody else to know it. */
	if (view->internal)
		return hoy_dns_reply(query, packet, HOY_DNS_NXDOMAIN, NULL, 0, out, limit);
	if (view->n_servers == 0)
		return hoy_dns_reply(query, packet, HOY_DNS_SERVFAIL, NULL, 0, out, limit);
	return 0;
}
