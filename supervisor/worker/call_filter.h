/* The system call filter of helper programs that are services: what is not listed fails with EPERM. */
#ifndef HOY_SUPERVISOR_WORKER_CALL_FILTER_H
#define HOY_SUPERVISOR_WORKER_CALL_FILTER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_call_filter {
	const int *calls; /* allowed with any argument; numbers of libseccomp */
	size_t n_calls;
	const int *families; /* of socket() */
	size_t n_families;
	bool join_netns; /* setns() into network namespaces */
};

/* For the process, from now on; no_new_privs must be set. Builds with sanitizers, whose own calls nobody lists, get
 * none. */
int hoy_call_filter_load(const struct hoy_call_filter *filter, struct hoy_err *err);

#endif
