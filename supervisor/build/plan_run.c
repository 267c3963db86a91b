/* RUN: arguments, environment, mounts, heredocs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/build/plan_internal.h"
#include "supervisor/build/plan_mount.h"

/* The text a shell gets: the line, or what its heredocs make of it. *ret_script is set when one is a program. */
static int shell_text(struct planner *planner, const struct hoy_dockerfile_instruction *in, const char **ret,
	const struct hoy_build_file **ret_script)
{
	const struct hoy_dockerfile_heredocs *docs = &in->heredocs;
	const char *text = in->run.command.text, *word = text + strspn(text, "0123456789");
	auto_(hoy_buf_done) struct hoy_buf whole = { 0 };
	struct hoy_build_file *script;

	*ret = text;
	if (docs->n == 0)
		return 0;
	/* `RUN <<EOF` alone: the body is the script. */
	if (docs->n == 1 && strncmp(word, "<<", 2) == 0 && !strpbrk(word + 2 + strspn(word + 2, "- \t"), " \t")) {
		*ret = docs->list[0].content;
		if (strncmp(docs->list[0].content, "#!", 2) != 0)
			return 0;
		script = hoy_arena_alloc(&planner->arena, sizeof *script);
		if (!script)
			return hoy_err_oom(planner->err);
		script->name = hoy_arena_printf(&planner->arena, "/dev/pipes/%s", docs->list[0].name);
		script->content = docs->list[0].content;
		script->len = strlen(script->content);
		*ret_script = script;
		*ret = script->name;
		return script->name ? 0 : hoy_err_oom(planner->err);
	}
	(void) hoy_buf_adds(&whole, text);
	for (size_t i = 0; i < docs->n; i++) {
		(void) hoy_buf_addc(&whole, '\n');
		(void) hoy_buf_adds(&whole, docs->list[i].raw);
		(void) hoy_buf_adds(&whole, docs->list[i].name);
	}
	*ret = whole.data ? hoy_arena_strdup(&planner->arena, whole.data) : NULL;
	return *ret ? 0 : hoy_err_oom(planner->err);
}

/* What the process sees: ENV and ARG, then proxies of the build. */
static int set_env(struct planner *planner, const struct stage *stage, struct hoy_build_run *run)
{
	char *const *args = planner->input->build_args;
	size_t n = 0, most = stage->env.n + hoy_strv_len(args);
	const char **env = hoy_arena_alloc(&planner->arena, (most + 1) * sizeof *env);

	if (!env)
		return hoy_err_oom(planner->err);
	for (size_t i = 0; i < stage->env.n; i++) {
		env[n] = hoy_arena_printf(&planner->arena, "%s=%s", stage->env.list[i].name, stage->env.list[i].value);
		if (!env[n++])
			return hoy_err_oom(planner->err);
	}
	for (size_t i = 0; args && args[i]; i++) {
		auto_free char *name = strndup(args[i], strcspn(args[i], "="));

		if (name && strchr(args[i], '=') && hoy_plan_is_proxy(name) &&
			!hoy_plan_find(&stage->env, name, strlen(name))) {
			env[n++] = hoy_arena_strdup(&planner->arena, args[i]);
			planner->used_args[i] = true;
		}
	}
	run->env = (char *const *) env;
	return 0;
}

static int set_mounts(
	struct planner *planner, struct stage *stage, const struct command *command, struct hoy_build_run *run)
{
	const struct hoy_dockerfile_words *texts = &command->instruction->run.mounts;
	struct hoy_build_mount *mounts = hoy_arena_alloc(&planner->arena, (texts->n + 1) * sizeof *mounts);
	int r = mounts ? 0 : hoy_err_oom(planner->err);

	for (size_t i = 0; r == 0 && i < texts->n; i++)
		r = hoy_plan_mount(planner, stage, command, texts->words[i], command->sources[i], &mounts[i]);
	run->mounts = mounts;
	run->n_mounts = texts->n;
	return r;
}

static int check_rights(struct planner *planner, const struct command *command, const struct hoy_build_run *run)
{
	if (run->insecure && !planner->input->allow_insecure)
		return PLAN_FAIL(planner, command,
			"RUN --security=insecure needs the entitlement security.insecure (--allow security.insecure)");
	if (strcmp(run->network, "host") == 0 && command->instruction->run.network &&
		!planner->input->allow_host_network)
		return PLAN_FAIL(planner, command,
			"RUN --network=host needs the entitlement network.host (--allow network.host)");
	if (command->instruction->run.devices.n > 0)
		return PLAN_FAIL(planner, command, "RUN --device is not supported");
	return 0;
}

/* The key holds what decides the result: not proxies, not where a secret's value comes from. */
static const char *run_key(struct planner *planner, const struct stage *stage, const struct hoy_build_run *run)
{
	auto_(hoy_buf_done) struct hoy_buf key = { 0 };
	struct hoy_json_writer w = { .buf = &key };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "run");
	hoy_json_add_strv(&w, "args", run->args);
	hoy_json_array(&w, "env");
	for (size_t i = 0; i < stage->env.n; i++)
		hoy_json_add_string(&w, NULL, run->env[i]);
	hoy_json_end(&w);
	hoy_json_add_string(&w, "cwd", run->cwd);
	hoy_json_add_string(&w, "user", run->user);
	hoy_json_add_string(&w, "network", run->network);
	hoy_json_add_bool(&w, "insecure", run->insecure);
	hoy_json_add_string(&w, "script", run->script ? run->script->content : NULL);
	hoy_json_array(&w, "mounts");
	for (size_t i = 0; i < run->n_mounts; i++) {
		const struct hoy_build_mount *mount = &run->mounts[i];

		hoy_json_object(&w, NULL);
		hoy_json_add_i64(&w, "type", mount->type);
		hoy_json_add_string(&w, "source", mount->source);
		hoy_json_add_string(&w, "target", mount->target);
		hoy_json_add_string(&w, "id", mount->id);
		hoy_json_add_string(&w, "env", mount->env);
		hoy_json_add_bool(&w, "ro", mount->read_only);
		hoy_json_add_i64(&w, "size", mount->size);
		hoy_json_end(&w);
	}
	hoy_json_end(&w);
	hoy_json_end(&w);
	return key.data && !key.failed ? hoy_arena_strdup(&planner->arena, key.data) : NULL;
}

/* "RUN |1 VERSION=2 /bin/sh -c make # buildkit" */
static const char *created_by(struct planner *planner, const struct stage *stage, const struct hoy_build_run *run)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	(void) hoy_buf_adds(&text, "RUN");
	if (stage->args.n > 0)
		(void) hoy_buf_addf(&text, " |%zu", stage->args.n);
	for (size_t i = 0; i < stage->args.n; i++) {
		const struct variable *arg = &stage->args.list[i];
		const struct variable *now = hoy_plan_find(&stage->env, arg->name, strlen(arg->name));
		const char *value = now ? now->value : arg->value;

		(void) hoy_buf_addf(&text, " %s=", arg->name);
		(void) hoy_buf_adds(&text, value ? value : "");
	}
	for (size_t i = 0; run->args[i]; i++) {
		(void) hoy_buf_addc(&text, ' ');
		(void) hoy_buf_adds(&text, run->args[i]);
	}
	(void) hoy_buf_adds(&text, " # buildkit");
	return text.failed ? NULL : hoy_arena_strdup(&planner->arena, text.data);
}

/* "RUN <<EOF (first line...)" */
static const char *run_title(struct planner *planner, struct stage *stage, const struct command *command)
{
	const struct hoy_dockerfile_instruction *in = command->instruction;
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	const char *text = hoy_plan_expand_title(&scope, in->run.command.text), *body;
	size_t len;

	if (text && in->heredocs.n > 0) {
		body = in->heredocs.list[0].content + strspn(in->heredocs.list[0].content, " \t\r\n");
		len = strcspn(body, "\r\n");
		text = hoy_arena_printf(&planner->arena, "%s (%.*s%s)", text, (int) MIN(len, (size_t) 1000), body,
			body[len] && body[len + strspn(body + len, " \t\r\n")] ? "..." : "");
	}
	text = text ? hoy_arena_printf(&planner->arena, "RUN %s", text) : NULL;
	for (size_t i = in->n_flags; text && i > 0; i--)
		text = hoy_arena_printf(
			&planner->arena, "RUN --%s=%s%s", in->flags[i - 1].name, in->flags[i - 1].value, text + 3);
	return text ? hoy_plan_title(planner, stage, command, text) : NULL;
}

int hoy_plan_run(struct planner *planner, struct stage *stage, const struct command *command)
{
	const struct hoy_dockerfile_instruction *in = command->instruction;
	struct hoy_build_run run = { 0 };
	struct hoy_build_step *step;
	const char *text;
	int r = shell_text(planner, in, &text, &run.script);

	if (r < 0)
		return r;
	run.args = hoy_plan_command_args(planner, stage, &in->run.command, text);
	run.cwd = hoy_plan_path(planner, stage, "");
	run.user = stage->config->user ? stage->config->user : "";
	run.network = in->run.network                   ? in->run.network
		      : planner->input->default_network ? planner->input->default_network
							: "default";
	run.insecure = in->run.security && strcmp(in->run.security, "insecure") == 0;
	if (!run.args || !run.cwd)
		return hoy_err_oom(planner->err);
	if (!run.args[0])
		return PLAN_FAIL(planner, command, "RUN has no command");
	r = check_rights(planner, command, &run);
	if (r == 0)
		r = set_env(planner, stage, &run);
	if (r == 0)
		r = set_mounts(planner, stage, command, &run);
	if (r < 0)
		return r;
	step = hoy_plan_add_step(planner, stage, command, HOY_BUILD_RUN);
	if (!step)
		return -ENOMEM;
	step->run = run;
	step->empty_layer = false;
	step->key = run_key(planner, stage, &run);
	step->created_by = created_by(planner, stage, &run);
	step->title = run_title(planner, stage, command);
	return step->key && step->created_by && step->title ? 0 : hoy_err_oom(planner->err);
}
