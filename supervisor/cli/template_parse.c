/* From the source to nodes, pipes, commands and operands. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/cli/template_internal.h"

/* Blocks and parentheses within each other: users write three. */
#define MAX_DEPTH 100
#define MAX_VARIABLES 256
#define MAX_SOURCE ((size_t) 1 << 20)

struct parser {
	const char *source;
	size_t at;
	struct hoy_template_token token; /* the next word of the action, when has_token */
	bool has_token;
	unsigned int depth, loops;
	char *variables[MAX_VARIABLES]; /* in scope; borrowed from the pipes */
	size_t n_variables;
	struct hoy_err *err;
};

static void token_done(struct hoy_template_token *token)
{
	free(token->text);
	token->text = NULL;
}

static int peek(struct parser *p)
{
	int r = 0;

	if (!p->has_token) {
		r = hoy_template_lex(p->source, &p->at, &p->token, p->err);
		p->has_token = r == 0;
	}
	return r;
}

/* Drops the word that was peeked at; its text is handed over when it is wanted. */
static char *take(struct parser *p)
{
	p->has_token = false;
	return TAKE_PTR(p->token.text);
}

static void drop(struct parser *p)
{
	free(take(p));
}

static int unexpected(struct parser *p, const char *where)
{
	const struct hoy_template_token *t = &p->token;

	if (t->type == TOKEN_CLOSE)
		return hoy_template_parse_error(p->source, t->pos, p->err, "missing value for %s", where);
	return hoy_template_parse_error(p->source, t->pos, p->err, "unexpected <%.*s> in %s", (int) (t->end - t->pos),
		p->source + t->pos, where);
}

/* --- operands ---------------------------------------------------------------- */

static void operands_free(struct hoy_template_operand *o)
{
	while (o) {
		struct hoy_template_operand *next = o->next;

		free(o->name);
		hoy_strv_free(o->fields);
		hoy_template_pipe_free(o->pipe);
		free(o);
		o = next;
	}
}

void hoy_template_pipe_free(struct hoy_template_pipe *pipe)
{
	struct hoy_template_command *c = pipe ? pipe->commands : NULL;

	while (c) {
		struct hoy_template_command *next = c->next;

		operands_free(c->operands);
		free(c);
		c = next;
	}
	if (pipe) {
		free(pipe->variables[0]);
		free(pipe->variables[1]);
	}
	free(pipe);
}

static int parse_pipe(
	struct parser *p, enum hoy_template_token_type end, const char *where, struct hoy_template_pipe **ret);

/* "0x1F", "1_000", "-3", "1.5e3" */
static int parse_number(struct parser *p, struct hoy_template_value *ret)
{
	auto_free char *digits = strdup(p->token.text);
	char *end, *to = digits;
	const char *from = digits;
	int base = 0;

	if (!digits)
		return hoy_err_oom(p->err);
	for (; *from; from++)
		if (*from != '_')
			*to++ = *from;
	*to = '\0';
	from = digits + (*digits == '-' || *digits == '+');
	if (from[0] == '0' && (from[1] == 'b' || from[1] == 'B' || from[1] == 'o' || from[1] == 'O')) {
		base = tolower((unsigned char) from[1]) == 'b' ? 2 : 8;
		memmove((char *) from, from + 2, strlen(from + 2) + 1);
	}
	errno = 0;
	*ret = (struct hoy_template_value){ .type = VALUE_INT, .number = strtoll(digits, &end, base) };
	if (*digits && !*end && errno == 0)
		return 0;
	*ret = (struct hoy_template_value){ .type = VALUE_FLOAT, .decimal = strtod(digits, &end) };
	if (!*end && !strpbrk(digits, "xXnN"))
		return 0;
	return hoy_template_parse_error(p->source, p->token.pos, p->err, "bad number syntax: \"%s\"", p->token.text);
}

static bool is_variable(const struct parser *p, const char *name)
{
	if (strcmp(name, "$") == 0)
		return true;
	for (size_t i = 0; i < p->n_variables; i++)
		if (strcmp(p->variables[i], name) == 0)
			return true;
	return false;
}

/* A name that is no keyword: a literal or a function. */
static int parse_name(struct parser *p, struct hoy_template_operand *o)
{
	const char *name = p->token.text;

	if (strcmp(name, "true") == 0 || strcmp(name, "false") == 0) {
		o->type = OPERAND_LITERAL;
		o->literal = (struct hoy_template_value){ .type = VALUE_BOOL, .boolean = *name == 't' };
		return 0;
	}
	if (strcmp(name, "nil") == 0) {
		o->type = OPERAND_LITERAL;
		o->literal = (struct hoy_template_value){ .type = VALUE_NIL };
		return 0;
	}
	if (!hoy_template_function_find(name))
		return hoy_template_parse_error(p->source, p->token.pos, p->err, "function \"%s\" not defined", name);
	o->type = OPERAND_FUNCTION;
	o->name = take(p);
	return 0;
}

/* The word of p->token as the start of an operand. */
static int parse_operand_start(struct parser *p, struct hoy_template_operand *o)
{
	switch (p->token.type) {
	case TOKEN_DOT:
		o->type = OPERAND_DOT;
		return 0;
	case TOKEN_FIELD:
		o->type = OPERAND_DOT;
		return hoy_strv_add(&o->fields, p->token.text) < 0 ? hoy_err_oom(p->err) : 0;
	case TOKEN_VARIABLE:
		o->type = OPERAND_VARIABLE;
		if (!is_variable(p, p->token.text))
			return hoy_template_parse_error(
				p->source, p->token.pos, p->err, "undefined variable \"%s\"", p->token.text);
		o->name = take(p);
		return 0;
	case TOKEN_NAME:
		return parse_name(p, o);
	case TOKEN_STRING:
		o->type = OPERAND_LITERAL;
		o->name = take(p);
		o->literal = hoy_template_value_text(o->name);
		return 0;
	case TOKEN_CHAR:
		o->type = OPERAND_LITERAL;
		o->literal = (struct hoy_template_value){ .type = VALUE_INT, .number = p->token.number };
		return 0;
	case TOKEN_NUMBER:
		o->type = OPERAND_LITERAL;
		return parse_number(p, &o->literal);
	case TOKEN_OPEN_PAREN:
		drop(p);
		o->type = OPERAND_PIPE;
		return parse_pipe(p, TOKEN_CLOSE_PAREN, "parenthesized pipeline", &o->pipe);
	default:
		return unexpected(p, "operand");
	}
}

static int parse_operand(struct parser *p, struct hoy_template_operand **ret)
{
	struct hoy_template_operand *o = calloc(1, sizeof *o);
	bool dot = p->token.type == TOKEN_DOT, chain = p->token.type == TOKEN_FIELD;
	int r;

	if (!o)
		return hoy_err_oom(p->err);
	*ret = o;
	o->pos = o->report_pos = p->token.pos;
	o->end = p->token.end;
	r = parse_operand_start(p, o);
	if (r < 0)
		return r;
	if (o->type == OPERAND_PIPE)
		o->end = o->pipe->end;
	else
		drop(p);
	r = peek(p);
	if (r == 0 && p->token.type == TOKEN_FIELD && !p->token.spaced &&
		(dot || o->type == OPERAND_LITERAL || o->type == OPERAND_FUNCTION))
		return hoy_template_parse_error(p->source, p->token.pos, p->err, "unexpected . after term \"%.*s\"",
			(int) (o->end - o->pos), p->source + o->pos);
	for (bool first = true; r == 0 && p->token.type == TOKEN_FIELD && !p->token.spaced; first = false) {
		if (hoy_strv_add(&o->fields, p->token.text) < 0)
			return hoy_err_oom(p->err);
		if (first && (chain || o->type == OPERAND_VARIABLE))
			o->report_pos = p->token.pos;
		o->end = p->token.end;
		drop(p);
		r = peek(p);
	}
	return r;
}

/* Operands up to a pipe or the end. */
static int parse_command(struct parser *p, enum hoy_template_token_type end, struct hoy_template_command *command)
{
	struct hoy_template_operand **tail = &command->operands;
	size_t n = 0;
	int r = peek(p);

	while (r == 0 && p->token.type != end && p->token.type != TOKEN_PIPE && p->token.type != TOKEN_CLOSE) {
		if (n && !p->token.spaced && p->token.type != TOKEN_OPEN_PAREN)
			return unexpected(p, "operand");
		if (++n > HOY_TEMPLATE_MAX_ARGS)
			return hoy_template_parse_error(p->source, p->token.pos, p->err, "too many arguments");
		r = parse_operand(p, tail);
		if (*tail)
			tail = &(*tail)->next;
	}
	if (r == 0 && !n)
		return hoy_template_parse_error(p->source, p->token.pos, p->err, "missing value for command");
	return r;
}

/* "$a :=", "$a, $b :=", "$a =": when there is one. Else *p is as it was. */
static int parse_declaration(struct parser *p, struct hoy_template_pipe *pipe)
{
	struct parser before = *p;
	struct hoy_template_token first = {};
	int r;

	if (p->token.type != TOKEN_VARIABLE)
		return 0;
	before.token.text = NULL;
	first.text = take(p);
	r = peek(p);
	if (r == 0 && p->token.type == TOKEN_COMMA) {
		drop(p);
		r = peek(p);
		if (r == 0 && p->token.type != TOKEN_VARIABLE)
			r = unexpected(p, "range");
		if (r == 0) {
			pipe->variables[1] = take(p);
			r = peek(p);
		}
		if (r == 0 && p->token.type != TOKEN_DECLARE && p->token.type != TOKEN_ASSIGN)
			r = unexpected(p, "range");
	}
	if (r == 0 && (p->token.type == TOKEN_DECLARE || p->token.type == TOKEN_ASSIGN)) {
		pipe->declares = p->token.type == TOKEN_DECLARE;
		pipe->variables[0] = TAKE_PTR(first.text);
		drop(p);
		if (!pipe->declares && !is_variable(p, pipe->variables[0]))
			return hoy_template_parse_error(
				p->source, before.token.pos, p->err, "undefined variable \"%s\"", pipe->variables[0]);
		return 0;
	}
	if (r == 0) { /* an operand after all */
		drop(p);
		p->at = before.token.pos;
		r = peek(p);
		p->token.spaced = before.token.spaced;
	}
	token_done(&first);
	return r;
}

static int declare(struct parser *p, const struct hoy_template_pipe *pipe)
{
	for (size_t i = 0; pipe->declares && i < 2 && pipe->variables[i]; i++) {
		if (p->n_variables == MAX_VARIABLES)
			return hoy_template_parse_error(p->source, pipe->pos, p->err, "too many variables");
		p->variables[p->n_variables++] = pipe->variables[i];
	}
	return 0;
}

static int parse_commands(
	struct parser *p, enum hoy_template_token_type end, const char *where, struct hoy_template_pipe *pipe)
{
	struct hoy_template_command **tail = &pipe->commands;
	int r = peek(p);

	if (r == 0 && p->token.type == end)
		return hoy_template_parse_error(p->source, p->token.pos, p->err, "missing value for %s", where);
	while (r == 0) {
		struct hoy_template_operand *first;

		*tail = calloc(1, sizeof **tail);
		if (!*tail)
			return hoy_err_oom(p->err);
		r = parse_command(p, end, *tail);
		if (r < 0)
			break;
		first = (*tail)->operands;
		if (tail != &pipe->commands && first->type == OPERAND_LITERAL)
			return hoy_template_parse_error(
				p->source, first->pos, p->err, "non executable command in pipeline stage 2");
		tail = &(*tail)->next;
		if (p->token.type == end)
			break;
		if (p->token.type != TOKEN_PIPE)
			return hoy_template_parse_error(p->source, p->token.pos, p->err, "unclosed left paren");
		drop(p);
	}
	return r;
}

static int parse_pipe(
	struct parser *p, enum hoy_template_token_type end, const char *where, struct hoy_template_pipe **ret)
{
	struct hoy_template_pipe *pipe = calloc(1, sizeof *pipe);
	int r;

	if (!pipe)
		return hoy_err_oom(p->err);
	*ret = pipe;
	if (++p->depth > MAX_DEPTH)
		return hoy_template_parse_error(p->source, p->at, p->err, "nested too deeply");
	r = peek(p);
	if (r < 0)
		return r;
	pipe->pos = p->token.pos;
	if (end == TOKEN_CLOSE)
		r = parse_declaration(p, pipe);
	if (r == 0)
		r = parse_commands(p, end, where, pipe);
	if (r == 0)
		r = declare(p, pipe);
	if (r < 0)
		return r;
	pipe->end = end == TOKEN_CLOSE ? p->token.pos : p->token.end;
	drop(p);
	p->depth--;
	return 0;
}

/* --- nodes ------------------------------------------------------------------- */

static void nodes_free(struct hoy_template_node *node)
{
	while (node) {
		struct hoy_template_node *next = node->next;

		free(node->text);
		hoy_template_pipe_free(node->pipe);
		nodes_free(node->body);
		nodes_free(node->otherwise);
		free(node);
		node = next;
	}
}

/* How a list of nodes ended. */
enum stop { STOP_EOF, STOP_END, STOP_ELSE };

static int parse_list(struct parser *p, struct hoy_template_node **ret, enum stop *ret_stop);

static int expect_close(struct parser *p, const char *where)
{
	int r = peek(p);

	if (r == 0 && p->token.type != TOKEN_CLOSE)
		r = unexpected(p, where);
	if (r == 0)
		drop(p);
	return r;
}

static int parse_block(
	struct parser *p, enum hoy_template_node_type type, const char *name, struct hoy_template_node *node);

/* Behind "{{else": its end, or the "if" and "with" that go on. */
static int parse_else(struct parser *p, enum hoy_template_node_type type, const char *name,
	struct hoy_template_node *node, enum stop *ret_stop)
{
	int r = peek(p);

	if (r == 0 && p->token.type == TOKEN_NAME && strcmp(p->token.text, name) == 0 && type != NODE_RANGE) {
		drop(p);
		node->otherwise = calloc(1, sizeof *node);
		if (!node->otherwise)
			return hoy_err_oom(p->err);
		*ret_stop = STOP_END; /* the inner block took the end */
		return parse_block(p, type, name, node->otherwise);
	}
	if (r == 0)
		r = expect_close(p, "else");
	return r < 0 ? r : parse_list(p, &node->otherwise, ret_stop);
}

static int parse_block(
	struct parser *p, enum hoy_template_node_type type, const char *name, struct hoy_template_node *node)
{
	size_t variables = p->n_variables, pos = p->at;
	enum stop stop = STOP_EOF;
	int r;

	node->type = type;
	if (++p->depth > MAX_DEPTH)
		return hoy_template_parse_error(p->source, p->at, p->err, "nested too deeply");
	r = parse_pipe(p, TOKEN_CLOSE, name, &node->pipe);
	if (r == 0 && node->pipe->variables[1] && type != NODE_RANGE)
		r = hoy_template_parse_error(p->source, pos, p->err, "too many declarations in %s", name);
	p->loops += type == NODE_RANGE;
	if (r == 0)
		r = parse_list(p, &node->body, &stop);
	p->loops -= type == NODE_RANGE;
	if (r == 0 && stop == STOP_ELSE)
		r = parse_else(p, type, name, node, &stop);
	if (r == 0 && stop == STOP_ELSE)
		r = hoy_template_parse_error(p->source, p->at, p->err, "expected end; found {{else}}");
	if (r == 0 && stop == STOP_EOF)
		r = hoy_template_parse_error(p->source, p->at, p->err, "unexpected EOF");
	p->depth--;
	p->n_variables = variables;
	return r;
}

/* One action, behind "{{". *ret_stop is set when it ends a list. */
static int parse_action(struct parser *p, struct hoy_template_node *node, enum stop *ret_stop)
{
	static const struct {
		const char *name;
		enum hoy_template_node_type type;
	} blocks[] = { { "if", NODE_IF }, { "range", NODE_RANGE }, { "with", NODE_WITH } };
	static const char *const refused[] = { "define", "template", "block", NULL };
	const char *name;
	int r = peek(p);

	*ret_stop = STOP_EOF;
	if (r < 0)
		return r;
	name = p->token.type == TOKEN_NAME ? p->token.text : "";
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		if (strcmp(name, blocks[i].name) == 0) {
			drop(p);
			return parse_block(p, blocks[i].type, blocks[i].name, node);
		}
	}
	if (strcmp(name, "end") == 0 || strcmp(name, "else") == 0) {
		bool end = name[1] == 'n';

		*ret_stop = end ? STOP_END : STOP_ELSE;
		drop(p);
		return end ? expect_close(p, "end") : 0;
	}
	if (strcmp(name, "break") == 0 || strcmp(name, "continue") == 0) {
		node->type = *name == 'b' ? NODE_BREAK : NODE_CONTINUE;
		if (!p->loops)
			return hoy_template_parse_error(
				p->source, p->token.pos, p->err, "{{%s}} outside {{range}}", name);
		drop(p);
		return expect_close(p, "break or continue");
	}
	if (hoy_strv_has((char *const *) refused, name))
		return hoy_template_parse_error(
			p->source, p->token.pos, p->err, "{{%s}} is not supported by this version", name);
	node->type = NODE_ACTION;
	return parse_pipe(p, TOKEN_CLOSE, "command", &node->pipe);
}

/* Behind "{{": a comment is skipped as a whole. 1: there was one. */
static int skip_comment(struct parser *p)
{
	const char *start = p->source + p->at, *end;

	if (!hoy_str_starts(start, "/*"))
		return 0;
	end = strstr(start + 2, "*/");
	if (!end)
		return hoy_template_parse_error(p->source, p->at, p->err, "unclosed comment");
	end += 2;
	p->at = (size_t) (end - p->source);
	if (hoy_str_starts(end, "}}")) {
		p->at += 2;
	} else if (isspace((unsigned char) end[0]) && hoy_str_starts(end + 1, "-}}")) {
		p->at += 4;
		p->at += strspn(p->source + p->at, " \t\r\n");
	} else {
		return hoy_template_parse_error(p->source, p->at, p->err, "comment ends before closing delimiter");
	}
	return 1;
}

/* Text up to the next "{{", which is skipped with its trim marker. */
static char *parse_text(struct parser *p, bool *ret_action)
{
	const char *start = p->source + p->at, *open = strstr(start, "{{");
	size_t len = open ? (size_t) (open - start) : strlen(start);

	p->at += len + (open ? 2 : 0);
	*ret_action = open;
	if (open && open[2] == '-' && isspace((unsigned char) open[3])) {
		p->at += 2;
		while (len && isspace((unsigned char) start[len - 1]))
			len--;
		p->at += strspn(p->source + p->at, " \t\r\n");
	} else if (open && isspace((unsigned char) open[2])) {
		size_t blank = strspn(open + 2, " \t\r\n");

		/* A comment may not have blanks before it in Go; ours may. */
		p->at += hoy_str_starts(open + 2 + blank, "/*") ? blank : 0;
	}
	return strndup(start, len);
}

static int parse_list(struct parser *p, struct hoy_template_node **ret, enum stop *ret_stop)
{
	struct hoy_template_node **tail = ret;
	enum stop stop = STOP_EOF;
	bool action;

	do {
		struct hoy_template_node *node = calloc(1, sizeof *node);
		int r;

		if (!node || !(node->text = parse_text(p, &action))) {
			free(node);
			return hoy_err_oom(p->err);
		}
		node->type = NODE_TEXT;
		*tail = node;
		tail = &node->next;
		r = action ? skip_comment(p) : 1;
		if (r < 0)
			return r;
		if (r > 0)
			continue;
		node = calloc(1, sizeof *node);
		if (!node)
			return hoy_err_oom(p->err);
		*tail = node;
		r = parse_action(p, node, &stop);
		if (r < 0)
			return r;
		if (stop != STOP_EOF) {
			free(node);
			*tail = NULL;
			break;
		}
		tail = &node->next;
	} while (action);
	*ret_stop = stop;
	return 0;
}

int hoy_template_parse(const char *text, struct hoy_template **ret, struct hoy_err *err)
{
	auto_ptr(hoy_template_free) struct hoy_template *t = calloc(1, sizeof *t);
	struct parser parser = { .err = err };
	enum stop stop;
	int r;

	if (!t || !(t->source = strdup(text)))
		return hoy_err_oom(err);
	if (strlen(text) > MAX_SOURCE)
		return hoy_err_invalid(err, "template: :1: longer than %zu bytes", MAX_SOURCE);
	parser.source = t->source;
	r = parse_list(&parser, &t->nodes, &stop);
	if (parser.has_token)
		token_done(&parser.token);
	if (r == 0 && stop != STOP_EOF)
		r = hoy_template_parse_error(
			t->source, parser.at, err, "unexpected {{%s}}", stop == STOP_END ? "end" : "else");
	if (r == 0)
		*ret = TAKE_PTR(t);
	return r;
}

void hoy_template_free(struct hoy_template *t)
{
	if (!t)
		return;
	nodes_free(t->nodes);
	free(t->source);
	free(t);
}
