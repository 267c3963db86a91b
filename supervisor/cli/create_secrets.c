/* --secret and --config: files of the engine's that the container gets. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/create_internal.h"
#include "supervisor/cli/csv.h"

struct secret {
	const char *source, *target, *uid, *gid;
	mode_t mode;
	bool mode_given;
};

static int take_field(struct secret *s, const char *key, const char *value, struct hoy_err *err)
{
	const struct {
		const char *key;
		const char **to;
	} rows[] = { { "source", &s->source }, { "src", &s->source }, { "id", &s->source }, { "target", &s->target },
		{ "uid", &s->uid }, { "gid", &s->gid } };

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (!strcmp(rows[i].key, key)) {
			*rows[i].to = value;
			return 0;
		}
	if (!strcmp(key, "mode")) {
		s->mode_given = true;
		return hoy_str_to_mode(value, &s->mode) < 0
			       ? hoy_err_invalid(err, "invalid value for mode: %s: it is octal, as 0440", value)
			       : 0;
	}
	if (!strcmp(key, "type") && !strcmp(value, "mount"))
		return 0;
	if (!strcmp(key, "type") || !strcmp(key, "env"))
		return hoy_err_unsupported(
			err, "'%s=%s': as a variable it would be seen by inspect and by children", key, value);
	return hoy_err_invalid(err, "unexpected key '%s' in '%s=%s'", key, key, value);
}

/* "NAME", "NAME,target=...", "source=NAME,...": docker's form for services, and podman's. */
static int parse(char **fields, struct secret *ret, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && fields[i]; i++) {
		char *value = hoy_csv_value(fields[i]);

		if (!value && i == 0)
			ret->source = fields[i];
		else if (!value)
			r = hoy_err_invalid(err, "invalid field '%s' must be a key=value pair", fields[i]);
		else
			r = take_field(ret, fields[i], value, err);
	}
	if (r >= 0 && (!ret->source || !*ret->source))
		r = hoy_err_invalid(err, "source is required");
	return r;
}

static void print(struct hoy_json_writer *w, const struct secret *s, const char *key)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, key, s->source);
	hoy_json_object(w, "File");
	hoy_create_add_text(w, "Name", s->target);
	hoy_create_add_text(w, "UID", s->uid);
	hoy_create_add_text(w, "GID", s->gid);
	if (s->mode_given)
		hoy_json_add_u64(w, "Mode", s->mode);
	hoy_json_end(w);
	hoy_json_end(w);
}

static int print_list(struct hoy_json_writer *w, char *const *entries, const char *list, const char *key,
	const char *flag, struct hoy_err *err)
{
	int r = 0;

	if (!entries)
		return 0;
	hoy_json_array(w, list);
	for (; r >= 0 && *entries; entries++) {
		auto_ptr(hoy_strv_free) char **fields = NULL;
		struct secret s = {};

		r = hoy_csv_split(*entries, &fields, err);
		if (r >= 0)
			r = parse(fields, &s, err);
		if (r < 0)
			return hoy_err_wrap(err, "invalid argument \"%s\" for \"--%s\" flag", *entries, flag);
		print(w, &s, key);
	}
	hoy_json_end(w);
	return 0;
}

int hoy_create_secrets(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	int r = print_list(w, o->secret, "Secrets", "SecretName", "secret", err);

	return r < 0 ? r : print_list(w, o->config, "Configs", "ConfigName", "config", err);
}
