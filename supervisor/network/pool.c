/* Which subnet a bridge gets. Asks nobody. */
#include "supervisor/network/pool.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/defs.h"
#include "base/str.h"

#define FIRST_B UINT32_C(0xac110000) /* 172.17.0.0 */
#define N_B 15U
#define FIRST_C UINT32_C(0xc0a80000) /* 192.168.0.0 */
#define N_C 16U

uint32_t hoy_prefix_mask(unsigned int len)
{
	return len == 0 ? 0 : ~UINT32_C(0) << (32 - len);
}

bool hoy_prefix_overlaps(const struct hoy_prefix *a, const struct hoy_prefix *b)
{
	uint32_t mask = hoy_prefix_mask(MIN(a->len, b->len));

	return (a->address & mask) == (b->address & mask);
}

int hoy_ipv4_parse(const char *text, uint32_t *ret)
{
	struct in_addr in;

	if (inet_pton(AF_INET, text, &in) != 1)
		return -EINVAL;
	*ret = ntohl(in.s_addr);
	return 0;
}

const char *hoy_ipv4_format(uint32_t address, char out[INET_ADDRSTRLEN])
{
	const struct in_addr in = { htonl(address) };

	return inet_ntop(AF_INET, &in, out, INET_ADDRSTRLEN);
}

int hoy_prefix_parse(const char *text, struct hoy_prefix *ret)
{
	const char *slash = strchr(text, '/');
	auto_free char *address = slash ? strndup(text, (size_t) (slash - text)) : NULL;
	struct hoy_prefix prefix;

	if (!address || hoy_ipv4_parse(address, &prefix.address) < 0)
		return -EINVAL;
	if (hoy_str_to_uint(slash + 1, &prefix.len) < 0 || prefix.len > 32)
		return -EINVAL;
	*ret = prefix;
	return 0;
}

static bool is_free(const struct hoy_prefix *candidate, const struct hoy_prefix *used, size_t n_used)
{
	for (size_t i = 0; i < n_used; i++)
		if (hoy_prefix_overlaps(candidate, &used[i]))
			return false;
	return true;
}

bool hoy_pool_choose(const struct hoy_prefix *used, size_t n_used, unsigned int start, struct hoy_prefix *ret)
{
	for (unsigned int i = 0; i < N_B + N_C; i++) {
		struct hoy_prefix candidate = { FIRST_B + ((start + i) % N_B << 16), 16 };

		if (i >= N_B)
			candidate = (struct hoy_prefix){ FIRST_C + ((i - N_B) << 12), 20 };
		if (is_free(&candidate, used, n_used)) {
			*ret = candidate;
			return true;
		}
	}
	return false;
}

/* --- IPv6 ------------------------------------------------------------------------ */

int hoy_ipv6_parse(const char *text, struct in6_addr *ret)
{
	return inet_pton(AF_INET6, text, ret) == 1 && !IN6_IS_ADDR_V4MAPPED(ret) ? 0 : -EINVAL;
}

const char *hoy_ipv6_format(const struct in6_addr *address, char out[INET6_ADDRSTRLEN])
{
	return inet_ntop(AF_INET6, address, out, INET6_ADDRSTRLEN);
}

int hoy_prefix6_parse(const char *text, struct hoy_prefix6 *ret)
{
	const char *slash = strchr(text, '/');
	auto_free char *address = slash ? strndup(text, (size_t) (slash - text)) : NULL;
	struct hoy_prefix6 prefix;

	if (!address || hoy_ipv6_parse(address, &prefix.address) < 0)
		return -EINVAL;
	if (hoy_str_to_uint(slash + 1, &prefix.len) < 0 || prefix.len > 128)
		return -EINVAL;
	*ret = prefix;
	return 0;
}

static struct in6_addr masked(const struct in6_addr *address, unsigned int len)
{
	struct in6_addr base = *address;

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int kept = len > 8 * i ? MIN(len - 8 * i, 8U) : 0;

		base.s6_addr[i] &= (uint8_t) (0xff00U >> kept);
	}
	return base;
}

struct in6_addr hoy_prefix6_base(const struct hoy_prefix6 *prefix)
{
	return masked(&prefix->address, prefix->len);
}

bool hoy_prefix6_contains(const struct hoy_prefix6 *prefix, const struct in6_addr *address)
{
	const struct hoy_prefix6 other = { *address, 128 };

	return hoy_prefix6_overlaps(prefix, &other);
}

bool hoy_prefix6_overlaps(const struct hoy_prefix6 *a, const struct hoy_prefix6 *b)
{
	unsigned int len = MIN(a->len, b->len);
	const struct in6_addr x = masked(&a->address, len), y = masked(&b->address, len);

	return memcmp(&x, &y, sizeof x) == 0;
}

bool hoy_prefix6_at(const struct hoy_prefix6 *prefix, uint64_t place, struct in6_addr *ret)
{
	unsigned int bits = 128 - prefix->len;

	if (bits < 64 && place >> bits != 0)
		return false;
	*ret = hoy_prefix6_base(prefix);
	for (unsigned int i = 15; place != 0; i--, place >>= 8)
		ret->s6_addr[i] |= (uint8_t) place;
	return true;
}
