/* Between the files that make the body. Each prints members into the object that is open in `w`. */
#ifndef HOY_COMPOSE_BODY_INTERNAL_H
#define HOY_COMPOSE_BODY_INTERNAL_H

#include "supervisor/compose/body.h"

int hoy_compose_body_host(const struct hoy_compose_body *body, struct hoy_json_writer *w, struct hoy_err *err);
/* Binds, Mounts, Tmpfs, VolumesFrom. */
int hoy_compose_body_mounts(const struct hoy_compose_body *body, struct hoy_json_writer *w, struct hoy_err *err);
/* Config.Volumes: anonymous ones. */
void hoy_compose_body_volumes(const struct hoy_compose_body *body, struct hoy_json_writer *w);
/* PortBindings and, with `exposed`, ExposedPorts. */
int hoy_compose_body_ports(
	const struct hoy_compose_body *body, struct hoy_json_writer *w, bool exposed, struct hoy_err *err);
/* Devices, DeviceRequests, block I/O. */
void hoy_compose_body_devices(const struct hoy_compose_body *body, struct hoy_json_writer *w);

void hoy_compose_body_pairs(struct hoy_json_writer *w, const char *key, const struct hoy_compose_pair *pairs);
/* "service:NAME" as "container:NAME OF ITS CONTAINER"; else the text itself. Heap. */
int hoy_compose_body_mode(
	const struct hoy_compose_body *body, const char *what, const char *mode, char **ret, struct hoy_err *err);

#endif
