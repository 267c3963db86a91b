/* supervisor/cli/create_request.c and publish.c: from `run`'s options to the create request. */
#include "supervisor/cli/create_request.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "base/str.h"
#include "tests/unit/unit.h"

Suite *suite_cli_request(void);

/* The request for words after "run", parsed back; NULL with `err` when it was refused. */
static struct hoy_json *request(struct hoy_err *err, const char *const *words)
{
	struct hoy_run_options options = hoy_run_option_defaults;
	auto_(hoy_buf_done) struct hoy_buf text = {};
	char *argv[32] = { (char *) "run" }, *args[32];
	struct hoy_json *doc = NULL;
	int argc = 1, r;
	bool help;

	for (; words[argc - 1]; argc++)
		argv[argc] = (char *) words[argc - 1];
	r = hoy_options_parse(
		hoy_run_option_table, argc, argv, HOY_OPTIONS_STOP_AT_ARGUMENT, &options, args, &help, err);
	if (r == 0)
		r = hoy_create_request_print(&options, args, &text, err);
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
	assert_at(doc, "HostConfig.CapAdd", "[\"CHOWN\"]");
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
		"--domainname", "d", "--expose", "5-6/udp", "--init", "--log-driver", "none", "--log-opt", "x=y", "x");
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
	assert_at(more, "HostConfig.LogConfig", "{\"Type\":\"none\",\"Config\":{\"x\":\"y\"}}");
	assert_at(rest, "HostConfig.MemoryReservation", "1024");
	assert_at(rest, "HostConfig.OomKillDisable", "true");
	assert_at(rest, "HostConfig.PublishAllPorts", "true");
	assert_at(rest, "HostConfig.RestartPolicy", "{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}");
	assert_at(rest, "HostConfig.Runtime", "\"r\"");
	assert_at(rest, "AttachStderr", "true");
	assert_at(rest, "AttachStdout", "false");
}
END_TEST

Suite *suite_cli_request(void)
{
	const TTest *const tests[] = { image_command_and_streams, a_detached_container_is_not_attached,
		limits_and_security, published_ports_take_every_form, wrong_values_are_refused_before_anything_is_sent,
		mounts_volumes_and_maps, every_other_flag_is_in_the_request };

	return hoy_unit_suite("cli request", tests, ARRAY_LEN(tests));
}
