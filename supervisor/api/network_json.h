/* Networks and endpoints as JSON, for containers and for /networks. */
#ifndef HOY_API_NETWORK_JSON_H
#define HOY_API_NETWORK_JSON_H

#include "base/json.h"
#include "supervisor/api/internal.h"

struct hoy_filters;
struct hoy_network_info;

struct hoy_api;
struct hoy_container_info;
struct hoy_endpoint_info;

/* "Networks": {"bridge": {...}}, all of a container. */
void hoy_api_add_endpoints(struct hoy_json_writer *w, const struct hoy_api *api, const struct hoy_container_info *c);

/* Inspect's "Ports": {"80/tcp": [{"HostIp", "HostPort"}]}; exposed ports that are not published have null. */
void hoy_api_add_port_map(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint, char *const *exposed);

/* The list's "Ports": [{"IP", "PrivatePort", "PublicPort", "Type"}]. */
void hoy_api_add_port_list(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint, char *const *exposed);

/* networks.c: what list and prune both ask. */
bool hoy_api_network_matches(const struct hoy_filters *f, const struct hoy_network_info *network);
bool hoy_api_network_is_used(const struct hoy_api *api, const struct hoy_network_info *network);

/* network_calls.c: handlers */
int hoy_api_network_create(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_network_remove(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_network_connect(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_network_disconnect(struct hoy_api_request *rq, struct hoy_err *err);
int hoy_api_network_prune(struct hoy_api_request *rq, struct hoy_err *err);

#endif
