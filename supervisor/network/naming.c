/*
 * Names of containers on users' networks: what hoy-dns is told of networks and containers, and when. The sockets of a
 * container's name server are opened by hoy-net and only pass through here.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/network/names.h"
#include "supervisor/network/network_internal.h"
#include "supervisor/worker/allowed_names.h"

#define SHORT_ID 12
#define NAME_MAX_LEN 253

/* --- what hoy-dns is told ------------------------------------------------------------ */

/* Lower case, if it can be asked for at all: no blanks, nothing a resolver refuses. */
static void add_name(struct hoy_buf *out, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char) name[i]) && !strchr("-_.", name[i]))
			return;
	if (len == 0 || len > NAME_MAX_LEN)
		return;
	(void) hoy_buf_addc(out, ' ');
	for (size_t i = 0; i < len; i++)
		(void) hoy_buf_addc(out, (char) tolower((unsigned char) name[i]));
}

static int add_aliases(struct hoy_buf *out, const char *json, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *aliases = NULL;
	int r = json ? hoy_json_parse(json, strlen(json), NULL, &aliases, err) : 0;

	if (r < 0 || !aliases)
		return r;
	hoy_json_each(alias, aliases)
	{
		add_name(out, hoy_json_string(alias) ? hoy_json_string(alias) : "");
	}
	return 0;
}

int hoy_naming_set(struct hoy_attachment *attachment, const struct hoy_endpoint_row *row, struct hoy_err *err)
{
	const struct hoy_sandbox *sandbox = attachment->sandbox;
	const struct hoy_network_containers *containers = &sandbox->networks->containers;
	struct hoy_network_container container = { .name = sandbox->name };
	auto_(hoy_buf_done) struct hoy_buf names = {};
	auto_free char *short_id = strndup(sandbox->container_id, SHORT_ID);
	int r;

	if (containers->look)
		(void) containers->look(containers->userdata, sandbox->container_id, &container);
	if (!container.standby)
		add_name(&names, container.name);
	add_name(&names, short_id ? short_id : "");
	if (!container.standby)
		add_name(&names, container.hostname ? container.hostname : "");
	r = container.standby ? 0 : add_aliases(&names, row->aliases, err);
	if (r >= 0)
		r = hoy_buf_check(&names, "names of a container", err);
	if (r < 0)
		return r;
	free(attachment->names);
	attachment->names = hoy_buf_take(&names);
	return 0;
}

static void add_host(struct hoy_buf *text, const struct hoy_attachment *attachment)
{
	const struct hoy_net_attach *attach = &attachment->request->attach;
	char address[INET_ADDRSTRLEN], address6[INET6_ADDRSTRLEN];

	(void) hoy_buf_addf(text, "host %s %s%s\n", hoy_ipv4_format(attach->address, address),
		IN6_IS_ADDR_UNSPECIFIED(&attach->address6) ? "-" : hoy_ipv6_format(&attach->address6, address6),
		attachment->names);
}

/* Who is on the network now; a network without anybody of this host is forgotten. */
void hoy_naming_tell_network(struct hoy_networks *networks, const char *network_id)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_err err = {};

	for (size_t i = 0; i < networks->n_sandboxes; i++) {
		const struct hoy_attachment *attachment = hoy_sandbox_attachment(networks->sandboxes[i], network_id);

		if (!attachment || !attachment->is_up || !attachment->names || networks->sandboxes[i]->cancelled)
			continue;
		if (text.len == 0)
			(void) hoy_buf_addf(&text, "network %s\n", attachment->network_name);
		add_host(&text, attachment);
	}
	if (text.len > 0)
		hoy_overlay_add_names(networks, network_id, &text);
	if (hoy_buf_check(&text, "names of a network", &err) < 0)
		hoy_log_err(&err, "network '%s'", network_id);
	else if (text.len == 0)
		hoy_names_network_gone(networks->names, network_id);
	else
		hoy_names_network(networks->names, network_id, &text);
}

void hoy_naming_network_changed(struct hoy_networks *networks, const char *network_id)
{
	hoy_naming_tell_network(networks, network_id);
	hoy_overlay_members_changed(networks, network_id);
}

/* What a container may not reach hoy-dns does not ask for it. */
static void add_server(const struct hoy_attachment *gateway, const char *server, bool from_host, struct hoy_buf *text)
{
	const struct hoy_net_attach *attach = &gateway->request->attach;

	if (attach->restricted && (from_host || !hoy_egress_allows_resolver(attach, server)))
		return;
	(void) hoy_buf_addf(text, "server %s %s\n", server, from_host ? "host" : "container");
}

bool hoy_naming_wants(const struct hoy_attachment *attachment)
{
	return attachment->names || attachment->allowed_names;
}

/* Names that egress rules allow, and whom to ask for them: whoever is asked for the rest, from the host, as no packet for
 * a name server leaves a restricted network. */
static bool add_rules(const struct hoy_sandbox *sandbox, struct hoy_buf *text)
{
	bool has_rules = false;

	for (size_t i = 0; i < sandbox->n_attachments; i++) {
		const struct hoy_attachment *attachment = sandbox->attachments[i];
		const char *at = attachment->allowed_names;
		struct hoy_allowed_name name;
		char id[2 * HOY_NET_ID_LEN + 1];

		if (!at)
			continue;
		has_rules = true;
		hoy_hex(attachment->request->attach.id, HOY_NET_ID_LEN, id);
		(void) hoy_buf_addf(text, "egress %s\n", id);
		while (hoy_allowed_names_next(&at, &name))
			(void) hoy_buf_addf(text, "allow %s\n", name.pattern);
	}
	return has_rules;
}

/* On loopback a server that the user named is the container's own. */
static void add_named(const char *server, bool is_users, struct hoy_buf *text)
{
	if (!is_users || (!hoy_str_starts(server, "127.") && !hoy_str_eq(server, "::1")))
		(void) hoy_buf_addf(text, "named %s\n", server);
}

/* Those that the user named are asked from the container's namespace. Of the host's the ones on loopback are the
 * host's own; so are those of IPv6. */
static void add_servers(
	const struct hoy_sandbox *sandbox, const struct hoy_attachment *gateway, bool has_rules, struct hoy_buf *text)
{
	const struct hoy_network_containers *containers = &sandbox->networks->containers;
	struct hoy_network_container container = {};
	auto_(hoy_buf_done) struct hoy_buf file = {};
	auto_ptr(hoy_strv_free) char **servers = NULL;

	if (containers->look)
		(void) containers->look(containers->userdata, sandbox->container_id, &container);
	for (size_t i = 0; container.dns && container.dns[i]; i++) {
		if (gateway)
			add_server(gateway, container.dns[i], strchr(container.dns[i], ':'), text);
		if (has_rules)
			add_named(container.dns[i], /* is_users= */ true, text);
	}
	if (container.dns && container.dns[0])
		return;
	if (hoy_file_read(AT_FDCWD, "/etc/resolv.conf", &file, NULL) < 0 ||
		hoy_network_resolv_servers(file.data ? file.data : "", file.len, &servers) < 0)
		return;
	for (size_t i = 0; servers && servers[i]; i++) {
		if (gateway)
			add_server(gateway, servers[i], strchr(servers[i], ':') || hoy_str_starts(servers[i], "127."),
				text);
		if (has_rules)
			add_named(servers[i], /* is_users= */ false, text);
	}
}

/* Of a container that is on internal networks alone, or may send nothing out, nothing is sent on. */
static void container_text(const struct hoy_sandbox *sandbox, struct hoy_buf *text)
{
	const struct hoy_attachment *gateway = NULL;
	size_t before;
	bool has_rules;

	for (size_t i = 0; i < sandbox->n_attachments; i++) {
		const struct hoy_attachment *attachment = sandbox->attachments[i];

		if (attachment->is_gateway)
			gateway = attachment;
		if (attachment->names)
			(void) hoy_buf_addf(text, "network %s\n", attachment->network_id);
	}
	has_rules = add_rules(sandbox, text);
	if (gateway && gateway->request->attach.restricted && gateway->request->attach.n_allowed == 0)
		gateway = NULL;
	before = text->len;
	if (gateway || has_rules)
		add_servers(sandbox, gateway, has_rules, text);
	if (!gateway || (has_rules && gateway->request->attach.restricted &&
				(text->len == before || !strstr(text->data + before, "server "))))
		(void) hoy_buf_adds(text, "internal\n"); /* what no rule allows does not exist */
}

/* By it hoy-dns sees the container end. -EBADF: not known. */
static int open_pidfd(const struct hoy_sandbox *sandbox)
{
	const struct hoy_network_containers *containers = &sandbox->networks->containers;
	struct hoy_network_container container = {};

	if (!containers->look || !containers->look(containers->userdata, sandbox->container_id, &container) ||
		container.pid <= 0)
		return -EBADF;
	return hoy_pidfd_open(container.pid);
}

static void tell_container(struct hoy_sandbox *sandbox)
{
	struct hoy_networks *networks = sandbox->networks;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_fd int pidfd = -EBADF;
	int fds[HOY_DNS_N_FDS];
	size_t n;

	container_text(sandbox, &text);
	if (text.len == 0) {
		hoy_naming_close(sandbox);
		return;
	}
	hoy_names_start(networks->names); /* a new connection is told everything, this container and its sockets too */
	n = sandbox->n_sockets;
	for (size_t i = 0; i < n; i++)
		fds[i] = TAKE_FD(sandbox->sockets[i]);
	sandbox->n_sockets = 0;
	if (n > 0)
		pidfd = open_pidfd(sandbox);
	if (pidfd >= 0)
		fds[n++] = TAKE_FD(pidfd);
	hoy_names_container(networks->names, sandbox->container_id, &text, fds, n);
	hoy_naming_link(networks, /* anew= */ false);
}

void hoy_naming_container_changed(struct hoy_sandbox *sandbox)
{
	if (sandbox->has_names)
		tell_container(sandbox);
}

void hoy_naming_up(struct hoy_sandbox *sandbox)
{
	if (!sandbox->has_names)
		return;
	tell_container(sandbox);
	for (size_t i = 0; i < sandbox->n_attachments; i++)
		if (sandbox->attachments[i]->names)
			hoy_naming_network_changed(sandbox->networks, sandbox->attachments[i]->network_id);
}

void hoy_naming_down(struct hoy_sandbox *sandbox)
{
	if (!sandbox->has_names)
		return;
	sandbox->has_names = false;
	hoy_names_container_gone(sandbox->networks->names, sandbox->container_id);
	for (size_t i = 0; i < sandbox->n_attachments; i++) {
		struct hoy_attachment *attachment = sandbox->attachments[i];

		if (!attachment->names)
			continue;
		attachment->is_up = false;
		hoy_naming_network_changed(sandbox->networks, attachment->network_id);
	}
}

void hoy_network_renamed(struct hoy_networks *networks, const char *container_id)
{
	struct hoy_sandbox *sandbox = hoy_sandbox_find(networks, container_id);
	struct hoy_endpoint_row *rows = NULL;
	size_t n = 0;
	struct hoy_err err = {};

	if (!sandbox || !sandbox->has_names)
		return;
	if (hoy_endpoints_list(networks->store, container_id, &rows, &n, &err) < 0)
		hoy_log_err(&err, "names of container '%s'", container_id);
	for (size_t i = 0; i < n; i++) {
		struct hoy_attachment *attachment = hoy_sandbox_attachment(sandbox, rows[i].network_id);

		if (!attachment || !attachment->names)
			continue;
		if (hoy_naming_set(attachment, &rows[i], &err) < 0)
			hoy_log_err(&err, "names of container '%s'", container_id);
		hoy_naming_network_changed(networks, attachment->network_id);
	}
	hoy_endpoint_rows_free(rows, n);
}

/* --- sockets --------------------------------------------------------------------------- */

int hoy_naming_open(
	struct hoy_networks *networks, int netns, hoy_service_replied replied, void *userdata, struct hoy_err *err)
{
	const struct hoy_net_request request = { .op = HOY_NET_NAMESERVER };

	return hoy_service_send(networks->service, &request, HOY_NET_REQUEST_SIZE(0), netns, replied, userdata, err);
}

void hoy_naming_opened(struct hoy_sandbox *sandbox, const struct hoy_net_reply *reply, const struct hoy_err *failure,
	struct hoy_err *ret)
{
	if (reply && reply->err.errnum == 0)
		sandbox->n_sockets = hoy_service_take_fds(
			sandbox->networks->service, sandbox->sockets, HOY_DNS_N_SOCKETS);
	else
		(void) hoy_err_import(ret, reply ? &reply->err : failure);
	if (ret->errnum)
		(void) hoy_err_wrap(ret, "name server of container %s", sandbox->name);
}

void hoy_naming_close(struct hoy_sandbox *sandbox)
{
	for (size_t i = 0; i < sandbox->n_sockets; i++)
		hoy_fd_close(&sandbox->sockets[i]);
	sandbox->n_sockets = 0;
}

/* --- hoy-dns and hoy-net ------------------------------------------------------------------- */

static bool has_allowed_names(const struct hoy_networks *networks)
{
	for (size_t i = 0; i < networks->n_sandboxes; i++)
		for (size_t j = 0; j < networks->sandboxes[i]->n_attachments; j++)
			if (networks->sandboxes[i]->attachments[j]->allowed_names)
				return true;
	return false;
}

void hoy_naming_link(struct hoy_networks *networks, bool anew)
{
	const struct hoy_net_request request = { .op = HOY_NET_GRANTOR };
	auto_fd int ours = -EBADF;
	struct hoy_err err = {};
	int pair[2];

	networks->grants = networks->grants && !anew;
	if (networks->grants || !hoy_names_is_connected(networks->names) ||
		!hoy_service_is_connected(networks->service) || !has_allowed_names(networks))
		return;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		(void) hoy_err_sys(&err, "socket pair");
		hoy_log_err(&err, "egress rules by name");
		return;
	}
	ours = pair[0];
	hoy_names_grantor(networks->names, pair[1]);
	if (hoy_service_send(networks->service, &request, HOY_NET_REQUEST_SIZE(0), ours, NULL, NULL, &err) < 0)
		hoy_log_err(&err, "egress rules by name");
	networks->grants = true;
}

/* --- hoy-dns begins anew ------------------------------------------------------------------ */

static void on_reopened(void *userdata, const struct hoy_net_reply *reply, const struct hoy_err *err)
{
	struct hoy_network_op *op = userdata;
	struct hoy_sandbox *sandbox = hoy_sandbox_find(op->networks, op->container_id);
	struct hoy_err why = {};

	if (sandbox && sandbox->serial == op->serial && sandbox->is_up) {
		hoy_naming_opened(sandbox, reply, err, &why);
		if (why.errnum)
			hoy_log_err(&why, "networks");
		else
			tell_container(sandbox);
	}
	hoy_network_op_done(op, NULL);
}

static void need(void *userdata, const char *container_id)
{
	struct hoy_networks *networks = userdata;
	const struct hoy_network_containers *containers = &networks->containers;
	struct hoy_sandbox *sandbox = hoy_sandbox_find(networks, container_id);
	auto_fd int netns = -EBADF;
	struct hoy_network_op *op;
	struct hoy_err err = {};
	int r;

	if (!sandbox || !sandbox->has_names || !containers->open_netns)
		return;
	netns = containers->open_netns(containers->userdata, container_id);
	if (netns < 0)
		return; /* it is just ending */
	r = hoy_network_op_new(networks, "", sandbox, NULL, NULL, &op, &err);
	if (r >= 0) {
		r = hoy_naming_open(networks, netns, on_reopened, op, &err);
		if (r < 0)
			hoy_network_op_free(op);
	}
	if (r < 0)
		hoy_log_err(&err, "name server of container '%s'", container_id);
}

static void tell_all(void *userdata)
{
	struct hoy_networks *networks = userdata;

	for (size_t i = 0; i < networks->n_sandboxes; i++) {
		struct hoy_sandbox *sandbox = networks->sandboxes[i];

		if (!sandbox->has_names || !sandbox->is_up || sandbox->cancelled)
			continue;
		tell_container(sandbox);
		for (size_t j = 0; j < sandbox->n_attachments; j++)
			if (sandbox->attachments[j]->names)
				hoy_naming_network_changed(networks, sandbox->attachments[j]->network_id);
	}
	hoy_naming_link(networks, /* anew= */ true);
}

static bool is_wanted(void *userdata)
{
	const struct hoy_networks *networks = userdata;

	for (size_t i = 0; i < networks->n_sandboxes; i++)
		if (networks->sandboxes[i]->has_names)
			return true;
	return false;
}

void hoy_naming_servers_changed(void *userdata)
{
	struct hoy_networks *networks = userdata;

	for (size_t i = 0; i < networks->n_sandboxes; i++)
		if (networks->sandboxes[i]->is_up && !networks->sandboxes[i]->cancelled)
			hoy_naming_container_changed(networks->sandboxes[i]);
}

void hoy_naming_recover(struct hoy_networks *networks)
{
	if (is_wanted(networks))
		hoy_names_start(networks->names);
}

const struct hoy_names_owner hoy_naming_owner = { .tell_all = tell_all, .need = need, .wanted = is_wanted };

void hoy_network_set_containers(struct hoy_networks *networks, const struct hoy_network_containers *containers)
{
	networks->containers = *containers;
}
