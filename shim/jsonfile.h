/*
 * The json-file log: lines of a container's output as {"log":"..\n","stream":"stdout","time":".."}, appended with one
 * write() per call, rotated by size (.1, .2 ...). A line longer than 16 KiB is written in parts, only the last one of
 * which ends in \n. Never blocks the container: what can't be written is dropped, with one warning.
 */
#ifndef HOY_SHIM_JSONFILE_H
#define HOY_SHIM_JSONFILE_H

#include <stdint.h>
#include <time.h>

#include "base/buf.h"

#define HOY_JSONFILE_PART 16384

struct hoy_jsonfile_options {
	char *path;            /* owned */
	int64_t max_size;      /* bytes; -1: never rotated */
	unsigned int max_file; /* files kept, the current one included; 1: truncated in place */
};

/* Parses "json-file:///path?max-size=N&max-file=N". */
int hoy_jsonfile_parse(const char *uri, struct hoy_jsonfile_options *ret, struct hoy_err *err);
void hoy_jsonfile_options_done(struct hoy_jsonfile_options *options);

struct hoy_jsonfile;
int hoy_jsonfile_open(const struct hoy_jsonfile_options *options, struct hoy_jsonfile **ret, struct hoy_err *err);
void hoy_jsonfile_free(struct hoy_jsonfile *file);
HOY_DEFINE_AUTO_PTR(struct hoy_jsonfile, hoy_jsonfile_free);

/* The line of one stream that has no end yet; zero-initialised. Holds memory only while there is one. */
struct hoy_jsonfile_line {
	struct hoy_buf text;
	struct timespec since; /* when its first byte was read */
	bool cut;              /* parts of it are written already */
};
void hoy_jsonfile_line_done(struct hoy_jsonfile_line *line);

/* Output that was read at `now`. */
void hoy_jsonfile_write(struct hoy_jsonfile *file, struct hoy_jsonfile_line *line, const char *stream, const char *data,
	size_t len, const struct timespec *now);
/* End of the stream: what is left is a line without \n. */
void hoy_jsonfile_finish(struct hoy_jsonfile *file, struct hoy_jsonfile_line *line, const char *stream);

/* One entry as it stands in the file. Pure. */
void hoy_jsonfile_encode(struct hoy_buf *out, const char *text, size_t len, bool newline, const char *stream,
	const struct timespec *time);

#endif
