/*
 * "(00.012345) Error (criu/net.c:3071): Locking network failed": of such lines the first is the cause, the ones behind
 * it say what could not be done because of it. But CRIU also tries the kernel's features when it starts, and logs as
 * errors what is missing: those count only when nothing failed later.
 */
#include "runtime/criu/log.h"

#include <string.h>

#include "base/defs.h"
#include "base/str.h"

/* Start of the text behind "Error (file:line): "; NULL: another line. */
static const char *error_text(const char *line)
{
	const char *at = strstr(line, "Error (");
	const char *text = at ? strstr(at, "): ") : NULL;

	/* Nothing but a time and a pid may stand in front. */
	if (!at || (at != line && at[-1] != ' ') || !text)
		return NULL;
	for (const char *p = line; p < at; p++)
		if (!strchr("(): .0123456789", *p))
			return NULL;
	text += strlen("): ");
	return hoy_str_starts(text, "exited, status=") ? NULL : text;
}

/* What is printed when the features are known and work begins. */
static bool is_begin_of_work(const char *line)
{
	return strstr(line, "Dumping processes (pid:") || strstr(line, "Restoring namespaces") ||
	       strstr(line, "Forking task");
}

char *hoy_criu_log_reason(const char *text, size_t len)
{
	auto_free char *copy = strndup(text, len);
	auto_ptr(hoy_strv_free) char **lines = copy ? hoy_str_split(copy, '\n') : NULL;
	const char *early = NULL, *late = NULL;
	bool working = false;

	for (char **l = lines; l && *l && !late; l++) {
		const char *error = error_text(*l);

		working = working || is_begin_of_work(*l);
		if (error && working)
			late = error;
		else if (error && !early)
			early = error;
	}
	return late ? strdup(late) : early ? strdup(early) : NULL;
}
