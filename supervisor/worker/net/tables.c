/*
 * The nftables side of hoy-net's state: our tables as a whole, the elements of one endpoint, and the watch that has a
 * table back which somebody took away.
 */
#include "supervisor/worker/net/state_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/worker/net/conntrack.h"
#include "supervisor/worker/net/firewall.h"
#include "supervisor/worker/net/watch.h"

/* So soon after our table was taken away it is back; whoever flushes the ruleset may be filling it for a moment. */
#define RESTORE_NS UINT64_C(20000000)

bool hoy_state_wants_ipv6(const struct hoy_state *state)
{
	for (size_t i = 0; i < state->n_bridges; i++)
		if (state->bridges[i].spec.prefix6_len > 0 && state->bridges[i].spec.kind == HOY_NET_BRIDGED)
			return true;
	return false;
}

static bool wants_sources(const struct hoy_state *state)
{
	for (size_t i = 0; i < state->n_endpoints; i++)
		if (state->endpoints[i]->restricted)
			return true;
	return false;
}

static bool has_table(struct hoy_state *state, const char *family)
{
	auto_free char *command = hoy_str_printf("list chain %s %s prerouting", family, state->table);

	return command && hoy_firewall_list(state->firewall, command);
}

/* The rules of the operator's chain, as text that adds them again; NULL: there are none. The caller's. */
static char *user_rules(struct hoy_state *state, const char *family)
{
	auto_free char *command = hoy_str_printf("list chain %s %s %s", family, state->table, HOY_RULESET_USER);
	const char *listing = command ? hoy_firewall_list(state->firewall, command) : NULL;

	return listing && hoy_ruleset_has_rules(listing) ? strdup(listing) : NULL;
}

static void remove_table(struct hoy_state *state, struct hoy_buf *text, enum hoy_net_family family)
{
	auto_free char *rules = user_rules(state, family == HOY_NET_V4 ? "ip" : "ip6");

	if (rules)
		hoy_ruleset_strip(text, state->table, family);
	else
		hoy_ruleset_remove(text, state->table, family);
}

/* Another version of hoy-net may have left chains and sets of other types: then the tables are made from nothing. */
static int replace_all(struct hoy_state *state, unsigned int which, const struct hoy_buf *all, struct hoy_err *err)
{
	auto_free char *rules = user_rules(state, "ip"), *rules6 = which & HOY_NET_V6 ? user_rules(state, "ip6") : NULL;
	auto_(hoy_buf_done) struct hoy_buf text = {};

	hoy_ruleset_remove(&text, state->table, which);
	(void) hoy_buf_addf(&text, "%s%s", rules ? rules : "", rules6 ? rules6 : "");
	(void) hoy_buf_add(&text, all->data, all->len);
	return hoy_firewall_run(state->firewall, &text, err);
}

void hoy_state_put_endpoint(
	struct hoy_state *state, struct hoy_buf *text, enum hoy_ruleset_verb verb, const struct endpoint *ep)
{
	const struct hoy_ruleset_egress egress = { ep->port, ep->allowed, ep->n_allowed };

	if (ep->restricted) {
		hoy_ruleset_egress(text, state->table, verb, &ep->address, &egress);
		hoy_granted_put(&ep->granted, state->table, verb, &ep->address, hoy_loop_now(state->loop), text);
	}
	hoy_ruleset_ports(text, state->table, verb, &ep->address, ep->ports, ep->n_ports);
}

int hoy_state_install(struct hoy_state *state, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	bool ipv6 = hoy_state_wants_ipv6(state), sources = wants_sources(state);
	unsigned int which = ipv6 ? HOY_NET_V4 | HOY_NET_V6 : HOY_NET_V4;
	int r;

	if (!ipv6 && has_table(state, "ip6"))
		remove_table(state, &text, HOY_NET_V6);
	hoy_ruleset_frame(&text, state->table, which);
	if (sources)
		hoy_ruleset_sources(&text, state->table);
	else if (has_table(state, "bridge"))
		hoy_ruleset_remove_sources(&text, state->table);
	for (size_t i = 0; i < state->n_bridges; i++)
		if (state->bridges[i].spec.kind == HOY_NET_BRIDGED)
			hoy_ruleset_bridge(&text, state->table, HOY_RULESET_ADD, &state->bridges[i].spec);
	for (size_t i = 0; i < state->n_endpoints; i++)
		hoy_state_put_endpoint(state, &text, HOY_RULESET_ADD, state->endpoints[i]);
	r = hoy_firewall_run(state->firewall, &text, NULL);
	if (r < 0)
		r = replace_all(state, which, &text, err);
	if (r >= 0) {
		state->table_exists = true;
		state->table6_exists = ipv6;
		state->sources_exist = sources;
	}
	return r;
}

static void on_nftables(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_state *state = userdata;

	(void) source;
	(void) events;
	if (hoy_watch_read(state->watch, state->table) && state->table_exists)
		hoy_source_set_timer(state->restore, RESTORE_NS);
}

/* What we replace by ourselves is told as a deletion too: then the table is there. */
static void on_restore(struct hoy_source *source, void *userdata)
{
	struct hoy_state *state = userdata;
	struct hoy_err err = {};

	(void) source;
	if (!state->table_exists || (has_table(state, "ip") && (!state->table6_exists || has_table(state, "ip6")) &&
					    (!state->sources_exist || has_table(state, "bridge"))))
		return;
	hoy_log_warn("nftables table '%s' was removed by somebody, restoring it", state->table);
	if (hoy_state_install(state, &err) < 0)
		hoy_log_err(&err, "restore the network rules");
}

int hoy_state_change_rules(
	struct hoy_state *state, enum hoy_ruleset_verb verb, const struct endpoint *ep, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	if (state->syncing || (ep->n_ports == 0 && !ep->restricted))
		return 0;
	hoy_state_put_endpoint(state, &text, verb, ep);
	r = ep->restricted && !state->sources_exist ? -ENOENT : hoy_firewall_run(state->firewall, &text, NULL);
	if (r < 0)
		r = hoy_state_install(state, err);
	if (r >= 0)
		hoy_conntrack_forget(ep->ports, ep->n_ports);
	return r;
}

void hoy_state_remove_tables(struct hoy_state *state, struct hoy_buf *text)
{
	remove_table(state, text, HOY_NET_V4);
	if (has_table(state, "ip6"))
		remove_table(state, text, HOY_NET_V6);
	if (has_table(state, "bridge"))
		hoy_ruleset_remove_sources(text, state->table);
	state->table_exists = state->table6_exists = state->sources_exist = false;
}

int hoy_state_set_table(struct hoy_state *state, const char *table, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = 0;

	if (state->table[0] && strcmp(state->table, table) != 0) {
		hoy_state_remove_tables(state, &text);
		r = hoy_firewall_run(state->firewall, &text, err);
	}
	(void) snprintf(state->table, sizeof state->table, "%s", table);
	return r;
}

const char *hoy_state_foreign_drop(struct hoy_state *state)
{
	const char *listing = hoy_firewall_list(state->firewall, "list chains ip");

	if (!listing || !hoy_ruleset_foreign_drop(listing, state->table, state->foreign, sizeof state->foreign))
		return NULL;
	return state->foreign;
}

int hoy_state_watch(struct hoy_state *state, struct hoy_err *err)
{
	struct hoy_err why = {};
	int r = hoy_loop_timer(state->loop, &state->restore, UINT64_MAX, on_restore, state, err);

	if (r < 0)
		return r;
	state->watch = hoy_watch_open(&why);
	if (state->watch >= 0)
		(void) hoy_loop_io(state->loop, &state->watching, state->watch, EPOLLIN, on_nftables, state, &why);
	if (why.errnum) /* then a flush is noticed at the next change only */
		hoy_log_ignored(&why, "network rules");
	return 0;
}
