/* Listing a project's containers. */
#include "supervisor/compose/containers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/compose/labels.h"

/* A health that is told in the status: "Up 2 minutes (healthy)". */
static const char *health_of(const char *status)
{
	if (strstr(status, "(healthy)"))
		return "healthy";
	if (strstr(status, "(unhealthy)"))
		return "unhealthy";
	return strstr(status, "(health: starting)") ? "starting" : "";
}

static void take(struct hoy_compose_container *c, const struct hoy_json *row)
{
	const struct hoy_json *labels = hoy_json_get(row, "Labels");
	const char *name = hoy_json_string(hoy_json_first(hoy_json_get(row, "Names")));
	int64_t number = 0;

	*c = (struct hoy_compose_container){
		.id = hoy_cli_text(row, "Id"),
		.name = name ? name + (name[0] == '/') : "",
		.service = hoy_cli_text(labels, HOY_COMPOSE_SERVICE),
		.state = hoy_cli_text(row, "State"),
		.status = hoy_cli_text(row, "Status"),
		.hash = hoy_cli_text(labels, HOY_COMPOSE_HASH),
		.image = hoy_cli_text(row, "Image"),
		.image_id = hoy_cli_text(row, "ImageID"),
		.depends = hoy_cli_text(labels, HOY_COMPOSE_DEPENDS),
		.oneoff = strcmp(hoy_cli_text(labels, HOY_COMPOSE_ONEOFF), "True") == 0,
		.json = row,
	};
	(void) hoy_str_to_i64(hoy_cli_text(labels, HOY_COMPOSE_NUMBER), &number);
	c->number = number;
	c->health = health_of(c->status);
	if (hoy_str_starts(c->status, "Exited ("))
		c->exit_code = strtoll(c->status + strlen("Exited ("), NULL, 10);
}

static int by_service(const void *a, const void *b)
{
	const struct hoy_compose_container *x = a, *y = b;
	int order = strcmp(x->service, y->service);

	if (order == 0 && x->oneoff != y->oneoff)
		return x->oneoff - y->oneoff;
	if (order == 0 && x->number != y->number)
		return x->number < y->number ? -1 : 1;
	return order ? order : strcmp(x->name, y->name);
}

int hoy_compose_containers_load(
	const struct hoy_cli *cli, const char *project, struct hoy_compose_containers *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {}, filters = {};
	auto_(hoy_compose_containers_done) struct hoy_compose_containers containers = {};
	struct hoy_json_writer w = { .buf = &filters };
	auto_free char *label = project ? hoy_str_printf("%s=%s", HOY_COMPOSE_PROJECT, project) : NULL;
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_array(&w, "label");
	hoy_json_add_string(&w, NULL, label ? label : HOY_COMPOSE_PROJECT);
	hoy_json_end(&w);
	hoy_json_end(&w);
	(void) hoy_buf_adds(&path, "/containers/json?all=1&filters=");
	if (!filters.failed)
		hoy_http_escape(&path, filters.data);
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(cli, "GET", path.data, NULL, &containers.list, err);
	if (r < 0)
		return r;
	containers.all = calloc(hoy_json_len(containers.list) + 1, sizeof *containers.all);
	if (!containers.all)
		return hoy_err_oom(err);
	hoy_json_each(row, containers.list) take(&containers.all[containers.n++], row);
	if (containers.n)
		qsort(containers.all, containers.n, sizeof *containers.all, by_service);
	*ret = containers;
	containers = (struct hoy_compose_containers){};
	return 0;
}

void hoy_compose_containers_done(struct hoy_compose_containers *containers)
{
	free(containers->all);
	hoy_json_free(containers->list);
	*containers = (struct hoy_compose_containers){};
}

bool hoy_compose_container_runs(const struct hoy_compose_container *c)
{
	return strcmp(c->state, "running") == 0 || strcmp(c->state, "paused") == 0 ||
	       strcmp(c->state, "restarting") == 0;
}

struct hoy_compose_container *hoy_compose_containers_find(
	const struct hoy_compose_containers *containers, const char *service, long long number)
{
	struct hoy_compose_container *found = NULL;

	for (size_t i = 0; i < containers->n; i++) {
		struct hoy_compose_container *c = &containers->all[i];

		if (c->oneoff || strcmp(c->service, service) != 0 || (number && c->number != number))
			continue;
		if (!found || (!hoy_compose_container_runs(found) && hoy_compose_container_runs(c)))
			found = c;
	}
	return found;
}

bool hoy_compose_container_is_temporary(const struct hoy_compose_container *c)
{
	return *hoy_cli_text(hoy_json_get(c->json, "Labels"), HOY_COMPOSE_REPLACE) &&
	       strspn(c->name, "0123456789abcdef") == 12 && c->name[12] == '_';
}

bool hoy_compose_container_of(const struct hoy_compose_container *container, char *const *services)
{
	return !services || !*services || hoy_strv_has(services, container->service);
}

int hoy_compose_container_each_dependency(const struct hoy_compose_container *container,
	int (*on_service)(const char *service, void *userdata), void *userdata)
{
	const char *at = container->depends;

	while (*at) {
		size_t entry = strcspn(at, ","), name = strcspn(at, ":,");
		auto_free char *service = strndup(at, name);
		int r = service ? on_service(service, userdata) : -ENOMEM;

		if (r < 0)
			return r;
		at += entry + (at[entry] == ',');
	}
	return 0;
}
