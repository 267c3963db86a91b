/* What keeps a service's pods running, and the Services by which they are reached. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/kubernetes_internal.h"

/* --- which kind -------------------------------------------------------------- */

/* Does another wait until it has ended well? */
static bool is_awaited(const struct kube *k, const char *service)
{
	hoy_compose_each(struct hoy_compose_service, s, k->project->services)
	{
		hoy_compose_each(struct hoy_compose_dependency, d, s->depends_on)
		{
			if (strcmp(d->name, service) == 0 &&
				strcmp(d->condition, "service_completed_successfully") == 0)
				return true;
		}
	}
	return false;
}

enum kube_kind kube_kind_of(struct kube *k, const struct hoy_compose_service *service)
{
	const char *mode = service->deploy && service->deploy->mode ? service->deploy->mode : "replicated";

	if (hoy_str_ends(mode, "-job") || is_awaited(k, service->name))
		return KUBE_JOB;
	if (strcmp(mode, "global") == 0)
		return KUBE_DAEMON_SET;
	hoy_compose_each(struct hoy_compose_service_volume, v, service->volumes)
	{
		if (strcmp(v->type, "volume") == 0 && v->source && kube_volume_is_own(k, service, v->source))
			return KUBE_STATEFUL_SET;
	}
	return KUBE_DEPLOYMENT;
}

/* --- the workload ------------------------------------------------------------ */

static const char *restart_of(const struct kube_service *s)
{
	const struct hoy_compose_restart_policy *policy = s->service->deploy ? s->service->deploy->restart_policy
									     : NULL;

	return s->service->restart ? s->service->restart : policy && policy->condition ? policy->condition : NULL;
}

static void add_job(struct kube_service *s)
{
	const char *restart = restart_of(s);
	bool again = restart && hoy_str_starts(restart, "on-failure");
	int64_t replicas = hoy_compose_replicas(s->service), tries = 6;

	if (again && strchr(restart, ':'))
		(void) hoy_str_to_i64(strchr(restart, ':') + 1, &tries);
	kube_number(s->kube, s->workload, "backoffLimit", again ? tries : 0);
	if (replicas > 1) {
		kube_number(s->kube, s->workload, "completions", replicas);
		kube_number(s->kube, s->workload, "parallelism", replicas);
	}
	kube_text(s->kube, s->pod, "restartPolicy", again ? "OnFailure" : "Never");
}

/* update_config: how many at once, and whether the new ones come first. */
static void add_strategy(struct kube_service *s)
{
	const struct hoy_compose_update *u = s->service->deploy ? s->service->deploy->update_config : NULL;
	int64_t n = u && u->parallelism && *u->parallelism > 0 ? *u->parallelism : 1;
	bool start_first = u && u->order && strcmp(u->order, "start-first") == 0;
	struct hoy_node *rolling;

	if (!u)
		return;
	if (u->delay || u->monitor || u->failure_action || u->max_failure_ratio > 0)
		kube_warn_service(s, "deploy.update_config",
			"delay, monitor, failure_action and max_failure_ratio have no counterpart");
	if (s->kind == KUBE_STATEFUL_SET) {
		if (start_first)
			kube_warn_service(s, "deploy.update_config.order",
				"a StatefulSet's old pod goes before the new one comes");
		return;
	}
	rolling = kube_map(s->kube,
		kube_map(s->kube, s->workload, s->kind == KUBE_DAEMON_SET ? "updateStrategy" : "strategy"),
		"rollingUpdate");
	kube_number(s->kube, rolling, "maxSurge", start_first ? n : 0);
	kube_number(s->kube, rolling, "maxUnavailable", start_first ? 0 : n);
}

static void add_placement(struct kube_service *s)
{
	const struct hoy_compose_placement *p = s->service->deploy ? s->service->deploy->placement : NULL;

	if (!p)
		return;
	for (char **constraint = p->constraints; constraint && *constraint; constraint++) {
		static const char prefix[] = "node.labels.";
		const char *equals = strstr(*constraint, "=="), *value = equals ? equals + 2 : "";
		const char *key = NULL;

		if (equals && hoy_str_starts(*constraint, prefix)) {
			const char *start = *constraint + strlen(prefix);
			auto_free char *name = strndup(start, strcspn(start, "= "));

			key = name ? hoy_arena_strdup(&s->kube->arena, name) : NULL;
		}
		if (key)
			kube_text(s->kube, kube_have(s->kube, s->pod, "nodeSelector", HOY_NODE_MAP), key,
				value + strspn(value, " "));
		else
			kube_warn_service(s, "deploy.placement.constraints", "%s has no counterpart", *constraint);
	}
	if (p->preferences)
		kube_warn_service(s, "deploy.placement.preferences", "has no counterpart");
	if (p->max_replicas_per_node)
		kube_warn_service(s, "deploy.placement.max_replicas_per_node", "has no counterpart");
}

static void warn_of_deploy(struct kube_service *s)
{
	const struct hoy_compose_deploy *d = s->service->deploy;
	const char *restart = restart_of(s);

	if (s->kind != KUBE_JOB && restart && strcmp(restart, "always") != 0 && strcmp(restart, "any") != 0 &&
		strcmp(restart, "unless-stopped") != 0)
		kube_warn_service(s, s->service->restart ? "restart" : "deploy.restart_policy.condition",
			"pods are started again whenever they end, not \"%s\"", restart);
	if (d && d->restart_policy &&
		(d->restart_policy->delay || d->restart_policy->window || d->restart_policy->max_attempts))
		kube_warn_service(s, "deploy.restart_policy",
			"delay, max_attempts and window have no counterpart: the cluster waits longer each time");
	if (d && d->rollback_config)
		kube_warn_service(s, "deploy.rollback_config", "a rollback is kubectl's (rollout undo)");
	if (d && d->mode && strcmp(d->mode, "global-job") == 0)
		kube_warn_service(s, "deploy.mode", "a job does not run once on each node");
}

static void add_pairs(struct kube *k, struct hoy_node *metadata, const struct hoy_compose_pair *pairs)
{
	for (; pairs && pairs->key; pairs++)
		kube_text(k, kube_have(k, metadata, "annotations", HOY_NODE_MAP), pairs->key,
			pairs->value ? pairs->value : "");
}

/* Labels of compose are any text, as annotations here are; those of a cluster are for selecting. */
static void add_template(struct kube_service *s)
{
	struct hoy_node *template = kube_map(s->kube, s->workload, "template"),
			*metadata = kube_map(s->kube, template, "metadata");

	kube_selector(s, metadata, "labels");
	add_pairs(s->kube, metadata, s->service->annotations);
	add_pairs(s->kube, metadata, s->service->labels);
	if (template)
		hoy_node_set(template, "spec", s->pod);
}

void kube_add_workload(struct kube_service *s)
{
	static const struct {
		const char *api, *kind;
	} kinds[] = {
		[KUBE_DEPLOYMENT] = { "apps/v1", "Deployment" },
		[KUBE_STATEFUL_SET] = { "apps/v1", "StatefulSet" },
		[KUBE_DAEMON_SET] = { "apps/v1", "DaemonSet" },
		[KUBE_JOB] = { "batch/v1", "Job" },
	};
	struct hoy_node *object = kube_object(s->kube, kinds[s->kind].api, kinds[s->kind].kind, s->name, s);

	if (s->service->deploy && object)
		add_pairs(s->kube, hoy_node_get(object, "metadata"), s->service->deploy->labels);
	s->workload = kube_map(s->kube, object, "spec");
	if (s->kind == KUBE_DEPLOYMENT || s->kind == KUBE_STATEFUL_SET)
		kube_number(s->kube, s->workload, "replicas", hoy_compose_replicas(s->service));
	if (s->kind == KUBE_STATEFUL_SET)
		kube_text(s->kube, s->workload, "serviceName", s->name);
	if (s->kind == KUBE_JOB)
		add_job(s);
	else
		kube_selector(s, kube_map(s->kube, s->workload, "selector"), "matchLabels");
	if (s->kind != KUBE_JOB)
		add_strategy(s);
	kube_add_container(s, kube_list(s->kube, s->pod, "containers"));
	kube_add_security(s);
	kube_add_pod(s);
	add_placement(s);
	warn_of_deploy(s);
	add_template(s);
	kube_add_claim_templates(s);
}

/* --- Services ---------------------------------------------------------------- */

static void add_port(struct kube_service *s, struct hoy_node *ports, struct kube_ports *known,
	const struct hoy_compose_port *p, int64_t number)
{
	const char *protocol = p->protocol ? p->protocol : "tcp";
	auto_free char *name = hoy_str_printf("%s-%" PRId64, protocol, number);
	const char *transport = kube_protocol(protocol) ? kube_protocol(protocol) : "TCP";
	struct hoy_node **at = kube_port_at(known, number, transport), *port;

	s->kube->failed = s->kube->failed || !name || !known;
	if (!at)
		kube_warn_service(s, "ports", "%" PRId64 " is no port", number);
	if (!at || *at)
		return;
	port = *at = kube_map(s->kube, ports, NULL);
	kube_text(s->kube, port, "name", name);
	kube_number(s->kube, port, "port", number);
	kube_number(s->kube, port, "targetPort", p->target);
	kube_text(s->kube, port, "protocol", transport);
	kube_text(s->kube, port, "appProtocol", p->app_protocol);
}

/* Without an address of its own the name gives the pods' addresses, with all their ports, as it does with compose. */
static void add_inner(struct kube_service *s, const char *name)
{
	const char *endpoint = s->service->deploy ? s->service->deploy->endpoint_mode : NULL;
	auto_free struct kube_ports *known = calloc(1, sizeof *known);
	bool headless = !s->service->ports || s->kind == KUBE_STATEFUL_SET || hoy_str_eq(endpoint, "dnsrr");
	struct hoy_node *spec = kube_map(s->kube, kube_object(s->kube, "v1", "Service", name, s), "spec"), *ports;

	if (headless)
		kube_text(s->kube, spec, "clusterIP", "None");
	kube_selector(s, spec, "selector");
	if (!s->service->ports)
		return;
	ports = kube_list(s->kube, spec, "ports");
	hoy_compose_each(struct hoy_compose_port, p, s->service->ports) add_port(s, ports, known, p, p->target);
}

static bool is_loopback(const char *host_ip)
{
	return host_ip && (hoy_str_starts(host_ip, "127.") || strcmp(host_ip, "::1") == 0);
}

/* Published ports: a load balancer, which the cluster gives an address. */
static void add_outer(struct kube_service *s)
{
	const char *name = hoy_arena_printf(&s->kube->arena, "%.53s-published", s->name);
	auto_free struct kube_ports *known = calloc(1, sizeof *known);
	struct hoy_node *spec = NULL, *ports = NULL;

	s->kube->failed = s->kube->failed || !name;
	hoy_compose_each(struct hoy_compose_port, p, s->service->ports)
	{
		int64_t number = p->target;

		if (p->mode && strcmp(p->mode, "host") == 0)
			continue;
		if (is_loopback(p->host_ip)) {
			kube_warn_service(
				s, "ports", "%" PRId64 " is published to its own host only: not published", p->target);
			continue;
		}
		if (p->host_ip && strcmp(p->host_ip, "0.0.0.0") != 0 && strcmp(p->host_ip, "::") != 0)
			kube_warn_service(s, "ports", "host_ip %s: the address is the cluster's choice", p->host_ip);
		if (p->published && hoy_str_to_i64(p->published, &number) < 0) {
			kube_warn_service(s, "ports", "of the range %s only the target %" PRId64 " is published",
				p->published, p->target);
			number = p->target;
		}
		if (!spec) {
			spec = kube_map(s->kube, kube_object(s->kube, "v1", "Service", name ? name : "", s), "spec");
			kube_text(s->kube, spec, "type", "LoadBalancer");
			kube_selector(s, spec, "selector");
			ports = kube_list(s->kube, spec, "ports");
		}
		add_port(s, ports, known, p, number ? number : p->target);
	}
}

static bool has_service(struct kube *k, const char *name)
{
	hoy_node_each(object, k->objects)
	{
		if (hoy_str_eq(hoy_node_text(object, "kind"), "Service") &&
			hoy_str_eq(hoy_node_text(hoy_node_get(object, "metadata"), "name"), name))
			return true;
	}
	hoy_compose_each(struct hoy_compose_service, s, k->project->services)
	{
		if (strcmp(kube_name(k, s->name), name) == 0)
			return true;
	}
	return false;
}

/* Other names by which the service is found: each a Service with the same pods behind it. */
static void add_other_name(struct kube_service *s, const char *key, const char *text)
{
	const char *name = kube_name(s->kube, text);

	if (strcmp(name, text) != 0)
		kube_warn_service(s, key, "\"%s\" is no name for a Service", text);
	else if (!has_service(s->kube, name))
		add_inner(s, name);
	else if (strcmp(name, s->name) != 0)
		kube_warn_service(s, key, "\"%s\" is another Service's name", text);
}

void kube_add_service_objects(struct kube_service *s)
{
	if (s->kind == KUBE_JOB && !s->service->ports)
		return;
	add_inner(s, s->name);
	add_outer(s);
	if (s->service->container_name)
		add_other_name(s, "container_name", s->service->container_name);
	hoy_compose_each(struct hoy_compose_service_network, n, s->service->networks)
	{
		for (char **alias = n->aliases; alias && *alias; alias++)
			add_other_name(s, "networks", *alias);
	}
}
