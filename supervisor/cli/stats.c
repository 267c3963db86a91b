/*
 * stats: what containers use, drawn anew as their streams tell. One connection per container and, when none was named,
 * one of events that says which come and go; one poll loop.
 */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/format.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/lines.h"
#include "supervisor/cli/rows.h"
#include "supervisor/cli/stats.h"
#include "supervisor/cli/text.h"

#define DRAW_MS 500        /* no more often */
#define FIRST_DRAW_MS 2000 /* so long the first table waits for containers that don't answer */
#define NO_STREAM_MS 10000 /* and so long the only one */
#define PIECE ((size_t) 16 << 10)

const struct hoy_option hoy_stats_options[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct hoy_stats_options, all,
		"Show all containers (default shows just running)"),
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct hoy_stats_options, format, HOY_FORMAT_HELP),
	HOY_OPTION(0, "no-stream", HOY_OPTION_BOOL, NULL, struct hoy_stats_options, no_stream,
		"Disable streaming stats and only pull the first result"),
	HOY_OPTION(0, "no-trunc", HOY_OPTION_BOOL, NULL, struct hoy_stats_options, no_trunc, "Do not truncate output"),
	HOY_OPTION_END,
};

static const struct hoy_format_field fields[] = {
	{ "BlockIO", "BLOCK I/O" },
	{ "CPUPerc", "CPU %" },
	{ "Container", "CONTAINER" },
	{ "ID", "CONTAINER ID" },
	{ "MemPerc", "MEM %" },
	{ "MemUsage", "MEM USAGE / LIMIT" },
	{ "Name", "NAME" },
	{ "NetIO", "NET I/O" },
	{ "PIDs", "PIDS" },
	{},
};
static const struct hoy_format_list kind = {
	.fields = fields,
	.table = "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}",
	.config_key = "statsFormat",
};

/* The last sample of a container. */
struct usage {
	double cpu_percent, memory, memory_limit, received, sent, read, written;
	uint64_t pids;
};

/* One answer that is read as it comes. */
struct feed {
	struct hoy_http http;
	struct hoy_buf line;
	bool asked, answered, over;
};

struct row {
	char *asked; /* name or id it was asked by */
	char *id, *name;
	struct feed feed;
	struct usage usage;
	bool known; /* `usage` is of the stream that runs; else dashes are shown */
	char *problem;
};

struct stats {
	struct hoy_cli *cli;
	const struct hoy_stats_options *o;
	struct row **rows;
	size_t n;
	bool named; /* the containers of the command line, no others */
	struct feed events;
	bool changed, drawn, terminal;
};

/* --- one sample ------------------------------------------------------------------------------------------------ */

static double number(const struct hoy_json *object, const char *key)
{
	double value = 0;

	(void) hoy_json_to_double(hoy_json_get(object, key), &value);
	return value;
}

/* 100 for each processor that was busy all the time since the sample before. */
static double cpu_percent(const struct hoy_json *sample)
{
	const struct hoy_json *now = hoy_json_get(sample, "cpu_stats"), *before = hoy_json_get(sample, "precpu_stats");
	const struct hoy_json *usage = hoy_json_get(now, "cpu_usage");
	double used = number(usage, "total_usage") - number(hoy_json_get(before, "cpu_usage"), "total_usage");
	double passed = number(now, "system_cpu_usage") - number(before, "system_cpu_usage");
	double cpus = number(now, "online_cpus");

	if (cpus == 0)
		cpus = (double) hoy_json_len(hoy_json_get(usage, "percpu_usage"));
	return used > 0 && passed > 0 ? used / passed * cpus * 100 : 0;
}

/* Without the files that nobody uses any more: v1 calls them total_inactive_file, v2 inactive_file. */
static double memory_used(const struct hoy_json *memory)
{
	const struct hoy_json *detail = hoy_json_get(memory, "stats");
	double usage = number(memory, "usage");
	double idle = number(
		detail, hoy_json_get(detail, "total_inactive_file") ? "total_inactive_file" : "inactive_file");

	return idle < usage ? usage - idle : usage;
}

static void take_sample(const struct hoy_json *sample, struct usage *u)
{
	const struct hoy_json *memory = hoy_json_get(sample, "memory_stats");

	*u = (struct usage){
		.cpu_percent = cpu_percent(sample),
		.memory = memory_used(memory),
		.memory_limit = number(memory, "limit"),
		.pids = (uint64_t) hoy_cli_number(hoy_json_get(sample, "pids_stats"), "current"),
	};
	hoy_json_each(interface, hoy_json_get(sample, "networks"))
	{
		u->received += number(interface, "rx_bytes");
		u->sent += number(interface, "tx_bytes");
	}
	hoy_json_each(entry, hoy_json_get(hoy_json_get(sample, "blkio_stats"), "io_service_bytes_recursive"))
	{
		char op = hoy_cli_text(entry, "op")[0];

		if (op == 'r' || op == 'R')
			u->read += number(entry, "value");
		else if (op == 'w' || op == 'W')
			u->written += number(entry, "value");
	}
}

static int on_sample(const struct hoy_json *sample, void *userdata, struct hoy_err *err)
{
	struct row *row = userdata;
	const char *id = hoy_cli_text(sample, "id"), *name = hoy_cli_text(sample, "name");

	free(row->id);
	free(row->name);
	row->id = strdup(*id ? id : row->asked);
	row->name = strdup(name[0] == '/' ? name + 1 : name);
	if (!row->id || !row->name)
		return hoy_err_oom(err);
	take_sample(sample, &row->usage);
	row->known = true;
	return 1;
}

/* --- answers under way ------------------------------------------------------------------------------------------ */

static void feed_close(struct feed *feed)
{
	hoy_http_done(&feed->http);
	hoy_buf_done(&feed->line);
	feed->over = true;
}

static int feed_open(struct feed *feed, const struct hoy_cli *cli, const char *path, struct hoy_err *err)
{
	const struct hoy_http_request request = { .method = "GET", .path = path, .body_fd = -1 };
	int r = hoy_http_ask(&cli->host, &request, &feed->http, err);

	feed->line.cap = HOY_LINE_MAX;
	feed->asked = true;
	feed->over = r < 0;
	return r < 0 ? r : 0;
}

/* What has come. 1: something was taken; 0: that was the end; -errno with the engine's error. */
static int feed_read(struct feed *feed, int (*on_line)(const struct hoy_json *, void *, struct hoy_err *),
	void *userdata, struct hoy_err *err)
{
	const struct hoy_http_request request = { .method = "GET", .path = "" };
	auto_free char *piece = malloc(PIECE);

	if (!piece)
		return hoy_err_oom(err);
	if (!feed->answered) {
		int r = hoy_http_answer(&feed->http, &request, err);

		if (r == 0 && feed->http.status >= 400)
			r = hoy_cli_answer_error(&feed->http, err);
		if (r < 0)
			return r;
		feed->answered = true;
		if (!feed->http.in.len)
			return 1;
	}
	do {
		ssize_t n = hoy_http_read(&feed->http, piece, PIECE, err);
		int r = n > 0 ? hoy_lines_feed(&feed->line, piece, (size_t) n, on_line, userdata, err) : (int) n;

		if (n <= 0 || r < 0)
			return r;
	} while (feed->http.in.len);
	return 1;
}

/* --- the containers that are shown ------------------------------------------------------------------------------ */

static void row_free(struct row *row)
{
	if (!row)
		return;
	feed_close(&row->feed);
	free(row->asked);
	free(row->id);
	free(row->name);
	free(row->problem);
	free(row);
}

static void stats_done(struct stats *s)
{
	for (size_t i = 0; i < s->n; i++)
		row_free(s->rows[i]);
	free(s->rows);
	feed_close(&s->events);
}

static void drop_row(struct stats *s, size_t i)
{
	row_free(s->rows[i]);
	memmove(&s->rows[i], &s->rows[i + 1], (--s->n - i) * sizeof *s->rows);
	s->changed = true;
}

static size_t find_row(const struct stats *s, const char *id)
{
	size_t i = 0;

	while (i < s->n && strcmp(s->rows[i]->asked, id) != 0)
		i++;
	return i;
}

static int ask(struct stats *s, struct row *row, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	int r;

	(void) hoy_buf_adds(&path, "/containers/");
	hoy_http_escape(&path, row->asked);
	(void) hoy_buf_addf(&path, "/stats?stream=%d", !s->o->no_stream);
	r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	feed_close(&row->feed);
	row->feed = (struct feed){ .http.fd = -EBADF };
	return feed_open(&row->feed, s->cli, path.data, err);
}

/* A container begins: its row is new, or has a stream again. */
static int add_row(struct stats *s, const char *ref, struct hoy_err *err)
{
	size_t i = find_row(s, ref);
	struct row *row, **grown;

	if (i < s->n)
		return s->rows[i]->feed.over ? ask(s, s->rows[i], err) : 0;
	grown = reallocarray(s->rows, s->n + 1, sizeof *grown);
	if (!grown)
		return hoy_err_oom(err);
	s->rows = grown;
	row = calloc(1, sizeof *row);
	if (!row)
		return hoy_err_oom(err);
	row->feed.http.fd = -EBADF;
	row->asked = strdup(ref);
	grown[s->n++] = row;
	s->changed = true;
	return row->asked ? ask(s, row, err) : hoy_err_oom(err);
}

static int on_event(const struct hoy_json *event, void *userdata, struct hoy_err *err)
{
	struct stats *s = userdata;
	const char *action = hoy_cli_text(event, "Action"), *id = hoy_cli_text(hoy_json_get(event, "Actor"), "ID");
	bool ends = strcmp(action, s->o->all ? "destroy" : "die") == 0;

	if (!*id || (!ends && strcmp(action, "start") != 0 && strcmp(action, "create") != 0))
		return 0;
	if (!ends)
		return add_row(s, id, err);
	if (find_row(s, id) < s->n)
		drop_row(s, find_row(s, id));
	return 0;
}

/* All that run (or all), and the events of those to come, which are asked for first. */
static int open_all(struct stats *s, struct hoy_err *err)
{
	static char *const running[] = { "type=container", "event=start", "event=die", NULL };
	static char *const all[] = { "type=container", "event=create", "event=start", "event=destroy", NULL };
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_ptr(hoy_json_free) struct hoy_json *list = NULL;
	int r = 0;

	if (!s->o->no_stream) {
		(void) hoy_buf_adds(&path, "/events");
		r = hoy_filter_add_query(&path, s->o->all ? all : running, err);
		if (r == 0)
			r = feed_open(&s->events, s->cli, path.data, err);
	}
	if (r == 0)
		r = hoy_cli_call(
			s->cli, "GET", s->o->all ? "/containers/json?all=1" : "/containers/json", NULL, &list, err);
	if (r < 0)
		return r;
	hoy_json_each(c, list) if ((r = add_row(s, hoy_cli_text(c, "Id"), err)) < 0) return r;
	return 0;
}

/* --- the table -------------------------------------------------------------------------------------------------- */

static char *pair(char *a, char *b)
{
	auto_free char *first = a, *second = b;

	return first && second ? hoy_str_printf("%s / %s", first, second) : NULL;
}

static int add_usage(struct hoy_json_writer *w, const struct usage *u)
{
	int r = 0;

	r |= hoy_rows_add(w, "CPUPerc", hoy_str_printf("%.2f%%", u->cpu_percent));
	r |= hoy_rows_add(
		w, "MemUsage", pair(hoy_human_size_binary(u->memory), hoy_human_size_binary(u->memory_limit)));
	r |= hoy_rows_add(
		w, "MemPerc", hoy_str_printf("%.2f%%", u->memory_limit > 0 ? u->memory / u->memory_limit * 100 : 0));
	r |= hoy_rows_add(w, "NetIO", pair(hoy_human_size(u->received), hoy_human_size(u->sent)));
	r |= hoy_rows_add(w, "BlockIO", pair(hoy_human_size(u->read), hoy_human_size(u->written)));
	r |= hoy_rows_add(w, "PIDs", hoy_str_printf("%llu", (unsigned long long) u->pids));
	return r;
}

static int add_to_table(struct hoy_json_writer *w, const struct stats *s, const struct row *row)
{
	static const char *const dashes[][2] = { { "CPUPerc", "--" }, { "MemUsage", "-- / --" }, { "MemPerc", "--" },
		{ "NetIO", "--" }, { "BlockIO", "--" }, { "PIDs", "--" } };
	const char *id = row->id ? row->id : "", *asked = row->asked;
	int r = 0;

	hoy_json_object(w, NULL);
	r |= hoy_rows_add(w, "Container", s->named || s->o->no_trunc ? strdup(asked) : hoy_text_short_id(asked));
	r |= hoy_rows_add(w, "ID", s->o->no_trunc ? strdup(id) : hoy_text_short_id(id));
	hoy_json_add_string(w, "Name", row->name && *row->name ? row->name : "--");
	if (row->known)
		r |= add_usage(w, &row->usage);
	for (size_t i = 0; !row->known && i < ARRAY_LEN(dashes); i++)
		hoy_json_add_string(w, dashes[i][0], dashes[i][1]);
	hoy_json_end(w);
	return r;
}

/* On a terminal over what is there: each line clears what stood behind it, the last one what stood below. */
static int draw(struct stats *s, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf rows = { .cap = (size_t) 64 << 20 }, text = { .cap = (size_t) 64 << 20 };
	struct hoy_json_writer w = { .buf = &rows };
	bool over = s->terminal && !s->o->no_stream;
	int r = 0;

	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < s->n; i++)
		r |= add_to_table(&w, s, s->rows[i]);
	hoy_json_end(&w);
	if (r)
		return hoy_err_oom(err);
	r = hoy_format_list_text(s->cli, &kind, s->o->format, /* quiet= */ false, &rows, &text, err);
	if (r < 0)
		return r;
	if (over)
		(void) fputs(s->drawn ? "\033[H" : "\033[2J\033[H", stdout);
	for (const char *line = text.data; line && *line;) {
		size_t len = strcspn(line, "\n");

		(void) printf("%.*s%s\n", (int) len, line, over ? "\033[K" : "");
		line += len + (line[len] == '\n');
	}
	if (over)
		(void) fputs("\033[J", stdout);
	if (fflush(stdout) == EOF)
		return hoy_err_sys(err, "write the table");
	s->drawn = true;
	s->changed = false;
	return 0;
}

/* --- the loop --------------------------------------------------------------------------------------------------- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* A stream has ended, or there is none: the container is gone, or the engine. */
static void end_row(struct row *row, bool known, const struct hoy_err *problem)
{
	feed_close(&row->feed);
	row->known = known;
	free(row->problem);
	row->problem = problem ? strdup(hoy_err_str(problem)) : NULL;
}

static void read_row(struct stats *s, struct row *row)
{
	struct hoy_err err = {};
	int r = feed_read(&row->feed, on_sample, row, &err);

	s->changed = true;
	if (r <= 0)
		end_row(row, /* known= */ s->o->no_stream && row->known, r < 0 ? &err : NULL);
}

/* Waits for what comes, at most until `until`. */
static int turn(struct stats *s, int64_t until, struct hoy_err *err)
{
	auto_free struct pollfd *fds = calloc(s->n + 1, sizeof *fds);
	auto_free struct row **rows = calloc(s->n + 1, sizeof *rows);
	size_t n = s->n;
	int r;

	if (!fds || !rows)
		return hoy_err_oom(err);
	for (size_t i = 0; i < n; i++) {
		rows[i] = s->rows[i];
		fds[i] = (struct pollfd){ .fd = rows[i]->feed.over ? -1 : rows[i]->feed.http.fd, .events = POLLIN };
	}
	fds[n] = (struct pollfd){ .fd = s->events.asked ? s->events.http.fd : -1, .events = POLLIN };
	r = poll(fds, (nfds_t) n + 1, (int) MAX(until - now_ms(), 0));
	if (r < 0 && errno != EINTR)
		return hoy_err_sys(err, "poll");
	if (r <= 0)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (fds[i].revents)
			read_row(s, rows[i]);
	if (!fds[n].revents)
		return 0;
	r = feed_read(&s->events, on_event, s, err);
	return r == 0 ? hoy_err_set(err, HOY_ERR_SYSTEM, EPIPE, "the engine has ended") : MIN(r, 0);
}

static bool all_answered(const struct stats *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->rows[i]->feed.over && !s->rows[i]->known)
			return false;
	return true;
}

static bool all_over(const struct stats *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->rows[i]->feed.over)
			return false;
	return true;
}

/* Containers that nobody named go as they came. */
static void drop_ended(struct stats *s)
{
	for (size_t i = s->n; !s->named && i > 0; i--)
		if (s->rows[i - 1]->feed.over && !s->rows[i - 1]->known)
			drop_row(s, i - 1);
}

/* Why those that were named can't be watched; true: there are such. */
static bool tell_problems(const struct stats *s)
{
	bool any = false;

	for (size_t i = 0; s->named && i < s->n; i++)
		if (s->rows[i]->problem) {
			(void) fprintf(stderr, "%s\n", s->rows[i]->problem);
			any = true;
		}
	return any;
}

static int watch(struct stats *s, struct hoy_err *err)
{
	int64_t next = now_ms() + (s->o->no_stream ? NO_STREAM_MS : FIRST_DRAW_MS);
	int r = 0;

	while (r == 0 && now_ms() < next && !all_answered(s))
		r = turn(s, next, err);
	if (r == 0 && tell_problems(s))
		return 1;
	drop_ended(s);
	if (r == 0)
		r = draw(s, err);
	while (r == 0 && !s->o->no_stream && !(s->named && all_over(s))) {
		next = now_ms() + DRAW_MS;
		while (r == 0 && now_ms() < next)
			r = turn(s, next, err);
		drop_ended(s);
		if (r == 0 && s->changed)
			r = draw(s, err);
	}
	return r == 0 && tell_problems(s) ? 1 : r;
}

static int cmd_stats(struct hoy_cli *cli)
{
	auto_(stats_done) struct stats s = {
		.cli = cli, .o = cli->values, .named = cli->n_args > 0, .events.http.fd = -EBADF
	};
	struct hoy_err err;
	int r = 0;

	s.terminal = isatty(STDOUT_FILENO);
	for (size_t i = 0; i < cli->n_args && r == 0; i++)
		r = add_row(&s, cli->args[i], &err);
	if (r == 0 && !s.named)
		r = open_all(&s, &err);
	if (r == 0)
		r = watch(&s, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : r;
}

const struct hoy_command hoy_cmd_stats = {
	.name = "stats",
	.alias = "container stats",
	.args = "[CONTAINER...]",
	.max_args = SIZE_MAX,
	.summary = "Display a live stream of container(s) resource usage statistics",
	.options = hoy_stats_options,
	.values_size = sizeof(struct hoy_stats_options),
	.run = cmd_stats,
};
