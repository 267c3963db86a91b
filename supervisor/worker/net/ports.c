/* The sockets that hold published ports: had, passed from one endpoint to another, given up; and their relays. */
#include "supervisor/worker/net/state_internal.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/loop.h"
#include "supervisor/worker/net/host.h"
#include "supervisor/worker/net/relay.h"
#include "supervisor/worker/net/reserve.h"

static void on_stray_connection(struct hoy_source *source, uint32_t events, void *userdata)
{
	(void) events;
	(void) userdata;
	hoy_reserve_refuse(hoy_source_fd(source));
}

static bool same_port(const struct hoy_net_port *a, const struct hoy_net_port *b)
{
	unsigned int last = MAX(b->host_port, b->host_port_last);

	return a->proto == b->proto && a->host_port >= b->host_port && a->host_port <= last && hoy_net_ports_meet(a, b);
}

static bool is_ours(
	const struct hoy_state *state, const struct endpoint *self, uint32_t n_held, const struct hoy_net_port *port)
{
	for (size_t i = 0; i < state->n_endpoints; i++)
		for (uint32_t j = 0; j < state->endpoints[i]->n_ports; j++)
			if (same_port(&state->endpoints[i]->ports[j], port))
				return true;
	for (uint32_t j = 0; j < n_held; j++)
		if (same_port(&self->ports[j], port))
			return true;
	return false;
}

/* Are we to pass on all that comes to the port? In the host's network namespace the kernel does, where it may. */
static bool is_relayed(const struct hoy_state *state, const struct hoy_net_port *port)
{
	return state->host_socket || (port->families & HOY_NET_RELAYED);
}

static struct hoy_relay_target target_of(
	const struct hoy_state *state, const struct endpoint *ep, uint32_t i, bool is_v6)
{
	return (struct hoy_relay_target){
		.port = ep->ports[i].container_port,
		.address = ep->address.address,
		.address6 = is_v6 ? ep->address.address6 : in6addr_any,
		.every = is_relayed(state, &ep->ports[i]),
	};
}

/* The sockets of a port go over to another endpoint's `i`th, and with them what comes to their relays. */
static void pass_port(const struct hoy_state *state, struct held_port *from, const struct endpoint *ep, uint32_t i)
{
	struct held_port *to = &ep->held[i];

	*to = *from;
	*from = (struct held_port){ .sock = { -EBADF, -EBADF } };
	for (size_t j = 0; j < 2; j++) {
		const struct hoy_relay_target target = target_of(state, ep, i, j == 1);

		if (to->relay[j])
			hoy_relay_set_target(to->relay[j], &target);
	}
}

static bool is_held(const struct held_port *held)
{
	return held->sock[0] >= 0 || held->sock[1] >= 0;
}

bool hoy_ports_are_one(const struct hoy_net_port *a, const struct hoy_net_port *b)
{
	return a->proto == b->proto && a->host_port == b->host_port && a->host_ip == b->host_ip &&
	       IN6_ARE_ADDR_EQUAL(&a->host_ip6, &b->host_ip6);
}

void hoy_ports_take(const struct hoy_state *state, struct endpoint *from, struct endpoint *to)
{
	for (uint32_t i = 0; i < to->n_ports; i++)
		for (uint32_t j = 0; j < from->n_ports && !is_held(&to->held[i]); j++) {
			if (!is_held(&from->held[j]) || from->held[j].families != to->ports[i].families ||
				!hoy_ports_are_one(&from->ports[j], &to->ports[i]))
				continue;
			to->ports[i].families = from->ports[j].families;
			pass_port(state, &from->held[j], to, i);
			to->held[i].origin = &from->held[j];
		}
}

void hoy_ports_give_back(struct hoy_state *state, struct endpoint *ep)
{
	for (size_t k = 0; k < state->n_endpoints; k++) {
		struct endpoint *from = state->endpoints[k];

		for (uint32_t i = 0; i < ep->n_ports; i++)
			for (uint32_t j = 0; j < from->n_ports; j++)
				if (ep->held[i].origin == &from->held[j]) {
					pass_port(state, &ep->held[i], from, j);
					from->held[j].origin = NULL;
				}
	}
}

static int hold_port(struct hoy_state *state, const struct endpoint *ep, uint32_t i, struct hoy_err *err)
{
	const struct hoy_net_port *port = &ep->ports[i];
	struct held_port *held = &ep->held[i];
	int r;

	if (is_held(held))
		return 0;
	held->families = ep->ports[i].families;
	r = state->host_socket ? hoy_host_port(state->host_socket, &ep->ports[i], held->sock, err)
			       : hoy_reserve_port(&ep->ports[i], held->sock, err);
	for (size_t j = 0; j < 2 && r >= 0; j++) {
		const struct hoy_relay_target target = target_of(state, ep, i, j == 1);
		bool passes = port->proto != IPPROTO_SCTP && (j == 1 || is_relayed(state, port));

		if (held->sock[j] >= 0 && passes)
			r = hoy_relay_new(state->loop, held->sock[j], port->proto, j == 1 ? AF_INET6 : AF_INET, &target,
				&held->relay[j], err);
		else if (j == 0 && held->sock[j] >= 0 && port->proto != IPPROTO_UDP)
			r = hoy_loop_io(
				state->loop, &held->source, held->sock[j], EPOLLIN, on_stray_connection, NULL, err);
	}
	return r;
}

int hoy_ports_hold(struct hoy_state *state, struct endpoint *ep, bool adopt, uint32_t *ret_reason,
	uint32_t *ret_failed_port, struct hoy_err *err)
{
	for (uint32_t i = 0; i < ep->n_ports; i++) {
		struct hoy_err why = {};
		int r = hold_port(state, ep, i, &why);

		if (r >= 0)
			continue;
		if (adopt) {
			hoy_log_ignored(&why, "published port of a running container");
			continue;
		}
		*ret_failed_port = i;
		if (r == -EADDRINUSE)
			*ret_reason = is_ours(state, ep, i, &ep->ports[i]) ? HOY_NET_PORT_ALLOCATED
									   : HOY_NET_PORT_IN_USE;
		if (err)
			*err = why;
		return r;
	}
	return 0;
}

void hoy_ports_release(struct endpoint *ep)
{
	for (uint32_t i = 0; ep->held && i < ep->n_ports; i++) {
		ep->held[i].source = hoy_source_free(ep->held[i].source);
		ep->held[i].relay[0] = hoy_relay_free(ep->held[i].relay[0]);
		ep->held[i].relay[1] = hoy_relay_free(ep->held[i].relay[1]);
		hoy_fd_close(&ep->held[i].sock[0]);
		hoy_fd_close(&ep->held[i].sock[1]);
	}
}
