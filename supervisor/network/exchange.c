/* Published ports of containers that run: one takes another's place, and has its ports in the moment in which that one has
 * them no more; one gets other ports. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"
#include "supervisor/store/store.h"

bool hoy_network_stands_by(const struct hoy_networks *networks, const char *container_id)
{
	struct hoy_network_container container = {};

	return networks->containers.look &&
	       networks->containers.look(networks->containers.userdata, container_id, &container) && container.standby;
}

static struct hoy_attachment *gateway_of(const struct hoy_sandbox *sandbox)
{
	for (size_t i = 0; sandbox && i < sandbox->n_attachments; i++)
		if (sandbox->attachments[i]->is_gateway)
			return sandbox->attachments[i];
	return NULL;
}

/* The attachment with the ports that its container has now: those it publishes, or none while it stands by. */
static int recast(struct hoy_attachment *attachment, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	struct hoy_networks *networks = attachment->sandbox->networks;
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	int r = hoy_networks_row(networks, attachment->network_id, &network, err);

	if (r >= 0)
		r = hoy_endpoints_list(networks->store, attachment->sandbox->container_id, &rows, &n, err);
	for (size_t i = 0; r >= 0 && i < n; i++)
		if (hoy_str_eq(rows[i].network_id, attachment->network_id))
			r = hoy_attachment_recast(attachment, &rows[i], &network, /* is_gateway= */ true, err);
	hoy_endpoint_rows_free(rows, n);
	return r;
}

/* Ports whose number is free to choose get the number that the former one has. */
static void keep_numbers(const struct hoy_net_attach *former, struct hoy_net_attach *attach)
{
	for (uint32_t i = 0; i < attach->n_ports; i++) {
		struct hoy_net_port *port = &attach->ports[i];

		for (uint32_t k = 0; k < former->n_ports; k++) {
			const struct hoy_net_port *had = &former->ports[k];
			bool any = port->host_port == 0,
			     fits = had->host_port >= port->host_port && had->host_port <= port->host_port_last;

			if (had->proto != port->proto || had->container_port != port->container_port ||
				had->families != port->families || !(any || fits))
				continue;
			port->host_port = had->host_port;
			port->host_port_last = 0;
			break;
		}
	}
}

/* Those who stand by have no numbers: the next start, or the next exchange, asks anew. */
static void forget_numbers(struct hoy_networks *networks, const char *container_id)
{
	struct hoy_port_row *rows = NULL;
	struct hoy_err err = {};
	size_t n = 0;
	int r = hoy_ports_list(networks->store, container_id, &rows, &n, &err);

	for (size_t i = 0; r >= 0 && i < n; i++)
		r = hoy_ports_set_bound(networks->store, container_id, (unsigned int) i, 0, &err);
	hoy_port_rows_free(rows, n);
	if (r < 0)
		hoy_log_err(&err, "published ports of '%s'", container_id);
}

static struct hoy_attachment *published_of(const struct hoy_network_op *op)
{
	struct hoy_sandbox *sandbox = hoy_sandbox_find(op->networks, op->container_id);

	return sandbox && sandbox->serial == op->serial ? gateway_of(sandbox) : NULL;
}

static void on_exchanged(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_attachment *attachment = published_of(op),
			      *former = gateway_of(hoy_sandbox_find(op->networks, op->id));
	struct hoy_err why = {}, ignored = {};

	if (!attachment) { /* it has ended meanwhile, and published what it had until then */
		hoy_network_op_done(op, NULL);
		return;
	}
	hoy_attachment_replied(attachment, reply, err, &why);
	attachment->request->attach.takes_over = 0;
	if (!why.errnum)
		forget_numbers(op->networks, op->id);
	hoy_network_op_done(op, why.errnum ? &why : NULL);
	if (!why.errnum)
		return;
	/* By now they are again what they were. */
	if (recast(attachment, &ignored) < 0 || (former && recast(former, &ignored) < 0))
		hoy_log_ignored(&ignored, "published ports");
}

static void on_committed(void *userdata, const struct hoy_err *err)
{
	hoy_network_op_done(userdata, err);
}

/* One request, so that one transaction of hoy-net changes both. */
static int send_both(struct hoy_network_op *op, struct hoy_attachment *attachment, struct hoy_attachment *former,
	int netns, struct hoy_err *err)
{
	struct hoy_net_attach *attach;
	int r = recast(attachment, err);

	if (r < 0)
		return r;
	attach = &attachment->request->attach;
	if (former) {
		keep_numbers(&former->request->attach, attach);
		attach->takes_over = 1;
		memcpy(attach->former, former->request->attach.id, sizeof attach->former);
		r = recast(former, err);
	}
	op->netns = hoy_fd_dup(netns);
	if (r >= 0 && op->netns < 0)
		r = hoy_err_code(err, op->netns, "network namespace of the container");
	return r < 0 ? r : hoy_attachment_send(attachment, HOY_NET_AGAIN, op->netns, on_exchanged, op, err);
}

int hoy_network_exchange(struct hoy_networks *networks, const char *container_id, const char *former, int netns_fd,
	hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	struct hoy_sandbox *sandbox = hoy_sandbox_find(networks, container_id);
	struct hoy_attachment *attachment = gateway_of(sandbox);
	struct hoy_network_op *op;
	int r = hoy_network_op_new(networks, former, sandbox, done, userdata, &op, err);

	if (r < 0)
		return r;
	r = attachment ? send_both(op, attachment, gateway_of(hoy_sandbox_find(networks, former)), netns_fd, err)
		       : hoy_store_after_commit(networks->store, on_committed, op, err);
	if (r < 0)
		hoy_network_op_free(op);
	return r;
}

/* --- other ports --------------------------------------------------------------------------------- */

struct publishing {
	struct hoy_networks *networks;
	char container_id[HOY_NETWORK_ID_MAX];
	struct hoy_port_row *former;
	size_t n_former;
	hoy_network_attached done;
	void *userdata;
};

static int write_rows(struct hoy_networks *networks, const char *container_id, const struct hoy_port_row *rows,
	size_t n, struct hoy_err *err)
{
	int r = hoy_store_begin(networks->store, err);

	if (r < 0)
		return r;
	r = hoy_ports_delete(networks->store, container_id, err);
	for (size_t i = 0; i < n && r >= 0; i++)
		r = hoy_ports_insert(networks->store, container_id, (unsigned int) i, &rows[i], err);
	if (r < 0) {
		hoy_store_rollback(networks->store);
		return r;
	}
	return hoy_store_commit(networks->store, err);
}

/* The number that it has now, when it is asked for in the same way: so what stays keeps it. */
static uint16_t number_of(const struct publishing *p, const struct hoy_network_port *port)
{
	for (size_t i = 0; i < p->n_former; i++) {
		const struct hoy_port_row *row = &p->former[i];

		if (row->proto == (int) port->proto && row->container_port == port->container_port &&
			row->host_port == port->host_port && row->host_port_last == port->host_port_last &&
			hoy_str_eq(row->host_ip, port->host_ip))
			return row->bound;
	}
	return 0;
}

static int write_ports(const struct publishing *p, const struct hoy_network_port *ports, size_t n, struct hoy_err *err)
{
	auto_free struct hoy_port_row *rows = calloc(n + 1, sizeof *rows);

	if (!rows)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++)
		rows[i] = (struct hoy_port_row){
			.proto = (int) ports[i].proto,
			.container_port = ports[i].container_port,
			.host_ip = (char *) ports[i].host_ip,
			.host_port = ports[i].host_port,
			.host_port_last = ports[i].host_port_last,
			.bound = number_of(p, &ports[i]),
		};
	return write_rows(p->networks, p->container_id, rows, n, err);
}

static void publishing_free(struct publishing *p)
{
	hoy_port_rows_free(p->former, p->n_former);
	free(p);
}

static void take_back(struct publishing *p)
{
	struct hoy_attachment *attachment = gateway_of(hoy_sandbox_find(p->networks, p->container_id));
	struct hoy_err err = {};

	if (write_rows(p->networks, p->container_id, p->former, p->n_former, &err) < 0 ||
		(attachment && recast(attachment, &err) < 0))
		hoy_log_err(&err, "published ports of '%s'", p->container_id);
}

static void on_publishing_over(void *userdata, const struct hoy_err *err)
{
	struct publishing *p = userdata;

	if (err)
		take_back(p);
	p->done(p->userdata, err);
	publishing_free(p);
}

static void on_published(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_attachment *attachment = published_of(op);
	struct hoy_err why = {};

	if (attachment) /* else it has ended meanwhile */
		hoy_attachment_replied(attachment, reply, err, &why);
	hoy_network_op_done(op, why.errnum ? &why : NULL);
}

static int send_published(struct publishing *p, int netns, struct hoy_err *err)
{
	struct hoy_sandbox *sandbox = hoy_sandbox_find(p->networks, p->container_id);
	struct hoy_attachment *attachment = netns >= 0 ? gateway_of(sandbox) : NULL;
	struct hoy_network_op *op;
	int r = hoy_network_op_new(p->networks, "", sandbox, on_publishing_over, p, &op, err);

	if (r < 0)
		return r;
	if (attachment) {
		r = recast(attachment, err);
		op->netns = hoy_fd_dup(netns);
		if (r >= 0 && op->netns < 0)
			r = hoy_err_code(err, op->netns, "network namespace of the container");
		if (r >= 0)
			r = hoy_attachment_send(attachment, HOY_NET_AGAIN, op->netns, on_published, op, err);
	} else {
		r = hoy_store_after_commit(p->networks->store, on_committed, op, err);
	}
	if (r < 0)
		hoy_network_op_free(op);
	return r;
}

int hoy_network_publish(struct hoy_networks *networks, const char *container_id, const struct hoy_network_port *ports,
	size_t n_ports, int netns_fd, hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	int r = hoy_network_ports_check(ports, n_ports, err);
	struct publishing *p = r < 0 ? NULL : calloc(1, sizeof *p);

	if (!p)
		return r < 0 ? r : hoy_err_oom(err);
	*p = (struct publishing){ .networks = networks, .done = done, .userdata = userdata };
	memcpy(p->container_id, container_id, strnlen(container_id, sizeof p->container_id - 1));
	r = hoy_ports_list(networks->store, container_id, &p->former, &p->n_former, err);
	if (r >= 0)
		r = write_ports(p, ports, n_ports, err);
	if (r >= 0) {
		r = send_published(p, netns_fd, err);
		if (r < 0)
			take_back(p);
	}
	if (r < 0)
		publishing_free(p);
	return r;
}
