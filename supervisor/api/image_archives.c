/*
 * The ways out: images as an archive and a container's file system as a tar. The worker that makes the tar gets the
 * client's connection and writes the answer's body itself, in chunks; when it fails, the client sees no last chunk.
 */
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/platform.h"
#include "supervisor/container/container.h"
#include "supervisor/image/image.h"

struct download {
	struct hoy_image_job *job;
	const char *what; /* for the log: a literal */
};

static void on_written(const struct hoy_err *err, const struct hoy_image_result *result, void *userdata)
{
	struct download *d = userdata;

	(void) result;
	if (err)
		hoy_log_err(err, "%s", d->what);
	free(d);
}

static void on_connection(void *userdata, int fd, const void *extra, size_t extra_len)
{
	struct download *d = userdata;

	(void) extra;
	(void) extra_len;
	hoy_image_job_write(d->job, fd, /* chunked= */ true);
}

static struct download *download_new(const char *what, struct hoy_image_job_handler *handler)
{
	struct download *d = calloc(1, sizeof *d);

	*handler = (struct hoy_image_job_handler){ .done = on_written, .userdata = d };
	if (d)
		d->what = what;
	return d;
}

static void begin(struct hoy_api_request *rq, struct download *d)
{
	hoy_http_add_header(rq->x, "Transfer-Encoding", "chunked");
	hoy_http_add_header(rq->x, "Connection", "close");
	hoy_http_hijack(rq->x, "application/x-tar", on_connection, d);
}

static int save(struct hoy_api_request *rq, char *const *names, struct hoy_err *err)
{
	struct hoy_image_job_handler handler;
	struct download *d = download_new("save images", &handler);
	auto_free char *platform = NULL;
	int r = d ? hoy_api_platform(hoy_uri_query(&rq->uri, "platform"), &platform, err) : hoy_err_oom(err);

	if (r >= 0)
		r = hoy_images_save(rq->api->o.images, names, platform, &handler, &d->job, err);
	if (r < 0) {
		free(d);
		return r;
	}
	begin(rq, d);
	return 0;
}

static int images_get(struct hoy_api_request *rq, struct hoy_err *err)
{
	auto_free const char **names = hoy_uri_query_all(&rq->uri, "names");

	return names ? save(rq, (char *const *) (uintptr_t) names, err) : hoy_err_oom(err);
}

static int image_get(struct hoy_api_request *rq, struct hoy_err *err)
{
	char *const names[] = { rq->name, NULL };

	return save(rq, names, err);
}

static int container_export(struct hoy_api_request *rq, struct hoy_err *err)
{
	const struct hoy_container_info *container;
	struct hoy_image_job_handler handler;
	struct download *d;
	int r = hoy_containers_find(rq->api->o.containers, rq->name, &container, err);

	if (r < 0)
		return r;
	d = download_new("export a container", &handler);
	if (!d)
		return hoy_err_oom(err);
	r = hoy_images_export(
		rq->api->o.images, container->upper_dir, hoy_container_chain_id(container), &handler, &d->job, err);
	if (r < 0) {
		free(d);
		return r;
	}
	begin(rq, d);
	return 0;
}

const struct hoy_api_route hoy_api_image_archive_routes[] = {
	{ "GET", "/images/get", images_get, 0, 0 },
	{ "GET", "/images/{name}/get", image_get, 0, 0 },
	{ "GET", "/containers/{id}/export", container_export, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
