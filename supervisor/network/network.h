/*
 * Networks of containers as the rest of hoyd sees them: which there are, the endpoint that ties a container to one
 * (address, MAC, published ports), and bringing it up and down. Decisions and leases are made here and kept in the
 * store; the kernel work (veth pairs, nftables, the sockets that reserve published ports) is done by hoy-net, a
 * service that outlives hoyd, so that nothing here waits for the kernel's rtnl lock.
 *
 * The life of an endpoint, beside that of its container:
 *
 *	create    hoy_network_allocate()   rows, in the caller's transaction: address and MAC are leased until release
 *	start     hoy_network_attach()     after the shim's Create (the network namespace exists), before its Start
 *	exit      hoy_network_detach()     host ports are free again, rules are gone; the lease stays
 *	remove    hoy_network_release()    rows gone, in the caller's transaction
 *
 * A container may have several endpoints, one per network; attach and detach are for all of them. One of them is its
 * gateway: the default route and the published ports are its.
 *
 * Only the start of a container with free or ranged host ports writes to the store (the numbers that were found).
 * Modes: "bridge" (also "default"), "host", "none". For host all calls are fine and do nothing; for none attach raises
 * the loopback interface.
 */
#ifndef HOY_NETWORK_H
#define HOY_NETWORK_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

struct hoy_loop;
struct hoy_store;
struct hoy_networks;

/* What makes two hoyds on one host keep apart: bridge, subnet, nftables table ("hoy" for bridge hoy0, else the name
 * of the bridge) and socket are each daemon's own. */
struct hoy_network_config {
	const char *exec_root; /* hoy-net.sock and hoy-net.log live here; must exist */
	const char *bridge;    /* NULL: "hoy0" when exec_root is /run/hoy, else "hoy-" and 6 hex digits of its hash */
	const char *bip;       /* "172.30.0.1/16"; NULL: what an existing bridge has, else the first of 172.17 to 172.31
				  without a host route, then the       /20s of 192.168 */
	unsigned int mtu;      /* 0: 1500 */
	bool ipv6;             /* of the default network */
	const char *fixed_cidr_v6;                     /* its subnet; NULL: one of RFC 4193 */
	int cgroup_fd;                                 /* hoy-net is born in this v2 group; 0: in ours */
	const char *cluster_store, *cluster_advertise; /* of networks between hosts; NULL: there are none */
	const char *host_socket; /* rootless: hoy-host's, which binds ports of the host; NULL: hoy-net does */
};

/* Can these be the options of a cluster (NULL: not given)? Which addresses the host has is not looked at. */
int hoy_network_check_cluster(const char *store, const char *advertise, struct hoy_err *err);

/* Opens the room, makes the rows of bridge, host and none in a new store. Touches nothing in the kernel. Strings of
 * `config` are copied; loop and store outlive it. */
int hoy_network_open(struct hoy_loop *loop, struct hoy_store *store, const struct hoy_network_config *config,
	struct hoy_networks **ret, struct hoy_err *err);

/* Closes the connection; hoy-net, rules and bridge stay as they are (as after a crash). Pending callbacks are not
 * called. NULL is fine. */
void hoy_network_free(struct hoy_networks *networks);
HOY_DEFINE_AUTO_PTR(struct hoy_networks, hoy_network_free);

/* What the room asks about containers; both may be NULL. The strings are borrowed until the loop's next round. */
struct hoy_network_container {
	const char *name;
	const char *hostname;
	pid_t pid;        /* its first process; 0: not known */
	char *const *dns; /* the name servers its user wants; NULL or empty: the host's */
	bool standby;     /* publishes no ports and has no names but its short ID */
};
struct hoy_network_containers {
	bool (*look)(void *userdata, const char *container_id, struct hoy_network_container *ret); /* false: none */
	int (*open_netns)(void *userdata, const char *container_id); /* of a running one: a descriptor, or -errno */
	void *userdata;
};
void hoy_network_set_containers(struct hoy_networks *networks, const struct hoy_network_containers *containers);
/* The container has another name: it is found by that from now on. */
void hoy_network_renamed(struct hoy_networks *networks, const char *container_id);

/*
 * Once at start of hoyd, when the running containers are known: rules and reserved ports of hoy-net become exactly
 * those of `running` (container IDs), in one atomic change, also when hoy-net was killed meanwhile. Asynchronous;
 * trouble is logged. Without running containers and without leftovers of an earlier hoyd no hoy-net is started.
 */
int hoy_network_recover(
	struct hoy_networks *networks, const char *const *running, size_t n_running, struct hoy_err *err);

/* At a clean exit of hoyd, before hoy_network_free(): when no endpoint is attached, hoy-net removes bridge and table
 * and ends (waits for that, at most 2 s). Else everything is left as it is. */
void hoy_network_shutdown(struct hoy_networks *networks);

/* ---- endpoints ---- */

enum hoy_port_proto { HOY_PORT_TCP = IPPROTO_TCP, HOY_PORT_UDP = IPPROTO_UDP, HOY_PORT_SCTP = IPPROTO_SCTP };
const char *hoy_port_proto_to_string(enum hoy_port_proto proto); /* "tcp" */
int hoy_port_proto_from_string(const char *str);                 /* the number or -EINVAL */

#define HOY_NETWORK_ADDRESS_MAX INET6_ADDRSTRLEN
#define HOY_NETWORK_MAC_MAX 18
#define HOY_NETWORK_ID_MAX 65

/* One published port. As a request: host_port 0 is any free one, host_port..host_port_last any free one of that range
 * (host_port_last 0: just host_port). As information: host_port is the number in use. */
struct hoy_network_port {
	enum hoy_port_proto proto;
	uint16_t container_port;
	uint16_t host_port;
	uint16_t host_port_last;
	char host_ip[HOY_NETWORK_ADDRESS_MAX]; /* "0.0.0.0", "::": every address of the host; "": those of all families
						  that the network has */
};

struct hoy_oci_kv;

struct hoy_network_request {
	const char *container_id;
	const char *network;     /* "bridge", "default", "host", "none", a network's ID or a unique prefix of it; NULL:
				    bridge */
	const char *mac;         /* "02:42:ac:11:00:02"; NULL: made from the address */
	const char *address;     /* on networks whose subnet a user gave; NULL: any free one */
	const char *address6;    /* likewise */
	char *const *link_local; /* further addresses of the interface: "169.254.1.1", "fe80::1"; NULL: none */
	const struct hoy_oci_kv *driver_opts; /* "com.docker.network.endpoint.sysctls" */
	size_t n_driver_opts;
	char *const *aliases; /* names on a user's network; NULL: none */
	int64_t priority;     /* the endpoint with the highest is the gateway */
	const struct hoy_network_port *ports;
	size_t n_ports;
};

/* Writes the endpoint; the first one of a container comes with the ports. -ENOENT: no such network ("network x not
 * found"); -EINVAL: bad MAC, address or range; -ENOSPC: the subnet is full;
 * -EADDRINUSE: the address is; -EEXIST: an endpoint on this network is there. Ports with mode host or none are kept but
 * never published, as docker does. */
int hoy_network_allocate(struct hoy_networks *networks, const struct hoy_network_request *request, struct hoy_err *err);

/* `err` is NULL when all is up. Called from the loop, never from inside attach, exactly once per accepted attach
 * (-ECANCELED after a detach in between). After an error nothing is left: no detach is needed. */
typedef void (*hoy_network_attached)(void *userdata, const struct hoy_err *err);

/*
 * Brings the endpoint up in the network namespace `netns_fd` (borrowed; /proc/PID/ns/net or a bind mount): eth0 with
 * its address, default route, lo, reserved and published ports. `name` is the container's name for error texts:
 *	driver failed programming external connectivity on endpoint NAME (ID): Bind for 0.0.0.0:8080 failed: port is
 *	already allocated by container HOLDER     another endpoint of ours has it
 *	...: failed to bind host port for 0.0.0.0:8080:172.17.0.2:80/tcp: address already in use
 * Both have kind SYSTEM (500, as dockerd). An earlier run's attachment is replaced; -EALREADY: another attach is under
 * way.
 */
int hoy_network_attach(struct hoy_networks *networks, const char *container_id, const char *name, int netns_fd,
	hoy_network_attached done, void *userdata, struct hoy_err *err);

/* The container has ended. Fire and forget; unknown or never attached ones are fine. The veth pair goes with the
 * namespace. */
void hoy_network_detach(struct hoy_networks *networks, const char *container_id);

/*
 * Another network for a container that has endpoints. The row is written in the store's current turn; with `netns_fd`
 * >= 0 (a running container's, borrowed) the interface comes up and `done` is called, else it is called soon.
 * request->ports is not looked at.
 */
int hoy_network_connect(struct hoy_networks *networks, const struct hoy_network_request *request, const char *name,
	int netns_fd, hoy_network_attached done, void *userdata, struct hoy_err *err);
/* The way back: row and interface go. If it was the gateway another endpoint becomes it, with the ports. */
int hoy_network_disconnect(struct hoy_networks *networks, const char *container_id, const char *network, int netns_fd,
	hoy_network_attached done, void *userdata, struct hoy_err *err);

/*
 * What the room says of two running containers has changed over: `container_id` no longer stands by, `former` does. The
 * ports of the one are published in the same moment as the other's are not any more: what both have is never free
 * between, and what is connected stays so. Names follow with hoy_network_renamed(). `netns_fd` is the first one's
 * (borrowed). After an error the ports are as they were, and the caller changes back what it says.
 */
int hoy_network_exchange(struct hoy_networks *networks, const char *container_id, const char *former, int netns_fd,
	hoy_network_attached done, void *userdata, struct hoy_err *err);

/*
 * Other ports for a container, in the place of those it has; while it runs at once (`netns_fd` is its network namespace,
 * borrowed; -EBADF: it does not), and what stays published is never free between. After an error all is as it was.
 */
int hoy_network_publish(struct hoy_networks *networks, const char *container_id, const struct hoy_network_port *ports,
	size_t n_ports, int netns_fd, hoy_network_attached done, void *userdata, struct hoy_err *err);

/* The container is removed: detaches if need be and deletes the rows. An unknown one is fine. */
int hoy_network_release(struct hoy_networks *networks, const char *container_id, struct hoy_err *err);

/* ---- information ---- */

enum hoy_network_mode { HOY_NETWORK_BRIDGE, HOY_NETWORK_HOST, HOY_NETWORK_NONE };

/* What a user asks a network to be. Strings are borrowed, NULL or "": not said. */
struct hoy_network_definition {
	const char *name;
	const char *driver; /* "bridge" */
	const char *subnet; /* "172.20.0.0/16" */
	const char *ip_range;
	const char *gateway;
	struct hoy_oci_kv *auxiliary; /* name: address */
	size_t n_auxiliary;
	bool ipv6;
	const char *subnet6; /* "fd00::/64"; NULL: one of RFC 4193 */
	const char *ip_range6;
	const char *gateway6;
	struct hoy_oci_kv *auxiliary6;
	size_t n_auxiliary6;
	bool internal;
	bool attachable;
	struct hoy_oci_kv *options; /* "com.docker.network.bridge.name" ... */
	size_t n_options;
	struct hoy_oci_kv *labels;
	size_t n_labels;
};

/*
 * Makes a network: its row in the store's current turn, then its bridge; `done` is called when that is up. Written and
 * not made (an error in `done`): the row is gone again. ret_id is the new network's.
 * Errors have docker's texts; EPERM among them is what the API answers with 403.
 */
int hoy_network_create(struct hoy_networks *networks, const struct hoy_network_definition *definition,
	char ret_id[HOY_NETWORK_ID_MAX], hoy_network_attached done, void *userdata, struct hoy_err *err);
/* Removes a user's network without attached endpoints. `done` is called when its bridge is gone. */
int hoy_network_remove(
	struct hoy_networks *networks, const char *ref, hoy_network_attached done, void *userdata, struct hoy_err *err);
bool hoy_network_is_builtin(const char *name);

struct hoy_network_info {
	char id[HOY_NETWORK_ID_MAX];
	char *name; /* "bridge" */
	enum hoy_network_mode mode;
	const char *driver;                        /* "bridge", "host", "null" */
	char *bridge;                              /* interface on the host; NULL unless mode is bridge */
	char subnet[HOY_NETWORK_ADDRESS_MAX + 4];  /* "172.17.0.0/16"; "" unless a bridge whose subnet is chosen */
	char gateway[HOY_NETWORK_ADDRESS_MAX];     /* "172.17.0.1" */
	char subnet6[HOY_NETWORK_ADDRESS_MAX + 4]; /* "" without IPv6 */
	char gateway6[HOY_NETWORK_ADDRESS_MAX];
	char *ip_range6;
	char *auxiliary6;
	unsigned int mtu;
	int64_t created; /* seconds since the epoch */
	bool is_builtin;
	bool internal;
	bool attachable;
	bool configured; /* a user gave the subnet */
	char *ip_range;  /* "" without */
	char *auxiliary; /* JSON objects */
	char *options;
	char *labels;
};
void hoy_network_info_done(struct hoy_network_info *info);
void hoy_network_infos_free(struct hoy_network_info *infos, size_t n); /* the whole array */

/* All networks, by name; the caller frees the array. */
int hoy_network_list(
	struct hoy_networks *networks, struct hoy_network_info **ret_infos, size_t *ret_n, struct hoy_err *err);
/* By name, ID or unique prefix of it. -ENOENT with docker's text "network x not found". */
int hoy_network_get(
	struct hoy_networks *networks, const char *ref, struct hoy_network_info *ret_info, struct hoy_err *err);

/* One container's NetworkSettings. Addresses and host ports are "" and 0 while it is not attached. */
struct hoy_endpoint_info {
	char container_id[HOY_NETWORK_ID_MAX];
	char network_id[HOY_NETWORK_ID_MAX];
	char *network_name;
	enum hoy_network_mode mode;
	bool attached;
	char endpoint_id[HOY_NETWORK_ID_MAX];
	char address[HOY_NETWORK_ADDRESS_MAX];
	char gateway[HOY_NETWORK_ADDRESS_MAX];
	unsigned int prefix_len;
	char address6[HOY_NETWORK_ADDRESS_MAX]; /* "" without IPv6 */
	char gateway6[HOY_NETWORK_ADDRESS_MAX];
	unsigned int prefix6_len;
	char mac[HOY_NETWORK_MAC_MAX];
	char ifname[16]; /* "eth0"; "" while it is not attached */
	bool is_gateway;
	char *asked_address; /* NULL: none was asked for */
	char *asked_address6;
	char *link_local;  /* as asked for, JSON: a list of strings */
	char *driver_opts; /* JSON: an object of strings */
	char *asked_mac;
	char **aliases; /* NULL: none */
	int64_t priority;
	struct hoy_network_port *ports; /* of the gateway's; host_port is 0 while not attached */
	size_t n_ports;
};
void hoy_endpoint_info_done(struct hoy_endpoint_info *info);
void hoy_endpoint_infos_free(struct hoy_endpoint_info *infos, size_t n); /* the whole array */

/* The container's gateway, or its only one. -ENOENT when the container has no endpoint. */
int hoy_network_endpoint(struct hoy_networks *networks, const char *container_id, struct hoy_endpoint_info *ret_info,
	struct hoy_err *err);
/* All endpoints of a container, in the order in which they came. */
int hoy_network_endpoints_of(struct hoy_networks *networks, const char *container_id,
	struct hoy_endpoint_info **ret_infos, size_t *ret_n, struct hoy_err *err);
/* Attached endpoints of a network, for its `Containers`. */
int hoy_network_endpoints(struct hoy_networks *networks, const char *network_id, struct hoy_endpoint_info **ret_infos,
	size_t *ret_n, struct hoy_err *err);

/* What is wrong with published ports or forwarding on this host ("..."), for `docker info`; NULL: nothing known.
 * Valid until the next call. */
const char *hoy_network_warning(struct hoy_networks *networks);

/* ---- files for containers ---- */

/* The resolv.conf of a container on a bridge, from the host's: name servers on loopback dropped (all gone: 8.8.8.8 and
 * 8.8.4.4), IPv6 ones too, the rest kept. `host_text` is the host's file. */
int hoy_network_resolv_conf(const char *host_text, size_t len, struct hoy_buf *out, struct hoy_err *err);
/* The addresses of its name servers. */
int hoy_network_resolv_servers(const char *host_text, size_t len, char ***ret);

/* The name server of containers on users' networks. */
#define HOY_NETWORK_NAMESERVER "127.0.0.11"
/* Does the container have it, or will it when it starts? */
bool hoy_network_has_names(struct hoy_networks *networks, const char *container_id);

#endif
