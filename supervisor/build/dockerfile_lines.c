/* Physical lines to logical ones: continuation, comments between, heredoc bodies behind. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/build/dockerfile_internal.h"
#include "supervisor/build/shell_words.h"

static const char *skip_spaces(const char *text, const char *end)
{
	while (text < end && hoy_dockerfile_is_space(*text))
		text++;
	return text;
}

bool hoy_dockerfile_physical_line(
	const struct hoy_dockerfile *file, struct text_cursor *cursor, const char **text, size_t *len)
{
	const char *start = file->text + cursor->offset, *newline;

	if (cursor->offset >= file->len)
		return false;
	newline = memchr(start, '\n', file->len - cursor->offset);
	*text = start;
	*len = newline ? (size_t) (newline - start) : file->len - cursor->offset;
	cursor->offset += *len + (newline ? 1 : 0);
	cursor->line++;
	return true;
}

struct hoy_dockerfile_place hoy_dockerfile_line_place(const struct logical_line *line, size_t from, size_t to)
{
	struct hoy_dockerfile_place place = { 0 };

	for (size_t i = 0; i < line->n_pieces; i++) {
		const struct line_piece *piece = &line->pieces[i];

		if (piece->offset <= from) {
			place.line = piece->line;
			place.column = piece->column + (uint32_t) (from - piece->offset);
		}
		if (piece->offset < to || i == 0) {
			place.end_line = piece->line;
			place.end_column = piece->column + (uint32_t) (to - piece->offset);
		}
	}
	return place;
}

/* Does the line go on? An escape at its end that is not itself escaped; cuts it off. */
static bool cut_continuation(const char *text, size_t *len, char escape)
{
	size_t end = *len;

	while (end > 0 && (text[end - 1] == ' ' || text[end - 1] == '\t' || text[end - 1] == '\r'))
		end--;
	if (end == 0 || text[end - 1] != escape || (end > 1 && text[end - 2] == escape))
		return false;
	*len = end - 1;
	return true;
}

static int add_piece(struct document *doc, struct logical_line *line, size_t offset, uint32_t number, size_t column,
	struct hoy_err *err)
{
	if (line->n_pieces >= line->size_pieces) {
		size_t size = 2 * line->size_pieces + 2;
		struct line_piece *pieces = hoy_arena_grow(
			&doc->arena, line->pieces, line->n_pieces, size, sizeof *pieces);

		if (!pieces)
			return hoy_err_oom(err);
		line->pieces = pieces;
		line->size_pieces = size;
	}
	line->pieces[line->n_pieces++] = (struct line_piece){
		.offset = offset, .line = number, .column = (uint32_t) column + 1
	};
	return 0;
}

/* The lines behind one that goes on. */
static int add_continuations(struct document *doc, struct text_cursor *cursor, struct logical_line *line,
	struct hoy_buf *joined, struct hoy_err *err)
{
	bool goes_on = true, empty = false;
	const char *text;
	size_t len;
	int r = 0;

	while (r == 0 && goes_on && hoy_dockerfile_physical_line(&doc->file, cursor, &text, &len)) {
		const char *first = skip_spaces(text, text + len);

		line->last = cursor->line - 1;
		if (first < text + len && *first == '#')
			continue;
		if (first == text + len) {
			empty = true;
			continue;
		}
		while (len > 0 && text[len - 1] == '\r')
			len--;
		goes_on = cut_continuation(text, &len, doc->file.escape);
		r = add_piece(doc, line, joined->len, cursor->line - 1, 0, err);
		(void) hoy_buf_add(joined, text, len);
	}
	if (r == 0 && empty) {
		struct hoy_dockerfile_place at = { .line = line->last, .end_line = line->last };

		r = hoy_dockerfile_warn(doc, "NoEmptyContinuation", "Empty continuation line", &at, err);
	}
	return r;
}

int hoy_dockerfile_next_line(
	struct document *doc, struct text_cursor *cursor, struct logical_line *ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf joined = { 0 };
	const char *text;
	size_t len;

	hoy_buf_init(&joined, HOY_DOCKERFILE_MAX_SIZE + 1);
	*ret = (struct logical_line){ 0 };
	while (hoy_dockerfile_physical_line(&doc->file, cursor, &text, &len)) {
		const char *first = skip_spaces(text, text + len);
		size_t rest = (size_t) (text + len - first);
		bool goes_on;
		int r;

		if (rest == 0 || *first == '#')
			continue;
		while (rest > 0 && first[rest - 1] == '\r')
			rest--;
		ret->first = ret->last = cursor->line - 1;
		goes_on = cut_continuation(first, &rest, doc->file.escape);
		r = add_piece(doc, ret, 0, ret->first, (size_t) (first - text), err);
		(void) hoy_buf_add(&joined, first, rest);
		if (r == 0 && goes_on)
			r = add_continuations(doc, cursor, ret, &joined, err);
		if (r == 0)
			r = hoy_buf_check(&joined, "the instruction", err);
		if (r < 0)
			return r;
		while (joined.len > 0 && hoy_dockerfile_is_space(joined.data[joined.len - 1]))
			joined.data[--joined.len] = '\0';
		if (joined.len == 0)
			continue;
		ret->text = hoy_arena_strndup(&doc->arena, joined.data, joined.len);
		ret->len = joined.len;
		return ret->text ? 1 : hoy_err_oom(err);
	}
	return 0;
}

/* --- heredocs --- */

/* `3<<-"EOF"`: the part behind "<<" and "-", NULL when the word is none. */
static const char *heredoc_name(const char *word, bool *strip_tabs)
{
	const char *p = word + strspn(word, "0123456789");

	if (p[0] != '<' || p[1] != '<')
		return NULL;
	p += 2;
	*strip_tabs = *p == '-';
	if (*strip_tabs)
		p++;
	p += strspn(p, " \t");
	return *p && !strchr(p, '<') ? p : NULL;
}

static size_t count_quotes(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\'' || *text == '"';
	return n;
}

/* The delimiter of a word that may be a heredoc: 1, 0 when it is none. */
static int parse_heredoc(
	struct document *doc, const char *word, struct hoy_dockerfile_heredoc *ret, struct hoy_err *err)
{
	struct hoy_shell shell = { .escape = '\\', .ignore_dollars = true };
	auto_ptr(hoy_strv_free) char **plain = NULL, **quoted = NULL;
	const char *name = heredoc_name(word, &ret->strip_tabs);
	int r;

	if (!name)
		return 0;
	r = hoy_shell_words(&shell, name, &plain, err);
	shell.keep_quotes = true;
	if (r == 0)
		r = hoy_shell_words(&shell, name, &quoted, err);
	if (r < 0)
		return r;
	if (hoy_strv_len(plain) != 1 || hoy_strv_len(quoted) != 1)
		return 0;
	ret->name = hoy_arena_strdup(&doc->arena, plain[0]);
	ret->expand = count_quotes(plain[0]) == count_quotes(quoted[0]);
	return ret->name ? 1 : hoy_err_oom(err);
}

bool hoy_dockerfile_is_heredoc(const char *word)
{
	bool strip_tabs;

	return heredoc_name(word, &strip_tabs) != NULL;
}

/* The lines up to the delimiter. */
static int read_body(struct document *doc, struct text_cursor *cursor, const struct logical_line *line,
	struct hoy_dockerfile_heredoc *heredoc, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf raw = { 0 }, content = { 0 };
	size_t name_len = strlen(heredoc->name), len;
	bool found = false;
	const char *text;

	hoy_buf_init(&raw, HOY_DOCKERFILE_MAX_SIZE + 1);
	hoy_buf_init(&content, HOY_DOCKERFILE_MAX_SIZE + 1);
	while (!found && hoy_dockerfile_physical_line(&doc->file, cursor, &text, &len)) {
		size_t tabs = 0, end = len;

		while (heredoc->strip_tabs && tabs < len && text[tabs] == '\t')
			tabs++;
		while (end > tabs && text[end - 1] == '\r')
			end--;
		found = end - tabs == name_len && memcmp(text + tabs, heredoc->name, name_len) == 0;
		if (found)
			break;
		(void) hoy_buf_add(&raw, text, len);
		(void) hoy_buf_addc(&raw, '\n');
		(void) hoy_buf_add(&content, text + tabs, len - tabs);
		(void) hoy_buf_addc(&content, '\n');
	}
	if (!found)
		return hoy_dockerfile_err(&doc->file, &heredoc->at, err,
			"unterminated heredoc: no line below %u is just '%s'", line->last, heredoc->name);
	heredoc->raw = hoy_arena_strndup(&doc->arena, raw.data ? raw.data : "", raw.len);
	heredoc->content = hoy_arena_strndup(&doc->arena, content.data ? content.data : "", content.len);
	return heredoc->raw && heredoc->content ? 0 : hoy_err_oom(err);
}

int hoy_dockerfile_read_heredocs(struct document *doc, struct text_cursor *cursor, struct logical_line *line,
	struct hoy_dockerfile_heredocs *ret, struct hoy_err *err)
{
	const struct hoy_shell shell = {
		.escape = '\\', .keep_quotes = true, .keep_escapes = true, .ignore_dollars = true
	};
	auto_ptr(hoy_strv_free) char **words = NULL;
	struct hoy_dockerfile_heredoc *list = NULL;
	const char *from = line->text;
	size_t n = 0;

	*ret = (struct hoy_dockerfile_heredocs){ 0 };
	/* A quote without its mate is the shell's business: then there is no heredoc. */
	if (!strstr(line->text, "<<") || hoy_shell_words(&shell, line->text, &words, /* err= */ NULL) < 0)
		return 0;
	for (char **word = words; *word; word++) {
		struct hoy_dockerfile_heredoc heredoc = { 0 };
		const char *found = strstr(from, *word);
		int r = parse_heredoc(doc, *word, &heredoc, err);

		if (found)
			from = found + strlen(*word);
		if (r == 0)
			continue;
		if (found)
			heredoc.at = hoy_dockerfile_line_place(
				line, (size_t) (found - line->text), (size_t) (from - line->text));
		if (r > 0 && n >= HOY_DOCKERFILE_MAX_HEREDOCS)
			r = hoy_dockerfile_err(&doc->file, &heredoc.at, err, "more than %d heredocs in one instruction",
				HOY_DOCKERFILE_MAX_HEREDOCS);
		if (r > 0)
			r = read_body(doc, cursor, line, &heredoc, err);
		if (r < 0)
			return r;
		list = hoy_arena_grow(&doc->arena, list, n, n + 1, sizeof *list);
		if (!list)
			return hoy_err_oom(err);
		list[n++] = heredoc;
	}
	line->last = n > 0 ? cursor->line - 1 : line->last;
	*ret = (struct hoy_dockerfile_heredocs){ .list = list, .n = n };
	return 0;
}
