/*
 * The progress of a build as BuildKit's clients draw it: vertices with states and output, as the protobuf messages of
 * moby.buildkit.v1.StatusResponse.
 */
#ifndef HOY_API_BUILD_TRACE_H
#define HOY_API_BUILD_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct hoy_build_trace;

/* Every change is told at once: a whole message. */
typedef void (*hoy_trace_tell)(const struct hoy_buf *message, void *userdata);

/* `id` tells the builds of a client apart. NULL: out of memory. */
struct hoy_build_trace *hoy_build_trace_new(const char *id, hoy_trace_tell tell, void *userdata);
void hoy_build_trace_free(struct hoy_build_trace *trace); /* NULL is fine */

/* A vertex begins; its number, or SIZE_MAX when there is no memory for it (all calls take that number too). */
size_t hoy_build_trace_begin(struct hoy_build_trace *trace, const char *name);
void hoy_build_trace_log(struct hoy_build_trace *trace, size_t vertex, int stream, const char *text, size_t len);
/* Something that goes on in a vertex, by its id: a layer that is pulled. `done`: that is over. */
void hoy_build_trace_status(
	struct hoy_build_trace *trace, size_t vertex, const char *id, int64_t current, int64_t total, bool done);
/* A remark on a line (0: on none) of the Dockerfile `file`. */
void hoy_build_trace_warn(
	struct hoy_build_trace *trace, size_t vertex, const char *text, const char *file, int64_t line);
/* `error` NULL: it went well. Once; more calls change nothing. */
void hoy_build_trace_end(struct hoy_build_trace *trace, size_t vertex, bool cached, const char *error);
/* What is open ends. */
void hoy_build_trace_end_all(struct hoy_build_trace *trace, const char *error);

#endif
