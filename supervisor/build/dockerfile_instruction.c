/* One instruction: its keyword, its flags, and what each kind takes. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/build/dockerfile_internal.h"
#include "supervisor/build/suggest.h"

/* What parsing one instruction carries along. */
struct state {
	struct document *doc;
	struct text_cursor *cursor; /* where heredoc bodies begin */
	struct logical_line *line;
	struct hoy_dockerfile_instruction *out;
	const char *rest; /* the arguments, behind keyword and flags; in line->text */
	struct hoy_err *err;
};

#define FAIL(state, ...) hoy_dockerfile_err(&(state)->doc->file, &(state)->out->at, (state)->err, __VA_ARGS__)

/* A flag of an instruction and where its value goes in the union. */
enum flag_type { FLAG_TEXT, FLAG_BOOL, FLAG_WORDS, FLAG_OWN };
struct flag_rule {
	const char *name;
	enum flag_type type;
	size_t offset; /* of the member in struct hoy_dockerfile_instruction */
};
#define FLAG(name_, type_, member)                                                                                     \
	{                                                                                                              \
		.name = (name_), .type = (type_), .offset = offsetof(struct hoy_dockerfile_instruction, member)        \
	}

enum { MAX_FLAGS = 12 };
struct kind_rule {
	const char *name;
	int (*parse)(struct state *state);
	struct flag_rule flags[MAX_FLAGS];
	bool may_be_empty; /* without arguments */
	bool heredocs;
};
static const struct kind_rule rules[_HOY_DOCKERFILE_KIND_MAX];

const char *hoy_dockerfile_kind_name(enum hoy_dockerfile_kind kind)
{
	return kind < _HOY_DOCKERFILE_KIND_MAX ? rules[kind].name : "?";
}

/* --- flags --- */

static int parse_bool(struct state *state, const struct hoy_dockerfile_flag *flag, bool *ret)
{
	static const char *const truths[] = { "true", "1", "t", "T", "TRUE", "True" };
	static const char *const lies[] = { "false", "0", "f", "F", "FALSE", "False" };

	*ret = true;
	if (flag->bare)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(truths); i++) {
		if (strcmp(flag->value, truths[i]) == 0)
			return 0;
		if (strcmp(flag->value, lies[i]) == 0) {
			*ret = false;
			return 0;
		}
	}
	return hoy_dockerfile_err(&state->doc->file, &flag->at, state->err,
		"expecting boolean value for flag --%s, not: %.100s", flag->name, flag->value);
}

static int set_flag(struct state *state, const struct hoy_dockerfile_flag *flag, const struct flag_rule *rule)
{
	void *member = (char *) state->out + rule->offset;
	struct hoy_dockerfile_words *words = member;
	const char **list;

	if (rule->type == FLAG_BOOL)
		return parse_bool(state, flag, member);
	if (flag->bare)
		return hoy_dockerfile_err(
			&state->doc->file, &flag->at, state->err, "missing a value on flag: --%s", flag->name);
	if (rule->type == FLAG_TEXT)
		*(const char **) member = flag->value;
	if (rule->type != FLAG_WORDS)
		return 0;
	list = hoy_arena_grow(&state->doc->arena, words->words, words->n, words->n + 1, sizeof *list);
	if (!list)
		return hoy_err_oom(state->err);
	list[words->n++] = flag->value;
	words->words = list;
	return 0;
}

static int unknown_flag(struct state *state, const struct hoy_dockerfile_flag *flag, const struct kind_rule *rule)
{
	const char *names[MAX_FLAGS] = { NULL }, *near;

	for (size_t i = 0; i < MAX_FLAGS; i++)
		names[i] = rule->flags[i].name;
	near = hoy_suggest(flag->name, names, MAX_FLAGS);
	return hoy_dockerfile_err(&state->doc->file, &flag->at, state->err, "unknown flag of %s: --%.100s%s%s%s",
		rule->name, flag->name, near ? " (did you mean --" : "", near ? near : "", near ? "?)" : "");
}

static int set_flags(struct state *state, const struct kind_rule *rule)
{
	for (size_t i = 0; i < state->out->n_flags; i++) {
		const struct hoy_dockerfile_flag *flag = &state->out->flags[i];
		const struct flag_rule *found = NULL;
		int r;

		for (size_t j = 0; j < MAX_FLAGS && rule->flags[j].name && !found; j++)
			if (strcmp(rule->flags[j].name, flag->name) == 0)
				found = &rule->flags[j];
		if (!found)
			return unknown_flag(state, flag, rule);
		for (size_t j = 0; j < i && found->type != FLAG_WORDS; j++)
			if (strcmp(state->out->flags[j].name, flag->name) == 0)
				return hoy_dockerfile_err(&state->doc->file, &flag->at, state->err,
					"duplicate flag specified: --%s", flag->name);
		r = set_flag(state, flag, found);
		if (r < 0)
			return r;
	}
	return 0;
}

/* --- what stands in the arguments --- */

/* The exec form when it is a JSON list, else the text for a shell. */
static int read_command(struct state *state, const char *text, struct hoy_dockerfile_command *ret)
{
	struct hoy_err why = { 0 };
	int r = hoy_dockerfile_json(state->doc, text, &ret->args, &why);

	if (r < 0)
		return FAIL(state, "%s", why.msg);
	ret->shell = r == 0;
	ret->text = text;
	return 0;
}

/* A JSON list, or words. */
static int read_words(struct state *state, struct hoy_dockerfile_words *ret)
{
	struct hoy_err why = { 0 };
	int r = hoy_dockerfile_json(state->doc, state->rest, ret, &why);

	if (r < 0)
		return FAIL(state, "%s", why.msg);
	return r > 0 ? r : hoy_dockerfile_split(state->doc, state->rest, ret, state->err);
}

static int parse_command(struct state *state)
{
	return read_command(state, state->rest, &state->out->command);
}

static int parse_shell(struct state *state)
{
	int r = read_command(state, state->rest, &state->out->command);

	if (r == 0 && state->out->command.shell)
		return FAIL(state, "SHELL requires the arguments to be in JSON form: SHELL [\"/bin/bash\", \"-c\"]");
	if (r == 0 && state->out->command.args.n == 0)
		return FAIL(state, "SHELL requires at least one argument");
	return r;
}

static int read_heredocs(struct state *state)
{
	return hoy_dockerfile_read_heredocs(state->doc, state->cursor, state->line, &state->out->heredocs, state->err);
}

static int parse_run(struct state *state)
{
	struct hoy_dockerfile_run *run = &state->out->run;
	int r = read_command(state, state->rest, &run->command);

	if (r == 0 && run->command.shell)
		r = read_heredocs(state);
	if (r < 0)
		return r;
	if (run->network && strcmp(run->network, "default") != 0 && strcmp(run->network, "none") != 0 &&
		strcmp(run->network, "host") != 0)
		return FAIL(state, "unsupported network mode '%.100s': it is default, none or host", run->network);
	if (run->security && strcmp(run->security, "sandbox") != 0 && strcmp(run->security, "insecure") != 0)
		return FAIL(state, "unsupported security mode '%.100s': it is sandbox or insecure", run->security);
	return 0;
}

static int parse_copy(struct state *state)
{
	struct hoy_dockerfile_copy *copy = &state->out->copy;
	const char *name = rules[state->out->kind].name;
	struct hoy_dockerfile_words words;
	const char **sources;
	size_t n = 0;
	int r = read_words(state, &words);

	if (r == 0)
		r = read_heredocs(state);
	if (r < 0)
		return r;
	if (words.n < 2)
		return FAIL(state,
			"%s requires at least two arguments, but only one was provided: the destination is missing",
			name);
	sources = hoy_arena_alloc(&state->doc->arena, words.n * sizeof *sources);
	if (!sources)
		return hoy_err_oom(state->err);
	for (size_t i = 0; i + 1 < words.n; i++)
		if (state->out->heredocs.n == 0 || !hoy_dockerfile_is_heredoc(words.words[i]))
			sources[n++] = words.words[i];
	copy->sources = (struct hoy_dockerfile_words){ .words = sources, .n = n };
	copy->dest = words.words[words.n - 1];
	for (size_t i = 0; i < state->out->n_flags && state->out->kind == HOY_DOCKERFILE_ADD; i++)
		if (strcmp(state->out->flags[i].name, "unpack") == 0)
			copy->no_unpack = !copy->unpack;
	if (n == 0 && state->out->heredocs.n == 0)
		return FAIL(state, "%s has no source", name);
	return 0;
}

static int parse_pairs(struct state *state)
{
	const char *name = rules[state->out->kind].name;

	return hoy_dockerfile_split_pairs(state->doc, state->line, (size_t) (state->rest - state->line->text),
		/* bare= */ state->out->kind == HOY_DOCKERFILE_ARG, name, &state->out->pairs, state->err);
}

static int parse_expose(struct state *state)
{
	return hoy_dockerfile_split(state->doc, state->rest, &state->out->words, state->err);
}

static int parse_volume(struct state *state)
{
	int r = read_words(state, &state->out->words);

	if (r < 0)
		return r;
	if (state->out->words.n == 0)
		return FAIL(state, "VOLUME requires at least one argument");
	for (size_t i = 0; i < state->out->words.n; i++)
		if (!*state->out->words.words[i])
			return FAIL(state, "VOLUME specified can not be an empty string");
	return 0;
}

static int parse_value(struct state *state)
{
	state->out->value = state->rest;
	return 0;
}

static bool is_stage_name(const char *name)
{
	if (*name < 'a' || *name > 'z')
		return false;
	return name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] == '\0';
}

static int parse_from(struct state *state)
{
	struct hoy_dockerfile_from *from = &state->out->from;
	struct hoy_dockerfile_words words;
	int r = hoy_dockerfile_split(state->doc, state->rest, &words, state->err);
	char *name;

	if (r < 0)
		return r;
	if (words.n != 1 && (words.n != 3 || strcasecmp(words.words[1], "as") != 0))
		return FAIL(state, "FROM requires either one or three arguments: FROM image [AS name]");
	from->image = words.words[0];
	if (words.n == 1)
		return 0;
	from->name_written = words.words[2];
	name = hoy_arena_strdup(&state->doc->arena, from->name_written);
	if (!name)
		return hoy_err_oom(state->err);
	for (char *p = name; *p; p++)
		*p = (char) tolower((unsigned char) *p);
	from->name = name;
	if (!is_stage_name(name))
		return FAIL(state,
			"invalid name for build stage: '%.100s', a name begins with a letter and has letters, digits, '-', '_' and '.'",
			words.words[2]);
	return 0;
}

static int parse_onbuild(struct state *state)
{
	static const char *const refused[] = { "ONBUILD", "FROM", "MAINTAINER" };
	const char *text = state->rest;
	size_t len = strcspn(text, " \t\v\f\r");
	auto_free char *word = strndup(text, len);
	size_t known = 0;

	if (!word)
		return hoy_err_oom(state->err);
	if (strcasecmp(word, "ONBUILD") == 0)
		return FAIL(state, "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		if (strcasecmp(word, refused[i]) == 0)
			return FAIL(state, "%s isn't allowed as an ONBUILD trigger", refused[i]);
	while (known < _HOY_DOCKERFILE_KIND_MAX && strcasecmp(word, rules[known].name) != 0)
		known++;
	if (known == _HOY_DOCKERFILE_KIND_MAX)
		return FAIL(state, "unknown instruction: %.100s", word);
	state->out->on_build = text;
	if (rules[known].heredocs && strstr(text, "<<")) {
		auto_(hoy_buf_done) struct hoy_buf whole = { 0 };
		int r = read_heredocs(state);

		if (r < 0)
			return r;
		(void) hoy_buf_adds(&whole, text);
		for (size_t i = 0; i < state->out->heredocs.n; i++)
			(void) hoy_buf_addf(
				&whole, "\n%s%s", state->out->heredocs.list[i].raw, state->out->heredocs.list[i].name);
		state->out->on_build = whole.data ? hoy_arena_strdup(&state->doc->arena, whole.data) : NULL;
		if (hoy_buf_check(&whole, "the trigger", state->err) < 0)
			return -EMSGSIZE;
	}
	return state->out->on_build ? 0 : hoy_err_oom(state->err);
}

/* --- HEALTHCHECK --- */

static int health_flags(struct state *state)
{
	struct hoy_dockerfile_healthcheck *check = &state->out->healthcheck;

	for (size_t i = 0; i < state->out->n_flags; i++) {
		const struct hoy_dockerfile_flag *flag = &state->out->flags[i];
		int64_t *to = strcmp(flag->name, "interval") == 0       ? &check->interval
			      : strcmp(flag->name, "timeout") == 0      ? &check->timeout
			      : strcmp(flag->name, "start-period") == 0 ? &check->start_period
			      : strcmp(flag->name, "retries") == 0      ? NULL
									: &check->start_interval;

		if (!to && (hoy_str_to_i64(flag->value, &check->retries) < 0 || check->retries < 0 ||
				   check->retries > INT32_MAX))
			return hoy_dockerfile_err(&state->doc->file, &flag->at, state->err,
				"--retries must be a number, at least 0, not '%.100s'", flag->value);
		if (to && hoy_str_to_duration(flag->value, to) < 0)
			return hoy_dockerfile_err(&state->doc->file, &flag->at, state->err,
				"--%s: '%.100s' is no duration, as 30s or 1m30s", flag->name, flag->value);
		if (to && *to != 0 && *to < 1000 * 1000)
			return hoy_dockerfile_err(&state->doc->file, &flag->at, state->err,
				"--%s: '%.100s' cannot be less than 1ms", flag->name, flag->value);
	}
	return 0;
}

static int parse_healthcheck(struct state *state)
{
	struct hoy_dockerfile_healthcheck *check = &state->out->healthcheck;
	size_t len = strcspn(state->rest, " \t\v\f\r");
	const char *command = state->rest + len + strspn(state->rest + len, " \t\v\f\r");

	if (len == 4 && strncasecmp(state->rest, "NONE", len) == 0) {
		check->none = true;
		return *command || state->out->n_flags > 0 ? FAIL(state, "HEALTHCHECK NONE takes no arguments") : 0;
	}
	if (len != 3 || strncasecmp(state->rest, "CMD", len) != 0)
		return FAIL(state, "unknown type '%.*s' of HEALTHCHECK (try CMD or NONE)", (int) MIN(len, (size_t) 100),
			state->rest);
	if (!*command)
		return FAIL(state, "missing command after HEALTHCHECK CMD");
	if (read_command(state, command, &check->command) < 0)
		return -EINVAL;
	if (!check->command.shell && check->command.args.n == 0)
		return FAIL(state, "missing command after HEALTHCHECK CMD");
	return health_flags(state);
}

/* --- the table --- */

#define COPY_FLAGS                                                                                                     \
	FLAG("chown", FLAG_TEXT, copy.chown), FLAG("chmod", FLAG_TEXT, copy.chmod),                                    \
		FLAG("link", FLAG_BOOL, copy.link), FLAG("exclude", FLAG_WORDS, copy.excludes)

static const struct kind_rule rules[_HOY_DOCKERFILE_KIND_MAX] = {
	[HOY_DOCKERFILE_ADD] = { .name = "ADD",
		.parse = parse_copy,
		.heredocs = true,
		.flags = { COPY_FLAGS, FLAG("checksum", FLAG_TEXT, copy.checksum),
			FLAG("keep-git-dir", FLAG_BOOL, copy.keep_git_dir), FLAG("unpack", FLAG_BOOL, copy.unpack) } },
	[HOY_DOCKERFILE_ARG] = { .name = "ARG", .parse = parse_pairs },
	[HOY_DOCKERFILE_CMD] = { .name = "CMD", .parse = parse_command, .may_be_empty = true },
	[HOY_DOCKERFILE_COPY] = { .name = "COPY",
		.parse = parse_copy,
		.heredocs = true,
		.flags = { COPY_FLAGS, FLAG("from", FLAG_TEXT, copy.from), FLAG("parents", FLAG_BOOL, copy.parents) } },
	[HOY_DOCKERFILE_ENTRYPOINT] = { .name = "ENTRYPOINT", .parse = parse_command, .may_be_empty = true },
	[HOY_DOCKERFILE_ENV] = { .name = "ENV", .parse = parse_pairs },
	[HOY_DOCKERFILE_EXPOSE] = { .name = "EXPOSE", .parse = parse_expose },
	[HOY_DOCKERFILE_FROM] = { .name = "FROM",
		.parse = parse_from,
		.flags = { FLAG("platform", FLAG_TEXT, from.platform) } },
	[HOY_DOCKERFILE_HEALTHCHECK] = { .name = "HEALTHCHECK",
		.parse = parse_healthcheck,
		.flags = { FLAG("interval", FLAG_OWN, kind), FLAG("timeout", FLAG_OWN, kind),
			FLAG("start-period", FLAG_OWN, kind), FLAG("start-interval", FLAG_OWN, kind),
			FLAG("retries", FLAG_OWN, kind) } },
	[HOY_DOCKERFILE_LABEL] = { .name = "LABEL", .parse = parse_pairs },
	[HOY_DOCKERFILE_MAINTAINER] = { .name = "MAINTAINER", .parse = parse_value },
	[HOY_DOCKERFILE_ONBUILD] = { .name = "ONBUILD", .parse = parse_onbuild },
	[HOY_DOCKERFILE_RUN] = { .name = "RUN",
		.parse = parse_run,
		.heredocs = true,
		.flags = { FLAG("mount", FLAG_WORDS, run.mounts), FLAG("network", FLAG_TEXT, run.network),
			FLAG("security", FLAG_TEXT, run.security), FLAG("device", FLAG_WORDS, run.devices) } },
	[HOY_DOCKERFILE_SHELL] = { .name = "SHELL", .parse = parse_shell },
	[HOY_DOCKERFILE_STOPSIGNAL] = { .name = "STOPSIGNAL", .parse = parse_value },
	[HOY_DOCKERFILE_USER] = { .name = "USER", .parse = parse_value },
	[HOY_DOCKERFILE_VOLUME] = { .name = "VOLUME", .parse = parse_volume },
	[HOY_DOCKERFILE_WORKDIR] = { .name = "WORKDIR", .parse = parse_value },
};

static int find_kind(struct state *state, const char *keyword)
{
	const char *names[_HOY_DOCKERFILE_KIND_MAX], *near;

	for (size_t i = 0; i < _HOY_DOCKERFILE_KIND_MAX; i++) {
		if (strcasecmp(keyword, rules[i].name) == 0)
			return (int) i;
		names[i] = rules[i].name;
	}
	near = hoy_suggest(keyword, names, ARRAY_LEN(names));
	return FAIL(state, "unknown instruction: %.100s%s%s%s", keyword, near ? " (did you mean " : "",
		near ? near : "", near ? "?)" : "");
}

int hoy_dockerfile_parse_instruction(struct document *doc, struct text_cursor *cursor, struct logical_line *line,
	struct hoy_dockerfile_instruction *ret, struct hoy_err *err)
{
	struct state state = { .doc = doc, .cursor = cursor, .line = line, .out = ret, .err = err };
	size_t keyword = strcspn(line->text, " \t\v\f\r"), offset = keyword;
	int kind, r;

	*ret = (struct hoy_dockerfile_instruction){ .text = line->text };
	ret->keyword = hoy_arena_strndup(&doc->arena, line->text, keyword);
	if (!ret->keyword)
		return hoy_err_oom(err);
	ret->at = hoy_dockerfile_line_place(line, 0, keyword);
	kind = find_kind(&state, ret->keyword);
	if (kind < 0)
		return kind;
	ret->kind = (enum hoy_dockerfile_kind) kind;
	r = hoy_dockerfile_split_flags(doc, line, &offset, &ret->flags, &ret->n_flags, err);
	if (r < 0)
		return r;
	state.rest = line->text + offset;
	r = set_flags(&state, &rules[kind]);
	if (r == 0 && !*state.rest && !rules[kind].may_be_empty)
		return FAIL(&state, "%s requires %s", rules[kind].name,
			kind == HOY_DOCKERFILE_COPY || kind == HOY_DOCKERFILE_ADD ? "at least two arguments"
			: rules[kind].parse == parse_value                        ? "exactly one argument"
										  : "at least one argument");
	if (r == 0)
		r = rules[kind].parse(&state);
	if (r == 0) {
		ret->at = hoy_dockerfile_line_place(line, 0, line->len);
		if (ret->heredocs.n > 0) {
			ret->at.end_line = line->last;
			ret->at.end_column = 1;
		}
	}
	return r;
}
