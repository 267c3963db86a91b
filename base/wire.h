/* The wire format of protobuf messages, field by field: for the few that no generated code is worth. */
#ifndef HOY_BASE_WIRE_H
#define HOY_BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

enum hoy_wire_type { HOY_WIRE_VARINT = 0, HOY_WIRE_FIXED64 = 1, HOY_WIRE_BYTES = 2, HOY_WIRE_FIXED32 = 5 };

/* One field as it was read. */
struct hoy_wire_field {
	uint32_t number;
	enum hoy_wire_type type;
	uint64_t value;   /* of all types but BYTES */
	const char *data; /* BYTES: points into the message */
	size_t len;
};

/* A message that is being read. */
struct hoy_wire {
	const char *at, *end;
};

#define HOY_WIRE(data, len) ((struct hoy_wire){ (data), (data) + (len) })

/* 1: a field; 0: the end; -EPROTO: malformed. */
int hoy_wire_next(struct hoy_wire *wire, struct hoy_wire_field *ret);
/* Is it the field `number`, of bytes? */
bool hoy_wire_is_bytes(const struct hoy_wire_field *field, uint32_t number);
/* A field's bytes as a heap string in *ret, whose former value is freed. -EPROTO: a NUL is in it. */
int hoy_wire_take_string(const struct hoy_wire_field *field, char **ret);
/* An entry of a map<string, string> or map<string, bytes>. `value` is an empty field where there is none. */
int hoy_wire_map_entry(
	const struct hoy_wire_field *field, struct hoy_wire_field *ret_key, struct hoy_wire_field *ret_value);

/* Appends. As proto3 does, 0 and "" are not written (but for hoy_wire_add_bytes()). */
void hoy_wire_add_uint(struct hoy_buf *buf, uint32_t number, uint64_t value);
void hoy_wire_add_bytes(struct hoy_buf *buf, uint32_t number, const void *data, size_t len);
void hoy_wire_add_string(struct hoy_buf *buf, uint32_t number, const char *text);
/* A message in a message; its buffer is emptied. A failed one fails `buf`. */
void hoy_wire_add_message(struct hoy_buf *buf, uint32_t number, struct hoy_buf *message);
void hoy_wire_add_map_entry(struct hoy_buf *buf, uint32_t number, const char *key, const char *value);
/* A google.protobuf.Timestamp of nanoseconds since 1970; 0 is not written. */
void hoy_wire_add_time(struct hoy_buf *buf, uint32_t number, int64_t ns);

#endif
