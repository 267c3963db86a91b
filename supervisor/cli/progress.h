/* The engine's progress: one JSON message a line ("stream", "status", "errorDetail"). */
#ifndef HOY_CLI_PROGRESS_H
#define HOY_CLI_PROGRESS_H

#include <stdio.h>

#include "supervisor/cli/http.h"

/* Prints the messages of the body to `out` (NULL: nothing) as plain lines; an error message in the stream is returned
 * as the error. */
int hoy_progress_copy(struct hoy_http *http, FILE *out, struct hoy_err *err);

#endif
