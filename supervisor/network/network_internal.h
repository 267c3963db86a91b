/* What the files of this room share. Never included outside of it. */
#ifndef HOY_NETWORK_INTERNAL_H
#define HOY_NETWORK_INTERNAL_H

#include <net/if.h>

#include "supervisor/network/names.h"
#include "supervisor/network/network.h"
#include "supervisor/network/peers.h"
#include "supervisor/network/pool.h"
#include "supervisor/network/service.h"
#include "supervisor/store/networks.h"
#include "supervisor/worker/dns/proto.h"

/* One endpoint of a started container: what the kernel is told, again whenever hoy-net begins anew. */
struct hoy_attachment {
	struct hoy_sandbox *sandbox;
	char network_id[HOY_NETWORK_ID_MAX];
	char *network_name;
	char *names;                     /* " web 0123456789ab": found by on a user's network; NULL on others */
	char *allowed_names;             /* of its egress rules (worker/allowed_names.h); NULL: none */
	struct hoy_net_request *request; /* ATTACH, with the ports as asked for until it is up */
	bool is_up;
	bool is_leaving; /* hoy-net is asked to take it away: one that has lost it is not made whole */
	bool is_gateway;
};

/* A started container: its endpoints, and who waits for them. */
struct hoy_sandbox {
	struct hoy_networks *networks;
	uint64_t serial; /* tells runs of a container apart */
	char *container_id;
	char *name; /* the container's, for error texts */
	enum hoy_network_mode mode;
	struct hoy_attachment **attachments; /* none unless it is on bridges */
	size_t n_attachments;
	size_t pending; /* answers of hoy-net that are still to come */
	bool is_up;
	bool is_recovered; /* it ran before this hoyd: its default route may be by another network than its gateway */
	bool cancelled;
	hoy_network_attached done;
	void *userdata;
	bool has_names; /* has a name server: it is, or was, on a user's network, or has names in its egress rules */
	int sockets[HOY_DNS_N_SOCKETS]; /* of its name server, on their way to hoy-dns */
	size_t n_sockets;
	struct hoy_source *later; /* answers attaches without a bridge */
	struct hoy_err result;    /* what will be said */
};

/* Why a bridge could not be made, last time. */
struct hoy_bridge_error {
	char bridge[IFNAMSIZ];
	struct hoy_err err;
};

/* A request of a user that waits for hoy-net. It refers to a container's run by name: that may end meanwhile. */
struct hoy_network_op {
	struct hoy_network_op *next;
	struct hoy_networks *networks;
	char id[HOY_NETWORK_ID_MAX]; /* the network's */
	char container_id[HOY_NETWORK_ID_MAX];
	uint64_t serial;
	int netns; /* the container's; -EBADF: not needed */
	hoy_network_attached done;
	void *userdata;
};

struct hoy_networks {
	struct hoy_loop *loop;
	struct hoy_store *store;
	struct hoy_service *service;
	struct hoy_names *names;
	struct hoy_host_resolv *host_resolv;
	struct hoy_network_containers containers;
	char bridge[IFNAMSIZ]; /* the default network's */
	char table[HOY_NET_TABLE_MAX];
	struct hoy_prefix bip; /* len 0: choose one */
	unsigned int first_pool;
	bool rootless; /* in a network namespace that has none of the host's interfaces */
	unsigned int mtu;
	size_t n_defined; /* networks of users, with a bridge each */
	struct hoy_sandbox **sandboxes;
	size_t n_sandboxes;
	uint64_t serial;
	bool grants; /* this hoy-dns and this hoy-net have a socket between them */
	struct hoy_network_op *ops;
	struct hoy_peers *peers; /* NULL: no cluster */
	uint32_t vtep;           /* with one: this host's address in it */
	char **cluster_ids;      /* networks that hoy-peer has named since it is there */
	struct hoy_overlay_remote *remotes;
	size_t n_remotes;
	bool remotes_known; /* all of them have been told once */
	struct hoy_source *remotes_changed;
	struct hoy_overlay_wait *waits;
	struct hoy_bridge_error *bridge_errors;
	size_t n_bridge_errors;
	char *warning;
};

/* --- network.c --- */

/* Sees to it that the default bridge has a subnet: --bip, else the one of a bridge that exists, else one that keeps off
 * the host's routes, also off those that have appeared since it was chosen. While nothing is attached. */
int hoy_networks_settle(struct hoy_networks *networks, struct hoy_network_row *bridge, struct hoy_err *err);

/* By name, ID or a prefix of it; NULL and "default" are the bridge. 0, or -ENOENT with docker's text. */
int hoy_networks_row(struct hoy_networks *networks, const char *ref, struct hoy_network_row *ret, struct hoy_err *err);

/* The lowest free place in the network's subnet, or in its range; -ENOSPC when there is none. */
int hoy_networks_find_place(
	struct hoy_networks *networks, const struct hoy_network_row *network, uint32_t *ret, struct hoy_err *err);
/* The places that are given out unless others are asked for. */
void hoy_networks_range(const struct hoy_network_row *network, uint32_t *first, uint32_t *last);
/* Can an endpoint have this place, or was it leased in a subnet that was larger, or had another gateway? */
bool hoy_networks_place_fits(const struct hoy_network_row *network, uint32_t place);

uint32_t hoy_network_gateway(const struct hoy_network_row *row);
enum hoy_network_mode hoy_network_mode_of(const char *driver);

/* 02:42 and the address. */
void hoy_network_mac_from(uint32_t address, uint8_t mac[6]);
/* "02:42:ac:11:00:02" to bytes: 0 or -EINVAL (also for multicast and zero). */
int hoy_network_mac_parse(const char *text, uint8_t mac[6]);
void hoy_network_mac_format(const uint8_t mac[6], char out[HOY_NETWORK_MAC_MAX]);

/* --- endpoint.c --- */

/* The row alone, without ports. `later`: the container does not run, an address it asks for need be free at its start
 * only.
 */
int hoy_endpoint_add(
	struct hoy_networks *networks, const struct hoy_network_request *request, bool later, struct hoy_err *err);
/* The place of an address that was asked for; -EINVAL, or -EADDRINUSE for one that no container can have. */
int hoy_endpoint_asked_place(
	const struct hoy_network_row *network, const char *text, uint32_t *ret, struct hoy_err *err);

/* --- endpoint_options.c --- */

int hoy_endpoint_options_check(const struct hoy_network_request *request, struct hoy_err *err);
/* Tells hoy-net of them; attach->ifname is the one it has without any. */
int hoy_endpoint_options_put(const struct hoy_endpoint_row *row, struct hoy_net_attach *attach, struct hoy_err *err);

/* --- egress.c --- */

#define HOY_EGRESS_OPTION "hoy.egress" /* of a network or an endpoint */
/* Sets `restricted` and `allowed`; "" restricts nothing. Adds the names to `names` (worker/allowed_names.h). */
int hoy_egress_parse(const char *text, struct hoy_net_attach *ret, struct hoy_buf *names, struct hoy_err *err);
int hoy_egress_check(const char *text, struct hoy_err *err);
/* What holds for an endpoint: its own option, else its network's. *ret_names is NULL without names. */
int hoy_egress_put(const struct hoy_network_row *network, const struct hoy_endpoint_row *endpoint,
	struct hoy_net_attach *attach, char **ret_names, struct hoy_err *err);
/* Does an endpoint with these options (JSON) need a name server for them? */
bool hoy_egress_has_names(const char *driver_opts);
/* May a restricted endpoint ask this name server? */
bool hoy_egress_allows_resolver(const struct hoy_net_attach *attach, const char *server);

/* --- define.c --- */

/* What the options of a network with driver bridge come to. */
struct hoy_network_shape {
	char bridge[IFNAMSIZ];
	enum hoy_net_kind kind;
	uint32_t mode;
	char parent[IFNAMSIZ];
	unsigned int mtu;
	uint32_t flags;   /* hoy_net_bridge_flag */
	uint32_t host_ip; /* where ports without an address are published; 0: everywhere */
	uint32_t vni;     /* of a network between hosts; 0: it is on this one alone */
	bool relay;       /* ports are passed on by hoy-net, so that the host's own rules of input decide */
};
int hoy_network_shape(struct hoy_networks *networks, const struct hoy_network_row *row, struct hoy_network_shape *ret,
	struct hoy_err *err);
/* As a JSON object. */
int hoy_network_kv_text(const struct hoy_oci_kv *kv, size_t n, const char *what, char **ret, struct hoy_err *err);
int hoy_networks_count_defined(struct hoy_networks *networks, struct hoy_err *err);

int hoy_network_check_name(const char *name, struct hoy_err *err);
/* No network of ours has a part of its subnet, nor has one the same bridge. */
int hoy_network_check_others(struct hoy_networks *networks, const struct hoy_network_row *row, struct hoy_err *err);
/* Bridge and row on this host; `done` may be NULL. EPERM: it is in use. */
int hoy_network_remove_here(struct hoy_networks *networks, const struct hoy_network_row *row, hoy_network_attached done,
	void *userdata, struct hoy_err *err);

/* --- overlay.c --- */

#define HOY_OVERLAY_OPTION_VNI "com.docker.network.driver.overlay.vxlanid_list"

/* Reads the options; without any there is no cluster. hoy-peer is started by hoy_network_recover(). */
int hoy_overlay_open(struct hoy_networks *networks, const struct hoy_network_config *config, struct hoy_err *err);
void hoy_overlay_close(struct hoy_networks *networks);
bool hoy_overlay_is(const struct hoy_network_row *row);
int hoy_overlay_check(
	const struct hoy_networks *networks, const struct hoy_network_definition *definition, struct hoy_err *err);
/* In the whole cluster, then here. `row` is what the user wants; it is written when the cluster has it. */
int hoy_overlay_create(struct hoy_networks *networks, const struct hoy_network_row *row, hoy_network_attached done,
	void *userdata, struct hoy_err *err);
int hoy_overlay_remove(struct hoy_networks *networks, const struct hoy_network_row *row, hoy_network_attached done,
	void *userdata, struct hoy_err *err);
/* Who is on the network on other hosts: for hoy-net, behind the network's bridge; for hoy-dns, as its text. */
void hoy_overlay_send_remotes(struct hoy_networks *networks, const struct hoy_network_row *row);
void hoy_overlay_add_names(const struct hoy_networks *networks, const char *network_id, struct hoy_buf *text);
/* Another container of this host is on the network, or one less; any network. */
void hoy_overlay_members_changed(struct hoy_networks *networks, const char *network_id);
/* An address from the cluster; the reply has its place. */
int hoy_overlay_lease(struct hoy_networks *networks, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *row, hoy_peers_replied replied, void *userdata, struct hoy_err *err);
void hoy_overlay_explain(const char *network_name, const struct hoy_err *from, struct hoy_err *ret);
/* 1: an endpoint has no address yet; the attach goes on when the cluster has given one. 0: all have. */
int hoy_overlay_wait(struct hoy_networks *networks, const char *container_id, const char *name, int netns,
	hoy_network_attached done, void *userdata, struct hoy_err *err);
void hoy_overlay_cancel(struct hoy_networks *networks, const char *container_id);
/* The rows of the container's endpoints are about to go; with `network_id` that one's: the cluster is told after the
 * commit. */
void hoy_overlay_release(struct hoy_networks *networks, const char *container_id, const char *network_id);

/* --- ipv6.c --- */

/* What a row's fields of IPv6 point to. */
struct hoy_ipv6_texts {
	char none[1];
	char subnet[HOY_NETWORK_ADDRESS_MAX + 4];
	char gateway[INET6_ADDRSTRLEN];
};
/* Fills in subnet6, gateway6 and ip_range6 of a row that has its ID; "" without IPv6. */
int hoy_ipv6_define(const struct hoy_network_definition *definition, struct hoy_network_row *row,
	struct hoy_ipv6_texts *texts, struct hoy_err *err);
bool hoy_ipv6_overlaps(const struct hoy_network_row *a, const struct hoy_network_row *b);
/* Gives the default network IPv6 (`subnet` NULL: of its own choice), or none. */
int hoy_ipv6_settle_default(struct hoy_networks *networks, bool ipv6, const char *subnet, struct hoy_err *err);
/* The address that is asked for, else one that is free; "" on a network without IPv6. `place` is the IPv4 address's. */
int hoy_ipv6_lease(struct hoy_networks *networks, const struct hoy_network_row *network, const char *asked,
	uint32_t place, char ret[INET6_ADDRSTRLEN], struct hoy_err *err);
/* Is it still one of the network's (NULL on one without IPv6)? */
bool hoy_ipv6_fits(const struct hoy_network_row *network, const char *address);

/* --- bridges.c --- */

/* Tells hoy-net of a network with driver bridge. `replied` NULL: trouble is remembered for the attaches behind it. */
int hoy_bridge_send(struct hoy_networks *networks, const struct hoy_network_row *row, hoy_service_replied replied,
	void *userdata, struct hoy_err *err);
/* All of them, for a new connection. */
void hoy_bridges_send(struct hoy_networks *networks);
/* Notes what became of a bridge; a warning is kept for `info`. */
void hoy_bridge_note(struct hoy_networks *networks, const char *bridge, const struct hoy_err *err);
/* NULL: it is fine as far as we know. */
const struct hoy_err *hoy_bridge_trouble(struct hoy_networks *networks, const char *bridge);

/* --- recover.c --- */

/* Is there anything for hoy-net to do? */
bool hoy_networks_are_wanted(const struct hoy_networks *networks);

/* --- attach.c, live.c --- */

/* A sandbox with all its attachments, of which nobody is told yet. */
int hoy_sandbox_prepare(struct hoy_networks *networks, const char *container_id, const char *name, bool bound,
	struct hoy_sandbox **ret, struct hoy_err *err);

struct hoy_sandbox *hoy_sandbox_find(struct hoy_networks *networks, const char *container_id);
struct hoy_attachment *hoy_sandbox_attachment(const struct hoy_sandbox *sandbox, const char *network_id);
void hoy_sandboxes_free(struct hoy_networks *networks);
extern const struct hoy_service_owner hoy_sandbox_owner; /* its userdata is set by the user */

/* endpoint.c */
int hoy_network_ports_check(const struct hoy_network_port *ports, size_t n, struct hoy_err *err);

/* Is it a container that publishes nothing as long as another does? */
bool hoy_network_stands_by(const struct hoy_networks *networks, const char *container_id);
/* For a network of the running container; its ports are 0 unless it is the gateway. */
int hoy_attachment_new(struct hoy_sandbox *sandbox, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, bool is_gateway, bool bound, struct hoy_attachment **ret,
	struct hoy_err *err);
/* The same endpoint of the running container as gateway, with the container's ports, or not. */
int hoy_attachment_recast(struct hoy_attachment *attachment, const struct hoy_endpoint_row *endpoint,
	const struct hoy_network_row *network, bool is_gateway, struct hoy_err *err);
int hoy_attachment_send(struct hoy_attachment *attachment, enum hoy_net_manner manner, int netns,
	hoy_service_replied replied, void *userdata, struct hoy_err *err);
void hoy_attachment_drop(struct hoy_attachment *attachment);
/* After a reply: what a user is told of it (errnum 0: it is up, its ports are noted). */
void hoy_attachment_replied(struct hoy_attachment *attachment, const struct hoy_net_reply *reply,
	const struct hoy_err *failure, struct hoy_err *ret);
/* Which of a container's endpoints is its gateway; n when none is. */
int hoy_endpoints_gateway(
	struct hoy_networks *networks, const struct hoy_endpoint_row *rows, size_t n, size_t *ret, struct hoy_err *err);

/* --- naming.c --- */

extern const struct hoy_names_owner hoy_naming_owner; /* its userdata is set by the user */

/* The names by which the attachment, of a user's network, is found. */
int hoy_naming_set(struct hoy_attachment *attachment, const struct hoy_endpoint_row *row, struct hoy_err *err);
/* Asks hoy-net for the sockets of a name server; hoy_naming_opened() takes them from the reply. */
int hoy_naming_open(
	struct hoy_networks *networks, int netns, hoy_service_replied replied, void *userdata, struct hoy_err *err);
void hoy_naming_opened(struct hoy_sandbox *sandbox, const struct hoy_net_reply *reply, const struct hoy_err *failure,
	struct hoy_err *ret);
void hoy_naming_close(struct hoy_sandbox *sandbox); /* those that were not told */
/* It is up, with its sockets: tells hoy-dns of it and of its networks. Down: the way back. */
void hoy_naming_up(struct hoy_sandbox *sandbox);
void hoy_naming_down(struct hoy_sandbox *sandbox);
void hoy_naming_container_changed(struct hoy_sandbox *sandbox);
/* Tells hoy-dns alone. */
void hoy_naming_tell_network(struct hoy_networks *networks, const char *network_id);
void hoy_naming_network_changed(struct hoy_networks *networks, const char *network_id);
/* The host's name servers are others: containers are told, whatever they were told before. */
void hoy_naming_servers_changed(void *userdata);
/* Whoever runs is told to hoy-dns. */
void hoy_naming_recover(struct hoy_networks *networks);
/* Does the attachment need the container to have a name server? */
bool hoy_naming_wants(const struct hoy_attachment *attachment);
/* Gives hoy-dns and hoy-net a socket between them, if both are there and a container has names in its egress rules.
 * `anew`: one of them has begun anew. */
void hoy_naming_link(struct hoy_networks *networks, bool anew);

/* `sandbox` NULL: not about a running container. */
int hoy_network_op_new(struct hoy_networks *networks, const char *id, const struct hoy_sandbox *sandbox,
	hoy_network_attached done, void *userdata, struct hoy_network_op **ret, struct hoy_err *err);
void hoy_network_op_free(struct hoy_network_op *op);
/* Frees it and calls back. */
void hoy_network_op_done(struct hoy_network_op *op, const struct hoy_err *err);

/* Raises lo in a network namespace. */
int hoy_network_raise_loopback(int netns, struct hoy_err *err);

#endif
