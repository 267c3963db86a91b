/*
 * Pulling: hoy-fetch brings what the store has not, documents into files of tmp/<job>/, layers into downloads/, where
 * several pulls may wait for the same one. As soon as the documents are there the image is planned from them, and each
 * layer that is there is unpacked as those of a loaded image are, while others still come. Nothing hoy-fetch says is
 * believed: documents are hashed here, layers by hoy-layer.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/helper.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/image/downloads.h"
#include "supervisor/image/fetch_run.h"
#include "libocispec/image.h"
#include "libocispec/reference.h"
#include "supervisor/image/policy.h"
#include "supervisor/image/registry.h"
#include "supervisor/image/unpack_ahead.h"

#define MAX_BLOBS 2000

struct pull {
	struct hoy_unpacking u; /* first */
	struct hoy_downloader downloader;
	struct hoy_fetch_request *request; /* kept: a layer that was lost is asked for again */
	struct hoy_fetch_run *fetch;       /* NULL: ended */
	struct hoy_reference ref;
	char *architecture, *variant;
	uint32_t next_file;
	bool told;                    /* "Pulling from" */
	bool fetched;                 /* the last hoy-fetch ended well, `root` is what it said */
	bool again;                   /* another's hoy-fetch ended without a layer that was left to it */
	bool planned;                 /* for `root` */
	struct hoy_fetch_packet root; /* the image's manifest or index; size 0: not known yet */
	bool gone;                    /* it is being freed: what still comes is not for it */
	struct hoy_err failed;        /* to be told in the next turn; errnum 0: nothing */
	struct hoy_source *later;     /* what has changed is looked at in the next turn of the loop */
};

static struct pull *pull_of(struct hoy_image_job *job)
{
	return (struct pull *) job;
}

/* What is stored needs no download any more, what is wrong is no good; the rest is for whoever asks for it next. */
static void clear_downloads(struct pull *pull)
{
	struct hoy_images *images = pull->u.job.images;
	bool is_wrong = pull->u.job.failed.errnum && pull->u.job.failed.kind == HOY_ERR_INVALID;

	for (size_t i = 0; i < pull->u.entries.n; i++) {
		const struct archive_entry_info *entry = &pull->u.entries.items[i];
		const struct blob *blob = hoy_images_blob(images, entry->digest);

		if (entry->is_layer && (is_wrong || (blob && blob->stored)))
			hoy_download_forget(images, entry->digest);
	}
}

static void pull_free(struct hoy_image_job *job)
{
	struct pull *pull = pull_of(job);

	pull->gone = true;
	pull->fetch = hoy_fetch_run_free(pull->fetch);
	pull->later = hoy_source_free(pull->later);
	hoy_downloads_leave(job->images, &pull->downloader);
	clear_downloads(pull);
	hoy_fetch_request_free(pull->request);
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

static void on_later(struct hoy_source *source, void *userdata);

/* Callbacks only note what has changed: they come from the midst of a packet, or of another pull's end. */
static void look_later(struct pull *pull)
{
	struct hoy_images *images = pull->u.job.images;
	struct hoy_err err = { 0 };

	if (!images->closing && !pull->gone && !pull->later &&
		hoy_loop_defer(images->options.loop, &pull->later, on_later, pull, &err) < 0)
		hoy_log_ignored(&err, "go on with a pull");
}

/* --- what hoy-fetch wants --- */

static struct archive_entry_info *entry_of(struct pull *pull, const char *digest)
{
	return (struct archive_entry_info *) (uintptr_t) hoy_archive_entry_by_digest(&pull->u.entries, digest);
}

static int note_blob(struct pull *pull, const struct hoy_fetch_packet *want, struct hoy_err *err)
{
	char name[sizeof "blobs/sha256/" + 64];
	struct archive_entry_info entry = { .name = name,
		.number = pull->next_file++,
		.size = (int64_t) want->blob.size,
		.missing = true,
		.is_layer = want->kind == HOY_FETCH_LAYER };

	if (pull->u.entries.n == MAX_BLOBS)
		return hoy_err_invalid(err, "the image has more than %d parts", MAX_BLOBS);
	(void) snprintf(name, sizeof name, "blobs/sha256/%s", want->blob.digest + strlen("sha256:"));
	(void) snprintf(entry.digest, sizeof entry.digest, "%s", want->blob.digest);
	return hoy_archive_entries_add(&pull->u.entries, &entry) < 0 ? hoy_err_oom(err) : 0;
}

static int wrong_size(const struct archive_entry_info *entry, int64_t size, struct hoy_err *err)
{
	return hoy_err_invalid(err, "blob %s has %lld bytes, the manifest says %lld", entry->digest, (long long) size,
		(long long) entry->size);
}

/* It was to come, but is in the store meanwhile. */
static int take_stored(struct pull *pull, struct blob *blob, struct hoy_err *err)
{
	struct archive_entry_info *entry = entry_of(pull, blob->digest);

	if (blob->size != entry->size)
		return wrong_size(entry, blob->size, err);
	entry->stored = true;
	entry->missing = false;
	hoy_unpacking_grown(&pull->u, entry->digest, UINT64_MAX);
	look_later(pull);
	return hoy_image_job_keep_blob(&pull->u.job, blob, err);
}

/* A document gets a file of the job's own; a layer one that others may wait for, or is left to another pull. */
static int give_file(struct pull *pull, const struct archive_entry_info *entry, int *ret_fd, struct hoy_err *err)
{
	char number[16];

	if (entry->is_layer)
		return hoy_download_want(pull->u.job.images, &pull->downloader, entry->digest, ret_fd, err);
	(void) snprintf(number, sizeof number, "%u", entry->number);
	*ret_fd = openat(pull->u.job.temp_fd, number, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return *ret_fd < 0 ? hoy_err_sys(err, "create a file for blob %s", entry->digest) : 0;
}

static void note_root(struct pull *pull, const struct hoy_fetch_packet *want)
{
	if (pull->root.blob.size == 0 && want->kind == HOY_FETCH_DOCUMENT)
		pull->root = *want;
}

static int on_want(const struct hoy_fetch_packet *want, struct hoy_fetch_answer *answer, int *ret_fd, void *userdata,
	struct hoy_err *err)
{
	struct pull *pull = userdata;
	struct blob *blob = hoy_images_blob(pull->u.job.images, want->blob.digest);
	struct archive_entry_info *entry = entry_of(pull, want->blob.digest);
	int r;

	tell_begin(pull);
	note_root(pull, want);
	if (want->kind == HOY_FETCH_LAYER && !entry)
		tell(pull, want->blob.digest, blob ? "Already exists" : "Pulling fs layer", 0, 0);
	if (!entry) {
		r = note_blob(pull, want, err);
		if (r < 0)
			return r;
		entry = entry_of(pull, want->blob.digest);
	}
	if (entry->missing && blob)
		return take_stored(pull, blob, err);
	if (!entry->missing)
		return 0; /* an earlier hoy-fetch has brought it */
	r = give_file(pull, entry, ret_fd, err);
	if (r == 0 && *ret_fd >= 0) {
		answer->type = HOY_FETCH_GIVE;
		entry->coming = entry->is_layer;
	}
	return r;
}

static int on_packet(const struct hoy_fetch_packet *packet, void *userdata, struct hoy_err *err)
{
	struct pull *pull = userdata;
	struct hoy_images *images = pull->u.job.images;
	const char *digest = packet->blob.digest;
	struct archive_entry_info *entry = entry_of(pull, digest);

	(void) err;
	if (packet->type == HOY_FETCH_PROGRESS && packet->kind == HOY_FETCH_LAYER) {
		tell(pull, digest, "Downloading", packet->blob.current, packet->blob.size);
		hoy_unpacking_grown(&pull->u, digest, packet->blob.current);
		hoy_download_progress(images, &pull->downloader, digest, packet->blob.current, packet->blob.size);
	} else if (packet->type == HOY_FETCH_GOT && packet->kind == HOY_FETCH_LAYER) {
		hoy_download_got(images, &pull->downloader, digest);
	} else if (packet->type == HOY_FETCH_GOT && entry && !entry->is_layer) {
		entry->missing = false;
		look_later(pull);
	}
	return 0;
}

/* --- what comes of the layers --- */

static void on_progress(const char *digest, uint64_t current, uint64_t size, void *userdata)
{
	tell(userdata, digest, "Downloading", current, size);
}

static void on_lost(const char *digest, void *userdata)
{
	struct pull *pull = userdata;

	(void) digest;
	pull->again = true;
	look_later(pull);
}

static void on_there(const char *digest, void *userdata)
{
	struct pull *pull = userdata;
	struct archive_entry_info *entry = entry_of(pull, digest);
	struct hoy_err err = { 0 };
	struct stat st;
	char number[16];

	if (!entry || !entry->missing || pull->gone)
		return;
	(void) snprintf(number, sizeof number, "%u", entry->number);
	if (hoy_download_link(pull->u.job.images, digest, pull->u.job.temp_fd, number, &err) < 0 ||
		fstatat(pull->u.job.temp_fd, number, &st, AT_SYMLINK_NOFOLLOW) < 0) {
		hoy_log_ignored(&err, "a layer that was fetched");
		on_lost(digest, pull);
		return;
	}
	if (st.st_size != entry->size) { /* another manifest's word was right, ours is not */
		(void) wrong_size(entry, st.st_size, &pull->failed);
		look_later(pull);
		return;
	}
	entry->missing = false;
	hoy_unpacking_grown(&pull->u, digest, UINT64_MAX);
	tell(pull, digest, "Download complete", 0, 0);
	look_later(pull);
}

/* --- what is here already --- */

static int start_fetch(struct pull *pull, struct hoy_err *err);

/* The digest of the image that has the tag here, if it has the repository's digest as well, and of an index it is the
 * platform's manifest that is here. */
static int find_known(struct pull *pull, char **ret, struct hoy_err *err)
{
	struct hoy_images *images = pull->u.job.images;
	auto_free char *name = hoy_reference_name(&pull->ref), *tagged = hoy_reference_to_string(&pull->ref);
	auto_free char *full = NULL, *manifest = NULL;
	const struct name *at = tagged ? hoy_images_name(images, tagged) : NULL, *by_digest;

	if (!name || !tagged)
		return hoy_err_oom(err);
	if (!at || pull->ref.digest)
		return 0;
	full = hoy_str_printf("%s@%s", name, at->image->pub.id);
	if (!full)
		return hoy_err_oom(err);
	by_digest = hoy_images_name(images, full);
	if (!by_digest || by_digest->image != at->image)
		return 0;
	/* The platform of a lone manifest is in its config, which is looked at when there is a choice. */
	if (pull->architecture && hoy_oci_media_kind(at->image->pub.media_type) != HOY_OCI_MEDIA_KIND_INDEX)
		return 0;
	if (hoy_image_choose_manifest(
		    images, at->image, pull->architecture, pull->variant, &manifest, /* err= */ NULL) < 0 ||
		strcmp(manifest, at->image->pub.manifest) != 0)
		return 0;
	*ret = strdup(at->image->pub.id);
	return *ret ? 0 : hoy_err_oom(err);
}

/* --- the plan --- */

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

static int plan(struct pull *pull, struct hoy_err *err)
{
	const struct archive_root root = { .media_type = pull->root.blob.media_type,
		.digest = pull->root.blob.digest,
		.size = (int64_t) pull->root.blob.size,
		.architecture = pull->architecture,
		.variant = pull->variant };
	int r = hoy_archive_plan_root(&pull->u.entries, read_document, pull, &root, &pull->u.plan, err);

	if (r == 0)
		r = name_image(pull, &pull->u.plan.images[0], err);
	if (r < 0)
		hoy_archive_plan_done(&pull->u.plan);
	pull->planned = r == 0;
	return r;
}

static bool is_all_there(const struct pull *pull)
{
	for (size_t i = 0; i < pull->u.entries.n; i++)
		if (pull->u.entries.items[i].missing)
			return false;
	return true;
}

/* Layers are unpacked while others still come; as long as documents are missing there is no plan, and no error. */
static int go_on(struct pull *pull, struct hoy_err *err)
{
	bool whole = pull->fetched && !pull->again && is_all_there(pull);
	int r = 0;

	if (pull->failed.errnum)
		return hoy_err_import(err, &pull->failed);
	if (!pull->fetch && pull->again) {
		pull->again = pull->fetched = false;
		return start_fetch(pull, err);
	}
	if (!pull->planned && pull->root.blob.size > 0)
		r = plan(pull, whole ? err : NULL);
	if (r < 0 && whole)
		return r;
	pull->u.incomplete = !whole;
	if (!pull->planned || pull->u.job.state != JOB_WORKING)
		return 0;
	hoy_unpacking_run_ahead(&pull->u);
	pull->u.job.waits_for_layer = !hoy_unpacking_is_ready(&pull->u);
	if (!pull->u.job.waits_for_layer)
		hoy_image_job_queue_unpack(&pull->u.job);
	return 0;
}

static void on_later(struct hoy_source *source, void *userdata)
{
	struct pull *pull = userdata;
	struct hoy_err err = { 0 };

	(void) source;
	pull->later = hoy_source_free(pull->later);
	if (go_on(pull, &err) < 0)
		hoy_image_job_fail(&pull->u.job, &err);
}

/* Nothing was asked for, because the tag means what it means here: if it still does. */
static int take_unchanged(struct pull *pull, const struct hoy_fetch_packet *done, struct hoy_err *err)
{
	struct image *image = hoy_images_by_id(pull->u.job.images, done->blob.digest);
	auto_free char *familiar = hoy_reference_familiar(&pull->ref), *known = NULL;
	int r;

	if (!pull->request->known || strcmp(pull->request->known, done->blob.digest) != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EPROTO, "hoy-fetch knows of another image than hoyd");
	r = familiar ? find_known(pull, &known, err) : hoy_err_oom(err);
	if (r < 0)
		return r;
	if (!image || !known || strcmp(known, done->blob.digest) != 0) {
		free(pull->request->known);
		pull->request->known = NULL;
		return start_fetch(pull, err);
	}
	tell_begin(pull);
	hoy_image_job_complete_unchanged(&pull->u.job, image, familiar);
	return 0;
}

static void on_fetched(const struct hoy_err *failed, const struct hoy_fetch_packet *done, void *userdata)
{
	struct pull *pull = userdata;
	struct hoy_err err = { 0 };

	pull->fetch = hoy_fetch_run_free(pull->fetch);
	hoy_downloads_stop(pull->u.job.images, &pull->downloader);
	if (failed) {
		hoy_image_job_fail(&pull->u.job, failed);
		return;
	}
	hoy_images_note_scheme(pull->u.job.images, pull->request, done->plain);
	if (done->how == HOY_FETCH_EXISTED) {
		if (take_unchanged(pull, done, &err) < 0)
			hoy_image_job_fail(&pull->u.job, &err);
		return;
	}
	free(pull->request->known); /* a second hoy-fetch brings what this one has not */
	pull->request->known = NULL;
	/* A mirror may have had another image by that name before it failed. */
	if (pull->planned && strcmp(pull->root.blob.digest, done->blob.digest) != 0) {
		hoy_unpacking_reset(&pull->u);
		pull->planned = false;
	}
	pull->root = *done;
	pull->fetched = true;
	look_later(pull);
}

/* --- the start --- */

static int start_fetch(struct pull *pull, struct hoy_err *err)
{
	auto_free char *helper = NULL;
	struct hoy_fetch_run_options run = { .loop = pull->u.job.images->options.loop,
		.on_want = on_want,
		.on_packet = on_packet,
		.on_done = on_fetched,
		.userdata = pull };
	int r = hoy_helper_find("hoy-fetch", HOY_HELPER_LIBEXEC, &helper, err);

	run.helper = helper;
	return r < 0 ? r : hoy_fetch_run_start(&run, pull->request, &pull->fetch, err);
}

static int make_request(struct pull *pull, const struct hoy_image_pull *options, struct hoy_err *err)
{
	int r = hoy_images_fetch_request(
		pull->u.job.images, HOY_FETCH_PULL, &pull->ref, &options->credentials, &pull->request, err);

	if (r == 0)
		r = hoy_signature_policy_apply(pull->u.job.images, &pull->ref, pull->request, err);
	if (r < 0)
		return r;
	r = find_known(pull, &pull->request->known, err);
	if (r < 0)
		return r;
	if (pull->architecture)
		pull->request->architecture = strdup(pull->architecture);
	if (pull->variant)
		pull->request->variant = strdup(pull->variant);
	return (pull->architecture && !pull->request->architecture) || (pull->variant && !pull->request->variant)
		       ? hoy_err_oom(err)
		       : 0;
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
	pull->u.by_blob = pull->u.unverified = pull->u.incomplete = true;
	pull->downloader = (struct hoy_downloader){
		.on_progress = on_progress, .on_there = on_there, .on_lost = on_lost, .userdata = pull
	};
	pull->u.on_layer = on_layer;
	pull->u.job.free_detail = pull_free;
	r = hoy_unpacking_init(&pull->u, images, handler, "pull", err);
	if (r < 0) {
		free(pull);
		return r;
	}
	(void) hoy_downloads_sweep(images, /* all= */ false);
	r = take_options(pull, options, err);
	if (r == 0)
		r = make_request(pull, options, err);
	if (r == 0)
		r = start_fetch(pull, err);
	if (r < 0) {
		hoy_image_job_discard(&pull->u.job);
		return r;
	}
	*ret = &pull->u.job;
	return 0;
}
