/* ${}: one pass over the text; words are replaced only when they are used. */
#include "supervisor/compose/interpolate.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

enum { MAX_NESTING = 50, MAX_RESULT = 4 << 20, MAX_PATH_TEXT = 200 };

struct state {
	const struct hoy_interpolation *how;
	const char *whole; /* for messages */
	struct hoy_err *err;
};

static size_t name_length(const char *text)
{
	size_t len = 0;

	if (!isalpha((unsigned char) *text) && *text != '_')
		return 0;
	while (isalnum((unsigned char) text[len]) || text[len] == '_')
		len++;
	return len;
}

/* Where the brace that closes `text` (which follows "${") stands; NULL: nowhere before `end`. */
static const char *closing_brace(const char *text, const char *end)
{
	unsigned int open = 1;

	for (; text < end; text++) {
		if (text[0] == '$' && text + 1 < end && text[1] == '{') {
			open++;
			text++;
		} else if (*text == '}' && --open == 0) {
			return text;
		}
	}
	return NULL;
}

static int invalid(const struct state *state)
{
	return hoy_err_invalid(state->err,
		"invalid interpolation format: \"%.200s\": You may need to escape any $ with another $", state->whole);
}

static int replace(
	const struct state *state, const char *text, const char *end, unsigned int level, struct hoy_buf *out);

static const char *lookup(const struct state *state, const char *name)
{
	return state->how->get(name, state->how->userdata);
}

static int required(const struct state *state, const char *name, const char *word, const char *end, unsigned int level)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = replace(state, word, end, level + 1, &text);

	if (r < 0)
		return r;
	if (!text.len)
		return hoy_err_invalid(state->err, "required variable %s is missing a value", name);
	return hoy_err_invalid(state->err, "required variable %s is missing a value: %.500s", name, text.data);
}

static int tell_seen(const struct state *state, const char *name, char op, const char *word, const char *end)
{
	auto_free char *copy = NULL;

	if (!state->how->seen)
		return 0;
	copy = strndup(word, (size_t) (end - word));
	if (!copy)
		return hoy_err_oom(state->err);
	state->how->seen(name, op, copy, state->how->userdata);
	return 0;
}

/* What stands between "${" and its brace. */
static int replace_braced(
	const struct state *state, const char *text, const char *end, unsigned int level, struct hoy_buf *out)
{
	size_t len = name_length(text);
	auto_free char *name = strndup(text, len);
	const char *value, *word = text + len;
	bool empty_counts = false, has;
	char op;

	if (!name)
		return hoy_err_oom(state->err);
	if (!len)
		return invalid(state);
	value = lookup(state, name);
	if (word == end) {
		if (tell_seen(state, name, '\0', word, end) < 0)
			return -ENOMEM;
		if (!value && state->how->missing)
			state->how->missing(name, state->how->userdata);
		return hoy_buf_adds(out, value ? value : "");
	}
	if (*word == ':') {
		empty_counts = true;
		word++;
	}
	op = word < end ? *word++ : '\0';
	has = value && (!empty_counts || *value);
	if (op && strchr("-+?", op) && tell_seen(state, name, op, word, end) < 0)
		return -ENOMEM;
	switch (op) {
	case '-':
		return has ? hoy_buf_adds(out, value) : replace(state, word, end, level + 1, out);
	case '+':
		return has ? replace(state, word, end, level + 1, out) : 0;
	case '?':
		return has ? hoy_buf_adds(out, value) : required(state, name, word, end, level);
	default:
		return invalid(state);
	}
}

/* `text` stands behind a dollar sign; *ret_end is set behind what was used. */
static int replace_variable(const struct state *state, const char *text, const char *end, unsigned int level,
	struct hoy_buf *out, const char **ret_end)
{
	size_t len;

	if (text < end && *text == '$') {
		*ret_end = text + 1;
		return hoy_buf_addc(out, '$');
	}
	if (text < end && *text == '{') {
		const char *brace = closing_brace(text + 1, end);

		if (!brace)
			return invalid(state);
		*ret_end = brace + 1;
		return replace_braced(state, text + 1, brace, level, out);
	}
	len = name_length(text);
	if (!len || len > (size_t) (end - text))
		return invalid(state);
	*ret_end = text + len;
	{
		auto_free char *name = strndup(text, len);
		const char *value = name ? lookup(state, name) : NULL;

		if (!name)
			return hoy_err_oom(state->err);
		if (tell_seen(state, name, '\0', end, end) < 0)
			return -ENOMEM;
		if (!value && state->how->missing)
			state->how->missing(name, state->how->userdata);
		return hoy_buf_adds(out, value ? value : "");
	}
}

static int replace(
	const struct state *state, const char *text, const char *end, unsigned int level, struct hoy_buf *out)
{
	if (level > MAX_NESTING)
		return hoy_err_invalid(state->err, "variables are nested deeper than %d levels", MAX_NESTING);
	while (text < end) {
		const char *dollar = memchr(text, '$', (size_t) (end - text));
		int r;

		if (!dollar)
			return hoy_buf_add(out, text, (size_t) (end - text));
		(void) hoy_buf_add(out, text, (size_t) (dollar - text));
		r = replace_variable(state, dollar + 1, end, level, out, &text);
		if (r < 0)
			return r;
	}
	return 0;
}

int hoy_interpolate(const char *text, const struct hoy_interpolation *how, char **ret, struct hoy_err *err)
{
	const struct state state = { .how = how, .whole = text, .err = err };
	auto_(hoy_buf_done) struct hoy_buf out = {};
	int r;

	hoy_buf_init(&out, MAX_RESULT);
	(void) hoy_buf_adds(&out, "");
	r = replace(&state, text, text + strlen(text), 0, &out);
	if (hoy_buf_check(&out, "a string with its variables replaced", err) < 0)
		return -EINVAL;
	if (r < 0)
		return r;
	*ret = hoy_buf_take(&out);
	return *ret ? 0 : hoy_err_oom(err);
}

/* --- Trees -------------------------------------------------------------------------------------------------------- */

struct step {
	const struct step *parent;
	const char *key;
	size_t index;
};

static void path_text(const struct step *step, struct hoy_buf *out)
{
	if (!step || out->len > MAX_PATH_TEXT)
		return;
	path_text(step->parent, out);
	if (step->key)
		(void) hoy_buf_addf(out, "%s%.100s", out->len ? "." : "", step->key);
	else
		(void) hoy_buf_addf(out, "[%zu]", step->index);
}

static int interpolate_scalar(struct hoy_arena *arena, struct hoy_node *node, const struct step *step,
	const struct hoy_interpolation *how, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf path = {};
	auto_free char *text = NULL;
	struct hoy_err why = {};
	int r;

	if (node->type != HOY_NODE_STRING || !strchr(node->text, '$'))
		return 0;
	r = hoy_interpolate(node->text, how, &text, &why);
	if (r < 0) {
		path_text(step, &path);
		return hoy_node_invalid(
			node, err, "error while interpolating %s: %s", path.data ? path.data : "", why.msg);
	}
	node->text = hoy_arena_strdup(arena, text);
	return node->text ? 0 : hoy_err_oom(err);
}

static int interpolate_node(struct hoy_arena *arena, struct hoy_node *node, const struct step *parent,
	const struct hoy_interpolation *how, struct hoy_err *err)
{
	struct step step = { .parent = parent };
	int r = 0;

	hoy_node_each(child, node)
	{
		step.key = node->type == HOY_NODE_MAP ? child->key : NULL;
		if (hoy_node_is_scalar(child))
			r = interpolate_scalar(arena, child, &step, how, err);
		else
			r = interpolate_node(arena, child, &step, how, err);
		if (r < 0)
			return r;
		step.index++;
	}
	return 0;
}

int hoy_interpolate_tree(
	struct hoy_arena *arena, struct hoy_node *node, const struct hoy_interpolation *how, struct hoy_err *err)
{
	return interpolate_node(arena, node, NULL, how, err);
}

int hoy_interpolate_warn(char ***warnings, const char *name)
{
	auto_free char *text = hoy_str_printf("The \"%s\" variable is not set. Defaulting to a blank string.", name);

	if (!text)
		return -ENOMEM;
	return hoy_strv_has(*warnings, text) ? 0 : hoy_strv_add(warnings, text);
}
