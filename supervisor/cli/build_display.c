#include "supervisor/cli/build_display.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "supervisor/cli/human.h"

#define LOG_LINES 6 /* of a step that runs */
#define AROUND 2    /* lines of the Dockerfile before and behind */

struct hoy_build_display {
	enum hoy_build_progress progress;
	struct hoy_view view;
	FILE *out;
	int64_t begun; /* ns */
	bool colours;
	/* plain */
	unsigned int numbers;         /* vertices that have one */
	struct hoy_view_vertex *last; /* the one that spoke last */
	/* tty */
	size_t drawn; /* lines that are on the screen */
};

static int64_t now(void)
{
	struct timespec ts;

	(void) clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t) ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static double seconds(int64_t from, int64_t to)
{
	return to > from ? (double) (to - from) / 1e9 : 0;
}

/* --- plain lines -------------------------------------------------------------------------------------------------- */

/* The vertex speaks: its title where it is new, or another one spoke meanwhile. */
static void turn_to(struct hoy_build_display *d, struct hoy_view_vertex *vertex)
{
	if (vertex == d->last)
		return;
	if (d->last && !d->last->completed)
		(void) fprintf(d->out, "#%u ...\n", d->last->number);
	if (d->last)
		(void) fputc('\n', d->out);
	if (!vertex->number)
		vertex->number = ++d->numbers;
	d->last = vertex;
	(void) fprintf(d->out, "#%u %s\n", vertex->number, vertex->name);
}

static void plain_begun(struct hoy_view_vertex *vertex, void *userdata)
{
	turn_to(userdata, vertex);
}

static void plain_ended(struct hoy_view_vertex *vertex, void *userdata)
{
	struct hoy_build_display *d = userdata;

	turn_to(d, vertex);
	if (vertex->error)
		(void) fprintf(d->out, "#%u ERROR: %s\n", vertex->number, vertex->error);
	else if (vertex->cached)
		(void) fprintf(d->out, "#%u CACHED\n", vertex->number);
	else
		(void) fprintf(d->out, "#%u DONE %.1fs\n", vertex->number, seconds(vertex->started, vertex->completed));
}

static void plain_status(struct hoy_view_vertex *vertex, struct hoy_view_status *status, void *userdata)
{
	struct hoy_build_display *d = userdata;
	auto_free char *size = status->current > 0 ? hoy_human_size((double) status->current) : NULL;

	if (!status->completed)
		return;
	turn_to(d, vertex);
	(void) fprintf(d->out, "#%u %s%s%s done\n", vertex->number, status->id, size ? " " : "", size ? size : "");
}

static void plain_line(struct hoy_view_vertex *vertex, const char *text, int64_t time, void *userdata)
{
	struct hoy_build_display *d = userdata;

	turn_to(d, vertex);
	(void) fprintf(d->out, "#%u %.3f %s\n", vertex->number, seconds(vertex->started, time), text);
}

/* --- a terminal --------------------------------------------------------------------------------------------------- */

static const char *colour_of(const struct hoy_build_display *d, const struct hoy_view_vertex *vertex)
{
	if (!d->colours)
		return "";
	return vertex->error ? "\033[31m" : vertex->completed ? "\033[34m" : "";
}

/* What a terminal would take for a command is left out; what came before a carriage return was overwritten. */
static void add_clean(struct hoy_buf *buf, const char *text)
{
	const char *start = text;

	for (const char *at = text; *at; at++)
		if (*at == '\r' && at[1])
			start = at + 1;
	for (text = start; *text; text++) {
		if (*text == '\033' && text[1] == '[') {
			for (text += 2; *text && ((unsigned char) *text < '@' || (unsigned char) *text > '~'); text++)
				;
			if (!*text)
				break;
		} else if (*text == '\t') {
			(void) hoy_buf_addc(buf, ' ');
		} else if ((unsigned char) *text >= ' ' && *text != 0x7f) {
			(void) hoy_buf_addc(buf, *text);
		}
	}
}

/* Cuts to `width` characters. */
static void cut(struct hoy_buf *buf, size_t width)
{
	size_t n = 0;

	for (size_t i = 0; i < buf->len; i++) {
		n += ((unsigned char) buf->data[i] & 0xc0) != 0x80;
		if (n > width) {
			buf->len = i;
			buf->data[i] = '\0';
			return;
		}
	}
	while (n++ < width)
		(void) hoy_buf_addc(buf, ' ');
}

struct frame {
	struct hoy_buf text;
	size_t lines, width;
};

/* " => text            1.2s" */
static void add_row(struct frame *frame, const char *colour, const char *prefix, const char *text, double time)
{
	auto_(hoy_buf_done) struct hoy_buf row = {};
	char right[32] = "";

	if (time >= 0)
		(void) snprintf(right, sizeof right, " %.1fs", time);
	(void) hoy_buf_adds(&row, prefix);
	add_clean(&row, text);
	if (!row.data)
		return;
	cut(&row, frame->width > strlen(right) ? frame->width - strlen(right) : 1);
	(void) hoy_buf_addf(&frame->text, "\033[2K%s%s%s%s\n", colour, row.data, right, *colour ? "\033[0m" : "");
	frame->lines++;
}

static void add_statuses(struct hoy_build_display *d, struct frame *frame, const struct hoy_view_vertex *vertex)
{
	for (size_t i = 0; i < vertex->n_statuses; i++) {
		const struct hoy_view_status *s = &vertex->statuses[i];
		auto_free char *current = s->current > 0 ? hoy_human_size((double) s->current) : NULL;
		auto_free char *total = s->total > 0 ? hoy_human_size((double) s->total) : NULL;
		auto_free char *text = hoy_str_printf("%s%s%s%s%s", s->id, current ? " " : "", current ? current : "",
			current && total ? " / " : "", current && total ? total : "");

		add_row(frame, colour_of(d, vertex), " => => ", text ? text : "",
			seconds(s->started, s->completed ? s->completed : now()));
	}
}

static void add_vertex(
	struct hoy_build_display *d, struct frame *frame, const struct hoy_view_vertex *vertex, bool details)
{
	const char *prefix = vertex->error ? " => ERROR " : vertex->cached ? " => CACHED " : " => ";
	bool runs = !vertex->completed;
	size_t first = hoy_view_first_line(vertex);

	add_row(frame, colour_of(d, vertex), prefix, vertex->name,
		seconds(vertex->started, runs ? now() : vertex->completed));
	if (details || runs)
		add_statuses(d, frame, vertex);
	if (vertex->n_lines > first + LOG_LINES)
		first = vertex->n_lines - LOG_LINES;
	for (size_t i = first; runs && i < vertex->n_lines; i++)
		add_row(frame, "", " => => # ", hoy_view_line(vertex, i)->text, -1);
}

static void add_header(struct hoy_build_display *d, struct frame *frame, bool finished)
{
	size_t completed = 0;
	auto_free char *text = NULL;

	for (size_t i = 0; i < d->view.n; i++)
		completed += d->view.vertices[i]->completed && !d->view.vertices[i]->error;
	text = hoy_str_printf("[+] Building %.1fs (%zu/%zu)%s", seconds(d->begun, now()), completed,
		d->view.n ? d->view.n : 1, finished ? " FINISHED" : "");
	add_row(frame, finished && d->colours ? "\033[34m" : "", "", text ? text : "", -1);
}

/* All of it, or without what completed steps had in them, or without the oldest of these, until it fits. */
static void make_frame(struct hoy_build_display *d, struct frame *frame, size_t height, bool finished)
{
	for (size_t hidden = 0, details = 1;;) {
		size_t skip = hidden;

		hoy_buf_clear(&frame->text);
		frame->lines = 0;
		add_header(d, frame, finished);
		if (d->view.n == 0)
			add_row(frame, "", " => ", "[internal] load build definition and context",
				seconds(d->begun, now()));
		for (size_t i = 0; i < d->view.n; i++) {
			if (d->view.vertices[i]->completed && skip > 0)
				skip--;
			else
				add_vertex(d, frame, d->view.vertices[i], details);
		}
		if (finished || frame->lines < height || (!details && (skip > 0 || hidden > d->view.n)))
			return;
		if (details)
			details = 0;
		else
			hidden += frame->lines - height + 1;
	}
}

static void draw(struct hoy_build_display *d, bool finished)
{
	struct frame frame = {};
	struct winsize size = {};

	if (ioctl(fileno(d->out), TIOCGWINSZ, &size) < 0 || size.ws_col == 0 || size.ws_row == 0)
		size = (struct winsize){ .ws_col = 80, .ws_row = 24 };
	frame.width = size.ws_col > 1 ? size.ws_col - 1U : 1;
	make_frame(d, &frame, size.ws_row, finished);
	if (d->drawn > 0)
		(void) fprintf(d->out, "\033[%zuA", d->drawn);
	(void) fputs(frame.text.data ? frame.text.data : "", d->out);
	if (frame.lines < d->drawn)
		(void) fputs("\033[J", d->out);
	(void) fflush(d->out);
	d->drawn = frame.lines;
	hoy_buf_done(&frame.text);
}

/* --- the display -------------------------------------------------------------------------------------------------- */

int hoy_build_progress_choose(const char *text, enum hoy_build_progress *ret, struct hoy_err *err)
{
	static const char *const names[] = { [HOY_BUILD_PLAIN] = "plain",
		[HOY_BUILD_TTY] = "tty",
		[HOY_BUILD_RAWJSON] = "rawjson",
		[HOY_BUILD_QUIET] = "quiet",
		[HOY_BUILD_NONE] = "none" };
	const char *term = getenv("TERM");
	bool is_terminal = isatty(STDERR_FILENO) && !hoy_str_eq(term, "dumb");

	if (!text || !*text)
		text = getenv("BUILDKIT_PROGRESS");
	if (!text || !*text || strcmp(text, "auto") == 0) {
		*ret = is_terminal ? HOY_BUILD_TTY : HOY_BUILD_PLAIN;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = (enum hoy_build_progress) i;
			if (*ret == HOY_BUILD_TTY && !isatty(STDERR_FILENO))
				return hoy_err_invalid(err, "--progress=tty: stderr is no terminal");
			return 0;
		}
	return hoy_err_invalid(
		err, "--progress: \"%s\" is unknown: auto, none, plain, quiet, rawjson and tty are known", text);
}

struct hoy_build_display *hoy_build_display_new(enum hoy_build_progress progress)
{
	struct hoy_build_display *d = calloc(1, sizeof *d);

	if (!d)
		return NULL;
	*d = (struct hoy_build_display){ .progress = progress,
		.out = progress == HOY_BUILD_QUIET || progress == HOY_BUILD_NONE ? NULL : stderr,
		.begun = now(),
		.colours = progress == HOY_BUILD_TTY && !getenv("NO_COLOR") };
	d->view.handler.userdata = d;
	if (progress == HOY_BUILD_PLAIN)
		d->view.handler = (struct hoy_view_handler){ .begun = plain_begun,
			.ended = plain_ended,
			.status = plain_status,
			.line = plain_line,
			.userdata = d };
	return d;
}

void hoy_build_display_free(struct hoy_build_display *display)
{
	if (!display)
		return;
	hoy_view_done(&display->view);
	free(display);
}

int hoy_build_display_take(struct hoy_build_display *d, const char *message, size_t len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf line = {};
	int r = hoy_view_take(&d->view, message, len, err);

	if (r == 0 && d->progress == HOY_BUILD_RAWJSON) {
		r = hoy_view_print_json(message, len, &line, err);
		if (r == 0)
			(void) fprintf(d->out, "%s\n", line.data);
	}
	if (d->out && d->progress != HOY_BUILD_TTY)
		(void) fflush(d->out);
	return r;
}

void hoy_build_display_draw(struct hoy_build_display *d)
{
	if (d->progress == HOY_BUILD_TTY)
		draw(d, /* finished= */ false);
}

static void tell_warnings(const struct hoy_build_display *d)
{
	(void) fprintf(d->out, "\n %zu warning%s:\n", d->view.n_warnings, d->view.n_warnings == 1 ? "" : "s");
	for (size_t i = 0; i < d->view.n_warnings; i++) {
		auto_(hoy_buf_done) struct hoy_buf text = {};

		add_clean(&text, d->view.warnings[i]);
		(void) fprintf(d->out, " - %s\n", text.data ? text.data : "");
	}
}

void hoy_build_display_finish(struct hoy_build_display *d)
{
	bool failed = false;

	for (size_t i = 0; i < d->view.n; i++)
		failed = failed || d->view.vertices[i]->error || !d->view.vertices[i]->completed;
	if (d->progress == HOY_BUILD_TTY && d->view.n > 0)
		draw(d, !failed);
	if (d->out && d->progress != HOY_BUILD_RAWJSON && d->view.n_warnings > 0)
		tell_warnings(d);
}

FILE *hoy_build_display_out(const struct hoy_build_display *d)
{
	return d->progress == HOY_BUILD_RAWJSON ? NULL : d->out;
}

/* --- failures ----------------------------------------------------------------------------------------------------- */

static void tell_output(FILE *out, const struct hoy_view_vertex *vertex)
{
	if (!vertex->error || vertex->n_lines == 0)
		return;
	(void) fprintf(out, "------\n > %s:\n", vertex->name);
	for (size_t i = hoy_view_first_line(vertex); i < vertex->n_lines; i++)
		(void) fprintf(out, "%.3f %s\n", seconds(vertex->started, hoy_view_line(vertex, i)->time),
			hoy_view_line(vertex, i)->text);
	(void) fputs("------\n", out);
}

void hoy_build_display_failure(
	struct hoy_build_display *d, const char *name, const char *text, unsigned int line, unsigned int end_line)
{
	FILE *out = d->progress == HOY_BUILD_RAWJSON ? NULL : stderr;

	for (size_t i = 0; out && i < d->view.n; i++)
		tell_output(out, d->view.vertices[i]);
	if (!out || !text || line == 0)
		return;
	(void) fprintf(out, "%s:%u\n--------------------\n", name, line);
	for (unsigned int number = 1; *text && number <= end_line + AROUND; number++) {
		size_t len = strcspn(text, "\n");

		if (number + AROUND >= line)
			(void) fprintf(out, "%4u | %s %.*s\n", number,
				number >= line && number <= end_line ? ">>>" : "   ", (int) len, text);
		text += len + (text[len] == '\n');
	}
	(void) fputs("--------------------\n", out);
}
