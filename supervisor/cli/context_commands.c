/* context create, ls, inspect, use, rm, show, update. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "supervisor/cli/cli.h"
#include "supervisor/cli/context.h"
#include "supervisor/cli/context_store.h"
#include "supervisor/cli/csv.h"
#include "supervisor/cli/format.h"

#define CERTIFICATE_MAX ((size_t) 1 << 20)

/* --- create, update ---------------------------------------------------------- */

struct edit_options {
	const char *description, *docker, *from;
	bool description_given;
};
#define DESCRIPTION                                                                                                    \
	HOY_OPTION_WITH_SET(0, "description", HOY_OPTION_STRING, "string", struct edit_options, description,           \
		description_given, "Description of the context")
#define DOCKER                                                                                                         \
	HOY_OPTION(0, "docker", HOY_OPTION_STRING, "stringToString", struct edit_options, docker,                      \
		"The engine: host=URL, ca=FILE, cert=FILE, key=FILE, skip-tls-verify=BOOL, from=CONTEXT")

static const struct hoy_option create_options[] = {
	DESCRIPTION,
	DOCKER,
	HOY_OPTION(
		0, "from", HOY_OPTION_STRING, "string", struct edit_options, from, "Copy the engine of this context"),
	HOY_OPTION_END,
};
static const struct hoy_option update_options[] = { DESCRIPTION, DOCKER, HOY_OPTION_END };

/* What a context says of its engine. */
struct endpoint {
	char *host;
	bool skip_verify;
	struct hoy_context_tls tls;
};

static void endpoint_done(struct endpoint *endpoint)
{
	free(endpoint->host);
	hoy_context_tls_done(&endpoint->tls);
}

static int load_endpoint(const struct hoy_config *config, const char *name, const struct hoy_json *meta,
	struct endpoint *ret, struct hoy_err *err)
{
	free(ret->host);
	ret->host = strdup(hoy_context_host(meta));
	ret->skip_verify = hoy_context_skips_verify(meta);
	hoy_context_tls_done(&ret->tls);
	ret->tls = (struct hoy_context_tls){};
	return ret->host ? hoy_context_tls_load(config, name, &ret->tls, err) : hoy_err_oom(err);
}

/* "ca", "cert" and "key" name files, whose content the context keeps. 0: another key. */
static int take_certificate(const char *key, const char *path, struct hoy_context_tls *tls, struct hoy_err *err)
{
	for (size_t i = 0; i < HOY_CONTEXT_TLS_FILES; i++) {
		size_t len = strlen(key);
		int r;

		if (strncmp(hoy_context_tls_names[i], key, len) != 0 ||
			strcmp(hoy_context_tls_names[i] + len, ".pem") != 0)
			continue;
		hoy_buf_done(&tls->files[i]);
		tls->files[i] = (struct hoy_buf){ .cap = CERTIFICATE_MAX };
		r = hoy_file_read(AT_FDCWD, path, &tls->files[i], err);
		if (r == 0 && !tls->files[i].len)
			r = hoy_err_invalid(err, "'%s' is empty", path);
		return r < 0 ? hoy_err_wrap(err, "%s", key) : 1;
	}
	return 0;
}

/* "host=URL,ca=FILE,skip-tls-verify=true": what it says goes over what `endpoint` has. */
static int parse_docker(
	const struct hoy_config *config, const char *text, struct endpoint *endpoint, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **fields = NULL;
	int r = hoy_csv_split(text, &fields, err);

	for (size_t i = 0; r == 0 && fields[i]; i++) {
		const char *key = fields[i], *value = hoy_csv_value(fields[i]);

		if (!value)
			return hoy_err_invalid(err, "%s must be formatted as key=value", key);
		if (strcmp(key, "host") == 0) {
			struct hoy_http_host host;

			r = hoy_http_host_parse(value, &host, err);
			if (r < 0)
				return r;
			hoy_http_host_done(&host);
			free(endpoint->host);
			endpoint->host = strdup(value);
		} else if (strcmp(key, "from") == 0) {
			auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;

			r = hoy_context_load(config, value, &meta, err);
			if (r == 0)
				r = load_endpoint(config, value, meta, endpoint, err);
		} else if (strcmp(key, "skip-tls-verify") == 0) {
			if (hoy_options_bool(value, &endpoint->skip_verify) < 0)
				return hoy_err_invalid(err, "skip-tls-verify=%s: true or false is wanted", value);
		} else {
			r = take_certificate(key, value, &endpoint->tls, err);
			if (r == 0)
				return hoy_err_invalid(err, "unrecognized config key: %s", key);
			r = MIN(r, 0);
		}
	}
	if (r == 0 && !endpoint->tls.files[HOY_CONTEXT_CERT].len != !endpoint->tls.files[HOY_CONTEXT_KEY].len)
		return hoy_err_invalid(err, "a client's certificate needs its key: give both cert=FILE and key=FILE");
	return r;
}

static int edit(struct hoy_cli *cli, bool create, struct hoy_err *err)
{
	const struct edit_options *o = cli->values;
	const char *name = cli->args[0], *description;
	auto_ptr(hoy_json_free) struct hoy_json *old = NULL;
	auto_(endpoint_done) struct endpoint endpoint = {};
	int r = hoy_context_check_name(name, err);

	if (r < 0)
		return r;
	if (create && hoy_context_load(&cli->config, name, &old, NULL) == 0)
		return hoy_err_conflict(err, "context \"%s\" already exists", name);
	r = create ? (o->from ? hoy_context_load(&cli->config, o->from, &old, err) : 0)
		   : hoy_context_load(&cli->config, name, &old, err);
	if (r < 0)
		return r;
	if (create && !o->docker && !o->from)
		return hoy_err_invalid(err, "docker endpoint configuration is required");
	r = load_endpoint(&cli->config, o->from ? o->from : name, old, &endpoint, err);
	description = o->description_given ? o->description
					   : hoy_cli_text(hoy_json_get(old, "Metadata"), "Description");
	if (r == 0 && o->docker)
		r = parse_docker(&cli->config, o->docker, &endpoint, err);
	if (r == 0 && !endpoint.host)
		r = hoy_err_oom(err);
	/* What makes it a context comes last. */
	if (r == 0)
		r = hoy_context_tls_save(&cli->config, name, &endpoint.tls, err);
	return r < 0 ? r : hoy_context_save(&cli->config, name, description, endpoint.host, endpoint.skip_verify, err);
}

static int cmd_context_edit(struct hoy_cli *cli)
{
	bool create = strcmp(cli->command->name, "context create") == 0;
	struct hoy_err err;

	if (edit(cli, create, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) puts(cli->args[0]);
	(void) fflush(stdout);
	(void) fprintf(stderr, "Successfully %s context \"%s\"\n", create ? "created" : "updated", cli->args[0]);
	return 0;
}

const struct hoy_command hoy_cmd_context_create = {
	.name = "context create",
	.args = "CONTEXT",
	.min_args = 1,
	.max_args = 1,
	.summary = "Create a context",
	.options = create_options,
	.values_size = sizeof(struct edit_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_edit,
};

const struct hoy_command hoy_cmd_context_update = {
	.name = "context update",
	.args = "CONTEXT",
	.min_args = 1,
	.max_args = 1,
	.summary = "Update a context",
	.options = update_options,
	.values_size = sizeof(struct edit_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_edit,
};

/* --- ls ---------------------------------------------------------------------- */

struct ls_options {
	const char *format;
	bool quiet;
};
static const struct hoy_option ls_options[] = {
	HOY_OPTION(0, "format", HOY_OPTION_STRING, "string", struct ls_options, format, HOY_FORMAT_HELP),
	HOY_OPTION('q', "quiet", HOY_OPTION_BOOL, NULL, struct ls_options, quiet, "Only show context names"),
	HOY_OPTION_END,
};
static const struct hoy_format_field ls_fields[] = {
	{ "Current", "CURRENT" },
	{ "Description", "DESCRIPTION" },
	{ "DockerEndpoint", "DOCKER ENDPOINT" },
	{ "Error", "ERROR" },
	{ "Name", "NAME" },
	{},
};
static const struct hoy_format_list ls_kind = {
	.fields = ls_fields,
	.table = "{{.Name}}{{if eq .Current true}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}",
	.quiet = "{{.Name}}",
};

struct listing {
	struct hoy_json_writer w;
	const char *current;
};

static int add_context(const struct hoy_json *meta, void *userdata, struct hoy_err *err)
{
	struct listing *listing = userdata;
	const char *name = hoy_cli_text(meta, "Name");
	const char *description = hoy_cli_text(hoy_json_get(meta, "Metadata"), "Description");
	bool standard = strcmp(name, "default") == 0;

	(void) err;
	hoy_json_object(&listing->w, NULL);
	hoy_json_add_string(&listing->w, "Name", name);
	hoy_json_add_string(
		&listing->w, "Description", standard ? "Current DOCKER_HOST based configuration" : description);
	hoy_json_add_string(&listing->w, "DockerEndpoint", hoy_context_host(meta));
	hoy_json_add_bool(&listing->w, "Current", strcmp(name, listing->current) == 0);
	hoy_json_add_string(&listing->w, "Error", "");
	hoy_json_end(&listing->w);
	return 0;
}

static int cmd_context_ls(struct hoy_cli *cli)
{
	const struct ls_options *o = cli->values;
	auto_(hoy_buf_done) struct hoy_buf rows = {};
	auto_free char *current = hoy_context_current(NULL, &cli->config);
	struct listing listing = { .w.buf = &rows, .current = current ? current : "default" };
	struct hoy_err err;

	hoy_json_array(&listing.w, NULL);
	if (hoy_context_each(&cli->config, add_context, &listing, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	hoy_json_end(&listing.w);
	if (hoy_format_list(cli, &ls_kind, o->format, o->quiet, &rows, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	return 0;
}

const struct hoy_command hoy_cmd_context_ls = {
	.name = "context ls",
	.alias = "context list",
	.args = "",
	.summary = "List contexts",
	.options = ls_options,
	.values_size = sizeof(struct ls_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_ls,
};

/* --- inspect, show, use, rm -------------------------------------------------- */

struct inspect_options {
	const char *format;
};
static const struct hoy_option inspect_options[] = {
	HOY_OPTION('f', "format", HOY_OPTION_STRING, "string", struct inspect_options, format, HOY_FORMAT_OBJECT_HELP),
	HOY_OPTION_END,
};

static void add_tls_names(struct hoy_json_writer *w, const struct hoy_context_tls *tls)
{
	bool begun = false;

	for (size_t i = 0; i < HOY_CONTEXT_TLS_FILES; i++) {
		if (!tls->files[i].len)
			continue;
		if (!begun)
			hoy_json_array(w, "docker");
		begun = true;
		hoy_json_add_string(w, NULL, hoy_context_tls_names[i]);
	}
	if (begun)
		hoy_json_end(w);
}

static int get_context(struct hoy_cli *cli, const char *name, struct hoy_json **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;
	auto_free char *directory = hoy_context_directory(&cli->config, name);
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	auto_free char *tls_directory = hoy_context_tls_directory(&cli->config, name);
	auto_(hoy_context_tls_done) struct hoy_context_tls tls = {};
	bool standard = strcmp(name, "default") == 0;
	int r = hoy_context_load(&cli->config, name, &meta, err);

	if (r == 0 && !standard)
		r = hoy_context_tls_load(&cli->config, name, &tls, err);
	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	hoy_json_each(member, meta) hoy_json_add_value(&w, hoy_json_key(member), member);
	hoy_json_object(&w, "TLSMaterial");
	add_tls_names(&w, &tls);
	hoy_json_end(&w);
	hoy_json_object(&w, "Storage");
	hoy_json_add_string(&w, "MetadataPath", standard || !directory ? "<IN MEMORY>" : directory);
	hoy_json_add_string(&w, "TLSPath", standard || !tls_directory ? "<IN MEMORY>" : dirname(tls_directory));
	hoy_json_end(&w);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "the context", err);
	return r < 0 ? r : hoy_json_parse(text.data, text.len, NULL, ret, err);
}

static int cmd_context_inspect(struct hoy_cli *cli)
{
	const struct inspect_options *o = cli->values;
	auto_free char *current = hoy_context_current(NULL, &cli->config);
	char *one[] = { current, NULL };

	if (!cli->n_args && current) {
		cli->args = one;
		cli->n_args = 1;
	}
	return hoy_format_inspect(cli, o->format, get_context);
}

const struct hoy_command hoy_cmd_context_inspect = {
	.name = "context inspect",
	.args = "[CONTEXT] [CONTEXT...]",
	.max_args = SIZE_MAX,
	.summary = "Display detailed information on one or more contexts",
	.options = inspect_options,
	.values_size = sizeof(struct inspect_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_inspect,
};

static int cmd_context_show(struct hoy_cli *cli)
{
	auto_free char *current = hoy_context_current(NULL, &cli->config);

	(void) puts(current ? current : "default");
	return 0;
}

const struct hoy_command hoy_cmd_context_show = {
	.name = "context show",
	.args = "",
	.summary = "Print the name of the current context",
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_show,
};

static int use(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;
	auto_(hoy_buf_done) struct hoy_buf value = {};
	struct hoy_json_writer w = { .buf = &value };
	int r = hoy_context_load(&cli->config, name, &meta, err);

	if (r < 0)
		return r;
	if (strcmp(name, "default") == 0)
		return hoy_config_set(&cli->config, "currentContext", NULL, err);
	hoy_json_add_string(&w, NULL, name);
	r = hoy_buf_check(&value, "the name", err);
	return r < 0 ? r : hoy_config_set(&cli->config, "currentContext", value.data, err);
}

static int cmd_context_use(struct hoy_cli *cli)
{
	const char *name = cli->args[0], *host = getenv("DOCKER_HOST");
	struct hoy_err err;

	if (use(cli, name, &err) < 0)
		return hoy_cli_fail(cli, 1, &err);
	(void) puts(name);
	(void) fflush(stdout);
	(void) fprintf(stderr, "Current context is now \"%s\"\n", name);
	if (host && *host && strcmp(name, "default") != 0)
		(void) fprintf(stderr,
			"Warning: DOCKER_HOST environment variable overrides the active context. To use \"%s\", either set the "
			"global --context flag, or unset DOCKER_HOST environment variable.\n",
			name);
	return 0;
}

const struct hoy_command hoy_cmd_context_use = {
	.name = "context use",
	.args = "CONTEXT",
	.min_args = 1,
	.max_args = 1,
	.summary = "Set the current context",
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_use,
};

struct rm_options {
	bool force;
};
static const struct hoy_option rm_options[] = {
	HOY_OPTION(
		'f', "force", HOY_OPTION_BOOL, NULL, struct rm_options, force, "Force the removal of a context in use"),
	HOY_OPTION_END,
};

static int rm_one(struct hoy_cli *cli, const char *name, struct hoy_err *err)
{
	const struct rm_options *o = cli->values;
	auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;
	const char *current = hoy_config_text(&cli->config, "currentContext");
	bool used = current && strcmp(current, name) == 0;
	int r;

	if (strcmp(name, "default") == 0)
		return hoy_err_invalid(err, "context \"default\" cannot be removed");
	if (used && !o->force)
		return hoy_err_conflict(err, "context \"%s\" is in use, set -f flag to force remove", name);
	r = hoy_context_load(&cli->config, name, &meta, err);
	if (r == -ENOENT && o->force)
		return 0;
	if (r == 0 && used)
		r = hoy_config_set(&cli->config, "currentContext", NULL, err);
	return r < 0 ? r : hoy_context_remove(&cli->config, name, err);
}

static int cmd_context_rm(struct hoy_cli *cli)
{
	return hoy_cli_each_arg(cli, rm_one, /* print= */ true);
}

const struct hoy_command hoy_cmd_context_rm = {
	.name = "context rm",
	.alias = "context remove",
	.args = "CONTEXT [CONTEXT...]",
	.min_args = 1,
	.max_args = SIZE_MAX,
	.summary = "Remove one or more contexts",
	.options = rm_options,
	.values_size = sizeof(struct rm_options),
	.flags = HOY_COMMAND_NO_HOST,
	.run = cmd_context_rm,
};
