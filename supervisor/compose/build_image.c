/* The image of a service, built by the command line's own `build`: the keys of `build` as its flags. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/commands.h"
#include "supervisor/compose/images.h"
#include "supervisor/compose/project.h"

static void add_build_words(const struct hoy_compose_build *build, char ***words, int *failed)
{
	*failed |= build->no_cache ? hoy_strv_add(words, "--no-cache") : 0;
	*failed |= build->pull ? hoy_strv_add(words, "--pull") : 0;
	*failed |= build->target ? hoy_strv_addf(words, "--target=%s", build->target) : 0;
	*failed |= build->network ? hoy_strv_addf(words, "--network=%s", build->network) : 0;
	*failed |= build->shm_size ? hoy_strv_addf(words, "--shm-size=%lld", (long long) build->shm_size) : 0;
	for (const struct hoy_compose_pair *p = build->args; p && p->key; p++)
		*failed |= p->value ? hoy_strv_addf(words, "--build-arg=%s=%s", p->key, p->value)
				    : hoy_strv_addf(words, "--build-arg=%s", p->key);
	for (const struct hoy_compose_pair *p = build->labels; p && p->key; p++)
		*failed |= hoy_strv_addf(words, "--label=%s=%s", p->key, p->value ? p->value : "");
	for (char **host = build->extra_hosts; host && *host; host++)
		*failed |= hoy_strv_addf(words, "--add-host=%s", *host);
	for (char **tag = build->tags; tag && *tag; tag++)
		*failed |= hoy_strv_addf(words, "--tag=%s", *tag);
	for (char **from = build->cache_from; from && *from; from++)
		*failed |= hoy_strv_addf(words, "--cache-from=%s", *from);
	for (char **to = build->cache_to; to && *to; to++)
		*failed |= hoy_strv_addf(words, "--cache-to=%s", *to);
	for (char **stage = build->no_cache_filter; stage && *stage; stage++)
		*failed |= hoy_strv_addf(words, "--no-cache-filter=%s", *stage);
	for (char **agent = build->ssh; agent && *agent; agent++)
		*failed |= hoy_strv_addf(words, "--ssh=%s", *agent);
	*failed |= build->isolation ? hoy_strv_addf(words, "--isolation=%s", build->isolation) : 0;
	*failed |= build->provenance ? hoy_strv_addf(words, "--provenance=%s", build->provenance) : 0;
	*failed |= build->sbom ? hoy_strv_addf(words, "--sbom=%s", build->sbom) : 0;
	hoy_compose_each(struct hoy_compose_ulimit, u, build->ulimits) *failed |= hoy_strv_addf(
		words, "--ulimit=%s=%lld:%lld", u->name, (long long) u->soft, (long long) u->hard);
}

/* Keys that `build` has no flag for. */
static int check_build(const struct hoy_compose_service *service, struct hoy_err *err)
{
	const struct hoy_compose_build *b = service->build;
	const struct {
		bool given;
		const char *text;
	} refused[] = {
		{ b->entitlements, "build.entitlements is not supported" },
		{ b->privileged, "build.privileged is not supported" },
		{ hoy_strv_len(b->platforms) > 1, "build.platforms: several at once are not supported" },
	};

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (refused[i].given)
			return hoy_err_unsupported(err, "service \"%s\": %s", service->name, refused[i].text);
	return 0;
}

/* dockerfile_inline: a file of its own while the build runs, in *ret. */
static int write_inline(const char *text, char **ret, struct hoy_err *err)
{
	const char *dir = getenv("TMPDIR");
	auto_free char *path = hoy_str_printf("%s/hoy-dockerfile-XXXXXX", dir && *dir ? dir : "/tmp");
	auto_fd int fd = path ? mkostemp(path, O_CLOEXEC) : -ENOMEM;
	int r;

	if (fd < 0)
		return path ? hoy_err_sys(err, "make the file '%s'", path) : hoy_err_oom(err);
	r = hoy_fd_write_all(fd, text, strlen(text));
	if (r < 0) {
		(void) unlink(path);
		return hoy_err_code(err, r, "write the file '%s'", path);
	}
	*ret = TAKE_PTR(path);
	return 0;
}

/* --- secrets ----------------------------------------------------------------------------------------------------- */

/* What a secret holds, in a memory file; its descriptor is added to `fds`. */
static int keep_secret(
	struct hoy_compose *app, const struct hoy_compose_file_object *object, int *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_fd int fd = memfd_create("secret", MFD_CLOEXEC);
	int r = fd < 0 ? hoy_err_sys(err, "make a memory file")
		       : hoy_compose_read_object(app->project, object, "secret", &text, err);

	if (r >= 0 && (r = hoy_fd_write_all(fd, text.data ? text.data : "", text.len)) < 0)
		r = hoy_err_code(err, r, "keep the secret \"%s\"", object->name);
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (r >= 0)
		*ret = TAKE_FD(fd);
	return r < 0 ? r : 0;
}

struct kept {
	int fds[64];
	size_t n;
};

static void kept_done(struct kept *kept)
{
	while (kept->n > 0)
		hoy_fd_close(&kept->fds[--kept->n]);
}

/* A secret's id is its name below /run/secrets; a build has no owners and modes for them but its own. */
static int add_secrets(struct hoy_compose *app, const struct hoy_compose_service *service, struct kept *kept,
	char ***words, struct hoy_err *err)
{
	hoy_compose_each(struct hoy_compose_mount, mount, service->build->secrets)
	{
		const struct hoy_compose_file_object *object = hoy_compose_secret_find(app->project, mount->source);
		const char *id = mount->target ? mount->target : mount->source;
		int r;

		if (!object || object->external)
			return hoy_err_unsupported(err,
				"service \"%s\": build.secrets: the external secret \"%s\" is not read for builds",
				service->name, mount->source);
		if (mount->uid || mount->gid || mount->mode)
			(void) fprintf(stderr,
				"WARN: service \"%s\": build.secrets: uid, gid and mode of \"%s\" are ignored, RUN --mount says "
				"them\n",
				service->name, mount->source);
		if (kept->n == ARRAY_LEN(kept->fds))
			return hoy_err_invalid(err, "service \"%s\": build.secrets are too many", service->name);
		r = keep_secret(app, object, &kept->fds[kept->n], err);
		if (r < 0)
			return r;
		if (hoy_strv_addf(
			    words, "--secret=id=%s,src=/proc/%d/fd/%d", id, (int) getpid(), kept->fds[kept->n++]) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

/* --- contexts ---------------------------------------------------------------------------------------------------- */

/* Also one that this command does not select. */
static const struct hoy_compose_service *find_service(const struct hoy_compose *app, const char *name)
{
	const struct hoy_compose_service *found = hoy_compose_service_find(app->project, name);

	if (found)
		return found;
	hoy_compose_each(struct hoy_compose_service, s, app->project->disabled)
	{
		if (strcmp(s->name, name) == 0)
			return s;
	}
	return NULL;
}

/* "service:NAME" is the image that NAME is built into, which is done first. */
static int add_contexts(struct hoy_compose *app, const struct hoy_compose_service *service, char *const *extra,
	char ***words, struct hoy_err *err)
{
	for (const struct hoy_compose_pair *p = service->build->additional_contexts; p && p->key; p++) {
		bool of_service = hoy_str_starts(p->value, "service:");
		const struct hoy_compose_service *other = of_service ? find_service(app, p->value + strlen("service:"))
								     : NULL;
		auto_free char *name = other ? hoy_compose_image_name(app, other) : NULL;
		int r = 0;

		if (of_service && (!other || !other->build))
			return hoy_err_not_found(err,
				"service \"%s\": build.additional_contexts: %s names no service with a build",
				service->name, p->value);
		if (other && !name)
			return hoy_err_oom(err);
		if (other)
			r = hoy_compose_build_image(app, other, extra, err);
		if (r < 0)
			return r;
		if (hoy_strv_addf(words, "--build-context=%s=%s%s", p->key, other ? "docker-image://" : "",
			    other ? name : p->value) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

/* --- the build --------------------------------------------------------------------------------------------------- */

static const char *platform_of(const struct hoy_compose_service *service)
{
	return service->build->platforms && service->build->platforms[0] ? service->build->platforms[0]
									 : service->platform;
}

int hoy_compose_build_image(
	struct hoy_compose *app, const struct hoy_compose_service *service, char *const *extra, struct hoy_err *err)
{
	auto_(kept_done) struct kept kept = {};
	auto_ptr(hoy_strv_free) char **words = NULL;
	auto_free char *name = hoy_compose_image_name(app, service), *inline_path = NULL;
	const struct hoy_compose_build *build = service->build;
	const struct hoy_command *command;
	int failed = name ? hoy_strv_add(&words, "build") : -ENOMEM, status;
	int r = check_build(service, err);

	if (r < 0 || hoy_strv_has(app->built, service->name))
		return r;
	if (hoy_strv_add(&app->built, service->name) < 0)
		return hoy_err_oom(err);
	if (app->globals->dry_run) {
		hoy_compose_tell(app, HOY_REPORT_DONE, "Image", name ? name : "", "Built");
		return 0;
	}
	r = add_contexts(app, service, extra, &words, err);
	if (r >= 0)
		r = add_secrets(app, service, &kept, &words, err);
	if (r < 0)
		return r;
	failed |= hoy_strv_addf(&words, "--tag=%s", name ? name : "");
	if (platform_of(service))
		failed |= hoy_strv_addf(&words, "--platform=%s", platform_of(service));
	if (build->dockerfile_inline) {
		r = write_inline(build->dockerfile_inline, &inline_path, err);
		if (r < 0)
			return r;
		failed |= hoy_strv_addf(&words, "--file=%s", inline_path);
	} else if (build->dockerfile)
		failed |= hoy_strv_addf(&words, "--file=%s%s%s", build->dockerfile[0] == '/' ? "" : build->context,
			build->dockerfile[0] == '/' ? "" : "/", build->dockerfile);
	add_build_words(build, &words, &failed);
	for (; extra && *extra; extra++)
		failed |= hoy_strv_add(&words, *extra);
	failed |= hoy_strv_add(&words, build->context ? build->context : ".");
	command = failed ? NULL : hoy_command_find(words, &(int){ 0 });
	status = command ? hoy_command_run(app->cli, command, (int) hoy_strv_len(words), words) : 0;
	if (inline_path)
		(void) unlink(inline_path);
	if (!command)
		return hoy_err_oom(err);
	if (status != 0)
		return hoy_err_set(
			err, HOY_ERR_SYSTEM, EREMOTEIO, "service \"%s\": the build of %s failed", service->name, name);
	return 0;
}
