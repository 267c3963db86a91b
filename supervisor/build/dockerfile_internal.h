/* Inside of the Dockerfile parser: the document that grows, one logical line, its pieces. */
#ifndef HOY_SUPERVISOR_BUILD_DOCKERFILE_INTERNAL_H
#define HOY_SUPERVISOR_BUILD_DOCKERFILE_INTERNAL_H

#include "base/arena.h"
#include "supervisor/build/dockerfile.h"

struct document {
	struct hoy_dockerfile file; /* first: what callers hold */
	struct hoy_arena arena;
	struct hoy_dockerfile_warning *warnings;
	size_t size_warnings;
};

/* A place in the file's text. */
struct text_cursor {
	size_t offset;
	uint32_t line; /* of the physical line that comes next, from 1 */
};

/* Where text of a logical line was written: from `offset` on it is line:column and following. */
struct line_piece {
	size_t offset;
	uint32_t line, column;
};

/* An instruction with its continuation lines joined and comments taken out. */
struct logical_line {
	const char *text;
	size_t len;
	struct line_piece *pieces;
	size_t n_pieces, size_pieces;
	uint32_t first, last; /* physical lines */
};

struct hoy_dockerfile_place hoy_dockerfile_line_place(const struct logical_line *line, size_t from, size_t to);

/* The next logical line; 0 at the end, 1 when there is one. */
int hoy_dockerfile_next_line(
	struct document *doc, struct text_cursor *cursor, struct logical_line *ret, struct hoy_err *err);

/* Reads the bodies of the heredocs that the line names, from the cursor on. */
int hoy_dockerfile_read_heredocs(struct document *doc, struct text_cursor *cursor, struct logical_line *line,
	struct hoy_dockerfile_heredocs *ret, struct hoy_err *err);
/* Is the word `<<NAME` alone? */
bool hoy_dockerfile_is_heredoc(const char *word);

/* The next physical line, without its newline (and without CR when `strip_cr`); false at the end. */
bool hoy_dockerfile_physical_line(
	const struct hoy_dockerfile *file, struct text_cursor *cursor, const char **text, size_t *len);

/* What is behind the keyword, already parsed. Adds heredocs when the instruction takes them. */
int hoy_dockerfile_parse_instruction(struct document *doc, struct text_cursor *cursor, struct logical_line *line,
	struct hoy_dockerfile_instruction *ret, struct hoy_err *err);

/* --- words (dockerfile_words.c); offsets are those of the logical line --- */

/* Words of an instruction as written, white space between them. */
int hoy_dockerfile_split(struct document *doc, const char *text, struct hoy_dockerfile_words *ret, struct hoy_err *err);

/* A JSON array of strings. 1: it is one; 0: it is none, so a shell form; an error when it holds something else. */
int hoy_dockerfile_json(struct document *doc, const char *text, struct hoy_dockerfile_words *ret, struct hoy_err *err);

/* The flags in front of an instruction's arguments, starting at `*offset` of the line; moves it behind them. */
int hoy_dockerfile_split_flags(struct document *doc, const struct logical_line *line, size_t *offset,
	const struct hoy_dockerfile_flag **ret, size_t *ret_n, struct hoy_err *err);

/* `key=value ...`, or `key the rest` (`legacy` allowed), or a name alone (`bare` allowed). */
int hoy_dockerfile_split_pairs(struct document *doc, const struct logical_line *line, size_t offset, bool bare,
	const char *keyword, struct hoy_dockerfile_pairs *ret, struct hoy_err *err);

static inline bool hoy_dockerfile_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

/* A remark; `text` must live as long as the document. */
int hoy_dockerfile_warn(struct document *doc, const char *rule, const char *text, const struct hoy_dockerfile_place *at,
	struct hoy_err *err);

#endif
