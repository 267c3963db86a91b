/* Shared by shim.c, shim_exec.c and shim_spawn.c. */
#ifndef HOY_CONTAINER_SHIM_INTERNAL_H
#define HOY_CONTAINER_SHIM_INTERNAL_H

#include "base/ttrpc/ttrpc.h"
#include "supervisor/container/shim.h"

struct hoy_shim_spawn;
struct hoy_ttrpc_client;
struct hoy_ttrpc_reply;

#define NS_PER_S 1000000000ULL

/* One unanswered call: which answer is expected and whom to tell. */
struct hoy_shim_call {
	struct hoy_shim_call *next;
	struct hoy_shim *shim;
	int64_t id; /* for hoy_ttrpc_forget() */
	union {
		hoy_shim_done done;
		hoy_shim_pid pid;
		hoy_shim_exit exit;
		hoy_shim_state state;
	};
	void *userdata;
};

struct hoy_shim {
	struct hoy_shim_options options;
	struct hoy_ttrpc_client *client; /* NULL: not connected */
	struct hoy_shim_call *calls;     /* unanswered */
	struct hoy_shim_spawn *spawn;    /* while the program starts */
	char *version;                   /* what it has told of itself; NULL: nothing yet */
	char **features;
};

int hoy_shim_connect_to(struct hoy_shim *shim, const char *address, struct hoy_err *err);
void hoy_shim_call_free(struct hoy_shim_call *call);
/* Sends `request` to the Task service; `answered` gets a call like `whom`, and frees it. `timeout_ns` 0: none. */
int hoy_shim_call(struct hoy_shim *shim, const char *method, const ProtobufCMessage *request, uint64_t timeout_ns,
	hoy_ttrpc_done answered, const struct hoy_shim_call *whom, struct hoy_err *err);
void hoy_shim_on_done(void *userdata, const struct hoy_ttrpc_reply *reply); /* `answered` of calls without a result */
void hoy_shim_spawn_free(struct hoy_shim_spawn *spawn);

#endif
