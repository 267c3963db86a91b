/* What the files of this room share. Never included outside of it. */
#ifndef HOY_NETWORK_INTERNAL_H
#define HOY_NETWORK_INTERNAL_H

#include <net/if.h>

#include "supervisor/network/network.h"
#include "supervisor/network/pool.h"
#include "supervisor/network/service.h"
#include "supervisor/store/networks.h"

/* A started container's endpoint: what the kernel is told, again whenever hoy-net begins anew. */
struct hoy_attachment {
	struct hoy_networks *networks;
	char *container_id;
	char *name; /* the container's, for error texts */
	enum hoy_network_mode mode;
	struct hoy_net_request *request; /* ATTACH, with the ports as asked for until it is up; NULL unless bridge */
	bool is_up;
	bool cancelled;
	hoy_network_attached done;
	void *userdata;
	struct hoy_source *later; /* answers attaches without a bridge */
	struct hoy_err result;    /* what it will say */
};

struct hoy_networks {
	struct hoy_loop *loop;
	struct hoy_store *store;
	struct hoy_service *service;
	char bridge[IFNAMSIZ];
	char table[HOY_NET_TABLE_MAX];
	struct hoy_prefix bip; /* len 0: choose one */
	unsigned int first_pool;
	unsigned int mtu;
	struct hoy_attachment **attachments;
	size_t n_attachments;
	struct hoy_err bridge_error; /* why the bridge could not be made, last time */
	char *warning;
};

/* Sees to it that the default bridge has a subnet: --bip, else the one of a bridge that exists, else one that keeps off
 * the host's routes, also off those that have appeared since it was chosen. While nothing is attached. */
int hoy_networks_settle(struct hoy_networks *networks, struct hoy_network_row *bridge, struct hoy_err *err);

/* The lowest free place in the network's subnet; -ENOSPC when there is none. */
int hoy_networks_find_place(
	struct hoy_networks *networks, const struct hoy_network_row *network, uint32_t *ret, struct hoy_err *err);
/* Can an endpoint have this place, or was it leased in a subnet that was larger, or had another gateway? */
bool hoy_networks_place_fits(const struct hoy_network_row *network, uint32_t place);

uint32_t hoy_network_gateway(const struct hoy_network_row *row);
enum hoy_network_mode hoy_network_mode_of(const char *driver);

struct hoy_attachment *hoy_attachment_find(struct hoy_networks *networks, const char *container_id);
void hoy_attachments_free(struct hoy_networks *networks);
extern const struct hoy_service_owner hoy_attachment_owner; /* its userdata is set by the user */

/* 02:42 and the address. */
void hoy_network_mac_from(uint32_t address, uint8_t mac[6]);
/* "02:42:ac:11:00:02" to bytes: 0 or -EINVAL (also for multicast and zero). */
int hoy_network_mac_parse(const char *text, uint8_t mac[6]);
void hoy_network_mac_format(const uint8_t mac[6], char out[HOY_NETWORK_MAC_MAX]);

/* Raises lo in a network namespace. */
int hoy_network_raise_loopback(int netns, struct hoy_err *err);

#endif
