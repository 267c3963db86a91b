/* Checks that several runtime-spec objects share. */
#include <ctype.h>
#include <stdlib.h>

#include "libocispec/runtime_internal.h"

int hoy_oci_check_absolute(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *path)
{
	if (!path || path[0] == '/')
		return 0;
	return hoy_field_invalid(at, err, member, "\"%.200s\" is not an absolute path", path);
}

int hoy_oci_check_all_absolute(
	const struct hoy_field_path *at, struct hoy_err *err, const char *member, char *const *paths)
{
	const struct hoy_field_path here = { .parent = at, .name = member };

	for (size_t i = 0; paths && paths[i]; i++) {
		const struct hoy_field_path element = { .parent = &here, .index = i };
		int r = hoy_oci_check_absolute(&element, err, /* member= */ NULL, paths[i]);

		if (r < 0)
			return r;
	}
	return 0;
}

/* One number at *text, moved behind it; false when there is none or it is too large. */
static bool take_number(const char **text, unsigned long *ret)
{
	char *end;

	if (!isdigit((unsigned char) **text))
		return false;
	*ret = strtoul(*text, &end, 10);
	*text = end;
	return *ret <= 1 << 20; /* far above any number of CPUs or nodes */
}

static void skip_spaces(const char **text)
{
	while (**text == ' ')
		(*text)++;
}

static bool is_list(const char *text)
{
	for (;;) {
		unsigned long first, last;

		skip_spaces(&text);
		if (!take_number(&text, &first))
			return false;
		if (*text == '-') {
			text++;
			if (!take_number(&text, &last) || last < first)
				return false;
		}
		skip_spaces(&text);
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
	}
}

int hoy_oci_check_list(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *list)
{
	if (!list || is_list(list))
		return 0;
	return hoy_field_invalid(at, err, member, "\"%.100s\" is not a list such as \"0-3,7\"", list);
}

int hoy_oci_check_keys(const struct hoy_field_path *at, struct hoy_err *err, const char *member,
	const struct hoy_oci_kv *pairs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!*pairs[i].key)
			return hoy_field_invalid(at, err, member, "a key is empty");
	return 0;
}
