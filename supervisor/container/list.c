/* Listing with docker's filters. */
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/container/internal.h"
#include "supervisor/image/image.h"
#include "supervisor/network/network.h"

void hoy_container_filter_done(struct hoy_container_filter *filter)
{
	hoy_strv_free(filter->statuses);
	hoy_strv_free(filter->names);
	hoy_strv_free(filter->ids);
	hoy_strv_free(filter->labels);
	hoy_strv_free(filter->ancestors);
	hoy_strv_free(filter->exited);
	hoy_strv_free(filter->healths);
	hoy_strv_free(filter->before);
	hoy_strv_free(filter->since);
	hoy_strv_free(filter->volumes);
	hoy_strv_free(filter->networks);
	hoy_strv_free(filter->published);
	hoy_strv_free(filter->exposed);
	*filter = (struct hoy_container_filter){};
}

/* True when `pattern` (an extended regular expression) is found in the name, with or without its '/'. */
static bool name_matches(const char *name, const char *pattern)
{
	auto_free char *with_slash = hoy_str_printf("/%s", name);
	regex_t regex;
	bool found;

	if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return strstr(name, pattern) != NULL;
	found = regexec(&regex, name, 0, NULL, 0) == 0 || (with_slash && regexec(&regex, with_slash, 0, NULL, 0) == 0);
	regfree(&regex);
	return found;
}

static bool any_name(const struct hoy_container_info *info, char *const *names)
{
	for (size_t i = 0; names[i]; i++)
		if (name_matches(info->name, names[i]))
			return true;
	return false;
}

static bool any_id(const struct hoy_container_info *info, char *const *ids)
{
	for (size_t i = 0; ids[i]; i++)
		if (hoy_str_starts(info->id, ids[i]))
			return true;
	return false;
}

static bool has_label(const struct hoy_container_config *config, const char *wanted)
{
	size_t key_len = strcspn(wanted, "=");

	for (size_t i = 0; i < config->n_labels; i++) {
		const struct hoy_oci_kv *label = &config->labels[i];

		if (strlen(label->key) != key_len || strncmp(label->key, wanted, key_len) != 0)
			continue;
		if (!wanted[key_len] || strcmp(label->value, wanted + key_len + 1) == 0)
			return true;
	}
	return false;
}

static bool all_labels(const struct hoy_container_info *info, char *const *labels)
{
	for (size_t i = 0; labels[i]; i++)
		if (!has_label(info->config, labels[i]))
			return false;
	return true;
}

static bool any_ancestor(struct hoy_containers *room, const struct hoy_container_info *info, char *const *ancestors)
{
	for (size_t i = 0; ancestors[i]; i++) {
		const struct hoy_image *image;

		if (hoy_str_eq(info->config->image, ancestors[i]))
			return true;
		if (hoy_images_find(room->options.images, ancestors[i], &image, NULL) >= 0 &&
			strcmp(image->id, info->image_id) == 0)
			return true;
	}
	return false;
}

static bool any_exit_code(const struct hoy_container_info *info, char *const *codes)
{
	int code;

	for (size_t i = 0; codes[i]; i++)
		if (hoy_str_to_int(codes[i], &code) >= 0 && code == info->exit_code &&
			info->status != HOY_CONTAINER_RUNNING && info->started.tv_sec != 0)
			return true;
	return false;
}

static bool any_volume(const struct hoy_container_info *info, char *const *volumes)
{
	for (size_t i = 0; i < info->n_mounts; i++) {
		const struct hoy_container_mount_info *m = &info->mounts[i];

		if (hoy_strv_has(volumes, m->destination) ||
			hoy_strv_has(volumes, m->name && *m->name ? m->name : m->source))
			return true;
	}
	return false;
}

static bool any_network(struct hoy_containers *room, const struct hoy_container_info *info, char *const *networks)
{
	struct hoy_endpoint_info *all = NULL;
	bool found = false;
	size_t n = 0;

	if (hoy_network_endpoints_of(room->options.networks, info->id, &all, &n, NULL) < 0)
		return false;
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; networks[k]; k++)
			found = found || hoy_str_eq(all[i].network_name, networks[k]) ||
				hoy_str_starts(all[i].network_id, networks[k]);
	hoy_endpoint_infos_free(all, n);
	return found;
}

/* --- ports: "80", "80/udp", "80-90/tcp" -------------------------------------------------------------------- */

struct port_range {
	unsigned int first, last;
	int proto;
};

static int parse_port(const char *text, struct port_range *ret)
{
	const char *slash = strchr(text, '/');
	auto_free char *ports = strndup(text, slash ? (size_t) (slash - text) : strlen(text));
	char *dash = ports ? strchr(ports, '-') : NULL;

	if (!ports)
		return -ENOMEM;
	if (dash)
		*dash++ = '\0';
	ret->proto = slash ? hoy_port_proto_from_string(slash + 1) : HOY_PORT_TCP;
	if (ret->proto < 0 || hoy_str_to_uint(ports, &ret->first) < 0 ||
		hoy_str_to_uint(dash ? dash : ports, &ret->last) < 0 || ret->first < 1 || ret->last > 65535 ||
		ret->first > ret->last)
		return -EINVAL;
	return 0;
}

/* `values` may be NULL: none matches. */
static bool in_ranges(char *const *values, unsigned int port, int proto)
{
	struct port_range range;

	for (size_t i = 0; values && values[i]; i++)
		if (parse_port(values[i], &range) == 0 && proto == range.proto && port >= range.first &&
			port <= range.last)
			return true;
	return false;
}

static bool any_port(
	struct hoy_containers *room, const struct hoy_container_info *info, const struct hoy_container_filter *filter)
{
	auto_(hoy_endpoint_info_done) struct hoy_endpoint_info endpoint = {};
	char *const *exposed = info->config->exposed_ports;
	struct port_range own;

	if (hoy_network_endpoint(room->options.networks, info->id, &endpoint, NULL) < 0 || !endpoint.attached)
		return false; /* it has ports while it runs */
	for (size_t i = 0; i < endpoint.n_ports; i++) {
		const struct hoy_network_port *port = &endpoint.ports[i];

		if (in_ranges(filter->published, port->host_port, (int) port->proto) ||
			in_ranges(filter->exposed, port->container_port, (int) port->proto))
			return true;
	}
	for (size_t i = 0; exposed && exposed[i]; i++)
		if (parse_port(exposed[i], &own) == 0 && in_ranges(filter->exposed, own.first, own.proto))
			return true;
	return false;
}

static int check_ports(const char *filter, char *const *values, struct hoy_err *err)
{
	struct port_range range;

	for (size_t i = 0; values && values[i]; i++)
		if (parse_port(values[i], &range) < 0)
			return hoy_err_invalid(err, "invalid filter '%s=%s'", filter, values[i]);
	return 0;
}

static bool status_wanted(const struct hoy_container_info *info, const struct hoy_container_filter *filter)
{
	if (filter->statuses)
		return hoy_strv_has(filter->statuses, hoy_container_state(info));
	return filter->all || filter->limit > 0 || hoy_container_is_running(info);
}

static bool wanted(
	struct hoy_containers *room, const struct hoy_container_info *info, const struct hoy_container_filter *filter)
{
	return status_wanted(info, filter) && (!filter->names || any_name(info, filter->names)) &&
	       (!filter->ids || any_id(info, filter->ids)) && (!filter->labels || all_labels(info, filter->labels)) &&
	       (!filter->healths || hoy_strv_has(filter->healths, hoy_health_status_to_string(info->health.status))) &&
	       (!filter->exited || any_exit_code(info, filter->exited)) &&
	       (!filter->ancestors || any_ancestor(room, info, filter->ancestors)) &&
	       (!filter->volumes || any_volume(info, filter->volumes)) &&
	       (!filter->networks || any_network(room, info, filter->networks)) &&
	       ((!filter->published && !filter->exposed) || any_port(room, info, filter));
}

static int check_filter(const struct hoy_container_filter *filter, struct hoy_err *err)
{
	static const char *const known[] = { "created", "restarting", "running", "removing", "paused", "exited",
		"dead" };
	int code;

	for (size_t i = 0; filter->statuses && filter->statuses[i]; i++) {
		bool found = false;

		for (size_t k = 0; k < ARRAY_LEN(known); k++)
			found = found || strcmp(known[k], filter->statuses[i]) == 0;
		if (!found)
			return hoy_err_invalid(err, "invalid filter 'status=%s'", filter->statuses[i]);
	}
	for (size_t i = 0; filter->exited && filter->exited[i]; i++)
		if (hoy_str_to_int(filter->exited[i], &code) < 0)
			return hoy_err_invalid(err, "invalid filter 'exited=%s'", filter->exited[i]);
	code = check_ports("publish", filter->published, err);
	return code < 0 ? code : check_ports("expose", filter->exposed, err);
}

/* The part of the list that `before` and `since` leave: indices [*from, *to). */
static int bounds(struct hoy_containers *room, const struct hoy_container_filter *filter, size_t *from, size_t *to,
	struct hoy_err *err)
{
	struct hoy_container *c;
	int r;

	*from = 0;
	*to = room->n;
	for (size_t k = 0; filter->before && filter->before[k]; k++) {
		r = hoy_containers_lookup(room, filter->before[k], &c, err);
		if (r < 0)
			return r;
		while (*to > 0 && room->list[*to - 1] != c)
			(*to)--;
		*to -= *to > 0;
	}
	for (size_t k = 0; filter->since && filter->since[k]; k++) {
		r = hoy_containers_lookup(room, filter->since[k], &c, err);
		if (r < 0)
			return r;
		for (size_t i = *from; i < room->n; i++)
			if (room->list[i] == c)
				*from = i + 1;
	}
	return 0;
}

int hoy_containers_list(struct hoy_containers *room, const struct hoy_container_filter *filter,
	const struct hoy_container_info ***ret, size_t *ret_n, struct hoy_err *err)
{
	auto_free const struct hoy_container_info **found = calloc(room->n + 1, sizeof *found);
	size_t n = 0, from, to;
	int r = check_filter(filter, err);

	if (!found)
		return hoy_err_oom(err);
	if (r >= 0)
		r = bounds(room, filter, &from, &to, err);
	if (r < 0)
		return r;
	for (size_t i = to; i > from; i--) {
		if (filter->limit > 0 && n == filter->limit)
			break;
		if (wanted(room, &room->list[i - 1]->info, filter))
			found[n++] = &room->list[i - 1]->info;
	}
	*ret = TAKE_PTR(found);
	*ret_n = n;
	return 0;
}
