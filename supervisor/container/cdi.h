/* Devices by name, as specification files of the host describe them. */
#ifndef HOY_CONTAINER_CDI_H
#define HOY_CONTAINER_CDI_H

#include "base/err.h"

struct hoy_container_device_request;
struct hoy_container_host_config;
struct hoy_oci_spec;
struct hoy_spec_input;

/* Adds what the container's device requests ask for. HOY_ERR_INVALID: a device that no file describes. */
int hoy_spec_add_cdi(struct hoy_oci_spec *spec, const struct hoy_spec_input *input, struct hoy_err *err);
/* Does the host have them now? */
int hoy_device_requests_resolve(const struct hoy_container_host_config *host, struct hoy_err *err);
int hoy_device_request_check(const struct hoy_container_device_request *request, struct hoy_err *err);

#endif
