/* Lines for fluentd's forward input: MessagePack [tag, time, {record}]. */
#include <endian.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/str.h"
#include "shim/driver/driver.h"

static struct {
	const struct hoy_driver_options *options;
	const char *tag;
	bool sub_second;
} state;

static int set_up(const struct hoy_driver_options *options, const struct hoy_target_address *to, struct hoy_err *err)
{
	const char *precise = hoy_driver_option(options, "fluentd-sub-second-precision", "false");

	if (to->type == SOCK_DGRAM)
		return hoy_err_invalid(err, "fluentd-address is tcp://host:port, tls://host:port or unix:///path");
	state.options = options;
	state.tag = hoy_driver_option(options, "tag", hoy_driver_option(options, "container-id", "container"));
	state.sub_second = hoy_str_eq(precise, "true");
	if (!state.sub_second && !hoy_str_eq(precise, "false"))
		return hoy_err_invalid(err, "fluentd-sub-second-precision '%s'", precise);
	return 0;
}

static void add_u32(struct hoy_buf *out, uint8_t type, uint32_t value)
{
	uint32_t be = htobe32(value);

	(void) hoy_buf_addc(out, (char) type);
	(void) hoy_buf_add(out, &be, sizeof be);
}

static void add_text(struct hoy_buf *out, const char *text, size_t len)
{
	if (len < 32)
		(void) hoy_buf_addc(out, (char) (0xa0 | len));
	else
		add_u32(out, 0xdb, (uint32_t) len);
	(void) hoy_buf_add(out, text, len);
}

static void add_pair(struct hoy_buf *out, const char *key, const char *value, size_t len)
{
	add_text(out, key, strlen(key));
	add_text(out, value, len);
}

/* An EventTime (extension 0: seconds and nanoseconds), or seconds. */
static void add_time(struct hoy_buf *out, const struct timespec *time)
{
	uint32_t be = htobe32((uint32_t) time->tv_nsec);

	if (!state.sub_second) {
		add_u32(out, 0xce, (uint32_t) time->tv_sec);
		return;
	}
	(void) hoy_buf_addc(out, (char) 0xd7);
	add_u32(out, 0x00, (uint32_t) time->tv_sec);
	(void) hoy_buf_add(out, &be, sizeof be);
}

static void send_line(struct hoy_target *target, const struct hoy_driver_line *line)
{
	const char *id = hoy_driver_option(state.options, "container-id", "");
	const char *source = line->is_stderr ? "stderr" : "stdout", *name, *value;
	auto_(hoy_buf_done) struct hoy_buf out = {};
	uint32_t n = 3 + line->partial;

	while (hoy_driver_attribute(state.options, n - 3 - line->partial, &name, &value))
		n++;
	(void) hoy_buf_addc(&out, (char) 0x93);
	add_text(&out, state.tag, strlen(state.tag));
	add_time(&out, &line->time);
	add_u32(&out, 0xdf, n);
	add_pair(&out, "container_id", id, strlen(id));
	add_pair(&out, "source", source, strlen(source));
	add_pair(&out, "log", line->text, line->len);
	if (line->partial)
		add_pair(&out, "partial_message", "true", strlen("true"));
	for (size_t i = 0; hoy_driver_attribute(state.options, i, &name, &value); i++)
		add_pair(&out, name, value, strlen(value));
	if (hoy_buf_check(&out, "message", /* err= */ NULL) == 0)
		hoy_target_send(target, out.data, out.len);
}

static const char *const known[] = { "fluentd-sub-second-precision", NULL };

const struct hoy_driver hoy_driver_fluentd = {
	.name = "fluentd",
	.address_option = "fluentd-address",
	.default_address = "tcp://127.0.0.1:24224",
	.default_port = 24224,
	.options = known,
	.tls = true,
	.set_up = set_up,
	.send = send_line,
};
