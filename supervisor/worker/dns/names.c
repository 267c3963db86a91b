/* Snapshots of names: parsed once into a sorted array, found by halving. */
#include "supervisor/worker/dns/names.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/worker/dns/proto.h"

struct entry {
	const char *name;
	size_t host;
};

/* One snapshot. Names are pieces of `text`. */
struct snapshot {
	char *text;
	const char *network;
	struct hoy_dns_host *hosts;
	size_t n_hosts;
	struct entry *entries; /* by name, then in the order of hosts */
	size_t n_entries;
};

struct hoy_dns_network {
	struct hoy_dns_network *next;
	struct hoy_dns_names *names;
	char id[HOY_DNS_ID_MAX];
	uint32_t version;
	unsigned int users;
	bool told;
	bool stale;
	struct snapshot now;
};

struct hoy_dns_names {
	struct hoy_dns_network *networks;
};

/* --- a snapshot ------------------------------------------------------------------- */

static void snapshot_done(struct snapshot *s)
{
	free(s->text);
	free(s->hosts);
	free(s->entries);
	*s = (struct snapshot){};
}

static int compare(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int r = strcmp(x->name, y->name);

	return r != 0 ? r : (x->host > y->host) - (x->host < y->host);
}

static int parse_addresses(char **rest, struct hoy_dns_host *host)
{
	const char *v4 = strsep(rest, " "), *v6 = strsep(rest, " ");
	struct in_addr in;

	if (!v4 || !v6)
		return -EINVAL;
	if (!hoy_str_eq(v4, "-")) {
		if (inet_pton(AF_INET, v4, &in) != 1)
			return -EINVAL;
		host->has_v4 = true;
		host->v4 = ntohl(in.s_addr);
	}
	if (!hoy_str_eq(v6, "-")) {
		if (inet_pton(AF_INET6, v6, &host->v6) != 1)
			return -EINVAL;
		host->has_v6 = true;
	}
	return 0;
}

/* "ADDRESS ADDRESS6 NAME..." */
static int parse_host(struct snapshot *s, char *rest)
{
	struct hoy_dns_host *host = &s->hosts[s->n_hosts];
	const char *name;

	if (parse_addresses(&rest, host) < 0)
		return -EINVAL;
	while ((name = strsep(&rest, " "))) {
		if (!*name)
			return -EINVAL;
		if (!host->name)
			host->name = name;
		s->entries[s->n_entries++] = (struct entry){ name, s->n_hosts };
	}
	s->n_hosts++;
	return host->name ? 0 : -EINVAL;
}

/* A host that has a name twice has it once. */
static void sort(struct snapshot *s)
{
	size_t n = 0;

	qsort(s->entries, s->n_entries, sizeof *s->entries, compare);
	for (size_t i = 0; i < s->n_entries; i++)
		if (n == 0 || compare(&s->entries[n - 1], &s->entries[i]) != 0)
			s->entries[n++] = s->entries[i];
	s->n_entries = n;
}

static size_t count(const char *text, size_t len, char what)
{
	size_t n = 1;

	for (size_t i = 0; i < len; i++)
		n += text[i] == what;
	return n;
}

static int snapshot_parse(const char *text, size_t len, struct snapshot *s)
{
	char *rest, *line;

	s->text = strndup(text, len);
	s->hosts = calloc(count(text, len, '\n'), sizeof *s->hosts);
	s->entries = calloc(count(text, len, ' ') + count(text, len, '\n'), sizeof *s->entries);
	if (!s->text || !s->hosts || !s->entries)
		return -ENOMEM;
	for (rest = s->text; (line = strsep(&rest, "\n"));) {
		const char *keyword = strsep(&line, " ");

		if (!line && !*keyword)
			continue;
		if (line && hoy_str_eq(keyword, "network"))
			s->network = line;
		else if (!line || !hoy_str_eq(keyword, "host") || parse_host(s, line) < 0)
			return -EINVAL;
	}
	sort(s);
	return s->network ? 0 : -EINVAL;
}

/* --- networks ---------------------------------------------------------------------- */

int hoy_dns_names_new(struct hoy_dns_names **ret, struct hoy_err *err)
{
	*ret = calloc(1, sizeof **ret);
	return *ret ? 0 : hoy_err_oom(err);
}

static void network_free(struct hoy_dns_network *network)
{
	snapshot_done(&network->now);
	free(network);
}

void hoy_dns_names_free(struct hoy_dns_names *names)
{
	while (names && names->networks) {
		struct hoy_dns_network *network = names->networks;

		names->networks = network->next;
		network_free(network);
	}
	free(names);
}

static struct hoy_dns_network *find(struct hoy_dns_names *names, const char *id)
{
	struct hoy_dns_network *network = names->networks;

	while (network && !hoy_str_eq(network->id, id))
		network = network->next;
	return network;
}

static struct hoy_dns_network *find_or_make(struct hoy_dns_names *names, const char *id)
{
	struct hoy_dns_network *network = find(names, id);

	if (network)
		return network;
	network = calloc(1, sizeof *network);
	if (!network)
		return NULL;
	network->names = names;
	(void) snprintf(network->id, sizeof network->id, "%s", id);
	network->next = names->networks;
	names->networks = network;
	return network;
}

/* Nobody asks in it and nobody tells of it any more. */
static void forget_unused(struct hoy_dns_network *network)
{
	struct hoy_dns_network **link = &network->names->networks;

	if (network->users > 0 || network->told)
		return;
	while (*link != network)
		link = &(*link)->next;
	*link = network->next;
	network_free(network);
}

struct hoy_dns_network *hoy_dns_network_get(struct hoy_dns_names *names, const char *id)
{
	struct hoy_dns_network *network = find_or_make(names, id);

	if (network)
		network->users++;
	return network;
}

void hoy_dns_network_drop(struct hoy_dns_network *network)
{
	network->users--;
	forget_unused(network);
}

int hoy_dns_names_tell(struct hoy_dns_names *names, const char *id, uint32_t version, const char *text, size_t len,
	struct hoy_err *err)
{
	auto_(snapshot_done) struct snapshot fresh = {};
	struct hoy_dns_network *network;
	int r = snapshot_parse(text, len, &fresh);

	if (r == -ENOMEM)
		return hoy_err_oom(err);
	if (r < 0)
		return hoy_err_code(err, r, "snapshot %u of network '%s'", version, id);
	network = find_or_make(names, id);
	if (!network)
		return hoy_err_oom(err);
	snapshot_done(&network->now);
	network->now = fresh;
	fresh = (struct snapshot){};
	network->version = version;
	network->told = true;
	network->stale = false;
	return 0;
}

static void network_gone(struct hoy_dns_network *network)
{
	snapshot_done(&network->now);
	network->told = false;
	forget_unused(network);
}

void hoy_dns_names_gone(struct hoy_dns_names *names, const char *id)
{
	struct hoy_dns_network *network = find(names, id);

	if (network)
		network_gone(network);
}

void hoy_dns_names_mark(struct hoy_dns_names *names)
{
	for (struct hoy_dns_network *network = names->networks; network; network = network->next)
		network->stale = true;
}

void hoy_dns_names_sweep(struct hoy_dns_names *names)
{
	for (struct hoy_dns_network *network = names->networks, *next; network; network = next) {
		next = network->next;
		if (network->stale)
			network_gone(network);
	}
}

/* --- asking ---------------------------------------------------------------------------- */

size_t hoy_dns_network_find(
	const struct hoy_dns_network *network, const char *name, const struct hoy_dns_host **ret, size_t max)
{
	const struct snapshot *s = &network->now;
	size_t low = 0, high = s->n_entries, n = 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(s->entries[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < s->n_entries && strcmp(s->entries[low].name, name) == 0; low++, n++)
		if (n < max)
			ret[n] = &s->hosts[s->entries[low].host];
	return n;
}

const struct hoy_dns_host *hoy_dns_network_host(
	const struct hoy_dns_network *network, uint32_t v4, const struct in6_addr *v6)
{
	const struct snapshot *s = &network->now;

	for (size_t i = 0; i < s->n_hosts; i++) {
		const struct hoy_dns_host *host = &s->hosts[i];

		if (v6 ? host->has_v6 && memcmp(&host->v6, v6, sizeof *v6) == 0 : host->has_v4 && host->v4 == v4)
			return host;
	}
	return NULL;
}

const char *hoy_dns_network_name(const struct hoy_dns_network *network)
{
	return network->now.network ? network->now.network : "";
}
