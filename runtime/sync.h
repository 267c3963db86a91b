/*
 * The conversation between hoyrun and the child that becomes the container's first process: one SOCK_SEQPACKET pair,
 * one packet per message, named stages. Both ends are close-on-exec: end of file behind the last stage means that
 * execve() happened (or that the child died, which its pidfd tells).
 */
#ifndef HOY_RUNTIME_SYNC_H
#define HOY_RUNTIME_SYNC_H

#include "base/err.h"

enum hoy_sync {
	HOY_SYNC_ERROR,    /* child: a step failed, `err` says how */
	HOY_SYNC_PID,      /* helper of a joined user namespace: `number` is the pid of the child it made */
	HOY_SYNC_UNSHARED, /* child: my user namespace exists, map its ids */
	HOY_SYNC_GO,       /* parent: go on */
	HOY_SYNC_IDMAP,    /* child: apply the map of mount `number` to the tree that comes with this packet */
	HOY_SYNC_HOOKS,    /* child: mounts are done, run prestart and createRuntime */
	HOY_SYNC_SECCOMP,  /* child: the listener of the filter comes with this packet */
	HOY_SYNC_READY,    /* child: everything is set up but the program itself */
	HOY_SYNC_COMMIT,   /* parent: the state is on disk */
	HOY_SYNC_START,    /* `start`: execute the program now */
};

struct hoy_sync_msg {
	int type;
	int number;
	struct hoy_err err;
};

const char *hoy_sync_to_string(enum hoy_sync type);

int hoy_sync_pair(int ret_fds[2], struct hoy_err *err);

/* Sends a message; `fd` >= 0 goes beside it. 0 or -errno. */
int hoy_sync_send(int sock, enum hoy_sync type, int number, int fd, struct hoy_err *err);
/* Nothing more can be done about a failure here. */
void hoy_sync_send_error(int sock, const struct hoy_err *err);

/*
 * Waits for one message of any type. An error of the other side, a packet of the wrong size and end of file (-EPIPE:
 * "container process died") are errors. A descriptor that comes along goes to *ret_fd (may be NULL), else -EBADF.
 */
int hoy_sync_recv(int sock, struct hoy_sync_msg *ret_msg, int *ret_fd, struct hoy_err *err);

/* Waits for exactly `want`. */
int hoy_sync_expect(int sock, enum hoy_sync want, struct hoy_err *err);

/* 0: end of file without a message, that is execve() happened or the peer died; an error it sent is returned. */
int hoy_sync_wait_exec(int sock, struct hoy_err *err);

#endif
