/* Images of services. */
#include "supervisor/compose/images.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "supervisor/cli/pull.h"
#include "supervisor/compose/project.h"
#include "supervisor/compose/shape_scalar.h"
#include "supervisor/compose/work.h"

char *hoy_compose_image_name(const struct hoy_compose *app, const struct hoy_compose_service *service)
{
	if (service->image)
		return strdup(service->image);
	return hoy_str_printf("%s%s%s", app->name, app->globals->compatibility ? "_" : "-", service->name);
}

void hoy_compose_images_done(struct hoy_compose_images *images)
{
	for (size_t i = 0; i < images->n; i++) {
		free(images->all[i].name);
		free(images->all[i].id);
	}
	free(images->all);
	*images = (struct hoy_compose_images){};
}

const struct hoy_compose_image *hoy_compose_images_find(
	const struct hoy_compose_images *images, const struct hoy_compose_service *service)
{
	for (size_t i = 0; i < images->n; i++)
		if (images->all[i].service == service)
			return &images->all[i];
	return NULL;
}

/* --- one image --------------------------------------------------------------- */

/* Its id, and when its name was last given to it; 0 and NULL when it isn't there. */
static int look(struct hoy_compose *app, struct hoy_compose_image *image, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *info = NULL;
	int r;

	(void) hoy_buf_adds(&path, "/images/");
	hoy_http_escape(&path, image->name);
	(void) hoy_buf_adds(&path, "/json");
	r = hoy_buf_check(&path, "the request", err);
	if (r == 0)
		r = hoy_cli_call(app->cli, "GET", path.data, NULL, &info, err);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return r;
	(void) hoy_time_parse(hoy_cli_text(hoy_json_get(info, "Metadata"), "LastTagTime"), &image->tagged);
	free(image->id);
	image->id = strdup(hoy_cli_text(info, "Id"));
	return image->id ? 0 : hoy_err_oom(err);
}

int hoy_compose_pull_image(struct hoy_compose *app, const struct hoy_compose_service *service, const char *name,
	bool quiet, struct hoy_err *err)
{
	int r;

	if (!quiet)
		hoy_compose_tell(app, HOY_REPORT_WORKING, "Image", name, "Pulling");
	if (app->globals->dry_run) {
		hoy_compose_tell(app, HOY_REPORT_DONE, "Image", name, "Pulled");
		return 0;
	}
	r = hoy_cli_pull(app->cli, name, service->platform, /* out= */ NULL, err);
	if (r < 0)
		hoy_compose_tell(app, HOY_REPORT_ERROR, "Image", name, hoy_err_str(err));
	else if (!quiet)
		hoy_compose_tell(app, HOY_REPORT_DONE, "Image", name, "Pulled");
	return r;
}

/* --- all of them ------------------------------------------------------------- */

/* What is to be done for an image that is there or not. */
enum need { NEED_NOTHING, NEED_PULL, NEED_BUILD };

/* "daily", "weekly", "every_12h", "refresh" (with pull_refresh_after): how old an image may become, in nanoseconds. 0:
 * a policy that has no time. */
static int age_limit(const struct hoy_compose_service *s, const char *policy, int64_t *ret, struct hoy_err *err)
{
	const char *text = strcmp(policy, "daily") == 0       ? "1d"
			   : strcmp(policy, "weekly") == 0    ? "1w"
			   : strcmp(policy, "refresh") == 0   ? s->pull_refresh_after
			   : hoy_str_starts(policy, "every_") ? policy + strlen("every_")
							      : NULL;

	*ret = 0;
	if (!text && strcmp(policy, "refresh") == 0)
		return hoy_err_invalid(err, "service \"%s\": pull_policy refresh needs pull_refresh_after", s->name);
	if (text && (!hoy_shape_parse_duration(text, ret) || *ret <= 0))
		return hoy_err_invalid(err, "service \"%s\": \"%s\" is no time after which to pull", s->name, text);
	return 0;
}

/* Was the image pulled (or named) longer ago than that? */
static bool is_older(const struct hoy_compose_image *image, int64_t limit)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_REALTIME, &now);
	return (double) (now.tv_sec - image->tagged.tv_sec) * 1e9 + (double) (now.tv_nsec - image->tagged.tv_nsec) >
	       (double) limit;
}

static int need_of(const struct hoy_compose_image *image, const struct hoy_compose_image_options *o, enum need *ret,
	struct hoy_err *err)
{
	const struct hoy_compose_service *s = image->service;
	const char *policy = o->pull && strcmp(o->pull, "policy") != 0 ? o->pull
			     : s->pull_policy                          ? s->pull_policy
								       : "missing";
	int64_t limit;
	int r = age_limit(s, policy, &limit, err);
	bool always = strcmp(policy, "always") == 0 || (r == 0 && limit > 0 && image->id && is_older(image, limit));

	if (r < 0)
		return r;
	*ret = NEED_NOTHING;
	if (s->build && !o->no_build &&
		(o->build || strcmp(policy, "build") == 0 || (!image->id && (!s->image || !always))))
		*ret = NEED_BUILD;
	else if (s->build && !s->image && !image->id)
		return hoy_err_not_found(
			err, "service \"%s\": no such image: %s: --no-build forbids to build it", s->name, image->name);
	else if (always && !(s->build && !s->image))
		*ret = NEED_PULL;
	else if (!image->id && strcmp(policy, "never") == 0)
		return hoy_err_not_found(err,
			"service \"%s\": no such image: %s: pulling is forbidden by the policy \"never\"", s->name,
			image->name);
	else if (!image->id)
		*ret = NEED_PULL;
	return 0;
}

struct lookup {
	struct hoy_compose *app;
	struct hoy_compose_image *image;
	bool pull, quiet;
};

static int run_lookup(void *userdata, struct hoy_err *err)
{
	struct lookup *l = userdata;
	int r = l->pull ? hoy_compose_pull_image(l->app, l->image->service, l->image->name, l->quiet, err) : 0;

	return r < 0 ? r : look(l->app, l->image, err);
}

/* Looks (or pulls and looks) for those that `wanted` says; services with the same image share one look. */
static int run_lookups(struct hoy_compose *app, struct hoy_compose_images *images, const bool *wanted, bool pull,
	bool quiet, struct hoy_err *err)
{
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new(app->globals->parallel);
	auto_free struct lookup *all = calloc(images->n + 1, sizeof *all);
	auto_free size_t *first = calloc(images->n + 1, sizeof *first);
	int r;

	if (!work || !all || !first)
		return hoy_err_oom(err);
	for (size_t i = 0; i < images->n; i++) {
		if (wanted && !wanted[i])
			continue;
		while (first[i] < i &&
			((wanted && !wanted[first[i]]) || strcmp(images->all[first[i]].name, images->all[i].name) != 0))
			first[i]++;
		all[i] = (struct lookup){ .app = app, .image = &images->all[i], .pull = pull, .quiet = quiet };
		if (first[i] == i)
			(void) hoy_work_add(work, run_lookup, &all[i]);
	}
	r = hoy_work_run(work, err);
	for (size_t i = 0; r == 0 && i < images->n; i++) {
		if ((wanted && !wanted[i]) || first[i] == i || !images->all[first[i]].id)
			continue;
		free(images->all[i].id);
		images->all[i].id = strdup(images->all[first[i]].id);
		images->all[i].tagged = images->all[first[i]].tagged;
	}
	return r;
}

static int fill(struct hoy_compose *app, struct hoy_compose_images *images, struct hoy_err *err)
{
	images->all = calloc(app->project->n_services + 1, sizeof *images->all);
	if (!images->all)
		return hoy_err_oom(err);
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		struct hoy_compose_image *image = &images->all[images->n++];

		image->service = s;
		image->name = hoy_compose_image_name(app, s);
		if (!image->name)
			return hoy_err_oom(err);
		if (!s->image && !s->build)
			return hoy_err_invalid(
				err, "service \"%s\" has neither an image nor a build context specified", s->name);
	}
	return 0;
}

int hoy_compose_images_resolve(struct hoy_compose *app, const struct hoy_compose_image_options *o,
	struct hoy_compose_images *ret, struct hoy_err *err)
{
	auto_(hoy_compose_images_done) struct hoy_compose_images images = {};
	auto_free bool *pulled = NULL;
	static char quiet[] = "--quiet";
	char *const quiet_words[] = { quiet, NULL };
	bool any = false;
	int r = fill(app, &images, err);

	if (r == 0)
		r = run_lookups(app, &images, NULL, /* pull= */ false, /* quiet= */ true, err);
	pulled = calloc(images.n + 1, sizeof *pulled);
	if (!pulled)
		return hoy_err_oom(err);
	for (size_t i = 0; r == 0 && i < images.n; i++) {
		enum need need = NEED_NOTHING;

		r = need_of(&images.all[i], o, &need, err);
		if (r == 0 && need == NEED_BUILD) {
			r = hoy_compose_build_image(
				app, images.all[i].service, o->quiet_build ? quiet_words : NULL, err);
			if (r == 0)
				r = look(app, &images.all[i], err);
		}
		pulled[i] = need == NEED_PULL;
		any = any || pulled[i];
	}
	if (r == 0 && any)
		r = run_lookups(app, &images, pulled, /* pull= */ true, o->quiet_pull, err);
	if (r < 0)
		return r;
	*ret = images;
	images = (struct hoy_compose_images){};
	return 0;
}

/* --- removing ---------------------------------------------------------------- */

int hoy_compose_remove_images(struct hoy_compose *app, bool local, struct hoy_err *err)
{
	if (!app->project)
		return hoy_err_invalid(err, "--rmi needs the project's file");
	hoy_compose_each(struct hoy_compose_service, s, app->project->services)
	{
		auto_free char *name = hoy_compose_image_name(app, s);
		auto_(hoy_buf_done) struct hoy_buf path = {};
		int r;

		if (!name)
			return hoy_err_oom(err);
		if (local && s->image)
			continue;
		(void) hoy_buf_adds(&path, "/images/");
		hoy_http_escape(&path, name);
		r = hoy_buf_check(&path, "the request", err);
		if (r < 0)
			return r;
		hoy_compose_tell(app, HOY_REPORT_WORKING, "Image", name, "Removing");
		r = hoy_cli_call(app->cli, "DELETE", path.data, NULL, NULL, err);
		if (r == -EBUSY)
			hoy_compose_tell(app, HOY_REPORT_WARNING, "Image", name, "Resource is still in use");
		else if (r == -ENOENT)
			hoy_compose_tell(app, HOY_REPORT_WARNING, "Image", name, "No resource found to remove");
		else if (r < 0)
			return hoy_err_wrap(err, "remove the image %s", name);
		else
			hoy_compose_tell(app, HOY_REPORT_DONE, "Image", name, "Removed");
	}
	return 0;
}
