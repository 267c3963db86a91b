/* The first half of a build: hoy-build unpacks and reads, base images are found or pulled for it, its plan is taken in.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/file.h"
#include "base/loop.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/worker_run.h"

static void base_free(struct hoy_build *build, struct hoy_build_base *base)
{
	if (base->chain_id)
		hoy_layers_release(build->builds->options.images, base->chain_id);
	free(base->reference);
	free(base->platform);
	free(base->id);
	free(base->chain_id);
	free(base);
}

void hoy_build_bases_free(struct hoy_build *build)
{
	for (size_t i = 0; i < build->n_bases; i++)
		base_free(build, build->bases[i]);
	free(build->bases);
	build->bases = NULL;
	build->n_bases = 0;
}

/* --- base images ------------------------------------------------------------------------------ */

static struct hoy_build_base *add_base(struct hoy_build *build, const struct hoy_json *wanted)
{
	struct hoy_build_base **bases = reallocarray(build->bases, build->n_bases + 1, sizeof(struct hoy_build_base *));
	struct hoy_build_base *base;

	if (!bases)
		return NULL;
	build->bases = bases;
	base = calloc(1, sizeof *base);
	if (!base)
		return NULL;
	base->reference = strdup(hoy_build_text(wanted, "reference"));
	base->platform = strdup(hoy_build_text(wanted, "platform"));
	bases[build->n_bases++] = base;
	return base->reference && base->platform ? base : NULL;
}

/* "linux/arm/v7": is the image for it? */
static bool fits(const struct hoy_oci_image_config *config, const char *platform)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(platform, '/');
	const char *arch = config->architecture ? config->architecture : "";

	return parts && (hoy_strv_len(parts) < 2 || !*arch ||
				strcmp(hoy_oci_arch_normalize(arch), hoy_oci_arch_normalize(parts[1])) == 0);
}

/* Only what plans need of it: histories may be long. */
static int send_base(struct hoy_build *build, const struct hoy_build_base *base, const struct hoy_image *image,
	const struct hoy_oci_image_config *config, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_BUILD_PACKET_MAX }, doc = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	struct hoy_oci_image_config lean = *config;
	int r;

	lean.history = NULL;
	lean.n_history = 0;
	lean.build_cache = NULL;
	r = hoy_oci_image_config_print(&lean, &doc, /* indent= */ 0, err);
	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "reference", base->reference);
	hoy_json_add_string(&w, "platform", base->platform);
	hoy_json_add_string(&w, "digest", image->manifest);
	hoy_json_add_raw(&w, "config", doc.data);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "config of the base image", err);
	return r < 0 ? r : hoy_worker_run_send(build->worker, text.data, text.len, /* fds= */ NULL, 0, err);
}

/* Returns > 0 when it is here and fits, and was given to hoy-build. */
static int use_local(struct hoy_build *build, struct hoy_build_base *base, struct hoy_err *err)
{
	struct hoy_images *images = build->builds->options.images;
	const struct hoy_oci_image_config *config;
	const struct hoy_image *image;
	int r;

	if (build->pull && !base->pulled)
		return 0;
	r = hoy_images_find(images, base->reference, &image, err);
	if (r < 0)
		return base->pulled ? r : 0;
	r = hoy_image_config(images, image, &config, err);
	if (r < 0)
		return r;
	if (!fits(config, base->platform) && !base->pulled)
		return 0;
	r = hoy_layers_hold(images, image->chain_id, err);
	if (r < 0)
		return r;
	base->chain_id = strdup(image->chain_id);
	base->id = strdup(image->id);
	if (!base->id || !base->chain_id)
		return hoy_err_oom(err);
	r = send_base(build, base, image, config, err);
	return r < 0 ? r : 1;
}

static void on_pull_progress(const struct hoy_image_progress *progress, void *userdata)
{
	struct hoy_build *build = userdata;

	if (!build->ended && !progress->aux)
		build->handler.progress(progress, build->handler.userdata);
}

static void on_pulled(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	struct hoy_build *build = userdata;
	struct hoy_err failed = { 0 };

	(void) result;
	build->job = NULL;
	if (!hoy_build_came_back(build))
		return;
	if (err) {
		failed = *err;
		hoy_build_fail(build, &failed);
		return;
	}
	build->bases[build->n_bases - 1]->pulled = true;
	hoy_build_serve_wanted(build);
}

static int start_pull(struct hoy_build *build, struct hoy_build_base *base, struct hoy_err *err)
{
	const struct hoy_image_job_handler handler = {
		.progress = on_pull_progress, .done = on_pulled, .userdata = build
	};
	struct hoy_image_pull pull = { .reference = base->reference, .platform = base->platform };
	int r;

	if (build->handler.ask_credentials && !base->asked) {
		base->asked = true;
		if (build->handler.ask_credentials(base->reference, build->handler.userdata))
			return 0;
	}
	if (build->handler.credentials)
		(void) build->handler.credentials(base->reference, &pull.credentials, build->handler.userdata);
	r = hoy_images_pull(build->builds->options.images, &pull, &handler, &build->job, err);
	if (r >= 0)
		build->pending++;
	return r;
}

/* Takes up with the image that was pulled just now, or with the next that is wanted. */
void hoy_build_serve_wanted(struct hoy_build *build)
{
	struct hoy_err err = { 0 };
	int r = 1;

	while (build->wanted_next && r > 0) {
		struct hoy_build_base *base = build->n_bases ? build->bases[build->n_bases - 1] : NULL;

		if (*hoy_build_text(build->wanted_next, "context")) {
			r = hoy_build_give_tree(build, build->wanted_next, &err);
			if (r > 0)
				build->wanted_next = hoy_json_next(build->wanted_next);
			continue;
		}
		if (!base || base->id)
			base = add_base(build, build->wanted_next);
		r = base ? use_local(build, base, &err) : hoy_err_oom(&err);
		if (r > 0)
			build->wanted_next = hoy_json_next(build->wanted_next);
		else if (r == 0)
			r = start_pull(build, base, &err);
	}
	if (r < 0)
		hoy_build_fail(build, &err);
}

void hoy_build_go_on_pulling(struct hoy_build *build)
{
	if (build->ended)
		return;
	if (!hoy_build_cache_go_on(build))
		hoy_build_serve_wanted(build);
}

/* --- hoy-build -------------------------------------------------------------------------------- */

static int take_wanted(struct hoy_build *build, struct hoy_err *err)
{
	int r;

	hoy_json_free(build->wanted);
	build->wanted = NULL;
	r = hoy_json_parse(build->packet->text, strlen(build->packet->text), /* limits= */ NULL, &build->wanted, err);
	build->wanted_next = hoy_json_first(build->wanted);
	return r;
}

static void on_serve(struct hoy_source *source, void *userdata)
{
	struct hoy_build *build = userdata;

	(void) source;
	build->serving = hoy_source_free(build->serving);
	hoy_build_serve_wanted(build);
}

static int on_packet(size_t len, void *userdata, struct hoy_err *err)
{
	struct hoy_build *build = userdata;
	int r = hoy_build_reply_check(build->packet, len, err);

	if (r < 0)
		return r;
	switch ((enum hoy_build_reply_type) build->packet->type) {
	case HOY_BUILD_READY:
		return 0;
	case HOY_BUILD_WANTED:
		r = take_wanted(build, err);
		/* What fails there frees the run that we are called by: not from here. */
		return r < 0 ? r : hoy_loop_defer(build->builds->options.loop, &build->serving, on_serve, build, err);
	case HOY_BUILD_PLAN:
		return 1;
	case HOY_BUILD_ERROR:
		return hoy_err_import(err, &build->packet->err);
	}
	return 0;
}

static int read_plan(struct hoy_build *build, struct hoy_err *err)
{
	const struct hoy_json_limits limits = { .max_size = HOY_BUILD_PLAN_MAX };
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_BUILD_PLAN_MAX };
	int r = lseek(build->plan_fd, 0, SEEK_SET) < 0 ? hoy_err_sys(err, "read the plan of the build") : 0;

	if (r == 0)
		r = hoy_file_read_fd(build->plan_fd, "plan of the build", &text, err);
	if (r == 0)
		r = hoy_json_parse(text.data ? text.data : "", text.len, &limits, &build->plan, err);
	hoy_fd_close(&build->plan_fd);
	return r < 0 ? r : hoy_build_steps_begin(build, err);
}

static void on_end(const struct hoy_err *failed, void *userdata)
{
	struct hoy_build *build = userdata;
	struct hoy_err err = { 0 };

	if (failed) {
		err = *failed;
		hoy_build_fail(build, &err);
		return;
	}
	build->worker = hoy_worker_run_free(build->worker);
	if (read_plan(build, &err) < 0)
		hoy_build_fail(build, &err);
	else if (!hoy_build_cache_import(build))
		hoy_build_schedule(build);
}

static int print_request(const struct hoy_build_request *request, const struct hoy_build *build, struct hoy_buf *text,
	struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = text };
	bool is_remote = request->remote && *request->remote;

	hoy_json_object(&w, NULL);
	hoy_json_array(&w, "fds");
	hoy_json_add_string(&w, NULL, "target");
	hoy_json_add_string(&w, NULL, "output");
	if (!is_remote || !hoy_build_is_repository(request->remote))
		hoy_json_add_string(&w, NULL, request->context_dir ? "dockerfile" : "input");
	hoy_json_end(&w);
	hoy_json_add_bool(&w, "remote", is_remote);
	hoy_json_add_string(&w, "dockerfile", request->dockerfile);
	hoy_json_add_string(&w, "target", request->target);
	hoy_json_add_string(&w, "platform", request->platform);
	hoy_json_add_strv(&w, "build_args", request->build_args);
	hoy_json_add_strv(&w, "labels", request->labels);
	hoy_json_add_strv(&w, "no_cache_filter", request->no_cache_filter);
	hoy_json_add_strv(&w, "contexts", request->contexts);
	hoy_json_add_bool(&w, "no_cache", build->no_cache);
	hoy_json_add_string(&w, "network", build->network);
	hoy_json_end(&w);
	if (text->len > HOY_BUILD_PACKET_MAX)
		return hoy_err_invalid(err, "too many build arguments and labels");
	return hoy_buf_check(text, "request", err);
}

int hoy_build_worker_begin(struct hoy_build *build, int input, struct hoy_err *err)
{
	auto_fd int target = open(build->context, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (target < 0)
		return hoy_err_sys(err, "open the directory of the build context");
	r = hoy_worker_run_start(&(struct hoy_worker_run_options){ .loop = build->builds->options.loop,
					 .name = "hoy-build",
					 .path = build->builds->helper,
					 .packet = build->packet,
					 .packet_size = sizeof *build->packet,
					 .on_packet = on_packet,
					 .on_end = on_end,
					 .userdata = build },
		&build->worker, err);
	if (r >= 0)
		r = hoy_worker_run_send(build->worker, build->begin.data, build->begin.len,
			(const int[]){ target, build->plan_fd, input }, input >= 0 ? 3 : 2, err);
	return r < 0 ? r : 0;
}

int hoy_build_worker_start(
	struct hoy_build *build, const struct hoy_build_request *request, int context, struct hoy_err *err)
{
	int r;

	build->plan_fd = memfd_create("plan", MFD_CLOEXEC);
	if (build->plan_fd < 0)
		return hoy_err_sys(err, "make a file for the plan");
	r = print_request(request, build, &build->begin, err);
	if (r < 0)
		return r;
	if (request->remote && *request->remote)
		return hoy_build_bring_context(build, request->remote, err);
	return hoy_build_worker_begin(build, request->context_dir ? request->dockerfile_fd : context, err);
}
