/* /volumes/{name}/export, /import, /clone, /rename: beyond docker's API. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/pipe_out.h"
#include "supervisor/api/volume_json.h"
#include "supervisor/volume/transfer.h"
#include "supervisor/volume/volume.h"

/* --- export ----------------------------------------------------------------------------------- */

struct export
{
	struct hoy_api_request *rq;
	struct hoy_volume_transfer *transfer;
	struct hoy_pipe_out *out;
	int fd; /* our end of the pipe, until the answer has begun */
	bool answered, piped, ended;
	struct hoy_err failed;
};

static void export_free(struct export *e)
{
	hoy_fd_close(&e->fd);
	free(e);
}

static void maybe_end(struct export *e)
{
	if (!e->piped || !e->ended)
		return;
	hoy_pipe_out_end(e->out);
	export_free(e);
}

static void on_client_gone(void *userdata)
{
	struct export *e = userdata;

	if (!e->ended)
		hoy_volume_transfer_cancel(e->transfer);
	export_free(e);
}

static void on_pipe_over(void *userdata)
{
	struct export *e = userdata;

	e->piped = true;
	maybe_end(e);
}

static void on_begun(void *userdata)
{
	struct export *e = userdata;
	const struct hoy_pipe_out_handler handler = { on_client_gone, on_pipe_over, e };

	e->answered = hoy_pipe_out_new(&e->out, e->rq->api->o.loop, e->rq->x, "application/x-tar", TAKE_FD(e->fd),
			      &handler, &e->failed) >= 0;
}

static void on_exported(void *userdata, const struct hoy_err *err)
{
	struct export *e = userdata;

	if (e->answered) {
		if (err) /* the head has left: all that can be done is to end too early */
			hoy_log_err(err, "export of a volume");
		e->ended = true;
		maybe_end(e);
		return;
	}
	if (err || e->failed.errnum)
		hoy_api_reply_error(e->rq, err ? err : &e->failed);
	else
		hoy_api_reply_empty(e->rq, 200);
	export_free(e);
}

static int volume_export(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct export *e = calloc(1, sizeof *e);
	const struct hoy_volume_handler handler = { on_begun, on_exported, e };
	int fds[2], r;

	if (!e)
		return hoy_err_oom(err);
	if (pipe2(fds, O_CLOEXEC) < 0) {
		free(e);
		return hoy_err_sys(err, "create pipe");
	}
	*e = (struct export){ .rq = rq, .fd = fds[0] };
	r = hoy_volume_export(rq->api->o.volumes, rq->name, fds[1], &handler, &e->transfer, err);
	if (r < 0)
		export_free(e);
	return r;
}

/* --- import and clone ------------------------------------------------------------------------- */

struct making {
	struct hoy_api_request *rq;
	char *name;
};

static void making_free(struct making *m)
{
	free(m->name);
	free(m);
}

static void on_made(void *userdata, const struct hoy_err *err)
{
	struct making *m = userdata;
	const struct hoy_volume_info *volume;
	struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	struct hoy_err gone = { 0 };

	if (!err && hoy_volumes_find(m->rq->api->o.volumes, m->name, &volume, &gone) < 0)
		err = &gone;
	if (err) {
		hoy_api_reply_error(m->rq, err);
	} else {
		hoy_api_add_volume(&w, volume, NULL);
		hoy_api_reply_json(m->rq, 201, &buf);
	}
	making_free(m);
}

static struct making *making_new(struct hoy_api_request *rq, const char *name, struct hoy_err *err)
{
	struct making *m = calloc(1, sizeof *m);

	if (m) {
		m->rq = rq;
		m->name = strdup(name ? name : "");
	}
	if (m && m->name)
		return m;
	free(m);
	(void) hoy_err_oom(err);
	return NULL;
}

struct make_body {
	char *name;
	struct hoy_oci_kv *labels;
	size_t n_labels;
};
#define T struct make_body
static const struct hoy_field make_fields[] = {
	HOY_FIELD_STRING(T, "Name", name, 0),
	HOY_FIELD_KV(T, "Labels", labels, 0),
};
static const struct hoy_object make_object = HOY_OBJECT(T, make_fields, NULL);
#undef T

/* Labels of an import come as a JSON object in the query: the body is the tar. */
static int import_labels(struct hoy_api_request *rq, struct make_body **ret, struct hoy_err *err)
{
	const char *text = hoy_uri_query(&rq->uri, "labels");
	auto_(hoy_buf_done) struct hoy_buf body = { 0 };

	(void) hoy_buf_addf(&body, "{\"Labels\":%s}", text && *text ? text : "{}");
	if (hoy_buf_check(&body, "labels", err) < 0)
		return -ENOMEM;
	return hoy_field_parse(&make_object, body.data, body.len, NULL, (void **) ret, err);
}

static int volume_import(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct making *m = making_new(rq, rq->name, err);
	const struct hoy_volume_handler handler = { NULL, on_made, m };
	struct hoy_volume_transfer *transfer;
	struct make_body *labels = NULL;
	int fds[2], r = m ? import_labels(rq, &labels, err) : -ENOMEM;

	if (r >= 0 && pipe2(fds, O_CLOEXEC) < 0)
		r = hoy_err_sys(err, "create pipe");
	else if (r >= 0) {
		r = hoy_http_body_to_fd(rq->x, fds[1], err);
		if (r < 0)
			hoy_fd_close(&fds[0]);
	}
	if (r >= 0)
		r = hoy_volume_import(rq->api->o.volumes,
			&(struct hoy_volume_create){
				.name = rq->name, .labels = labels->labels, .n_labels = labels->n_labels },
			fds[0], &handler, &transfer, err);
	if (labels)
		hoy_field_free(&make_object, labels);
	if (r < 0 && m)
		making_free(m);
	return r;
}

static int volume_clone(struct hoy_api_request *rq, struct hoy_err *err)
{
	static const struct hoy_field_options as_go = { .any_case = true };
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct hoy_volume_handler handler = { NULL, on_made, NULL };
	struct hoy_volume_transfer *transfer;
	struct make_body *body = NULL;
	struct making *m;
	int r = hoy_api_body_json(rq, &doc, err);

	if (r >= 0 && !doc)
		r = hoy_err_invalid(err, "invalid JSON: got EOF while reading request body");
	if (r >= 0)
		r = hoy_field_parse_value(&make_object, doc, NULL, &as_go, (void **) &body, err);
	if (r < 0)
		return r;
	m = making_new(rq, body->name, err);
	handler.userdata = m;
	r = m ? hoy_volume_clone(rq->api->o.volumes, rq->name,
			&(struct hoy_volume_create){
				.name = body->name, .labels = body->labels, .n_labels = body->n_labels },
			&handler, &transfer, err)
	      : -ENOMEM;
	hoy_field_free(&make_object, body);
	if (r < 0 && m)
		making_free(m);
	return r;
}

/* --- rename ----------------------------------------------------------------------------------- */

static void on_renamed(void *userdata, const struct hoy_err *err)
{
	static char driver[] = "driver=local";
	struct hoy_api_request *rq = userdata;
	struct hoy_volumes *volumes = rq->api->o.volumes;
	const char *to = hoy_uri_query(&rq->uri, "name");
	auto_free char *attribute = hoy_str_printf("oldName=%s", rq->name);

	if (err) {
		(void) hoy_volume_rename(volumes, to, rq->name, NULL);
		hoy_api_reply_error(rq, err);
		return;
	}
	hoy_volumes_tell(volumes, "rename", to, (char *[]){ driver, attribute, NULL });
	hoy_api_reply_empty(rq, 204);
}

static int volume_rename(struct hoy_api_request *rq, struct hoy_err *err)
{
	const char *to = hoy_uri_query(&rq->uri, "name");
	int r;

	if (!to || !*to)
		return hoy_err_invalid(err, "missing or empty value for \"name\"");
	r = hoy_volume_rename(rq->api->o.volumes, rq->name, to, err);
	return r < 0 ? r : hoy_volumes_after_commit(rq->api->o.volumes, on_renamed, rq, err);
}

const struct hoy_api_route hoy_api_volume_transfer_routes[] = {
	{ "GET", "/volumes/{name}/export", volume_export, 0, 0 },
	{ "POST", "/volumes/{name}/import", volume_import, HOY_ROUTE_BODY_STREAM, 0 },
	{ "POST", "/volumes/{name}/clone", volume_clone, 0, 0 },
	{ "POST", "/volumes/{name}/rename", volume_rename, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
