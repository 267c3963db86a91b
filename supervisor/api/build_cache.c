/* POST /build/prune, and the build cache as system df shows it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/wire.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/internal.h"
#include "supervisor/build/build.h"

/* --- system df ------------------------------------------------------------------------------------------------ */

static void add_time(struct hoy_json_writer *w, const char *key, int64_t ns)
{
	const struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };

	hoy_api_add_time(w, key, &ts);
}

static void add_record(const struct hoy_build_record *record, void *userdata)
{
	struct hoy_json_writer *w = userdata;

	hoy_json_object(w, NULL);
	hoy_json_add_stringn(w, "ID", record->id, 25);
	hoy_json_add_string(w, "Type", "regular");
	hoy_json_add_string(w, "Description", record->what);
	hoy_json_add_bool(w, "InUse", record->in_use);
	hoy_json_add_bool(w, "Shared", record->shared);
	hoy_json_add_i64(w, "Size", record->size);
	add_time(w, "CreatedAt", record->created);
	add_time(w, "LastUsedAt", record->used);
	hoy_json_add_i64(w, "UsageCount", record->uses);
	hoy_json_end(w);
}

void hoy_api_add_build_cache(struct hoy_json_writer *w, struct hoy_api_request *rq)
{
	hoy_json_array(w, "BuildCache");
	hoy_builds_each(rq->api->o.builds, add_record, w);
	hoy_json_end(w);
}

/* --- prune ------------------------------------------------------------------------------------------------------ */

struct pruning {
	bool all;           /* also what images share */
	int64_t until;      /* not used since then, ns; 0: whenever */
	char **ids;         /* NULL: any */
	int64_t left, keep; /* bytes of what there is, and what may stay */
};

static bool is_wanted(const struct hoy_build_record *record, void *userdata)
{
	struct pruning *p = userdata;
	bool wanted = (p->all || !record->shared) && (p->until == 0 || record->used < p->until);

	for (char **id = p->ids; wanted && id; id++) {
		if (!*id)
			return false;
		if (hoy_str_starts(record->id, *id))
			break;
	}
	if (!wanted || (p->keep > 0 && p->left <= p->keep))
		return false;
	p->left -= record->size;
	return true;
}

static void count(const struct hoy_build_record *record, void *userdata)
{
	struct pruning *p = userdata;

	p->left += record->size;
}

/* "until" and "unused-for" are the same: a time, or a duration before now. */
static int take_filters(struct hoy_api_request *rq, struct pruning *p, struct hoy_err *err)
{
	static const char *const known[] = { "until", "unused-for", "id", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	long long keep = 0;
	int r = hoy_filters_parse(&filters, hoy_uri_query(&rq->uri, "filters"), known, err);

	for (size_t i = 0; r >= 0 && i < 2; i++) {
		auto_ptr(hoy_strv_free) char **values = NULL;

		r = hoy_filters_values(&filters, known[i], &values, err);
		if (r >= 0 && values && values[0])
			r = hoy_api_parse_until(values[0], &p->until, err);
	}
	if (r >= 0)
		r = hoy_filters_values(&filters, "id", &p->ids, err);
	if (r >= 0)
		r = hoy_uri_query_i64(&rq->uri, "keep-storage", 0, &keep, err);
	p->all = hoy_uri_query_bool(&rq->uri, "all", false);
	p->keep = keep;
	return r;
}

static int prune(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **ids = NULL;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	struct pruning p = { 0 };
	int64_t bytes = 0;
	int r = take_filters(rq, &p, err);

	if (r >= 0) {
		hoy_builds_each(rq->api->o.builds, count, &p);
		r = hoy_builds_prune(rq->api->o.builds, is_wanted, &p, &ids, &bytes, err);
	}
	hoy_strv_free(p.ids);
	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_strv(&w, "CachesDeleted", ids);
	hoy_json_add_i64(&w, "SpaceReclaimed", bytes);
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- BuildKit's records ----------------------------------------------------------------------------------------- */

struct listing {
	struct pruning p;
	struct hoy_buf *ret;
};

static void add_usage(const struct hoy_build_record *record, struct hoy_buf *ret)
{
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };
	char id[26] = "";

	memcpy(id, record->id, strnlen(record->id, sizeof id - 1));
	hoy_wire_add_string(&message, 1, id);
	hoy_wire_add_uint(&message, 3, record->in_use);
	hoy_wire_add_uint(&message, 4, (uint64_t) record->size);
	hoy_wire_add_time(&message, 6, record->created);
	hoy_wire_add_time(&message, 7, record->used);
	hoy_wire_add_uint(&message, 8, (uint64_t) record->uses);
	hoy_wire_add_string(&message, 9, record->what);
	hoy_wire_add_string(&message, 10, "regular");
	hoy_wire_add_uint(&message, 11, record->shared);
	hoy_wire_add_message(ret, 1, &message);
}

static bool is_named(const struct hoy_build_record *record, char *const *ids)
{
	for (char *const *id = ids; id && *id; id++)
		if (hoy_str_starts(record->id, *id))
			return true;
	return !ids;
}

static void list_record(const struct hoy_build_record *record, void *userdata)
{
	struct listing *l = userdata;

	if (is_named(record, l->p.ids))
		add_usage(record, l->ret);
}

static bool take_record(const struct hoy_build_record *record, void *userdata)
{
	struct listing *l = userdata;
	bool wanted = is_wanted(record, &l->p);

	if (wanted)
		add_usage(record, l->ret);
	return wanted;
}

static int take_ids(const struct hoy_json *doc, struct pruning *p, struct hoy_err *err)
{
	hoy_json_each(id, hoy_json_get(doc, "ids"))
	{
		if (hoy_strv_add(&p->ids, hoy_json_string(id) ? hoy_json_string(id) : "") < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

int hoy_api_usage_records(struct hoy_api *api, const struct hoy_json *doc, struct hoy_buf *ret, struct hoy_err *err)
{
	struct listing l = { .ret = ret };
	int r = take_ids(doc, &l.p, err);

	if (r == 0)
		hoy_builds_each(api->o.builds, list_record, &l);
	hoy_strv_free(l.p.ids);
	return r;
}

int hoy_api_prune_records(struct hoy_api *api, const struct hoy_json *doc, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **ids = NULL;
	struct listing l = { .ret = ret };
	int64_t bytes = 0, unused = 0;
	int r = take_ids(doc, &l.p, err);

	(void) hoy_json_to_i64(hoy_json_get(doc, "keep"), &l.p.keep);
	(void) hoy_json_to_i64(hoy_json_get(doc, "unused"), &unused);
	l.p.all = hoy_json_bool(hoy_json_get(doc, "all"));
	if (unused > 0) {
		struct timespec now;

		(void) clock_gettime(CLOCK_REALTIME, &now);
		l.p.until = (int64_t) now.tv_sec * 1000000000 + now.tv_nsec - unused;
	}
	if (r == 0) {
		hoy_builds_each(api->o.builds, count, &l.p);
		r = hoy_builds_prune(api->o.builds, take_record, &l, &ids, &bytes, err);
	}
	hoy_strv_free(l.p.ids);
	return r < 0 ? r : 0;
}

const struct hoy_api_route hoy_api_build_cache_routes[] = {
	{ "POST", "/build/prune", prune, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
