/* The PORTS column: ranges where host and container agree, single mappings else. */
#include "supervisor/cli/ports.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"

struct port {
	int64_t inside, outside;
	const char *ip, *type; /* ip "": not published */
	bool taken;
};

static int by_port(const void *a, const void *b)
{
	const struct port *x = a, *y = b;

	if (x->inside != y->inside)
		return x->inside < y->inside ? -1 : 1;
	if (strcmp(x->ip, y->ip) != 0)
		return strcmp(x->ip, y->ip);
	if (x->outside != y->outside)
		return x->outside < y->outside ? -1 : 1;
	return strcmp(x->type, y->type);
}

static void add_address(struct hoy_buf *out, const char *ip)
{
	bool v6 = strchr(ip, ':') != NULL;

	(void) hoy_buf_addf(out, "%s%s%s:", v6 ? "[" : "", ip, v6 ? "]" : "");
}

static void add_range(struct hoy_buf *out, int64_t first, int64_t last)
{
	(void) hoy_buf_addf(out, "%lld", (long long) first);
	if (first != last)
		(void) hoy_buf_addf(out, "-%lld", (long long) last);
}

struct range {
	const char *ip, *type;
	int64_t first, last;
};

static void add_group(struct hoy_buf *out, const struct range *range)
{
	if (out->len)
		(void) hoy_buf_adds(out, ", ");
	if (*range->ip) {
		add_address(out, range->ip);
		add_range(out, range->first, range->last);
		(void) hoy_buf_adds(out, "->");
	}
	add_range(out, range->first, range->last);
	(void) hoy_buf_addf(out, "/%s", range->type);
}

/* Ports with the same number on both sides, or on one only, join to ranges by address and protocol. A range that is
 * broken is told at once, the last of each at the end, as docker does. */
static size_t add_ranges(struct hoy_buf *out, struct port *ports, size_t n, struct range *open)
{
	size_t n_open = 0;

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;

		if (*ports[i].ip && ports[i].outside != ports[i].inside)
			continue;
		ports[i].taken = true;
		while (k < n_open && (strcmp(open[k].ip, ports[i].ip) != 0 || strcmp(open[k].type, ports[i].type) != 0))
			k++;
		if (k < n_open && ports[i].inside == open[k].last + 1) {
			open[k].last = ports[i].inside;
			continue;
		}
		if (k < n_open)
			add_group(out, &open[k]);
		else
			n_open++;
		open[k] = (struct range){ ports[i].ip, ports[i].type, ports[i].inside, ports[i].inside };
	}
	return n_open;
}

char *hoy_ports_text(const struct hoy_json *list)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	size_t n = 0, n_open, len = hoy_json_len(list);
	auto_free struct port *ports = calloc(len + 1, sizeof *ports);
	auto_free struct range *open = calloc(len + 1, sizeof *open);

	if (!ports || !open)
		return NULL;
	hoy_json_each(port, list) ports[n++] = (struct port){ hoy_cli_number(port, "PrivatePort"),
		hoy_cli_number(port, "PublicPort"), hoy_cli_text(port, "IP"), hoy_cli_text(port, "Type"), false };
	qsort(ports, n, sizeof *ports, by_port);
	(void) hoy_buf_adds(&out, "");
	n_open = add_ranges(&out, ports, n, open);
	for (size_t i = 0; i < n_open; i++)
		add_group(&out, &open[i]);
	for (size_t i = 0; i < n; i++) {
		if (ports[i].taken)
			continue;
		(void) hoy_buf_adds(&out, out.len ? ", " : "");
		add_address(&out, ports[i].ip);
		(void) hoy_buf_addf(&out, "%lld->%lld/%s", (long long) ports[i].outside, (long long) ports[i].inside,
			ports[i].type);
	}
	return hoy_buf_take(&out);
}
