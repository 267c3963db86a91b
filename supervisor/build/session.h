/*
 * Sessions of BuildKit's clients: connections on which the client serves its files, credentials, secrets and keys. A
 * hoy-build speaks with each; here are the questions that hoyd has.
 */
#ifndef HOY_BUILD_SESSION_H
#define HOY_BUILD_SESSION_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct hoy_build_session;
struct hoy_builds;
struct hoy_session_request;
struct hoy_session_wait;

/* A client has opened the connection `fd` (taken over, also on failure) for the session `id`; `extra` was read of it.
 */
int hoy_build_session_start(
	struct hoy_builds *builds, const char *id, int fd, const void *extra, size_t extra_len, struct hoy_err *err);

/* The session `id` is there, or NULL: it did not come in ten seconds. Called once, from the loop. */
typedef void (*hoy_session_found)(struct hoy_build_session *session, void *userdata);
int hoy_build_session_wait(struct hoy_builds *builds, const char *id, hoy_session_found found, void *userdata,
	struct hoy_session_wait **ret, struct hoy_err *err);
void hoy_build_session_wait_cancel(struct hoy_session_wait *wait); /* NULL is fine */

/*
 * Asks (supervisor/worker/build/session_protocol.h); `fd` is borrowed, -EBADF: none. The answer comes once, from the
 * loop, also when the session ends before; kind HOY_ERR_NOT_FOUND: the client hasn't got it.
 */
typedef void (*hoy_session_answer)(const struct hoy_err *err, const char *text, void *userdata);
struct hoy_session_question {
	const char *op, *member, *value; /* "secret", "name", "token" */
	const char *file;                /* dockerfile, context */
	int64_t ignore_at;               /* context */
	int fd;
	hoy_session_answer answer;
	void *userdata;
};
int hoy_build_session_ask(struct hoy_builds *builds, const char *id, const struct hoy_session_question *question,
	struct hoy_session_request **ret, struct hoy_err *err);
void hoy_session_request_cancel(struct hoy_session_request *request); /* no answer any more; NULL is fine */

/*
 * The Dockerfile `file`, into a memory file, and the client's context without what is ignored, into a new directory of
 * hoy_images_new_dir() (heap). They may be files of different sessions, as those are that several builds of one client
 * share; each is waited for.
 */
struct hoy_session_sources {
	const char *dockerfile, *context; /* sessions */
	const char *file;
	const char *
		tree; /* no Dockerfile, and another directory than the context: what the client calls it; NULL: not so */
};
typedef void (*hoy_session_synced)(const struct hoy_err *err, char *context_dir, int dockerfile_fd, void *userdata);
struct hoy_session_sync;
int hoy_build_session_sync(struct hoy_builds *builds, const struct hoy_session_sources *sources,
	hoy_session_synced synced, void *userdata, struct hoy_session_sync **ret, struct hoy_err *err);
void hoy_session_sync_cancel(struct hoy_session_sync *sync); /* NULL is fine */

/* An agent socket's connections end. */
void hoy_build_session_end_ssh(struct hoy_builds *builds, const char *id, unsigned int request);
unsigned int hoy_session_request_number(const struct hoy_session_request *request);

/* Ends it from our side; there may be none of this name. */
void hoy_build_session_close(struct hoy_builds *builds, const char *id);

/* For hoy_builds_stop(). */
void hoy_build_sessions_stop(struct hoy_builds *builds);

#endif
