/*
 * Dotenv files: KEY=value, KEY: value, export KEY=value, a name alone (its value is the environment's). Values stand
 * bare, in single quotes (as they are) or in double quotes (escapes); bare and double-quoted ones get their variables
 * replaced, quoted ones may span lines.
 */
#include "supervisor/compose/env_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/str.h"
#include "supervisor/compose/interpolate.h"

enum { MAX_ENV_FILE = 1 << 20 };

struct reader {
	const char *path;
	const char *at;
	unsigned int line;
	char *const *environment;
	char ***env;
	char ***warnings;
	struct hoy_err *err;
};

static const char *get_variable(const char *name, void *userdata)
{
	const struct reader *reader = userdata;
	const char *value = hoy_env_get(reader->environment, name);

	return value ? value : hoy_env_get(*reader->env, name);
}

static void variable_missing(const char *name, void *userdata)
{
	const struct reader *reader = userdata;

	if (reader->warnings)
		(void) hoy_interpolate_warn(reader->warnings, name);
}

static int bad_line(const struct reader *reader, const char *what)
{
	return hoy_err_invalid(reader->err, "failed to read %s: line %u: %s", reader->path, reader->line, what);
}

static void skip_blank(struct reader *reader)
{
	for (;;) {
		while (isspace((unsigned char) *reader->at)) {
			reader->line += *reader->at == '\n';
			reader->at++;
		}
		if (*reader->at != '#')
			return;
		reader->at += strcspn(reader->at, "\n");
	}
}

static void skip_spaces(struct reader *reader)
{
	while (*reader->at == ' ' || *reader->at == '\t' || *reader->at == '\r')
		reader->at++;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char) c) || strchr("_.-[]", c);
}

static int add(struct reader *reader, const char *name, const char *value)
{
	auto_free char *entry = hoy_str_printf("%s=%s", name, value);

	if (!entry || hoy_env_set(reader->env, entry) < 0)
		return hoy_err_oom(reader->err);
	return 0;
}

static int expand(struct reader *reader, const char *name, const char *raw)
{
	const struct hoy_interpolation how = { .get = get_variable, .missing = variable_missing, .userdata = reader };
	auto_free char *value = NULL;
	struct hoy_err why = {};

	if (hoy_interpolate(raw, &how, &value, &why) < 0)
		return bad_line(reader, why.msg);
	return add(reader, name, value);
}

/* A double-quoted escape; "\$" stays a dollar sign, which interpolation knows as "$$". */
static void add_escape(struct hoy_buf *out, char c)
{
	static const char from[] = "nrtabfv", to[] = "\n\r\t\a\b\f\v";
	const char *at = strchr(from, c);

	if (c == '$')
		(void) hoy_buf_adds(out, "$$");
	else if (at)
		(void) hoy_buf_addc(out, to[at - from]);
	else if (c == '"' || c == '\\' || c == '\'')
		(void) hoy_buf_addc(out, c);
	else
		(void) hoy_buf_addf(out, "\\%c", c);
}

static int read_quoted(struct reader *reader, const char *name)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	char quote = *reader->at++;
	unsigned int first = reader->line;

	(void) hoy_buf_adds(&out, "");
	for (; *reader->at && *reader->at != quote; reader->at++) {
		reader->line += *reader->at == '\n';
		if (*reader->at == '\\' && reader->at[1] && (quote == '"' || reader->at[1] == '\'')) {
			reader->at++;
			add_escape(&out, *reader->at);
		} else {
			(void) hoy_buf_addc(&out, *reader->at);
		}
	}
	if (!*reader->at) {
		reader->line = first;
		return bad_line(reader, "unterminated quoted value");
	}
	reader->at++;
	if (hoy_buf_check(&out, "a value", reader->err) < 0)
		return -ENOMEM;
	/* Only a comment may follow. */
	skip_spaces(reader);
	if (*reader->at == '#')
		reader->at += strcspn(reader->at, "\n");
	if (*reader->at && *reader->at != '\n')
		return bad_line(reader, "text behind a quoted value");
	return quote == '"' ? expand(reader, name, out.data) : add(reader, name, out.data);
}

static int read_bare(struct reader *reader, const char *name)
{
	size_t len = strcspn(reader->at, "\n");
	auto_free char *raw = NULL;

	for (size_t i = 0; i < len; i++)
		if (reader->at[i] == '#' && (i == 0 || isspace((unsigned char) reader->at[i - 1]))) {
			len = i;
			break;
		}
	while (len && isspace((unsigned char) reader->at[len - 1]))
		len--;
	raw = strndup(reader->at, len);
	if (!raw)
		return hoy_err_oom(reader->err);
	reader->at += strcspn(reader->at, "\n");
	return expand(reader, name, raw);
}

static int read_entry(struct reader *reader)
{
	auto_free char *name = NULL;
	size_t len = 0;

	if (hoy_str_starts(reader->at, "export") && (reader->at[6] == ' ' || reader->at[6] == '\t')) {
		reader->at += 6;
		skip_spaces(reader);
	}
	while (reader->at[len] && is_name_char(reader->at[len]))
		len++;
	name = strndup(reader->at, len);
	if (!name)
		return hoy_err_oom(reader->err);
	if (!len) {
		auto_free char *what = hoy_str_printf("unexpected character \"%c\" in variable name", *reader->at);

		return bad_line(reader, what ? what : "unexpected character in variable name");
	}
	reader->at += len;
	skip_spaces(reader);
	if (!*reader->at || *reader->at == '\n') {
		const char *value = hoy_env_get(reader->environment, name);

		return value ? add(reader, name, value) : 0;
	}
	if (*reader->at != '=' && *reader->at != ':') {
		auto_free char *what = hoy_str_printf(
			"unexpected character \"%c\" in variable name \"%.100s\"", *reader->at, name);

		return bad_line(reader, what ? what : "unexpected character in variable name");
	}
	reader->at++;
	skip_spaces(reader);
	return *reader->at == '"' || *reader->at == '\'' ? read_quoted(reader, name) : read_bare(reader, name);
}

int hoy_env_file_parse(const char *path, const char *text, char *const *environment, char ***env, char ***warnings,
	struct hoy_err *err)
{
	struct reader reader = { .path = path,
		.at = text,
		.line = 1,
		.environment = environment,
		.env = env,
		.warnings = warnings,
		.err = err };

	if (!strncmp(text, "\xef\xbb\xbf", 3))
		reader.at += 3;
	for (skip_blank(&reader); *reader.at; skip_blank(&reader)) {
		int r = read_entry(&reader);

		if (r < 0)
			return r;
	}
	return 0;
}

/* `format: raw`: a line is KEY=value, the value as it stands. */
static int parse_raw(const char *path, const char *text, char *const *environment, char ***env, struct hoy_err *err)
{
	struct reader reader = { .path = path, .at = text, .environment = environment, .env = env, .err = err };

	while (*reader.at) {
		size_t len = strcspn(reader.at, "\n");
		auto_free char *line = strndup(reader.at, len);
		const char *start = line, *inherited;
		int r = 0;

		if (!line)
			return hoy_err_oom(err);
		reader.line++;
		reader.at += len + (reader.at[len] == '\n');
		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		while (isspace((unsigned char) *start))
			start++;
		if (!*start || *start == '#')
			continue;
		inherited = strchr(start, '=') ? NULL : hoy_env_get(environment, start);
		if (strchr(start, '='))
			r = hoy_env_set(env, start) < 0 ? hoy_err_oom(err) : 0;
		else if (inherited)
			r = add(&reader, start, inherited);
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_env_file_read(const char *path, const char *format, char *const *environment, char ***env, char ***warnings,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r;

	if (format && *format && strcmp(format, "raw") != 0)
		return hoy_err_invalid(
			err, "env file %s: unsupported env_file format \"%s\": raw, or none", path, format);
	hoy_buf_init(&text, MAX_ENV_FILE);
	r = hoy_file_read(AT_FDCWD, path, &text, err);
	if (r < 0)
		return r;
	if (!text.len)
		return 0;
	if (strlen(text.data) != text.len)
		return hoy_err_invalid(err, "failed to read %s: a NUL character", path);
	if (format && *format)
		return parse_raw(path, text.data, environment, env, err);
	return hoy_env_file_parse(path, text.data, environment, env, warnings, err);
}
