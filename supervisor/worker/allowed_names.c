/* Lines of names and ports. */
#include "supervisor/worker/allowed_names.h"

#include <string.h>

#include "base/str.h"

bool hoy_allowed_names_next(const char **at, struct hoy_allowed_name *ret)
{
	size_t len = strcspn(*at, " \n"), digits;
	char number[6] = "";
	unsigned int port;

	if (len == 0 || len >= sizeof ret->pattern || (*at)[len] != ' ')
		return false;
	memcpy(ret->pattern, *at, len);
	ret->pattern[len] = '\0';
	digits = strcspn(*at + len + 1, "\n");
	if (digits >= sizeof number)
		return false;
	memcpy(number, *at + len + 1, digits);
	if (hoy_str_to_uint(number, &port) < 0 || port > UINT16_MAX)
		return false;
	ret->port = (uint16_t) port;
	*at += len + 1 + digits;
	*at += **at == '\n';
	return true;
}

bool hoy_allowed_name_matches(const char *pattern, const char *name)
{
	size_t len = strlen(name), tail;

	if (!hoy_str_starts(pattern, "*."))
		return hoy_str_eq(pattern, name);
	tail = strlen(pattern + 1);
	return len > tail && hoy_str_eq(name + len - tail, pattern + 1);
}
