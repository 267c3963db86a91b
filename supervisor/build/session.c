#include "supervisor/build/session.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "supervisor/build/connection.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/image.h"
#include "supervisor/image/worker_run.h"
#include "supervisor/worker/build/session_protocol.h"

#define WAIT_NS (10 * 1000000000ULL)
#define SESSIONS_MAX 256

struct hoy_session_request {
	struct hoy_build_session *session;
	struct hoy_session_request *next;
	unsigned int number;
	hoy_session_answer answer; /* NULL: nobody wants it any more */
	void *userdata;
};

struct hoy_build_session {
	struct hoy_builds *builds;
	struct hoy_build_session *next;
	char *id, *dir;
	struct hoy_worker_run *worker;
	struct hoy_session_reply *packet;
	struct hoy_session_request *requests;
	unsigned int numbers;
};

struct hoy_session_wait {
	struct hoy_builds *builds;
	struct hoy_session_wait *next;
	char *id;
	struct hoy_source *timer;
	hoy_session_found found;
	void *userdata;
};

/* --- waiting for one ---------------------------------------------------------------------------------------------- */

static struct hoy_build_session *find(const struct hoy_builds *builds, const char *id)
{
	for (struct hoy_build_session *session = builds->sessions; session; session = session->next)
		if (strcmp(session->id, id) == 0)
			return session;
	return NULL;
}

void hoy_build_session_wait_cancel(struct hoy_session_wait *wait)
{
	struct hoy_session_wait **at;

	if (!wait)
		return;
	for (at = &wait->builds->session_waits; *at && *at != wait; at = &(*at)->next)
		;
	if (*at)
		*at = wait->next;
	wait->timer = hoy_source_free(wait->timer);
	free(wait->id);
	free(wait);
}

/* It's there, or will not come: the timer is set to 0 for the first. */
static void on_wait(struct hoy_source *source, void *userdata)
{
	struct hoy_session_wait *wait = userdata;
	struct hoy_build_session *session = find(wait->builds, wait->id);
	hoy_session_found found = wait->found;
	void *theirs = wait->userdata;

	(void) source;
	hoy_build_session_wait_cancel(wait);
	found(session, theirs);
}

int hoy_build_session_wait(struct hoy_builds *builds, const char *id, hoy_session_found found, void *userdata,
	struct hoy_session_wait **ret, struct hoy_err *err)
{
	struct hoy_session_wait *wait = calloc(1, sizeof *wait);
	int r;

	if (!wait)
		return hoy_err_oom(err);
	*wait = (struct hoy_session_wait){ .builds = builds, .id = strdup(id), .found = found, .userdata = userdata };
	r = wait->id ? hoy_loop_timer(
			       builds->options.loop, &wait->timer, find(builds, id) ? 0 : WAIT_NS, on_wait, wait, err)
		     : hoy_err_oom(err);
	if (r < 0) {
		hoy_build_session_wait_cancel(wait);
		return r;
	}
	wait->next = builds->session_waits;
	builds->session_waits = wait;
	*ret = wait;
	return 0;
}

/* --- requests ----------------------------------------------------------------------------------------------------- */

static void request_free(struct hoy_session_request *request)
{
	struct hoy_session_request **at = &request->session->requests;

	while (*at && *at != request)
		at = &(*at)->next;
	if (*at)
		*at = request->next;
	free(request);
}

static void answer(struct hoy_session_request *request, const struct hoy_err *err, const char *text)
{
	hoy_session_answer theirs = request->answer;
	void *userdata = request->userdata;

	request_free(request);
	if (theirs)
		theirs(err, text, userdata);
}

void hoy_session_request_cancel(struct hoy_session_request *request)
{
	if (request)
		request->answer = NULL;
}

unsigned int hoy_session_request_number(const struct hoy_session_request *request)
{
	return request->number;
}

static int print_question(
	const struct hoy_session_question *question, unsigned int number, struct hoy_buf *text, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = text };

	hoy_json_object(&w, NULL);
	hoy_json_add_i64(&w, "id", number);
	hoy_json_add_string(&w, "op", question->op);
	hoy_json_add_string(&w, question->member, question->value);
	if (question->file)
		hoy_json_add_string(&w, "file", question->file);
	if (question->ignore_at > 0)
		hoy_json_add_i64(&w, "ignore_at", question->ignore_at);
	hoy_json_end(&w);
	return hoy_buf_check(text, "request", err);
}

int hoy_build_session_ask(struct hoy_builds *builds, const char *id, const struct hoy_session_question *question,
	struct hoy_session_request **ret, struct hoy_err *err)
{
	struct hoy_build_session *session = find(builds, id);
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_BUILD_PACKET_MAX };
	struct hoy_session_request *request;
	int r;

	if (!session)
		return hoy_err_code(err, -ECONNRESET, "the client's session has ended");
	r = print_question(question, session->numbers + 1, &text, err);
	if (r < 0)
		return r;
	request = calloc(1, sizeof *request);
	if (!request)
		return hoy_err_oom(err);
	*request = (struct hoy_session_request){ .session = session,
		.number = ++session->numbers,
		.answer = question->answer,
		.userdata = question->userdata,
		.next = session->requests };
	session->requests = request;
	r = hoy_worker_run_send(session->worker, text.data, text.len, &question->fd, question->fd >= 0, err);
	if (r < 0) {
		request_free(request);
		return r;
	}
	*ret = request;
	return 0;
}

void hoy_build_session_end_ssh(struct hoy_builds *builds, const char *id, unsigned int request)
{
	struct hoy_build_session *session = find(builds, id);
	auto_free char *text = hoy_str_printf("{\"op\":\"ssh-end\",\"of\":%u}", request);

	if (session && text)
		(void) hoy_worker_run_send(session->worker, text, strlen(text), NULL, 0, NULL);
}

/* --- the context -------------------------------------------------------------------------------------------------- */

struct hoy_session_sync {
	struct hoy_builds *builds;
	char *dockerfile_session, *context_session, *file, *tree;
	char *name; /* of the directory that the context session makes */
	int dockerfile;
	int64_t bytes, ignore_at; /* in it */
	struct hoy_session_wait *wait;
	struct hoy_session_request *request;
	hoy_session_synced synced;
	void *userdata;
};

void hoy_session_sync_cancel(struct hoy_session_sync *sync)
{
	if (!sync)
		return;
	hoy_build_session_wait_cancel(sync->wait);
	hoy_session_request_cancel(sync->request);
	hoy_fd_close(&sync->dockerfile);
	free(sync->dockerfile_session);
	free(sync->context_session);
	free(sync->file);
	free(sync->tree);
	free(sync->name);
	free(sync);
}

static void sync_end(struct hoy_session_sync *sync, const struct hoy_err *err, char *dir)
{
	hoy_session_synced theirs = sync->synced;
	void *their_data = sync->userdata;
	int fd = TAKE_FD(sync->dockerfile);

	hoy_session_sync_cancel(sync);
	theirs(err, dir, fd, their_data);
}

/* Out of the session's directory, which goes with the session. */
static int take_context(struct hoy_session_sync *sync, char **ret, struct hoy_err *err)
{
	const struct hoy_build_session *session = find(sync->builds, sync->context_session);
	auto_free char *from = session ? hoy_str_printf("%s/%s", session->dir, sync->name) : NULL;
	auto_free char *to = NULL;
	int r;

	if (!from)
		return hoy_err_code(err, -ECONNRESET, "the client's session has ended");
	r = hoy_images_new_dir(sync->builds->options.images, &to, err);
	if (r < 0)
		return r;
	if (rename(from, to) < 0) {
		r = hoy_err_sys(err, "take the build context");
		hoy_images_drop_dir(sync->builds->options.images, to);
		return r;
	}
	*ret = TAKE_PTR(to);
	return 0;
}

static void on_context(const struct hoy_err *failed, const char *text, void *userdata)
{
	struct hoy_session_sync *sync = userdata;
	struct hoy_err err = { 0 };
	char *dir = NULL;

	(void) text;
	sync->request = NULL;
	if (failed)
		err = *failed;
	else if (ftruncate(sync->dockerfile, sync->bytes) < 0 || lseek(sync->dockerfile, 0, SEEK_SET) < 0)
		(void) hoy_err_sys(&err, "read the Dockerfile");
	else
		(void) take_context(sync, &dir, &err);
	sync_end(sync, err.errnum ? &err : NULL, dir);
}

/* A directory's name of its own in its session, of which one question more than now has been asked. */
static char *new_name(const struct hoy_build_session *session, const char *kind)
{
	return hoy_str_printf("%s-%u", kind, session->numbers + 1);
}

static int ask_context(struct hoy_session_sync *sync, const struct hoy_build_session *session, struct hoy_err *err)
{
	sync->name = new_name(session, "context");
	if (!sync->name)
		return hoy_err_oom(err);
	return hoy_build_session_ask(sync->builds, sync->context_session,
		&(struct hoy_session_question){ .op = sync->tree ? "tree" : "context",
			.member = "dir",
			.value = sync->name,
			.file = sync->tree ? sync->tree : sync->file,
			.ignore_at = sync->ignore_at,
			.fd = sync->dockerfile,
			.answer = on_context,
			.userdata = sync },
		&sync->request, err);
}

static void on_context_session(struct hoy_build_session *session, void *userdata)
{
	struct hoy_session_sync *sync = userdata;
	struct hoy_err err = { 0 };

	sync->wait = NULL;
	if (!session)
		(void) hoy_err_invalid(
			&err, "no active session for %s: the client has opened none", sync->context_session);
	if (!session || ask_context(sync, session, &err) < 0)
		sync_end(sync, &err, NULL);
}

/* The Dockerfile is there; what lies behind it in its file is for the context. */
static void on_dockerfile(const struct hoy_err *failed, const char *text, void *userdata)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	struct hoy_session_sync *sync = userdata;
	struct hoy_err err = { 0 };
	int64_t bytes = 0;
	int r = 0;

	sync->request = NULL;
	if (failed) {
		err = *failed;
		sync_end(sync, &err, NULL);
		return;
	}
	r = hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, &err);
	if (r == 0 && hoy_json_to_i64(hoy_json_get(doc, "bytes"), &bytes) == 0)
		(void) hoy_json_to_i64(hoy_json_get(doc, "ignore_at"), &sync->ignore_at);
	sync->bytes = bytes;
	if (r == 0)
		r = hoy_build_session_wait(
			sync->builds, sync->context_session, on_context_session, sync, &sync->wait, &err);
	if (r < 0)
		sync_end(sync, &err, NULL);
}

static void on_dockerfile_session(struct hoy_build_session *session, void *userdata)
{
	struct hoy_session_sync *sync = userdata;
	auto_free char *name = session ? new_name(session, "dockerfile") : NULL;
	struct hoy_err err = { 0 };
	int r;

	sync->wait = NULL;
	if (!session)
		r = hoy_err_invalid(
			&err, "no active session for %s: the client has opened none", sync->dockerfile_session);
	else if (!name)
		r = hoy_err_oom(&err);
	else
		r = hoy_build_session_ask(sync->builds, sync->dockerfile_session,
			&(struct hoy_session_question){ .op = "dockerfile",
				.member = "dir",
				.value = name,
				.file = sync->file,
				.fd = sync->dockerfile,
				.answer = on_dockerfile,
				.userdata = sync },
			&sync->request, &err);
	if (r < 0)
		sync_end(sync, &err, NULL);
}

int hoy_build_session_sync(struct hoy_builds *builds, const struct hoy_session_sources *sources,
	hoy_session_synced synced, void *userdata, struct hoy_session_sync **ret, struct hoy_err *err)
{
	struct hoy_session_sync *sync = calloc(1, sizeof *sync);
	int r;

	if (!sync)
		return hoy_err_oom(err);
	*sync = (struct hoy_session_sync){ .builds = builds,
		.dockerfile_session = strdup(sources->dockerfile ? sources->dockerfile : ""),
		.context_session = strdup(sources->context),
		.file = strdup(sources->file ? sources->file : ""),
		.tree = sources->tree ? strdup(sources->tree) : NULL,
		.dockerfile = memfd_create("Dockerfile", MFD_CLOEXEC),
		.synced = synced,
		.userdata = userdata };
	if (!sync->dockerfile_session || !sync->context_session || !sync->file || (sources->tree && !sync->tree))
		r = hoy_err_oom(err);
	else if (sync->dockerfile < 0)
		r = hoy_err_sys(err, "make a file for the Dockerfile");
	else if (sync->tree)
		r = hoy_build_session_wait(builds, sync->context_session, on_context_session, sync, &sync->wait, err);
	else
		r = hoy_build_session_wait(
			builds, sync->dockerfile_session, on_dockerfile_session, sync, &sync->wait, err);
	if (r < 0) {
		hoy_session_sync_cancel(sync);
		return r;
	}
	*ret = sync;
	return 0;
}

/* --- the session -------------------------------------------------------------------------------------------------- */

static void session_free(struct hoy_build_session *session)
{
	struct hoy_build_session **at = &session->builds->sessions;
	struct hoy_err err = { 0 };

	while (*at && *at != session)
		at = &(*at)->next;
	if (*at)
		*at = session->next;
	session->worker = hoy_worker_run_free(session->worker);
	(void) hoy_err_code(&err, -ECONNRESET, "the client's session has ended");
	while (session->requests)
		answer(session->requests, &err, "");
	if (session->dir)
		hoy_images_drop_dir(session->builds->options.images, session->dir);
	free(session->packet);
	free(session->id);
	free(session->dir);
	free(session);
}

static int on_packet(size_t len, void *userdata, struct hoy_err *err)
{
	struct hoy_build_session *session = userdata;
	struct hoy_session_reply *packet = session->packet;
	struct hoy_session_request *request = session->requests;
	int r = hoy_session_reply_check(packet, len, err);

	if (r < 0)
		return r;
	while (request && request->number != packet->id)
		request = request->next;
	if (!request)
		return hoy_err_code(err, -EPROTO, "unexpected message from hoy-build");
	if (packet->type == HOY_SESSION_DONE) {
		answer(request, NULL, packet->text);
		explicit_bzero(packet->text, len - offsetof(struct hoy_session_reply, text));
	} else {
		struct hoy_err theirs = { 0 };

		(void) hoy_err_import(&theirs, &packet->err);
		answer(request, &theirs, "");
	}
	return 0;
}

static void on_end(const struct hoy_err *err, void *userdata)
{
	(void) err;
	session_free(userdata);
}

static int start(struct hoy_build_session *session, int fd, const void *extra, size_t extra_len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_BUILD_PACKET_MAX };
	struct hoy_json_writer w = { .buf = &text };
	int r = hoy_build_connection_print(&w, "session", extra, extra_len, err);

	if (r < 0)
		return r;
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "request", err);
	if (r < 0)
		return r;
	return hoy_build_connection_start(session->builds, &text, fd,
		&(struct hoy_worker_run_options){ .packet = session->packet,
			.packet_size = sizeof *session->packet,
			.on_packet = on_packet,
			.on_end = on_end,
			.userdata = session },
		&session->dir, &session->worker, err);
}

static void tell_waiters(const struct hoy_build_session *session)
{
	for (struct hoy_session_wait *wait = session->builds->session_waits; wait; wait = wait->next)
		if (strcmp(wait->id, session->id) == 0)
			hoy_source_set_timer(wait->timer, 0);
}

int hoy_build_session_start(
	struct hoy_builds *builds, const char *id, int fd, const void *extra, size_t extra_len, struct hoy_err *err)
{
	auto_fd int connection = fd;
	struct hoy_build_session *session;
	size_t n = 0;
	int r;

	for (session = builds->sessions; session; session = session->next)
		n++;
	if (n >= SESSIONS_MAX)
		return hoy_err_invalid(err, "there are %d sessions of builds already", SESSIONS_MAX);
	if (find(builds, id))
		return hoy_err_set(err, HOY_ERR_CONFLICT, EEXIST, "there is a session '%s' already", id);
	session = calloc(1, sizeof *session);
	if (!session)
		return hoy_err_oom(err);
	session->builds = builds;
	session->next = builds->sessions;
	builds->sessions = session;
	session->id = strdup(id);
	session->packet = calloc(1, sizeof *session->packet);
	r = session->id && session->packet ? start(session, connection, extra, extra_len, err) : hoy_err_oom(err);
	if (r < 0)
		session_free(session);
	else
		tell_waiters(session);
	return r < 0 ? r : 0;
}

void hoy_build_session_close(struct hoy_builds *builds, const char *id)
{
	struct hoy_build_session *session = find(builds, id);

	if (session)
		session_free(session);
}

void hoy_build_sessions_stop(struct hoy_builds *builds)
{
	while (builds->sessions)
		session_free(builds->sessions);
	while (builds->session_waits)
		on_wait(builds->session_waits->timer, builds->session_waits);
}
