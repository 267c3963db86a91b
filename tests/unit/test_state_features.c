/* libocispec/state.c and features.c */
#include <errno.h>
#include <string.h>

#include "libocispec/runtime_internal.h"
#include "tests/unit/unit.h"

Suite *suite_state_features(void);

static void assert_state_refused(const char *text, const char *why)
{
	struct hoy_oci_state *state = NULL;
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_state_parse(text, strlen(text), &state, &err) == -EINVAL, "%s", text);
	ck_assert_str_eq(err.msg, why);
}

#define STATE(pid, status, bundle)                                                                                     \
	"{\"ociVersion\":\"1.3.0\",\"id\":\"x\",\"pid\":" pid ",\"status\":\"" status "\",\"bundle\":\"" bundle "\"}"

START_TEST(a_state_is_read_and_written)
{
	static const char text[] =
		"{\"ociVersion\":\"1.3.0\",\"id\":\"x\",\"pid\":7,\"status\":\"running\",\"bundle\":\"/b\","
		"\"rootfs\":\"/b/rootfs\",\"created\":\"2026-01-02T03:04:05Z\","
		"\"annotations\":{\"k\":\"v\"},\"owner\":\"root\"}";
	auto_ptr(hoy_oci_state_free) struct hoy_oci_state *state = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_state_parse(text, strlen(text), &state, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(state->status, HOY_OCI_STATUS_RUNNING);
	ck_assert_int_eq(hoy_oci_state_print(state, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, text);
}
END_TEST

START_TEST(a_stopped_state_has_pid_0)
{
	static const char text[] = STATE("0", "stopped", "/b");
	auto_ptr(hoy_oci_state_free) struct hoy_oci_state *state = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};

	ck_assert_int_eq(hoy_oci_state_parse(text, strlen(text), &state, NULL), 0);
	ck_assert_int_eq(hoy_oci_state_print(state, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, text);
	ck_assert_str_eq(hoy_oci_status_to_string(HOY_OCI_STATUS_CREATED), "created");
}
END_TEST

START_TEST(a_wrong_state_is_refused)
{
	assert_state_refused(STATE("1", "gone", "/b"), "status: unknown value \"gone\"");
	assert_state_refused(STATE("0", "running", "/b"), "pid: must be above 0");
	assert_state_refused(STATE("-1", "stopped", "/b"), "pid: must be above 0");
	assert_state_refused(STATE("1", "running", "b"), "bundle: \"b\" is not an absolute path");
	assert_state_refused("{\"id\":\"x\"}", "ociVersion: missing");
	assert_state_refused(
		"{\"ociVersion\":\"1.0.0\",\"id\":\"\",\"status\":\"stopped\",\"bundle\":\"/\"}", "id: empty");
	assert_state_refused("{\"ociVersion\":\"1.0.0\",\"id\":\"x\",\"status\":\"stopped\",\"bundle\":\"/\","
			     "\"annotations\":{\"a\":1}}",
		"annotations.a: expected a string, got a number");
}
END_TEST

START_TEST(the_state_for_a_seccomp_agent_is_written)
{
	char *fds[] = { (char *) "seccompFd", NULL };
	struct hoy_oci_state state = { .oci_version = (char *) "1.3.0",
		.id = (char *) "x",
		.pid = 7,
		.status = HOY_OCI_STATUS_CREATING,
		.bundle = (char *) "/b" };
	const struct hoy_oci_process_state process_state = {
		.oci_version = (char *) "1.3.0", .fds = fds, .pid = 7, .metadata = (char *) "m", .state = &state
	};
	auto_(hoy_buf_done) struct hoy_buf buf = {};

	ck_assert_int_eq(hoy_oci_process_state_print(&process_state, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, "{\"ociVersion\":\"1.3.0\",\"fds\":[\"seccompFd\"],\"pid\":7,\"metadata\":\"m\","
				   "\"state\":" STATE("7", "creating", "/b") "}");
}
END_TEST

START_TEST(features_are_read_and_written)
{
	static const char text[] =
		"{\"ociVersionMin\":\"1.0.0\",\"ociVersionMax\":\"1.3.0\",\"hooks\":[\"poststop\"],"
		"\"mountOptions\":[\"ro\"],\"linux\":{\"namespaces\":[\"pid\"],\"capabilities\":[\"CAP_KILL\"],"
		"\"cgroup\":{\"v1\":true,\"v2\":true,\"systemd\":false,\"systemdUser\":false,\"rdma\":true},"
		"\"seccomp\":{\"enabled\":true,\"actions\":[\"a\"],\"operators\":[\"o\"],\"archs\":[\"x\"],"
		"\"knownFlags\":[\"f\"],\"supportedFlags\":[]},\"apparmor\":{\"enabled\":true},"
		"\"selinux\":{\"enabled\":false},\"memoryPolicy\":{\"modes\":[\"m\"],\"flags\":[\"g\"]},"
		"\"intelRdt\":{\"enabled\":true,\"schemata\":true,\"monitoring\":false},"
		"\"mountExtensions\":{\"idmap\":{\"enabled\":true}},\"netDevices\":{\"enabled\":true}},"
		"\"annotations\":{\"k\":\"v\"},\"potentiallyUnsafeConfigAnnotations\":[\"p\"]}";
	auto_ptr(hoy_oci_features_free) struct hoy_oci_features *features = NULL;
	auto_(hoy_buf_done) struct hoy_buf buf = {};
	struct hoy_err err = {};

	ck_assert_msg(hoy_oci_features_parse(text, strlen(text), &features, &err) == 0, "%s", err.msg);
	ck_assert(*features->linux_->mount_extensions->idmap->enabled);
	ck_assert_int_eq(hoy_oci_features_print(features, &buf, 0, NULL), 0);
	ck_assert_str_eq(buf.data, text);
}
END_TEST

START_TEST(features_need_both_versions)
{
	static const char text[] = "{\"ociVersionMin\":\"1.0.0\"}";
	struct hoy_oci_features *features = NULL;
	struct hoy_err err;

	ck_assert_int_eq(hoy_oci_features_parse(text, strlen(text), &features, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "ociVersionMax: missing");
}
END_TEST

Suite *suite_state_features(void)
{
	const TTest *const tests[] = { a_state_is_read_and_written, a_stopped_state_has_pid_0, a_wrong_state_is_refused,
		the_state_for_a_seccomp_agent_is_written, features_are_read_and_written, features_need_both_versions };

	return hoy_unit_suite("state-features", tests, ARRAY_LEN(tests));
}
