/* Addresses that names had, per endpoint: bounded, and forgotten when their time is over. */
#include "supervisor/worker/net/granted.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/worker/allowed_names.h"

#define MAX_ADDRESSES 1024 /* of an endpoint; the one whose time is over first goes for another */
#define MAX_SECONDS (24U * 60 * 60)
#define SECOND_NS UINT64_C(1000000000)

struct hoy_granted_address {
	struct in6_addr address;
	uint16_t port;
	uint64_t until;
};

void hoy_granted_done(struct hoy_granted *granted)
{
	free(granted->names);
	free(granted->all);
	*granted = (struct hoy_granted){};
}

int hoy_granted_set_names(struct hoy_granted *granted, const char *text, struct hoy_err *err)
{
	char *copy = strndup(text, HOY_NET_NAMES_MAX - 1);

	if (!copy)
		return hoy_err_oom(err);
	free(granted->names);
	granted->names = copy;
	return 0;
}

/* What is here belongs to the host itself, or to everybody on a link: no name of a remote host has it. */
static bool is_possible(const struct in6_addr *address)
{
	if (IN6_IS_ADDR_V4MAPPED(address)) {
		const uint8_t *v4 = &address->s6_addr[12];

		return v4[0] != 0 && v4[0] != 127 && v4[0] < 224 && !(v4[0] == 169 && v4[1] == 254);
	}
	return !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_LOOPBACK(address) && !IN6_IS_ADDR_LINKLOCAL(address) &&
	       !IN6_IS_ADDR_MULTICAST(address);
}

static void forget_old(struct hoy_granted *granted, uint64_t now)
{
	for (size_t i = granted->n; i-- > 0;)
		if (granted->all[i].until <= now)
			granted->all[i] = granted->all[--granted->n];
}

static struct hoy_ruleset_granted element(const struct hoy_granted_address *a, uint64_t now)
{
	uint64_t left = a->until > now ? a->until - now : 0;

	return (struct hoy_ruleset_granted){ .address = a->address,
		.port = a->port,
		.seconds = (uint32_t) MAX((left + SECOND_NS - 1) / SECOND_NS, UINT64_C(1)) };
}

/* Room for one more; the element of one that goes for it is deleted. */
static int make_room(struct hoy_granted *granted, const struct hoy_granted_request *request, struct hoy_buf *out)
{
	struct hoy_granted_address *grown, *first = granted->all;
	struct hoy_ruleset_granted gone;

	if (granted->n < MAX_ADDRESSES) {
		grown = reallocarray(granted->all, granted->n + 1, sizeof *grown);
		if (!grown)
			return -ENOMEM;
		granted->all = grown;
		return 0;
	}
	for (size_t i = 1; i < granted->n; i++)
		if (granted->all[i].until < first->until)
			first = &granted->all[i];
	gone = element(first, request->now);
	hoy_ruleset_granted(out, request->table, HOY_RULESET_DELETE, request->from, &gone, 1);
	*first = granted->all[--granted->n];
	return 0;
}

/* A later answer does not shorten what an earlier one has given. */
static int add_one(struct hoy_granted *granted, const struct hoy_granted_address *one,
	const struct hoy_granted_request *request, struct hoy_buf *out)
{
	struct hoy_granted_address *known = NULL;
	struct hoy_ruleset_granted changed;
	int r;

	for (size_t i = 0; i < granted->n && !known; i++)
		if (granted->all[i].port == one->port && IN6_ARE_ADDR_EQUAL(&granted->all[i].address, &one->address))
			known = &granted->all[i];
	if (known && known->until >= one->until)
		return 0;
	if (known) {
		known->until = one->until;
	} else {
		r = make_room(granted, request, out);
		if (r < 0)
			return r;
		granted->all[granted->n++] = *one;
	}
	changed = element(one, request->now);
	hoy_ruleset_granted(out, request->table, HOY_RULESET_ADD, request->from, &changed, 1);
	return 0;
}

static int add_addresses(struct hoy_granted *granted, const struct hoy_net_grant *grant, uint16_t port,
	const struct hoy_granted_request *request, struct hoy_buf *out)
{
	int r = 0;

	for (uint32_t i = 0; i < grant->n_addresses && r >= 0; i++) {
		const struct hoy_granted_address one = {
			.address = grant->addresses[i],
			.port = port,
			.until = request->now + MIN(grant->seconds, MAX_SECONDS) * SECOND_NS,
		};

		if (is_possible(&one.address) && !request->is_ours(request->userdata, &one.address))
			r = add_one(granted, &one, request, out);
	}
	return r;
}

int hoy_granted_add(struct hoy_granted *granted, const struct hoy_net_grant *grant,
	const struct hoy_granted_request *request, struct hoy_buf *out, struct hoy_err *err)
{
	const char *at = granted->names ? granted->names : "";
	struct hoy_allowed_name name;
	bool is_allowed = false;
	int r = 0;

	forget_old(granted, request->now);
	while (r >= 0 && hoy_allowed_names_next(&at, &name)) {
		if (!hoy_allowed_name_matches(name.pattern, grant->name))
			continue;
		is_allowed = true;
		r = add_addresses(granted, grant, name.port, request, out);
	}
	if (r < 0)
		return hoy_err_oom(err);
	if (!is_allowed)
		return hoy_err_set(err, HOY_ERR_INVALID, EPERM, "the name is not one that the endpoint may send to");
	return 0;
}

void hoy_granted_put(const struct hoy_granted *granted, const char *table, enum hoy_ruleset_verb verb,
	const struct hoy_ruleset_target *from, uint64_t now, struct hoy_buf *out)
{
	for (size_t i = 0; i < granted->n; i++) {
		const struct hoy_ruleset_granted one = element(&granted->all[i], now);

		if (granted->all[i].until > now)
			hoy_ruleset_granted(out, table, verb, from, &one, 1);
	}
}
