#include "supervisor/worker/fetch/insecure.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/str.h"

/* "[::1]:5000" is "::1", "10.0.0.1:5000" is "10.0.0.1". NULL when out of memory. */
static char *without_port(const char *host)
{
	const char *colon = strrchr(host, ':');

	if (host[0] == '[')
		return strndup(host + 1, strcspn(host + 1, "]"));
	return colon && strchr(host, ':') == colon ? strndup(host, (size_t) (colon - host)) : strdup(host);
}

struct network {
	int family;
	unsigned char address[16];
	unsigned int bits;
};

static bool parse_network(const char *text, struct network *ret)
{
	auto_free char *address = strndup(text, strcspn(text, "/"));
	const char *slash = strchr(text, '/');

	*ret = (struct network){ .family = address && strchr(address, ':') ? AF_INET6 : AF_INET };
	ret->bits = ret->family == AF_INET6 ? 128 : 32;
	if (!address || inet_pton(ret->family, address, ret->address) != 1)
		return false;
	if (!slash)
		return true;
	return hoy_str_to_uint(slash + 1, &ret->bits) == 0 && ret->bits <= (ret->family == AF_INET6 ? 128 : 32);
}

static bool contains(const struct network *network, const struct network *host)
{
	size_t whole = network->bits / 8, rest = network->bits % 8;
	unsigned char mask = (unsigned char) (0xff00U >> rest);

	return network->family == host->family && memcmp(network->address, host->address, whole) == 0 &&
	       (rest == 0 || (network->address[whole] & mask) == (host->address[whole] & mask));
}

bool hoy_registry_is_insecure(const char *host, char *const *list)
{
	static const char *const loopback[] = { "127.0.0.0/8", "::1", "localhost" };
	auto_free char *name = without_port(host);
	struct network address, network;
	bool is_address = name && parse_network(name, &address);

	for (size_t i = 0; name && i < ARRAY_LEN(loopback); i++)
		if (strcmp(name, loopback[i]) == 0 ||
			(is_address && parse_network(loopback[i], &network) && contains(&network, &address)))
			return true;
	for (; name && list && *list; list++)
		if (strcmp(*list, host) == 0 || strcmp(*list, name) == 0 ||
			(is_address && parse_network(*list, &network) && contains(&network, &address)))
			return true;
	return false;
}
