/* /secrets and /configs, as a swarm's manager serves them, for this one host. */
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/api/events.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"
#include "supervisor/secret/secret.h"

static enum hoy_secret_kind kind_of(const struct hoy_api_request *rq)
{
	return hoy_str_starts(rq->route->pattern, "/secrets") ? HOY_SECRET : HOY_CONFIG;
}

/* --- looking ---------------------------------------------------------------------------------------------------- */

/* What is in a secret is told to nobody. */
static int add_secret(
	struct hoy_json_writer *w, struct hoy_api_request *rq, const struct hoy_secret_info *info, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf data = { 0 }, text = { 0 };
	int r = info->kind == HOY_CONFIG ? hoy_config_read(rq->api->o.secrets, info->id, &data, err) : 0;

	if (r < 0)
		return r;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "ID", info->id);
	hoy_json_object(w, "Version");
	hoy_json_add_u64(w, "Index", info->version);
	hoy_json_end(w);
	hoy_api_add_time(w, "CreatedAt", &info->created);
	hoy_api_add_time(w, "UpdatedAt", &info->updated);
	hoy_json_object(w, "Spec");
	hoy_json_add_string(w, "Name", info->name);
	hoy_api_add_kv(w, "Labels", info->labels, info->n_labels);
	if (info->kind == HOY_CONFIG) {
		(void) hoy_base64_encode(&text, data.data ? data.data : "", data.len, /* url_safe= */ false);
		r = hoy_buf_check(&text, "content", err);
		hoy_json_add_stringn(w, "Data", text.data ? text.data : "", text.len);
	}
	hoy_json_end(w);
	hoy_json_end(w);
	return r;
}

static bool has_label(const struct hoy_secret_info *info, const char *want)
{
	size_t len = strcspn(want, "=");

	for (size_t i = 0; i < info->n_labels; i++)
		if (strncmp(info->labels[i].key, want, len) == 0 && !info->labels[i].key[len])
			return !want[len] || !strcmp(info->labels[i].value, want + len + 1);
	return false;
}

static bool matches(const struct hoy_filters *filters, const struct hoy_secret_info *info)
{
	for (size_t i = 0; i < filters->n_items; i++)
		if (!strcmp(filters->items[i].key, "label") && !has_label(info, filters->items[i].value))
			return false;
	return hoy_filters_match_prefix(filters, "id", info->id) &&
	       hoy_filters_match_prefix(filters, "name", info->name) && hoy_filters_match(filters, "names", info->name);
}

struct listing {
	struct hoy_api_request *rq;
	struct hoy_filters filters;
	struct hoy_json_writer w;
};

static int list_one(void *userdata, const struct hoy_secret_info *info, struct hoy_err *err)
{
	struct listing *l = userdata;

	return matches(&l->filters, info) ? add_secret(&l->w, l->rq, info, err) : 0;
}

static int secret_list(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const char *const known[] = { "id", "label", "name", "names", NULL };
	struct hoy_buf buf = { 0 };
	struct listing l = { .rq = rq, .w = { .buf = &buf } };
	int r = hoy_filters_parse(&l.filters, hoy_uri_query(&rq->uri, "filters"), known, err);

	hoy_json_array(&l.w, NULL);
	if (r >= 0)
		r = hoy_secrets_each(rq->api->o.secrets, kind_of(rq), list_one, &l, err);
	hoy_json_end(&l.w);
	hoy_filters_done(&l.filters);
	if (r < 0) {
		hoy_buf_done(&buf);
		return r;
	}
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

static int secret_inspect(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_secret_info_done) struct hoy_secret_info info = { 0 };
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	int r = hoy_secret_find(rq->api->o.secrets, kind_of(rq), rq->name, &info, err);

	if (r >= 0)
		r = add_secret(&w, rq, &info, err);
	if (r < 0) {
		hoy_buf_done(&buf);
		return r;
	}
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- create ------------------------------------------------------------------------------------------------------- */

struct spec_body {
	char *name, *data, *driver, *templating;
	struct hoy_oci_kv *labels;
	size_t n_labels;
};
#define T struct spec_body
static const struct hoy_field spec_fields[] = {
	HOY_FIELD_STRING(T, "Name", name, 0),
	HOY_FIELD_STRING(T, "Data", data, 0),
	HOY_FIELD_RAW(T, "Driver", driver, 0),
	HOY_FIELD_RAW(T, "Templating", templating, 0),
	HOY_FIELD_KV(T, "Labels", labels, 0),
};
static const struct hoy_object spec_object = HOY_OBJECT(T, spec_fields, NULL);
#undef T

static bool is_given(const char *raw)
{
	return raw && *raw && strcmp(raw, "null") != 0;
}

static int parse_spec(struct hoy_api_request *rq, struct spec_body **ret, struct hoy_err *err)
{
	static const struct hoy_field_options as_go = { .any_case = true };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = hoy_api_body_json(rq, &doc, err);

	if (r >= 0 && !doc)
		r = hoy_err_invalid(err, "invalid JSON: got EOF while reading request body");
	if (r >= 0)
		r = hoy_field_parse_value(&spec_object, doc, NULL, &as_go, (void **) ret, err);
	if (r < 0)
		return r;
	if (is_given((*ret)->driver) || is_given((*ret)->templating)) {
		r = hoy_err_unsupported(err, "%s: not supported", is_given((*ret)->driver) ? "Driver" : "Templating");
		hoy_field_free(&spec_object, *ret);
	}
	return r;
}

/* The text of a secret does not stay in memory. */
static void spec_free(struct spec_body *spec)
{
	if (spec->data)
		explicit_bzero(spec->data, strlen(spec->data));
	hoy_field_free(&spec_object, spec);
}

struct waiting {
	struct hoy_api_request *rq;
	char *name;
};

static void on_created(void *userdata, const struct hoy_err *err, const char *id)
{
	struct waiting *waiting = userdata;
	struct hoy_api_request *rq = waiting->rq;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	if (err) {
		hoy_api_reply_error(rq, err);
	} else {
		hoy_api_secret_event(rq->api, hoy_secret_kind_name(kind_of(rq)), "create", id, waiting->name);
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "ID", id);
		hoy_json_end(&w);
		hoy_api_reply_json(rq, 201, &buf);
	}
	free(waiting->name);
	free(waiting);
}

static int secret_create(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf data = { 0 };
	struct waiting *waiting = calloc(1, sizeof *waiting);
	struct spec_body *spec = NULL;
	int r = waiting ? parse_spec(rq, &spec, err) : hoy_err_oom(err);

	if (r < 0) {
		free(waiting);
		return r;
	}
	waiting->rq = rq;
	waiting->name = strdup(spec->name ? spec->name : "");
	if (spec->data && hoy_base64_decode(&data, spec->data) < 0)
		r = hoy_err_invalid(err, "Data: not base64");
	if (r >= 0 && !waiting->name)
		r = hoy_err_oom(err);
	if (r >= 0)
		r = hoy_secret_create(rq->api->o.secrets,
			&(struct hoy_secret_create){ .kind = kind_of(rq),
				.name = waiting->name,
				.labels = spec->labels,
				.n_labels = spec->n_labels,
				.data = data.data,
				.len = data.len },
			on_created, waiting, err);
	spec_free(spec);
	if (data.data)
		explicit_bzero(data.data, data.len);
	if (r < 0) {
		free(waiting->name);
		free(waiting);
	}
	return r;
}

/* --- update and remove ------------------------------------------------------------------------ */

static int secret_update(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_secret_info_done) struct hoy_secret_info info = { 0 };
	const char *version = hoy_uri_query(&rq->uri, "version");
	struct spec_body *spec = NULL;
	uint64_t index = 0;
	int r;

	if (!version || hoy_str_to_u64(version, &index) < 0)
		return hoy_err_invalid(err,
			"invalid %s version '%s': strconv.ParseUint: parsing \"%s\": invalid syntax",
			hoy_secret_kind_name(kind_of(rq)), version ? version : "", version ? version : "");
	r = hoy_secret_find(rq->api->o.secrets, kind_of(rq), rq->name, &info, err);
	if (r >= 0)
		r = parse_spec(rq, &spec, err);
	if (r < 0)
		return r;
	if (strcmp(spec->name ? spec->name : "", info.name) != 0 || (spec->data && *spec->data))
		r = hoy_err_invalid(err, "only updates to Labels are allowed");
	if (r >= 0)
		r = hoy_secret_set_labels(rq->api->o.secrets, &info, index, spec->labels, spec->n_labels, err);
	spec_free(spec);
	if (r < 0)
		return r;
	hoy_api_secret_event(rq->api, hoy_secret_kind_name(info.kind), "update", info.id, info.name);
	hoy_api_reply_empty(rq, 200);
	return 0;
}

static int secret_remove(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_secret_info_done) struct hoy_secret_info info = { 0 };
	const char *user;
	int r = hoy_secret_find(rq->api->o.secrets, kind_of(rq), rq->name, &info, err);

	if (r < 0)
		return r;
	user = hoy_containers_secret_user(rq->api->o.containers, info.id);
	if (user)
		return hoy_err_conflict(err, "%s '%s' is in use by the following container: %s",
			hoy_secret_kind_name(info.kind), info.name, user);
	r = hoy_secret_remove(rq->api->o.secrets, info.id, err);
	if (r < 0)
		return r;
	hoy_api_secret_event(rq->api, hoy_secret_kind_name(info.kind), "remove", info.id, info.name);
	hoy_api_reply_empty(rq, 204);
	return 0;
}

const struct hoy_api_route hoy_api_secret_routes[] = {
	{ "GET", "/secrets", secret_list, 0, 25 },
	{ "POST", "/secrets/create", secret_create, 0, 25 },
	{ "GET", "/secrets/{id}", secret_inspect, 0, 25 },
	{ "DELETE", "/secrets/{id}", secret_remove, 0, 25 },
	{ "POST", "/secrets/{id}/update", secret_update, 0, 25 },
	{ "GET", "/configs", secret_list, 0, 30 },
	{ "POST", "/configs/create", secret_create, 0, 30 },
	{ "GET", "/configs/{id}", secret_inspect, 0, 30 },
	{ "DELETE", "/configs/{id}", secret_remove, 0, 30 },
	{ "POST", "/configs/{id}/update", secret_update, 0, 30 },
	{ NULL, NULL, NULL, 0, 0 },
};
