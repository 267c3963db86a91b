/* Between the files of the template evaluator. */
#ifndef HOY_CLI_TEMPLATE_INTERNAL_H
#define HOY_CLI_TEMPLATE_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "supervisor/cli/template.h"

/* --- words of an action (template_lex.c) ------------------------------------- */

enum hoy_template_token_type {
	TOKEN_CLOSE, /* }} */
	TOKEN_FIELD, /* .Name, text without the dot */
	TOKEN_DOT,
	TOKEN_VARIABLE, /* $ or $name, text with the dollar */
	TOKEN_NAME,     /* a function or keyword */
	TOKEN_STRING,   /* text is the value */
	TOKEN_NUMBER,
	TOKEN_CHAR, /* number is its code point */
	TOKEN_PIPE,
	TOKEN_OPEN_PAREN,
	TOKEN_CLOSE_PAREN,
	TOKEN_DECLARE, /* := */
	TOKEN_ASSIGN,  /* = */
	TOKEN_COMMA,
};

struct hoy_template_token {
	enum hoy_template_token_type type;
	size_t pos, end; /* in the source */
	bool spaced;     /* white space stands before it */
	char *text;      /* owned; NULL for marks */
	int64_t number;
};

/* The next word at *at. `close` tells how the action ends is found: "}}" or " -}}". 0 or -EINVAL with Go's text. */
int hoy_template_lex(const char *source, size_t *at, struct hoy_template_token *ret, struct hoy_err *err);
/* "template: :LINE: TEXT" */
int hoy_template_parse_error(const char *source, size_t pos, struct hoy_err *err, const char *fmt, ...)
	HOY_PRINTF(4, 5);

/* --- values (template_value.c) ----------------------------------------------- */

enum hoy_template_type { VALUE_NONE, VALUE_NIL, VALUE_BOOL, VALUE_INT, VALUE_FLOAT, VALUE_STRING, VALUE_TREE };

/* NONE is a member that isn't there. Strings belong to the run, the source or the data; trees are arrays, objects. */
struct hoy_template_value {
	enum hoy_template_type type;
	union {
		bool boolean;
		int64_t number;
		double decimal;
		const char *string;
		const struct hoy_json *tree;
	};
};

struct hoy_template_value hoy_template_value_of(const struct hoy_json *json); /* NULL: NONE */
struct hoy_template_value hoy_template_value_text(const char *text);
bool hoy_template_value_true(const struct hoy_template_value *value);
/* As Go's %v. `inside` a list, NONE and NIL are "<nil>". */
void hoy_template_value_print(const struct hoy_template_value *value, bool inside, struct hoy_buf *out);
/* As Go names the type: "string", "int", "map[string]interface {}". */
const char *hoy_template_value_type(const struct hoy_template_value *value);
/* A double as Go's %v prints it. */
void hoy_template_float_print(double value, struct hoy_buf *out);

/* --- the parsed template (template_parse.c) ---------------------------------- */

enum hoy_template_operand_type {
	OPERAND_DOT,      /* with its fields */
	OPERAND_VARIABLE, /* name, with its fields */
	OPERAND_FUNCTION,
	OPERAND_LITERAL,
	OPERAND_PIPE, /* in parentheses, with its fields */
};

struct hoy_template_operand {
	enum hoy_template_operand_type type;
	size_t pos, end;   /* its text in the source */
	size_t report_pos; /* where Go says an error is: at the last but one name of a chain, else at its start */
	char *name;        /* owned: a variable's or function's name, a literal string */
	char **fields;     /* owned; NULL: none */
	struct hoy_template_value literal;
	struct hoy_template_pipe *pipe;
	struct hoy_template_operand *next;
};

struct hoy_template_command {
	struct hoy_template_operand *operands; /* the first is what is called, the others its arguments */
	struct hoy_template_command *next;
};

struct hoy_template_pipe {
	size_t pos, end;
	char *variables[2]; /* owned: the ones it declares or sets */
	bool declares;
	struct hoy_template_command *commands;
};

enum hoy_template_node_type { NODE_TEXT, NODE_ACTION, NODE_IF, NODE_RANGE, NODE_WITH, NODE_BREAK, NODE_CONTINUE };

struct hoy_template_node {
	enum hoy_template_node_type type;
	char *text; /* owned */
	struct hoy_template_pipe *pipe;
	struct hoy_template_node *body, *otherwise;
	struct hoy_template_node *next;
};

struct hoy_template {
	char *source;
	struct hoy_template_node *nodes;
};

void hoy_template_pipe_free(struct hoy_template_pipe *pipe);

/* --- a run (template_eval.c) ------------------------------------------------- */

#define HOY_TEMPLATE_MAX_ARGS 32

struct hoy_template_run {
	const struct hoy_template *template;
	const struct hoy_template_options *options;
	const struct hoy_json *data;
	struct hoy_buf *out;
	struct hoy_err *err;
	struct hoy_template_variable *variables; /* the innermost first */
	char **strings;                          /* owned: what functions made */
	size_t n_strings;
	struct hoy_json **trees; /* owned: lists that functions made */
	size_t n_trees;
	size_t steps;
};

/* Takes the string over; NULL (out of memory) is told. */
int hoy_template_keep(struct hoy_template_run *run, char *text, struct hoy_template_value *ret);
/* Parses JSON text that a function wrote. */
int hoy_template_keep_tree(struct hoy_template_run *run, const struct hoy_buf *text, struct hoy_template_value *ret);

/* --- functions (template_function.c, template_printf.c) ---------------------- */

struct hoy_template_function {
	const char *name;
	size_t min_args, max_args;
	/* Fails with the text that stands behind "error calling NAME: ". */
	int (*call)(struct hoy_template_run *run, const struct hoy_template_value *args, size_t n,
		struct hoy_template_value *ret);
};
const struct hoy_template_function *hoy_template_function_find(const char *name);

int hoy_template_printf(
	struct hoy_template_run *run, const struct hoy_template_value *args, size_t n, struct hoy_template_value *ret);

#endif
