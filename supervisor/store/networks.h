/*
 * Tables of the network room: networks, endpoints (one per container and network), ports (a container's). One function
 * per query; decides nothing. IPv4 addresses are numbers in host byte order; an endpoint's is kept as its place in the
 * subnet, so that a subnet can move as a whole.
 */
#ifndef HOY_STORE_NETWORKS_H
#define HOY_STORE_NETWORKS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_store;

int hoy_networks_migrate(struct hoy_store *store, struct hoy_err *err);

enum hoy_network_flag {
	HOY_NETWORK_INTERNAL = 1,
	HOY_NETWORK_ATTACHABLE = 2,
	HOY_NETWORK_CONFIGURED = 4,  /* a user gave the subnet: addresses may be asked for */
	HOY_NETWORK_CONFIGURED6 = 8, /* and that of IPv6 */
};

struct hoy_network_row {
	char *id;
	char *name;
	char *driver;        /* "bridge", "host", "null" */
	uint32_t subnet;     /* 0: not chosen yet */
	uint32_t prefix_len; /* 0 likewise */
	uint32_t gateway;    /* place in the subnet */
	int64_t created;
	unsigned int flags; /* hoy_network_flag */
	char *ip_range;     /* "172.20.5.0/24", "" without */
	char *auxiliary;    /* JSON objects, NULL is {}: {"name": "address"} */
	char *options;
	char *labels;
	char *subnet6;  /* "fd00::/64"; "" without IPv6 */
	char *gateway6; /* whole addresses here: "fd00::1" */
	char *ip_range6;
	char *auxiliary6; /* as auxiliary */
};
void hoy_network_row_done(struct hoy_network_row *row);

/* -EEXIST: name or id is taken. */
int hoy_networks_insert(struct hoy_store *store, const struct hoy_network_row *row, struct hoy_err *err);
/* A place no endpoint gets. -EEXIST: it is reserved already. */
int hoy_networks_reserve(struct hoy_store *store, const char *id, uint32_t place, struct hoy_err *err);
int hoy_networks_delete(struct hoy_store *store, const char *id, struct hoy_err *err);
int hoy_networks_set_subnet(struct hoy_store *store, const char *id, uint32_t subnet, uint32_t prefix_len,
	uint32_t gateway, struct hoy_err *err);
int hoy_networks_set_subnet6(
	struct hoy_store *store, const char *id, const char *subnet, const char *gateway, struct hoy_err *err);
/* By whole id. 1: found, 0: none. */
int hoy_networks_get(struct hoy_store *store, const char *id, struct hoy_network_row *ret, struct hoy_err *err);
/* By name, or else whole id. 1: found, 0: none. */
int hoy_networks_find(
	struct hoy_store *store, const char *id_or_name, struct hoy_network_row *ret, struct hoy_err *err);
/* By the start of an id. The number of networks it fits (2: several), *ret filled when it is 1. */
int hoy_networks_find_prefix(
	struct hoy_store *store, const char *prefix, struct hoy_network_row *ret, struct hoy_err *err);
/* The next network by name after `after` ("": the first). 1 or 0. */
int hoy_networks_next(struct hoy_store *store, const char *after, struct hoy_network_row *ret, struct hoy_err *err);

struct hoy_endpoint_row {
	char *container_id;
	char *id;
	char *network_id; /* the network may be gone */
	char *network_name;
	uint32_t place; /* in the subnet; 0: has no address */
	char *mac;      /* as asked for; NULL: made from the address */
	char *address;  /* as asked for; NULL: any */
	char *aliases;  /* JSON arrays of strings, NULL is [] */
	char *links;
	int64_t priority;      /* the highest is the container's gateway */
	unsigned int position; /* number of its interface in a running container */
	char *address6;        /* leased; NULL: none */
	char *asked6;          /* as asked for; NULL: any */
	char *link_local;      /* JSON array of strings, NULL is [] */
	char *driver_opts;     /* JSON object of strings, NULL is {} */
};
void hoy_endpoint_row_done(struct hoy_endpoint_row *row);
void hoy_endpoint_rows_free(struct hoy_endpoint_row *rows, size_t n);

/* At the container's lowest free position. -EEXIST: the container has an endpoint on this network, or the place or the
 * address of IPv6 is taken. */
int hoy_endpoints_insert(struct hoy_store *store, const struct hoy_endpoint_row *row, struct hoy_err *err);
/* All of a container, ports too. Returns the endpoints deleted. */
int hoy_endpoints_delete(struct hoy_store *store, const char *container_id, struct hoy_err *err);
int hoy_endpoints_delete_one(
	struct hoy_store *store, const char *container_id, const char *network_id, struct hoy_err *err);
int hoy_endpoints_set_position(struct hoy_store *store, const char *id, unsigned int position, struct hoy_err *err);
/* 0: it has none until its next start. */
int hoy_endpoints_set_place(struct hoy_store *store, const char *id, uint32_t place, struct hoy_err *err);
/* Another address of IPv6; NULL: none. -EEXIST: taken. */
int hoy_endpoints_set_address6(struct hoy_store *store, const char *id, const char *address, struct hoy_err *err);
/* Has an endpoint of the network this address of IPv6? 1 or 0. */
int hoy_endpoints_has_address6(
	struct hoy_store *store, const char *network_id, const char *address, struct hoy_err *err);
/* A container's first one: 1, or 0 when there is none. */
int hoy_endpoints_find(
	struct hoy_store *store, const char *container_id, struct hoy_endpoint_row *ret, struct hoy_err *err);
/* The one that has the place: 1, or 0. */
int hoy_endpoints_at(struct hoy_store *store, const char *network_id, uint32_t place, struct hoy_endpoint_row *ret,
	struct hoy_err *err);
/* The one that has the address of IPv6: 1, or 0. */
int hoy_endpoints_at6(struct hoy_store *store, const char *network_id, const char *address,
	struct hoy_endpoint_row *ret, struct hoy_err *err);
/* All of them, by position; *ret is freed with hoy_endpoint_rows_free(). */
int hoy_endpoints_list(struct hoy_store *store, const char *container_id, struct hoy_endpoint_row **ret, size_t *ret_n,
	struct hoy_err *err);
/* All of a network; *ret is freed with hoy_endpoint_rows_free(). */
int hoy_endpoints_of_network(struct hoy_store *store, const char *network_id, struct hoy_endpoint_row **ret,
	size_t *ret_n, struct hoy_err *err);
/* The lowest free place of a network in [first, last], the gateway's aside; 0 when all are taken. */
int hoy_endpoints_free_place(struct hoy_store *store, const char *network_id, uint32_t gateway, uint32_t first,
	uint32_t last, uint32_t *ret_place, struct hoy_err *err);

struct hoy_port_row {
	int proto;
	uint16_t container_port;
	char *host_ip;
	uint16_t host_port; /* as asked for: 0 any, first of a range */
	uint16_t host_port_last;
	uint16_t bound; /* the one in use, or used last; 0: never */
};
int hoy_ports_insert(struct hoy_store *store, const char *container_id, unsigned int position,
	const struct hoy_port_row *row, struct hoy_err *err);
int hoy_ports_delete(struct hoy_store *store, const char *container_id, struct hoy_err *err);
int hoy_ports_set_bound(
	struct hoy_store *store, const char *container_id, unsigned int position, uint16_t bound, struct hoy_err *err);
/* A container's ports in order; *ret is freed with hoy_port_rows_free(). */
int hoy_ports_list(struct hoy_store *store, const char *container_id, struct hoy_port_row **ret, size_t *ret_n,
	struct hoy_err *err);
void hoy_port_rows_free(struct hoy_port_row *rows, size_t n);

#endif
