/*
 * --format: lists and objects printed as a table, as JSON or by a Go template, in docker's way.
 *
 * A command that lists things writes its rows as JSON and says what its columns are; everything else is here:
 *
 *	static const struct hoy_format_field fields[] = {
 *		{ "Name", "VOLUME NAME" }, { "Driver", "DRIVER" }, { "Labels", "LABELS" }, {}
 *	};
 *	static const struct hoy_format_list kind = {
 *		.fields = fields, .table = "{{.Driver}}\t{{.Name}}", .quiet = "{{.Name}}", .config_key =
 *"volumesFormat",
 *	};
 *	hoy_json_array(&w, NULL);
 *	for each: hoy_json_object(&w, NULL); hoy_json_add_string(&w, "Name", name); ... hoy_json_end(&w);
 *	hoy_json_end(&w);
 *	r = hoy_format_list(cli, &kind, o->format, o->quiet, &rows, &err);
 *
 * A member that is no field (an object "Label", say) is not printed by `json` but can be asked for: {{.Label "key"}}.
 */
#ifndef HOY_CLI_FORMAT_H
#define HOY_CLI_FORMAT_H

#include "supervisor/cli/cli.h"

struct hoy_format_field {
	const char *name;  /* the placeholder without its dot */
	const char *title; /* its head in a table */
};

struct hoy_format_list {
	const struct hoy_format_field *fields; /* ends with a NULL name */
	const char *table;                     /* the usual table, "{{.ID}}\t{{.Name}}" */
	const char *quiet;                     /* with -q; NULL: there is no -q */
	const char *config_key;                /* member of config.json with the user's own format, or NULL */
};

/* Prints the rows, a JSON array of objects. `format`: NULL or "" for the usual table, "table", "table TEMPLATE",
 * "json", or a template. Nothing is printed when it fails. */
int hoy_format_list(const struct hoy_cli *cli, const struct hoy_format_list *kind, const char *format, bool quiet,
	const struct hoy_buf *rows, struct hoy_err *err);

/* The same behind `ret` instead of printed. */
int hoy_format_list_text(const struct hoy_cli *cli, const struct hoy_format_list *kind, const char *format, bool quiet,
	const struct hoy_buf *rows, struct hoy_buf *ret, struct hoy_err *err);

/* One object by a template or "json", with a line's end: version, info. */
int hoy_format_object(const char *format, const struct hoy_json *object, struct hoy_err *err);

/* How a list of events or statistics prints each row as it comes. `format` as above, without tables. */
struct hoy_format_stream;
int hoy_format_stream_new(const char *format, struct hoy_format_stream **ret, struct hoy_err *err);
int hoy_format_stream_row(struct hoy_format_stream *stream, const struct hoy_json *row, struct hoy_err *err);
void hoy_format_stream_free(struct hoy_format_stream *stream);
HOY_DEFINE_AUTO_PTR(struct hoy_format_stream, hoy_format_stream_free);

/*
 * `inspect` of any kind of object: gets each of cli->args with `get`, prints the array (or each by the template
 * `format`) and the errors behind it. `get` sets *ret to the engine's answer, owned by us, or fails. The exit status.
 */
int hoy_format_inspect(struct hoy_cli *cli, const char *format,
	int (*get)(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err));

/* GET /KIND/NAME (with `tail` behind it) for `get` of the above. */
int hoy_format_get(struct hoy_cli *cli, const char *kind, const char *name, const char *tail, struct hoy_json **ret,
	struct hoy_err *err);

/* The help of a list's --format. */
#define HOY_FORMAT_HELP                                                                                                \
	"Format output using a template:\n'table':            a table with column heads (default)\n"                   \
	"'table TEMPLATE':   a table by the Go template\n'json':             a JSON object a line\n"                   \
	"'TEMPLATE':         a line by the Go template"
/* The help of an object's --format. */
#define HOY_FORMAT_OBJECT_HELP                                                                                         \
	"Format output using a template:\n'json':             JSON\n'TEMPLATE':         the Go template"

#endif
