/* Registries: pulling and pushing, checking credentials, searching, and what a reference is there. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/api/image_job.h"
#include "supervisor/api/progress.h"
#include "supervisor/api/registry_auth.h"
#include "supervisor/image/image.h"
#include "supervisor/image/reference.h"

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
		return hoy_err_unsupported(
			err, "pulling all tags of '%s' is not implemented by this version of Hoy: name one", reference);
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

const struct hoy_api_route hoy_api_registry_routes[] = {
	{ "POST", "/images/{name}/push", image_push, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
