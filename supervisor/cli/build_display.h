/*
 * The progress of a build on a terminal, redrawn in place; as plain lines; as JSON; or not at all.
 */
#ifndef HOY_CLI_BUILD_DISPLAY_H
#define HOY_CLI_BUILD_DISPLAY_H

#include <stddef.h>
#include <stdio.h>

#include "base/err.h"
#include "supervisor/cli/build_view.h"

enum hoy_build_progress {
	HOY_BUILD_PLAIN,
	HOY_BUILD_TTY,
	HOY_BUILD_RAWJSON,
	HOY_BUILD_QUIET, /* nothing, but the image's ID at the end */
	HOY_BUILD_NONE,
};

/* "auto" (or NULL: BUILDKIT_PROGRESS, else that) is a terminal's when stderr is one. */
int hoy_build_progress_choose(const char *text, enum hoy_build_progress *ret, struct hoy_err *err);

struct hoy_build_display;

/* NULL: out of memory. `name` is what the build's Dockerfile is called. */
struct hoy_build_display *hoy_build_display_new(enum hoy_build_progress progress);
void hoy_build_display_free(struct hoy_build_display *display);
HOY_DEFINE_AUTO_PTR(struct hoy_build_display, hoy_build_display_free);

int hoy_build_display_take(struct hoy_build_display *display, const char *message, size_t len, struct hoy_err *err);
/* Time has gone on: a terminal is drawn again. Also before there is anything. */
void hoy_build_display_draw(struct hoy_build_display *display);
/* The last drawing. */
void hoy_build_display_finish(struct hoy_build_display *display);

/* Where the failed build's words go, for what is said beside the progress; NULL: nowhere. */
FILE *hoy_build_display_out(const struct hoy_build_display *display);

/* After the end of a build that failed: the output of the steps that did, and the Dockerfile's lines `line` to
 * `end_line` (0: unknown) with those around them. `text` NULL: the Dockerfile isn't known. */
void hoy_build_display_failure(struct hoy_build_display *display, const char *name, const char *text, unsigned int line,
	unsigned int end_line);

#endif
