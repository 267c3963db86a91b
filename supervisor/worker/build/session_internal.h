/* What the files of the session's worker share. */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_SESSION_INTERNAL_H
#define HOY_SUPERVISOR_WORKER_BUILD_SESSION_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "supervisor/worker/build/session.h"

struct hoy_filesync;
struct hoy_grpc;
struct hoy_grpc_call;
struct hoy_grpc_handler;
struct hoy_ignore;
struct hoy_session;
struct hoy_session_export;
struct hoy_ssh_link;

/* A request of hoyd that is being served. */
struct hoy_session_op {
	struct hoy_session *session;
	struct hoy_session_op *next;
	uint32_t id;
	int fd;            /* what came with it */
	int dir;           /* what is synchronized */
	int64_t ignore_at; /* context */
	char *name, *file;
	const char *source; /* context, tree: which of the client's directories */
	struct hoy_ignore *ignore;
	struct hoy_filesync *sync;
	struct hoy_grpc_call *call;
	bool answered;
	struct hoy_source *listener; /* ssh */
	struct hoy_ssh_link *links;
	struct hoy_session_export *export;
};

struct hoy_session {
	struct hoy_session_options options;
	struct hoy_grpc *grpc;
	struct hoy_session_op *ops;
	char *packet;
	bool over;
};

void hoy_session_done(struct hoy_session_op *op, const char *text);
void hoy_session_failed(struct hoy_session_op *op, const struct hoy_err *err);
void hoy_session_op_free(struct hoy_session_op *op);
/* A call whose message has one string; `how` with the request as userdata. */
int hoy_session_call(struct hoy_session_op *op, const char *path, const char *argument,
	const struct hoy_grpc_handler *how, struct hoy_err *err);
bool hoy_session_is_missing(int code);

/* `op->dir` becomes a new directory of the root. */
int hoy_session_open_new_dir(struct hoy_session_op *op, const char *name, struct hoy_err *err);

/* --- session_export.c: the result to the client --- */

int hoy_session_export_start(struct hoy_session_op *op, struct hoy_err *err);
void hoy_session_export_free(struct hoy_session_op *op);
/* What a client that takes files sends, for tests: each field of `packets` is a packet. */
int hoy_session_export_try(int dir, const char *packets, size_t len, struct hoy_err *err);

/* --- session_ssh.c: the client's agent --- */

int hoy_session_ssh_start(struct hoy_session_op *op, struct hoy_err *err);
void hoy_session_ssh_end(struct hoy_session *session, uint32_t id);
void hoy_session_ssh_free(struct hoy_session_op *op); /* its connections */

#endif
