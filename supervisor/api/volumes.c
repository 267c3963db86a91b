/* /volumes, and the volumes of /system/df. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/volume_json.h"
#include "supervisor/volume/files.h"
#include "supervisor/volume/volume.h"

/* --- one volume ------------------------------------------------------------------------------- */

static void add_time(struct hoy_json_writer *w, const char *key, const struct timespec *time)
{
	struct tm tm;
	char text[40];

	gmtime_r(&time->tv_sec, &tm);
	(void) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
	hoy_json_add_string(w, key, text);
}

static void add_map(struct hoy_json_writer *w, const char *key, const struct hoy_oci_kv *kv, size_t n, bool given)
{
	if (given)
		hoy_api_add_kv(w, key, kv, n);
	else
		hoy_json_add_null(w, key);
}

void hoy_api_add_volume(struct hoy_json_writer *w, const struct hoy_volume_info *v, const uint64_t *size)
{
	hoy_json_object(w, NULL);
	add_time(w, "CreatedAt", &v->created);
	hoy_json_add_string(w, "Driver", v->driver);
	add_map(w, "Labels", v->labels, v->n_labels, v->has_labels);
	hoy_json_add_string(w, "Mountpoint", v->mountpoint);
	hoy_json_add_string(w, "Name", v->name);
	add_map(w, "Options", v->options, v->n_options, v->has_options);
	hoy_json_add_string(w, "Scope", "local");
	if (v->kept) {
		add_time(w, "RemovedAt", &v->removed);
		add_time(w, "KeptUntil", &v->until);
	}
	if (size) {
		hoy_json_object(w, "UsageData");
		hoy_json_add_i64(w, "RefCount", (int64_t) hoy_strv_len(v->users));
		hoy_json_add_i64(w, "Size", *size == UINT64_MAX ? -1 : (int64_t) *size);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

/* --- list ------------------------------------------------------------------------------------- */

static bool has_label(const struct hoy_volume_info *v, const char *text)
{
	size_t len = strcspn(text, "=");

	for (size_t i = 0; i < v->n_labels; i++)
		if (strncmp(v->labels[i].key, text, len) == 0 && v->labels[i].key[len] == '\0')
			return !text[len] || strcmp(v->labels[i].value, text + len + 1) == 0;
	return false;
}

/* All of "label", none of "label!". */
static bool matches_labels(const struct hoy_volume_info *v, const struct hoy_filters *f)
{
	for (size_t i = 0; i < f->n_items; i++) {
		if (strcmp(f->items[i].key, "label") == 0 && !has_label(v, f->items[i].value))
			return false;
		if (strcmp(f->items[i].key, "label!") == 0 && has_label(v, f->items[i].value))
			return false;
	}
	return true;
}

static bool matches_name(const struct hoy_volume_info *v, const struct hoy_filters *f)
{
	bool any = false;

	for (size_t i = 0; i < f->n_items; i++) {
		if (strcmp(f->items[i].key, "name") != 0)
			continue;
		any = true;
		if (strstr(v->name, f->items[i].value))
			return true;
	}
	return !any;
}

/* With `kept`, which is ours, those that were removed and can be brought back. */
static int volume_list(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const char *const known[] = { "dangling", "driver", "label", "label!", "name", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	auto_free const struct hoy_volume_info **volumes = NULL;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	int dangling, r = hoy_filters_parse(&filters, hoy_uri_query(&rq->uri, "filters"), known, err);
	size_t n = 0;

	if (r >= 0)
		r = hoy_filters_bool(&filters, "dangling", &dangling, err);
	if (r >= 0)
		r = (hoy_uri_query_bool(&rq->uri, "kept", false) ? hoy_volumes_kept : hoy_volumes_list)(
			rq->api->o.volumes, &volumes, &n, err);
	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_array(&w, "Volumes");
	for (size_t i = 0; i < n; i++) {
		const struct hoy_volume_info *v = volumes[i];

		if ((dangling < 0 || (dangling == 1) == !v->users) &&
			hoy_filters_match(&filters, "driver", v->driver) && matches_labels(v, &filters) &&
			matches_name(v, &filters))
			hoy_api_add_volume(&w, v, NULL);
	}
	hoy_json_end(&w);
	hoy_json_add_null(&w, "Warnings");
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

static int volume_inspect(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_volume_info *volume;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	int r = hoy_volumes_find(rq->api->o.volumes, rq->name, &volume, err);

	if (r < 0)
		return r;
	hoy_api_add_volume(&w, volume, NULL);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- create ----------------------------------------------------------------------------------- */

struct create_body {
	char *name, *driver;
	struct hoy_oci_kv *labels, *driver_opts;
	size_t n_labels, n_driver_opts;
};
#define T struct create_body
static const struct hoy_field create_fields[] = {
	HOY_FIELD_STRING(T, "Name", name, 0),
	HOY_FIELD_STRING(T, "Driver", driver, 0),
	HOY_FIELD_KV(T, "Labels", labels, 0),
	HOY_FIELD_KV(T, "DriverOpts", driver_opts, 0),
};
static const struct hoy_object create_object = HOY_OBJECT(T, create_fields, NULL);
#undef T

struct waiting {
	struct hoy_api_request *rq;
	bool is_new;
	char *name;
};

static void on_created(void *userdata, const struct hoy_err *err)
{
	struct waiting *waiting = userdata;
	struct hoy_volumes *volumes = waiting->rq->api->o.volumes;
	const struct hoy_volume_info *volume;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	struct hoy_err gone = { 0 };

	if (err && waiting->is_new)
		hoy_volume_take_back(volumes, waiting->name);
	if (!err && waiting->is_new)
		hoy_volume_created(volumes, waiting->name);
	if (!err && hoy_volumes_find(volumes, waiting->name, &volume, &gone) < 0)
		err = &gone;
	if (err) {
		hoy_api_reply_error(waiting->rq, err);
	} else {
		hoy_api_add_volume(&w, volume, NULL);
		hoy_api_reply_json(waiting->rq, 201, &buf);
	}
	free(waiting->name);
	free(waiting);
}

static bool is_given(const struct hoy_json *doc, const char *key)
{
	return hoy_json_type(hoy_json_get_ci(doc, key)) == HOY_JSON_OBJECT;
}

static int create_and_wait(struct hoy_api_request *rq, const struct hoy_volume_create *create, struct hoy_err *err)
{
	struct waiting *waiting = calloc(1, sizeof *waiting);
	const struct hoy_volume_info *volume;
	int r;

	if (!waiting)
		return hoy_err_oom(err);
	waiting->rq = rq;
	r = hoy_volume_create(rq->api->o.volumes, create, &waiting->is_new, &volume, err);
	if (r >= 0) {
		waiting->name = strdup(volume->name);
		r = waiting->name ? hoy_volumes_after_commit(rq->api->o.volumes, on_created, waiting, err)
				  : hoy_err_oom(err);
		if (r < 0 && waiting->is_new)
			hoy_volume_take_back(rq->api->o.volumes, volume->name);
	}
	if (r < 0) {
		free(waiting->name);
		free(waiting);
	}
	return r;
}

static int volume_create(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const struct hoy_field_options as_go = { .any_case = true };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct create_body *body = NULL;
	int r = hoy_api_body_json(rq, &doc, err);

	if (r < 0)
		return r;
	if (hoy_json_type(doc) != HOY_JSON_OBJECT)
		return hoy_err_invalid(err, "invalid JSON: got EOF while reading request body");
	if (hoy_json_get_ci(doc, "ClusterVolumeSpec") &&
		hoy_json_type(hoy_json_get_ci(doc, "ClusterVolumeSpec")) != HOY_JSON_NULL)
		return hoy_err_unsupported(err, "ClusterVolumeSpec: cluster volumes are not supported");
	r = hoy_field_parse_value(&create_object, doc, NULL, &as_go, (void **) &body, err);
	if (r < 0)
		return r;
	r = create_and_wait(rq,
		&(struct hoy_volume_create){ .name = body->name,
			.driver = body->driver,
			.labels = body->labels,
			.n_labels = body->n_labels,
			.options = body->driver_opts,
			.n_options = body->n_driver_opts,
			.has_labels = is_given(doc, "Labels"),
			.has_options = is_given(doc, "DriverOpts") },
		err);
	hoy_field_free(&create_object, body);
	return r;
}

/* --- remove ----------------------------------------------------------------------------------- */

static void on_removed(void *userdata, const struct hoy_err *err)
{
	struct hoy_api_request *rq = userdata;

	if (err)
		hoy_api_reply_error(rq, err);
	else
		hoy_api_reply_empty(rq, 204);
}

/* `keep` is ours: for so many seconds it can be brought back. */
static int volume_remove(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *text = hoy_uri_query(&rq->uri, "keep");
	struct hoy_err own = { 0 };
	int seconds = 0, r;

	if (text && (hoy_str_to_int(text, &seconds) < 0 || seconds < 0))
		return hoy_err_invalid(err, "keep: '%s' is no number of seconds", text);
	r = hoy_volume_keep(rq->api->o.volumes, rq->name, seconds, &own);
	if (r < 0 && !(own.kind == HOY_ERR_NOT_FOUND && hoy_uri_query_bool(&rq->uri, "force", false)))
		return hoy_err_import(err, &own);
	return hoy_volumes_after_commit(rq->api->o.volumes, on_removed, rq, err);
}

static void on_restored(void *userdata, const struct hoy_err *err)
{
	struct hoy_api_request *rq = userdata;
	const struct hoy_volume_info *volume;
	struct hoy_err own = { 0 };
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	if (!err && hoy_volumes_find(rq->api->o.volumes, rq->name, &volume, &own) < 0)
		err = &own;
	if (err) {
		hoy_api_reply_error(rq, err);
		return;
	}
	hoy_api_add_volume(&w, volume, NULL);
	hoy_api_reply_json(rq, 200, &buf);
}

static int volume_restore(struct hoy_api_request *rq, struct hoy_err *err)
{
	int r = hoy_volume_restore(rq->api->o.volumes, rq->name, err);

	return r < 0 ? r : hoy_volumes_after_commit(rq->api->o.volumes, on_restored, rq, err);
}

/* --- prune: sizes first, then all at once ----------------------------------------------------- */

struct prune {
	struct hoy_api_request *rq;
	char **names; /* of what may go */
	char **dirs;
	char **kept; /* the first of them were removed before: the names of their directories */
};

static void prune_free(struct prune *p)
{
	hoy_strv_free(p->names);
	hoy_strv_free(p->kept);
	hoy_strv_free(p->dirs);
	free(p);
}

struct pruned {
	struct hoy_api_request *rq;
	struct hoy_buf body;
};

static void on_pruned(void *userdata, const struct hoy_err *err)
{
	struct pruned *pruned = userdata;

	if (err)
		hoy_api_reply_error(pruned->rq, err);
	else
		hoy_api_reply_json(pruned->rq, 200, &pruned->body);
	hoy_buf_done(&pruned->body);
	free(pruned);
}

/* One that is used by now is passed over. */
static void on_sizes(void *userdata, const struct hoy_err *err, const uint64_t *sizes, size_t n)
{
	struct prune *p = userdata;
	struct pruned *pruned = calloc(1, sizeof *pruned);
	struct hoy_json_writer w = { .buf = pruned ? &pruned->body : NULL };
	struct hoy_err own = { 0 };
	struct hoy_volumes *volumes = p->rq->api->o.volumes;
	size_t n_kept = hoy_strv_len(p->kept);
	uint64_t bytes = 0;

	if (err || !pruned) {
		if (!err)
			(void) hoy_err_oom(&own);
		hoy_api_reply_error(p->rq, err ? err : &own);
		free(pruned);
		prune_free(p);
		return;
	}
	pruned->rq = p->rq;
	hoy_json_object(&w, NULL);
	hoy_json_array(&w, "VolumesDeleted");
	for (size_t i = 0; i < n && p->names[i]; i++) {
		struct hoy_err why = { 0 };

		if ((i < n_kept ? hoy_volume_purge(volumes, p->kept[i], &why)
				: hoy_volume_remove(volumes, p->names[i], &why)) < 0) {
			hoy_log_debug("prune volume '%s': %s", p->names[i], hoy_err_str(&why));
			continue;
		}
		hoy_json_add_string(&w, NULL, p->names[i]);
		bytes += sizes[i] == UINT64_MAX ? 0 : sizes[i];
	}
	hoy_json_end(&w);
	hoy_json_add_u64(&w, "SpaceReclaimed", bytes);
	hoy_json_end(&w);
	if (hoy_volumes_after_commit(p->rq->api->o.volumes, on_pruned, pruned, &own) < 0)
		on_pruned(pruned, &own);
	prune_free(p);
}

/* What somebody has removed already goes in any case. */
static int list_kept(struct prune *p, const struct hoy_filters *filters, struct hoy_err *err)
{
	auto_free const struct hoy_volume_info **volumes = NULL;
	size_t n = 0;
	int r = hoy_volumes_kept(p->rq->api->o.volumes, &volumes, &n, err);

	for (size_t i = 0; r >= 0 && i < n; i++) {
		if (!matches_labels(volumes[i], filters))
			continue;
		if (hoy_strv_add(&p->names, volumes[i]->name) < 0 || hoy_strv_add(&p->kept, volumes[i]->kept) < 0 ||
			hoy_strv_add(&p->dirs, volumes[i]->mountpoint) < 0)
			r = hoy_err_oom(err);
	}
	return r;
}

static int list_unused(struct prune *p, const struct hoy_filters *filters, bool all, struct hoy_err *err)
{
	auto_free const struct hoy_volume_info **volumes = NULL;
	size_t n = 0;
	int r = hoy_volumes_list(p->rq->api->o.volumes, &volumes, &n, err);

	for (size_t i = 0; r >= 0 && i < n; i++) {
		const struct hoy_volume_info *v = volumes[i];

		if (v->users || !(all || hoy_volume_is_anonymous(v)) || !matches_labels(v, filters))
			continue;
		if (hoy_strv_add(&p->names, v->name) < 0 || hoy_strv_add(&p->dirs, v->mountpoint) < 0)
			r = hoy_err_oom(err);
	}
	return r;
}

/* Before 1.42 named volumes went too. */
static int volume_prune(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const char *const known[] = { "all", "label", "label!", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	struct prune *p;
	int all, r = hoy_filters_parse(&filters, hoy_uri_query(&rq->uri, "filters"), known, err);

	if (r >= 0)
		r = hoy_filters_bool(&filters, "all", &all, err);
	if (r < 0)
		return r;
	p = calloc(1, sizeof *p);
	if (!p)
		return hoy_err_oom(err);
	p->rq = rq;
	r = list_kept(p, &filters, err);
	if (r >= 0)
		r = list_unused(p, &filters, all == 1 || (rq->version < 42 && all < 0), err);
	if (r >= 0 && p->names)
		r = hoy_files_sizes(rq->api->o.volumes, p->dirs, on_sizes, p, err);
	else if (r >= 0)
		on_sizes(p, NULL, NULL, 0);
	if (r < 0)
		prune_free(p);
	return r < 0 ? r : 0;
}

const struct hoy_api_route hoy_api_volume_routes[] = {
	{ "GET", "/volumes", volume_list, 0, 0 },
	{ "POST", "/volumes/create", volume_create, 0, 0 },
	{ "POST", "/volumes/prune", volume_prune, 0, 0 },
	{ "GET", "/volumes/{name}", volume_inspect, 0, 0 },
	{ "DELETE", "/volumes/{name}", volume_remove, 0, 0 },
	{ "POST", "/volumes/{name}/restore", volume_restore, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
