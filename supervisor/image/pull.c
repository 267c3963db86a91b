/*
 * Pulling: hoy-fetch brings what the store has not, each blob into a file of tmp/<job>/ that it is given; then the
 * image is planned from its documents and unpacked as a loaded one is. Nothing hoy-fetch says is believed: documents
 * are hashed here, layers by hoy-layer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/helper.h"
#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/image/fetch_run.h"
#include "supervisor/image/reference.h"
#include "supervisor/image/registry.h"
#include "supervisor/image/unpack.h"

#define MAX_BLOBS 2000

struct pull {
	struct hoy_unpacking u; /* first */
	struct hoy_fetch_run *fetch;
	struct hoy_reference ref;
	char *architecture, *variant;
	uint32_t next_file;
	bool told; /* "Pulling from" */
};

static struct pull *pull_of(struct hoy_image_job *job)
{
	return (struct pull *) job;
}

static void pull_free(struct hoy_image_job *job)
{
	struct pull *pull = pull_of(job);

	pull->fetch = hoy_fetch_run_free(pull->fetch);
	hoy_unpacking_done(&pull->u);
	hoy_reference_done(&pull->ref);
	free(pull->architecture);
	free(pull->variant);
	free(pull);
}

/* --- what is told --- */

static void tell(struct pull *pull, const char *digest, const char *status, uint64_t current, uint64_t total)
{
	char id[13];

	(void) snprintf(id, sizeof id, "%.12s", digest + strlen("sha256:"));
	hoy_image_job_progress(&pull->u.job, id, status, (int64_t) current, (int64_t) total);
}

static void tell_begin(struct pull *pull)
{
	auto_free char *text = hoy_str_printf("Pulling from %s%s%s",
		strcmp(pull->ref.domain, "docker.io") == 0 ? "" : pull->ref.domain,
		strcmp(pull->ref.domain, "docker.io") == 0 ? "" : "/", pull->ref.path);

	if (pull->told || !text)
		return;
	pull->told = true;
	hoy_image_job_message(&pull->u.job, pull->ref.digest ? pull->ref.digest : pull->ref.tag, text);
}

static void on_layer(struct hoy_unpacking *u, const struct plan_layer *layer)
{
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&u->entries, layer->blob);

	if (entry && !entry->stored)
		tell((struct pull *) u, layer->blob, "Pull complete", 0, 0);
}

/* --- what hoy-fetch wants --- */

static int note_blob(struct pull *pull, const struct hoy_fetch_packet *want, bool stored, struct hoy_err *err)
{
	char name[sizeof "blobs/sha256/" + 64];
	struct archive_entry_info entry = {
		.name = name, .number = pull->next_file, .size = (int64_t) want->blob.size, .stored = stored
	};

	if (pull->u.entries.n == MAX_BLOBS)
		return hoy_err_invalid(err, "the image has more than %d parts", MAX_BLOBS);
	(void) snprintf(name, sizeof name, "blobs/sha256/%s", want->blob.digest + strlen("sha256:"));
	(void) snprintf(entry.digest, sizeof entry.digest, "%s", want->blob.digest);
	return hoy_archive_entries_add(&pull->u.entries, &entry) < 0 ? hoy_err_oom(err) : 0;
}

static int on_want(const struct hoy_fetch_packet *want, struct hoy_fetch_answer *answer, int *ret_fd, void *userdata,
	struct hoy_err *err)
{
	struct pull *pull = userdata;
	struct blob *blob = hoy_images_blob(pull->u.job.images, want->blob.digest);
	char number[16];
	int r;

	tell_begin(pull);
	if (want->kind == HOY_FETCH_LAYER)
		tell(pull, want->blob.digest, blob ? "Already exists" : "Pulling fs layer", 0, 0);
	if (blob) {
		if (blob->size != (int64_t) want->blob.size)
			return hoy_err_invalid(err, "blob %s has %lld bytes, the manifest says %llu", want->blob.digest,
				(long long) blob->size, (unsigned long long) want->blob.size);
		r = hoy_image_job_keep_blob(&pull->u.job, blob, err);
		return r < 0 ? r : note_blob(pull, want, /* stored= */ true, err);
	}
	(void) snprintf(number, sizeof number, "%u", pull->next_file);
	*ret_fd = openat(pull->u.job.temp_fd, number, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*ret_fd < 0)
		return hoy_err_sys(err, "create a file for blob %s", want->blob.digest);
	r = note_blob(pull, want, /* stored= */ false, err);
	pull->next_file++;
	answer->type = HOY_FETCH_GIVE;
	return r;
}

static int on_packet(const struct hoy_fetch_packet *packet, void *userdata, struct hoy_err *err)
{
	struct pull *pull = userdata;

	(void) err;
	if (packet->kind != HOY_FETCH_LAYER)
		return 0;
	if (packet->type == HOY_FETCH_PROGRESS)
		tell(pull, packet->blob.digest, "Downloading", packet->blob.current, packet->blob.size);
	else
		tell(pull, packet->blob.digest, "Download complete", 0, 0);
	return 0;
}

/* --- when all is there --- */

static int read_document(
	const struct archive_entry_info *entry, struct hoy_buf *buf, void *userdata, struct hoy_err *err)
{
	char digest[HOY_SHA256_DIGEST_MAX];
	int r = hoy_unpacking_read(entry, buf, userdata, err);

	if (r < 0)
		return r;
	hoy_sha256_digest(buf->data, buf->len, digest);
	return strcmp(digest, entry->digest) == 0 ? r : hoy_err_invalid(err, "its digest is %s", digest);
}

/* The tag it was asked by, and always the digest. */
static int name_image(struct pull *pull, struct plan_image *image, struct hoy_err *err)
{
	auto_free char *name = hoy_reference_name(&pull->ref), *tagged = hoy_reference_to_string(&pull->ref);
	struct name *before = tagged ? hoy_images_name(pull->u.job.images, tagged) : NULL;

	if (!name || !tagged)
		return hoy_err_oom(err);
	if (pull->ref.digest && strcmp(pull->ref.digest, image->id) != 0)
		return hoy_err_invalid(err, "%s is another image, %s", pull->ref.digest, image->id);
	pull->u.job.result.changed = !before || strcmp(before->image->pub.id, image->id) != 0;
	if (!pull->ref.digest && hoy_strv_add(&image->names, tagged) < 0)
		return hoy_err_oom(err);
	return hoy_strv_addf(&image->names, "%s@%s", name, image->id) < 0 ? hoy_err_oom(err) : 0;
}

static int plan(struct pull *pull, const struct hoy_fetch_packet *done, struct hoy_err *err)
{
	const struct archive_root root = { .media_type = done->blob.media_type,
		.digest = done->blob.digest,
		.size = (int64_t) done->blob.size,
		.architecture = pull->architecture,
		.variant = pull->variant };
	int r = hoy_archive_plan_root(&pull->u.entries, read_document, pull, &root, &pull->u.plan, err);

	return r < 0 ? r : name_image(pull, &pull->u.plan.images[0], err);
}

static void on_fetched(const struct hoy_err *failed, const struct hoy_fetch_packet *done, void *userdata)
{
	struct pull *pull = userdata;
	struct hoy_err err = { 0 };

	pull->fetch = hoy_fetch_run_free(pull->fetch);
	if (failed)
		hoy_image_job_fail(&pull->u.job, failed);
	else if (plan(pull, done, &err) < 0)
		hoy_image_job_fail(&pull->u.job, &err);
	else
		hoy_image_job_queue_unpack(&pull->u.job);
}

/* --- the start --- */

static int start_fetch(struct pull *pull, const struct hoy_image_pull *options, struct hoy_err *err)
{
	struct hoy_images *images = pull->u.job.images;
	auto_ptr(hoy_fetch_request_free) struct hoy_fetch_request *request = NULL;
	auto_free char *helper = NULL;
	struct hoy_fetch_run_options run = { .loop = images->options.loop,
		.on_want = on_want,
		.on_packet = on_packet,
		.on_done = on_fetched,
		.userdata = pull };
	int r = hoy_images_fetch_request(images, HOY_FETCH_PULL, &pull->ref, &options->credentials, &request, err);

	if (r == 0 && pull->architecture)
		request->architecture = strdup(pull->architecture);
	if (r == 0 && pull->variant)
		request->variant = strdup(pull->variant);
	if (r == 0)
		r = hoy_helper_find("hoy-fetch", HOY_HELPER_LIBEXEC, &helper, err);
	run.helper = helper;
	return r < 0 ? r : hoy_fetch_run_start(&run, request, &pull->fetch, err);
}

static int take_options(struct pull *pull, const struct hoy_image_pull *options, struct hoy_err *err)
{
	int r = hoy_reference_parse(options->reference, &pull->ref, err);

	if (r == 0 && hoy_reference_default_tag(&pull->ref) < 0)
		r = hoy_err_oom(err);
	if (r == 0 && options->platform)
		r = hoy_images_parse_platform(options->platform, &pull->architecture, &pull->variant, err);
	return r;
}

int hoy_images_pull(struct hoy_images *images, const struct hoy_image_pull *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct pull *pull = calloc(1, sizeof *pull);
	int r;

	if (!pull)
		return hoy_err_oom(err);
	pull->u.status = "Extracting";
	pull->u.by_blob = pull->u.unverified = true;
	pull->u.on_layer = on_layer;
	pull->u.job.free_detail = pull_free;
	r = hoy_unpacking_init(&pull->u, images, handler, "pull", err);
	if (r < 0) {
		free(pull);
		return r;
	}
	r = take_options(pull, options, err);
	if (r == 0)
		r = start_fetch(pull, options, err);
	if (r < 0) {
		hoy_image_job_discard(&pull->u.job);
		return r;
	}
	*ret = &pull->u.job;
	return 0;
}
