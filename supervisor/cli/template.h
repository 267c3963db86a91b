/*
 * Go's text/template over JSON trees, as far as users of --format know it: fields, variables, pipelines, if, else if,
 * range, with, break, continue, comments and trimming, the comparisons, and, or, not, len, index, slice, print, printf,
 * println, and docker's json, join, lower, pad, split, title, truncate, upper. define, template, block and html, js,
 * urlquery are refused by name.
 *
 * A template is bytes of a user, the data bytes of an engine: both are bounded (depth, steps, size of the output).
 */
#ifndef HOY_CLI_TEMPLATE_H
#define HOY_CLI_TEMPLATE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

struct hoy_template;

/* Errors as Go words them: "template: :1: unclosed action". `text` is copied. */
int hoy_template_parse(const char *text, struct hoy_template **ret, struct hoy_err *err);
void hoy_template_free(struct hoy_template *template);
HOY_DEFINE_AUTO_PTR(struct hoy_template, hoy_template_free);

struct hoy_template_options {
	/* The data is the heads of a table: functions that change text leave it as it is, .Label "a.b-c" is "b c". */
	bool heads;
	/* What `json` of the data itself prints, with <, > and & escaped; NULL: the data, as it is. */
	const struct hoy_json *as_json;
	/* A member that isn't there is an error instead of "<no value>". */
	bool strict;
};

/* Appends what the template makes of `data`. `options` may be NULL. On an error `out` holds what came before it. */
int hoy_template_run(const struct hoy_template *template, const struct hoy_json *data,
	const struct hoy_template_options *options, struct hoy_buf *out, struct hoy_err *err);

#endif
