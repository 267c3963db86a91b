/* How far registries are trusted. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_INSECURE_H
#define HOY_SUPERVISOR_WORKER_FETCH_INSECURE_H

#include <stdbool.h>

/* May it be spoken with by plain HTTP, or with a certificate nobody vouches for? Localhost is, and what `list` names:
 * "host", "host:port", or a network that the host's address lies in. Names are not resolved. */
bool hoy_registry_is_insecure(const char *host, char *const *list);

#endif
