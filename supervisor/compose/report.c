/* Progress: plain, in place on a terminal, or as JSON lines. */
#include "supervisor/compose/report.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/str.h"

struct line {
	char *id; /* "Container web-1" */
	char *text;
	enum hoy_report_state state;
	struct timespec begun, ended;
};

struct hoy_report {
	enum hoy_report_mode mode;
	const char *title;
	pthread_mutex_t lock;
	struct line *lines;
	size_t n, drawn; /* rows on the screen now */
};

int hoy_report_mode_parse(const char *text, bool ansi, enum hoy_report_mode *ret, struct hoy_err *err)
{
	if (!text || !*text || strcmp(text, "auto") == 0)
		*ret = ansi && isatty(STDERR_FILENO) ? HOY_REPORT_TTY : HOY_REPORT_PLAIN;
	else if (strcmp(text, "tty") == 0)
		*ret = HOY_REPORT_TTY;
	else if (strcmp(text, "plain") == 0)
		*ret = HOY_REPORT_PLAIN;
	else if (strcmp(text, "json") == 0)
		*ret = HOY_REPORT_JSON;
	else if (strcmp(text, "quiet") == 0)
		*ret = HOY_REPORT_QUIET;
	else
		return hoy_err_invalid(
			err, "unsupported --progress value \"%s\": auto, tty, plain, json or quiet", text);
	return 0;
}

struct hoy_report *hoy_report_new(enum hoy_report_mode mode, const char *title)
{
	struct hoy_report *report = calloc(1, sizeof *report);

	if (!report)
		return NULL;
	report->mode = mode;
	report->title = title;
	(void) pthread_mutex_init(&report->lock, NULL);
	return report;
}

static double seconds(const struct line *line)
{
	return (double) (line->ended.tv_sec - line->begun.tv_sec) +
	       (double) (line->ended.tv_nsec - line->begun.tv_nsec) / 1e9;
}

static void draw_line(struct hoy_buf *out, const struct line *line, size_t width, unsigned int columns)
{
	static const struct {
		const char *sign, *colour;
	} looks[] = {
		[HOY_REPORT_WORKING] = { "⠿", "" },
		[HOY_REPORT_DONE] = { "✔", "\033[32m" },
		[HOY_REPORT_WARNING] = { "!", "\033[33m" },
		[HOY_REPORT_ERROR] = { "✘", "\033[31m" },
	};
	int room = (int) columns - (int) width - 14;

	(void) hoy_buf_addf(out, "\033[K %s%s\033[0m %-*s  %s%.*s\033[0m", looks[line->state].colour,
		looks[line->state].sign, (int) width, line->id, looks[line->state].colour, room > 4 ? room : 4,
		line->text);
	(void) hoy_buf_addf(out, "  %.1fs\n", seconds(line));
}

/* Everything anew over what stands there. What has ended gives way when the screen is too low for all. */
static void draw(struct hoy_report *report)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct winsize size = {};
	size_t done = 0, width = 0, rows, skip;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || !size.ws_row)
		size = (struct winsize){ .ws_row = 24, .ws_col = 80 };
	rows = size.ws_row > 3 ? size.ws_row - 2U : 1;
	for (size_t i = 0; i < report->n; i++) {
		done += report->lines[i].state != HOY_REPORT_WORKING;
		width = MAX(width, strlen(report->lines[i].id));
	}
	skip = report->n > rows ? report->n - rows : 0;
	if (report->drawn)
		(void) hoy_buf_addf(&out, "\033[%zuA\r", report->drawn);
	(void) hoy_buf_addf(&out, "\033[K[+] %s %zu/%zu\n", report->title, done, report->n);
	report->drawn = 1;
	for (size_t i = 0; i < report->n; i++) {
		if (skip && report->lines[i].state == HOY_REPORT_DONE) {
			skip--;
			continue;
		}
		if (report->drawn > rows)
			break;
		draw_line(&out, &report->lines[i], MIN(width, (size_t) size.ws_col), size.ws_col);
		report->drawn++;
	}
	(void) hoy_buf_adds(&out, "\033[J");
	if (!out.failed)
		(void) hoy_fd_write_all(STDERR_FILENO, out.data, out.len);
}

static void print_json(const struct line *line)
{
	static const char *const states[] = { "Working", "Done", "Warning", "Error" };
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct hoy_json_writer w = { .buf = &out };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "id", line->id);
	hoy_json_add_string(&w, "status", states[line->state]);
	hoy_json_add_string(&w, "text", line->text);
	hoy_json_end(&w);
	(void) hoy_buf_addc(&out, '\n');
	if (!out.failed)
		(void) hoy_fd_write_all(STDERR_FILENO, out.data, out.len);
}

static void print_plain(const struct line *line)
{
	auto_free char *text = hoy_str_printf(" %s  %s\n", line->id, line->text);

	if (text)
		(void) hoy_fd_write_all(STDERR_FILENO, text, strlen(text));
}

static struct line *line_of(struct hoy_report *report, const char *kind, const char *name)
{
	auto_free char *id = hoy_str_printf("%s %s", kind, name);
	struct line *lines;

	for (size_t i = 0; id && i < report->n; i++)
		if (strcmp(report->lines[i].id, id) == 0)
			return &report->lines[i];
	lines = id ? reallocarray(report->lines, report->n + 1, sizeof *lines) : NULL;
	if (!lines)
		return NULL;
	report->lines = lines;
	lines[report->n] = (struct line){ .id = TAKE_PTR(id) };
	(void) clock_gettime(CLOCK_MONOTONIC, &lines[report->n].begun);
	return &lines[report->n++];
}

void hoy_report_tell(
	struct hoy_report *report, enum hoy_report_state state, const char *kind, const char *name, const char *text)
{
	struct line *line;

	if (!report || report->mode == HOY_REPORT_QUIET)
		return;
	(void) pthread_mutex_lock(&report->lock);
	line = line_of(report, kind, name);
	if (line) {
		free(line->text);
		line->text = strdup(text);
		line->state = state;
		(void) clock_gettime(CLOCK_MONOTONIC, &line->ended);
	}
	if (line && line->text) {
		if (report->mode == HOY_REPORT_TTY)
			draw(report);
		else if (report->mode == HOY_REPORT_JSON)
			print_json(line);
		else
			print_plain(line);
	}
	(void) pthread_mutex_unlock(&report->lock);
}

void hoy_report_free(struct hoy_report *report)
{
	if (!report)
		return;
	for (size_t i = 0; i < report->n; i++) {
		free(report->lines[i].id);
		free(report->lines[i].text);
	}
	free(report->lines);
	(void) pthread_mutex_destroy(&report->lock);
	free(report);
}
