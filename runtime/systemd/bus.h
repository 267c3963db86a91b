/*
 * The conversation with a systemd manager: the only file that knows libsystemd. Where we may, straight to the manager's
 * own socket: one authentication, one call, one signal, and no bus daemon between; else through the bus.
 */
#ifndef HOY_RUNTIME_SYSTEMD_BUS_H
#define HOY_RUNTIME_SYSTEMD_BUS_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_bus;
struct hoy_unit_properties;

/* `user`: the manager of our user. An error says where it was looked for. */
int hoy_bus_open(bool user, struct hoy_bus **ret, struct hoy_err *err);
void hoy_bus_free(struct hoy_bus *bus); /* NULL is fine */
HOY_DEFINE_AUTO_PTR(struct hoy_bus, hoy_bus_free);

/* Makes a transient unit and waits until it runs. A failed one of the same name is forgotten first. */
int hoy_bus_start(struct hoy_bus *bus, const char *unit, const struct hoy_unit_properties *props, struct hoy_err *err);
int hoy_bus_set(struct hoy_bus *bus, const char *unit, const struct hoy_unit_properties *props, struct hoy_err *err);
/* `sub` is a group below the unit's, NULL: the unit's. */
int hoy_bus_attach(struct hoy_bus *bus, const char *unit, const char *sub, int pid, struct hoy_err *err);
/* Waits until it is gone. */
int hoy_bus_stop(struct hoy_bus *bus, const char *unit, struct hoy_err *err);

#endif
