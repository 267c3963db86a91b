/*
 * The names hoy-dns knows: per network the last snapshot that hoyd has told, immutable until the next one replaces it.
 * Text in, addresses out; touches no socket.
 */
#ifndef HOY_WORKER_DNS_NAMES_H
#define HOY_WORKER_DNS_NAMES_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_dns_names;
struct hoy_dns_network;

struct hoy_dns_host {
	bool has_v4, has_v6;
	uint32_t v4; /* host byte order */
	struct in6_addr v6;
	const char *name; /* the first one */
};

int hoy_dns_names_new(struct hoy_dns_names **ret, struct hoy_err *err);
void hoy_dns_names_free(struct hoy_dns_names *names);
HOY_DEFINE_AUTO_PTR(struct hoy_dns_names, hoy_dns_names_free);

/* The network, without names when nothing was told of it yet. It stays until as many hoy_dns_network_drop() as gets,
 * and while it is told. NULL: out of memory. */
struct hoy_dns_network *hoy_dns_network_get(struct hoy_dns_names *names, const char *id);
void hoy_dns_network_drop(struct hoy_dns_network *network);

/* The network's snapshot (proto.h). One that can't be read is an error and changes nothing. */
int hoy_dns_names_tell(struct hoy_dns_names *names, const char *id, uint32_t version, const char *text, size_t len,
	struct hoy_err *err);
void hoy_dns_names_gone(struct hoy_dns_names *names, const char *id);
/* Networks that were not told since the last mark are gone. */
void hoy_dns_names_mark(struct hoy_dns_names *names);
void hoy_dns_names_sweep(struct hoy_dns_names *names);

/* The hosts called `name` (lower case): their number, the first `max` in `ret`. They are valid until the network's
 * next snapshot. */
size_t hoy_dns_network_find(
	const struct hoy_dns_network *network, const char *name, const struct hoy_dns_host **ret, size_t max);
/* The host with that address (`v6` NULL: v4); NULL: none. */
const struct hoy_dns_host *hoy_dns_network_host(
	const struct hoy_dns_network *network, uint32_t v4, const struct in6_addr *v6);
const char *hoy_dns_network_name(const struct hoy_dns_network *network); /* "" before it was told */

#endif
