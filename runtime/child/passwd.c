/* name:password:uid:gid:gecos:home:shell; lines that are not like that are skipped. */
#include "runtime/child/passwd.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum { FIELD_NAME, FIELD_UID = 2, FIELD_HOME = 5 };

static char *find(const char *text, uid_t uid, size_t want)
{
	while (*text) {
		size_t len = strcspn(text, "\n");
		auto_free char *line = strndup(text, len);
		auto_ptr(hoy_strv_free) char **field = line ? hoy_str_split(line, ':') : NULL;
		unsigned int id;

		if (field && hoy_strv_len(field) > want && hoy_strv_len(field) > FIELD_UID &&
			hoy_str_to_uint(field[FIELD_UID], &id) == 0 && id == uid)
			return field[want][0] ? strdup(field[want]) : NULL;
		text += len + (text[len] == '\n');
	}
	return NULL;
}

char *hoy_passwd_home(const char *text, uid_t uid)
{
	return find(text, uid, FIELD_HOME);
}

char *hoy_passwd_name(const char *text, uid_t uid)
{
	return find(text, uid, FIELD_NAME);
}
