#include "supervisor/image/registry.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/image/image_internal.h"

#define DOCKER_HUB "docker.io"

/* --- insecure ones --- */

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

/* --- the request --- */

/* False when out of memory; a NULL stays one. */
static bool copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static bool copy_reference(struct hoy_fetch_request *rq, const struct hoy_reference *ref)
{
	rq->familiar = hoy_reference_familiar(ref);
	rq->name = hoy_reference_familiar_name(ref);
	return copy(&rq->host, ref->domain) && copy(&rq->repository, ref->path) &&
	       copy(&rq->reference, ref->digest ? ref->digest
				    : ref->tag  ? ref->tag
						: "") &&
	       rq->familiar && rq->name;
}

static bool copy_credentials(struct hoy_fetch_request *rq, const struct hoy_registry_credentials *c)
{
	return copy(&rq->username, c->username) && copy(&rq->password, c->password) &&
	       copy(&rq->identity_token, c->identity_token) && copy(&rq->registry_token, c->registry_token);
}

static bool copy_settings(struct hoy_fetch_request *rq, const struct hoy_registry_settings *s, const char *host)
{
	rq->insecure = hoy_registry_is_insecure(host, s->insecure);
	rq->at_once = (uint32_t) MIN(rq->op == HOY_FETCH_PUSH ? s->uploads : s->downloads, 64);
	rq->attempts = (uint32_t) MIN(s->attempts, 1000);
	if (rq->op == HOY_FETCH_PULL && s->mirrors && strcmp(host, DOCKER_HUB) == 0 &&
		!(rq->mirrors = hoy_strv_copy(s->mirrors)))
		return false;
	return copy(&rq->http_proxy, s->http_proxy) && copy(&rq->https_proxy, s->https_proxy) &&
	       copy(&rq->no_proxy, s->no_proxy);
}

int hoy_images_fetch_request(struct hoy_images *images, enum hoy_fetch_op op, const struct hoy_reference *ref,
	const struct hoy_registry_credentials *credentials, struct hoy_fetch_request **ret, struct hoy_err *err)
{
	static const struct hoy_registry_settings defaults;
	const struct hoy_registry_settings *settings = images->options.registries ? images->options.registries
										  : &defaults;
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *rq = calloc(1, sizeof *rq);

	if (!rq)
		return hoy_err_oom(err);
	rq->op = op;
	if (!copy_reference(rq, ref) || !copy_settings(rq, settings, ref->domain) ||
		(credentials && !copy_credentials(rq, credentials)))
		return hoy_err_oom(err);
	*ret = TAKE_PTR(rq);
	return 0;
}
