#include "supervisor/api/build_trace.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sha256.h"
#include "base/str.h"
#include "base/wire.h"

#define DIGEST_MAX 80
#define LOG_MAX ((size_t) 16 << 10) /* bytes of output in a message */

struct vertex {
	char digest[DIGEST_MAX];
	char *name;
	int64_t started; /* ns */
	bool ended;
};

struct hoy_build_trace {
	char *id;
	hoy_trace_tell tell;
	void *userdata;
	struct vertex *vertices;
	size_t n;
};

static int64_t now(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct hoy_build_trace *hoy_build_trace_new(const char *id, hoy_trace_tell tell, void *userdata)
{
	struct hoy_build_trace *trace = calloc(1, sizeof *trace);

	if (!trace)
		return NULL;
	*trace = (struct hoy_build_trace){ .id = strdup(id), .tell = tell, .userdata = userdata };
	if (trace->id)
		return trace;
	free(trace);
	return NULL;
}

void hoy_build_trace_free(struct hoy_build_trace *trace)
{
	if (!trace)
		return;
	for (size_t i = 0; i < trace->n; i++)
		free(trace->vertices[i].name);
	free(trace->vertices);
	free(trace->id);
	free(trace);
}

static void tell(struct hoy_build_trace *trace, uint32_t number, struct hoy_buf *part)
{
	auto_(hoy_buf_done) struct hoy_buf message = { 0 };

	hoy_wire_add_message(&message, number, part);
	if (hoy_buf_check(&message, "progress", NULL) == 0)
		trace->tell(&message, trace->userdata);
}

static void tell_vertex(
	struct hoy_build_trace *trace, const struct vertex *vertex, int64_t completed, bool cached, const char *error)
{
	auto_(hoy_buf_done) struct hoy_buf part = { 0 };

	hoy_wire_add_string(&part, 1, vertex->digest);
	hoy_wire_add_string(&part, 3, vertex->name);
	hoy_wire_add_uint(&part, 4, cached);
	hoy_wire_add_time(&part, 5, vertex->started);
	hoy_wire_add_time(&part, 6, completed);
	hoy_wire_add_string(&part, 7, error);
	tell(trace, 1, &part);
}

size_t hoy_build_trace_begin(struct hoy_build_trace *trace, const char *name)
{
	struct vertex *vertices = reallocarray(trace->vertices, trace->n + 1, sizeof *vertices), *vertex;
	auto_free char *key = hoy_str_printf("%s %zu", trace->id, trace->n);

	if (vertices)
		trace->vertices = vertices;
	if (!vertices || !key)
		return SIZE_MAX;
	vertex = &vertices[trace->n];
	*vertex = (struct vertex){ .name = strdup(name), .started = now() };
	hoy_sha256_digest(key, strlen(key), vertex->digest);
	if (!vertex->name)
		return SIZE_MAX;
	tell_vertex(trace, vertex, 0, false, NULL);
	return trace->n++;
}

void hoy_build_trace_log(struct hoy_build_trace *trace, size_t vertex, int stream, const char *text, size_t len)
{
	while (vertex < trace->n && len > 0) {
		auto_(hoy_buf_done) struct hoy_buf part = { 0 };
		size_t n = MIN(len, LOG_MAX);

		hoy_wire_add_string(&part, 1, trace->vertices[vertex].digest);
		hoy_wire_add_time(&part, 2, now());
		hoy_wire_add_uint(&part, 3, (uint64_t) stream);
		hoy_wire_add_bytes(&part, 4, text, n);
		tell(trace, 3, &part);
		text += n;
		len -= n;
	}
}

void hoy_build_trace_status(
	struct hoy_build_trace *trace, size_t vertex, const char *id, int64_t current, int64_t total, bool done)
{
	auto_(hoy_buf_done) struct hoy_buf part = { 0 };

	if (vertex >= trace->n)
		return;
	hoy_wire_add_string(&part, 1, id);
	hoy_wire_add_string(&part, 2, trace->vertices[vertex].digest);
	hoy_wire_add_string(&part, 3, id);
	hoy_wire_add_uint(&part, 4, (uint64_t) MAX(current, (int64_t) 0));
	hoy_wire_add_uint(&part, 5, (uint64_t) MAX(total, (int64_t) 0));
	hoy_wire_add_time(&part, 6, now());
	hoy_wire_add_time(&part, 7, trace->vertices[vertex].started);
	if (done)
		hoy_wire_add_time(&part, 8, now());
	tell(trace, 2, &part);
}

void hoy_build_trace_warn(
	struct hoy_build_trace *trace, size_t vertex, const char *text, const char *file, int64_t line)
{
	auto_(hoy_buf_done) struct hoy_buf part = { 0 }, source = { 0 }, range = { 0 }, position = { 0 };

	if (vertex >= trace->n)
		return;
	hoy_wire_add_string(&part, 1, trace->vertices[vertex].digest);
	hoy_wire_add_uint(&part, 2, 1);
	hoy_wire_add_string(&part, 3, text);
	if (line > 0) {
		hoy_wire_add_string(&source, 1, file);
		hoy_wire_add_message(&part, 6, &source);
		hoy_wire_add_uint(&position, 1, (uint64_t) line);
		hoy_wire_add_message(&range, 1, &position);
		hoy_wire_add_message(&range, 2, &position);
		hoy_wire_add_message(&part, 7, &range);
	}
	tell(trace, 4, &part);
}

void hoy_build_trace_end(struct hoy_build_trace *trace, size_t vertex, bool cached, const char *error)
{
	if (vertex >= trace->n || trace->vertices[vertex].ended)
		return;
	trace->vertices[vertex].ended = true;
	tell_vertex(trace, &trace->vertices[vertex], now(), cached, error);
}

void hoy_build_trace_end_all(struct hoy_build_trace *trace, const char *error)
{
	for (size_t i = 0; i < trace->n; i++)
		hoy_build_trace_end(trace, i, /* cached= */ false, error);
}
