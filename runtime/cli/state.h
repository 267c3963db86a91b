/* What state and list show of a container. */
#ifndef HOY_RUNTIME_CLI_STATE_H
#define HOY_RUNTIME_CLI_STATE_H

#include <sys/types.h>

#include "libocispec/runtime.h"
#include "runtime/state/state.h"

/* The user's name, or "#1234". Heap; NULL: out of memory. */
char *hoy_owner_name(uid_t uid);

/* The document; strings borrowed from `state` and `owner`. */
void hoy_fill_state(const struct hoy_state *state, enum hoy_status status, char *owner, struct hoy_oci_state *ret);

#endif
