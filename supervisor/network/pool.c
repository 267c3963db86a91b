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
