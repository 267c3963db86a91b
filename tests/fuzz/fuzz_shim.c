/* What a shim reads of its callers besides frames: options on stdin, stdio URIs; and the log it writes of any bytes. */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/str.h"
#include "shim/bundle.h"
#include "shim/log.h"
#include "shim/log_format.h"
#include "shim/logger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_uris(const char *text)
{
	struct hoy_outlog_options options = { 0 };
	struct hoy_outlog_mode mode;
	auto_ptr(hoy_strv_free) char **argv = NULL;

	if (hoy_outlog_parse(text, &options, /* err= */ NULL) == 0)
		hoy_outlog_options_done(&options);
	(void) hoy_outlog_parse_mode(text, &mode, /* err= */ NULL);
	(void) hoy_logger_parse(text, &argv, /* err= */ NULL);
	(void) hoy_shim_id_is_valid(text);
}

/* Whatever a container writes, its log is JSON. */
static void encode(const uint8_t *data, size_t size)
{
	auto_(hoy_buf_done) struct hoy_buf out = {};
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct timespec time = { 1, 0 };
	const struct hoy_outlog_part part = { .text = (const char *) data,
		.len = size,
		.newline = true,
		.stream = "stdout",
		.time = &time,
		.last = true };

	/* a NUL is fine in a log and refused by our own reader */
	if (memchr(data, '\0', size))
		return;
	hoy_outlog_encode_json(&out, &part);
	if (hoy_json_parse(out.data, out.len, /* limits= */ NULL, &doc, /* err= */ NULL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_(hoy_shim_options_done) struct hoy_shim_options options = { 0 };
	auto_(hoy_shim_bootstrap_done) struct hoy_shim_bootstrap bootstrap = { 0 };
	auto_free char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	(void) hoy_shim_options_from_stdin(&options, &bootstrap, data, size, /* err= */ NULL);
	parse_uris(text);
	encode(data, size);
	return 0;
}
