/* Variables of a stage, and words with them put in. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "supervisor/build/plan_internal.h"
#include "supervisor/build/shell_words.h"
#include "supervisor/build/suggest.h"

const struct variable *hoy_plan_find(const struct variables *variables, const char *name, size_t len)
{
	for (size_t i = 0; i < variables->n; i++)
		if (strncmp(variables->list[i].name, name, len) == 0 && variables->list[i].name[len] == '\0')
			return &variables->list[i];
	return NULL;
}

int hoy_plan_set(struct planner *planner, struct variables *variables, const char *name, const char *value)
{
	struct variable *found = (struct variable *) (uintptr_t) hoy_plan_find(variables, name, strlen(name));

	if (found) {
		found->value = value;
		return 0;
	}
	if (variables->n >= HOY_BUILD_MAX_VARIABLES)
		return hoy_err_invalid(planner->err, "more than %d variables", HOY_BUILD_MAX_VARIABLES);
	if (!PLAN_ROOM(planner, variables->list, variables->n, variables->size))
		return hoy_err_oom(planner->err);
	variables->list[variables->n++] = (struct variable){ .name = name, .value = value };
	return 0;
}

const char *hoy_plan_build_arg(struct planner *planner, const char *name)
{
	char *const *args = planner->input->build_args;
	size_t len = strlen(name);

	for (size_t i = 0; args && args[i]; i++)
		if (strncmp(args[i], name, len) == 0 && (args[i][len] == '=' || args[i][len] == '\0')) {
			planner->used_args[i] = true;
			return args[i][len] == '=' ? args[i] + len + 1 : NULL;
		}
	return NULL;
}

bool hoy_plan_is_proxy(const char *name)
{
	static const char *const names[] = { "http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy" };

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strcasecmp(name, names[i]) == 0)
			return true;
	return false;
}

int hoy_plan_warn(struct planner *planner, const char *rule, const struct hoy_dockerfile_place *at, const char *text)
{
	if (planner->plan.n_warnings >= HOY_BUILD_MAX_WARNINGS)
		return 0;
	for (size_t i = 0; i < planner->plan.n_warnings; i++)
		if (strcmp(planner->warnings[i].text, text) == 0 && planner->warnings[i].at.line == at->line)
			return 0;
	if (!PLAN_ROOM(planner, planner->warnings, planner->plan.n_warnings, planner->size_warnings))
		return hoy_err_oom(planner->err);
	planner->warnings[planner->plan.n_warnings++] = (struct hoy_dockerfile_warning){
		.rule = rule, .text = text, .at = *at
	};
	planner->plan.warnings = planner->warnings;
	return 0;
}

char *const *hoy_plan_strv(struct planner *planner, const char *const *words, size_t n)
{
	return hoy_arena_grow(&planner->arena, words, n, n + 1, sizeof *words);
}

/* --- expansion --- */

static const char *on_get(void *userdata, const char *name, size_t len)
{
	const struct scope *scope = userdata;
	const struct variable *found = hoy_plan_find(
		scope->stage ? &scope->stage->env : &scope->planner->globals, name, len);

	return found ? found->value : NULL;
}

/* A variable nobody set: a remark, unless an ARG declares it without a value. */
static void on_unset(void *userdata, const char *name, size_t len)
{
	const struct scope *scope = userdata;
	struct planner *planner = scope->planner;
	const struct variables *known = scope->stage ? &scope->stage->env : &planner->globals;
	auto_free char *copy = strndup(name, len);
	const char **names = NULL, *near = NULL, *text;

	if (!copy || !scope->command || (scope->stage && hoy_plan_find(&scope->stage->args, name, len)))
		return;
	names = hoy_arena_alloc(&planner->arena, (known->n + 1) * sizeof *names);
	for (size_t i = 0; names && i < known->n; i++)
		names[i] = known->list[i].name;
	if (names)
		near = hoy_suggest(copy, names, known->n);
	text = hoy_arena_printf(&planner->arena, "Usage of undefined variable '$%s'%s%s%s", copy,
		near ? " (did you mean $" : "", near ? near : "", near ? "?)" : "");
	if (text)
		(void) hoy_plan_warn(planner, scope->stage ? "UndefinedVar" : "UndefinedArgInFrom",
			&scope->command->instruction->at, text);
}

static struct hoy_shell shell_of(const struct scope *scope)
{
	return (struct hoy_shell){
		.escape = scope->planner->input->file->escape,
		.get = on_get,
		.unset = on_unset,
		.userdata = (void *) (uintptr_t) scope,
	};
}

static int expand_failed(const struct scope *scope, const struct hoy_err *why, const char *text)
{
	if (!scope->command)
		return hoy_err_invalid(scope->planner->err, "%s: '%.100s'", why->msg, text);
	return PLAN_FAIL(scope->planner, scope->command, "%s: '%.100s'", why->msg, text);
}

static int expand(const struct scope *scope, const struct hoy_shell *shell, const char *text, const char **ret)
{
	struct hoy_err why = { 0 };
	auto_free char *word = NULL;

	if (hoy_shell_word(shell, text, &word, &why) < 0)
		return expand_failed(scope, &why, text);
	*ret = hoy_arena_strdup(&scope->planner->arena, word);
	return *ret ? 0 : hoy_err_oom(scope->planner->err);
}

int hoy_plan_expand(const struct scope *scope, const char *text, const char **ret)
{
	struct hoy_shell shell = shell_of(scope);

	return expand(scope, &shell, text, ret);
}

int hoy_plan_expand_body(const struct scope *scope, const char *text, const char **ret)
{
	struct hoy_shell shell = shell_of(scope);

	shell.escape = '\\';
	shell.ignore_quotes = true;
	return expand(scope, &shell, text, ret);
}

int hoy_plan_expand_words(const struct scope *scope, const char *text, char ***ret)
{
	struct hoy_shell shell = shell_of(scope);
	struct hoy_err why = { 0 };

	return hoy_shell_words(&shell, text, ret, &why) < 0 ? expand_failed(scope, &why, text) : 0;
}

const char *hoy_plan_expand_title(const struct scope *scope, const char *text)
{
	struct hoy_shell shell = shell_of(scope);
	auto_free char *word = NULL;

	shell.unset = NULL;
	shell.keep_unset = shell.keep_quotes = shell.keep_escapes = true;
	if (hoy_shell_word(&shell, text, &word, /* err= */ NULL) < 0)
		return text;
	return hoy_arena_strdup(&scope->planner->arena, word);
}
