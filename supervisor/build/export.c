/*
 * The end of a build whose result is not kept: its tree goes to the client, as a tar that the session's worker sends; or
 * an archive of the image, which is made for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/image.h"

/* Both the one who packs and the one who sends have to be through. */
static void look_at_end(struct hoy_build *build)
{
	if (build->is_packed && build->is_received)
		hoy_build_succeed(build);
}

static void on_packed(const struct hoy_err *failed, const struct hoy_image_result *result, void *userdata)
{
	struct hoy_build *build = userdata;
	struct hoy_err err = { 0 };

	(void) result;
	build->job = NULL;
	if (!hoy_build_came_back(build))
		return;
	if (failed) {
		err = *failed;
		hoy_build_fail(build, &err);
		return;
	}
	build->is_packed = true;
	look_at_end(build);
}

static void on_received(const struct hoy_err *failed, const char *text, void *userdata)
{
	struct hoy_build *build = userdata;
	struct hoy_err err = { 0 };

	(void) text;
	build->exporting = NULL;
	if (failed) {
		err = *failed;
		hoy_build_fail(build, &err);
		return;
	}
	build->is_received = true;
	look_at_end(build);
}

static int start(struct hoy_build *build, struct hoy_err *err)
{
	const struct hoy_image_job_handler handler = { .done = on_packed, .userdata = build };
	struct hoy_images *images = build->builds->options.images;
	auto_fd int from = -EBADF, to = -EBADF;
	size_t result = NO_STEP;
	int pair[2], r;

	if (hoy_build_index_of(build->plan, "result", build->n_steps, &result) < 0)
		return hoy_err_code(err, -EPROTO, "plan of the build");
	r = build->export == HOY_BUILD_TO_ARCHIVE ? 0 : hoy_images_new_dir(images, &build->export_dir, err);
	if (r < 0)
		return r;
	if (pipe2(pair, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "make a pipe");
	from = pair[0];
	to = pair[1];
	r = hoy_build_session_ask(build->builds, build->session,
		&(struct hoy_session_question){ .op = "export",
			.member = "kind",
			.value = build->export == HOY_BUILD_TO_FILES ? "local" : "tar",
			.fd = from,
			.answer = on_received,
			.userdata = build },
		&build->exporting, err);
	if (r >= 0 && build->export == HOY_BUILD_TO_ARCHIVE)
		r = build->image_id
			    ? hoy_images_save_as(images, build->image_id, build->tags, &handler, &build->job, err)
			    : hoy_err_oom(err);
	else if (r >= 0)
		r = hoy_images_export(
			images, build->export_dir, hoy_build_chain(build, result), &handler, &build->job, err);
	if (r < 0)
		return r;
	build->pending++;
	hoy_image_job_write(build->job, TAKE_FD(to), /* chunked= */ false);
	return 0;
}

void hoy_build_export(struct hoy_build *build)
{
	struct hoy_err err = { 0 };

	if (build->export == HOY_BUILD_TO_NOWHERE)
		hoy_build_succeed(build);
	else if (start(build, &err) < 0)
		hoy_build_fail(build, &err);
}

void hoy_build_export_end(struct hoy_build *build)
{
	struct hoy_image_removed *removed = NULL;
	struct hoy_err err = { 0 };
	size_t n = 0;

	hoy_session_request_cancel(build->exporting);
	build->exporting = NULL;
	if (build->export != HOY_BUILD_TO_ARCHIVE || !build->image_id || build->image_existed)
		return;
	build->image_existed = true; /* once */
	if (hoy_images_remove(build->builds->options.images, build->image_id, /* force= */ false, &removed, &n, &err) <
		0)
		hoy_log_ignored(&err, "remove the image of an archive");
	hoy_image_removed_free(removed, n);
}
