/* Comparing what the engine has with what the file says. */
#include "supervisor/compose/existing.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/labels.h"

int hoy_compose_existing_load(struct hoy_compose *app, struct hoy_compose_existing *ret, struct hoy_err *err)
{
	auto_(hoy_compose_existing_done) struct hoy_compose_existing existing = {};
	int r = 0;

	if (app->project->networks)
		r = hoy_cli_call(app->cli, "GET", "/networks", NULL, &existing.networks, err);
	if (r == 0 && app->project->volumes)
		r = hoy_cli_call(app->cli, "GET", "/volumes", NULL, &existing.volumes, err);
	if (r < 0)
		return r;
	*ret = existing;
	existing = (struct hoy_compose_existing){};
	return 0;
}

void hoy_compose_existing_done(struct hoy_compose_existing *existing)
{
	hoy_json_free(existing->networks);
	hoy_json_free(existing->volumes);
	hoy_strv_free(existing->agreed);
	*existing = (struct hoy_compose_existing){};
}

/* --- finding ----------------------------------------------------------------- */

static const struct hoy_json *named(const struct hoy_json *objects, const char *name)
{
	hoy_json_each(object, objects) if (strcmp(hoy_cli_text(object, "Name"), name) == 0) return object;
	return NULL;
}

const struct hoy_json *hoy_compose_existing_network(const struct hoy_compose_existing *existing, const char *real_name)
{
	return named(existing->networks, real_name);
}

const struct hoy_json *hoy_compose_existing_volume(const struct hoy_compose_existing *existing, const char *real_name)
{
	return named(hoy_json_get(existing->volumes, "Volumes"), real_name);
}

bool hoy_compose_network_is_used(const struct hoy_compose *app, const char *key)
{
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		hoy_compose_each(
			struct hoy_compose_service_network, n, s->networks) if (strcmp(n->name, key) == 0) return true;
	}
	return app->globals->all_resources;
}

/* The volume of the project that a service mounts there; NULL: an anonymous one, or no volume. */
static const struct hoy_compose_volume *volume_at(
	const struct hoy_compose *app, const struct hoy_compose_service_volume *at)
{
	return at->source && strcmp(at->type, "volume") == 0 ? hoy_compose_volume_find(app->project, at->source) : NULL;
}

bool hoy_compose_volume_is_used(const struct hoy_compose *app, const char *key)
{
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		hoy_compose_each(struct hoy_compose_service_volume, v, s->volumes)
		{
			const struct hoy_compose_volume *volume = volume_at(app, v);

			if (volume && strcmp(volume->name, key) == 0)
				return true;
		}
	}
	return app->globals->all_resources;
}

/* --- changed definitions ----------------------------------------------------- */

/* An object that isn't labelled is left as it is: nobody can tell what it was made of. */
static bool differs(const struct hoy_json *object, const char *section, const struct hoy_node *node)
{
	const char *label = hoy_json_string(hoy_json_get(hoy_json_get(object, "Labels"), HOY_COMPOSE_HASH));
	char hash[HOY_COMPOSE_HASH_SIZE];

	return label && hoy_compose_resource_hash(section, node, hash, NULL) == 0 && strcmp(label, hash) != 0;
}

bool hoy_compose_network_differs(const struct hoy_compose_existing *existing, const struct hoy_compose_network *network)
{
	return !network->external && !existing->keep &&
	       differs(hoy_compose_existing_network(existing, network->real_name), "networks", network->node);
}

bool hoy_compose_volume_goes(const struct hoy_compose_existing *existing, const struct hoy_compose_volume *volume)
{
	return existing->agreed && hoy_strv_has(existing->agreed, volume->real_name);
}

static bool may_go(const char *name)
{
	char answer[16] = "";

	(void) fprintf(stderr,
		"Volume \"%s\" exists but doesn't match configuration in compose file. Recreate (data will be lost)? [y/N] ",
		name);
	return fgets(answer, sizeof answer, stdin) && (answer[0] == 'y' || answer[0] == 'Y');
}

int hoy_compose_existing_agree(
	struct hoy_compose *app, struct hoy_compose_existing *existing, bool yes, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_volume, v, app->project->volumes)
	{
		if (v->external || !hoy_compose_volume_is_used(app, v->name) ||
			!differs(hoy_compose_existing_volume(existing, v->real_name), "volumes", v->node))
			continue;
		if (!yes && !may_go(v->real_name)) {
			(void) fprintf(stderr,
				"\nWARN: volume \"%s\" stays as it was made: --yes makes it anew, without its data\n",
				v->real_name);
			continue;
		}
		if (hoy_strv_add(&existing->agreed, v->real_name) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

/* --- containers that must be made again -------------------------------------- */

static bool is_off_network(const struct hoy_compose_existing *existing, const struct hoy_compose_network *network,
	const struct hoy_json *connected)
{
	const struct hoy_json *there = hoy_compose_existing_network(existing, network->real_name);
	const struct hoy_json *endpoint = hoy_json_get(connected, network->real_name);
	const char *id = endpoint ? hoy_cli_text(endpoint, "NetworkID") : "";

	if (!there || !endpoint || hoy_compose_network_differs(existing, network))
		return true;
	return *id && strcmp(id, hoy_cli_text(there, "Id")) != 0;
}

static bool has_volume(const struct hoy_compose_container *container, const char *name)
{
	hoy_json_each(mount, hoy_json_get(container->json, "Mounts"))
	{
		if (strcmp(hoy_cli_text(mount, "Type"), "volume") == 0 &&
			strcmp(hoy_cli_text(mount, "Name"), name) == 0)
			return true;
	}
	return false;
}

bool hoy_compose_existing_moved(const struct hoy_compose *app, const struct hoy_compose_existing *existing,
	const struct hoy_compose_service *service, const struct hoy_compose_container *container)
{
	const struct hoy_json *connected = hoy_json_get(hoy_json_get(container->json, "NetworkSettings"), "Networks");

	/* One that was never started gets what it lacks before its start. */
	if (!service->network_mode && strcmp(container->state, "created") != 0) {
		hoy_compose_each(struct hoy_compose_service_network, at, service->networks)
		{
			const struct hoy_compose_network *n = hoy_compose_network_find(app->project, at->name);

			if (n && is_off_network(existing, n, connected))
				return true;
		}
	}
	hoy_compose_each(struct hoy_compose_service_volume, v, service->volumes)
	{
		const struct hoy_compose_volume *volume = volume_at(app, v);

		if (volume && !has_volume(container, volume->real_name))
			return true;
	}
	return false;
}

bool hoy_compose_existing_loses(const struct hoy_compose *app, const struct hoy_compose_existing *existing,
	const struct hoy_compose_service *service)
{
	hoy_compose_each(struct hoy_compose_service_volume, v, service->volumes)
	{
		const struct hoy_compose_volume *volume = volume_at(app, v);

		if (volume && hoy_compose_volume_goes(existing, volume))
			return true;
	}
	return false;
}
