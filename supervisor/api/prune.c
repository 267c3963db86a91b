/*
 * Removing what nobody uses: containers that do not run, images without a name (or without a container). Networks,
 * volumes and the build cache are in files of their own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/str.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "libocispec/field.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"
#include "supervisor/image/image.h"
#include "supervisor/volume/files.h"

/* --- containers: how large they are, then one after the other, as each removal takes a while ------------------ */

struct prune {
	struct hoy_api_request *rq;
	char **left;    /* IDs to remove */
	char **dirs;    /* their own layers */
	uint64_t *size; /* of each */
	char **removed; /* IDs */
	size_t next;
	uint64_t bytes;
};

static void prune_free(struct prune *p)
{
	hoy_strv_free(p->left);
	hoy_strv_free(p->dirs);
	hoy_strv_free(p->removed);
	free(p->size);
	free(p);
}

static void prune_done(struct prune *p)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	hoy_json_add_strv(&w, "ContainersDeleted", p->removed);
	hoy_json_add_u64(&w, "SpaceReclaimed", p->bytes);
	hoy_json_end(&w);
	hoy_api_reply_json(p->rq, 200, &buf);
	prune_free(p);
}

static void remove_next(struct prune *p);

/* One that was started or removed meanwhile is passed over. */
static void on_removed(void *userdata, const struct hoy_err *err)
{
	struct prune *p = userdata;

	if (err) {
		hoy_log_debug("prune container '%s': %s", p->left[p->next], hoy_err_str(err));
	} else {
		(void) hoy_strv_add(&p->removed, p->left[p->next]);
		p->bytes += p->size[p->next] == UINT64_MAX ? 0 : p->size[p->next];
	}
	p->next++;
	remove_next(p);
}

static void remove_next(struct prune *p)
{
	const struct hoy_container_remove how = { .force = false };

	for (; p->left && p->left[p->next]; p->next++)
		if (hoy_container_remove(p->rq->api->o.containers, p->left[p->next], &how, on_removed, p, NULL) >= 0)
			return;
	prune_done(p);
}

static void on_sizes(void *userdata, const struct hoy_err *err, const uint64_t *sizes, size_t n)
{
	struct prune *p = userdata;

	if (err) {
		hoy_api_reply_error(p->rq, err);
		prune_free(p);
		return;
	}
	memcpy(p->size, sizes, n * sizeof *sizes);
	remove_next(p);
}

static bool has_label(const struct hoy_container_info *c, const char *text)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < c->config->n_labels; i++) {
		const struct hoy_oci_kv *label = &c->config->labels[i];

		if (strncmp(label->key, text, len) == 0 && !label->key[len])
			return !text[len] || strcmp(label->value, text + len + 1) == 0;
	}
	return false;
}

/* None of "label!"; made before `until`. */
static bool may_go(const struct hoy_container_info *c, const struct hoy_filters *filters, const struct timespec *until)
{
	for (size_t i = 0; i < filters->n_items; i++)
		if (strcmp(filters->items[i].key, "label!") == 0 && has_label(c, filters->items[i].value))
			return false;
	return !until->tv_sec || c->created.tv_sec < until->tv_sec;
}

/* A time, or how long ago: "24h". */
static int parse_until(const struct hoy_filters *filters, struct timespec *ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **values = NULL;
	int64_t ago;
	int r = hoy_filters_values(filters, "until", &values, err);

	*ret = (struct timespec){ 0 };
	if (r < 0 || !values)
		return r;
	if (values[1])
		return hoy_err_invalid(err, "more than one until filter specified");
	if (hoy_str_to_duration(values[0], &ago) < 0 || !strpbrk(values[0], "hmsun"))
		return hoy_api_parse_time(values[0], "until", ret, err);
	clock_gettime(CLOCK_REALTIME, ret);
	ret->tv_sec -= ago / 1000000000;
	return 0;
}

static int find_stopped(struct prune *p, const struct hoy_filters *filters, struct hoy_err *err)
{
	static const char *const statuses[] = { "created", "exited", NULL };
	auto_ptr(hoy_strv_free) char **labels = NULL;
	struct hoy_container_filter filter = { .statuses = (char **) (uintptr_t) statuses };
	auto_free const struct hoy_container_info **containers = NULL;
	struct timespec until;
	size_t n = 0;
	int r = hoy_filters_values(filters, "label", &labels, err);

	filter.labels = labels;
	if (r >= 0)
		r = parse_until(filters, &until, err);
	if (r >= 0)
		r = hoy_containers_list(p->rq->api->o.containers, &filter, &containers, &n, err);
	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (!may_go(containers[i], filters, &until))
			continue;
		if (hoy_strv_add(&p->left, containers[i]->id) < 0 ||
			hoy_strv_add(&p->dirs, containers[i]->upper_dir) < 0)
			r = hoy_err_oom(err);
	}
	return r;
}

static int prune_containers(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const char *const known[] = { "label", "label!", "until", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	struct prune *p = calloc(1, sizeof *p);
	int r = p ? hoy_filters_parse(&filters, hoy_uri_query(&rq->uri, "filters"), known, err) : hoy_err_oom(err);

	if (r >= 0) {
		p->rq = rq;
		r = find_stopped(p, &filters, err);
	}
	if (r >= 0) {
		p->size = calloc(hoy_strv_len(p->left) + 1, sizeof *p->size);
		r = p->size ? 0 : hoy_err_oom(err);
	}
	if (r >= 0 && p->left)
		r = hoy_files_sizes(rq->api->o.volumes, p->dirs, on_sizes, p, err);
	else if (r >= 0)
		prune_done(p);
	if (r < 0 && p)
		prune_free(p);
	return r < 0 ? r : 0;
}

/* --- images --------------------------------------------------------------------------------------------------- */

/* What was removed so far. */
struct removals {
	struct hoy_json_writer w;
	int64_t bytes;
};

static void remove_image(struct hoy_api_request *rq, const char *id, int64_t size, struct removals *done)
{
	struct hoy_image_removed *removed = NULL;
	struct hoy_err err = { 0 };
	size_t n = 0;

	if (hoy_images_remove(rq->api->o.images, id, /* force= */ false, &removed, &n, &err) < 0) {
		hoy_log_debug("prune image '%s': %s", id, hoy_err_str(&err)); /* a container uses it */
		return;
	}
	for (size_t i = 0; i < n; i++) {
		hoy_json_object(&done->w, NULL);
		hoy_json_add_string(&done->w, removed[i].untagged ? "Untagged" : "Deleted",
			removed[i].untagged ? removed[i].untagged : removed[i].deleted);
		hoy_json_end(&done->w);
		if (removed[i].deleted)
			done->bytes += size;
	}
	hoy_image_removed_free(removed, n);
}

static bool is_used(const struct hoy_api *api, const char *id)
{
	static const struct hoy_container_filter all = { .all = true };
	auto_free const struct hoy_container_info **containers = NULL;
	size_t n = 0;

	if (hoy_containers_list(api->o.containers, &all, &containers, &n, NULL) < 0)
		return true;
	for (size_t i = 0; i < n; i++)
		if (hoy_container_uses_image(containers[i], id))
			return true;
	return false;
}

/* Name by name, so that an image with several goes too; without a name by its ID. */
static int remove_unused(struct hoy_api_request *rq, const struct hoy_image *image, struct removals *done)
{
	auto_ptr(hoy_strv_free) char **names = hoy_strv_copy(image->repo_tags);
	auto_free char *id = strdup(image->id);
	int64_t size = image->size;

	if (!names || !id)
		return -ENOMEM;
	for (char *const *digest = image->repo_digests; *digest; digest++)
		if (hoy_strv_add(&names, *digest) < 0)
			return -ENOMEM;
	for (char *const *name = names; *name; name++)
		remove_image(rq, *name, size, done); /* digests went with the tag of their repository */
	if (!*names)
		remove_image(rq, id, size, done);
	return 0;
}

static int list_candidates(
	struct hoy_api_request *rq, const struct hoy_filters *filters, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **labels = NULL, **not_labels = NULL, **until = NULL;
	auto_free const struct hoy_image **images = NULL;
	struct hoy_image_filter filter = { .all = true };
	const bool yes = true;
	int dangling, r;
	size_t n = 0;

	r = hoy_filters_bool(filters, "dangling", &dangling, err);
	if (r >= 0)
		r = hoy_filters_values(filters, "label", &labels, err);
	if (r >= 0)
		r = hoy_filters_values(filters, "label!", &not_labels, err);
	if (r >= 0)
		r = hoy_filters_values(filters, "until", &until, err);
	if (r >= 0 && until && until[0] && until[1])
		r = hoy_err_invalid(err, "more than one until filter specified");
	if (r >= 0 && until && until[0])
		r = hoy_api_parse_until(until[0], &filter.until, err);
	filter.labels = labels;
	filter.not_labels = not_labels;
	filter.dangling = dangling != 0 ? &yes : NULL;
	if (r >= 0)
		r = hoy_images_list(rq->api->o.images, &filter, &images, &n, err);
	for (size_t i = 0; r >= 0 && i < n; i++)
		if (!is_used(rq->api, images[i]->id) && hoy_strv_add(ret, images[i]->id) < 0)
			r = hoy_err_oom(err);
	return r;
}

static int prune_images(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const char *const known[] = { "dangling", "label", "label!", "until", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	auto_ptr(hoy_strv_free) char **ids = NULL;
	struct removals done = { .w = { .buf = &buf } };
	int r = hoy_filters_parse(&filters, hoy_uri_query(&rq->uri, "filters"), known, err);

	if (r >= 0)
		r = list_candidates(rq, &filters, &ids, err);
	if (r < 0)
		return r;
	hoy_json_object(&done.w, NULL);
	hoy_json_array(&done.w, "ImagesDeleted");
	for (char *const *id = ids; id && *id; id++) {
		const struct hoy_image *image;

		if (hoy_images_find(rq->api->o.images, *id, &image, NULL) >= 0 && remove_unused(rq, image, &done) < 0)
			return hoy_err_oom(err);
	}
	hoy_json_end(&done.w);
	done.bytes += hoy_images_drop_downloads(rq->api->o.images);
	hoy_json_add_i64(&done.w, "SpaceReclaimed", done.bytes);
	hoy_json_end(&done.w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

const struct hoy_api_route hoy_api_prune_routes[] = {
	{ "POST", "/containers/prune", prune_containers, 0, 0 },
	{ "POST", "/images/prune", prune_images, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
