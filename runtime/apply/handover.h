/* What create and exec give to their callers: the process id in a file, a pidfd over a socket, the terminal. */
#ifndef HOY_RUNTIME_HANDOVER_H
#define HOY_RUNTIME_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_oci_process;

int hoy_write_pid_file(const char *path, pid_t pid, struct hoy_err *err); /* NULL: nothing to do */
int hoy_send_pidfd(const char *socket, int pidfd, struct hoy_err *err);   /* NULL: nothing to do */

/* The end that the child sends its terminal to: the caller's socket, or one of a pair of ours whose other end goes to
 * *ret_ours (else -EBADF). Neither: *ret_peer is -EBADF. Refuses what does not fit together. */
int hoy_open_console(const struct hoy_oci_process *process, const char *socket, bool detached, int *ret_peer,
	int *ret_ours, struct hoy_err *err);

/* Takes the master from our end and gives it the size of our own terminal, unless the process has one of its own. */
int hoy_take_master(const struct hoy_oci_process *process, int ours, int *ret_master, struct hoy_err *err);

/* Bits of our permitted capabilities. */
uint64_t hoy_own_caps(void);

#endif
