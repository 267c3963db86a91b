/* -o, --push, --load, --secret, --ssh, --build-context: their texts into what the build is asked for. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "base/str.h"
#include "supervisor/cli/build_internal.h"
#include "supervisor/cli/csv.h"

void hoy_build_wants_done(struct hoy_build_wants *wants)
{
	free(wants->dest);
	hoy_strv_free(wants->tags);
	free(wants->secrets);
	free(wants->ssh);
	hoy_strv_free(wants->contexts);
	hoy_strv_free(wants->no_cache_filter);
}

static int add_word(char ***list, const char *word, struct hoy_err *err)
{
	return hoy_strv_add(list, word) < 0 ? hoy_err_oom(err) : 0;
}

/* --- -o ------------------------------------------------------------------------------------------------------- */

static bool is_true(const char *text)
{
	return strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
}

/* Names, ',' between. */
static int add_names(char ***tags, const char *names, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **list = hoy_str_split(names, ',');
	int r = list ? 0 : hoy_err_oom(err);

	for (char **name = list; r == 0 && *name; name++)
		if (**name && !hoy_strv_has(*tags, *name))
			r = add_word(tags, *name, err);
	return r;
}

static int set_dest(struct hoy_build_wants *wants, const char *dest, struct hoy_err *err)
{
	free(wants->dest);
	wants->dest = strcmp(dest, "-") == 0 ? NULL : strdup(dest);
	return wants->dest || strcmp(dest, "-") == 0 ? 0 : hoy_err_oom(err);
}

static int take_type(struct hoy_build_wants *wants, const char *type, const char *dest, struct hoy_err *err)
{
	bool is_archive = strcmp(type, "oci") == 0 || strcmp(type, "docker") == 0;

	wants->output = HOY_BUILD_OUTPUT_IMAGE;
	if (strcmp(type, "registry") == 0)
		wants->push = true;
	else if (strcmp(type, "local") == 0)
		wants->output = HOY_BUILD_OUTPUT_FILES;
	else if (strcmp(type, "tar") == 0)
		wants->output = HOY_BUILD_OUTPUT_TAR;
	else if (strcmp(type, "cacheonly") == 0)
		wants->output = HOY_BUILD_OUTPUT_NOTHING;
	else if (is_archive && (dest || strcmp(type, "oci") == 0))
		wants->output = HOY_BUILD_OUTPUT_ARCHIVE;
	else if (!is_archive && strcmp(type, "image") != 0 && strcmp(type, "moby") != 0)
		return hoy_err_unsupported(err,
			"--output: the type \"%s\" is not supported: local, tar, oci, docker, image, registry and cacheonly are",
			type);
	if (wants->output == HOY_BUILD_OUTPUT_FILES && (!dest || strcmp(dest, "-") == 0))
		return hoy_err_invalid(err, "--output: type=local needs dest=DIRECTORY");
	if ((wants->output == HOY_BUILD_OUTPUT_TAR || wants->output == HOY_BUILD_OUTPUT_ARCHIVE) &&
		(!dest || strcmp(dest, "-") == 0) && isatty(STDOUT_FILENO))
		return hoy_err_invalid(err, "--output: a tar is not written to a terminal: give dest=FILE");
	return dest ? set_dest(wants, dest, err) : 0;
}

/* Keys of an output. Those that would change what is made are refused unless they say what is so anyway. */
static int take_key(struct hoy_build_wants *wants, const char *key, const char *value, struct hoy_err *err)
{
	static const char *const so_anyway[] = { "unpack", "store", "oci-mediatypes", "name-canonical",
		"push-by-digest", "force-compression", "platform-split", "rewrite-timestamp" };

	if (strcmp(key, "name") == 0)
		return add_names(&wants->tags, value, err);
	if (strcmp(key, "push") == 0) {
		wants->push = is_true(value);
		return 0;
	}
	if ((strcmp(key, "unpack") == 0 || strcmp(key, "store") == 0) && is_true(value))
		return 0;
	if (strcmp(key, "compression") == 0 && strcmp(value, "gzip") == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(so_anyway); i++)
		if (strcmp(key, so_anyway[i]) == 0 && !is_true(value))
			return 0;
	return hoy_err_unsupported(err, "--output: %s=%s is not supported by this version of Hoy", key, value);
}

static int take_output(struct hoy_build_wants *wants, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **fields = NULL;
	const char *type = NULL, *dest = NULL;
	int r;

	if (strcmp(text, "-") == 0)
		return take_type(wants, "tar", text, err);
	if (!strchr(text, '='))
		return take_type(wants, "local", text, err);
	r = hoy_csv_split(text, &fields, err);
	for (char **field = fields; r == 0 && *field; field++) {
		char *value = hoy_csv_value(*field);

		if (!value)
			return hoy_err_invalid(err, "--output: \"%s\" is not of the form KEY=VALUE", *field);
		if (strcmp(*field, "type") == 0)
			type = value;
		else if (strcmp(*field, "dest") == 0)
			dest = value;
		else
			r = take_key(wants, *field, value, err);
	}
	if (r == 0 && !type)
		r = hoy_err_invalid(err, "--output: \"%s\" names no type: type=local, for example", text);
	return r < 0 ? r : take_type(wants, type, dest, err);
}

static int take_outputs(const struct hoy_build_options *o, struct hoy_build_wants *wants, struct hoy_err *err)
{
	int r = 0;

	for (char **tag = o->tags; r == 0 && tag && *tag; tag++)
		r = add_word(&wants->tags, *tag, err);
	if (r == 0 && hoy_strv_len(o->outputs) > 1)
		return hoy_err_unsupported(
			err, "--output: several outputs of one build are not supported: build once for each");
	if (r == 0 && o->outputs && o->outputs[0])
		r = take_output(wants, o->outputs[0], err);
	if (r == 0 && (o->push || o->load) && wants->output != HOY_BUILD_OUTPUT_IMAGE)
		return hoy_err_invalid(err, "--%s and --output ask for different results", o->push ? "push" : "load");
	wants->push = wants->push || o->push;
	if (r == 0 && wants->push && hoy_strv_len(wants->tags) == 0)
		return hoy_err_invalid(err, "a push needs a name: give --tag REGISTRY/NAME[:TAG]");
	return r;
}

/* --- what of ours the build may use --------------------------------------------------------------------------- */

/* "id=NAME[,type=file|env][,src=FILE][,env=VARIABLE]" */
static int add_secret(struct hoy_json_writer *w, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **fields = NULL;
	const char *id = NULL, *type = NULL, *src = NULL, *env = NULL;
	int r = hoy_csv_split(text, &fields, err);

	for (char **field = fields; r == 0 && *field; field++) {
		char *value = hoy_csv_value(*field);

		if (!value)
			return hoy_err_invalid(err, "--secret: \"%s\" is not of the form KEY=VALUE", *field);
		if (strcmp(*field, "id") == 0)
			id = value;
		else if (strcmp(*field, "type") == 0)
			type = value;
		else if (strcmp(*field, "src") == 0 || strcmp(*field, "source") == 0)
			src = value;
		else if (strcmp(*field, "env") == 0)
			env = value;
		else
			r = hoy_err_invalid(
				err, "--secret: unknown key \"%s\": id, type, src and env are known", *field);
	}
	if (r < 0)
		return r;
	if (type && strcmp(type, "file") != 0 && strcmp(type, "env") != 0)
		return hoy_err_invalid(err, "--secret: the type \"%s\" is neither file nor env", type);
	if (type && strcmp(type, "env") == 0 && !env) {
		env = src;
		src = NULL;
	}
	id = id ? id : src ? hoy_path_base(src) : env;
	if (!id || !*id)
		return hoy_err_invalid(err, "--secret: \"%s\" has no id", text);
	/* Of neither kind: the variable of that name when there is one, else the file. */
	if (!src && !env)
		*(getenv(id) && !(type && strcmp(type, "file") == 0) ? &env : &src) = id;
	if (src && access(src, R_OK) < 0)
		return hoy_err_sys(err, "--secret: '%s'", src);
	if (env && !getenv(env))
		return hoy_err_invalid(err, "--secret: the environment has no variable %s", env);
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "id", id);
	hoy_json_add_string(w, src ? "src" : "env", src ? src : env);
	hoy_json_end(w);
	return 0;
}

/* "default" or "ID[=SOCKET]". Keys are not read: who has them is an agent. */
static int add_ssh(struct hoy_json_writer *w, const char *text, struct hoy_err *err)
{
	size_t len = strcspn(text, "=");
	const char *socket = text[len] ? text + len + 1 : getenv("SSH_AUTH_SOCK");
	struct stat st;

	if (len == 0)
		return hoy_err_invalid(err, "--ssh: \"%s\" has no id: default, or ID=SOCKET", text);
	if (!socket || !*socket)
		return hoy_err_invalid(err, "--ssh: SSH_AUTH_SOCK is not set: start an ssh-agent, or give %.*s=SOCKET",
			(int) len, text);
	if (stat(socket, &st) < 0)
		return hoy_err_sys(err, "--ssh: '%s'", socket);
	if (!S_ISSOCK(st.st_mode))
		return hoy_err_unsupported(err,
			"--ssh: '%s' is no socket: keys are not read by this version of Hoy, add them to an ssh-agent (ssh-add)",
			socket);
	hoy_json_object(w, NULL);
	hoy_json_add_stringn(w, "id", text, len);
	hoy_json_add_string(w, "socket", socket);
	hoy_json_end(w);
	return 0;
}

static int print_list(char *const *list, int (*add)(struct hoy_json_writer *w, const char *text, struct hoy_err *err),
	char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r = 0;

	if (!list || !*list)
		return 0;
	hoy_json_array(&w, NULL);
	for (; r == 0 && *list; list++)
		r = add(&w, *list, err);
	if (r < 0)
		return r;
	hoy_json_end(&w);
	*ret = hoy_buf_take(&text);
	return *ret ? 0 : hoy_err_oom(err);
}

/* "NAME=docker-image://REF", or what the engine fetches; nobody would send it a directory of ours. */
static int add_context(struct hoy_build_wants *wants, const char *text, struct hoy_err *err)
{
	const char *value = strchr(text, '=');

	if (!value || value == text || !value[1])
		return hoy_err_invalid(err, "--build-context: \"%s\" is not of the form NAME=VALUE", text);
	if (!strstr(value, "://") && !hoy_str_starts(value + 1, "github.com/") && !hoy_str_starts(value + 1, "git@"))
		return hoy_err_unsupported(err,
			"--build-context: the local directory '%s' is not supported by this version of Hoy: images "
			"(docker-image://REF), URLs and repositories are",
			value + 1);
	return add_word(&wants->contexts, text, err);
}

int hoy_build_wants_parse(const struct hoy_build_options *o, struct hoy_build_wants *ret, struct hoy_err *err)
{
	struct hoy_build_wants wants = {};
	int r = take_outputs(o, &wants, err);

	if (r == 0)
		r = print_list(o->secrets, add_secret, &wants.secrets, err);
	if (r == 0)
		r = print_list(o->ssh, add_ssh, &wants.ssh, err);
	for (char **context = o->contexts; r == 0 && context && *context; context++)
		r = add_context(&wants, *context, err);
	for (char **stage = o->no_cache_filter; r == 0 && stage && *stage; stage++)
		r = add_names(&wants.no_cache_filter, *stage, err);
	if (r < 0)
		hoy_build_wants_done(&wants);
	else
		*ret = wants;
	return r;
}
