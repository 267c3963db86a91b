/*
 * The store against its files: every blob and layer that has a row is there, every file in the store's directories
 * belongs to a row or to a job that runs. With digests a worker reads all blobs. Repairing moves what belongs to nobody
 * into the trash, and removes images whose content is not there or not what it was, so that they can be pulled again.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/loop.h"
#include "base/str.h"
#include "supervisor/image/downloads.h"
#include "supervisor/image/job.h"
#include "supervisor/image/layer_run.h"
#include "supervisor/store/store.h"

struct checking {
	struct hoy_image_job job; /* first */
	struct hoy_image_check options;
	struct hoy_image_check_result result;
	char **bad;               /* digests of blobs and chains of layers that are not what they should be */
	struct hoy_source *later; /* the work itself, in the next turn of the loop */
};

static void checking_free(struct hoy_image_job *job)
{
	struct checking *c = (struct checking *) job;

	for (size_t i = 0; i < c->result.n_problems; i++)
		free(c->result.problems[i].name);
	free(c->result.problems);
	hoy_strv_free(c->bad);
	c->later = hoy_source_free(c->later);
	free(c);
}

static int report(struct checking *c, const char *what, const char *name, bool repaired, struct hoy_err *err)
{
	struct hoy_image_problem *problems = reallocarray(
		c->result.problems, c->result.n_problems + 1, sizeof *problems);
	char *copy = strdup(name);

	if (problems)
		c->result.problems = problems;
	if (!problems || !copy) {
		free(copy);
		return hoy_err_oom(err);
	}
	problems[c->result.n_problems++] = (struct hoy_image_problem){
		.what = what, .name = copy, .repaired = repaired
	};
	return 0;
}

/* --- files --- */

static bool blob_has_row(struct hoy_images *images, const char *name)
{
	for (size_t i = 0; i < images->n_blobs; i++)
		if (strcmp(images->blobs[i]->digest + strlen("sha256:"), name) == 0)
			return true;
	return false;
}

/* Work in progress belongs to a job; the trash is on its way out. */
static bool temp_has_job(struct hoy_images *images, const char *name)
{
	for (const struct hoy_image_job *job = images->jobs; job; job = job->next)
		if (strcmp(job->temp, name) == 0)
			return true;
	return false;
}

static bool layer_has_row(struct hoy_images *images, const char *name)
{
	return hoy_images_layer_is_known(images, name) || (images->jobs && hoy_str_starts(name, "tmp-"));
}

static int check_files(struct checking *c, int dir_fd, const char *what,
	bool (*has_row)(struct hoy_images *images, const char *name), struct hoy_err *err)
{
	struct hoy_images *images = c->job.images;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (!dir) {
		r = hoy_err_sys(err, "look at the image store");
		hoy_fd_close(&fd);
		return r;
	}
	while (r == 0 && (entry = readdir(dir))) {
		bool repair = c->options.repair && dir_fd != images->root_fd;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
			has_row(images, entry->d_name))
			continue;
		if (repair)
			hoy_images_trash(images, dir_fd, entry->d_name);
		r = report(c, what, entry->d_name, repair, err);
	}
	(void) closedir(dir);
	return r;
}

/* --- rows --- */

static int check_blobs(struct checking *c, struct hoy_err *err)
{
	struct hoy_images *images = c->job.images;
	int r = 0;

	for (size_t i = 0; r == 0 && i < images->n_blobs; i++) {
		const struct blob *blob = images->blobs[i];
		struct stat st;

		c->result.blobs++;
		c->result.bytes += blob->size;
		if (fstatat(images->blobs_fd, blob->digest + strlen("sha256:"), &st, AT_SYMLINK_NOFOLLOW) < 0)
			r = report(c, "a row without its blob", blob->digest, c->options.repair, err);
		else if (!S_ISREG(st.st_mode) || st.st_size != blob->size)
			r = report(c, "a blob of another size", blob->digest, c->options.repair, err);
		else
			continue;
		if (r == 0 && hoy_strv_add(&c->bad, blob->digest) < 0)
			return hoy_err_oom(err);
	}
	return r;
}

static int check_layers(struct checking *c, struct hoy_err *err)
{
	struct hoy_images *images = c->job.images;
	char name[LAYER_NAME_MAX];
	int r = 0;

	for (size_t i = 0; r == 0 && i < images->n_layers; i++) {
		const struct layer *layer = images->layers[i];
		struct stat st;

		c->result.layers++;
		hoy_images_layer_name(layer->number, name);
		if (fstatat(images->layers_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
			continue;
		r = report(c, "a row without its layer", layer->chain_id, c->options.repair, err);
		if (r == 0 && hoy_strv_add(&c->bad, layer->chain_id) < 0)
			return hoy_err_oom(err);
	}
	return r;
}

/* --- repair --- */

static bool needs_bad(const struct checking *c, const struct image *image)
{
	for (size_t i = 0; i < image->n_blobs; i++)
		if (hoy_strv_has(c->bad, image->blobs[i]->digest))
			return true;
	for (const struct layer *layer = image->top; layer; layer = layer->parent)
		if (hoy_strv_has(c->bad, layer->chain_id))
			return true;
	return false;
}

static int remove_bad(struct checking *c, struct hoy_err *err)
{
	struct hoy_images *images = c->job.images;
	int r = 0;

	for (size_t i = images->n_images; r == 0 && i-- > 0;) {
		struct image *image = images->images[i];
		auto_free char *id = NULL;

		if (!needs_bad(c, image))
			continue;
		id = strdup(image->pub.id);
		if (!id)
			return hoy_err_oom(err);
		r = hoy_images_delete(images, image, err);
		if (r == 0)
			r = report(c, "an image that is not whole", id, /* repaired= */ true, err);
	}
	return r;
}

static int repair(struct checking *c, struct hoy_err *err)
{
	struct hoy_store *store = c->job.images->options.store;
	int r;

	if (!c->options.repair || !c->bad)
		return 0;
	r = hoy_store_begin(store, err);
	if (r < 0)
		return r;
	r = remove_bad(c, err);
	if (r < 0)
		hoy_store_rollback(store);
	else
		r = hoy_store_commit(store, err);
	if (r < 0)
		hoy_images_model_reload(c->job.images);
	return r;
}

/* --- the way --- */

static void finish(struct checking *c)
{
	struct hoy_err err = { 0 };

	if (repair(c, &err) < 0) {
		hoy_image_job_fail(&c->job, &err);
		return;
	}
	c->options.done(&c->result, c->job.handler.userdata);
	hoy_image_job_succeed(&c->job);
}

static int on_hashed(const struct hoy_layer_reply *reply, void *userdata, struct hoy_err *err)
{
	struct checking *c = userdata;
	const struct blob *blob;
	auto_free char *name = NULL;

	if (strcmp(reply->entry.digest + strlen("sha256:"), reply->entry.names) == 0)
		return 0;
	name = hoy_str_printf("sha256:%s", reply->entry.names);
	if (!name)
		return hoy_err_oom(err);
	blob = hoy_images_blob(c->job.images, name);
	if (!blob || hoy_strv_has(c->bad, name))
		return 0; /* told already, or gone meanwhile */
	if (hoy_strv_add(&c->bad, name) < 0)
		return hoy_err_oom(err);
	return report(c, "a blob that is not what its name says", name, c->options.repair, err);
}

static void on_verified(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct checking *c = userdata;

	(void) reply;
	c->job.run = hoy_layer_run_free(c->job.run);
	if (failed)
		hoy_image_job_fail(&c->job, failed);
	else
		finish(c);
}

/* All that the rooms keep in the data root; a name that is not here is not repaired, it may be somebody's. */
static bool is_of_a_room(struct hoy_images *images, const char *name)
{
	static const char *const names[] = { "blobs", "containers", "downloads", "events.log", "events.log.1", "hoy.db",
		"hoy.db-journal", "hoy.db-reserve", "hoy.db-shm", "hoy.db-wal", "hoyd.lock", "l", "tmp", "trash",
		"volumes", "lost+found", NULL };

	(void) images;
	return hoy_strv_has((char *const *) names, name);
}

static void on_store_problem(const char *text, void *userdata)
{
	(void) report(userdata, "the state database is damaged", text, /* repaired= */ false, NULL);
}

static int check_all(struct checking *c, struct hoy_err *err)
{
	struct hoy_images *images = c->job.images;
	int r = hoy_store_check(images->options.store, on_store_problem, c, err);

	if (r == 0)
		r = check_blobs(c, err);

	if (r == 0)
		r = check_layers(c, err);
	if (r == 0)
		r = check_files(c, images->blobs_fd, "a blob without a row", blob_has_row, err);
	if (r == 0)
		r = check_files(c, images->layers_fd, "a layer without a row", layer_has_row, err);
	if (r == 0)
		r = check_files(
			c, images->downloads_fd, "a download that nobody goes on with", hoy_download_is_known, err);
	if (r == 0)
		r = check_files(c, images->root_fd, "a file that is no part of the store", is_of_a_room, err);
	return r < 0 ? r : check_files(c, images->tmp_fd, "work of no job", temp_has_job, err);
}

static void on_later(struct hoy_source *source, void *userdata)
{
	struct checking *c = userdata;
	struct hoy_image_job *job = &c->job;
	struct hoy_layer_run_options options = {
		.request = { .op = HOY_LAYER_VERIFY },
		.fds = { job->images->blobs_fd },
		.n_fds = 1,
		.on_entry = on_hashed,
		.on_done = on_verified,
	};
	struct hoy_err err = { 0 };
	int r;

	(void) source;
	r = check_all(c, &err);
	if (r == 0 && !c->options.digests) {
		finish(c);
		return;
	}
	if (r == 0)
		r = hoy_image_job_run(job, &options, &err);
	if (r < 0)
		hoy_image_job_fail(job, &err);
}

int hoy_images_check(struct hoy_images *images, const struct hoy_image_check *options,
	const struct hoy_image_job_handler *handler, struct hoy_image_job **ret, struct hoy_err *err)
{
	struct checking *c = calloc(1, sizeof *c);
	int r;

	if (!c)
		return hoy_err_oom(err);
	c->options = *options;
	c->job.free_detail = checking_free;
	r = hoy_image_job_init(&c->job, images, handler, "check", err);
	if (r < 0) {
		free(c);
		return r;
	}
	r = hoy_loop_defer(images->options.loop, &c->later, on_later, c, err);
	if (r < 0) {
		hoy_image_job_discard(&c->job);
		return r;
	}
	*ret = &c->job;
	return 0;
}
