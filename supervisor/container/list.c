/* Listing with docker's filters. */
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/container/internal.h"
#include "supervisor/image/image.h"

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
	       (!filter->ancestors || any_ancestor(room, info, filter->ancestors));
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
	return 0;
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
