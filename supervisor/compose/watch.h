/* Watching sources beside `up` in the foreground. */
#ifndef HOY_COMPOSE_WATCH_H
#define HOY_COMPOSE_WATCH_H

#include "base/err.h"

struct hoy_cli;
struct hoy_compose_watcher;

/* Watches what the services that cli->args names (none: all) say in develop.watch; what changes is kept. Refused when
 * none of them says anything. */
int hoy_compose_watcher_new(struct hoy_cli *cli, struct hoy_compose_watcher **ret, struct hoy_err *err);
/* Not once it has begun. */
void hoy_compose_watcher_free(struct hoy_compose_watcher *watcher);
HOY_DEFINE_AUTO_PTR(struct hoy_compose_watcher, hoy_compose_watcher_free);

/* The containers run: from now on, in a thread that nobody waits for, what changes is copied, or restarts or rebuilds.
 */
int hoy_compose_watcher_begin(struct hoy_compose_watcher *watcher, struct hoy_err *err);

#endif
