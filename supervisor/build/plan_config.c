/* Instructions that change nothing but the image's configuration and history. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "base/utf8.h"
#include "libocispec/image.h"
#include "supervisor/build/plan_internal.h"
#include "supervisor/image/changes.h"

enum { MAX_CONFIGS = 128 << 20 }; /* text of all copies together */

static struct hoy_oci_image_run *copy_config(struct planner *planner, const struct hoy_oci_image_run *config)
{
	static const struct hoy_oci_image_run empty;
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	void *copy = NULL;

	if (hoy_field_print(&hoy_oci_image_run_object, config ? config : &empty, &text, 0, planner->err) < 0)
		return NULL;
	planner->config_bytes += text.len;
	if (planner->config_bytes > MAX_CONFIGS)
		hoy_err_invalid(
			planner->err, "the image configurations of all steps take more than %d bytes", MAX_CONFIGS);
	else
		(void) hoy_field_parse(
			&hoy_oci_image_run_object, text.data, text.len, /* options= */ NULL, &copy, planner->err);
	return copy;
}

struct hoy_oci_image_run *hoy_plan_edit_config(struct planner *planner, struct stage *stage)
{
	struct hoy_oci_image_run *copy = copy_config(planner, stage->config);

	if (!copy)
		return NULL;
	if (!PLAN_ROOM(planner, planner->configs, planner->n_configs, planner->size_configs)) {
		hoy_field_free(&hoy_oci_image_run_object, copy);
		hoy_err_oom(planner->err);
		return NULL;
	}
	planner->configs[planner->n_configs++] = copy;
	stage->config = copy;
	return copy;
}

/* --- texts for history --- */

/* A word between quotes, as Go's %q. */
static void add_quoted(struct hoy_buf *buf, const char *word)
{
	static const char letters[] = "abtnvfr", codes[] = "\a\b\t\n\v\f\r";

	(void) hoy_buf_addc(buf, '"');
	for (size_t len = strlen(word), i = 0; i < len;) {
		size_t n = hoy_utf8_char_len(word + i, len - i);
		unsigned char c = (unsigned char) word[i];
		const char *code = strchr(codes, c);

		if (n == 0) {
			(void) hoy_buf_addf(buf, "\\x%02x", c);
			n = 1;
		} else if (c == '"' || c == '\\') {
			(void) hoy_buf_addf(buf, "\\%c", c);
		} else if (n == 1 && code && c != '\0') {
			(void) hoy_buf_addf(buf, "\\%c", letters[code - codes]);
		} else if (c < ' ' || c == 0x7f) {
			(void) hoy_buf_addf(buf, "\\x%02x", c);
		} else {
			(void) hoy_buf_add(buf, word + i, n);
		}
		i += n;
	}
	(void) hoy_buf_addc(buf, '"');
}

/* "[a b]", each word quoted when `quoted`. */
static void add_list(struct hoy_buf *buf, char *const *words, bool quoted)
{
	(void) hoy_buf_addc(buf, '[');
	for (size_t i = 0; words && words[i]; i++) {
		if (i > 0)
			(void) hoy_buf_addc(buf, ' ');
		if (quoted)
			add_quoted(buf, words[i]);
		else
			(void) hoy_buf_adds(buf, words[i]);
	}
	(void) hoy_buf_addc(buf, ']');
}

/* As Go prints a time.Duration: "1m30s", "1.5s", "300ms", "0s". */
static void add_duration(struct hoy_buf *buf, int64_t ns)
{
	int64_t seconds = ns / 1000000000, rest = ns % 1000000000;
	char fraction[16];
	size_t len;

	if (ns > 0 && seconds == 0) {
		bool milli = ns >= 1000000, micro = ns >= 1000;

		(void) hoy_buf_addf(buf, "%.9g%s",
			(double) ns / (milli          ? 1e6
					      : micro ? 1e3
						      : 1),
			milli   ? "ms"
			: micro ? "\u00b5s"
				: "ns");
		return;
	}
	if (seconds >= 3600)
		(void) hoy_buf_addf(buf, "%lldh", (long long) seconds / 3600);
	if (seconds >= 60)
		(void) hoy_buf_addf(buf, "%lldm", (long long) seconds / 60 % 60);
	(void) snprintf(fraction, sizeof fraction, ".%09lld", (long long) rest);
	for (len = strlen(fraction); rest > 0 && fraction[len - 1] == '0';)
		fraction[--len] = '\0';
	(void) hoy_buf_addf(buf, "%lld%ss", (long long) seconds % 60, rest > 0 ? fraction : "");
}

/* --- the instructions --- */

/* One instruction at work: what it changes and what history will say. */
struct change {
	struct planner *planner;
	struct stage *stage;
	const struct command *command;
	const struct hoy_dockerfile_instruction *in;
	struct scope scope;
	struct hoy_oci_image_run *config;
	struct hoy_buf created; /* empty: no entry */
};

static int replace(struct change *change, char ***list, char *const *words)
{
	char **copy = hoy_strv_copy((char **) (uintptr_t) words);

	if (!copy)
		return hoy_err_oom(change->planner->err);
	hoy_strv_free(*list);
	*list = copy;
	return 0;
}

char *const *hoy_plan_command_args(struct planner *planner, const struct stage *stage,
	const struct hoy_dockerfile_command *command, const char *text)
{
	static const char *const sh[] = { "/bin/sh", "-c" };
	const struct hoy_oci_image_run *config = stage->config;
	size_t n = config->shell && *config->shell ? hoy_strv_len(config->shell) : ARRAY_LEN(sh);
	const char **args;

	if (!command->shell)
		return hoy_plan_strv(planner, command->args.words, command->args.n);
	args = hoy_arena_alloc(&planner->arena, (n + 2) * sizeof *args);
	if (!args)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		args[i] = config->shell && *config->shell ? hoy_arena_strdup(&planner->arena, config->shell[i]) : sh[i];
		if (!args[i])
			return NULL;
	}
	args[n] = text;
	return (char *const *) args;
}

static int change_cmd(struct change *change)
{
	char *const *args = hoy_plan_command_args(
		change->planner, change->stage, &change->in->command, change->in->command.text);

	if (!args)
		return hoy_err_oom(change->planner->err);
	change->stage->cmd_set = true;
	change->config->args_escaped = true;
	(void) hoy_buf_adds(&change->created, "CMD ");
	add_list(&change->created, args, /* quoted= */ true);
	return replace(change, &change->config->cmd, args);
}

/* An ENTRYPOINT takes away the base image's CMD, not the stage's own. */
static int change_entrypoint(struct change *change)
{
	char *const *args = hoy_plan_command_args(
		change->planner, change->stage, &change->in->command, change->in->command.text);

	if (!args)
		return hoy_err_oom(change->planner->err);
	if (!change->stage->cmd_set) {
		hoy_strv_free(change->config->cmd);
		change->config->cmd = NULL;
	}
	(void) hoy_buf_adds(&change->created, "ENTRYPOINT ");
	add_list(&change->created, args, /* quoted= */ true);
	return replace(change, &change->config->entrypoint, args);
}

static int change_shell(struct change *change)
{
	const struct hoy_dockerfile_words *words = &change->in->command.args;
	char *const *args = hoy_plan_strv(change->planner, words->words, words->n);

	if (!args)
		return hoy_err_oom(change->planner->err);
	(void) hoy_buf_adds(&change->created, "SHELL ");
	add_list(&change->created, args, /* quoted= */ false);
	return replace(change, &change->config->shell, args);
}

/* ENV and LABEL: all values are those from before the instruction. */
static int change_pairs(struct change *change)
{
	const struct hoy_dockerfile_pairs *pairs = &change->in->pairs;
	bool is_env = change->in->kind == HOY_DOCKERFILE_ENV;
	const char *(*expanded)[2] = hoy_arena_alloc(&change->planner->arena, (pairs->n + 1) * sizeof *expanded);
	int r = expanded ? 0 : hoy_err_oom(change->planner->err);

	for (size_t i = 0; r == 0 && i < pairs->n; i++) {
		r = hoy_plan_expand(&change->scope, pairs->list[i].key, &expanded[i][0]);
		if (r == 0)
			r = hoy_plan_expand(&change->scope, pairs->list[i].value, &expanded[i][1]);
		if (r == 0 && !*expanded[i][0])
			r = PLAN_FAIL(change->planner, change->command, "%s names can not be blank",
				hoy_dockerfile_kind_name(change->in->kind));
	}
	(void) hoy_buf_adds(&change->created, is_env ? "ENV" : "LABEL");
	for (size_t i = 0; r == 0 && i < pairs->n; i++) {
		const char *key = expanded[i][0], *value = expanded[i][1];

		r = is_env ? hoy_image_run_set_env(change->config, key, value, change->planner->err)
			   : hoy_image_run_set_label(change->config, key, value, change->planner->err);
		if (r == 0 && is_env)
			r = hoy_plan_set(change->planner, &change->stage->env, key, value);
		(void) hoy_buf_addc(&change->created, ' ');
		(void) hoy_buf_adds(&change->created, key);
		(void) hoy_buf_addc(&change->created, '=');
		(void) hoy_buf_adds(&change->created, value);
	}
	return r;
}

/* "8080:80" means 80, as docker takes it; protocols in any case. */
static void clean_port(char *word)
{
	char *colon = strrchr(word, ':');

	if (colon)
		memmove(word, colon + 1, strlen(colon + 1) + 1);
	for (char *p = word; *p; p++)
		*p = (char) tolower((unsigned char) *p);
}

static int change_expose(struct change *change)
{
	struct hoy_oci_image_run here = { 0 };
	struct hoy_err why = { 0 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < change->in->words.n; i++) {
		auto_ptr(hoy_strv_free) char **words = NULL, **again = NULL;

		r = hoy_plan_expand_words(&change->scope, change->in->words.words[i], &words);
		for (size_t j = 0; r == 0 && words[j]; j++)
			clean_port(words[j]);
		again = r == 0 ? hoy_strv_copy(words) : NULL;
		if (r == 0 && !again)
			r = hoy_err_oom(change->planner->err);
		if (r == 0 && (hoy_image_run_expose(&here, words, &why) < 0 ||
				      hoy_image_run_expose(change->config, again, &why) < 0))
			r = PLAN_FAIL(change->planner, change->command, "%s", why.msg);
	}
	(void) hoy_buf_adds(&change->created, "EXPOSE ");
	add_list(&change->created, here.exposed_ports, /* quoted= */ false);
	hoy_strv_free(here.exposed_ports);
	return r;
}

static int change_volume(struct change *change)
{
	auto_ptr(hoy_strv_free) char **seen = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < change->in->words.n; i++) {
		const char *path;

		r = hoy_plan_expand(&change->scope, change->in->words.words[i], &path);
		if (r == 0 && !*path)
			return PLAN_FAIL(
				change->planner, change->command, "VOLUME specified can not be an empty string");
		if (r == 0 &&
			(hoy_strv_add(&seen, path) < 0 || (!hoy_strv_has(change->config->volumes, path) &&
								  hoy_strv_add(&change->config->volumes, path) < 0)))
			r = hoy_err_oom(change->planner->err);
	}
	(void) hoy_buf_adds(&change->created, "VOLUME ");
	add_list(&change->created, seen, /* quoted= */ false);
	return r;
}

/* USER, STOPSIGNAL, MAINTAINER. */
static int change_value(struct change *change)
{
	enum hoy_dockerfile_kind kind = change->in->kind;
	const char *value = change->in->value;
	char **to = kind == HOY_DOCKERFILE_USER ? &change->config->user : &change->config->stop_signal;
	int r = kind == HOY_DOCKERFILE_MAINTAINER ? 0 : hoy_plan_expand(&change->scope, value, &value);

	if (r < 0)
		return r;
	(void) hoy_buf_addf(&change->created, "%s ", hoy_dockerfile_kind_name(kind));
	(void) hoy_buf_adds(&change->created, value);
	if (kind == HOY_DOCKERFILE_MAINTAINER) {
		change->stage->author = value;
		return 0;
	}
	if (kind == HOY_DOCKERFILE_STOPSIGNAL && hoy_signal_from_string(value) < 0)
		return PLAN_FAIL(change->planner, change->command, "invalid signal: %.100s", value);
	free(*to);
	*to = strdup(value);
	return *to ? 0 : hoy_err_oom(change->planner->err);
}

static int change_healthcheck(struct change *change)
{
	const struct hoy_dockerfile_healthcheck *from = &change->in->healthcheck;
	struct hoy_oci_healthcheck *check = calloc(1, sizeof *check);
	const struct {
		const char *name;
		int64_t value;
	} times[] = { { "Interval", from->interval }, { "Timeout", from->timeout },
		{ "StartPeriod", from->start_period }, { "StartInterval", from->start_interval } };
	int r = 0;

	if (!check)
		return hoy_err_oom(change->planner->err);
	if (change->config->healthcheck)
		hoy_strv_free(change->config->healthcheck->test);
	free(change->config->healthcheck);
	change->config->healthcheck = check;
	check->interval = from->interval;
	check->timeout = from->timeout;
	check->start_period = from->start_period;
	check->start_interval = from->start_interval;
	check->retries = from->retries;
	r = hoy_strv_add(&check->test, from->none ? "NONE" : from->command.shell ? "CMD-SHELL" : "CMD");
	if (r == 0 && !from->none && from->command.shell)
		r = hoy_strv_add(&check->test, from->command.text);
	for (size_t i = 0; r == 0 && !from->none && !from->command.shell && i < from->command.args.n; i++)
		r = hoy_strv_add(&check->test, from->command.args.words[i]);
	(void) hoy_buf_adds(&change->created, "HEALTHCHECK {Test:");
	add_list(&change->created, check->test, /* quoted= */ false);
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		(void) hoy_buf_addf(&change->created, " %s:", times[i].name);
		add_duration(&change->created, times[i].value);
	}
	(void) hoy_buf_addf(&change->created, " Retries:%lld}", (long long) from->retries);
	return r < 0 ? hoy_err_oom(change->planner->err) : 0;
}

static int change_onbuild(struct change *change)
{
	return hoy_strv_add(&change->config->on_build, change->in->on_build) < 0 ? hoy_err_oom(change->planner->err)
										 : 0;
}

static int apply(struct change *change)
{
	switch (change->in->kind) {
	case HOY_DOCKERFILE_CMD:
		return change_cmd(change);
	case HOY_DOCKERFILE_ENTRYPOINT:
		return change_entrypoint(change);
	case HOY_DOCKERFILE_SHELL:
		return change_shell(change);
	case HOY_DOCKERFILE_ENV:
	case HOY_DOCKERFILE_LABEL:
		return change_pairs(change);
	case HOY_DOCKERFILE_EXPOSE:
		return change_expose(change);
	case HOY_DOCKERFILE_VOLUME:
		return change_volume(change);
	case HOY_DOCKERFILE_USER:
	case HOY_DOCKERFILE_STOPSIGNAL:
	case HOY_DOCKERFILE_MAINTAINER:
		return change_value(change);
	case HOY_DOCKERFILE_HEALTHCHECK:
		return change_healthcheck(change);
	case HOY_DOCKERFILE_ONBUILD:
		return change_onbuild(change);
	default:
		return PLAN_FAIL(change->planner, change->command, "%s can't stand here",
			hoy_dockerfile_kind_name(change->in->kind));
	}
}

int hoy_plan_meta(struct planner *planner, struct stage *stage, const struct command *command)
{
	struct change change = {
		.planner = planner,
		.stage = stage,
		.command = command,
		.in = command->instruction,
		.scope = { .planner = planner, .stage = stage, .command = command },
		.config = hoy_plan_edit_config(planner, stage),
	};
	struct hoy_build_step *step;
	int r = change.config ? apply(&change) : -ENOMEM;

	if (r == 0)
		r = hoy_buf_check(&change.created, "the history entry", planner->err);
	step = r == 0 ? hoy_plan_add_step(planner, stage, command, HOY_BUILD_META) : NULL;
	if (step) {
		step->created_by = change.created.data ? hoy_arena_strdup(&planner->arena, change.created.data) : NULL;
		step->title = command->instruction->text;
		step->key = "{\"op\":\"meta\"}";
	}
	hoy_buf_done(&change.created);
	if (r == 0 && !step)
		r = -ENOMEM;
	return r;
}
