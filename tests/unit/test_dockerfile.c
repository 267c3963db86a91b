/* supervisor/build/dockerfile*.c */
#include "supervisor/build/dockerfile.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_dockerfile(void);

static struct hoy_dockerfile *parse(const char *text)
{
	struct hoy_dockerfile *file = NULL;
	struct hoy_err err = { 0 };

	ck_assert_msg(hoy_dockerfile_parse("Dockerfile", text, strlen(text), &file, &err) == 0, "%s", err.msg);
	return file;
}

/* The only instruction behind "FROM x". */
static const struct hoy_dockerfile_instruction *only(const struct hoy_dockerfile *file)
{
	ck_assert_uint_eq(file->n_stages, 1);
	ck_assert_uint_eq(file->stages[0].n, 1);
	return &file->stages[0].instructions[0];
}

START_TEST(stages_arguments_and_directives_are_found)
{
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *file = parse(
		"\xef\xbb\xbf# syntax=docker/dockerfile:1\n#  Escape = `\n# check=skip=all\n\n# escape=\\\nARG A=1\n"
		"from --platform=linux/arm64 debian:12 as Build\nrun a `\n  b\nFROM scratch\n");

	ck_assert_str_eq(file->syntax, "docker/dockerfile:1");
	ck_assert_str_eq(file->check, "skip=all");
	ck_assert_int_eq(file->escape, '`');
	ck_assert_uint_eq(file->n_args, 1);
	ck_assert_uint_eq(file->n_stages, 2);
	ck_assert_str_eq(file->stages[0].from->from.name, "build");
	ck_assert_str_eq(file->stages[0].from->from.name_written, "Build");
	ck_assert_str_eq(file->stages[0].from->from.platform, "linux/arm64");
	ck_assert_str_eq(file->stages[0].instructions[0].run.command.text, "a   b");
	ck_assert_str_eq(file->stages[0].instructions[0].keyword, "run");
	ck_assert_uint_eq(file->stages[0].instructions[0].at.line, 8);
	ck_assert_uint_eq(file->stages[0].instructions[0].at.end_line, 9);
	ck_assert_str_eq(file->stages[1].from->from.image, "scratch");
}
END_TEST

START_TEST(lines_go_on_over_comments_and_empty_lines)
{
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *file = parse(
		"FROM x\r\nRUN a && \\\r\n# no part\n\n   b \\   \n  # nor this\n c\\\\\n");

	ck_assert_str_eq(only(file)->run.command.text, "a &&    b  c\\\\");
	ck_assert_uint_eq(file->n_warnings, 1);
	ck_assert_str_eq(file->warnings[0].rule, "NoEmptyContinuation");
}
END_TEST

START_TEST(json_lists_fall_back_to_a_shell)
{
	static const struct {
		const char *text;
		bool shell;
		size_t n;
	} cases[] = {
		{ "[\"a\",\"b c\"]", false, 2 },
		{ "  [ ]", false, 0 },
		{ "['a']", true, 0 },
		{ "[\"a\",]", true, 0 },
		{ "[\"a\"] && b", true, 0 },
		{ "[\"a\"", true, 0 },
		{ "a b", true, 0 },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = hoy_str_printf("FROM x\nCMD %s", cases[i].text);
		auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *file = parse(text);

		ck_assert_msg(only(file)->command.shell == cases[i].shell, "%s", cases[i].text);
		ck_assert_uint_eq(only(file)->command.args.n, cases[i].n);
	}
}
END_TEST

START_TEST(heredocs_are_read)
{
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *file = parse(
		"FROM x\nCOPY --chmod=755 <<EOF <<-\"R A W\" s /d/\n one\n# kept\nEOF\n\ttab\n\tR A W.\n\t\tR A W\n");
	const struct hoy_dockerfile_instruction *in = only(file);

	ck_assert_uint_eq(in->heredocs.n, 2);
	ck_assert_str_eq(in->heredocs.list[0].name, "EOF");
	ck_assert_str_eq(in->heredocs.list[0].content, " one\n# kept\n");
	ck_assert(in->heredocs.list[0].expand);
	ck_assert_str_eq(in->heredocs.list[1].name, "R A W");
	ck_assert(!in->heredocs.list[1].expand);
	ck_assert_str_eq(in->heredocs.list[1].content, "tab\nR A W.\n");
	ck_assert_str_eq(in->heredocs.list[1].raw, "\ttab\n\tR A W.\n");
}
END_TEST

START_TEST(heredocs_of_run_and_what_is_none)
{
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *one = parse("FROM x\nRUN cat <<EOF > f\na\nEOF\n");
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *none = parse("FROM x\nRUN [\"<<EOF\"]\n");
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *here_string = parse("FROM x\nRUN cat <<<EOF\n");
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *quoted = parse("FROM x\nRUN echo '<<EOF'x\n");

	ck_assert_uint_eq(only(one)->heredocs.n, 1);
	ck_assert_str_eq(only(one)->run.command.text, "cat <<EOF > f");
	ck_assert_uint_eq(only(none)->heredocs.n, 0);
	ck_assert_uint_eq(only(here_string)->heredocs.n, 0);
	ck_assert_uint_eq(only(quoted)->heredocs.n, 0);
}
END_TEST

START_TEST(flags_are_taken_from_the_front)
{
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *file = parse(
		"FROM x\nCOPY --link --from=\"b\" --exclude=a --exclude=*.md --parents=false -- --x y /d\n");
	const struct hoy_dockerfile_copy *copy = &only(file)->copy;

	ck_assert(copy->link);
	ck_assert(!copy->parents);
	ck_assert_str_eq(copy->from, "b");
	ck_assert_uint_eq(copy->excludes.n, 2);
	ck_assert_uint_eq(copy->sources.n, 2);
	ck_assert_str_eq(copy->sources.words[0], "--x");
	ck_assert_str_eq(copy->dest, "/d");
}
END_TEST

START_TEST(pairs_keep_their_quotes)
{
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *many = parse("FROM x\nENV a=1 b=\"x y\" c=p\\ q d='='\n");
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *old = parse("FROM x\nENV a  b c=d \n");
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *arg = parse("FROM x\nARG a b=2\n");

	ck_assert_uint_eq(only(many)->pairs.n, 4);
	ck_assert_str_eq(only(many)->pairs.list[1].value, "\"x y\"");
	ck_assert_str_eq(only(many)->pairs.list[2].value, "p\\ q");
	ck_assert_str_eq(only(many)->pairs.list[3].value, "'='");
	ck_assert(only(old)->pairs.legacy);
	ck_assert_str_eq(only(old)->pairs.list[0].value, "b c=d");
	ck_assert_ptr_null(only(arg)->pairs.list[0].value);
	ck_assert_str_eq(only(arg)->pairs.list[1].value, "2");
}
END_TEST

START_TEST(mistakes_are_shown_where_they_are)
{
	static const struct {
		const char *text, *want; /* a part of the message */
	} cases[] = {
		{ "", "file with no instructions" },
		{ "# only\n", "file with no instructions" },
		{ "ARG a\n", "no stages" },
		{ "RUN x\n", "Dockerfile:1:1: no build stage in current context" },
		{ "FROM x\nCOPPY a b\n", "Dockerfile:2:1: unknown instruction: COPPY (did you mean COPY?)" },
		{ "FROM x\n  RUM a\n", "Dockerfile:2:3: unknown instruction: RUM (did you mean RUN?)" },
		{ "FROM x\nRUN a\nCOPPY a b\n", "\n    3 | COPPY a b\n      | ^^^^^" },
		{ "FROM x\nCOPY --form=y a b\n", "2:6: unknown flag of COPY: --form (did you mean --from?)" },
		{ "FROM x\nCOPY \\\n --chwon=1 a b\n", "3:2: unknown flag of COPY: --chwon (did you mean --chown?)" },
		{ "FROM x\nCOPY --from=a --from=b a b\n", "duplicate flag" },
		{ "FROM x\nCOPY --from a b\n", "missing a value" },
		{ "FROM x\nCOPY --link=maybe a b\n", "expecting boolean" },
		{ "FROM x\nCOPY a\n", "at least two arguments" },
		{ "FROM x\nADD\n", "ADD requires at least two arguments" },
		{ "FROM x\nRUN\n", "RUN requires at least one argument" },
		{ "FROM x\nRUN --network=bridge a\n", "unsupported network mode" },
		{ "FROM x\nRUN <<EOF\na\n", "unterminated heredoc" },
		{ "FROM x\nENV a\n", "ENV must have two arguments" },
		{ "FROM x\nENV a=1 b\n", "can't find = in 'b'" },
		{ "FROM x\nLABEL =1\n", "LABEL names can not be blank" },
		{ "FROM x\nCMD [1]\n", "strings only" },
		{ "FROM x\nSHELL bash\n", "JSON form" },
		{ "FROM x y\n", "FROM requires either one or three arguments" },
		{ "FROM x AS 1a\n", "invalid name for build stage" },
		{ "FROM x\nVOLUME [\"\"]\n", "empty string" },
		{ "FROM x\nONBUILD ONBUILD RUN a\n", "chaining ONBUILD" },
		{ "FROM x\nONBUILD FROM a\n", "FROM isn't allowed as an ONBUILD trigger" },
		{ "FROM x\nONBUILD RUMM a\n", "unknown instruction: RUMM" },
		{ "FROM x\nHEALTHCHECK NONE a\n", "takes no arguments" },
		{ "FROM x\nHEALTHCHECK CMD\n", "missing command" },
		{ "FROM x\nHEALTHCHECK a\n", "unknown type 'a'" },
		{ "FROM x\nHEALTHCHECK --interval=1 CMD a\n", "is no duration" },
		{ "FROM x\nHEALTHCHECK --timeout=1us CMD a\n", "less than 1ms" },
		{ "FROM x\nHEALTHCHECK --retries=-1 CMD a\n", "at least 0" },
		{ "# escape=x\nFROM x\n", "invalid escape token" },
		{ "# escape=`\n# escape=`\nFROM x\n", "only one escape parser directive" },
		{ "FROM x\nWORKDIR\n", "exactly one argument" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hoy_dockerfile *file = NULL;
		struct hoy_err err = { 0 };

		ck_assert_int_eq(
			hoy_dockerfile_parse("Dockerfile", cases[i].text, strlen(cases[i].text), &file, &err), -EINVAL);
		ck_assert_ptr_null(file);
		ck_assert_msg(strstr(err.msg, cases[i].want), "%s gave: %s", cases[i].text, err.msg);
	}
}
END_TEST

START_TEST(what_is_no_text_is_refused)
{
	struct hoy_dockerfile *file = NULL;
	struct hoy_err err = { 0 };
	auto_free char *huge = malloc(HOY_DOCKERFILE_MAX_SIZE + 1);

	ck_assert_int_eq(hoy_dockerfile_parse("D", "FROM x\nRUN \0\n", 13, &file, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "D:2: a NUL byte"));
	memset(huge, '#', HOY_DOCKERFILE_MAX_SIZE + 1);
	ck_assert_int_eq(hoy_dockerfile_parse("D", huge, HOY_DOCKERFILE_MAX_SIZE + 1, &file, &err), -EINVAL);
}
END_TEST

START_TEST(one_line_is_an_instruction)
{
	auto_ptr(hoy_dockerfile_free) struct hoy_dockerfile *file = NULL;
	struct hoy_err err = { 0 };

	ck_assert_int_eq(hoy_dockerfile_parse_line("--change", "CMD [\"a\"]", &file, &err), 0);
	ck_assert_int_eq(file->args[0].kind, HOY_DOCKERFILE_CMD);
	hoy_dockerfile_free(file);
	file = NULL;
	ck_assert_int_eq(hoy_dockerfile_parse_line("--change", "CMD a\nRUN b", &file, &err), -EINVAL);
}
END_TEST

Suite *suite_dockerfile(void)
{
	const TTest *const tests[] = { stages_arguments_and_directives_are_found,
		lines_go_on_over_comments_and_empty_lines, json_lists_fall_back_to_a_shell, heredocs_are_read,
		heredocs_of_run_and_what_is_none, flags_are_taken_from_the_front, pairs_keep_their_quotes,
		mistakes_are_shown_where_they_are, what_is_no_text_is_refused, one_line_is_an_instruction };

	return hoy_unit_suite("Dockerfile", tests, ARRAY_LEN(tests));
}
