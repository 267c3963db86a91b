/* history, tag. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/human.h"

/* "/images/NAME" + `tail`. */
static int image_path(const char *name, const char *tail, struct hoy_buf *path, struct hoy_err *err)
{
	(void) hoy_buf_adds(path, "/images/");
	hoy_http_escape(path, name);
	(void) hoy_buf_adds(path, tail);
	return hoy_buf_check(path, "the request", err);
}

/* --- history ----------------------------------------------------------------- */

#define CREATED_BY_WIDTH 45

struct history_options {
	const char *format, *platform;
	bool human, no_trunc, quiet;
};
static const struct history_options history_defaults = { .human = true };
static const struct hoy_option history_options[] = {
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct history_options, format, HOY_FORMAT_HELP),
	HOY_OPTION('H', "human", HOY_OPTION_BOOL, NULL, struct history_options, human,
		"Print sizes and dates in human readable format"),
	HOY_OPTION(0, "no-trunc", HOY_OPTION_BOOL, NULL, struct history_options, no_trunc, "Don't truncate output"),
	HOY_OPTION(0, "platform", HOY_OPTION_STRING, "string", struct history_options, platform,
		"Show the history of the given platform (\"os[/arch[/variant]]\")"),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct history_options, quiet, "Only show image IDs"),
	HOY_OPTION_END,
};

static const struct hoy_format_field history_fields[] = { { "ID", "IMAGE" }, { "CreatedSince", "CREATED" },
	{ "CreatedAt", "CREATED AT" }, { "CreatedBy", "CREATED BY" }, { "Size", "SIZE" }, { "Comment", "COMMENT" },
	{} };

/* "<missing>", or the ID, short unless all is wanted. Heap. */
static char *shown_id(const struct hoy_json *step, const struct history_options *o)
{
	const char *id = hoy_cli_text(step, "Id");

	if (o->no_trunc || !hoy_str_starts(id, "sha256:"))
		return strdup(id);
	return hoy_str_printf("%.12s", id + strlen("sha256:"));
}

/* Tabs are spaces, and what is too long ends in an ellipsis, between two characters. Heap. */
static char *shown_command(const struct hoy_json *step, const struct history_options *o)
{
	char *text = strdup(hoy_cli_text(step, "CreatedBy"));
	size_t at = 0, characters = 0;

	if (!text)
		return NULL;
	for (char *p = text; *p; p++)
		if (*p == '\t')
			*p = ' ';
	if (o->no_trunc)
		return text;
	for (size_t i = 0; text[i]; i++)
		if (((unsigned char) text[i] & 0xc0) != 0x80 && characters++ == CREATED_BY_WIDTH - 1)
			at = i;
	if (characters > CREATED_BY_WIDTH) {
		char *cut = hoy_str_printf("%.*s…", (int) at, text);

		free(text);
		return cut;
	}
	return text;
}

/* RFC 3339 in the user's time zone. */
static void add_created_at(struct hoy_json_writer *w, time_t created)
{
	char text[48], zone[8];
	struct tm tm;

	if (!localtime_r(&created, &tm) || !strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm))
		*text = '\0';
	if (tm.tm_gmtoff == 0)
		(void) snprintf(zone, sizeof zone, "Z");
	else
		(void) snprintf(zone, sizeof zone, "%c%02ld:%02ld", tm.tm_gmtoff < 0 ? '-' : '+',
			labs(tm.tm_gmtoff) / 3600 % 100, labs(tm.tm_gmtoff) / 60 % 60);
	(void) strncat(text, zone, sizeof text - strlen(text) - 1);
	hoy_json_add_string(w, "CreatedAt", text);
}

static int add_step(struct hoy_json_writer *w, const struct hoy_json *step, const struct history_options *o)
{
	time_t created = (time_t) hoy_cli_number(step, "Created");
	int64_t bytes = hoy_cli_number(step, "Size");
	auto_free char *id = shown_id(step, o), *command = shown_command(step, o),
		       *since = created > 0 ? hoy_human_ago(created) : strdup("N/A"),
		       *size = o->human ? hoy_human_size((double) bytes) : hoy_str_printf("%lld", (long long) bytes);

	if (!id || !command || !since || !size)
		return -ENOMEM;
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "ID", id);
	hoy_json_add_string(w, "CreatedSince", since);
	add_created_at(w, created);
	hoy_json_add_string(w, "CreatedBy", command);
	hoy_json_add_string(w, "Size", size);
	hoy_json_add_string(w, "Comment", hoy_cli_text(step, "Comment"));
	hoy_json_end(w);
	return 0;
}

static int print_history(struct hoy_cli *cli, const struct hoy_json *list, struct hoy_err *err)
{
	const struct history_options *o = cli->values;
	const struct hoy_format_list kind = {
		.fields = history_fields,
		.table = o->human ? "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}"
				  : "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
		.quiet = "{{.ID}}",
	};
	auto_(hoy_buf_done) struct hoy_buf rows = {};
	struct hoy_json_writer w = { .buf = &rows };

	hoy_json_array(&w, NULL);
	hoy_json_each(step, list) if (add_step(&w, step, o) < 0) return hoy_err_oom(err);
	hoy_json_end(&w);
	return hoy_format_list(cli, &kind, o->format, o->quiet, &rows, err);
}

static int cmd_history(struct hoy_cli *cli)
{
	const struct history_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {}, tail = {};
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	struct hoy_err err;
	int r;

	(void) hoy_buf_adds(&tail, "/history");
	if (o->platform) {
		(void) hoy_buf_adds(&tail, "?platform=");
		hoy_http_escape(&tail, o->platform);
	}
	r = hoy_buf_check(&tail, "the request", &err);
	if (r >= 0)
		r = image_path(cli->args[0], tail.data, &path, &err);

	if (r == 0)
		r = hoy_cli_call(cli, "GET", path.data, NULL, &list, &err);
	if (r == 0)
		r = print_history(cli, list, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_history = {
	.name = "history",
	.alias = "image history",
	.args = "IMAGE",
	.min_args = 1,
	.max_args = 1,
	.summary = "Show the history of an image",
	.options = history_options,
	.values_size = sizeof(struct history_options),
	.defaults = &history_defaults,
	.run = cmd_history,
};

/* --- tag --------------------------------------------------------------------- */

static const struct hoy_option no_options[] = { HOY_OPTION_END };

/* The engine checks the reference; here it is only taken apart at its last colon. */
static int tag(struct hoy_cli *cli, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	const char *target = cli->args[1], *slash = strrchr(target, '/');
	const char *colon = strchr(target, '@') ? NULL : strchr(slash ? slash : target, ':');
	auto_free char *repository = colon ? strndup(target, (size_t) (colon - target)) : strdup(target);
	int r;

	if (!repository)
		return hoy_err_oom(err);
	r = image_path(cli->args[0], "/tag?repo=", &path, err);
	if (r < 0)
		return r;
	hoy_http_escape(&path, repository);
	(void) hoy_buf_adds(&path, "&tag=");
	hoy_http_escape(&path, colon ? colon + 1 : "");
	r = hoy_buf_check(&path, "the request", err);
	return r < 0 ? r : hoy_cli_call(cli, "POST", path.data, NULL, NULL, err);
}

static int cmd_tag(struct hoy_cli *cli)
{
	struct hoy_err err;

	return tag(cli, &err) < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_tag = {
	.name = "tag",
	.alias = "image tag",
	.args = "SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
	.min_args = 2,
	.max_args = 2,
	.summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
	.options = no_options,
	.values_size = 0,
	.run = cmd_tag,
};
