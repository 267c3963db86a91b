/* One line, one write(). */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

static struct {
	int fd;
	enum hoy_log_format format;
	enum hoy_log_level most;
	enum hoy_log_sink sink;
	const char *name;
} log_to = { .fd = STDERR_FILENO, .format = HOY_LOG_TEXT, .most = HOY_LOG_INFO };

static const char *const level_names[] = { "error", "warning", "info", "debug" };

void hoy_log_setup(int fd, enum hoy_log_format format, enum hoy_log_level most)
{
	log_to.fd = fd;
	log_to.format = format;
	log_to.most = most;
}

void hoy_log_setup_sink(enum hoy_log_sink sink, const char *name)
{
	log_to.sink = sink;
	log_to.name = name;
}

bool hoy_log_enabled(enum hoy_log_level level)
{
	return level <= log_to.most;
}

/* Escapes what JSON and a terminal can't take; both formats use it, so that a log line is always one line. */
static size_t escape(char *out, size_t size, const char *str, bool json)
{
	size_t n = 0;

	for (; *str && n + 7 < size; str++) {
		unsigned char c = (unsigned char) *str;

		if (json && (c == '"' || c == '\\')) {
			out[n++] = '\\';
			out[n++] = (char) c;
		} else if (c == '\n') {
			out[n++] = '\\';
			out[n++] = 'n';
		} else if (c < 0x20 || c == 0x7f) {
			n += (size_t) snprintf(out + n, size - n, "\\u%04x", c);
		} else {
			out[n++] = (char) c;
		}
	}
	out[n] = '\0';
	return n;
}

static int format_line(enum hoy_log_level level, const char *msg, char *line, size_t size)
{
	char text[3800], now[HOY_TIME_MAX];

	escape(text, sizeof text, msg, log_to.format == HOY_LOG_JSON);
	hoy_time_now(now);
	if (log_to.format == HOY_LOG_JSON)
		return snprintf(line, size, "{\"level\":\"%s\",\"msg\":\"%s\",\"time\":\"%s\"}\n", level_names[level],
			text, now);
	if (log_to.sink != HOY_LOG_TO_FILE)
		return snprintf(line, size, "%s\n", text);
	return snprintf(line, size, "time=\"%s\" level=%s msg=\"%s\"\n", now, level_names[level], text);
}

/* The two loggers take a datagram: RFC 3164 without a time, which the receiver adds; the journal's own protocol, whose
 * fields end with their lines. */
static void write_line(enum hoy_log_level level, const char *msg)
{
	static const int priority[] = { LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
	char line[4096], datagram[4400];
	int len = format_line(level, msg, line, sizeof line);

	if (len <= 0)
		return;
	len = MIN(len, (int) sizeof line - 1);
	if (log_to.sink == HOY_LOG_TO_SYSLOG)
		len = snprintf(datagram, sizeof datagram, "<%d>%s[%d]: %.*s", LOG_USER | priority[level], log_to.name,
			(int) getpid(), len - 1, line);
	else if (log_to.sink == HOY_LOG_TO_JOURNAL)
		len = snprintf(datagram, sizeof datagram, "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\nMESSAGE=%s",
			priority[level], log_to.name, line);
	if (len > 0)
		(void) !write(log_to.fd, log_to.sink == HOY_LOG_TO_FILE ? line : datagram,
			MIN((size_t) len, (log_to.sink == HOY_LOG_TO_FILE ? sizeof line : sizeof datagram) - 1));
}

void hoy_log(enum hoy_log_level level, const char *fmt, ...)
{
	char msg[3000];
	va_list args;

	if (!hoy_log_enabled(level))
		return;
	va_start(args, fmt);
	(void) vsnprintf(msg, sizeof msg, fmt, args);
	va_end(args);
	write_line(level, msg);
}

HOY_PRINTF(4, 0)
static void log_with_err(
	enum hoy_log_level level, const struct hoy_err *err, const char *tail, const char *fmt, va_list args)
{
	char msg[3000];
	int n;

	if (!hoy_log_enabled(level))
		return;
	n = vsnprintf(msg, sizeof msg, fmt, args);
	if (n >= 0 && (size_t) n < sizeof msg)
		(void) snprintf(msg + n, sizeof msg - (size_t) n, ": %s%s", hoy_err_str(err), tail);
	write_line(level, msg);
}

void hoy_log_err(const struct hoy_err *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_with_err(HOY_LOG_ERROR, err, "", fmt, args);
	va_end(args);
}

void hoy_log_ignored(const struct hoy_err *err, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	log_with_err(HOY_LOG_WARN, err, ", ignoring", fmt, args);
	va_end(args);
}
