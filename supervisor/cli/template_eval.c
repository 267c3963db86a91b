/* Running a template over data. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "supervisor/cli/template_internal.h"

/* No template of a user's takes more; nested ranges over big data must end. */
#define MAX_STEPS ((size_t) 5000000)

struct hoy_template_variable {
	const char *name;
	struct hoy_template_value value;
	struct hoy_template_variable *outer;
};

enum { FLOW_ON = 0, FLOW_BREAK = 1, FLOW_CONTINUE = 2 };

/* Members that are maps of the user's keys in the API's objects: a key that isn't there is no mistake. */
static const char *const maps[] = { "Annotations", "AuxiliaryAddresses", "Containers", "Data", "DriverOpts",
	"Endpoints", "EndpointsConfig", "ExposedPorts", "IndexConfigs", "Label", "Labels", "LogOpts", "Metadata",
	"Networks", "Options", "PortBindings", "Ports", "Runtimes", "Storage", "StorageOpt", "Sysctls", "Tmpfs",
	"Volumes", NULL };

int hoy_template_keep(struct hoy_template_run *run, char *text, struct hoy_template_value *ret)
{
	char **grown = text ? reallocarray(run->strings, run->n_strings + 1, sizeof *grown) : NULL;

	if (!grown) {
		free(text);
		return hoy_err_oom(run->err);
	}
	run->strings = grown;
	grown[run->n_strings++] = text;
	*ret = hoy_template_value_text(text);
	return 0;
}

int hoy_template_keep_tree(struct hoy_template_run *run, const struct hoy_buf *text, struct hoy_template_value *ret)
{
	struct hoy_json **grown = reallocarray(run->trees, run->n_trees + 1, sizeof(struct hoy_json *)), *tree = NULL;
	int r;

	if (!grown)
		return hoy_err_oom(run->err);
	run->trees = grown;
	r = hoy_buf_check(text, "a list", run->err);
	if (r == 0)
		r = hoy_json_parse(text->data, text->len, NULL, &tree, run->err);
	if (r < 0)
		return r;
	run->trees[run->n_trees++] = tree;
	*ret = hoy_template_value_of(tree);
	return 0;
}

/* "template: :1:2: executing "" at <.Foo>: TEXT", with the position in the line. */
static HOY_PRINTF(5, 6) int fail_at(
	struct hoy_template_run *run, size_t report, size_t pos, size_t end, const char *fmt, ...)
{
	const char *source = run->template->source;
	size_t line = 1, column = 0, len = end - pos;
	char text[600];
	va_list args;

	va_start(args, fmt);
	(void) vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	while (len && strchr(" \t\r\n", source[pos + len - 1]))
		len--;
	for (size_t i = 0; i < report; i++) {
		column = source[i] == '\n' ? 0 : column + 1;
		line += source[i] == '\n';
	}
	return hoy_err_invalid(run->err, "template: :%zu:%zu: executing \"\" at <%.*s%s>: %s", line, column,
		(int) (len > 20 ? 20 : len), source + pos, len > 20 ? "..." : "", text);
}
#define FAIL(run, o, ...) fail_at(run, (o)->report_pos, (o)->pos, (o)->end, __VA_ARGS__)

static int eval_pipe(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_pipe *pipe, struct hoy_template_value *ret);

static bool is_map(const struct hoy_json *tree)
{
	const char *key = hoy_json_key(tree);

	return key && hoy_strv_has((char *const *) maps, key);
}

static int eval_field(struct hoy_template_run *run, const struct hoy_template_operand *o, const char *name,
	struct hoy_template_value *value)
{
	const struct hoy_json *member;

	if (value->type == VALUE_NONE || value->type == VALUE_NIL)
		return FAIL(run, o, "nil data; no entry for key \"%s\"", name);
	if (value->type != VALUE_TREE || hoy_json_type(value->tree) != HOY_JSON_OBJECT)
		return FAIL(run, o, "can't evaluate field %s in type %s", name,
			value->type == VALUE_TREE ? hoy_template_value_type(value) : "interface {}");
	member = hoy_json_get(value->tree, name);
	/* docker's users know the names of Go's structs too: .ID for "Id", .APIVersion for "ApiVersion". */
	if (!member && !is_map(value->tree))
		member = hoy_json_get_ci(value->tree, name);
	if (!member && run->options->strict && !is_map(value->tree))
		return FAIL(run, o, "map has no entry for key \"%s\"", name);
	*value = hoy_template_value_of(member);
	return 0;
}

static const struct hoy_template_variable *find_variable(const struct hoy_template_run *run, const char *name)
{
	const struct hoy_template_variable *v = run->variables;

	while (v && strcmp(v->name, name) != 0)
		v = v->outer;
	return v;
}

/* One operand without arguments. */
static int eval_operand(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_operand *o, struct hoy_template_value *ret)
{
	const struct hoy_template_function *function;
	const struct hoy_template_variable *variable;
	int r = 0;

	if (++run->steps > MAX_STEPS)
		return FAIL(run, o, "the template takes too long");
	switch (o->type) {
	case OPERAND_DOT:
		*ret = *dot;
		break;
	case OPERAND_VARIABLE:
		variable = find_variable(run, o->name);
		*ret = variable ? variable->value : (struct hoy_template_value){ .type = VALUE_NIL };
		break;
	case OPERAND_LITERAL:
		*ret = o->literal;
		break;
	case OPERAND_PIPE:
		r = eval_pipe(run, dot, o->pipe, ret);
		break;
	case OPERAND_FUNCTION:
		function = hoy_template_function_find(o->name);
		if (function->min_args)
			return FAIL(run, o, "wrong number of args for %s: want %s%zu got 0", o->name,
				function->max_args == function->min_args ? "" : "at least ", function->min_args);
		r = function->call(run, NULL, 0, ret);
		break;
	}
	for (char **field = o->fields; r == 0 && field && *field; field++)
		r = eval_field(run, o, *field, ret);
	return r;
}

/* and, or: arguments are looked at until the answer is known. */
static int eval_short(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_operand *o, const struct hoy_template_value *final, struct hoy_template_value *ret)
{
	bool until = *o->name == 'o';

	for (const struct hoy_template_operand *arg = o->next; arg; arg = arg->next) {
		int r = eval_operand(run, dot, arg, ret);

		if (r < 0 || hoy_template_value_true(ret) == until)
			return r;
	}
	if (final)
		*ret = *final;
	return 0;
}

static int eval_function(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_operand *o, const struct hoy_template_value *final, struct hoy_template_value *ret)
{
	const struct hoy_template_function *function = hoy_template_function_find(o->name);
	struct hoy_template_value args[HOY_TEMPLATE_MAX_ARGS + 1];
	struct hoy_err problem = {}, *outer = run->err;
	size_t n = 0;
	int r;

	for (const struct hoy_template_operand *arg = o->next; arg; arg = arg->next)
		n++;
	n += final != NULL;
	if (n < function->min_args || n > function->max_args)
		return FAIL(run, o, "wrong number of args for %s: want %s%zu got %zu", o->name,
			function->max_args == function->min_args ? ""
			: n < function->min_args                 ? "at least "
								 : "at most ",
			n < function->min_args ? function->min_args : function->max_args, n);
	if (strcmp(o->name, "and") == 0 || strcmp(o->name, "or") == 0)
		return eval_short(run, dot, o, final, ret);
	n = 0;
	for (const struct hoy_template_operand *arg = o->next; arg; arg = arg->next) {
		r = eval_operand(run, dot, arg, &args[n++]);
		if (r < 0)
			return r;
	}
	if (final)
		args[n++] = *final;
	run->err = &problem;
	r = function->call(run, args, n, ret);
	run->err = outer;
	if (r < 0) {
		const struct hoy_template_operand *last = o;

		while (last->next)
			last = last->next;
		return fail_at(run, o->pos, o->pos, last->end, "error calling %s: %s", o->name, hoy_err_str(&problem));
	}
	return 0;
}

/* ".Label "key"": a field with an argument is a look-up in a map; what docker's rows have as methods. */
static int eval_method(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_operand *o, const struct hoy_template_value *final, struct hoy_template_value *ret)
{
	struct hoy_template_value key;
	int r;

	if (o->type == OPERAND_DOT && o->fields && !o->fields[1] && run->options->heads &&
		strcmp(o->fields[0], "Label") == 0) {
		*ret = (struct hoy_template_value){ .type = VALUE_NIL };
	} else {
		r = eval_operand(run, dot, o, ret);
		if (r < 0)
			return r;
		if (o->type == OPERAND_LITERAL || o->type == OPERAND_PIPE || !o->fields || ret->type != VALUE_TREE ||
			hoy_json_type(ret->tree) != HOY_JSON_OBJECT)
			return FAIL(run, o, "%s has arguments but cannot be invoked as function",
				o->fields ? o->fields[hoy_strv_len(o->fields) - 1] : "operand");
	}
	if (o->next && final)
		return FAIL(run, o, "too many arguments");
	r = o->next ? eval_operand(run, dot, o->next, &key) : 0;
	if (r < 0)
		return r;
	if (!o->next)
		key = *final;
	if (key.type != VALUE_STRING || (o->next && o->next->next))
		return FAIL(run, o, "wrong type or number of arguments");
	if (ret->type == VALUE_NIL) { /* a table's head: the last part of the label's name */
		const char *dot_at = strrchr(key.string, '.');
		char *head = strdup(dot_at ? dot_at + 1 : key.string);

		for (char *c = head; c && *c; c++)
			*c = *c == '-' || *c == '_' ? ' ' : *c;
		return hoy_template_keep(run, head, ret);
	}
	*ret = hoy_template_value_of(hoy_json_get(ret->tree, key.string));
	if (ret->type == VALUE_NONE)
		*ret = hoy_template_value_text("");
	return 0;
}

static int eval_pipe(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_pipe *pipe, struct hoy_template_value *ret)
{
	struct hoy_template_value value, result;
	const struct hoy_template_value *final = NULL;

	for (const struct hoy_template_command *c = pipe->commands; c; c = c->next) {
		const struct hoy_template_operand *o = c->operands;
		int r;

		if (++run->steps > MAX_STEPS)
			return FAIL(run, o, "the template takes too long");
		if (o->type == OPERAND_FUNCTION && !o->fields)
			r = eval_function(run, dot, o, final, &result);
		else if (o->next || final)
			r = eval_method(run, dot, o, final, &result);
		else
			r = eval_operand(run, dot, o, &result);
		if (r < 0)
			return r;
		value = result;
		final = &value;
	}
	*ret = value;
	return 0;
}

/* --- nodes ------------------------------------------------------------------- */

static int walk(
	struct hoy_template_run *run, const struct hoy_template_value *dot, const struct hoy_template_node *node);

static int push(struct hoy_template_run *run, const char *name, const struct hoy_template_value *value)
{
	struct hoy_template_variable *v = calloc(1, sizeof *v);

	if (!v)
		return hoy_err_oom(run->err);
	*v = (struct hoy_template_variable){ .name = name, .value = *value, .outer = run->variables };
	run->variables = v;
	return 0;
}

static void pop_to(struct hoy_template_run *run, struct hoy_template_variable *mark)
{
	while (run->variables != mark) {
		struct hoy_template_variable *outer = run->variables->outer;

		free(run->variables);
		run->variables = outer;
	}
}

static int set_variable(struct hoy_template_run *run, const struct hoy_template_pipe *pipe, size_t which,
	const struct hoy_template_value *value)
{
	struct hoy_template_variable *v = run->variables;

	if (pipe->declares)
		return push(run, pipe->variables[which], value);
	while (v && strcmp(v->name, pipe->variables[which]) != 0)
		v = v->outer;
	if (v)
		v->value = *value;
	return 0;
}

static int walk_once(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_node *node, const struct hoy_template_value *key,
	const struct hoy_template_value *value)
{
	const struct hoy_template_pipe *pipe = node->pipe;
	struct hoy_template_variable *mark = run->variables;
	int r = 0;

	(void) dot;
	if (pipe->variables[1])
		r = set_variable(run, pipe, 0, key);
	if (r == 0 && pipe->variables[0])
		r = set_variable(run, pipe, pipe->variables[1] ? 1 : 0, value);
	if (r == 0)
		r = walk(run, value, node->body);
	pop_to(run, mark);
	return r == FLOW_CONTINUE ? 0 : r;
}

static int by_key(const void *a, const void *b)
{
	const struct hoy_json *const *x = a, *const *y = b;

	return strcmp(hoy_json_key(*x), hoy_json_key(*y));
}

static int walk_members(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_node *node, const struct hoy_json *tree)
{
	bool map = hoy_json_type(tree) == HOY_JSON_OBJECT;
	auto_free const struct hoy_json **members = calloc(hoy_json_len(tree) + 1, sizeof *members);
	size_t n = 0;
	int r = 0;

	if (!members)
		return hoy_err_oom(run->err);
	hoy_json_each(member, tree) members[n++] = member;
	if (map)
		qsort(members, n, sizeof *members, by_key);
	for (size_t i = 0; i < n && r == 0; i++) {
		struct hoy_template_value key = { .type = VALUE_INT, .number = (int64_t) i };
		struct hoy_template_value value = hoy_template_value_of(members[i]);

		if (map)
			key = hoy_template_value_text(hoy_json_key(members[i]));
		r = walk_once(run, dot, node, &key, &value);
	}
	return r == FLOW_BREAK ? 0 : r;
}

static int walk_count(struct hoy_template_run *run, const struct hoy_template_value *dot,
	const struct hoy_template_node *node, int64_t count)
{
	int r = 0;

	for (int64_t i = 0; i < count && r == 0; i++) {
		const struct hoy_template_value at = { .type = VALUE_INT, .number = i };

		if (++run->steps > MAX_STEPS)
			return fail_at(
				run, node->pipe->pos, node->pipe->pos, node->pipe->end, "the template takes too long");
		r = walk_once(run, dot, node, &at, &at);
	}
	return r == FLOW_BREAK ? 0 : r;
}

static int walk_range(
	struct hoy_template_run *run, const struct hoy_template_value *dot, const struct hoy_template_node *node)
{
	struct hoy_template_value value;
	int r = eval_pipe(run, dot, node->pipe, &value);

	if (r < 0)
		return r;
	if (value.type == VALUE_TREE || value.type == VALUE_INT || value.type == VALUE_NIL ||
		value.type == VALUE_NONE) {
		if (!hoy_template_value_true(&value))
			return walk(run, dot, node->otherwise);
		return value.type == VALUE_TREE ? walk_members(run, dot, node, value.tree)
						: walk_count(run, dot, node, value.number);
	}
	{
		auto_(hoy_buf_done) struct hoy_buf text = {};

		hoy_template_value_print(&value, /* inside= */ true, &text);
		return fail_at(run, node->pipe->pos, node->pipe->pos, node->pipe->end, "range can't iterate over %s",
			text.data ? text.data : "");
	}
}

static int walk_if(
	struct hoy_template_run *run, const struct hoy_template_value *dot, const struct hoy_template_node *node)
{
	struct hoy_template_variable *mark = run->variables;
	struct hoy_template_value value;
	int r = eval_pipe(run, dot, node->pipe, &value);

	if (r == 0 && node->pipe->variables[0])
		r = set_variable(run, node->pipe, 0, &value);
	if (r == 0 && hoy_template_value_true(&value))
		r = walk(run, node->type == NODE_WITH ? &value : dot, node->body);
	else if (r == 0)
		r = walk(run, dot, node->otherwise);
	pop_to(run, mark);
	return r;
}

static int walk_action(
	struct hoy_template_run *run, const struct hoy_template_value *dot, const struct hoy_template_node *node)
{
	struct hoy_template_value value;
	int r = eval_pipe(run, dot, node->pipe, &value);

	if (r < 0)
		return r;
	if (node->pipe->variables[0])
		return set_variable(run, node->pipe, 0, &value);
	hoy_template_value_print(&value, /* inside= */ false, run->out);
	return hoy_buf_check(run->out, "the output", run->err);
}

static int walk(
	struct hoy_template_run *run, const struct hoy_template_value *dot, const struct hoy_template_node *node)
{
	struct hoy_template_variable *mark = run->variables;
	int r = 0;

	for (; node && r == 0; node = node->next) {
		switch (node->type) {
		case NODE_TEXT:
			(void) hoy_buf_adds(run->out, node->text);
			break;
		case NODE_ACTION:
			r = walk_action(run, dot, node);
			break;
		case NODE_RANGE:
			r = walk_range(run, dot, node);
			break;
		case NODE_IF:
		case NODE_WITH:
			r = walk_if(run, dot, node);
			break;
		case NODE_BREAK:
			r = FLOW_BREAK;
			break;
		case NODE_CONTINUE:
			r = FLOW_CONTINUE;
			break;
		}
	}
	pop_to(run, mark);
	return r;
}

int hoy_template_run(const struct hoy_template *t, const struct hoy_json *data,
	const struct hoy_template_options *options, struct hoy_buf *out, struct hoy_err *err)
{
	static const struct hoy_template_options none;
	struct hoy_template_run run = {
		.template = t, .options = options ? options : &none, .data = data, .out = out, .err = err
	};
	struct hoy_template_value dot = hoy_template_value_of(data);
	int r = push(&run, "$", &dot);

	if (r == 0)
		r = walk(&run, &dot, t->nodes);
	if (r == 0)
		r = hoy_buf_check(out, "the output", err);
	pop_to(&run, NULL);
	for (size_t i = 0; i < run.n_strings; i++)
		free(run.strings[i]);
	for (size_t i = 0; i < run.n_trees; i++)
		hoy_json_free(run.trees[i]);
	free(run.strings);
	free(run.trees);
	return r;
}
