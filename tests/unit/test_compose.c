/* The compose loader, by what is printed of files. */
#include "tests/unit/test_compose.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"

Suite *suite_compose_values(void), *suite_compose_files(void), *suite_compose_errors(void),
	*suite_compose_variables(void);

static char dir[64];
static char *shown;

const char *compose_dir(void)
{
	return dir;
}

static void write_one(const char *name, const char *text)
{
	auto_free char *path = hoy_path_join(dir, name), *parent = strdup(path);

	*strrchr(parent, '/') = '\0';
	ck_assert_int_eq(hoy_path_mkdir_all(parent, 0755, NULL), 0);
	ck_assert_int_ge(hoy_file_write(AT_FDCWD, path, text, strlen(text), 0644, 0, NULL), 0);
}

void compose_files(const char *name, ...)
{
	va_list args;

	(void) hoy_path_remove_all(AT_FDCWD, dir, NULL);
	va_start(args, name);
	for (; name; name = va_arg(args, const char *))
		write_one(name, va_arg(args, const char *));
	va_end(args);
}

static int load(char *const *environment, struct hoy_compose_project **ret, struct hoy_err *err)
{
	char *none[] = { NULL };
	const struct hoy_compose_options options = {
		.cwd = dir,
		.project_name = "p",
		.environment = environment ? environment : none,
	};

	return hoy_compose_load(&options, ret, err);
}

struct hoy_compose_project *compose_load(char *const *environment)
{
	struct hoy_compose_project *project = NULL;
	struct hoy_err err = {};

	ck_assert_msg(load(environment, &project, &err) == 0, "%s", err.msg);
	return project;
}

const char *compose_print(char *const *environment)
{
	auto_ptr(hoy_compose_project_free) struct hoy_compose_project *project = NULL;
	auto_(hoy_buf_done) struct hoy_buf out = {};
	struct hoy_err err = {};

	free(shown);
	if (load(environment, &project, &err) < 0)
		return shown = hoy_str_printf("ERROR %s", err.msg);
	ck_assert_int_eq(hoy_compose_print_yaml(project, /* escape= */ false, &out), 0);
	return shown = hoy_buf_take(&out);
}

const char *compose_config(const char *text)
{
	compose_files("compose.yaml", text, NULL);
	return compose_print(NULL);
}

void compose_refused(const char *text, const char *want)
{
	const char *got = compose_config(text);

	ck_assert_msg(!strncmp(got, "ERROR ", 6) && strstr(got, want), "not \"%s\": %s", want, got);
}

void compose_shows(const char *text, const char *want)
{
	const char *all = compose_config(text), *got = all;

	while (*want) {
		size_t len = strcspn(want, "\n");
		auto_free char *line = strndup(want, len);

		ck_assert_msg((got = strstr(got, line)) != NULL, "no \"%s\" in: %s", line, all);
		got += len;
		want += len + (want[len] == '\n');
	}
}

int main(void)
{
	const hoy_suite_fn suites[] = { suite_compose_values, suite_compose_files, suite_compose_errors,
		suite_compose_variables };
	int r;

	(void) snprintf(dir, sizeof dir, "/tmp/hoy-test-compose-%d", (int) getpid());
	(void) setenv("CK_FORK", "no", 1);
	r = hoy_unit_run(suites, ARRAY_LEN(suites));
	(void) hoy_path_remove_all(AT_FDCWD, dir, NULL);
	free(shown);
	return r;
}
