/* Files of a bundle. */
#include "shim/bundle.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "base/time.h"
#include "base/ttrpc/options.pb-c.h"
#include "shim/protocol.h"

#define MAX_CONFIG ((size_t) 16 << 20)
#define MAX_SMALL ((size_t) 64 << 10)
#define MAX_ID 76
#define OPTIONS_VERSION 1

void hoy_shim_options_done(struct hoy_shim_options *options)
{
	free(options->binary_name);
	free(options->root);
	free(options->socket_dir);
	free(options->shim_cgroup);
	free(options->criu_work_path);
	*options = (struct hoy_shim_options){ 0 };
}

static int read_json(const char *bundle, const char *name, size_t cap, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = cap };
	auto_free char *path = hoy_path_join(bundle, name);
	int r;

	if (!path)
		return hoy_err_oom(err);
	r = hoy_file_read(AT_FDCWD, path, &text, err);
	if (r < 0)
		return r;
	r = hoy_json_parse(text.data ? text.data : "", text.len, /* limits= */ NULL, ret, err);
	return r < 0 ? hoy_err_wrap(err, "%s", path) : 0;
}

static int write_file(
	const char *bundle, const char *name, const void *data, size_t len, mode_t mode, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(bundle, name);

	if (!path)
		return hoy_err_oom(err);
	return hoy_file_write(AT_FDCWD, path, data, len, mode, /* flags= */ 0, err);
}

/* --- options ------------------------------------------------------------------------------------------------------ */

static void add_optional(struct hoy_json_writer *w, const char *key, const char *value)
{
	if (value)
		hoy_json_add_string(w, key, value);
}

int hoy_shim_options_save(const struct hoy_shim_options *options, const char *bundle, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_object(&w, NULL);
	hoy_json_add_u64(&w, "version", OPTIONS_VERSION);
	add_optional(&w, "binary_name", options->binary_name);
	add_optional(&w, "root", options->root);
	add_optional(&w, "socket_dir", options->socket_dir);
	add_optional(&w, "criu_work_path", options->criu_work_path);
	hoy_json_add_bool(&w, "systemd_cgroup", options->systemd_cgroup);
	hoy_json_add_bool(&w, "no_pivot_root", options->no_pivot_root);
	hoy_json_add_bool(&w, "no_new_keyring", options->no_new_keyring);
	hoy_json_add_u64(&w, "io_uid", options->io_uid);
	hoy_json_add_u64(&w, "io_gid", options->io_gid);
	hoy_json_add_u64(&w, "kill_timeout", options->kill_timeout);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "options", err);
	if (r < 0)
		return r;
	return write_file(bundle, HOY_SHIM_OPTIONS_FILE, text.data, text.len, 0600, err);
}

static int load_string(const struct hoy_json *doc, const char *key, char **ret, struct hoy_err *err)
{
	const struct hoy_json *value = hoy_json_get(doc, key);
	const char *text = value ? hoy_json_string(value) : NULL;

	if (!text)
		return 0;
	*ret = strdup(text);
	return *ret ? 0 : hoy_err_oom(err);
}

static bool load_bool(const struct hoy_json *doc, const char *key)
{
	const struct hoy_json *value = hoy_json_get(doc, key);

	return value && hoy_json_type(value) == HOY_JSON_BOOL && hoy_json_bool(value);
}

static unsigned int load_uint(const struct hoy_json *doc, const char *key, unsigned int absent)
{
	const struct hoy_json *value = hoy_json_get(doc, key);
	uint64_t number;

	return value && hoy_json_to_u64(value, &number) == 0 ? (unsigned int) number : absent;
}

/* What a newer shim wrote may mean more than we understand: better nothing is done than the wrong thing. */
static int check_version(const struct hoy_json *doc, const char *bundle, struct hoy_err *err)
{
	unsigned int version = load_uint(doc, "version", OPTIONS_VERSION);

	if (version <= OPTIONS_VERSION)
		return 0;
	return hoy_err_unsupported(err, "%s/%s has version %u, this shim reads up to %d: a newer one has written it",
		bundle, HOY_SHIM_OPTIONS_FILE, version, OPTIONS_VERSION);
}

int hoy_shim_options_load(const char *bundle, struct hoy_shim_options *ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_(hoy_shim_options_done) struct hoy_shim_options options = HOY_SHIM_OPTIONS_INIT;
	int r = read_json(bundle, HOY_SHIM_OPTIONS_FILE, MAX_SMALL, &doc, err);

	if (r < 0 && r != -ENOENT)
		return r;
	if (doc) {
		r = check_version(doc, bundle, err);
		if (r >= 0)
			r = load_string(doc, "binary_name", &options.binary_name, err);
		if (r >= 0)
			r = load_string(doc, "root", &options.root, err);
		if (r >= 0)
			r = load_string(doc, "socket_dir", &options.socket_dir, err);
		if (r >= 0)
			r = load_string(doc, "criu_work_path", &options.criu_work_path, err);
		if (r < 0)
			return r;
		options.systemd_cgroup = load_bool(doc, "systemd_cgroup");
		options.no_pivot_root = load_bool(doc, "no_pivot_root");
		options.no_new_keyring = load_bool(doc, "no_new_keyring");
		options.io_uid = load_uint(doc, "io_uid", 0);
		options.io_gid = load_uint(doc, "io_gid", 0);
		options.kill_timeout = load_uint(doc, "kill_timeout", options.kill_timeout);
	}
	*ret = options;
	options = (struct hoy_shim_options){ 0 };
	return 0;
}

static int replace(char **to, const char *value, struct hoy_err *err)
{
	char *copy;

	if (!*value)
		return 0;
	copy = strdup(value);
	if (!copy)
		return hoy_err_oom(err);
	free(*to);
	*to = copy;
	return 0;
}

static int set_runc_options(struct hoy_shim_options *options, const Hoy__Pb__RuncOptions *from, struct hoy_err *err)
{
	int r = replace(&options->binary_name, from->binary_name, err);

	if (r >= 0)
		r = replace(&options->root, from->root, err);
	if (r >= 0)
		r = replace(&options->shim_cgroup, from->shim_cgroup, err);
	if (r >= 0)
		r = replace(&options->criu_work_path, from->criu_work_path, err);
	options->systemd_cgroup = from->systemd_cgroup;
	options->no_pivot_root = from->no_pivot_root;
	options->no_new_keyring = from->no_new_keyring;
	options->io_uid = from->io_uid;
	options->io_gid = from->io_gid;
	return r;
}

/* --- the configuration file of runtimeoptions.v1.Options ---------------------------------------------------------- */

static int config_bool(bool *to, const char *key, const char *value, struct hoy_err *err)
{
	if (!hoy_str_eq(value, "true") && !hoy_str_eq(value, "false"))
		return hoy_err_invalid(err, "runtime options: %s = %s is neither true nor false", key, value);
	*to = *value == 't';
	return 0;
}

static int config_uint(unsigned int *to, const char *key, const char *value, struct hoy_err *err)
{
	return hoy_str_to_uint(value, to) < 0 ? hoy_err_invalid(err, "runtime options: %s = %s", key, value) : 0;
}

static int config_bootstrap_version(unsigned int *to, const char *key, const char *value, struct hoy_err *err)
{
	int r = config_uint(to, key, value, err);

	return r < 0 || *to == 2 || *to == 3 ? r
					     : hoy_err_invalid(err, "runtime options: %s is 2 or 3, not %u", key, *to);
}

static int config_string(char **to, const char *key, char *value, struct hoy_err *err)
{
	size_t len = strlen(value);

	if (len < 2 || (*value != '"' && *value != '\'') || value[len - 1] != *value || strchr(value, '\\'))
		return hoy_err_invalid(err, "runtime options: %s = %s is no plain string", key, value);
	value[len - 1] = '\0';
	return replace(to, value + 1, err);
}

static int set_config_key(struct hoy_shim_options *options, const char *key, char *value, struct hoy_err *err)
{
	if (hoy_str_eq(key, "BinaryName"))
		return config_string(&options->binary_name, key, value, err);
	if (hoy_str_eq(key, "Root"))
		return config_string(&options->root, key, value, err);
	if (hoy_str_eq(key, "ShimCgroup"))
		return config_string(&options->shim_cgroup, key, value, err);
	if (hoy_str_eq(key, "CriuWorkPath"))
		return config_string(&options->criu_work_path, key, value, err);
	if (hoy_str_eq(key, "SystemdCgroup"))
		return config_bool(&options->systemd_cgroup, key, value, err);
	if (hoy_str_eq(key, "NoPivotRoot"))
		return config_bool(&options->no_pivot_root, key, value, err);
	if (hoy_str_eq(key, "NoNewKeyring"))
		return config_bool(&options->no_new_keyring, key, value, err);
	if (hoy_str_eq(key, "IoUid"))
		return config_uint(&options->io_uid, key, value, err);
	if (hoy_str_eq(key, "IoGid"))
		return config_uint(&options->io_gid, key, value, err);
	if (hoy_str_eq(key, "KillTimeout"))
		return config_uint(&options->kill_timeout, key, value, err);
	if (hoy_str_eq(key, "BootstrapVersion"))
		return config_bootstrap_version(&options->bootstrap_version, key, value, err);
	return hoy_err_invalid(err, "runtime options: '%s' is unknown", key);
}

static char *trim(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* The part of TOML that such a file needs: `Key = "text"`, `Key = true`, `Key = 1`, comments on lines of their own. */
static int set_config_text(struct hoy_shim_options *options, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **lines = hoy_str_split(text, '\n');

	if (!lines)
		return hoy_err_oom(err);
	for (char **at = lines; *at; at++) {
		char *line = trim(*at), *equals = strchr(line, '=');
		int r;

		if (!*line || *line == '#' || *line == '[')
			continue;
		if (!equals)
			return hoy_err_invalid(err, "runtime options: '%s' is no assignment", line);
		*equals = '\0';
		r = set_config_key(options, trim(line), trim(equals + 1), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_runtime_options(
	struct hoy_shim_options *options, const Hoy__Pb__RuntimeOptions *from, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = MAX_SMALL };
	int r;

	if (from->config_body.len)
		(void) hoy_buf_add(&text, from->config_body.data, from->config_body.len);
	else if (*from->config_path) {
		r = hoy_file_read(AT_FDCWD, from->config_path, &text, err);
		if (r < 0)
			return r;
	}
	r = hoy_buf_check(&text, "runtime options", err);
	return r < 0 || !text.data ? r : set_config_text(options, text.data, err);
}

static int set_from_config(struct hoy_shim_options *options, const void *value, size_t len, struct hoy_err *err)
{
	Hoy__Pb__RuntimeOptions *from = hoy__pb__runtime_options__unpack(NULL, len, value);
	int r;

	if (!from)
		return hoy_err_invalid(err, "malformed runtime options");
	r = set_runtime_options(options, from, err);
	hoy__pb__runtime_options__free_unpacked(from, NULL);
	return r;
}

static const char *base_type(const char *type_url)
{
	const char *slash = strrchr(type_url, '/');

	return slash ? slash + 1 : type_url;
}

int hoy_shim_options_set(
	struct hoy_shim_options *options, const char *type_url, const void *value, size_t len, struct hoy_err *err)
{
	Hoy__Pb__RuncOptions *from;
	int r;

	if (hoy_str_eq(base_type(type_url), "runtimeoptions.v1.Options"))
		return set_from_config(options, value, len, err);
	if (!hoy_str_eq(base_type(type_url), "containerd.runc.v1.Options"))
		return 0;
	from = hoy__pb__runc_options__unpack(NULL, len, value);
	if (!from)
		return hoy_err_invalid(err, "malformed runtime options");
	r = set_runc_options(options, from, err);
	hoy__pb__runc_options__free_unpacked(from, NULL);
	return r;
}

/* An Any has fields 1 and 2 only, and parses as parameters just as well. */
static bool is_bootstrap(const Hoy__Pb__BootstrapParams *params)
{
	return *params->containerd_version || *params->ttrpc_address || *params->grpc_address ||
	       *params->containerd_binary || params->n_extensions || *params->socket_dir;
}

void hoy_shim_bootstrap_done(struct hoy_shim_bootstrap *bootstrap)
{
	free(bootstrap->id);
	free(bootstrap->namespace_);
	free(bootstrap->ttrpc_address);
	free(bootstrap->grpc_address);
	free(bootstrap->containerd_binary);
	*bootstrap = (struct hoy_shim_bootstrap){ 0 };
}

static int set_bootstrap(
	struct hoy_shim_bootstrap *bootstrap, const Hoy__Pb__BootstrapParams *params, struct hoy_err *err)
{
	int r = replace(&bootstrap->id, params->instance_id, err);

	if (r >= 0)
		r = replace(&bootstrap->namespace_, params->namespace_, err);
	if (r >= 0)
		r = replace(&bootstrap->ttrpc_address, params->ttrpc_address, err);
	if (r >= 0)
		r = replace(&bootstrap->grpc_address, params->grpc_address, err);
	if (r >= 0)
		r = replace(&bootstrap->containerd_binary, params->containerd_binary, err);
	bootstrap->debug = params->log_level < 0;
	return r;
}

static int set_from_params(
	struct hoy_shim_options *options, const Hoy__Pb__BootstrapParams *params, struct hoy_err *err)
{
	int r = replace(&options->socket_dir, params->socket_dir, err);

	for (size_t i = 0; i < params->n_extensions && r >= 0; i++) {
		const Hoy__Pb__Any *any = params->extensions[i]->value;

		if (any)
			r = hoy_shim_options_set(options, any->type_url, any->value.data, any->value.len, err);
	}
	return r;
}

int hoy_shim_options_from_stdin(struct hoy_shim_options *options, struct hoy_shim_bootstrap *bootstrap,
	const void *data, size_t len, struct hoy_err *err)
{
	Hoy__Pb__BootstrapParams *params = hoy__pb__bootstrap_params__unpack(NULL, len, data);
	Hoy__Pb__Any *any = NULL;
	int r = 0;

	if (params && is_bootstrap(params)) {
		r = set_bootstrap(bootstrap, params, err);
		if (r >= 0)
			r = set_from_params(options, params, err);
	} else {
		any = hoy__pb__any__unpack(NULL, len, data);
		if (any)
			r = hoy_shim_options_set(options, any->type_url, any->value.data, any->value.len, err);
		else
			r = hoy_err_invalid(err, "malformed options on stdin");
	}
	hoy__pb__any__free_unpacked(any, NULL);
	hoy__pb__bootstrap_params__free_unpacked(params, NULL);
	return r;
}

/* --- config.json -------------------------------------------------------------------------------------------------- */

static const char *const group_keys[] = { "io.containerd.hoy.v2.group", "io.containerd.runc.v2.group",
	"io.kubernetes.cri.sandbox-id" };

/* Most configurations name none of them, and parsing a long one takes longer than all else that `start` does. */
static bool may_have_group(const struct hoy_buf *text)
{
	for (size_t i = 0; i < ARRAY_LEN(group_keys); i++)
		if (memmem(text->data, text->len, group_keys[i], strlen(group_keys[i])))
			return true;
	return false;
}

static int find_group(const struct hoy_buf *text, char **ret, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct hoy_json *annotations;
	int r = hoy_json_parse(text->data, text->len, /* limits= */ NULL, &doc, err);

	if (r < 0)
		return hoy_err_wrap(err, "config.json");
	annotations = hoy_json_get(doc, "annotations");
	for (size_t i = 0; i < ARRAY_LEN(group_keys) && annotations; i++) {
		const struct hoy_json *value = hoy_json_get(annotations, group_keys[i]);
		const char *group = value ? hoy_json_string(value) : NULL;

		if (group && *group) {
			*ret = strdup(group);
			return *ret ? 0 : hoy_err_oom(err);
		}
	}
	return 0;
}

int hoy_bundle_group(const char *bundle, const char *id, char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = MAX_CONFIG };
	auto_free char *path = hoy_path_join(bundle, "config.json"), *group = NULL;
	int r = path ? hoy_file_read(AT_FDCWD, path, &text, err) : hoy_err_oom(err);

	if (r == -ENOENT)
		r = 0;
	if (r >= 0 && text.data && may_have_group(&text))
		r = find_group(&text, &group, err);
	if (r >= 0 && !group && !(group = strdup(id)))
		r = hoy_err_oom(err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(group);
	return 0;
}

int hoy_bundle_stop_signal(const char *bundle)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const char *name = NULL;
	int sig;

	if (read_json(bundle, "config.json", MAX_CONFIG, &doc, /* err= */ NULL) >= 0)
		name = hoy_json_string(
			hoy_json_get(hoy_json_get(doc, "annotations"), "org.opencontainers.image.stopSignal"));
	sig = name ? hoy_signal_from_string(name) : 0;
	return sig > 0 ? sig : SIGTERM;
}

bool hoy_bundle_has_pid_namespace(const char *bundle)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct hoy_json *linux_, *namespaces;

	if (read_json(bundle, "config.json", MAX_CONFIG, &doc, /* err= */ NULL) < 0)
		return true;
	linux_ = hoy_json_get(doc, "linux");
	namespaces = linux_ ? hoy_json_get(linux_, "namespaces") : NULL;
	if (!namespaces)
		return false;
	hoy_json_each(namespace_, namespaces)
	{
		const struct hoy_json *type = hoy_json_get(namespace_, "type");
		const struct hoy_json *path = hoy_json_get(namespace_, "path");

		if (type && hoy_str_eq(hoy_json_string(type), "pid"))
			return !path || !hoy_json_string(path) || !*hoy_json_string(path);
	}
	return false;
}

/* --- small files -------------------------------------------------------------------------------------------------- */

int hoy_bundle_write_pid(const char *bundle, pid_t pid, struct hoy_err *err)
{
	auto_free char *text = hoy_str_printf("%d", (int) pid);

	if (!text)
		return hoy_err_oom(err);
	return write_file(bundle, HOY_SHIM_PID_FILE, text, strlen(text), 0644, err);
}

pid_t hoy_bundle_read_pid(const char *bundle, const char *file)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = 64 };
	auto_free char *path = hoy_path_join(bundle, file);
	unsigned int pid = 0;

	if (!path || hoy_file_read(AT_FDCWD, path, &text, /* err= */ NULL) < 0 || !text.data)
		return 0;
	text.data[strcspn(text.data, "\n")] = '\0';
	return hoy_str_to_uint(text.data, &pid) == 0 && pid <= INT_MAX ? (pid_t) pid : 0;
}

int hoy_bundle_write_exit(
	const char *bundle, unsigned int status, const struct timespec *exited_at, bool oom_killed, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	char time[HOY_TIME_MAX];
	int r;

	hoy_time_format(exited_at, time);
	hoy_json_object(&w, NULL);
	hoy_json_add_u64(&w, "version", HOY_SHIM_EXIT_VERSION);
	hoy_json_add_u64(&w, "exit_status", status);
	hoy_json_add_string(&w, "exited_at", time);
	hoy_json_add_bool(&w, "oom_killed", oom_killed);
	hoy_json_end(&w);
	r = hoy_buf_check(&text, "exit record", err);
	if (r < 0)
		return r;
	return write_file(bundle, HOY_SHIM_EXIT_FILE, text.data, text.len, 0600, err);
}

bool hoy_shim_id_is_valid(const char *id)
{
	size_t len = strlen(id);

	if (!len || len > MAX_ID)
		return false;
	for (size_t i = 0; i < len; i++) {
		bool separator = strchr("._-", id[i]) != NULL;

		if (!isalnum((unsigned char) id[i]) && !separator)
			return false;
		if (separator && (i == 0 || i == len - 1 || strchr("._-", id[i - 1])))
			return false;
	}
	return true;
}
