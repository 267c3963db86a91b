/*
 * A build of a client that serves its files, credentials, secrets and keys by a session, and draws the progress itself.
 * Who asked for it, and where that progress goes, is its sink's business: build_session.c, build_control.c.
 */
#ifndef HOY_API_SESSION_BUILD_H
#define HOY_API_SESSION_BUILD_H

#include "supervisor/api/build_request.h"
#include "supervisor/api/internal.h"
#include "supervisor/build/build.h"

struct hoy_session_build;

struct hoy_session_end {
	const char *id;              /* the image that was made; NULL: none */
	int exit_code;               /* of a RUN that failed, else 0 */
	unsigned int line, end_line; /* of the Dockerfile: the step that failed; 0: none did */
};

struct hoy_session_sink {
	/* Once, when the session is there, or should be: what is wanted. What `ret` points to lives as long as the
	 * build is not ended. */
	int (*prepare)(struct hoy_session_build *e, struct hoy_build_request *ret, struct hoy_err *err);
	/* Where the context comes from; `upload`: not from the session's files, but from there. > 0: nothing yet,
	 * hoy_session_build_uploaded() will tell. May be NULL. */
	int (*upload)(struct hoy_session_build *e, struct hoy_err *err);
	void (*trace)(const struct hoy_buf *message, void *client); /* a moby.buildkit.v1.StatusResponse */
	bool (*is_behind)(void *client);
	/* The end, after which the build is gone. */
	void (*ended)(const struct hoy_err *err, const struct hoy_session_end *end, void *client);
};

struct hoy_session_build {
	struct hoy_session_build *next;
	struct hoy_api *api;
	struct hoy_builds *builds;
	const struct hoy_session_sink *sink;
	void *client;  /* NULL: it's gone */
	char *id;      /* the client's name for the build */
	char *session; /* "": none, the context comes with the request */
	/* Of a session of their own, that other builds of the client share, which prepare() may give; NULL: `session`.
	 */
	const char *dockerfile_session, *context_session;
	struct hoy_build_request request; /* of prepare() */
	struct hoy_session_wait *wait;
	struct hoy_source *soon;          /* without a session */
	struct hoy_json *registry_config; /* credentials by registry, when the client sent them; NULL: asked for */
	struct hoy_session_sync *sync;
	int context;                        /* the pipe that brings an uploaded one; -EBADF: none */
	struct hoy_session_request *asking; /* for credentials */
	struct hoy_build *build;
	struct hoy_build_trace *trace;
	size_t loading, pulling, caching; /* vertices */
	size_t *steps;                    /* vertices by number of the step, plus one */
	size_t n_steps;
	unsigned int failed_line, failed_end;
	char *username, *secret; /* of the registry that is being pulled from */
};

/* Waits for the session and builds. */
int hoy_session_build_start(struct hoy_api *api, const char *id, const char *session,
	const struct hoy_session_sink *sink, void *client, struct hoy_session_build **ret, struct hoy_err *err);
/* e->context is there, or `err` says why not. */
void hoy_session_build_uploaded(struct hoy_session_build *e, const struct hoy_err *err);
void hoy_session_build_cancel(struct hoy_session_build *e);      /* `ended` comes, maybe at once */
void hoy_session_build_client_gone(struct hoy_session_build *e); /* it ends, and nobody is told */
void hoy_session_build_go_on(struct hoy_session_build *e);       /* the client has read */

#endif
