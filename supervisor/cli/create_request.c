/* From the options of `run` and `create` to the JSON of POST /containers/create. */
#include "supervisor/cli/create_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/str.h"

#define FILE_MAX ((size_t) 4 << 20)

/* Lines "KEY=VALUE" or "KEY" (taken from our environment when `from_env`), '#' begins a comment line. */
static int add_from_file(const char *path, bool from_env, char ***list, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = FILE_MAX };
	auto_ptr(hoy_strv_free) char **lines = NULL;
	int r = hoy_file_read(AT_FDCWD, path, &text, err);

	if (r < 0)
		return r;
	lines = hoy_str_split(text.data, '\n');
	if (!lines)
		return hoy_err_oom(err);
	for (size_t i = 0; lines[i]; i++) {
		char *line = lines[i] + strspn(lines[i], " \t");
		size_t len = strlen(line);

		if (len && line[len - 1] == '\r')
			line[len - 1] = '\0';
		if (!*line || *line == '#')
			continue;
		if (*line == '=')
			return hoy_err_invalid(err, "invalid env file (%s): line %zu: no variable name", path, i + 1);
		if (strcspn(line, " \t") < strcspn(line, "="))
			return hoy_err_invalid(
				err, "invalid env file (%s): line %zu: variable name has white space", path, i + 1);
		if (strchr(line, '=') || !from_env)
			r = hoy_strv_add(list, line);
		else if (getenv(line))
			r = hoy_strv_addf(list, "%s=%s", line, getenv(line));
		if (r < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

int hoy_create_request_env(char *const *env, char *const *files, char ***ret, struct hoy_err *err)
{
	for (char *const *file = files; file && *file; file++) {
		int r = add_from_file(*file, /* from_env= */ true, ret, err);

		if (r < 0)
			return r;
	}
	for (char *const *e = env; e && *e; e++) {
		int r = 0;

		if (!**e || **e == '=')
			return hoy_err_invalid(err, "invalid environment variable: %s", *e);
		/* A name alone that isn't set here is taken out of what the image sets. */
		if (strchr(*e, '=') || !getenv(*e))
			r = hoy_strv_add(ret, *e);
		else
			r = hoy_strv_addf(ret, "%s=%s", *e, getenv(*e));
		if (r < 0)
			return hoy_err_oom(err);
	}
	return 0;
}

static int print_labels(struct hoy_json_writer *w, const struct hoy_run_options *o, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **labels = NULL;

	for (char **file = o->label_file; file && *file; file++) {
		int r = add_from_file(*file, /* from_env= */ false, &labels, err);

		if (r < 0)
			return r;
	}
	for (char **l = o->label; l && *l; l++)
		if (hoy_strv_add(&labels, *l) < 0)
			return hoy_err_oom(err);
	hoy_create_add_map(w, "Labels", labels);
	return 0;
}

static void ports_done(struct hoy_create_ports *ports)
{
	hoy_publish_free(ports->list, ports->n);
}

static int print_exposed(struct hoy_json_writer *w, const struct hoy_run_options *o,
	const struct hoy_create_ports *published, struct hoy_err *err)
{
	auto_(ports_done) struct hoy_create_ports exposed = {};
	auto_ptr(hoy_strv_free) char **seen = NULL;

	for (char **e = o->expose; e && *e; e++) {
		if (strchr(*e, ':'))
			return hoy_err_invalid(err, "invalid port format for --expose: %s", *e);
		if (hoy_publish_parse(*e, &exposed.list, &exposed.n, err) < 0)
			return hoy_err_wrap(err, "--expose %s", *e);
	}
	hoy_json_object(w, "ExposedPorts");
	for (size_t i = 0; i < published->n + exposed.n; i++) {
		const char *port = i < published->n ? published->list[i].container
						    : exposed.list[i - published->n].container;

		if (hoy_strv_has(seen, port))
			continue;
		if (hoy_strv_add(&seen, port) < 0)
			return hoy_err_oom(err);
		hoy_json_object(w, port);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	return 0;
}

bool hoy_health_options_given(const struct hoy_health_options *health)
{
	return health->none || health->cmd || health->interval || health->timeout || health->start_period ||
	       health->start_interval || health->retries;
}

static void print_test(struct hoy_json_writer *w, const struct hoy_health_options *health, const struct hoy_json *now)
{
	if (!health->none && !health->cmd) {
		if (now)
			hoy_json_add_value(w, "Test", hoy_json_get(now, "Test"));
		return;
	}
	hoy_json_array(w, "Test");
	hoy_json_add_string(w, NULL, health->none ? "NONE" : "CMD-SHELL");
	if (health->cmd)
		hoy_json_add_string(w, NULL, health->cmd);
	hoy_json_end(w);
}

int hoy_health_options_print(struct hoy_json_writer *w, const struct hoy_health_options *health,
	const struct hoy_json *now, struct hoy_err *err)
{
	const struct {
		const char *flag, *key;
		int64_t value;
	} numbers[] = {
		{ "health-interval", "Interval", health->interval },
		{ "health-timeout", "Timeout", health->timeout },
		{ "health-start-period", "StartPeriod", health->start_period },
		{ "health-start-interval", "StartInterval", health->start_interval },
		{ "health-retries", "Retries", health->retries },
	};
	struct hoy_health_options others = *health;

	others.none = false;
	if (health->none && hoy_health_options_given(&others))
		return hoy_err_invalid(err, "--no-healthcheck conflicts with --health-* options");
	hoy_json_object(w, "Healthcheck");
	print_test(w, health, now);
	for (size_t i = 0; i < ARRAY_LEN(numbers) && !health->none; i++) {
		int64_t value = 0;

		if (numbers[i].value < 0)
			return hoy_err_invalid(err, "--%s cannot be negative", numbers[i].flag);
		(void) hoy_json_to_i64(hoy_json_get(now, numbers[i].key), &value);
		hoy_create_add_number(w, numbers[i].key, numbers[i].value ? numbers[i].value : value);
	}
	hoy_json_end(w);
	return 0;
}

/* What config.json says of proxies is for containers too, unless they were told otherwise. */
static int add_proxies(char ***env, char *const *proxies, struct hoy_err *err)
{
	for (; proxies && *proxies; proxies++) {
		auto_free char *key = strndup(*proxies, strcspn(*proxies, "="));

		if (!key || (!hoy_env_get(*env, key) && !hoy_strv_has(*env, key) && hoy_strv_add(env, *proxies) < 0))
			return hoy_err_oom(err);
	}
	return 0;
}

static int check_attach(const struct hoy_run_options *o, struct hoy_err *err)
{
	for (char **a = o->attach; a && *a; a++)
		if (strcasecmp(*a, "stdin") != 0 && strcasecmp(*a, "stdout") != 0 && strcasecmp(*a, "stderr") != 0)
			return hoy_err_invalid(err,
				"invalid argument \"%s\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR",
				*a);
	return 0;
}

static bool attaches(const struct hoy_run_options *o, const char *stream)
{
	for (char **a = o->attach; a && *a; a++)
		if (strcasecmp(*a, stream) == 0)
			return true;
	return false;
}

static int print_config(struct hoy_json_writer *w, const struct hoy_run_options *o, char *const *args,
	char *const *proxies, const struct hoy_create_ports *ports, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **env = NULL;
	bool all = !o->attach && !o->detach;
	bool in = o->interactive && (all || attaches(o, "stdin"));
	int r = hoy_create_request_env(o->env, o->env_file, &env, err);

	if (r == 0)
		r = add_proxies(&env, proxies, err);
	if (r == 0)
		r = check_attach(o, err);
	if (r < 0)
		return r;
	hoy_create_add_text(w, "Hostname", o->hostname);
	hoy_create_add_text(w, "Domainname", o->domainname);
	hoy_create_add_text(w, "User", o->user);
	hoy_json_add_bool(w, "AttachStdin", in);
	hoy_json_add_bool(w, "AttachStdout", all || attaches(o, "stdout"));
	hoy_json_add_bool(w, "AttachStderr", all || attaches(o, "stderr"));
	hoy_json_add_bool(w, "Tty", o->tty);
	hoy_json_add_bool(w, "OpenStdin", o->interactive);
	hoy_json_add_bool(w, "StdinOnce", in);
	hoy_create_add_list(w, "Env", env);
	if (args[1])
		hoy_json_add_strv(w, "Cmd", args + 1);
	hoy_json_add_string(w, "Image", args[0]);
	hoy_create_volumes(w, o);
	hoy_create_add_text(w, "WorkingDir", o->workdir);
	if (o->entrypoint_given) {
		hoy_json_array(w, "Entrypoint");
		hoy_json_add_string(w, NULL, o->entrypoint);
		hoy_json_end(w);
	}
	/* For engines before API 1.44; later ones read it from the network. */
	hoy_create_add_text(w, "MacAddress", o->mac_address);
	hoy_create_add_text(w, "StopSignal", o->stop_signal);
	if (o->stop_timeout_given)
		hoy_json_add_i64(w, "StopTimeout", o->stop_timeout);
	r = hoy_health_options_given(&o->health) ? hoy_health_options_print(w, &o->health, NULL, err) : 0;
	if (r == 0)
		r = print_labels(w, o, err);
	return r < 0 ? r : print_exposed(w, o, ports, err);
}

int hoy_create_request_print(const struct hoy_run_options *options, char *const *args, char *const *proxies,
	struct hoy_buf *out, struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = out };
	auto_(ports_done) struct hoy_create_ports ports = {};
	int r;

	for (char **p = options->publish; p && *p; p++) {
		r = hoy_publish_parse(*p, &ports.list, &ports.n, err);
		if (r < 0)
			return r;
	}
	hoy_json_object(&w, NULL);
	r = print_config(&w, options, args, proxies, &ports, err);
	if (r == 0)
		r = hoy_create_host_config(&w, options, &ports, err);
	if (r == 0)
		r = hoy_create_networking(&w, options, err);
	if (r < 0)
		return r;
	hoy_json_end(&w);
	return hoy_buf_check(out, "the create request", err);
}
