/* Table-driven option parsing. */
#include "supervisor/cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/csv.h"

static const struct hoy_option *by_name(const struct hoy_option *table, const char *name, size_t len)
{
	for (; table->name; table++)
		if (strncmp(table->name, name, len) == 0 && !table->name[len])
			return table;
	return NULL;
}

static const struct hoy_option *by_letter(const struct hoy_option *table, char letter)
{
	for (; table->name; table++)
		if (table->letter == letter)
			return table;
	return NULL;
}

int hoy_options_bool(const char *text, bool *ret)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (strcmp(text, yes[i]) == 0) {
			*ret = true;
			return 0;
		}
		if (strcmp(text, no[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return -EINVAL;
}

static int parse_decimal(const char *text, double *ret)
{
	char *end;

	if (!*text || strspn(text, "0123456789.") != strlen(text))
		return -EINVAL;
	*ret = strtod(text, &end);
	return *end ? -EINVAL : 0;
}

/* As pflag's slices: a part in "..." may hold commas. */
static int add_strings(char ***list, const char *text)
{
	auto_ptr(hoy_strv_free) char **parts = strchr(text, '"') ? NULL : hoy_str_split(text, ',');
	int r = strchr(text, '"') ? hoy_csv_split(text, &parts, NULL) : parts ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && parts[i]; i++)
		r = hoy_strv_add(list, parts[i]);
	return r;
}

static int store(const struct hoy_option *o, const char *text, void *at)
{
	int r;

	switch (o->type) {
	case HOY_OPTION_BOOL:
		return hoy_options_bool(text, at);
	case HOY_OPTION_STRING:
		*(const char **) at = text;
		return 0;
	case HOY_OPTION_LIST:
		return hoy_strv_add(at, text);
	case HOY_OPTION_STRINGS:
		return add_strings(at, text);
	case HOY_OPTION_INT:
		return hoy_str_to_i64(text, at);
	case HOY_OPTION_UINT:
		r = hoy_str_to_i64(text, at);
		return r == 0 && *(int64_t *) at < 0 ? -EINVAL : r;
	case HOY_OPTION_BYTES:
		/* -1 stands for "no limit" where docker takes it. */
		if (strcmp(text, "-1") == 0) {
			*(int64_t *) at = -1;
			return 0;
		}
		return hoy_str_to_bytes(text, at);
	case HOY_OPTION_DECIMAL:
		return parse_decimal(text, at);
	case HOY_OPTION_DURATION:
		return hoy_str_to_duration(text, at);
	case HOY_OPTION_REFUSED:
		break;
	}
	return -EINVAL;
}

static int set(const struct hoy_option *o, const char *text, void *values, struct hoy_err *err)
{
	const char letter[] = { o->letter, '\0' };
	int r;

	if (o->type == HOY_OPTION_REFUSED)
		return hoy_err_unsupported(err, "--%s is not supported: %s", o->name, o->help);
	r = store(o, text, (char *) values + o->offset);
	if (r == -ENOMEM)
		return hoy_err_oom(err);
	if (r < 0)
		return hoy_err_invalid(err, "invalid argument \"%s\" for \"%s%s%s--%s\" flag: %s", text,
			*letter ? "-" : "", letter, *letter ? ", " : "", o->name,
			r == -ERANGE ? "value out of range" : "invalid syntax");
	if (o->set_offset != HOY_OPTION_NO_SET)
		*(bool *) ((char *) values + o->set_offset) = true;
	return 0;
}

/* One "--name[=value]" word; *next is the word behind it, NULL when there is none. *ret_used tells if it was taken. */
static int parse_long(const struct hoy_option *table, char *word, char *next, void *values, bool *ret_help,
	bool *ret_used, struct hoy_err *err)
{
	const char *name = word + 2;
	size_t len = strcspn(name, "=");
	const struct hoy_option *o = by_name(table, name, len);
	const char *value = name[len] ? name + len + 1 : NULL;

	*ret_used = false;
	if (!o) {
		if (len == 4 && strncmp(name, "help", 4) == 0) {
			*ret_help = true;
			return 0;
		}
		return hoy_err_invalid(err, "unknown flag: --%.*s", (int) len, name);
	}
	if (!value && (o->type == HOY_OPTION_BOOL || (o->type == HOY_OPTION_REFUSED && !o->value)))
		value = "true";
	if (!value) {
		if (!next)
			return hoy_err_invalid(err, "flag needs an argument: --%s", o->name);
		*ret_used = true;
		value = next;
	}
	return set(o, value, values, err);
}

/* One "-abc", "-xvalue" or "-x" word. */
static int parse_short(const struct hoy_option *table, char *word, char *next, void *values, bool *ret_help,
	bool *ret_used, struct hoy_err *err)
{
	*ret_used = false;
	for (const char *p = word + 1; *p; p++) {
		const struct hoy_option *o = by_letter(table, *p);
		int r;

		if (!o) {
			if (*p == 'h') {
				*ret_help = true;
				return 0;
			}
			return hoy_err_invalid(err, "unknown shorthand flag: '%c' in %s", *p, word);
		}
		if (o->type == HOY_OPTION_BOOL || (o->type == HOY_OPTION_REFUSED && !o->value)) {
			bool with_value = p[1] == '=';

			r = set(o, with_value ? p + 2 : "true", values, err);
			if (r < 0 || with_value)
				return r;
			continue;
		}
		if (p[1])
			return set(o, p[1] == '=' ? p + 2 : p + 1, values, err);
		if (!next)
			return hoy_err_invalid(err, "flag needs an argument: '%c' in %s", *p, word);
		*ret_used = true;
		return set(o, next, values, err);
	}
	return 0;
}

int hoy_options_parse(const struct hoy_option *table, int argc, char **argv, int flags, void *values, char **ret_args,
	bool *ret_help, struct hoy_err *err)
{
	size_t n_args = 0;
	int i = 1;

	*ret_help = false;
	while (i < argc) {
		char *word = argv[i++];
		char *next = i < argc ? argv[i] : NULL;
		bool used;
		int r;

		if (strcmp(word, "--") == 0)
			break;
		if (word[0] != '-' || !word[1]) {
			ret_args[n_args++] = word;
			if (flags & HOY_OPTIONS_STOP_AT_ARGUMENT)
				break;
			continue;
		}
		r = word[1] == '-' ? parse_long(table, word, next, values, ret_help, &used, err)
				   : parse_short(table, word, next, values, ret_help, &used, err);
		if (r < 0)
			return r;
		i += used;
	}
	while (i < argc)
		ret_args[n_args++] = argv[i++];
	ret_args[n_args] = NULL;
	return 0;
}

void hoy_options_done(const struct hoy_option *table, void *values)
{
	for (; table->name; table++) {
		if (table->type == HOY_OPTION_LIST || table->type == HOY_OPTION_STRINGS) {
			char ***list = (char ***) ((char *) values + table->offset);

			hoy_strv_free(*list);
			*list = NULL;
		}
	}
}

#define HELP_COLUMNS ((size_t) 80)

/* `text` with its lines broken at words; further lines start under the first, `indent` columns in. */
static void add_wrapped(struct hoy_buf *out, const char *text, size_t indent)
{
	size_t room = indent + 24 < HELP_COLUMNS ? HELP_COLUMNS - indent : 24, column = 0;

	while (*text) {
		size_t len = strcspn(text, " \n");

		if (column && column + 1 + len > room) {
			(void) hoy_buf_addf(out, "\n%*s", (int) indent, "");
			column = 0;
		} else if (column) {
			(void) hoy_buf_addc(out, ' ');
			column++;
		}
		(void) hoy_buf_add(out, text, len);
		column += len;
		text += len;
		if (*text == '\n') {
			(void) hoy_buf_addf(out, "\n%*s", (int) indent, "");
			column = 0;
			text++;
		}
		/* Columns that the text was aligned to stay. */
		text += *text == ' ';
		while (*text == ' ') {
			(void) hoy_buf_addc(out, *text++);
			column++;
		}
	}
	(void) hoy_buf_addc(out, '\n');
}

static int by_option_name(const void *a, const void *b)
{
	const struct hoy_option *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

static size_t flag_width(const struct hoy_option *o)
{
	return strlen(o->name) + (o->value ? strlen(o->value) + 1 : 0);
}

void hoy_options_help(const struct hoy_option *table, const char *title, struct hoy_buf *out)
{
	auto_free const struct hoy_option **sorted = NULL;
	size_t width = 0, n = 0;

	while (table[n].name)
		n++;
	sorted = calloc(n + 1, sizeof *sorted);
	if (!sorted)
		return;
	n = 0;
	for (const struct hoy_option *o = table; o->name; o++) {
		if (o->hidden)
			continue;
		width = MAX(width, flag_width(o));
		sorted[n++] = o;
	}
	if (!n)
		return;
	qsort(sorted, n, sizeof *sorted, by_option_name);
	(void) hoy_buf_addf(out, "\n%s:\n", title);
	for (size_t i = 0; i < n; i++) {
		const struct hoy_option *o = sorted[i];

		if (o->letter)
			(void) hoy_buf_addf(out, "  -%c, ", o->letter);
		else
			(void) hoy_buf_adds(out, "      ");
		(void) hoy_buf_addf(out, "--%s%s%s%*s   ", o->name, o->value ? " " : "", o->value ? o->value : "",
			(int) (width - flag_width(o)), "");
		add_wrapped(out, o->help, width + 11);
	}
}
