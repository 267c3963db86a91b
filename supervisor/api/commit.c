/* POST /commit: a container becomes an image. */
#include <poll.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/process.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/api/internal.h"
#include "supervisor/container/config.h"
#include "supervisor/container/container.h"
#include "supervisor/image/image.h"

struct commit {
	struct hoy_api_request *rq;
	struct hoy_image_job *job;
	char *container; /* ID */
	bool paused;     /* by us */
};

static void commit_free(struct commit *commit)
{
	free(commit->container);
	free(commit);
}

static void on_resumed(void *userdata, const struct hoy_err *err)
{
	auto_free char *container = userdata;

	if (err)
		hoy_log_err(err, "resume container '%s' after a commit", container);
}

/* It may have ended meanwhile, or been resumed by somebody else. */
static void resume(struct commit *commit)
{
	char *container = commit->paused ? strdup(commit->container) : NULL;
	struct hoy_err err = { 0 };

	commit->paused = false;
	if (container &&
		hoy_container_unpause(commit->rq->api->o.containers, container, on_resumed, container, &err) < 0)
		on_resumed(container, &err);
}

/* The container goes on as soon as its files were read. */
static void on_read(void *userdata)
{
	resume(userdata);
}

static void on_committed(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	struct commit *commit = userdata;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };

	resume(commit);
	if (err) {
		hoy_api_reply_error(commit->rq, err);
	} else {
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Id", result->images[0].id);
		hoy_json_end(&w);
		hoy_api_reply_json(commit->rq, 201, &buf);
	}
	commit_free(commit);
}

/* What the container runs with is what the image will; members of the body replace it. */
static int make_run(struct hoy_api_request *rq, const struct hoy_container_info *container,
	struct hoy_oci_image_run **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *body = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	void *run = NULL;
	int r = hoy_api_body_json(rq, &body, err);

	if (r >= 0)
		r = hoy_container_config_print_config(container->config, &text, err);
	if (r >= 0)
		r = hoy_field_parse(&hoy_oci_image_run_object, text.data, text.len, /* options= */ NULL, &run, err);
	if (r >= 0 && body && hoy_json_type(body) == HOY_JSON_OBJECT)
		r = hoy_field_merge(&hoy_oci_image_run_object, body, /* options= */ NULL, run, err);
	if (r < 0) {
		hoy_field_free(&hoy_oci_image_run_object, run);
		return r;
	}
	*ret = run;
	return 0;
}

static int make_reference(struct hoy_api_request *rq, char **ret, struct hoy_err *err)
{
	const char *repo = hoy_uri_query(&rq->uri, "repo"), *tag = hoy_uri_query(&rq->uri, "tag");

	*ret = NULL;
	if (!repo || !*repo)
		return 0;
	*ret = tag && *tag ? hoy_str_printf("%s:%s", repo, tag) : strdup(repo);
	return *ret ? 0 : hoy_err_oom(err);
}

static char *joined(char *const *words)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	(void) hoy_buf_adds(&text, "");
	for (size_t i = 0; words && words[i]; i++)
		(void) hoy_buf_addf(&text, "%s%s", i ? " " : "", words[i]);
	return hoy_buf_take(&text);
}

static int start(struct hoy_api_request *rq, const struct hoy_container_info *container, struct commit *commit,
	struct hoy_err *err)
{
	const struct hoy_image_job_handler handler = { .done = on_committed, .userdata = commit };
	auto_free const char **changes = hoy_uri_query_all(&rq->uri, "changes");
	auto_free char *reference = NULL, *created_by = joined(container->config->cmd);
	struct hoy_image_commit options = {
		.image_id = container->image_id,
		.upper_dir = container->upper_dir,
		.comment = hoy_uri_query(&rq->uri, "comment"),
		.author = hoy_uri_query(&rq->uri, "author"),
		.created_by = created_by,
		.changes = (char *const *) (uintptr_t) changes,
		.on_read = on_read,
	};
	int r = make_reference(rq, &reference, err);

	if (r >= 0 && (!changes || !created_by))
		r = hoy_err_oom(err);
	options.reference = reference;
	if (r >= 0)
		r = make_run(rq, container, &options.run, err);
	return r < 0 ? r : hoy_images_commit(rq->api->o.images, &options, &handler, &commit->job, err);
}

/* Its first process may be gone before the news of it. */
static bool has_ended(const struct hoy_container_info *container)
{
	auto_fd int process = hoy_pidfd_open(container->pid);
	struct pollfd readable = { .fd = process, .events = POLLIN };

	return container->status != HOY_CONTAINER_RUNNING || process < 0 || poll(&readable, 1, 0) > 0;
}

/* It stands still now, or could not be stopped. */
static void on_paused(void *userdata, const struct hoy_err *failed)
{
	struct commit *commit = userdata;
	const struct hoy_container_info *container;
	struct hoy_err err = { 0 };
	int r = hoy_containers_find(commit->rq->api->o.containers, commit->container, &container, &err);

	commit->paused = !failed;
	if (r >= 0 && failed && !has_ended(container))
		r = hoy_err_import(&err, failed);
	if (r >= 0)
		r = start(commit->rq, container, commit, &err);
	if (r >= 0)
		return;
	resume(commit);
	hoy_api_reply_error(commit->rq, &err);
	commit_free(commit);
}

static int commit_container(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *ref = hoy_uri_query(&rq->uri, "container");
	bool pause = hoy_uri_query_bool(&rq->uri, "pause", true);
	const struct hoy_container_info *container;
	struct commit *commit;
	int r = hoy_containers_find(rq->api->o.containers, ref ? ref : "", &container, err);

	if (r < 0)
		return r;
	commit = calloc(1, sizeof *commit);
	if (!commit)
		return hoy_err_oom(err);
	commit->rq = rq;
	commit->container = strdup(container->id);
	if (!commit->container)
		r = hoy_err_oom(err);
	else if (pause && !container->paused && !has_ended(container))
		r = hoy_container_pause(rq->api->o.containers, commit->container, on_paused, commit, err);
	else
		r = start(rq, container, commit, err);
	if (r < 0)
		commit_free(commit);
	return r;
}

const struct hoy_api_route hoy_api_commit_routes[] = {
	{ "POST", "/commit", commit_container, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
