/* Shared by the files that serve requests: service.c, sandbox.c. */
#ifndef HOY_SHIM_SERVICE_INTERNAL_H
#define HOY_SHIM_SERVICE_INTERNAL_H

#include <protobuf-c/protobuf-c.h>

#include "shim/service.h"

/* `message` is freed by the caller, unless the handler sets *message to NULL. */
typedef void (*hoy_method_handler)(
	struct hoy_service *service, ProtobufCMessage **message, struct hoy_ttrpc_request *req);

struct hoy_method {
	const char *name; /* NULL ends a table */
	const ProtobufCMessageDescriptor *request;
	hoy_method_handler handle;
};

extern const struct hoy_method hoy_sandbox_methods[];

#endif
