/* Cache and bandwidth: what is decided, on a directory that stands in for a resctrl file system. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/apply/resctrl.h"
#include "runtime/state/state.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_resctrl(void);

static void put(const char *dir, const char *name, const char *text)
{
	auto_free char *path = hoy_path_join(dir, name);

	ck_assert_int_eq(hoy_file_write(AT_FDCWD, path, text, strlen(text), 0600, 0, NULL), 0);
}

static void assert_holds(const char *dir, const char *name, const char *text)
{
	auto_free char *path = hoy_path_join(dir, name);
	auto_(hoy_buf_done) struct hoy_buf have = {};

	ck_assert_int_eq(hoy_file_read(AT_FDCWD, path, &have, NULL), 0);
	ck_assert_str_eq(have.data ? have.data : "", text);
}

/* With a class "gold" that others made. */
static char *stand_in(void)
{
	static const char *const dirs[] = { "gold", "gold/mon_groups", "gold/mon_groups/web" };
	char *root = strdup("/tmp/hoy-resctrl-XXXXXX");

	ck_assert_ptr_nonnull(root);
	ck_assert_ptr_nonnull(mkdtemp(root));
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		auto_free char *path = hoy_path_join(root, dirs[i]);

		ck_assert_int_eq(mkdir(path, 0700), 0);
	}
	put(root, "gold/schemata", "    L3:0=0ff;1=00f\n    MB:0= 50;1=100\n");
	put(root, "gold/tasks", "");
	put(root, "gold/mon_groups/web/tasks", "");
	put(root, "tasks", "");
	return root;
}

START_TEST(a_class_of_service_is_made_or_must_be_what_is_asked_for)
{
	static char gold[] = "gold", all[] = "/", none[] = "none", l3[] = "L3:0=FF;1=f", mb[] = "MB:0=50;1=100",
		    other[] = "L3:0=f;1=f";
	char *schemata[] = { l3, NULL };
	const struct {
		struct hoy_oci_intel_rdt rdt;
		const char *dir, *error;
		bool made;
	} cases[] = {
		{ { .clos_id = gold }, "/gold", NULL, false },
		{ { .clos_id = all }, "", NULL, false },
		{ { .clos_id = none }, NULL, "class of service 'none'", false },
		{ { .clos_id = gold, .l3_cache_schema = l3, .mem_bw_schema = mb }, "/gold", NULL, false },
		{ { .clos_id = gold, .schemata = schemata }, "/gold", NULL, false },
		{ { .clos_id = gold, .l3_cache_schema = other }, NULL, "its schemata have no line 'L3:0=f;1=f'",
			false },
		{ {}, "/web", NULL, true },
		/* Here no kernel makes the file: what was made goes again. */
		{ { .l3_cache_schema = l3 }, NULL, "schema 'L3:0=FF;1=f'", false },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *root = stand_in(), *dir = NULL, *wanted = NULL, *web = hoy_path_join(root, "web");
		struct hoy_err err = {};
		bool made = false;
		int r = hoy_resctrl_make(root, &cases[i].rdt, "web", &dir, &made, &err);

		if (cases[i].error) {
			ck_assert_int_lt(r, 0);
			ck_assert_msg(strstr(err.msg, cases[i].error), "%zu: %s", i, err.msg);
		} else {
			ck_assert_msg(r == 0, "%zu: %s", i, err.msg);
			wanted = hoy_str_printf("%s%s", root, cases[i].dir);
			ck_assert_str_eq(dir, wanted);
			ck_assert(made == cases[i].made);
		}
		ck_assert_msg((access(web, F_OK) == 0) == cases[i].made, "%zu", i);
		ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, root, NULL), 0);
	}
}
END_TEST

START_TEST(a_process_enters_its_class_and_what_was_made_for_it_goes)
{
	static char id[] = "web";
	auto_free char *root = stand_in(), *dir = hoy_path_join(root, "gold"), *own = hoy_path_join(root, "web");
	struct hoy_state state = { .id = id, .resctrl = dir, .resctrl_monitor = true };

	ck_assert_int_eq(hoy_resctrl_enter(&state, 42, NULL), 0);
	assert_holds(dir, "tasks", "42");
	assert_holds(dir, "mon_groups/web/tasks", "42");
	ck_assert_int_eq(hoy_resctrl_update(dir, NULL, "MB:0=20", NULL), 0);
	ck_assert_int_lt(hoy_resctrl_remove(&state, NULL), 0); /* a plain directory is not empty */
	state.resctrl_monitor = false;
	ck_assert_int_eq(hoy_resctrl_remove(&state, NULL), 0);
	ck_assert_int_eq(access(dir, F_OK), 0);
	ck_assert_int_eq(mkdir(own, 0700), 0);
	state.resctrl = own;
	state.resctrl_made = true;
	ck_assert_int_eq(hoy_resctrl_remove(&state, NULL), 0);
	ck_assert_int_lt(access(own, F_OK), 0);
	ck_assert_int_eq(hoy_resctrl_remove(&state, NULL), 0);
	state.resctrl = NULL;
	ck_assert_int_eq(hoy_resctrl_enter(&state, 42, NULL), 0);
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, root, NULL), 0);
}
END_TEST

Suite *suite_runtime_resctrl(void)
{
	const TTest *const tests[] = { a_class_of_service_is_made_or_must_be_what_is_asked_for,
		a_process_enters_its_class_and_what_was_made_for_it_goes };

	return hoy_unit_suite("runtime resctrl", tests, ARRAY_LEN(tests));
}
