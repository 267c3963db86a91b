/* Config: what runs in the container, and how it is known. */
#include "supervisor/compose/body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/compose/body_internal.h"
#include "supervisor/compose/labels.h"

#define SECOND INT64_C(1000000000)

void hoy_compose_body_pairs(struct hoy_json_writer *w, const char *key, const struct hoy_compose_pair *pairs)
{
	if (!pairs)
		return;
	hoy_json_object(w, key);
	for (; pairs->key; pairs++)
		hoy_json_add_string(w, pairs->key, pairs->value ? pairs->value : "");
	hoy_json_end(w);
}

char *hoy_compose_depends_label(const struct hoy_compose_service *service)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	(void) hoy_buf_adds(&out, "");
	hoy_compose_each(struct hoy_compose_dependency, d, service->depends_on)(void) hoy_buf_addf(
		&out, "%s%s:%s:%s", out.len ? "," : "", d->name, d->condition, d->restart ? "true" : "false");
	return hoy_buf_take(&out);
}

static void add_environment(struct hoy_json_writer *w, const struct hoy_compose_pair *pairs)
{
	if (!pairs)
		return;
	hoy_json_array(w, "Env");
	for (; pairs->key; pairs++) {
		auto_free char *entry = pairs->value ? hoy_str_printf("%s=%s", pairs->key, pairs->value) : NULL;

		if (entry) /* one that the environment lacks is left out */
			hoy_json_add_string(w, NULL, entry);
	}
	hoy_json_end(w);
}

static void add_files_label(struct hoy_json_writer *w, const struct hoy_compose_project *project)
{
	auto_(hoy_buf_done) struct hoy_buf files = {};

	for (char **file = project->files; file && *file; file++)
		(void) hoy_buf_addf(&files, "%s%s", files.len ? "," : "", *file);
	hoy_json_add_string(w, HOY_COMPOSE_FILES, files.data ? files.data : "");
}

static void add_labels(struct hoy_json_writer *w, const struct hoy_compose_body *b)
{
	auto_free char *number = hoy_str_printf("%lld", b->number);

	hoy_json_object(w, "Labels");
	for (const struct hoy_compose_pair *p = b->service->labels; p && p->key; p++)
		if (!hoy_str_starts(p->key, HOY_COMPOSE_LABEL))
			hoy_json_add_string(w, p->key, p->value ? p->value : "");
	hoy_json_add_string(w, HOY_COMPOSE_HASH, b->hash);
	if (b->contents && *b->contents)
		hoy_json_add_string(w, HOY_COMPOSE_CONTENTS, b->contents);
	hoy_json_add_string(w, HOY_COMPOSE_NUMBER, number ? number : "");
	hoy_json_add_string(w, HOY_COMPOSE_DEPENDS, b->depends);
	if (b->image_id)
		hoy_json_add_string(w, HOY_COMPOSE_IMAGE, b->image_id);
	hoy_json_add_string(w, HOY_COMPOSE_ONEOFF, b->slug ? "True" : "False");
	if (b->slug)
		hoy_json_add_string(w, HOY_COMPOSE_SLUG, b->slug);
	hoy_json_add_string(w, HOY_COMPOSE_PROJECT, b->project->name);
	add_files_label(w, b->project);
	if (b->env_files)
		hoy_json_add_string(w, HOY_COMPOSE_ENV_FILE, b->env_files);
	hoy_json_add_string(w, HOY_COMPOSE_DIR, b->project->working_dir);
	if (b->replaces)
		hoy_json_add_string(w, HOY_COMPOSE_REPLACE, b->replaces);
	hoy_json_add_string(w, HOY_COMPOSE_SERVICE, b->service->name);
	hoy_json_add_string(w, HOY_COMPOSE_VERSION, PACKAGE_VERSION);
	hoy_json_end(w);
}

static void add_time(struct hoy_json_writer *w, const char *key, const int64_t *value)
{
	if (value)
		hoy_json_add_i64(w, key, *value);
}

static void add_healthcheck(struct hoy_json_writer *w, const struct hoy_compose_healthcheck *health)
{
	static char none[] = "NONE";
	char *const disabled[] = { none, NULL };

	if (!health)
		return;
	hoy_json_object(w, "Healthcheck");
	if (health->disable)
		hoy_json_add_strv(w, "Test", disabled);
	else if (health->test)
		hoy_json_add_strv(w, "Test", health->test);
	add_time(w, "Interval", health->interval);
	add_time(w, "Timeout", health->timeout);
	add_time(w, "StartPeriod", health->start_period);
	add_time(w, "StartInterval", health->start_interval);
	add_time(w, "Retries", health->retries);
	hoy_json_end(w);
}

/* Arguments that are there but empty take the image's away. */
static void add_arguments(struct hoy_json_writer *w, const char *key, char *const *arguments)
{
	if (!arguments)
		return;
	hoy_json_add_strv(w, key, arguments);
}

static int add_config(struct hoy_json_writer *w, const struct hoy_compose_body *b, struct hoy_err *err)
{
	const struct hoy_compose_service *s = b->service;
	int r;

	hoy_json_add_string(w, "Image", b->image);
	hoy_create_add_text(w, "Hostname", s->hostname);
	hoy_create_add_text(w, "Domainname", s->domainname);
	hoy_create_add_text(w, "User", s->user);
	hoy_create_add_text(w, "WorkingDir", s->working_dir);
	hoy_json_add_bool(w, "Tty", s->tty);
	hoy_json_add_bool(w, "OpenStdin", s->stdin_open);
	hoy_json_add_bool(w, "StdinOnce", s->stdin_open && b->slug);
	hoy_json_add_bool(w, "AttachStdin", s->stdin_open && b->slug);
	hoy_json_add_bool(w, "AttachStdout", true);
	hoy_json_add_bool(w, "AttachStderr", true);
	add_arguments(w, "Entrypoint", s->entrypoint);
	add_arguments(w, "Cmd", s->command);
	add_environment(w, s->environment);
	add_labels(w, b);
	add_healthcheck(w, s->healthcheck);
	hoy_create_add_text(w, "StopSignal", s->stop_signal);
	if (s->stop_grace_period)
		hoy_json_add_i64(w, "StopTimeout", (*s->stop_grace_period + SECOND - 1) / SECOND);
	hoy_create_add_text(w, "MacAddress", s->mac_address);
	r = hoy_compose_body_ports(b, w, /* exposed= */ true, err);
	hoy_compose_body_volumes(b, w);
	return r;
}

/* --- networks ---------------------------------------------------------------- */

static int by_priority(const void *a, const void *b)
{
	const struct hoy_compose_service_network *const *x = a, *const *y = b;

	if ((*x)->priority != (*y)->priority)
		return (*x)->priority > (*y)->priority ? -1 : 1;
	return strcmp((*x)->name, (*y)->name);
}

struct hoy_compose_service_network **hoy_compose_body_networks(const struct hoy_compose_service *service)
{
	struct hoy_compose_service_network **sorted;
	size_t n = 0;

	hoy_compose_each(struct hoy_compose_service_network, network, service->networks) n += network != NULL;
	sorted = calloc(n + 1, sizeof *sorted);
	if (!sorted)
		return NULL;
	n = 0;
	hoy_compose_each(struct hoy_compose_service_network, network, service->networks) sorted[n++] = network;
	if (n)
		qsort(sorted, n, sizeof *sorted, by_priority);
	return sorted;
}

/* "db:database" and "db" name another service's container; the engine wants the container's name in front. */
static void add_links(const struct hoy_compose_body *b, struct hoy_json_writer *w)
{
	if (!b->service->links && !b->service->external_links)
		return;
	hoy_json_array(w, "Links");
	for (char **link = b->service->links; link && *link; link++) {
		size_t len = strcspn(*link, ":");
		auto_free char *service = strndup(*link, len);
		const char *container = service ? b->container_of(service, b->userdata) : NULL;
		auto_free char *entry = container ? hoy_str_printf("%s:%s", container,
							    (*link)[len] ? *link + len + 1 : service)
						  : NULL;

		if (entry)
			hoy_json_add_string(w, NULL, entry);
	}
	for (char **link = b->service->external_links; link && *link; link++) {
		auto_free char *entry = strchr(*link, ':') ? strdup(*link) : hoy_str_printf("%s:%s", *link, *link);

		if (entry)
			hoy_json_add_string(w, NULL, entry);
	}
	hoy_json_end(w);
}

void hoy_compose_body_endpoint(const struct hoy_compose_body *b, const struct hoy_compose_service_network *network,
	struct hoy_json_writer *w, const char *key)
{
	hoy_json_object(w, key);
	hoy_json_array(w, "Aliases");
	hoy_json_add_string(w, NULL, b->container_name);
	if (b->aliases) {
		hoy_json_add_string(w, NULL, b->service->name);
		for (char **alias = network->aliases; alias && *alias; alias++)
			hoy_json_add_string(w, NULL, *alias);
	}
	hoy_json_end(w);
	add_links(b, w);
	if (network->ipv4_address || network->ipv6_address || network->link_local_ips) {
		hoy_json_object(w, "IPAMConfig");
		hoy_create_add_text(w, "IPv4Address", network->ipv4_address);
		hoy_create_add_text(w, "IPv6Address", network->ipv6_address);
		hoy_create_add_list(w, "LinkLocalIPs", network->link_local_ips);
		hoy_json_end(w);
	}
	hoy_create_add_text(w, "MacAddress", network->mac_address);
	if (network->driver_opts || network->interface_name) {
		hoy_json_object(w, "DriverOpts");
		for (const struct hoy_compose_pair *p = network->driver_opts; p && p->key; p++)
			hoy_json_add_string(w, p->key, p->value ? p->value : "");
		hoy_create_add_text(w, "com.docker.network.endpoint.ifname", network->interface_name);
		hoy_json_end(w);
	}
	hoy_create_add_number(w, "GwPriority", network->gw_priority);
	hoy_json_end(w);
}

/* The first network comes with the container, the others are connected before it starts: engines before API 1.44 take
 * only one here. */
static int add_networking(struct hoy_json_writer *w, const struct hoy_compose_body *b, struct hoy_err *err)
{
	auto_free struct hoy_compose_service_network **networks = hoy_compose_body_networks(b->service);
	const struct hoy_compose_network *network;

	if (!networks)
		return hoy_err_oom(err);
	if (!networks[0])
		return 0;
	network = hoy_compose_network_find(b->project, networks[0]->name);
	if (!network)
		return hoy_err_invalid(
			err, "service \"%s\" refers to undefined network %s", b->service->name, networks[0]->name);
	hoy_json_object(w, "NetworkingConfig");
	hoy_json_object(w, "EndpointsConfig");
	hoy_compose_body_endpoint(b, networks[0], w, network->real_name);
	hoy_json_end(w);
	hoy_json_end(w);
	return 0;
}

/* --- the whole --------------------------------------------------------------- */

int hoy_compose_body_print(const struct hoy_compose_body *b, struct hoy_buf *out, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = out };
	int r;

	hoy_json_object(&w, NULL);
	r = add_config(&w, b, err);
	if (r == 0) {
		hoy_json_object(&w, "HostConfig");
		r = hoy_compose_body_host(b, &w, err);
		hoy_json_end(&w);
	}
	if (r == 0)
		r = add_networking(&w, b, err);
	hoy_json_end(&w);
	return r < 0 ? hoy_err_wrap(err, "service \"%s\"", b->service->name)
		     : hoy_buf_check(out, "the request to create a container", err);
}

int hoy_compose_body_check(const struct hoy_compose_service *s, struct hoy_err *err)
{
	const struct {
		bool given;
		const char *text;
	} refused[] = {
		{ s->credential_spec, "credential_spec is of Windows and not supported" },
		{ s->provider, "services of a provider are not supported" },
		{ s->models, "models are not supported" },
		{ s->use_api_socket, "use_api_socket is not supported" },
		{ s->deploy && s->deploy->mode && strcmp(s->deploy->mode, "replicated") != 0,
			"deploy.mode: only replicated is supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (refused[i].given)
			return hoy_err_unsupported(err, "service \"%s\": %s", s->name, refused[i].text);
	return 0;
}

void hoy_compose_body_warn(const struct hoy_compose_service *s)
{
	const struct hoy_compose_deploy *d = s->deploy;
	const struct hoy_compose_restart_policy *restart = d ? d->restart_policy : NULL;
	const struct hoy_compose_resource *reserved = d && d->resources ? d->resources->reservations : NULL;
	const struct {
		bool given;
		const char *text;
	} ignored[] = {
		{ d && d->placement, "deploy.placement has no effect: there is one host" },
		{ d && d->endpoint_mode, "deploy.endpoint_mode has no effect: names give all containers' addresses" },
		{ reserved && reserved->cpus > 0, "deploy.resources.reservations.cpus has no effect" },
		{ reserved && reserved->generic_resources,
			"deploy.resources.reservations.generic_resources has no effect" },
		{ d && d->update_config && !hoy_str_eq(d->update_config->order, "start-first"),
			"deploy.update_config has an effect with order start-first only: else each container is stopped before the one in its place starts" },
		{ d && d->rollback_config,
			"deploy.rollback_config has no effect: a rollback gives the old containers their places back, all at once" },
		{ restart && (restart->delay || restart->window),
			"deploy.restart_policy.delay and window have no effect: the engine waits longer each time" },
	};

	for (size_t i = 0; i < ARRAY_LEN(ignored); i++)
		if (ignored[i].given)
			(void) fprintf(stderr, "WARN: service \"%s\": %s\n", s->name, ignored[i].text);
}
