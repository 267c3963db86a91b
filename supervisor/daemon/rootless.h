/*
 * A hoyd that an ordinary user started. It asks hoy-host, which it starts if need be, for namespaces and joins them by
 * setns(): inside it is root, and everything works as it does for root. Joining changes neither its pid nor its
 * descriptors, so nothing needs to be passed on: signals, socket activation, sd_notify() and MAINPID are its own.
 */
#ifndef HOY_DAEMON_ROOTLESS_H
#define HOY_DAEMON_ROOTLESS_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_rootless;

/* Joins. `exec_root` exists and is locked. */
int hoy_rootless_enter(const char *exec_root, struct hoy_rootless **ret, struct hoy_err *err);
/* Says in the log when hoy-host ends. */
int hoy_rootless_watch(struct hoy_rootless *rootless, struct hoy_loop *loop, struct hoy_err *err);
const char *hoy_rootless_socket(const struct hoy_rootless *rootless); /* hoy-host's */
/* hoy-host stays until nothing lives in the namespaces. NULL is fine. */
void hoy_rootless_free(struct hoy_rootless *rootless);
HOY_DEFINE_AUTO_PTR(struct hoy_rootless, hoy_rootless_free);

/* The user's directories, as the XDG base directory specification has them; the caller's. NULL:
 * out of memory. */
char *hoy_rootless_config_file(void); /* ~/.config/hoy/daemon.json */
char *hoy_rootless_data_root(void);   /* ~/.local/share/hoy */

#endif
