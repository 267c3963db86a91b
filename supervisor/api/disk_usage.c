/* GET /system/df: what images, containers and volumes take of the disk. The directories of containers and volumes are
 * read by helper processes, one kind after the other. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/api/container_json.h"
#include "supervisor/api/image_json.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/volume_json.h"
#include "supervisor/container/container.h"
#include "supervisor/container/sizes.h"
#include "supervisor/image/image.h"
#include "supervisor/volume/files.h"
#include "supervisor/volume/volume.h"

enum { VERSION_WITHOUT_BUILDER_SIZE = 42 };

struct usage {
	struct hoy_api_request *rq;
	bool images, containers, volumes, cache; /* asked for */
	char **names;                            /* of the volumes that are measured */
	size_t n_volumes;                        /* the rest were removed and are kept */
	struct hoy_buf body;
	struct hoy_json_writer w;
};

static void usage_free(struct usage *u)
{
	hoy_strv_free(u->names);
	hoy_buf_done(&u->body);
	free(u);
}

static void fail(struct usage *u, const struct hoy_err *err)
{
	hoy_api_reply_error(u->rq, err);
	usage_free(u);
}

/* --- images --------------------------------------------------------------------------------------------------- */

static int64_t count_containers(const struct hoy_container_info *const *containers, size_t n, const char *image_id)
{
	int64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += hoy_container_uses_image(containers[i], image_id);
	return count;
}

static int add_images(struct usage *u, struct hoy_err *err)
{
	const struct hoy_container_filter any = { .all = true };
	struct hoy_images *images = u->rq->api->o.images;
	auto_free const struct hoy_image **list = NULL;
	auto_free const struct hoy_container_info **containers = NULL;
	auto_free int64_t *shared = NULL;
	size_t n = 0, n_containers = 0;
	int r = hoy_images_list(images, NULL, &list, &n, err);

	if (r >= 0)
		r = hoy_images_shared_sizes(images, list, n, &shared, err);
	if (r >= 0)
		r = hoy_containers_list(u->rq->api->o.containers, &any, &containers, &n_containers, err);
	hoy_json_array(&u->w, "Images");
	for (size_t i = 0; r >= 0 && i < n; i++) {
		const struct hoy_api_image_counts counts = { .shared = shared[i],
			.containers = count_containers(containers, n_containers, list[i]->id) };

		r = hoy_api_add_image(&u->w, u->rq, list[i], &counts, err);
	}
	hoy_json_end(&u->w);
	return r;
}

/* --- volumes, the last ---------------------------------------------------------------------------------------- */

static void finish(struct usage *u)
{
	if (u->cache)
		hoy_api_add_build_cache(&u->w, u->rq);
	else
		hoy_json_add_null(&u->w, "BuildCache");
	if (u->rq->version < VERSION_WITHOUT_BUILDER_SIZE)
		hoy_json_add_i64(&u->w, "BuilderSize", 0);
	hoy_json_end(&u->w);
	hoy_api_reply_json(u->rq, 200, &u->body);
	usage_free(u);
}

/* A key of our own, so that docker's clients don't take them for volumes. */
static void add_kept(struct usage *u, const uint64_t *sizes, size_t n)
{
	auto_free const struct hoy_volume_info **kept = NULL;
	size_t n_kept = 0;

	if (hoy_volumes_kept(u->rq->api->o.volumes, &kept, &n_kept, NULL) < 0)
		return;
	hoy_json_array(&u->w, "KeptVolumes");
	for (size_t i = u->n_volumes; i < n; i++)
		for (size_t k = 0; k < n_kept; k++)
			if (strcmp(kept[k]->kept, u->names[i]) == 0)
				hoy_api_add_volume(&u->w, kept[k], &sizes[i]);
	hoy_json_end(&u->w);
}

static void on_volume_sizes(void *userdata, const struct hoy_err *err, const uint64_t *sizes, size_t n)
{
	struct usage *u = userdata;

	if (err) {
		fail(u, err);
		return;
	}
	hoy_json_array(&u->w, "Volumes");
	for (size_t i = 0; i < MIN(n, u->n_volumes); i++) {
		const struct hoy_volume_info *volume;

		if (hoy_volumes_find(u->rq->api->o.volumes, u->names[i], &volume, NULL) >= 0)
			hoy_api_add_volume(&u->w, volume, &sizes[i]);
	}
	hoy_json_end(&u->w);
	if (n > u->n_volumes)
		add_kept(u, sizes, n);
	finish(u);
}

static int measure_volumes(struct usage *u, struct hoy_err *err)
{
	auto_free const struct hoy_volume_info **volumes = NULL, **kept = NULL;
	auto_ptr(hoy_strv_free) char **dirs = NULL;
	size_t n = 0, n_kept = 0;
	int r = hoy_volumes_list(u->rq->api->o.volumes, &volumes, &n, err);

	if (r >= 0)
		r = hoy_volumes_kept(u->rq->api->o.volumes, &kept, &n_kept, err);
	u->n_volumes = n;
	for (size_t i = 0; r >= 0 && i < n + n_kept; i++) {
		const struct hoy_volume_info *v = i < n ? volumes[i] : kept[i - n];

		if (hoy_strv_add(&u->names, v->kept ? v->kept : v->name) < 0 || hoy_strv_add(&dirs, v->mountpoint) < 0)
			r = hoy_err_oom(err);
	}
	return r < 0 ? r : hoy_files_sizes(u->rq->api->o.volumes, dirs, on_volume_sizes, u, err);
}

static void go_on_with_volumes(struct usage *u)
{
	struct hoy_err err = { 0 };

	if (!u->volumes) {
		hoy_json_add_null(&u->w, "Volumes");
		finish(u);
	} else if (measure_volumes(u, &err) < 0) {
		fail(u, &err);
	}
}

/* --- containers ----------------------------------------------------------------------------------------------- */

static void on_container_sizes(
	void *userdata, const struct hoy_err *err, const struct hoy_container_size *sizes, size_t n)
{
	struct usage *u = userdata;

	if (err) {
		fail(u, err);
		return;
	}
	hoy_json_array(&u->w, "Containers");
	for (size_t i = 0; i < n; i++) {
		const struct hoy_container_info *c;

		if (hoy_containers_find(u->rq->api->o.containers, sizes[i].id, &c, NULL) >= 0)
			hoy_api_add_container(&u->w, u->rq->api, c, &sizes[i]);
	}
	hoy_json_end(&u->w);
	go_on_with_volumes(u);
}

static int measure_containers(struct usage *u, struct hoy_err *err)
{
	const struct hoy_container_filter any = { .all = true };
	auto_free const struct hoy_container_info **containers = NULL;
	auto_ptr(hoy_strv_free) char **ids = NULL;
	size_t n = 0;
	int r = hoy_containers_list(u->rq->api->o.containers, &any, &containers, &n, err);

	for (size_t i = 0; r >= 0 && i < n; i++)
		if (hoy_strv_add(&ids, containers[i]->id) < 0)
			r = hoy_err_oom(err);
	return r < 0 ? r : hoy_container_sizes(u->rq->api->o.containers, ids, on_container_sizes, u, err);
}

/* --- the request ---------------------------------------------------------------------------------------------- */

static int parse_types(struct usage *u, struct hoy_err *err)
{
	auto_free const char **types = hoy_uri_query_all(&u->rq->uri, "type");
	const struct {
		const char *name;
		bool *asked;
	} kinds[] = { { "image", &u->images }, { "container", &u->containers }, { "volume", &u->volumes },
		{ "build-cache", &u->cache } };

	if (!types)
		return hoy_err_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		*kinds[i].asked = !*types;
	for (const char **type = types; *type; type++) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
			if (strcmp(*type, kinds[i].name) == 0)
				known = *kinds[i].asked = true;
		if (!known)
			return hoy_err_invalid(err, "unknown object type: %s", *type);
	}
	return 0;
}

static int begin(struct usage *u, struct hoy_err *err)
{
	int r = parse_types(u, err);

	if (r < 0)
		return r;
	hoy_json_object(&u->w, NULL);
	hoy_json_add_i64(&u->w, "LayersSize", u->images ? hoy_images_size(u->rq->api->o.images) : 0);
	if (u->images)
		r = add_images(u, err);
	else
		hoy_json_add_null(&u->w, "Images");
	if (r >= 0 && u->containers)
		return measure_containers(u, err);
	if (r >= 0)
		hoy_json_add_null(&u->w, "Containers");
	return r;
}

static int disk_usage(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct usage *u = calloc(1, sizeof *u);
	int r;

	if (!u)
		return hoy_err_oom(err);
	u->rq = rq;
	u->w.buf = &u->body;
	r = begin(u, err);
	if (r < 0)
		usage_free(u);
	else if (!u->containers)
		go_on_with_volumes(u);
	return r < 0 ? r : 0;
}

const struct hoy_api_route hoy_api_disk_usage_routes[] = {
	{ "GET", "/system/df", disk_usage, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
