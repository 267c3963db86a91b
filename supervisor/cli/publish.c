/* "-p [IP:][HOSTPORT:]PORT[/PROTO]", with ranges on both sides and [::1] for IPv6. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/create_request.h"

struct range {
	unsigned int first, last;
};

static int parse_range(const char *text, struct range *ret)
{
	auto_ptr(hoy_strv_free) char **ends = hoy_str_split(text, '-');

	if (!ends)
		return -ENOMEM;
	if (hoy_strv_len(ends) > 2 || hoy_str_to_uint(ends[0], &ret->first) < 0)
		return -EINVAL;
	ret->last = ret->first;
	if (ends[1] && hoy_str_to_uint(ends[1], &ret->last) < 0)
		return -EINVAL;
	return ret->first >= 1 && ret->last <= 65535 && ret->first <= ret->last ? 0 : -EINVAL;
}

/* Cuts "IP:HOSTPORT:PORT" from behind; the parts point into `text`, missing ones are "". */
static int split_parts(char *text, char **ip, char **host, char **container)
{
	char *colon = strrchr(text, ':');
	static char none[] = "";

	*ip = *host = none;
	*container = colon ? colon + 1 : text;
	if (!colon)
		return 0;
	*colon = '\0';
	colon = strrchr(text, ':');
	if (text[0] == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return -EINVAL;
		*close = '\0';
		*ip = text + 1;
		*host = close[1] == ':' ? close + 2 : none;
	} else if (colon) {
		*colon = '\0';
		*ip = text;
		*host = colon + 1;
		if (strchr(text, ':'))
			return -EINVAL; /* IPv6 without brackets */
	} else {
		*host = text;
	}
	return 0;
}

static int add(
	struct hoy_publish **list, size_t *n, const char *ip, const char *host, unsigned int port, const char *proto)
{
	struct hoy_publish *grown = realloc(*list, (*n + 1) * sizeof *grown);
	struct hoy_publish *p;

	if (!grown)
		return -ENOMEM;
	*list = grown;
	p = &grown[(*n)++];
	p->host_ip = strdup(ip);
	p->host_port = strdup(host);
	p->container = hoy_str_printf("%u/%s", port, proto);
	return p->host_ip && p->host_port && p->container ? 0 : -ENOMEM;
}

/* "target=80,published=8080,protocol=tcp" in the short form. NULL when out of memory. */
static char *short_form(const char *spec)
{
	auto_ptr(hoy_strv_free) char **fields = strchr(spec, '=') ? hoy_str_split(spec, ',') : NULL;
	const char *target = "", *published = "", *protocol = "tcp";

	if (!fields)
		return strdup(spec);
	for (size_t i = 0; fields[i]; i++) {
		if (hoy_str_starts(fields[i], "target="))
			target = fields[i] + strlen("target=");
		else if (hoy_str_starts(fields[i], "published="))
			published = fields[i] + strlen("published=");
		else if (hoy_str_starts(fields[i], "protocol="))
			protocol = fields[i] + strlen("protocol=");
		else
			return strdup(spec); /* told as a wrong port */
	}
	return hoy_str_printf("%s%s%s/%s", published, *published ? ":" : "", target, protocol);
}

int hoy_publish_parse(const char *spec, struct hoy_publish **list, size_t *n, struct hoy_err *err)
{
	auto_free char *text = short_form(spec);
	char *ip, *host, *container, *proto;
	struct range inside, outside = { 0, 0 };

	if (!text)
		return hoy_err_oom(err);
	proto = strchr(text, '/');
	if (proto)
		*proto++ = '\0';
	else
		proto = (char *) "tcp";
	if (strcmp(proto, "tcp") != 0 && strcmp(proto, "udp") != 0 && strcmp(proto, "sctp") != 0)
		return hoy_err_invalid(err, "invalid proto: %s in --publish %s (tcp, udp or sctp)", proto, spec);
	if (split_parts(text, &ip, &host, &container) < 0)
		return hoy_err_invalid(err, "invalid --publish %s: expected [IP:][HOSTPORT:]PORT[/PROTO]", spec);
	if (parse_range(container, &inside) < 0)
		return hoy_err_invalid(err, "invalid containerPort: %s in --publish %s", container, spec);
	if (*host && parse_range(host, &outside) < 0)
		return hoy_err_invalid(err, "invalid hostPort: %s in --publish %s", host, spec);
	/* One container port may get any one of a range of host ports: that stays a range. */
	if (*host && inside.first == inside.last && outside.first != outside.last)
		return add(list, n, ip, host, inside.first, proto) < 0 ? hoy_err_oom(err) : 0;
	if (*host && inside.last - inside.first != outside.last - outside.first)
		return hoy_err_invalid(
			err, "invalid ranges specified for container and host Ports: %s and %s", container, host);
	for (unsigned int port = inside.first; port <= inside.last; port++) {
		char number[8] = "";

		if (*host)
			(void) snprintf(number, sizeof number, "%u", outside.first + port - inside.first);
		if (add(list, n, ip, number, port, proto) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

void hoy_publish_free(struct hoy_publish *list, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(list[i].host_ip);
		free(list[i].host_port);
		free(list[i].container);
	}
	free(list);
}
