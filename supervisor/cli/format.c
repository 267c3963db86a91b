/* --format of lists and objects. */
#include "supervisor/cli/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/tabs.h"
#include "supervisor/cli/template.h"

#define ROWS_MAX ((size_t) 256 << 20)

/* How the rows are printed. */
struct shape {
	bool table;
	char *text; /* the template; owned */
	struct hoy_template *template;
};

static void shape_done(struct shape *shape)
{
	free(shape->text);
	hoy_template_free(shape->template);
}

/* A backslash with t or n, as shells leave them, is a tab or a line's end. */
static char *unescape(const char *text)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};

	(void) hoy_buf_adds(&out, "");
	for (; *text; text++) {
		if (text[0] == '\\' && (text[1] == 't' || text[1] == 'n'))
			(void) hoy_buf_addc(&out, *++text == 't' ? '\t' : '\n');
		else
			(void) hoy_buf_addc(&out, *text);
	}
	return hoy_buf_take(&out);
}

static int parse(const char *text, struct shape *shape, struct hoy_err *err)
{
	shape->text = strcmp(text, "json") == 0 ? strdup("{{json .}}") : unescape(text);
	if (!shape->text)
		return hoy_err_oom(err);
	return hoy_template_parse(shape->text, &shape->template, err) < 0
		       ? hoy_err_wrap(err, "failed to parse template")
		       : 0;
}

static int shape_of(const struct hoy_cli *cli, const struct hoy_format_list *kind, const char *format, bool quiet,
	struct shape *ret, struct hoy_err *err)
{
	const char *text = format && *format ? format : NULL;

	if (!text && kind->config_key && !quiet)
		text = hoy_config_text(&cli->config, kind->config_key);
	if (!text || strcmp(text, "table") == 0) {
		bool ids = quiet && kind->quiet;

		ret->table = !ids;
		return parse(ids ? kind->quiet : kind->table, ret, err);
	}
	if (strncmp(text, "table", 5) == 0 && strchr(" \t", text[5])) {
		ret->table = true;
		text += 6 + strspn(text + 6, " \t");
		if (quiet && kind->quiet) {
			ret->table = false;
			text = kind->quiet;
		}
	}
	return parse(text, ret, err);
}

static int by_name(const void *a, const void *b)
{
	const struct hoy_format_field *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* What `json` prints of each row: its fields, sorted. One array for all. */
static int print_json_rows(
	const struct hoy_format_list *kind, const struct hoy_json *rows, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = ROWS_MAX };
	auto_free const struct hoy_format_field **sorted = NULL;
	struct hoy_json_writer w = { .buf = &text };
	size_t n = 0;
	int r;

	while (kind->fields[n].name)
		n++;
	sorted = calloc(n + 1, sizeof *sorted);
	if (!sorted)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++)
		sorted[i] = &kind->fields[i];
	qsort(sorted, n, sizeof *sorted, by_name);
	hoy_json_array(&w, NULL);
	hoy_json_each(row, rows)
	{
		hoy_json_object(&w, NULL);
		for (size_t i = 0; i < n; i++)
			if (hoy_json_get(row, sorted[i]->name))
				hoy_json_add_value(&w, sorted[i]->name, hoy_json_get(row, sorted[i]->name));
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "the list", err);
	return r < 0 ? r
		     : hoy_json_parse(text.data, text.len, &(struct hoy_json_limits){ .max_size = ROWS_MAX }, ret, err);
}

static int add_heads(
	const struct hoy_format_list *kind, const struct shape *shape, struct hoy_buf *out, struct hoy_err *err)
{
	const struct hoy_template_options options = { .heads = true };
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_ptr(hoy_json_free) struct hoy_json *heads = NULL;
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_object(&w, NULL);
	for (const struct hoy_format_field *f = kind->fields; f->name; f++)
		hoy_json_add_string(&w, f->name, f->title);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "the table's head", err);
	if (r == 0)
		r = hoy_json_parse(text.data, text.len, NULL, &heads, err);
	if (r < 0)
		return r;
	/* A head that can't be made is left out; the rows tell what is wrong. */
	(void) hoy_template_run(shape->template, heads, &options, out, NULL);
	return hoy_buf_addc(out, '\n') < 0 ? hoy_err_oom(err) : 0;
}

static int add_rows(const struct hoy_format_list *kind, const struct shape *shape, const struct hoy_json *rows,
	struct hoy_buf *out, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *as_json = NULL;
	struct hoy_template_options options = { .strict = true };
	int r = 0;

	if (strstr(shape->text, "json"))
		r = print_json_rows(kind, rows, &as_json, err);
	if (r < 0)
		return r;
	options.as_json = hoy_json_first(as_json);
	hoy_json_each(row, rows)
	{
		r = hoy_template_run(shape->template, row, &options, out, err);
		if (r < 0)
			return hoy_err_wrap(err, "template parsing error");
		(void) hoy_buf_addc(out, '\n');
		options.as_json = options.as_json ? hoy_json_next(options.as_json) : NULL;
	}
	return hoy_buf_check(out, "the list", err);
}

int hoy_format_list_text(const struct hoy_cli *cli, const struct hoy_format_list *kind, const char *format, bool quiet,
	const struct hoy_buf *rows, struct hoy_buf *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	auto_(hoy_buf_done) struct hoy_buf out = { .cap = ROWS_MAX };
	auto_(shape_done) struct shape shape = {};
	int r = hoy_buf_check(rows, "the list", err);

	if (r == 0)
		r = hoy_json_parse(
			rows->data, rows->len, &(struct hoy_json_limits){ .max_size = ROWS_MAX }, &list, err);
	if (r == 0)
		r = shape_of(cli, kind, format, quiet, &shape, err);
	if (r == 0 && shape.table)
		r = add_heads(kind, &shape, &out, err);
	if (r == 0)
		r = add_rows(kind, &shape, list, &out, err);
	if (r < 0)
		return r;
	if (shape.table)
		hoy_tabs_align(out.data, ret);
	else
		(void) hoy_buf_adds(ret, out.data ? out.data : "");
	return hoy_buf_check(ret, "the list", err);
}

int hoy_format_list(const struct hoy_cli *cli, const struct hoy_format_list *kind, const char *format, bool quiet,
	const struct hoy_buf *rows, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = ROWS_MAX };
	int r = hoy_format_list_text(cli, kind, format, quiet, rows, &text, err);

	if (r == 0)
		(void) fputs(text.data ? text.data : "", stdout);
	return r;
}

/* --- one object, streams ----------------------------------------------------- */

struct hoy_format_stream {
	struct shape shape;
};

int hoy_format_stream_new(const char *format, struct hoy_format_stream **ret, struct hoy_err *err)
{
	struct hoy_format_stream *stream = calloc(1, sizeof *stream);
	int r;

	if (!stream)
		return hoy_err_oom(err);
	r = parse(format, &stream->shape, err);
	if (r < 0) {
		hoy_format_stream_free(stream);
		return r;
	}
	*ret = stream;
	return 0;
}

int hoy_format_stream_row(struct hoy_format_stream *stream, const struct hoy_json *row, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	const struct hoy_template_options options = { .strict = true };
	int r = hoy_template_run(stream->shape.template, row, &options, &out, err);

	if (r < 0)
		return hoy_err_wrap(err, "template parsing error");
	(void) printf("%s\n", out.data ? out.data : "");
	(void) fflush(stdout);
	return 0;
}

void hoy_format_stream_free(struct hoy_format_stream *stream)
{
	if (stream)
		shape_done(&stream->shape);
	free(stream);
}

int hoy_format_object(const char *format, const struct hoy_json *object, struct hoy_err *err)
{
	auto_ptr(hoy_format_stream_free) struct hoy_format_stream *stream = NULL;
	int r = hoy_format_stream_new(format, &stream, err);

	return r < 0 ? r : hoy_format_stream_row(stream, object, err);
}

/* --- inspect ----------------------------------------------------------------- */

int hoy_format_get(struct hoy_cli *cli, const char *kind, const char *name, const char *tail, struct hoy_json **ret,
	struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_addf(&path, "/%s/", kind);
	hoy_http_escape(&path, name);
	(void) hoy_buf_adds(&path, tail);
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "GET", path.data, NULL, ret, err);
}

/* The objects that were found, as an indented or compact array, or each by a template. */
struct inspection {
	struct hoy_template *template;
	struct hoy_buf out;
	struct hoy_json_writer w;
};

static int add_object(struct inspection *in, const struct hoy_json *object, struct hoy_err *err)
{
	const struct hoy_template_options options = { .strict = true };
	int r;

	if (!in->template) {
		hoy_json_add_value(&in->w, NULL, object);
		return 0;
	}
	r = hoy_template_run(in->template, object, &options, &in->out, err);
	if (r < 0)
		return hoy_err_wrap(err, "template parsing error");
	(void) hoy_buf_addc(&in->out, '\n');
	return 0;
}

int hoy_format_inspect(struct hoy_cli *cli, const char *format,
	int (*get)(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err))
{
	auto_ptr(hoy_template_free) struct hoy_template *template = NULL;
	struct inspection in = { .w.indent = 4 };
	bool json = format && strcmp(format, "json") == 0;
	auto_(hoy_buf_done) struct hoy_buf problems = {};
	struct hoy_err err;
	int status = 0;

	if (format && *format && !json && hoy_template_parse(format, &template, &err) < 0) {
		(void) hoy_err_wrap(&err, "template parsing error");
		return hoy_cli_fail(cli, 64, &err);
	}
	in.template = template;
	in.w.buf = &in.out;
	in.w.indent = json ? 0 : 4;
	if (!template)
		hoy_json_array(&in.w, NULL);
	for (size_t i = 0; i < cli->n_args; i++) {
		auto_ptr(hoy_json_free) struct hoy_json *object = NULL;

		if (get(cli, cli->args[i], &object, &err) < 0 || add_object(&in, object, &err) < 0) {
			if (object)
				(void) hoy_buf_addc(&in.out, '\n'); /* as docker does */
			(void) hoy_buf_addf(&problems, "%s\n", hoy_err_str(&err));
			status = 1;
			if (object)
				break; /* the template fails for the others too */
		}
	}
	if (!template) {
		hoy_json_end(&in.w);
		(void) hoy_buf_addc(&in.out, '\n');
	}
	(void) fputs(in.out.data ? in.out.data : "", stdout);
	(void) fflush(stdout);
	(void) fputs(problems.data ? problems.data : "", stderr);
	hoy_buf_done(&in.out);
	return status;
}
