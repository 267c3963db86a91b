/* One entry of a log and its encodings. */
#ifndef HOY_SHIM_LOG_FORMAT_H
#define HOY_SHIM_LOG_FORMAT_H

#include <stdbool.h>
#include <time.h>

#include "base/buf.h"

#define HOY_OUTLOG_LINE_ID 17

struct hoy_outlog_part {
	const char *text;
	size_t len;
	bool newline; /* the line ends here, and not because the output did */
	const char *stream;
	const struct timespec *time;
	unsigned int ordinal; /* of a line in parts, from 1; 0: the line is whole */
	bool last;            /* part of it */
	const char *line_id;  /* the same for all its parts */
};

/* {"log":"..\n","stream":"stdout","time":".."} and a newline. */
void hoy_outlog_encode_json(struct hoy_buf *out, const struct hoy_outlog_part *part);

/* As docker's local driver: the length in four bytes (big endian), a protobuf LogEntry, the length again. */
void hoy_outlog_encode_local(struct hoy_buf *out, const struct hoy_outlog_part *part);

#endif
