#include "supervisor/worker/build/emit.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "base/redact.h"
#include "base/str.h"
#include "libocispec/field.h"
#include "libocispec/image.h"
#include "supervisor/worker/build/context.h"

static const char *const kinds[] = {
	[HOY_BUILD_SCRATCH] = "scratch",
	[HOY_BUILD_IMAGE] = "image",
	[HOY_BUILD_CONTEXT] = "context",
	[HOY_BUILD_RUN] = "run",
	[HOY_BUILD_COPY] = "copy",
	[HOY_BUILD_WORKDIR] = "workdir",
	[HOY_BUILD_META] = "meta",
};

static void add_step(struct hoy_json_writer *w, const char *key, size_t step)
{
	hoy_json_add_i64(w, key, step == HOY_BUILD_NO_STEP ? -1 : (int64_t) step);
}

static void add_files(struct hoy_json_writer *w, const struct hoy_build_file *files, size_t n)
{
	hoy_json_array(w, "files");
	for (size_t i = 0; i < n; i++) {
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "name", files[i].name);
		hoy_json_add_stringn(w, "content", files[i].content, files[i].len);
		hoy_json_end(w);
	}
	hoy_json_end(w);
}

static const char *mount_type(enum hoy_build_mount_type type)
{
	static const char *const names[] = { "bind", "cache", "tmpfs", "secret", "ssh" };

	return names[type];
}

/* What a mount takes of the context, by content; "" when it isn't there: the step then fails when it is run. */
static int add_mount_digest(struct hoy_json_writer *w, const struct hoy_build_plan *plan,
	const struct hoy_build_mount *mount, const int *roots, struct hoy_err *err)
{
	const struct hoy_build_source source = { .kind = HOY_BUILD_SOURCE_PATH,
		.text = mount->source ? mount->source + (*mount->source == '/') : "" };
	const struct hoy_build_copy copy = { .sources = &source, .n_sources = 1 };
	char digest[HOY_LAYER_DIGEST_MAX] = "";
	auto_free char *missing = NULL;
	int r;

	if (mount->type != HOY_BUILD_MOUNT_BIND || mount->from == HOY_BUILD_NO_STEP ||
		plan->steps[mount->from].kind != HOY_BUILD_CONTEXT)
		return 0;
	r = hoy_context_digest(roots[mount->from], &copy, digest, &missing, err);
	if (r < 0 && r != -ENOENT)
		return r;
	hoy_json_add_string(w, "digest", digest);
	return 0;
}

static int emit_run(struct hoy_json_writer *w, const struct hoy_build_plan *plan, const struct hoy_build_run *run,
	const int *roots, struct hoy_err *err)
{
	static const char *const sharings[] = { "shared", "private", "locked" };
	int r = 0;

	hoy_json_add_strv(w, "args", run->args);
	hoy_json_add_strv(w, "env", run->env);
	hoy_json_add_string(w, "cwd", run->cwd);
	hoy_json_add_string(w, "user", run->user);
	hoy_json_add_string(w, "network", run->network);
	if (run->insecure)
		hoy_json_add_string(w, "refused", "RUN --security=insecure is not supported by this version of Hoy");
	hoy_json_array(w, "mounts");
	for (size_t i = 0; r == 0 && i < run->n_mounts; i++) {
		const struct hoy_build_mount *m = &run->mounts[i];

		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "type", mount_type(m->type));
		add_step(w, "from", m->from);
		hoy_json_add_string(w, "source", m->source);
		hoy_json_add_string(w, "target", m->target);
		hoy_json_add_string(w, "id", m->id);
		hoy_json_add_string(w, "env", m->env);
		hoy_json_add_bool(w, "read_only", m->read_only);
		hoy_json_add_bool(w, "required", m->required);
		hoy_json_add_i64(w, "size", m->size);
		hoy_json_add_string(w, "sharing", sharings[m->sharing]);
		hoy_json_add_i64(w, "uid", m->uid);
		hoy_json_add_i64(w, "gid", m->gid);
		hoy_json_add_i64(w, "mode", m->mode);
		r = add_mount_digest(w, plan, m, roots, err);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	if (run->script)
		add_files(w, run->script, 1);
	return r;
}

static int emit_copy(struct hoy_json_writer *w, const struct hoy_build_plan *plan, const struct hoy_build_copy *copy,
	const int *roots, struct hoy_err *err)
{
	bool of_context = copy->from != HOY_BUILD_NO_STEP && plan->steps[copy->from].kind == HOY_BUILD_CONTEXT;
	char digest[HOY_LAYER_DIGEST_MAX] = "";
	auto_free char *missing = NULL;
	int r = 0;

	hoy_json_add_bool(w, "is_add", copy->is_add);
	add_step(w, "from", copy->from);
	hoy_json_array(w, "sources");
	for (size_t i = 0; i < copy->n_sources; i++) {
		hoy_json_object(w, NULL);
		hoy_json_add_string(w, "text", copy->sources[i].text);
		hoy_json_add_bool(w, "pattern", copy->sources[i].is_pattern);
		if (copy->sources[i].kind != HOY_BUILD_SOURCE_PATH)
			hoy_json_add_string(w, "url", copy->sources[i].text);
		if (copy->sources[i].pivot)
			hoy_json_add_string(w, "pivot", copy->sources[i].pivot);
		hoy_json_end(w);
	}
	hoy_json_end(w);
	add_files(w, copy->files, copy->n_files);
	hoy_json_add_string(w, "path", copy->dest);
	hoy_json_add_bool(w, "is_dir", copy->dest_is_dir);
	hoy_json_add_string(w, "chown", copy->chown);
	hoy_json_add_string(w, "chmod", copy->chmod);
	hoy_json_add_string(w, "checksum", copy->checksum);
	hoy_json_add_bool(w, "keep_git_dir", copy->keep_git_dir);
	hoy_json_add_bool(w, "unpack", copy->unpack);
	hoy_json_add_bool(w, "unpack_urls", copy->unpack_urls);
	hoy_json_add_bool(w, "parents", copy->parents);
	hoy_json_add_bool(w, "link", copy->link);
	hoy_json_add_strv(w, "excludes", copy->excludes);
	if (of_context)
		r = hoy_context_digest(roots[copy->from], copy, digest, &missing, err);
	if (r < 0 && r != -ENOENT)
		return r;
	hoy_json_add_string(w, "digest", digest);
	if (missing)
		hoy_json_add_string(w, "missing", missing);
	return 0;
}

static int emit_detail(struct hoy_json_writer *w, const struct hoy_build_plan *plan, const struct hoy_build_step *step,
	const int *roots, struct hoy_err *err)
{
	switch (step->kind) {
	case HOY_BUILD_IMAGE:
		hoy_json_add_string(w, "reference", step->image.reference);
		break;
	case HOY_BUILD_CONTEXT:
		if (step->context.value)
			hoy_json_add_string(w, "context", step->context.name);
		break;
	case HOY_BUILD_RUN:
		return emit_run(w, plan, &step->run, roots, err);
	case HOY_BUILD_COPY:
		return emit_copy(w, plan, &step->copy, roots, err);
	case HOY_BUILD_WORKDIR:
		hoy_json_add_string(w, "path", step->workdir.path);
		hoy_json_add_string(w, "chown", step->workdir.user);
		break;
	case HOY_BUILD_SCRATCH:
	case HOY_BUILD_META:
		break;
	}
	return 0;
}

/* What a step is called and history says of it: of what COPY and ADD take from, without credentials. */
static int add_words(struct hoy_json_writer *w, const char *key, const char *text, bool is_copy, struct hoy_err *err)
{
	auto_free char *redacted = is_copy && text ? hoy_redact(text) : NULL;

	if (is_copy && text && !redacted)
		return hoy_err_oom(err);
	hoy_json_add_string(w, key, is_copy ? redacted : text);
	return 0;
}

static int emit_step(struct hoy_json_writer *w, const struct hoy_build_plan *plan, const struct hoy_build_step *step,
	const int *roots, struct hoy_err *err)
{
	bool is_copy = step->kind == HOY_BUILD_COPY;
	int r;

	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "kind", kinds[step->kind]);
	add_step(w, "parent", step->parent);
	r = add_words(w, "text", step->instruction ? step->instruction->text : NULL, is_copy, err);

	if (r == 0)
		r = add_words(w, "title", step->title, is_copy, err);
	if (r == 0)
		r = add_words(w, "created_by", step->created_by, is_copy, err);
	if (step->instruction) {
		hoy_json_add_i64(w, "line", step->instruction->at.line);
		hoy_json_add_i64(w, "end_line", step->instruction->at.end_line);
	}
	hoy_json_add_string(w, "stage", step->stage);
	hoy_json_add_string(w, "platform", step->platform);
	hoy_json_add_bool(w, "no_cache", step->no_cache);
	hoy_json_add_string(w, "key", step->key);
	hoy_json_add_bool(w, "empty_layer", step->empty_layer);
	if (step->config)
		hoy_field_write(&hoy_oci_image_run_object, step->config, w, "config");
	if (r == 0)
		r = emit_detail(w, plan, step, roots, err);
	hoy_json_end(w);
	return r;
}

static void add_warning(struct hoy_json_writer *w, const struct hoy_dockerfile_warning *warning)
{
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "rule", warning->rule);
	hoy_json_add_string(w, "text", warning->text);
	hoy_json_add_i64(w, "line", warning->at.line);
	hoy_json_add_i64(w, "column", warning->at.column);
	hoy_json_end(w);
}

/* A tree from outside is no layer: it can be copied from, and no more. */
static int check_bases(const struct hoy_build_plan *plan, struct hoy_err *err)
{
	for (size_t i = 0; i <= plan->n_steps; i++) {
		size_t base = i < plan->n_steps ? plan->steps[i].parent : plan->result;

		if (base != HOY_BUILD_NO_STEP && plan->steps[base].kind == HOY_BUILD_CONTEXT)
			return hoy_err_unsupported(err,
				"FROM the build context '%s', which is no image, is not supported by this version of Hoy: "
				"FROM scratch and COPY --from=%s",
				plan->steps[base].context.name, plan->steps[base].context.name);
	}
	return 0;
}

int hoy_build_emit(const struct hoy_build_plan *plan, const char *dockerfile, const int *roots, struct hoy_buf *buf,
	struct hoy_err *err)
{
	struct hoy_json_writer w = { .buf = buf };
	int r = check_bases(plan, err);

	if (r < 0)
		return r;
	hoy_json_object(&w, NULL);
	add_step(&w, "result", plan->result);
	hoy_json_add_string(&w, "platform", plan->platform);
	hoy_json_add_string(&w, "author", plan->author);
	hoy_json_add_string(&w, "target", plan->target_name);
	hoy_json_add_string(&w, "dockerfile", dockerfile);
	if (plan->config)
		hoy_field_write(&hoy_oci_image_run_object, plan->config, &w, "config");
	hoy_json_array(&w, "warnings");
	for (size_t i = 0; i < plan->n_warnings; i++)
		add_warning(&w, &plan->warnings[i]);
	hoy_json_end(&w);
	hoy_json_array(&w, "steps");
	for (size_t i = 0; r == 0 && i < plan->n_steps; i++)
		r = emit_step(&w, plan, &plan->steps[i], roots, err);
	hoy_json_end(&w);
	hoy_json_end(&w);
	return r < 0 ? r : hoy_buf_check(buf, "plan of the build", err);
}
