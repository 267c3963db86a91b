/* IPv4 prefixes and the choice of a subnet. Pure. Addresses are in host byte order. */
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

#endif
