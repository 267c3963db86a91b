/* One line of a Dockerfile at a time: words with quotes and backslashes, or a JSON array. */
#include "supervisor/image/changes.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/image.h"

typedef int (*change_fn)(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err);

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static const char *skip_spaces(const char *text)
{
	while (is_space(*text))
		text++;
	return text;
}

/* The next word without its quotes and backslashes, advancing *text. *ret is NULL at the end. */
static int next_word(const char **text, char **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf word = { 0 };
	const char *p = skip_spaces(*text);
	char quote = '\0';

	*ret = NULL;
	if (!*p)
		return 0;
	(void) hoy_buf_adds(&word, "");
	for (; *p && (quote || !is_space(*p)); p++) {
		if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? '\0' : *p;
		else if (*p == '\\' && p[1] && quote != '\'')
			(void) hoy_buf_addc(&word, *++p);
		else
			(void) hoy_buf_addc(&word, *p);
	}
	if (quote)
		return hoy_err_invalid(err, "unterminated quote");
	*text = p;
	*ret = hoy_buf_take(&word);
	if (!*ret)
		*ret = strdup("");
	return *ret ? 0 : hoy_err_oom(err);
}

static int next_words(const char *text, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **words = NULL;

	while (true) {
		auto_free char *word = NULL;
		int r = next_word(&text, &word, err);

		if (r < 0)
			return r;
		if (!word)
			break;
		if (hoy_strv_add(&words, word) < 0)
			return hoy_err_oom(err);
	}
	if (!words)
		return hoy_err_invalid(err, "requires at least one argument");
	*ret = TAKE_PTR(words);
	return 0;
}

/* A JSON array of strings; -ENOENT when it is none, which is no error: then it is text. */
static int json_words(const char *text, char ***ret)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	auto_ptr(hoy_strv_free) char **words = calloc(1, sizeof(char *));

	if (*text != '[' || hoy_json_parse(text, strlen(text), /* limits= */ NULL, &doc, /* err= */ NULL) < 0 ||
		hoy_json_type(doc) != HOY_JSON_ARRAY)
		return -ENOENT;
	hoy_json_each(item, doc)
	{
		if (!hoy_json_string(item))
			return -ENOENT;
		if (!words || hoy_strv_add(&words, hoy_json_string(item)) < 0)
			return -ENOMEM;
	}
	*ret = TAKE_PTR(words);
	return *ret ? 0 : -ENOMEM;
}

/* The exec form, or the shell form run by the image's shell. */
static int command_words(const struct hoy_oci_image_run *run, const char *text, char ***ret, struct hoy_err *err)
{
	static char *const default_shell[] = { (char *) (uintptr_t) "/bin/sh", (char *) (uintptr_t) "-c", NULL };
	int r = json_words(text, ret);

	if (r != -ENOENT)
		return r < 0 ? hoy_err_oom(err) : 0;
	*ret = hoy_strv_copy(run->shell && *run->shell ? run->shell : default_shell);
	return *ret && hoy_strv_add(ret, text) == 0 ? 0 : hoy_err_oom(err);
}

static int need_rest(const char *rest, struct hoy_err *err)
{
	return *rest ? 0 : hoy_err_invalid(err, "requires at least one argument");
}

static int set_string(char **to, const char *value, struct hoy_err *err)
{
	char *copy = strdup(value);

	if (!copy)
		return hoy_err_oom(err);
	free(*to);
	*to = copy;
	return 0;
}

static int change_cmd(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	char **words = NULL;
	int r = command_words(run, rest, &words, err);

	if (r < 0)
		return r;
	hoy_strv_free(run->cmd);
	run->cmd = words;
	return 0;
}

static int change_entrypoint(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	char **words = NULL;
	int r = command_words(run, rest, &words, err);

	if (r < 0)
		return r;
	hoy_strv_free(run->entrypoint);
	run->entrypoint = words;
	return 0;
}

int hoy_image_run_set_label(struct hoy_oci_image_run *run, const char *key, const char *value, struct hoy_err *err)
{
	struct hoy_oci_kv *labels;

	for (size_t i = 0; i < run->n_labels; i++)
		if (strcmp(run->labels[i].key, key) == 0)
			return set_string(&run->labels[i].value, value, err);
	labels = reallocarray(run->labels, run->n_labels + 1, sizeof *labels);
	if (!labels)
		return hoy_err_oom(err);
	run->labels = labels;
	labels[run->n_labels] = (struct hoy_oci_kv){ .key = strdup(key), .value = strdup(value) };
	if (!labels[run->n_labels].key || !labels[run->n_labels].value) {
		free(labels[run->n_labels].key);
		free(labels[run->n_labels].value);
		return hoy_err_oom(err);
	}
	run->n_labels++;
	return 0;
}

int hoy_image_run_set_env(struct hoy_oci_image_run *run, const char *key, const char *value, struct hoy_err *err)
{
	auto_free char *entry = hoy_str_printf("%s=%s", key, value);

	return entry && hoy_env_set(&run->env, entry) == 0 ? 0 : hoy_err_oom(err);
}

/* "KEY=VALUE ..." or, with one pair, the old "KEY the whole rest". */
static int change_pairs(struct hoy_oci_image_run *run, const char *rest,
	int (*set)(struct hoy_oci_image_run *run, const char *key, const char *value, struct hoy_err *err),
	struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **words = NULL;
	int r = next_words(rest, &words, err);

	if (r < 0)
		return r;
	if (!strchr(words[0], '=')) {
		size_t key = strcspn(rest, " \t");

		if (!words[1])
			return hoy_err_invalid(err, "must have two arguments");
		return set(run, words[0], skip_spaces(rest + key), err);
	}
	for (char **word = words; r == 0 && *word; word++) {
		char *equals = strchr(*word, '=');

		if (!equals || equals == *word)
			return hoy_err_invalid(err, "'%s': can't find = behind a name", *word);
		*equals = '\0';
		r = set(run, *word, equals + 1, err);
	}
	return r;
}

static int change_env(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	return change_pairs(run, rest, hoy_image_run_set_env, err);
}

static int change_label(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	return change_pairs(run, rest, hoy_image_run_set_label, err);
}

/* --- EXPOSE: a range may have 65,535 ports, so what is there is remembered in a table --- */

static const char *const protocols[] = { "tcp", "udp", "sctp" };

struct ports {
	bool there[ARRAY_LEN(protocols)][UINT16_MAX + 1];
	char **list; /* NULL-terminated */
	size_t n, size;
};

static int protocol_of(const char *text)
{
	for (size_t i = 0; i < ARRAY_LEN(protocols); i++)
		if (strcmp(text, protocols[i]) == 0)
			return (int) i;
	return -EINVAL;
}

/* Those of the image so far; what is no port of ours stays as it is. */
static void note_ports(struct ports *ports)
{
	for (; ports->list && ports->list[ports->n]; ports->n++) {
		unsigned int port;
		char protocol[8], rest;

		if (sscanf(ports->list[ports->n], "%5u/%7[a-z]%c", &port, protocol, &rest) == 2 && port <= UINT16_MAX &&
			protocol_of(protocol) >= 0)
			ports->there[protocol_of(protocol)][port] = true;
	}
	ports->size = ports->n;
}

static int add_port(struct ports *ports, unsigned int port, int protocol, struct hoy_err *err)
{
	if (ports->there[protocol][port])
		return 0;
	if (ports->n >= ports->size) {
		size_t size = 2 * ports->size + 16;
		char **list = reallocarray(ports->list, size + 1, sizeof *list);

		if (!list)
			return hoy_err_oom(err);
		ports->list = list;
		ports->size = size;
	}
	ports->list[ports->n] = hoy_str_printf("%u/%s", port, protocols[protocol]);
	if (!ports->list[ports->n])
		return hoy_err_oom(err);
	ports->list[++ports->n] = NULL;
	ports->there[protocol][port] = true;
	return 0;
}

/* "80", "80/udp", "8000-8010/tcp". */
static int expose(struct ports *ports, char *word, struct hoy_err *err)
{
	char *slash = strchr(word, '/'), *dash;
	int protocol = slash ? protocol_of(slash + 1) : 0, r = 0;
	unsigned int first, last;

	if (slash)
		*slash = '\0';
	dash = strchr(word, '-');
	if (dash)
		*dash = '\0';
	if (hoy_str_to_uint(word, &first) < 0 || hoy_str_to_uint(dash ? dash + 1 : word, &last) < 0 || first == 0 ||
		first > last || last > UINT16_MAX)
		return hoy_err_invalid(err, "'%s': not a port or a range of ports", word);
	if (protocol < 0)
		return hoy_err_invalid(err, "'%s': the protocol is tcp, udp or sctp", slash + 1);
	for (unsigned int port = first; r == 0 && port <= last; port++)
		r = add_port(ports, port, protocol, err);
	return r;
}

int hoy_image_run_expose(struct hoy_oci_image_run *run, char **words, struct hoy_err *err)
{
	auto_free struct ports *ports = calloc(1, sizeof *ports);
	int r = 0;

	if (!ports)
		return hoy_err_oom(err);
	ports->list = run->exposed_ports;
	note_ports(ports);
	for (char **word = words; r == 0 && *word; word++)
		r = expose(ports, *word, err);
	run->exposed_ports = ports->list;
	return r;
}

static int change_expose(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **words = NULL;
	int r = next_words(rest, &words, err);

	return r < 0 ? r : hoy_image_run_expose(run, words, err);
}

static int change_volume(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **words = NULL;
	int r = json_words(rest, &words);

	if (r == -ENOENT)
		r = next_words(rest, &words, err);
	else if (r < 0)
		return hoy_err_oom(err);
	for (char **word = words; r == 0 && word && *word; word++) {
		if (!**word)
			return hoy_err_invalid(err, "a volume without a path");
		if (run->volumes && hoy_strv_has(run->volumes, *word))
			continue;
		if (hoy_strv_add(&run->volumes, *word) < 0)
			return hoy_err_oom(err);
	}
	return r;
}

static int change_user(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	return strpbrk(rest, " \t") ? hoy_err_invalid(err, "requires exactly one argument")
				    : set_string(&run->user, rest, err);
}

/* A relative directory goes on from the one before. */
static int change_workdir(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	auto_free char *joined = hoy_path_join(run->working_dir && *run->working_dir ? run->working_dir : "/", rest);
	auto_free char *clean = joined ? hoy_path_clean(joined) : NULL;

	return clean ? set_string(&run->working_dir, clean, err) : hoy_err_oom(err);
}

static int change_stopsignal(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	if (hoy_signal_from_string(rest) < 0)
		return hoy_err_invalid(err, "invalid signal: %s", rest);
	return set_string(&run->stop_signal, rest, err);
}

/* A trigger may not be one that makes no sense later. */
static int change_onbuild(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	static const char *const refused[] = { "ONBUILD", "FROM", "MAINTAINER" };
	size_t word = strcspn(rest, " \t");

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (strlen(refused[i]) == word && strncasecmp(rest, refused[i], word) == 0)
			return hoy_err_invalid(err, "%s isn't allowed as an ONBUILD trigger", refused[i]);
	return hoy_strv_add(&run->on_build, rest) < 0 ? hoy_err_oom(err) : 0;
}

/* "--interval=30s" and its kin; advances *rest behind them. */
static int healthcheck_options(struct hoy_oci_healthcheck *check, const char **rest, struct hoy_err *err)
{
	while (hoy_str_starts(*rest, "--")) {
		auto_free char *word = NULL;
		char *equals;
		int64_t *to = NULL;
		int r = next_word(rest, &word, err);

		if (r < 0)
			return r;
		equals = strchr(word, '=');
		if (equals)
			*equals = '\0';
		if (strcmp(word, "--interval") == 0)
			to = &check->interval;
		else if (strcmp(word, "--timeout") == 0)
			to = &check->timeout;
		else if (strcmp(word, "--start-period") == 0)
			to = &check->start_period;
		else if (strcmp(word, "--start-interval") == 0)
			to = &check->start_interval;
		else if (strcmp(word, "--retries") != 0)
			return hoy_err_invalid(err, "unknown flag: %s", word);
		if (!equals ||
			(to ? hoy_str_to_duration(equals + 1, to) : hoy_str_to_i64(equals + 1, &check->retries)) < 0 ||
			(to ? *to : check->retries) < 0)
			return hoy_err_invalid(err, "%s: not a %s", word, to ? "duration" : "number");
		*rest = skip_spaces(*rest);
	}
	return 0;
}

static int healthcheck_test(struct hoy_oci_healthcheck *check, const char *rest, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **words = NULL;
	const char *form = "CMD";
	int r;

	if (strcasecmp(rest, "NONE") == 0)
		return hoy_strv_add(&check->test, "NONE") < 0 ? hoy_err_oom(err) : 0;
	if (strncasecmp(rest, "CMD", 3) != 0 || !is_space(rest[3]))
		return hoy_err_invalid(err, "unknown type: expected CMD or NONE");
	rest = skip_spaces(rest + 3);
	r = json_words(rest, &words);
	if (r == -ENOENT) {
		form = "CMD-SHELL";
		r = hoy_strv_add(&words, rest);
	}
	if (r < 0 || hoy_strv_add(&check->test, form) < 0)
		return hoy_err_oom(err);
	for (char **word = words; *word; word++)
		if (hoy_strv_add(&check->test, *word) < 0)
			return hoy_err_oom(err);
	return 0;
}

static int change_healthcheck(struct hoy_oci_image_run *run, const char *rest, struct hoy_err *err)
{
	struct hoy_oci_healthcheck *check = calloc(1, sizeof *check);
	int r = check ? healthcheck_options(check, &rest, err) : hoy_err_oom(err);

	if (r == 0)
		r = healthcheck_test(check, rest, err);
	if (r < 0) {
		if (check)
			hoy_strv_free(check->test);
		free(check);
		return r;
	}
	if (run->healthcheck)
		hoy_strv_free(run->healthcheck->test);
	free(run->healthcheck);
	run->healthcheck = check;
	return 0;
}

int hoy_image_change(struct hoy_oci_image_run *run, const char *instruction, struct hoy_err *err)
{
	static const struct {
		const char *name;
		change_fn change;
	} changes[] = {
		{ "CMD", change_cmd },
		{ "ENTRYPOINT", change_entrypoint },
		{ "ENV", change_env },
		{ "EXPOSE", change_expose },
		{ "HEALTHCHECK", change_healthcheck },
		{ "LABEL", change_label },
		{ "ONBUILD", change_onbuild },
		{ "STOPSIGNAL", change_stopsignal },
		{ "USER", change_user },
		{ "VOLUME", change_volume },
		{ "WORKDIR", change_workdir },
	};
	const char *line = skip_spaces(instruction), *rest;
	size_t word = strcspn(line, " \t");
	auto_free char *trimmed = NULL;
	size_t len;
	int r;

	rest = skip_spaces(line + word);
	for (len = strlen(rest); len > 0 && is_space(rest[len - 1]); len--)
		;
	trimmed = strndup(rest, len);
	if (!trimmed)
		return hoy_err_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		if (strlen(changes[i].name) != word || strncasecmp(line, changes[i].name, word) != 0)
			continue;
		r = need_rest(trimmed, err);
		if (r == 0)
			r = changes[i].change(run, trimmed, err);
		return r < 0 ? hoy_err_wrap(err, "%s", changes[i].name) : 0;
	}
	return hoy_err_invalid(err, "%.*s is not a valid change command", (int) MIN(word, (size_t) 100), line);
}
