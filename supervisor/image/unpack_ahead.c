#include "supervisor/image/unpack_ahead.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/image/downloads.h"
#include "supervisor/image/layer_run.h"

#define AT_ONCE_LEAST 2 /* one may wait for the network */
#define AT_ONCE_MOST 8

struct hoy_ahead {
	struct hoy_ahead *next;
	struct hoy_unpacking *u; /* who began it */
	struct plan_layer plan;
	bool alone;                /* there are layers below */
	int grown_fd;              /* >= 0: the blob still comes */
	uint64_t size, told;       /* of the blob; how many of its bytes the worker knows of */
	struct hoy_layer_run *run; /* NULL: it has ended */
	struct hoy_err failed;     /* errnum 0: it is there */
	struct hoy_ahead_layer layer;
};

static struct hoy_ahead *find(const struct hoy_images *images, const char *chain_id)
{
	struct hoy_ahead *ahead = images->aheads;

	while (ahead && strcmp(ahead->plan.chain_id, chain_id) != 0)
		ahead = ahead->next;
	return ahead;
}

static void ahead_free(struct hoy_ahead *ahead)
{
	struct hoy_images *images = ahead->u->job.images;
	struct hoy_ahead **at = &images->aheads;

	while (*at && *at != ahead)
		at = &(*at)->next;
	if (*at)
		*at = ahead->next;
	ahead->run = hoy_layer_run_free(ahead->run);
	if (ahead->layer.temp)
		hoy_images_trash(images, images->layers_fd, ahead->layer.temp);
	free(ahead->layer.temp);
	hoy_fd_close(&ahead->grown_fd);
	free(ahead);
}

void hoy_unpacking_end_ahead(struct hoy_unpacking *u)
{
	struct hoy_images *images = u->job.images;

	for (struct hoy_ahead *ahead = images->aheads, *next; ahead; ahead = next) {
		next = ahead->next;
		if (ahead->u == u)
			ahead_free(ahead);
	}
	hoy_image_jobs_requeue(images);
}

bool hoy_ahead_runs(const struct hoy_images *images, const struct plan_layer *layer)
{
	const struct hoy_ahead *ahead = find(images, layer->chain_id);

	return ahead && ahead->run;
}

/* What was read of a blob that was not whole yet may have been wrong; then, and when lower layers are needed, the
 * layer's turn tells. */
static bool is_final(const struct hoy_ahead *ahead)
{
	return ahead->grown_fd < 0 && ahead->failed.errnum != HOY_LAYER_NEEDS_LOWERS;
}

int hoy_ahead_take(
	struct hoy_unpacking *u, const struct plan_layer *layer, struct hoy_ahead_layer *ret, struct hoy_err *err)
{
	struct hoy_ahead *ahead = find(u->job.images, layer->chain_id);
	int r = 0;

	if (!ahead || ahead->run || strcmp(ahead->plan.blob, layer->blob) != 0)
		return 0;
	if (!ahead->failed.errnum) {
		*ret = ahead->layer;
		ahead->layer.temp = NULL;
		r = 1;
	} else if (ahead->u != u) {
		return 0;
	} else if (is_final(ahead)) {
		r = hoy_err_import(err, &ahead->failed);
	}
	ahead_free(ahead);
	return r;
}

/* --- as it goes --- */

void hoy_unpacking_grown(struct hoy_unpacking *u, const char *digest, uint64_t bytes)
{
	for (struct hoy_ahead *ahead = u->job.images->aheads; ahead; ahead = ahead->next) {
		uint64_t known = MIN(bytes, ahead->size + 1), more = known - ahead->told;

		if (ahead->u != u || ahead->grown_fd < 0 || strcmp(ahead->plan.blob, digest) != 0 ||
			known <= ahead->told)
			continue;
		if (write(ahead->grown_fd, &more, sizeof more) == sizeof more)
			ahead->told = known;
	}
}

static void on_progress(uint64_t read, void *userdata)
{
	const struct hoy_ahead *ahead = userdata;
	struct hoy_unpacking *u = ahead->u;
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&u->entries, ahead->plan.blob);

	if (entry && !entry->missing)
		hoy_unpacking_tell(u, &ahead->plan, (int64_t) read, (int64_t) ahead->size);
}

static void on_done(const struct hoy_err *failed, const struct hoy_layer_reply *reply, void *userdata)
{
	struct hoy_ahead *ahead = userdata;
	struct hoy_images *images = ahead->u->job.images;

	ahead->run = hoy_layer_run_free(ahead->run);
	if (failed) {
		ahead->failed = *failed;
		hoy_images_trash(images, images->layers_fd, ahead->layer.temp);
		free(ahead->layer.temp);
		ahead->layer.temp = NULL;
	} else {
		memcpy(ahead->layer.digest, reply->done.digest, sizeof ahead->layer.digest);
		ahead->layer.root_implied = ahead->alone && reply->done.root_implied;
		ahead->layer.unpacked = reply->done.unpacked;
	}
	hoy_unpacking_run_ahead(ahead->u);
	hoy_image_jobs_wake(images);
}

/* --- the beginning --- */

static int open_input(struct hoy_ahead *ahead, const struct archive_entry_info *entry, struct hoy_err *err)
{
	int fd;

	if (entry->missing) {
		ahead->grown_fd = eventfd(0, EFD_CLOEXEC);
		if (ahead->grown_fd < 0)
			return hoy_err_sys(err, "make an eventfd");
		return hoy_download_open(ahead->u->job.images, entry->digest, err);
	}
	fd = hoy_unpacking_open(ahead->u, entry);
	return fd < 0 ? hoy_err_sys(err, "open layer %s", entry->digest) : fd;
}

static int run(struct hoy_ahead *ahead, int input, struct hoy_err *err)
{
	struct hoy_images *images = ahead->u->job.images;
	auto_fd int target = openat(images->layers_fd, ahead->layer.temp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct hoy_layer_run_options options = {
		.loop = images->options.loop,
		.helper = images->helper,
		.request = { .op = HOY_LAYER_APPLY,
			.flags = ahead->alone ? HOY_LAYER_ALONE : 0,
			.limits = hoy_images_layer_limits(images) },
		.fds = { input, target, ahead->grown_fd },
		.n_fds = 2,
		.on_done = on_done,
		.on_progress = on_progress,
		.userdata = ahead,
	};

	if (target < 0)
		return hoy_err_sys(err, "open directory '%s'", ahead->layer.temp);
	memcpy(options.request.diff_id, ahead->plan.diff_id, sizeof options.request.diff_id);
	if (ahead->grown_fd >= 0) {
		options.request.flags |= HOY_LAYER_FOLLOW;
		options.request.input_size = ahead->size;
		options.n_fds = 3;
	}
	return hoy_layer_run_start(&options, &ahead->run, err);
}

static int start(struct hoy_unpacking *u, const struct plan_layer *plan, bool alone, struct hoy_err *err)
{
	struct hoy_images *images = u->job.images;
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&u->entries, plan->blob);
	struct hoy_ahead *ahead = calloc(1, sizeof *ahead);
	auto_fd int input = -EBADF;
	int r;

	if (!ahead)
		return hoy_err_oom(err);
	*ahead = (struct hoy_ahead){
		.next = images->aheads,
		.u = u,
		.plan = *plan,
		.alone = alone,
		.grown_fd = -EBADF,
		.size = (uint64_t) entry->size,
	};
	images->aheads = ahead;
	input = open_input(ahead, entry, err);
	r = input < 0 ? input : hoy_images_make_temp_dir(images, images->layers_fd, 0755, &ahead->layer.temp, err);
	if (r == 0)
		r = run(ahead, input, err);
	if (r < 0)
		ahead_free(ahead);
	return r;
}

static bool may_start(const struct hoy_unpacking *u, const struct plan_layer *plan)
{
	const struct hoy_images *images = u->job.images;
	const struct archive_entry_info *entry = hoy_archive_entry_by_digest(&u->entries, plan->blob);

	return entry && (!entry->missing || entry->coming) && !hoy_unpacking_is_made(u, plan) &&
	       !find(images, plan->chain_id) && !hoy_images_layer(u->job.images, plan->chain_id);
}

void hoy_unpacking_run_ahead(struct hoy_unpacking *u)
{
	const struct plan_image *image = u->image < u->plan.n_images ? &u->plan.images[u->image] : NULL;
	long processors = sysconf(_SC_NPROCESSORS_ONLN), most = MAX(processors, AT_ONCE_LEAST);
	struct hoy_err err = { 0 };

	most = MIN(most, AT_ONCE_MOST);
	for (const struct hoy_ahead *ahead = u->job.images->aheads; ahead; ahead = ahead->next)
		most -= ahead->run != NULL;
	for (size_t i = u->job.run ? u->layer + 1 : u->layer; image && i < image->n_layers && most > 0; i++) {
		if (!may_start(u, &image->layers[i]))
			continue;
		if (start(u, &image->layers[i], /* alone= */ i > 0, &err) < 0) {
			hoy_log_ignored(&err, "unpack a layer before its turn");
			return;
		}
		most--;
	}
}
