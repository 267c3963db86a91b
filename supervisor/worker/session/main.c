/*
 * hoy-session: the client's side of a build's session. `hoy build` starts it with a connection on which the engine calls
 * by gRPC: for secrets and the ssh agents that the user named, and with what the build makes. It serves these, nothing
 * else, with the user's own rights, until `hoy` or the engine ends it.
 *
 * The request (base/helper.h) is {"extra": BASE64 of what was read of the connection already, "secrets": [{"id", "src" |
 * "env"}], "ssh": [{"id", "socket"}], "output": "local" | "tar"}; descriptors are the connection and where the output
 * goes: a directory, or a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/str.h"
#include "base/wire.h"
#include "supervisor/worker/build/filesync.h"
#include "supervisor/worker/build/grpc.h"
#include "supervisor/worker/session/agent.h"

#define SECRET_MAX ((size_t) 500 << 10)
#define CONNECTION HOY_HELPER_FDS
#define OUTPUT (HOY_HELPER_FDS + 1)

struct session {
	struct hoy_loop *loop;
	struct hoy_grpc *grpc;
	struct hoy_json *request;
	bool over;
};

/* What every call begins with. */
struct incoming {
	struct session *session;
	bool is_answered;
	struct hoy_err failed;
};

static const char *text_of(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text ? text : "";
}

static const struct hoy_json *find(const struct session *session, const char *list, const char *id)
{
	hoy_json_each(item, hoy_json_get(session->request, list))
	{
		if (strcmp(text_of(item, "id"), id) == 0)
			return item;
	}
	return NULL;
}

/* The string that is the message's first field: an id. Heap. */
static char *id_of(const char *data, size_t len)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	char *id = NULL;

	while (hoy_wire_next(&wire, &field) > 0)
		if (hoy_wire_is_bytes(&field, 1) && hoy_wire_take_string(&field, &id) < 0)
			break;
	return id ? id : strdup("");
}

static void on_ended(struct hoy_grpc_call *call, int code, const char *message, void *userdata)
{
	(void) call;
	(void) code;
	(void) message;
	free(userdata);
}

/* --- secrets ------------------------------------------------------------------------------------------------------ */

static int read_secret(const struct hoy_json *secret, struct hoy_buf *text, struct hoy_err *err)
{
	const char *env = hoy_json_string(hoy_json_get(secret, "env")), *value = env ? getenv(env) : NULL;

	if (!env)
		return hoy_file_read(AT_FDCWD, text_of(secret, "src"), text, err);
	return value ? hoy_buf_adds(text, value) : hoy_err_invalid(err, "the environment has no variable %s", env);
}

static void on_secret(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct incoming *incoming = userdata;
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = SECRET_MAX }, message = {};
	auto_free char *id = id_of(data, len);
	const struct hoy_json *secret = id ? find(incoming->session, "secrets", id) : NULL;
	struct hoy_err err = {};

	if (incoming->is_answered)
		return;
	incoming->is_answered = true;
	if (!secret) {
		hoy_grpc_end(call, HOY_GRPC_NOT_FOUND, "there is no such secret");
		return;
	}
	if (read_secret(secret, &text, &err) < 0) {
		hoy_grpc_end(call, HOY_GRPC_UNKNOWN, hoy_err_str(&err));
		return;
	}
	hoy_wire_add_bytes(&message, 1, text.data ? text.data : "", text.len);
	if (hoy_buf_check(&message, "secret", NULL) == 0 && hoy_grpc_send(call, message.data, message.len) == 0)
		hoy_grpc_end(call, HOY_GRPC_OK, NULL);
	else
		hoy_grpc_end(call, HOY_GRPC_INTERNAL, "out of memory");
	if (text.data)
		explicit_bzero(text.data, text.len);
	if (message.data)
		explicit_bzero(message.data, message.len);
}

/* --- ssh agents --------------------------------------------------------------------------------------------------- */

static void on_check_agent(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct incoming *incoming = userdata;
	auto_free char *id = id_of(data, len);
	bool is_known = find(incoming->session, "ssh", id && *id ? id : "default");

	if (incoming->is_answered)
		return;
	incoming->is_answered = true;
	if (is_known)
		(void) hoy_grpc_send(call, "", 0);
	hoy_grpc_end(call, is_known ? HOY_GRPC_OK : HOY_GRPC_NOT_FOUND, is_known ? NULL : "there is no such agent");
}

static void forward_agent(struct session *session, struct hoy_grpc_call *call)
{
	const char *id = hoy_grpc_metadata(call, "buildkit.ssh.id");
	const struct hoy_json *agent = find(session, "ssh", id && *id ? id : "default");
	struct hoy_err err = {};

	if (!agent)
		hoy_grpc_end(call, HOY_GRPC_NOT_FOUND, "there is no such agent");
	else if (hoy_session_agent_start(session->loop, call, text_of(agent, "socket"), &err) < 0)
		hoy_grpc_end(call, HOY_GRPC_UNAVAILABLE, hoy_err_str(&err));
}

/* --- the result --------------------------------------------------------------------------------------------------- */

/* Its failure is the call's, which the engine tells of. */
static void on_files(const struct hoy_err *err, const struct hoy_filesync_result *result, void *userdata)
{
	(void) err;
	(void) result;
	(void) userdata;
}

static void on_tar(struct hoy_grpc_call *call, const char *data, size_t len, void *userdata)
{
	struct incoming *incoming = userdata;
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	int r = 0;

	while (r == 0 && !incoming->failed.errnum && hoy_wire_next(&wire, &field) > 0)
		if (hoy_wire_is_bytes(&field, 1))
			r = hoy_fd_write_all(OUTPUT, field.data, field.len);
	if (r < 0) {
		(void) hoy_err_code(&incoming->failed, r, "write the result");
		hoy_grpc_end(call, HOY_GRPC_UNKNOWN, hoy_err_str(&incoming->failed));
	}
}

static void on_tar_complete(struct hoy_grpc_call *call, void *userdata)
{
	const struct incoming *incoming = userdata;

	if (!incoming->failed.errnum)
		hoy_grpc_end(call, HOY_GRPC_OK, NULL);
}

/* --- calls -------------------------------------------------------------------------------------------------------- */

static void take(struct session *session, struct hoy_grpc_call *call, struct hoy_grpc_handler handler)
{
	struct incoming *incoming = calloc(1, sizeof *incoming);

	if (!incoming) {
		hoy_grpc_end(call, HOY_GRPC_INTERNAL, "out of memory");
		return;
	}
	incoming->session = session;
	handler.ended = on_ended;
	handler.userdata = incoming;
	hoy_grpc_accept(call, &handler);
}

static void take_result(struct session *session, struct hoy_grpc_call *call)
{
	const char *output = text_of(session->request, "output");
	struct hoy_err err = {};

	if (strcmp(output, "tar") == 0)
		take(session, call, (struct hoy_grpc_handler){ .message = on_tar, .half_closed = on_tar_complete });
	else if (strcmp(output, "local") != 0)
		hoy_grpc_end(call, HOY_GRPC_UNIMPLEMENTED, "no output was asked for");
	else if (hoy_filesync_accept(call, &(struct hoy_filesync_options){ .dir = OUTPUT, .done = on_files }, &err) < 0)
		hoy_grpc_end(call, HOY_GRPC_INTERNAL, hoy_err_str(&err));
}

static void on_call(struct hoy_grpc_call *call, const char *path, void *userdata)
{
	struct session *session = userdata;

	if (strcmp(path, "/moby.buildkit.secrets.v1.Secrets/GetSecret") == 0)
		take(session, call, (struct hoy_grpc_handler){ .message = on_secret });
	else if (strcmp(path, "/moby.sshforward.v1.SSH/CheckAgent") == 0)
		take(session, call, (struct hoy_grpc_handler){ .message = on_check_agent });
	else if (strcmp(path, "/moby.sshforward.v1.SSH/ForwardAgent") == 0)
		forward_agent(session, call);
	else if (strcmp(path, "/moby.filesync.v1.FileSend/DiffCopy") == 0)
		take_result(session, call);
	else
		hoy_grpc_end(call, HOY_GRPC_UNIMPLEMENTED, "this client has nothing of that kind");
}

/* --- the session -------------------------------------------------------------------------------------------------- */

static void on_end(const struct hoy_err *err, void *userdata)
{
	struct session *session = userdata;

	(void) err; /* whoever asked for the build learns of its end from the engine */
	session->over = true;
}

static void on_starter(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct session *session = userdata;

	(void) source;
	(void) events;
	session->over = true;
}

static int serve(struct session *session, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {}, extra = {};
	struct hoy_source *starter = NULL;
	int r = hoy_helper_request(&text, err);

	if (r == 0)
		r = hoy_json_parse(text.data ? text.data : "", text.len, /* limits= */ NULL, &session->request, err);
	if (r == 0 && hoy_base64_decode(&extra, text_of(session->request, "extra")) < 0)
		r = hoy_err_code(err, -EPROTO, "request of hoy");
	if (r == 0)
		r = hoy_loop_new(&session->loop, err);
	if (r == 0)
		r = hoy_grpc_new(&(struct hoy_grpc_options){ .loop = session->loop,
					 .fd = CONNECTION,
					 .is_server = true,
					 .on_call = on_call,
					 .on_end = on_end,
					 .userdata = session },
			&session->grpc, err);
	if (r == 0 && extra.len > 0 && (r = hoy_grpc_feed(session->grpc, extra.data, extra.len)) < 0)
		r = hoy_err_code(err, r, "the engine's side of the session is not HTTP/2");
	if (r == 0)
		r = hoy_loop_io(session->loop, &starter, HOY_HELPER_SOCKET, EPOLLIN, on_starter, session, err);
	while (r >= 0 && !session->over)
		r = hoy_loop_run_once(session->loop, -1, err);
	(void) hoy_source_free(starter);
	return r < 0 ? r : 0;
}

int main(void)
{
	struct session session = {};
	struct hoy_err err = {};
	int r;

	(void) signal(SIGPIPE, SIG_IGN);
	(void) signal(SIGINT, SIG_IGN); /* hoy's business: it ends, and the socket with it */
	r = serve(&session, &err);
	hoy_grpc_free(session.grpc);
	hoy_loop_free(session.loop);
	hoy_json_free(session.request);
	return hoy_helper_finish(r, &err);
}
