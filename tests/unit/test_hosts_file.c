/* supervisor/worker/fetch/hosts_file.c: hosts.toml as containerd reads it, and what is refused. */
#include "supervisor/worker/fetch/hosts_file.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/unit.h"

Suite *suite_hosts_file(void);

static int parse(
	struct hoy_registry *registry, const char *text, struct hoy_registry_host *upstream, struct hoy_err *err)
{
	static const struct hoy_fetch_request pull = { .op = HOY_FETCH_PULL, .host = (char *) "example.test" };

	*registry = (struct hoy_registry){ .rq = &pull };
	return hoy_hosts_file_parse(registry, "/nowhere", text, upstream, err);
}

START_TEST(mirrors_come_in_order)
{
	static const char text[] = "server = \"https://up.test/\" # the registry\n"
				   "[host.\"https://one.test/v2/x/\"]\n  capabilities = [\"pull\", 'resolve',\n ]\n"
				   "  override_path = true\n  skip_verify = true\n"
				   "  [host.\"https://one.test/v2/x/\".header]\n    x-a = [\"1\", \"2\"]\n"
				   "[host.\"http://digest-only.test\"]\ncapabilities = [\"pull\"]\n"
				   "[host.\"http://two.test\"]\n";
	auto_(hoy_registry_done) struct hoy_registry registry;
	auto_(hoy_registry_host_done) struct hoy_registry_host upstream = { 0 };

	ck_assert_int_eq(parse(&registry, text, &upstream, NULL), 0);
	ck_assert_str_eq(upstream.url, "https://up.test");
	ck_assert_uint_eq(registry.n_hosts, 2);
	ck_assert_str_eq(registry.hosts[0].url, "https://one.test/v2/x");
	ck_assert(registry.hosts[0].override_path && registry.hosts[0].unverified && registry.hosts[0].is_mirror);
	ck_assert_str_eq(registry.hosts[0].headers[1], "x-a: 2");
	ck_assert_str_eq(registry.hosts[1].url, "http://two.test");
}
END_TEST

START_TEST(empty_lists_name_nothing)
{
	static const char text[] = "[host.\"https://one.test\"]\n ca = []\n client = []\n capabilities = []\n";
	auto_(hoy_registry_done) struct hoy_registry registry;
	auto_(hoy_registry_host_done) struct hoy_registry_host upstream = { 0 };

	ck_assert_int_eq(parse(&registry, text, &upstream, NULL), 0);
	ck_assert_uint_eq(registry.hosts[0].ca.len, 0);
	ck_assert_uint_eq(registry.hosts[0].cert.len, 0);
}
END_TEST

START_TEST(what_is_wrong_is_told_with_its_line)
{
	static const char *const wrong[][2] = {
		{ "a = 1", "hosts.toml line 1: 'a' is not supported" },
		{ "\n[host.\"x\"]", "hosts.toml line 2: a host is no URL (https://...)" },
		{ "server = \"https://a", "hosts.toml line 1: a text has no end" },
		{ "[other]", "hosts.toml line 1: only sections [host.\"URL\"] are supported" },
		{ "server \"x\"", "hosts.toml line 1: '=' is missing" },
		{ "server = [", "hosts.toml line 1: a key is missing" },
		{ "[host.\"http://a\".header]",
			"hosts.toml line 1: only [host.\"URL\".header] is supported below a host" },
		{ "server = \"http://a\" x", "hosts.toml line 1: more stands behind the value" },
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		auto_(hoy_registry_done) struct hoy_registry registry;
		auto_(hoy_registry_host_done) struct hoy_registry_host upstream = { 0 };
		struct hoy_err err = { 0 };

		ck_assert_int_lt(parse(&registry, wrong[i][0], &upstream, &err), 0);
		ck_assert_str_eq(err.msg, wrong[i][1]);
	}
}
END_TEST

START_TEST(credentials_stay_at_their_host)
{
	ck_assert(hoy_http_same_host("https://a:5000/v2/", "https://a:5000"));
	ck_assert(hoy_http_same_host("https://a:5000/x", "HTTPS://A:5000/v2/?y"));
	ck_assert(!hoy_http_same_host("https://a/x", "https://a.evil/x"));
	ck_assert(!hoy_http_same_host("https://a/x", "https://a:1/x"));
	ck_assert(!hoy_http_same_host("http://a/x", "https://a/x"));
	ck_assert(!hoy_http_same_host("nothing", "nothing"));
}
END_TEST

Suite *suite_hosts_file(void)
{
	const TTest *const tests[] = { mirrors_come_in_order, empty_lists_name_nothing,
		what_is_wrong_is_told_with_its_line, credentials_stay_at_their_host };

	return hoy_unit_suite("hosts.toml", tests, ARRAY_LEN(tests));
}
