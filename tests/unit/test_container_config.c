/* supervisor/container/config.c, config_check.c, options.c, mounts.c */
#include "supervisor/container/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/network/network.h"
#include "tests/unit/unit.h"

Suite *suite_container_config(void);

static struct hoy_container_config *parsed(const char *text)
{
	struct hoy_container_config *config = NULL;
	struct hoy_err err = {};

	ck_assert_msg(hoy_container_config_parse(text, strlen(text), &config, &err) >= 0, "%s", err.msg);
	return config;
}

static void refused(const char *text, enum hoy_err_kind kind, const char *words)
{
	struct hoy_container_config *config = NULL;
	struct hoy_err err = {};

	ck_assert_msg(hoy_container_config_parse(text, strlen(text), &config, &err) < 0, "accepted: %s", text);
	ck_assert_msg(strstr(err.msg, words) != NULL, "'%s' is not in: %s", words, err.msg);
	ck_assert_int_eq(err.kind, kind);
}

/* What a client sends for `run IMAGE CMD`: everything there, nearly everything neutral. */
static const char whole[] =
	"{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,\"AttachStdout\":true,"
	"\"AttachStderr\":true,\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":null,\"Cmd\":[\"echo\",\"hi\"],"
	"\"Image\":\"alpine\",\"Volumes\":{},\"WorkingDir\":\"\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{},"
	"\"HostConfig\":{\"Binds\":null,\"ContainerIDFile\":\"\",\"LogConfig\":{\"Type\":\"\",\"Config\":{}},"
	"\"NetworkMode\":\"default\",\"PortBindings\":{},\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},"
	"\"AutoRemove\":true,\"VolumeDriver\":\"\",\"VolumesFrom\":null,\"ConsoleSize\":[0,0],\"CapAdd\":null,"
	"\"CapDrop\":null,\"CgroupnsMode\":\"\",\"Dns\":[],\"DnsOptions\":[],\"DnsSearch\":[],\"ExtraHosts\":null,"
	"\"GroupAdd\":null,\"IpcMode\":\"\",\"Cgroup\":\"\",\"Links\":null,\"OomScoreAdj\":0,\"PidMode\":\"\","
	"\"Privileged\":false,\"PublishAllPorts\":false,\"ReadonlyRootfs\":false,\"SecurityOpt\":null,\"UTSMode\":\"\","
	"\"UsernsMode\":\"\",\"ShmSize\":0,\"Isolation\":\"\",\"CpuShares\":0,\"Memory\":0,\"NanoCpus\":0,"
	"\"CgroupParent\":\"\",\"BlkioWeight\":0,\"BlkioWeightDevice\":[],\"BlkioDeviceReadBps\":[],"
	"\"BlkioDeviceWriteBps\":[],\"BlkioDeviceReadIOps\":[],\"BlkioDeviceWriteIOps\":[],\"CpuPeriod\":0,\"CpuQuota\":0,"
	"\"CpuRealtimePeriod\":0,\"CpuRealtimeRuntime\":0,\"CpusetCpus\":\"\",\"CpusetMems\":\"\",\"Devices\":[],"
	"\"DeviceCgroupRules\":null,\"DeviceRequests\":null,\"MemoryReservation\":0,\"MemorySwap\":0,"
	"\"MemorySwappiness\":-1,\"OomKillDisable\":false,\"PidsLimit\":0,\"Ulimits\":[],\"CpuCount\":0,\"CpuPercent\":0,"
	"\"IOMaximumIOps\":0,\"IOMaximumBandwidth\":0,\"MaskedPaths\":null,\"ReadonlyPaths\":null},"
	"\"NetworkingConfig\":{\"EndpointsConfig\":{\"default\":{\"IPAMConfig\":null,\"Links\":null,\"Aliases\":null,"
	"\"MacAddress\":\"\",\"DriverOpts\":null,\"GwPriority\":0,\"NetworkID\":\"\",\"EndpointID\":\"\",\"Gateway\":\"\","
	"\"IPAddress\":\"\",\"IPPrefixLen\":0,\"IPv6Gateway\":\"\",\"GlobalIPv6Address\":\"\",\"GlobalIPv6PrefixLen\":0,"
	"\"DNSNames\":null}}}}";

START_TEST(a_request_full_of_neutral_values_is_accepted)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = parsed(whole);

	ck_assert_str_eq(config->image, "alpine");
	ck_assert_str_eq(config->cmd[1], "hi");
	ck_assert_ptr_null(config->entrypoint);
	ck_assert(config->host.auto_remove);
	ck_assert_uint_eq(config->networking.n_endpoints, 1);
}
END_TEST

START_TEST(keys_are_matched_in_any_case)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = parsed(
		"{\"image\":\"x\",\"HOSTCONFIG\":{\"memory\":67108864}}");

	ck_assert_str_eq(config->image, "x");
	ck_assert_int_eq(config->host.memory, 67108864);
}
END_TEST

START_TEST(what_was_parsed_is_loaded_back_the_same)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = parsed(whole), *again = NULL;
	auto_(hoy_buf_done) struct hoy_buf first = {}, second = {};

	ck_assert_int_eq(hoy_container_config_print(config, &first, NULL), 0);
	ck_assert_int_eq(hoy_container_config_load(first.data, &again, NULL), 0);
	ck_assert_int_eq(hoy_container_config_print(again, &second, NULL), 0);
	ck_assert_str_eq(first.data, second.data);
}
END_TEST

/* What has no effect of its own here, or takes effect elsewhere, is given back all the same. */
START_TEST(every_member_that_is_kept_comes_back)
{
	static const char request[] =
		"{\"AttachStdin\":true,\"AttachStderr\":true,\"Image\":\"x\",\"OnBuild\":[\"RUN x\"],\"Shell\":[\"/bin/ash\"],"
		"\"StopTimeout\":7,\"HostConfig\":{\"ContainerIDFile\":\"/c\",\"CpuPeriod\":50000,\"CpuQuota\":25000,"
		"\"ConsoleSize\":[24,80],\"DnsOptions\":[\"ndots:1\"],\"DnsSearch\":[\"example\"],\"GroupAdd\":[\"7\"],"
		"\"Runtime\":\"runc\",\"RestartPolicy\":{\"Name\":\"no\",\"MaximumRetryCount\":0},"
		"\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/tmp\",\"Target\":\"/t\",\"ReadOnly\":true,"
		"\"Consistency\":\"cached\",\"BindOptions\":{\"Propagation\":\"rslave\",\"NonRecursive\":true}},"
		"{\"Type\":\"tmpfs\",\"Target\":\"/u\",\"TmpfsOptions\":{\"SizeBytes\":4096,\"Mode\":448}}]},"
		"\"NetworkingConfig\":{\"EndpointsConfig\":{\"bridge\":{\"MacAddress\":\"02:42:ac:11:00:09\"}}}}";
	static const char *const members[] = { "\"AttachStdin\":true", "\"OnBuild\":[\"RUN x\"]",
		"\"Shell\":[\"/bin/ash\"]", "\"StopTimeout\":7", "\"ContainerIDFile\":\"/c\"", "\"CpuPeriod\":50000",
		"\"CpuQuota\":25000", "\"ConsoleSize\":[24,80]", "\"DnsOptions\":[\"ndots:1\"]",
		"\"DnsSearch\":[\"example\"]", "\"GroupAdd\":[\"7\"]", "\"Runtime\":\"runc\"",
		"\"Consistency\":\"cached\"", "\"Propagation\":\"rslave\"", "\"NonRecursive\":true",
		"\"SizeBytes\":4096", "\"MacAddress\":\"02:42:ac:11:00:09\"" };
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = parsed(request);
	auto_(hoy_buf_done) struct hoy_buf text = {};

	ck_assert_int_eq(hoy_container_config_print(config, &text, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		ck_assert_msg(strstr(text.data, members[i]) != NULL, "%s is not in %s", members[i], text.data);
}
END_TEST

START_TEST(inspect_shows_the_members_that_are_not_supported)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = parsed(whole);
	auto_(hoy_buf_done) struct hoy_buf host = {}, own = {};

	ck_assert_int_eq(hoy_container_config_print_host(config, &host, NULL), 0);
	ck_assert_ptr_nonnull(strstr(host.data, "\"VolumesFrom\":null"));
	ck_assert_ptr_nonnull(strstr(host.data, "\"Memory\":0"));
	ck_assert_int_eq(hoy_container_config_print_config(config, &own, NULL), 0);
	ck_assert_ptr_null(strstr(own.data, "HostConfig"));
	ck_assert_ptr_nonnull(strstr(own.data, "\"Labels\":{}"));
}
END_TEST

START_TEST(unsupported_members_are_refused_by_name)
{
	static const char *const requests[][2] = {
		{ "{\"Image\":\"x\",\"HostConfig\":{\"StorageOpt\":{\"size\":\"1G\"}}}", "HostConfig.StorageOpt" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"networkdisabled\":0,\"cpucount\":1}}", "HostConfig.CpuCount" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"UsernsMode\":\"private\"}}", "HostConfig.UsernsMode" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"LogConfig\":{\"Config\":{\"compress\":\"true\"}}}}", "compress" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"npipe\",\"Target\":\"/d\"}]}}",
			"type 'npipe'" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"SecurityOpt\":[\"label=type:x\"]}}", "label" },
	};

	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		refused(requests[i][0], HOY_ERR_UNSUPPORTED, requests[i][1]);
}
END_TEST

START_TEST(wrong_values_are_refused_with_the_known_texts)
{
	static const char *const requests[][2] = {
		{ "[]", "config cannot be empty" },
		{ "{\"Image\":\"\"}", "no image" },
		{ "{\"Image\":7}", "Image" },
		{ "{\"Image\":\"x\",\"WorkingDir\":\"rel\"}", "needs to be an absolute path" },
		{ "{\"Image\":\"x\",\"StopSignal\":\"SIGNONE\"}", "invalid signal: SIGNONE" },
		{ "{\"Image\":\"x\",\"Env\":[\"=x\"]}", "invalid environment variable" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Memory\":1000}}", "Minimum memory limit allowed is 6MB" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Memory\":67108864,\"MemorySwap\":1000000}}",
			"Minimum memoryswap limit" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"NanoCpus\":900000000000000}}", "range of CPUs is from 0.01" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"NanoCpus\":1000000000,\"CpuQuota\":5000}}",
			"Conflicting options" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"CapAdd\":[\"FLY\"]}}", "unknown capability: \"FLY\"" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":5,\"Hard\":4}]}}",
			"5 > 4" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Binds\":[\"/a:b\"]}}", "mount path must be absolute" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Binds\":[\"/a:/b:zz\"]}}", "invalid mode: zz" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Binds\":[\"/a:/b\",\"/c:/b\"]}}", "Duplicate mount point: /b" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Target\":\"/d\"}]}}",
			"field Source must not be empty" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"y\",\"Target\":\"/d\","
		  "\"ImageOptions\":{\"Subpath\":\"a/../../b\"}}]}}",
			"subpath must be a relative path within the image" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"image\",\"Source\":\"y\",\"Target\":\"/d\","
		  "\"VolumeOptions\":{}}]}}",
			"field VolumeOptions must not be specified" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Mounts\":[{\"Type\":\"bind\",\"Source\":\"/nowhere/at/all\","
		  "\"Target\":\"/b\"}]}}",
			"bind source path does not exist: /nowhere/at/all" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"PortBindings\":{\"http\":[]}}}", "invalid port specification" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"99999\"}]}}}",
			"99999" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"ExtraHosts\":[\"x\"]}}", "bad format for add-host" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"ExtraHosts\":[\"x:y\"]}}", "invalid IP address in add-host" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Sysctls\":{\"kernel.panic\":\"1\"}}}", "not allowed" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"Tmpfs\":{\"/t\":\"what\"}}}", "invalid tmpfs option" },
		{ "{\"Image\":\"x\",\"HostConfig\":{\"SecurityOpt\":[\"what\"]}}", "invalid --security-opt" },
	};

	for (size_t i = 0; i < ARRAY_LEN(requests); i++)
		refused(requests[i][0], HOY_ERR_INVALID, requests[i][1]);
}
END_TEST

static uint64_t caps_of(const char *host)
{
	auto_free char *text = hoy_str_printf("{\"Image\":\"x\",\"HostConfig\":%s}", host);
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = parsed(text);
	uint64_t caps;

	ck_assert_int_eq(hoy_caps_resolve(config, &caps, NULL), 0);
	return caps;
}

START_TEST(capabilities_follow_add_drop_and_all)
{
	const uint64_t chown = 1, net_admin = 1 << 12, net_raw = 1 << 13, all = (1ULL << 41) - 1;

	ck_assert_uint_eq(caps_of("{}"), 0xa80425fb);
	ck_assert_uint_eq(caps_of("{\"CapAdd\":[\"net_admin\"]}"), 0xa80425fb | net_admin);
	ck_assert_uint_eq(caps_of("{\"CapDrop\":[\"CAP_NET_RAW\"]}"), 0xa80425fb & ~net_raw);
	ck_assert_uint_eq(caps_of("{\"CapDrop\":[\"ALL\"],\"CapAdd\":[\"CHOWN\"]}"), chown);
	ck_assert_uint_eq(caps_of("{\"CapAdd\":[\"all\"],\"CapDrop\":[\"CHOWN\"]}"), all & ~chown);
	ck_assert_uint_eq(caps_of("{\"Privileged\":true}"), all);
}
END_TEST

START_TEST(ports_come_from_bindings_and_with_publish_all_from_exposed)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = parsed(
		"{\"Image\":\"x\",\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}},\"HostConfig\":{"
		"\"PublishAllPorts\":true,\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"127.0.0.1\","
		"\"HostPort\":\"8080\"},{\"HostIp\":\"\",\"HostPort\":\"9000-9010\"}]}}}");
	struct hoy_network_port *ports = NULL;
	size_t n;

	ck_assert_int_eq(hoy_container_config_ports(config, &ports, &n, NULL), 0);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(ports[0].host_ip, "127.0.0.1");
	ck_assert_uint_eq(ports[0].host_port, 8080);
	ck_assert_uint_eq(ports[1].host_port, 9000);
	ck_assert_uint_eq(ports[1].host_port_last, 9010);
	ck_assert_int_eq(ports[2].proto, HOY_PORT_UDP);
	ck_assert_uint_eq(ports[2].container_port, 53);
	ck_assert_uint_eq(ports[2].host_port, 0);
	free(ports);
}
END_TEST

START_TEST(names_are_checked_and_made_up_ones_pass)
{
	struct hoy_err err = {};

	for (unsigned int i = 0; i < 40; i++) {
		auto_free char *name = hoy_container_name_random(i);

		ck_assert_int_eq(hoy_container_name_check(name, NULL), 0);
	}
	ck_assert_int_eq(hoy_container_name_check("a.b-c_9", NULL), 0);
	ck_assert_int_lt(hoy_container_name_check("-a", NULL), 0);
	ck_assert_int_lt(hoy_container_name_check("a", NULL), 0);
	ck_assert_int_lt(hoy_container_name_check("a/b", &err), 0);
	ck_assert_str_eq(err.msg, "Invalid container name (a/b), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
}
END_TEST

Suite *suite_container_config(void)
{
	const TTest *const tests[] = {
		a_request_full_of_neutral_values_is_accepted,
		keys_are_matched_in_any_case,
		what_was_parsed_is_loaded_back_the_same,
		every_member_that_is_kept_comes_back,
		inspect_shows_the_members_that_are_not_supported,
		unsupported_members_are_refused_by_name,
		wrong_values_are_refused_with_the_known_texts,
		capabilities_follow_add_drop_and_all,
		ports_come_from_bindings_and_with_publish_all_from_exposed,
		names_are_checked_and_made_up_ones_pass,
	};

	return hoy_unit_suite("container-config", tests, ARRAY_LEN(tests));
}
