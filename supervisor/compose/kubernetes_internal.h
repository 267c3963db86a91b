/* Shared by the files that write Kubernetes' objects. */
#ifndef HOY_COMPOSE_KUBERNETES_INTERNAL_H
#define HOY_COMPOSE_KUBERNETES_INTERNAL_H

#include "supervisor/compose/kubernetes.h"

enum kube_kind { KUBE_DEPLOYMENT, KUBE_STATEFUL_SET, KUBE_DAEMON_SET, KUBE_JOB };

/* One conversion. Nodes lie in its arena; running out of memory is remembered, and told at the end. */
struct kube {
	const struct hoy_compose_project *project;
	const struct hoy_kubernetes_options *options;
	struct hoy_arena arena;
	struct hoy_node *objects; /* a list, in the order in which they are applied */
	char **warnings;
	bool failed;
};

/* A service and the pod that it becomes. */
struct kube_service {
	struct kube *kube;
	const struct hoy_compose_service *service;
	const char *name; /* of the workload and its Service */
	enum kube_kind kind;
	struct hoy_node *pod, *container, *volumes, *mounts; /* spec of the pod, and within it */
	struct hoy_node *workload;                           /* spec of the workload */
};

/* Members of a map, or with a NULL key items of a list. Return the new node, NULL when out of memory; a NULL parent
 * does nothing. Texts are copied, keys must outlive the tree. */
struct hoy_node *kube_map(struct kube *k, struct hoy_node *parent, const char *key);
struct hoy_node *kube_list(struct kube *k, struct hoy_node *parent, const char *key);
void kube_text(struct kube *k, struct hoy_node *parent, const char *key, const char *text); /* NULL: nothing */
void kube_textf(struct kube *k, struct hoy_node *parent, const char *key, const char *fmt, ...) HOY_PRINTF(4, 5);
void kube_number(struct kube *k, struct hoy_node *parent, const char *key, int64_t number);
void kube_bool(struct kube *k, struct hoy_node *parent, const char *key, bool value);
/* The member, made as an empty map or list when it isn't there yet. */
struct hoy_node *kube_have(struct kube *k, struct hoy_node *map, const char *key, enum hoy_node_type type);

/* "section.name.key: text" */
void kube_warn(struct kube *k, const char *section, const char *name, const char *key, const char *fmt, ...)
	HOY_PRINTF(5, 6);
#define kube_warn_service(s, key, ...) kube_warn((s)->kube, "services", (s)->service->name, key, __VA_ARGS__)

/* "TCP" of "tcp" and of NULL: the three that there are, in any case; NULL: another. */
const char *kube_protocol(const char *text);

/* The ports of one list, by number and protocol: a range has tens of thousands, too many to look through. */
struct kube_ports {
	struct hoy_node *at[3][65536];
};
/* Where the list's node for a port is kept; NULL: there is no such number, or `ports` is NULL for lack of memory. */
struct hoy_node **kube_port_at(struct kube_ports *ports, int64_t number, const char *protocol);

/* As a DNS label (RFC 1123): lower case, digits and '-'. In the arena. */
const char *kube_name(struct kube *k, const char *name);
/* A new object with its labels at the end of the objects; `service` NULL: the project's own. */
struct hoy_node *kube_object(
	struct kube *k, const char *api, const char *kind, const char *name, const struct kube_service *service);
/* The labels by which a service's pods are found, as member `key`. */
void kube_selector(const struct kube_service *s, struct hoy_node *parent, const char *key);

/* kubernetes_volumes.c: a volume that only this service mounts is each replica's own claim. */
bool kube_volume_is_own(const struct kube *k, const struct hoy_compose_service *service, const char *volume);
int kube_add_volumes(struct kube_service *s, struct hoy_err *err);
void kube_add_claim_templates(struct kube_service *s);
void kube_add_claims(struct kube *k);
int kube_add_files(struct kube *k, struct hoy_err *err); /* ConfigMaps and Secrets */

/* kubernetes_pod.c, kubernetes_security.c */
void kube_add_container(struct kube_service *s, struct hoy_node *containers);
void kube_add_pod(struct kube_service *s);
void kube_add_security(struct kube_service *s);
/* Kubernetes replaces $(NAME) in words and environment; this text is taken as it is. In the arena. */
const char *kube_verbatim(struct kube *k, const char *text);
void kube_words(struct kube *k, struct hoy_node *parent, const char *key, char *const *words);

/* kubernetes_workload.c */
enum kube_kind kube_kind_of(struct kube *k, const struct hoy_compose_service *service);
void kube_add_workload(struct kube_service *s);
void kube_add_service_objects(struct kube_service *s);

#endif
