/*
 * A build as its engine tells it: steps ("vertices") with their states, what goes on in them, what they wrote. Fed with
 * moby.buildkit.v1.StatusResponse messages; no input or output.
 */
#ifndef HOY_CLI_BUILD_VIEW_H
#define HOY_CLI_BUILD_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* "transferring context": times in ns since 1970, 0: not yet. */
struct hoy_view_status {
	char *id;
	int64_t current, total, started, completed;
};

struct hoy_view_line {
	char *text;
	int64_t time; /* ns */
};

#define HOY_VIEW_LINES 200 /* of a step's output: the last ones are kept */

struct hoy_view_vertex {
	char *digest, *name, *error; /* error NULL: none */
	int64_t started, completed;  /* ns; 0: not yet */
	bool cached;
	unsigned int number; /* for who shows it; 0: not shown yet */
	struct hoy_view_status *statuses;
	size_t n_statuses;
	struct hoy_view_line lines[HOY_VIEW_LINES];
	size_t n_lines; /* all there were: line i is lines[i % HOY_VIEW_LINES] */
	struct hoy_buf partial;
};

struct hoy_view_handler {
	void (*begun)(struct hoy_view_vertex *vertex, void *userdata);
	void (*ended)(struct hoy_view_vertex *vertex, void *userdata);
	void (*status)(struct hoy_view_vertex *vertex, struct hoy_view_status *status, void *userdata);
	void (*line)(struct hoy_view_vertex *vertex, const char *text, int64_t time, void *userdata);
	void *userdata;
};

struct hoy_view {
	struct hoy_view_vertex **vertices;
	size_t n;
	char **warnings; /* remarks on the Dockerfile */
	size_t n_warnings;
	struct hoy_view_handler handler; /* any may be NULL */
};

/* -EPROTO, -ENOMEM. */
int hoy_view_take(struct hoy_view *view, const char *data, size_t len, struct hoy_err *err);
void hoy_view_done(struct hoy_view *view);

/* Line `i` of those that are kept: from hoy_view_first_line() to vertex->n_lines. */
size_t hoy_view_first_line(const struct hoy_view_vertex *vertex);
const struct hoy_view_line *hoy_view_line(const struct hoy_view_vertex *vertex, size_t i);

/* The same message as a line of JSON, as buildx's rawjson. */
int hoy_view_print_json(const char *data, size_t len, struct hoy_buf *ret, struct hoy_err *err);

#endif
