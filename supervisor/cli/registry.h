/*
 * What the command line asks a registry itself, without an engine: a hoy-fetch of its own, with the user's rights,
 * credentials and proxies. The engine's settings (insecure-registries, mirrors) don't count here.
 */
#ifndef HOY_CLI_REGISTRY_H
#define HOY_CLI_REGISTRY_H

#include "base/buf.h"
#include "libocispec/reference.h"
#include "supervisor/cli/config.h"
#include "supervisor/worker/fetch/protocol.h"

struct hoy_registry_call {
	enum hoy_fetch_op op;            /* one that answers with a text, or PUT */
	const struct hoy_reference *ref; /* with a tag or a digest */
	bool all;
	bool insecure;              /* any certificate will do, or none; localhost's always */
	const struct hoy_buf *what; /* PUT: what is to be brought */
};

/* Waits for the answer: at most HOY_FETCH_ANSWER_MAX bytes of JSON, a stranger's. `answer` may be NULL for PUT. */
int hoy_registry_call(const struct hoy_config *config, const struct hoy_registry_call *call, struct hoy_buf *answer,
	struct hoy_err *err);

#endif
