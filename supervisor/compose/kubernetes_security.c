/* Rights of a container and namespaces of its pod. */
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/kubernetes_internal.h"

/* "CAP_NET_ADMIN" and "net_admin" are NET_ADMIN to Kubernetes. */
static void add_capabilities(struct kube_service *s, struct hoy_node *context, const char *key, char *const *caps)
{
	struct hoy_node *list;

	if (!caps || !*caps)
		return;
	list = kube_list(s->kube, kube_have(s->kube, context, "capabilities", HOY_NODE_MAP), key);
	for (; *caps; caps++) {
		auto_free char *name = strdup(strncasecmp(*caps, "CAP_", 4) == 0 ? *caps + 4 : *caps);

		for (char *c = name; c && *c; c++)
			*c = (char) (*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c);
		s->kube->failed = s->kube->failed || !name;
		kube_text(s->kube, list, NULL, name);
	}
}

static void add_id(struct kube_service *s, struct hoy_node *context, const char *key, const char *text)
{
	uint64_t id;

	if (hoy_str_to_u64(text, &id) == 0)
		kube_number(s->kube, context, key, (int64_t) id);
	else
		kube_warn_service(s, "user", "\"%s\" is a name of the image: Kubernetes takes numbers", text);
}

static void add_user(struct kube_service *s, struct hoy_node *context)
{
	const char *user = s->service->user, *colon = user ? strchr(user, ':') : NULL;
	auto_free char *name = user ? strndup(user, strcspn(user, ":")) : NULL;

	if (name && *name)
		add_id(s, context, "runAsUser", name);
	if (colon)
		add_id(s, context, "runAsGroup", colon + 1);
}

/* "seccomp=unconfined"; also with ':' between. */
static const char *option_value(const char *option, const char *name)
{
	size_t len = strlen(name);

	return strncmp(option, name, len) == 0 && (option[len] == '=' || option[len] == ':') ? option + len + 1 : NULL;
}

static void add_profile(
	struct kube_service *s, struct hoy_node *context, const char *key, const char *value, bool local)
{
	struct hoy_node *profile;

	if (strcmp(value, "unconfined") != 0 && !local) {
		kube_warn_service(s, "security_opt", "the profile %s must be on the nodes", value);
		return;
	}
	profile = kube_map(s->kube, context, key);
	kube_text(s->kube, profile, "type", strcmp(value, "unconfined") == 0 ? "Unconfined" : "Localhost");
	if (strcmp(value, "unconfined") != 0)
		kube_text(s->kube, profile, "localhostProfile", value);
}

/* "type:svirt_t", "level:s0:c1" */
static bool add_selinux(struct kube_service *s, struct hoy_node *context, const char *value)
{
	static const char *const keys[] = { "user", "role", "type", "level" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const char *label = option_value(value, keys[i]);

		if (!label)
			continue;
		kube_text(s->kube, kube_have(s->kube, context, "seLinuxOptions", HOY_NODE_MAP), keys[i], label);
		return true;
	}
	return false;
}

static void add_option(struct kube_service *s, struct hoy_node *context, const char *option)
{
	const char *value = option_value(option, "seccomp");

	if (strcmp(option, "no-new-privileges") == 0 || strcmp(option, "no-new-privileges:true") == 0 ||
		strcmp(option, "no-new-privileges=true") == 0)
		kube_bool(s->kube, context, "allowPrivilegeEscalation", false);
	else if (value)
		add_profile(s, context, "seccompProfile", value, /* local= */ false);
	else if ((value = option_value(option, "apparmor")))
		add_profile(s, context, "appArmorProfile", value, /* local= */ true);
	else if (strcmp(option, "systempaths=unconfined") == 0)
		kube_text(s->kube, context, "procMount", "Unmasked");
	else if (!(value = option_value(option, "label")) || !add_selinux(s, context, value))
		kube_warn_service(s, "security_opt", "%s has no counterpart", option);
}

static void add_to_container(struct kube_service *s)
{
	const struct hoy_compose_service *service = s->service;
	struct hoy_node *context = hoy_node_new(&s->kube->arena, HOY_NODE_MAP, NULL);

	if (!context || !s->container) {
		s->kube->failed = true;
		return;
	}
	if (service->privileged)
		kube_bool(s->kube, context, "privileged", true);
	if (service->read_only)
		kube_bool(s->kube, context, "readOnlyRootFilesystem", true);
	add_user(s, context);
	add_capabilities(s, context, "add", service->cap_add);
	add_capabilities(s, context, "drop", service->cap_drop);
	for (char **option = service->security_opt; option && *option; option++)
		add_option(s, context, *option);
	if (context->len)
		hoy_node_set(s->container, "securityContext", context);
}

static void add_groups(struct kube_service *s, struct hoy_node *context)
{
	for (char **group = s->service->group_add; group && *group; group++) {
		uint64_t id;

		if (hoy_str_to_u64(*group, &id) == 0)
			kube_number(s->kube, kube_have(s->kube, context, "supplementalGroups", HOY_NODE_LIST), NULL,
				(int64_t) id);
		else
			kube_warn_service(
				s, "group_add", "\"%s\" is a name of the image: Kubernetes takes numbers", *group);
	}
}

static void add_namespace(struct kube_service *s, const char *key, const char *mode, const char *member)
{
	if (!mode || strcmp(mode, "private") == 0 || strcmp(mode, "shareable") == 0)
		return;
	if (strcmp(mode, "host") == 0)
		kube_bool(s->kube, s->pod, member, true);
	else
		kube_warn_service(s, key, "%s has no counterpart", mode);
}

static void add_network_mode(struct kube_service *s)
{
	const char *mode = s->service->network_mode;

	if (!mode || strcmp(mode, "bridge") == 0)
		return;
	add_namespace(s, "network_mode", mode, "hostNetwork");
	if (strcmp(mode, "host") == 0) /* else names of the cluster are unknown there */
		kube_text(s->kube, s->pod, "dnsPolicy", "ClusterFirstWithHostNet");
}

void kube_add_security(struct kube_service *s)
{
	const struct hoy_compose_service *service = s->service;
	struct hoy_node *context = hoy_node_new(&s->kube->arena, HOY_NODE_MAP, NULL);

	add_to_container(s);
	if (!context) {
		s->kube->failed = true;
		return;
	}
	add_groups(s, context);
	for (const struct hoy_compose_pair *p = service->sysctls; p && p->key; p++) {
		struct hoy_node *sysctl = kube_map(
			s->kube, kube_have(s->kube, context, "sysctls", HOY_NODE_LIST), NULL);

		kube_text(s->kube, sysctl, "name", p->key);
		kube_text(s->kube, sysctl, "value", p->value ? p->value : "");
	}
	if (context->len)
		hoy_node_set(s->pod, "securityContext", context);
	add_network_mode(s);
	add_namespace(s, "pid", service->pid, "hostPID");
	add_namespace(s, "ipc", service->ipc, "hostIPC");
	if (service->userns_mode && strcmp(service->userns_mode, "host") != 0)
		kube_warn_service(s, "userns_mode", "%s has no counterpart", service->userns_mode);
}
