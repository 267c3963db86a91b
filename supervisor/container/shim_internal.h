/* Shared by shim.c and shim_spawn.c. */
#ifndef HOY_CONTAINER_SHIM_INTERNAL_H
#define HOY_CONTAINER_SHIM_INTERNAL_H

#include "supervisor/container/shim.h"

struct hoy_shim_call;
struct hoy_shim_spawn;
struct hoy_ttrpc_client;

struct hoy_shim {
	struct hoy_shim_options options;
	struct hoy_ttrpc_client *client; /* NULL: not connected */
	struct hoy_shim_call *calls;     /* unanswered */
	struct hoy_shim_spawn *spawn;    /* while the program starts */
};

int hoy_shim_connect_to(struct hoy_shim *shim, const char *address, struct hoy_err *err);
void hoy_shim_call_free(struct hoy_shim_call *call);
void hoy_shim_spawn_free(struct hoy_shim_spawn *spawn);

#endif
