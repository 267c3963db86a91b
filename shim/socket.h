/* The shim's ttrpc socket, as the short-lived modes see it: its name, who listens on it, who may replace it. */
#ifndef HOY_SHIM_SOCKET_H
#define HOY_SHIM_SOCKET_H

#include "base/err.h"

/* Path of the ttrpc socket of a group; heap, NULL when out of memory. */
char *hoy_shim_socket_path(const char *dir, const char *address, const char *namespace_, const char *group);

/* Two `start` of one group may race: the directory, which is made when it is missing, is the lock. The descriptor that
 * holds it. */
int hoy_shim_socket_lock(const char *dir, struct hoy_err *err);

/* The listening socket; -EALREADY: a shim serves there and now waits for a Create of container `id`. A socket that
 * nobody serves is replaced. */
int hoy_shim_socket_listen(const char *path, const char *id, struct hoy_err *err);

#endif
