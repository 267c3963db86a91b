/* The plan as a whole: resolve, walk, what is left to say; the image's config at the end. */
#include "supervisor/build/plan.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/build/lint.h"
#include "supervisor/build/plan_internal.h"
#include "supervisor/image/changes.h"

enum { MAX_ARENA = 512 << 20 };

int hoy_build_platform_parse(
	struct hoy_arena *arena, const char *text, struct hoy_build_platform *ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = hoy_str_split(text, '/');
	size_t n = hoy_strv_len(parts);
	const char *os, *arch, *variant;

	for (size_t i = 0; i < n; i++)
		if (!*parts[i] ||
			strspn(parts[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
				strlen(parts[i]))
			n = 0;
	if (n == 0 || n > 3)
		return hoy_err_invalid(err, "'%.100s' is no platform, as linux/arm64 or linux/arm/v7", text);
	os = n > 1 ? parts[0] : "linux";
	arch = n > 1 ? parts[1] : parts[0];
	if (n == 1 && (strcmp(parts[0], "linux") == 0 || strcmp(parts[0], "windows") == 0)) {
		os = parts[0];
		arch = hoy_oci_arch_host();
	}
	variant = n > 2 ? parts[2] : NULL;
	if (!variant && strcmp(arch, "armhf") == 0)
		variant = "v7";
	if (!variant && strcmp(arch, "armel") == 0)
		variant = "v6";
	arch = hoy_oci_arch_normalize(arch);
	if (variant && strcmp(arch, "arm64") == 0 && strcmp(variant, "v8") == 0)
		variant = NULL;
	if (!variant && strcmp(arch, "arm") == 0)
		variant = "v7";
	*ret = (struct hoy_build_platform){
		.os = hoy_arena_strdup(arena, os),
		.arch = hoy_arena_strdup(arena, arch),
		.variant = variant ? hoy_arena_strdup(arena, variant) : NULL,
	};
	return ret->os && ret->arch && (ret->variant || !variant) ? 0 : hoy_err_oom(err);
}

void hoy_build_plan_free(struct hoy_build_plan *plan)
{
	struct planner *planner = (struct planner *) plan;

	if (!planner)
		return;
	for (size_t i = 0; i < planner->n_configs; i++)
		hoy_field_free(&hoy_oci_image_run_object, planner->configs[i]);
	for (size_t i = 0; i < planner->n_triggers; i++)
		hoy_dockerfile_free(planner->triggers[i]);
	hoy_arena_done(&planner->arena);
	free(planner);
}

/* Arguments that mean something to the builder itself. */
static bool is_builtin(const char *arg, size_t len)
{
	static const char *const names[] = { "SOURCE_DATE_EPOCH", "BUILDKIT_", "BUILDPLATFORM", "BUILDOS", "BUILDARCH",
		"BUILDVARIANT", "TARGETPLATFORM", "TARGETOS", "TARGETARCH", "TARGETVARIANT" };
	auto_free char *name = strndup(arg, len);

	for (size_t i = 0; name && i < ARRAY_LEN(names); i++)
		if (hoy_str_starts(name, names[i]))
			return true;
	return name && hoy_plan_is_proxy(name);
}

static int warn_unused(struct planner *planner)
{
	auto_(hoy_buf_done) struct hoy_buf names = { 0 };
	char *const *args = planner->input->build_args;
	struct hoy_dockerfile_place nowhere = { 0 };
	const char *text;

	for (size_t i = 0; args && args[i]; i++) {
		size_t len = strcspn(args[i], "=");

		if (planner->used_args[i] || is_builtin(args[i], len))
			continue;
		(void) hoy_buf_adds(&names, names.len > 0 ? " " : "");
		(void) hoy_buf_add(&names, args[i], len);
	}
	if (!names.data)
		return 0;
	text = hoy_arena_printf(&planner->arena, "One or more build-args [%s] were not consumed", names.data);
	return text ? hoy_plan_warn(planner, NULL, &nowhere, text) : hoy_err_oom(planner->err);
}

static int take_finding(const char *rule, const struct hoy_dockerfile_place *at, const char *text, void *userdata)
{
	struct planner *planner = userdata;
	const char *copy = hoy_arena_strdup(&planner->arena, text);

	return copy ? hoy_plan_warn(planner, rule, at, copy) : hoy_err_oom(planner->err);
}

/* What the Dockerfile's author, or the build argument in place of that, does not want to hear is left out. */
static int take_remarks(struct planner *planner)
{
	const struct hoy_dockerfile *file = planner->input->file;
	const char *given = hoy_plan_build_arg(planner, "BUILDKIT_DOCKERFILE_CHECK");
	const char *check = given && *given ? given : file->check;
	const struct hoy_dockerfile_warning *first = NULL;
	size_t n = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < file->n_warnings; i++)
		r = hoy_plan_warn(planner, file->warnings[i].rule, &file->warnings[i].at, file->warnings[i].text);
	if (r == 0)
		r = hoy_lint(file, take_finding, planner);
	if (r < 0)
		return r == -ENOMEM ? hoy_err_oom(planner->err) : r;
	for (size_t i = 0; i < planner->plan.n_warnings; i++) {
		if (planner->warnings[i].rule && hoy_lint_skips(check, planner->warnings[i].rule))
			continue;
		planner->warnings[n++] = planner->warnings[i];
		if (!first && planner->warnings[n - 1].rule)
			first = &planner->warnings[n - 1];
	}
	planner->plan.n_warnings = n;
	if (!first || !hoy_lint_is_strict(check))
		return 0;
	return hoy_dockerfile_err(file, &first->at, planner->err, "%s: %s (check=error=true: warnings are errors)",
		first->rule, first->text);
}

static int end_remarks(struct planner *planner)
{
	int r = warn_unused(planner);

	return r < 0 ? r : take_remarks(planner);
}

static int finish(struct planner *planner, struct stage *target)
{
	char *const *labels = planner->input->labels;
	struct hoy_oci_image_run *config;
	int r = 0;

	planner->plan.result = target->step;
	planner->plan.target_name = target->name;
	planner->plan.platform = target->platform_text;
	planner->plan.author = target->author;
	planner->plan.config = target->config;
	if (!labels || !*labels)
		return end_remarks(planner);
	config = hoy_plan_edit_config(planner, target);
	if (!config)
		return -ENOMEM;
	for (; r == 0 && *labels; labels++) {
		auto_free char *key = strndup(*labels, strcspn(*labels, "="));
		const char *equals = strchr(*labels, '=');

		r = key ? hoy_image_run_set_label(config, key, equals ? equals + 1 : "", planner->err)
			: hoy_err_oom(planner->err);
	}
	planner->plan.config = config;
	return r < 0 ? r : end_remarks(planner);
}

int hoy_build_plan_make(const struct hoy_build_input *input, struct hoy_build_plan **ret, struct hoy_err *err)
{
	struct planner *planner = calloc(1, sizeof *planner);
	struct stage *target = NULL;
	int r;

	*ret = NULL;
	if (!planner)
		return hoy_err_oom(err);
	planner->arena.cap = MAX_ARENA;
	planner->input = input;
	planner->err = err;
	planner->used_args = hoy_arena_alloc(
		&planner->arena, (hoy_strv_len(input->build_args) + 1) * sizeof *planner->used_args);
	r = planner->used_args ? hoy_plan_resolve(planner, &target) : hoy_err_oom(err);
	/* Images of --from stand behind the stages, but a step comes when it is first asked for. */
	for (size_t i = 0; r == 0 && planner->plan.n_wanted == 0 && i < input->file->n_stages; i++)
		if (planner->stages[i]->reachable)
			r = hoy_plan_walk(planner, planner->stages[i]);
	if (r == 0 && planner->plan.n_wanted == 0)
		r = finish(planner, target);
	planner->err = NULL;
	if (r < 0) {
		hoy_build_plan_free(&planner->plan);
		return r;
	}
	*ret = &planner->plan;
	return 0;
}

/* --- the image --- */

static int copy_run(const struct hoy_oci_image_run *from, struct hoy_oci_image_run **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	int r = hoy_field_print(&hoy_oci_image_run_object, from, &text, 0, err);

	if (r < 0)
		return r;
	return hoy_field_parse(&hoy_oci_image_run_object, text.data, text.len, NULL, (void **) ret, err);
}

static int add_history(struct hoy_oci_image_config *config, const struct hoy_oci_history *entry, struct hoy_err *err)
{
	struct hoy_oci_history *list = reallocarray(config->history, config->n_history + 1, sizeof *list), *copy;

	if (!list)
		return hoy_err_oom(err);
	config->history = list;
	copy = &list[config->n_history++];
	*copy = (struct hoy_oci_history){
		.created = entry->created ? strdup(entry->created) : NULL,
		.created_by = entry->created_by ? strdup(entry->created_by) : NULL,
		.author = entry->author ? strdup(entry->author) : NULL,
		.comment = entry->comment ? strdup(entry->comment) : NULL,
		.empty_layer = entry->empty_layer,
	};
	return 0;
}

/* The entries of the base image, then one per step from the base to `index`. */
static int add_steps_history(const struct hoy_build_plan *plan, const char *created,
	struct hoy_oci_image_config *config, struct hoy_err *err)
{
	static char comment[] = "buildkit.dockerfile.v0";
	auto_free size_t *chain = calloc(plan->n_steps + 1, sizeof *chain);
	const struct hoy_oci_image_config *base = NULL;
	size_t n = 0;
	int r = 0;

	if (!chain)
		return hoy_err_oom(err);
	for (size_t i = plan->result; i != HOY_BUILD_NO_STEP; i = plan->steps[i].parent)
		chain[n++] = i;
	if (n > 0 && plan->steps[chain[n - 1]].kind == HOY_BUILD_IMAGE)
		base = plan->steps[chain[n - 1]].image.resolved->config;
	for (size_t i = 0; r == 0 && base && i < base->n_history; i++)
		r = add_history(config, &base->history[i], err);
	while (r == 0 && n-- > 0) {
		const struct hoy_build_step *step = &plan->steps[chain[n]];
		struct hoy_oci_history entry = {
			.created = (char *) (uintptr_t) created,
			.created_by = (char *) (uintptr_t) step->created_by,
			.comment = comment,
			.empty_layer = step->empty_layer,
		};

		if (step->created_by)
			r = add_history(config, &entry, err);
	}
	return r;
}

int hoy_build_plan_image_config(const struct hoy_build_plan *plan, char *const *diff_ids, const char *created,
	struct hoy_oci_image_config **ret, struct hoy_err *err)
{
	auto_ptr(hoy_oci_image_config_free) struct hoy_oci_image_config *config = calloc(1, sizeof *config);
	auto_ptr(hoy_strv_free) char **platform = hoy_str_split(plan->platform, '/');
	size_t n = hoy_strv_len(platform);
	int r;

	if (!config || n < 2)
		return hoy_err_oom(err);
	r = copy_run(plan->config, &config->config, err);
	if (r == 0)
		r = add_steps_history(plan, created, config, err);
	if (r < 0)
		return r;
	config->created = created ? strdup(created) : NULL;
	config->author = plan->author ? strdup(plan->author) : NULL;
	config->os = strdup(platform[0]);
	config->architecture = strdup(platform[1]);
	config->variant = n > 2 ? strdup(platform[2]) : NULL;
	config->rootfs.type = strdup("layers");
	config->rootfs.diff_ids = hoy_strv_copy((char **) (uintptr_t) diff_ids);
	if (!config->os || !config->architecture || !config->rootfs.type || !config->rootfs.diff_ids)
		return hoy_err_oom(err);
	*ret = TAKE_PTR(config);
	return 0;
}
