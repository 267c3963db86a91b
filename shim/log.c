/* Options of a log, and cutting output into lines. logfile.c and journal.c take the entries. */
#include "shim/log.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "shim/journal.h"
#include "shim/log_format.h"
#include "shim/logfile.h"
#include "shim/protocol.h"
#include "shim/uri.h"

#define ENTRY_OVERHEAD 96 /* keys, stream name and time of an entry */
#define LOCAL_MAX_SIZE ((int64_t) 20 << 20)
#define LOCAL_MAX_FILE 5
#define DEFAULT_MAX_BUFFER ((size_t) 1 << 20)
#define JOURNAL_SOCKET "/run/systemd/journal/socket"

struct hoy_outlog {
	enum hoy_outlog_kind kind;
	struct hoy_outlog_file *file; /* one of them */
	struct hoy_outlog_journal *journal;
};

/* --- options ------------------------------------------------------------------------------------------------------ */

static const struct scheme {
	const char *prefix, *name;
	enum hoy_outlog_kind kind;
} schemes[] = {
	{ HOY_SHIM_JSON_FILE, "json-file", HOY_OUTLOG_KIND_JSON },
	{ HOY_SHIM_LOCAL, "local", HOY_OUTLOG_KIND_LOCAL },
	{ HOY_SHIM_JOURNALD, "journald", HOY_OUTLOG_KIND_JOURNAL },
};

static const struct scheme *find_scheme(const char *uri)
{
	for (size_t i = 0; i < ARRAY_LEN(schemes); i++)
		if (hoy_str_starts(uri, schemes[i].prefix))
			return &schemes[i];
	return NULL;
}

bool hoy_outlog_is_uri(const char *uri)
{
	return find_scheme(uri) != NULL;
}

void hoy_outlog_options_done(struct hoy_outlog_options *options)
{
	free(options->path);
	hoy_strv_free(options->fields);
	options->path = NULL;
	options->fields = NULL;
}

static bool is_mode(const char *key)
{
	return hoy_str_eq(key, "mode") || hoy_str_eq(key, "max-buffer-size");
}

static bool set_file_option(struct hoy_outlog_options *options, const char *key, const char *value)
{
	if (hoy_str_eq(key, "max-size"))
		return hoy_str_to_i64(value, &options->max_size) == 0 && options->max_size >= -1 && options->max_size;
	if (hoy_str_eq(key, "max-file"))
		return hoy_str_to_uint(value, &options->max_file) == 0 && options->max_file;
	if (!hoy_str_eq(key, "compress"))
		return false;
	options->compress = hoy_str_eq(value, "true");
	return options->compress || hoy_str_eq(value, "false");
}

/* Names as journald has them; those with a leading underscore are its own. */
static bool is_field(const char *key)
{
	if (!isupper((unsigned char) *key))
		return false;
	while (isupper((unsigned char) *key) || isdigit((unsigned char) *key) || *key == '_')
		key++;
	return !*key;
}

static int set_option(
	struct hoy_outlog_options *options, const char *name, const char *key, const char *value, struct hoy_err *err)
{
	if (is_mode(key))
		return 0;
	if (options->kind == HOY_OUTLOG_KIND_JOURNAL ? is_field(key) : set_file_option(options, key, value)) {
		if (options->kind == HOY_OUTLOG_KIND_JOURNAL &&
			hoy_strv_addf(&options->fields, "%s=%s", key, value) < 0)
			return hoy_err_oom(err);
		return 0;
	}
	return hoy_err_invalid(err, "%s option '%s=%s'", name, key, value);
}

int hoy_outlog_parse(const char *uri, struct hoy_outlog_options *ret, struct hoy_err *err)
{
	auto_(hoy_outlog_options_done) struct hoy_outlog_options options = { .max_size = -1, .max_file = 1 };
	const struct scheme *scheme = find_scheme(uri);
	auto_ptr(hoy_strv_free) char **pairs = NULL;
	const char *path, *query;

	if (!scheme)
		return hoy_err_invalid(err, "'%s' is no log of ours", uri);
	options.kind = scheme->kind;
	if (scheme->kind == HOY_OUTLOG_KIND_LOCAL) {
		options.max_size = LOCAL_MAX_SIZE;
		options.max_file = LOCAL_MAX_FILE;
		options.compress = true;
	}
	path = uri + strlen(scheme->prefix);
	query = strchr(path, '?');
	options.path = hoy_uri_decode(path, query ? (size_t) (query - path) : strlen(path));
	if (options.path && !*options.path && scheme->kind == HOY_OUTLOG_KIND_JOURNAL) {
		free(options.path);
		options.path = strdup(JOURNAL_SOCKET);
	}
	if (!options.path || hoy_uri_query(uri, &pairs) < 0)
		return hoy_err_oom(err);
	if (*options.path != '/')
		return hoy_err_invalid(err, "log URI '%s' is not %s/path", uri, scheme->prefix);
	for (char **pair = pairs; *pair; pair += 2) {
		int r = set_option(&options, scheme->name, pair[0], pair[1], err);

		if (r < 0)
			return r;
	}
	if (scheme->kind == HOY_OUTLOG_KIND_JSON && options.compress && options.max_file < 2)
		return hoy_err_invalid(err, "json-file option 'compress=true' needs max-file of 2 or more");
	*ret = options;
	options = (struct hoy_outlog_options){ 0 };
	return 0;
}

int hoy_outlog_parse_mode(const char *uri, struct hoy_outlog_mode *ret, struct hoy_err *err)
{
	struct hoy_outlog_mode mode = { .max_buffer = DEFAULT_MAX_BUFFER };
	auto_ptr(hoy_strv_free) char **pairs = NULL;

	if (hoy_uri_query(uri, &pairs) < 0)
		return hoy_err_oom(err);
	for (char **pair = pairs; *pair; pair += 2) {
		uint64_t size = 0;

		if (hoy_str_eq(pair[0], "mode")) {
			mode.lossy = hoy_str_eq(pair[1], "non-blocking");
			if (!mode.lossy && !hoy_str_eq(pair[1], "blocking"))
				return hoy_err_invalid(err, "log option 'mode=%s'", pair[1]);
		} else if (hoy_str_eq(pair[0], "max-buffer-size")) {
			if (hoy_str_to_u64(pair[1], &size) < 0 || !size || size > HOY_BUF_DEFAULT_CAP)
				return hoy_err_invalid(err, "log option 'max-buffer-size=%s'", pair[1]);
			mode.max_buffer = size;
		}
	}
	*ret = mode;
	return 0;
}

/* --- where it goes ------------------------------------------------------------------------------------------------ */

int hoy_outlog_open(const struct hoy_outlog_options *options, const struct hoy_outlog_setup *setup,
	struct hoy_outlog **ret, struct hoy_err *err)
{
	auto_ptr(hoy_outlog_free) struct hoy_outlog *log = calloc(1, sizeof *log);
	int r;

	if (!log)
		return hoy_err_oom(err);
	log->kind = options->kind;
	if (options->kind == HOY_OUTLOG_KIND_JOURNAL)
		r = hoy_outlog_journal_open(options, setup, &log->journal, err);
	else
		r = hoy_outlog_file_open(options, setup->reaper, &log->file, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(log);
	return 0;
}

void hoy_outlog_free(struct hoy_outlog *log)
{
	if (!log)
		return;
	hoy_outlog_file_free(log->file);
	hoy_outlog_journal_free(log->journal);
	free(log);
}

bool hoy_outlog_is_full(const struct hoy_outlog *log)
{
	return log->journal && hoy_outlog_journal_is_full(log->journal);
}

static void add_entry(struct hoy_outlog *log, const struct hoy_outlog_part *part)
{
	if (log->journal)
		hoy_outlog_journal_send(log->journal, part);
	else if (log->kind == HOY_OUTLOG_KIND_LOCAL)
		hoy_outlog_encode_local(hoy_outlog_file_batch(log->file), part);
	else
		hoy_outlog_encode_json(hoy_outlog_file_batch(log->file), part);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

void hoy_outlog_line_done(struct hoy_outlog_line *line)
{
	hoy_buf_done(&line->text);
	line->parts = 0;
}

/* How much of a full part is written: all of it, without a UTF-8 character that only begins in it. */
static size_t part_length(const char *text, size_t len)
{
	size_t back = 0;

	while (back < 3 && back < len && ((unsigned char) text[len - 1 - back] & 0xc0) == 0x80)
		back++;
	if (back < len) {
		unsigned char lead = (unsigned char) text[len - 1 - back];
		size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

		if (need > back + 1)
			return len - 1 - back;
	}
	return len;
}

/* The first `len` bytes of the line. */
static void add_part(
	struct hoy_outlog *log, struct hoy_outlog_line *line, const char *stream, size_t len, bool last, bool newline)
{
	char id[HOY_OUTLOG_LINE_ID];
	struct hoy_outlog_part part = {
		.text = line->text.len ? line->text.data : "",
		.len = len,
		.newline = newline,
		.stream = stream,
		.time = &line->since,
		.last = last,
		.line_id = id,
	};

	if (!last && !line->parts)
		hoy_random(&line->id, sizeof line->id);
	if (!last || line->parts)
		part.ordinal = ++line->parts;
	(void) snprintf(id, sizeof id, "%016llx", (unsigned long long) line->id);
	add_entry(log, &part);
	hoy_buf_consume(&line->text, len);
}

/* Appends to the unfinished line and writes the parts that are full. */
static void keep(struct hoy_outlog *log, struct hoy_outlog_line *line, const char *stream, const char *data, size_t len,
	const struct timespec *now)
{
	if (!line->text.len && !line->parts)
		line->since = *now;
	while (len) {
		size_t n = MIN(len, HOY_OUTLOG_PART - line->text.len);

		(void) hoy_buf_add(&line->text, data, n);
		data += n;
		len -= n;
		if (line->text.len >= HOY_OUTLOG_PART)
			add_part(log, line, stream, part_length(line->text.data, line->text.len), /* last= */ false,
				/* newline= */ false);
	}
}

static void add_whole(
	struct hoy_outlog *log, const char *stream, const char *data, size_t len, const struct timespec *now)
{
	const struct hoy_outlog_part part = {
		.text = data,
		.len = len,
		.newline = true,
		.stream = stream,
		.time = now,
		.last = true,
	};

	add_entry(log, &part);
}

void hoy_outlog_write(struct hoy_outlog *log, struct hoy_outlog_line *line, const char *stream, const char *data,
	size_t len, const struct timespec *now)
{
	const char *end = data + len;

	if (log->file)
		(void) hoy_buf_reserve(hoy_outlog_file_batch(log->file), 2 * len + ENTRY_OVERHEAD);
	while (data < end) {
		const char *newline = memchr(data, '\n', (size_t) (end - data));
		size_t n = (size_t) ((newline ? newline : end) - data);

		if (!newline) {
			keep(log, line, stream, data, n, now);
			break;
		}
		if (!line->text.len && !line->parts && n < HOY_OUTLOG_PART) {
			add_whole(log, stream, data, n, now);
		} else {
			keep(log, line, stream, data, n, now);
			add_part(log, line, stream, line->text.len, /* last= */ true, /* newline= */ true);
			hoy_outlog_line_done(line);
		}
		data = newline + 1;
	}
	if (log->file)
		hoy_outlog_file_flush(log->file);
}

void hoy_outlog_finish(struct hoy_outlog *log, struct hoy_outlog_line *line, const char *stream)
{
	if (line->text.len) {
		add_part(log, line, stream, line->text.len, /* last= */ true, /* newline= */ false);
		if (log->file)
			hoy_outlog_file_flush(log->file);
	}
	hoy_outlog_line_done(line);
}
