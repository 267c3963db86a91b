/*
 * Task events on their way to containerd: one queue, one event in flight, order kept. They go over ttrpc, or, where the
 * caller gave no address for it, by its publish program. When containerd is away the same event is tried again until it
 * is back. A caller that gave neither gets none.
 */
#ifndef HOY_SHIM_EVENTS_H
#define HOY_SHIM_EVENTS_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#include "base/err.h"

struct hoy_events;
struct hoy_loop;
struct hoy_reaper;

struct hoy_events_options {
	struct hoy_loop *loop;
	struct hoy_reaper *reaper;
	const char *namespace_;
	const char *ttrpc_address;                 /* NULL or "": none */
	const char *publish_binary, *grpc_address; /* both, or the events are dropped */
};
int hoy_events_new(const struct hoy_events_options *options, struct hoy_events **ret, struct hoy_err *err);
void hoy_events_free(struct hoy_events *events);

/* Queues `message` (its Any type is its name with the prefix "containerd.events.") under `topic` ("/tasks/exit"). When
 * 4096 wait, the oldest that is no exit is dropped. */
void hoy_events_publish(struct hoy_events *events, const char *topic, const ProtobufCMessage *message);

bool hoy_events_is_empty(const struct hoy_events *events);

#endif
