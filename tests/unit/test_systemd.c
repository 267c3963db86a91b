/* The systemd cgroup manager without a systemd: names of units, what is asked for, values of annotations. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "libocispec/runtime.h"
#include "runtime/plan/plan.h"
#include "runtime/systemd/properties.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_systemd(void);

/* --- names ------------------------------------------------------------------------------------------------------- */

static int plan_unit(const char *id, const char *path, bool rootless, char ret[600], struct hoy_err *err)
{
	struct hoy_oci_linux l = { .cgroups_path = (char *) path };
	const struct hoy_oci_spec spec = { .linux_ = &l };
	struct hoy_plan plan = { .spec = &spec, .params = { .id = id, .systemd = true, .rootless = rootless } };
	int r = hoy_plan_cgroup(&plan, err);

	if (r == 0)
		(void) snprintf(ret, 600, "%s in %s", plan.unit, plan.slice);
	hoy_plan_done(&plan);
	return r;
}

START_TEST(a_path_names_slice_and_scope)
{
	static const struct {
		const char *id, *path;
		bool rootless;
		const char *want;
	} cases[] = {
		{ "web", NULL, false, "hoyrun-web.scope in system.slice" },
		{ "web", "", true, "hoyrun-web.scope in user.slice" },
		{ "a+b", NULL, false, "hoyrun-a\\x2bb.scope in system.slice" },
		{ "web", "machine.slice:libpod:abc", false, "libpod-abc.scope in machine.slice" },
		{ "web", "kubepods-burstable-pod1.slice:cri-containerd:abc", false,
			"cri-containerd-abc.scope in kubepods-burstable-pod1.slice" },
		{ "web", "::abc", false, "abc.scope in system.slice" },
		{ "web", "-:x:abc", false, "x-abc.scope in -.slice" },
	};
	char got[600];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hoy_err err = {};

		ck_assert_msg(plan_unit(cases[i].id, cases[i].path, cases[i].rootless, got, &err) == 0, "%s",
			hoy_err_str(&err));
		ck_assert_str_eq(got, cases[i].want);
	}
}
END_TEST

START_TEST(a_name_that_no_unit_has_is_refused)
{
	static const struct {
		const char *path, *why;
	} cases[] = {
		{ "/a/path", "is not of the form slice:prefix:name" },
		{ "a.slice:b", "is not of the form" },
		{ "a.slice:b:", "is not of the form" },
		{ "a.slice:b:c:d", "is not of the form" },
		{ "a:b:c", "'a' is not the name of a slice" },
		{ "a/b.slice:b:c", "is not the name of a slice" },
		{ "a--b.slice:b:c", "is not the name of a slice" },
		{ "-a.slice:b:c", "is not the name of a slice" },
		{ "a-.slice:b:c", "is not the name of a slice" },
		{ "a.slice:b:c.slice", "a scope, not a slice" },
	};
	char got[600];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct hoy_err err = {};

		ck_assert_int_lt(plan_unit("web", cases[i].path, false, got, &err), 0);
		ck_assert_msg(strstr(err.msg, cases[i].why), "'%s' for '%s'", err.msg, cases[i].path);
	}
}
END_TEST

/* --- properties -------------------------------------------------------------------------------------------------- */

static char *properties_of(bool unified, const char *resources,
	int (*make)(const struct hoy_unit_request *, struct hoy_unit_properties *, struct hoy_err *))
{
	auto_ptr(hoy_oci_resources_free) struct hoy_oci_resources *res = NULL;
	auto_(hoy_unit_properties_done) struct hoy_unit_properties props = {};
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_err err = {};
	struct hoy_unit_request q = { .op = HOY_UNIT_SET, .unit = (char *) "x.scope", .unified = unified };

	ck_assert_msg(hoy_oci_resources_parse(resources, strlen(resources), &res, &err) == 0, "%s", hoy_err_str(&err));
	q.resources = res;
	ck_assert_msg(make(&q, &props, &err) == 0, "%s", hoy_err_str(&err));
	ck_assert_int_eq(hoy_unit_properties_print(&props, &text, &err), 0);
	return text.len ? hoy_buf_take(&text) : strdup("");
}

static int start_of(const struct hoy_unit_request *q, struct hoy_unit_properties *ret, struct hoy_err *err)
{
	struct hoy_unit_request start = *q;

	start.op = HOY_UNIT_START;
	return hoy_unit_properties_start(&start, 7, ret, err);
}

START_TEST(limits_become_properties)
{
	static const struct {
		bool unified;
		const char *resources, *want;
	} cases[] = {
		{ true, "{\"memory\":{\"limit\":4096,\"swap\":8192,\"reservation\":2048}}",
			"MemoryMax t 4096\nMemoryLow t 2048\nMemorySwapMax t 4096\n" },
		{ true, "{\"memory\":{\"limit\":-1}}",
			"MemoryMax t 18446744073709551615\nMemorySwapMax t 18446744073709551615\n" },
		{ true, "{\"memory\":{\"swap\":4096}}", "" }, /* of both; swap alone is not told */
		{ false, "{\"memory\":{\"limit\":4096,\"swap\":8192}}", "MemoryLimit t 4096\n" },
		{ true, "{\"cpu\":{\"shares\":1024,\"cpus\":\"0-2,9\",\"mems\":\"0\"}}",
			"CPUWeight t 100\nAllowedCPUs ay 7 2\nAllowedMemoryNodes ay 1\n" },
		{ false, "{\"cpu\":{\"shares\":1024,\"cpus\":\"0\"}}", "CPUShares t 1024\n" },
		{ true, "{\"cpu\":{\"idle\":1}}", "CPUWeight t 0\n" },
		/* 12.34 per cent is 13 to systemd */
		{ true, "{\"cpu\":{\"quota\":12340,\"period\":100000}}",
			"CPUQuotaPerSecUSec t 130000\nCPUQuotaPeriodUSec t 100000\n" },
		{ true, "{\"cpu\":{\"quota\":-1}}",
			"CPUQuotaPerSecUSec t 18446744073709551615\nCPUQuotaPeriodUSec t 100000\n" },
		{ true, "{\"pids\":{\"limit\":-1}}", "TasksMax t 18446744073709551615\n" },
		{ true, "{\"pids\":{\"limit\":0}}", "TasksMax t 1\n" },
		{ true, "{\"blockIO\":{\"weight\":10}}", "IOWeight t 1\n" },
		{ true, "{\"blockIO\":{\"weight\":1000}}", "IOWeight t 10000\n" },
		{ false, "{\"blockIO\":{\"weight\":500}}", "BlockIOWeight t 500\n" },
		{ true,
			"{\"unified\":{\"cpu.max\":\"max 50000\",\"memory.high\":\"max\",\"memory.min\":\"1\","
			"\"pids.max\":\"9\",\"cpuset.cpus\":\"1\",\"hugetlb.2MB.max\":\"1\"}}",
			"CPUQuotaPerSecUSec t 18446744073709551615\nCPUQuotaPeriodUSec t 50000\n"
			"MemoryHigh t 18446744073709551615\nMemoryMin t 1\nTasksMax t 9\nAllowedCPUs ay 2\n" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *got = properties_of(cases[i].unified, cases[i].resources, hoy_unit_properties_set);

		ck_assert_str_eq(got, cases[i].want);
	}
}
END_TEST

START_TEST(a_scope_starts_with_room_for_its_holder)
{
	auto_free char *got = properties_of(true, "{\"pids\":{\"limit\":1}}", start_of);

	ck_assert(strstr(got, "PIDs au 7\n"));
	ck_assert(strstr(got, "Delegate b true\n"));
	ck_assert(strstr(got, "TasksMax t 2\n"));
	ck_assert(strstr(got, "CollectMode s inactive-or-failed\n"));
	ck_assert(!strstr(got, "Device")); /* on v2 our own program decides */
}
END_TEST

START_TEST(device_rules_go_to_systemd_on_v1)
{
	auto_free char *got = properties_of(false,
		"{\"devices\":[{\"allow\":true,\"type\":\"c\",\"major\":10,\"access\":\"rw\"},{\"allow\":false,\"access\":\"rwm\"},"
		"{\"allow\":true,\"type\":\"b\",\"major\":8,\"minor\":1,\"access\":\"r\"}]}",
		start_of);

	ck_assert(strstr(got, "DevicePolicy s strict\n"));
	ck_assert(strstr(got, "DeviceAllow a(ss) /dev/block/8:1 r char-* m block-* m /dev/char/1:3 rwm "));
	ck_assert(strstr(got, " char-136 rwm "));
	ck_assert(!strstr(got, "char-10 ")); /* closed by a later rule */
}
END_TEST

/* --- annotations ------------------------------------------------------------------------------------------------- */

START_TEST(gvariant_texts_are_read)
{
	static const struct {
		const char *text, *want; /* NULL: refused */
	} cases[] = {
		{ "true", "b true" },
		{ " 'a \\'b\\'' ", "s a 'b'" },
		{ "\"x\"", "s x" },
		{ "''", "s " },
		{ "-5", "i -5" },
		{ "0x10", "i 0x10" },
		{ "uint64 18446744073709551615", "t 18446744073709551615" },
		{ "@t 5", "t 5" },
		{ "byte 255", "y 255" },
		{ "1.5", "d 1.5" },
		{ "['a', \"b\"]", "as a b" },
		{ "@as []", "as" },
		{ "[uint32 1, 2]", "au 1 2" },
		{ "byte 256", NULL },
		{ "3000000000", NULL },
		{ "uint64 -1", NULL },
		{ "uint64 x", NULL },
		{ "uint64 'x'", NULL },
		{ "'a", NULL },
		{ "['a'", NULL },
		{ "['a' 'b']", NULL },
		{ "[1, 'b']", NULL },
		{ "[]", NULL },
		{ "1 2", NULL },
		{ "(1, 2)", NULL },
		{ "{'a': 1}", NULL },
		{ "@(st) 1", NULL },
		{ "@", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_ptr(hoy_strv_free) char **values = NULL;
		auto_(hoy_buf_done) struct hoy_buf text = {};
		char signature[8];
		struct hoy_err err = {};
		int r = hoy_gvariant_parse(cases[i].text, signature, &values, &err);

		ck_assert_msg((r == 0) == (cases[i].want != NULL), "%s: %s", cases[i].text, hoy_err_str(&err));
		if (r < 0)
			continue;
		(void) hoy_buf_adds(&text, signature);
		for (char **v = values; *v; v++)
			(void) hoy_buf_addf(&text, " %s", *v);
		ck_assert_str_eq(text.data, cases[i].want);
	}
}
END_TEST

static int start_with(const char *key, const char *value, char ret[2000], struct hoy_err *err)
{
	struct hoy_oci_kv a = { (char *) key, (char *) value };
	const struct hoy_unit_request q = {
		.op = HOY_UNIT_START, .unit = (char *) "x.scope", .unified = true, .annotations = &a, .n_annotations = 1
	};
	auto_(hoy_unit_properties_done) struct hoy_unit_properties props = {};
	auto_(hoy_buf_done) struct hoy_buf text = {};
	int r = hoy_unit_properties_start(&q, 7, &props, err);

	if (r == 0)
		r = hoy_unit_properties_print(&props, &text, err);
	(void) snprintf(ret, 2000, "%s", r == 0 ? text.data : "");
	return r;
}

START_TEST(annotations_set_and_replace_properties)
{
	struct hoy_err err = {};
	char got[2000];

	ck_assert_int_eq(start_with("org.systemd.property.CollectMode", "'inactive'", got, &err), 0);
	ck_assert(strstr(got, "CollectMode s inactive\n"));
	ck_assert(!strstr(got, "inactive-or-failed"));
	ck_assert_int_eq(start_with("org.systemd.property.TimeoutStopSec", "uint64 7", got, &err), 0);
	ck_assert(strstr(got, "TimeoutStopUSec t 7000000\n"));
	ck_assert_int_eq(start_with("org.systemd.property.a b", "1", got, &err), -EINVAL);
	ck_assert_int_eq(start_with("org.systemd.property.X", "(1,2)", got, &err), -EOPNOTSUPP);
	ck_assert_ptr_nonnull(strstr(err.msg, "annotations[\"org.systemd.property.X\"]"));
}
END_TEST

START_TEST(a_request_survives_its_text)
{
	struct hoy_oci_kv a = { (char *) "k", (char *) "v" };
	const struct hoy_unit_request q = { .op = HOY_UNIT_ATTACH,
		.unit = (char *) "x.scope",
		.user = true,
		.pid = 9,
		.annotations = &a,
		.n_annotations = 1 };
	auto_ptr(hoy_unit_request_free) struct hoy_unit_request *back = NULL;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_err err = {};

	ck_assert_int_eq(hoy_unit_request_print(&q, &text, &err), 0);
	ck_assert_int_eq(hoy_unit_request_parse(text.data, text.len, &back, &err), 0);
	ck_assert_int_eq(back->op, HOY_UNIT_ATTACH);
	ck_assert(back->user && back->pid == 9 && back->n_annotations == 1);
	ck_assert_int_lt(hoy_unit_request_parse("{}", 2, &back, &err), 0);
}
END_TEST

Suite *suite_runtime_systemd(void)
{
	const TTest *const tests[] = { a_path_names_slice_and_scope, a_name_that_no_unit_has_is_refused,
		limits_become_properties, a_scope_starts_with_room_for_its_holder, device_rules_go_to_systemd_on_v1,
		gvariant_texts_are_read, annotations_set_and_replace_properties, a_request_survives_its_text };

	return hoy_unit_suite("runtime systemd", tests, ARRAY_LEN(tests));
}
