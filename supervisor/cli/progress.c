/*
 * Progress messages. On a terminal each layer has a line of its own that is drawn again as it comes; elsewhere every
 * step is a plain line, and the counting in between is left out.
 */
#include "supervisor/cli/progress.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/human.h"
#include "supervisor/cli/lines.h"

#define BAR 40
#define BAR_COLUMNS 100 /* from this width on there is room for the bar */

/* One line that is drawn again, oldest first. */
struct drawn {
	char *id;
	double since; /* when this step began, seconds; 0: it does not count */
	double from;  /* where it was then */
	char *status;
};

struct display {
	FILE *out; /* NULL: nothing is shown */
	bool is_terminal;
	struct drawn *lines;
	size_t n;
};

static void forget_lines(struct display *display)
{
	for (size_t i = 0; i < display->n; i++) {
		free(display->lines[i].id);
		free(display->lines[i].status);
	}
	free(display->lines);
	display->lines = NULL;
	display->n = 0;
}

/* --- the text of a line --------------------------------------------------------------------------------------- */

static double seconds_now(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (double) now.tv_sec + (double) now.tv_nsec / 1e9;
}

static void add_speed(struct hoy_buf *text, struct drawn *line, const char *status, double current, double total)
{
	double now = seconds_now(), speed;
	auto_free char *size = NULL;

	if (!line->status || strcmp(line->status, status) != 0) {
		free(line->status);
		line->status = strdup(status);
		line->since = now;
		line->from = current;
		return;
	}
	if (now - line->since < 1 || current <= line->from)
		return;
	speed = (current - line->from) / (now - line->since);
	size = hoy_human_size(speed);
	(void) hoy_buf_addf(text, "  %s/s", size ? size : "");
	if (total > current)
		(void) hoy_buf_addf(text, "  %.0fs left", (total - current) / speed);
}

/* "[====>    ]  1.2MB/4.5MB  800kB/s  4s left" */
static void add_bar(struct hoy_buf *text, struct drawn *line, const struct hoy_json *message, unsigned int columns)
{
	const struct hoy_json *detail = hoy_json_get(message, "progressDetail");
	double current = (double) hoy_cli_number(detail, "current"), total = (double) hoy_cli_number(detail, "total");
	auto_free char *has = hoy_human_size(current), *all = hoy_human_size(total);
	int full = total > 0 && current > 0 ? (int) (MIN(current / total, 1.0) * BAR) : 0;

	if (!hoy_json_get(detail, "current"))
		return;
	if (columns >= BAR_COLUMNS && total > 0)
		(void) hoy_buf_addf(text, " [%.*s>%*s]", full,
			"==================================================", BAR - full, "");
	(void) hoy_buf_addf(text, " %8s", has ? has : "");
	if (total > 0 && current <= total)
		(void) hoy_buf_addf(text, "/%s", all ? all : "");
	add_speed(text, line, hoy_cli_text(message, "status"), current, total);
}

/* What a terminal would take for a command is not printed. */
static void put_text(FILE *out, const char *text, size_t most)
{
	for (size_t i = 0; text[i] && i < most; i++)
		(void) fputc((unsigned char) text[i] < ' ' || text[i] == 0x7f ? '?' : text[i], out);
}

/* --- drawing -------------------------------------------------------------------------------------------------- */

static struct drawn *line_of(struct display *display, const char *id)
{
	struct drawn *lines;

	for (size_t i = 0; i < display->n; i++)
		if (strcmp(display->lines[i].id, id) == 0)
			return &display->lines[i];
	lines = reallocarray(display->lines, display->n + 1, sizeof *lines);
	if (!lines)
		return NULL;
	display->lines = lines;
	lines[display->n] = (struct drawn){ .id = strdup(id) };
	if (!lines[display->n].id)
		return NULL;
	(void) fputc('\n', display->out);
	return &lines[display->n++];
}

static void draw(struct display *display, const char *id, const struct hoy_json *message)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct drawn *line = line_of(display, id);
	struct winsize size = {};
	size_t up;

	if (!line)
		return;
	if (ioctl(fileno(display->out), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	(void) hoy_buf_addf(&text, "%s: %s", id, hoy_cli_text(message, "status"));
	add_bar(&text, line, message, size.ws_col);
	up = display->n - (size_t) (line - display->lines);
	if (!text.data || up >= size.ws_row)
		return; /* it has left the screen */
	(void) fprintf(display->out, "\033[%zuA\033[2K\r", up);
	put_text(display->out, text.data, size.ws_col - 1U);
	(void) fprintf(display->out, "\r\033[%zuB", up);
}

static void show(struct display *display, const struct hoy_json *message)
{
	const char *text = hoy_json_string(hoy_json_get(message, "stream"));
	const char *id = hoy_json_string(hoy_json_get(message, "id"));
	const struct hoy_json *detail = hoy_json_get(message, "progressDetail");

	if (text) {
		forget_lines(display);
		(void) fputs(text, display->out);
		return;
	}
	text = hoy_json_string(hoy_json_get(message, "status"));
	if (!text || (detail && !id)) /* how far an archive is read */
		return;
	if (display->is_terminal && id && detail) {
		draw(display, id, message);
		return;
	}
	forget_lines(display);
	/* Without a terminal to draw again on, a line for every step of a bar would be noise. */
	if (!hoy_json_get(detail, "current"))
		(void) fprintf(display->out, "%s%s%s\n", id ? id : "", id ? ": " : "", text);
}

static int on_message(const struct hoy_json *message, void *userdata, struct hoy_err *err)
{
	struct display *display = userdata;
	const char *text = hoy_json_string(hoy_json_get(hoy_json_get(message, "errorDetail"), "message"));

	if (!text)
		text = hoy_json_string(hoy_json_get(message, "error"));
	if (text)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "%s", text);
	if (display->out) {
		show(display, message);
		(void) fflush(display->out);
	}
	return 0;
}

int hoy_progress_copy(struct hoy_http *http, FILE *out, struct hoy_err *err)
{
	const char *term = getenv("TERM");
	struct display display = { .out = out };
	int r;

	display.is_terminal = out && isatty(fileno(out)) && !(term && strcmp(term, "dumb") == 0);
	r = hoy_lines_read(http, on_message, &display, err);
	forget_lines(&display);
	return r;
}
