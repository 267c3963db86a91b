/* supervisor/cli/create_request.c and publish.c: from `run`'s options to the create request. */
#include "supervisor/cli/create_request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_cli_request(void);

/* The request for words after "run", parsed back; NULL with `err` when it was refused. */
static struct hoy_json *request(struct hoy_err *err, const char *const *words)
{
	struct hoy_run_options options = hoy_run_option_defaults;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	static char proxy[] = "HTTP_PROXY=http://p", other[] = "no_proxy=x";
	char *const proxies[] = { proxy, other, NULL };
	char *argv[32] = { (char *) "run" }, *args[32];
	struct hoy_json *doc = NULL;
	int argc = 1, r;
	bool help;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *) words[argc - 1];
	r = hoy_options_parse(
		hoy_run_option_table, argc, argv, HOY_OPTIONS_STOP_AT_ARGUMENT, &options, args, &help, err);
	if (r == 0)
		r = hoy_create_request_print(&options, args, proxies, &text, err);
	hoy_options_done(hoy_run_option_table, &options);
	if (r == 0)
		ck_assert_int_eq(hoy_json_parse(text.data, text.len, NULL, &doc, err), 0);
	return doc;
}
#define REQUEST(...) request(&err, (const char *const[]){ __VA_ARGS__, NULL })

/* The value at "A.B.C" as compact text. */
static char *at(const struct hoy_json *doc, const char *path)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	auto_ptr(hoy_strv_free) char **keys = hoy_str_split(path, '.');

	for (char **k = keys; *k; k++)
		doc = hoy_json_get(doc, *k);
	if (!doc)
		return strdup("absent");
	hoy_json_add_value(&w, NULL, doc);
	return hoy_buf_take(&text);
}

static void assert_at(const struct hoy_json *doc, const char *path, const char *want)
{
	auto_free char *got = at(doc, path);

	ck_assert_str_eq(got, want);
}

START_TEST(image_command_and_streams)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST(
		"-it", "--rm", "-w", "/x", "-u", "1:2", "-h", "box", "--entrypoint", "", "alpine", "ls", "-l");

	assert_at(doc, "Image", "\"alpine\"");
	assert_at(doc, "Cmd", "[\"ls\",\"-l\"]");
	assert_at(doc, "Tty", "true");
	assert_at(doc, "OpenStdin", "true");
	assert_at(doc, "StdinOnce", "true");
	assert_at(doc, "AttachStdout", "true");
	assert_at(doc, "WorkingDir", "\"/x\"");
	assert_at(doc, "User", "\"1:2\"");
	assert_at(doc, "Hostname", "\"box\"");
	assert_at(doc, "Entrypoint", "[\"\"]");
	assert_at(doc, "HostConfig.AutoRemove", "true");
}
END_TEST

START_TEST(a_detached_container_is_not_attached)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("-di", "x");

	assert_at(doc, "AttachStdin", "false");
	assert_at(doc, "AttachStdout", "false");
	assert_at(doc, "StdinOnce", "false");
	assert_at(doc, "Entrypoint", "absent");
	assert_at(doc, "HostConfig.NetworkMode", "\"default\"");
}
END_TEST

START_TEST(limits_and_security)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("-m", "64m", "--cpus", "1.5", "--pids-limit", "20",
		"--memory-swap", "-1", "--cap-drop", "ALL", "--cap-add", "CHOWN", "--security-opt", "no-new-privileges",
		"--read-only", "--ulimit", "nofile=10:20", "--privileged", "--stop-timeout", "0", "x");

	assert_at(doc, "HostConfig.Memory", "67108864");
	assert_at(doc, "HostConfig.MemorySwap", "-1");
	assert_at(doc, "HostConfig.NanoCpus", "1500000000");
	assert_at(doc, "HostConfig.PidsLimit", "20");
	assert_at(doc, "HostConfig.CapDrop", "[\"ALL\"]");
	assert_at(doc, "HostConfig.CapAdd", "[\"CAP_CHOWN\"]");
	assert_at(doc, "HostConfig.SecurityOpt", "[\"no-new-privileges\"]");
	assert_at(doc, "HostConfig.ReadonlyRootfs", "true");
	assert_at(doc, "HostConfig.Privileged", "true");
	assert_at(doc, "HostConfig.Ulimits", "[{\"Name\":\"nofile\",\"Soft\":10,\"Hard\":20}]");
	assert_at(doc, "StopTimeout", "0");
}
END_TEST

START_TEST(published_ports_take_every_form)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("-p", "8080:80", "-p", "127.0.0.1:53:53/udp", "-p", "90",
		"-p", "[::1]:70:70", "-p", "100-101:200-201", "-p", "300-310:44", "x");

	assert_at(doc, "HostConfig.PortBindings.80/tcp", "[{\"HostIp\":\"\",\"HostPort\":\"8080\"}]");
	assert_at(doc, "HostConfig.PortBindings.53/udp", "[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"53\"}]");
	assert_at(doc, "HostConfig.PortBindings.90/tcp", "[{\"HostIp\":\"\",\"HostPort\":\"\"}]");
	assert_at(doc, "HostConfig.PortBindings.70/tcp", "[{\"HostIp\":\"::1\",\"HostPort\":\"70\"}]");
	assert_at(doc, "HostConfig.PortBindings.201/tcp", "[{\"HostIp\":\"\",\"HostPort\":\"101\"}]");
	assert_at(doc, "HostConfig.PortBindings.44/tcp", "[{\"HostIp\":\"\",\"HostPort\":\"300-310\"}]");
	assert_at(doc, "ExposedPorts.53/udp", "{}");
}
END_TEST

START_TEST(published_ports_take_the_long_form)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST(
		"-p", "target=80,published=8080,protocol=udp", "-p", "target=90", "x");

	assert_at(doc, "HostConfig.PortBindings.80/udp", "[{\"HostIp\":\"\",\"HostPort\":\"8080\"}]");
	assert_at(doc, "HostConfig.PortBindings.90/tcp", "[{\"HostIp\":\"\",\"HostPort\":\"\"}]");
}
END_TEST

START_TEST(wrong_values_are_refused_before_anything_is_sent)
{
	static const char *const wrong[][4] = {
		{ "-p", "99999:80", "x" },
		{ "-p", "80:80/icmp", "x" },
		{ "-p", "1-2:1-3", "x" },
		{ "-p", "::1:80:80", "x" },
		{ "-p", "", "x" },
		{ "-e", "=x", "x" },
		{ "--ulimit", "nofile=20:10", "x" },
		{ "--device", "a:b:c:d", "x" },
		{ "--restart", "always:3", "x" },
		{ "--env-file", "/nonexistent", "x" },
		{ "--mount", "type=bind,src=/a", "x" },
		{ "--mount", "type=bind,dst=/a,tmpfs-size=1m", "x" },
		{ "--mount", "dst=/a,nonsense=1", "x" },
		{ "--mount", "dst=/a,\"x", "x" },
		{ "--gpus", "count=x", "x" },
		{ "--gpus", "brand=x", "x" },
		{ "--network", "name=a,colour=b", "x" },
		{ "--network", "alias=b", "x" },
		{ "--network-alias", "a", "x" },
		{ "--device-cgroup-rule", "c 1 rwm", "x" },
		{ "--device-read-bps", "/dev/sda", "x" },
		{ "--device-read-iops", "sda:1", "x" },
		{ "--blkio-weight-device", "/dev/sda:5", "x" },
		{ "--security-opt", "nonsense", "x" },
		{ "--security-opt", "seccomp=/nonexistent", "x" },
		{ "--health-interval", "-1s", "x" },
		{ "--sysctl", "a", "x" },
		{ "--storage-opt", "a", "x" },
		{ "--cgroupns", "a", "x" },
		{ "--memory-swappiness", "101", "x" },
		{ "--add-host", "a", "x" },
		{ "-a", "stdfoo", "x" },
	};
	struct hoy_err err;

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		ck_assert_msg(!request(&err, wrong[i]), "%s %s was taken", wrong[i][0], wrong[i][1]);
}
END_TEST

START_TEST(mounts_volumes_and_maps)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("-v", "/a:/b:ro", "-v", "/anonymous", "--tmpfs",
		"/t:size=1m", "-l", "k=v", "-l", "flag", "--sysctl", "net.x=1", "--device", "/dev/null:/dev/x:r", "x");

	assert_at(doc, "HostConfig.Binds", "[\"/a:/b:ro\"]");
	assert_at(doc, "Volumes", "{\"/anonymous\":{}}");
	assert_at(doc, "HostConfig.Tmpfs", "{\"/t\":\"size=1m\"}");
	assert_at(doc, "Labels", "{\"k\":\"v\",\"flag\":\"\"}");
	assert_at(doc, "HostConfig.Devices",
		"[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/x\",\"CgroupPermissions\":\"r\"}]");
}
END_TEST

START_TEST(every_other_flag_is_in_the_request)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("--annotation", "a=b", "--blkio-weight", "10",
		"--cgroup-parent", "/p", "--cpu-period", "1000", "--cpu-quota", "2000", "-c", "3", "x");
	auto_ptr(hoy_json_free) struct hoy_json *more = REQUEST("--cpuset-cpus", "0", "--cpuset-mems", "1",
		"--domainname", "d", "--expose", "5-6/udp", "--init", "--log-driver", "local", "--log-opt", "x=y", "x");
	auto_ptr(hoy_json_free) struct hoy_json *rest = REQUEST("--memory-reservation", "1k", "--oom-kill-disable",
		"-P", "--restart", "on-failure:3", "--runtime", "r", "-a", "stderr", "x");

	assert_at(doc, "HostConfig.Annotations.a", "\"b\"");
	assert_at(doc, "HostConfig.BlkioWeight", "10");
	assert_at(doc, "HostConfig.CgroupParent", "\"/p\"");
	assert_at(doc, "HostConfig.CpuPeriod", "1000");
	assert_at(doc, "HostConfig.CpuQuota", "2000");
	assert_at(doc, "HostConfig.CpuShares", "3");
	assert_at(more, "HostConfig.CpusetCpus", "\"0\"");
	assert_at(more, "HostConfig.CpusetMems", "\"1\"");
	assert_at(more, "Domainname", "\"d\"");
	assert_at(more, "ExposedPorts", "{\"5/udp\":{},\"6/udp\":{}}");
	assert_at(more, "HostConfig.Init", "true");
	assert_at(more, "HostConfig.LogConfig", "{\"Type\":\"local\",\"Config\":{\"x\":\"y\"}}");
	assert_at(rest, "HostConfig.MemoryReservation", "1024");
	assert_at(rest, "HostConfig.OomKillDisable", "true");
	assert_at(rest, "HostConfig.PublishAllPorts", "true");
	assert_at(rest, "HostConfig.RestartPolicy", "{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}");
	assert_at(rest, "HostConfig.Runtime", "\"r\"");
	assert_at(rest, "AttachStderr", "true");
	assert_at(rest, "AttachStdout", "false");
}
END_TEST

START_TEST(mounts_take_every_key)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("--mount",
		"type=bind,source=/a,target=/b,readonly,bind-propagation=rslave,bind-recursive=readonly", "--mount",
		"src=data,dst=/d,volume-nocopy,volume-subpath=s,\"volume-label=a=b,c\",volume-driver=local,volume-opt=type=nfs",
		"--mount", "type=tmpfs,destination=/t,tmpfs-size=1m,tmpfs-mode=1770", "--mount",
		"type=image,src=i,dst=/i,image-subpath=p", "--volumes-from", "c:ro", "--volume-driver", "v", "x");

	assert_at(doc, "HostConfig.Mounts",
		"[{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true,\"BindOptions\":{\"Propagation\":"
		"\"rslave\",\"ReadOnlyForceRecursive\":true}},"
		"{\"Type\":\"volume\",\"Source\":\"data\",\"Target\":\"/d\",\"VolumeOptions\":{\"NoCopy\":true,\"Labels\":{\"a\":"
		"\"b,c\"},\"Subpath\":\"s\",\"DriverConfig\":{\"Name\":\"local\",\"Options\":{\"type\":\"nfs\"}}}},"
		"{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"TmpfsOptions\":{\"SizeBytes\":1048576,\"Mode\":1016}},"
		"{\"Type\":\"image\",\"Source\":\"i\",\"Target\":\"/i\",\"ImageOptions\":{\"Subpath\":\"p\"}}]");
	assert_at(doc, "HostConfig.VolumesFrom", "[\"c:ro\"]");
	assert_at(doc, "HostConfig.VolumeDriver", "\"v\"");
}
END_TEST

START_TEST(devices_and_gpus)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("--gpus", "all", "--device", "vendor.com/gpu=0",
		"--device", "/dev/null", "--device-cgroup-rule", "c 1:* rw", "--blkio-weight-device", "/dev/sda:20",
		"--device-read-bps", "/dev/sda:1mb", "--device-write-bps", "/dev/sda:2", "--device-read-iops",
		"/dev/sda:3", "--device-write-iops", "/dev/sda:4", "x");
	auto_ptr(hoy_json_free) struct hoy_json *some = REQUEST(
		"--gpus", "\"device=0,1\",driver=d,\"capabilities=utility,compute\",options=a=b", "x");

	assert_at(doc, "HostConfig.DeviceRequests",
		"[{\"Count\":-1,\"Capabilities\":[[\"gpu\"]]},{\"Driver\":\"cdi\",\"DeviceIDs\":[\"vendor.com/gpu=0\"]}]");
	assert_at(doc, "HostConfig.Devices",
		"[{\"PathOnHost\":\"/dev/null\",\"PathInContainer\":\"/dev/null\",\"CgroupPermissions\":\"rwm\"}]");
	assert_at(doc, "HostConfig.DeviceCgroupRules", "[\"c 1:* rw\"]");
	assert_at(doc, "HostConfig.BlkioWeightDevice", "[{\"Path\":\"/dev/sda\",\"Weight\":20}]");
	assert_at(doc, "HostConfig.BlkioDeviceReadBps", "[{\"Path\":\"/dev/sda\",\"Rate\":1048576}]");
	assert_at(doc, "HostConfig.BlkioDeviceWriteBps", "[{\"Path\":\"/dev/sda\",\"Rate\":2}]");
	assert_at(doc, "HostConfig.BlkioDeviceReadIOps", "[{\"Path\":\"/dev/sda\",\"Rate\":3}]");
	assert_at(doc, "HostConfig.BlkioDeviceWriteIOps", "[{\"Path\":\"/dev/sda\",\"Rate\":4}]");
	assert_at(some, "HostConfig.DeviceRequests",
		"[{\"Driver\":\"d\",\"Count\":0,\"DeviceIDs\":[\"0\",\"1\"],\"Capabilities\":[[\"utility\",\"compute\",\"gpu\"]],"
		"\"Options\":{\"a\":\"b\"}}]");
}
END_TEST

START_TEST(networks_in_both_forms)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *plain = REQUEST("--network", "mine", "--network-alias", "w", "--ip",
		"10.0.0.5", "--ip6", "fd00::5", "--link", "db:d", "--link-local-ip", "169.254.1.1", "--mac-address",
		"02:00:00:00:00:01", "x");
	auto_ptr(hoy_json_free) struct hoy_json *two = REQUEST("--network",
		"name=a,alias=one,alias=two,ip=10.0.0.6,driver-opt=k=v,gw-priority=3,mac-address=02:00:00:00:00:02",
		"--network", "b", "x");
	auto_ptr(hoy_json_free) struct hoy_json *none = REQUEST("--net", "host", "x");
	auto_ptr(hoy_json_free) struct hoy_json *egress = REQUEST("--egress", "allow=10.0.0.0/8,10.1.1.1:53", "x");

	assert_at(egress, "NetworkingConfig.EndpointsConfig",
		"{\"default\":{\"DriverOpts\":{\"hoy.egress\":\"allow=10.0.0.0/8,10.1.1.1:53\"}}}");
	assert_at(plain, "HostConfig.NetworkMode", "\"mine\"");
	assert_at(plain, "HostConfig.Links", "[\"db:d\"]");
	assert_at(plain, "MacAddress", "\"02:00:00:00:00:01\"");
	assert_at(plain, "NetworkingConfig.EndpointsConfig.mine",
		"{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.5\",\"IPv6Address\":\"fd00::5\",\"LinkLocalIPs\":[\"169.254.1.1\"]},"
		"\"Links\":[\"db:d\"],\"Aliases\":[\"w\"],\"MacAddress\":\"02:00:00:00:00:01\"}");
	assert_at(two, "HostConfig.NetworkMode", "\"a\"");
	assert_at(two, "NetworkingConfig.EndpointsConfig",
		"{\"a\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.6\"},\"Aliases\":[\"one\",\"two\"],\"MacAddress\":"
		"\"02:00:00:00:00:02\",\"DriverOpts\":{\"k\":\"v\"},\"GwPriority\":3},\"b\":{}}");
	assert_at(none, "NetworkingConfig.EndpointsConfig", "{}");
}
END_TEST

START_TEST(health_checks)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("--health-cmd", "true", "--health-interval", "10s",
		"--health-timeout", "1m", "--health-retries", "4", "--health-start-period", "1s",
		"--health-start-interval", "2s", "x");
	auto_ptr(hoy_json_free) struct hoy_json *none = REQUEST("--no-healthcheck", "x");

	assert_at(doc, "Healthcheck",
		"{\"Test\":[\"CMD-SHELL\",\"true\"],\"Interval\":10000000000,\"Timeout\":60000000000,\"StartPeriod\":1000000000,"
		"\"StartInterval\":2000000000,\"Retries\":4}");
	assert_at(none, "Healthcheck", "{\"Test\":[\"NONE\"]}");
	ck_assert_ptr_null(REQUEST("--no-healthcheck", "--health-cmd", "true", "x"));
}
END_TEST

START_TEST(what_the_engine_may_refuse_is_sent)
{
	struct hoy_err err;
	auto_ptr(hoy_json_free) struct hoy_json *doc = REQUEST("--cgroupns", "host", "--userns", "host",
		"--cpu-rt-period", "1", "--cpu-rt-runtime", "2", "--kernel-memory", "4m", "--memory-swappiness", "0",
		"--storage-opt", "size=1G", "--isolation", "default", "x");
	auto_ptr(hoy_json_free) struct hoy_json *windows = REQUEST("--cpu-count", "1", "--cpu-percent", "2",
		"--io-maxiops", "3", "--io-maxbandwidth", "4", "--disable-content-trust", "--init=false", "x");

	assert_at(doc, "HostConfig.CgroupnsMode", "\"host\"");
	assert_at(doc, "HostConfig.UsernsMode", "\"host\"");
	assert_at(doc, "HostConfig.CpuRealtimePeriod", "1");
	assert_at(doc, "HostConfig.CpuRealtimeRuntime", "2");
	assert_at(doc, "HostConfig.KernelMemory", "4194304");
	assert_at(doc, "HostConfig.MemorySwappiness", "0");
	assert_at(doc, "HostConfig.StorageOpt", "{\"size\":\"1G\"}");
	assert_at(doc, "HostConfig.Isolation", "\"default\"");
	assert_at(windows, "HostConfig.CpuCount", "1");
	assert_at(windows, "HostConfig.CpuPercent", "2");
	assert_at(windows, "HostConfig.IOMaximumIOps", "3");
	assert_at(windows, "HostConfig.IOMaximumBandwidth", "4");
	assert_at(windows, "HostConfig.Init", "false");
	assert_at(windows, "HostConfig.MemorySwappiness", "absent");
}
END_TEST

START_TEST(security_options_environment_and_hosts)
{
	struct hoy_err err;
	char path[] = "/tmp/hoy-profile-XXXXXX", option[64];
	int fd = mkstemp(path);
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "{ \"a\":\n 1 }", 11), 11);
	(void) close(fd);
	(void) snprintf(option, sizeof option, "seccomp=%s", path);
	ck_assert_int_eq(unsetenv("HOY_TEST_UNSET"), 0);
	doc = REQUEST("--security-opt", option, "--security-opt", "systempaths=unconfined", "--security-opt",
		"label:disable", "-e", "HOY_TEST_UNSET", "-e", "HTTP_PROXY=mine", "--add-host", "a=[::1]", "--add-host",
		"b:host-gateway", "--cap-add", "net_admin", "x");
	(void) unlink(path);
	assert_at(doc, "HostConfig.SecurityOpt", "[\"seccomp={\\\"a\\\":1}\",\"label:disable\"]");
	assert_at(doc, "HostConfig.MaskedPaths", "[]");
	assert_at(doc, "HostConfig.ReadonlyPaths", "[]");
	assert_at(doc, "HostConfig.ExtraHosts", "[\"a:::1\",\"b:host-gateway\"]");
	assert_at(doc, "HostConfig.CapAdd", "[\"CAP_NET_ADMIN\"]");
	assert_at(doc, "Env", "[\"HOY_TEST_UNSET\",\"HTTP_PROXY=mine\",\"no_proxy=x\"]");
}
END_TEST

Suite *suite_cli_request(void)
{
	const TTest *const tests[] = { image_command_and_streams, a_detached_container_is_not_attached,
		limits_and_security, published_ports_take_every_form, wrong_values_are_refused_before_anything_is_sent,
		mounts_volumes_and_maps, every_other_flag_is_in_the_request, published_ports_take_the_long_form,
		mounts_take_every_key, devices_and_gpus, networks_in_both_forms, health_checks,
		what_the_engine_may_refuse_is_sent, security_options_environment_and_hosts };

	return hoy_unit_suite("cli request", tests, ARRAY_LEN(tests));
}
