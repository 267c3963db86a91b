/*
 * A project as objects of Kubernetes: Deployments, StatefulSets, DaemonSets and Jobs, Services, volume claims,
 * ConfigMaps and Secrets. Pure but for reading the files of configs, secrets and mounted files; no cluster is asked.
 */
#ifndef HOY_COMPOSE_KUBERNETES_H
#define HOY_COMPOSE_KUBERNETES_H

#include "supervisor/compose/project.h"

struct hoy_kubernetes_options {
	const char *runtime_class; /* of all pods; "": the cluster's own */
	const char *volume_size;   /* that claims ask for: "1Gi" */
};

/* The active services and what they use, one YAML document an object. What can't be carried over is left out; each
 * gets a line in ret_warnings that names its key ("services.web.cpuset: ..."). Caller frees both. */
int hoy_compose_kubernetes(const struct hoy_compose_project *project, const struct hoy_kubernetes_options *options,
	struct hoy_buf *ret_text, char ***ret_warnings, struct hoy_err *err);

#endif
