/* A helper that outlives hoyd (hoy-net, hoy-dns): EXECROOT/NAME.sock, and whoever listens there. */
#ifndef HOY_NETWORK_PROGRAM_H
#define HOY_NETWORK_PROGRAM_H

#include <sys/types.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_program;

struct hoy_program_start {
	const char *name; /* hoy-net: listens on EXECROOT/hoy-net.sock, logs to EXECROOT/hoy-net.log */
	const char *exec_root;
	const char *argument; /* behind the path of its socket, by which people find it; NULL: none */
	int cgroup_fd;        /* where it is born; 0: with us */
};

/* Starts it, with its listening socket as descriptor 3: whoever connects meanwhile waits in the backlog. */
int hoy_program_spawn(const struct hoy_program_start *start, pid_t *ret_pid, struct hoy_err *err);

/* Strings of `start` are copied. */
int hoy_program_new(
	struct hoy_loop *loop, const struct hoy_program_start *start, struct hoy_program **ret, struct hoy_err *err);
void hoy_program_free(struct hoy_program *program); /* it runs on */

/* A connection (SEQPACKET, not blocking) to the one that runs, or to one that is started now. */
int hoy_program_connect(struct hoy_program *program, struct hoy_err *err);
/* It has ended: its socket goes. */
void hoy_program_gone(struct hoy_program *program);
const char *hoy_program_log(const struct hoy_program *program); /* path of its log */

#endif
