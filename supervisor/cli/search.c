/* search: what a registry's index finds, Docker Hub's unless the term names another. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/credentials.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/text.h"

#define DESCRIPTION_WIDTH 45

struct search_options {
	char **filter;
	const char *format;
	int64_t limit;
	bool no_trunc;
};
static const struct hoy_option search_options[] = {
	HOY_OPTION('f', "filter", HOY_OPTION_LIST, "filter", struct search_options, filter,
		"Filter output based on conditions provided"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct search_options, format, HOY_FORMAT_HELP),
	HOY_OPTION(0, "limit", HOY_OPTION_INT, "int", struct search_options, limit, "Max number of search results"),
	HOY_OPTION(0, "no-trunc", HOY_OPTION_BOOL, NULL, struct search_options, no_trunc, "Don't truncate output"),
	HOY_OPTION_END,
};

static const struct hoy_format_field fields[] = { { "Name", "NAME" }, { "Description", "DESCRIPTION" },
	{ "StarCount", "STARS" }, { "IsOfficial", "OFFICIAL" }, {} };
static const struct hoy_format_list kind = {
	.fields = fields,
	.table = "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}",
};

/* On one line; a stranger's text. Heap. */
static char *description(const struct hoy_json *result, bool no_trunc)
{
	char *text = strdup(hoy_cli_text(result, "description")), *cut;

	for (char *c = text; c && *c; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			*c = ' ';
	if (!text || no_trunc)
		return text;
	cut = hoy_text_ellipsis(text, DESCRIPTION_WIDTH);
	free(text);
	return cut;
}

static int print_results(
	const struct hoy_cli *cli, const struct hoy_json *list, const struct search_options *o, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf rows = {};
	struct hoy_json_writer w = { .buf = &rows };
	bool is_json = o->format && strcmp(o->format, "json") == 0;
	const char *const words[] = { is_json ? "false" : "", is_json ? "true" : "[OK]" };
	int r = 0;

	hoy_json_array(&w, NULL);
	hoy_json_each(result, list)
	{
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "Name", hoy_cli_text(result, "name"));
		r |= hoy_rows_add(&w, "Description", description(result, o->no_trunc));
		r |= hoy_rows_add(
			&w, "StarCount", hoy_str_printf("%lld", (long long) hoy_cli_number(result, "star_count")));
		hoy_json_add_string(&w, "IsOfficial", words[hoy_cli_bool(result, "is_official")]);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	return r ? hoy_err_oom(err) : hoy_format_list(cli, &kind, o->format, /* quiet= */ false, &rows, err);
}

static int cmd_search(struct hoy_cli *cli)
{
	const struct search_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf path = {}, body = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	auto_free char *auth = NULL;
	struct hoy_http_request request = { .method = "GET", .body_fd = -EBADF };
	struct hoy_err err;
	int r;

	(void) hoy_buf_adds(&path, "/images/search?term=");
	hoy_http_escape(&path, cli->args[0]);
	(void) hoy_buf_addf(&path, "&limit=%lld", (long long) o->limit);
	r = o->filter ? hoy_filter_add_query(&path, o->filter, &err) : 0;
	if (r >= 0)
		r = hoy_buf_check(&path, "the request", &err);
	if (r >= 0)
		r = hoy_credentials_header(&cli->config, cli->args[0], &auth, &err);
	request.path = path.data;
	request.registry_auth = auth;
	if (r >= 0)
		r = hoy_cli_open(cli, &request, &http, &err);
	if (r >= 0)
		r = hoy_http_read_all(&http, &body, &err);
	if (r >= 0)
		r = hoy_json_parse(body.data ? body.data : "", body.len, /* limits= */ NULL, &list, &err);
	if (r >= 0)
		r = print_results(cli, list, o, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_search = {
	.name = "search",
	.args = "TERM",
	.min_args = 1,
	.max_args = 1,
	.summary = "Search Docker Hub for images",
	.options = search_options,
	.values_size = sizeof(struct search_options),
	.run = cmd_search,
};
