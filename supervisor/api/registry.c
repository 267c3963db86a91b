/* Registries: pulling and pushing, checking credentials, searching, and what a reference is there. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/api/filters.h"
#include "supervisor/api/image_job.h"
#include "supervisor/api/progress.h"
#include "supervisor/api/registry_auth.h"
#include "supervisor/image/image.h"
#include "libocispec/reference.h"

static struct hoy_registry_credentials shown(const struct hoy_registry_auth *auth)
{
	return (struct hoy_registry_credentials){
		.username = auth->username,
		.password = auth->password,
		.identity_token = auth->identity_token,
		.registry_token = auth->registry_token,
	};
}

static int header_auth(struct hoy_api_request *rq, struct hoy_registry_auth *auth, struct hoy_err *err)
{
	return hoy_registry_auth_parse(hoy_http_header(rq->x, "X-Registry-Auth"), auth, err);
}

/* --- pull ----------------------------------------------------------------------------------------------------- */

/* The lines docker ends with; the first name is the one that was asked for. */
static void tell_pulled(struct hoy_http_exchange *x, const struct hoy_image_result *result)
{
	auto_free char *digest = NULL, *status = NULL;

	if (result->n_images == 0)
		return;
	digest = hoy_str_printf("Digest: %s", result->images[0].id);
	status = hoy_str_printf("Status: %s for %s", result->changed ? "Downloaded newer image" : "Image is up to date",
		result->images[0].name ? result->images[0].name : result->images[0].id);
	if (digest && status) {
		hoy_progress_message(x, /* id= */ NULL, digest);
		hoy_progress_message(x, /* id= */ NULL, status);
	}
}

/* "busybox" and "latest", or "busybox" and "sha256:..."; a tag in the name itself counts too. */
static int pull_reference(struct hoy_api_request *rq, char **ret, struct hoy_err *err)
{
	const char *image = hoy_uri_query(&rq->uri, "fromImage"), *tag = hoy_uri_query(&rq->uri, "tag");

	if (!tag || !*tag)
		*ret = strdup(image);
	else
		*ret = hoy_str_printf(strchr(tag, ':') ? "%s@%s" : "%s:%s", image, tag);
	return *ret ? 0 : hoy_err_oom(err);
}

static bool has_tag(const char *reference)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };

	return hoy_reference_parse(reference, &ref, /* err= */ NULL) < 0 || ref.tag || ref.digest;
}

/* Without tag and digest: first the list of tags, then one pull after the other into the same answer. */
struct all_tags {
	struct hoy_registry_auth auth;
	char *name, *platform;
	char **tags;
	size_t next;
};

static void all_tags_free(void *userdata)
{
	struct all_tags *all = userdata;

	hoy_registry_auth_done(&all->auth);
	free(all->name);
	free(all->platform);
	hoy_strv_free(all->tags);
	free(all);
}

static int pull_next_tag(struct hoy_api_job *job, struct hoy_err *err)
{
	const struct hoy_image_job_handler handler = hoy_api_job_handler(job);
	struct all_tags *all = job->userdata;
	struct hoy_image_pull options = { .platform = all->platform, .credentials = shown(&all->auth) };
	auto_free char *reference = NULL;
	int r;

	if (!all->tags || !all->tags[all->next])
		return 0;
	reference = hoy_str_printf("%s:%s", all->name, all->tags[all->next++]);
	if (!reference)
		return hoy_err_oom(err);
	options.reference = reference;
	r = hoy_images_pull(job->rq->api->o.images, &options, &handler, &job->job, err);
	return r < 0 ? r : 1;
}

static void on_tags(const struct hoy_image_progress *progress, void *userdata)
{
	struct hoy_api_job *job = userdata;
	struct all_tags *all = job->userdata;
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;

	if (!progress->aux ||
		hoy_json_parse(progress->aux, strlen(progress->aux), /* limits= */ NULL, &list, /* err= */ NULL) < 0)
		return;
	hoy_json_each(tag, list)
	{
		const char *text = hoy_json_string(tag);

		if (text && hoy_reference_tag_is_valid(text))
			(void) hoy_strv_add(&all->tags, text);
	}
}

static void on_tags_done(const struct hoy_err *failed, const struct hoy_image_result *result, void *userdata)
{
	struct hoy_api_job *job = userdata;
	struct hoy_err err = { 0 };
	int r;

	(void) result;
	job->job = NULL;
	r = failed ? -failed->errnum : pull_next_tag(job, &err);
	if (r > 0)
		return;
	if (r == 0)
		(void) hoy_err_not_found(&err, "the repository has no tags");
	hoy_api_reply_error(job->rq, failed ? failed : &err);
	hoy_api_job_free(job);
}

static char *or_null(const char *text)
{
	return text ? strdup(text) : NULL;
}

static int pull_all_tags(
	struct hoy_api_request *rq, const char *name, struct hoy_registry_auth *auth, struct hoy_err *err)
{
	const struct hoy_registry_ask ask = { .kind = HOY_REGISTRY_TAGS, .text = name, .credentials = shown(auth) };
	struct hoy_image_job_handler handler;
	struct hoy_api_job *job = hoy_api_job_new(rq, &handler);
	struct all_tags *all = job ? calloc(1, sizeof *all) : NULL;
	int r;

	if (!all) {
		free(job);
		return hoy_err_oom(err);
	}
	all->name = strdup(name);
	all->platform = or_null(hoy_uri_query(&rq->uri, "platform"));
	job->userdata = all;
	job->free_userdata = all_tags_free;
	job->tell_result = tell_pulled;
	job->next = pull_next_tag;
	handler = (struct hoy_image_job_handler){ on_tags, on_tags_done, job };
	r = all->name ? hoy_images_ask_registry(rq->api->o.images, &ask, &handler, &job->job, err) : hoy_err_oom(err);
	if (r < 0) {
		hoy_api_job_free(job);
		return r;
	}
	all->auth = *auth;
	*auth = (struct hoy_registry_auth){ 0 };
	return 0;
}

/* The head of the answer waits for the first progress: what the registry refuses has a status of its own. */
int hoy_api_image_pull(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_registry_auth_done) struct hoy_registry_auth auth = { 0 };
	auto_free char *reference = NULL;
	struct hoy_image_pull options = { .platform = hoy_uri_query(&rq->uri, "platform") };
	struct hoy_image_job_handler handler;
	struct hoy_api_job *job;
	int r = pull_reference(rq, &reference, err);

	if (r == 0)
		r = header_auth(rq, &auth, err);
	if (r < 0)
		return r;
	if (!has_tag(reference))
		return pull_all_tags(rq, reference, &auth, err);
	options.reference = reference;
	options.credentials = shown(&auth);
	job = hoy_api_job_new(rq, &handler);
	if (!job)
		return hoy_err_oom(err);
	job->tell_result = tell_pulled;
	r = hoy_images_pull(rq->api->o.images, &options, &handler, &job->job, err);
	if (r < 0)
		hoy_api_job_free(job);
	return r;
}

/* --- push ----------------------------------------------------------------------------------------------------- */

/* {"os": "linux", "architecture": "arm", "variant": "v7"} as "linux/arm/v7"; NULL when none is asked for. */
static int query_platform(struct hoy_api_request *rq, char **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const char *text = hoy_uri_query(&rq->uri, "platform"), *os, *architecture, *variant;

	*ret = NULL;
	if (!text || !*text)
		return 0;
	if (hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, /* err= */ NULL) < 0)
		return hoy_err_invalid(err, "failed to parse platform: not a JSON object");
	os = hoy_json_string(hoy_json_get_ci(doc, "os"));
	architecture = hoy_json_string(hoy_json_get_ci(doc, "architecture"));
	variant = hoy_json_string(hoy_json_get_ci(doc, "variant"));
	if (!os || !architecture)
		return hoy_err_invalid(err, "both OS and Architecture must be provided");
	*ret = variant && *variant ? hoy_str_printf("%s/%s/%s", os, architecture, variant)
				   : hoy_str_printf("%s/%s", os, architecture);
	return *ret ? 0 : hoy_err_oom(err);
}

/* The name is given without its tag, which the query has; without one all tags are pushed. */
static int push_reference(struct hoy_api_request *rq, struct hoy_reference *ref, char **ret, struct hoy_err *err)
{
	const char *tag = hoy_uri_query(&rq->uri, "tag");
	auto_free char *name = NULL;
	int r = hoy_reference_parse(rq->name, ref, err);

	if (r < 0)
		return r;
	name = hoy_reference_name(ref);
	if (!name)
		return hoy_err_oom(err);
	if (ref->digest)
		*ret = hoy_str_printf("%s@%s", name, ref->digest);
	else
		*ret = tag && *tag ? hoy_str_printf("%s:%s", name, tag) : strdup(name);
	return *ret ? 0 : hoy_err_oom(err);
}

static void on_nobody_gone(struct hoy_http_exchange *x, void *userdata)
{
	(void) x;
	(void) userdata;
}

/* As docker does it: what is wrong comes behind the first line, in the stream. */
static int tell_not_pushed(struct hoy_api_job *job, const char *text, const struct hoy_err *failed, struct hoy_err *err)
{
	int r = hoy_http_stream_begin(job->x, 200, "application/json", on_nobody_gone, NULL, err);

	if (r == 0) {
		hoy_progress_message(job->x, /* id= */ NULL, text);
		hoy_progress_error(job->x, failed);
		hoy_http_stream_end(job->x);
	}
	hoy_api_job_free(job);
	return r;
}

static int image_push(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_registry_auth_done) struct hoy_registry_auth auth = { 0 };
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *reference = NULL, *platform = NULL, *name = NULL, *text = NULL;
	struct hoy_image_job_handler handler;
	struct hoy_image_push options = { 0 };
	struct hoy_err failed = { 0 };
	struct hoy_api_job *job;
	int r = push_reference(rq, &ref, &reference, err);

	if (r == 0)
		r = query_platform(rq, &platform, err);
	if (r == 0)
		r = header_auth(rq, &auth, err);
	if (r < 0)
		return r;
	name = hoy_reference_name(&ref);
	text = name ? hoy_str_printf("The push refers to repository [%s]", name) : NULL;
	job = text ? hoy_api_job_new(rq, &handler) : NULL;
	if (!job)
		return hoy_err_oom(err);
	options = (struct hoy_image_push){ reference, platform, shown(&auth) };
	r = hoy_images_push(rq->api->o.images, &options, &handler, &job->job, &failed);
	if (r == -EINVAL) {
		*err = failed;
		hoy_api_job_free(job);
		return r;
	}
	if (r < 0)
		return tell_not_pushed(job, text, &failed, err);
	r = hoy_api_job_begin(job, err);
	if (r == 0)
		hoy_progress_message(job->x, /* id= */ NULL, text);
	return r;
}

/* --- questions ------------------------------------------------------------------------------------------------ */

/* A request that waits for a registry's answer. */
struct question {
	struct hoy_api_request *rq; /* stays until it is answered */
	struct hoy_image_job *job;
	struct hoy_filters filters; /* search */
	char *text;                 /* the answer */
	void (*reply)(struct question *q, const struct hoy_json *answer);
};

static void question_free(struct question *q)
{
	hoy_filters_done(&q->filters);
	free(q->text);
	free(q);
}

static void on_question_progress(const struct hoy_image_progress *progress, void *userdata)
{
	struct question *q = userdata;

	if (progress->aux && !q->text)
		q->text = strdup(progress->aux);
}

/* Wrong credentials are the client's: 401, whatever was asked. */
static void on_question_done(const struct hoy_err *failed, const struct hoy_image_result *result, void *userdata)
{
	struct question *q = userdata;
	auto_ptr(hoy_json_free) struct hoy_json *answer = NULL;
	struct hoy_err err = { 0 };

	(void) result;
	if (!failed && hoy_json_parse(q->text ? q->text : "", q->text ? strlen(q->text) : 0, /* limits= */ NULL,
			       &answer, &err) < 0) {
		(void) hoy_err_wrap(&err, "the registry's answer");
		failed = &err;
	}
	if (!failed)
		q->reply(q, answer);
	else if (failed->errnum == EACCES)
		hoy_api_reply_error_status(q->rq, 401, hoy_err_str(failed));
	else
		hoy_api_reply_error(q->rq, failed);
	question_free(q);
}

static int ask(struct hoy_api_request *rq, struct question *q, const struct hoy_registry_ask *what, struct hoy_err *err)
{
	const struct hoy_image_job_handler handler = { on_question_progress, on_question_done, q };
	int r;

	q->rq = rq;
	r = hoy_images_ask_registry(rq->api->o.images, what, &handler, &q->job, err);
	if (r < 0)
		question_free(q);
	return r;
}

/* --- /auth --- */

static void reply_login(struct question *q, const struct hoy_json *answer)
{
	const char *token = hoy_json_string(hoy_json_get(answer, "IdentityToken"));
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "IdentityToken", token ? token : "");
	hoy_json_add_string(&w, "Status", "Login Succeeded");
	hoy_json_end(&w);
	hoy_api_reply_json(q->rq, 200, &buf);
}

/* "https://index.docker.io/v1/" is docker.io, "http://localhost:5000/v2/" is localhost:5000. */
static char *host_of(const char *address)
{
	const char *scheme = strstr(address, "://"), *host = scheme ? scheme + 3 : address;
	auto_free char *name = strndup(host, strcspn(host, "/"));

	if (name && (!*name || strcmp(name, "index.docker.io") == 0 || strcmp(name, "registry-1.docker.io") == 0))
		return strdup("docker.io");
	return TAKE_PTR(name);
}

static const char *text_of(const struct hoy_json *doc, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get_ci(doc, key));

	return text && *text ? text : NULL;
}

static int auth(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_free char *host = NULL;
	struct hoy_registry_ask what = { .kind = HOY_REGISTRY_LOGIN };
	struct question *q;
	int r = hoy_api_body_json(rq, &doc, err);

	if (r < 0)
		return r;
	if (!doc)
		return hoy_err_invalid(err, "invalid JSON: got EOF while reading request body");
	what.credentials.username = text_of(doc, "username");
	what.credentials.password = text_of(doc, "password");
	what.credentials.identity_token = text_of(doc, "identitytoken");
	what.credentials.registry_token = text_of(doc, "registrytoken");
	host = host_of(text_of(doc, "serveraddress") ? text_of(doc, "serveraddress") : "");
	q = host ? calloc(1, sizeof *q) : NULL;
	if (!q)
		return hoy_err_oom(err);
	what.host = host;
	q->reply = reply_login;
	return ask(rq, q, &what, err);
}

/* --- /distribution --- */

static void reply_as_it_is(struct question *q, const struct hoy_json *answer)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_add_value(&w, NULL, answer);
	hoy_api_reply_json(q->rq, 200, &buf);
}

static int distribution_inspect(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_(hoy_registry_auth_done) struct hoy_registry_auth shown_auth = { 0 };
	struct hoy_registry_ask what = { .kind = HOY_REGISTRY_INSPECT, .text = rq->name };
	struct question *q;
	int r = header_auth(rq, &shown_auth, err);

	if (r < 0)
		return r;
	what.credentials = shown(&shown_auth);
	q = calloc(1, sizeof *q);
	if (!q)
		return hoy_err_oom(err);
	q->reply = reply_as_it_is;
	return ask(rq, q, &what, err);
}

/* --- /images/search --- */

static int64_t number_of(const struct hoy_json *object, const char *key)
{
	int64_t value = 0;

	return hoy_json_to_i64(hoy_json_get(object, key), &value) < 0 ? 0 : value;
}

static bool is_found(const struct question *q, const struct hoy_json *result)
{
	auto_ptr(hoy_strv_free) char **stars = NULL;
	int official = -1;
	int64_t least = 0;

	(void) hoy_filters_bool(&q->filters, "is-official", &official, /* err= */ NULL);
	(void) hoy_filters_values(&q->filters, "stars", &stars, /* err= */ NULL);
	for (char **value = stars; value && *value; value++) {
		int64_t n = 0;

		if (hoy_str_to_i64(*value, &n) == 0 && n > least)
			least = n;
	}
	return (official < 0 || hoy_json_bool(hoy_json_get(result, "is_official")) == (official == 1)) &&
	       number_of(result, "star_count") >= least;
}

static void reply_search(struct question *q, const struct hoy_json *answer)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_array(&w, NULL);
	hoy_json_each(result, hoy_json_get(answer, "results"))
	{
		const char *name = hoy_json_string(hoy_json_get(result, "name"));
		const char *description = hoy_json_string(hoy_json_get(result, "description"));

		if (!name || !is_found(q, result))
			continue;
		hoy_json_object(&w, NULL);
		hoy_json_add_i64(&w, "star_count", number_of(result, "star_count"));
		hoy_json_add_bool(&w, "is_official", hoy_json_bool(hoy_json_get(result, "is_official")));
		hoy_json_add_string(&w, "name", name);
		hoy_json_add_bool(&w, "is_automated", false);
		hoy_json_add_string(&w, "description", description ? description : "");
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	hoy_api_reply_json(q->rq, 200, &buf);
}

/* "localhost:5000/web" is looked for there, "web" and "team/web" at Docker Hub. */
static char *search_host(const char *term, const char **ret_rest)
{
	const char *slash = strchr(term, '/');
	auto_free char *first = slash ? strndup(term, (size_t) (slash - term)) : NULL;

	*ret_rest = term;
	if (!first || (!strpbrk(first, ".:") && strcmp(first, "localhost") != 0) || strcmp(first, "docker.io") == 0)
		return strdup("docker.io");
	*ret_rest = slash + 1;
	return TAKE_PTR(first);
}

static int check_limit(const char *limit, struct hoy_err *err)
{
	int64_t n;

	if (!limit || !*limit || (hoy_str_to_i64(limit, &n) == 0 && n >= 0 && n <= 100))
		return 0;
	return hoy_err_invalid(err, "Limit %s is outside the range of [1, 100]", limit);
}

static int image_search(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const char *const known[] = { "is-automated", "is-official", "stars", NULL };
	auto_(hoy_registry_auth_done) struct hoy_registry_auth shown_auth = { 0 };
	const char *term = hoy_uri_query(&rq->uri, "term"), *limit = hoy_uri_query(&rq->uri, "limit"), *rest = NULL;
	struct hoy_registry_ask what = { .kind = HOY_REGISTRY_SEARCH };
	struct question *q = calloc(1, sizeof *q);
	auto_free char *host = NULL;
	int r = q ? check_limit(limit, err) : hoy_err_oom(err);

	if (r == 0 && (!term || !*term))
		r = hoy_err_invalid(err, "a search needs a term");
	if (r == 0)
		r = header_auth(rq, &shown_auth, err);
	if (r == 0)
		r = hoy_filters_parse(&q->filters, hoy_uri_query(&rq->uri, "filters"), known, err);
	if (r == 0 && !(host = search_host(term, &rest)))
		r = hoy_err_oom(err);
	if (r < 0) {
		if (q)
			question_free(q);
		return r;
	}
	what.host = host;
	what.text = rest;
	what.limit = limit && *limit && strcmp(limit, "0") != 0 ? limit : NULL;
	what.credentials = shown(&shown_auth);
	q->reply = reply_search;
	return ask(rq, q, &what, err);
}

const struct hoy_api_route hoy_api_registry_routes[] = {
	{ "POST", "/images/{name}/push", image_push, 0, 0 },
	{ "GET", "/images/search", image_search, 0, 0 },
	{ "GET", "/distribution/{name}/json", distribution_inspect, 0, 0 },
	{ "POST", "/auth", auth, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
