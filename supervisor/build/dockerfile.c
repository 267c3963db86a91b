/* The file as a whole: directives, the ARGs in front, stages. */
#include "supervisor/build/dockerfile_internal.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/utf8.h"

enum { MAX_ARENA = 256 << 20 };

void hoy_dockerfile_free(struct hoy_dockerfile *file)
{
	struct document *doc = (struct document *) file;

	if (!doc)
		return;
	hoy_arena_done(&doc->arena);
	free(doc);
}

int hoy_dockerfile_warn(struct document *doc, const char *rule, const char *text, const struct hoy_dockerfile_place *at,
	struct hoy_err *err)
{
	if (doc->file.n_warnings >= doc->size_warnings) {
		size_t size = 2 * doc->size_warnings + 4;
		struct hoy_dockerfile_warning *list = hoy_arena_grow(
			&doc->arena, doc->warnings, doc->file.n_warnings, size, sizeof *list);

		if (!list)
			return hoy_err_oom(err);
		doc->file.warnings = doc->warnings = list;
		doc->size_warnings = size;
	}
	doc->warnings[doc->file.n_warnings++] = (struct hoy_dockerfile_warning){
		.rule = rule, .text = text, .at = *at
	};
	return 0;
}

/* --- directives --- */

/* `# name=value`: copies both, or leaves *name NULL. */
static int split_directive(
	struct document *doc, const char *text, size_t len, const char **name, const char **value, struct hoy_err *err)
{
	const char *p = text, *end = text + len, *start;

	*name = NULL;
	while (p < end && isspace((unsigned char) *p))
		p++;
	if (p == end || *p++ != '#')
		return 0;
	while (p < end && isspace((unsigned char) *p))
		p++;
	start = p;
	if (p == end || !isalpha((unsigned char) *p))
		return 0;
	while (p < end && isalnum((unsigned char) *p))
		p++;
	len = (size_t) (p - start);
	while (p < end && isspace((unsigned char) *p))
		p++;
	if (p == end || *p++ != '=')
		return 0;
	while (p < end && isspace((unsigned char) *p))
		p++;
	while (end > p && isspace((unsigned char) end[-1]))
		end--;
	if (p == end)
		return 0;
	*name = hoy_arena_strndup(&doc->arena, start, len);
	*value = hoy_arena_strndup(&doc->arena, p, (size_t) (end - p));
	return *name && *value ? 0 : hoy_err_oom(err);
}

/* 1: it was one of ours; 0: no directive, so none comes any more. */
static int take_directive(struct document *doc, const char *name, const char *value,
	const struct hoy_dockerfile_place *at, bool *had_escape, struct hoy_err *err)
{
	bool again;

	if (strcasecmp(name, "escape") == 0) {
		again = *had_escape;
		*had_escape = true;
		if (strcmp(value, "\\") != 0 && strcmp(value, "`") != 0)
			return hoy_dockerfile_err(
				&doc->file, at, err, "invalid escape token '%.100s': it is \\ or `", value);
		doc->file.escape = value[0];
	} else if (strcasecmp(name, "syntax") == 0) {
		again = doc->file.syntax != NULL;
		doc->file.syntax = value;
	} else if (strcasecmp(name, "check") == 0) {
		again = doc->file.check != NULL;
		doc->file.check = value;
	} else {
		return 0;
	}
	if (again)
		return hoy_dockerfile_err(&doc->file, at, err, "only one %s parser directive can be used", name);
	return 1;
}

static int read_directives(struct document *doc, struct hoy_err *err)
{
	struct text_cursor cursor = { .line = 1 };
	bool had_escape = false;
	const char *text;
	size_t len;
	int r = 1;

	while (r > 0 && hoy_dockerfile_physical_line(&doc->file, &cursor, &text, &len)) {
		struct hoy_dockerfile_place at = { .line = cursor.line - 1, .column = 1, .end_line = cursor.line - 1 };
		const char *name, *value;

		at.end_column = (uint32_t) len + 1;
		r = split_directive(doc, text, len, &name, &value, err);
		if (r == 0 && name)
			r = take_directive(doc, name, value, &at, &had_escape, err);
	}
	return MIN(r, 0);
}

/* --- stages --- */

/* Instructions as they come; cut into stages at the end. */
static int read_instructions(
	struct document *doc, struct hoy_dockerfile_instruction **ret, size_t *ret_n, struct hoy_err *err)
{
	struct text_cursor cursor = { .line = 1 };
	struct hoy_dockerfile_instruction *list = NULL;
	size_t n = 0, size = 0;
	int r;

	while (true) {
		struct logical_line line;

		r = hoy_dockerfile_next_line(doc, &cursor, &line, err);
		if (r <= 0)
			break;
		if (n >= HOY_DOCKERFILE_MAX_INSTRUCTIONS)
			return hoy_err_invalid(
				err, "%s: more than %d instructions", doc->file.name, HOY_DOCKERFILE_MAX_INSTRUCTIONS);
		if (n >= size) {
			size = 2 * size + 16;
			list = hoy_arena_grow(&doc->arena, list, n, size, sizeof *list);
			if (!list)
				return hoy_err_oom(err);
		}
		r = hoy_dockerfile_parse_instruction(doc, &cursor, &line, &list[n], err);
		if (r < 0)
			return r;
		n++;
	}
	*ret = list;
	*ret_n = n;
	return r;
}

static int cut_stages(
	struct document *doc, const struct hoy_dockerfile_instruction *list, size_t n, struct hoy_err *err)
{
	struct hoy_dockerfile_stage *stages;
	size_t n_stages = 0;

	for (size_t i = 0; i < n; i++) {
		if (n_stages == 0 && list[i].kind != HOY_DOCKERFILE_FROM && list[i].kind != HOY_DOCKERFILE_ARG)
			return hoy_dockerfile_err(&doc->file, &list[i].at, err,
				"no build stage in current context: %s before the first FROM (only ARG may stand there)",
				hoy_dockerfile_kind_name(list[i].kind));
		n_stages += list[i].kind == HOY_DOCKERFILE_FROM;
		if (n_stages == 0)
			doc->file.n_args++;
	}
	doc->file.args = list;
	if (n == 0)
		return hoy_err_invalid(err, "%s: file with no instructions", doc->file.name);
	if (n_stages == 0)
		return hoy_err_invalid(err, "%s: dockerfile contains no stages to build: no FROM", doc->file.name);
	stages = hoy_arena_alloc(&doc->arena, n_stages * sizeof *stages);
	if (!stages)
		return hoy_err_oom(err);
	doc->file.stages = stages;
	doc->file.n_stages = n_stages;
	stages--;
	for (size_t i = doc->file.n_args; i < n; i++) {
		if (list[i].kind == HOY_DOCKERFILE_FROM)
			*++stages = (struct hoy_dockerfile_stage){ .from = &list[i], .instructions = &list[i + 1] };
		else
			stages->n++;
	}
	return 0;
}

static int check_text(const struct document *doc, struct hoy_err *err)
{
	struct hoy_dockerfile_place at = { .line = 1 };
	const char *nul = memchr(doc->file.text, '\0', doc->file.len);

	if (!nul)
		return 0;
	for (const char *p = doc->file.text; p < nul; p++)
		at.line += *p == '\n';
	return hoy_err_invalid(err, "%s:%u: a NUL byte: this is no text file", doc->file.name, at.line);
}

static int open_document(const char *name, const char *text, size_t len, struct document **ret, struct hoy_err *err)
{
	struct document *doc;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
		text += 3;
		len -= 3;
	}
	if (len > HOY_DOCKERFILE_MAX_SIZE)
		return hoy_err_invalid(err, "%s: larger than %d bytes", name, HOY_DOCKERFILE_MAX_SIZE);
	doc = calloc(1, sizeof *doc);
	if (!doc)
		return hoy_err_oom(err);
	doc->arena.cap = MAX_ARENA;
	doc->file.name = hoy_arena_strdup(&doc->arena, name);
	doc->file.text = hoy_arena_strndup(&doc->arena, text, len);
	doc->file.len = len;
	doc->file.escape = '\\';
	*ret = doc;
	if (!doc->file.name || !doc->file.text)
		return hoy_err_oom(err);
	return check_text(doc, err);
}

int hoy_dockerfile_parse(
	const char *name, const char *text, size_t len, struct hoy_dockerfile **ret, struct hoy_err *err)
{
	struct document *doc = NULL;
	struct hoy_dockerfile_instruction *list = NULL;
	size_t n = 0;
	int r = open_document(name, text, len, &doc, err);

	*ret = NULL;
	if (r == 0)
		r = read_directives(doc, err);
	if (r == 0)
		r = read_instructions(doc, &list, &n, err);
	if (r == 0)
		r = cut_stages(doc, list, n, err);
	if (r < 0) {
		hoy_dockerfile_free(doc ? &doc->file : NULL);
		return r;
	}
	*ret = &doc->file;
	return 0;
}

int hoy_dockerfile_parse_line(const char *name, const char *text, struct hoy_dockerfile **ret, struct hoy_err *err)
{
	struct document *doc = NULL;
	struct hoy_dockerfile_instruction *list = NULL;
	size_t n = 0;
	int r = open_document(name, text, strlen(text), &doc, err);

	*ret = NULL;
	if (r == 0)
		r = read_instructions(doc, &list, &n, err);
	if (r == 0 && n != 1)
		r = hoy_err_invalid(err, "%s: one instruction is wanted, here are %zu", name, n);
	if (r < 0) {
		hoy_dockerfile_free(doc ? &doc->file : NULL);
		return r;
	}
	doc->file.args = list;
	doc->file.n_args = 1;
	*ret = &doc->file;
	return 0;
}
