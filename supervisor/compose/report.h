/*
 * What a command does, as its user sees it on stderr: on a terminal a line per object that changes in place, elsewhere
 * a plain line per change. May be used by several threads.
 */
#ifndef HOY_COMPOSE_REPORT_H
#define HOY_COMPOSE_REPORT_H

#include <stdbool.h>

#include "base/err.h"

enum hoy_report_mode { HOY_REPORT_PLAIN, HOY_REPORT_TTY, HOY_REPORT_JSON, HOY_REPORT_QUIET };
enum hoy_report_state { HOY_REPORT_WORKING, HOY_REPORT_DONE, HOY_REPORT_WARNING, HOY_REPORT_ERROR };

struct hoy_report;

/* "auto" (NULL too): the terminal's way when stderr is one and colours are allowed. */
int hoy_report_mode_parse(const char *text, bool ansi, enum hoy_report_mode *ret, struct hoy_err *err);

/* `title` is the head of the terminal's list: "Running". NULL: out of memory. */
struct hoy_report *hoy_report_new(enum hoy_report_mode mode, const char *title);
/* Draws for the last time; lines stay on the screen. */
void hoy_report_free(struct hoy_report *report);
HOY_DEFINE_AUTO_PTR(struct hoy_report, hoy_report_free);

/* The object ("Container web-1") is now in that state ("Started"). */
void hoy_report_tell(
	struct hoy_report *report, enum hoy_report_state state, const char *kind, const char *name, const char *text);

#endif
