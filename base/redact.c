#include "base/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define MARK "xxxxx"

/* "me:secret" of "://me:secret@host/": its length; 0: there is none. */
static size_t userinfo(const char *text, const char *authority)
{
	const char *at = memrchr(authority, '@', strcspn(authority, "/?# \t\r\n"));
	size_t len = at ? (size_t) (at - authority) : 0;
	size_t scheme = (size_t) (authority - strlen("://") - text);
	bool is_ssh = scheme >= 3 && memcmp(authority - strlen("ssh://"), "ssh", 3) == 0;

	return is_ssh && !memchr(authority, ':', len) ? 0 : len;
}

static const char *next_authority(const char *text)
{
	const char *at = strstr(text, "://");

	return at ? at + strlen("://") : NULL;
}

bool hoy_has_credentials(const char *text)
{
	for (const char *at = next_authority(text); at; at = next_authority(at))
		if (userinfo(text, at) > 0)
			return true;
	return false;
}

char *hoy_redact(const char *text)
{
	struct hoy_buf buf = { 0 };
	const char *from = text;

	for (const char *at = next_authority(text); at; at = next_authority(at)) {
		size_t len = userinfo(text, at);

		if (len == 0)
			continue;
		(void) hoy_buf_add(&buf, from, (size_t) (at - from));
		(void) hoy_buf_adds(&buf, MARK);
		from = at = at + len;
	}
	(void) hoy_buf_adds(&buf, from);
	return hoy_buf_take(&buf);
}

void hoy_err_redact(struct hoy_err *err)
{
	auto_free char *text = err && hoy_has_credentials(err->msg) ? hoy_redact(err->msg) : NULL;

	if (text)
		(void) snprintf(err->msg, sizeof err->msg, "%s", text);
	else if (err && hoy_has_credentials(err->msg))
		(void) snprintf(err->msg, sizeof err->msg, "out of memory"); /* rather than tell */
}
