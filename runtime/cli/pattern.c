/*
 * A pattern becomes a program of steps; whoever reads a text with it is at several steps at once (Thompson, 1968), so
 * that nothing is ever read twice. Jumps are relative: a part that is repeated is copied.
 */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/cli/pattern.h"

#define STEPS_MAX ((size_t) 4096)
#define REPEAT_MAX 255
#define DEPTH_MAX 64

enum kind { STEP_SET, STEP_JUMP, STEP_FORK, STEP_BEGIN, STEP_END, STEP_MATCH };

struct hoy_pattern_step {
	uint8_t kind;
	int16_t jump;    /* JUMP: where to, from here; FORK: there, and the next step */
	uint64_t set[4]; /* SET: the bytes that lead to the next step */
};

struct parser {
	const char *at;
	struct hoy_pattern_step *steps;
	size_t n;
	unsigned int depth;
	struct hoy_err *err;
};

/* --- the program ------------------------------------------------------------------------------------------------- */

static int refuse(struct parser *p, const char *why)
{
	return hoy_err_invalid(p->err, "--regex: %s", why);
}

static void set_byte(struct hoy_pattern_step *step, unsigned char c)
{
	step->set[c / 64] |= UINT64_C(1) << c % 64;
}

/* A hole of `n` steps at `at`; what is behind it moves as a whole, so that its jumps stay right. */
static int make_room(struct parser *p, size_t at, size_t n)
{
	if (p->n + n > STEPS_MAX)
		return refuse(p, "the pattern is too large");
	memmove(p->steps + at + n, p->steps + at, (p->n - at) * sizeof *p->steps);
	memset(p->steps + at, 0, n * sizeof *p->steps);
	p->n += n;
	return 0;
}

static int insert(struct parser *p, size_t at, enum kind kind, ptrdiff_t jump)
{
	int r = make_room(p, at, 1);

	if (r == 0)
		p->steps[at] = (struct hoy_pattern_step){ .kind = kind, .jump = (int16_t) jump };
	return r;
}

static int append(struct parser *p, enum kind kind, ptrdiff_t jump)
{
	return insert(p, p->n, kind, jump);
}

/* --- [...] ------------------------------------------------------------------------------------------------------- */

static int parse_class(struct parser *p, struct hoy_pattern_step *step)
{
	static const struct {
		const char *name;
		int (*has)(int c);
	} classes[] = { { "[:alnum:]", isalnum }, { "[:alpha:]", isalpha }, { "[:blank:]", isblank },
		{ "[:cntrl:]", iscntrl }, { "[:digit:]", isdigit }, { "[:graph:]", isgraph }, { "[:lower:]", islower },
		{ "[:print:]", isprint }, { "[:punct:]", ispunct }, { "[:space:]", isspace }, { "[:upper:]", isupper },
		{ "[:xdigit:]", isxdigit } };

	for (size_t i = 0; i < ARRAY_LEN(classes); i++) {
		size_t len = strlen(classes[i].name);

		if (strncmp(p->at, classes[i].name, len) != 0)
			continue;
		for (int c = 1; c <= UINT8_MAX; c++)
			if (classes[i].has(c))
				set_byte(step, (unsigned char) c);
		p->at += len;
		return 0;
	}
	return refuse(p, "an unknown class of characters");
}

/* One byte, or the first and the last of a range. */
static int parse_range(struct parser *p, struct hoy_pattern_step *step)
{
	unsigned char first = (unsigned char) *p->at++, last = first;

	if (p->at[0] == '-' && p->at[1] && p->at[1] != ']') {
		last = (unsigned char) p->at[1];
		p->at += 2;
		if (last == '[' && (*p->at == '.' || *p->at == '=' || *p->at == ':'))
			return refuse(p, "collating elements are not supported");
		if (last < first)
			return refuse(p, "a range that ends before it begins");
		if (p->at[0] == '-' && p->at[1] != ']')
			return refuse(p, "a range that begins with the end of another");
	}
	for (int c = first; c <= last; c++)
		set_byte(step, (unsigned char) c);
	return 0;
}

static int parse_set(struct parser *p)
{
	struct hoy_pattern_step step = { .kind = STEP_SET };
	bool inverted = *p->at == '^';
	const char *first = p->at += inverted;
	int r = 0;

	while (*p->at && (*p->at != ']' || p->at == first) && r == 0) {
		if (p->at[0] == '[' && p->at[1] == ':') {
			r = parse_class(p, &step);
			if (r == 0 && p->at[0] == '-' && p->at[1] != ']')
				r = refuse(p, "a range that begins with a class");
		} else if (p->at[0] == '[' && (p->at[1] == '.' || p->at[1] == '='))
			r = refuse(p, "collating elements are not supported");
		else
			r = parse_range(p, &step);
	}
	if (r < 0)
		return r;
	if (!*p->at)
		return refuse(p, "'[' without ']'");
	p->at++;
	for (size_t i = 0; inverted && i < ARRAY_LEN(step.set); i++)
		step.set[i] = ~step.set[i];
	r = append(p, STEP_SET, 0);
	if (r == 0)
		p->steps[p->n - 1] = step;
	return r;
}

/* --- expressions ------------------------------------------------------------------------------------------------- */

static int parse_alternatives(struct parser *p);

static int parse_byte(struct parser *p, bool any)
{
	unsigned char c = (unsigned char) *p->at++;
	int r = append(p, STEP_SET, 0);

	if (r < 0)
		return r;
	if (any)
		memset(p->steps[p->n - 1].set, 0xff, sizeof p->steps[p->n - 1].set);
	else
		set_byte(&p->steps[p->n - 1], c);
	return 0;
}

static int parse_group(struct parser *p)
{
	int r;

	if (++p->depth > DEPTH_MAX)
		return refuse(p, "too many groups inside each other");
	p->at++;
	r = parse_alternatives(p);
	if (r < 0)
		return r;
	if (*p->at != ')')
		return refuse(p, "'(' without ')'");
	p->at++;
	p->depth--;
	return 0;
}

static int parse_atom(struct parser *p)
{
	switch (*p->at) {
	case '(':
		return parse_group(p);
	case '[':
		p->at++;
		return parse_set(p);
	case '.':
		return parse_byte(p, true);
	case '*':
	case '+':
	case '?':
	case '{':
		return refuse(p, "nothing to repeat");
	case '\\':
		p->at++;
		if (!*p->at || isalnum((unsigned char) *p->at) || strchr("<>`'", *p->at))
			return refuse(p, "'\\' must be in front of a character that has a meaning");
		break;
	default:
		break;
	}
	return parse_byte(p, false);
}

static int parse_number(struct parser *p, int *ret)
{
	*ret = -1;
	for (; isdigit((unsigned char) *p->at); p->at++) {
		*ret = (*ret < 0 ? 0 : *ret * 10) + *p->at - '0';
		if (*ret > REPEAT_MAX)
			return refuse(p, "too many repetitions");
	}
	return 0;
}

/* * + ? {m} {m,} {m,n} {,n}. `max` < 0: for ever. */
static int parse_repetition(struct parser *p, int *min, int *max)
{
	const char op = *p->at++;
	int r;

	*min = op == '+';
	*max = op == '?' ? 1 : -1;
	if (op != '{')
		return 0;
	r = parse_number(p, min);
	if (r < 0)
		return r;
	*max = *min;
	if (*p->at == ',') {
		*min = MAX(*min, 0);
		p->at++;
		r = parse_number(p, max);
	}
	if (r < 0)
		return r;
	if (*min < 0 || *p->at != '}' || (*max >= 0 && *max < *min))
		return refuse(p, "'{' without a number of repetitions");
	p->at++;
	return 0;
}

/* One more copy of the `len` steps at `from`, at the end. */
static int copy(struct parser *p, size_t from, size_t len)
{
	int r = make_room(p, p->n, len);

	if (r == 0)
		memcpy(p->steps + p->n - len, p->steps + from, len * sizeof *p->steps);
	return r;
}

/* What begins at `from` is there once: it becomes min copies and, up to max, such that may be left out. */
static int repeat(struct parser *p, size_t from, int min, int max)
{
	size_t len = p->n - from, last;
	int r = 0;

	if (max == 0) {
		p->n = from;
		return 0;
	}
	for (int i = 1; i < MAX(min, 1) && r == 0; i++)
		r = copy(p, from, len);
	if (r < 0)
		return r;
	last = p->n - len;
	if (max < 0 && min > 0) /* the last one, again and again */
		return append(p, STEP_FORK, (ptrdiff_t) last - (ptrdiff_t) p->n);
	if (max < 0) {
		r = insert(p, from, STEP_FORK, (ptrdiff_t) len + 2);
		return r < 0 ? r : append(p, STEP_JUMP, (ptrdiff_t) from - (ptrdiff_t) p->n);
	}
	if (min == 0) { /* the one that is there may be left out as well */
		r = insert(p, from, STEP_FORK, (ptrdiff_t) len + 1);
		from++;
		min = 1;
	}
	for (int i = min; i < max && r == 0; i++) {
		r = append(p, STEP_FORK, (ptrdiff_t) len + 1);
		r = r < 0 ? r : copy(p, from, len);
	}
	return r;
}

/* Everything up to | or the end of the group. ')' alone is a byte like any other. */
static int parse_sequence(struct parser *p)
{
	int r = 0;

	while (*p->at && *p->at != '|' && !(*p->at == ')' && p->depth) && r == 0) {
		size_t from = p->n;
		int min, max;

		if (*p->at == '^' || *p->at == '$') {
			r = append(p, *p->at++ == '^' ? STEP_BEGIN : STEP_END, 0);
			continue; /* which can't be repeated */
		}
		r = parse_atom(p);
		while (r == 0 && *p->at && strchr("*+?{", *p->at)) {
			r = parse_repetition(p, &min, &max);
			r = r < 0 ? r : repeat(p, from, min, max);
		}
	}
	return r;
}

static int parse_alternatives(struct parser *p)
{
	size_t from = p->n, end;
	int r = parse_sequence(p);

	if (r < 0 || *p->at != '|')
		return r;
	p->at++;
	r = insert(p, from, STEP_FORK, (ptrdiff_t) (p->n - from) + 2);
	end = p->n;
	r = r < 0 ? r : append(p, STEP_JUMP, 0);
	r = r < 0 ? r : parse_alternatives(p);
	if (r == 0)
		p->steps[end].jump = (int16_t) (p->n - end);
	return r;
}

void hoy_pattern_done(struct hoy_pattern *pattern)
{
	free(pattern->steps);
	*pattern = (struct hoy_pattern){};
}

int hoy_pattern_compile(const char *text, struct hoy_pattern *ret, struct hoy_err *err)
{
	struct parser p = { .at = text, .steps = calloc(STEPS_MAX, sizeof *p.steps), .err = err };
	int r = p.steps ? parse_alternatives(&p) : hoy_err_oom(err);

	if (r == 0)
		r = append(&p, STEP_MATCH, 0);
	if (r < 0) {
		free(p.steps);
		return r;
	}
	*ret = (struct hoy_pattern){ p.steps, p.n };
	return 0;
}

/* --- matching ---------------------------------------------------------------------------------------------------- */

/* The steps that a reader is at, each once; the stack is of those still to be followed. */
struct reader {
	const struct hoy_pattern *pattern;
	uint16_t *at, *stack;
	uint32_t *seen; /* for each step, when it was added last */
	size_t n;
};

/* Step `i`, and all that is reached from it without a byte. True: the pattern has matched. */
static bool add(struct reader *reader, size_t i, bool begin, bool end, uint32_t now)
{
	const struct hoy_pattern_step *steps = reader->pattern->steps;
	size_t depth = 0;

	reader->stack[depth++] = (uint16_t) i;
	while (depth) {
		i = reader->stack[--depth];
		if (reader->seen[i] == now)
			continue;
		reader->seen[i] = now;
		if (steps[i].kind == STEP_MATCH)
			return true;
		if (steps[i].kind == STEP_SET)
			reader->at[reader->n++] = (uint16_t) i;
		if (steps[i].kind == STEP_FORK || steps[i].kind == STEP_JUMP)
			reader->stack[depth++] = (uint16_t) ((ptrdiff_t) i + steps[i].jump);
		if (steps[i].kind == STEP_FORK || (steps[i].kind == STEP_BEGIN && begin) ||
			(steps[i].kind == STEP_END && end))
			reader->stack[depth++] = (uint16_t) (i + 1);
	}
	return false;
}

int hoy_pattern_matches(const struct hoy_pattern *pattern, const char *text)
{
	/* Each step has a place among those that are left and those that come, and is pushed by two others at most. */
	auto_free uint16_t *places = calloc(pattern->n, 5 * sizeof *places);
	auto_free uint32_t *seen = calloc(pattern->n, sizeof *seen);
	struct reader reader = { .pattern = pattern, .seen = seen };
	uint16_t *other;

	if (!places || !seen)
		return -ENOMEM;
	reader.at = places;
	other = places + pattern->n;
	reader.stack = places + 2 * pattern->n;
	for (uint32_t now = 1;; now++, text++) {
		const unsigned char c = (unsigned char) *text;
		uint16_t *left = reader.at;
		size_t n;

		if (add(&reader, 0, now == 1, !c, now)) /* it may begin anywhere */
			return 1;
		if (!c)
			return 0;
		n = reader.n;
		reader.at = other;
		reader.n = 0;
		other = left;
		for (size_t i = 0; i < n; i++)
			if (pattern->steps[left[i]].set[c / 64] & UINT64_C(1) << c % 64 &&
				add(&reader, (size_t) left[i] + 1, false, !text[1], now + 1))
				return 1;
	}
}
