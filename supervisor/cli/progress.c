/* Progress messages as plain lines. */
#include "supervisor/cli/progress.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "supervisor/cli/lines.h"

static int print_message(const struct hoy_json *message, void *userdata, struct hoy_err *err)
{
	FILE *out = userdata;
	const char *text, *id;

	text = hoy_json_string(hoy_json_get(hoy_json_get(message, "errorDetail"), "message"));
	if (!text)
		text = hoy_json_string(hoy_json_get(message, "error"));
	if (text)
		return hoy_err_set(err, HOY_ERR_SYSTEM, EREMOTEIO, "%s", text);
	if (!out)
		return 0;
	text = hoy_json_string(hoy_json_get(message, "stream"));
	if (text) {
		(void) fputs(text, out);
		return 0;
	}
	text = hoy_json_string(hoy_json_get(message, "status"));
	id = hoy_json_string(hoy_json_get(message, "id"));
	/* Without a terminal to redraw, a line for every step of a bar would be noise. */
	if (text && !hoy_json_get(hoy_json_get(message, "progressDetail"), "current"))
		(void) fprintf(out, "%s%s%s\n", id ? id : "", id ? ": " : "", text);
	return 0;
}

int hoy_progress_copy(struct hoy_http *http, FILE *out, struct hoy_err *err)
{
	return hoy_lines_read(http, print_message, out, err);
}
