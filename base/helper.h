/* Our other programs: finding them (beside our own executable first, so that a build directory is complete by itself)
 * and, for those of a short-lived program, starting and speaking with them. */
#ifndef HOY_BASE_HELPER_H
#define HOY_BASE_HELPER_H

#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * The path of a helper program (hoy-net, hoy-layer: installed in HOY_LIBEXECDIR) or of a program of ours (hoyrun:
 * HOY_BINDIR, then PATH). Looked for beside /proc/self/exe, then there. *ret_path is owned. -ENOENT says where it
 * was looked for.
 */
enum hoy_helper_kind { HOY_HELPER_LIBEXEC, HOY_HELPER_PROGRAM };
int hoy_helper_find(const char *name, enum hoy_helper_kind kind, char **ret_path, struct hoy_err *err);

/*
 * A helper that does one thing for a short-lived program: it gets its request (a text both sides have a field table
 * for) and answers with messages over one SOCK_SEQPACKET pair, the last of which is DONE or ERROR. It dies with us.
 *
 *	r = hoy_helper_start("hoyrun-x", &(struct hoy_helper_start){ .request = &text }, &helper, err);
 *	if (r == 0)
 *		r = hoy_helper_recv(&helper, &msg, NULL, err);
 *	hoy_helper_end(&helper);
 *
 * The helper: stdio is its starter's, then come these descriptors.
 */
enum {
	HOY_HELPER_SOCKET = 3,
	HOY_HELPER_REQUEST, /* a memfd, at its beginning */
	HOY_HELPER_FDS,     /* the first of hoy_helper_start.fds */
};

enum hoy_helper_type {
	HOY_HELPER_ERROR, /* `err` says why; the last message */
	HOY_HELPER_DONE,  /* the last message; `number` is the result */
	HOY_HELPER_ASK,   /* `name` and `number` say what happened: the helper waits for GO */
	HOY_HELPER_GO,    /* the starter: go on */
};

struct hoy_helper_msg {
	int type;
	int number;
	char name[32];
	struct hoy_err err;
};

struct hoy_helper_start {
	const struct hoy_buf *request;
	const int *fds; /* borrowed */
	size_t n_fds;
	int cgroup_fd; /* v2 directory to be born in; 0: ours */
};

struct hoy_helper {
	pid_t pid;
	int sock;
};

int hoy_helper_start(
	const char *name, const struct hoy_helper_start *start, struct hoy_helper *ret, struct hoy_err *err);
/* The next message; one of type ERROR and a helper that died are errors. A descriptor beside it goes to *ret_fd (may be
 * NULL), else -EBADF. */
int hoy_helper_recv(struct hoy_helper *helper, struct hoy_helper_msg *ret, int *ret_fd, struct hoy_err *err);
int hoy_helper_go(struct hoy_helper *helper, struct hoy_err *err);
/* Closes the socket and waits for the helper, which is at its end or ends now. Works twice. */
void hoy_helper_end(struct hoy_helper *helper);

/* The helper's side: its request; a message (`fd` >= 0 goes beside it); an event that the starter must agree to; its
 * last message, whose result is the exit status. */
int hoy_helper_request(struct hoy_buf *text, struct hoy_err *err);
int hoy_helper_ask(const char *name, int number, int fd, struct hoy_err *err);
int hoy_helper_finish(int result, const struct hoy_err *err);

#endif
