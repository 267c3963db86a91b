/* Variables and dotenv files. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/compose/env_file.h"
#include "supervisor/compose/interpolate.h"
#include "tests/unit/unit.h"

Suite *suite_compose_variables(void);

static const char *get(const char *name, void *userdata)
{
	(void) userdata;
	return !strcmp(name, "A") ? "a" : !strcmp(name, "E") ? "" : NULL;
}

static void missing(const char *name, void *userdata)
{
	*(const char **) userdata = name[0] == 'N' ? "N" : "?";
}

START_TEST(every_modifier_and_nesting)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{ "$A ${A}x", "a ax" },
		{ "$$A $$", "$A $" },
		{ "${A:-b} ${E:-b} ${N:-b}", "a b b" },
		{ "${A-b} ${E-b} ${N-b}", "a  b" },
		{ "${A:+b} ${E:+b} ${N:+b}", "b  " },
		{ "${A+b} ${E+b} ${N+b}", "b b " },
		{ "${A:?x} ${E?x}", "a " },
		{ "${E:?x}", NULL },
		{ "${N?x}", NULL },
		{ "${N:-${E:-${A}}}", "a" },
		{ "${N:-{\"k\": \"${A}\"}", "{\"k\": \"a\"" },
		{ "${N:-a}b}", "ab}" },
		{ "${N-http://x:80/$A}", "http://x:80/a" },
		{ "${", NULL },
		{ "${}", NULL },
		{ "${A!x}", NULL },
		{ "${1}", NULL },
		{ "$", NULL },
		{ "a $ b", NULL },
		{ "", "" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct hoy_interpolation how = { .get = get };
		auto_free char *result = NULL;
		struct hoy_err err = {};
		int r = hoy_interpolate(cases[i].text, &how, &result, &err);

		if (!cases[i].want)
			ck_assert_msg(r < 0 && err.msg[0], "%s", cases[i].text);
		else
			ck_assert_msg(r == 0 && !strcmp(result, cases[i].want), "%s: %s", cases[i].text,
				result ? result : err.msg);
	}
}
END_TEST

START_TEST(a_variable_without_a_value_is_told)
{
	const char *name = NULL;
	const struct hoy_interpolation how = { .get = get, .missing = missing, .userdata = &name };
	auto_free char *result = NULL;

	ck_assert_int_eq(hoy_interpolate("${N:-x}", &how, &result, NULL), 0);
	ck_assert_ptr_null(name);
	free(result);
	ck_assert_int_eq(hoy_interpolate("${N}", &how, &result, NULL), 0);
	ck_assert_str_eq(name, "N");
}
END_TEST

START_TEST(dotenv_quotes_comments_and_names)
{
	static const char text[] =
		"\xef\xbb\xbf# comment\nexport A=1\nB: two # words\nC='as $A is' # x\nD=\"q\\n${A}\\$z\nmore\"\n"
		"  E = spaced  \nF=a#b\nG=${E}-${X:-y}\nH\nNONE\nI=\nJ='it\\'s'\nK.a-b=1\r\nL=$N$M-\nO=$N\n";
	static const char *const want[] = { "A=1", "B=two", "C=as $A is", "D=q\n1$z\nmore", "E=spaced", "F=a#b",
		"G=spaced-y", "H=host", "I=", "J=it's", "K.a-b=1", "L=-", "O=" };
	static const char *const told[] = { "The \"N\" variable is not set. Defaulting to a blank string.",
		"The \"M\" variable is not set. Defaulting to a blank string." };
	auto_ptr(hoy_strv_free) char **env = NULL, **warnings = NULL;
	struct hoy_err err = {};

	ck_assert_msg(
		hoy_env_file_parse("f", text, (char *[]){ "H=host", NULL }, &env, &warnings, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(hoy_strv_len(warnings), ARRAY_LEN(told)); /* each once */
	for (size_t i = 0; i < ARRAY_LEN(told); i++)
		ck_assert_str_eq(warnings[i], told[i]);
	ck_assert_uint_eq(hoy_strv_len(env), ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		ck_assert_str_eq(env[i], want[i]);
}
END_TEST

START_TEST(dotenv_mistakes_name_the_line)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "A=1\n=2\n", "failed to read f: line 2: unexpected character \"=\" in variable name" },
		{ "A=1\n\nB x\n", "line 3: unexpected character \"x\" in variable name \"B\"" },
		{ "A='x\ny", "line 1: unterminated quoted value" },
		{ "A=\"x\" y", "line 1: text behind a quoted value" },
		{ "A=${x", "line 1: invalid interpolation format" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_ptr(hoy_strv_free) char **env = NULL;
		struct hoy_err err = {};

		ck_assert_int_lt(hoy_env_file_parse("f", cases[i].text, (char *[]){ NULL }, &env, NULL, &err), 0);
		ck_assert_msg(strstr(err.msg, cases[i].want) != NULL, "%s: %s", cases[i].text, err.msg);
	}
}
END_TEST

Suite *suite_compose_variables(void)
{
	const TTest *const tests[] = { every_modifier_and_nesting, a_variable_without_a_value_is_told,
		dotenv_quotes_comments_and_names, dotenv_mistakes_name_the_line };

	return hoy_unit_suite("compose_variables", tests, ARRAY_LEN(tests));
}
