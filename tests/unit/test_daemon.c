/* Unit tests of supervisor/daemon/: settings and addresses. */
#include <errno.h>
#include <string.h>

#include "base/defs.h"
#include "base/str.h"
#include "supervisor/daemon/options.h"
#include "supervisor/daemon/settings.h"
#include "supervisor/daemon/sockets.h"
#include "tests/unit/unit.h"

static int parse(struct hoy_daemon_options *o, struct hoy_err *err, const char *a, const char *b, const char *c)
{
	const char *argv[] = { "hoyd", a, b, c, NULL };

	return hoy_daemon_options_parse(o, 1 + !!a + !!b + !!c, (char *const *) argv, err);
}

START_TEST(flags_are_read_in_all_spellings)
{
	auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 }, p = { 0 };

	ck_assert_int_eq(parse(&o, NULL, "-Hunix:///a", "--host=unix:///b", "-D"), 0);
	ck_assert_str_eq(o.hosts[0], "unix:///a");
	ck_assert_str_eq(o.hosts[1], "unix:///b");
	ck_assert(o.debug);
	ck_assert_int_eq(parse(&p, NULL, "--data-root", "/x", "--debug=false"), 0);
	ck_assert_str_eq(p.data_root, "/x");
	ck_assert(!p.debug);
}
END_TEST

static void check_refusal(const char *a, const char *b, const char *text)
{
	auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 };
	struct hoy_err err = { 0 };

	ck_assert_msg(parse(&o, &err, a, b, NULL) < 0, "%s", a);
	ck_assert_str_eq(err.msg, text);
}

START_TEST(wrong_flags_are_named)
{
	check_refusal("--nope", NULL, "unknown flag: --nope");
	check_refusal("-x", NULL, "unknown shorthand flag: 'x' in -x");
	check_refusal("--host", NULL, "flag needs an argument: --host");
	check_refusal("--debug=maybe", NULL, "invalid argument \"maybe\" for \"--debug\": not a boolean");
	check_refusal("--mtu", "x", "invalid argument \"x\" for \"--mtu\": not a number");
	check_refusal("start", NULL, "unexpected argument 'start': hoyd takes flags alone");
}
END_TEST

START_TEST(every_flag_of_dockerd_without_effect_is_refused_by_name)
{
	for (size_t i = 0; i < hoy_refused_settings_n; i++) {
		auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 };
		auto_free char *flag = hoy_str_printf("--%s=no-such-value", hoy_refused_settings[i].flag);
		struct hoy_err err = { 0 };

		ck_assert_msg(parse(&o, &err, flag, NULL, NULL) < 0, "%s", flag);
		ck_assert_int_eq(err.kind, HOY_ERR_UNSUPPORTED);
		ck_assert_ptr_nonnull(strstr(err.msg, "supported by this version of Hoy"));
		ck_assert(hoy_str_starts(err.msg + 2, hoy_refused_settings[i].flag));
	}
}
END_TEST

START_TEST(what_is_true_anyway_is_accepted)
{
	auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 };

	ck_assert_int_eq(parse(&o, NULL, "--live-restore", "--log-driver=json-file", "--userland-proxy=false"), 0);
	check_refusal("--live-restore=false", NULL, "--live-restore: only 'true' is supported by this version of Hoy");
	check_refusal("--dns", "1.1.1.1", "--dns: not supported by this version of Hoy");
}
END_TEST

static int load(struct hoy_daemon_options *o, const char *text, struct hoy_err *err)
{
	return hoy_daemon_options_load_text(o, text, strlen(text), err);
}

START_TEST(the_file_has_the_same_settings)
{
	auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 };

	ck_assert_int_eq(load(&o,
				 "{\"debug\":true,\"hosts\":[\"unix:///a\"],\"mtu\":1400,\"labels\":[\"a=b\"],"
				 "\"runtimes\":{\"mine\":{\"path\":\"/bin/mine\"}},\"default-runtime\":\"mine\","
				 "\"dns\":[],\"live-restore\":true,\"bip\":\"\",\"cluster-store\":\"etcd://a:1\","
				 "\"cluster-advertise\":\"eth0\"}",
				 NULL),
		0);
	ck_assert_int_eq(hoy_daemon_options_finish(&o, NULL), 0);
	ck_assert(o.debug);
	ck_assert_str_eq(o.hosts[0], "unix:///a");
	ck_assert_int_eq(o.mtu, 1400);
	ck_assert_str_eq(hoy_daemon_options_runtime(&o, "mine"), "/bin/mine");
	ck_assert_ptr_null(o.bip);
	ck_assert_str_eq(o.cluster_store, "etcd://a:1");
	ck_assert_str_eq(o.cluster_advertise, "eth0");
	ck_assert_str_eq(o.data_root, "/var/lib/hoy");
	ck_assert_str_eq(o.pidfile, "/run/hoy/hoyd.pid");
}
END_TEST

START_TEST(wrong_members_of_the_file_are_named)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "{\"nope\":1}", "the following directives don't match any configuration option: nope" },
		{ "{\"debug\":\"yes\"}", "debug: want a boolean, not string" },
		{ "{\"hosts\":\"x\"}", "hosts: want an array of strings, not string" },
		{ "{\"dns\":[\"1.1.1.1\"]}", "dns: not supported by this version of Hoy" },
		{ "{\"icc\":false}", "icc: only 'true' is supported by this version of Hoy" },
		{ "{\"config-file\":\"/x\"}",
			"the following directives don't match any configuration option: config-file" },
		{ "[]", "want an object" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 };
		struct hoy_err err = { 0 };

		ck_assert_msg(load(&o, cases[i].text, &err) < 0, "%s", cases[i].text);
		ck_assert_str_eq(err.msg, cases[i].error);
	}
}
END_TEST

START_TEST(a_setting_given_both_ways_is_an_error)
{
	auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 };
	struct hoy_err err = { 0 };

	ck_assert_int_eq(parse(&o, NULL, "-H", "unix:///a", NULL), 0);
	ck_assert_int_eq(load(&o, "{\"hosts\":[\"unix:///a\"]}", &err), -EINVAL);
	ck_assert_str_eq(
		err.msg, "the following directives are specified both as a flag and in the configuration file: hosts");
}
END_TEST

START_TEST(values_are_checked)
{
	static const char *const bad[] = { "--log-level=loud", "--log-format=xml", "--label=x", "--default-runtime=no",
		"--data-root=relative", "--exec-root=relative", "--bridge=none" };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 };

		ck_assert_int_eq(parse(&o, NULL, bad[i], NULL, NULL), 0);
		ck_assert_msg(hoy_daemon_options_finish(&o, NULL) < 0, "%s", bad[i]);
	}
}
END_TEST

START_TEST(a_reload_leaves_what_flags_set)
{
	auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 }, fresh = { 0 };

	ck_assert_int_eq(parse(&o, NULL, "--label=by=flag", NULL, NULL), 0);
	ck_assert_int_eq(hoy_daemon_options_finish(&o, NULL), 0);
	ck_assert_int_eq(load(&fresh, "{\"debug\":true,\"log-level\":\"warn\"}", NULL), 0);
	ck_assert_int_eq(hoy_daemon_options_finish(&fresh, NULL), 0);
	hoy_daemon_options_reload(&o, &fresh);
	ck_assert(o.debug);
	ck_assert_str_eq(o.log_level, "warn");
	ck_assert_str_eq(o.labels[0], "by=flag");
}
END_TEST

START_TEST(addresses_are_checked)
{
	struct hoy_err err = { 0 };

	ck_assert_int_eq(hoy_host_check("unix:///run/x.sock", NULL), 0);
	ck_assert_int_eq(hoy_host_check("fd://", NULL), 0);
	ck_assert_int_lt(hoy_host_check("unix://x.sock", NULL), 0);
	ck_assert_int_lt(hoy_host_check("/run/x.sock", NULL), 0);
	ck_assert_int_eq(hoy_host_check("tcp://0.0.0.0:2375", NULL), 0);
	ck_assert_int_eq(hoy_host_check("tcp://[::1]:2375", NULL), 0);
	ck_assert_int_eq(hoy_host_check("tcp://", NULL), 0);
	ck_assert_int_lt(hoy_host_check("tcp://[::1:2375", NULL), 0);
	ck_assert_int_lt(hoy_host_check("tcp://a:70000", &err), 0);
	ck_assert_int_eq(err.kind, HOY_ERR_INVALID);
	ck_assert_str_eq(hoy_host_unix_path("unix:///run/x.sock"), "/run/x.sock");
}
END_TEST

START_TEST(numbers_of_transfers_come_from_flag_or_file)
{
	static const char text[] =
		"{\"max-concurrent-uploads\": 7, \"max-download-attempts\": 2, \"max-layer-entries\": 12, \"proxies\": "
		"{\"http-proxy\": \"http://p:1\"}}";
	static const char twice[] = "{\"max-concurrent-downloads\": 4}";
	auto_(hoy_daemon_options_done) struct hoy_daemon_options o = { 0 };

	ck_assert_int_eq(parse(&o, NULL, "--max-concurrent-downloads=9", "--max-layer-bytes=10", NULL), 0);
	ck_assert_int_eq(hoy_daemon_options_load_text(&o, text, strlen(text), NULL), 0);
	ck_assert_int_eq(o.downloads, 9);
	ck_assert_int_eq(o.uploads, 7);
	ck_assert_int_eq(o.download_attempts, 2);
	ck_assert_int_eq(o.layer_entries, 12);
	ck_assert_int_eq(o.layer_bytes, 10);
	ck_assert_str_eq(o.http_proxy, "http://p:1");
	ck_assert_int_eq(hoy_daemon_options_load_text(&o, twice, strlen(twice), NULL), -EINVAL);
}
END_TEST

static Suite *suite_daemon(void)
{
	const TTest *const tests[] = { flags_are_read_in_all_spellings, wrong_flags_are_named,
		every_flag_of_dockerd_without_effect_is_refused_by_name, what_is_true_anyway_is_accepted,
		the_file_has_the_same_settings, wrong_members_of_the_file_are_named,
		a_setting_given_both_ways_is_an_error, values_are_checked, a_reload_leaves_what_flags_set,
		addresses_are_checked, numbers_of_transfers_come_from_flag_or_file };

	return hoy_unit_suite("daemon", tests, ARRAY_LEN(tests));
}

int main(void)
{
	static const hoy_suite_fn suites[] = { suite_daemon };

	return hoy_unit_run(suites, ARRAY_LEN(suites));
}
