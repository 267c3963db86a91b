/*
 * The client's side of a build, as hoyd asks for it: each request of hoyd becomes one or two calls of the client.
 * Nothing of a secret is kept: it goes from the message into hoyd's descriptor.
 */
#include "supervisor/worker/build/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/str.h"
#include "base/wire.h"
#include "supervisor/build/dockerfile.h"
#include "supervisor/build/ignore.h"
#include "supervisor/worker/build/context.h"
#include "supervisor/worker/build/filesync.h"
#include "supervisor/worker/build/grpc.h"
#include "supervisor/worker/build/session_internal.h"
#include "supervisor/worker/build/session_protocol.h"

#define REQUEST_MAX ((size_t) 160 << 10)

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void send_reply(struct hoy_session *session, const struct hoy_session_reply *reply, size_t len)
{
	if (hoy_fd_send(session->options.sock, reply, len, /* fds= */ NULL, 0) < 0)
		session->over = true;
}

void hoy_session_done(struct hoy_session_op *op, const char *text)
{
	struct hoy_session_reply *reply = calloc(1, sizeof *reply);
	size_t len = strlen(text);

	if (!reply || len + 1 > sizeof reply->text) {
		op->session->over = true;
	} else {
		reply->type = HOY_SESSION_DONE;
		reply->id = op->id;
		memcpy(reply->text, text, len + 1);
		send_reply(op->session, reply, offsetof(struct hoy_session_reply, text) + len + 1);
		explicit_bzero(reply->text, len);
	}
	free(reply);
}

void hoy_session_failed(struct hoy_session_op *op, const struct hoy_err *err)
{
	struct hoy_session_reply reply = { .type = HOY_SESSION_ERROR, .id = op->id, .err = *err };

	send_reply(op->session, &reply, offsetof(struct hoy_session_reply, err) + sizeof *err);
}

void hoy_session_op_free(struct hoy_session_op *op)
{
	struct hoy_session_op **at = &op->session->ops;

	while (*at && *at != op)
		at = &(*at)->next;
	if (*at)
		*at = op->next;
	hoy_session_ssh_free(op);
	hoy_session_export_free(op);
	hoy_fd_close(&op->fd);
	hoy_fd_close(&op->dir);
	free(op->name);
	free(op->file);
	hoy_ignore_free(op->ignore);
	free(op);
}

static void fail_and_free(struct hoy_session_op *op, const struct hoy_err *err)
{
	hoy_session_failed(op, err);
	hoy_session_op_free(op);
}

/* --- the Dockerfile and the context --------------------------------------------------------------------------------------------------------- */

static void on_context(const struct hoy_err *err, const struct hoy_filesync_result *result, void *userdata)
{
	struct hoy_session_op *op = userdata;
	auto_free char *text = hoy_str_printf("{\"bytes\":%llu,\"entries\":%llu}", (unsigned long long) result->bytes,
		(unsigned long long) result->entries);

	if (err)
		hoy_session_failed(op, err);
	else
		hoy_session_done(op, text ? text : "");
	hoy_session_op_free(op);
}

/* The Dockerfile and its ignore file, from what was sent of their directory, into hoyd's file. */
static int pass_dockerfile(struct hoy_session_op *op, size_t *ret_bytes, bool *ret_ignores, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 }, patterns = { 0 };
	auto_free char *own = hoy_str_printf("%s.dockerignore", op->file);
	int r = own ? hoy_context_read(op->dir, op->file, HOY_DOCKERFILE_MAX_SIZE, &text, err) : hoy_err_oom(err);

	if (r == -ENOENT && strcmp(op->file, "Dockerfile") == 0)
		r = hoy_context_read(op->dir, "dockerfile", HOY_DOCKERFILE_MAX_SIZE, &text, err);
	if (r == -ENOENT)
		return hoy_err_invalid(err, "failed to read dockerfile: open %s: no such file or directory", op->file);
	if (r < 0)
		return r;
	*ret_bytes = text.len;
	r = hoy_context_read(op->dir, own, HOY_IGNORE_MAX_SIZE, &patterns, err);
	if (r < 0 && r != -ENOENT)
		return r;
	*ret_ignores = r == 0;
	r = hoy_buf_adds(&text, "\n");
	if (r == 0 && patterns.len > 0)
		r = hoy_buf_add(&text, patterns.data, patterns.len);
	if (r == 0)
		r = hoy_fd_write_all(op->fd, text.data, text.len);
	return r < 0 ? hoy_err_code(err, r, "pass the Dockerfile on") : 0;
}

int hoy_session_open_new_dir(struct hoy_session_op *op, const char *name, struct hoy_err *err)
{
	hoy_fd_close(&op->dir);
	if (mkdirat(op->session->options.root, name, 0755) < 0)
		return hoy_err_sys(err, "make a directory for the build context");
	op->dir = openat(op->session->options.root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return op->dir < 0 ? hoy_err_sys(err, "open the directory of the build context") : 0;
}

static int start_context(struct hoy_session_op *op, struct hoy_err *err)
{
	int r = hoy_session_open_new_dir(op, op->name, err);

	return r < 0 ? r
		     : hoy_filesync_start(&(struct hoy_filesync_options){ .grpc = op->session->grpc,
						  .dir = op->dir,
						  .name = op->source,
						  .excludes = op->ignore ? hoy_ignore_patterns(op->ignore) : NULL,
						  .done = on_context,
						  .userdata = op },
			       &op->sync, err);
}

/* The ignore file of the context counts where the Dockerfile has none of its own. */
static void on_ignore_file(const struct hoy_err *failed, const struct hoy_filesync_result *result, void *userdata)
{
	struct hoy_session_op *op = userdata;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_err err = { 0 };
	int r = 0;

	(void) result;
	if (failed && failed->errnum != ENOENT) {
		fail_and_free(op, failed);
		return;
	}
	if (!failed) {
		r = hoy_context_read(op->dir, ".dockerignore", HOY_IGNORE_MAX_SIZE, &text, &err);
		if (r == 0)
			r = hoy_ignore_parse(".dockerignore", text.data ? text.data : "", text.len, &op->ignore, &err);
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		r = start_context(op, &err);
	if (r < 0)
		fail_and_free(op, &err);
}

static int start_ignore_file(struct hoy_session_op *op, struct hoy_err *err)
{
	static const char *const follow[] = { ".dockerignore", NULL };
	auto_free char *name = hoy_str_printf("%s.ignore", op->name);
	int r = name ? hoy_session_open_new_dir(op, name, err) : hoy_err_oom(err);

	return r < 0 ? r
		     : hoy_filesync_start(&(struct hoy_filesync_options){ .grpc = op->session->grpc,
						  .dir = op->dir,
						  .name = op->source,
						  .follow = (char *const *) (uintptr_t) follow,
						  .done = on_ignore_file,
						  .userdata = op },
			       &op->sync, err);
}

static void on_dockerfile(const struct hoy_err *failed, const struct hoy_filesync_result *result, void *userdata)
{
	struct hoy_session_op *op = userdata;
	auto_free char *text = NULL;
	struct hoy_err err = { 0 };
	bool ignores = false;
	size_t bytes = 0;

	(void) result;
	if (failed) {
		fail_and_free(op, failed);
		return;
	}
	if (pass_dockerfile(op, &bytes, &ignores, &err) < 0) {
		fail_and_free(op, &err);
		return;
	}
	text = hoy_str_printf("{\"bytes\":%zu,\"ignore_at\":%zu}", bytes, ignores ? bytes + 1 : 0);
	hoy_session_done(op, text ? text : "");
	hoy_session_op_free(op);
}

static int start_dockerfile(struct hoy_session_op *op, struct hoy_err *err)
{
	auto_free char *ignore = hoy_str_printf("%s.dockerignore", op->file);
	const char *const follow[] = { op->file, ignore, strcmp(op->file, "Dockerfile") == 0 ? "dockerfile" : NULL,
		NULL };
	int r;

	if (!ignore)
		return hoy_err_oom(err);
	if (op->fd < 0 || !hoy_path_is_component(op->name))
		return hoy_err_code(err, -EPROTO, "request of hoyd");
	r = hoy_session_open_new_dir(op, op->name, err);
	return r < 0 ? r
		     : hoy_filesync_start(&(struct hoy_filesync_options){ .grpc = op->session->grpc,
						  .dir = op->dir,
						  .name = "dockerfile",
						  .follow = (char *const *) (uintptr_t) follow,
						  .done = on_dockerfile,
						  .userdata = op },
			       &op->sync, err);
}

/* What the Dockerfile's own ignore file says, behind it in hoyd's file. */
static int read_own_ignore(struct hoy_session_op *op, struct hoy_err *err)
{
	auto_free char *name = hoy_str_printf("%s.dockerignore", op->file);
	auto_free char *text = malloc(HOY_IGNORE_MAX_SIZE);
	ssize_t n;

	if (!name || !text)
		return hoy_err_oom(err);
	n = op->fd < 0 ? -1 : pread(op->fd, text, HOY_IGNORE_MAX_SIZE, (off_t) op->ignore_at);
	if (n < 0)
		return hoy_err_code(err, -EPROTO, "request of hoyd");
	return hoy_ignore_parse(name, text, (size_t) n, &op->ignore, err);
}

static int start_sync(struct hoy_session_op *op, struct hoy_err *err)
{
	int r;

	if (!hoy_path_is_component(op->name))
		return hoy_err_code(err, -EPROTO, "request of hoyd");
	op->source = "context";
	if (op->ignore_at <= 0)
		return start_ignore_file(op, err);
	r = read_own_ignore(op, err);
	return r < 0 ? r : start_context(op, err);
}

/* Another of its directories, by name. */
static int start_tree(struct hoy_session_op *op, struct hoy_err *err)
{
	if (!hoy_path_is_component(op->name))
		return hoy_err_code(err, -EPROTO, "request of hoyd");
	op->source = op->file;
	return start_ignore_file(op, err);
}

/* --- single calls ------------------------------------------------------------------------------------------------- */

int hoy_session_call(struct hoy_session_op *op, const char *path, const char *argument,
	const struct hoy_grpc_handler *how, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };
	struct hoy_grpc_handler handler = *how;
	int r;

	handler.userdata = op;
	hoy_wire_add_string(&message, 1, argument);
	r = hoy_buf_check(&message, "request", err);
	if (r == 0)
		r = hoy_grpc_call(op->session->grpc, path, /* metadata= */ NULL, &handler, &op->call, err);
	if (r < 0)
		return r;
	if (hoy_grpc_send(op->call, message.data, message.len) < 0)
		hoy_grpc_cancel(op->call);
	hoy_grpc_close_send(op->call);
	return 0;
}

/* One that is not there at all, or not in this client. */
bool hoy_session_is_missing(int code)
{
	return code == HOY_GRPC_NOT_FOUND || code == HOY_GRPC_UNIMPLEMENTED;
}

static void on_credentials(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	struct hoy_json_writer w = { .buf = &text };
	struct hoy_session_op *op = userdata;
	struct hoy_wire_field field;

	(void) call;
	hoy_json_object(&w, NULL);
	while (hoy_wire_next(&wire, &field) > 0)
		if (hoy_wire_is_bytes(&field, 1) || hoy_wire_is_bytes(&field, 2))
			hoy_json_add_stringn(&w, field.number == 1 ? "username" : "secret", field.data, field.len);
	hoy_json_end(&w);
	if (!op->answered && hoy_buf_check(&text, "credentials", NULL) == 0) {
		op->answered = true;
		hoy_session_done(op, text.data);
	}
	if (text.data)
		explicit_bzero(text.data, text.len);
}

static void on_secret(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_session_op *op = userdata;
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	struct hoy_err err = { 0 };
	int r = 0;

	(void) call;
	if (op->answered)
		return;
	op->answered = true;
	while (r == 0 && hoy_wire_next(&wire, &field) > 0) {
		if (!hoy_wire_is_bytes(&field, 1))
			continue;
		if (field.len > HOY_SESSION_SECRET_MAX)
			r = hoy_err_invalid(
				&err, "secret '%s' is larger than %zu bytes", op->name, HOY_SESSION_SECRET_MAX);
		else if ((r = hoy_fd_write_all(op->fd, field.data, field.len)) < 0)
			r = hoy_err_code(&err, r, "keep the secret '%s'", op->name);
	}
	if (r < 0)
		hoy_session_failed(op, &err);
	else
		hoy_session_done(op, "");
}

static void on_single_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct hoy_session_op *op = userdata;
	struct hoy_err err = { 0 };

	(void) call;
	if (!op->answered && hoy_session_is_missing(code))
		(void) hoy_err_set(&err, HOY_ERR_NOT_FOUND, ENOENT, "the client has no '%s'", op->name);
	else if (!op->answered)
		(void) hoy_err_set(&err, HOY_ERR_INVALID, EIO, "the client does not give '%s': %s", op->name,
			*message ? message : "no answer");
	if (err.errnum)
		hoy_session_failed(op, &err);
	hoy_session_op_free(op);
}

static int start_credentials(struct hoy_session_op *op, struct hoy_err *err)
{
	const struct hoy_grpc_handler handler = { .message = on_credentials, .ended = on_single_ended };

	return hoy_session_call(op, "/moby.filesync.v1.Auth/Credentials", op->name, &handler, err);
}

static int start_secret(struct hoy_session_op *op, struct hoy_err *err)
{
	const struct hoy_grpc_handler handler = { .message = on_secret, .ended = on_single_ended };

	if (op->fd < 0)
		return hoy_err_code(err, -EPROTO, "request of hoyd");
	return hoy_session_call(op, "/moby.buildkit.secrets.v1.Secrets/GetSecret", op->name, &handler, err);
}

/* --- a context that the client has on its stdin ------------------------------------------------------------------- */

/* The pipe's reader is a worker of hoyd's: this one waits for it. */
static void on_upload(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct hoy_session_op *op = userdata;
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;

	while (op->fd >= 0 && hoy_wire_next(&wire, &field) > 0)
		if (hoy_wire_is_bytes(&field, 1) && hoy_fd_write_all(op->fd, field.data, field.len) < 0) {
			hoy_fd_close(&op->fd);
			hoy_grpc_cancel(call);
		}
}

static void on_upload_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	struct hoy_session_op *op = userdata;
	struct hoy_err err = { 0 };

	(void) call;
	if (code != HOY_GRPC_OK) {
		(void) hoy_err_set(&err, HOY_ERR_INVALID, EIO, "the client does not give its context: %s",
			*message ? message : "no answer");
		hoy_session_failed(op, &err);
	} else {
		hoy_session_done(op, "");
	}
	hoy_session_op_free(op);
}

static int start_upload(struct hoy_session_op *op, struct hoy_err *err)
{
	const char *const metadata[] = { "urlpath", op->name, "urlhost", "buildkit-session", NULL };
	const struct hoy_grpc_handler handler = { .message = on_upload, .ended = on_upload_ended, .userdata = op };
	int r = op->fd < 0 ? hoy_err_code(err, -EPROTO, "request of hoyd") : 0;

	if (r == 0)
		r = hoy_grpc_call(op->session->grpc, "/moby.upload.v1.Upload/Pull", metadata, &handler, &op->call, err);
	if (r == 0)
		hoy_grpc_close_send(op->call);
	return r;
}

/* --- hoyd --------------------------------------------------------------------------------------------------------- */

static const char *text_of(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text ? text : "";
}

static int begin_op(struct hoy_session_op *op, const char *name, const struct hoy_json *request, struct hoy_err *err)
{
	static const struct {
		const char *name, *member;
		int (*start)(struct hoy_session_op *op, struct hoy_err *err);
	} ops[] = {
		{ "context", "dir", start_sync },
		{ "dockerfile", "dir", start_dockerfile },
		{ "tree", "dir", start_tree },
		{ "credentials", "host", start_credentials },
		{ "export", "kind", hoy_session_export_start },
		{ "secret", "name", start_secret },
		{ "ssh", "name", hoy_session_ssh_start },
		{ "upload", "path", start_upload },
	};

	for (size_t i = 0; i < ARRAY_LEN(ops); i++)
		if (strcmp(ops[i].name, name) == 0) {
			op->name = strdup(text_of(request, ops[i].member));
			(void) hoy_json_to_i64(hoy_json_get(request, "ignore_at"), &op->ignore_at);
			op->file = strdup(*text_of(request, "file") ? text_of(request, "file") : "Dockerfile");
			return op->name && op->file ? ops[i].start(op, err) : hoy_err_oom(err);
		}
	return hoy_err_code(err, -EPROTO, "unknown request '%s' of hoyd", name);
}

static void take_request(struct hoy_session *session, const struct hoy_json *request, int fd)
{
	struct hoy_session_op *op = calloc(1, sizeof *op);
	struct hoy_err err = { 0 };
	int64_t id = 0;

	if (!op) {
		hoy_fd_close(&fd);
		session->over = true;
		return;
	}
	(void) hoy_json_to_i64(hoy_json_get(request, "id"), &id);
	*op = (struct hoy_session_op){
		.session = session, .id = (uint32_t) id, .fd = fd, .dir = -EBADF, .next = session->ops
	};
	session->ops = op;
	if (begin_op(op, text_of(request, "op"), request, &err) < 0)
		fail_and_free(op, &err);
}

static void on_hoyd(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_session *session = userdata;
	auto_ptr(hoy_json_free) struct hoy_json *request = NULL;
	int fds[HOY_FD_PASS_MAX];
	size_t n_fds = ARRAY_LEN(fds);
	ssize_t n = hoy_fd_recv(session->options.sock, session->packet, REQUEST_MAX, fds, &n_fds);

	(void) source;
	(void) events;
	while (n_fds > 1)
		hoy_fd_close(&fds[--n_fds]);
	if (n <= 0 || hoy_json_parse(session->packet, (size_t) n, /* limits= */ NULL, &request, NULL) < 0) {
		session->over = true;
		if (n_fds)
			hoy_fd_close(&fds[0]);
		return;
	}
	if (strcmp(text_of(request, "op"), "ssh-end") == 0) {
		int64_t of = 0;

		(void) hoy_json_to_i64(hoy_json_get(request, "of"), &of);
		hoy_session_ssh_end(session, (uint32_t) of);
		if (n_fds)
			hoy_fd_close(&fds[0]);
		return;
	}
	take_request(session, request, n_fds ? fds[0] : -EBADF);
}

/* --- the session -------------------------------------------------------------------------------------------------- */

static void on_end(const struct hoy_err *err, void *userdata)
{
	struct hoy_session *session = userdata;

	(void) err; /* hoyd learns from our exit that the client has left */
	session->over = true;
}

int hoy_session_serve(const struct hoy_session_options *options, struct hoy_err *err)
{
	struct hoy_session session = { .options = *options };
	struct hoy_source *source = NULL;
	int r;

	session.packet = malloc(REQUEST_MAX);
	if (!session.packet)
		return hoy_err_oom(err);
	r = hoy_grpc_new(
		&(struct hoy_grpc_options){
			.loop = options->loop, .fd = options->connection, .on_end = on_end, .userdata = &session },
		&session.grpc, err);
	if (r == 0 && options->extra_len > 0 &&
		(r = hoy_grpc_feed(session.grpc, options->extra, options->extra_len)) < 0)
		r = hoy_err_code(err, r, "the client's session is not HTTP/2");
	if (r == 0)
		r = hoy_loop_io(options->loop, &source, options->sock, EPOLLIN, on_hoyd, &session, err);
	while (r >= 0 && !session.over)
		r = hoy_loop_run_once(options->loop, -1, err);
	(void) hoy_source_free(source);
	hoy_grpc_free(session.grpc);
	while (session.ops)
		hoy_session_op_free(session.ops);
	free(session.packet);
	return r < 0 ? r : 0;
}
