/* supervisor/cli/options.c, human.c, filter.c */
#include "supervisor/cli/options.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/cli/filter.h"
#include "supervisor/cli/human.h"
#include "tests/unit/unit.h"

Suite *suite_cli_options(void);

struct values {
	bool all, tty, name_given;
	const char *name;
	char **env;
	int64_t memory, timeout;
	double cpus;
};

static const struct hoy_option table[] = {
	HOY_OPTION('a', "all", HOY_OPTION_BOOL, NULL, struct values, all, "All of them"),
	HOY_OPTION('t', "tty", HOY_OPTION_BOOL, NULL, struct values, tty, "Terminal"),
	HOY_OPTION_WITH_SET('n', "name", HOY_OPTION_STRING, "string", struct values, name, name_given, "Name"),
	HOY_OPTION('e', "env", HOY_OPTION_LIST, "list", struct values, env, "Variables"),
	HOY_OPTION('m', "memory", HOY_OPTION_BYTES, "bytes", struct values, memory, "Limit"),
	HOY_OPTION(0, "cpus", HOY_OPTION_DECIMAL, "decimal", struct values, cpus, "CPUs"),
	HOY_OPTION(0, "timeout", HOY_OPTION_INT, "int", struct values, timeout, "Seconds"),
	HOY_OPTION_REFUSE('g', "gpus", "list", "not yet"),
	HOY_OPTION_END,
};

/* Words after the command's name, NULL-terminated. */
static int parse(struct values *values, char **args, int flags, struct hoy_err *err, const char *const *words)
{
	char *argv[16] = { (char *) "cmd" };
	int argc = 1;
	bool help;

	while (words[argc - 1]) {
		argv[argc] = (char *) words[argc - 1];
		argc++;
	}
	return hoy_options_parse(table, argc, argv, flags, values, args, &help, err);
}
#define PARSE(...) parse(&values, args, 0, &err, (const char *const[]){ __VA_ARGS__, NULL })

START_TEST(options_are_taken_in_every_form_docker_takes)
{
	struct values values = {};
	char *args[16];
	struct hoy_err err;

	ck_assert_int_eq(
		PARSE("-at", "--name=x", "-eA=1", "one", "--env", "B=2", "-m", "64m", "two", "--cpus", "1.5"), 0);
	ck_assert(values.all && values.tty && values.name_given);
	ck_assert_str_eq(values.name, "x");
	ck_assert_uint_eq(hoy_strv_len(values.env), 2);
	ck_assert_str_eq(values.env[1], "B=2");
	ck_assert_int_eq(values.memory, 64 << 20);
	ck_assert(values.cpus > 1.49 && values.cpus < 1.51);
	ck_assert_str_eq(args[0], "one");
	ck_assert_str_eq(args[1], "two");
	ck_assert_ptr_null(args[2]);
	ck_assert_int_eq(PARSE("--all=false", "-n=y", "--timeout", "-1"), 0);
	ck_assert(!values.all);
	ck_assert_str_eq(values.name, "y");
	ck_assert_int_eq(values.timeout, -1);
	hoy_options_done(table, &values);
	ck_assert_ptr_null(values.env);
}
END_TEST

START_TEST(a_command_behind_the_first_argument_keeps_its_options)
{
	struct values values = {};
	char *args[16];
	struct hoy_err err;

	ck_assert_int_eq(parse(&values, args, HOY_OPTIONS_STOP_AT_ARGUMENT, &err,
				 (const char *const[]){ "-t", "image", "ls", "-a", NULL }),
		0);
	ck_assert(!values.all);
	ck_assert_str_eq(args[2], "-a");
	ck_assert_int_eq(PARSE("-t", "--", "-a"), 0);
	ck_assert_str_eq(args[0], "-a");
}
END_TEST

START_TEST(wrong_options_are_named)
{
	struct values values = {};
	char *args[16];
	struct hoy_err err;

	ck_assert_int_eq(PARSE("--nope"), -EINVAL);
	ck_assert_str_eq(err.msg, "unknown flag: --nope");
	ck_assert_int_eq(PARSE("-az"), -EINVAL);
	ck_assert_str_eq(err.msg, "unknown shorthand flag: 'z' in -az");
	ck_assert_int_eq(PARSE("--name"), -EINVAL);
	ck_assert_str_eq(err.msg, "flag needs an argument: --name");
	ck_assert_int_eq(PARSE("-m", "lots"), -EINVAL);
	ck_assert_str_eq(err.msg, "invalid argument \"lots\" for \"-m, --memory\" flag: invalid syntax");
	ck_assert_int_eq(PARSE("--all=perhaps"), -EINVAL);
	ck_assert_int_eq(PARSE("--cpus", "1x"), -EINVAL);
	ck_assert_str_eq(err.msg, "invalid argument \"1x\" for \"--cpus\" flag: invalid syntax");
	ck_assert_int_eq(PARSE("--timeout", "1x"), -EINVAL);
	ck_assert_int_eq(PARSE("--gpus", "all"), -EOPNOTSUPP);
	ck_assert_str_eq(err.msg, "--gpus is not supported: not yet");
}
END_TEST

static void assert_duration(int64_t seconds, const char *want)
{
	auto_free char *got = hoy_human_duration(seconds);

	ck_assert_str_eq(got, want);
}

START_TEST(times_and_sizes_read_as_dockers)
{
	auto_free char *small = hoy_human_size(999), *big = hoy_human_size(4262000),
		       *binary = hoy_human_size_binary(64 << 20);

	assert_duration(0, "Less than a second");
	assert_duration(59, "59 seconds");
	assert_duration(61, "About a minute");
	assert_duration(3000, "50 minutes");
	assert_duration(3600, "About an hour");
	assert_duration(86400 * 3, "3 days");
	assert_duration(86400 * 20, "2 weeks");
	assert_duration(86400 * 100, "3 months");
	ck_assert_str_eq(small, "999B");
	ck_assert_str_eq(big, "4.26MB");
	ck_assert_str_eq(binary, "64MiB");
}
END_TEST

START_TEST(filters_become_the_query_of_the_api)
{
	char *const filters[] = { (char *) "status=exited", (char *) "status=created", (char *) "name=a b", NULL };
	char *const bad[] = { (char *) "status", NULL };
	auto_(hoy_buf_done) struct hoy_buf path = {};
	struct hoy_err err;

	ck_assert_int_eq(hoy_buf_adds(&path, "/x"), 0);
	ck_assert_int_eq(hoy_filter_add_query(&path, filters, &err), 0);
	ck_assert_str_eq(path.data, "/x?filters=%7B%22status%22%3A%7B%22exited%22%3Atrue%2C%22created%22%3Atrue%7D%2C"
				    "%22name%22%3A%7B%22a%20b%22%3Atrue%7D%7D");
	ck_assert_int_eq(hoy_filter_add_query(&path, bad, &err), -EINVAL);
}
END_TEST

Suite *suite_cli_options(void)
{
	const TTest *const tests[] = { options_are_taken_in_every_form_docker_takes,
		a_command_behind_the_first_argument_keeps_its_options, wrong_options_are_named,
		times_and_sizes_read_as_dockers, filters_become_the_query_of_the_api };

	return hoy_unit_suite("cli options", tests, ARRAY_LEN(tests));
}
