#include "supervisor/container/links.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/network/network.h"

int hoy_link_split(const char *text, char **ret_name, char **ret_alias, struct hoy_err *err)
{
	const char *colon = strchr(text, ':'), *alias = colon ? colon + 1 : text;
	const char *slash = strrchr(alias, '/'); /* "/web:/app/db" is how inspect shows it */
	auto_free char *name = strndup(text, colon ? (size_t) (colon - text) : strlen(text));
	char *start = name && *name == '/' ? name + 1 : name;

	if (!name)
		return hoy_err_oom(err);
	alias = slash ? slash + 1 : alias;
	if (!*start || !*alias || strchr(alias, ':'))
		return hoy_err_invalid(err, "bad format for links: %s", text);
	*ret_name = strdup(start);
	*ret_alias = strdup(alias);
	return *ret_name && *ret_alias ? 0 : hoy_err_oom(err);
}

static bool has_any(char *const *list)
{
	return list && list[0];
}

static bool is_default_bridge(const struct hoy_container_host_config *host)
{
	const char *mode = host->network_mode;

	return !mode || !*mode || !strcmp(mode, "default") || !strcmp(mode, "bridge");
}

int hoy_container_links_check(const struct hoy_container_host_config *host, struct hoy_err *err)
{
	static const char tail[] = "can't be used with links. This would result in undefined behavior";
	int r = 0;

	if (!has_any(host->links))
		return 0;
	if (hoy_str_eq(host->network_mode, "host"))
		return hoy_err_invalid(err, "conflicting options: host type networking %s", tail);
	if (hoy_container_mode_names(host->network_mode))
		return hoy_err_invalid(err, "conflicting options: container type network %s", tail);
	if (hoy_str_eq(host->network_mode, "none"))
		return hoy_err_invalid(err, "conflicting options: network mode none %s", tail);
	for (size_t i = 0; host->links[i] && r >= 0; i++) {
		auto_free char *name = NULL, *alias = NULL;

		r = hoy_link_split(host->links[i], &name, &alias, err);
	}
	return r;
}

static struct hoy_container_endpoint *find_endpoint(const struct hoy_container *c, const char *network)
{
	struct hoy_container_networking *n = &c->config->networking;

	for (size_t i = 0; i < n->n_endpoints; i++)
		if (hoy_container_same_network(c->room->options.networks, n->endpoints[i].network, network))
			return &n->endpoints[i];
	return NULL;
}

static struct hoy_container_endpoint *add_endpoint(struct hoy_container_networking *n, const char *network)
{
	struct hoy_container_endpoint *grown = reallocarray(n->endpoints, n->n_endpoints + 1, sizeof *grown);

	if (!grown)
		return NULL;
	n->endpoints = grown;
	grown += n->n_endpoints;
	*grown = (struct hoy_container_endpoint){ .network = strdup(network) };
	if (!grown->network)
		return NULL;
	n->n_endpoints++;
	return grown;
}

/* The same links on a user's network are its endpoint's, which may have been given them too. */
static int give_to_endpoint(struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_container_config *config = c->config;
	struct hoy_container_networking *n = &config->networking;
	struct hoy_container_endpoint *e = find_endpoint(c, config->host.network_mode);

	if (!e)
		e = add_endpoint(n, config->host.network_mode);
	if (!e)
		return hoy_err_oom(err);
	if (e->links)
		hoy_strv_free(config->host.links);
	else
		e->links = config->host.links;
	config->host.links = NULL;
	return 0;
}

int hoy_container_links_resolve(struct hoy_container *c, struct hoy_err *err)
{
	char **links = c->config->host.links;
	struct hoy_container *other;

	if (has_any(links) && !is_default_bridge(&c->config->host))
		return give_to_endpoint(c, err);

	for (size_t i = 0; links && links[i]; i++) {
		auto_free char *name = NULL, *alias = NULL;
		int r = hoy_link_split(links[i], &name, &alias, err);

		if (r < 0)
			return r;
		if (hoy_containers_lookup(c->room, name, &other, NULL) < 0)
			return hoy_err_invalid(
				err, "could not get container for %s: No such container: %s", name, name);
		if (hoy_str_eq(other->config->host.network_mode, "host"))
			return hoy_err_invalid(err,
				"conflicting options: host type networking can't be used with links. This would result in undefined behavior");
		free(links[i]);
		links[i] = hoy_str_printf("%s:%s", other->info.id, alias);
		if (!links[i])
			return hoy_err_oom(err);
	}
	return 0;
}

/* --- addresses ------------------------------------------------------------------------------------------------ */

/* Its address on the network (name or ID; NULL: the default bridge), while it is attached. */
static bool find_address(const struct hoy_container *c, const char *network, char ret[HOY_NETWORK_ADDRESS_MAX])
{
	struct hoy_endpoint_info *all = NULL;
	bool found = false;
	size_t n = 0;

	if (hoy_network_endpoints_of(c->room->options.networks, c->info.id, &all, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n && !found; i++) {
		const struct hoy_endpoint_info *e = &all[i];

		found = e->attached && *e->address &&
			(hoy_str_eq(e->network_name, network ? network : "bridge") ||
				hoy_str_eq(e->network_id, network));
		if (found)
			memcpy(ret, e->address, HOY_NETWORK_ADDRESS_MAX);
	}
	hoy_endpoint_infos_free(all, n);
	return found;
}

static bool runs(const struct hoy_container *c)
{
	return c->phase == HOY_PHASE_RUNNING;
}

/* --- variables ------------------------------------------------------------------------------------------------ */

struct port {
	unsigned long number;
	const char *proto;
};

static int by_number(const void *a, const void *b)
{
	const struct port *one = a, *other = b;

	if (one->number != other->number)
		return one->number < other->number ? -1 : 1;
	return strcmp(one->proto, other->proto); /* tcp before udp */
}

static int add_ports(char ***env, const char *prefix, const struct hoy_container *other, const char *address)
{
	char *const *exposed = other->config->exposed_ports;
	size_t n = 0;
	auto_free struct port *ports = calloc(hoy_strv_len((char **) exposed) + 1, sizeof *ports);
	int r = ports ? 0 : -ENOMEM;

	for (size_t i = 0; r >= 0 && exposed && exposed[i]; i++) {
		const char *slash = strchr(exposed[i], '/');

		ports[n++] = (struct port){ strtoul(exposed[i], NULL, 10), slash ? slash + 1 : "tcp" };
	}
	if (n > 0)
		qsort(ports, n, sizeof *ports, by_number);
	if (r >= 0 && n > 0)
		r = hoy_strv_addf(env, "%s_PORT=%s://%s:%lu", prefix, ports[0].proto, address, ports[0].number);
	for (size_t i = 0; i < n && r >= 0; i++) {
		auto_free char *upper = strdup(ports[i].proto), *key = NULL;

		for (char *p = upper; p && *p; p++)
			*p = (char) toupper((unsigned char) *p);
		key = upper ? hoy_str_printf("%s_PORT_%lu_%s", prefix, ports[i].number, upper) : NULL;
		r = key ? hoy_strv_addf(env, "%s=%s://%s:%lu", key, ports[i].proto, address, ports[i].number) : -ENOMEM;
		if (r >= 0)
			r = hoy_strv_addf(env, "%s_ADDR=%s", key, address);
		if (r >= 0)
			r = hoy_strv_addf(env, "%s_PORT=%lu", key, ports[i].number);
		if (r >= 0)
			r = hoy_strv_addf(env, "%s_PROTO=%s", key, ports[i].proto);
	}
	return r;
}

/* DB_NAME=/app/db, DB_PORT_5432_TCP..., and DB_ENV_... of what the other was given. */
static int add_link(char ***env, const struct hoy_container *c, const struct hoy_container *other, const char *alias,
	const char *address)
{
	auto_free char *prefix = strdup(alias);
	char *const *theirs = other->config->env;
	int r;

	if (!prefix)
		return -ENOMEM;
	for (char *p = prefix; *p; p++)
		*p = *p == '-' ? '_' : (char) toupper((unsigned char) *p);
	r = add_ports(env, prefix, other, address);
	if (r >= 0)
		r = hoy_strv_addf(env, "%s_NAME=/%s/%s", prefix, c->info.name, alias);
	for (size_t i = 0; r >= 0 && theirs && theirs[i]; i++)
		if (strchr(theirs[i], '=') && !hoy_str_starts(theirs[i], "PATH=") &&
			!hoy_str_starts(theirs[i], "HOME="))
			r = hoy_strv_addf(env, "%s_ENV_%s", prefix, theirs[i]);
	return r;
}

int hoy_container_links_env(const struct hoy_container *c, bool strict, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **env = NULL;
	char *const *links = c->config->host.links;

	for (size_t i = 0; links && links[i]; i++) {
		auto_free char *id = NULL, *alias = NULL;
		char address[HOY_NETWORK_ADDRESS_MAX];
		struct hoy_container *other;
		int r = hoy_link_split(links[i], &id, &alias, err);

		if (r < 0)
			return r;
		if (hoy_containers_lookup(c->room, id, &other, NULL) < 0)
			continue; /* it was removed */
		if (runs(other) && find_address(other, NULL, address))
			r = add_link(&env, c, other, alias, address);
		else if (strict)
			return hoy_err_conflict(err, "Cannot link to a non running container: /%s AS /%s/%s",
				other->info.name, c->info.name, alias);
		if (r < 0)
			return hoy_err_oom(err);
	}
	*ret = TAKE_PTR(env);
	return 0;
}

/* --- hosts ---------------------------------------------------------------------------------------------------- */

static void add_host(struct hoy_buf *text, const struct hoy_container *other, const char *network, const char *alias)
{
	char address[HOY_NETWORK_ADDRESS_MAX];

	if (!find_address(other, network, address))
		return;
	hoy_buf_addf(text, "%s\t%s", address, alias);
	if (!network) /* of old: all its names */
		hoy_buf_addf(text, " %s%s%s", other->config->hostname, strcmp(other->info.name, alias) ? " " : "",
			strcmp(other->info.name, alias) ? other->info.name : "");
	hoy_buf_addc(text, '\n');
}

static void add_hosts(const struct hoy_container *c, char *const *links, const char *network, struct hoy_buf *text)
{
	for (size_t i = 0; links && links[i]; i++) {
		auto_free char *name = NULL, *alias = NULL;
		struct hoy_container *other;

		if (hoy_link_split(links[i], &name, &alias, NULL) >= 0 &&
			hoy_containers_lookup(c->room, name, &other, NULL) >= 0)
			add_host(text, other, network, alias);
	}
}

void hoy_container_links_hosts(const struct hoy_container *c, struct hoy_buf *text)
{
	const struct hoy_container_networking *n = &c->config->networking;

	add_hosts(c, c->config->host.links, NULL, text);
	for (size_t i = 0; i < n->n_endpoints; i++)
		add_hosts(c, n->endpoints[i].links, n->endpoints[i].network, text);
}

static bool names(char *const *links, const struct hoy_container *c)
{
	for (size_t i = 0; links && links[i]; i++) {
		auto_free char *name = NULL, *alias = NULL;
		struct hoy_container *other;

		if (hoy_link_split(links[i], &name, &alias, NULL) >= 0 &&
			hoy_containers_lookup(c->room, name, &other, NULL) >= 0 && other == c)
			return true;
	}
	return false;
}

static bool is_linked_to(const struct hoy_container *c, const struct hoy_container *other)
{
	const struct hoy_container_networking *n = &c->config->networking;
	bool found = names(c->config->host.links, other);

	for (size_t i = 0; i < n->n_endpoints && !found; i++)
		found = names(n->endpoints[i].links, other);
	return found;
}

void hoy_container_links_refresh(const struct hoy_container *c)
{
	struct hoy_containers *room = c->room;

	for (size_t i = 0; i < room->n; i++) {
		struct hoy_container *parent = room->list[i];
		struct hoy_err err = {};

		if (parent != c && runs(parent) && is_linked_to(parent, c) &&
			hoy_container_hosts_write(parent, &err) < 0)
			hoy_log_ignored(&err, "container '%s'", parent->info.id);
	}
}

/* --- later ---------------------------------------------------------------------------------------------------- */

int hoy_container_links_keep(struct hoy_container *c, const char *network, char *const *links, struct hoy_err *err)
{
	struct hoy_container_networking *n = &c->config->networking;
	struct hoy_container_endpoint *e = find_endpoint(c, network);

	if (!has_any(links) && !(e && e->links))
		return 0;
	if (!e)
		e = add_endpoint(n, network);
	if (!e)
		return hoy_err_oom(err);
	hoy_strv_free(e->links);
	e->links = has_any(links) ? hoy_strv_copy(links) : NULL;
	if (has_any(links) && !e->links)
		return hoy_err_oom(err);
	return hoy_container_config_save(c, err);
}

/* --- what clients see ----------------------------------------------------------------------------------------- */

int hoy_container_links_shown(
	struct hoy_containers *room, const struct hoy_container_info *info, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **shown = NULL;
	char *const *links = info->config->host.links;

	for (size_t i = 0; links && links[i]; i++) {
		auto_free char *id = NULL, *alias = NULL;
		struct hoy_container *other;
		int r = hoy_link_split(links[i], &id, &alias, err);

		if (r < 0)
			return r;
		if (hoy_containers_lookup(room, id, &other, NULL) >= 0 &&
			hoy_strv_addf(&shown, "/%s:/%s/%s", other->info.name, info->name, alias) < 0)
			return hoy_err_oom(err);
	}
	*ret = TAKE_PTR(shown);
	return 0;
}

int hoy_container_link_names(
	struct hoy_containers *room, const struct hoy_container_info *info, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **found = NULL;

	for (size_t i = 0; i < room->n; i++) {
		const struct hoy_container *parent = room->list[i];
		char *const *links = parent->config->host.links;

		for (size_t k = 0; links && links[k]; k++)
			if (hoy_str_starts(links[k], info->id) &&
				hoy_strv_addf(&found, "/%s/%s", parent->info.name, links[k] + strlen(info->id) + 1) < 0)
				return hoy_err_oom(err);
	}
	*ret = TAKE_PTR(found);
	return 0;
}

int hoy_container_link_remove(
	struct hoy_containers *room, const char *ref, hoy_container_done done, void *userdata, struct hoy_err *err)
{
	const char *start = ref + (*ref == '/'), *slash = strchr(start, '/');
	auto_free char *name = slash ? strndup(start, (size_t) (slash - start)) : NULL;
	struct hoy_container *c = name ? hoy_containers_by_name(room, name) : NULL;
	char **links = c ? c->config->host.links : NULL;
	size_t n = hoy_strv_len(links);
	struct hoy_err ignored = {};
	int r;

	if (!c)
		return hoy_err_not_found(err, "Could not get parent container %s for link", slash ? name : ref);
	for (size_t i = 0; i < n; i++) {
		const char *alias = strchr(links[i], ':');

		if (!alias || strcmp(alias + 1, slash + 1) != 0)
			continue;
		free(links[i]);
		memmove(&links[i], &links[i + 1], (n - i) * sizeof *links); /* with the NULL */
		r = hoy_container_config_save(c, err);
		if (r < 0)
			return r;
		if (runs(c) && hoy_container_hosts_write(c, &ignored) < 0)
			hoy_log_ignored(&ignored, "container '%s'", c->info.id);
		hoy_done_later(room, done, userdata, NULL);
		return 0;
	}
	return hoy_err_not_found(err, "No such link: %s", ref);
}
