#include "supervisor/image/cache_remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/file.h"
#include "base/helper.h"
#include "base/sha256.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "libocispec/reference.h"
#include "supervisor/image/fetch_run.h"
#include "supervisor/image/making.h"
#include "supervisor/image/policy.h"
#include "supervisor/image/registry.h"

#define DOCUMENT_MAX ((size_t) 4 << 20)
#define DOCUMENTS_MAX 8 /* indexes within indexes, a manifest, a config */

/* With the tag that it has, or "latest". */
static int make_request(struct hoy_images *images, enum hoy_fetch_op op, const char *reference,
	const struct hoy_registry_credentials *credentials, struct hoy_reference *ref, struct hoy_fetch_request **ret,
	struct hoy_err *err)
{
	int r = hoy_reference_parse(reference, ref, err);

	if (r == 0 && hoy_reference_default_tag(ref) < 0)
		r = hoy_err_oom(err);
	return r < 0 ? r : hoy_images_fetch_request(images, op, ref, credentials, ret, err);
}

static int start_fetch(struct hoy_images *images, struct hoy_fetch_run_options *run,
	const struct hoy_fetch_request *request, struct hoy_fetch_run **ret, struct hoy_err *err)
{
	auto_free char *helper = NULL;
	int r = hoy_helper_find("hoy-fetch", HOY_HELPER_LIBEXEC, &helper, err);

	run->loop = images->options.loop;
	run->helper = helper;
	return r < 0 ? r : hoy_fetch_run_start(run, request, ret, err);
}

/* --- documents ---------------------------------------------------------------------------------------------------- */

struct reading {
	struct hoy_image_job job; /* first */
	struct hoy_cache_reading options;
	struct hoy_fetch_request *request;
	struct hoy_fetch_run *fetch;
	char digests[DOCUMENTS_MAX][HOY_IMAGE_DIGEST_MAX]; /* in the order in which they came; files by their number */
	unsigned int n;
};

static void reading_free(struct hoy_image_job *job)
{
	struct reading *reading = (struct reading *) job;

	reading->fetch = hoy_fetch_run_free(reading->fetch);
	hoy_fetch_request_free(reading->request);
	free(reading);
}

/* The job's handler, which has no place for documents: those are told before it ends. */
static void on_reading_done(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	auto_free struct hoy_cache_reading *options = userdata;

	(void) result;
	if (err)
		options->done(err, NULL, options->userdata);
}

/* A document that is wanted again (by another mirror) moves to the end. */
static int note_document(struct reading *reading, const char *digest, struct hoy_err *err)
{
	if (reading->n == DOCUMENTS_MAX)
		return hoy_err_invalid(err, "the cache has more than %d documents", DOCUMENTS_MAX);
	(void) snprintf(reading->digests[reading->n], HOY_IMAGE_DIGEST_MAX, "%s", digest);
	return (int) reading->n++;
}

static int on_want_document(const struct hoy_fetch_packet *want, struct hoy_fetch_answer *answer, int *ret_fd,
	void *userdata, struct hoy_err *err)
{
	struct reading *reading = userdata;
	char name[16];
	int number;

	if (want->kind == HOY_FETCH_LAYER)
		return 0;
	if (want->blob.size > DOCUMENT_MAX)
		return hoy_err_invalid(err, "%s has %llu bytes: documents of caches have at most %zu",
			want->blob.digest, (unsigned long long) want->blob.size, DOCUMENT_MAX);
	number = note_document(reading, want->blob.digest, err);
	if (number < 0)
		return number;
	(void) snprintf(name, sizeof name, "%d", number);
	*ret_fd = openat(reading->job.temp_fd, name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (*ret_fd < 0)
		return hoy_err_sys(err, "create a file for %s", want->blob.digest);
	answer->type = HOY_FETCH_GIVE;
	return 0;
}

static int read_document(const struct reading *reading, unsigned int number, struct hoy_buf *ret, struct hoy_err *err)
{
	char name[16], digest[HOY_SHA256_DIGEST_MAX];
	int r;

	(void) snprintf(name, sizeof name, "%u", number);
	hoy_buf_init(ret, DOCUMENT_MAX + 1);
	r = hoy_file_read(reading->job.temp_fd, name, ret, err);
	if (r < 0)
		return r;
	hoy_sha256_digest(ret->data ? ret->data : "", ret->len, digest);
	return strcmp(digest, reading->digests[number]) == 0
		       ? 0
		       : hoy_err_invalid(err, "%s: its digest is %s", reading->digests[number], digest);
}

/* The last two are a manifest and the config it names. */
static int read_documents(const struct reading *reading, struct hoy_cache_documents *ret, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	int r = reading->n < 2 ? hoy_err_invalid(err, "neither a manifest nor its config came") : 0;

	if (r == 0)
		r = read_document(reading, reading->n - 2, &ret->manifest, err);
	if (r == 0)
		r = read_document(reading, reading->n - 1, &ret->config, err);
	if (r == 0)
		r = hoy_oci_manifest_parse(
			ret->manifest.data ? ret->manifest.data : "", ret->manifest.len, &manifest, err);
	if (r == 0 && strcmp(manifest->config.digest, reading->digests[reading->n - 1]) != 0)
		r = hoy_err_invalid(err, "the config that came is not the manifest's");
	(void) snprintf(ret->digest, sizeof ret->digest, "%s", reading->digests[reading->n < 2 ? 0 : reading->n - 2]);
	return r;
}

static void documents_done(struct hoy_cache_documents *documents)
{
	hoy_buf_done(&documents->manifest);
	hoy_buf_done(&documents->config);
}

static void on_documents(const struct hoy_err *failed, const struct hoy_fetch_packet *done, void *userdata)
{
	struct reading *reading = userdata;
	auto_(documents_done) struct hoy_cache_documents documents = { 0 };
	struct hoy_err err = { 0 };

	reading->fetch = hoy_fetch_run_free(reading->fetch);
	if (failed) {
		hoy_image_job_fail(&reading->job, failed);
		return;
	}
	hoy_images_note_scheme(reading->job.images, reading->request, done->plain);
	if (read_documents(reading, &documents, &err) < 0) {
		hoy_image_job_fail(&reading->job, &err);
		return;
	}
	reading->options.done(NULL, &documents, reading->options.userdata);
	hoy_image_job_succeed(&reading->job);
}

static int start_reading(struct reading *reading, struct hoy_err *err)
{
	struct hoy_fetch_run_options run = {
		.on_want = on_want_document, .on_done = on_documents, .userdata = reading
	};
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	int r = make_request(reading->job.images, HOY_FETCH_PULL, reading->options.reference,
		&reading->options.credentials, &ref, &reading->request, err);

	if (r == 0)
		r = hoy_signature_policy_apply(reading->job.images, &ref, reading->request, err);
	return r < 0 ? r : start_fetch(reading->job.images, &run, reading->request, &reading->fetch, err);
}

int hoy_images_read_cache(struct hoy_images *images, const struct hoy_cache_reading *options,
	struct hoy_image_job **ret, struct hoy_err *err)
{
	struct hoy_cache_reading *told = malloc(sizeof *told);
	struct reading *reading = calloc(1, sizeof *reading);
	const struct hoy_image_job_handler handler = { .done = on_reading_done, .userdata = told };
	int r = 0;

	if (!told || !reading) {
		free(told);
		free(reading);
		return hoy_err_oom(err);
	}
	*told = reading->options = *options;
	reading->job.free_detail = reading_free;
	r = hoy_image_job_init(&reading->job, images, &handler, "cache", err);
	if (r < 0) {
		free(told);
		free(reading);
		return r;
	}
	r = start_reading(reading, err);
	reading->options.reference = NULL;
	if (r < 0) {
		free(told);
		hoy_image_job_discard(&reading->job);
		return r;
	}
	*ret = &reading->job;
	return 0;
}

int hoy_images_local_cache(
	struct hoy_images *images, const char *reference, struct hoy_cache_documents *ret, struct hoy_err *err)
{
	const struct hoy_image *image;
	int r = hoy_images_find(images, reference, &image, err);

	if (r < 0)
		return r;
	r = hoy_images_read_blob(images, image->manifest, &ret->manifest, err);
	if (r == 0)
		r = hoy_images_read_blob(images, image->config, &ret->config, err);
	(void) snprintf(ret->digest, sizeof ret->digest, "%s", image->manifest);
	return r;
}

/* --- a layer ------------------------------------------------------------------------------------------------------ */

static int on_want_layer(const struct hoy_fetch_packet *want, struct hoy_fetch_answer *answer, int *ret_fd,
	void *userdata, struct hoy_err *err)
{
	struct making *m = userdata;

	if (want->kind != HOY_FETCH_LAYER || strcmp(want->blob.digest, m->made.blob) != 0)
		return 0;
	if ((int64_t) want->blob.size != m->made.blob_size)
		return hoy_err_invalid(err, "blob %s has another size than before", m->made.blob);
	*ret_fd = openat(m->job.temp_fd, MAKING_BLOB, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (*ret_fd < 0)
		return hoy_err_sys(err, "create a file for %s", m->made.blob);
	answer->type = HOY_FETCH_GIVE;
	return 0;
}

static void on_layer_fetched(const struct hoy_err *failed, const struct hoy_fetch_packet *done, void *userdata)
{
	struct making *m = userdata;
	struct hoy_err err = { 0 };

	m->fetch = hoy_fetch_run_free(m->fetch);
	if (failed) {
		hoy_image_job_fail(&m->job, failed);
		return;
	}
	hoy_images_note_scheme(m->job.images, m->request, done->plain);
	if (hoy_making_apply(m, &err) < 0)
		hoy_image_job_fail(&m->job, &err);
}

static int start_layer(struct making *m, const struct hoy_layer_fetching *fetching, struct hoy_err *err)
{
	struct hoy_fetch_run_options run = { .on_want = on_want_layer, .on_done = on_layer_fetched, .userdata = m };
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *name = NULL, *full = NULL;
	int r;

	m->made = fetching->layer;
	hoy_built_layer_on(m->below ? m->below->chain_id : "", &m->made);
	if (hoy_images_blob(m->job.images, m->made.blob))
		return hoy_making_apply(m, err);
	if (!fetching->reference)
		return hoy_err_not_found(err, "no such blob: %s", m->made.blob);
	r = hoy_reference_parse(fetching->reference, &ref, err);
	if (r < 0)
		return r;
	name = hoy_reference_name(&ref);
	full = name ? hoy_str_printf("%s@%s", name, fetching->manifest) : NULL;
	if (!full)
		return hoy_err_oom(err);
	hoy_reference_done(&ref);
	ref = (struct hoy_reference){ 0 };
	r = make_request(m->job.images, HOY_FETCH_PULL, full, &fetching->credentials, &ref, &m->request, err);
	return r < 0 ? r : start_fetch(m->job.images, &run, m->request, &m->fetch, err);
}

int hoy_images_fetch_layer(struct hoy_images *images, const struct hoy_layer_fetching *fetching,
	struct hoy_image_job **ret, struct hoy_err *err)
{
	struct making *m;
	int r = hoy_making_new(images, &fetching->making, &m, err);

	if (r < 0)
		return r;
	r = start_layer(m, fetching, err);
	if (r < 0) {
		hoy_making_discard(m);
		return r;
	}
	*ret = &m->job;
	return 0;
}

/* --- to the registry ---------------------------------------------------------------------------------------------- */

struct pushing {
	struct hoy_image_job job; /* first */
	struct hoy_fetch_request *request;
	struct hoy_fetch_run *fetch;
	struct {
		char digest[HOY_IMAGE_DIGEST_MAX];
		int fd; /* a memory file */
	} documents[2];
};

static void pushing_free(struct hoy_image_job *job)
{
	struct pushing *pushing = (struct pushing *) job;

	pushing->fetch = hoy_fetch_run_free(pushing->fetch);
	hoy_fetch_request_free(pushing->request);
	for (size_t i = 0; i < ARRAY_LEN(pushing->documents); i++)
		hoy_fd_close(&pushing->documents[i].fd);
	free(pushing);
}

/* Through /proc, for a position of its own. */
static int open_again(int fd, struct hoy_err *err)
{
	char path[64];
	int again;

	(void) snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	again = open(path, O_RDONLY | O_CLOEXEC);
	return again < 0 ? hoy_err_sys(err, "open a document of the cache") : again;
}

static int on_want_to_push(const struct hoy_fetch_packet *want, struct hoy_fetch_answer *answer, int *ret_fd,
	void *userdata, struct hoy_err *err)
{
	struct pushing *pushing = userdata;
	const char *digest = want->blob.digest;

	*ret_fd = -EBADF;
	for (size_t i = 0; i < ARRAY_LEN(pushing->documents); i++)
		if (strcmp(pushing->documents[i].digest, digest) == 0)
			*ret_fd = open_again(pushing->documents[i].fd, err);
	for (size_t i = 0; *ret_fd == -EBADF && i < pushing->job.n_blobs; i++)
		if (strcmp(pushing->job.blobs[i]->digest, digest) == 0) {
			*ret_fd = openat(
				pushing->job.images->blobs_fd, digest + strlen("sha256:"), O_RDONLY | O_CLOEXEC);
			if (*ret_fd < 0)
				return hoy_err_sys(err, "open blob %s", digest);
		}
	answer->type = *ret_fd == -EBADF ? HOY_FETCH_NONE : HOY_FETCH_GIVE;
	return *ret_fd < 0 && *ret_fd != -EBADF ? *ret_fd : 0;
}

static int on_pushing(const struct hoy_fetch_packet *packet, void *userdata, struct hoy_err *err)
{
	struct pushing *pushing = userdata;
	char id[13];

	(void) err;
	if (packet->kind == HOY_FETCH_LAYER && packet->type == HOY_FETCH_PROGRESS) {
		(void) snprintf(id, sizeof id, "%.12s", packet->blob.digest + strlen("sha256:"));
		hoy_image_job_progress(
			&pushing->job, id, "Pushing", (int64_t) packet->blob.current, (int64_t) packet->blob.size);
	}
	return 0;
}

static void on_pushed(const struct hoy_err *failed, const struct hoy_fetch_packet *done, void *userdata)
{
	struct pushing *pushing = userdata;
	struct hoy_image_job_handler handler = pushing->job.handler;

	pushing->fetch = hoy_fetch_run_free(pushing->fetch);
	if (failed) {
		hoy_image_job_fail(&pushing->job, failed);
		return;
	}
	hoy_images_note_scheme(pushing->job.images, pushing->request, done->plain);
	handler.done(/* err= */ NULL, &pushing->job.result, handler.userdata);
	hoy_image_job_discard(&pushing->job);
}

static int keep_text(struct pushing *pushing, size_t i, const struct hoy_buf *text, struct hoy_err *err)
{
	int fd = memfd_create("cache", MFD_CLOEXEC), r;

	if (fd < 0)
		return hoy_err_sys(err, "create a memory file");
	pushing->documents[i].fd = fd;
	hoy_sha256_digest(text->data, text->len, pushing->documents[i].digest);
	r = hoy_fd_write_all(fd, text->data, text->len);
	return r < 0 ? hoy_err_code(err, r, "write a document of the cache") : 0;
}

static int start_pushing(struct pushing *pushing, const struct hoy_cache_pushing *options, struct hoy_err *err)
{
	struct hoy_images *images = pushing->job.images;
	struct hoy_fetch_run_options run = {
		.on_want = on_want_to_push, .on_packet = on_pushing, .on_done = on_pushed, .userdata = pushing
	};
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	int r = keep_text(pushing, 0, options->manifest, err);

	if (r == 0)
		r = keep_text(pushing, 1, options->config, err);
	for (size_t i = 0; r == 0 && i < options->n_layers; i++) {
		struct blob *blob = hoy_images_blob(images, options->layers[i].blob);

		r = blob ? hoy_image_job_keep_blob(&pushing->job, blob, err)
			 : hoy_err_not_found(err, "no such blob: %s", options->layers[i].blob);
	}
	if (r == 0)
		r = make_request(images, HOY_FETCH_PUSH, options->reference, &options->credentials, &ref,
			&pushing->request, err);
	if (r == 0 && ref.digest)
		r = hoy_err_invalid(err, "cannot push a digest reference");
	if (r < 0)
		return r;
	pushing->request->root = strdup(pushing->documents[0].digest);
	pushing->request->manifest = strdup(pushing->documents[0].digest);
	pushing->request->plain = hoy_strv_has(images->plain_hosts, pushing->request->host);
	if (!pushing->request->root || !pushing->request->manifest)
		return hoy_err_oom(err);
	return start_fetch(images, &run, pushing->request, &pushing->fetch, err);
}

int hoy_images_push_cache(struct hoy_images *images, const struct hoy_cache_pushing *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct pushing *pushing = calloc(1, sizeof *pushing);
	int r;

	if (!pushing)
		return hoy_err_oom(err);
	pushing->documents[0].fd = pushing->documents[1].fd = -EBADF;
	pushing->job.free_detail = pushing_free;
	r = hoy_image_job_init(&pushing->job, images, handler, "cache", err);
	if (r < 0) {
		free(pushing);
		return r;
	}
	r = start_pushing(pushing, options, err);
	if (r < 0) {
		hoy_image_job_discard(&pushing->job);
		return r;
	}
	*ret = &pushing->job;
	return 0;
}
