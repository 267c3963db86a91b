#include "base/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* --- reading ------------------------------------------------------------------------------------------------------ */

static int read_varint(struct hoy_wire *wire, uint64_t *ret)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; shift < 64 && wire->at < wire->end; shift += 7) {
		unsigned char byte = (unsigned char) *wire->at++;

		value |= (uint64_t) (byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*ret = value;
			return 0;
		}
	}
	return -EPROTO;
}

static int read_fixed(struct hoy_wire *wire, size_t len, uint64_t *ret)
{
	uint64_t value = 0;

	if ((size_t) (wire->end - wire->at) < len)
		return -EPROTO;
	for (size_t i = 0; i < len; i++)
		value |= (uint64_t) (unsigned char) wire->at[i] << (8 * i);
	wire->at += len;
	*ret = value;
	return 0;
}

int hoy_wire_next(struct hoy_wire *wire, struct hoy_wire_field *ret)
{
	struct hoy_wire_field field = { 0 };
	uint64_t key, len;

	if (wire->at == wire->end)
		return 0;
	if (read_varint(wire, &key) < 0 || key >> 3 == 0 || key >> 3 > (1U << 29) - 1)
		return -EPROTO;
	field.number = (uint32_t) (key >> 3);
	field.type = (enum hoy_wire_type)(key & 7);
	switch (field.type) {
	case HOY_WIRE_VARINT:
		if (read_varint(wire, &field.value) < 0)
			return -EPROTO;
		break;
	case HOY_WIRE_FIXED64:
	case HOY_WIRE_FIXED32:
		if (read_fixed(wire, field.type == HOY_WIRE_FIXED64 ? 8 : 4, &field.value) < 0)
			return -EPROTO;
		break;
	case HOY_WIRE_BYTES:
		if (read_varint(wire, &len) < 0 || len > (uint64_t) (wire->end - wire->at))
			return -EPROTO;
		field.data = wire->at;
		field.len = (size_t) len;
		wire->at += len;
		break;
	default:
		return -EPROTO; /* groups */
	}
	*ret = field;
	return 1;
}

bool hoy_wire_is_bytes(const struct hoy_wire_field *field, uint32_t number)
{
	return field->number == number && field->type == HOY_WIRE_BYTES;
}

int hoy_wire_take_string(const struct hoy_wire_field *field, char **ret)
{
	char *text;

	if (memchr(field->data ? field->data : "", '\0', field->len))
		return -EPROTO;
	text = strndup(field->data ? field->data : "", field->len);
	if (!text)
		return -ENOMEM;
	free(*ret);
	*ret = text;
	return 0;
}

int hoy_wire_map_entry(
	const struct hoy_wire_field *field, struct hoy_wire_field *ret_key, struct hoy_wire_field *ret_value)
{
	struct hoy_wire wire = HOY_WIRE(field->data, field->len);
	struct hoy_wire_field part;
	int r;

	*ret_key = *ret_value = (struct hoy_wire_field){ .type = HOY_WIRE_BYTES, .data = "" };
	while ((r = hoy_wire_next(&wire, &part)) > 0)
		if (hoy_wire_is_bytes(&part, 1))
			*ret_key = part;
		else if (hoy_wire_is_bytes(&part, 2))
			*ret_value = part;
	return r;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void add_varint(struct hoy_buf *buf, uint64_t value)
{
	char bytes[10];
	size_t n = 0;

	for (; value >= 0x80; value >>= 7)
		bytes[n++] = (char) (value | 0x80);
	bytes[n++] = (char) value;
	(void) hoy_buf_add(buf, bytes, n);
}

void hoy_wire_add_uint(struct hoy_buf *buf, uint32_t number, uint64_t value)
{
	if (value == 0)
		return;
	add_varint(buf, (uint64_t) number << 3 | HOY_WIRE_VARINT);
	add_varint(buf, value);
}

void hoy_wire_add_bytes(struct hoy_buf *buf, uint32_t number, const void *data, size_t len)
{
	add_varint(buf, (uint64_t) number << 3 | HOY_WIRE_BYTES);
	add_varint(buf, len);
	if (len > 0)
		(void) hoy_buf_add(buf, data, len);
}

void hoy_wire_add_string(struct hoy_buf *buf, uint32_t number, const char *text)
{
	if (text && *text)
		hoy_wire_add_bytes(buf, number, text, strlen(text));
}

void hoy_wire_add_message(struct hoy_buf *buf, uint32_t number, struct hoy_buf *message)
{
	if (message->failed && !buf->failed)
		buf->failed = message->failed;
	hoy_wire_add_bytes(buf, number, message->data, message->len);
	hoy_buf_clear(message);
}

void hoy_wire_add_map_entry(struct hoy_buf *buf, uint32_t number, const char *key, const char *value)
{
	auto_(hoy_buf_done) struct hoy_buf entry = { 0 };

	hoy_wire_add_string(&entry, 1, key);
	hoy_wire_add_string(&entry, 2, value);
	hoy_wire_add_message(buf, number, &entry);
}

void hoy_wire_add_time(struct hoy_buf *buf, uint32_t number, int64_t ns)
{
	auto_(hoy_buf_done) struct hoy_buf time = { 0 };

	if (ns <= 0)
		return;
	hoy_wire_add_uint(&time, 1, (uint64_t) ns / 1000000000);
	hoy_wire_add_uint(&time, 2, (uint64_t) ns % 1000000000);
	hoy_wire_add_message(buf, number, &time);
}
