/* Options from a table: --name VALUE, --name=VALUE, -n VALUE, and one dash for two, as runc's callers write them. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "runtime/cli/command.h"
#include "runtime/texts.h"

static const struct hoy_option *find_option(
	const struct hoy_option *options, size_t n, const char *name, size_t name_len)
{
	for (size_t i = 0; i < n; i++) {
		if (strlen(options[i].name) == name_len && strncmp(options[i].name, name, name_len) == 0)
			return &options[i];
		if (name_len == 1 && options[i].letter == name[0])
			return &options[i];
	}
	return NULL;
}

static int parse_flag(const char *text, bool *ret)
{
	if (!text || strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
		*ret = true;
	else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

static int add_string(const char **list, const char *text)
{
	size_t n = 0;

	while (list[n])
		n++;
	if (n + 1 >= HOY_MAX_STRINGS)
		return -E2BIG;
	list[n] = text;
	return 0;
}

static int set_value(const struct hoy_option *o, const char *text, void *values, struct hoy_err *err)
{
	void *at = (char *) values + o->offset;
	int r = 0;

	switch (o->kind) {
	case HOY_OPTION_FLAG:
		r = parse_flag(text, at);
		break;
	case HOY_OPTION_STRING:
		*(const char **) at = text;
		break;
	case HOY_OPTION_STRINGS:
		r = add_string(at, text);
		break;
	case HOY_OPTION_UINT:
		r = hoy_str_to_uint(text, at);
		break;
	case HOY_OPTION_INT:
		r = hoy_str_to_int(text, at);
		break;
	}
	return r < 0 ? hoy_err_invalid(err, "option --%s: invalid value '%s'", o->name, text) : 0;
}

int hoy_options_parse(const struct hoy_option *options, size_t n_options, bool stop_at_argument, char **argv,
	void *values, char ***ret_args, struct hoy_err *err)
{
	char **out = argv;

	*ret_args = argv;
	while (*argv) {
		const char *arg = *argv++, *name, *value;
		const struct hoy_option *o;
		size_t len;
		int r;

		if (strcmp(arg, "--") == 0)
			break;
		if (arg[0] != '-' || !arg[1]) {
			*out++ = (char *) arg;
			if (stop_at_argument)
				break;
			continue;
		}
		name = arg + 1 + (arg[1] == '-');
		len = strcspn(name, "=");
		value = name[len] ? name + len + 1 : NULL;
		o = find_option(options, n_options, name, len);
		if (!o)
			return hoy_err_invalid(err, "unknown option '%s'", arg);
		if (!value && o->kind != HOY_OPTION_FLAG) {
			if (!*argv)
				return hoy_err_invalid(err, TEXT_OPTION_VALUE, o->name);
			value = *argv++;
		}
		r = set_value(o, value, values, err);
		if (r < 0)
			return r;
	}
	while (*argv)
		*out++ = *argv++;
	*out = NULL;
	return 0;
}

int hoy_bundle_path(const char *bundle, char **ret, struct hoy_err *err)
{
	*ret = realpath(bundle ? bundle : ".", NULL);
	return *ret ? 0 : hoy_err_sys(err, "bundle '%s'", bundle ? bundle : ".");
}

void hoy_options_help(const struct hoy_option *options, size_t n_options)
{
	for (size_t i = 0; i < n_options; i++) {
		char name[64];

		if (!options[i].help)
			continue;
		(void) snprintf(name, sizeof name, "--%s%s%.1s%s", options[i].name, options[i].letter ? ", -" : "",
			options[i].letter ? &options[i].letter : "",
			options[i].kind == HOY_OPTION_FLAG ? "" : " VALUE");
		(void) printf("  %-32s %s\n", name, options[i].help);
	}
}
