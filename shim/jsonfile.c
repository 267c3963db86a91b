/* The json-file log writer: cutting into lines, encoding, rotation. Reading logs is the supervisor's. */
#include "shim/jsonfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/str.h"
#include "base/time.h"
#include "base/utf8.h"
#include "shim/uri.h"

#define LOG_MODE 0640
#define ENTRY_OVERHEAD 96 /* keys, stream name and time of an entry */

struct hoy_jsonfile {
	struct hoy_jsonfile_options options;
	int fd;
	int64_t size;
	bool warned;
	struct hoy_buf batch; /* entries of the call that is running */
};

/* --- options ------------------------------------------------------------------------------------------------------ */

void hoy_jsonfile_options_done(struct hoy_jsonfile_options *options)
{
	free(options->path);
	options->path = NULL;
}

static int parse_option(struct hoy_jsonfile_options *options, const char *text, struct hoy_err *err)
{
	const char *value = strchr(text, '=');
	size_t len = value ? (size_t) (value++ - text) : 0;

	if (value && len == strlen("max-size") && strncmp(text, "max-size", len) == 0) {
		if (hoy_str_to_i64(value, &options->max_size) == 0 && options->max_size >= -1 && options->max_size)
			return 0;
	} else if (value && len == strlen("max-file") && strncmp(text, "max-file", len) == 0) {
		if (hoy_str_to_uint(value, &options->max_file) == 0 && options->max_file)
			return 0;
	}
	return hoy_err_invalid(err, "json-file option '%s'", text);
}

int hoy_jsonfile_parse(const char *uri, struct hoy_jsonfile_options *ret, struct hoy_err *err)
{
	static const char scheme[] = "json-file://";
	auto_(hoy_jsonfile_options_done) struct hoy_jsonfile_options options = { .max_size = -1, .max_file = 1 };
	const char *path = uri + sizeof scheme - 1, *query;

	if (!hoy_str_starts(uri, scheme) || *path != '/')
		return hoy_err_invalid(err, "log URI '%s' is not json-file:///path", uri);
	query = strchr(path, '?');
	options.path = hoy_uri_decode(path, query ? (size_t) (query - path) : strlen(path));
	if (!options.path)
		return hoy_err_oom(err);
	if (query && query[1]) {
		auto_ptr(hoy_strv_free) char **parts = hoy_str_split(query + 1, '&');

		if (!parts)
			return hoy_err_oom(err);
		for (char **part = parts; *part; part++) {
			int r = parse_option(&options, *part, err);

			if (r < 0)
				return r;
		}
	}
	*ret = options;
	options.path = NULL;
	return 0;
}

/* --- the file ----------------------------------------------------------------------------------------------------- */

static int open_file(struct hoy_jsonfile *file, struct hoy_err *err)
{
	struct stat st;

	file->fd = open(file->options.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, LOG_MODE);
	if (file->fd < 0)
		return hoy_err_sys(err, "open log '%s'", file->options.path);
	if (fstat(file->fd, &st) < 0)
		return hoy_err_sys(err, "stat log '%s'", file->options.path);
	file->size = st.st_size;
	return 0;
}

int hoy_jsonfile_open(const struct hoy_jsonfile_options *options, struct hoy_jsonfile **ret, struct hoy_err *err)
{
	auto_ptr(hoy_jsonfile_free) struct hoy_jsonfile *file = calloc(1, sizeof *file);
	int r;

	if (!file)
		return hoy_err_oom(err);
	file->fd = -EBADF;
	file->options = *options;
	file->options.path = strdup(options->path);
	if (!file->options.path)
		return hoy_err_oom(err);
	r = open_file(file, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(file);
	return 0;
}

void hoy_jsonfile_free(struct hoy_jsonfile *file)
{
	if (!file)
		return;
	hoy_fd_close(&file->fd);
	hoy_buf_done(&file->batch);
	hoy_jsonfile_options_done(&file->options);
	free(file);
}

static void warn_once(struct hoy_jsonfile *file, const struct hoy_err *err)
{
	if (!file->warned)
		hoy_log_err(err, "output is lost");
	file->warned = true;
}

/* PATH, PATH.1 ... move up by one; what would be PATH.max_file goes. */
static void shift_files(const struct hoy_jsonfile_options *options)
{
	for (unsigned int i = options->max_file - 1; i >= 1; i--) {
		auto_free char *to = hoy_str_printf("%s.%u", options->path, i);
		auto_free char *from = i > 1 ? hoy_str_printf("%s.%u", options->path, i - 1) : strdup(options->path);

		if (from && to)
			(void) rename(from, to);
	}
}

static void rotate(struct hoy_jsonfile *file)
{
	struct hoy_err err = {};

	if (file->options.max_file <= 1) {
		if (ftruncate(file->fd, 0) == 0)
			file->size = 0;
		return;
	}
	shift_files(&file->options);
	hoy_fd_close(&file->fd);
	if (open_file(file, &err) < 0)
		warn_once(file, &err);
}

static void write_batch(struct hoy_jsonfile *file)
{
	struct hoy_err err = {};
	int r;

	if (!file->batch.len)
		return;
	if (file->fd < 0 && open_file(file, &err) < 0) {
		warn_once(file, &err);
		hoy_buf_clear(&file->batch);
		return;
	}
	r = hoy_fd_write_all(file->fd, file->batch.data, file->batch.len);
	if (r < 0) {
		hoy_err_code(&err, r, "write log '%s'", file->options.path);
		warn_once(file, &err);
		(void) !ftruncate(file->fd, file->size); /* no torn entry stays */
	} else {
		file->size += (int64_t) file->batch.len;
		file->warned = false;
	}
	hoy_buf_clear(&file->batch);
}

static bool is_full(const struct hoy_jsonfile *file)
{
	return file->options.max_size > 0 && file->size + (int64_t) file->batch.len >= file->options.max_size;
}

static void add_entry(struct hoy_jsonfile *file, const char *text, size_t len, bool newline, const char *stream,
	const struct timespec *time)
{
	if (is_full(file)) {
		write_batch(file);
		if (is_full(file))
			rotate(file);
	}
	hoy_jsonfile_encode(&file->batch, text, len, newline, stream, time);
}

/* --- lines -------------------------------------------------------------------------------------------------------- */

void hoy_jsonfile_line_done(struct hoy_jsonfile_line *line)
{
	hoy_buf_done(&line->text);
	line->cut = false;
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

/* Appends to the unfinished line and writes the parts that are full. */
static void keep(struct hoy_jsonfile *file, struct hoy_jsonfile_line *line, const char *stream, const char *data,
	size_t len, const struct timespec *now)
{
	while (len) {
		size_t n = MIN(len, HOY_JSONFILE_PART - line->text.len);

		if (!line->text.len && !line->cut)
			line->since = *now;
		(void) hoy_buf_add(&line->text, data, n);
		data += n;
		len -= n;
		if (line->text.len >= HOY_JSONFILE_PART) {
			size_t part = part_length(line->text.data, line->text.len);

			add_entry(file, line->text.data, part, /* newline= */ false, stream, &line->since);
			hoy_buf_consume(&line->text, part);
			line->cut = true;
		}
	}
}

void hoy_jsonfile_write(struct hoy_jsonfile *file, struct hoy_jsonfile_line *line, const char *stream, const char *data,
	size_t len, const struct timespec *now)
{
	const char *end = data + len;

	(void) hoy_buf_reserve(&file->batch, len + len / 2 + ENTRY_OVERHEAD);
	while (data < end) {
		const char *newline = memchr(data, '\n', (size_t) (end - data));
		size_t n = (size_t) ((newline ? newline : end) - data);

		if (!newline) {
			keep(file, line, stream, data, n, now);
			break;
		}
		if (!line->text.len && !line->cut && n < HOY_JSONFILE_PART) {
			add_entry(file, data, n, /* newline= */ true, stream, now);
		} else {
			keep(file, line, stream, data, n, now);
			add_entry(file, line->text.len ? line->text.data : "", line->text.len, /* newline= */ true,
				stream, line->cut || line->text.len ? &line->since : now);
			hoy_jsonfile_line_done(line);
		}
		data = newline + 1;
	}
	write_batch(file);
	hoy_buf_done(&file->batch);
}

void hoy_jsonfile_finish(struct hoy_jsonfile *file, struct hoy_jsonfile_line *line, const char *stream)
{
	if (line->text.len) {
		add_entry(file, line->text.data, line->text.len, /* newline= */ false, stream, &line->since);
		write_batch(file);
		hoy_buf_done(&file->batch);
	}
	hoy_jsonfile_line_done(line);
}

/* --- encoding ----------------------------------------------------------------------------------------------------- */

static bool is_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* Encodes the character at `p`, which is not plain; returns its length. */
static size_t encode_special(struct hoy_buf *out, const unsigned char *p, size_t len)
{
	size_t n;

	switch (*p) {
	case '"':
	case '\\':
		(void) hoy_buf_addc(out, '\\');
		(void) hoy_buf_addc(out, (char) *p);
		return 1;
	case '\n':
		(void) hoy_buf_adds(out, "\\n");
		return 1;
	case '\r':
		(void) hoy_buf_adds(out, "\\r");
		return 1;
	default:
		break;
	}
	if (*p < 0x80) {
		(void) hoy_buf_addf(out, "\\u%04x", *p);
		return 1;
	}
	n = hoy_utf8_char_len((const char *) p, len);
	if (n == 0) {
		(void) hoy_buf_adds(out, "\\ufffd");
		return 1;
	}
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8) /* line and paragraph separator */
		(void) hoy_buf_adds(out, p[2] == 0xa8 ? "\\u2028" : "\\u2029");
	else
		(void) hoy_buf_add(out, p, n);
	return n;
}

static void encode_text(struct hoy_buf *out, const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *) text, *end = p + len;

	while (p < end) {
		const unsigned char *run = p;

		while (p < end && is_plain(*p))
			p++;
		if (p > run)
			(void) hoy_buf_add(out, run, (size_t) (p - run));
		if (p < end)
			p += encode_special(out, p, (size_t) (end - p));
	}
}

/* RFC 3339 with as many digits as it needs. */
static void encode_time(struct hoy_buf *out, const struct timespec *time)
{
	char text[HOY_TIME_MAX];
	size_t len;

	hoy_time_format(time, text);
	len = strlen(text) - 1; /* without the Z */
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	(void) hoy_buf_add(out, text, len);
	(void) hoy_buf_addc(out, 'Z');
}

void hoy_jsonfile_encode(struct hoy_buf *out, const char *text, size_t len, bool newline, const char *stream,
	const struct timespec *time)
{
	(void) hoy_buf_adds(out, "{\"log\":\"");
	encode_text(out, text, len);
	if (newline)
		(void) hoy_buf_adds(out, "\\n");
	(void) hoy_buf_adds(out, "\",\"stream\":\"");
	(void) hoy_buf_adds(out, stream);
	(void) hoy_buf_adds(out, "\",\"time\":\"");
	encode_time(out, time);
	(void) hoy_buf_adds(out, "\"}\n");
}
