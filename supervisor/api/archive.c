/* /containers/{id}/archive and /changes. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/pipe_out.h"
#include "supervisor/container/archive.h"
#include "supervisor/worker/files/protocol.h"

struct archive {
	struct hoy_api_request *rq; /* NULL: the client is gone */
	struct hoy_container_job *job;
	struct hoy_pipe_out *out;
	int fd; /* our end of the pipe, until the answer has begun; the memory file of changes */
	bool is_head, answered;
	bool piped, ended; /* GET ends when the pipe and the job have ended */
	struct hoy_err failed;
};

static void archive_free(struct archive *a)
{
	hoy_fd_close(&a->fd);
	free(a);
}

/* --- X-Docker-Container-Path-Stat ------------------------------------------------------------------------------- */

/* Go's os.FileMode. */
static uint32_t go_mode(uint32_t mode)
{
	static const struct {
		mode_t type;
		uint32_t bits;
	} types[] = { { S_IFDIR, 1U << 31 }, { S_IFLNK, 1U << 27 }, { S_IFBLK, 1U << 26 },
		{ S_IFCHR, 1U << 26 | 1U << 21 }, { S_IFIFO, 1U << 25 }, { S_IFSOCK, 1U << 24 } };
	uint32_t go = mode & 0777;

	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if ((mode & S_IFMT) == types[i].type)
			go |= types[i].bits;
	return go | (mode & S_ISUID ? 1U << 23 : 0) | (mode & S_ISGID ? 1U << 22 : 0) | (mode & S_ISVTX ? 1U << 20 : 0);
}

static int add_stat_header(struct hoy_api_request *rq, const struct hoy_files_stat *stat)
{
	const struct timespec mtime = { .tv_sec = stat->mtime_sec, .tv_nsec = stat->mtime_nsec };
	auto_(hoy_buf_done) struct hoy_buf text = { 0 }, encoded = { 0 };
	struct hoy_json_writer w = { .buf = &text };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "name", stat->name);
	hoy_json_add_u64(&w, "size", stat->size);
	hoy_json_add_u64(&w, "mode", go_mode(stat->mode));
	hoy_api_add_time(&w, "mtime", &mtime);
	hoy_json_add_string(&w, "linkTarget", stat->link_target);
	hoy_json_end(&w);
	if (hoy_buf_check(&text, "stat", NULL) < 0 ||
		hoy_base64_encode(&encoded, text.data, text.len, /* url_safe= */ false) < 0)
		return -ENOMEM;
	hoy_http_add_header(rq->x, "X-Docker-Container-Path-Stat", encoded.data);
	return 0;
}

/* --- HEAD and GET ------------------------------------------------------------------------------------------------- */

static void maybe_end(struct archive *a)
{
	if (!a->piped || !a->ended)
		return;
	if (a->out)
		hoy_pipe_out_end(a->out);
	archive_free(a);
}

static void on_client_gone(void *userdata)
{
	struct archive *a = userdata;

	if (!a->ended)
		hoy_container_job_cancel(a->job);
	archive_free(a);
}

static void on_pipe_over(void *userdata)
{
	struct archive *a = userdata;

	a->piped = true;
	maybe_end(a);
}

static void on_stat(const struct hoy_files_stat *stat, void *userdata)
{
	const struct hoy_pipe_out_handler handler = { on_client_gone, on_pipe_over, userdata };
	struct archive *a = userdata;

	if (a->answered || add_stat_header(a->rq, stat) < 0)
		return;
	if (a->is_head)
		return;
	a->answered = true;
	if (hoy_pipe_out_new(&a->out, a->rq->api->o.loop, a->rq->x, "application/x-tar", TAKE_FD(a->fd), &handler,
		    &a->failed) < 0) {
		a->out = NULL;
		a->answered = false;
	}
}

static void reply_error(struct hoy_api_request *rq, const struct hoy_err *err)
{
	if (err->errnum == EROFS && err->stated)
		hoy_api_reply_error_status(rq, 403, err->msg);
	else
		hoy_api_reply_error(rq, err);
}

static void on_read_done(const struct hoy_err *err, void *userdata)
{
	struct archive *a = userdata;

	if (a->answered) {
		if (err) /* the head has left: all that can be done is to end too early */
			hoy_log_err(err, "archive of a container");
		a->ended = true;
		maybe_end(a);
		return;
	}
	if (err || a->failed.errnum)
		reply_error(a->rq, err ? err : &a->failed);
	else
		hoy_api_reply_empty(a->rq, 200);
	archive_free(a);
}

/* --- PUT -------------------------------------------------------------------------------------- */

static void on_put_done(const struct hoy_err *err, void *userdata)
{
	struct archive *a = userdata;

	if (err)
		reply_error(a->rq, err);
	else
		hoy_api_reply_empty(a->rq, 200);
	archive_free(a);
}

/* --- changes ---------------------------------------------------------------------------------- */

static void on_changes_done(const struct hoy_err *err, void *userdata)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct archive *a = userdata;
	struct hoy_err own = { 0 };

	if (!err && (lseek(a->fd, 0, SEEK_SET) < 0 || hoy_file_read_fd(a->fd, "changes", &text, &own) < 0))
		err = &own;
	if (err) {
		hoy_api_reply_error(a->rq, err);
	} else {
		if (text.len == 2 && a->rq->version < 43) { /* "[]": nothing was null once */
			hoy_buf_clear(&text);
			hoy_buf_adds(&text, "null");
		}
		hoy_api_reply_json(a->rq, 200, &text);
	}
	archive_free(a);
}

/* --- handlers --------------------------------------------------------------------------------- */

static int query_path(struct hoy_api_request *rq, const char **ret, struct hoy_err *err)
{
	*ret = hoy_uri_query(&rq->uri, "path");
	if (!*ret || !**ret)
		return hoy_err_invalid(err, "missing or empty value for \"path\"");
	return 0;
}

/* Takes `fd`, the worker's end; `ours` is kept. */
static int begin(struct hoy_api_request *rq, const struct hoy_archive_request *request, int ours,
	void (*done)(const struct hoy_err *err, void *userdata), struct hoy_err *err)
{
	struct archive *a = calloc(1, sizeof *a);
	struct hoy_archive_handler handler = { .on_stat = on_stat, .done = done, .userdata = a };
	int fd = request->fd, r;

	if (!a) {
		hoy_fd_close(&fd);
		hoy_fd_close(&ours);
		return hoy_err_oom(err);
	}
	*a = (struct archive){ .rq = rq, .fd = ours, .is_head = request->op == HOY_ARCHIVE_STAT };
	r = hoy_container_archive(rq->api->o.containers, rq->name, request, &handler, &a->job, err);
	if (r < 0)
		archive_free(a);
	return r;
}

static int archive_head(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_archive_request request = { .op = HOY_ARCHIVE_STAT, .fd = -EBADF };
	int r = query_path(rq, &request.path, err);

	return r < 0 ? r : begin(rq, &request, -EBADF, on_read_done, err);
}

static int archive_get(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_archive_request request = { .op = HOY_ARCHIVE_GET };
	int fds[2], r = query_path(rq, &request.path, err);

	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "create pipe");
	request.fd = fds[1];
	return begin(rq, &request, fds[0], on_read_done, err);
}

static int archive_put(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_archive_request request = {
		.op = HOY_ARCHIVE_PUT,
		.no_overwrite = hoy_uri_query_bool(&rq->uri, "noOverwriteDirNonDir", false),
		.copy_owner = hoy_uri_query_bool(&rq->uri, "copyUIDGID", false),
	};
	int fds[2], r = query_path(rq, &request.path, err);

	if (r < 0)
		return r;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "create pipe");
	r = hoy_http_body_to_fd(rq->x, fds[1], err);
	if (r < 0) {
		hoy_fd_close(&fds[0]);
		return r;
	}
	request.fd = fds[0];
	return begin(rq, &request, -EBADF, on_put_done, err);
}

static int container_changes(struct hoy_api_request *rq, struct hoy_err *err)
{
	struct hoy_archive_request request = { .op = HOY_ARCHIVE_CHANGES };
	auto_fd int file = memfd_create("changes", MFD_CLOEXEC);

	request.fd = file < 0 ? -1 : fcntl(file, F_DUPFD_CLOEXEC, 3);
	if (request.fd < 0)
		return hoy_err_sys(err, "create memory file");
	return begin(rq, &request, TAKE_FD(file), on_changes_done, err);
}

const struct hoy_api_route hoy_api_archive_routes[] = {
	{ "HEAD", "/containers/{id}/archive", archive_head, 0, 0 },
	{ "GET", "/containers/{id}/archive", archive_get, 0, 0 },
	{ "PUT", "/containers/{id}/archive", archive_put, HOY_ROUTE_BODY_STREAM, 0 },
	{ "GET", "/containers/{id}/changes", container_changes, 0, 0 },
	{ NULL, NULL, NULL, 0, 0 },
};
