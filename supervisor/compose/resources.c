/* Networks and volumes. */
#include "supervisor/compose/resources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/compose/actions.h"
#include "supervisor/compose/body_internal.h"
#include "supervisor/compose/labels.h"
#include "supervisor/compose/project.h"
#include "supervisor/compose/work.h"

/* For an hour hoyd can bring back a volume that is removed so; dockerd knows nothing of it. */
#define KEEP "?keep=3600"

/* --- what there is ----------------------------------------------------------- */

static int list(struct hoy_compose *app, const char *what, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {}, filters = {};
	struct hoy_json_writer w = { .buf = &filters };
	auto_free char *label = hoy_str_printf("%s=%s", HOY_COMPOSE_PROJECT, app->name);
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_array(&w, "label");
	hoy_json_add_string(&w, NULL, label ? label : "");
	hoy_json_end(&w);
	hoy_json_end(&w);
	(void) hoy_buf_addf(&path, "/%s?filters=", what);
	if (!filters.failed)
		hoy_http_escape(&path, filters.data);
	r = label ? hoy_buf_check(&path, "the request", err) : hoy_err_oom(err);
	return r < 0 ? r : hoy_cli_call(app->cli, "GET", path.data, NULL, ret, err);
}

int hoy_compose_list_networks(struct hoy_compose *app, struct hoy_json **ret, struct hoy_err *err)
{
	return list(app, "networks", ret, err);
}

int hoy_compose_list_volumes(struct hoy_compose *app, struct hoy_json **ret, struct hoy_err *err)
{
	return list(app, "volumes", ret, err);
}

/* --- making them ------------------------------------------------------------- */

struct making {
	struct hoy_compose *app;
	const struct hoy_compose_network *network; /* or */
	const struct hoy_compose_volume *volume;
	bool replaces; /* one of that name goes first */
};

static void add_labels(struct hoy_json_writer *w, const struct hoy_compose *app, const struct hoy_compose_pair *own,
	const char *key_label, const char *key, const char *hash)
{
	hoy_json_object(w, "Labels");
	for (const struct hoy_compose_pair *p = own; p && p->key; p++)
		if (!hoy_str_starts(p->key, HOY_COMPOSE_LABEL))
			hoy_json_add_string(w, p->key, p->value ? p->value : "");
	hoy_json_add_string(w, HOY_COMPOSE_HASH, hash);
	hoy_json_add_string(w, key_label, key);
	hoy_json_add_string(w, HOY_COMPOSE_PROJECT, app->name);
	hoy_json_add_string(w, HOY_COMPOSE_VERSION, PACKAGE_VERSION);
	hoy_json_end(w);
}

static void add_ipam(struct hoy_json_writer *w, const struct hoy_compose_ipam *ipam)
{
	if (!ipam || (!ipam->driver && !ipam->config && !ipam->options))
		return;
	hoy_json_object(w, "IPAM");
	hoy_json_add_string(w, "Driver", ipam->driver ? ipam->driver : "default");
	hoy_compose_body_pairs(w, "Options", ipam->options);
	hoy_json_array(w, "Config");
	hoy_compose_each(struct hoy_compose_ipam_pool, pool, ipam->config)
	{
		hoy_json_object(w, NULL);
		hoy_create_add_text(w, "Subnet", pool->subnet);
		hoy_create_add_text(w, "IPRange", pool->ip_range);
		hoy_create_add_text(w, "Gateway", pool->gateway);
		hoy_compose_body_pairs(w, "AuxiliaryAddresses", pool->aux_addresses);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	hoy_json_end(w);
}

static int create(struct hoy_compose *app, const char *kind, const char *path, const char *name,
	const struct hoy_buf *body, struct hoy_err *err)
{
	int r = hoy_buf_check(body, "the request", err);

	hoy_compose_tell(app, HOY_REPORT_WORKING, kind, name, "Creating");
	if (r == 0)
		r = hoy_cli_call(app->cli, "POST", path, body->data, NULL, err);
	hoy_compose_tell(app, r < 0 ? HOY_REPORT_ERROR : HOY_REPORT_DONE, kind, name, r < 0 ? "Error" : "Created");
	return r < 0 ? hoy_err_wrap(err, "create the %s %s", kind, name) : 0;
}

static int create_network(struct hoy_compose *app, const struct hoy_compose_network *n, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_json_writer w = { .buf = &body };
	char hash[HOY_COMPOSE_HASH_SIZE];
	int r = hoy_compose_resource_hash("networks", n->node, hash, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Name", n->real_name);
	hoy_json_add_bool(&w, "CheckDuplicate", true);
	hoy_create_add_text(&w, "Driver", n->driver);
	hoy_compose_body_pairs(&w, "Options", n->driver_opts);
	add_ipam(&w, n->ipam);
	hoy_json_add_bool(&w, "Internal", n->internal);
	hoy_json_add_bool(&w, "Attachable", n->attachable);
	if (n->enable_ipv4)
		hoy_json_add_bool(&w, "EnableIPv4", *n->enable_ipv4);
	if (n->enable_ipv6)
		hoy_json_add_bool(&w, "EnableIPv6", *n->enable_ipv6);
	add_labels(&w, app, n->labels, HOY_COMPOSE_NETWORK, n->name, hash);
	hoy_json_end(&w);
	r = create(app, "Network", "/networks/create", n->real_name, &body, err);
	/* Made by somebody else meanwhile. */
	return r == -EBUSY && strstr(err->msg, "already exists") ? 0 : r;
}

static int create_volume(struct hoy_compose *app, const struct hoy_compose_volume *v, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf body = {};
	struct hoy_json_writer w = { .buf = &body };
	char hash[HOY_COMPOSE_HASH_SIZE];
	int r = hoy_compose_resource_hash("volumes", v->node, hash, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Name", v->real_name);
	hoy_create_add_text(&w, "Driver", v->driver);
	hoy_compose_body_pairs(&w, "DriverOpts", v->driver_opts);
	add_labels(&w, app, v->labels, HOY_COMPOSE_VOLUME, v->name, hash);
	hoy_json_end(&w);
	return create(app, "Volume", "/volumes/create", v->real_name, &body, err);
}

static int remove_old(const struct making *m, struct hoy_err *err)
{
	const char *name = m->network ? m->network->real_name : m->volume->real_name;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, m->network ? "/networks/" : "/volumes/");
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, m->network ? "" : KEEP);
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(m->app->cli, "DELETE", path.data, NULL, NULL, err);
	if (r < 0 && r != -ENOENT)
		return hoy_err_wrap(
			err, "%s \"%s\" has changed and must be made anew", m->network ? "network" : "volume", name);
	hoy_compose_tell(m->app, HOY_REPORT_WORKING, m->network ? "Network" : "Volume", name, "Removed");
	return 0;
}

static int make(void *userdata, struct hoy_err *err)
{
	const struct making *making = userdata;
	int r = making->replaces ? remove_old(making, err) : 0;

	if (r < 0)
		return r;
	return making->network ? create_network(making->app, making->network, err)
			       : create_volume(making->app, making->volume, err);
}

/* One that stands there under our name but isn't the project's is used all the same, and that is told. */
static void warn_foreign(const struct hoy_compose *app, const struct hoy_json *object, const char *kind)
{
	const char *owner = hoy_cli_text(hoy_json_get(object, "Labels"), HOY_COMPOSE_PROJECT);

	if (*owner && strcmp(owner, app->name) == 0)
		return;
	(void) fprintf(stderr,
		"WARN: %s \"%s\" already exists but was not created for project \"%s\": use `external: true` to use an "
		"existing %s\n",
		kind, hoy_cli_text(object, "Name"), app->name, kind);
}

static int check_network(struct hoy_compose *app, const struct hoy_compose_existing *existing,
	const struct hoy_compose_network *n, bool *ret_missing, struct hoy_err *err)
{
	const struct hoy_json *object = hoy_compose_existing_network(existing, n->real_name);

	*ret_missing = !object;
	if (!object && n->external) {
		if (strcmp(n->real_name, "host") == 0 || strcmp(n->real_name, "none") == 0)
			return 0;
		return hoy_err_not_found(err, "network %s declared as external, but could not be found", n->real_name);
	}
	if (object && !n->external)
		warn_foreign(app, object, "network");
	return 0;
}

static int add_networks(struct hoy_compose *app, const struct hoy_compose_existing *existing, struct making *makings,
	size_t *n, struct hoy_work *work, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_network, net, app->project->networks)
	{
		bool missing = false, changed;
		int r = hoy_compose_network_is_used(app, net->name) ? check_network(app, existing, net, &missing, err)
								    : 0;

		if (r < 0)
			return r;
		changed = hoy_compose_network_is_used(app, net->name) && hoy_compose_network_differs(existing, net);
		if ((!missing && !changed) || net->external)
			continue;
		makings[*n] = (struct making){ .app = app, .network = net, .replaces = changed };
		(void) hoy_work_add(work, make, &makings[(*n)++]);
	}
	return 0;
}

static int add_volumes(struct hoy_compose *app, const struct hoy_compose_existing *existing, struct making *makings,
	size_t *n, struct hoy_work *work, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_volume, volume, app->project->volumes)
	{
		const struct hoy_json *there = hoy_compose_existing_volume(existing, volume->real_name);
		bool goes = hoy_compose_volume_goes(existing, volume);

		if (!hoy_compose_volume_is_used(app, volume->name))
			continue;
		if (!there && volume->external)
			return hoy_err_not_found(err, "external volume \"%s\" not found", volume->real_name);
		if (there && !volume->external)
			warn_foreign(app, there, "volume");
		if (there && !goes)
			continue;
		makings[*n] = (struct making){ .app = app, .volume = volume, .replaces = goes };
		(void) hoy_work_add(work, make, &makings[(*n)++]);
	}
	return 0;
}

/* --- networks that go -------------------------------------------------------- */

struct leaving {
	struct hoy_compose *app;
	struct hoy_compose_container *container;
	const struct hoy_compose_existing *existing;
};

static int disconnect(struct leaving *l, const struct hoy_compose_network *network, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {}, path = {};
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Container", l->container->id);
	hoy_json_add_bool(&w, "Force", true);
	hoy_json_end(&w);
	(void) hoy_buf_adds(&path, "/networks/");
	hoy_http_escape(&path, network->real_name);
	(void) hoy_buf_adds(&path, "/disconnect");
	r = hoy_buf_check(&text, "the request", err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(l->app->cli, "POST", path.data, text.data, NULL, err);
	return r == -ENOENT ? 0 : r;
}

/* The container is made again later: until then it keeps what it has of its own. */
static int leave(void *userdata, struct hoy_err *err)
{
	static const struct hoy_compose_stop_options stop = { .timeout = -1 };
	struct leaving *l = userdata;
	const struct hoy_json *on = hoy_json_get(hoy_json_get(l->container->json, "NetworkSettings"), "Networks");
	int r = 0;

	if (hoy_compose_container_runs(l->container)) {
		hoy_compose_tell(l->app, HOY_REPORT_WORKING, "Container", l->container->name, "Stopping");
		r = hoy_compose_stop_action.run(l->app, l->container, &stop, err);
		hoy_compose_tell(l->app, r < 0 ? HOY_REPORT_ERROR : HOY_REPORT_DONE, "Container", l->container->name,
			r < 0 ? "Error" : "Stopped");
		l->container->state = "exited";
	}
	hoy_compose_each(struct hoy_compose_network, n, l->app->project->networks)
	{
		if (r == 0 && hoy_json_get(on, n->real_name) && hoy_compose_network_differs(l->existing, n))
			r = disconnect(l, n, err);
	}
	return r;
}

static bool is_on_changed(const struct hoy_compose *app, const struct hoy_compose_existing *existing,
	const struct hoy_compose_container *container)
{
	const struct hoy_json *on = hoy_json_get(hoy_json_get(container->json, "NetworkSettings"), "Networks");

	hoy_compose_each(struct hoy_compose_network, n, app->project->networks)
	{
		if (hoy_json_get(on, n->real_name) && hoy_compose_network_is_used(app, n->name) &&
			hoy_compose_network_differs(existing, n))
			return true;
	}
	return false;
}

/* The project's containers leave the networks that are made anew. */
static int leave_changed(struct hoy_compose *app, const struct hoy_compose_existing *existing, struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(app->globals->parallel);
	auto_free struct leaving *all = calloc(app->containers.n + 1, sizeof *all);

	if (!work || !all)
		return hoy_err_oom(err);
	for (size_t i = 0; i < app->containers.n; i++) {
		struct hoy_compose_container *c = &app->containers.all[i];

		if (!is_on_changed(app, existing, c))
			continue;
		all[i] = (struct leaving){ .app = app, .container = c, .existing = existing };
		(void) hoy_work_add(work, leave, &all[i]);
	}
	return hoy_work_run(work, err);
}

/* --- secrets and configs of the engine's --------------------------------------- */

static int check_external(
	struct hoy_compose *app, const struct hoy_compose_file_object *object, const char *what, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_addf(&path, "/%ss/", what);
	hoy_http_escape(&path, object->real_name);
	r = hoy_buf_check(&path, "the request", err);
	if (r >= 0)
		r = hoy_cli_call(app->cli, "GET", path.data, NULL, NULL, err);
	return r == -ENOENT ? hoy_err_not_found(err, "external %s \"%s\" not found", what, object->real_name) : r;
}

static int check_list(struct hoy_compose *app, struct hoy_compose_file_object **list, const char *what, bool *known,
	struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_file_object, object, list)
	{
		int r = 0;

		if (!object->external)
			continue;
		if (!*known)
			r = hoy_cli_check_engine(app->cli, "external secrets and configs", err);
		*known = true;
		if (r >= 0)
			r = check_external(app, object, what, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_externals(struct hoy_compose *app, struct hoy_err *err)
{
	bool known = false;
	int r = check_list(app, app->project->secrets, "secret", &known, err);

	return r < 0 ? r : check_list(app, app->project->configs, "config", &known, err);
}

int hoy_compose_ensure_resources(
	struct hoy_compose *app, const struct hoy_compose_existing *existing, struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(app->globals->parallel);
	auto_free struct making *makings = NULL;
	size_t n = 1, made = 0;
	int r;

	hoy_compose_each(struct hoy_compose_network, net, app->project->networks) n += net != NULL;
	hoy_compose_each(struct hoy_compose_volume, volume, app->project->volumes) n += volume != NULL;
	makings = calloc(n, sizeof *makings);
	if (!work || !makings)
		return hoy_err_oom(err);
	r = check_externals(app, err);
	if (r == 0)
		r = add_networks(app, existing, makings, &made, work, err);
	if (r == 0)
		r = add_volumes(app, existing, makings, &made, work, err);
	if (r == 0)
		r = leave_changed(app, existing, err);
	return r < 0 ? r : hoy_work_run(work, err);
}

/* --- removing them ----------------------------------------------------------- */

struct removal {
	struct hoy_compose *app;
	const char *kind, *path, *id, *name, *query;
};

static int remove_one(void *userdata, struct hoy_err *err)
{
	const struct removal *one = userdata;
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, one->path);
	hoy_http_escape(&path, one->id);
	(void) hoy_buf_adds(&path, one->query);
	r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	hoy_compose_tell(one->app, HOY_REPORT_WORKING, one->kind, one->name, "Removing");
	r = hoy_cli_call(one->app->cli, "DELETE", path.data, NULL, NULL, err);
	if (r == -ENOENT)
		r = 0;
	if (r < 0 && (strstr(err->msg, "in use") || strstr(err->msg, "active endpoints"))) {
		hoy_compose_tell(one->app, HOY_REPORT_WARNING, one->kind, one->name, "Resource is still in use");
		return 0;
	}
	hoy_compose_tell(one->app, r < 0 ? HOY_REPORT_ERROR : HOY_REPORT_DONE, one->kind, one->name,
		r < 0 ? "Error" : "Removed");
	return r < 0 ? hoy_err_wrap(err, "remove the %s %s", one->kind, one->name) : 0;
}

static int remove_all(struct hoy_compose *app, const struct hoy_json *objects, const struct removal *as, const char *id,
	struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(app->globals->parallel);
	auto_free struct removal *all = calloc(hoy_json_len(objects) + 1, sizeof *all);
	size_t n = 0;

	if (!work || !all)
		return hoy_err_oom(err);
	hoy_json_each(object, objects)
	{
		all[n] = *as;
		all[n].app = app;
		all[n].id = hoy_cli_text(object, id);
		all[n].name = hoy_cli_text(object, "Name");
		(void) hoy_work_add(work, remove_one, &all[n++]);
	}
	return hoy_work_run_all(work, err);
}

int hoy_compose_remove_networks(struct hoy_compose *app, struct hoy_err *err)
{
	static const struct removal as = { .kind = "Network", .path = "/networks/", .query = "" };
	auto_ptr(hoy_json_free) struct hoy_json *networks = NULL;
	int r = hoy_compose_list_networks(app, &networks, err);

	return r < 0 ? r : remove_all(app, networks, &as, "Id", err);
}

int hoy_compose_remove_volumes(struct hoy_compose *app, struct hoy_err *err)
{
	static const struct removal as = { .kind = "Volume", .path = "/volumes/", .query = KEEP };
	auto_ptr(hoy_json_free) struct hoy_json *volumes = NULL;
	int r = hoy_compose_list_volumes(app, &volumes, err);

	return r < 0 ? r : remove_all(app, hoy_json_get(volumes, "Volumes"), &as, "Name", err);
}
