/*
 * Pushing: hoy-fetch finds out from the documents what the image consists of and what the registry has not. It is given
 * the image's own blobs only, to read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/helper.h"
#include "base/json.h"
#include "base/str.h"
#include "supervisor/image/fetch_run.h"
#include "supervisor/image/job.h"
#include "libocispec/reference.h"
#include "supervisor/image/registry.h"
#include "supervisor/store/store.h"

struct push {
	struct hoy_image_job job; /* first */
	struct hoy_fetch_run *fetch;
	struct hoy_fetch_request *request;
	struct hoy_reference ref; /* its tag is the one under way */
	char **tags;              /* those to push */
	size_t n_pushed;          /* of them */
	char **pushed;            /* IDs of images that the repository has now */
	char *id, *media_type;    /* of the image under way */
	int64_t size;             /* of the document that `id` names */
	char *architecture, *variant;
};

static struct push *push_of(struct hoy_image_job *job)
{
	return (struct push *) job;
}

static void push_free(struct hoy_image_job *job)
{
	struct push *push = push_of(job);

	push->fetch = hoy_fetch_run_free(push->fetch);
	hoy_fetch_request_free(push->request);
	hoy_reference_done(&push->ref);
	hoy_strv_free(push->tags);
	hoy_strv_free(push->pushed);
	free(push->id);
	free(push->media_type);
	free(push->architecture);
	free(push->variant);
	free(push);
}

/* --- what hoy-fetch gets --- */

static bool image_has(const struct image *image, const char *digest)
{
	for (size_t i = 0; i < image->n_blobs; i++)
		if (strcmp(image->blobs[i]->digest, digest) == 0)
			return true;
	return false;
}

/* Another repository of the same host that has the blob: an image was pulled from there, or pushed to it. "" without.
 */
static void find_source(const struct push *push, const char *digest, char ret[HOY_FETCH_REPOSITORY_MAX])
{
	const struct hoy_images *images = push->job.images;
	size_t domain = strlen(push->ref.domain);

	*ret = '\0';
	for (size_t i = 0; i < images->n_names; i++) {
		const char *reference = images->names[i]->reference, *at = strchr(reference, '@');
		const char *path = reference + domain + 1;
		int len = at ? (int) (at - path) : 0;

		if (!at || strncmp(reference, push->ref.domain, domain) != 0 || reference[domain] != '/')
			continue;
		if (strncmp(path, push->ref.path, (size_t) len) == 0 && !push->ref.path[len])
			continue;
		if (len < HOY_FETCH_REPOSITORY_MAX && image_has(images->names[i]->image, digest)) {
			(void) snprintf(ret, HOY_FETCH_REPOSITORY_MAX, "%.*s", len, path);
			return;
		}
	}
}

static void tell(struct push *push, const struct hoy_fetch_packet *packet, const char *status, bool counts)
{
	char id[13];

	(void) snprintf(id, sizeof id, "%.12s", packet->blob.digest + strlen("sha256:"));
	hoy_image_job_progress(&push->job, id, status, counts ? (int64_t) packet->blob.current : 0,
		counts ? (int64_t) packet->blob.size : 0);
}

static int on_want(const struct hoy_fetch_packet *want, struct hoy_fetch_answer *answer, int *ret_fd, void *userdata,
	struct hoy_err *err)
{
	struct push *push = userdata;
	bool ours = false;

	for (size_t i = 0; !ours && i < push->job.n_blobs; i++)
		ours = strcmp(push->job.blobs[i]->digest, want->blob.digest) == 0;
	answer->type = HOY_FETCH_NONE;
	if (!ours)
		return 0;
	*ret_fd = openat(push->job.images->blobs_fd, want->blob.digest + strlen("sha256:"), O_RDONLY | O_CLOEXEC);
	if (*ret_fd < 0)
		return hoy_err_sys(err, "open blob %s", want->blob.digest);
	answer->type = HOY_FETCH_GIVE;
	find_source(push, want->blob.digest, answer->from);
	if (want->kind == HOY_FETCH_LAYER)
		tell(push, want, "Preparing", /* counts= */ false);
	return 0;
}

static int on_packet(const struct hoy_fetch_packet *packet, void *userdata, struct hoy_err *err)
{
	struct push *push = userdata;
	char text[sizeof "Mounted from " + HOY_FETCH_REPOSITORY_MAX], from[HOY_FETCH_REPOSITORY_MAX];

	(void) err;
	if (packet->kind != HOY_FETCH_LAYER)
		return 0;
	if (packet->type == HOY_FETCH_PROGRESS) {
		tell(push, packet, "Pushing", /* counts= */ true);
		return 0;
	}
	switch ((enum hoy_fetch_how) packet->how) {
	case HOY_FETCH_MOVED:
		tell(push, packet, "Pushed", /* counts= */ false);
		break;
	case HOY_FETCH_EXISTED:
		tell(push, packet, "Layer already exists", /* counts= */ false);
		break;
	case HOY_FETCH_MOUNTED:
		find_source(push, packet->blob.digest, from);
		(void) snprintf(text, sizeof text, "Mounted from %s", from);
		tell(push, packet, text, /* counts= */ false);
		break;
	}
	return 0;
}

/* --- one tag after the other --- */

static int next_tag(struct push *push, struct hoy_err *err);

static void add_descriptor(
	struct hoy_json_writer *w, const char *key, const char *media_type, const char *digest, int64_t size)
{
	hoy_json_object(w, key);
	hoy_json_add_string(w, "mediaType", media_type);
	hoy_json_add_string(w, "digest", digest);
	hoy_json_add_i64(w, "size", size);
	hoy_json_end(w);
}

static void send_aux(struct push *push, struct hoy_buf *buf)
{
	if (hoy_buf_check(buf, "result", /* err= */ NULL) == 0)
		hoy_image_job_aux(&push->job, buf->data);
	hoy_buf_done(buf);
}

/* The registry has the platform's manifest under the tag, not the index that has the tag here. */
static void tell_instead(struct push *push, const struct hoy_fetch_packet *done)
{
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	hoy_json_object(&w, NULL);
	hoy_json_add_bool(&w, "manifestPushedInsteadOfIndex", true);
	add_descriptor(&w, "originalIndex", push->media_type, push->id, push->size);
	add_descriptor(&w, "selectedManifest", done->blob.media_type, done->blob.digest, (int64_t) done->blob.size);
	hoy_json_end(&w);
	send_aux(push, &buf);
}

static void tell_pushed(struct push *push, const struct hoy_fetch_packet *done)
{
	auto_free char *text = hoy_str_printf(
		"%s: digest: %s size: %llu", push->ref.tag, done->blob.digest, (unsigned long long) done->blob.size);
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	if (text)
		hoy_image_job_message(&push->job, /* id= */ NULL, text);
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "Tag", push->ref.tag);
	hoy_json_add_string(&w, "Digest", done->blob.digest);
	hoy_json_add_u64(&w, "Size", done->blob.size);
	hoy_json_end(&w);
	send_aux(push, &buf);
	if (strcmp(done->blob.digest, push->id) != 0 && !push->architecture)
		tell_instead(push, done);
}

/* The repository's digests become names of the images, those that are still there. */
static int remember(struct push *push, struct hoy_err *err)
{
	struct hoy_images *images = push->job.images;
	auto_free char *name = hoy_reference_name(&push->ref);
	int r = name ? hoy_store_begin(images->options.store, err) : hoy_err_oom(err);

	if (r < 0)
		return r;
	r = hoy_images_watch_commit(images, err); /* events wait for it */
	for (char **id = push->pushed; r == 0 && id && *id; id++) {
		struct image *image = hoy_images_by_id(images, *id);
		auto_free char *full = hoy_str_printf("%s@%s", name, *id);

		if (!full)
			r = hoy_err_oom(err);
		else if (image && !hoy_images_name(images, full))
			r = hoy_images_name_set(images, full, image, err);
	}
	if (r < 0) {
		hoy_store_rollback(images->options.store);
		hoy_images_model_reload(images);
		return r;
	}
	return hoy_image_job_commit(&push->job, err);
}

static int take_end(struct push *push, const struct hoy_fetch_packet *done, struct hoy_err *err)
{
	auto_free char *familiar = hoy_reference_familiar(&push->ref);

	tell_pushed(push, done);
	if (familiar)
		hoy_images_tell(push->job.images, "push", push->id, familiar);
	if (strcmp(done->blob.digest, push->id) == 0 && hoy_strv_add(&push->pushed, push->id) < 0)
		return hoy_err_oom(err);
	push->n_pushed++;
	return push->tags[push->n_pushed] ? next_tag(push, err) : remember(push, err);
}

static void on_pushed(const struct hoy_err *failed, const struct hoy_fetch_packet *done, void *userdata)
{
	struct push *push = userdata;
	struct hoy_err err = { 0 };

	push->fetch = hoy_fetch_run_free(push->fetch);
	if (!failed)
		hoy_images_note_scheme(push->job.images, push->request, done->plain);
	if (failed)
		hoy_image_job_fail(&push->job, failed);
	else if (take_end(push, done, &err) < 0)
		hoy_image_job_fail(&push->job, &err);
}

/* --- the start --- */

/* What the image consists of stays until the end of the job. */
static int hold_image(struct push *push, const struct image *image, struct hoy_err *err)
{
	const struct blob *root = hoy_images_blob(push->job.images, image->pub.id);
	int r = 0;

	free(push->id);
	free(push->media_type);
	push->id = strdup(image->pub.id);
	push->media_type = strdup(image->pub.media_type);
	push->size = root ? root->size : 0;
	if (!push->id || !push->media_type)
		return hoy_err_oom(err);
	for (size_t i = 0; r == 0 && i < image->n_blobs; i++)
		r = hoy_image_job_keep_blob(&push->job, image->blobs[i], err);
	return r;
}

static int fill_request(struct push *push, const struct image *image, struct hoy_err *err)
{
	struct hoy_fetch_request *rq = push->request;
	int r = 0;

	free(rq->reference);
	free(rq->familiar);
	free(rq->root);
	free(rq->manifest);
	rq->reference = strdup(push->ref.tag);
	rq->familiar = hoy_reference_familiar(&push->ref);
	rq->root = rq->manifest = NULL;
	rq->plain = hoy_strv_has(push->job.images->plain_hosts, rq->host);
	if (push->architecture) {
		r = hoy_image_choose_manifest(
			push->job.images, image, push->architecture, push->variant, &rq->root, err);
	} else {
		rq->root = strdup(image->pub.id);
		rq->manifest = strdup(image->pub.manifest);
	}
	return r < 0 ? r : rq->reference && rq->familiar && rq->root ? 0 : hoy_err_oom(err);
}

static int no_such_tag(const struct push *push, struct hoy_err *err)
{
	auto_free char *familiar = hoy_reference_familiar(&push->ref);

	return familiar ? hoy_err_not_found(err, "tag does not exist: %s", familiar) : hoy_err_oom(err);
}

static int next_tag(struct push *push, struct hoy_err *err)
{
	struct hoy_images *images = push->job.images;
	struct hoy_fetch_run_options options = { .loop = images->options.loop,
		.on_want = on_want,
		.on_packet = on_packet,
		.on_done = on_pushed,
		.userdata = push };
	auto_free char *full = NULL, *helper = NULL;
	const struct name *name;
	int r;

	free(push->ref.tag);
	push->ref.tag = strdup(push->tags[push->n_pushed]);
	full = push->ref.tag ? hoy_reference_to_string(&push->ref) : NULL;
	if (!full)
		return hoy_err_oom(err);
	name = hoy_images_name(images, full);
	if (!name)
		return no_such_tag(push, err);
	r = hold_image(push, name->image, err);
	if (r == 0)
		r = fill_request(push, name->image, err);
	if (r == 0)
		r = hoy_helper_find("hoy-fetch", HOY_HELPER_LIBEXEC, &helper, err);
	options.helper = helper;
	return r < 0 ? r : hoy_fetch_run_start(&options, push->request, &push->fetch, err);
}

/* All tags that the repository has here, or the one that is asked for. */
static int list_tags(struct push *push, struct hoy_err *err)
{
	const struct hoy_images *images = push->job.images;
	auto_free char *name = hoy_reference_name(&push->ref), *familiar = hoy_reference_familiar_name(&push->ref);
	size_t len = name ? strlen(name) : 0;
	bool any = false;

	if (!name || !familiar)
		return hoy_err_oom(err);
	for (size_t i = 0; i < images->n_names; i++) {
		const char *reference = images->names[i]->reference;

		if (strncmp(reference, name, len) != 0 || (reference[len] != ':' && reference[len] != '@'))
			continue;
		any = true;
		if (!push->ref.tag && reference[len] == ':' && hoy_strv_add(&push->tags, reference + len + 1) < 0)
			return hoy_err_oom(err);
	}
	if (!any || (!push->ref.tag && !push->tags))
		return hoy_err_not_found(err, "An image does not exist locally with the tag: %s", familiar);
	return push->ref.tag && hoy_strv_add(&push->tags, push->ref.tag) < 0 ? hoy_err_oom(err) : 0;
}

static int start(struct push *push, const struct hoy_image_push *options, struct hoy_err *err)
{
	int r = hoy_reference_parse(options->reference, &push->ref, err);

	if (r == 0 && push->ref.digest)
		r = hoy_err_invalid(err, "cannot push a digest reference");
	if (r == 0 && options->platform)
		r = hoy_images_parse_platform(options->platform, &push->architecture, &push->variant, err);
	if (r == 0)
		r = list_tags(push, err);
	if (r == 0)
		r = hoy_images_fetch_request(
			push->job.images, HOY_FETCH_PUSH, &push->ref, &options->credentials, &push->request, err);
	return r < 0 ? r : next_tag(push, err);
}

int hoy_images_push(struct hoy_images *images, const struct hoy_image_push *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct push *push = calloc(1, sizeof *push);
	int r;

	if (!push)
		return hoy_err_oom(err);
	push->job.free_detail = push_free;
	r = hoy_image_job_init(&push->job, images, handler, "push", err);
	if (r < 0) {
		free(push);
		return r;
	}
	r = start(push, options, err);
	if (r < 0) {
		hoy_image_job_discard(&push->job);
		return r;
	}
	*ret = &push->job;
	return 0;
}
