/* A service's container and pod: what runs, its environment, ports, probes, resources and names. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/kubernetes_internal.h"

#define SECOND INT64_C(1000000000)

/* --- words and environment --------------------------------------------------- */

const char *kube_verbatim(struct kube *k, const char *text)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	const char *copy;

	for (const char *c = text; *c; c++) {
		(void) hoy_buf_addc(&out, *c);
		if (c[0] == '$' && (c[1] == '$' || c[1] == '('))
			(void) hoy_buf_addc(&out, '$');
	}
	copy = out.failed ? NULL : hoy_arena_strdup(&k->arena, out.data ? out.data : "");
	k->failed = k->failed || !copy;
	return copy ? copy : "";
}

void kube_words(struct kube *k, struct hoy_node *parent, const char *key, char *const *words)
{
	struct hoy_node *list = words ? kube_list(k, parent, key) : NULL;

	for (; list && *words; words++)
		kube_text(k, list, NULL, kube_verbatim(k, *words));
}

static void add_environment(struct kube_service *s, struct hoy_node *container, const struct hoy_compose_pair *pairs)
{
	struct hoy_node *list = NULL;

	for (; pairs && pairs->key; pairs++) {
		struct hoy_node *one;

		if (!pairs->value)
			continue;
		if (!list)
			list = kube_list(s->kube, container, "env");
		one = kube_map(s->kube, list, NULL);
		kube_text(s->kube, one, "name", pairs->key);
		kube_text(s->kube, one, "value", kube_verbatim(s->kube, pairs->value));
	}
}

static void add_words(struct kube_service *s, struct hoy_node *container)
{
	const struct hoy_compose_service *service = s->service;

	if (service->entrypoint && !*service->entrypoint)
		kube_warn_service(s, "entrypoint", "an image's entrypoint can't be taken away, only replaced");
	else
		kube_words(s->kube, container, "command", service->entrypoint);
	if (!service->command || *service->command)
		kube_words(s->kube, container, "args", service->command);
	else
		kube_warn_service(s, "command", "an image's command can't be taken away, only replaced");
	kube_text(s->kube, container, "workingDir", service->working_dir);
	if (service->stdin_open)
		kube_bool(s->kube, container, "stdin", true);
	if (service->tty)
		kube_bool(s->kube, container, "tty", true);
}

static void add_image(struct kube_service *s, struct hoy_node *container)
{
	const struct hoy_compose_service *service = s->service;
	const char *policy = service->pull_policy ? service->pull_policy : "missing";

	if (service->image)
		kube_text(s->kube, container, "image", service->image);
	else
		kube_textf(s->kube, container, "image", "%s-%s", s->kube->project->name, service->name);
	if (service->build)
		kube_warn_service(s, "build", "the image %s must be pushed to where the cluster pulls from",
			hoy_node_text(container, "image"));
	if (strcmp(policy, "always") == 0)
		kube_text(s->kube, container, "imagePullPolicy", "Always");
	else if (strcmp(policy, "never") == 0)
		kube_text(s->kube, container, "imagePullPolicy", "Never");
	else
		kube_text(s->kube, container, "imagePullPolicy", "IfNotPresent");
	if (!hoy_strv_has((char *const[]){ "always", "never", "missing", "if_not_present", "build", NULL }, policy))
		kube_warn_service(s, "pull_policy", "%s has no counterpart", policy);
}

/* --- ports ------------------------------------------------------------------- */

static const char *const protocols[][2] = { { "tcp", "TCP" }, { "udp", "UDP" }, { "sctp", "SCTP" } };

const char *kube_protocol(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (!text || strcasecmp(text, protocols[i][0]) == 0)
			return protocols[i][1];
	return NULL;
}

struct hoy_node **kube_port_at(struct kube_ports *ports, int64_t number, const char *protocol)
{
	for (size_t i = 0; ports && number >= 0 && number <= UINT16_MAX && i < ARRAY_LEN(protocols); i++)
		if (strcmp(protocol, protocols[i][1]) == 0)
			return &ports->at[i][number];
	return NULL;
}

struct container_ports {
	struct hoy_node *list;
	struct kube_ports *known;
};

static struct hoy_node *add_port(
	struct kube_service *s, const struct container_ports *ports, int64_t number, const char *protocol)
{
	struct hoy_node **at = kube_port_at(ports->known, number, protocol);

	s->kube->failed = s->kube->failed || !ports->known;
	if (!at) {
		kube_warn_service(s, "ports", "%" PRId64 " is no port", number);
		return NULL;
	}
	if (!*at) {
		*at = kube_map(s->kube, ports->list, NULL);
		kube_number(s->kube, *at, "containerPort", number);
		kube_text(s->kube, *at, "protocol", protocol);
	}
	return *at;
}

/* "80", "90-91/udp" */
static void add_exposed(struct kube_service *s, const struct container_ports *ports, const char *text)
{
	const char *slash = strchr(text, '/'), *protocol = kube_protocol(slash ? slash + 1 : NULL);
	auto_free char *range = strndup(text, strcspn(text, "/"));
	char *dash = range ? strchr(range, '-') : NULL;
	uint64_t first = 0, last = 0;

	if (dash)
		*dash++ = '\0';
	if (!range || !protocol || hoy_str_to_u64(range, &first) < 0 ||
		hoy_str_to_u64(dash ? dash : range, &last) < 0 || first < 1 || last > 65535 || last < first) {
		kube_warn_service(s, "expose", "\"%s\" is no port", text);
		return;
	}
	for (; first <= last; first++)
		(void) add_port(s, ports, (int64_t) first, protocol);
}

static void add_ports(struct kube_service *s, struct hoy_node *container)
{
	auto_free struct kube_ports *known = NULL;
	struct container_ports ports = {};

	if (!s->service->ports && !s->service->expose)
		return;
	known = calloc(1, sizeof *known);
	ports = (struct container_ports){ kube_list(s->kube, container, "ports"), known };
	hoy_compose_each(struct hoy_compose_port, p, s->service->ports)
	{
		const char *protocol = kube_protocol(p->protocol);
		struct hoy_node *port;
		uint64_t published;

		if (!protocol) {
			kube_warn_service(s, "ports", "protocol %s has no counterpart", p->protocol);
			continue;
		}
		port = add_port(s, &ports, p->target, protocol);
		if (!port || !p->mode || strcmp(p->mode, "host") != 0)
			continue;
		if (p->published && hoy_str_to_u64(p->published, &published) == 0)
			kube_number(s->kube, port, "hostPort", (int64_t) published);
		kube_text(s->kube, port, "hostIP", p->host_ip);
	}
	for (char **e = s->service->expose; e && *e; e++)
		add_exposed(s, &ports, *e);
}

/* --- probes and hooks -------------------------------------------------------- */

static void add_exec(struct kube_service *s, struct hoy_node *parent, char *const *words, bool shell)
{
	struct hoy_node *command = kube_list(s->kube, kube_map(s->kube, parent, "exec"), "command");

	if (shell) {
		kube_text(s->kube, command, NULL, "/bin/sh");
		kube_text(s->kube, command, NULL, "-c");
	}
	for (; words && *words; words++)
		kube_text(s->kube, command, NULL, *words);
}

static int64_t seconds(const int64_t *time, int64_t otherwise)
{
	int64_t s = time ? (*time + SECOND - 1) / SECOND : otherwise;

	return s < 1 ? 1 : s;
}

/* Whoever is unhealthy gets no requests and goes on running, as with compose: the readiness probe, no liveness. What
 * start_period lets pass unseen does no harm there. */
static void add_probe(struct kube_service *s, struct hoy_node *container)
{
	const struct hoy_compose_healthcheck *h = s->service->healthcheck;
	struct hoy_node *probe;

	if (!h || h->disable)
		return;
	if (!h->test || !*h->test) {
		kube_warn_service(s, "healthcheck", "the image's own test is not known: write it as healthcheck.test");
		return;
	}
	if (strcmp(h->test[0], "NONE") == 0)
		return;
	probe = kube_map(s->kube, container, "readinessProbe");
	add_exec(s, probe, h->test + 1, strcmp(h->test[0], "CMD-SHELL") == 0);
	kube_number(s->kube, probe, "periodSeconds", seconds(h->interval, 30));
	kube_number(s->kube, probe, "timeoutSeconds", seconds(h->timeout, 30));
	kube_number(s->kube, probe, "failureThreshold", h->retries && *h->retries > 0 ? *h->retries : 3);
	if (h->start_interval)
		kube_warn_service(s, "healthcheck.start_interval", "a probe has one interval");
}

static void add_hook(struct kube_service *s, struct hoy_node *container, const char *when, const char *key,
	struct hoy_compose_hook **hooks)
{
	const struct hoy_compose_hook *hook = hooks ? *hooks : NULL;

	if (!hook)
		return;
	add_exec(s, kube_map(s->kube, kube_have(s->kube, container, "lifecycle", HOY_NODE_MAP), when), hook->command,
		false);
	if (hooks[1])
		kube_warn_service(s, key, "a pod has one such hook: only the first is written");
	if (hook->user || hook->privileged || hook->working_dir || hook->environment)
		kube_warn_service(s, key,
			"a hook runs as the container does: its user, privileged, working_dir and "
			"environment have no counterpart");
}

/* --- resources --------------------------------------------------------------- */

static void add_amounts(
	struct kube_service *s, struct hoy_node *container, const char *key, double cpus, int64_t memory)
{
	struct hoy_node *amounts;

	if (cpus <= 0 && memory <= 0)
		return;
	amounts = kube_have(s->kube, kube_have(s->kube, container, "resources", HOY_NODE_MAP), key, HOY_NODE_MAP);
	if (cpus > 0)
		kube_textf(s->kube, amounts, "cpu", "%" PRId64 "m", (int64_t) (cpus * 1000 + 0.5));
	if (memory <= 0)
		return;
	if (memory % (1 << 20) == 0)
		kube_textf(s->kube, amounts, "memory", "%" PRId64 "Mi", memory >> 20);
	else
		kube_textf(s->kube, amounts, "memory", "%" PRId64, memory);
}

static void add_gpus(struct kube_service *s, struct hoy_node *container, const char *key,
	struct hoy_compose_device_request **requests)
{
	hoy_compose_each(struct hoy_compose_device_request, d, requests)
	{
		struct hoy_node *limits;
		bool nvidia = hoy_str_eq(d->driver, "nvidia") ||
			      (!d->driver && (strcmp(key, "gpus") == 0 || hoy_strv_has(d->capabilities, "gpu")));

		if (!nvidia || d->count <= 0) {
			kube_warn_service(s, key, "%s",
				nvidia ? "a pod asks for a number of GPUs: say a count"
				       : "a device needs a device plugin of the cluster");
			continue;
		}
		limits = kube_have(
			s->kube, kube_have(s->kube, container, "resources", HOY_NODE_MAP), "limits", HOY_NODE_MAP);
		kube_number(s->kube, limits, "nvidia.com/gpu", d->count);
	}
}

static void add_resources(struct kube_service *s, struct hoy_node *container)
{
	const struct hoy_compose_resources *r = s->service->deploy ? s->service->deploy->resources : NULL;
	const struct hoy_compose_resource *limits = r ? r->limits : NULL, *reserved = r ? r->reservations : NULL;

	add_amounts(s, container, "limits", limits && limits->cpus > 0 ? limits->cpus : s->service->cpus,
		limits && limits->memory ? limits->memory : s->service->mem_limit);
	add_amounts(s, container, "requests", reserved ? reserved->cpus : 0,
		reserved && reserved->memory ? reserved->memory : s->service->mem_reservation);
	add_gpus(s, container, "gpus", s->service->gpus);
	if (reserved)
		add_gpus(s, container, "deploy.resources.reservations.devices", reserved->devices);
	if (limits && limits->pids)
		kube_warn_service(
			s, "deploy.resources.limits.pids", "how many processes a pod may have is the kubelet's limit");
	if (reserved && reserved->generic_resources)
		kube_warn_service(s, "deploy.resources.reservations.generic_resources", "has no counterpart");
}

void kube_add_container(struct kube_service *s, struct hoy_node *containers)
{
	struct hoy_node *container = kube_map(s->kube, containers, NULL);

	if (!container)
		return;
	s->container = container;
	kube_text(s->kube, container, "name", s->name);
	add_image(s, container);
	add_words(s, container);
	add_environment(s, container, s->service->environment);
	add_ports(s, container);
	add_probe(s, container);
	add_hook(s, container, "postStart", "post_start", s->service->post_start);
	add_hook(s, container, "preStop", "pre_stop", s->service->pre_stop);
	add_resources(s, container);
	if (s->mounts->len)
		hoy_node_set(container, "volumeMounts", s->mounts);
}

/* --- the pod ----------------------------------------------------------------- */

static void add_hosts(struct kube_service *s)
{
	for (char **host = s->service->extra_hosts; host && *host; host++) {
		const char *address = strchr(*host, '=');
		struct hoy_node *alias;
		auto_free char *name = address ? strndup(*host, (size_t) (address - *host)) : NULL;

		if (!name || strcmp(address + 1, "host-gateway") == 0) {
			kube_warn_service(s, "extra_hosts", "%s has no counterpart", *host);
			continue;
		}
		alias = kube_map(s->kube, kube_have(s->kube, s->pod, "hostAliases", HOY_NODE_LIST), NULL);
		kube_text(s->kube, alias, "ip", address + 1);
		kube_text(s->kube, kube_list(s->kube, alias, "hostnames"), NULL, name);
	}
}

static void add_texts(struct kube *k, struct hoy_node *map, const char *key, char *const *texts)
{
	struct hoy_node *list = texts && *texts ? kube_list(k, map, key) : NULL;

	for (; list && *texts; texts++)
		kube_text(k, list, NULL, *texts);
}

static void add_dns(struct kube_service *s)
{
	const struct hoy_compose_service *service = s->service;
	struct hoy_node *config, *options = NULL;

	if (!service->dns && !service->dns_search && !service->dns_opt)
		return;
	config = kube_map(s->kube, s->pod, "dnsConfig");
	add_texts(s->kube, config, "nameservers", service->dns);
	add_texts(s->kube, config, "searches", service->dns_search);
	for (char **option = service->dns_opt; option && *option; option++) {
		const char *colon = strchr(*option, ':');
		struct hoy_node *one;

		if (!options)
			options = kube_list(s->kube, config, "options");
		one = kube_map(s->kube, options, NULL);
		kube_textf(s->kube, one, "name", "%.*s", (int) strcspn(*option, ":"), *option);
		kube_text(s->kube, one, "value", colon ? colon + 1 : NULL);
	}
}

/* pre_start: containers that end before the service's begins. */
static void add_init(struct kube_service *s)
{
	size_t n = 0;

	hoy_compose_each(struct hoy_compose_hook, hook, s->service->pre_start)
	{
		struct hoy_node *init = kube_map(
					s->kube, kube_have(s->kube, s->pod, "initContainers", HOY_NODE_LIST), NULL),
				*mounts;

		kube_textf(s->kube, init, "name", "pre-start-%zu", ++n);
		kube_text(s->kube, init, "image", hook->image ? hook->image : hoy_node_text(s->container, "image"));
		kube_words(s->kube, init, "command", hook->command);
		kube_text(s->kube, init, "workingDir", hook->working_dir);
		add_environment(s, init, hook->environment);
		mounts = hoy_node_copy(&s->kube->arena, s->mounts);
		s->kube->failed = s->kube->failed || !mounts;
		if (init && mounts && mounts->len)
			hoy_node_set(init, "volumeMounts", mounts);
		if (hook->privileged)
			kube_bool(s->kube, kube_map(s->kube, init, "securityContext"), "privileged", true);
		if (hook->user)
			kube_warn_service(s, "pre_start.user", "has no counterpart here");
		if (!hook->per_replica)
			kube_warn_service(
				s, "pre_start.per_replica", "it runs before each pod, not once for the service");
	}
}

/* "linux/arm64" */
static void add_platform(struct kube_service *s)
{
	const char *slash = s->service->platform ? strchr(s->service->platform, '/') : NULL;
	struct hoy_node *selector;

	if (!s->service->platform)
		return;
	selector = kube_have(s->kube, s->pod, "nodeSelector", HOY_NODE_MAP);
	kube_textf(s->kube, selector, "kubernetes.io/os", "%.*s", (int) strcspn(s->service->platform, "/"),
		s->service->platform);
	if (slash)
		kube_textf(s->kube, selector, "kubernetes.io/arch", "%.*s", (int) strcspn(slash + 1, "/"), slash + 1);
}

/* What a pod's environment and files would tell it of the cluster stays out: with compose there is nothing of it. */
void kube_add_pod(struct kube_service *s)
{
	const char *runtime = s->service->runtime ? s->service->runtime : s->kube->options->runtime_class;

	if (*runtime)
		kube_text(s->kube, s->pod, "runtimeClassName", runtime);
	kube_bool(s->kube, s->pod, "automountServiceAccountToken", false);
	kube_bool(s->kube, s->pod, "enableServiceLinks", false);
	kube_text(s->kube, s->pod, "hostname", s->service->hostname);
	if (s->service->stop_grace_period)
		kube_number(s->kube, s->pod, "terminationGracePeriodSeconds",
			(*s->service->stop_grace_period + SECOND - 1) / SECOND);
	add_hosts(s);
	add_dns(s);
	add_platform(s);
	add_init(s);
	if (s->volumes->len)
		hoy_node_set(s->pod, "volumes", s->volumes);
}
