/* supervisor/build/shell_words.c, shell_pattern.c */
#include "supervisor/build/shell_words.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_shell_words(void);

static const char *const variables[] = { "HOME=/home/ann", "EMPTY=", "TWO=one  two", "FILE=a.tar.gz",
	"PATHS=/usr/lib/x/lib", "WIDE=\xc3\xa4x\xc3\xb6", NULL };

static const char *get(void *userdata, const char *name, size_t len)
{
	(void) userdata;
	for (const char *const *p = variables; *p; p++)
		if (strncmp(*p, name, len) == 0 && (*p)[len] == '=')
			return *p + len + 1;
	return NULL;
}

static const struct hoy_shell shell = { .escape = '\\', .get = get };

START_TEST(words_are_expanded)
{
	static const struct {
		const char *text, *want; /* NULL: an error */
	} cases[] = {
		{ "plain", "plain" },
		{ "", "" },
		{ "$HOME/x", "/home/ann/x" },
		{ "${HOME}x", "/home/annx" },
		{ "$UNSET-", "-" },
		{ "'$HOME'", "$HOME" },
		{ "\"$HOME\"", "/home/ann" },
		{ "\\$HOME", "$HOME" },
		{ "\"\\$HOME\"", "$HOME" },
		{ "'it''s'", "its" },
		{ "a\\\\b", "a\\b" },
		{ "\"a\\b\"", "a\\b" },
		{ "tail\\", "tail" },
		{ "$", "$" },
		{ "5$.", "5$." },
		{ "$1x${2}", "x" },
		{ "${UNSET:-word}", "word" },
		{ "${EMPTY:-word}", "word" },
		{ "${EMPTY-word}", "" },
		{ "${UNSET-word}", "word" },
		{ "${HOME:-word}", "/home/ann" },
		{ "${HOME:+word}", "word" },
		{ "${EMPTY:+word}", "" },
		{ "${EMPTY+word}", "word" },
		{ "${UNSET+word}", "" },
		{ "${UNSET:-${EMPTY:-$HOME}}", "/home/ann" },
		{ "${UNSET:-a b}", "a b" },
		{ "${UNSET:-\\$HOME}", "$HOME" },
		{ "${HOME:?no home}", "/home/ann" },
		{ "${UNSET:?no home}", NULL },
		{ "${UNSET?}", NULL },
		{ "${EMPTY:?}", NULL },
		{ "${EMPTY?}", "" },
		{ "${FILE%.*}", "a.tar" },
		{ "${FILE%%.*}", "a" },
		{ "${FILE#*.}", "tar.gz" },
		{ "${FILE##*.}", "gz" },
		{ "${FILE#b}", "a.tar.gz" },
		{ "${FILE%.gz}", "a.tar" },
		{ "${FILE#?}", ".tar.gz" },
		{ "${FILE/./-}", "a-tar.gz" },
		{ "${FILE//./-}", "a-tar-gz" },
		{ "${FILE//[/x}", "a.tar.gz" },
		{ "${PATHS//\\//:}", ":usr:lib:x:lib" },
		{ "${PATHS/lib*/!}", "/usr/!" },
		{ "${PATHS%lib}", "/usr/lib/x/" },
		{ "${WIDE#?}", "x\xc3\xb6" },
		{ "${WIDE%?}", "\xc3\xa4x" },
		{ "${UNSET#x}", "" },
		{ "${HOME", NULL },
		{ "${", NULL },
		{ "${}", NULL },
		{ "${:-x}", NULL },
		{ "${HOME^}", NULL },
		{ "${HOME:x}", NULL },
		{ "${HOME/a}", NULL },
		{ "'open", NULL },
		{ "\"open", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *word = NULL;
		struct hoy_err err = { 0 };
		int r = hoy_shell_word(&shell, cases[i].text, &word, &err);

		if (cases[i].want) {
			ck_assert_msg(r == 0, "%s: %s", cases[i].text, err.msg);
			ck_assert_str_eq(word, cases[i].want);
		} else {
			ck_assert_msg(r == -EINVAL && err.msg[0], "%s gave %s", cases[i].text, word);
		}
	}
}
END_TEST

START_TEST(words_are_split)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "a b", "a|b" },
		{ "  a \t b  ", "a|b" },
		{ "", "" },
		{ "$TWO", "one|two" },
		{ "x$TWO", "xone|two" },
		{ "\"$TWO\"", "one  two" },
		{ "a\\ b", "a b" },
		{ "'a b'c d", "a bc|d" },
		{ "\"\" x", "x" },
		{ "${UNSET:-p q}", "p|q" },
		{ "cat << EOF > f", "cat|<< EOF|>|f" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_ptr(hoy_strv_free) char **words = NULL;
		auto_(hoy_buf_done) struct hoy_buf joined = { 0 };

		ck_assert_int_eq(hoy_shell_words(&shell, cases[i].text, &words, NULL), 0);
		(void) hoy_buf_adds(&joined, "");
		for (size_t j = 0; words[j]; j++)
			(void) hoy_buf_addf(&joined, "%s%s", j > 0 ? "|" : "", words[j]);
		ck_assert_str_eq(joined.data, cases[i].want);
	}
}
END_TEST

START_TEST(quotes_and_escapes_stay_when_asked)
{
	struct hoy_shell keep = shell, body = shell, tick = shell, title = shell;
	auto_free char *kept = NULL, *in_body = NULL, *ticked = NULL, *titled = NULL;

	keep.keep_quotes = keep.keep_escapes = keep.ignore_dollars = true;
	body.ignore_quotes = true;
	tick.escape = '`';
	title.keep_unset = true;
	ck_assert_int_eq(hoy_shell_word(&keep, "'a b' \"$HOME\" \\x", &kept, NULL), 0);
	ck_assert_str_eq(kept, "'a b' \"$HOME\" \\x");
	ck_assert_int_eq(hoy_shell_word(&body, "it's \"$HOME\" \\$HOME", &in_body, NULL), 0);
	ck_assert_str_eq(in_body, "it's \"/home/ann\" $HOME");
	ck_assert_int_eq(hoy_shell_word(&tick, "c:\\dir`$HOME", &ticked, NULL), 0);
	ck_assert_str_eq(ticked, "c:\\dir$HOME");
	ck_assert_int_eq(hoy_shell_word(&title, "$UNSET ${UNSET:-x} $HOME", &titled, NULL), 0);
	ck_assert_str_eq(titled, "$UNSET ${UNSET:-x} /home/ann");
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	auto_(hoy_buf_done) struct hoy_buf text = { 0 };
	auto_free char *word = NULL;
	struct hoy_err err = { 0 };

	for (int i = 0; i < 1000; i++)
		(void) hoy_buf_adds(&text, "${A:-");
	ck_assert_int_eq(hoy_shell_word(&shell, text.data, &word, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "nested"));
}
END_TEST

Suite *suite_shell_words(void)
{
	const TTest *const tests[] = { words_are_expanded, words_are_split, quotes_and_escapes_stay_when_asked,
		deep_nesting_is_refused };

	return hoy_unit_suite("shell words", tests, ARRAY_LEN(tests));
}
