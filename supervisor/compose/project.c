/* What callers ask of a loaded project. */
#include "supervisor/compose/project.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
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

int hoy_compose_read_object(const struct hoy_compose_project *project, const struct hoy_compose_file_object *object,
	const char *what, struct hoy_buf *out, struct hoy_err *err)
{
	const char *text = object->content;

	if (object->file)
		return hoy_file_read(AT_FDCWD, object->file, out, err);
	if (object->environment) {
		text = hoy_compose_getenv(project, object->environment);
		if (!text)
			return hoy_err_invalid(err, "environment variable \"%s\" required by %s \"%s\" is not set",
				object->environment, what, object->name);
	}
	(void) hoy_buf_adds(out, text ? text : "");
	return hoy_buf_check(out, what, err);
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

/* --- Selection -------------------------------------------------------------------------------- */

static struct hoy_compose_service *find_in(struct hoy_compose_service **list, const char *name)
{
	hoy_compose_each(struct hoy_compose_service, service, list) if (!strcmp(service->name, name)) return service;
	return NULL;
}

static size_t count_services(struct hoy_compose_service **list)
{
	size_t n = 0;

	hoy_compose_each(struct hoy_compose_service, service, list) n += service != NULL;
	return n;
}

static int by_name(const void *a, const void *b)
{
	const struct hoy_compose_service *const *left = a, *const *right = b;

	return strcmp((*left)->name, (*right)->name);
}

static bool has_profile_of(const struct hoy_compose_service *service, const struct hoy_compose_service *other)
{
	for (char **profile = other->profiles; profile && *profile; profile++)
		if (service->profiles && hoy_strv_has(service->profiles, *profile))
			return true;
	return false;
}

/* Who is named is active, and with it what shares a profile with it. */
static int enable(struct hoy_compose_project *project, char *const *names, struct hoy_err *err)
{
	size_t n = count_services(project->services), room = n + count_services(project->disabled) + 1, left = 0;
	struct hoy_compose_service **services = hoy_arena_alloc(&project->arena, room * sizeof *services);

	if (!services)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++)
		services[i] = project->services[i];
	for (size_t i = 0; project->disabled && project->disabled[i]; i++) {
		struct hoy_compose_service *service = project->disabled[i];
		bool wanted = hoy_strv_has(names, service->name);

		for (char *const *name = names; *name && !wanted; name++) {
			const struct hoy_compose_service *named = find_in(project->disabled + i, *name);

			wanted = named && has_profile_of(service, named);
		}
		if (wanted)
			services[n++] = service;
		else
			project->disabled[left++] = service;
	}
	if (project->disabled)
		project->disabled[left] = NULL;
	qsort(services, n, sizeof(struct hoy_compose_service *), by_name);
	project->services = services;
	project->n_services = n;
	return 0;
}

/* `service` and what it depends on, each once. */
static int want(const struct hoy_compose_project *project, struct hoy_compose_service *service, bool no_deps,
	struct hoy_compose_service **wanted, struct hoy_err *err)
{
	size_t n = count_services(wanted);

	if (find_in(wanted, service->name))
		return 0;
	wanted[n] = service;
	hoy_compose_each(struct hoy_compose_dependency, dependency, no_deps ? NULL : service->depends_on)
	{
		struct hoy_compose_service *other = hoy_compose_service_find(project, dependency->name);
		int r = 0;

		if (other)
			r = want(project, other, no_deps, wanted, err);
		else if (dependency->required)
			r = hoy_node_invalid(dependency->node, err,
				"service \"%s\" depends on undefined service \"%s\"", service->name, dependency->name);
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_compose_select(struct hoy_compose_project *project, char *const *names, bool no_deps, struct hoy_err *err)
{
	struct hoy_compose_service **wanted;
	int r;

	if (!names || !*names)
		return 0;
	for (char *const *name = names; *name; name++)
		if (!hoy_compose_service_find(project, *name) && !find_in(project->disabled, *name))
			return hoy_err_not_found(err, "no such service: %s", *name);
	r = enable(project, names, err);
	if (r < 0)
		return r;
	wanted = hoy_arena_alloc(&project->arena, (project->n_services + 1) * sizeof *wanted);
	if (!wanted)
		return hoy_err_oom(err);
	for (char *const *name = names; *name; name++) {
		r = want(project, hoy_compose_service_find(project, *name), no_deps, wanted, err);
		if (r < 0)
			return r;
	}
	project->n_services = count_services(wanted);
	qsort(wanted, project->n_services, sizeof(struct hoy_compose_service *), by_name);
	project->services = wanted;
	return 0;
}

static bool mounts_use(struct hoy_compose_mount **mounts, const char *name)
{
	hoy_compose_each(
		struct hoy_compose_mount, mount, mounts) if (mount->source && !strcmp(mount->source, name)) return true;
	return false;
}

static bool uses_network(const struct hoy_compose_service *service, const char *name)
{
	hoy_compose_each(struct hoy_compose_service_network, network,
		service->networks) if (!strcmp(network->name, name)) return true;
	return false;
}

static bool uses_volume(const struct hoy_compose_service *service, const char *name)
{
	hoy_compose_each(struct hoy_compose_service_volume, volume,
		service->volumes) if (volume->type && !strcmp(volume->type, "volume") && volume->source &&
				      !strcmp(volume->source, name)) return true;
	return false;
}

static bool uses_secret(const struct hoy_compose_service *service, const char *name)
{
	return mounts_use(service->secrets, name) || (service->build && mounts_use(service->build->secrets, name));
}

static bool uses_config(const struct hoy_compose_service *service, const char *name)
{
	return mounts_use(service->configs, name);
}

static bool uses_model(const struct hoy_compose_service *service, const char *name)
{
	hoy_compose_each(
		struct hoy_compose_service_model, model, service->models) if (!strcmp(model->name, name)) return true;
	return false;
}

/* Objects begin with their name. */
static void keep_used(const struct hoy_compose_project *project, void *list,
	bool (*uses)(const struct hoy_compose_service *service, const char *name))
{
	struct {
		const char *name;
	} **items = list;
	size_t left = 0;

	for (size_t i = 0; items && items[i]; i++) {
		bool used = false;

		hoy_compose_each(struct hoy_compose_service, service, project->services)
			used = used || uses(service, items[i]->name);
		if (used)
			items[left++] = items[i];
	}
	if (items)
		items[left] = NULL;
}

void hoy_compose_prune(struct hoy_compose_project *project)
{
	keep_used(project, project->networks, uses_network);
	keep_used(project, project->volumes, uses_volume);
	keep_used(project, project->secrets, uses_secret);
	keep_used(project, project->configs, uses_config);
	keep_used(project, project->models, uses_model);
}
