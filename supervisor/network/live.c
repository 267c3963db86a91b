/*
 * Networks of containers that run on: another one comes, one goes. The interface first, then, when another endpoint has
 * become the container's gateway, default route and published ports move there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"
#include "supervisor/store/store.h"

/* --- requests under way ---------------------------------------------------------------- */

int hoy_network_op_new(struct hoy_networks *networks, const char *id, const struct hoy_sandbox *sandbox,
	hoy_network_attached done, void *userdata, struct hoy_network_op **ret, struct hoy_err *err)
{
	struct hoy_network_op *op = calloc(1, sizeof *op);

	if (!op)
		return hoy_err_oom(err);
	op->networks = networks;
	op->netns = -EBADF;
	op->done = done;
	op->userdata = userdata;
	(void) snprintf(op->id, sizeof op->id, "%s", id);
	if (sandbox) {
		op->serial = sandbox->serial;
		(void) snprintf(op->container_id, sizeof op->container_id, "%s", sandbox->container_id);
	}
	op->next = networks->ops;
	networks->ops = op;
	*ret = op;
	return 0;
}

void hoy_network_op_free(struct hoy_network_op *op)
{
	struct hoy_network_op **link = &op->networks->ops;

	while (*link != op)
		link = &(*link)->next;
	*link = op->next;
	hoy_fd_close(&op->netns);
	free(op);
}

void hoy_network_op_done(struct hoy_network_op *op, const struct hoy_err *err)
{
	hoy_network_attached done = op->done;
	void *userdata = op->userdata;

	hoy_network_op_free(op);
	if (done)
		done(userdata, err);
}

/* The run of the container this is about; NULL: it is over. */
static struct hoy_sandbox *sandbox_of(const struct hoy_network_op *op)
{
	struct hoy_sandbox *sandbox = hoy_sandbox_find(op->networks, op->container_id);

	return sandbox && sandbox->serial == op->serial ? sandbox : NULL;
}

/* --- the gateway ----------------------------------------------------------------------- */

static void on_promoted(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_sandbox *sandbox = sandbox_of(op);
	struct hoy_attachment *gateway = NULL;
	struct hoy_err why = {};

	for (size_t i = 0; sandbox && i < sandbox->n_attachments; i++)
		if (sandbox->attachments[i]->is_gateway)
			gateway = sandbox->attachments[i];
	if (gateway) {
		hoy_attachment_replied(gateway, reply, err, &why);
		hoy_naming_container_changed(sandbox);
	}
	hoy_network_op_done(op, why.errnum ? &why : NULL);
}

/* The same endpoint with another part to play. */
static int send_again(struct hoy_attachment *attachment, const struct hoy_endpoint_row *row, bool is_gateway,
	const struct hoy_network_op *op, hoy_service_replied replied, void *userdata, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	int r = hoy_networks_row(op->networks, row->network_id, &network, err);

	if (r >= 0)
		r = hoy_attachment_recast(attachment, row, &network, is_gateway, err);
	return r < 0 ? r : hoy_attachment_send(attachment, HOY_NET_AGAIN, op->netns, replied, userdata, err);
}

/* Ports leave the old gateway before the new one takes them. */
static int move_gateway(struct hoy_network_op *op, struct hoy_sandbox *sandbox, const struct hoy_endpoint_row *rows,
	size_t n, size_t gateway, bool *ret_sent, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; i < n && r >= 0; i++) {
		struct hoy_attachment *attachment = hoy_sandbox_attachment(sandbox, rows[i].network_id);

		if (attachment && attachment->is_gateway && i != gateway)
			r = send_again(attachment, &rows[i], false, op, NULL, NULL, err);
	}
	if (r >= 0 && gateway < n) {
		struct hoy_attachment *attachment = hoy_sandbox_attachment(sandbox, rows[gateway].network_id);

		if (attachment && !attachment->is_gateway) {
			r = send_again(attachment, &rows[gateway], true, op, on_promoted, op, err);
			*ret_sent = r >= 0;
		}
	}
	return r;
}

/* The last step of both: answers `op`, at once or when the gateway has moved. */
static void finish(struct hoy_network_op *op, struct hoy_sandbox *sandbox)
{
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0, gateway = 0;
	struct hoy_err err = {};
	bool sent = false;
	int r = hoy_endpoints_list(op->networks->store, op->container_id, &rows, &n, &err);

	if (r >= 0)
		r = hoy_endpoints_gateway(op->networks, rows, n, &gateway, &err);
	if (r >= 0 && sandbox)
		r = move_gateway(op, sandbox, rows, n, gateway, &sent, &err);
	hoy_endpoint_rows_free(rows, n);
	if (!sent)
		hoy_network_op_done(op, r < 0 ? &err : NULL);
}

static void on_committed(void *userdata, const struct hoy_err *err)
{
	hoy_network_op_done(userdata, err);
}

/* --- connect ----------------------------------------------------------------------------- */

static void delete_row(struct hoy_network_op *op)
{
	struct hoy_err err = {};

	hoy_overlay_release(op->networks, op->container_id, op->id);
	if (hoy_endpoints_delete_one(op->networks->store, op->container_id, op->id, &err) < 0)
		hoy_log_err(&err, "network of container '%s'", op->container_id);
}

static void tell_names(struct hoy_sandbox *sandbox, const char *network_id)
{
	hoy_naming_container_changed(sandbox);
	hoy_naming_network_changed(sandbox->networks, network_id);
}

static void on_nameserver(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_sandbox *sandbox = sandbox_of(op);
	struct hoy_err why = {};

	if (!sandbox) {
		hoy_network_op_done(op, NULL);
		return;
	}
	hoy_naming_opened(sandbox, reply, err, &why);
	if (why.errnum) /* the network is there all the same */
		hoy_log_err(&why, "networks");
	sandbox->has_names = why.errnum == 0;
	tell_names(sandbox, op->id);
	finish(op, sandbox);
}

/* The container's first network of a user: it gets a name server. True: `op` goes on when that is there. */
static bool open_nameserver(
	struct hoy_network_op *op, const struct hoy_sandbox *sandbox, const struct hoy_attachment *attachment)
{
	struct hoy_err err = {};

	if (!hoy_naming_wants(attachment) || sandbox->has_names)
		return false;
	if (hoy_naming_open(op->networks, op->netns, on_nameserver, op, &err) >= 0)
		return true;
	hoy_log_err(&err, "networks");
	return false;
}

static void on_connected(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_sandbox *sandbox = sandbox_of(op);
	struct hoy_attachment *attachment = hoy_sandbox_attachment(sandbox, op->id);
	struct hoy_err why = {};

	if (!attachment) { /* the container has ended: it will be on that network at its next start */
		hoy_network_op_done(op, NULL);
		return;
	}
	hoy_attachment_replied(attachment, reply, err, &why);
	if (why.errnum) {
		hoy_attachment_drop(attachment);
		delete_row(op);
		hoy_network_op_done(op, &why);
		return;
	}
	attachment->is_up = true;
	if (open_nameserver(op, sandbox, attachment))
		return;
	tell_names(sandbox, op->id);
	finish(op, sandbox);
}

/* Networks of the host and none are for containers that have no other. */
static int check_modes(struct hoy_networks *networks, const struct hoy_endpoint_row *rows, size_t n,
	const struct hoy_network_row *network, struct hoy_err *err)
{
	enum hoy_network_mode mode = hoy_network_mode_of(network->driver);

	for (size_t i = 0; i < n; i++) {
		if (hoy_str_eq(rows[i].network_id, network->id))
			return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM,
				"endpoint with name %s already exists in network %s", rows[i].container_id,
				network->name);
		if (hoy_str_eq(rows[i].network_name, "host"))
			return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM,
				"container sharing network namespace with another container or host cannot be connected to "
				"any other network");
		if (hoy_str_eq(rows[i].network_name, "none") || mode == HOY_NETWORK_NONE)
			return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM,
				"container cannot be connected to multiple networks with one of the networks in private "
				"(none) mode");
	}
	(void) networks;
	if (mode == HOY_NETWORK_HOST)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM,
			"container cannot be disconnected from host network or connected to host network");
	return 0;
}

static int check_connect(struct hoy_networks *networks, const struct hoy_network_request *request,
	struct hoy_network_row *network, struct hoy_err *err)
{
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	int r = hoy_networks_row(networks, request->network, network, err);

	if (r >= 0)
		r = hoy_endpoints_list(networks->store, request->container_id, &rows, &n, err);
	if (r >= 0)
		r = check_modes(networks, rows, n, network, err);
	hoy_endpoint_rows_free(rows, n);
	return r;
}

static int find_row(struct hoy_networks *networks, const char *container_id, const char *network_id,
	struct hoy_endpoint_row *ret, struct hoy_err *err)
{
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	int r = hoy_endpoints_list(networks->store, container_id, &rows, &n, err), found = 0;

	for (size_t i = 0; i < n; i++)
		if (hoy_str_eq(rows[i].network_id, network_id)) {
			*ret = rows[i];
			rows[i] = (struct hoy_endpoint_row){};
			found = 1;
		}
	hoy_endpoint_rows_free(rows, n);
	return r < 0 ? r : found;
}

/* The new row's interface. */
static int bring_up(struct hoy_network_op *op, struct hoy_sandbox *sandbox, const struct hoy_network_row *network,
	int netns, struct hoy_err *err)
{
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row row = {};
	struct hoy_attachment *attachment;
	int r = find_row(op->networks, op->container_id, network->id, &row, err);

	if (r >= 0)
		r = hoy_attachment_new(
			sandbox, &row, network, /* is_gateway= */ false, /* bound= */ false, &attachment, err);
	if (r < 0)
		return r;
	if (op->netns < 0)
		op->netns = hoy_fd_dup(netns);
	if (op->netns < 0)
		r = hoy_err_code(err, op->netns, "network namespace of the container");
	if (r >= 0 && hoy_bridge_trouble(op->networks, attachment->request->attach.bridge))
		r = hoy_bridge_send(op->networks, network, NULL, NULL, err);
	if (r >= 0)
		r = hoy_attachment_send(attachment, HOY_NET_FRESH, netns, on_connected, op, err);
	if (r < 0)
		hoy_attachment_drop(attachment);
	return r;
}

/* The address that the cluster gives. */
static void on_leased(void *userdata, const struct hoy_peer_message *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_sandbox *sandbox = sandbox_of(op);
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row row = {};
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	struct hoy_err why = {};
	int r = find_row(op->networks, op->container_id, op->id, &row, &why);

	if (r == 0 || !sandbox) { /* the container has ended, or was taken off again */
		hoy_network_op_done(op, NULL);
		return;
	}
	if (r >= 0)
		r = hoy_networks_row(op->networks, op->id, &network, &why);
	if (r >= 0 && !reply)
		hoy_overlay_explain(network.name, err, &why);
	else if (r >= 0)
		r = hoy_endpoints_set_place(op->networks->store, row.id, reply->address.place, &why);
	if (r >= 0 && !why.errnum)
		r = bring_up(op, sandbox, &network, op->netns, &why);
	if (!why.errnum)
		return;
	delete_row(op);
	hoy_network_op_done(op, &why);
}

static int lease_and_bring_up(
	struct hoy_network_op *op, const struct hoy_network_row *network, int netns, struct hoy_err *err)
{
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row row = {};
	int r = find_row(op->networks, op->container_id, network->id, &row, err);

	op->netns = hoy_fd_dup(netns);
	if (r >= 0 && op->netns < 0)
		r = hoy_err_code(err, op->netns, "network namespace of the container");
	return r < 0 ? r : hoy_overlay_lease(op->networks, &row, network, on_leased, op, err);
}

static int connect_in(struct hoy_networks *networks, const struct hoy_network_request *request,
	struct hoy_sandbox *sandbox, const struct hoy_network_row *network, int netns, hoy_network_attached done,
	void *userdata, struct hoy_err *err)
{
	struct hoy_network_op *op;
	int r = hoy_endpoint_add(networks, request, /* later= */ !sandbox, err);

	if (r >= 0)
		r = hoy_network_op_new(networks, network->id, sandbox, done, userdata, &op, err);
	if (r < 0)
		return r;
	if (sandbox && hoy_overlay_is(network))
		r = lease_and_bring_up(op, network, netns, err);
	else if (sandbox)
		r = bring_up(op, sandbox, network, netns, err);
	else
		r = hoy_store_after_commit(networks->store, on_committed, op, err);
	if (r < 0)
		hoy_network_op_free(op);
	return r;
}

static int check_running(const struct hoy_sandbox *sandbox, struct hoy_err *err)
{
	if (sandbox && sandbox->is_up)
		return 0;
	return hoy_err_set(err, HOY_ERR_CONFLICT, EBUSY, "the container is just starting or ending: try again");
}

int hoy_network_connect(struct hoy_networks *networks, const struct hoy_network_request *request, const char *name,
	int netns_fd, hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row network = {};
	struct hoy_sandbox *sandbox = netns_fd >= 0 ? hoy_sandbox_find(networks, request->container_id) : NULL;
	int r = check_connect(networks, request, &network, err);

	(void) name;
	if (r >= 0 && netns_fd >= 0)
		r = check_running(sandbox, err);
	if (r >= 0)
		r = hoy_store_begin(networks->store, err);
	if (r < 0)
		return r;
	r = connect_in(networks, request, sandbox, &network, netns_fd, done, userdata, err);
	if (r < 0) {
		hoy_store_rollback(networks->store);
		return r;
	}
	return hoy_store_commit(networks->store, err);
}

/* --- disconnect ---------------------------------------------------------------------------- */

static void on_disconnected(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_sandbox *sandbox = sandbox_of(op);
	struct hoy_attachment *attachment = hoy_sandbox_attachment(sandbox, op->id);

	if (!reply) { /* still connected: a hoy-net that comes back is told so, and what it lacks is made whole */
		if (attachment)
			attachment->is_leaving = false;
		hoy_network_op_done(op, err);
		return;
	}
	if (attachment) {
		hoy_attachment_drop(attachment);
		tell_names(sandbox, op->id);
	}
	delete_row(op);
	finish(op, sandbox);
}

static int send_at_once(struct hoy_attachment *attachment, struct hoy_network_op *op, struct hoy_err *err)
{
	struct hoy_net_request request = { .op = HOY_NET_DETACH, .detach.at_once = 1 };
	int r;

	memcpy(request.detach.id, attachment->request->attach.id, sizeof request.detach.id);
	memcpy(request.detach.ifname, attachment->request->attach.ifname, sizeof request.detach.ifname);
	r = hoy_service_send(
		op->networks->service, &request, HOY_NET_REQUEST_SIZE(0), op->netns, on_disconnected, op, err);
	attachment->is_leaving = r >= 0;
	return r;
}

int hoy_network_disconnect(struct hoy_networks *networks, const char *container_id, const char *network, int netns_fd,
	hoy_network_attached done, void *userdata, struct hoy_err *err)
{
	auto_(hoy_network_row_done) struct hoy_network_row row = {};
	auto_(hoy_endpoint_row_done) struct hoy_endpoint_row endpoint = {};
	struct hoy_sandbox *sandbox = netns_fd >= 0 ? hoy_sandbox_find(networks, container_id) : NULL;
	struct hoy_attachment *attachment;
	struct hoy_network_op *op;
	int r = hoy_networks_row(networks, network, &row, err);

	if (r >= 0)
		r = find_row(networks, container_id, row.id, &endpoint, err);
	if (r == 0)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM, "container %s is not connected to network %s",
			container_id, row.name);
	if (r >= 0 && hoy_network_mode_of(row.driver) == HOY_NETWORK_HOST)
		return hoy_err_set(err, HOY_ERR_CONFLICT, EPERM,
			"container cannot be disconnected from host network or connected to host network");
	if (r >= 0 && netns_fd >= 0)
		r = check_running(sandbox, err);
	if (r >= 0)
		r = hoy_network_op_new(networks, row.id, sandbox, done, userdata, &op, err);
	if (r < 0)
		return r;
	(void) snprintf(op->container_id, sizeof op->container_id, "%s", container_id);
	attachment = hoy_sandbox_attachment(sandbox, row.id);
	if (attachment) {
		op->netns = hoy_fd_dup(netns_fd);
		r = op->netns < 0 ? hoy_err_code(err, op->netns, "network namespace of the container")
				  : send_at_once(attachment, op, err);
	} else {
		hoy_overlay_release(networks, container_id, row.id);
		r = hoy_endpoints_delete_one(networks->store, container_id, row.id, err);
		if (r >= 0)
			r = hoy_store_after_commit(networks->store, on_committed, op, err);
	}
	if (r < 0)
		hoy_network_op_free(op);
	return r < 0 ? r : 0;
}
