/* Scoped sockets: policies, the table of calls, bodies built anew. */
#include <errno.h>
#include <string.h>

#include "base/str.h"
#include "supervisor/api/internal.h"
#include "supervisor/api/scope_body.h"
#include "supervisor/api/scope_rules.h"
#include "tests/unit/unit.h"

Suite *suite_scope(void);

#define ID "1111111111111111111111111111111111111111111111111111111111111111"

/* There are the container, volume and network "mine", and "other" ones outside the scope. */
static int find_container(void *userdata, const char *ref, char ret_id[65], struct hoy_err *err)
{
	(void) userdata;
	if (strcmp(ref, "mine") != 0)
		return hoy_err_not_found(err, "No such container: %s", ref);
	memcpy(ret_id, ID, sizeof ID);
	return 0;
}

static int find_volume(void *userdata, const char *name, bool *ret_exists, struct hoy_err *err)
{
	(void) userdata;
	*ret_exists = strcmp(name, "new") != 0;
	return strcmp(name, "other") == 0 ? hoy_err_not_found(err, "get %s: no such volume", name) : 0;
}

static int find_network(void *userdata, const char *ref, struct hoy_err *err)
{
	(void) userdata;
	return strcmp(ref, "mine") == 0 ? 0 : hoy_err_not_found(err, "network %s not found", ref);
}

static const struct hoy_scope_lookups lookups = { find_container, find_volume, find_network, NULL };

static struct hoy_scope_policy *policy_of(const char *text)
{
	struct hoy_scope_policy *policy = NULL;
	struct hoy_err err = { 0 };

	ck_assert_msg(hoy_scope_policy_parse(text, strlen(text), &policy, &err) >= 0, "%s", err.msg);
	return policy;
}

#define POLICY "{\"path\":\"/s\",\"labels\":{\"team\":\"ci\"},\"allow\":[\"containers\",\"images.read\"]}"

static int rewrite(enum hoy_scope_shape shape, const char *text, char **ret, struct hoy_err *err)
{
	auto_ptr(hoy_scope_policy_free) struct hoy_scope_policy *policy = policy_of(POLICY);
	auto_(hoy_buf_done) struct hoy_buf buf = { 0 };
	int r = hoy_scope_body(policy, shape, &lookups, text, strlen(text), &buf, err);

	*ret = r < 0 ? NULL : hoy_buf_take(&buf);
	return r;
}

START_TEST(policies_are_checked)
{
	static const char *const bad[][2] = { { "{}", "path" }, { "{\"path\":\"x\",\"allow\":[\"exec\"]}", "path" },
		{ "{\"path\":\"/s\"}", "allow" }, { "{\"path\":\"/s\",\"allow\":[]}", "allow" },
		{ "{\"path\":\"/s\",\"allow\":[\"cont\"]}", "'cont'" },
		{ "{\"path\":\"/s\",\"allow\":[\"\"]}", "allow" },
		{ "{\"path\":\"/s\",\"allow\":[\"exec\"],\"mode\":\"rw\"}", "mode" },
		{ "{\"path\":\"/s\",\"allow\":[\"exec\"],\"audit\":\"log\"}", "audit" },
		{ "{\"path\":\"/s\",\"allow\":[\"exec\"],\"labels\":{\"image\":\"x\"}}", "labels" },
		{ "{\"path\":\"/s\",\"allow\":[\"exec\"],\"readonly\":true}", "readonly" } };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct hoy_scope_policy *policy = NULL;
		struct hoy_err err = { 0 };

		ck_assert_int_eq(hoy_scope_policy_parse(bad[i][0], strlen(bad[i][0]), &policy, &err), -EINVAL);
		ck_assert_msg(strstr(err.msg, bad[i][1]) != NULL, "%s", err.msg);
	}
}
END_TEST

START_TEST(groups_hold_their_parts)
{
	auto_ptr(hoy_scope_policy_free) struct hoy_scope_policy *policy = policy_of(POLICY);

	ck_assert(hoy_scope_policy_allows(policy, "containers.write"));
	ck_assert(hoy_scope_policy_allows(policy, "images.read"));
	ck_assert(!hoy_scope_policy_allows(policy, "images.pull"));
	ck_assert(!hoy_scope_policy_allows(policy, "exec"));
	ck_assert_int_eq(policy->mode, 0660);
}
END_TEST

START_TEST(each_row_is_of_a_route)
{
	for (size_t i = 0; i < hoy_scope_rules_n; i++) {
		const struct hoy_scope_rule *rule = &hoy_scope_rules[i];
		auto_free char *name = NULL;
		const struct hoy_api_route *route = hoy_api_route_find(rule->method, rule->pattern, &name);

		ck_assert_msg(route && !strcmp(route->pattern, rule->pattern), "%s %s", rule->method, rule->pattern);
		ck_assert_msg((strchr(rule->pattern, '{') != NULL) == (rule->object != HOY_SCOPE_NOTHING), "%s",
			rule->pattern);
		ck_assert(hoy_scope_rule_find(rule->method, rule->pattern) == rule);
	}
}
END_TEST

START_TEST(what_reaches_past_the_scope_has_no_row)
{
	static const char *const none[][2] = { { "POST", "/containers/{id}/checkpoints" }, { "POST", "/commit" },
		{ "POST", "/containers/{id}/promote" }, { "POST", "/volumes/{name}/import" },
		{ "POST", "/volumes/{name}/clone" }, { "POST", "/volumes/{name}/restore" }, { "GET", "/secrets" },
		{ "POST", "/secrets/create" }, { "POST", "/system/fsck" }, { "GET", "/swarm" }, { "GET", "/plugins" } };

	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		ck_assert_ptr_null(hoy_scope_rule_find(none[i][0], none[i][1]));
}
END_TEST

START_TEST(containers_get_the_labels_and_the_ids_of_others)
{
	auto_free char *got = NULL;

	ck_assert_int_eq(
		rewrite(HOY_SCOPE_SHAPE_CONTAINER,
			"{\"Image\":\"x\",\"hostCONFIG\":{\"Privileged\":false,\"CapAdd\":[],\"Devices\":null,"
			"\"NetworkMode\":\"container:mine\",\"VolumesFrom\":[\"mine:ro\"],\"Binds\":[\"mine:/a\",\"/b\"],"
			"\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"new\",\"Target\":\"/c\"},"
			"{\"Type\":\"image\",\"Source\":\"other\",\"Target\":\"/i\",\"ImageOptions\":{\"Subpath\":\"d\"}}],"
			"\"MaskedPaths\":null}}",
			&got, NULL),
		0);
	ck_assert_str_eq(got,
		"{\"Image\":\"x\",\"HostConfig\":{\"NetworkMode\":\"container:" ID "\",\"VolumesFrom\":[\"" ID
		":ro\"],\"Binds\":[\"mine:/a\",\"/b\"],\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"new\","
		"\"Target\":\"/c\",\"VolumeOptions\":{\"Labels\":{\"team\":\"ci\"}}},{\"Type\":\"image\",\"Source\":\"other\","
		"\"Target\":\"/i\",\"ImageOptions\":{\"Subpath\":\"d\"}}]},"
		"\"Labels\":{\"team\":\"ci\"}}");
}
END_TEST

/* Each with a member of HostConfig, and a word of the refusal. */
START_TEST(nothing_of_the_host_gets_in)
{
	static const char *const bad[][2] = { { "\"Privileged\":true", "Privileged" },
		{ "\"PRIVILEGED\":true", "PRIVILEGED" }, { "\"Privileged\":\"true\"", "Privileged" },
		{ "\"CapAdd\":[\"SYS_ADMIN\"]", "CapAdd" }, { "\"Binds\":[\"/etc:/x\"]", "/etc" },
		{ "\"Binds\":[\"../x:/x\"]", "../x" }, { "\"Binds\":[\"other:/x\"]", "other" },
		{ "\"Binds\":[\"new:/x\"]", "create it first" }, { "\"Binds\":\"/etc:/x\"", "list" },
		{ "\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/\",\"Target\":\"/x\"}]", "bind" },
		{ "\"Mounts\":[{\"type\":\"Bind\",\"Source\":\"/\",\"Target\":\"/x\"}]", "Bind" },
		{ "\"Mounts\":[{\"Type\":\"volume\",\"TYPE\":\"bind\",\"Source\":\"/\",\"Target\":\"/x\"}]", "twice" },
		{ "\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"/etc\",\"Target\":\"/x\"}]", "/etc" },
		{ "\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"other\",\"Target\":\"/x\"}]", "other" },
		{ "\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/x\",\"VolumeOptions\":{\"DriverConfig\":{\"Options\":{\"device\":"
		  "\"/\"}}}}]",
			"Options" },
		{ "\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/x\",\"VolumeOptions\":{\"Labels\":{\"team\":\"x\"}}}]",
			"team" },
		{ "\"Mounts\":[{\"Type\":\"Image\",\"Source\":\"x\",\"Target\":\"/x\"}]", "Image" },
		{ "\"Mounts\":[{\"Type\":\"image\",\"type\":\"volume\",\"Source\":\"other\",\"Target\":\"/x\"}]",
			"twice" },
		{ "\"Mounts\":[{\"Type\":\"image\",\"Source\":7,\"Target\":\"/x\"}]", "Source" },
		{ "\"VolumesFrom\":[\"other\"]", "No such container" },
		{ "\"NetworkMode\":\"container:other\"", "No such container" },
		{ "\"PidMode\":\"container:other\"", "No such container" }, { "\"PidMode\":\"host\"", "PidMode" },
		{ "\"IpcMode\":\"container:other\"", "No such container" }, { "\"IpcMode\":\"host\"", "IpcMode" },
		{ "\"NetworkMode\":\"host\"", "not found" }, { "\"NetworkMode\":\"other\"", "not found" },
		{ "\"UTSMode\":\"host\"", "UTSMode" }, { "\"UsernsMode\":\"host\"", "UsernsMode" },
		{ "\"CgroupnsMode\":\"host\"", "CgroupnsMode" }, { "\"CgroupParent\":\"/\"", "CgroupParent" },
		{ "\"Devices\":[{\"PathOnHost\":\"/dev/sda\"}]", "Devices" },
		{ "\"DeviceCgroupRules\":[\"a *:* rwm\"]", "DeviceCgroupRules" },
		{ "\"DeviceRequests\":[{\"Count\":-1}]", "DeviceRequests" }, { "\"MaskedPaths\":[]", "MaskedPaths" },
		{ "\"ReadonlyPaths\":[]", "ReadonlyPaths" },
		{ "\"SecurityOpt\":[\"seccomp=unconfined\"]", "SecurityOpt" },
		{ "\"SecurityOpt\":\"seccomp=unconfined\"", "list" },
		{ "\"Sysctls\":{\"net.core.x\":\"1\"}", "Sysctls" }, { "\"Runtime\":\"other\"", "Runtime" },
		{ "\"OomScoreAdj\":-1000", "OomScoreAdj" }, { "\"Links\":[\"other:db\"]", "Links" },
		{ "\"Annotations\":{\"a\":\"b\"}", "Annotations" }, { "\"Secrets\":[{\"SecretID\":\"x\"}]", "Secrets" },
		{ "\"LogConfig\":{\"Type\":\"syslog\"}", "Type" }, { "\"VolumeDriver\":\"other\"", "VolumeDriver" },
		{ "\"PublishAllPorts\":true", "PublishAllPorts" },
		{ "\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"22\"}]}", "PortBindings" },
		{ "\"Standby\":true", "Standby" }, { "\"OomKillDisable\":true", "OomKillDisable" },
		{ "\"AnythingNew\":{\"a\":[0]}", "AnythingNew" } };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_free char *text = hoy_str_printf("{\"Image\":\"x\",\"HostConfig\":{%s}}", bad[i][0]), *got = NULL;
		struct hoy_err err = { 0 };

		ck_assert_msg(rewrite(HOY_SCOPE_SHAPE_CONTAINER, text, &got, &err) < 0, "%s: %s", bad[i][0], got);
		ck_assert_msg(strstr(err.msg, bad[i][1]) != NULL, "%s: %s", bad[i][0], err.msg);
	}
}
END_TEST

START_TEST(other_bodies_have_their_lists)
{
	static const struct {
		enum hoy_scope_shape shape;
		const char *text, *word;
	} bad[] = { { HOY_SCOPE_SHAPE_CONTAINER, "{\"Labels\":{\"team\":\"x\"}}", "team" },
		{ HOY_SCOPE_SHAPE_CONTAINER, "{\"Labels\":{\"team\":1}}", "team" },
		{ HOY_SCOPE_SHAPE_CONTAINER, "{\"Labels\":[\"team\"]}", "object" },
		{ HOY_SCOPE_SHAPE_CONTAINER, "{\"HostConfig\":{},\"hostconfig\":{}}", "twice" },
		{ HOY_SCOPE_SHAPE_CONTAINER, "{\"Healthcheck\":{\"Test\":[\"HTTP\",\"x\"]}}", "Test" },
		{ HOY_SCOPE_SHAPE_CONTAINER, "{\"NetworkingConfig\":{\"EndpointsConfig\":{\"other\":{}}}}",
			"not found" },
		{ HOY_SCOPE_SHAPE_CONTAINER,
			"{\"NetworkingConfig\":{\"EndpointsConfig\":{\"mine\":{\"Links\":[\"a\"]}}}}", "Links" },
		{ HOY_SCOPE_SHAPE_CONTAINER, "[]", "object" }, { HOY_SCOPE_SHAPE_CONTAINER, "{", "line" },
		{ HOY_SCOPE_SHAPE_UPDATE, "{\"Devices\":[{}],\"DeviceCgroupRules\":[\"a\"]}", "Devices" },
		{ HOY_SCOPE_SHAPE_UPDATE, "{\"Labels\":{\"team\":\"x\"}}", "Labels" },
		{ HOY_SCOPE_SHAPE_UPDATE, "{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"22\"}]}}", "PortBindings" },
		{ HOY_SCOPE_SHAPE_EXEC, "{\"Cmd\":[\"sh\"],\"Privileged\":true}", "Privileged" },
		{ HOY_SCOPE_SHAPE_VOLUME, "{\"Name\":\"other\"}", "taken" },
		{ HOY_SCOPE_SHAPE_VOLUME, "{\"DriverOpts\":{\"type\":\"none\",\"o\":\"bind\",\"device\":\"/\"}}",
			"DriverOpts" },
		{ HOY_SCOPE_SHAPE_VOLUME, "{\"Driver\":\"other\"}", "Driver" },
		{ HOY_SCOPE_SHAPE_NETWORK, "{\"Name\":\"n\",\"Driver\":\"macvlan\"}", "Driver" },
		{ HOY_SCOPE_SHAPE_NETWORK, "{\"Name\":\"n\",\"IPAM\":{\"Config\":[{\"Subnet\":\"10.0.0.0/8\"}]}}",
			"Config" },
		{ HOY_SCOPE_SHAPE_NETWORK, "{\"Name\":\"n\",\"Options\":{\"com.docker.network.bridge.name\":\"br0\"}}",
			"Options" },
		{ HOY_SCOPE_SHAPE_CONNECT, "{\"Container\":\"other\"}", "No such container" } };

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_free char *got = NULL;
		struct hoy_err err = { 0 };

		ck_assert_msg(rewrite(bad[i].shape, bad[i].text, &got, &err) < 0, "%s: %s", bad[i].text, got);
		ck_assert_msg(strstr(err.msg, bad[i].word) != NULL, "%s: %s", bad[i].text, err.msg);
	}
}
END_TEST

START_TEST(filters_get_the_labels)
{
	static const char *const texts[][2] = { { NULL, "{\"label\":[\"team=ci\"]}" },
		{ "{\"label\":[\"a=b\"],\"status\":[\"running\"]}",
			"{\"status\":[\"running\"],\"label\":[\"a=b\",\"team=ci\"]}" },
		{ "{\"label\":{\"team=x\":true}}", "{\"label\":[\"team=x\",\"team=ci\"]}" },
		{ "{\"before\":[\"mine\"]}", "{\"before\":[\"" ID "\"],\"label\":[\"team=ci\"]}" } };
	auto_ptr(hoy_scope_policy_free) struct hoy_scope_policy *policy = policy_of(POLICY);
	auto_(hoy_buf_done) struct hoy_buf bad = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		auto_(hoy_buf_done) struct hoy_buf buf = { 0 };

		ck_assert_int_eq(hoy_scope_filters(policy, &lookups, texts[i][0], &buf, NULL), 0);
		ck_assert_str_eq(buf.data, texts[i][1]);
	}
	ck_assert_int_eq(hoy_scope_filters(policy, &lookups, "{\"since\":[\"other\"]}", &bad, NULL), -ENOENT);
}
END_TEST

Suite *suite_scope(void)
{
	const TTest *const tests[] = { policies_are_checked, groups_hold_their_parts, each_row_is_of_a_route,
		what_reaches_past_the_scope_has_no_row, containers_get_the_labels_and_the_ids_of_others,
		nothing_of_the_host_gets_in, other_bodies_have_their_lists, filters_get_the_labels };

	return hoy_unit_suite("scope", tests, ARRAY_LEN(tests));
}
