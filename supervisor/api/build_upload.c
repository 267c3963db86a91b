/*
 * Contexts from a client's stdin, for builds with a session: they come as the body of a request of their own, which may
 * be here before the build's. Its answer leaves when the body was read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/loop.h"
#include "supervisor/api/build_request.h"
#include "supervisor/api/internal.h"

#define WAIT_NS (10 * 1000000000ULL)
#define UPLOADS_MAX 64

struct hoy_session_upload {
	struct hoy_session_upload *next;
	struct hoy_api *api;
	char *id; /* the build's */
	int fd;
	struct hoy_source *patience;
};

static void upload_free(struct hoy_session_upload *upload)
{
	struct hoy_session_upload **at = &upload->api->session_uploads;

	while (*at && *at != upload)
		at = &(*at)->next;
	if (*at)
		*at = upload->next;
	hoy_source_free(upload->patience);
	hoy_fd_close(&upload->fd);
	free(upload->id);
	free(upload);
}

void hoy_api_uploads_free(struct hoy_api *api)
{
	while (api->session_uploads)
		upload_free(api->session_uploads);
}

int hoy_api_upload_find(struct hoy_api *api, const char *id)
{
	for (struct hoy_session_upload *upload = api->session_uploads; upload; upload = upload->next)
		if (strcmp(upload->id, id) == 0) {
			int fd = TAKE_FD(upload->fd);

			upload_free(upload);
			return fd;
		}
	return -ENOENT;
}

/* The build does not come: the client's body has no reader any more. */
static void on_no_build(struct hoy_source *source, void *userdata)
{
	(void) source;
	upload_free(userdata);
}

int hoy_api_upload_keep(struct hoy_api_request *rq, const char *id, struct hoy_err *err)
{
	struct hoy_session_upload *upload;
	size_t n = 0;
	int r;

	for (upload = rq->api->session_uploads; upload; upload = upload->next)
		n++;
	if (n >= UPLOADS_MAX)
		return hoy_err_invalid(err, "%d build contexts wait for their builds already", UPLOADS_MAX);
	upload = calloc(1, sizeof *upload);
	if (!upload)
		return hoy_err_oom(err);
	*upload = (struct hoy_session_upload){
		.next = rq->api->session_uploads, .api = rq->api, .id = strdup(id), .fd = -EBADF
	};
	rq->api->session_uploads = upload;
	r = upload->id ? hoy_loop_timer(rq->api->o.loop, &upload->patience, WAIT_NS, on_no_build, upload, err)
		       : hoy_err_oom(err);
	if (r >= 0)
		r = upload->fd = hoy_build_body_pipe(rq, err);
	if (r < 0) {
		upload_free(upload);
		return r;
	}
	hoy_api_reply_empty(rq, 200);
	return 0;
}
