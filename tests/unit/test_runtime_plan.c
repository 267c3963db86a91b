/* runtime/plan: a config becomes decisions, or one precise error. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/str.h"
#include "runtime/plan/plan.h"
#include "tests/unit/unit.h"

Suite *suite_runtime_plan(void);

#define PROCESS "\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"],\"user\":{\"uid\":0,\"gid\":0}}"
#define HEAD "{\"ociVersion\":\"1.3.0\",\"root\":{\"path\":\"rootfs\"}"
#define LINUX "\"linux\":{\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"pid\"},{\"type\":\"network\"}]}"

/* What a test looks at: the plan of a config, or the error. */
struct planned {
	struct hoy_oci_spec *spec;
	struct hoy_plan plan;
	struct hoy_err err;
	int code;
};

static void planned_done(struct planned *p)
{
	hoy_plan_done(&p->plan);
	hoy_oci_spec_free(p->spec);
}

static struct planned make(const char *config, uint64_t host_caps)
{
	const struct hoy_plan_params params = { .id = "web", .bundle = "/bundle", .host_caps = host_caps };
	struct planned p = {};

	p.code = hoy_oci_spec_parse(config, strlen(config), &p.spec, &p.err);
	ck_assert_msg(p.code == 0, "%s", hoy_err_str(&p.err));
	p.code = hoy_plan_make(p.spec, &params, &p.plan, &p.err);
	return p;
}

static struct planned make_mounts(const char *mounts)
{
	auto_free char *config = hoy_str_printf(HEAD "," PROCESS "," LINUX ",\"mounts\":[%s]}", mounts);

	return make(config, ~0ULL);
}

static struct planned make_linux(const char *linux_)
{
	auto_free char *config = hoy_str_printf(HEAD "," PROCESS ",\"linux\":{%s}}", linux_);

	return make(config, ~0ULL);
}

static struct planned make_process(const char *more)
{
	auto_free char *config = hoy_str_printf(
		HEAD ",\"process\":{\"cwd\":\"/\",\"args\":[\"sh\"],%s}," LINUX "}", more);

	return make(config, 1ULL << 0 | 1ULL << 5); /* CAP_CHOWN, CAP_KILL */
}

#define assert_fails(p, text)                                                                                          \
	do {                                                                                                           \
		ck_assert_int_lt((p).code, 0);                                                                         \
		ck_assert_msg(strstr((p).err.msg, text), "'%s' has no '%s'", (p).err.msg, text);                       \
	} while (0)

START_TEST(namespaces_are_new_or_joined)
{
	auto_(planned_done) struct planned p = make_linux("\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"uts\"},"
							  "{\"type\":\"network\",\"path\":\"/run/netns/x\"}]");

	ck_assert_int_eq(p.code, 0);
	ck_assert_uint_eq(p.plan.new_ns, CLONE_NEWNS | CLONE_NEWUTS);
	ck_assert_uint_eq(p.plan.n_joins, 1);
	ck_assert_int_eq(p.plan.joins[0].type, CLONE_NEWNET);
	ck_assert_str_eq(p.plan.joins[0].path, "/run/netns/x");
	ck_assert(!p.plan.loopback);
	ck_assert(hoy_plan_has_ns(&p.plan, CLONE_NEWNET));
	ck_assert(!hoy_plan_has_ns(&p.plan, CLONE_NEWPID));
}
END_TEST

START_TEST(namespace_mistakes_name_the_field)
{
	static const struct {
		const char *config, *text;
	} bad[] = {
		{ "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"mount\"}]", "linux.namespaces[1].type" },
		{ "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"ipc\",\"path\":\"x\"}]",
			"linux.namespaces[1].path" },
		{ "\"namespaces\":[{\"type\":\"user\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}],"
		  "\"gidMappings\":[{\"containerID\":0,\"hostID\":1,\"size\":1}]",
			"without a mount namespace" },
		{ "\"namespaces\":[{\"type\":\"mount\"},{\"type\":\"user\"}]", "linux.uidMappings" },
		{ "\"namespaces\":[{\"type\":\"mount\"}],\"timeOffsets\":{\"boottime\":{\"secs\":1}}",
			"linux.timeOffsets" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_(planned_done) struct planned p = make_linux(bad[i].config);

		assert_fails(p, bad[i].text);
	}
}
END_TEST

START_TEST(mount_options_become_attributes_and_data)
{
	auto_(planned_done) struct planned p = make_mounts(
		"{\"destination\":\"/a\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":[\"nosuid\",\"noatime\",\"size=64k\","
		"\"sync\"]},"
		"{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/x\",\"options\":[\"rbind\",\"rro\",\"ro\",\"rslave\"]}");

	ck_assert_int_eq(p.code, 0);
	ck_assert_int_eq(p.plan.mounts[0].kind, HOY_MOUNT_NEW);
	ck_assert_uint_eq(p.plan.mounts[0].attr_set, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOATIME);
	ck_assert_uint_eq(p.plan.mounts[0].attr_clr, MOUNT_ATTR__ATIME);
	ck_assert_str_eq(p.plan.mounts[0].data[0], "size=64k");
	ck_assert_str_eq(p.plan.mounts[0].data[1], "sync");
	ck_assert_int_eq(p.plan.mounts[1].kind, HOY_MOUNT_BIND);
	ck_assert(p.plan.mounts[1].recursive);
	ck_assert_uint_eq(p.plan.mounts[1].attr_set, MOUNT_ATTR_RDONLY);
	ck_assert_uint_eq(p.plan.mounts[1].rec_set, MOUNT_ATTR_RDONLY);
	ck_assert_uint_eq(p.plan.mounts[1].n_propagation, 1);
	ck_assert_uint_eq(p.plan.mounts[1].propagation[0], MS_SLAVE | MS_REC);
}
END_TEST

START_TEST(a_later_option_undoes_an_earlier_one)
{
	auto_(planned_done) struct planned p = make_mounts(
		"{\"destination\":\"/a\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":[\"ro\",\"rw\",\"nodev\",\"dev\","
		"\"noatime\",\"strictatime\",\"sync\",\"async\"]},"
		"{\"destination\":\"/b\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":[\"strictatime\",\"atime\"]},"
		"{\"destination\":\"/c\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":[\"noatime\",\"atime\"]}");

	ck_assert_int_eq(p.code, 0);
	ck_assert_uint_eq(p.plan.mounts[0].attr_set, MOUNT_ATTR_STRICTATIME);
	ck_assert_uint_eq(
		p.plan.mounts[0].attr_clr, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | (uint64_t) MOUNT_ATTR__ATIME);
	ck_assert(!p.plan.mounts[0].data || !p.plan.mounts[0].data[0]);
	ck_assert_uint_eq(p.plan.mounts[1].attr_set, MOUNT_ATTR_STRICTATIME); /* "atime" only undoes "noatime" */
	ck_assert_uint_eq(p.plan.mounts[2].attr_set, 0);
}
END_TEST

START_TEST(every_option_of_the_specification_is_known)
{
	static const char *const all[] = { "async", "atime", "bind", "defaults", "dev", "diratime", "dirsync", "exec",
		"iversion", "lazytime", "loud", "mand", "noatime", "nodev", "nodiratime", "noexec", "noiversion",
		"nolazytime", "nomand", "norelatime", "nostrictatime", "nosuid", "nosymfollow", "private", "ratime",
		"rbind", "rdev", "rdiratime", "relatime", "remount", "rexec", "rnoatime", "rnodev", "rnodiratime",
		"rnoexec", "rnorelatime", "rnostrictatime", "rnosuid", "rnosymfollow", "ro", "rprivate", "rrelatime",
		"rro", "rrw", "rshared", "rslave", "rstrictatime", "rsuid", "rsymfollow", "runbindable", "rw", "shared",
		"silent", "slave", "strictatime", "suid", "symfollow", "sync", "tmpcopyup", "unbindable", "idmap",
		"ridmap" };

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		bool known = false;
		const char *name;

		for (size_t j = 0; (name = hoy_mount_option_name(j)); j++)
			known |= strcmp(name, all[i]) == 0;
		ck_assert_msg(known, "%s", all[i]);
	}
}
END_TEST

START_TEST(a_readonly_tmpfs_becomes_so_late)
{
	auto_(planned_done) struct planned p = make_mounts(
		"{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"t\",\"options\":[\"ro\",\"nosuid\"]},"
		"{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"s\",\"options\":[\"ro\"]}");

	ck_assert_int_eq(p.code, 0);
	ck_assert(p.plan.mounts[0].late_readonly);
	ck_assert_uint_eq(p.plan.mounts[0].attr_set, MOUNT_ATTR_NOSUID);
	ck_assert(!p.plan.mounts[1].late_readonly);
	ck_assert_uint_eq(p.plan.mounts[1].attr_set, MOUNT_ATTR_RDONLY);
}
END_TEST

START_TEST(only_a_first_overlay_may_be_the_root)
{
	static const char overlay[] =
		"{\"destination\":\"/\",\"type\":\"overlay\",\"source\":\"overlay\",\"options\":[\"lowerdir=/l\"]}";
	auto_free char *second = hoy_str_printf(
		"{\"destination\":\"/a\",\"type\":\"tmpfs\",\"source\":\"t\"},%s", overlay);
	auto_(planned_done) struct planned first = make_mounts(overlay);
	auto_(planned_done) struct planned late = make_mounts(second);

	ck_assert_int_eq(first.code, 0);
	ck_assert_int_eq(first.plan.mounts[0].kind, HOY_MOUNT_ROOTFS);
	assert_fails(late, "mounts[1].destination");
}
END_TEST

START_TEST(new_file_systems_carry_the_mount_label)
{
	static const char config[] =
		"\"namespaces\":[{\"type\":\"mount\"}],\"mountLabel\":\"u:r:t:s0:c1,c2\"},\"mounts\":["
		"{\"destination\":\"/t\",\"type\":\"tmpfs\",\"options\":[\"mode=700\"]},"
		"{\"destination\":\"/own\",\"type\":\"tmpfs\",\"options\":[\"context=mine\"]},"
		"{\"destination\":\"/proc\",\"type\":\"proc\"},{\"destination\":\"/mq\",\"type\":\"mqueue\"},"
		"{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/x\"}],\"annotations\":{";
	auto_(planned_done) struct planned p = make_linux(config);

	ck_assert_msg(p.code == 0, "%s", hoy_err_str(&p.err));
	ck_assert_str_eq(p.plan.mounts[0].data[0], "mode=700");
	ck_assert_str_eq(p.plan.mounts[0].data[1], "context=u:r:t:s0:c1,c2");
	ck_assert_str_eq(p.plan.mounts[1].data[0], "context=mine");
	ck_assert_ptr_null(p.plan.mounts[1].data[1]);
	for (size_t i = 2; i < 5; i++)
		ck_assert(!p.plan.mounts[i].data);
}
END_TEST

START_TEST(mount_mistakes_name_the_mount)
{
	static const struct {
		const char *mount, *text;
	} bad[] = {
		{ "{\"destination\":\"/a\",\"options\":[\"bind\"]}", "mounts[0].source" },
		{ "{\"destination\":\"/a\",\"source\":\"x\"}", "mounts[0].type" },
		{ "{\"destination\":\"/a\",\"type\":\"bind\",\"source\":\"/x\",\"options\":[\"tmpcopyup\"]}",
			"tmpcopyup" },
		{ "{\"destination\":\"/a\",\"type\":\"tmpfs\",\"source\":\"/x\",\"options\":[\"idmap\"]}",
			"id-mapped" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_(planned_done) struct planned p = make_mounts(bad[i].mount);

		assert_fails(p, bad[i].text);
	}
}
END_TEST

START_TEST(a_device_of_the_config_replaces_a_default_one)
{
	auto_(planned_done) struct planned p = make_linux(
		"\"namespaces\":[{\"type\":\"mount\"}],\"devices\":[{\"path\":\"/dev/null\",\"type\":\"c\",\"major\":1,\"minor\":3,"
		"\"fileMode\":384},{\"path\":\"/dev/x\",\"type\":\"p\"}]");
	size_t nulls = 0;

	ck_assert_int_eq(p.code, 0);
	for (size_t i = 0; i < p.plan.n_devices; i++)
		if (strcmp(p.plan.devices[i].path, "/dev/null") == 0) {
			nulls++;
			ck_assert_uint_eq(p.plan.devices[i].mode, S_IFCHR | 0600);
		}
	ck_assert_uint_eq(nulls, 1);
	ck_assert(!p.plan.bind_devices);
	ck_assert_uint_eq(p.plan.devices[p.plan.n_devices - 1].mode, S_IFIFO | 0666);
}
END_TEST

START_TEST(a_bind_mount_on_dev_brings_its_own_devices)
{
	auto_(planned_done) struct planned p = make_mounts(
		"{\"destination\":\"/dev/\",\"type\":\"bind\",\"source\":\"/dev\",\"options\":[\"rbind\"]}");

	ck_assert_int_eq(p.code, 0);
	ck_assert(!p.plan.own_dev);
}
END_TEST

START_TEST(capabilities_that_are_unknown_or_missing_are_warnings)
{
	auto_(planned_done) struct planned p = make_process(
		"\"capabilities\":{\"bounding\":[\"CAP_KILL\",\"CAP_SYS_ADMIN\",\"CAP_NONSENSE\"],\"permitted\":[\"CAP_KILL\"],"
		"\"ambient\":[\"CAP_KILL\",\"CAP_CHOWN\"]}");

	ck_assert_int_eq(p.code, 0);
	ck_assert_uint_eq(p.plan.caps.bounding, 1 << 5);
	ck_assert_uint_eq(p.plan.caps.ambient, 0);
	ck_assert_uint_eq(hoy_strv_len(p.plan.warnings), 3);
	ck_assert(strstr(p.plan.warnings[0], "'CAP_SYS_ADMIN' is not available here"));
	ck_assert(strstr(p.plan.warnings[1], "unknown capability 'CAP_NONSENSE'"));
	ck_assert_str_eq(p.plan.warnings[2],
		"can't raise ambient capability CAP_CHOWN, CAP_KILL: not also permitted and inheritable");
}
END_TEST

START_TEST(capability_names_go_both_ways)
{
	ck_assert_int_eq(hoy_cap_from_string("CAP_CHOWN"), 0);
	ck_assert_int_eq(hoy_cap_from_string("cap_checkpoint_restore"), 40);
	ck_assert_int_eq(hoy_cap_from_string("CHOWN"), -1);
	for (int i = 0; i < HOY_CAP_COUNT; i++)
		ck_assert_int_eq(hoy_cap_from_string(hoy_cap_to_string(i)), i);
	ck_assert_ptr_null(hoy_cap_to_string(HOY_CAP_COUNT));
}
END_TEST

START_TEST(process_mistakes_name_the_field)
{
	static const struct {
		const char *process, *text;
	} bad[] = {
		{ "\"env\":[\"A=b\",\"NO\"]", "process.env[1]" },
		{ "\"rlimits\":[{\"type\":\"RLIMIT_X\",\"soft\":1,\"hard\":1}]", "process.rlimits[0].type" },
		{ "\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":2,\"hard\":1}]", "process.rlimits[0].soft" },
		{ "\"scheduler\":{\"policy\":\"SCHED_ISO\"}", "process.scheduler.policy" },
		{ "\"scheduler\":{\"policy\":\"SCHED_OTHER\",\"nice\":20}", "process.scheduler.nice" },
		{ "\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":8}", "process.ioPriority.priority" },
		{ "\"execCPUAffinity\":{\"initial\":\"3-1\"}", "process.execCPUAffinity.initial" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_(planned_done) struct planned p = make_process(bad[i].process);

		assert_fails(p, bad[i].text);
	}
}
END_TEST

START_TEST(cpu_lists_are_ranges_and_single_ones)
{
	cpu_set_t set;

	ck_assert_int_eq(hoy_cpu_list_parse("0-2,7", &set), 0);
	ck_assert_int_eq(CPU_COUNT(&set), 4);
	ck_assert(CPU_ISSET(2, &set) && CPU_ISSET(7, &set) && !CPU_ISSET(3, &set));
	ck_assert_int_eq(hoy_cpu_list_parse("", &set), -EINVAL);
	ck_assert_int_eq(hoy_cpu_list_parse("1,", &set), -EINVAL);
	ck_assert_int_eq(hoy_cpu_list_parse("99999", &set), -EINVAL);
}
END_TEST

START_TEST(what_is_not_supported_is_refused_by_name)
{
	static const struct {
		const char *config, *text;
	} bad[] = {
		{ "\"cgroupsPath\":\"a:b:c\"", "linux.cgroupsPath" },
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_free char *config = hoy_str_printf("\"namespaces\":[{\"type\":\"mount\"}],%s", bad[i].config);
		auto_(planned_done) struct planned p = make_linux(config);

		assert_fails(p, bad[i].text);
		ck_assert_int_eq(p.err.kind, HOY_ERR_UNSUPPORTED);
	}
}
END_TEST

START_TEST(the_cgroup_is_below_the_root)
{
	auto_(planned_done) struct planned none = make_linux("\"namespaces\":[{\"type\":\"mount\"}]");
	auto_(planned_done) struct planned relative = make_linux(
		"\"namespaces\":[{\"type\":\"mount\"}],\"cgroupsPath\":\"a/../../b\"");
	auto_(planned_done) struct planned root = make_linux(
		"\"namespaces\":[{\"type\":\"mount\"}],\"cgroupsPath\":\"/..\"");

	ck_assert_str_eq(none.plan.cgroup, "/web");
	ck_assert_str_eq(relative.plan.cgroup, "/b");
	assert_fails(root, "linux.cgroupsPath");
}
END_TEST

START_TEST(the_plan_can_be_printed)
{
	auto_(planned_done) struct planned p = make_mounts(
		"{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
		"{\"destination\":\"/b\",\"type\":\"bind\",\"source\":\"/x\",\"options\":[\"rbind\",\"ro\",\"rprivate\"]}");
	auto_(hoy_buf_done) struct hoy_buf text = {};

	ck_assert_int_eq(hoy_plan_print(&p.plan, &text, NULL), 0);
	ck_assert(strstr(text.data, "new pid\nnew network\nnew mount\n"));
	ck_assert(strstr(text.data, "rootfs /bundle/rootfs\nmount /proc proc\nrbind /b /x attr=+1-0 rprivate\n"));
	ck_assert(strstr(text.data, "device /dev/null c 1:3 666 0:0\n"));
	ck_assert(strstr(text.data, "cgroup /web\n"));
}
END_TEST

Suite *suite_runtime_plan(void)
{
	const TTest *const tests[] = { namespaces_are_new_or_joined, namespace_mistakes_name_the_field,
		mount_options_become_attributes_and_data, a_later_option_undoes_an_earlier_one,
		every_option_of_the_specification_is_known, a_readonly_tmpfs_becomes_so_late,
		only_a_first_overlay_may_be_the_root, new_file_systems_carry_the_mount_label,
		mount_mistakes_name_the_mount, a_device_of_the_config_replaces_a_default_one,
		a_bind_mount_on_dev_brings_its_own_devices, capabilities_that_are_unknown_or_missing_are_warnings,
		capability_names_go_both_ways, process_mistakes_name_the_field, cpu_lists_are_ranges_and_single_ones,
		what_is_not_supported_is_refused_by_name, the_cgroup_is_below_the_root, the_plan_can_be_printed };

	return hoy_unit_suite("runtime plan", tests, ARRAY_LEN(tests));
}
