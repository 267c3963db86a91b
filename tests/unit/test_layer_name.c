/* supervisor/worker/layer/name.c */
#include "supervisor/worker/layer/name.h"

#include <string.h>

#include "tests/unit/unit.h"

Suite *suite_layer_name(void);

static void assert_name(
	const char *raw, enum hoy_layer_name_kind kind, const char *path, size_t parent, const char *base)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name name = { 0 };

	ck_assert_msg(hoy_layer_name_parse(raw, &name, NULL) == 0, "%s", raw);
	ck_assert_int_eq(name.kind, kind);
	ck_assert_str_eq(name.path, path);
	ck_assert_uint_eq(name.parent_len, parent);
	ck_assert_str_eq(name.base, base);
}

START_TEST(names_are_cleaned)
{
	assert_name("a/b", HOY_LAYER_NAME_ENTRY, "a/b", 1, "b");
	assert_name("./a//b/./c/", HOY_LAYER_NAME_ENTRY, "a/b/c", 3, "c");
	assert_name("/abs", HOY_LAYER_NAME_ENTRY, "abs", 0, "abs");
	assert_name("a/../b", HOY_LAYER_NAME_ENTRY, "b", 0, "b");
	assert_name("a/b/../../c/d", HOY_LAYER_NAME_ENTRY, "c/d", 1, "d");
	assert_name("...", HOY_LAYER_NAME_ENTRY, "...", 0, "...");
}
END_TEST

START_TEST(the_root_has_many_names)
{
	static const char *const roots[] = { "", ".", "./", "/", "//", "a/..", "./a/../" };

	for (size_t i = 0; i < ARRAY_LEN(roots); i++)
		assert_name(roots[i], HOY_LAYER_NAME_ENTRY, "", 0, "");
}
END_TEST

START_TEST(whiteouts_are_told_apart)
{
	assert_name("a/.wh.b", HOY_LAYER_NAME_WHITEOUT, "a/.wh.b", 1, "b");
	assert_name(".wh.b", HOY_LAYER_NAME_WHITEOUT, ".wh.b", 0, "b");
	assert_name("a/b/.wh..wh..opq", HOY_LAYER_NAME_OPAQUE, "a/b/.wh..wh..opq", 3, "");
	assert_name(".wh..wh..opq", HOY_LAYER_NAME_OPAQUE, ".wh..wh..opq", 0, "");
	assert_name(".wh..wh.aufs", HOY_LAYER_NAME_IGNORED, ".wh..wh.aufs", 0, ".wh..wh.aufs");
	assert_name(".wh..wh.plnk/1.2", HOY_LAYER_NAME_IGNORED, ".wh..wh.plnk/1.2", 12, "1.2");
	assert_name("a/.wh.b/c", HOY_LAYER_NAME_ENTRY, "a/.wh.b/c", 7, "c");
	assert_name(".whx", HOY_LAYER_NAME_ENTRY, ".whx", 0, ".whx");
}
END_TEST

START_TEST(what_leaves_the_root_is_refused)
{
	static const char *const bad[] = { "..", "../a", "a/../..", "/..", "a/b/../../../c", "./../a" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct hoy_layer_name name = { 0 };
		struct hoy_err err = { 0 };

		ck_assert_msg(hoy_layer_name_parse(bad[i], &name, &err) < 0, "%s", bad[i]);
		ck_assert_int_eq(err.kind, HOY_ERR_INVALID);
		ck_assert_ptr_nonnull(strstr(err.msg, "leads out of the root"));
		ck_assert_ptr_null(name.path);
	}
}
END_TEST

START_TEST(whiteouts_of_nothing_and_endless_names_are_refused)
{
	static char endless[5000];
	struct hoy_layer_name name = { 0 };

	ck_assert_int_lt(hoy_layer_name_parse(".wh.", &name, NULL), 0);
	ck_assert_int_lt(hoy_layer_name_parse("a/.wh..", &name, NULL), 0);
	ck_assert_int_lt(hoy_layer_name_parse("a/.wh...", &name, NULL), 0);
	memset(endless, 'a', 4096);
	ck_assert_int_lt(hoy_layer_name_parse(endless, &name, NULL), 0);
	endless[4095] = '\0';
	ck_assert_int_eq(hoy_layer_name_parse(endless, &name, NULL), 0);
	hoy_layer_name_done(&name);
}
END_TEST

Suite *suite_layer_name(void)
{
	const TTest *const tests[] = { names_are_cleaned, the_root_has_many_names, whiteouts_are_told_apart,
		what_leaves_the_root_is_refused, whiteouts_of_nothing_and_endless_names_are_refused };

	return hoy_unit_suite("layer name", tests, ARRAY_LEN(tests));
}
