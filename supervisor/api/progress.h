/* The JSON messages of a progress stream (load, import), one object per line. */
#ifndef HOY_API_PROGRESS_H
#define HOY_API_PROGRESS_H

#include <stdint.h>

#include "base/err.h"

struct hoy_http_exchange;

/* {"status":...,"progressDetail":{...},"progress":"[==>  ]","id":...}: the state of something. Without total no detail
 * and no bar, without id no id. */
void hoy_progress_status(
	struct hoy_http_exchange *x, const char *id, const char *status, int64_t current, int64_t total);
/* {"status": text, "id": ...}: a line. */
void hoy_progress_message(struct hoy_http_exchange *x, const char *id, const char *text);
/* {"progressDetail": {}, "aux": json}: for programs. */
void hoy_progress_aux(struct hoy_http_exchange *x, const char *json);
/* {"stream": text}: what a client prints as it is. */
void hoy_progress_stream(struct hoy_http_exchange *x, const char *fmt, ...) HOY_PRINTF(2, 3);
/* {"aux": json} alone, as builds have it. */
void hoy_progress_plain_aux(struct hoy_http_exchange *x, const char *json);
/* The last message of a build that failed: with the exit code of its command, unless that is 0. */
void hoy_progress_failure(struct hoy_http_exchange *x, const struct hoy_err *err, int exit_code);
/* And with the lines of the Dockerfile that failed; 0: none did. */
void hoy_progress_failed_at(struct hoy_http_exchange *x, const struct hoy_err *err, int exit_code, unsigned int line,
	unsigned int end_line);
/* {"errorDetail":{"message":...},"error":...}: the last message of a stream that failed. */
void hoy_progress_error(struct hoy_http_exchange *x, const struct hoy_err *err);

#endif
