/* COPY and ADD: sources, files from heredocs, destination. */
#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/image.h"
#include "supervisor/build/chmod.h"
#include "supervisor/build/ignore.h"
#include "supervisor/build/plan_internal.h"

static bool is_http(const char *text)
{
	return hoy_str_starts(text, "http://") || hoy_str_starts(text, "https://");
}

/* "git@host:path", "git://", "ssh://", "https://host/x.git#ref". */
static bool is_git(const char *text)
{
	size_t len = strcspn(text, "#?");

	if (hoy_str_starts(text, "git://") || hoy_str_starts(text, "git@") || hoy_str_starts(text, "ssh://"))
		return true;
	return is_http(text) && len > 4 && strncmp(text + len - 4, ".git", 4) == 0;
}

static int url_source(
	struct planner *planner, const struct command *command, const char *text, struct hoy_build_source *ret)
{
	if (command->instruction->kind == HOY_DOCKERFILE_COPY)
		return PLAN_FAIL(planner, command, "source can't be a %s for COPY (ADD can): %.200s",
			is_git(text) ? "git ref" : "URL", text);
	ret->kind = is_git(text) ? HOY_BUILD_SOURCE_GIT : HOY_BUILD_SOURCE_HTTP;
	ret->text = text;
	return 0;
}

static const char *clean_source(struct planner *planner, const char *text)
{
	auto_free char *rooted = hoy_str_printf("/%s", text);
	auto_free char *clean = rooted ? hoy_path_clean(rooted) : NULL;
	const char *copy = clean ? hoy_arena_strdup(&planner->arena, clean + 1) : NULL;

	if (!copy)
		hoy_err_oom(planner->err);
	return copy;
}

static int path_source(
	struct planner *planner, const struct command *command, const char *text, struct hoy_build_source *ret)
{
	const char *pivot = command->instruction->copy.parents ? strstr(text, "/./") : NULL;
	size_t len = strlen(text);

	ret->kind = HOY_BUILD_SOURCE_PATH;
	ret->slash = len > 0 && text[len - 1] == '/';
	ret->is_pattern = hoy_glob_is_pattern(text);
	if (pivot) {
		auto_free char *front = strndup(text, (size_t) (pivot - text));

		ret->pivot = front ? clean_source(planner, front) : NULL;
		if (!ret->pivot)
			return -ENOMEM;
	}
	ret->text = clean_source(planner, text);
	if (!ret->text)
		return -ENOMEM;
	if (ret->is_pattern && !hoy_glob_is_valid(ret->text))
		return PLAN_FAIL(planner, command, "'%.200s' is no valid pattern", text);
	return 0;
}

static int set_sources(
	struct planner *planner, struct stage *stage, const struct command *command, struct hoy_build_copy *copy)
{
	const struct hoy_dockerfile_words *words = &command->instruction->copy.sources;
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	struct hoy_build_source *list = hoy_arena_alloc(&planner->arena, (words->n + 1) * sizeof *list);
	int r = list ? 0 : hoy_err_oom(planner->err);

	for (size_t i = 0; r == 0 && i < words->n; i++) {
		const char *text;

		r = hoy_plan_expand(&scope, words->words[i], &text);
		if (r == 0)
			list[i].written = text;
		if (r == 0)
			r = is_http(text) || is_git(text) ? url_source(planner, command, text, &list[i])
							  : path_source(planner, command, text, &list[i]);
	}
	copy->sources = list;
	copy->n_sources = words->n;
	return r;
}

static int set_files(
	struct planner *planner, struct stage *stage, const struct command *command, struct hoy_build_copy *copy)
{
	const struct hoy_dockerfile_heredocs *docs = &command->instruction->heredocs;
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	struct hoy_build_file *list = hoy_arena_alloc(&planner->arena, (docs->n + 1) * sizeof *list);
	int r = list ? 0 : hoy_err_oom(planner->err);

	for (size_t i = 0; r == 0 && i < docs->n; i++) {
		list[i].name = docs->list[i].name;
		list[i].content = docs->list[i].content;
		if (docs->list[i].expand)
			r = hoy_plan_expand_body(&scope, docs->list[i].content, &list[i].content);
		list[i].len = r == 0 ? strlen(list[i].content) : 0;
		if (r == 0 && !hoy_path_is_component(list[i].name))
			r = PLAN_FAIL(planner, command, "'%.100s' is no file name", list[i].name);
	}
	copy->files = list;
	copy->n_files = docs->n;
	return r;
}

/* The values of flags, with variables put in. */
static int set_flags(
	struct planner *planner, struct stage *stage, const struct command *command, struct hoy_build_copy *copy)
{
	const struct hoy_dockerfile_copy *in = &command->instruction->copy;
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	const struct {
		const char *text;
		const char **to;
	} texts[] = { { in->chown, &copy->chown }, { in->chmod, &copy->chmod }, { in->checksum, &copy->checksum } };
	const char **excludes = hoy_arena_alloc(&planner->arena, (in->excludes.n + 1) * sizeof *excludes);
	int r = excludes ? 0 : hoy_err_oom(planner->err);
	mode_t mode;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(texts); i++)
		if (texts[i].text)
			r = hoy_plan_expand(&scope, texts[i].text, texts[i].to);
	for (size_t i = 0; r == 0 && i < in->excludes.n; i++)
		r = hoy_plan_expand(&scope, in->excludes.words[i], &excludes[i]);
	if (r < 0)
		return r;
	copy->excludes = (char *const *) excludes;
	copy->link = in->link;
	copy->parents = in->parents;
	copy->keep_git_dir = in->keep_git_dir;
	copy->unpack = copy->is_add && !in->no_unpack;
	copy->unpack_urls = in->unpack;
	if (copy->chmod && hoy_chmod_apply(copy->chmod, 0, /* is_dir= */ false, &mode) < 0)
		return PLAN_FAIL(planner, command,
			"invalid chmod parameter: '%.100s': it should be an octal string between 0 and 07777, or symbolic as "
			"u=rwX,go=rX",
			copy->chmod);
	return 0;
}

static int check_checksum(struct planner *planner, const struct command *command, const struct hoy_build_copy *copy)
{
	if (!copy->checksum)
		return 0;
	if (copy->n_sources + copy->n_files != 1)
		return PLAN_FAIL(planner, command, "checksum can't be specified for multiple sources");
	if (copy->n_sources != 1 || copy->sources[0].kind == HOY_BUILD_SOURCE_PATH)
		return PLAN_FAIL(planner, command, "checksum requires an HTTP(S) or git source");
	if (copy->sources[0].kind == HOY_BUILD_SOURCE_GIT) {
		if (strlen(copy->checksum) < 7 || strlen(copy->checksum) > 64 ||
			strspn(copy->checksum, "0123456789abcdef") != strlen(copy->checksum))
			return PLAN_FAIL(planner, command, "invalid checksum '%.100s': of a repository it is a commit",
				copy->checksum);
	} else if (!hoy_str_starts(copy->checksum, "sha256:") || strlen(copy->checksum) != 71 ||
		   strspn(copy->checksum + 7, "0123456789abcdef") != 64) {
		return PLAN_FAIL(planner, command, "invalid checksum '%.100s': it should be sha256: and 64 hex digits",
			copy->checksum);
	}
	return 0;
}

static int set_dest(struct planner *planner, struct stage *stage, const struct command *command,
	struct hoy_build_copy *copy, const char **ret_written)
{
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	const char *dest;
	size_t len;
	int r = hoy_plan_expand(&scope, command->instruction->copy.dest, &dest);

	if (r < 0)
		return r;
	len = strlen(dest);
	copy->dest = hoy_plan_path(planner, stage, dest);
	copy->dest_is_dir = len == 0 || dest[len - 1] == '/' || strcmp(dest, ".") == 0 || strcmp(dest, "..") == 0 ||
			    hoy_str_ends(dest, "/.") || hoy_str_ends(dest, "/..");
	*ret_written = dest;
	if (!copy->dest)
		return -ENOMEM;
	if (copy->n_sources + copy->n_files > 1 && !copy->dest_is_dir)
		return PLAN_FAIL(planner, command,
			"when using %s with more than one source file, the destination must be a directory and end with a /",
			hoy_dockerfile_kind_name(command->instruction->kind));
	return 0;
}

/* The step whose tree the paths are in; a context learns what is taken. */
static int set_from(struct planner *planner, const struct command *command, struct hoy_build_copy *copy)
{
	struct stage *source = command->n_sources > 0 ? command->sources[0] : NULL;
	int r = 0;

	copy->from = HOY_BUILD_NO_STEP;
	if (source && copy->n_sources > 0)
		return hoy_plan_stage_step(planner, source, &copy->from);
	for (size_t i = 0; r == 0 && i < copy->n_sources; i++)
		if (copy->sources[i].kind == HOY_BUILD_SOURCE_PATH)
			r = hoy_plan_context_step(planner, NULL, copy->sources[i].text, &copy->from);
	return r;
}

static const char *copy_key(struct planner *planner, const struct hoy_build_copy *copy)
{
	auto_(hoy_buf_done) struct hoy_buf key = { 0 };
	struct hoy_json_writer w = { .buf = &key };

	hoy_json_object(&w, NULL);
	hoy_json_add_string(&w, "op", "copy");
	hoy_json_array(&w, "sources");
	for (size_t i = 0; i < copy->n_sources; i++) {
		hoy_json_add_i64(&w, NULL, copy->sources[i].kind);
		hoy_json_add_string(&w, NULL, copy->sources[i].text);
		hoy_json_add_string(&w, NULL, copy->sources[i].pivot);
		hoy_json_add_bool(&w, NULL, copy->sources[i].slash);
	}
	hoy_json_end(&w);
	hoy_json_array(&w, "files");
	for (size_t i = 0; i < copy->n_files; i++) {
		hoy_json_add_string(&w, NULL, copy->files[i].name);
		hoy_json_add_stringn(&w, NULL, copy->files[i].content, copy->files[i].len);
	}
	hoy_json_end(&w);
	hoy_json_add_string(&w, "dest", copy->dest);
	hoy_json_add_bool(&w, "dir", copy->dest_is_dir);
	hoy_json_add_string(&w, "chown", copy->chown);
	hoy_json_add_string(&w, "chmod", copy->chmod);
	hoy_json_add_string(&w, "checksum", copy->checksum);
	hoy_json_add_strv(&w, "excludes", copy->excludes);
	hoy_json_add_bool(&w, "link", copy->link);
	hoy_json_add_bool(&w, "parents", copy->parents);
	hoy_json_add_bool(&w, "gitdir", copy->keep_git_dir);
	hoy_json_add_bool(&w, "unpack", copy->unpack);
	hoy_json_add_bool(&w, "unpackurls", copy->unpack_urls);
	hoy_json_end(&w);
	return key.data && !key.failed ? hoy_arena_strdup(&planner->arena, key.data) : NULL;
}

/* "COPY --chown=a b c # buildkit" */
static const char *created_by(struct planner *planner, const struct hoy_build_copy *copy, const char *dest)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };

	(void) hoy_buf_adds(&text, copy->is_add ? "ADD" : "COPY");
	(void) hoy_buf_adds(&text, copy->parents ? " --parents" : "");
	(void) hoy_buf_adds(&text, copy->chown ? " --chown=" : "");
	(void) hoy_buf_adds(&text, copy->chown ? copy->chown : "");
	(void) hoy_buf_adds(&text, copy->chmod ? " --chmod=" : "");
	(void) hoy_buf_adds(&text, copy->chmod ? copy->chmod : "");
	for (size_t i = 0; i < copy->n_sources; i++) {
		(void) hoy_buf_addc(&text, ' ');
		(void) hoy_buf_adds(&text, copy->sources[i].written);
	}
	for (size_t i = 0; i < copy->n_files; i++) {
		(void) hoy_buf_adds(&text, " <<");
		(void) hoy_buf_adds(&text, copy->files[i].name);
	}
	(void) hoy_buf_addc(&text, ' ');
	(void) hoy_buf_adds(&text, dest);
	(void) hoy_buf_adds(&text, " # buildkit");
	return text.failed ? NULL : hoy_arena_strdup(&planner->arena, text.data);
}

int hoy_plan_copy(struct planner *planner, struct stage *stage, const struct command *command)
{
	struct scope scope = { .planner = planner, .stage = stage, .command = command };
	struct hoy_build_copy copy = { .is_add = command->instruction->kind == HOY_DOCKERFILE_ADD };
	const char *written = "", *title;
	struct hoy_build_step *step;
	int r = set_flags(planner, stage, command, &copy);

	if (r == 0)
		r = set_sources(planner, stage, command, &copy);
	if (r == 0)
		r = set_files(planner, stage, command, &copy);
	if (r == 0)
		r = set_dest(planner, stage, command, &copy, &written);
	if (r == 0)
		r = check_checksum(planner, command, &copy);
	if (r == 0)
		r = set_from(planner, command, &copy);
	if (r < 0)
		return r;
	step = hoy_plan_add_step(planner, stage, command, HOY_BUILD_COPY);
	if (!step)
		return -ENOMEM;
	step->copy = copy;
	step->empty_layer = false;
	step->key = copy_key(planner, &copy);
	step->created_by = created_by(planner, &copy, written);
	title = hoy_plan_expand_title(&scope, command->instruction->text);
	step->title = title ? hoy_plan_title(planner, stage, command, title) : NULL;
	return step->key && step->created_by && step->title ? 0 : hoy_err_oom(planner->err);
}
