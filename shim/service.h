/* The services of a shim: decodes a request, makes one call, encodes the answer. */
#ifndef HOY_SHIM_SERVICE_H
#define HOY_SHIM_SERVICE_H

#include <stdbool.h>

struct hoy_sandbox;
struct hoy_tasks;
struct hoy_ttrpc_incoming;
struct hoy_ttrpc_request;

struct hoy_service {
	struct hoy_tasks *tasks;
	struct hoy_sandbox *sandbox;
	void (*shutdown)(void *userdata); /* the last Shutdown was answered */
	bool (*expect)(void *userdata);   /* a Create will come; false: too late, the shim ends */
	void (*create)(void *userdata);   /* it came */
	void *userdata;
};

/* A hoy_ttrpc_handler; userdata is a struct hoy_service. */
void hoy_service_handle(struct hoy_ttrpc_request *req, const struct hoy_ttrpc_incoming *in, void *userdata);

#endif
