/* A running `criu swrk`: one request, then its notifications and its answer, each a packet on one socket. */
#ifndef HOY_RUNTIME_CRIU_RPC_H
#define HOY_RUNTIME_CRIU_RPC_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_criu_request;

struct hoy_criu {
	pid_t pid;
	int sock;
};

/* Starts it with our stdio and with the descriptors of the request under the numbers they have here. Without criu on
 * this machine the error names the package. */
int hoy_criu_start(const struct hoy_criu_request *request, struct hoy_criu *ret, struct hoy_err *err);
void hoy_criu_end(struct hoy_criu *criu); /* closes the socket, waits */

int hoy_criu_send_request(struct hoy_criu *criu, const struct hoy_criu_request *request, struct hoy_err *err);

struct hoy_criu_answer {
	bool is_notification; /* `name` happened, `pid` (0: none), `fd` (-EBADF: none); CRIU waits for a reply */
	char name[32];
	int fd;
	bool success;      /* else the end of it: did it work, */
	int pid;           /* restore: the first process, */
	char message[256]; /* and what CRIU says itself, "" for nothing */
};
/* -EPIPE: it died. */
int hoy_criu_recv(struct hoy_criu *criu, struct hoy_criu_answer *ret, struct hoy_err *err);
int hoy_criu_reply(struct hoy_criu *criu, bool success, struct hoy_err *err);

#endif
