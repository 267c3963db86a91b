/*
 * Reaps every child of the shim, also those that it only inherited as subreaper. Processes we know are watched by pid;
 * since nobody else reaps, a watched pid can't be reused before its handler ran, and signalling it is safe.
 */
#ifndef HOY_SHIM_REAPER_H
#define HOY_SHIM_REAPER_H

#include <signal.h>
#include <sys/types.h>

#include "base/err.h"

struct hoy_loop;
struct hoy_reaper;
struct hoy_watch;

int hoy_reaper_new(struct hoy_loop *loop, struct hoy_reaper **ret, struct hoy_err *err);
void hoy_reaper_free(struct hoy_reaper *reaper);

/* Runs once, from the loop. The watch is gone then: forget it. */
typedef void (*hoy_exit_handler)(void *userdata, const siginfo_t *si);
int hoy_reaper_watch(struct hoy_reaper *reaper, pid_t pid, hoy_exit_handler handler, void *userdata,
	struct hoy_watch **ret, struct hoy_err *err);
void hoy_watch_free(struct hoy_watch *watch); /* NULL is fine */

/* Between hold and release exits of pids we don't know are remembered: one of them may be the process whose pid the
 * runtime is about to tell us. Nests. */
void hoy_reaper_hold(struct hoy_reaper *reaper);
void hoy_reaper_release(struct hoy_reaper *reaper);

#endif
