/*
 * Stands in for strtod() in the static program. yajl mentions it, but never calls it: base/json.c takes numbers as
 * text, and no document that hoyrun reads or writes has a fraction. libc's own would be a twentieth of the program.
 */
#include <stdlib.h>

double __wrap_strtod(const char *str, char **end);

double __wrap_strtod(const char *str, char **end)
{
	(void) str;
	(void) end;
	abort();
}
