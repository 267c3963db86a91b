/* libocispec/field*.c, with a table of its own that has every kind of member. */
#include "libocispec/field.h"

#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_field(void);

enum color { COLOR_UNSET, COLOR_RED, COLOR_BLUE };
static const char *const color_names[] = { [COLOR_RED] = "red", [COLOR_BLUE] = "blue" };
static const struct hoy_enum colors = HOY_ENUM(color_names);

struct part {
	char *name;
	int64_t size;
};
struct named {
	char *key;
	bool on;
};
struct all {
	char *string, *empty_is_none;
	char **strv, **one_or_more, **always_list;
	bool boolean, *boolean_ptr;
	int32_t i32, *i32_ptr;
	int64_t i64, *i64_ptr;
	uint16_t *u16_ptr;
	uint32_t u32, *u32_ptr;
	uint64_t u64, *u64_ptr;
	uint32_t *u32s;
	size_t n_u32s;
	enum color color;
	enum color *palette;
	size_t n_palette;
	struct hoy_oci_kv *pairs;
	size_t n_pairs;
	char **keys;
	struct part embedded, *pointer, *parts;
	size_t n_parts;
	struct named *named;
	size_t n_named;
	char *raw;
};

static int part_check(const void *object, const struct hoy_field_path *at, struct hoy_err *err)
{
	if (((const struct part *) object)->size < 0)
		return hoy_field_invalid(at, err, "size", "negative");
	return 0;
}

static const struct hoy_field part_fields[] = {
	HOY_FIELD_STRING(struct part, "name", name, 0),
	HOY_FIELD_I64(struct part, "size", size, HOY_FIELD_ALWAYS),
};
static const struct hoy_object part_object = HOY_OBJECT(struct part, part_fields, part_check);
static const struct hoy_field named_fields[] = { HOY_FIELD_BOOL(struct named, "on", on, HOY_FIELD_ALWAYS) };
static const struct hoy_object named_object = HOY_OBJECT(struct named, named_fields, NULL);

#define ALL struct all
static const struct hoy_field all_fields[] = {
	HOY_FIELD_STRING(ALL, "String", string, HOY_FIELD_REQUIRED),
	HOY_FIELD_STRING(ALL, "emptyIsNone", empty_is_none, HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRV(ALL, "strv", strv, 0),
	HOY_FIELD_STRV(ALL, "oneOrMore", one_or_more, HOY_FIELD_STRING_OK | HOY_FIELD_OMIT_EMPTY),
	HOY_FIELD_STRV(ALL, "alwaysList", always_list, HOY_FIELD_EMPTY_LIST),
	HOY_FIELD_BOOL(ALL, "boolean", boolean, 0),
	HOY_FIELD_BOOL_PTR(ALL, "booleanPtr", boolean_ptr, 0),
	HOY_FIELD_I32(ALL, "i32", i32, 0),
	HOY_FIELD_I32_PTR(ALL, "i32Ptr", i32_ptr, 0),
	HOY_FIELD_I64(ALL, "i64", i64, 0),
	HOY_FIELD_I64_PTR(ALL, "i64Ptr", i64_ptr, 0),
	HOY_FIELD_U16_PTR(ALL, "u16Ptr", u16_ptr, 0),
	HOY_FIELD_U32(ALL, "u32", u32, 0),
	HOY_FIELD_U32_PTR(ALL, "u32Ptr", u32_ptr, 0),
	HOY_FIELD_U64(ALL, "u64", u64, 0),
	HOY_FIELD_U64_PTR(ALL, "u64Ptr", u64_ptr, 0),
	HOY_FIELD_U32S(ALL, "u32s", u32s, 0),
	HOY_FIELD_ENUM(ALL, "color", color, &colors, 0),
	HOY_FIELD_ENUMS(ALL, "palette", palette, &colors, 0),
	HOY_FIELD_KV(ALL, "pairs", pairs, 0),
	HOY_FIELD_KEYS(ALL, "keys", keys, 0),
	HOY_FIELD_OBJECT(ALL, "embedded", embedded, struct part, &part_object, 0),
	HOY_FIELD_OBJECT_PTR(ALL, "pointer", pointer, struct part, &part_object, 0),
	HOY_FIELD_OBJECTS(ALL, "parts", parts, struct part, &part_object, 0),
	HOY_FIELD_OBJECT_MAP(ALL, "named", named, struct named, &named_object, 0),
	HOY_FIELD_RAW(ALL, "raw", raw, 0),
	HOY_FIELD_DROP("dropped"),
};
static const struct hoy_object all_object = HOY_OBJECT(ALL, all_fields, NULL);

static const char full[] =
	"{\"String\":\"s\",\"emptyIsNone\":\"e\",\"strv\":[\"a\",\"\"],\"oneOrMore\":[\"x\"],\"alwaysList\":[],"
	"\"boolean\":true,\"booleanPtr\":false,\"i32\":-2147483648,\"i32Ptr\":0,\"i64\":-9223372036854775808,"
	"\"i64Ptr\":0,\"u16Ptr\":65535,\"u32\":4294967295,\"u32Ptr\":0,\"u64\":18446744073709551615,\"u64Ptr\":0,"
	"\"u32s\":[1,2],\"color\":\"red\",\"palette\":[\"blue\",\"red\"],"
	"\"pairs\":{\"b\":\"1\",\"a\":\"\"},\"keys\":{\"80/tcp\":{}},"
	"\"embedded\":{\"name\":\"n\",\"size\":1},\"pointer\":{\"size\":0},\"parts\":[{\"size\":2},{\"size\":3}],"
	"\"named\":{\"k\":{\"on\":false}},\"raw\":{\"any\":[1,null]}}";

static int parse_with(const char *text, const struct hoy_field_options *options, struct all **ret, struct hoy_err *err)
{
	return hoy_field_parse(&all_object, text, strlen(text), options, (void **) ret, err);
}

static struct all *parse(const char *text)
{
	struct all *all = NULL;
	struct hoy_err err = {};

	ck_assert_msg(parse_with(text, NULL, &all, &err) == 0, "%s", err.msg);
	return all;
}

static void assert_refused(const char *text, const char *why)
{
	struct all *all = NULL;
	struct hoy_err err = {};

	ck_assert_msg(parse_with(text, NULL, &all, &err) == -EINVAL, "%s", text);
	ck_assert_ptr_null(all);
	ck_assert_str_eq(err.msg, why);
}

static void assert_prints(const struct all *all, const char *text)
{
	auto_(hoy_buf_done) struct hoy_buf buf = {};

	ck_assert_int_eq(hoy_field_print(&all_object, all, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, text);
}

#define MINIMAL "{\"String\":\"s\",\"alwaysList\":[],\"embedded\":{\"size\":0}}"

START_TEST(every_kind_is_read_and_printed_again)
{
	struct all *all = parse(full);

	ck_assert_str_eq(all->strv[1], "");
	ck_assert_ptr_null(all->strv[2]);
	ck_assert(!*all->boolean_ptr);
	ck_assert_uint_eq(*all->u16_ptr, 65535);
	ck_assert(all->u64 == UINT64_MAX);
	ck_assert_uint_eq(all->n_u32s, 2);
	ck_assert_int_eq(all->palette[0], COLOR_BLUE);
	ck_assert_str_eq(hoy_oci_kv_get(all->pairs, all->n_pairs, "b"), "1");
	ck_assert_str_eq(all->keys[0], "80/tcp");
	ck_assert_int_eq(all->parts[1].size, 3);
	ck_assert_str_eq(all->named[0].key, "k");
	ck_assert_str_eq(all->raw, "{\"any\":[1,null]}");
	assert_prints(all, full);
	hoy_field_free(&all_object, all);
}
END_TEST

START_TEST(absent_and_null_are_the_same)
{
	struct all *absent = parse("{\"String\":\"s\"}"), *null;
	static const char text[] =
		"{\"String\":\"s\",\"strv\":null,\"boolean\":null,\"i64\":null,\"u64Ptr\":null,\"color\":null,"
		"\"pairs\":null,\"keys\":null,\"embedded\":null,\"pointer\":null,\"parts\":null,\"raw\":null}";

	null = parse(text);
	ck_assert_mem_eq(&absent->strv, &null->strv, sizeof *absent - offsetof(struct all, strv));
	ck_assert_ptr_null(null->parts);
	assert_prints(null, MINIMAL);
	hoy_field_free(&all_object, absent);
	hoy_field_free(&all_object, null);
}
END_TEST

START_TEST(an_empty_list_is_not_an_absent_one)
{
	static const char text[] =
		"{\"String\":\"\",\"strv\":[],\"alwaysList\":[],\"u32s\":[],\"palette\":[],\"pairs\":{},"
		"\"keys\":{},\"embedded\":{\"size\":0},\"parts\":[],\"named\":{}}";
	struct all *all = parse(text);

	ck_assert_ptr_nonnull(all->parts);
	ck_assert_uint_eq(all->n_parts, 0);
	assert_prints(all, text);
	hoy_field_free(&all_object, all);
	all = parse("{\"String\":\"s\",\"emptyIsNone\":\"\",\"oneOrMore\":[],\"color\":\"\"}");
	ck_assert_ptr_null(all->empty_is_none);
	assert_prints(all, MINIMAL);
	hoy_field_free(&all_object, all);
}
END_TEST

START_TEST(a_wrong_type_is_named_with_its_path)
{
	assert_refused("[]", "expected an object, got a list");
	assert_refused("{}", "String: missing");
	assert_refused("{\"String\":null}", "String: missing");
	assert_refused("{\"String\":1}", "String: expected a string, got a number");
	assert_refused("{\"strv\":[\"a\",null]}", "strv[1]: expected a string, got null");
	assert_refused("{\"strv\":\"a\"}", "strv: expected a list, got a string");
	assert_refused("{\"oneOrMore\":{}}", "oneOrMore: expected a list, got an object");
	assert_refused("{\"boolean\":0}", "boolean: expected a boolean, got a number");
	assert_refused("{\"booleanPtr\":\"true\"}", "booleanPtr: expected a boolean, got a string");
	assert_refused("{\"pairs\":{\"k\":null}}", "pairs.k: expected a string, got null");
	assert_refused("{\"pairs\":[]}", "pairs: expected an object, got a list");
	assert_refused("{\"keys\":{\"k\":true}}", "keys.k: expected an object, got a boolean");
	assert_refused("{\"pointer\":{\"size\":\"1\"}}", "pointer.size: expected a number, got a string");
	assert_refused("{\"parts\":[{},{\"name\":1}]}", "parts[1].name: expected a string, got a number");
	assert_refused("{\"parts\":[7]}", "parts[0]: expected an object, got a number");
	assert_refused("{\"named\":{\"k\":{\"on\":1}}}", "named.k.on: expected a boolean, got a number");
	assert_refused("{\"named\":[]}", "named: expected an object, got a list");
}
END_TEST

START_TEST(numbers_stay_in_the_range_of_their_type)
{
	assert_refused("{\"i32\":2147483648}", "i32: 2147483648 is out of range");
	assert_refused("{\"i32Ptr\":-2147483649}", "i32Ptr: -2147483649 is out of range");
	assert_refused("{\"i64\":9223372036854775808}", "i64: 9223372036854775808 is out of range");
	assert_refused("{\"u16Ptr\":65536}", "u16Ptr: 65536 is out of range");
	assert_refused("{\"u32\":-1}", "u32: -1 is out of range");
	assert_refused("{\"u32s\":[1,4294967296]}", "u32s[1]: 4294967296 is out of range");
	assert_refused("{\"u64Ptr\":18446744073709551616}", "u64Ptr: 18446744073709551616 is out of range");
	assert_refused("{\"i64\":1.0}", "i64: 1.0 is not an integer");
	assert_refused("{\"u64\":1e3}", "u64: 1e3 is not an integer");
}
END_TEST

START_TEST(unknown_values_of_enums_are_refused)
{
	assert_refused("{\"color\":\"green\"}", "color: unknown value \"green\"");
	assert_refused("{\"color\":3}", "color: expected a string, got a number");
	assert_refused("{\"palette\":[\"red\",\"green\"]}", "palette[1]: unknown value \"green\"");
	assert_refused("{\"palette\":[\"\"]}", "palette[0]: unknown value \"\"");
}
END_TEST

START_TEST(unknown_members_are_ignored_and_listed)
{
	auto_ptr(hoy_strv_free) char **unknown = NULL;
	const struct hoy_field_options options = { .unknown = &unknown };
	struct all *all = NULL;

	ck_assert_int_eq(parse_with("{\"String\":\"s\",\"x\":{\"y\":1},\"parts\":[{\"z\":0}],\"dropped\":{\"q\":1}}",
				 &options, &all, NULL),
		0);
	ck_assert_uint_eq(hoy_strv_len(unknown), 2);
	ck_assert_str_eq(unknown[0], "x");
	ck_assert_str_eq(unknown[1], "parts[0].z");
	hoy_field_free(&all_object, all);
}
END_TEST

START_TEST(names_match_in_any_case_only_when_asked)
{
	const struct hoy_field_options options = { .any_case = true };
	struct all *all = NULL;
	struct hoy_err err;

	assert_refused("{\"string\":\"s\"}", "String: missing");
	ck_assert_int_eq(parse_with("{\"sTRING\":\"s\",\"PARTS\":[{\"Name\":\"n\"}]}", &options, &all, NULL), 0);
	ck_assert_str_eq(all->string, "s");
	ck_assert_str_eq(all->parts[0].name, "n");
	hoy_field_free(&all_object, all);
	ck_assert_int_eq(parse_with("{\"String\":\"s\",\"STRING\":\"t\"}", &options, &all, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "STRING: given twice");
}
END_TEST

START_TEST(a_string_may_stand_for_a_list_of_one)
{
	struct all *all = parse("{\"String\":\"s\",\"oneOrMore\":\"echo hi\"}");

	ck_assert_str_eq(all->one_or_more[0], "echo hi");
	ck_assert_ptr_null(all->one_or_more[1]);
	hoy_field_free(&all_object, all);
}
END_TEST

START_TEST(merging_replaces_what_is_given_and_keeps_the_rest)
{
	struct all *all = parse(full);
	static const char text[] =
		"{\"String\":\"new\",\"strv\":[\"z\"],\"embedded\":{\"size\":9},\"parts\":[],\"i64\":null}";
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;

	ck_assert_int_eq(hoy_json_parse(text, strlen(text), NULL, &doc, NULL), 0);
	ck_assert_int_eq(hoy_field_merge(&all_object, doc, NULL, all, NULL), 0);
	ck_assert_str_eq(all->string, "new");
	ck_assert_str_eq(all->strv[0], "z");
	ck_assert_ptr_null(all->strv[1]);
	ck_assert_str_eq(all->embedded.name, "n");
	ck_assert_int_eq(all->embedded.size, 9);
	ck_assert_uint_eq(all->n_parts, 0);
	ck_assert(all->i64 == INT64_MIN);
	hoy_field_free(&all_object, all);
}
END_TEST

START_TEST(a_copy_is_equal_and_independent)
{
	struct all *all = parse(full), *copy = hoy_field_copy(&all_object, all);

	ck_assert_ptr_ne(all->string, copy->string);
	ck_assert_ptr_ne(all->parts, copy->parts);
	hoy_field_free(&all_object, all);
	assert_prints(copy, full);
	hoy_field_free(&all_object, copy);
	all = parse("{\"String\":\"s\"}");
	copy = hoy_field_copy(&all_object, all);
	assert_prints(copy, MINIMAL);
	hoy_field_free(&all_object, all);
	hoy_field_free(&all_object, copy);
}
END_TEST

START_TEST(check_hooks_of_all_parts_are_called)
{
	static const char *const cases[][2] = {
		{ "{\"String\":\"s\",\"embedded\":{\"size\":-1}}", "embedded.size: negative" },
		{ "{\"String\":\"s\",\"pointer\":{\"size\":-1}}", "pointer.size: negative" },
		{ "{\"String\":\"s\",\"parts\":[{},{\"size\":-1}]}", "parts[1].size: negative" },
	};
	struct all empty = {};
	struct hoy_err err;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct all *all = parse(cases[i][0]);

		ck_assert_int_eq(hoy_field_validate(&all_object, all, &err), -EINVAL);
		ck_assert_str_eq(err.msg, cases[i][1]);
		hoy_field_free(&all_object, all);
	}
	ck_assert_int_eq(hoy_field_validate(&all_object, &empty, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "String: missing");
}
END_TEST

START_TEST(printing_can_be_indented)
{
	struct all *all = parse("{\"String\":\"s\",\"parts\":[{}]}");
	auto_(hoy_buf_done) struct hoy_buf buf = {};

	ck_assert_int_eq(hoy_field_print(&all_object, all, &buf, 1, NULL), 0);
	ck_assert_str_eq(buf.data,
		"{\n \"String\": \"s\",\n \"alwaysList\": [],\n \"embedded\": {\n  \"size\": 0\n },\n"
		" \"parts\": [\n  {\n   \"size\": 0\n  }\n ]\n}");
	hoy_field_free(&all_object, all);
}
END_TEST

START_TEST(a_very_long_path_is_cut_not_overrun)
{
	char text[2000] = "{\"named\":{\"";
	struct hoy_err err;
	struct all *all;

	memset(text + strlen(text), 'k', 1000);
	strncat(text, "\":{\"on\":1}}}", 20);
	ck_assert_int_eq(parse_with(text, NULL, &all, &err), -EINVAL);
	ck_assert(hoy_str_starts(err.msg, "named.kkkkkk"));
	ck_assert(hoy_str_ends(err.msg, "expected a boolean, got a number"));
}
END_TEST

static void collect(const char *path, const struct hoy_field *field, void *userdata)
{
	(void) field;
	ck_assert_int_eq(hoy_strv_add(userdata, path), 0);
}

START_TEST(the_walk_lists_every_field_once)
{
	auto_ptr(hoy_strv_free) char **paths = NULL;

	hoy_field_walk(&all_object, collect, &paths);
	ck_assert_uint_eq(hoy_strv_len(paths), ARRAY_LEN(all_fields) + 3 * ARRAY_LEN(part_fields) + 1);
	ck_assert(hoy_strv_has(paths, "embedded.size"));
	ck_assert(hoy_strv_has(paths, "parts"));
	ck_assert(hoy_strv_has(paths, "parts[].name"));
	ck_assert(hoy_strv_has(paths, "named.*.on"));
}
END_TEST

START_TEST(documents_can_be_built_in_code)
{
	struct all *all = calloc(1, sizeof *all);
	struct part *part;

	all->string = strdup("s");
	all->i64_ptr = hoy_field_new(int64_t, -5);
	part = hoy_field_add(&all->parts, &all->n_parts);
	part->size = 1;
	part = hoy_field_add(&all->parts, &all->n_parts);
	part->name = strdup("two");
	ck_assert_int_eq(hoy_oci_kv_add(&all->pairs, &all->n_pairs, "a", "1"), 0);
	ck_assert_int_eq(hoy_oci_kv_set(&all->pairs, &all->n_pairs, "b", "2"), 0);
	ck_assert_int_eq(hoy_oci_kv_set(&all->pairs, &all->n_pairs, "a", "3"), 0);
	ck_assert_ptr_null(hoy_oci_kv_get(all->pairs, all->n_pairs, "c"));
	assert_prints(all, "{\"String\":\"s\",\"alwaysList\":[],\"i64Ptr\":-5,\"pairs\":{\"a\":\"3\",\"b\":\"2\"},"
			   "\"embedded\":{\"size\":0},\"parts\":[{\"size\":1},{\"name\":\"two\",\"size\":0}]}");
	hoy_field_free(&all_object, all);
}
END_TEST

Suite *suite_field(void)
{
	const TTest *const tests[] = { every_kind_is_read_and_printed_again, absent_and_null_are_the_same,
		an_empty_list_is_not_an_absent_one, a_wrong_type_is_named_with_its_path,
		numbers_stay_in_the_range_of_their_type, unknown_values_of_enums_are_refused,
		unknown_members_are_ignored_and_listed, names_match_in_any_case_only_when_asked,
		a_string_may_stand_for_a_list_of_one, merging_replaces_what_is_given_and_keeps_the_rest,
		a_copy_is_equal_and_independent, check_hooks_of_all_parts_are_called, printing_can_be_indented,
		a_very_long_path_is_cut_not_overrun, the_walk_lists_every_field_once, documents_can_be_built_in_code };

	return hoy_unit_suite("field", tests, ARRAY_LEN(tests));
}
