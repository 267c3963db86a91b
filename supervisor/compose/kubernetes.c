/* A project as objects of Kubernetes: the whole, its names and warnings. */
#include "supervisor/compose/kubernetes.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/emit.h"
#include "supervisor/compose/kubernetes_internal.h"

#define LABEL_MAX 63 /* RFC 1123 */

/* --- nodes ------------------------------------------------------------------- */

static struct hoy_node *add(struct kube *k, struct hoy_node *parent, const char *key, enum hoy_node_type type)
{
	struct hoy_node *node = parent ? hoy_node_new(&k->arena, type, NULL) : NULL;

	if (!node)
		k->failed = true;
	else if (parent->type == HOY_NODE_LIST)
		hoy_node_add(parent, node);
	else
		hoy_node_set(parent, key, node);
	return node;
}

struct hoy_node *kube_map(struct kube *k, struct hoy_node *parent, const char *key)
{
	return add(k, parent, key, HOY_NODE_MAP);
}

struct hoy_node *kube_list(struct kube *k, struct hoy_node *parent, const char *key)
{
	return add(k, parent, key, HOY_NODE_LIST);
}

/* `text` is in the arena; NULL: out of memory. */
static void add_scalar(
	struct kube *k, struct hoy_node *parent, const char *key, enum hoy_node_type type, const char *text)
{
	struct hoy_node *node = add(k, parent, key, type);

	if (!text)
		k->failed = true;
	if (node)
		node->text = text ? text : "";
}

void kube_text(struct kube *k, struct hoy_node *parent, const char *key, const char *text)
{
	if (text)
		add_scalar(k, parent, key, HOY_NODE_STRING, hoy_arena_strdup(&k->arena, text));
}

void kube_textf(struct kube *k, struct hoy_node *parent, const char *key, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	add_scalar(k, parent, key, HOY_NODE_STRING, text ? hoy_arena_strdup(&k->arena, text) : NULL);
}

void kube_number(struct kube *k, struct hoy_node *parent, const char *key, int64_t number)
{
	add_scalar(k, parent, key, HOY_NODE_INT, hoy_arena_printf(&k->arena, "%" PRId64, number));
}

void kube_bool(struct kube *k, struct hoy_node *parent, const char *key, bool value)
{
	add_scalar(k, parent, key, HOY_NODE_BOOL, value ? "true" : "false");
}

struct hoy_node *kube_have(struct kube *k, struct hoy_node *map, const char *key, enum hoy_node_type type)
{
	struct hoy_node *there = hoy_node_get(map, key);

	return there ? there : add(k, map, key, type);
}

/* --- names and warnings ------------------------------------------------------ */

void kube_warn(struct kube *k, const char *section, const char *name, const char *key, const char *fmt, ...)
{
	auto_free char *text = NULL;
	va_list args;

	va_start(args, fmt);
	if (vasprintf(&text, fmt, args) < 0)
		text = NULL;
	va_end(args);
	if (!text || hoy_strv_addf(&k->warnings, "%s.%s%s%s: %s", section, name, *key ? "." : "", key, text) < 0)
		k->failed = true;
}

const char *kube_name(struct kube *k, const char *name)
{
	char *label = hoy_arena_strdup(&k->arena, name);
	size_t len = 0;

	if (!label) {
		k->failed = true;
		return "";
	}
	for (const char *c = name; *c && len < LABEL_MAX; c++) {
		bool fits = isalnum((unsigned char) *c);

		if (fits || len)
			label[len++] = fits ? (char) tolower((unsigned char) *c) : '-';
	}
	while (len && label[len - 1] == '-')
		len--;
	label[len] = '\0';
	return label;
}

static void add_labels(struct kube *k, struct hoy_node *metadata, const struct kube_service *service)
{
	struct hoy_node *labels = kube_map(k, metadata, "labels");

	if (service)
		kube_text(k, labels, "app.kubernetes.io/name", service->name);
	kube_text(k, labels, "app.kubernetes.io/part-of", k->project->name);
}

void kube_selector(const struct kube_service *s, struct hoy_node *parent, const char *key)
{
	struct hoy_node *labels = kube_map(s->kube, parent, key);

	kube_text(s->kube, labels, "app.kubernetes.io/name", s->name);
	kube_text(s->kube, labels, "app.kubernetes.io/part-of", s->kube->project->name);
}

struct hoy_node *kube_object(
	struct kube *k, const char *api, const char *kind, const char *name, const struct kube_service *service)
{
	struct hoy_node *object = kube_map(k, k->objects, NULL), *metadata;

	kube_text(k, object, "apiVersion", api);
	kube_text(k, object, "kind", kind);
	metadata = kube_map(k, object, "metadata");
	kube_text(k, metadata, "name", name);
	add_labels(k, metadata, service);
	return object;
}

/* --- what has no place in a cluster ------------------------------------------ */

/* Keys of a service that are written, or that say nothing of what runs; the code that writes them warns of parts. */
static const char *const carried[] = { "annotations", "build", "cap_add", "cap_drop", "command", "configs",
	"container_name", "cpus", "depends_on", "deploy", "dns", "dns_opt", "dns_search", "entrypoint", "env_file",
	"environment", "expose", "extends", "extra_hosts", "gpus", "group_add", "healthcheck", "hostname", "image",
	"ipc", "label_file", "labels", "mem_limit", "mem_reservation", "network_mode", "networks", "pid", "platform",
	"ports", "post_start", "pre_start", "pre_stop", "privileged", "profiles", "pull_policy", "read_only", "restart",
	"runtime", "scale", "secrets", "security_opt", "shm_size", "stdin_open", "stop_grace_period", "sysctls",
	"tmpfs", "tty", "user", "userns_mode", "volumes", "working_dir", NULL };

static const struct {
	const char *key, *why;
} reasons[] = {
	{ "attach", "whose output is shown is kubectl's choice" },
	{ "cpuset", "which CPUs a pod runs on is the kubelet's choice" },
	{ "develop", "sources are not watched" },
	{ "devices", "a device needs a device plugin of the cluster" },
	{ "init", "a pod's first process is the image's own" },
	{ "logging", "logs are the node's and the cluster's concern" },
	{ "memswap_limit", "swap is the node's concern" },
	{ "stop_signal", "the pod gets the image's signal" },
	{ "ulimits", "limits of processes are those of the node's container engine" },
};

static void warn_of_keys(struct kube_service *s)
{
	hoy_node_each(member, s->service->node)
	{
		const char *why = "has no counterpart";

		if (hoy_strv_has((char *const *) carried, member->key) || hoy_str_starts(member->key, "x-"))
			continue;
		for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
			if (strcmp(reasons[i].key, member->key) == 0)
				why = reasons[i].why;
		kube_warn_service(s, member->key, "%s", why);
	}
	if (!s->service->depends_on)
		return;
	kube_warn_service(s, "depends_on", "all pods start at once; what needs another waits for it by itself");
}

/* All pods of a cluster reach each other. */
static void warn_of_networks(struct kube *k)
{
	hoy_compose_each(struct hoy_compose_network, n, k->project->networks)
	{
		if (strcmp(n->name, "default") != 0 || n->internal || n->external)
			kube_warn(k, "networks", n->name, "",
				"all pods reach each other; write a NetworkPolicy to keep them apart");
	}
}

/* --- the whole --------------------------------------------------------------- */

/* Two names that become one would overwrite each other's objects. */
static int check_names(struct kube *k, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_service, s, k->project->services)
	{
		const char *name = kube_name(k, s->name);

		if (!isalpha((unsigned char) *name))
			return hoy_err_invalid(err,
				"services.%s: a name in Kubernetes begins with a letter: call the service otherwise",
				s->name);
		hoy_compose_each(struct hoy_compose_service, other, k->project->services)
		{
			if (other != s && strcmp(kube_name(k, other->name), name) == 0)
				return hoy_err_invalid(err, "services.%s and services.%s would both be named %s",
					s->name, other->name, name);
		}
		if (strcmp(name, s->name) != 0)
			kube_warn(k, "services", s->name, "", "is named %s: other pods reach it by that", name);
	}
	return 0;
}

static int add_service(struct kube *k, const struct hoy_compose_service *service, struct hoy_err *err)
{
	struct kube_service s = {
		.kube = k, .service = service, .name = kube_name(k, service->name), .kind = kube_kind_of(k, service)
	};
	int r;

	warn_of_keys(&s);
	kube_add_service_objects(&s);
	s.pod = hoy_node_new(&k->arena, HOY_NODE_MAP, NULL);
	r = kube_add_volumes(&s, err);
	if (r < 0)
		return r;
	kube_add_workload(&s);
	return 0;
}

static int convert(struct kube *k, struct hoy_err *err)
{
	int r = check_names(k, err);

	warn_of_networks(k);
	if (r == 0)
		r = kube_add_files(k, err);
	if (r == 0)
		kube_add_claims(k);
	hoy_compose_each(struct hoy_compose_service, s, k->project->services)
	{
		if (r == 0)
			r = add_service(k, s, err);
	}
	return r == 0 && k->failed ? hoy_err_oom(err) : r;
}

/* "1Gi", "0.5T": a quantity as resources have them, more than nothing. */
static bool is_quantity(const char *text)
{
	size_t whole = strspn(text, "0123456789"), part = 0;
	const char *unit = text + whole;

	if (whole && *unit == '.') {
		part = strspn(unit + 1, "0123456789");
		unit += 1 + part;
		whole = part ? whole : 0;
	}
	if (!whole || strspn(text, "0.") == (size_t) (unit - text))
		return false;
	return !*unit || hoy_str_eq(unit, "k") ||
	       (strchr("KMGTPE", *unit) && (unit[1] ? hoy_str_eq(unit + 1, "i") : *unit != 'K'));
}

/* A name of an object: lower-case letters, digits, '-' and '.', the first and the last no punctuation. */
static bool is_object_name(const char *text)
{
	size_t len = strlen(text);

	return len > 0 && len <= 253 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == len &&
	       !strchr("-.", text[0]) && !strchr("-.", text[len - 1]);
}

static int check_options(const struct hoy_kubernetes_options *options, struct hoy_err *err)
{
	if (!is_quantity(options->volume_size))
		return hoy_err_invalid(
			err, "--volume-size: '%s' is no size of Kubernetes, as \"1Gi\"", options->volume_size);
	if (*options->runtime_class && !is_object_name(options->runtime_class))
		return hoy_err_invalid(err,
			"--runtime-class: '%s' is no name of a RuntimeClass: lower-case letters, digits, '-' and '.'",
			options->runtime_class);
	return 0;
}

int hoy_compose_kubernetes(const struct hoy_compose_project *project, const struct hoy_kubernetes_options *options,
	struct hoy_buf *ret_text, char ***ret_warnings, struct hoy_err *err)
{
	struct kube k = { .project = project, .options = options };
	int r = check_options(options, err);

	if (r < 0)
		return r;
	k.objects = hoy_node_new(&k.arena, HOY_NODE_LIST, NULL);
	r = k.objects ? convert(&k, err) : hoy_err_oom(err);
	for (struct hoy_node *object = k.objects ? k.objects->first : NULL; r == 0 && object; object = object->next) {
		if (object != k.objects->first)
			(void) hoy_buf_adds(ret_text, "---\n");
		hoy_emit_yaml(object, ret_text);
	}
	if (r == 0)
		r = hoy_buf_check(ret_text, "the objects", err);
	if (r == 0)
		*ret_warnings = TAKE_PTR(k.warnings);
	hoy_strv_free(k.warnings);
	hoy_arena_done(&k.arena);
	return r;
}
