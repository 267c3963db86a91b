#include "supervisor/worker/build/solve.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/wire.h"

#define PAIRS_MAX 4096
#define UPLOAD "http://buildkit-session/"

/* --- messages ----------------------------------------------------------------------------------------------------- */

static int malformed(struct hoy_err *err)
{
	return hoy_err_code(err, -EPROTO, "malformed request");
}

/* The message in a field. */
static struct hoy_wire inside(const struct hoy_wire_field *field)
{
	const char *data = field->data ? field->data : "";

	return HOY_WIRE(data, field->len);
}

/* A string of a field, once. */
static int take(const struct hoy_wire_field *field, char **ret, struct hoy_err *err)
{
	if (field->type != HOY_WIRE_BYTES || hoy_wire_take_string(field, ret) < 0)
		return malformed(err);
	return *ret ? 0 : hoy_err_oom(err);
}

/* An entry of a map to the end of a list of names and values. */
static int take_pair(const struct hoy_wire_field *field, char ***list, struct hoy_err *err)
{
	struct hoy_wire_field key, value;
	auto_free char *name = NULL, *text = NULL;

	if (field->type != HOY_WIRE_BYTES || hoy_wire_map_entry(field, &key, &value) < 0)
		return malformed(err);
	if (take(&key, &name, err) < 0 || take(&value, &text, err) < 0)
		return err && err->errnum ? -err->errnum : -EPROTO;
	if (hoy_strv_len(*list) >= 2 * PAIRS_MAX)
		return hoy_err_invalid(err, "too many options");
	return hoy_strv_add(list, name) < 0 || hoy_strv_add(list, text) < 0 ? hoy_err_oom(err) : 0;
}

static int compare_pairs(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

/* By name: maps come in any order, and one input makes one image. */
static void sort_pairs(char **list)
{
	if (list)
		qsort(list, hoy_strv_len(list) / 2, 2 * sizeof *list, compare_pairs);
}

static const char *get(char *const *pairs, const char *name)
{
	for (char *const *at = pairs; at && at[0]; at += 2)
		if (strcmp(at[0], name) == 0)
			return at[1];
	return NULL;
}

/* {Type, Attrs} of an exporter or a cache. */
static int take_typed(const struct hoy_wire_field *field, char **ret_type, char ***ret_attrs, struct hoy_err *err)
{
	struct hoy_wire wire = inside(field);
	struct hoy_wire_field inner;
	int r = field->type == HOY_WIRE_BYTES ? 0 : malformed(err);
	int more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &inner)) > 0)
		if (inner.number == 1)
			r = take(&inner, ret_type, err);
		else if (inner.number == 2)
			r = take_pair(&inner, ret_attrs, err);
	return r < 0 ? r : more < 0 ? malformed(err) : 0;
}

static int take_cache(const struct hoy_wire_field *field, char ***list, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **attrs = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	auto_free char *type = NULL;
	int r = take_typed(field, &type, &attrs, err);

	if (r < 0)
		return r;
	if (hoy_strv_len(*list) >= PAIRS_MAX)
		return hoy_err_invalid(err, "too many caches");
	sort_pairs(attrs);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Type", type ? type : "");
	hoy_json_object(&w, "Attrs");
	for (char *const *at = attrs; at && at[0]; at += 2)
		if (!get(at + 2, at[0])) /* of an attribute that comes twice the last one counts */
			hoy_json_add_string(&w, at[0], at[1]);
	hoy_json_end(&w);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "cache", err);
	return r < 0 ? r : hoy_strv_add(list, text.data) < 0 ? hoy_err_oom(err) : 0;
}

static int take_caches(const struct hoy_wire_field *field, struct hoy_solve *solve, struct hoy_err *err)
{
	struct hoy_wire wire = inside(field);
	struct hoy_wire_field inner;
	int r = field->type == HOY_WIRE_BYTES ? 0 : malformed(err);
	int more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &inner)) > 0)
		if (inner.number == 4 || inner.number == 5)
			r = take_cache(&inner, inner.number == 4 ? &solve->cache_to : &solve->cache_from, err);
	return r < 0 ? r : more < 0 ? malformed(err) : 0;
}

/* Newer clients say the first one twice: as they did before there could be several. */
static int take_exporter(const struct hoy_wire_field *field, struct hoy_solve *solve, struct hoy_err *err)
{
	if (solve->n_exporters++ > 0)
		return 0;
	hoy_strv_free(solve->exporter_attrs);
	solve->exporter_attrs = NULL;
	return take_typed(field, &solve->exporter, &solve->exporter_attrs, err);
}

static int take_solve_field(const struct hoy_wire_field *field, struct hoy_solve *solve, struct hoy_err *err)
{
	switch (field->number) {
	case 1:
		return take(field, &solve->ref, err);
	case 2:
		solve->has_definition |= field->len > 0;
		return 0;
	case 3:
		return solve->n_exporters || field->len == 0 ? 0 : take(field, &solve->exporter, err);
	case 4:
		return solve->n_exporters ? 0 : take_pair(field, &solve->exporter_attrs, err);
	case 5:
		return take(field, &solve->session, err);
	case 6:
		return take(field, &solve->frontend, err);
	case 7:
		return take_pair(field, &solve->attrs, err);
	case 8:
		return take_caches(field, solve, err);
	case 10:
		solve->has_inputs = true;
		return 0;
	case 12:
		solve->has_policy |= field->len > 0;
		return 0;
	case 13:
		return take_exporter(field, solve, err);
	default:
		return 0;
	}
}

int hoy_solve_parse(const char *data, size_t len, struct hoy_solve *ret, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	int r = 0, more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &field)) > 0)
		r = take_solve_field(&field, ret, err);
	sort_pairs(ret->attrs);
	if (r == 0 && (more < 0 || !ret->ref || !*ret->ref))
		r = malformed(err);
	return r;
}

void hoy_solve_done(struct hoy_solve *solve)
{
	free(solve->ref);
	free(solve->session);
	free(solve->frontend);
	free(solve->exporter);
	hoy_strv_free(solve->attrs);
	hoy_strv_free(solve->exporter_attrs);
	hoy_strv_free(solve->cache_to);
	hoy_strv_free(solve->cache_from);
	*solve = (struct hoy_solve){ 0 };
}

int hoy_frontend_solve_parse(const char *data, size_t len, struct hoy_frontend_solve *ret, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	int r = 0, more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &field)) > 0)
		if (field.number == 1)
			ret->has_definition |= field.len > 0;
		else if (field.number == 2)
			r = take(&field, &ret->frontend, err);
		else if (field.number == 3)
			r = take_pair(&field, &ret->attrs, err);
		else if (field.number == 13)
			ret->has_inputs = true;
		else if (field.number == 15)
			ret->has_policy = true;
	sort_pairs(ret->attrs);
	return r < 0 ? r : more < 0 ? malformed(err) : 0;
}

void hoy_frontend_solve_done(struct hoy_frontend_solve *solve)
{
	free(solve->frontend);
	hoy_strv_free(solve->attrs);
	*solve = (struct hoy_frontend_solve){ 0 };
}

/* {id} of a reference */
static int take_ref(const struct hoy_wire_field *field, struct hoy_frontend_return *ret, struct hoy_err *err)
{
	struct hoy_wire wire = inside(field);
	struct hoy_wire_field inner;
	int r = 0, more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &inner)) > 0)
		if (inner.number == 1)
			r = take(&inner, &ret->ref, err);
	return r < 0 ? r : more < 0 ? malformed(err) : 0;
}

static int take_result(const struct hoy_wire_field *field, struct hoy_frontend_return *ret, struct hoy_err *err)
{
	struct hoy_wire wire = inside(field);
	struct hoy_wire_field inner;
	int r = 0, more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &inner)) > 0) {
		if (inner.type != HOY_WIRE_BYTES)
			continue;
		if (inner.number == 1)
			r = take(&inner, &ret->ref, err);
		else if (inner.number == 3)
			r = take_ref(&inner, ret, err);
		else if (inner.number == 2 || inner.number == 4)
			ret->has_many = true;
	}
	return r < 0 ? r : more < 0 ? malformed(err) : 0;
}

static int take_status(const struct hoy_wire_field *field, struct hoy_frontend_return *ret, struct hoy_err *err)
{
	struct hoy_wire wire = inside(field);
	struct hoy_wire_field inner;
	int r = 0, more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &inner)) > 0)
		if (inner.number == 1 && inner.type == HOY_WIRE_VARINT)
			ret->code = inner.value > 0 && inner.value < 17 ? (unsigned int) inner.value : 2;
		else if (inner.number == 2)
			r = take(&inner, &ret->message, err);
	return r < 0 ? r : more < 0 ? malformed(err) : 0;
}

int hoy_frontend_return_parse(const char *data, size_t len, struct hoy_frontend_return *ret, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	int r = 0, more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &field)) > 0)
		if (field.type == HOY_WIRE_BYTES && field.number == 1)
			r = take_result(&field, ret, err);
		else if (field.type == HOY_WIRE_BYTES && field.number == 2)
			r = take_status(&field, ret, err);
	if (r == 0 && more < 0)
		r = malformed(err);
	if (ret->ref && !*ret->ref) {
		free(ret->ref);
		ret->ref = NULL;
	}
	return r;
}

void hoy_frontend_return_done(struct hoy_frontend_return *result)
{
	free(result->ref);
	free(result->message);
	*result = (struct hoy_frontend_return){ 0 };
}

/* "id==X", "id=X" or "id~=X": of the last ones, only what is no pattern. */
static int add_filter(const char *text, char ***ids, struct hoy_err *err)
{
	const char *value = text + 2;

	if (!*text)
		return 0;
	if (!hoy_str_starts(text, "id") || (*value != '=' && *value != '~'))
		return hoy_err_unsupported(err, "the filter '%s' is not supported by this version of Hoy: id is", text);
	value += strspn(value, "=~^");
	if (hoy_strv_len(*ids) >= PAIRS_MAX)
		return hoy_err_invalid(err, "too many filters");
	return hoy_strv_add(ids, value) < 0 ? hoy_err_oom(err) : 0;
}

/* Some, with commas between them. */
static int take_filter(const struct hoy_wire_field *field, char ***ids, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = NULL;
	auto_free char *text = NULL;
	int r = take(field, &text, err);

	if (r == 0 && !(parts = hoy_str_split(text, ',')))
		r = hoy_err_oom(err);
	for (char **part = parts; r == 0 && part && *part; part++)
		r = add_filter(*part, ids, err);
	return r;
}

int hoy_prune_print(const char *data, size_t len, bool is_prune, struct hoy_buf *ret, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_json_writer w = { .buf = ret };
	auto_ptr(hoy_strv_free) char **ids = NULL;
	struct hoy_wire_field field;
	uint64_t numbers[7] = { 0 };
	int r = 0, more = 0;

	while (r == 0 && (more = hoy_wire_next(&wire, &field)) > 0)
		if (field.number == 1)
			r = take_filter(&field, &ids, err);
		else if (is_prune && field.number < ARRAY_LEN(numbers) && field.type == HOY_WIRE_VARINT)
			numbers[field.number] = field.value;
	if (r < 0 || more < 0)
		return r < 0 ? r : malformed(err);
	if (numbers[5] || numbers[6])
		return hoy_err_unsupported(err,
			"limits of used and free space are not supported by this version of Hoy: "
			"the space to keep is");
	hoy_json_object(&w, NULL);
	hoy_json_add_bool(&w, "all", numbers[2] != 0);
	hoy_json_add_i64(&w, "unused", (int64_t) numbers[3]);
	hoy_json_add_i64(&w, "keep", (int64_t) numbers[4]);
	hoy_json_add_strv(&w, "ids", ids);
	hoy_json_end(&w);
	return hoy_buf_check(ret, "request", err);
}

/* --- the frontend's options --------------------------------------------------------------------------------------- */

/* Those whose value is passed on, and those that have no effect on what is built here: progress, provenance, and what
 * our frontend can do anyway. */
static const struct {
	const char *name, *member; /* NULL: ignored */
} options[] = { { "target", "target" }, { "platform", "platform" }, { "filename", "dockerfile" },
	{ "cgroup-parent", "cgroup_parent" }, { "force-network-mode", "network" }, { "cmdline", NULL },
	{ "frontend.caps", NULL }, { "contextkey", NULL }, { "dockerfilekey", NULL }, { "cache-imports", NULL },
	{ "cache-from", NULL }, { "vcs:source", NULL }, { "vcs:revision", NULL },
	{ "local-sessionid:dockerfile", "dockerfile_session" }, { "local-sessionid:context", "context_session" } };

static const char *const prefixes[] = { "build-arg:", "label:", "context:", "vcs:localdir:" };

static bool is_ignored_prefix(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (hoy_str_starts(name, prefixes[i]))
			return true;
	return false;
}

/* "K=V" of all that begin with `prefix`. */
static void add_prefixed(struct hoy_json_writer *w, const char *member, char *const *attrs, const char *prefix)
{
	hoy_json_array(w, member);
	for (char *const *at = attrs; at && at[0]; at += 2)
		if (hoy_str_starts(at[0], prefix)) {
			auto_free char *text = hoy_str_printf("%s=%s", at[0] + strlen(prefix), at[1]);

			hoy_json_add_string(w, NULL, text);
		}
	hoy_json_end(w);
}

static int add_split(struct hoy_json_writer *w, const char *member, const char *list, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = list && *list ? hoy_str_split(list, ',') : NULL;

	if (list && *list && !parts)
		return hoy_err_oom(err);
	hoy_json_array(w, member);
	for (char **part = parts; part && *part; part++)
		hoy_json_add_string(w, NULL, *part);
	hoy_json_end(w);
	return 0;
}

/* "name=address,..." as the engine's "name:address" */
static int add_hosts(struct hoy_json_writer *w, const char *list, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = list && *list ? hoy_str_split(list, ',') : NULL;

	if (list && *list && !parts)
		return hoy_err_oom(err);
	hoy_json_array(w, "hosts");
	for (char **part = parts; part && *part; part++) {
		char *sep = strchr(*part, '=');

		if (!sep)
			return hoy_err_invalid(err, "add-hosts: '%s' is not of the form NAME=ADDRESS", *part);
		*sep = ':';
		hoy_json_add_string(w, NULL, *part);
	}
	hoy_json_end(w);
	return 0;
}

/* "name=soft:hard,..." */
static int add_ulimits(struct hoy_json_writer *w, const char *list, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = list && *list ? hoy_str_split(list, ',') : NULL;

	if (list && *list && !parts)
		return hoy_err_oom(err);
	hoy_json_array(w, "ulimits");
	for (char **part = parts; part && *part; part++) {
		char *soft = strchr(*part, '='), *hard = soft ? strchr(soft, ':') : NULL;
		int64_t low, high;

		if (soft)
			*soft++ = '\0';
		if (hard)
			*hard++ = '\0';
		if (!soft || hoy_str_to_i64(soft, &low) < 0 || hoy_str_to_i64(hard ? hard : soft, &high) < 0)
			return hoy_err_invalid(err, "ulimit: '%s' is not of the form NAME=SOFT:HARD", *part);
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "Name", *part);
		hoy_json_add_i64(w, "Soft", low);
		hoy_json_add_i64(w, "Hard", high);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return 0;
}

/* Options that say several things at once. */
static int check_option(const char *name, const char *value, struct hoy_err *err)
{
	static const char *const known[] = { "no-cache", "image-resolve-mode", "add-hosts", "shm-size", "ulimit",
		"context" };

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (strcmp(name, options[i].name) == 0)
			return 0;
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(name, known[i]) == 0)
			return 0;
	if (is_ignored_prefix(name))
		return 0;
	if (strcmp(name, "multi-platform") == 0 && (strcmp(value, "false") == 0 || strcmp(value, "0") == 0))
		return 0;
	if (strcmp(name, "requestid") == 0)
		return hoy_err_unsupported(
			err, "'%s' (--call, --check, --print) is not supported by this version of Hoy", value);
	if (hoy_str_starts(name, "attest:"))
		return hoy_err_unsupported(
			err, "attestations ('%s') are not supported by this version of Hoy", name + strlen("attest:"));
	return hoy_err_unsupported(err, "the build option '%s' is not supported by this version of Hoy", name);
}

static int check_options(char *const *attrs, struct hoy_err *err)
{
	const char *platform = get(attrs, "platform"), *key = get(attrs, "dockerfilekey");
	int r = 0;

	for (char *const *at = attrs; r == 0 && at && at[0]; at += 2)
		r = check_option(at[0], at[1], err);
	if (r == 0 && platform && strchr(platform, ','))
		r = hoy_err_unsupported(err,
			"builds for several platforms at once ('%s') are not supported by this version of Hoy",
			platform);
	if (r == 0 && key && strcmp(key, "dockerfile") != 0)
		r = hoy_err_unsupported(
			err, "the Dockerfile's directory '%s' is not supported by this version of Hoy", key);
	return r;
}

static int add_context(struct hoy_json_writer *w, char *const *attrs, struct hoy_err *err)
{
	static const char *const urls[] = { "https://", "git://", "ssh://", "git@", "github.com/", "http://" };
	const char *context = get(attrs, "context");

	if (!context || !*context || strcmp(context, "local:context") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(urls) && !hoy_str_starts(context, UPLOAD); i++)
		if (hoy_str_starts(context, urls[i])) {
			hoy_json_add_string(w, "remote", context);
			return 0;
		}
	if (!hoy_str_starts(context, UPLOAD))
		return hoy_err_unsupported(
			err, "the remote build context '%s' is not supported by this version of Hoy", context);
	hoy_json_add_string(w, "upload", context + strlen(UPLOAD) - 1);
	return 0;
}

static int add_options(struct hoy_json_writer *w, char *const *attrs, struct hoy_err *err)
{
	const char *no_cache = get(attrs, "no-cache"), *mode = get(attrs, "image-resolve-mode");
	const char *shm_size = get(attrs, "shm-size");
	int64_t size = 0;
	int r = check_options(attrs, err);

	if (r == 0 && shm_size && (hoy_str_to_i64(shm_size, &size) < 0 || size < 0))
		r = hoy_err_invalid(err, "shm-size: '%s' is not a number of bytes", shm_size);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (options[i].member && get(attrs, options[i].name))
			hoy_json_add_string(w, options[i].member, get(attrs, options[i].name));
	add_prefixed(w, "build_args", attrs, "build-arg:");
	add_prefixed(w, "labels", attrs, "label:");
	add_prefixed(w, "contexts", attrs, "context:");
	hoy_json_add_i64(w, "shm_size", size);
	hoy_json_add_bool(w, "no_cache", no_cache && !*no_cache);
	hoy_json_add_bool(w, "pull", mode && strcmp(mode, "pull") == 0);
	r = add_context(w, attrs, err);
	if (r == 0)
		r = add_split(w, "no_cache_filter", no_cache, err);
	if (r == 0)
		r = add_hosts(w, get(attrs, "add-hosts"), err);
	return r < 0 ? r : add_ulimits(w, get(attrs, "ulimit"), err);
}

/* --- exporters and caches ----------------------------------------------------------------------------------------- */

static bool is_false(const char *text)
{
	return !*text || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

/* "push" and "load" are the client's own business: the image is here, and it asks the engine to push it by its name. */
static int check_exporter_attr(const char *type, const char *name, const char *value, struct hoy_err *err)
{
	static const char *const known[] = { "name", "push", "load", "unpack", "dest" };

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(name, known[i]) == 0)
			return 0;
	if (strcmp(name, "tar") == 0 && !is_false(value))
		return 0;
	return is_false(value) && strcmp(name, "tar") != 0
		       ? 0
		       : hoy_err_unsupported(err,
				 "the option '%s' of the output '%s' is not supported by this "
				 "version of Hoy",
				 name, type);
}

static int add_exporter(struct hoy_json_writer *w, const struct hoy_solve *solve, struct hoy_err *err)
{
	static const struct {
		const char *type, *export;
	} types[] = { { "", "none" }, { "moby", "image" }, { "image", "image" }, { "local", "local" }, { "tar", "tar" },
		{ "oci", "archive" }, { "docker", "archive" } };
	const char *type = solve->exporter ? solve->exporter : "", *export = NULL;
	int r = 0;

	if (solve->n_exporters > 1)
		return hoy_err_unsupported(err, "multiple outputs are not supported by this version of Hoy");
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(type, types[i].type) == 0)
			export = types[i].export;
	if (!export)
		return hoy_err_unsupported(err,
			"the output '%s' is not supported by this version of Hoy: local, tar, oci, docker and images are",
			type);
	for (char *const *at = solve->exporter_attrs; r == 0 && at && at[0]; at += 2)
		r = check_exporter_attr(type, at[0], at[1], err);
	hoy_json_add_string(w, "export", export);
	return r < 0 ? r : add_split(w, "tags", get(solve->exporter_attrs, "name"), err);
}

static void add_caches(struct hoy_json_writer *w, const char *member, char *const *caches)
{
	hoy_json_array(w, member);
	for (; caches && *caches; caches++)
		hoy_json_add_raw(w, NULL, *caches);
	hoy_json_end(w);
}

static int check_source(const struct hoy_solve *solve, const char *frontend, struct hoy_err *err)
{
	if (solve->has_definition || solve->has_inputs)
		return hoy_err_unsupported(
			err, "builds of LLB definitions are not supported by this version of Hoy: Dockerfiles are");
	if (solve->has_policy)
		return hoy_err_unsupported(err, "source policies are not supported by this version of Hoy");
	if (strcmp(frontend, "dockerfile.v0") != 0)
		return hoy_err_unsupported(
			err, "the frontend '%s' is not supported by this version of Hoy: dockerfile.v0 is", frontend);
	return 0;
}

int hoy_solve_print(const struct hoy_solve *solve, const char *frontend, char *const *attrs, struct hoy_buf *ret,
	struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = ret };
	int r = check_source(solve, frontend, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "ref", solve->ref);
	hoy_json_add_string(&w, "session", solve->session ? solve->session : "");
	add_caches(&w, "cache_from", solve->cache_from);
	add_caches(&w, "cache_to", solve->cache_to);
	r = add_exporter(&w, solve, err);
	if (r == 0)
		r = add_options(&w, attrs, err);
	if (r < 0)
		return r;
	hoy_json_end(&w);
	return hoy_buf_check(ret, "request", err);
}
