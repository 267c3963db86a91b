/* /images: listing, inspecting, naming, removing, and the two ways in, load and import. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "base/time.h"
#include "libocispec/image.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/host.h"
#include "supervisor/api/image_job.h"
#include "supervisor/api/image_json.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/platform.h"
#include "supervisor/api/progress.h"
#include "supervisor/image/image.h"
#include "libocispec/reference.h"

enum {
	VERSION_WITHOUT_NONE_TAGS = 43,
	VERSION_WITHOUT_VIRTUAL_SIZE = 44,
	VERSION_WITHOUT_CONTAINER = 45,
	VERSION_WITH_SLIM_CONFIG = 50
};

static struct timespec to_timespec(int64_t ns)
{
	return (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
}

/* --- list ----------------------------------------------------------------------------------------------------- */

/* A list by `reference` shows only the names that it found the image by. */
static void encode_names(struct hoy_json_writer *w, const char *key, char *const *names, char *const *patterns,
	bool none_if_empty, const char *none)
{
	hoy_json_array(w, key);
	for (char *const *name = names; *name; name++)
		if (!patterns || hoy_reference_text_matches(*name, patterns))
			hoy_json_add_string(w, NULL, *name);
	if (none_if_empty && !*names)
		hoy_json_add_string(w, NULL, none);
	hoy_json_end(w);
}

static void encode_labels(struct hoy_json_writer *w, const struct hoy_oci_image_run *run)
{
	if (run && run->n_labels)
		hoy_api_add_kv(w, "Labels", run->labels, run->n_labels);
	else
		hoy_json_add_null(w, "Labels");
}

int hoy_api_add_image(struct hoy_json_writer *w, const struct hoy_api_request *rq, const struct hoy_image *image,
	const struct hoy_api_image_counts *counts, struct hoy_err *err)
{
	const struct hoy_oci_image_config *config;
	bool none = rq->version < VERSION_WITHOUT_NONE_TAGS && !*image->repo_tags && !*image->repo_digests;
	int r = hoy_image_config(rq->api->o.images, image, &config, err);

	if (r < 0)
		return r;
	hoy_json_object(w, NULL);
	hoy_json_add_i64(w, "Containers", counts->containers);
	hoy_json_add_i64(w, "Created", image->created / 1000000000);
	hoy_json_add_string(w, "Id", image->id);
	encode_labels(w, config->config);
	hoy_json_add_string(w, "ParentId", image->parent);
	encode_names(w, "RepoDigests", image->repo_digests, counts->patterns, none, "<none>@<none>");
	encode_names(w, "RepoTags", image->repo_tags, counts->patterns, none, "<none>:<none>");
	hoy_json_add_i64(w, "SharedSize", counts->shared);
	hoy_json_add_i64(w, "Size", image->size);
	if (rq->version < VERSION_WITHOUT_VIRTUAL_SIZE)
		hoy_json_add_i64(w, "VirtualSize", image->size);
	hoy_json_end(w);
	return 0;
}

struct list_filter {
	struct hoy_image_filter f;
	char **references, **labels, **before, **since, **until;
	bool dangling;
};

static void list_filter_done(struct list_filter *l)
{
	hoy_strv_free(l->references);
	hoy_strv_free(l->labels);
	hoy_strv_free(l->before);
	hoy_strv_free(l->since);
	hoy_strv_free(l->until);
}

static int fill_filter(struct list_filter *l, const struct hoy_filters *filters, struct hoy_err *err)
{
	int dangling, r;

	r = hoy_filters_values(filters, "reference", &l->references, err);
	if (r >= 0)
		r = hoy_filters_values(filters, "label", &l->labels, err);
	if (r >= 0)
		r = hoy_filters_values(filters, "before", &l->before, err);
	if (r >= 0)
		r = hoy_filters_values(filters, "since", &l->since, err);
	if (r >= 0)
		r = hoy_filters_values(filters, "until", &l->until, err);
	if (r >= 0)
		r = hoy_filters_bool(filters, "dangling", &dangling, err);
	if (r >= 0 && l->until)
		r = hoy_api_parse_until(l->until[0], &l->f.until, err);
	if (r < 0)
		return r;
	l->dangling = dangling == 1;
	l->f.dangling = dangling >= 0 ? &l->dangling : NULL;
	l->f.references = l->references;
	l->f.labels = l->labels;
	l->f.before = l->before ? l->before[0] : NULL;
	l->f.since = l->since ? l->since[0] : NULL;
	return 0;
}

static int parse_list_filter(struct hoy_api_request *rq, struct list_filter *l, struct hoy_err *err)
{
	static const char *const known[] = { "before", "dangling", "label", "reference", "since", "until", NULL };
	auto_(hoy_filters_done) struct hoy_filters filters = { 0 };
	int r = hoy_filters_parse(&filters, hoy_uri_query(&rq->uri, "filters"), known, err);

	l->f.all = hoy_uri_query_bool(&rq->uri, "all", false);
	return r < 0 ? r : fill_filter(l, &filters, err);
}

static int image_list(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(list_filter_done) struct list_filter filter = { 0 };
	auto_free const struct hoy_image **images = NULL;
	auto_free int64_t *shared = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	size_t n = 0;
	int r = parse_list_filter(rq, &filter, err);

	if (r >= 0)
		r = hoy_images_list(rq->api->o.images, &filter.f, &images, &n, err);
	if (r >= 0 && hoy_uri_query_bool(&rq->uri, "shared-size", false))
		r = hoy_images_shared_sizes(rq->api->o.images, images, n, &shared, err);
	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		const struct hoy_api_image_counts counts = {
			.containers = -1, .shared = shared ? shared[i] : -1, .patterns = filter.references
		};

		r = hoy_api_add_image(&w, rq, images[i], &counts, err);
		if (r < 0)
			return r;
	}
	hoy_json_end(&w);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- inspect -------------------------------------------------------------------------------------------------- */

static void encode_keys(struct hoy_json_writer *w, const char *key, char *const *keys)
{
	if (!keys) {
		hoy_json_add_null(w, key);
		return;
	}
	hoy_json_object(w, key);
	for (; *keys; keys++) {
		hoy_json_object(w, *keys);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* The shape of a container's Config, which clients before 1.50 know. */
static void encode_old_config(struct hoy_json_writer *w, const char *key, const struct hoy_oci_image_run *run)
{
	static const struct hoy_oci_image_run nothing;

	if (!run)
		run = &nothing;
	hoy_json_object(w, key);
	hoy_json_add_string(w, "Hostname", "");
	hoy_json_add_string(w, "Domainname", "");
	hoy_json_add_string(w, "User", or_empty(run->user));
	hoy_json_add_bool(w, "AttachStdin", false);
	hoy_json_add_bool(w, "AttachStdout", false);
	hoy_json_add_bool(w, "AttachStderr", false);
	if (run->exposed_ports)
		encode_keys(w, "ExposedPorts", run->exposed_ports);
	hoy_json_add_bool(w, "Tty", false);
	hoy_json_add_bool(w, "OpenStdin", false);
	hoy_json_add_bool(w, "StdinOnce", false);
	hoy_json_add_strv(w, "Env", run->env);
	hoy_json_add_strv(w, "Cmd", run->cmd);
	hoy_json_add_string(w, "Image", "");
	encode_keys(w, "Volumes", run->volumes);
	hoy_json_add_string(w, "WorkingDir", or_empty(run->working_dir));
	hoy_json_add_strv(w, "Entrypoint", run->entrypoint);
	hoy_json_add_strv(w, "OnBuild", run->on_build);
	encode_labels(w, run);
	if (run->stop_signal)
		hoy_json_add_string(w, "StopSignal", run->stop_signal);
	if (run->shell)
		hoy_json_add_strv(w, "Shell", run->shell);
	hoy_json_end(w);
}

static void encode_config(
	struct hoy_json_writer *w, const struct hoy_api_request *rq, const struct hoy_oci_image_run *run)
{
	if (rq->version < VERSION_WITH_SLIM_CONFIG) {
		encode_old_config(w, "Config", run);
	} else if (run) {
		hoy_field_write(&hoy_oci_image_run_object, run, w, "Config");
	} else {
		hoy_json_object(w, "Config");
		hoy_json_end(w);
	}
}

static void encode_tail(struct hoy_json_writer *w, const struct hoy_image *image)
{
	struct timespec tagged = to_timespec(image->tagged);

	hoy_json_object(w, "GraphDriver");
	hoy_json_add_null(w, "Data");
	hoy_json_add_string(w, "Name", "overlay2");
	hoy_json_end(w);
	hoy_json_object(w, "RootFS");
	hoy_json_add_string(w, "Type", "layers");
	if (*image->diff_ids)
		hoy_api_add_strings(w, "Layers", image->diff_ids);
	hoy_json_end(w);
	hoy_json_object(w, "Metadata");
	hoy_api_add_time(w, "LastTagTime", &tagged);
	hoy_json_end(w);
}

static void encode_inspect(struct hoy_json_writer *w, const struct hoy_api_request *rq, const struct hoy_image *image,
	const struct hoy_oci_image_config *config)
{
	const struct hoy_oci_history *last = config->n_history ? &config->history[config->n_history - 1] : NULL;

	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Id", image->id);
	hoy_api_add_strings(w, "RepoTags", image->repo_tags);
	hoy_api_add_strings(w, "RepoDigests", image->repo_digests);
	hoy_json_add_string(w, "Parent", image->parent);
	hoy_json_add_string(w, "Comment", last ? or_empty(last->comment) : "");
	if (config->created || rq->version < VERSION_WITHOUT_VIRTUAL_SIZE)
		hoy_json_add_string(w, "Created", config->created ? config->created : "0001-01-01T00:00:00Z");
	/* docker-compose 1.x asks this one for volumes. */
	if (rq->version < VERSION_WITHOUT_CONTAINER) {
		hoy_json_add_string(w, "Container", "");
		encode_old_config(w, "ContainerConfig", config->config);
	}
	hoy_json_add_string(w, "DockerVersion", "");
	hoy_json_add_string(w, "Author", or_empty(config->author));
	encode_config(w, rq, config->config);
	hoy_json_add_string(w, "Architecture", config->architecture ? config->architecture : hoy_host_goarch());
	if (config->variant)
		hoy_json_add_string(w, "Variant", config->variant);
	hoy_json_add_string(w, "Os", config->os ? config->os : "linux");
	hoy_json_add_i64(w, "Size", image->size);
	if (rq->version < VERSION_WITHOUT_VIRTUAL_SIZE)
		hoy_json_add_i64(w, "VirtualSize", image->size);
	encode_tail(w, image);
	hoy_json_end(w);
}

/* The image that the path names, which must be of the platform that the query's `key` asks for. */
static int find_image(struct hoy_api_request *rq, const char *key, const struct hoy_image **ret,
	const struct hoy_oci_image_config **ret_config, struct hoy_err *err)
{
	auto_free char *platform = NULL;
	int r = hoy_images_find(rq->api->o.images, rq->name, ret, err);

	if (r >= 0)
		r = hoy_image_config(rq->api->o.images, *ret, ret_config, err);
	if (r >= 0)
		r = hoy_api_platform(hoy_uri_query(&rq->uri, key), &platform, err);
	if (r >= 0 && platform && !hoy_image_is_for(*ret_config, platform))
		r = hoy_err_not_found(err,
			"image with reference %s was found but does not provide the specified platform (%s)", rq->name,
			platform);
	return r;
}

static int image_inspect(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_oci_image_config *config;
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const struct hoy_image *image;
	int r = find_image(rq, "platform", &image, &config, err);

	if (r < 0)
		return r;
	encode_inspect(&w, rq, image, config);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- history -------------------------------------------------------------------------------------------------- */

static void encode_step(struct hoy_json_writer *w, const struct hoy_image *image, const struct hoy_oci_history *step,
	bool is_last, int64_t size)
{
	struct timespec created = { 0 };

	if (step->created)
		(void) hoy_time_parse(step->created, &created);
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "Comment", or_empty(step->comment));
	hoy_json_add_i64(w, "Created", created.tv_sec);
	hoy_json_add_string(w, "CreatedBy", or_empty(step->created_by));
	hoy_json_add_string(w, "Id", is_last ? image->id : "<missing>");
	hoy_json_add_i64(w, "Size", size);
	if (is_last && *image->repo_tags)
		hoy_json_add_strv(w, "Tags", image->repo_tags);
	else
		hoy_json_add_null(w, "Tags");
	hoy_json_end(w);
}

/* The newest step first; a config without history has a step per layer. */
static void encode_history(struct hoy_json_writer *w, const struct hoy_image *image,
	const struct hoy_oci_image_config *config, const int64_t *sizes)
{
	size_t n_layers = hoy_strv_len(image->diff_ids), n = config->n_history ? config->n_history : n_layers;
	size_t layer = n_layers;

	hoy_json_array(w, NULL);
	for (size_t i = n; i-- > 0;) {
		const struct hoy_oci_history unknown = { .created = config->created };
		const struct hoy_oci_history *step = config->n_history ? &config->history[i] : &unknown;
		bool has_layer = !step->empty_layer && layer > 0;

		encode_step(w, image, step, i == n - 1, has_layer ? sizes[--layer] : 0);
	}
	hoy_json_end(w);
}

static int image_history(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_oci_image_config *config;
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	auto_free int64_t *sizes = NULL;
	const struct hoy_image *image;
	int r = find_image(rq, "platform", &image, &config, err);

	if (r >= 0)
		r = hoy_image_layer_sizes(image, &sizes, err);
	if (r < 0)
		return r;
	encode_history(&w, image, config, sizes);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- names ---------------------------------------------------------------------------------------------------- */

/* "repo" and "tag" of the query as one reference; *ret is NULL without a repository. */
static int query_reference(struct hoy_api_request *rq, char **ret, struct hoy_err *err)
{
	const char *repo = hoy_uri_query(&rq->uri, "repo"), *tag = hoy_uri_query(&rq->uri, "tag");

	*ret = NULL;
	if (!repo || !*repo)
		return 0;
	*ret = tag && *tag ? hoy_str_printf("%s:%s", repo, tag) : strdup(repo);
	return *ret ? 0 : hoy_err_oom(err);
}

static int image_tag(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_free char *reference = NULL;
	int r = query_reference(rq, &reference, err);

	if (r < 0)
		return r;
	if (!reference)
		return hoy_err_invalid(err, "invalid reference format");
	r = hoy_images_tag(rq->api->o.images, rq->name, reference, err);
	if (r < 0)
		return r;
	hoy_api_reply_empty(rq, 201);
	return 0;
}

/* Of an image that has several platforms here, one alone is not removed; of another it is all there is. */
static int check_platform(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_oci_image_config *config;
	const struct hoy_image *image;
	bool others = false;
	int r = hoy_images_find(rq->api->o.images, rq->name, &image, err);

	if (r == 0)
		r = hoy_image_has_other_platforms(rq->api->o.images, image, &others, err);
	if (r < 0)
		return r;
	if (others)
		return hoy_err_unsupported(err,
			"image %s has content of several platforms here, which is removed together: remove it without "
			"naming a platform",
			rq->name);
	return find_image(rq, "platforms", &image, &config, err);
}

static int image_remove(struct hoy_api_request *rq, struct hoy_err *err)
{
	bool force = hoy_uri_query_bool(&rq->uri, "force", false);
	struct hoy_image_removed *removed = NULL;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	size_t n = 0;
	int r = hoy_uri_query(&rq->uri, "platforms") ? check_platform(rq, err) : 0;

	if (r == 0)
		r = hoy_images_remove(rq->api->o.images, rq->name, force, &removed, &n, err);
	if (r < 0)
		return r;
	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < n; i++) {
		hoy_json_object(&w, NULL);
		if (removed[i].untagged)
			hoy_json_add_string(&w, "Untagged", removed[i].untagged);
		else
			hoy_json_add_string(&w, "Deleted", removed[i].deleted);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	hoy_image_removed_free(removed, n);
	hoy_api_reply_json(rq, 200, &buf);
	return 0;
}

/* --- load and import ------------------------------------------------------------------------------------------ */

static void tell_loaded(struct hoy_http_exchange *x, const struct hoy_image_result *result)
{
	for (size_t i = 0; i < result->n_images; i++)
		if (result->images[i].name)
			hoy_progress_stream(x, "Loaded image: %s\n", result->images[i].name);
		else
			hoy_progress_stream(x, "Loaded image ID: %s\n", result->images[i].id);
}

static void tell_imported(struct hoy_http_exchange *x, const struct hoy_image_result *result)
{
	hoy_progress_message(x, /* id= */ NULL, result->n_images ? result->images[0].id : "");
}

/* The request's body becomes the reading end of a pipe. */
static int body_pipe(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_fd int reading = -EBADF;
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "create pipe");
	reading = fds[0];
	(void) fcntl(fds[1], F_SETPIPE_SZ, 1 << 20); /* refused beyond the user's share: then it stays smaller */
	r = hoy_http_body_to_fd(rq->x, fds[1], err);
	return r < 0 ? r : TAKE_FD(reading);
}

static int image_load(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_image_job_handler handler;
	struct hoy_api_job *job = hoy_api_job_new(rq, &handler);
	auto_free char *platform = NULL;
	int r;

	if (!job)
		return hoy_err_oom(err);
	job->quiet = hoy_uri_query_bool(&rq->uri, "quiet", false);
	job->tell_result = tell_loaded;
	job->outlives_client = true;
	r = hoy_api_platform(hoy_uri_query(&rq->uri, "platform"), &platform, err);
	if (r >= 0)
		r = body_pipe(rq, err);
	if (r >= 0)
		r = hoy_images_load(rq->api->o.images, r, platform, &handler, &job->job, err);
	if (r < 0) {
		free(job);
		return r;
	}
	return hoy_api_job_begin(job, err);
}

static int start_import(struct hoy_api_request *rq, struct hoy_api_job *job,
	const struct hoy_image_job_handler *handler, struct hoy_err *err)
{
	auto_free const char **changes = hoy_uri_query_all(&rq->uri, "changes");
	auto_free char *reference = NULL;
	struct hoy_image_import options = {
		.message = hoy_uri_query(&rq->uri, "message"),
		.platform = hoy_uri_query(&rq->uri, "platform"),
		.changes = (char *const *) changes,
	};
	int r = changes ? query_reference(rq, &reference, err) : hoy_err_oom(err);

	if (options.platform && !*options.platform)
		options.platform = NULL;
	options.reference = reference;
	if (r >= 0)
		r = body_pipe(rq, err);
	return r < 0 ? r : hoy_images_import(rq->api->o.images, r, &options, handler, &job->job, err);
}

static int import_image(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_image_job_handler handler;
	struct hoy_api_job *job = hoy_api_job_new(rq, &handler);
	int r;

	if (!job)
		return hoy_err_oom(err);
	job->tell_result = tell_imported;
	job->outlives_client = true;
	job->quiet = true;
	r = start_import(rq, job, &handler, err);
	if (r < 0) {
		free(job);
		return r;
	}
	return hoy_api_job_begin(job, err);
}

/* `fromImage` pulls, `fromSrc=-` imports. */
static int image_create(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *source = hoy_uri_query(&rq->uri, "fromSrc"), *image = hoy_uri_query(&rq->uri, "fromImage");

	if (image && *image)
		return hoy_api_image_pull(rq, err);
	if (!source || strcmp(source, "-") != 0)
		return hoy_err_unsupported(err, "import: only from the request's body (fromSrc=-)");
	return import_image(rq, err);
}

const struct hoy_api_route hoy_api_image_routes[] = {
	{ "GET", "/images/json", image_list, 0, 0 },
	{ "POST", "/images/load", image_load, HOY_ROUTE_BODY_STREAM, 0 },
	{ "POST", "/images/create", image_create, HOY_ROUTE_BODY_STREAM, 0 },
	{ "GET", "/images/{name}/json", image_inspect, 0, 0 },
	{ "GET", "/images/{name}/history", image_history, 0, 0 },
	{ "POST", "/images/{name}/tag", image_tag, 0, 0 },
	{ "DELETE", "/images/{name}", image_remove, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
