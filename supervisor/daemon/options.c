/* Settings of hoyd: flags, daemon.json, defaults. Pure except for reading the file. */
#include "supervisor/daemon/options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/api/scope_policy.h"
#include "supervisor/daemon/rootless.h"
#include "supervisor/daemon/settings.h"
#include "supervisor/daemon/sockets.h"
#include "supervisor/daemon/tcp.h"

#define CONFIG_FILE HOY_SYSCONFDIR "/hoy/daemon.json"
#define DATA_ROOT "/var/lib/hoy"
#define EXEC_ROOT "/run/hoy"
#define SOCKET "unix:///run/hoy/hoy.sock"
#define RUNTIME "hoyrun"

/* --- setting one ---------------------------------------------------------------------------------------------- */

static void *member(struct hoy_daemon_options *options, const struct hoy_setting *s)
{
	return (char *) options + s->offset;
}

static int set_string(char **at, const char *value, struct hoy_err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return hoy_err_oom(err);
	free(*at);
	*at = copy;
	return 0;
}

static int parse_bool(const char *text, bool *ret)
{
	static const char *const words[] = { "false", "0", "f", "true", "1", "t" };

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (!strcasecmp(text, words[i])) {
			*ret = i >= 3;
			return 0;
		}
	return -EINVAL;
}

static int add_runtime(char ***runtimes, const char *entry, struct hoy_err *err)
{
	const char *eq = strchr(entry, '=');

	if (!eq || eq == entry || !eq[1])
		return hoy_err_invalid(err, "invalid runtime '%s': want NAME=PATH", entry);
	if (hoy_str_starts(entry, RUNTIME "="))
		return hoy_err_invalid(err, "runtime name '" RUNTIME "' is reserved");
	return hoy_strv_add(runtimes, entry) < 0 ? hoy_err_oom(err) : 0;
}

/* `name` is how the user wrote it, for errors. */
static int set_text(struct hoy_daemon_options *options, const struct hoy_setting *s, const char *name,
	const char *value, struct hoy_err *err)
{
	void *at = member(options, s);

	switch (s->kind) {
	case HOY_SETTING_STRING:
		return set_string(at, value, err);
	case HOY_SETTING_LIST:
	case HOY_SETTING_OBJECTS:
		return hoy_strv_add(at, value) < 0 ? hoy_err_oom(err) : 0;
	case HOY_SETTING_RUNTIMES:
		return add_runtime(at, value, err);
	case HOY_SETTING_UINT:
		if (hoy_str_to_i64(value, at) < 0 || *(int64_t *) at < 0)
			return hoy_err_invalid(err, "invalid argument \"%s\" for \"%s\": not a number", value, name);
		return 0;
	case HOY_SETTING_BOOL:
		break;
	}
	if (parse_bool(value, at) < 0)
		return hoy_err_invalid(err, "invalid argument \"%s\" for \"%s\": not a boolean", value, name);
	return 0;
}

static int refuse(const struct hoy_refused_setting *r, const char *name, const char *value, struct hoy_err *err)
{
	if (r->accepted && value && !strcasecmp(value, r->accepted))
		return 0;
	if (r->accepted)
		return hoy_err_unsupported(err, "%s: only '%s' is supported by this version of Hoy", name, r->accepted);
	return hoy_err_unsupported(err, "%s: not supported by this version of Hoy", name);
}

/* --- flags ---------------------------------------------------------------------------------------------------- */

/* One flag as it stands on the command line. */
struct flag {
	const struct hoy_setting *setting;
	const struct hoy_refused_setting *refused;
	char name[80];     /* "--debug" or "-D" */
	const char *value; /* behind "=" or the letter; NULL: none there */
};

static void find_long(struct flag *f, const char *arg)
{
	size_t len = strcspn(arg + 2, "=");

	(void) snprintf(f->name, sizeof f->name, "--%.*s", (int) len, arg + 2);
	f->value = arg[2 + len] == '=' ? arg + 3 + len : NULL;
	for (size_t i = 0; i < hoy_settings_n; i++)
		if (strlen(hoy_settings[i].flag) == len && !strncmp(hoy_settings[i].flag, arg + 2, len))
			f->setting = &hoy_settings[i];
	for (size_t i = 0; i < hoy_refused_settings_n; i++)
		if (strlen(hoy_refused_settings[i].flag) == len && !strncmp(hoy_refused_settings[i].flag, arg + 2, len))
			f->refused = &hoy_refused_settings[i];
}

static void find_short(struct flag *f, const char *arg)
{
	(void) snprintf(f->name, sizeof f->name, "-%c", arg[1]);
	f->value = arg[2] == '=' ? arg + 3 : arg[2] ? arg + 2 : NULL;
	for (size_t i = 0; i < hoy_settings_n; i++)
		if (hoy_settings[i].letter == arg[1])
			f->setting = &hoy_settings[i];
	for (size_t i = 0; i < hoy_refused_settings_n; i++)
		if (hoy_refused_settings[i].letter && hoy_refused_settings[i].letter == arg[1])
			f->refused = &hoy_refused_settings[i];
}

/* Finds the flag of argv[*i] and its value, which may be the next argument. */
static int next_flag(struct flag *f, int argc, char *const *argv, int *i, struct hoy_err *err)
{
	const char *arg = argv[*i];
	bool is_bool;

	*f = (struct flag){ 0 };
	if (arg[0] != '-' || !arg[1] || !strcmp(arg, "--"))
		return hoy_err_invalid(err, "unexpected argument '%s': hoyd takes flags alone", arg);
	if (arg[1] == '-')
		find_long(f, arg);
	else
		find_short(f, arg);
	if (!f->setting && !f->refused)
		return arg[1] == '-' ? hoy_err_invalid(err, "unknown flag: %s", f->name)
				     : hoy_err_invalid(err, "unknown shorthand flag: '%c' in %s", arg[1], arg);
	is_bool = f->setting ? f->setting->kind == HOY_SETTING_BOOL : f->refused->is_bool;
	if (is_bool && !f->value)
		f->value = "true";
	if (!f->value && *i + 1 >= argc)
		return hoy_err_invalid(err, "flag needs an argument: %s", f->name);
	if (!f->value)
		f->value = argv[++*i];
	return 0;
}

int hoy_daemon_options_parse(struct hoy_daemon_options *options, int argc, char *const *argv, struct hoy_err *err)
{
	struct flag f;
	int r;

	*options = (struct hoy_daemon_options){ 0 };
	for (int i = 1; i < argc; i++) {
		r = next_flag(&f, argc, argv, &i, err);
		if (r >= 0 && f.refused)
			r = refuse(f.refused, f.name, f.value, err);
		else if (r >= 0)
			r = set_text(options, f.setting, f.name, f.value, err);
		if (r < 0)
			return r;
		if (f.setting)
			options->by_flag[f.setting - hoy_settings] = true;
	}
	return 0;
}

/* --- daemon.json ---------------------------------------------------------------------------------------------- */

static int wrong_type(const struct hoy_json *value, const char *want, struct hoy_err *err)
{
	return hoy_err_invalid(
		err, "%s: want %s, not %s", hoy_json_key(value), want, hoy_json_type_name(hoy_json_type(value)));
}

static int set_list(char ***at, const struct hoy_json *value, struct hoy_err *err)
{
	if (hoy_json_type(value) != HOY_JSON_ARRAY)
		return wrong_type(value, "an array of strings", err);
	hoy_json_each(item, value)
	{
		const char *text = hoy_json_string(item);

		if (!text)
			return wrong_type(value, "an array of strings", err);
		if (hoy_strv_add(at, text) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int set_objects(char ***at, const struct hoy_json *value, struct hoy_err *err)
{
	if (hoy_json_type(value) != HOY_JSON_ARRAY)
		return wrong_type(value, "an array of objects", err);
	hoy_json_each(item, value)
	{
		auto_(hoy_buf_done) struct hoy_buf text = { 0 };
		struct hoy_json_writer w = { .buf = &text };

		hoy_json_add_value(&w, NULL, item);
		if (hoy_buf_check(&text, hoy_json_key(value), err) < 0 || hoy_strv_add(at, text.data) < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

/* {"name": {"path": "/x"}} */
static int set_runtimes(char ***at, const struct hoy_json *value, struct hoy_err *err)
{
	if (hoy_json_type(value) != HOY_JSON_OBJECT)
		return wrong_type(value, "an object", err);
	hoy_json_each(runtime, value)
	{
		const struct hoy_json *args = hoy_json_get(runtime, "runtimeArgs");
		const char *path = hoy_json_string(hoy_json_get(runtime, "path"));
		auto_free char *entry = path ? hoy_str_printf("%s=%s", hoy_json_key(runtime), path) : NULL;
		int r;

		if (args && hoy_json_len(args))
			return hoy_err_unsupported(err, "runtimes.%s.runtimeArgs: not supported by this version of Hoy",
				hoy_json_key(runtime));
		if (!entry)
			return hoy_err_invalid(err, "runtimes.%s: want an object with a path", hoy_json_key(runtime));
		r = add_runtime(at, entry, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int set_value(struct hoy_daemon_options *options, const struct hoy_setting *s, const struct hoy_json *value,
	struct hoy_err *err)
{
	enum hoy_json_type type = hoy_json_type(value);
	void *at = member(options, s);

	switch (s->kind) {
	case HOY_SETTING_LIST:
		return set_list(at, value, err);
	case HOY_SETTING_OBJECTS:
		return set_objects(at, value, err);
	case HOY_SETTING_RUNTIMES:
		return set_runtimes(at, value, err);
	case HOY_SETTING_STRING:
		if (type != HOY_JSON_STRING)
			return wrong_type(value, "a string", err);
		return *hoy_json_string(value) ? set_string(at, hoy_json_string(value), err) : 0;
	case HOY_SETTING_UINT:
		if (type != HOY_JSON_NUMBER || hoy_json_to_i64(value, at) < 0 || *(int64_t *) at < 0)
			return wrong_type(value, "a number", err);
		return 0;
	case HOY_SETTING_BOOL:
		break;
	}
	if (type != HOY_JSON_BOOL)
		return wrong_type(value, "a boolean", err);
	*(bool *) at = hoy_json_bool(value);
	return 0;
}

static const struct hoy_setting *setting_of_key(const char *key)
{
	for (size_t i = 0; i < hoy_settings_n; i++)
		if (hoy_settings[i].key && !strcmp(hoy_settings[i].key, key))
			return &hoy_settings[i];
	return NULL;
}

static const struct hoy_refused_setting *refused_of_key(const char *key)
{
	for (size_t i = 0; i < hoy_refused_settings_n; i++) {
		const struct hoy_refused_setting *r = &hoy_refused_settings[i];

		if (!strcmp(r->key ? r->key : r->flag, key))
			return r;
	}
	return NULL;
}

/* As the text of the same flag: true, 3, "x", or the only string of a list. NULL: something else. */
static const char *scalar_text(const struct hoy_json *value)
{
	switch (hoy_json_type(value)) {
	case HOY_JSON_BOOL:
		return hoy_json_bool(value) ? "true" : "false";
	case HOY_JSON_NUMBER:
		return hoy_json_number_text(value);
	case HOY_JSON_STRING:
		return hoy_json_string(value);
	case HOY_JSON_ARRAY:
		return hoy_json_len(value) == 1 ? hoy_json_string(hoy_json_first(value)) : NULL;
	default:
		return NULL;
	}
}

/* An empty list, object or string asks for nothing. */
static bool is_neutral(const struct hoy_json *value)
{
	enum hoy_json_type type = hoy_json_type(value);

	return type == HOY_JSON_NULL || ((type == HOY_JSON_ARRAY || type == HOY_JSON_OBJECT) && !hoy_json_len(value)) ||
	       (type == HOY_JSON_STRING && !*hoy_json_string(value));
}

static int load_member(struct hoy_daemon_options *options, const struct hoy_json *value, struct hoy_err *err)
{
	const char *key = hoy_json_key(value);
	const struct hoy_setting *s = setting_of_key(key);
	const struct hoy_refused_setting *r = refused_of_key(key);
	size_t index = s ? (size_t) (s - hoy_settings) : 0;

	if (!s && r)
		return is_neutral(value) ? 0 : refuse(r, key, scalar_text(value), err);
	if (!s)
		return hoy_err_invalid(err, "the following directives don't match any configuration option: %s", key);
	if (options->by_flag[index] && s->kind != HOY_SETTING_RUNTIMES)
		return hoy_err_invalid(err,
			"the following directives are specified both as a flag and in the configuration file: %s", key);
	options->by_file[index] = true;
	return set_value(options, s, value, err);
}

/* {"http-proxy": "", "https-proxy": "", "no-proxy": ""}: the flags of these names. */
static int load_proxies(struct hoy_daemon_options *options, const struct hoy_json *value, struct hoy_err *err)
{
	if (hoy_json_type(value) != HOY_JSON_OBJECT)
		return wrong_type(value, "an object", err);
	hoy_json_each(proxy, value)
	{
		const char *key = hoy_json_key(proxy);
		const struct hoy_setting *s = NULL;
		int r;

		for (size_t i = 0; i < hoy_settings_n; i++)
			if (hoy_str_ends(key, "-proxy") || !strcmp(key, "no-proxy"))
				if (!strcmp(hoy_settings[i].flag, key))
					s = &hoy_settings[i];
		if (!s)
			return hoy_err_invalid(
				err, "the following directives don't match any configuration option: proxies.%s", key);
		if (options->by_flag[s - hoy_settings])
			return hoy_err_invalid(err,
				"the following directives are specified both as a flag and in the configuration file: "
				"%s",
				key);
		r = set_value(options, s, proxy, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_daemon_options_load_text(struct hoy_daemon_options *options, const char *text, size_t len, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	int r = hoy_json_parse(text, len, /* limits= */ NULL, &doc, err);

	if (r >= 0 && hoy_json_type(doc) != HOY_JSON_OBJECT)
		r = hoy_err_invalid(err, "want an object");
	if (r < 0)
		return r;
	hoy_json_each(value, doc)
	{
		r = strcmp(hoy_json_key(value), "proxies") == 0 ? load_proxies(options, value, err)
								: load_member(options, value, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_daemon_options_load(struct hoy_daemon_options *options, struct hoy_err *err)
{
	auto_free char *own = options->rootless ? hoy_rootless_config_file() : NULL;
	const char *path = options->config_file ? options->config_file : own ? own : CONFIG_FILE;
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	int r;

	hoy_buf_init(&buf, (size_t) 1 << 20);
	r = hoy_file_read(AT_FDCWD, path, &buf, err);
	if (r == -ENOENT && !options->config_file)
		return 0;
	if (r >= 0 && buf.len)
		r = hoy_daemon_options_load_text(options, buf.data, buf.len, err);
	return r < 0 ? hoy_err_wrap(err, "unable to configure the daemon with file %s", path) : 0;
}

/* --- defaults and checks -------------------------------------------------------------------------------------- */

static int set_default(char **at, const char *value, struct hoy_err *err)
{
	return *at ? 0 : set_string(at, value, err);
}

static int check_absolute(const char *what, const char *path, struct hoy_err *err)
{
	if (path[0] == '/')
		return 0;
	return hoy_err_invalid(err, "%s '%s' is not an absolute path", what, path);
}

static int check_words(const struct hoy_daemon_options *options, struct hoy_err *err)
{
	static const char *const levels[] = { "debug", "info", "warn", "error", "fatal", NULL };
	static const char *const formats[] = { "text", "json", NULL };

	if (!hoy_strv_has((char *const *) levels, options->log_level))
		return hoy_err_invalid(err, "invalid logging level: %s", options->log_level);
	if (!hoy_strv_has((char *const *) formats, options->log_format))
		return hoy_err_invalid(err, "invalid log format: %s", options->log_format);
	for (char *const *label = options->labels; label && *label; label++)
		if (!strchr(*label, '=') || **label == '=')
			return hoy_err_invalid(err, "bad attribute format: %s", *label);
	for (char *const *url = options->registry_mirrors; url && *url; url++)
		if (!hoy_str_starts(*url, "https://") && !hoy_str_starts(*url, "http://"))
			return hoy_err_invalid(err,
				"invalid mirror: \"%s\" must use either 'https://' or 'http://' as URI scheme", *url);
	if (options->bridge && !strcmp(options->bridge, "none"))
		return hoy_err_unsupported(err, "--bridge: 'none' is not supported by this version of Hoy");
	if (!hoy_daemon_options_runtime(options, options->default_runtime))
		return hoy_err_invalid(err, "specified default runtime '%s' does not exist", options->default_runtime);
	return 0;
}

/* Each is a socket of its own. */
static int check_scopes(const struct hoy_daemon_options *options, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **paths = NULL;

	for (char *const *host = options->hosts; *host; host++)
		if (hoy_host_unix_path(*host) && hoy_strv_add(&paths, hoy_host_unix_path(*host)) < 0)
			return hoy_err_oom(err);
	for (char *const *text = options->scoped_sockets; text && *text; text++) {
		auto_ptr(hoy_scope_policy_free) struct hoy_scope_policy *policy = NULL;
		int r = hoy_scope_policy_parse(*text, strlen(*text), &policy, err);

		if (r >= 0 && paths && hoy_strv_has(paths, policy->path))
			r = hoy_err_invalid(err, "scoped-sockets: %s: another socket has this path", policy->path);
		if (r >= 0 && hoy_strv_add(&paths, policy->path) < 0)
			r = hoy_err_oom(err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_rootless(const struct hoy_daemon_options *options, struct hoy_err *err)
{
	for (char *const *host = options->hosts; *host; host++)
		if (hoy_host_is_tcp(*host))
			return hoy_err_unsupported(err,
				"%s: a rootless hoyd serves unix sockets only (from elsewhere: ssh://USER@HOST)",
				*host);
	if (options->metrics_addr && !hoy_host_unix_path(options->metrics_addr))
		return hoy_err_unsupported(err, "metrics-addr: a rootless hoyd serves unix sockets only");
	for (char *const *text = options->scoped_sockets; text && *text; text++) {
		auto_ptr(hoy_scope_policy_free) struct hoy_scope_policy *policy = NULL;

		if (hoy_scope_policy_parse(*text, strlen(*text), &policy, NULL) >= 0 && policy->group)
			return hoy_err_unsupported(
				err, "scoped-sockets: %s: group: a rootless hoyd has none", policy->path);
	}
	if (options->group)
		return hoy_err_unsupported(err, "--group: the socket of a rootless hoyd is its user's");
	return 0;
}

/* What neither flag nor file says, the environment does. */
static int default_proxies(struct hoy_daemon_options *options, struct hoy_err *err)
{
	const struct {
		char **at;
		const char *upper, *lower;
	} proxies[] = { { &options->http_proxy, "HTTP_PROXY", "http_proxy" },
		{ &options->https_proxy, "HTTPS_PROXY", "https_proxy" },
		{ &options->no_proxy, "NO_PROXY", "no_proxy" } };
	int r = 0;

	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(proxies); i++) {
		const char *value = getenv(proxies[i].upper);

		if (!value || !*value)
			value = getenv(proxies[i].lower);
		if (value && *value)
			r = set_default(proxies[i].at, value, err);
	}
	return r;
}

static int default_roots(struct hoy_daemon_options *options, struct hoy_err *err)
{
	int r = set_default(&options->data_root, DATA_ROOT, err);

	if (r >= 0)
		r = set_default(&options->exec_root, EXEC_ROOT, err);
	if (r >= 0 && !options->hosts && hoy_strv_add(&options->hosts, SOCKET) < 0)
		r = hoy_err_oom(err);
	return r;
}

/* All in directories of the user's own. */
static int default_user_roots(struct hoy_daemon_options *options, struct hoy_err *err)
{
	auto_free char *runtime = hoy_path_user_runtime(), *data = hoy_rootless_data_root();
	auto_free char *exec = runtime ? hoy_path_join(runtime, "hoy") : NULL;
	auto_free char *socket = exec ? hoy_str_printf("unix://%s/hoy.sock", exec) : NULL;
	int r = data ? set_default(&options->data_root, data, err) : hoy_err_oom(err);

	if (r >= 0 && !socket && (!options->exec_root || !options->hosts))
		return hoy_err_invalid(err, "rootless: no runtime directory of yours: log in by a session that sets "
					    "XDG_RUNTIME_DIR ('loginctl enable-linger' keeps one), or set it");
	if (r >= 0 && exec)
		r = set_default(&options->exec_root, exec, err);
	if (r >= 0 && !options->hosts && hoy_strv_add(&options->hosts, socket) < 0)
		r = hoy_err_oom(err);
	return r;
}

int hoy_daemon_options_finish(struct hoy_daemon_options *options, struct hoy_err *err)
{
	auto_free char *pidfile = NULL;
	int r = options->rootless ? default_user_roots(options, err) : default_roots(options, err);

	if (r >= 0)
		r = set_default(&options->log_level, options->debug ? "debug" : "info", err);
	if (r >= 0)
		r = set_default(&options->log_format, "text", err);
	if (r >= 0)
		r = set_default(&options->default_runtime, RUNTIME, err);
	if (r >= 0)
		r = default_proxies(options, err);
	if (r < 0)
		return r;
	pidfile = hoy_str_printf("%s/hoyd.pid", options->exec_root);
	r = pidfile ? set_default(&options->pidfile, pidfile, err) : hoy_err_oom(err);
	if (r >= 0)
		r = check_absolute("data root", options->data_root, err);
	if (r >= 0)
		r = check_absolute("exec root", options->exec_root, err);
	for (char *const *host = options->hosts; r >= 0 && *host; host++)
		if (hoy_host_is_tcp(*host))
			r = hoy_tcp_check_settings(options, err);
	if (r >= 0)
		r = check_scopes(options, err);
	if (r >= 0 && options->rootless)
		r = check_rootless(options, err);
	return r < 0 ? r : check_words(options, err);
}

static bool came_by_flag(const struct hoy_daemon_options *options, const char *flag)
{
	for (size_t i = 0; i < hoy_settings_n; i++)
		if (!strcmp(hoy_settings[i].flag, flag))
			return options->by_flag[i];
	return false;
}

bool hoy_daemon_options_given(const struct hoy_daemon_options *options, const char *flag)
{
	for (size_t i = 0; i < hoy_settings_n; i++)
		if (!strcmp(hoy_settings[i].flag, flag))
			return options->by_flag[i] || options->by_file[i];
	return false;
}

static void swap(void *a, void *b, size_t size)
{
	char tmp[sizeof(void *)];

	memcpy(tmp, a, size);
	memcpy(a, b, size);
	memcpy(b, tmp, size);
}

void hoy_daemon_options_reload(struct hoy_daemon_options *options, struct hoy_daemon_options *fresh)
{
	if (!came_by_flag(options, "debug"))
		options->debug = fresh->debug;
	if (!came_by_flag(options, "log-level"))
		swap(&options->log_level, &fresh->log_level, sizeof fresh->log_level);
	if (!came_by_flag(options, "label"))
		swap(&options->labels, &fresh->labels, sizeof fresh->labels);
	if (!came_by_flag(options, "scoped-socket"))
		swap(&options->scoped_sockets, &fresh->scoped_sockets, sizeof(char **));
	if (!came_by_flag(options, "insecure-registry"))
		swap(&options->insecure_registries, &fresh->insecure_registries, sizeof(char **));
	if (!came_by_flag(options, "registry-mirror"))
		swap(&options->registry_mirrors, &fresh->registry_mirrors, sizeof(char **));
	if (!came_by_flag(options, "max-concurrent-downloads"))
		options->downloads = fresh->downloads;
	if (!came_by_flag(options, "max-concurrent-uploads"))
		options->uploads = fresh->uploads;
	if (!came_by_flag(options, "max-layer-entries"))
		options->layer_entries = fresh->layer_entries;
	if (!came_by_flag(options, "max-layer-bytes"))
		options->layer_bytes = fresh->layer_bytes;
	if (!came_by_flag(options, "max-download-attempts"))
		options->download_attempts = fresh->download_attempts;
}

const char *hoy_daemon_options_runtime(const struct hoy_daemon_options *options, const char *name)
{
	if (!strcmp(name, RUNTIME))
		return "";
	return options->runtimes ? hoy_env_get(options->runtimes, name) : NULL;
}

void hoy_daemon_options_done(struct hoy_daemon_options *options)
{
	for (size_t i = 0; i < hoy_settings_n; i++) {
		void *at = member(options, &hoy_settings[i]);

		if (hoy_settings[i].kind == HOY_SETTING_STRING)
			free(*(char **) at);
		else if (hoy_settings[i].kind == HOY_SETTING_LIST || hoy_settings[i].kind == HOY_SETTING_RUNTIMES ||
			 hoy_settings[i].kind == HOY_SETTING_OBJECTS)
			hoy_strv_free(*(char ***) at);
	}
	*options = (struct hoy_daemon_options){ 0 };
}

void hoy_daemon_options_print_help(void)
{
	(void) puts("Usage: hoyd [FLAGS]\n\nServes the Docker Engine API.\n\nFlags:");
	for (size_t i = 0; i < hoy_settings_n; i++) {
		const struct hoy_setting *s = &hoy_settings[i];
		char letter[5] = "    ", name[40];

		if (s->letter)
			(void) snprintf(letter, sizeof letter, "-%c, ", s->letter);
		(void) snprintf(name, sizeof name, "--%s %s", s->flag, s->argument ? s->argument : "");
		(void) printf("  %s%-30s  %s\n", letter, name, s->help);
	}
}
