/* A helper that outlives hoyd (hoy-net, hoy-dns): EXECROOT/NAME.sock, and whoever listens there. */
#ifndef HOY_NETWORK_PROGRAM_H
#define HOY_NETWORK_PROGRAM_H

#include "base/err.h"

struct hoy_loop;
struct hoy_program;

/* `cgroup_fd`: where it is born; 0: with us. */
int hoy_program_new(struct hoy_loop *loop, const char *name, const char *exec_root, int cgroup_fd,
	struct hoy_program **ret, struct hoy_err *err);
void hoy_program_free(struct hoy_program *program); /* it runs on */

/* A connection (SEQPACKET, not blocking) to the one that runs, or to one that is started now. */
int hoy_program_connect(struct hoy_program *program, struct hoy_err *err);
/* It has ended: its socket goes. */
void hoy_program_gone(struct hoy_program *program);
const char *hoy_program_log(const struct hoy_program *program); /* path of its log */

#endif
