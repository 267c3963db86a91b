/* Inside of the plan: stages as they are resolved, then walked. */
#ifndef HOY_SUPERVISOR_BUILD_PLAN_INTERNAL_H
#define HOY_SUPERVISOR_BUILD_PLAN_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "supervisor/build/plan.h"

enum {
	HOY_BUILD_MAX_STEPS = 20000,
	HOY_BUILD_MAX_STAGES = 1000,
	HOY_BUILD_MAX_VARIABLES = 10000,
	HOY_BUILD_MAX_WARNINGS = 1000, /* what comes after is not told */
};

/* Names with values, in order; a name once. */
struct variables {
	struct variable {
		const char *name;
		const char *value; /* NULL: declared without a value */
	} * list;
	size_t n, size;
};

/* An instruction of a stage and the text it stands in: the Dockerfile, or an ONBUILD trigger. */
struct command {
	const struct hoy_dockerfile_instruction *instruction;
	const struct hoy_dockerfile *file;
	bool on_build;
	struct stage **sources; /* of --from; of RUN one per mount, NULL: none */
	size_t n_sources;
};

struct stage {
	const struct hoy_dockerfile_stage *source; /* NULL: an image that a --from names */
	size_t index;
	const char *name;  /* as shown: "build", "stage-0" */
	const char *alias; /* AS name; NULL: none */
	struct hoy_dockerfile_place at;
	struct stage *base;
	const char *base_name;                         /* expanded */
	const char *reference;                         /* normalised; NULL: a stage, scratch or a context */
	const struct hoy_build_named_context *context; /* a directory or the like in place of it */
	struct hoy_build_platform platform;
	const char *platform_text;
	const struct hoy_build_image *image; /* NULL: not resolved yet */
	struct command *commands;
	size_t n_commands, size_commands;
	bool reachable, triggered, walked;
	int visit; /* for cycles: 1 under way, 2 done */

	/* the walk */
	size_t step;                            /* the last one */
	const struct hoy_oci_image_run *config; /* after it */
	struct variables env;                   /* ENV and ARG */
	struct variables args;                  /* ARG only */
	bool cmd_set;
	const char *author;
	size_t total, done; /* of the steps that progress counts */
	bool no_cache;
};

/* The plan, what it owns, and what making it needs. */
struct planner {
	struct hoy_build_plan plan; /* first: what callers hold */
	struct hoy_arena arena;
	const struct hoy_build_input *input;
	struct hoy_err *err;

	struct stage **stages; /* those of the file first, then images of --from */
	size_t n_stages, size_stages;
	struct variables globals;
	bool *used_args; /* per input->build_args */

	struct hoy_build_step *steps;
	size_t size_steps;
	struct hoy_build_wanted *wanted;
	struct hoy_dockerfile_warning *warnings;
	size_t size_warnings;

	struct hoy_oci_image_run **configs; /* owned */
	size_t n_configs, size_configs, config_bytes;
	struct hoy_dockerfile **triggers; /* owned */
	size_t n_triggers, size_triggers;
};

/* Room for one more element of a list in the arena; false when out of memory. */
#define PLAN_ROOM(planner, list, n, size)                                                                              \
	((n) < (size) ||                                                                                               \
		(((list) = hoy_arena_grow(&(planner)->arena, (list), (n), 2 * (size) + 8, sizeof *(list))) != NULL &&  \
			((size) = 2 * (size) + 8) > 0))

#define PLAN_FAIL(planner, command, ...)                                                                               \
	hoy_dockerfile_err((command)->file, &(command)->instruction->at, (planner)->err, __VA_ARGS__)

/* --- variables and words (plan_words.c) --- */

int hoy_plan_set(struct planner *planner, struct variables *variables, const char *name, const char *value);
const struct variable *hoy_plan_find(const struct variables *variables, const char *name, size_t len);
/* The value of --build-arg NAME and remembers that it was used; NULL: not given. */
const char *hoy_plan_build_arg(struct planner *planner, const char *name);

/* What expansion needs to know; `stage` NULL: the global ARGs. */
struct scope {
	struct planner *planner;
	struct stage *stage;
	const struct command *command;
};
int hoy_plan_expand(const struct scope *scope, const char *text, const char **ret);
/* A heredoc's body: quotes are ordinary. */
int hoy_plan_expand_body(const struct scope *scope, const char *text, const char **ret);
/* Into words, white space in values splits too. Heap. */
int hoy_plan_expand_words(const struct scope *scope, const char *text, char ***ret);
/* For progress: what is set is put in, all else stays. */
const char *hoy_plan_expand_title(const struct scope *scope, const char *text);

int hoy_plan_warn(struct planner *planner, const char *rule, const struct hoy_dockerfile_place *at, const char *text);
/* The build's own arguments: proxies, BUILDKIT_*. Never reported as unused, and in no cache key. */
bool hoy_plan_is_proxy(const char *name);
/* Lists of a struct hoy_build_step. NULL when out of memory. */
char *const *hoy_plan_strv(struct planner *planner, const char *const *words, size_t n);

/* --- stages (plan_stages.c) --- */

/* Stages, their bases, --from references, ONBUILD triggers; the target. 0; with planner->plan.n_wanted images to ask
 * for. */
int hoy_plan_resolve(struct planner *planner, struct stage **ret_target);

/* --- steps (plan_steps.c, plan_run.c, plan_copy.c) --- */

/* Appends the steps of a stage whose bases are done. */
int hoy_plan_walk(struct planner *planner, struct stage *stage);
/* The step whose root is that of a stage, an image or a context; makes it if it's the first to ask. */
int hoy_plan_stage_step(struct planner *planner, struct stage *stage, size_t *ret);
/* A new step on top of the stage, with place, names, platform and the unchanged config filled. */
struct hoy_build_step *hoy_plan_add_step(
	struct planner *planner, struct stage *stage, const struct command *command, enum hoy_build_step_kind kind);
/* "[build 2/4] TEXT" and counts. */
const char *hoy_plan_title(
	struct planner *planner, struct stage *stage, const struct command *command, const char *text);
/* The step of the build context, or of a named one. */
int hoy_plan_context_step(
	struct planner *planner, const struct hoy_build_named_context *context, const char *path, size_t *ret);

int hoy_plan_run(struct planner *planner, struct stage *stage, const struct command *command);
int hoy_plan_copy(struct planner *planner, struct stage *stage, const struct command *command);

/* A path as the stage's working directory has it: absolute and clean. */
const char *hoy_plan_path(struct planner *planner, const struct stage *stage, const char *path);

/* --- configs (plan_config.c) --- */

/* A copy that may be changed, owned by the plan; it becomes the stage's. NULL when out of memory (err is set). */
struct hoy_oci_image_run *hoy_plan_edit_config(struct planner *planner, struct stage *stage);
/* ENV, LABEL, CMD and the others that only change config and history: appends their step. */
int hoy_plan_meta(struct planner *planner, struct stage *stage, const struct command *command);
/* Arguments with the image's shell in front when the command is for a shell. NULL-terminated, in the arena. */
char *const *hoy_plan_command_args(struct planner *planner, const struct stage *stage,
	const struct hoy_dockerfile_command *command, const char *text);

#endif
