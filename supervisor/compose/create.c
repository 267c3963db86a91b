/* Making containers: new ones, and ones in place of others. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/actions.h"
#include "supervisor/compose/body.h"
#include "supervisor/compose/converge.h"
#include "supervisor/compose/hooks.h"
#include "supervisor/compose/labels.h"
#include "supervisor/compose/resources.h"
#include "supervisor/compose/tar.h"
#include "supervisor/compose/work.h"

int hoy_compose_name_services(struct hoy_compose *app, struct hoy_err *err)
{
	hoy_strv_free(app->first_names);
	app->first_names = NULL;
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		const struct hoy_compose_container *c = hoy_compose_containers_find(&app->containers, s->name, 0);
		auto_free char *name = c && !s->container_name && !hoy_compose_container_is_temporary(c)
					       ? strdup(c->name)
					       : hoy_compose_name_of(app, s, 1);

		if (!name || hoy_strv_add(&app->first_names, name) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

const char *hoy_compose_container_name_of(const char *service, void *userdata)
{
	const struct hoy_compose *app = userdata;
	size_t i = 0;

	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		if (strcmp(s->name, service) == 0)
			return app->first_names[i];
		i++;
	}
	return NULL;
}

char *hoy_compose_env_files_label(const struct hoy_compose *app)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	for (char **file = app->globals->env_files; file && *file; file++) {
		auto_free char *path = realpath(*file, NULL);

		(void) hoy_buf_addf(&out, "%s%s", out.len ? "," : "", path ? path : *file);
	}
	return out.len ? hoy_buf_take(&out) : NULL;
}

/* --- what follows the create ------------------------------------------------- */

static int connect(struct hoy_compose *app, const struct hoy_compose_body *body,
	const struct hoy_compose_service_network *at, const char *id, struct hoy_err *err)
{
	const struct hoy_compose_network *network = hoy_compose_network_find(app->project, at->name);
	auto_(hoy_buf_done) struct hoy_buf text = {}, path = {};
	struct hoy_json_writer w = { .buf = &text };
	int r;

	if (!network)
		return hoy_err_invalid(
			err, "service \"%s\" refers to undefined network %s", body->service->name, at->name);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Container", id);
	hoy_compose_body_endpoint(body, at, &w, "EndpointConfig");
	hoy_json_end(&w);
	(void) hoy_buf_adds(&path, "/networks/");
	hoy_http_escape(&path, network->real_name);
	(void) hoy_buf_adds(&path, "/connect");
	r = hoy_buf_check(&text, "the request", err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(app->cli, "POST", path.data, text.data, NULL, err);
	return r < 0 ? hoy_err_wrap(err, "connect %s to %s", body->container_name, network->real_name) : 0;
}

/* `connected`: the networks it is on already, by name; NULL: the first of its service's. */
static int connect_all(struct hoy_compose *app, const struct hoy_compose_body *body, const char *id,
	const struct hoy_json *connected, struct hoy_err *err)
{
	auto_free struct hoy_compose_service_network **networks = hoy_compose_body_networks(body->service);
	int r = 0;

	if (!networks)
		return hoy_err_oom(err);
	if (body->service->network_mode)
		return 0;
	for (size_t i = 0; r == 0 && networks[i]; i++) {
		const struct hoy_compose_network *network = hoy_compose_network_find(app->project, networks[i]->name);
		bool there = connected ? network && hoy_json_get(connected, network->real_name) : i == 0;

		if (!there)
			r = connect(app, body, networks[i], id, err);
	}
	return r;
}

int hoy_compose_complete_container(struct hoy_compose *app, const struct hoy_compose_service *service, const char *name,
	const char *id, bool aliases, const struct hoy_json *connected, struct hoy_err *err)
{
	const struct hoy_compose_body body = {
		.project = app->project,
		.service = service,
		.container_name = name,
		.aliases = aliases,
		.container_of = hoy_compose_container_name_of,
		.userdata = app,
	};
	int r = connect_all(app, &body, id, connected, err);

	return r < 0 ? r : hoy_compose_copy_files(app, service, id, err);
}

/* --- one container ----------------------------------------------------------- */

static int post_create(struct hoy_compose *app, const struct hoy_compose_body *body, const char *name, char **ret_id,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {}, path = {};
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	int r = hoy_compose_body_print(body, &text, err);

	(void) hoy_buf_adds(&path, "/containers/create?name=");
	hoy_http_escape(&path, name);
	if (body->service->platform) {
		(void) hoy_buf_adds(&path, "&platform=");
		hoy_http_escape(&path, body->service->platform);
	}
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(app->cli, "POST", path.data, text.data, &answer, err);
	if (r < 0)
		return r;
	*ret_id = strdup(hoy_cli_text(answer, "Id"));
	return *ret_id ? 0 : hoy_err_oom(err);
}

int hoy_compose_remove_old(struct hoy_compose_slot *slot, struct hoy_err *err)
{
	const struct hoy_compose_stop_options stop = { .timeout = slot->options->timeout };
	int r = 0;

	if (hoy_compose_container_runs(slot->old))
		r = hoy_compose_stop_action.run(slot->app, (struct hoy_compose_container *) slot->old, &stop, err);
	if (r == 0)
		r = hoy_compose_post(
			slot->app, "DELETE", slot->old->id, err, "?force=1&v=%d", slot->options->renew_volumes);
	return r == -ENOENT ? 0 : r;
}

/* The new one, which has the old one's anonymous volumes, takes its name when that is gone. */
static int replace(struct hoy_compose_slot *slot, const char *id, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf name = {};
	int r = hoy_compose_remove_old(slot, err);

	hoy_http_escape(&name, slot->name);
	if (r == 0)
		r = hoy_buf_check(&name, "the request", err);
	return r < 0 ? r : hoy_compose_post(slot->app, "POST", id, err, "/rename?name=%s", name.data);
}

static int old_mounts(struct hoy_compose_slot *slot, struct hoy_json **ret, struct hoy_err *err)
{
	auto_free char *path = NULL;

	if (!slot->old || slot->options->renew_volumes)
		return 0;
	path = hoy_str_printf("/containers/%s/json", slot->old->id);
	return path ? hoy_cli_call(slot->app->cli, "GET", path, NULL, ret, err) : hoy_err_oom(err);
}

int hoy_compose_create_container(struct hoy_compose_slot *slot, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *old = NULL;
	auto_free char *depends = hoy_compose_depends_label(slot->service), *id = NULL, *name = NULL;
	auto_free char *env_files = hoy_compose_env_files_label(slot->app);
	struct hoy_compose_body body = {
		.project = slot->app->project,
		.service = slot->service,
		.image = slot->image->name,
		.image_id = slot->image->id,
		.hash = slot->hashes->config,
		.contents = slot->hashes->contents,
		.container_name = slot->name,
		.replaces = slot->old ? slot->old->name : NULL,
		.depends = depends,
		.env_files = env_files,
		.number = slot->number,
		.aliases = true,
		.ports = true,
		.standby = slot->first,
		.container_of = hoy_compose_container_name_of,
		.userdata = slot->app,
	};
	int r = old_mounts(slot, &old, err);

	if (r < 0)
		return r;
	body.kept = hoy_json_get(old, "Mounts");
	name = slot->old ? hoy_str_printf("%.12s_%s", slot->old->id, slot->name) : strdup(slot->name);
	if (!depends || !name)
		return hoy_err_oom(err);
	r = post_create(slot->app, &body, name, &id, err);
	if (r == 0)
		r = hoy_compose_complete_container(
			slot->app, slot->service, slot->name, id, /* aliases= */ true, NULL, err);
	if (r == 0 && slot->old && !slot->first)
		r = replace(slot, id, err);
	if (r < 0)
		return r;
	free(slot->id);
	slot->id = TAKE_PTR(id);
	return 0;
}

/* --- all of them ------------------------------------------------------------- */

/* One that was made but never started may lack what follows the create: a run was killed between. */
static int complete(struct hoy_compose_slot *slot, struct hoy_err *err)
{
	const struct hoy_json *networks = hoy_json_get(hoy_json_get(slot->old->json, "NetworkSettings"), "Networks");
	auto_(hoy_buf_done) struct hoy_buf name = {};
	int r = 0;

	if (strcmp(slot->old->state, "created") == 0)
		r = hoy_compose_complete_container(
			slot->app, slot->service, slot->name, slot->id, /* aliases= */ true, networks, err);
	if (r < 0 || !hoy_compose_container_is_temporary(slot->old))
		return r;
	hoy_http_escape(&name, slot->name);
	r = hoy_buf_check(&name, "the request", err);
	return r < 0 ? r : hoy_compose_post(slot->app, "POST", slot->id, err, "/rename?name=%s", name.data);
}

static int run_create(void *userdata, struct hoy_err *err)
{
	struct hoy_compose_slot *slot = userdata;
	int r;

	if (slot->old && !slot->recreate)
		return complete(slot, err);
	hoy_compose_tell(slot->app, HOY_REPORT_WORKING, "Container", slot->name, slot->old ? "Recreate" : "Creating");
	r = hoy_compose_create_container(slot, err);
	hoy_compose_tell(slot->app, r < 0 ? HOY_REPORT_ERROR : HOY_REPORT_DONE, "Container", slot->name,
		r < 0                       ? "Error"
		: slot->old && !slot->first ? "Recreated"
					    : "Created");
	return r;
}

/* Waits for those whose container must be there before: namespaces and volumes come from it. */
static void order_creates(struct hoy_compose_plan *plan, struct hoy_work_step **steps)
{
	for (size_t i = 0; i < plan->n; i++) {
		const struct hoy_compose_service *s = plan->slots[i].service;

		for (size_t k = 0; k < plan->n; k++) {
			const char *other = plan->slots[k].service->name;
			auto_free char *mode = hoy_str_printf("service:%s", other);
			bool needs = hoy_str_eq(s->network_mode, mode) || hoy_str_eq(s->pid, mode) ||
				     hoy_str_eq(s->ipc, mode);

			for (char **from = s->volumes_from; from && *from; from++)
				needs = needs || (strncmp(*from, other, strlen(other)) == 0 &&
							 strchr(":", (*from)[strlen(other)]));
			if (needs && i != k)
				hoy_work_after(steps[i], steps[k]);
		}
	}
}

struct removal {
	struct hoy_compose *app;
	struct hoy_compose_container *container;
	int64_t timeout;
};

static int run_removal(void *userdata, struct hoy_err *err)
{
	struct removal *one = userdata;
	const struct hoy_compose_stop_options stop = { .timeout = one->timeout };
	int r = 0;

	hoy_compose_tell(one->app, HOY_REPORT_WORKING, "Container", one->container->name, "Removing");
	/* One that never had its place has served nobody. */
	if (hoy_compose_container_runs(one->container) && !hoy_compose_container_is_temporary(one->container))
		r = hoy_compose_stop_action.run(one->app, one->container, &stop, err);
	if (r == 0)
		r = hoy_compose_post(one->app, "DELETE", one->container->id, err, "?force=1");
	if (r == -ENOENT)
		r = 0;
	hoy_compose_tell(one->app, r < 0 ? HOY_REPORT_ERROR : HOY_REPORT_DONE, "Container", one->container->name,
		r < 0 ? "Error" : "Removed");
	return r;
}

/* Before the creates: a surplus one may hold a port or a name that a new one wants. */
static int remove_surplus(struct hoy_compose_plan *plan, struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(plan->app->globals->parallel);
	auto_free struct removal *all = calloc(plan->app->containers.n + 1, sizeof *all);

	if (!work || !all)
		return hoy_err_oom(err);
	for (size_t i = 0; i < plan->app->containers.n; i++) {
		if (!plan->surplus[i])
			continue;
		all[i] = (struct removal){
			.app = plan->app, .container = &plan->app->containers.all[i], .timeout = plan->options->timeout
		};
		(void) hoy_work_add(work, run_removal, &all[i]);
	}
	return hoy_work_run(work, err);
}

int hoy_compose_plan_create(struct hoy_compose_plan *plan, struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(plan->app->globals->parallel);
	auto_free struct hoy_work_step **steps = calloc(plan->n + 1, sizeof(struct hoy_work_step *));
	int r;

	if (!work || !steps)
		return hoy_err_oom(err);
	r = remove_surplus(plan, err);
	if (r == 0)
		r = hoy_compose_ensure_resources(plan->app, &plan->existing, err);
	for (size_t i = 0; r == 0 && i < plan->n; i++) {
		struct hoy_compose_slot *slot = &plan->slots[i];
		bool nothing = slot->old && !slot->recreate && strcmp(slot->old->state, "created") != 0 &&
			       !hoy_compose_container_is_temporary(slot->old);

		if (!nothing)
			steps[i] = hoy_work_add(work, run_create, slot);
	}
	if (r < 0)
		return r;
	order_creates(plan, steps);
	return hoy_work_run(work, err);
}
