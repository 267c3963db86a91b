/* What callers ask of a loaded project. */
#include "supervisor/compose/project.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

void hoy_compose_project_free(struct hoy_compose_project *project)
{
	if (!project)
		return;
	hoy_arena_done(&project->arena);
	free(project);
}

struct hoy_compose_service *hoy_compose_service_find(const struct hoy_compose_project *project, const char *name)
{
	hoy_compose_each(struct hoy_compose_service, service,
		project->services) if (!strcmp(service->name, name)) return service;
	return NULL;
}

struct hoy_compose_network *hoy_compose_network_find(const struct hoy_compose_project *project, const char *key)
{
	hoy_compose_each(
		struct hoy_compose_network, network, project->networks) if (!strcmp(network->name, key)) return network;
	return NULL;
}

struct hoy_compose_volume *hoy_compose_volume_find(const struct hoy_compose_project *project, const char *key)
{
	hoy_compose_each(
		struct hoy_compose_volume, volume, project->volumes) if (!strcmp(volume->name, key)) return volume;
	return NULL;
}

static struct hoy_compose_file_object *find_object(struct hoy_compose_file_object **list, const char *key)
{
	hoy_compose_each(struct hoy_compose_file_object, object, list) if (!strcmp(object->name, key)) return object;
	return NULL;
}

struct hoy_compose_file_object *hoy_compose_secret_find(const struct hoy_compose_project *project, const char *key)
{
	return find_object(project->secrets, key);
}

struct hoy_compose_file_object *hoy_compose_config_find(const struct hoy_compose_project *project, const char *key)
{
	return find_object(project->configs, key);
}

const char *hoy_compose_getenv(const struct hoy_compose_project *project, const char *name)
{
	return project->environment ? hoy_env_get(project->environment, name) : NULL;
}

const char *hoy_compose_pair_get(const struct hoy_compose_pair *pairs, const char *key)
{
	for (; pairs && pairs->key; pairs++)
		if (!strcmp(pairs->key, key))
			return pairs->value;
	return NULL;
}

int64_t hoy_compose_replicas(const struct hoy_compose_service *service)
{
	if (service->scale)
		return *service->scale;
	return service->deploy && service->deploy->replicas ? *service->deploy->replicas : 1;
}

int hoy_compose_load(const struct hoy_compose_options *options, struct hoy_compose_project **ret, struct hoy_err *err)
{
	(void) options;
	(void) ret;
	return hoy_err_unsupported(err, "compose files are not read yet");
}

int hoy_compose_find_name(
	const struct hoy_compose_options *options, char **ret_name, char **ret_dir, struct hoy_err *err)
{
	(void) options;
	(void) ret_name;
	(void) ret_dir;
	return hoy_err_unsupported(err, "compose files are not read yet");
}

int hoy_compose_select(struct hoy_compose_project *project, char *const *names, bool no_deps, struct hoy_err *err)
{
	(void) project;
	(void) names;
	(void) no_deps;
	return hoy_err_unsupported(err, "compose files are not read yet");
}

int hoy_compose_service_hash(
	const struct hoy_compose_service *service, char ret[HOY_COMPOSE_HASH_SIZE], struct hoy_err *err)
{
	(void) service;
	(void) ret;
	return hoy_err_unsupported(err, "compose files are not read yet");
}

int hoy_compose_print_service_json(const struct hoy_compose_service *service, struct hoy_buf *out)
{
	(void) service;
	(void) out;
	return hoy_err_unsupported(NULL, "compose files are not read yet");
}

int hoy_compose_print_yaml(const struct hoy_compose_project *project, struct hoy_buf *out)
{
	(void) project;
	(void) out;
	return hoy_err_unsupported(NULL, "compose files are not read yet");
}

int hoy_compose_print_json(const struct hoy_compose_project *project, struct hoy_buf *out)
{
	return hoy_compose_print_yaml(project, out);
}
