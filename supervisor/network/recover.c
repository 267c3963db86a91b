/*
 * All that runs, told to a hoy-net that does not know it (any more): after hoyd or hoy-net was started anew. A request that
 * the end of hoyd cut short is made whole here: an endpoint that has no interface gets it, the gateway its route.
 */
#include <errno.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/network/network_internal.h"

#define QUIT_TIMEOUT_MS 2000

bool hoy_networks_are_wanted(const struct hoy_networks *networks)
{
	for (size_t i = 0; i < networks->n_sandboxes; i++)
		if (networks->sandboxes[i]->n_attachments > 0)
			return true;
	return networks->n_defined > 0;
}

static bool is_wanted(void *userdata)
{
	return hoy_networks_are_wanted(userdata);
}

/* --- what was cut short ------------------------------------------------------------------- */

static struct hoy_attachment *attachment_of(const struct hoy_network_op *op, struct hoy_sandbox **ret_sandbox)
{
	struct hoy_sandbox *sandbox = hoy_sandbox_find(op->networks, op->container_id);

	*ret_sandbox = sandbox && sandbox->serial == op->serial && sandbox->is_up ? sandbox : NULL;
	return hoy_sandbox_attachment(*ret_sandbox, op->id);
}

static void on_restored(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_sandbox *sandbox;
	struct hoy_attachment *attachment = attachment_of(op, &sandbox);
	struct hoy_err why = {};

	if (attachment)
		hoy_attachment_replied(attachment, reply, err, &why);
	if (why.errnum)
		hoy_log_err(&why, "network '%s' of container '%s'", attachment->network_name, sandbox->name);
	else if (attachment)
		hoy_naming_network_changed(op->networks, op->id);
	hoy_network_op_done(op, NULL);
}

/* Takes the request over, or not: false. */
static bool send_with_netns(struct hoy_network_op *op, const struct hoy_sandbox *sandbox,
	struct hoy_attachment *attachment, enum hoy_net_manner manner)
{
	const struct hoy_network_containers *containers = &op->networks->containers;
	auto_fd int netns = -EBADF;
	struct hoy_err err = {};

	if (containers->open_netns)
		netns = containers->open_netns(containers->userdata, sandbox->container_id);
	if (netns < 0)
		return false; /* it is just ending */
	if (hoy_attachment_send(attachment, manner, netns, on_restored, op, &err) >= 0)
		return true;
	hoy_log_err(&err, "network '%s' of container '%s'", attachment->network_name, sandbox->name);
	return false;
}

static void on_adopted(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_sandbox *sandbox;
	struct hoy_attachment *known = attachment_of(op, &sandbox);
	struct hoy_attachment *attachment = known && !known->is_leaving ? known : NULL; /* DETACH is sent again */
	bool is_missing = reply && reply->err.errnum == ENODEV;
	bool moves = attachment && attachment->is_gateway && sandbox->is_recovered && sandbox->n_attachments > 1;

	(void) err;
	if (attachment && is_missing)
		hoy_log_info(
			"container '%s' gets its interface on network '%s'", sandbox->name, attachment->network_name);
	if (attachment && moves)
		sandbox->is_recovered = false;
	if (!(attachment && (is_missing || moves) &&
		    send_with_netns(op, sandbox, attachment, is_missing ? HOY_NET_FRESH : HOY_NET_AGAIN)))
		hoy_network_op_done(op, NULL);
}

static int adopt(struct hoy_attachment *attachment, struct hoy_err *err)
{
	struct hoy_networks *networks = attachment->sandbox->networks;
	struct hoy_network_op *op;
	int r = hoy_network_op_new(networks, attachment->network_id, attachment->sandbox, NULL, NULL, &op, err);

	if (r < 0)
		return r;
	r = hoy_attachment_send(attachment, HOY_NET_ADOPT, -1, on_adopted, op, err);
	if (r < 0)
		hoy_network_op_free(op);
	return r;
}

/* --- all ---------------------------------------------------------------------------------- */

static void tell_all(void *userdata)
{
	struct hoy_networks *networks = userdata;

	hoy_bridges_send(networks);
	for (size_t i = 0; i < networks->n_sandboxes; i++) {
		const struct hoy_sandbox *sandbox = networks->sandboxes[i];

		for (size_t j = 0; j < sandbox->n_attachments; j++) {
			struct hoy_err err = {};

			if (sandbox->attachments[j]->is_up && adopt(sandbox->attachments[j], &err) < 0)
				hoy_log_err(&err, "network of '%s'", sandbox->name);
		}
	}
	hoy_naming_link(networks, /* anew= */ true);
}

const struct hoy_service_owner hoy_sandbox_owner = { .sync = tell_all, .wanted = is_wanted };

static int recover_one(struct hoy_networks *networks, const char *container_id, struct hoy_err *err)
{
	struct hoy_sandbox *sandbox;
	struct hoy_network_container container = { .name = container_id };
	int r;

	if (networks->containers.look)
		(void) networks->containers.look(networks->containers.userdata, container_id, &container);
	r = hoy_sandbox_prepare(networks, container_id, container.name, /* bound= */ true, &sandbox, err);

	if (r < 0)
		return r;
	sandbox->is_up = sandbox->is_recovered = true;
	for (size_t i = 0; i < sandbox->n_attachments; i++) {
		sandbox->attachments[i]->is_up = true;
		sandbox->has_names = sandbox->has_names || hoy_naming_wants(sandbox->attachments[i]);
	}
	return 0;
}

int hoy_network_recover(
	struct hoy_networks *networks, const char *const *running, size_t n_running, struct hoy_err *err)
{
	for (size_t i = 0; i < n_running; i++) {
		struct hoy_err one = {};

		if (!hoy_sandbox_find(networks, running[i]) && recover_one(networks, running[i], &one) == -ENOMEM)
			return hoy_err_oom(err);
		if (one.errnum)
			hoy_log_ignored(&one, "network of running container '%s'", running[i]);
	}
	if (hoy_networks_are_wanted(networks) || if_nametoindex(networks->bridge) != 0)
		hoy_service_start(networks->service);
	hoy_naming_recover(networks);
	if (networks->peers)
		hoy_peers_start(networks->peers);
	return 0;
}

void hoy_network_shutdown(struct hoy_networks *networks)
{
	for (size_t i = 0; i < networks->n_sandboxes; i++)
		if (networks->sandboxes[i]->n_attachments > 0)
			return;
	hoy_names_quit(networks->names);
	if (networks->peers)
		hoy_peers_quit(networks->peers);
	if (hoy_service_is_connected(networks->service) || if_nametoindex(networks->bridge) != 0)
		hoy_service_quit(networks->service, QUIT_TIMEOUT_MS);
}
