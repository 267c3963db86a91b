/* Which stages there are, what each begins with and takes from, and which the target needs. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/build/plan_internal.h"
#include "supervisor/build/suggest.h"
#include "libocispec/reference.h"

static struct hoy_build_platform stage_platform(const struct stage *stage)
{
	return stage->base ? stage->base->platform : stage->platform;
}

static const char *platform_text(struct planner *planner, const struct hoy_build_platform *platform)
{
	return platform->variant
		       ? hoy_arena_printf(&planner->arena, "%s/%s/%s", platform->os, platform->arch, platform->variant)
		       : hoy_arena_printf(&planner->arena, "%s/%s", platform->os, platform->arch);
}

/* --- global arguments --- */

static int set_global(struct planner *planner, const char *name, const char *value)
{
	const char *given = hoy_plan_build_arg(planner, name);

	value = given ? given : value;
	return hoy_plan_set(planner, &planner->globals, name, value ? value : "");
}

static int set_platform(struct planner *planner, const char *prefix, const struct hoy_build_platform *platform)
{
	const struct {
		const char *name, *value;
	} parts[] = {
		{ "PLATFORM", platform_text(planner, platform) },
		{ "OS", platform->os },
		{ "ARCH", platform->arch },
		{ "VARIANT", platform->variant },
	};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *name = hoy_arena_printf(&planner->arena, "%s%s", prefix, parts[i].name);
		int r = name ? set_global(planner, name, parts[i].value) : hoy_err_oom(planner->err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int set_globals(struct planner *planner)
{
	const struct hoy_dockerfile *file = planner->input->file;
	const struct hoy_dockerfile_stage *last = &file->stages[file->n_stages - 1];
	const char *target = planner->input->target;
	int r = set_platform(planner, "BUILD", &planner->input->build_platform);

	if (!target || !*target)
		target = last->from->from.name;
	if (r == 0)
		r = set_platform(planner, "TARGET", &planner->input->platform);
	if (r == 0)
		r = set_global(planner, "TARGETSTAGE", target ? target : "default");
	for (size_t i = 0; r == 0 && i < file->n_args; i++) {
		struct command command = { .instruction = &file->args[i], .file = file };
		struct scope scope = { .planner = planner, .command = &command };

		for (size_t j = 0; r == 0 && j < file->args[i].pairs.n; j++) {
			const struct hoy_dockerfile_pair *pair = &file->args[i].pairs.list[j];
			const char *value = hoy_plan_build_arg(planner, pair->key);

			if (!value && pair->value)
				r = hoy_plan_expand(&scope, pair->value, &value);
			if (r == 0 && value)
				r = hoy_plan_set(planner, &planner->globals, pair->key, value);
		}
	}
	return r;
}

/* --- finding stages --- */

static struct stage *find_stage(const struct planner *planner, const char *name)
{
	for (size_t i = planner->n_stages; i > 0; i--) {
		struct stage *stage = planner->stages[i - 1];

		if (stage->source && stage->alias && strcasecmp(stage->alias, name) == 0)
			return stage;
	}
	return NULL;
}

static const char *nearest_stage(struct planner *planner, const char *name)
{
	const char **names = hoy_arena_alloc(&planner->arena, (planner->n_stages + 1) * sizeof *names);

	for (size_t i = 0; names && i < planner->n_stages; i++)
		names[i] = planner->stages[i]->alias;
	return names ? hoy_suggest(name, names, planner->n_stages) : NULL;
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

static const struct hoy_build_named_context *find_context(const struct planner *planner, const char *name)
{
	for (size_t i = 0; i < planner->input->n_contexts; i++) {
		const char *context = planner->input->contexts[i].name;
		size_t len = strlen(context);

		if (strcasecmp(context, name) == 0 ||
			(strncasecmp(context, name, len) == 0 && strcmp(name + len, ":latest") == 0))
			return &planner->input->contexts[i];
	}
	return NULL;
}

static struct stage *add_stage(struct planner *planner)
{
	struct stage *stage = hoy_arena_alloc(&planner->arena, sizeof *stage);

	if (!stage || !PLAN_ROOM(planner, planner->stages, planner->n_stages, planner->size_stages)) {
		hoy_err_oom(planner->err);
		return NULL;
	}
	if (planner->n_stages >= 2 * HOY_BUILD_MAX_STAGES) {
		hoy_err_invalid(planner->err, "more than %d stages", HOY_BUILD_MAX_STAGES);
		return NULL;
	}
	stage->index = planner->n_stages;
	stage->platform = planner->input->platform;
	stage->step = HOY_BUILD_NO_STEP;
	planner->stages[planner->n_stages++] = stage;
	return stage;
}

/* --- what a stage begins with --- */

static int set_image(struct planner *planner, struct stage *stage, const char *name, const struct command *command)
{
	struct hoy_reference reference = { 0 };
	struct hoy_err why = { 0 };
	auto_free char *whole = NULL;

	if (hoy_reference_parse(name, &reference, &why) < 0)
		return PLAN_FAIL(planner, command, "failed to parse the image name '%.200s': %s", name, why.msg);
	if (hoy_reference_default_tag(&reference) == 0)
		whole = hoy_reference_to_string(&reference);
	hoy_reference_done(&reference);
	stage->reference = whole ? hoy_arena_strdup(&planner->arena, whole) : NULL;
	return stage->reference ? 0 : hoy_err_oom(planner->err);
}

/* A named context in place of the image `name`; an image when it is "docker-image://". */
static int set_context(struct planner *planner, struct stage *stage, const struct hoy_build_named_context *context,
	const struct command *command)
{
	static const char image[] = "docker-image://";

	if (hoy_str_starts(context->value, image))
		return set_image(planner, stage, context->value + strlen(image), command);
	if (hoy_str_starts(context->value, "target:"))
		return PLAN_FAIL(
			planner, command, "the named context '%.100s' is a bake target: not supported", context->name);
	stage->context = context;
	return 0;
}

static int set_base(struct planner *planner, struct stage *stage, const char *name, const struct command *command)
{
	const struct hoy_build_named_context *context = find_context(planner, name);

	stage->base_name = name;
	if (context)
		return set_context(planner, stage, context, command);
	return strcmp(name, "scratch") == 0 ? 0 : set_image(planner, stage, name, command);
}

static int add_file_stage(struct planner *planner, const struct hoy_dockerfile_stage *source)
{
	struct command command = { .instruction = source->from, .file = planner->input->file };
	struct scope scope = { .planner = planner, .command = &command };
	const struct hoy_dockerfile_from *from = &source->from->from;
	const struct hoy_build_named_context *context = from->name ? find_context(planner, from->name) : NULL;
	const char *name, *platform;
	struct stage *base = NULL, *stage;
	int r = hoy_plan_expand(&scope, from->image, &name);

	if (r < 0)
		return r;
	if (!*name)
		return PLAN_FAIL(planner, &command, "base name (%.100s) should not be blank", from->image);
	base = find_stage(planner, name);
	stage = add_stage(planner);
	if (!stage)
		return -ENOMEM;
	stage->source = source;
	stage->at = source->from->at;
	stage->alias = from->name;
	stage->base_name = name;
	stage->name = from->name ? from->name : hoy_arena_printf(&planner->arena, "stage-%zu", stage->index);
	if (from->platform) {
		r = hoy_plan_expand(&scope, from->platform, &platform);
		if (r == 0 && !*platform)
			return PLAN_FAIL(
				planner, &command, "empty platform value from expression %.100s", from->platform);
		if (r == 0 &&
			hoy_build_platform_parse(&planner->arena, platform, &stage->platform, /* err= */ NULL) < 0)
			return PLAN_FAIL(planner, &command, "'%.100s' is no platform, as linux/arm64", platform);
	}
	if (r == 0 && context)
		r = set_context(planner, stage, context, &command);
	else if (r == 0 && base)
		stage->base = base;
	else if (r == 0)
		r = set_base(planner, stage, name, &command);
	stage->platform = stage_platform(stage);
	stage->platform_text = platform_text(planner, &stage->platform);
	if (r == 0 && (!stage->platform_text || !stage->name))
		return hoy_err_oom(planner->err);
	return r;
}

/* --- what instructions take from --- */

/* The stage of a --from: by name, by number, or an image. */
static int find_source(struct planner *planner, const struct command *command, const char *from, struct stage **ret)
{
	struct stage *stage = find_stage(planner, from);
	uint64_t index;
	int r;

	if (strchr(from, '$') && from[strlen(from) - 1] != '$')
		return PLAN_FAIL(planner, command,
			"variable expansion is not supported for --from ('%.100s'): name a stage, FROM %.100s AS name, and use that",
			from, from);
	if (!stage && is_number(from)) {
		if (hoy_str_to_u64(from, &index) < 0 || index >= planner->input->file->n_stages)
			return PLAN_FAIL(planner, command, "invalid stage index %.20s: there are %zu stages, from 0",
				from, planner->input->file->n_stages);
		stage = planner->stages[index];
	}
	for (size_t i = planner->input->file->n_stages; !stage && i < planner->n_stages; i++)
		if (strcmp(planner->stages[i]->base_name, from) == 0)
			stage = planner->stages[i];
	*ret = stage;
	if (stage)
		return 0;
	stage = add_stage(planner);
	if (!stage)
		return -ENOMEM;
	stage->at = command->instruction->at;
	stage->name = from;
	stage->platform_text = platform_text(planner, &stage->platform);
	*ret = stage;
	r = set_base(planner, stage, from, command);
	if (r < 0 && nearest_stage(planner, from))
		return PLAN_FAIL(planner, command, "no stage '%.100s', and no image name (did you mean %s?)", from,
			nearest_stage(planner, from));
	return r;
}

/* The value of `from=` in a mount's text, in the arena; NULL: none. */
static const char *mount_from(struct planner *planner, const char *text)
{
	while (*text) {
		size_t len = strcspn(text, ",");

		if (len > 5 && strncasecmp(text, "from=", 5) == 0)
			return hoy_arena_strndup(&planner->arena, text + 5, len - 5);
		text += len + (text[len] == ',');
	}
	return NULL;
}

static int find_sources(struct planner *planner, struct command *command)
{
	const struct hoy_dockerfile_instruction *in = command->instruction;
	bool is_run = in->kind == HOY_DOCKERFILE_RUN;
	size_t n = is_run ? in->run.mounts.n : 1;
	int r = 0;

	if (in->kind != HOY_DOCKERFILE_RUN && in->kind != HOY_DOCKERFILE_COPY)
		return 0;
	command->sources = hoy_arena_alloc(&planner->arena, (n + 1) * sizeof *command->sources);
	if (!command->sources)
		return hoy_err_oom(planner->err);
	command->n_sources = n;
	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *from = is_run ? mount_from(planner, in->run.mounts.words[i]) : in->copy.from;

		if (from)
			r = find_source(planner, command, from, &command->sources[i]);
	}
	return r;
}

static int add_command(struct planner *planner, struct stage *stage, const struct hoy_dockerfile_instruction *in,
	const struct hoy_dockerfile *file, bool on_build)
{
	struct command command = { .instruction = in, .file = file, .on_build = on_build };
	int r = find_sources(planner, &command);

	if (r < 0)
		return r;
	if (stage->n_commands >= HOY_BUILD_MAX_STEPS)
		return PLAN_FAIL(planner, &command, "more than %d steps in a stage", HOY_BUILD_MAX_STEPS);
	if (!PLAN_ROOM(planner, stage->commands, stage->n_commands, stage->size_commands))
		return hoy_err_oom(planner->err);
	stage->commands[stage->n_commands++] = command;
	return 0;
}

/* --- ONBUILD --- */

static int add_trigger(struct planner *planner, struct stage *stage, const char *text)
{
	struct hoy_dockerfile *file = NULL;
	auto_free char *name = hoy_str_printf("ONBUILD of %s", stage->base_name);
	int r = name ? hoy_dockerfile_parse_line(name, text, &file, planner->err) : hoy_err_oom(planner->err);

	if (r < 0)
		return r;
	if (!PLAN_ROOM(planner, planner->triggers, planner->n_triggers, planner->size_triggers)) {
		hoy_dockerfile_free(file);
		return hoy_err_oom(planner->err);
	}
	planner->triggers[planner->n_triggers++] = file;
	return add_command(planner, stage, &file->args[0], file, /* on_build= */ true);
}

/* Those of the base go in front of the stage's own commands. */
static int add_triggers(struct planner *planner, struct stage *stage)
{
	const struct hoy_oci_image_config *config = stage->image ? stage->image->config : NULL;
	char *const *texts = config && config->config ? config->config->on_build : NULL;
	struct command *own = stage->commands;
	size_t n_own = stage->n_commands;
	int r = 0;

	stage->triggered = true;
	if (!stage->source || stage->context)
		return 0;
	stage->commands = NULL;
	stage->n_commands = stage->size_commands = 0;
	for (size_t i = 0; r == 0 && texts && texts[i]; i++)
		r = add_trigger(planner, stage, texts[i]);
	for (size_t i = 0; r == 0 && stage->base && i < stage->base->n_commands; i++)
		if (stage->base->commands[i].instruction->kind == HOY_DOCKERFILE_ONBUILD)
			r = add_trigger(planner, stage, stage->base->commands[i].instruction->on_build);
	for (size_t i = 0; r == 0 && i < n_own; i++) {
		if (!PLAN_ROOM(planner, stage->commands, stage->n_commands, stage->size_commands))
			return hoy_err_oom(planner->err);
		stage->commands[stage->n_commands++] = own[i];
	}
	return r;
}

/* --- which are needed --- */

/* Marks what the stage needs; a stage that needs itself is an error. */
static int visit(struct planner *planner, struct stage *stage, bool mark)
{
	int r = 0;

	if (stage->visit == 2 && (!mark || stage->reachable))
		return 0;
	stage->visit = 1;
	stage->reachable |= mark;
	if (stage->base)
		r = visit(planner, stage->base, mark);
	for (size_t i = 0; r == 0 && i < stage->n_commands; i++) {
		const struct command *command = &stage->commands[i];

		for (size_t j = 0; r == 0 && j < command->n_sources; j++) {
			struct stage *source = command->sources[j];

			if (!source)
				continue;
			if (source->visit == 1)
				return PLAN_FAIL(
					planner, command, "circular dependency detected on stage: %s", source->name);
			r = visit(planner, source, mark);
			if (r == 0 && mark && source->source && source->index > stage->index)
				return PLAN_FAIL(planner, command,
					"cannot copy from stage '%s', it needs to be defined before current stage '%s'",
					source->name, stage->name);
		}
	}
	stage->visit = 2;
	return r;
}

static void forget_visits(struct planner *planner)
{
	for (size_t i = 0; i < planner->n_stages; i++) {
		planner->stages[i]->visit = 0;
		planner->stages[i]->reachable = false;
	}
}

/* Cycles anywhere in the file are errors, as they are for docker. */
static int find_cycles(struct planner *planner)
{
	for (size_t i = 0; i < planner->input->file->n_stages; i++) {
		int r = visit(planner, planner->stages[i], /* mark= */ false);

		if (r < 0)
			return r;
	}
	return 0;
}

static const struct hoy_build_image *find_image(const struct planner *planner, const struct stage *stage)
{
	for (size_t i = 0; i < planner->input->n_images; i++) {
		const struct hoy_build_image *image = &planner->input->images[i];

		if (strcmp(image->reference, stage->reference) == 0 &&
			strcmp(image->platform, stage->platform_text) == 0)
			return image;
	}
	return NULL;
}

static int want(struct planner *planner, const struct stage *stage)
{
	size_t n = planner->plan.n_wanted;

	for (size_t i = 0; i < n; i++)
		if (strcmp(planner->wanted[i].reference, stage->reference) == 0 &&
			strcmp(planner->wanted[i].platform, stage->platform_text) == 0)
			return 0;
	planner->wanted = hoy_arena_grow(&planner->arena, planner->wanted, n, n + 1, sizeof *planner->wanted);
	if (!planner->wanted)
		return hoy_err_oom(planner->err);
	planner->wanted[n] = (struct hoy_build_wanted){
		.reference = stage->reference, .platform = stage->platform_text, .at = stage->at
	};
	planner->plan.wanted = planner->wanted;
	planner->plan.n_wanted = n + 1;
	return 0;
}

/* Resolves what the target needs so far. 1: triggers came in, so it may need more now. */
static int resolve_reachable(struct planner *planner, struct stage *target)
{
	bool more = false;
	int r;

	forget_visits(planner);
	r = visit(planner, target, /* mark= */ true);
	for (size_t i = 0; r == 0 && i < planner->n_stages; i++) {
		struct stage *stage = planner->stages[i];
		size_t before = stage->n_commands;

		if (!stage->reachable || stage->triggered)
			continue;
		stage->image = stage->reference ? find_image(planner, stage) : NULL;
		if (stage->reference && !stage->image) {
			r = want(planner, stage);
			continue;
		}
		r = add_triggers(planner, stage);
		more |= stage->n_commands > before;
	}
	return r < 0 ? r : more;
}

static int find_target(struct planner *planner, struct stage **ret)
{
	const char *target = planner->input->target, *near;
	size_t n = planner->input->file->n_stages;
	uint64_t index;

	if (!target || !*target) {
		*ret = planner->stages[n - 1];
		return 0;
	}
	*ret = find_stage(planner, target);
	if (!*ret && is_number(target) && hoy_str_to_u64(target, &index) == 0 && index < n)
		*ret = planner->stages[index];
	if (*ret)
		return 0;
	near = nearest_stage(planner, target);
	return hoy_err_invalid(planner->err, "target stage '%.200s' could not be found in %s%s%s%s", target,
		planner->input->file->name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

int hoy_plan_resolve(struct planner *planner, struct stage **ret_target)
{
	const struct hoy_dockerfile *file = planner->input->file;
	int r = set_globals(planner);

	if (file->n_stages > HOY_BUILD_MAX_STAGES)
		return hoy_err_invalid(planner->err, "%s: more than %d stages", file->name, HOY_BUILD_MAX_STAGES);
	for (size_t i = 0; r == 0 && i < file->n_stages; i++)
		r = add_file_stage(planner, &file->stages[i]);
	if (r == 0)
		r = find_target(planner, ret_target);
	for (size_t i = 0; r == 0 && i < file->n_stages; i++)
		for (size_t j = 0; r == 0 && j < file->stages[i].n && !planner->stages[i]->context; j++)
			r = add_command(planner, planner->stages[i], &file->stages[i].instructions[j], file,
				/* on_build= */ false);
	if (r == 0)
		r = find_cycles(planner);
	while (r == 0 && (r = resolve_reachable(planner, *ret_target)) > 0)
		r = 0;
	return r;
}
