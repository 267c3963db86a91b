/* /networks: the calls that change something. Bodies are decoded by field tables; showing is in networks.c. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/api/events.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/network_json.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"
#include "supervisor/network/network.h"

/* What dockerd answers with 403 has EPERM here. */
static int refuse(struct hoy_api_request *rq, const struct hoy_err *err)
{
	if (err->errnum == EPERM)
		hoy_api_reply_error_status(rq, 403, hoy_err_str(err));
	else
		hoy_api_reply_error(rq, err);
	return 0;
}

/* A request that waits for the room. */
struct call {
	struct hoy_api_request *rq;
	const char *action; /* of the event */
	char *id;           /* of the network */
	char *name;
	char *container_id;
};

static void call_free(struct call *call)
{
	free(call->id);
	free(call->name);
	free(call->container_id);
	free(call);
}

static int call_new(struct hoy_api_request *rq, const char *action, const char *id, const char *name,
	const char *container_id, struct call **ret, struct hoy_err *err)
{
	struct call *call = calloc(1, sizeof *call);

	if (!call)
		return hoy_err_oom(err);
	call->rq = rq;
	call->action = action;
	call->id = strdup(id);
	call->name = strdup(name);
	call->container_id = container_id ? strdup(container_id) : NULL;
	if (!call->id || !call->name || (container_id && !call->container_id)) {
		call_free(call);
		return hoy_err_oom(err);
	}
	*ret = call;
	return 0;
}

static void tell(const struct call *call)
{
	hoy_api_network_event(call->rq->api, call->action, call->id, call->name, call->container_id);
}

/* --- create --------------------------------------------------------------------------------------------------- */

struct ipam_config {
	char *subnet;
	char *ip_range;
	char *gateway;
	struct hoy_oci_kv *auxiliary;
	size_t n_auxiliary;
};
#define T struct ipam_config
static const struct hoy_field ipam_config_fields[] = {
	HOY_FIELD_STRING(T, "Subnet", subnet, 0),
	HOY_FIELD_STRING(T, "IPRange", ip_range, 0),
	HOY_FIELD_STRING(T, "Gateway", gateway, 0),
	HOY_FIELD_KV(T, "AuxiliaryAddresses", auxiliary, 0),
};
static const struct hoy_object ipam_config_object = HOY_OBJECT(T, ipam_config_fields, NULL);
#undef T

struct ipam {
	char *driver;
	struct hoy_oci_kv *options;
	size_t n_options;
	struct ipam_config *config;
	size_t n_config;
};
#define T struct ipam
static const struct hoy_field ipam_fields[] = {
	HOY_FIELD_STRING(T, "Driver", driver, 0),
	HOY_FIELD_KV(T, "Options", options, 0),
	HOY_FIELD_OBJECTS(T, "Config", config, struct ipam_config, &ipam_config_object, 0),
};
static const struct hoy_object ipam_object = HOY_OBJECT(T, ipam_fields, NULL);
#undef T

struct config_from {
	char *network;
};
#define T struct config_from
static const struct hoy_field config_from_fields[] = {
	HOY_FIELD_STRING(T, "Network", network, 0),
};
static const struct hoy_object config_from_object = HOY_OBJECT(T, config_from_fields, NULL);
#undef T

/* CheckDuplicate says nothing here: a name is always one network's. */
struct create {
	char *name;
	char *driver;
	char *scope;
	bool internal;
	bool attachable;
	bool ingress;
	bool config_only;
	struct config_from *config_from;
	bool *enable_ipv4;
	bool *enable_ipv6;
	struct ipam *ipam;
	struct hoy_oci_kv *options;
	size_t n_options;
	struct hoy_oci_kv *labels;
	size_t n_labels;
};
#define T struct create
static const struct hoy_field create_fields[] = {
	HOY_FIELD_STRING(T, "Name", name, 0),
	HOY_FIELD_STRING(T, "Driver", driver, 0),
	HOY_FIELD_STRING(T, "Scope", scope, 0),
	HOY_FIELD_BOOL(T, "Internal", internal, 0),
	HOY_FIELD_BOOL(T, "Attachable", attachable, 0),
	HOY_FIELD_BOOL(T, "Ingress", ingress, 0),
	HOY_FIELD_BOOL(T, "ConfigOnly", config_only, 0),
	HOY_FIELD_OBJECT_PTR(T, "ConfigFrom", config_from, struct config_from, &config_from_object, 0),
	HOY_FIELD_BOOL_PTR(T, "EnableIPv4", enable_ipv4, 0),
	HOY_FIELD_BOOL_PTR(T, "EnableIPv6", enable_ipv6, 0),
	HOY_FIELD_OBJECT_PTR(T, "IPAM", ipam, struct ipam, &ipam_object, 0),
	HOY_FIELD_KV(T, "Options", options, 0),
	HOY_FIELD_KV(T, "Labels", labels, 0),
};
static const struct hoy_object create_object = HOY_OBJECT(T, create_fields, NULL);
#undef T

static const struct hoy_field_options as_go = { .any_case = true };

static void free_create(struct create **c)
{
	hoy_field_free(&create_object, *c);
}

static bool is_ipv6(const struct ipam_config *config)
{
	return (config->subnet && strchr(config->subnet, ':')) || (config->gateway && strchr(config->gateway, ':'));
}

/* The first one of a family; NULL: none. */
static const struct ipam_config *pool_of(const struct ipam *ipam, bool ipv6)
{
	for (size_t i = 0; ipam && i < ipam->n_config; i++)
		if (is_ipv6(&ipam->config[i]) == ipv6)
			return &ipam->config[i];
	return NULL;
}

static int check_create(const struct create *c, struct hoy_err *err)
{
	if (c->ingress)
		return hoy_err_unsupported(err, "Ingress: not supported: there is no swarm");
	if (c->config_only || (c->config_from && c->config_from->network && *c->config_from->network))
		return hoy_err_unsupported(err, "%s: not supported", c->config_only ? "ConfigOnly" : "ConfigFrom");
	if (c->scope && *c->scope && strcmp(c->scope, "local") != 0)
		return hoy_err_unsupported(err, "Scope: '%s': not supported", c->scope);
	if (c->enable_ipv4 && !*c->enable_ipv4)
		return hoy_err_unsupported(err, "EnableIPv4: a network without IPv4 is not supported");
	if (!c->ipam)
		return 0;
	if (c->ipam->driver && *c->ipam->driver && strcmp(c->ipam->driver, "default") != 0)
		return hoy_err_unsupported(err, "IPAM.Driver: '%s': not supported", c->ipam->driver);
	if (c->ipam->n_options > 0)
		return hoy_err_unsupported(err, "IPAM.Options: '%s': not supported", c->ipam->options[0].key);
	for (size_t i = 0; i < c->ipam->n_config; i++)
		if (pool_of(c->ipam, is_ipv6(&c->ipam->config[i])) != &c->ipam->config[i])
			return hoy_err_unsupported(err, "bridge driver doesn't support multiple subnets");
	return 0;
}

static void on_created(void *userdata, const struct hoy_err *err)
{
	struct call *call = userdata;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	if (err) {
		refuse(call->rq, err);
		call_free(call);
		return;
	}
	tell(call);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Id", call->id);
	hoy_json_add_string(&w, "Warning", "");
	hoy_json_end(&w);
	hoy_api_reply_json(call->rq, 201, &buf);
	call_free(call);
}

static int create_defined(struct hoy_api_request *rq, const struct create *c, struct hoy_err *err)
{
	const struct ipam_config *config = pool_of(c->ipam, /* ipv6= */ false);
	const struct ipam_config *config6 = pool_of(c->ipam, /* ipv6= */ true);
	const struct hoy_network_definition definition = {
		.name = c->name,
		.driver = c->driver,
		.subnet = config ? config->subnet : NULL,
		.ip_range = config ? config->ip_range : NULL,
		.gateway = config ? config->gateway : NULL,
		.auxiliary = config ? config->auxiliary : NULL,
		.n_auxiliary = config ? config->n_auxiliary : 0,
		.ipv6 = c->enable_ipv6 && *c->enable_ipv6,
		.subnet6 = config6 ? config6->subnet : NULL,
		.ip_range6 = config6 ? config6->ip_range : NULL,
		.gateway6 = config6 ? config6->gateway : NULL,
		.auxiliary6 = config6 ? config6->auxiliary : NULL,
		.n_auxiliary6 = config6 ? config6->n_auxiliary : 0,
		.internal = c->internal,
		.attachable = c->attachable,
		.options = c->options,
		.n_options = c->n_options,
		.labels = c->labels,
		.n_labels = c->n_labels,
	};
	char id[HOY_NETWORK_ID_MAX] = "";
	struct call *call;
	int r = call_new(rq, "create", "", c->name ? c->name : "", NULL, &call, err);

	if (r < 0)
		return r;
	r = hoy_network_create(rq->api->o.networks, &definition, id, on_created, call, err);
	if (r < 0) {
		call_free(call);
		return r;
	}
	free(call->id);
	call->id = strdup(id);
	return 0;
}

int hoy_api_network_create(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *body = NULL;
	auto_(free_create) struct create *c = NULL;
	int r = hoy_api_body_json(rq, &body, err);

	if (r >= 0 && !body)
		r = hoy_err_invalid(err, "got EOF while reading request body");
	if (r >= 0)
		r = hoy_field_parse_value(&create_object, body, NULL, &as_go, (void **) &c, err);
	if (r >= 0)
		r = check_create(c, err);
	if (r >= 0)
		r = create_defined(rq, c, err);
	return r < 0 && err->errnum == EPERM ? refuse(rq, err) : r;
}

/* --- remove, connect, disconnect ------------------------------------------------------------------------------ */

static void on_done(struct call *call, const struct hoy_err *err, int status)
{
	if (err) {
		refuse(call->rq, err);
	} else {
		tell(call);
		hoy_api_reply_empty(call->rq, status);
	}
	call_free(call);
}

static void on_removed(void *userdata, const struct hoy_err *err)
{
	on_done(userdata, err, 204);
}

static void on_changed(void *userdata, const struct hoy_err *err)
{
	on_done(userdata, err, 200);
}

/* Looks the network up, for the event. */
static int call_for(struct hoy_api_request *rq, const char *action, const char *container_id, struct call **ret,
	struct hoy_err *err)
{
	auto_(hoy_network_info_done) struct hoy_network_info network = { 0 };
	int r = hoy_network_get(rq->api->o.networks, rq->name, &network, err);

	return r < 0 ? r : call_new(rq, action, network.id, network.name, container_id, ret, err);
}

static int settle(struct hoy_api_request *rq, struct call *call, int r, const struct hoy_err *err)
{
	if (r >= 0)
		return 0;
	call_free(call);
	return err->errnum == EPERM ? refuse(rq, err) : r;
}

int hoy_api_network_remove(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct call *call;
	int r = call_for(rq, "destroy", NULL, &call, err);

	if (r < 0)
		return r;
	return settle(rq, call, hoy_network_remove(rq->api->o.networks, call->id, on_removed, call, err), err);
}

/* {"Container": ..., ...} and the container's whole ID. */
static int read_container(
	struct hoy_api_request *rq, struct hoy_json **ret_body, const char **ret_id, struct hoy_err *err)
{
	const struct hoy_container_info *container;
	const char *ref;
	int r = hoy_api_body_json(rq, ret_body, err);

	if (r < 0)
		return r;
	ref = hoy_json_string(hoy_json_get_ci(*ret_body, "Container"));
	if (!ref || !*ref)
		return hoy_err_invalid(err, "Container: no container is named");
	r = hoy_containers_find(rq->api->o.containers, ref, &container, err);
	if (r >= 0)
		*ret_id = container->id;
	return r;
}

int hoy_api_network_connect(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *body = NULL;
	auto_ptr(hoy_container_endpoint_free) struct hoy_container_endpoint *endpoint = NULL;
	struct call *call;
	const char *id;
	int r = read_container(rq, &body, &id, err);

	if (r >= 0)
		r = hoy_container_endpoint_parse(hoy_json_get_ci(body, "EndpointConfig"), rq->name, &endpoint, err);
	if (r >= 0)
		r = call_for(rq, "connect", id, &call, err);
	if (r < 0)
		return r;
	return settle(rq, call, hoy_container_connect(rq->api->o.containers, id, endpoint, on_changed, call, err), err);
}

int hoy_api_network_disconnect(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *body = NULL;
	struct call *call;
	const char *id;
	int r = read_container(rq, &body, &id, err);

	if (r >= 0)
		r = call_for(rq, "disconnect", id, &call, err);
	if (r < 0)
		return r;
	return settle(
		rq, call, hoy_container_disconnect(rq->api->o.containers, id, call->id, on_changed, call, err), err);
}

/* --- prune: one after the other ------------------------------------------------------------------------------- */

struct prune {
	struct hoy_api_request *rq;
	struct hoy_network_info *networks;
	size_t n, next;
	struct hoy_filters filters;
	char **removed; /* names */
};

static void prune_done(struct prune *p)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	hoy_json_add_strv(&w, "NetworksDeleted", p->removed);
	hoy_json_end(&w);
	hoy_api_reply_json(p->rq, 200, &buf);
	hoy_network_infos_free(p->networks, p->n);
	hoy_filters_done(&p->filters);
	hoy_strv_free(p->removed);
	free(p);
}

static void prune_next(struct prune *p);

/* One that is used since then is passed over. */
static void on_pruned(void *userdata, const struct hoy_err *err)
{
	struct prune *p = userdata;
	const struct hoy_network_info *network = &p->networks[p->next];

	if (err) {
		hoy_log_debug("prune network '%s': %s", network->name, hoy_err_str(err));
	} else {
		hoy_api_network_event(p->rq->api, "destroy", network->id, network->name, NULL);
		(void) hoy_strv_add(&p->removed, network->name);
	}
	p->next++;
	prune_next(p);
}

static void prune_next(struct prune *p)
{
	for (; p->next < p->n; p->next++) {
		const struct hoy_network_info *network = &p->networks[p->next];

		if (network->is_builtin || !hoy_api_network_matches(&p->filters, network) ||
			hoy_api_network_is_used(p->rq->api, network))
			continue;
		if (hoy_network_remove(p->rq->api->o.networks, network->id, on_pruned, p, NULL) >= 0)
			return;
	}
	prune_done(p);
}

int hoy_api_network_prune(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const char *const known[] = { "label", "label!", "until", NULL };
	struct prune *p = calloc(1, sizeof *p);
	int r;

	if (!p)
		return hoy_err_oom(err);
	p->rq = rq;
	r = hoy_filters_parse(&p->filters, hoy_uri_query(&rq->uri, "filters"), known, err);
	if (r >= 0 && hoy_filters_has(&p->filters, "until"))
		r = hoy_err_unsupported(err, "prune networks: the filter 'until' is not supported");
	if (r >= 0)
		r = hoy_network_list(rq->api->o.networks, &p->networks, &p->n, err);
	if (r < 0) {
		hoy_filters_done(&p->filters);
		free(p);
		return r;
	}
	prune_next(p);
	return 0;
}
