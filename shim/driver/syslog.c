/* Lines as syslog messages: the local form, RFC 3164, RFC 5424. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "base/time.h"
#include "shim/driver/driver.h"

#define SEVERITY_ERR 3
#define SEVERITY_INFO 6

enum format { FORMAT_UNIX, FORMAT_RFC3164, FORMAT_RFC5424, FORMAT_RFC5424_MICRO };

static struct {
	enum format format;
	unsigned int facility;
	const char *tag;
	char host[256];
	bool newline; /* ends a message on a stream */
	bool counted; /* its length comes before it */
} state;

static int parse_format(const char *name, struct hoy_err *err)
{
	static const char *const names[] = { "", "rfc3164", "rfc5424", "rfc5424micro" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (hoy_str_eq(name, names[i])) {
			state.format = (enum format) i;
			return 0;
		}
	return hoy_err_invalid(err, "syslog-format '%s'", name);
}

static int parse_facility(const char *name, struct hoy_err *err)
{
	static const char *const names[] = { "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp",
		"cron", "authpriv", "ftp", "", "", "", "", "local0", "local1", "local2", "local3", "local4", "local5",
		"local6", "local7" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (hoy_str_eq(name, names[i])) {
			state.facility = (unsigned int) i;
			return 0;
		}
	if (hoy_str_to_uint(name, &state.facility) == 0 && state.facility < ARRAY_LEN(names))
		return 0;
	return hoy_err_invalid(err, "syslog-facility '%s'", name);
}

static int set_up(const struct hoy_driver_options *options, const struct hoy_target_address *to, struct hoy_err *err)
{
	int r = parse_format(hoy_driver_option(options, "syslog-format", ""), err);

	state.tag = hoy_driver_option(options, "tag", "container");
	/* RFC 5425 counts; elsewhere on a stream a message ends with its line */
	state.counted = to->tls && state.format >= FORMAT_RFC5424;
	state.newline = to->type == SOCK_STREAM && !state.counted;
	if (gethostname(state.host, sizeof state.host - 1) < 0)
		(void) snprintf(state.host, sizeof state.host, "localhost");
	return r < 0 ? r : parse_facility(hoy_driver_option(options, "syslog-facility", "daemon"), err);
}

/* "2026-11-21T12:00:00Z", or with six digits behind the second. */
static void format_time(const struct timespec *time, bool micro, char out[HOY_TIME_MAX])
{
	hoy_time_format(time, out);
	(void) snprintf(out + strcspn(out, ".Z"), 16, micro ? ".%06ldZ" : "Z", time->tv_nsec / 1000);
}

static void send_line(struct hoy_target *target, const struct hoy_driver_line *line)
{
	unsigned int priority = state.facility * 8 + (line->is_stderr ? SEVERITY_ERR : SEVERITY_INFO);
	auto_(hoy_buf_done) struct hoy_buf out = {}, counted = {};
	char time[HOY_TIME_MAX], stamp[32];
	int pid = (int) getpid();
	struct tm tm;

	(void) strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", localtime_r(&line->time.tv_sec, &tm));
	format_time(&line->time, state.format == FORMAT_RFC5424_MICRO, time);
	if (state.format == FORMAT_UNIX)
		(void) hoy_buf_addf(&out, "<%u>%s %s[%d]: ", priority, stamp, state.tag, pid);
	else if (state.format == FORMAT_RFC3164)
		(void) hoy_buf_addf(&out, "<%u>%s %s %s[%d]: ", priority, stamp, state.host, state.tag, pid);
	else
		(void) hoy_buf_addf(
			&out, "<%u>1 %s %s %s %d %s - ", priority, time, state.host, state.tag, pid, state.tag);
	(void) hoy_buf_add(&out, line->text, line->len);
	if (state.newline)
		(void) hoy_buf_addc(&out, '\n');
	if (hoy_buf_check(&out, "message", /* err= */ NULL) < 0)
		return;
	if (state.counted) {
		(void) hoy_buf_addf(&counted, "%zu ", out.len);
		(void) hoy_buf_add(&counted, out.data, out.len);
	}
	if (hoy_buf_check(&counted, "message", /* err= */ NULL) == 0)
		hoy_target_send(target, state.counted ? counted.data : out.data, state.counted ? counted.len : out.len);
}

static const char *const known[] = { "syslog-format", "syslog-facility", "syslog-tls-ca-cert", "syslog-tls-cert",
	"syslog-tls-key", "syslog-tls-skip-verify", NULL };

const struct hoy_driver hoy_driver_syslog = {
	.name = "syslog",
	.address_option = "syslog-address",
	.default_address = "unixgram:///dev/log",
	.default_port = 514,
	.options = known,
	.tls = true,
	.set_up = set_up,
	.send = send_line,
};
