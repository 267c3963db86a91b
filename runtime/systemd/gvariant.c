/* Reads the text form of GVariant: what annotations give unit properties in. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "runtime/systemd/properties.h"

static const struct {
	const char *keyword;
	char type;
} keywords[] = {
	{ "boolean", 'b' },
	{ "byte", 'y' },
	{ "int16", 'n' },
	{ "uint16", 'q' },
	{ "int32", 'i' },
	{ "uint32", 'u' },
	{ "int64", 'x' },
	{ "uint64", 't' },
	{ "double", 'd' },
	{ "string", 's' },
	{ "objectpath", 'o' },
	{ "signature", 'g' },
};

struct reader {
	const char *text, *at;
	struct hoy_err *err;
};

static void skip_blanks(struct reader *r)
{
	r->at += strspn(r->at, " \t\n");
}

static int invalid(struct reader *r, const char *why)
{
	return hoy_err_invalid(r->err, "%s in '%s'", why, r->text);
}

/* A type keyword or "@T": the letter, 0 when there is none. */
static int read_type(struct reader *r, char *ret)
{
	size_t len;

	*ret = 0;
	skip_blanks(r);
	if (r->at[0] == '@') {
		if (!r->at[1] || !strchr("bynqiuxtdsog", r->at[1]) || !strchr(" \t", r->at[2]))
			return hoy_err_unsupported(r->err, "the type in '%s' is not supported", r->text);
		*ret = r->at[1];
		r->at += 2;
		return 0;
	}
	len = strcspn(r->at, " \t\n");
	for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
		if (strlen(keywords[i].keyword) == len && strncmp(keywords[i].keyword, r->at, len) == 0) {
			*ret = keywords[i].type;
			r->at += len;
		}
	return 0;
}

static int read_string(struct reader *r, char **ret)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	char quote = *r->at++;

	for (; *r->at && *r->at != quote; r->at++) {
		if (*r->at == '\\' && r->at[1]) {
			r->at++;
			(void) hoy_buf_addc(&text, (char) (*r->at == 'n' ? '\n' : *r->at == 't' ? '\t' : *r->at));
		} else {
			(void) hoy_buf_addc(&text, *r->at);
		}
	}
	if (*r->at++ != quote)
		return invalid(r, "a string does not end");
	*ret = text.len ? hoy_buf_take(&text) : strdup("");
	return *ret ? 0 : hoy_err_oom(r->err);
}

/* A whole number of the type's range, or any finite one for a double. */
static bool fits(const char *word, char type)
{
	static const struct {
		char type;
		long long min;
		unsigned long long max;
	} ranges[] = {
		{ 'y', 0, UINT8_MAX },
		{ 'n', INT16_MIN, INT16_MAX },
		{ 'q', 0, UINT16_MAX },
		{ 'i', INT32_MIN, INT32_MAX },
		{ 'u', 0, UINT32_MAX },
		{ 'x', INT64_MIN, INT64_MAX },
		{ 't', 0, UINT64_MAX },
	};
	char *end;

	errno = 0;
	if (type == 'd') {
		(void) strtod(word, &end);
		return !errno && end != word && !*end;
	}
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		if (ranges[i].type != type)
			continue;
		if (word[0] == '-') {
			long long value = strtoll(word, &end, 0);

			return !errno && end != word && !*end && value >= ranges[i].min;
		}
		return strtoull(word, &end, 0) <= ranges[i].max && !errno && end != word && !*end;
	}
	return false;
}

/* One boolean, number or string, whose type is *type when that is known, else found out. */
static int read_basic(struct reader *r, char *type, char **ret)
{
	char given;
	size_t len;
	int e = read_type(r, &given);

	if (e < 0)
		return e;
	if (given && *type && given != *type)
		return invalid(r, "different types in one list");
	if (given)
		*type = given;
	skip_blanks(r);
	if (*r->at == '\'' || *r->at == '"') {
		if (*type && !strchr("sog", *type))
			return invalid(r, "a string where another type was said");
		*type = *type ? *type : 's';
		return read_string(r, ret);
	}
	if (*r->at && strchr("([{<", *r->at))
		return hoy_err_unsupported(r->err, "the type of '%s' is not supported", r->text);
	len = strcspn(r->at, " \t\n,]");
	*ret = strndup(r->at, len);
	if (!*ret)
		return hoy_err_oom(r->err);
	r->at += len;
	if (strcmp(*ret, "true") == 0 || strcmp(*ret, "false") == 0) {
		*type = *type ? *type : 'b';
		return *type == 'b' ? 0 : invalid(r, "a boolean where another type was said");
	}
	if (!*type)
		*type = strpbrk(*ret, ".eE") && strncmp(*ret, "0x", 2) != 0 ? 'd' : 'i';
	return fits(*ret, *type) ? 0 : invalid(r, "no value of its type");
}

static int add(struct reader *r, char *type, char ***values)
{
	auto_free char *value = NULL;
	int e = read_basic(r, type, &value);

	return e < 0 ? e : hoy_strv_add(values, value) < 0 ? hoy_err_oom(r->err) : 0;
}

static int read_list(struct reader *r, char *type, char ***values)
{
	r->at++;
	skip_blanks(r);
	while (*r->at != ']') {
		int e = add(r, type, values);

		if (e < 0)
			return e;
		skip_blanks(r);
		if (*r->at == ',')
			r->at++;
		else if (*r->at != ']')
			return invalid(r, "a list does not end");
		skip_blanks(r);
	}
	r->at++;
	return *type ? 0 : invalid(r, "an empty list has no type");
}

int hoy_gvariant_parse(const char *text, char ret_signature[8], char ***ret_values, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **values = calloc(1, sizeof *values);
	struct reader r = { .text = text, .at = text, .err = err };
	bool list = false;
	char type = 0;
	int e;

	if (!values)
		return hoy_err_oom(err);
	skip_blanks(&r);
	if (r.at[0] == '@' && r.at[1] == 'a' && r.at[2] && strchr("bynqiuxtdsog", r.at[2])) {
		type = r.at[2];
		r.at += 3;
		skip_blanks(&r);
		if (*r.at != '[')
			return invalid(&r, "no list where one was said");
	}
	list = *r.at == '[';
	e = list ? read_list(&r, &type, &values) : add(&r, &type, &values);
	if (e < 0)
		return e;
	skip_blanks(&r);
	if (*r.at)
		return invalid(&r, "more than one value");
	(void) snprintf(ret_signature, 8, "%s%c", list ? "a" : "", type);
	*ret_values = TAKE_PTR(values);
	return 0;
}
