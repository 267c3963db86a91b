/* A stage from its base to its last instruction: one step after the other. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/build/plan_internal.h"

static const char default_path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static struct hoy_build_step *new_step(struct planner *planner, enum hoy_build_step_kind kind)
{
	struct hoy_build_step *step;

	if (planner->plan.n_steps >= HOY_BUILD_MAX_STEPS) {
		hoy_err_invalid(planner->err, "more than %d steps", HOY_BUILD_MAX_STEPS);
		return NULL;
	}
	if (!PLAN_ROOM(planner, planner->steps, planner->plan.n_steps, planner->size_steps)) {
		hoy_err_oom(planner->err);
		return NULL;
	}
	planner->plan.steps = planner->steps;
	step = &planner->steps[planner->plan.n_steps++];
	*step = (struct hoy_build_step){ .kind = kind, .parent = HOY_BUILD_NO_STEP, .empty_layer = true };
	return step;
}

struct hoy_build_step *hoy_plan_add_step(
	struct planner *planner, struct stage *stage, const struct command *command, enum hoy_build_step_kind kind)
{
	struct hoy_build_step *step = new_step(planner, kind);

	if (!step)
		return NULL;
	step->parent = stage->step;
	step->stage = stage->name;
	step->stage_index = stage->index;
	step->platform = stage->platform_text;
	step->config = stage->config;
	step->no_cache = stage->no_cache;
	step->instruction = command ? command->instruction : NULL;
	step->at = command && !command->on_build ? command->instruction->at : stage->at;
	stage->step = planner->plan.n_steps - 1;
	return step;
}

const char *hoy_plan_title(
	struct planner *planner, struct stage *stage, const struct command *command, const char *text)
{
	bool named = planner->input->file->n_stages > 1;
	char total[24];
	int width = snprintf(total, sizeof total, "%zu", stage->total);

	return hoy_arena_printf(&planner->arena, "[%s%s%*zu/%s] %s%s", named ? stage->name : "", named ? " " : "",
		width, ++stage->done, total, command && command->on_build ? "ONBUILD " : "", text);
}

const char *hoy_plan_path(struct planner *planner, const struct stage *stage, const char *path)
{
	const char *cwd = stage->config && stage->config->working_dir && *stage->config->working_dir
				  ? stage->config->working_dir
				  : "/";
	auto_free char *joined = hoy_path_join(cwd, *path ? path : ".");
	auto_free char *rooted = joined ? hoy_path_join("/", joined) : NULL;
	auto_free char *clean = rooted ? hoy_path_clean(rooted) : NULL;
	char *copy = clean ? hoy_arena_strdup(&planner->arena, clean) : NULL;

	if (!copy)
		hoy_err_oom(planner->err);
	return copy;
}

/* --- where a stage begins --- */

/* The base's configuration as a build goes on from it: a PATH, an absolute directory, no triggers. */
static int base_config(struct planner *planner, struct stage *stage)
{
	const struct hoy_oci_image_config *image = stage->image ? stage->image->config : NULL;
	struct hoy_oci_image_run *config;
	const char *cwd;

	stage->config = image ? image->config : NULL;
	config = hoy_plan_edit_config(planner, stage);
	if (!config)
		return -ENOMEM;
	hoy_strv_free(config->on_build);
	config->on_build = NULL;
	if (!hoy_env_get(config->env, "PATH") && hoy_strv_add(&config->env, default_path) < 0)
		return hoy_err_oom(planner->err);
	if (image && (!config->working_dir || !*config->working_dir))
		return 0;
	cwd = hoy_plan_path(planner, stage, "");
	free(config->working_dir);
	config->working_dir = cwd ? strdup(cwd) : NULL;
	return config->working_dir ? 0 : hoy_err_oom(planner->err);
}

static struct hoy_build_step *find_image_step(struct planner *planner, const struct stage *stage)
{
	for (size_t i = 0; i < planner->plan.n_steps; i++) {
		struct hoy_build_step *step = &planner->steps[i];

		if (step->kind == HOY_BUILD_IMAGE && stage->reference &&
			strcmp(step->image.reference, stage->reference) == 0 &&
			strcmp(step->platform, stage->platform_text) == 0)
			return step;
		if (step->kind == HOY_BUILD_SCRATCH && !stage->reference &&
			strcmp(step->platform, stage->platform_text) == 0)
			return step;
	}
	return NULL;
}

/* The step of an image or of nothing; the same for all who begin there. */
static int image_step(struct planner *planner, struct stage *stage)
{
	struct hoy_build_step *step = find_image_step(planner, stage);
	const char *text;

	if (step) {
		stage->step = (size_t) (step - planner->steps);
		stage->config = step->config;
		stage->done += stage->reference && stage->source;
		return 0;
	}
	if (base_config(planner, stage) < 0)
		return -ENOMEM;
	step = hoy_plan_add_step(
		planner, stage, /* command= */ NULL, stage->reference ? HOY_BUILD_IMAGE : HOY_BUILD_SCRATCH);
	if (!step)
		return -ENOMEM;
	step->parent = HOY_BUILD_NO_STEP;
	step->instruction = stage->source ? stage->source->from : NULL;
	step->no_cache = false;
	if (!stage->source)
		step->stage = NULL;
	if (!stage->reference) {
		step->title = "FROM scratch";
		step->key = "{\"op\":\"scratch\"}";
		return 0;
	}
	step->image.reference = stage->reference;
	step->image.resolved = stage->image;
	text = hoy_arena_printf(&planner->arena, "FROM %s", stage->reference);
	step->title = text && stage->source ? hoy_plan_title(planner, stage, /* command= */ NULL, text) : text;
	step->key = hoy_arena_printf(&planner->arena, "{\"op\":\"image\",\"platform\":\"%s\",\"image\":\"%s\"}",
		stage->platform_text, stage->image->digest ? stage->image->digest : stage->reference);
	return step->title && step->key ? 0 : hoy_err_oom(planner->err);
}

/* What a COPY or mount takes of a context, so that only that needs to come. */
static int add_context_path(struct planner *planner, struct hoy_build_step *step, const char *path)
{
	const char **paths;
	size_t n = hoy_strv_len(step->context.paths);

	for (size_t i = 0; i < n; i++)
		if (!*step->context.paths[i] || strcmp(step->context.paths[i], path) == 0)
			return 0;
	if (!*path)
		n = 0;
	paths = hoy_arena_grow(&planner->arena, step->context.paths, n, n + 2, sizeof *paths);
	if (!paths)
		return hoy_err_oom(planner->err);
	paths[n] = path;
	step->context.paths = (char *const *) paths;
	return 0;
}

int hoy_plan_context_step(
	struct planner *planner, const struct hoy_build_named_context *context, const char *path, size_t *ret)
{
	const char *name = context ? context->name : "context";
	struct hoy_build_step *step = NULL;
	auto_(hoy_buf_done) struct hoy_buf key = { 0 };
	struct hoy_json_writer w = { .buf = &key };

	for (size_t i = 0; i < planner->plan.n_steps && !step; i++)
		if (planner->steps[i].kind == HOY_BUILD_CONTEXT && !planner->steps[i].context.value == !context &&
			strcmp(planner->steps[i].context.name, name) == 0)
			step = &planner->steps[i];
	if (!step) {
		step = new_step(planner, HOY_BUILD_CONTEXT);
		if (!step)
			return -ENOMEM;
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "op", "context");
		hoy_json_add_string(&w, "name", name);
		hoy_json_end(&w);
		step->context.name = name;
		step->context.value = context ? context->value : NULL;
		step->context.paths = hoy_plan_strv(planner, NULL, 0);
		step->key = key.data ? hoy_arena_strdup(&planner->arena, key.data) : NULL;
		step->title = context ? hoy_arena_printf(&planner->arena, "[context %s] load from client", name)
				      : "[internal] load build context";
		if (!step->title || !step->key || !step->context.paths)
			return hoy_err_oom(planner->err);
	}
	*ret = (size_t) (step - planner->steps);
	return add_context_path(planner, step, path);
}

int hoy_plan_stage_step(struct planner *planner, struct stage *stage, size_t *ret)
{
	int r = 0;

	if (stage->context && stage->step == HOY_BUILD_NO_STEP) {
		r = hoy_plan_context_step(planner, stage->context, "", &stage->step);
		if (r == 0)
			r = base_config(planner, stage);
	}
	if (r == 0 && stage->step == HOY_BUILD_NO_STEP)
		r = image_step(planner, stage);
	*ret = stage->step;
	return r;
}

/* --- WORKDIR, ARG --- */

static int walk_workdir(struct planner *planner, struct stage *stage, const struct command *command)
{
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	struct hoy_oci_image_run *config;
	struct hoy_build_step *step;
	const char *value, *path, *title;
	int r = hoy_plan_expand(&scope, command->instruction->value, &value);

	if (r < 0)
		return r;
	path = hoy_plan_path(planner, stage, value);
	config = path ? hoy_plan_edit_config(planner, stage) : NULL;
	if (!config)
		return -ENOMEM;
	free(config->working_dir);
	config->working_dir = strdup(path);
	title = hoy_arena_printf(&planner->arena, "WORKDIR %s", value);
	step = hoy_plan_add_step(planner, stage, command, strcmp(path, "/") == 0 ? HOY_BUILD_META : HOY_BUILD_WORKDIR);
	if (!step || !config->working_dir || !title)
		return hoy_err_oom(planner->err);
	step->title = hoy_plan_title(planner, stage, command, title);
	step->created_by = hoy_arena_printf(&planner->arena, "WORKDIR %s", path);
	step->empty_layer = step->kind == HOY_BUILD_META;
	if (step->kind == HOY_BUILD_WORKDIR) {
		auto_(hoy_buf_done) struct hoy_buf key = { 0 };
		struct hoy_json_writer w = { .buf = &key };

		step->workdir.path = path;
		step->workdir.user = config->user ? hoy_arena_strdup(&planner->arena, config->user) : "";
		hoy_json_object(&w, NULL);
		hoy_json_add_string(&w, "op", "workdir");
		hoy_json_add_string(&w, "path", path);
		hoy_json_add_string(&w, "user", config->user ? config->user : "");
		hoy_json_end(&w);
		step->key = key.data ? hoy_arena_strdup(&planner->arena, key.data) : NULL;
	} else {
		step->key = "{\"op\":\"meta\"}";
	}
	return step->title && step->created_by && step->key ? 0 : hoy_err_oom(planner->err);
}

/* Given value, default, or that of a global ARG of the name. */
static int arg_value(const struct scope *scope, const struct hoy_dockerfile_pair *pair, const char **ret)
{
	const struct variable *global;

	*ret = hoy_plan_build_arg(scope->planner, pair->key);
	if (*ret)
		return 0;
	if (pair->value)
		return hoy_plan_expand(scope, pair->value, ret);
	global = hoy_plan_find(&scope->planner->globals, pair->key, strlen(pair->key));
	*ret = global ? global->value : NULL;
	return 0;
}

static int walk_arg(struct planner *planner, struct stage *stage, const struct command *command)
{
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	const struct hoy_dockerfile_pairs *pairs = &command->instruction->pairs;
	auto_(hoy_buf_done) struct hoy_buf created = { 0 };
	struct hoy_build_step *step;
	int r = hoy_buf_adds(&created, "ARG");

	for (size_t i = 0; r == 0 && i < pairs->n; i++) {
		const char *value;

		r = arg_value(&scope, &pairs->list[i], &value);
		if (r == 0)
			r = hoy_plan_set(planner, &stage->args, pairs->list[i].key, value);
		if (r == 0 && value)
			r = hoy_plan_set(planner, &stage->env, pairs->list[i].key, value);
		(void) hoy_buf_addf(&created, " %s", pairs->list[i].key);
		if (r == 0 && value) {
			(void) hoy_buf_addc(&created, '=');
			(void) hoy_buf_adds(&created, value);
		}
	}
	if (r == 0)
		r = hoy_buf_check(&created, "the ARG", planner->err);
	if (r < 0)
		return r;
	step = hoy_plan_add_step(planner, stage, command, HOY_BUILD_META);
	if (!step)
		return -ENOMEM;
	step->title = step->created_by = hoy_arena_strdup(&planner->arena, created.data);
	step->key = "{\"op\":\"meta\"}";
	return step->title ? 0 : hoy_err_oom(planner->err);
}

/* --- the walk --- */

static int walk_command(struct planner *planner, struct stage *stage, const struct command *command)
{
	switch (command->instruction->kind) {
	case HOY_DOCKERFILE_RUN:
		return hoy_plan_run(planner, stage, command);
	case HOY_DOCKERFILE_COPY:
	case HOY_DOCKERFILE_ADD:
		return hoy_plan_copy(planner, stage, command);
	case HOY_DOCKERFILE_WORKDIR:
		return walk_workdir(planner, stage, command);
	case HOY_DOCKERFILE_ARG:
		return walk_arg(planner, stage, command);
	default:
		return hoy_plan_meta(planner, stage, command);
	}
}

/* How many steps progress counts, as docker does. */
static size_t count_steps(const struct stage *stage)
{
	size_t n = stage->reference ? 1 : 0;

	for (size_t i = 0; i < stage->n_commands; i++) {
		enum hoy_dockerfile_kind kind = stage->commands[i].instruction->kind;

		n += kind == HOY_DOCKERFILE_RUN || kind == HOY_DOCKERFILE_COPY || kind == HOY_DOCKERFILE_ADD ||
		     kind == HOY_DOCKERFILE_WORKDIR;
	}
	return n;
}

static int copy_variables(struct planner *planner, const struct variables *from, struct variables *to)
{
	*to = *from;
	to->list = hoy_arena_grow(&planner->arena, from->list, from->n, from->n + 8, sizeof *to->list);
	to->size = from->n + 8;
	return to->list ? 0 : hoy_err_oom(planner->err);
}

static int set_config_env(struct planner *planner, struct stage *stage)
{
	char *const *env = stage->config ? stage->config->env : NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && env && env[i]; i++) {
		char *name = hoy_arena_strdup(&planner->arena, env[i]);
		char *equals = name ? strchr(name, '=') : NULL;

		if (!name)
			return hoy_err_oom(planner->err);
		if (!equals)
			continue;
		*equals = '\0';
		r = hoy_plan_set(planner, &stage->env, name, equals + 1);
	}
	return r;
}

static bool is_uncached(const struct planner *planner, const struct stage *stage)
{
	if (planner->input->no_cache)
		return true;
	return planner->input->no_cache_filter && stage->alias &&
	       hoy_strv_has((char **) (uintptr_t) planner->input->no_cache_filter, stage->alias);
}

static int begin_stage(struct planner *planner, struct stage *stage)
{
	size_t step;
	int r = 0;

	stage->total = count_steps(stage);
	stage->no_cache = is_uncached(planner, stage);
	if (!stage->base) {
		r = hoy_plan_stage_step(planner, stage, &step);
		return r < 0 ? r : set_config_env(planner, stage);
	}
	stage->step = stage->base->step;
	stage->config = stage->base->config;
	stage->author = stage->base->author;
	r = copy_variables(planner, &stage->base->env, &stage->env);
	if (r == 0)
		r = copy_variables(planner, &stage->base->args, &stage->args);
	if (r == 0 && stage->config->on_build) {
		struct hoy_oci_image_run *config = hoy_plan_edit_config(planner, stage);

		if (!config)
			return -ENOMEM;
		hoy_strv_free(config->on_build);
		config->on_build = NULL;
	}
	return r;
}

int hoy_plan_walk(struct planner *planner, struct stage *stage)
{
	int r = begin_stage(planner, stage);

	for (size_t i = 0; r == 0 && i < stage->n_commands; i++)
		r = walk_command(planner, stage, &stage->commands[i]);
	stage->walked = true;
	return r;
}
