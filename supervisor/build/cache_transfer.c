/*
 * The cache of other machines. Before the steps begin the records of all that --cache-from names are read, one after
 * the other; what they say is looked at where the engine's own cache knows nothing, and a layer comes when a step is
 * found to be it. When all is done the steps of this build go where --cache-to says. Records are a stranger's word for
 * what a step makes, which the user chose to take; that layers are what they are called is found out here.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/build/cache_records.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/cache_remote.h"

struct source {
	char *reference;
	bool is_here; /* an image of the engine's: its layers are in the store */
	char manifest[HOY_IMAGE_DIGEST_MAX];
	char *username, *password, *identity_token, *registry_token; /* to get layers with; NULL: none */
	struct hoy_cache_records records;
};

struct target {
	char *reference;
	bool is_whole; /* mode=max: steps that are not in the result too */
	bool ignore_error;
};

struct hoy_build_caching {
	struct source *sources;
	size_t n_sources;
	struct target *targets;
	size_t n_targets;
	size_t next;    /* of them is under way */
	bool is_inline; /* the image says of what its layers are */
	bool prefers_local;
	bool asked, waits; /* for credentials */
	enum { CACHING_NOTHING, CACHING_IMPORT, CACHING_EXPORT } state;
};

static void wipe(char **secret)
{
	if (*secret)
		explicit_bzero(*secret, strlen(*secret));
	free(*secret);
	*secret = NULL;
}

void hoy_build_caching_free(struct hoy_build_caching *caching)
{
	if (!caching)
		return;
	for (size_t i = 0; i < caching->n_sources; i++) {
		struct source *source = &caching->sources[i];

		free(source->reference);
		free(source->username);
		wipe(&source->password);
		wipe(&source->identity_token);
		wipe(&source->registry_token);
		hoy_cache_records_done(&source->records);
	}
	for (size_t i = 0; i < caching->n_targets; i++)
		free(caching->targets[i].reference);
	free(caching->sources);
	free(caching->targets);
	free(caching);
}

/* --- the request -------------------------------------------------------------------------------------------------- */

static const char *attr(const struct hoy_json *item, const char *name)
{
	return hoy_json_string(hoy_json_get(hoy_json_get(item, "Attrs"), name));
}

static bool is_true(const char *text)
{
	return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

static bool is_false(const char *text)
{
	return strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
}

/* What has one value here, which may be said. */
static int check_attr(const char *type, const char *name, const char *value, bool is_export, struct hoy_err *err)
{
	static const struct {
		const char *name, *value;
	} fixed[] = { { "oci-mediatypes", "true" }, { "image-manifest", "true" }, { "compression", "gzip" } };

	if (strcmp(type, "registry") == 0 && strcmp(name, "ref") == 0)
		return 0;
	if (strcmp(type, "registry") == 0 && strcmp(name, "registry.insecure") == 0 && is_false(value))
		return 0;
	if (!is_export)
		return hoy_err_unsupported(
			err, "--cache-from type=%s: %s=%s is not supported by this version of Hoy", type, name, value);
	if (strcmp(name, "mode") == 0 && (strcmp(value, "min") == 0 || strcmp(value, "max") == 0))
		return 0;
	if (strcmp(name, "ignore-error") == 0 && (is_true(value) || is_false(value)))
		return 0;
	if (strcmp(name, "force-compression") == 0 && (is_true(value) || is_false(value)))
		return 0; /* all there is was compressed here */
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		if (strcmp(name, fixed[i].name) == 0) {
			if (strcmp(value, fixed[i].value) == 0 || (is_true(value) && is_true(fixed[i].value)))
				return 0;
			return hoy_err_unsupported(err,
				"--cache-to type=%s: %s=%s is not supported by this version of Hoy: %s is", type, name,
				value, fixed[i].value);
		}
	return hoy_err_unsupported(
		err, "--cache-to type=%s: %s=%s is not supported by this version of Hoy", type, name, value);
}

static int check_attrs(const char *type, const struct hoy_json *item, bool is_export, struct hoy_err *err)
{
	int r = 0;

	hoy_json_each(value, hoy_json_get(item, "Attrs"))
	{
		const char *text = hoy_json_string(value);

		if (r == 0)
			r = text ? check_attr(type, hoy_json_key(value), text, is_export, err)
				 : hoy_err_invalid(err, "attribute '%s' of a cache is no string", hoy_json_key(value));
	}
	return r;
}

/* A reference alone is a registry's. */
static const char *type_of(const struct hoy_json *item)
{
	const char *type = hoy_json_string(hoy_json_get(item, "Type"));

	return hoy_json_string(item) ? "registry" : type ? type : "";
}

static int reference_of(const struct hoy_json *item, bool is_export, char **ret, struct hoy_err *err)
{
	const char *ref = hoy_json_string(item) ? hoy_json_string(item) : attr(item, "ref");

	if (!ref || !*ref)
		return hoy_err_invalid(err, "--cache-%s type=registry: ref=NAME is missing", is_export ? "to" : "from");
	*ret = strdup(ref);
	return *ret ? 0 : hoy_err_oom(err);
}

static int unknown_type(const char *type, bool is_export, struct hoy_err *err)
{
	return hoy_err_unsupported(err, "--cache-%s type=%s is not supported by this version of Hoy: registry%s",
		is_export ? "to" : "from", type, is_export ? " and inline are" : " is");
}

static int take_source(struct hoy_build_caching *caching, const struct hoy_json *item, struct hoy_err *err)
{
	struct source *source = &caching->sources[caching->n_sources];
	const char *type = type_of(item);
	int r;

	if (strcmp(type, "registry") != 0)
		return unknown_type(type, /* is_export= */ false, err);
	r = check_attrs(type, item, /* is_export= */ false, err);
	if (r == 0)
		r = reference_of(item, /* is_export= */ false, &source->reference, err);
	caching->n_sources += r == 0;
	return r;
}

static int take_target(struct hoy_build_caching *caching, const struct hoy_json *item, struct hoy_err *err)
{
	struct target *target = &caching->targets[caching->n_targets];
	const char *type = type_of(item), *mode = attr(item, "mode"), *ignore = attr(item, "ignore-error");
	int r = check_attrs(type, item, /* is_export= */ true, err);

	if (strcmp(type, "inline") == 0) {
		caching->is_inline = true;
		return r == 0 && mode && strcmp(mode, "max") == 0
			       ? hoy_err_unsupported(err, "--cache-to type=inline: mode=max is not possible: an image "
							  "has its own layers only (type=registry,mode=max)")
			       : r;
	}
	if (strcmp(type, "registry") != 0)
		return unknown_type(type, /* is_export= */ true, err);
	if (r == 0)
		r = reference_of(item, /* is_export= */ true, &target->reference, err);
	target->is_whole = mode && strcmp(mode, "max") == 0;
	target->ignore_error = ignore && is_true(ignore);
	caching->n_targets += r == 0;
	return r;
}

int hoy_build_caching_take(struct hoy_build *build, const struct hoy_build_request *request, struct hoy_err *err)
{
	const char *wants_inline = hoy_env_get(request->build_args, "BUILDKIT_INLINE_CACHE");
	struct hoy_build_caching *caching = build->caching = calloc(1, sizeof *caching);
	int r = 0;

	if (!caching)
		return hoy_err_oom(err);
	caching->sources = calloc(hoy_json_len(request->cache_from) + 1, sizeof *caching->sources);
	caching->targets = calloc(hoy_json_len(request->cache_to) + 1, sizeof *caching->targets);
	if (!caching->sources || !caching->targets)
		return hoy_err_oom(err);
	caching->is_inline = wants_inline && is_true(wants_inline);
	caching->prefers_local = request->cache_local;
	hoy_json_each(item, request->cache_from)
	{
		if (r == 0)
			r = take_source(caching, item, err);
	}
	hoy_json_each(item, request->cache_to)
	{
		if (r == 0)
			r = take_target(caching, item, err);
	}
	return r;
}

/* --- one after the other ------------------------------------------------------------------------------------------ */

static void next_import(struct hoy_build *build);
static void next_export(struct hoy_build *build);

static void tell(struct hoy_build *build, enum hoy_build_cache_event event, const char *reference, const char *error)
{
	bool imports = build->caching->state == CACHING_IMPORT;
	auto_free char *title = imports ? hoy_str_printf("importing cache manifest from %s", reference)
					: hoy_str_printf("exporting cache to %s", reference);

	if (!title || build->ended)
		return;
	if (event == HOY_BUILD_CACHE_FAILED)
		hoy_build_say(build, " ---> %s: %s\n", title, error);
	if (build->handler.cache)
		build->handler.cache(event, title, error, build->handler.userdata);
}

/* True: they are on their way, hoy_build_cache_go_on() comes. */
static bool ask_credentials(struct hoy_build *build, const char *reference)
{
	struct hoy_build_caching *caching = build->caching;

	if (caching->asked || !build->handler.ask_credentials)
		return false;
	caching->asked = true;
	caching->waits = build->handler.ask_credentials(reference, build->handler.userdata);
	return caching->waits;
}

static struct hoy_registry_credentials credentials_of(struct hoy_build *build, const char *reference)
{
	struct hoy_registry_credentials credentials = { 0 };

	if (build->handler.credentials)
		(void) build->handler.credentials(reference, &credentials, build->handler.userdata);
	return credentials;
}

bool hoy_build_cache_go_on(struct hoy_build *build)
{
	if (!build->caching->waits)
		return false;
	build->caching->waits = false;
	if (build->caching->state == CACHING_IMPORT)
		next_import(build);
	else
		next_export(build);
	return true;
}

static void pass(struct hoy_build_caching *caching)
{
	caching->next++;
	caching->asked = false;
}

/* --- from elsewhere ----------------------------------------------------------------------------------------------- */

static char *copy(const char *text)
{
	return text ? strdup(text) : NULL;
}

static void keep_credentials(struct source *source, const struct hoy_registry_credentials *credentials)
{
	source->username = copy(credentials->username);
	source->password = copy(credentials->password);
	source->identity_token = copy(credentials->identity_token);
	source->registry_token = copy(credentials->registry_token);
}

static int take_documents(struct source *source, const struct hoy_cache_documents *documents, struct hoy_err *err)
{
	memcpy(source->manifest, documents->digest, sizeof source->manifest);
	return hoy_cache_records_parse(&documents->manifest, &documents->config, &source->records, err);
}

/* A cache that can't be had fails no build, but its client is told. */
static void end_import(struct hoy_build *build, const struct hoy_err *err)
{
	const struct source *source = &build->caching->sources[build->caching->next];

	tell(build, err ? HOY_BUILD_CACHE_FAILED : HOY_BUILD_CACHE_DONE, source->reference,
		err ? hoy_err_str(err) : NULL);
	pass(build->caching);
}

static void on_documents(const struct hoy_err *failed, const struct hoy_cache_documents *documents, void *userdata)
{
	struct hoy_build *build = userdata;
	struct hoy_err err = { 0 };

	build->job = NULL;
	if (!hoy_build_came_back(build))
		return;
	if (failed)
		err = *failed;
	else
		(void) take_documents(&build->caching->sources[build->caching->next], documents, &err);
	end_import(build, err.errnum ? &err : NULL);
	next_import(build);
}

/* An image that is here is not asked for elsewhere, as by the classic builder. 1: it was read. */
static int import_local(struct hoy_build *build, struct source *source, struct hoy_err *err)
{
	struct hoy_cache_documents documents = { 0 };
	int r;

	if (!build->caching->prefers_local)
		return 0;
	r = hoy_images_local_cache(build->builds->options.images, source->reference, &documents, NULL);
	source->is_here = r == 0;
	if (r == 0)
		r = take_documents(source, &documents, err);
	hoy_buf_done(&documents.manifest);
	hoy_buf_done(&documents.config);
	return !source->is_here ? 0 : r < 0 ? r : 1;
}

static int start_import(struct hoy_build *build, struct source *source, struct hoy_err *err)
{
	struct hoy_cache_reading reading = { .reference = source->reference, .done = on_documents, .userdata = build };
	int r;

	reading.credentials = credentials_of(build, source->reference);
	keep_credentials(source, &reading.credentials);
	r = hoy_images_read_cache(build->builds->options.images, &reading, &build->job, err);
	if (r >= 0)
		build->pending++;
	return r;
}

static void next_import(struct hoy_build *build)
{
	struct hoy_build_caching *caching = build->caching;

	while (caching->next < caching->n_sources) {
		struct source *source = &caching->sources[caching->next];
		struct hoy_err err = { 0 };
		int r;

		if (!caching->asked)
			tell(build, HOY_BUILD_CACHE_BEGUN, source->reference, NULL);
		r = import_local(build, source, &err);
		if (r != 0) {
			end_import(build, r < 0 ? &err : NULL);
			continue;
		}
		if (ask_credentials(build, source->reference))
			return;
		r = start_import(build, source, &err);
		if (r >= 0)
			return;
		end_import(build, &err);
	}
	caching->state = CACHING_NOTHING;
	hoy_build_schedule(build);
}

bool hoy_build_cache_import(struct hoy_build *build)
{
	struct hoy_build_caching *caching = build->caching;

	if (caching->n_sources == 0 || build->no_cache)
		return false;
	caching->state = CACHING_IMPORT;
	caching->next = 0;
	next_import(build);
	return true;
}

/* --- a step that is known elsewhere ------------------------------------------------------------------------------- */

static struct hoy_cache_record *find_record(
	struct hoy_build_caching *caching, const char *key, struct source **ret_source)
{
	for (size_t i = 0; i < caching->n_sources; i++)
		for (size_t j = 0; j < caching->sources[i].records.n; j++)
			if (strcmp(caching->sources[i].records.items[j].key, key) == 0) {
				*ret_source = &caching->sources[i];
				return &caching->sources[i].records.items[j];
			}
	return NULL;
}

static void forget_record(struct hoy_build_caching *caching, const char *key)
{
	struct source *source;
	struct hoy_cache_record *record = find_record(caching, key, &source);

	if (record)
		record->key[0] = '\0';
}

/* The step is done, as if there were no such record. */
static void do_without(struct hoy_build_task *task, const struct hoy_err *err)
{
	auto_free char *text = hoy_str_printf("the cached layer can't be used: %s\n", hoy_err_str(err));

	if (text) {
		hoy_build_print(task, text, strlen(text));
		hoy_build_tell(task->build, HOY_BUILD_STEP_OUTPUT, task->step, text, strlen(text), 2);
	}
	forget_record(task->build->caching, task->key);
	hoy_build_make(task);
}

static void on_layer(const struct hoy_err *failed, const struct hoy_built_layer *layer, void *userdata)
{
	struct hoy_build_task *task = userdata;
	struct hoy_build *build = task->build;
	struct source *source;
	struct hoy_err err = { 0 };
	const struct hoy_cache_record *record = find_record(build->caching, task->key, &source);

	task->job = NULL;
	if (!hoy_build_came_back(build))
		return;
	if (failed)
		err = *failed;
	if (!record)
		(void) hoy_err_code(&err, -ESTALE, "the record is gone");
	if (failed || !record)
		do_without(task, &err);
	else if (hoy_build_task_known(task, layer, record->created, &err) < 0)
		hoy_build_task_fail(task, &err);
}

static int start_layer(struct hoy_build_task *task, const struct source *source, const struct hoy_cache_record *record,
	struct hoy_err *err)
{
	const struct hoy_layer_fetching fetching = {
		.reference = source->is_here ? NULL : source->reference,
		.manifest = source->manifest,
		.credentials = { .username = source->username,
			.password = source->password,
			.identity_token = source->identity_token,
			.registry_token = source->registry_token },
		.layer = record->layer,
		.making = { .chain_id = task->step->chain_id, .done = on_layer, .userdata = task },
	};
	int r = hoy_images_fetch_layer(task->build->builds->options.images, &fetching, &task->job, err);

	if (r >= 0)
		task->build->pending++;
	return r;
}

bool hoy_build_cache_find(struct hoy_build_task *task)
{
	struct source *source;
	struct hoy_cache_record *record = find_record(task->build->caching, task->key, &source);
	struct hoy_built_layer layer = { 0 };
	struct hoy_err err = { 0 };
	int r;

	if (!record)
		return false;
	layer = record->layer;
	if (*layer.blob)
		hoy_built_layer_on(task->step->chain_id, &layer);
	r = !*layer.blob || hoy_built_layer_is_here(task->build->builds->options.images, &layer)
		    ? hoy_build_task_known(task, &layer, record->created, &err)
		    : start_layer(task, source, record, &err);
	if (r < 0) {
		hoy_err_wrap(&err, "cache of %s", source->reference);
		do_without(task, &err);
	}
	return true;
}

/* --- to elsewhere ------------------------------------------------------------------------------------------------- */

/* Of the result, or of all steps that were done, those below others first. `ret_at`: index of a step in it. */
static int list_records(
	const struct hoy_build *build, bool is_whole, struct hoy_cache_record **ret, size_t *ret_n, struct hoy_err *err)
{
	auto_free size_t *at = calloc(build->n_steps + 1, sizeof *at);
	auto_free bool *wanted = calloc(build->n_steps + 1, sizeof *wanted);
	size_t result = NO_STEP;

	*ret = calloc(build->n_steps + 1, sizeof **ret);
	if (!*ret || !at || !wanted)
		return hoy_err_oom(err);
	(void) hoy_build_index_of(build->plan, "result", build->n_steps, &result);
	for (; result != NO_STEP; result = build->steps[result].parent)
		wanted[result] = true;
	for (size_t i = 0; i < build->n_steps; i++) {
		const struct hoy_build_step *step = &build->steps[i];
		struct hoy_cache_record *record = &(*ret)[*ret_n];
		size_t below = step->parent == NO_STEP ? HOY_CACHE_NO_PARENT : at[step->parent];

		at[i] = below;
		if (!*step->key || !(wanted[i] || is_whole))
			continue;
		memcpy(record->key, step->key, sizeof record->key);
		record->layer = step->layer;
		record->created = step->created;
		record->parent = below;
		at[i] = (*ret_n)++;
	}
	return 0;
}

int hoy_build_cache_inline(const struct hoy_build *build, size_t n_below, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_free struct hoy_cache_record *records = NULL;
	size_t n = 0;
	int r;

	if (!build->caching->is_inline)
		return 0;
	r = list_records(build, /* is_whole= */ false, &records, &n, err);
	return r < 0 ? r : hoy_cache_records_inline(records, n, n_below, ret, err);
}

/* 1: it failed, and the build with it. */
static int end_export(struct hoy_build *build, const struct hoy_err *failed)
{
	const struct target *target = &build->caching->targets[build->caching->next];
	struct hoy_err err = { 0 };

	tell(build, failed ? HOY_BUILD_CACHE_FAILED : HOY_BUILD_CACHE_DONE, target->reference,
		failed ? hoy_err_str(failed) : NULL);
	if (!failed || target->ignore_error) {
		pass(build->caching);
		return 0;
	}
	err = *failed;
	(void) hoy_err_wrap(&err, "export the build cache to %s", target->reference);
	hoy_build_fail(build, &err);
	return 1;
}

static void on_pushed(const struct hoy_err *failed, const struct hoy_image_result *result, void *userdata)
{
	struct hoy_build *build = userdata;

	(void) result;
	build->job = NULL;
	if (hoy_build_came_back(build) && end_export(build, failed) == 0)
		next_export(build);
}

static int start_export(struct hoy_build *build, const struct target *target, struct hoy_err *err)
{
	const struct hoy_image_job_handler handler = { .done = on_pushed, .userdata = build };
	auto_(hoy_buf_done) struct hoy_buf manifest = { 0 }, config = { 0 };
	auto_free struct hoy_cache_record *records = NULL;
	auto_free struct hoy_built_layer *layers = NULL;
	struct hoy_cache_pushing pushing = { .reference = target->reference, .manifest = &manifest, .config = &config };
	size_t n = 0;
	int r = list_records(build, target->is_whole, &records, &n, err);

	if (r == 0)
		r = hoy_cache_records_print(records, n, &manifest, &config, err);
	if (r < 0)
		return r;
	layers = calloc(n + 1, sizeof *layers);
	if (!layers)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++)
		if (*records[i].layer.blob)
			layers[pushing.n_layers++] = records[i].layer;
	pushing.layers = layers;
	pushing.credentials = credentials_of(build, target->reference);
	r = hoy_images_push_cache(build->builds->options.images, &pushing, &handler, &build->job, err);
	if (r >= 0)
		build->pending++;
	return r;
}

static void next_export(struct hoy_build *build)
{
	struct hoy_build_caching *caching = build->caching;

	while (caching->next < caching->n_targets) {
		const struct target *target = &caching->targets[caching->next];
		struct hoy_err err = { 0 };

		if (!caching->asked)
			tell(build, HOY_BUILD_CACHE_BEGUN, target->reference, NULL);
		if (ask_credentials(build, target->reference))
			return;
		if (start_export(build, target, &err) >= 0)
			return;
		if (end_export(build, &err) > 0)
			return;
	}
	hoy_build_fail(build, NULL);
}

void hoy_build_succeed(struct hoy_build *build)
{
	build->caching->state = CACHING_EXPORT;
	build->caching->next = 0;
	build->caching->asked = false;
	next_export(build);
}
