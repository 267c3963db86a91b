/*
 * The logs that the shim writes itself. A container's output is cut into lines; one longer than 16 KiB is written in
 * parts. Where they go:
 *
 *	json-file://PATH   docker's JSON lines
 *	local://PATH       the frames of docker's local driver, compressed when rotated
 *	journald:PATH      datagrams in journald's own protocol
 */
#ifndef HOY_SHIM_LOG_H
#define HOY_SHIM_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/buf.h"

#define HOY_OUTLOG_PART 16384

struct hoy_loop;
struct hoy_reaper;

enum hoy_outlog_kind { HOY_OUTLOG_KIND_JSON, HOY_OUTLOG_KIND_LOCAL, HOY_OUTLOG_KIND_JOURNAL };

struct hoy_outlog_options {
	enum hoy_outlog_kind kind;
	char *path;            /* owned */
	int64_t max_size;      /* bytes; -1: never rotated */
	unsigned int max_file; /* files kept, the current one included; 1: truncated in place */
	bool compress;         /* what is rotated */
	char **fields;         /* owned: "NAME=value" that go with each entry of a journal; NULL: none */
};

/* True when `uri` has one of the schemes above. */
bool hoy_outlog_is_uri(const char *uri);

/* SCHEME PATH?key=value&..; max-size, max-file, compress for files, fields in capitals for journald. Percent signs are
 * decoded, and `mode` and `max-buffer-size` left to hoy_outlog_parse_mode(). */
int hoy_outlog_parse(const char *uri, struct hoy_outlog_options *ret, struct hoy_err *err);
void hoy_outlog_options_done(struct hoy_outlog_options *options);

/* mode=non-blocking&max-buffer-size=BYTES of any such URI, and of "none:?..". */
struct hoy_outlog_mode {
	bool lossy;        /* rather loses output than it holds up the container */
	size_t max_buffer; /* kept for each slow receiver then */
};
int hoy_outlog_parse_mode(const char *uri, struct hoy_outlog_mode *ret, struct hoy_err *err);

struct hoy_outlog;
struct hoy_outlog_setup {
	struct hoy_loop *loop;
	struct hoy_reaper *reaper; /* NULL: nothing is compressed */
	struct hoy_outlog_mode mode;
	void (*ready)(void *userdata); /* hoy_outlog_is_full() is no longer true */
	void *userdata;
};
int hoy_outlog_open(const struct hoy_outlog_options *options, const struct hoy_outlog_setup *setup,
	struct hoy_outlog **ret, struct hoy_err *err);
void hoy_outlog_free(struct hoy_outlog *log);
HOY_DEFINE_AUTO_PTR(struct hoy_outlog, hoy_outlog_free);

/* The line of one stream that has no end yet; zero-initialised. Holds memory only while there is one. */
struct hoy_outlog_line {
	struct hoy_buf text;
	struct timespec since; /* when its first byte was read */
	unsigned int parts;    /* of it that are written already */
	uint64_t id;
};
void hoy_outlog_line_done(struct hoy_outlog_line *line);

/* Output that was read at `now`. */
void hoy_outlog_write(struct hoy_outlog *log, struct hoy_outlog_line *line, const char *stream, const char *data,
	size_t len, const struct timespec *now);
/* End of the stream: what is left is a line without \n. */
void hoy_outlog_finish(struct hoy_outlog *log, struct hoy_outlog_line *line, const char *stream);

/* The receiver is behind: nothing more should be read until `ready`. */
bool hoy_outlog_is_full(const struct hoy_outlog *log);

#endif
