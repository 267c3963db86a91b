/* An answer of many JSON values, one a line: events, statistics, progress. */
#ifndef HOY_CLI_LINES_H
#define HOY_CLI_LINES_H

#include "base/json.h"
#include "supervisor/cli/http.h"

/* Calls `on_line` for each until the answer's end or a negative return, which becomes the result. */
int hoy_lines_read(struct hoy_http *http,
	int (*on_line)(const struct hoy_json *line, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);

/* For who reads several answers at once: keeps `piece` in `buf` (of at most HOY_LINE_MAX) and calls `on_line` for the
 * lines that are whole. */
#define HOY_LINE_MAX ((size_t) 4 << 20)
int hoy_lines_feed(struct hoy_buf *buf, const char *piece, size_t len,
	int (*on_line)(const struct hoy_json *line, void *userdata, struct hoy_err *err), void *userdata,
	struct hoy_err *err);

#endif
