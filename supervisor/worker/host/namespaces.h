/* The namespaces of a rootless hoyd: made once, found again as long as any process lives in them. */
#ifndef HOY_WORKER_HOST_NAMESPACES_H
#define HOY_WORKER_HOST_NAMESPACES_H

#include <stdbool.h>
#include <sys/types.h>

#include "supervisor/worker/host/proto.h"

struct hoy_namespaces {
	int fd[HOY_HOST_N_NS]; /* -EBADF: not open */
	uint32_t n_ids;
	struct hoy_err why; /* n_ids is 1: what is missing */
};

/*
 * Opens those that an earlier hoy-host noted in `exec_root`, if a process of this user's lives in them; else makes new
 * ones and notes them: a user namespace with this user as root and its subordinate ids, a mount namespace into which
 * mounts of the host come, a network namespace with lo alone.
 */
int hoy_namespaces_open(const char *exec_root, struct hoy_namespaces *ns, struct hoy_err *err);

/* A process of ours that does nothing but live in them, until it is killed or we end: by its /proc/PID/ns others may come
 * in who can't use our descriptors (what joins a user namespace loses sight of processes outside). */
int hoy_namespaces_door(const struct hoy_namespaces *ns, pid_t *ret, struct hoy_err *err);

/* Does a process other than those in `but` live in the network namespace? */
bool hoy_namespaces_are_used(const struct hoy_namespaces *ns, const pid_t *but, size_t n_but);

/* Closes them and forgets the note: the next hoy-host makes new ones. */
void hoy_namespaces_forget(const char *exec_root, struct hoy_namespaces *ns);

#endif
