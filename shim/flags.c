/* Parsing the shim's command line. */
#include "shim/flags.h"

#include <string.h>

#include "base/str.h"

struct flag {
	const char *name;
	bool is_bool;
	size_t offset;
};

static const struct flag flags_table[] = {
	{ "namespace", false, offsetof(struct hoy_shim_flags, namespace_) },
	{ "address", false, offsetof(struct hoy_shim_flags, address) },
	{ "publish-binary", false, offsetof(struct hoy_shim_flags, publish_binary) },
	{ "id", false, offsetof(struct hoy_shim_flags, id) },
	{ "bundle", false, offsetof(struct hoy_shim_flags, bundle) },
	{ "socket", false, offsetof(struct hoy_shim_flags, socket) },
	{ "debug", true, offsetof(struct hoy_shim_flags, debug) },
	{ "v", true, offsetof(struct hoy_shim_flags, version) },
	{ "version", true, offsetof(struct hoy_shim_flags, version) },
	{ "info", true, offsetof(struct hoy_shim_flags, info) },
	{ "h", true, offsetof(struct hoy_shim_flags, help) },
	{ "help", true, offsetof(struct hoy_shim_flags, help) },
};

static const struct flag *find_flag(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(flags_table); i++)
		if (strlen(flags_table[i].name) == len && memcmp(flags_table[i].name, name, len) == 0)
			return &flags_table[i];
	return NULL;
}

static int set_bool(bool *to, const char *name, const char *value, struct hoy_err *err)
{
	static const char *const yes[] = { "1", "t", "T", "true", "TRUE", "True" };
	static const char *const no[] = { "0", "f", "F", "false", "FALSE", "False" };

	*to = !value;
	for (size_t i = 0; value && i < ARRAY_LEN(yes); i++) {
		if (hoy_str_eq(value, yes[i])) {
			*to = true;
			return 0;
		}
		if (hoy_str_eq(value, no[i]))
			return 0;
	}
	return value ? hoy_err_invalid(err, "flag -%s: '%s' is neither true nor false", name, value) : 0;
}

static bool is_action(const char *arg)
{
	return hoy_str_eq(arg, "start") || hoy_str_eq(arg, "delete");
}

int hoy_shim_flags_parse(int argc, char *const argv[], struct hoy_shim_flags *ret, struct hoy_err *err)
{
	struct hoy_shim_flags flags = { 0 };
	int i = 1;

	for (; i < argc && argv[i][0] == '-' && argv[i][1] && strcmp(argv[i], "--") != 0; i++) {
		const char *name = argv[i] + (argv[i][1] == '-' ? 2 : 1);
		const char *value = strchr(name, '=');
		const struct flag *flag = find_flag(name, value ? (size_t) (value - name) : strlen(name));

		if (value)
			value++;
		if (!flag) {
			if (!value && i + 1 < argc && argv[i + 1][0] != '-' && !is_action(argv[i + 1]))
				i++;
			continue;
		}
		if (flag->is_bool) {
			int r = set_bool((bool *) ((char *) &flags + flag->offset), flag->name, value, err);

			if (r < 0)
				return r;
			continue;
		}
		if (!value && ++i < argc)
			value = argv[i];
		if (!value)
			return hoy_err_invalid(err, "flag -%s needs a value", flag->name);
		*(const char **) ((char *) &flags + flag->offset) = value;
	}
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i < argc)
		flags.action = argv[i++];
	if (i < argc)
		return hoy_err_invalid(err, "unexpected argument '%s' behind '%s'", argv[i], flags.action);
	*ret = flags;
	return 0;
}
