/* The engine's progress: one JSON message a line ("stream", "status", "errorDetail"). */
#ifndef HOY_CLI_PROGRESS_H
#define HOY_CLI_PROGRESS_H

#include <stdio.h>

#include "supervisor/cli/http.h"

/* Shows the messages of the body on `out` (NULL: nothing): on a terminal a line per layer that is drawn again,
 * elsewhere plain lines. An error message in the stream is returned as the error. */
int hoy_progress_copy(struct hoy_http *http, FILE *out, struct hoy_err *err);

#endif
