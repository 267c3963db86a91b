/* Networks and endpoints as JSON, for containers and for /networks. */
#ifndef HOY_API_NETWORK_JSON_H
#define HOY_API_NETWORK_JSON_H

#include "base/json.h"

struct hoy_container_endpoint;
struct hoy_endpoint_info;

/* "Networks": {"bridge": {...}}; `request` is what the client asked for, NULL: nothing special. */
void hoy_api_add_endpoint(struct hoy_json_writer *w, const char *network, const struct hoy_endpoint_info *endpoint,
	const struct hoy_container_endpoint *request);

/* Inspect's "Ports": {"80/tcp": [{"HostIp", "HostPort"}]}; exposed ports that are not published have null. */
void hoy_api_add_port_map(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint, char *const *exposed);

/* The list's "Ports": [{"IP", "PrivatePort", "PublicPort", "Type"}]. */
void hoy_api_add_port_list(struct hoy_json_writer *w, const struct hoy_endpoint_info *endpoint, char *const *exposed);

#endif
