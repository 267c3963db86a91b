/* What checkpoint.c and restore.c share: criu.c. */
#ifndef HOY_RUNTIME_APPLY_CRIU_INTERNAL_H
#define HOY_RUNTIME_APPLY_CRIU_INTERNAL_H

#include "runtime/apply/criu.h"
#include "runtime/criu/request.h"
#include "runtime/plan/plan.h"

/* Stdio of the first process at the time of the dump: a JSON list of three strings beside the images. */
#define CRIU_DESCRIPTORS "descriptors.json"
/* Names under which what came from outside is saved. */
#define CRIU_KEY_NET "extRootNetNS"
#define CRIU_KEY_PID "extRootPidNS"
#define CRIU_KEY_NULL "/dev/null"
#define CRIU_KEY_CGROUP "cgroup"

/* A conversation being prepared. */
struct criu {
	struct hoy_criu_request request;
	int images, work;
	int fds[16]; /* what the helper gets: fds[i] becomes HOY_HELPER_FDS + i there; borrowed */
	size_t n_fds;
	struct hoy_helper helper;
};
#define CRIU_INIT                                                                                                      \
	{                                                                                                              \
		.images = -EBADF, .work = -EBADF, .helper = {.sock = -EBADF }                                          \
	}
void hoy_criu_done(struct criu *c);

/* Refuses what is missing or does not fit together; opens the directories (made when `make`); fills what both
 * directions have in common. `config` may name a CRIU configuration file in its annotations. */
int hoy_criu_prepare(struct criu *c, enum hoy_criu_action action, const struct hoy_criu_options *options,
	const struct hoy_oci_spec *config, struct hoy_err *err);

/* `fd` goes to the helper; its number there. */
int hoy_criu_pass(struct criu *c, int fd, uint32_t *ret, struct hoy_err *err);
int hoy_criu_inherit(struct criu *c, const char *key, int fd, struct hoy_err *err);
int hoy_criu_external(struct criu *c, struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(3, 4);

int hoy_criu_start_helper(struct criu *c, int cgroup_fd, struct hoy_err *err);

#endif
