/* Entries of json-file and of local. Pure. */
#include "supervisor/container/log_entry.h"

#include <stdint.h>
#include <string.h>

#include "base/str.h"
#include "base/time.h"

#define NS_PER_S 1000000000

void hoy_log_entry_done(struct hoy_log_entry *entry)
{
	hoy_json_free(entry->doc);
	*entry = (struct hoy_log_entry){};
}

static bool take_literal(const char **at, const char *end, const char *literal)
{
	size_t len = strlen(literal);

	if ((size_t) (end - *at) < len || memcmp(*at, literal, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Printable ASCII in the very form in which the shim writes, as most lines are, without a parser: the text is used where it
 * lies, its newline is `ends_line`. False: it may be an entry all the same. */
static bool take_plain(const char *line, size_t len, struct hoy_log_entry *ret)
{
	struct hoy_log_entry entry = { 0 };
	const char *at = line, *end = line + len;
	char time[HOY_TIME_MAX] = { 0 };

	if (!take_literal(&at, end, "{\"log\":\""))
		return false;
	entry.text = at;
	while (at < end && *at >= ' ' && *at < 0x7f && *at != '"' && *at != '\\')
		at++;
	entry.len = (size_t) (at - entry.text);
	entry.ends_line = take_literal(&at, end, "\\n");
	if (take_literal(&at, end, "\",\"stream\":\"stderr\",\"time\":\""))
		entry.stream = HOY_LOG_STDERR;
	else if (!take_literal(&at, end, "\",\"stream\":\"stdout\",\"time\":\""))
		return false;
	for (size_t i = 0; i < sizeof time - 1 && at < end && *at != '"'; i++)
		time[i] = *at++;
	if (!take_literal(&at, end, "\"}") || at != end || hoy_time_parse(time, &entry.at) < 0)
		return false;
	*ret = entry;
	return true;
}

bool hoy_log_entry_from_json(const char *line, size_t len, struct hoy_log_entry *ret)
{
	auto_(hoy_log_entry_done) struct hoy_log_entry entry = {};
	const char *stream, *time;

	if (take_plain(line, len, ret))
		return true;
	if (hoy_json_parse(line, len, NULL, &entry.doc, NULL) < 0 || hoy_json_type(entry.doc) != HOY_JSON_OBJECT)
		return false;
	entry.text = hoy_json_string(hoy_json_get(entry.doc, "log"));
	stream = hoy_json_string(hoy_json_get(entry.doc, "stream"));
	time = hoy_json_string(hoy_json_get(entry.doc, "time"));
	if (!entry.text || !stream || !time || hoy_time_parse(time, &entry.at) < 0)
		return false;
	entry.len = strlen(entry.text);
	entry.stream = strcmp(stream, "stderr") == 0 ? HOY_LOG_STDERR : HOY_LOG_STDOUT;
	*ret = entry;
	entry = (struct hoy_log_entry){};
	return true;
}

/* --- local ------------------------------------------------------------------------------------- */

struct bytes {
	const unsigned char *at, *end;
};

static bool take_varint(struct bytes *in, uint64_t *ret)
{
	*ret = 0;
	for (int shift = 0; shift < 64 && in->at < in->end; shift += 7) {
		unsigned char c = *in->at++;

		*ret |= (uint64_t) (c & 0x7f) << shift;
		if (!(c & 0x80))
			return true;
	}
	return false;
}

/* A field's number, and its value (type 0) or bytes (type 2); no other types occur. */
static bool take_field(struct bytes *in, uint64_t *field, uint64_t *value, struct bytes *ret)
{
	uint64_t key;

	*ret = (struct bytes){};
	if (!take_varint(in, &key) || ((key & 7) != 0 && (key & 7) != 2) || !take_varint(in, value))
		return false;
	*field = key >> 3;
	if ((key & 7) == 0)
		return true;
	if (*value > (uint64_t) (in->end - in->at))
		return false;
	*ret = (struct bytes){ in->at, in->at + *value };
	in->at += *value;
	return true;
}

bool hoy_log_entry_from_local(const char *frame, size_t len, struct hoy_log_entry *ret)
{
	struct bytes in = { (const unsigned char *) frame, (const unsigned char *) frame + len };
	struct hoy_log_entry entry = { .text = "", .ends_line = true };
	bool has_source = false, has_time = false;

	while (in.at < in.end) {
		struct bytes bytes;
		uint64_t field, value;

		if (!take_field(&in, &field, &value, &bytes))
			return false;
		if (field == 1 && bytes.at) {
			has_source = true;
			entry.stream = value == 6 && memcmp(bytes.at, "stderr", 6) == 0 ? HOY_LOG_STDERR
											: HOY_LOG_STDOUT;
		} else if (field == 2 && !bytes.at) {
			has_time = true;
			entry.at.tv_sec = (time_t) (value / NS_PER_S);
			entry.at.tv_nsec = (long) (value % NS_PER_S);
		} else if (field == 3 && bytes.at) {
			entry.text = (const char *) bytes.at;
			entry.len = value;
		} else if (field == 4 && !bytes.at) {
			entry.ends_line = !value;
		}
	}
	if (!has_source || !has_time)
		return false;
	*ret = entry;
	return true;
}
