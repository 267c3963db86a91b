/* What can only be said of the whole: required keys of the merged tree, references between objects, cycles. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/load_internal.h"
#include "supervisor/compose/shape_scalar.h"

/* --- The tree --------------------------------------------------------------------------------- */

static int check_required(struct hoy_loader *loader, const struct hoy_shape *shape, const struct hoy_node *node,
	const struct hoy_shape_path *path)
{
	for (size_t i = 0; i < shape->n; i++) {
		const struct hoy_shape_field *field = &shape->fields[i];
		const struct hoy_node *value = hoy_node_get(node, field->name);
		struct hoy_shape_path value_path = { .parent = path, .key = field->name },
				      item_path = { .parent = &value_path };
		int r = 0;

		if (!value && field->flags & HOY_SHAPE_REQUIRED)
			return hoy_node_invalid(node, loader->err, "%s: %s is required",
				hoy_shape_path_text(loader->arena, path), field->name);
		if (!value || !field->shape)
			continue;
		if (field->kind == HOY_SHAPE_OBJECT && value->type == HOY_NODE_MAP)
			r = check_required(loader, field->shape, value, &value_path);
		else if (field->kind != HOY_SHAPE_OBJECT)
			hoy_node_each(item, value)
			{
				item_path.key = value->type == HOY_NODE_MAP ? item->key : NULL;
				if (item->type == HOY_NODE_MAP && r >= 0)
					r = check_required(loader, field->shape, item, &item_path);
				item_path.index++;
			}
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_external(struct hoy_loader *loader, const struct hoy_node *all, const char *kind)
{
	hoy_node_each(one, all)
	{
		const char *external = hoy_node_text(one, "external");

		if (!external || strcmp(external, "true") != 0)
			continue;
		hoy_node_each(member,
			one) if (strcmp(member->key, "name") != 0 && strcmp(member->key, "external") != 0 &&
				 !hoy_shape_is_extension(member->key)) return hoy_node_invalid_key(member, loader->err,
			"%s.%s: conflicting parameters \"external\" and \"%s\" specified", kind, one->key, member->key);
	}
	return 0;
}

/* Exactly one source of what a config or secret holds. */
static int check_sources(struct hoy_loader *loader, const struct hoy_node *all, const char *kind,
	const char *const keys[], const char *said)
{
	hoy_node_each(one, all)
	{
		unsigned int n = 0;

		for (size_t i = 0; keys[i]; i++)
			n += hoy_node_get(one, keys[i]) != NULL;
		if (n > 1)
			return hoy_node_invalid(
				one, loader->err, "%s.%s: %s attributes are mutually exclusive", kind, one->key, said);
		if (!n && !hoy_node_get(one, "driver") && !hoy_node_get(one, "external"))
			return hoy_node_invalid(one, loader->err, "%s.%s: one of %s must be set", kind, one->key, said);
	}
	return 0;
}

static int check_device_requests(struct hoy_loader *loader, const struct hoy_node *list, const char *where)
{
	hoy_node_each(item,
		list) if (hoy_node_get(item, "count") && hoy_node_get(item, "device_ids")) return hoy_node_invalid(item,
		loader->err, "%s: \"count\" and \"device_ids\" attributes are exclusive", where);
	return 0;
}

static int check_service_tree(struct hoy_loader *loader, const struct hoy_node *service)
{
	const struct hoy_node *reservations = hoy_node_get(
		hoy_node_get(hoy_node_get(service, "deploy"), "resources"), "reservations");
	unsigned char address[sizeof(struct in6_addr)];
	int r;

	hoy_node_each(port, hoy_node_get(service, "ports"))
	{
		const struct hoy_node *ip = hoy_node_get(port, "host_ip");

		if (ip && !hoy_shape_is_open(ip) && inet_pton(AF_INET, ip->text, address) != 1 &&
			inet_pton(AF_INET6, ip->text, address) != 1)
			return hoy_node_invalid(
				ip, loader->err, "services.%s.ports: invalid ip address: %s", service->key, ip->text);
	}
	hoy_node_each(volume,
		hoy_node_get(service, "volumes")) if (volume->type == HOY_NODE_MAP &&
						      !hoy_node_text(volume, "target")) return hoy_node_invalid(volume,
		loader->err, "services.%s.volumes: a volume has no target", service->key);
	hoy_node_each(rule, hoy_node_get(hoy_node_get(service, "develop"), "watch"))
	{
		const char *path = hoy_node_text(rule, "path");

		if (path && !*path)
			return hoy_node_invalid(rule, loader->err,
				"services.%s.develop.watch.path: value can't be blank", service->key);
	}
	r = check_device_requests(loader, hoy_node_get(service, "gpus"), "gpus");
	return r < 0 ? r : check_device_requests(loader, hoy_node_get(reservations, "devices"), "devices");
}

int hoy_load_check_tree(struct hoy_loader *loader, struct hoy_node *tree)
{
	static const char *const config_sources[] = { "file", "environment", "content", NULL };
	static const char *const secret_sources[] = { "file", "environment", NULL };
	int r = check_required(loader, &hoy_shape_project, tree, NULL);

	hoy_node_each(service, hoy_node_get(tree, "services")) if (r >= 0) r = check_service_tree(loader, service);
	if (r >= 0)
		r = check_external(loader, hoy_node_get(tree, "volumes"), "volumes");
	if (r >= 0)
		r = check_external(loader, hoy_node_get(tree, "networks"), "networks");
	if (r >= 0)
		r = check_sources(
			loader, hoy_node_get(tree, "configs"), "configs", config_sources, "file|environment|content");
	if (r >= 0)
		r = check_sources(loader, hoy_node_get(tree, "secrets"), "secrets", secret_sources, "file|environment");
	return r;
}

/* --- References ------------------------------------------------------------------------------- */

static bool is_disabled(const struct hoy_compose_project *project, const char *name)
{
	hoy_compose_each(
		struct hoy_compose_service, service, project->disabled) if (!strcmp(service->name, name)) return true;
	return false;
}

static int undefined(const struct hoy_compose_service *service, const struct hoy_node *at, const char *what,
	const char *name, struct hoy_err *err)
{
	return hoy_node_invalid(at, err, "service \"%s\" refers to undefined %s %s", service->name, what, name);
}

static int check_mounts(const struct hoy_compose_service *service, struct hoy_compose_mount **mounts,
	struct hoy_compose_file_object **objects, const char *what, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_mount, mount, mounts)
	{
		bool found = false;

		hoy_compose_each(struct hoy_compose_file_object, object, objects)
			found = found || (mount->source && !strcmp(object->name, mount->source));
		if (!found)
			return undefined(service, mount->node, what, mount->source ? mount->source : "(none)", err);
	}
	return 0;
}

static int check_dependencies(
	const struct hoy_compose_project *project, const struct hoy_compose_service *service, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_dependency, dependency, service->depends_on)
	{
		if (hoy_compose_service_find(project, dependency->name))
			continue;
		if (!dependency->required && is_disabled(project, dependency->name))
			continue;
		return hoy_node_invalid(dependency->node, err, "service \"%s\" depends on undefined service \"%s\"%s",
			service->name, dependency->name,
			is_disabled(project, dependency->name) ? ": its profiles are not active" : "");
	}
	return 0;
}

static int check_references(
	const struct hoy_compose_project *project, const struct hoy_compose_service *service, struct hoy_err *err)
{
	int r = check_dependencies(project, service, err);

	hoy_compose_each(struct hoy_compose_service_network, network,
		service->networks) if (r >= 0 && !hoy_compose_network_find(project, network->name))
		r = undefined(service, network->node, "network", network->name, err);
	hoy_compose_each(struct hoy_compose_service_volume, volume,
		service->volumes) if (r >= 0 && !strcmp(volume->type, "volume") && volume->source && *volume->source &&
				      !hoy_compose_volume_find(project, volume->source))
		r = undefined(service, volume->node, "volume", volume->source, err);
	hoy_compose_each(struct hoy_compose_service_model, model, service->models)
	{
		bool found = false;

		hoy_compose_each(struct hoy_compose_model, one, project->models)
			found = found || !strcmp(one->name, model->name);
		if (r >= 0 && !found)
			r = undefined(service, model->node, "model", model->name, err);
	}
	if (r >= 0)
		r = check_mounts(service, service->configs, project->configs, "config", err);
	if (r >= 0)
		r = check_mounts(service, service->secrets, project->secrets, "secret", err);
	if (r >= 0 && service->build)
		r = check_mounts(service, service->build->secrets, project->secrets, "build secret", err);
	return r;
}

/* --- A service by itself ---------------------------------------------------------------------- */

static int check_build(
	const struct hoy_compose_project *project, const struct hoy_compose_service *service, struct hoy_err *err)
{
	const struct hoy_compose_build *build = service->build;

	if (build->dockerfile_inline && build->dockerfile)
		return hoy_node_invalid(build->node, err,
			"service \"%s\" declares mutually exclusive dockerfile and dockerfile_inline", service->name);
	for (const struct hoy_compose_pair *context = build->additional_contexts; context && context->key; context++) {
		const struct hoy_compose_service *other;

		if (!hoy_str_starts(context->value, "service:"))
			continue;
		other = hoy_compose_service_find(project, context->value + strlen("service:"));
		if (!other || !other->build)
			return hoy_node_invalid(build->node, err,
				"service \"%s\" declares %s service \"%s\" as additional contexts %s", service->name,
				other ? "non-buildable" : "unknown", context->value + strlen("service:"), context->key);
	}
	if (build->platforms && *build->platforms && service->platform &&
		!hoy_strv_has(build->platforms, service->platform))
		return hoy_node_invalid(build->node, err,
			"service \"%s\": build.platforms must include platform \"%s\"", service->name,
			service->platform);
	return 0;
}

static int distinct(const struct hoy_compose_service *service, const char *one, const char *other, struct hoy_err *err)
{
	return hoy_node_invalid(service->node, err, "services.%s: can't set distinct values on '%s' and '%s'",
		service->name, one, other);
}

static int check_limits(const struct hoy_compose_service *service, struct hoy_err *err)
{
	const struct hoy_compose_deploy *deploy = service->deploy;
	const struct hoy_compose_resource *limits = deploy && deploy->resources ? deploy->resources->limits : NULL;
	const struct hoy_compose_resource *reserved = deploy && deploy->resources ? deploy->resources->reservations
										  : NULL;

	if (service->scale && deploy && deploy->replicas && *service->scale != *deploy->replicas)
		return distinct(service, "scale", "deploy.replicas", err);
	if (hoy_compose_replicas(service) < 0)
		return hoy_node_invalid(service->node, err, "services.%s.%s: must be greater than or equal to 0",
			service->name, service->scale ? "scale" : "deploy.replicas");
	if (hoy_compose_replicas(service) > 1 && service->container_name)
		return hoy_node_invalid(service->node, err,
			"services.%s: can't set container_name and %s as container name must be unique", service->name,
			service->scale ? "scale" : "deploy.replicas");
	if (service->cpus != 0 && limits && limits->cpus != service->cpus)
		return distinct(service, "cpus", "deploy.resources.limits.cpus", err);
	if (service->mem_limit && limits && limits->memory != service->mem_limit)
		return distinct(service, "mem_limit", "deploy.resources.limits.memory", err);
	if (service->mem_reservation && reserved && reserved->memory != service->mem_reservation)
		return distinct(service, "mem_reservation", "deploy.resources.reservations.memory", err);
	if (service->pids_limit && limits && limits->pids != service->pids_limit)
		return distinct(service, "pids_limit", "deploy.resources.limits.pids", err);
	return 0;
}

/* No two mounts on one place. */
static int check_targets(const struct hoy_compose_service *service, struct hoy_err *err)
{
	size_t i = 0;

	hoy_compose_each(struct hoy_compose_service_volume, volume, service->volumes)
	{
		for (char **tmpfs = service->tmpfs; tmpfs && *tmpfs; tmpfs++) {
			size_t len = strcspn(*tmpfs, ":");

			if (volume->target && len == strlen(volume->target) && !strncmp(*tmpfs, volume->target, len))
				return hoy_node_invalid(volume->node, err,
					"services.%s.volumes[%zu]: target %s already mounted as services.%s.tmpfs[%zu]",
					service->name, i, volume->target, service->name,
					(size_t) (tmpfs - service->tmpfs));
		}
		for (size_t j = 0; j < i; j++)
			if (!strcmp(service->volumes[j]->target, volume->target))
				return hoy_node_invalid(volume->node, err,
					"services.%s.volumes[%zu]: target %s already mounted as services.%s.volumes[%zu]",
					service->name, i, volume->target, service->name, j);
		i++;
	}
	return 0;
}

static int check_service(
	const struct hoy_compose_project *project, const struct hoy_compose_service *service, struct hoy_err *err)
{
	int r = 0;

	if (!service->build && !(service->image && *service->image) && !service->provider)
		return hoy_node_invalid(service->node, err,
			"service \"%s\" has neither an image nor a build context specified", service->name);
	if (service->build)
		r = check_build(project, service, err);
	if (r >= 0 && service->network_mode && *service->network_mode && service->networks && *service->networks)
		return hoy_node_invalid(service->node, err,
			"service %s declares mutually exclusive `network_mode` and `networks`", service->name);
	if (r >= 0 && service->healthcheck && service->healthcheck->test && *service->healthcheck->test &&
		strcmp(*service->healthcheck->test, "CMD") != 0 &&
		strcmp(*service->healthcheck->test, "CMD-SHELL") != 0 &&
		strcmp(*service->healthcheck->test, "NONE") != 0)
		return hoy_node_invalid(hoy_node_get(service->healthcheck->node, "test"), err,
			"services.%s.healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\"",
			service->name);
	hoy_compose_each(struct hoy_compose_watch, rule,
		service->develop ? service->develop->watch
				 : NULL) if (!rule->target && strcmp(rule->action, "rebuild") != 0 &&
					     strcmp(rule->action, "restart") != 0) return hoy_node_invalid(rule->node,
		err, "services.%s.develop.watch: target is required for non-rebuild actions", service->name);
	if (r >= 0)
		r = check_references(project, service, err);
	if (r >= 0)
		r = check_limits(service, err);
	return r < 0 ? r : check_targets(service, err);
}

/* --- Cycles
 * ---------------------------------------------------------------------------------------------------------------------
 */

enum { NOT_SEEN, ON_THE_WAY, DONE };

struct walk {
	const struct hoy_compose_project *project;
	unsigned char *state; /* of project->services[i] */
	const char **way;     /* names from the start */
	struct hoy_err *err;
};

static size_t index_of(const struct hoy_compose_project *project, const char *name)
{
	size_t low = 0, high = project->n_services;

	while (low < high) {
		size_t middle = (low + high) / 2;
		int r = strcmp(project->services[middle]->name, name);

		if (r == 0)
			return middle;
		if (r < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return project->n_services;
}

static int tell_cycle(struct walk *walk, const struct hoy_node *at, size_t depth, const char *name)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	size_t start = 0;

	while (start < depth && strcmp(walk->way[start], name) != 0)
		start++;
	for (; start < depth; start++)
		(void) hoy_buf_addf(&text, "%s -> ", walk->way[start]);
	return hoy_node_invalid(at, walk->err, "dependency cycle detected: %s%s", text.data ? text.data : "", name);
}

static int visit(struct walk *walk, size_t index, size_t depth)
{
	const struct hoy_compose_service *service = walk->project->services[index];

	walk->state[index] = ON_THE_WAY;
	walk->way[depth] = service->name;
	hoy_compose_each(struct hoy_compose_dependency, dependency, service->depends_on)
	{
		size_t next = index_of(walk->project, dependency->name);
		int r = 0;

		if (next == walk->project->n_services || walk->state[next] == DONE)
			continue;
		if (walk->state[next] == ON_THE_WAY)
			return tell_cycle(walk, dependency->node, depth + 1, dependency->name);
		r = visit(walk, next, depth + 1);
		if (r < 0)
			return r;
	}
	walk->state[index] = DONE;
	return 0;
}

static int check_cycles(const struct hoy_compose_project *project, struct hoy_err *err)
{
	auto_free unsigned char *state = calloc(project->n_services + 1, 1);
	auto_free const char **way = calloc(project->n_services + 1, sizeof *way);
	struct walk walk = { project, state, way, err };
	int r = 0;

	if (!state || !way)
		return hoy_err_oom(err);
	for (size_t i = 0; i < project->n_services && r >= 0; i++)
		if (state[i] == NOT_SEEN)
			r = visit(&walk, i, 0);
	return r;
}

int hoy_load_check_project(const struct hoy_compose_project *project, struct hoy_err *err)
{
	for (size_t i = 0; i < project->n_services; i++) {
		int r = check_service(project, project->services[i], err);

		if (r < 0)
			return r;
	}
	return check_cycles(project, err);
}
