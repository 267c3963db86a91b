/* Prefixes and the choice of a subnet. Pure. IPv4 addresses are in host byte order, those of IPv6 as on the wire. */
#ifndef HOY_NETWORK_POOL_H
#define HOY_NETWORK_POOL_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hoy_prefix {
	uint32_t address; /* host bits may be set */
	unsigned int len;
};

uint32_t hoy_prefix_mask(unsigned int len);
bool hoy_prefix_overlaps(const struct hoy_prefix *a, const struct hoy_prefix *b);

/* "172.30.0.1/16"; both parts wanted. 0 or -EINVAL. */
int hoy_prefix_parse(const char *text, struct hoy_prefix *ret);
/* "172.30.0.1" only. */
int hoy_ipv4_parse(const char *text, uint32_t *ret);
const char *hoy_ipv4_format(uint32_t address, char out[INET_ADDRSTRLEN]);

/*
 * The first pool no `used` prefix overlaps: 172.17.0.0/16 to 172.31.0.0/16, begun with the `start`-th (modulo their
 * number), then 192.168.0.0/16 in /20s. False: all are taken.
 */
bool hoy_pool_choose(const struct hoy_prefix *used, size_t n_used, unsigned int start, struct hoy_prefix *ret);

struct hoy_prefix6 {
	struct in6_addr address; /* host bits may be set */
	unsigned int len;
};

/* "fd00::/64", both parts wanted; 0 or -EINVAL. IPv4 addresses in IPv6 clothes are none. */
int hoy_prefix6_parse(const char *text, struct hoy_prefix6 *ret);
int hoy_ipv6_parse(const char *text, struct in6_addr *ret);
const char *hoy_ipv6_format(const struct in6_addr *address, char out[INET6_ADDRSTRLEN]);
/* Clears the host bits. */
struct in6_addr hoy_prefix6_base(const struct hoy_prefix6 *prefix);
bool hoy_prefix6_contains(const struct hoy_prefix6 *prefix, const struct in6_addr *address);
bool hoy_prefix6_overlaps(const struct hoy_prefix6 *a, const struct hoy_prefix6 *b);
/* The address that is `place` behind the prefix's first; false when it lies outside. */
bool hoy_prefix6_at(const struct hoy_prefix6 *prefix, uint64_t place, struct in6_addr *ret);

#endif
