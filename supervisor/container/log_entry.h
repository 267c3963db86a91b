/* One entry of a log as the shim has written it. */
#ifndef HOY_CONTAINER_LOG_ENTRY_H
#define HOY_CONTAINER_LOG_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/err.h"
#include "base/json.h"

enum hoy_log_stream { HOY_LOG_STDOUT, HOY_LOG_STDERR };

struct hoy_log_entry {
	const char *text; /* in the bytes it was read from, or in `doc` */
	size_t len;
	bool ends_line; /* a newline belongs behind the text */
	enum hoy_log_stream stream;
	struct timespec at;
	struct hoy_json *doc; /* owned */
};
void hoy_log_entry_done(struct hoy_log_entry *entry);

/* False for what is not ours: a torn write of a killed shim. */
bool hoy_log_entry_from_json(const char *line, size_t len, struct hoy_log_entry *ret);
/* docker's local driver: a protobuf LogEntry (source 1, time 2, line 3, partial 4, its metadata 5). */
bool hoy_log_entry_from_local(const char *frame, size_t len, struct hoy_log_entry *ret);

#endif
