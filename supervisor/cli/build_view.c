#include "supervisor/cli/build_view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/base64.h"
#include "base/json.h"
#include "base/str.h"
#include "base/time.h"
#include "base/wire.h"

#define VERTICES_MAX 20000
#define STATUSES_MAX 2000
#define WARNINGS_MAX 1000
#define PARTIAL_MAX ((size_t) 64 << 10)

/* Numbers of StatusResponse's fields. */
enum { VERTEX = 1, STATUS = 2, LOG = 3, WARNING = 4 };

/* One of these messages as it came. */
struct part {
	char *digest, *name, *error, *id;
	int64_t started, completed, time, current, total;
	bool cached;
	unsigned int stream;
	const char *text;
	size_t len;
};

static void part_done(struct part *part)
{
	free(part->digest);
	free(part->name);
	free(part->error);
	free(part->id);
}

/* google.protobuf.Timestamp */
static int64_t time_of(const struct hoy_wire_field *field)
{
	struct hoy_wire wire = HOY_WIRE(field->data, field->len);
	struct hoy_wire_field part;
	int64_t ns = 0;

	while (hoy_wire_next(&wire, &part) > 0) {
		if (part.number == 1 && part.type == HOY_WIRE_VARINT && part.value < INT64_MAX / 1000000000)
			ns += (int64_t) part.value * 1000000000;
		else if (part.number == 2 && part.type == HOY_WIRE_VARINT && part.value < 1000000000)
			ns += (int64_t) part.value;
	}
	return ns;
}

static int take_vertex_field(const struct hoy_wire_field *field, struct part *part)
{
	if (hoy_wire_is_bytes(field, 1))
		return hoy_wire_take_string(field, &part->digest);
	if (hoy_wire_is_bytes(field, 3))
		return hoy_wire_take_string(field, &part->name);
	if (hoy_wire_is_bytes(field, 7))
		return hoy_wire_take_string(field, &part->error);
	if (field->number == 4 && field->type == HOY_WIRE_VARINT)
		part->cached = field->value;
	else if (hoy_wire_is_bytes(field, 5))
		part->started = time_of(field);
	else if (hoy_wire_is_bytes(field, 6))
		part->completed = time_of(field);
	return 0;
}

static int take_status_field(const struct hoy_wire_field *field, struct part *part)
{
	if (hoy_wire_is_bytes(field, 1))
		return hoy_wire_take_string(field, &part->id);
	if (hoy_wire_is_bytes(field, 2))
		return hoy_wire_take_string(field, &part->digest);
	if (hoy_wire_is_bytes(field, 3))
		return hoy_wire_take_string(field, &part->name);
	if (field->number == 4 && field->type == HOY_WIRE_VARINT)
		part->current = (int64_t) field->value;
	else if (field->number == 5 && field->type == HOY_WIRE_VARINT)
		part->total = (int64_t) field->value;
	else if (hoy_wire_is_bytes(field, 6))
		part->time = time_of(field);
	else if (hoy_wire_is_bytes(field, 7))
		part->started = time_of(field);
	else if (hoy_wire_is_bytes(field, 8))
		part->completed = time_of(field);
	return 0;
}

static int take_log_field(const struct hoy_wire_field *field, struct part *part)
{
	if (hoy_wire_is_bytes(field, 1))
		return hoy_wire_take_string(field, &part->digest);
	if (hoy_wire_is_bytes(field, 2))
		part->time = time_of(field);
	else if (field->number == 3 && field->type == HOY_WIRE_VARINT)
		part->stream = (unsigned int) field->value;
	else if (hoy_wire_is_bytes(field, 4)) {
		part->text = field->data;
		part->len = field->len;
	}
	return 0;
}

static int take_warning_field(const struct hoy_wire_field *field, struct part *part)
{
	if (hoy_wire_is_bytes(field, 1))
		return hoy_wire_take_string(field, &part->digest);
	if (hoy_wire_is_bytes(field, 3)) {
		part->text = field->data;
		part->len = field->len;
	}
	return 0;
}

static int read_part(const struct hoy_wire_field *message, struct part *part, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(message->data, message->len);
	struct hoy_wire_field field;
	int r;

	while ((r = hoy_wire_next(&wire, &field)) > 0) {
		r = message->number == VERTEX   ? take_vertex_field(&field, part)
		    : message->number == STATUS ? take_status_field(&field, part)
		    : message->number == LOG    ? take_log_field(&field, part)
						: take_warning_field(&field, part);
		if (r < 0)
			break;
	}
	return r < 0 ? hoy_err_code(err, r, "the progress of the build") : 0;
}

/* --- what is known ------------------------------------------------------------------------------------------------ */

static void vertex_free(struct hoy_view_vertex *vertex)
{
	for (size_t i = 0; i < vertex->n_statuses; i++)
		free(vertex->statuses[i].id);
	free(vertex->statuses);
	for (size_t i = 0; i < HOY_VIEW_LINES; i++)
		free(vertex->lines[i].text);
	hoy_buf_done(&vertex->partial);
	free(vertex->digest);
	free(vertex->name);
	free(vertex->error);
	free(vertex);
}

void hoy_view_done(struct hoy_view *view)
{
	for (size_t i = 0; i < view->n; i++)
		vertex_free(view->vertices[i]);
	free(view->vertices);
	view->vertices = NULL;
	view->n = 0;
	hoy_strv_free(view->warnings);
	view->warnings = NULL;
	view->n_warnings = 0;
}

static struct hoy_view_vertex *find(struct hoy_view *view, const char *digest)
{
	for (size_t i = view->n; i > 0; i--)
		if (strcmp(view->vertices[i - 1]->digest, digest) == 0)
			return view->vertices[i - 1];
	return NULL;
}

static struct hoy_view_vertex *add(struct hoy_view *view, const struct part *part)
{
	struct hoy_view_vertex **vertices = reallocarray(view->vertices, view->n + 1, sizeof(struct hoy_view_vertex *));
	struct hoy_view_vertex *vertex = calloc(1, sizeof *vertex);

	if (vertices)
		view->vertices = vertices;
	if (!vertices || !vertex) {
		free(vertex);
		return NULL;
	}
	vertex->digest = strdup(part->digest);
	vertex->name = strdup(part->name ? part->name : "");
	vertex->partial.cap = PARTIAL_MAX;
	if (!vertex->digest || !vertex->name) {
		vertex_free(vertex);
		return NULL;
	}
	view->vertices[view->n++] = vertex;
	return vertex;
}

size_t hoy_view_first_line(const struct hoy_view_vertex *vertex)
{
	return vertex->n_lines > HOY_VIEW_LINES ? vertex->n_lines - HOY_VIEW_LINES : 0;
}

const struct hoy_view_line *hoy_view_line(const struct hoy_view_vertex *vertex, size_t i)
{
	return &vertex->lines[i % HOY_VIEW_LINES];
}

static void end_line(struct hoy_view *view, struct hoy_view_vertex *vertex, int64_t time)
{
	struct hoy_view_line *line = &vertex->lines[vertex->n_lines % HOY_VIEW_LINES];
	char *text = hoy_buf_take(&vertex->partial);

	vertex->partial = (struct hoy_buf){ .cap = PARTIAL_MAX };
	if (!text && !(text = strdup("")))
		return;
	free(line->text);
	*line = (struct hoy_view_line){ .text = text, .time = time };
	vertex->n_lines++;
	if (view->handler.line)
		view->handler.line(vertex, text, time, view->handler.userdata);
}

/* --- taking ------------------------------------------------------------------------------------------------------- */

static int take_vertex(struct hoy_view *view, struct part *part, struct hoy_err *err)
{
	struct hoy_view_vertex *vertex = part->digest ? find(view, part->digest) : NULL;
	bool was_begun, was_ended;

	if (!part->digest || view->n == VERTICES_MAX)
		return hoy_err_code(err, -EPROTO, "the progress of the build");
	if (!vertex && !(vertex = add(view, part)))
		return hoy_err_oom(err);
	was_begun = vertex->started;
	was_ended = vertex->completed;
	vertex->cached = vertex->cached || part->cached;
	if (part->started)
		vertex->started = part->started;
	if (part->completed)
		vertex->completed = part->completed;
	if (part->error && *part->error) {
		free(vertex->error);
		vertex->error = part->error;
		part->error = NULL;
	}
	if (!was_begun && vertex->started && view->handler.begun)
		view->handler.begun(vertex, view->handler.userdata);
	if (!was_ended && vertex->completed) {
		if (vertex->partial.len > 0)
			end_line(view, vertex, vertex->completed);
		if (view->handler.ended)
			view->handler.ended(vertex, view->handler.userdata);
	}
	return 0;
}

static int take_status(struct hoy_view *view, struct part *part, struct hoy_err *err)
{
	struct hoy_view_vertex *vertex = part->digest ? find(view, part->digest) : NULL;
	struct hoy_view_status *status = NULL, *statuses;

	if (!vertex || !part->id)
		return 0;
	for (size_t i = 0; i < vertex->n_statuses && !status; i++)
		if (strcmp(vertex->statuses[i].id, part->id) == 0)
			status = &vertex->statuses[i];
	if (!status) {
		if (vertex->n_statuses == STATUSES_MAX)
			return 0;
		statuses = reallocarray(vertex->statuses, vertex->n_statuses + 1, sizeof *statuses);
		if (!statuses)
			return hoy_err_oom(err);
		vertex->statuses = statuses;
		status = &statuses[vertex->n_statuses++];
		*status = (struct hoy_view_status){ .id = part->id };
		part->id = NULL;
	}
	status->current = part->current;
	status->total = part->total;
	status->started = part->started ? part->started : part->time;
	status->completed = part->completed;
	if (view->handler.status)
		view->handler.status(vertex, status, view->handler.userdata);
	return 0;
}

static int take_log(struct hoy_view *view, const struct part *part)
{
	struct hoy_view_vertex *vertex = part->digest ? find(view, part->digest) : NULL;
	const char *at = part->text, *end = at + part->len, *newline;

	while (vertex && at < end) {
		newline = memchr(at, '\n', (size_t) (end - at));
		/* A line beyond the cap goes on as the next one. */
		if (hoy_buf_add(&vertex->partial, at, (size_t) ((newline ? newline : end) - at)) < 0)
			hoy_buf_clear(&vertex->partial);
		if (newline)
			end_line(view, vertex, part->time);
		at = newline ? newline + 1 : end;
	}
	return 0;
}

static int take_warning(struct hoy_view *view, const struct part *part, struct hoy_err *err)
{
	if (!part->text || view->n_warnings == WARNINGS_MAX)
		return 0;
	if (hoy_strv_addf(&view->warnings, "%.*s", (int) part->len, part->text) < 0)
		return hoy_err_oom(err);
	view->n_warnings++;
	return 0;
}

int hoy_view_take(struct hoy_view *view, const char *data, size_t len, struct hoy_err *err)
{
	struct hoy_wire wire = HOY_WIRE(data, len);
	struct hoy_wire_field field;
	int r = 0;

	while (r == 0 && (r = hoy_wire_next(&wire, &field)) > 0) {
		auto_(part_done) struct part part = {};

		r = 0;
		if (field.type != HOY_WIRE_BYTES || field.number < VERTEX || field.number > WARNING)
			continue;
		r = read_part(&field, &part, err);
		if (r == 0)
			r = field.number == VERTEX   ? take_vertex(view, &part, err)
			    : field.number == STATUS ? take_status(view, &part, err)
			    : field.number == LOG    ? take_log(view, &part)
						     : take_warning(view, &part, err);
	}
	return r == -EPROTO ? hoy_err_code(err, r, "the progress of the build") : r;
}

/* --- rawjson ------------------------------------------------------------------------------------------------------ */

static void add_time(struct hoy_json_writer *w, const char *key, int64_t ns)
{
	const struct timespec ts = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
	char text[HOY_TIME_MAX];

	if (ns == 0)
		return;
	hoy_time_format(&ts, text);
	hoy_json_add_string(w, key, text);
}

static void print_part(struct hoy_json_writer *w, uint32_t number, const struct part *part)
{
	auto_(hoy_buf_done) struct hoy_buf data = {};

	hoy_json_object(w, NULL);
	if (number == STATUS)
		hoy_json_add_string(w, "id", part->id ? part->id : "");
	hoy_json_add_string(w, number == VERTEX ? "digest" : "vertex", part->digest ? part->digest : "");
	if (number == LOG || number == WARNING) {
		if (number == LOG)
			hoy_json_add_i64(w, "stream", part->stream);
		(void) hoy_base64_encode(&data, part->text ? part->text : "", part->len, /* url_safe= */ false);
		hoy_json_add_string(w, number == LOG ? "data" : "short", data.data ? data.data : "");
		add_time(w, "timestamp", part->time);
	} else {
		if (number == VERTEX)
			hoy_json_add_string(w, "name", part->name ? part->name : "");
		add_time(w, "started", part->started);
		add_time(w, "completed", part->completed);
	}
	if (number == VERTEX && part->cached)
		hoy_json_add_bool(w, "cached", true);
	if (number == VERTEX && part->error && *part->error)
		hoy_json_add_string(w, "error", part->error);
	if (number == STATUS) {
		hoy_json_add_i64(w, "current", part->current);
		if (part->total > 0)
			hoy_json_add_i64(w, "total", part->total);
		add_time(w, "timestamp", part->time);
	}
	hoy_json_end(w);
}

int hoy_view_print_json(const char *data, size_t len, struct hoy_buf *ret, struct hoy_err *err)
{
	static const char *const keys[] = {
		[VERTEX] = "vertexes", [STATUS] = "statuses", [LOG] = "logs", [WARNING] = "warnings"
	};
	struct hoy_json_writer w = { .buf = ret };

	hoy_json_object(&w, NULL);
	for (uint32_t number = VERTEX; number <= WARNING; number++) {
		struct hoy_wire wire = HOY_WIRE(data, len);
		struct hoy_wire_field field;
		bool any = false;
		int r;

		while ((r = hoy_wire_next(&wire, &field)) > 0) {
			auto_(part_done) struct part part = {};

			if (!hoy_wire_is_bytes(&field, number))
				continue;
			r = read_part(&field, &part, err);
			if (r < 0)
				return r;
			if (!any)
				hoy_json_array(&w, keys[number]);
			any = true;
			print_part(&w, number, &part);
		}
		if (r < 0)
			return hoy_err_code(err, r, "the progress of the build");
		if (any)
			hoy_json_end(&w);
	}
	hoy_json_end(&w);
	return hoy_buf_check(ret, "the progress of the build", err);
}
