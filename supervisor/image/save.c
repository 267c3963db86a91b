/*
 * The ways out: images as an archive (docker's and the OCI layout in one), and a container's file system as a tar. The
 * archive is laid out as a directory in tmp/<job>/ whose blobs are hard links to the stored ones; hoy-layer makes a tar
 * of it. So nothing is copied, and what is removed meanwhile stays until it is written.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/image/job.h"
#include "supervisor/image/layer_run.h"
#include "libocispec/reference.h"

#define BLOBS "blobs/sha256"

struct output {
	struct hoy_image_job job; /* first */
	int source;               /* directory to pack */
	uint32_t flags;
	char **lowers; /* export: the layers below; NULL: none */
};

/* What is asked for: an image, by the names that the archive shall give it. */
struct wanted {
	struct image *image;
	struct name **names; /* borrowed rows */
	size_t n_names;
};

struct saving {
	struct output *out;
	struct hoy_images *images;
	const char *arch, *variant; /* NULL: all that is there */
	int blobs;                  /* tmp/<job>/blobs/sha256 */
	struct wanted *wanted;
	size_t n_wanted;
	struct name *own; /* which are no rows */
	size_t n_own;
};

static void output_free(struct hoy_image_job *job)
{
	struct output *out = (struct output *) job;

	hoy_fd_close(&out->source);
	hoy_strv_free(out->lowers);
	free(out);
}

static struct output *output_new(
	struct hoy_images *images, const struct hoy_image_job_handler *handler, const char *event, struct hoy_err *err)
{
	struct output *out = calloc(1, sizeof *out);

	if (!out) {
		(void) hoy_err_oom(err);
		return NULL;
	}
	out->source = -EBADF;
	out->job.free_detail = output_free;
	if (hoy_image_job_init(&out->job, images, handler, event, err) < 0) {
		free(out);
		return NULL;
	}
	return out;
}

/* --- writing --- */

static void on_packed(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct hoy_image_job *job = userdata;

	(void) reply;
	job->run = hoy_layer_run_free(job->run);
	if (failed)
		hoy_image_job_fail(job, failed);
	else
		hoy_image_job_succeed(job);
}

void hoy_image_job_write(struct hoy_image_job *job, int fd, bool chunked)
{
	struct output *out = (struct output *) job;
	auto_fd int output = fd;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_PACK, .flags = out->flags | (chunked ? HOY_LAYER_PACK_CHUNKED : 0) },
		.fds = { out->source, output },
		.n_fds = 2,
		.lowers = out->lowers,
		.on_done = on_packed,
	};
	struct hoy_err err = { 0 };

	if (out->lowers) {
		options.request.flags |= HOY_LAYER_LOWERS;
		options.fds[options.n_fds++] = job->images->layers_fd;
	}
	if (fd < 0)
		(void) hoy_err_set(&err, HOY_ERR_SYSTEM, ECANCELED, "canceled");
	else if (hoy_image_job_run(job, &options, &err) == 0)
		return;
	hoy_image_job_fail(job, &err);
}

/* --- which images --- */

static int want(struct saving *s, struct image *image, struct name *name, struct hoy_err *err)
{
	struct wanted *w = NULL;
	struct name **names;

	for (size_t i = 0; i < s->n_wanted; i++)
		if (s->wanted[i].image == image)
			w = &s->wanted[i];
	if (!w) {
		struct wanted *more = reallocarray(s->wanted, s->n_wanted + 1, sizeof *more);

		if (!more)
			return hoy_err_oom(err);
		s->wanted = more;
		w = &more[s->n_wanted++];
		*w = (struct wanted){ .image = image };
	}
	for (size_t i = 0; name && i < w->n_names; i++)
		if (w->names[i] == name)
			return 0;
	if (!name || strchr(name->reference, '@'))
		return 0;
	names = reallocarray(w->names, w->n_names + 1, sizeof *names);
	if (!names)
		return hoy_err_oom(err);
	w->names = names;
	w->names[w->n_names++] = name;
	return 0;
}

/* A repository without a tag stands for all its tags. *ret: there was one. */
static int want_repository(struct saving *s, const char *text, bool *ret, struct hoy_err *err)
{
	auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
	auto_free char *name = NULL;
	size_t len;
	int r = 0;

	*ret = false;
	if (hoy_digest_is_valid(text) || hoy_reference_parse(text, &ref, /* err= */ NULL) < 0 || ref.tag || ref.digest)
		return 0;
	name = hoy_reference_name(&ref);
	if (!name)
		return hoy_err_oom(err);
	len = strlen(name);
	for (size_t i = 0; r == 0 && i < s->images->n_names; i++) {
		struct name *row = s->images->names[i];

		if (strncmp(row->reference, name, len) == 0 && row->reference[len] == ':') {
			*ret = true;
			r = want(s, row->image, row, err);
		}
	}
	return r;
}

static int want_all(struct saving *s, char *const *names, struct hoy_err *err)
{
	int r = 0;

	for (; r == 0 && *names; names++) {
		struct image *image;
		struct name *row;
		bool found;

		r = want_repository(s, *names, &found, err);
		if (r < 0 || found)
			continue;
		r = hoy_images_lookup(s->images, *names, &image, &row, err);
		if (r == 0)
			r = want(s, image, row, err);
	}
	return r;
}

/* --- blobs --- */

static const char *hex_of(const char *digest)
{
	return digest + strlen("sha256:");
}

static int link_blob(const struct saving *s, const char *digest, struct hoy_err *err)
{
	if (linkat(s->images->blobs_fd, hex_of(digest), s->blobs, hex_of(digest), 0) < 0 && errno != EEXIST)
		return hoy_err_sys(err, "link blob %s", digest);
	return 0;
}

static int read_manifest(const struct saving *s, const char *digest, struct hoy_oci_manifest **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = hoy_images_read_blob(s->images, digest, &text, err);

	if (r == 0)
		r = hoy_oci_manifest_parse(text.data ? text.data : "", text.len, ret, err);
	return r < 0 ? hoy_err_wrap(err, "manifest %s", digest) : 0;
}

static int link_manifest(
	const struct saving *s, const char *digest, const struct hoy_oci_manifest *manifest, struct hoy_err *err)
{
	int r = link_blob(s, digest, err);

	if (r == 0)
		r = link_blob(s, manifest->config.digest, err);
	for (size_t i = 0; r == 0 && i < manifest->n_layers; i++)
		r = link_blob(s, manifest->layers[i].digest, err);
	return r;
}

static int no_platform(const struct saving *s, const struct wanted *w, struct hoy_err *err)
{
	return hoy_err_not_found(err,
		"image with reference %s was found but does not provide the specified platform "
		"(linux/%s%s%s)",
		w->n_names ? w->image->pub.repo_tags[0] : w->image->pub.id, s->arch, s->variant ? "/" : "",
		s->variant ? s->variant : "");
}

/* The manifest of the platform that was asked for; the caller's digest buffer. */
static int choose_manifest(const struct saving *s, const struct wanted *w, char ret[static 72], struct hoy_err *err)
{
	auto_ptr(hoy_oci_index_free) struct hoy_oci_index *index = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	const struct hoy_oci_descriptor *chosen;
	const struct hoy_oci_image_config *config;
	int r;

	(void) snprintf(ret, 72, "%s", w->image->pub.manifest);
	if (!s->arch)
		return 0;
	r = hoy_image_config(s->images, &w->image->pub, &config, err);
	if (r < 0)
		return r;
	if (config->architecture && strcmp(hoy_oci_arch_normalize(config->architecture), s->arch) == 0 &&
		(!s->variant || hoy_str_eq(config->variant ? config->variant : "", s->variant)))
		return 0;
	if (strcmp(w->image->pub.id, w->image->pub.manifest) == 0)
		return no_platform(s, w, err);
	r = hoy_images_read_blob(s->images, w->image->pub.id, &text, err);
	if (r == 0)
		r = hoy_oci_index_parse(text.data ? text.data : "", text.len, &index, err);
	if (r < 0)
		return hoy_err_wrap(err, "index %s", w->image->pub.id);
	if (hoy_oci_index_select(index, "linux", s->arch, s->variant, &chosen, /* err= */ NULL) < 0 ||
		!hoy_images_blob(s->images, chosen->digest))
		return no_platform(s, w, err);
	(void) snprintf(ret, 72, "%s", chosen->digest);
	return 0;
}

/* --- documents --- */

static int write_document(const struct saving *s, const char *name, struct hoy_buf *text, struct hoy_err *err)
{
	int r = hoy_buf_check(text, name, err);

	return r < 0 ? r : hoy_file_write(s->out->job.temp_fd, name, text->data, text->len, 0600, /* flags= */ 0, err);
}

static void add_blob_path(struct hoy_json_writer *w, const char *key, const char *digest)
{
	auto_free char *path = hoy_str_printf(BLOBS "/%s", hex_of(digest));

	hoy_json_add_string(w, key, path);
}

static int add_repo_tags(struct hoy_json_writer *w, const struct wanted *wanted, struct hoy_err *err)
{
	if (wanted->n_names == 0) {
		hoy_json_add_null(w, "RepoTags");
		return 0;
	}
	hoy_json_array(w, "RepoTags");
	for (size_t i = 0; i < wanted->n_names; i++) {
		auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
		auto_free char *familiar = NULL;
		int r = hoy_reference_parse(wanted->names[i]->reference, &ref, err);

		if (r < 0)
			return r;
		familiar = hoy_reference_familiar(&ref);
		hoy_json_add_string(w, NULL, familiar);
	}
	hoy_json_end(w);
	return 0;
}

/* An image's entry of manifest.json; its blobs are put into the archive on the way. */
static int add_image(
	const struct saving *s, const struct wanted *wanted, struct hoy_json_writer *w, struct hoy_err *err)
{
	auto_ptr(hoy_oci_manifest_free) struct hoy_oci_manifest *manifest = NULL;
	char digest[72];
	int r = choose_manifest(s, wanted, digest, err);

	if (r == 0)
		r = read_manifest(s, digest, &manifest, err);
	if (r == 0)
		r = link_manifest(s, digest, manifest, err);
	if (r == 0)
		r = link_blob(s, wanted->image->pub.id, err);
	for (size_t i = 0; r == 0 && !s->arch && i < wanted->image->n_blobs; i++)
		r = link_blob(s, wanted->image->blobs[i]->digest, err);
	if (r < 0)
		return r;
	hoy_json_object(w, NULL);
	add_blob_path(w, "Config", manifest->config.digest);
	r = add_repo_tags(w, wanted, err);
	hoy_json_array(w, "Layers");
	for (size_t i = 0; i < manifest->n_layers; i++)
		add_blob_path(w, NULL, manifest->layers[i].digest);
	hoy_json_end(w);
	hoy_json_end(w);
	return r;
}

static int write_manifests(const struct saving *s, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	int r = 0;

	hoy_json_array(&w, NULL);
	for (size_t i = 0; r == 0 && i < s->n_wanted; i++)
		r = add_image(s, &s->wanted[i], &w, err);
	hoy_json_end(&w);
	return r < 0 ? r : write_document(s, "manifest.json", &text, err);
}

static void add_descriptor(
	const struct saving *s, const struct image *image, const struct name *name, struct hoy_json_writer *w)
{
	const struct blob *blob = hoy_images_blob(s->images, image->pub.id);

	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "mediaType", image->pub.media_type);
	hoy_json_add_string(w, "digest", image->pub.id);
	hoy_json_add_i64(w, "size", blob ? blob->size : 0);
	if (name) {
		hoy_json_object(w, "annotations");
		hoy_json_add_string(w, "io.containerd.image.name", name->reference);
		hoy_json_add_string(w, "org.opencontainers.image.ref.name", strrchr(name->reference, ':') + 1);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static int write_index(const struct saving *s, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };

	hoy_json_object(&w, NULL);
	hoy_json_add_i64(&w, "schemaVersion", 2);
	hoy_json_add_string(&w, "mediaType", HOY_OCI_MEDIA_INDEX);
	hoy_json_array(&w, "manifests");
	for (size_t i = 0; i < s->n_wanted; i++) {
		const struct wanted *wanted = &s->wanted[i];

		for (size_t k = 0; k < wanted->n_names; k++)
			add_descriptor(s, wanted->image, wanted->names[k], &w);
		if (wanted->n_names == 0)
			add_descriptor(s, wanted->image, /* name= */ NULL, &w);
	}
	hoy_json_end(&w);
	hoy_json_end(&w);
	return write_document(s, "index.json", &text, err);
}

static int write_layout(const struct saving *s, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	(void) hoy_buf_adds(&text, "{\"imageLayoutVersion\":\"1.0.0\"}");
	return write_document(s, "oci-layout", &text, err);
}

static int lay_out(struct saving *s, struct hoy_err *err)
{
	int r;

	if (mkdirat(s->out->job.temp_fd, "blobs", 0700) < 0 || mkdirat(s->out->job.temp_fd, BLOBS, 0700) < 0)
		return hoy_err_sys(err, "mkdir '%s'", BLOBS);
	s->blobs = openat(s->out->job.temp_fd, BLOBS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->blobs < 0)
		return hoy_err_sys(err, "open directory '%s'", BLOBS);
	r = write_manifests(s, err);
	if (r == 0)
		r = write_index(s, err);
	return r < 0 ? r : write_layout(s, err);
}

static void saving_done(struct saving *s)
{
	for (size_t i = 0; i < s->n_wanted; i++)
		free(s->wanted[i].names);
	free(s->wanted);
	for (size_t i = 0; i < s->n_own; i++)
		free(s->own[i].reference);
	free(s->own);
	hoy_fd_close(&s->blobs);
}

/* Names that are the archive's alone. */
static int want_as(struct saving *s, const char *id, char *const *names, struct hoy_err *err)
{
	struct image *image;
	struct name *row;
	int r = hoy_images_lookup(s->images, id, &image, &row, err);

	if (r == 0)
		r = want(s, image, /* name= */ NULL, err);
	s->own = calloc(hoy_strv_len(names) + 1, sizeof *s->own);
	if (!s->own)
		return hoy_err_oom(err);
	for (; r == 0 && names && *names; names++) {
		auto_(hoy_reference_done) struct hoy_reference ref = { 0 };
		struct name *own = &s->own[s->n_own];

		r = hoy_reference_parse(*names, &ref, err);
		if (r == 0 && ref.digest)
			r = hoy_err_invalid(err, "refusing to create a tag with a digest reference");
		if (r < 0)
			break;
		own->reference = hoy_reference_default_tag(&ref) < 0 ? NULL : hoy_reference_to_string(&ref);
		if (!own->reference)
			return hoy_err_oom(err);
		s->n_own++;
		r = want(s, image, own, err);
	}
	return r;
}

static int finish_save(struct saving *s, struct hoy_err *err)
{
	struct output *out = s->out;
	int r = lay_out(s, err);

	if (r < 0)
		return r;
	out->flags = HOY_LAYER_PACK_NEUTRAL;
	out->source = hoy_fd_dup(out->job.temp_fd);
	return out->source < 0 ? hoy_err_code(err, out->source, "open the archive's directory") : 0;
}

static int prepare_save(
	struct output *out, char *const *names, const char *arch, const char *variant, struct hoy_err *err)
{
	auto_(saving_done) struct saving s = {
		.out = out, .images = out->job.images, .arch = arch, .variant = variant, .blobs = -EBADF
	};
	int r = want_all(&s, names, err);

	return r < 0 ? r : finish_save(&s, err);
}

static int prepare_save_as(struct output *out, const char *id, char *const *names, struct hoy_err *err)
{
	auto_(saving_done) struct saving s = { .out = out, .images = out->job.images, .blobs = -EBADF };
	int r = want_as(&s, id, names, err);

	return r < 0 ? r : finish_save(&s, err);
}

int hoy_images_save(struct hoy_images *images, char *const *names, const char *platform,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	auto_free char *arch = NULL, *variant = NULL;
	struct output *out;
	int r = platform ? hoy_images_parse_platform(platform, &arch, &variant, err) : 0;

	if (r < 0)
		return r;
	if (!names || !*names)
		return hoy_err_invalid(err, "no image to save was named");
	out = output_new(images, handler, "save", err);
	if (!out)
		return -ENOMEM;
	r = prepare_save(out, names, arch, variant, err);
	if (r < 0) {
		hoy_image_job_discard(&out->job);
		return r;
	}
	*ret = &out->job;
	return 0;
}

int hoy_images_save_as(struct hoy_images *images, const char *id, char *const *names,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct output *out = output_new(images, handler, "save", err);
	int r;

	if (!out)
		return -ENOMEM;
	r = prepare_save_as(out, id, names, err);
	if (r < 0) {
		hoy_image_job_discard(&out->job);
		return r;
	}
	*ret = &out->job;
	return 0;
}

/* --- export --- */

static int prepare_export(struct output *out, const char *upper_dir, const char *chain_id, struct hoy_err *err)
{
	struct hoy_images *images = out->job.images;
	struct layer *top = *chain_id ? hoy_images_layer(images, chain_id) : NULL;
	char name[LAYER_NAME_MAX];

	if (*chain_id && !top)
		return hoy_err_not_found(err, "no such layer: %s", chain_id);
	if (top && hoy_image_job_keep_layer(&out->job, top, err) < 0)
		return -ENOMEM;
	for (; top; top = top->parent) {
		hoy_images_layer_name(top->number, name);
		if (hoy_strv_add(&out->lowers, name) < 0)
			return hoy_err_oom(err);
	}
	out->source = open(upper_dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return out->source < 0 ? hoy_err_sys(err, "open the container's layer '%s'", upper_dir) : 0;
}

int hoy_images_export(struct hoy_images *images, const char *upper_dir, const char *chain_id,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct output *out = output_new(images, handler, "export", err);
	int r;

	if (!out)
		return -ENOMEM;
	r = prepare_export(out, upper_dir, chain_id, err);
	if (r < 0) {
		hoy_image_job_discard(&out->job);
		return r;
	}
	*ret = &out->job;
	return 0;
}
