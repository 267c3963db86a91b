/* Small encoders: times, durations, command lines, facts of the host, port lists. */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "supervisor/api/container_json.h"
#include "supervisor/api/host.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/network_json.h"
#include "supervisor/network/network.h"
#include "tests/unit/unit.h"

Suite *suite_api_encode(void);

START_TEST(durations_are_said_as_clients_expect)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} cases[] = {
		{ -3, "Less than a second" },
		{ 0, "Less than a second" },
		{ 1, "1 second" },
		{ 59, "59 seconds" },
		{ 60, "About a minute" },
		{ 119, "About a minute" },
		{ 120, "2 minutes" },
		{ 46 * 60, "About an hour" },
		{ 59 * 60, "About an hour" },
		{ 90 * 60, "2 hours" },
		{ 47 * 3600, "47 hours" },
		{ 48 * 3600, "2 days" },
		{ 13 * 86400, "13 days" },
		{ 14 * 86400, "2 weeks" },
		{ 60 * 86400, "2 months" },
		{ 730 * 86400, "2 years" },
	};
	char buf[HOY_HUMAN_DURATION_MAX];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		ck_assert_str_eq(hoy_api_human_duration(cases[i].seconds, buf), cases[i].text);
}
END_TEST

static void check_command(const char *want, const char *a, const char *b, const char *c)
{
	const char *args[] = { a, b, c, NULL };
	auto_free char *got = hoy_api_command_line((char *const *) args);

	ck_assert_str_eq(got, want);
}

START_TEST(command_lines_quote_arguments_with_spaces)
{
	check_command("sh -c 'echo hi'", "sh", "-c", "echo hi");
	check_command("/my program", "/my program", NULL, NULL);
	check_command("", NULL, NULL, NULL);
}
END_TEST

static void check_time(const char *text, int64_t seconds, long ns)
{
	struct timespec ts;

	ck_assert_int_eq(hoy_api_parse_time(text, "since", &ts, NULL), 0);
	ck_assert_int_eq(ts.tv_sec, seconds);
	ck_assert_int_eq(ts.tv_nsec, ns);
}

START_TEST(times_are_read_in_their_forms)
{
	static const char *const bad[] = { "x", "1.", "1.x", "1.1234567890", "-", "2026-99-01T00:00:00Z" };
	struct timespec ts;

	check_time(NULL, 0, 0);
	check_time("", 0, 0);
	check_time("1795213190", 1795213190, 0);
	check_time("1.5", 1, 500000000);
	check_time("1.000000001", 1, 1);
	check_time("1970-01-01T00:00:02.25Z", 2, 250000000);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(hoy_api_parse_time(bad[i], "since", &ts, NULL) == -EINVAL, "%s", bad[i]);
}
END_TEST

START_TEST(the_zero_time_is_gos)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const struct timespec never = { 0 }, some = { .tv_sec = 1, .tv_nsec = 5 };

	hoy_json_object(&w, NULL);
	hoy_api_add_time(&w, "a", &never);
	hoy_api_add_time(&w, "b", &some);
	hoy_json_end(&w);
	ck_assert_str_eq(buf.data, "{\"a\":\"0001-01-01T00:00:00Z\",\"b\":\"1970-01-01T00:00:01.000000005Z\"}");
}
END_TEST

START_TEST(os_release_values_lose_their_quotes)
{
	static const char text[] = "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\nVERSION_ID='12'";
	auto_free char *name = hoy_host_os_release_field(text, strlen(text), "PRETTY_NAME");
	auto_free char *version = hoy_host_os_release_field(text, strlen(text), "VERSION_ID");
	auto_free char *id = hoy_host_os_release_field(text, strlen(text), "ID");

	ck_assert_str_eq(name, "Debian GNU/Linux 12");
	ck_assert_str_eq(version, "12");
	ck_assert_str_eq(id, "debian");
	ck_assert_ptr_null(hoy_host_os_release_field(text, strlen(text), "VERSION"));
}
END_TEST

static struct hoy_network_port ports[] = {
	{ .proto = HOY_PORT_TCP, .container_port = 80, .host_port = 8080, .host_ip = "" },
	{ .proto = HOY_PORT_TCP, .container_port = 80, .host_port = 8081, .host_ip = "127.0.0.1" },
	{ .proto = HOY_PORT_UDP, .container_port = 53, .host_port = 5353, .host_ip = "0.0.0.0" },
};
static const char *const exposed[] = { "80/tcp", "443/tcp", NULL };

static struct hoy_endpoint_info endpoint(bool attached)
{
	return (struct hoy_endpoint_info){
		.mode = HOY_NETWORK_BRIDGE,
		.attached = attached,
		.ports = ports,
		.n_ports = ARRAY_LEN(ports),
	};
}

START_TEST(ports_of_a_list)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const struct hoy_endpoint_info up = endpoint(true), down = endpoint(false);

	hoy_json_object(&w, NULL);
	hoy_api_add_port_list(&w, &down, (char *const *) exposed);
	hoy_json_end(&w);
	ck_assert_str_eq(buf.data, "{\"Ports\":[]}");
	hoy_buf_clear(&buf);
	w = (struct hoy_json_writer){ .buf = &buf };
	hoy_json_object(&w, NULL);
	hoy_api_add_port_list(&w, &up, (char *const *) exposed);
	hoy_json_end(&w);
	ck_assert_str_eq(buf.data, "{\"Ports\":[{\"PrivatePort\":443,\"Type\":\"tcp\"},"
				   "{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"},"
				   "{\"IP\":\"127.0.0.1\",\"PrivatePort\":80,\"PublicPort\":8081,\"Type\":\"tcp\"},"
				   "{\"IP\":\"0.0.0.0\",\"PrivatePort\":53,\"PublicPort\":5353,\"Type\":\"udp\"}]}");
}
END_TEST

START_TEST(ports_of_inspect)
{
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	struct hoy_json_writer w = { .buf = &buf };
	const struct hoy_endpoint_info up = endpoint(true);

	hoy_json_object(&w, NULL);
	hoy_api_add_port_map(&w, &up, (char *const *) exposed);
	hoy_json_end(&w);
	ck_assert_str_eq(buf.data,
		"{\"Ports\":{\"443/tcp\":null,"
		"\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"},{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"8081\"}],"
		"\"53/udp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"5353\"}]}}");
}
END_TEST

Suite *suite_api_encode(void)
{
	const TTest *const tests[] = { durations_are_said_as_clients_expect, command_lines_quote_arguments_with_spaces,
		times_are_read_in_their_forms, the_zero_time_is_gos, os_release_values_lose_their_quotes,
		ports_of_a_list, ports_of_inspect };

	return hoy_unit_suite("api encode", tests, ARRAY_LEN(tests));
}
