/* logs: a connection per container, whole lines. */
#include "supervisor/compose/logs.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/cli/text.h"
#include "supervisor/compose/work.h"

#define LINE_BYTES ((size_t) 1 << 20) /* a longer line is printed in pieces */
#define PIECE ((size_t) 16 << 10)

const char *hoy_compose_short_name(const struct hoy_compose *app, const struct hoy_compose_container *container)
{
	size_t len = strlen(app->name);

	if (strncmp(container->name, app->name, len) == 0 && strchr("-_", container->name[len]) && container->name[len])
		return container->name + len + 1;
	return container->name;
}

void hoy_compose_printer_init(
	struct hoy_compose_printer *printer, const struct hoy_compose *app, bool no_color, bool no_prefix)
{
	*printer = (struct hoy_compose_printer){ .prefix = !no_prefix };
	(void) pthread_mutex_init(&printer->lock, NULL);
	printer->colours = !no_color && hoy_compose_colours(app, STDOUT_FILENO);
}

void hoy_compose_printer_fit(struct hoy_compose_printer *printer, const struct hoy_compose *app, char *const *services)
{
	for (size_t i = 0; i < app->containers.n; i++)
		if (hoy_compose_container_of(&app->containers.all[i], services))
			printer->width = MAX(
				printer->width, strlen(hoy_compose_short_name(app, &app->containers.all[i])));
}

/* One container's output on its way to lines: a buffer for stdout and one for stderr. */
struct source {
	struct hoy_compose_printer *printer;
	const char *name, *colour;
	struct hoy_buf lines[2];
	bool raw; /* with a terminal: no frames */
	unsigned char head[8];
	size_t head_len, left;
};

static int print_line(struct source *s, int fd, const char *text, size_t len)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	int r;

	if (s->printer->prefix) {
		const char *on = s->printer->colours ? s->colour : "", *off = s->printer->colours ? "\033[0m" : "";

		(void) hoy_buf_addf(&out, "%s%-*s  | %s", on, (int) s->printer->width, s->name, off);
	}
	(void) hoy_buf_add(&out, text, len);
	(void) hoy_buf_addc(&out, '\n');
	if (out.failed)
		return -ENOMEM;
	(void) pthread_mutex_lock(&s->printer->lock);
	r = hoy_fd_write_all(fd, out.data, out.len);
	(void) pthread_mutex_unlock(&s->printer->lock);
	return r;
}

static int take_text(struct source *s, int stream, const char *data, size_t len)
{
	struct hoy_buf *lines = &s->lines[stream - 1];
	char *end;

	if (hoy_buf_add(lines, data, len) < 0)
		return -ENOMEM;
	while ((end = memchr(lines->data, '\n', lines->len)) || lines->len > LINE_BYTES) {
		size_t n = end ? (size_t) (end - lines->data) : lines->len;
		size_t shown = n && lines->data[n - 1] == '\r' && end ? n - 1 : n;
		int r = print_line(s, stream, lines->data, shown);

		if (r < 0)
			return r;
		hoy_buf_consume(lines, n + (end != NULL));
		if (!lines->len)
			break;
	}
	return 0;
}

/* Takes the engine's frames apart. */
static int take_frames(struct source *s, const char *data, size_t len, struct hoy_err *err)
{
	while (len) {
		size_t n;
		int r;

		if (!s->left) {
			n = MIN(sizeof s->head - s->head_len, len);
			memcpy(s->head + s->head_len, data, n);
			s->head_len += n;
			data += n;
			len -= n;
			if (s->head_len < sizeof s->head)
				return 0;
			s->left = (size_t) s->head[4] << 24 | (size_t) s->head[5] << 16 | (size_t) s->head[6] << 8 |
				  s->head[7];
			s->head_len = 0;
			continue;
		}
		n = MIN(s->left, len);
		r = take_text(s, s->head[0] >= 2 ? STDERR_FILENO : STDOUT_FILENO, data, n);
		if (r < 0)
			return hoy_err_code(err, r, "write output");
		s->left -= n;
		data += n;
		len -= n;
	}
	return 0;
}

static int copy(struct source *s, struct hoy_http *http, struct hoy_err *err)
{
	auto_free char *piece = malloc(PIECE);
	ssize_t n;
	int r = 0;

	if (!piece)
		return hoy_err_oom(err);
	while (r == 0 && (n = hoy_http_read(http, piece, PIECE, err)) != 0) {
		if (n < 0)
			return (int) n;
		if (!s->raw)
			r = take_frames(s, piece, (size_t) n, err);
		else if ((r = take_text(s, STDOUT_FILENO, piece, (size_t) n)) < 0)
			r = hoy_err_code(err, r, "write output");
	}
	for (int stream = 1; r == 0 && stream <= 2; stream++)
		if (s->lines[stream - 1].len)
			r = print_line(s, stream, s->lines[stream - 1].data, s->lines[stream - 1].len);
	return r;
}

static int add_time(struct hoy_buf *path, const char *key, const char *text, struct hoy_err *err)
{
	if (!text)
		return 0;
	(void) hoy_buf_addf(path, "&%s=", key);
	if (hoy_text_since(text, path) == -EINVAL)
		return hoy_err_invalid(
			err, "invalid value for \"%s\": failed to parse value as time or duration: \"%s\"", key, text);
	return 0;
}

int hoy_compose_print_log(const struct hoy_compose *app, struct hoy_compose_printer *printer,
	const struct hoy_compose_container *container, size_t nth, const struct hoy_compose_log_options *o,
	struct hoy_err *err)
{
	static const char *const colours[] = { "\033[36m", "\033[33m", "\033[32m", "\033[35m", "\033[34m", "\033[36;1m",
		"\033[33;1m", "\033[32;1m", "\033[35;1m", "\033[34;1m" };
	struct source s = { .printer = printer,
		.name = hoy_compose_short_name(app, container),
		.colour = colours[nth % ARRAY_LEN(colours)] };
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	struct hoy_http_request request = { .method = "GET", .body_fd = -1 };
	int r;

	(void) hoy_buf_addf(&path, "/containers/%s/logs?stdout=1&stderr=1&follow=%d&timestamps=%d&tail=", container->id,
		o->follow, o->timestamps);
	hoy_http_escape(&path, o->tail ? o->tail : "all");
	r = add_time(&path, "since", o->since, err);
	if (r == 0)
		r = add_time(&path, "until", o->until, err);
	if (r == 0)
		r = hoy_buf_check(&path, "the request", err);
	if (r < 0)
		return r;
	request.path = path.data;
	r = hoy_cli_open(app->cli, &request, &http, err);
	if (r < 0)
		return r;
	s.raw = http.content_type && strcmp(http.content_type, "application/vnd.docker.raw-stream") == 0;
	r = copy(&s, &http, err);
	hoy_buf_done(&s.lines[0]);
	hoy_buf_done(&s.lines[1]);
	return r;
}

void hoy_compose_print_note(struct hoy_compose_printer *printer, const char *text)
{
	auto_free char *line = hoy_str_printf("%s\n", text);

	(void) pthread_mutex_lock(&printer->lock);
	if (line)
		(void) hoy_fd_write_all(STDOUT_FILENO, line, strlen(line));
	(void) pthread_mutex_unlock(&printer->lock);
}

/* --- the command ------------------------------------------------------------- */

static const struct hoy_compose_log_options logs_defaults = { .tail = "all" };
static const struct hoy_option logs_options[] = {
	HOY_OPTION('f', "follow", HOY_OPTION_BOOL, NULL, struct hoy_compose_log_options, follow, "Follow log output"),
	HOY_OPTION(0, "index", HOY_OPTION_UINT, "int", struct hoy_compose_log_options, index,
		"Index of the container if service has multiple replicas"),
	HOY_OPTION(0, "no-color", HOY_OPTION_BOOL, NULL, struct hoy_compose_log_options, no_color,
		"Produce monochrome output"),
	HOY_OPTION(0, "no-log-prefix", HOY_OPTION_BOOL, NULL, struct hoy_compose_log_options, no_prefix,
		"Don't print prefix in logs"),
	HOY_OPTION(0, "since", HOY_OPTION_STRING, "string", struct hoy_compose_log_options, since,
		"Show logs since timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)"),
	HOY_OPTION('n', "tail", HOY_OPTION_STRING, "string", struct hoy_compose_log_options, tail,
		"Number of lines to show from the end of the logs for each container (default \"all\")"),
	HOY_OPTION('t', "timestamps", HOY_OPTION_BOOL, NULL, struct hoy_compose_log_options, timestamps,
		"Show timestamps"),
	HOY_OPTION(0, "until", HOY_OPTION_STRING, "string", struct hoy_compose_log_options, until,
		"Show logs before a timestamp (e.g. 2013-01-02T13:23:37Z) or relative (e.g. 42m for 42 minutes)"),
	HOY_OPTION_END,
};

struct log_job {
	const struct hoy_compose *app;
	struct hoy_compose_printer *printer;
	const struct hoy_compose_container *container;
	size_t nth;
};

static int run_log(void *userdata, struct hoy_err *err)
{
	struct log_job *job = userdata;

	return hoy_compose_print_log(job->app, job->printer, job->container, job->nth, job->app->cli->values, err);
}

static int logs(struct hoy_compose *app, struct hoy_err *err)
{
	const struct hoy_compose_log_options *o = app->cli->values;
	/* Followed streams last: all of them at a time. */
	auto_ptr(hoy_work_free) struct hoy_work *work = hoy_work_new((long long) app->containers.n + 1);
	auto_free struct log_job *jobs = calloc(app->containers.n + 1, sizeof *jobs);
	struct hoy_compose_printer printer;

	if (!work || !jobs)
		return hoy_err_oom(err);
	hoy_compose_printer_init(&printer, app, o->no_color, o->no_prefix);
	hoy_compose_printer_fit(&printer, app, app->cli->args);
	for (size_t i = 0; i < app->containers.n; i++) {
		const struct hoy_compose_container *c = &app->containers.all[i];

		if (!hoy_compose_container_of(c, app->cli->args) || c->oneoff || (o->index && c->number != o->index))
			continue;
		jobs[i] = (struct log_job){ .app = app, .printer = &printer, .container = c, .nth = i };
		(void) hoy_work_add(work, run_log, &jobs[i]);
	}
	return hoy_work_run_all(work, err);
}

static int cmd_logs(struct hoy_cli *cli)
{
	auto_(hoy_compose_done) struct hoy_compose app = {};
	struct hoy_err err;
	int r = hoy_compose_open(cli, 0, cli->args, &app, &err);

	if (r == 0)
		r = logs(&app, &err);
	return r < 0 ? hoy_cli_fail(cli, 1, &err) : 0;
}

const struct hoy_command hoy_cmd_compose_logs = {
	.name = "compose logs",
	.args = "[SERVICE...]",
	.max_args = SIZE_MAX,
	.summary = "View output from containers",
	.options = logs_options,
	.values_size = sizeof(struct hoy_compose_log_options),
	.defaults = &logs_defaults,
	.run = cmd_logs,
};
