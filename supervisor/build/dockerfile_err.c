/* Messages that show where: file, line, column, the line itself and a mark under it. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "supervisor/build/dockerfile.h"

enum { SHOWN = 100 }; /* bytes of a line */

/* Line `number` of the text. */
static const char *find_line(const char *text, uint32_t number, size_t *len)
{
	const char *line = text;

	for (; line && number > 1; number--) {
		line = strchr(line, '\n');
		if (line)
			line++;
	}
	*len = line ? strcspn(line, "\r\n") : 0;
	return line;
}

/* "\n   3 | COPPY a b\n     | ^^^^^": nothing for a place that is not known. */
static void show_line(const struct hoy_dockerfile *file, const struct hoy_dockerfile_place *at, struct hoy_buf *buf)
{
	size_t len, from = 0, marked = 1, start = at->column > 0 ? at->column - 1 : 0;
	const char *line = at->line > 0 && file->text ? find_line(file->text, at->line, &len) : NULL;

	if (!line || len == 0)
		return;
	start = MIN(start, len);
	if (start > SHOWN / 2)
		from = start - SHOWN / 2;
	if (at->end_line == at->line && at->end_column > at->column)
		marked = at->end_column - at->column;
	else if (at->end_line > at->line)
		marked = len - start;
	(void) hoy_buf_addf(buf, "\n%5u | %s%.*s%s\n      | %s", at->line, from > 0 ? "..." : "",
		(int) MIN(len - from, (size_t) SHOWN), line + from, len - from > SHOWN ? "..." : "",
		from > 0 ? "   " : "");
	for (size_t i = from; i < start; i++)
		(void) hoy_buf_addc(buf, line[i] == '\t' ? '\t' : ' ');
	for (size_t i = 0; i < MAX(marked, (size_t) 1) && start - from + i < SHOWN; i++)
		(void) hoy_buf_addc(buf, '^');
}

int hoy_dockerfile_err(const struct hoy_dockerfile *file, const struct hoy_dockerfile_place *at, struct hoy_err *err,
	const char *fmt, ...)
{
	auto_(hoy_buf_done) struct hoy_buf shown = { 0 };
	char text[600];
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	show_line(file, at, &shown);
	if (at->line == 0)
		return hoy_err_invalid(err, "%s: %s", file->name, text);
	if (at->column == 0)
		return hoy_err_invalid(err, "%s:%u: %s%s", file->name, at->line, text, shown.data ? shown.data : "");
	return hoy_err_invalid(
		err, "%s:%u:%u: %s%s", file->name, at->line, at->column, text, shown.data ? shown.data : "");
}
