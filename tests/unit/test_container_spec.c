/* supervisor/container/spec*.c: facts of the config.json that a container gets */
#include "supervisor/container/spec.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/user.h"
#include "libocispec/image.h"
#include "tests/unit/unit.h"

Suite *suite_container_spec(void);

static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static struct hoy_container_config *completed(const char *request)
{
	static const char image_text[] =
		"{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]},\"config\":{"
		"\"Env\":[\"PATH=/bin\",\"FROM=image\",\"GONE=1\"],\"Entrypoint\":[\"/entry\"],\"Cmd\":[\"image\",\"cmd\"],"
		"\"WorkingDir\":\"/srv\",\"Labels\":{\"a\":\"image\",\"b\":\"image\"}}}";
	struct hoy_container_config *config = NULL;
	struct hoy_oci_image_config *image = NULL;
	struct hoy_err err = {};

	ck_assert_int_eq(hoy_oci_image_config_parse(image_text, strlen(image_text), &image, NULL), 0);
	ck_assert_msg(hoy_container_config_parse(request, strlen(request), &config, &err) >= 0, "%s", err.msg);
	ck_assert_msg(hoy_container_config_complete(config, image, id, &err) >= 0, "%s", err.msg);
	hoy_oci_image_config_free(image);
	return config;
}

/* The spec of a request; layers /l/B over /l/A, user 5:6 with group 7. */
static struct hoy_oci_spec *built(const char *request)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = completed(request);
	char *const args[] = { (char *) "true", NULL };
	char *const layers[] = { (char *) "/l/B", (char *) "/l/A", NULL };
	uint32_t groups[] = { 7 };
	const struct hoy_container_user user = { .uid = 5, .gid = 6, .groups = groups, .n_groups = 1, .home = NULL };
	struct hoy_spec_input input = {
		.id = id,
		.config = config,
		.user = &user,
		.args = args,
		.layers = layers,
		.upper_dir = "/c/diff",
		.work_dir = "/c/work",
		.hostname_path = "/c/hostname",
		.hosts_path = "/c/hosts",
		.resolv_conf_path = "/c/resolv.conf",
		.swap_limits = true,
	};
	struct hoy_container_mount_info *mounts = NULL;
	struct hoy_oci_spec *spec = NULL;
	struct hoy_err err = {};

	ck_assert_int_eq(hoy_container_mounts_list(config, &mounts, &input.n_mounts, NULL), 0);
	input.mounts = mounts;
	ck_assert_msg(hoy_spec_build(&input, &spec, &err) >= 0, "%s", err.msg);
	ck_assert_msg(hoy_oci_spec_validate(spec, &err) >= 0, "%s", err.msg);
	hoy_container_mounts_free(mounts, input.n_mounts);
	return spec;
}

static const struct hoy_oci_mount *mount_at(const struct hoy_oci_spec *spec, const char *destination)
{
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (!strcmp(spec->mounts[i].destination, destination))
			return &spec->mounts[i];
	return NULL;
}

START_TEST(the_image_gives_what_the_request_leaves_open)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *plain = completed(
		"{\"Image\":\"x\",\"Env\":[\"FROM=client\",\"GONE\"],\"Labels\":{\"b\":\"client\"}}");
	auto_ptr(hoy_container_config_free) struct hoy_container_config *command = completed(
		"{\"Image\":\"x\",\"Cmd\":[\"mine\"]}");
	auto_ptr(hoy_container_config_free) struct hoy_container_config *entry = completed(
		"{\"Image\":\"x\",\"Entrypoint\":[\"/mine\"]}");
	auto_ptr(hoy_container_config_free) struct hoy_container_config *reset = completed(
		"{\"Image\":\"x\",\"Entrypoint\":[\"\"],\"Cmd\":[\"mine\"]}");

	ck_assert_str_eq(plain->entrypoint[0], "/entry");
	ck_assert_str_eq(plain->cmd[1], "cmd");
	ck_assert_str_eq(plain->working_dir, "/srv");
	ck_assert_str_eq(hoy_env_get(plain->env, "FROM"), "client");
	ck_assert_str_eq(hoy_env_get(plain->env, "PATH"), "/bin");
	ck_assert_ptr_null(hoy_env_get(plain->env, "GONE"));
	ck_assert_str_eq(hoy_oci_kv_get(plain->labels, plain->n_labels, "a"), "image");
	ck_assert_str_eq(hoy_oci_kv_get(plain->labels, plain->n_labels, "b"), "client");
	ck_assert_str_eq(plain->hostname, "0123456789ab");
	ck_assert_str_eq(plain->host.network_mode, "bridge");
	ck_assert_str_eq(plain->host.log_config.type, "json-file");

	ck_assert_str_eq(command->entrypoint[0], "/entry");
	ck_assert_str_eq(command->cmd[0], "mine");
	ck_assert_str_eq(entry->entrypoint[0], "/mine");
	ck_assert_uint_eq(hoy_strv_len(entry->cmd), 0);
	ck_assert_ptr_null(reset->entrypoint);
	ck_assert_str_eq(reset->cmd[0], "mine");
}
END_TEST

START_TEST(the_process_has_dockers_defaults)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built("{\"Image\":\"x\",\"Env\":[\"A=1\",\"GONE\"]}");
	const struct hoy_oci_process *p = spec->process;

	ck_assert_str_eq(p->args[0], "true");
	ck_assert_str_eq(p->cwd, "/srv");
	ck_assert_str_eq(hoy_env_get(p->env, "PATH"), "/bin");
	ck_assert_str_eq(hoy_env_get(p->env, "HOSTNAME"), "0123456789ab");
	ck_assert_str_eq(hoy_env_get(p->env, "A"), "1");
	ck_assert_str_eq(hoy_env_get(p->env, "HOME"), "/");
	ck_assert_ptr_null(hoy_env_get(p->env, "GONE"));
	ck_assert_ptr_null(hoy_env_get(p->env, "TERM"));
	ck_assert_uint_eq(p->user.uid, 5);
	ck_assert_uint_eq(p->user.gid, 6);
	ck_assert_uint_eq(p->user.n_additional_gids, 2);
	ck_assert_uint_eq(hoy_strv_len(p->capabilities->bounding), 14);
	ck_assert_uint_eq(hoy_strv_len(p->capabilities->effective), 14);
	ck_assert_ptr_null(p->capabilities->ambient);
	ck_assert(!p->terminal);
	ck_assert(!p->no_new_privileges);
	ck_assert_ptr_null(p->oom_score_adj);
	ck_assert_uint_eq(p->n_rlimits, 0);
}
END_TEST

START_TEST(the_overlay_is_the_first_mount)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built("{\"Image\":\"x\"}");
	const struct hoy_oci_mount *root = &spec->mounts[0];

	ck_assert_str_eq(spec->root->path, "rootfs");
	ck_assert_str_eq(root->destination, "/");
	ck_assert_str_eq(root->type, "overlay");
	ck_assert_str_eq(root->options[0], "lowerdir=/l/B:/l/A");
	ck_assert_str_eq(root->options[1], "upperdir=/c/diff");
	ck_assert_str_eq(root->options[2], "workdir=/c/work");
	ck_assert_str_eq(root->options[3], "userxattr");
}
END_TEST

START_TEST(kernel_mounts_and_engine_files_are_in_order)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built("{\"Image\":\"x\"}");
	static const char *const order[] = { "/", "/proc", "/dev", "/dev/pts", "/sys", "/sys/fs/cgroup", "/dev/mqueue",
		"/dev/shm", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts" };

	ck_assert_uint_eq(spec->n_mounts, ARRAY_LEN(order));
	for (size_t i = 0; i < ARRAY_LEN(order); i++)
		ck_assert_str_eq(spec->mounts[i].destination, order[i]);
	ck_assert(hoy_strv_has(mount_at(spec, "/sys")->options, "ro"));
	ck_assert(hoy_strv_has(mount_at(spec, "/dev/shm")->options, "size=67108864"));
}
END_TEST

START_TEST(mounts_of_the_user_replace_defaults_and_are_sorted)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built(
		"{\"Image\":\"x\",\"HostConfig\":{\"Binds\":[\"/tmp:/a/b/c:ro\",\"/tmp:/a\",\"/tmp:/etc/hosts:rw,rslave\"],"
		"\"Tmpfs\":{\"/dev/shm\":\"size=1m\"},\"Mounts\":[{\"Type\":\"tmpfs\",\"Target\":\"/t\","
		"\"TmpfsOptions\":{\"SizeBytes\":4096,\"Mode\":448}}]}}");
	const struct hoy_oci_mount *parent = mount_at(spec, "/a"), *child = mount_at(spec, "/a/b/c");

	ck_assert(parent < child);
	ck_assert(hoy_strv_has(child->options, "rro"));
	ck_assert(hoy_strv_has(parent->options, "rprivate"));
	ck_assert_str_eq(mount_at(spec, "/etc/hosts")->source, "/tmp");
	ck_assert(hoy_strv_has(mount_at(spec, "/dev/shm")->options, "size=1m"));
	ck_assert(hoy_strv_has(mount_at(spec, "/t")->options, "size=4096"));
	ck_assert(hoy_strv_has(mount_at(spec, "/t")->options, "mode=700"));
	ck_assert_int_eq(spec->linux_->rootfs_propagation, HOY_OCI_PROPAGATION_SLAVE);
}
END_TEST

START_TEST(namespaces_follow_the_modes)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *own = built("{\"Image\":\"x\"}");
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *shared = built(
		"{\"Image\":\"x\",\"HostConfig\":{\"NetworkMode\":\"host\",\"IpcMode\":\"host\",\"PidMode\":\"host\","
		"\"UTSMode\":\"host\",\"CgroupnsMode\":\"host\"}}");
	static const enum hoy_oci_ns_type types[] = { HOY_OCI_NS_NETWORK, HOY_OCI_NS_IPC, HOY_OCI_NS_PID,
		HOY_OCI_NS_UTS };

	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		ck_assert_ptr_nonnull(hoy_oci_spec_namespace(own, types[i]));
		ck_assert_ptr_null(hoy_oci_spec_namespace(shared, types[i]));
	}
	ck_assert_ptr_nonnull(hoy_oci_spec_namespace(shared, HOY_OCI_NS_MOUNT));
	ck_assert_ptr_null(hoy_oci_spec_namespace(shared, HOY_OCI_NS_CGROUP));
	ck_assert_str_eq(mount_at(shared, "/dev/shm")->type, "bind");
	ck_assert_ptr_null(shared->hostname);
	ck_assert_ptr_nonnull(
		hoy_oci_kv_get(own->linux_->sysctl, own->linux_->n_sysctl, "net.ipv4.ip_unprivileged_port_start"));
	ck_assert_uint_eq(shared->linux_->n_sysctl, 0);
}
END_TEST

START_TEST(limits_reach_the_resources)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built(
		"{\"Image\":\"x\",\"HostConfig\":{\"Memory\":67108864,\"NanoCpus\":1500000000,\"CpuShares\":512,\"MemoryReservation\":33554432,"
		"\"MemorySwappiness\":7,\"CpusetMems\":\"0\",\"CpuRealtimePeriod\":1000000,\"CpuRealtimeRuntime\":950000,"
		"\"BlkioWeight\":300,\"OomKillDisable\":true,"
		"\"PidsLimit\":10,\"CpusetCpus\":\"0\",\"Ulimits\":[{\"Name\":\"nofile\",\"Soft\":5,\"Hard\":6},"
		"{\"Name\":\"core\",\"Soft\":-1,\"Hard\":-1}],\"OomScoreAdj\":100,\"CgroupParent\":\"mine\"}}");
	const struct hoy_oci_resources *res = spec->linux_->resources;

	ck_assert_int_eq(*res->memory->limit, 67108864);
	ck_assert_int_eq(*res->memory->swap, 134217728);
	ck_assert_int_eq(*res->memory->reservation, 33554432);
	ck_assert_uint_eq(*res->memory->swappiness, 7);
	ck_assert(*res->memory->disable_oom_killer);
	ck_assert_uint_eq(*res->block_io->weight, 300);
	ck_assert_str_eq(res->cpu->mems, "0");
	ck_assert_uint_eq(*res->cpu->realtime_period, 1000000);
	ck_assert_int_eq(*res->cpu->realtime_runtime, 950000);
	ck_assert_uint_eq(*res->cpu->period, 100000);
	ck_assert_int_eq(*res->cpu->quota, 150000);
	ck_assert_uint_eq(*res->cpu->shares, 512);
	ck_assert_str_eq(res->cpu->cpus, "0");
	ck_assert_int_eq(res->pids->limit, 10);
	ck_assert_uint_eq(spec->process->n_rlimits, 2);
	ck_assert_str_eq(spec->process->rlimits[0].type, "RLIMIT_NOFILE");
	ck_assert_uint_eq(spec->process->rlimits[0].hard, 6);
	ck_assert_uint_eq(spec->process->rlimits[1].soft, UINT64_MAX);
	ck_assert_int_eq(*spec->process->oom_score_adj, 100);
	ck_assert(hoy_str_starts(spec->linux_->cgroups_path, "/mine/0123"));
}
END_TEST

START_TEST(a_plain_container_is_confined)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built("{\"Image\":\"x\"}");
	const struct hoy_oci_resources *res = spec->linux_->resources;

	ck_assert(hoy_strv_has(spec->linux_->masked_paths, "/proc/kcore"));
	ck_assert(hoy_strv_has(spec->linux_->readonly_paths, "/proc/sys"));
	ck_assert_ptr_nonnull(spec->linux_->seccomp);
	ck_assert_int_eq(spec->linux_->seccomp->default_action, HOY_OCI_ACT_ERRNO);
	ck_assert(!res->devices[0].allow);
	ck_assert_uint_eq(spec->linux_->n_devices, 0);
	ck_assert_ptr_null(res->pids);
}
END_TEST

START_TEST(a_privileged_container_is_not)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built(
		"{\"Image\":\"x\",\"HostConfig\":{\"Privileged\":true}}");

	ck_assert_uint_eq(hoy_strv_len(spec->process->capabilities->bounding), 41);
	ck_assert_ptr_null(spec->linux_->seccomp);
	ck_assert_uint_eq(hoy_strv_len(spec->linux_->masked_paths), 0);
	ck_assert_uint_eq(hoy_strv_len(spec->linux_->readonly_paths), 0);
	ck_assert(spec->linux_->resources->devices[0].allow);
	ck_assert(hoy_strv_has(mount_at(spec, "/sys")->options, "rw"));
}
END_TEST

START_TEST(names_and_annotations_reach_the_spec)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built(
		"{\"Image\":\"x\",\"Hostname\":\"h\",\"Domainname\":\"d.example\",\"HostConfig\":{"
		"\"ReadonlyRootfs\":true,\"Annotations\":{\"k\":\"v\"},\"MaskedPaths\":[\"/m\"],"
		"\"ReadonlyPaths\":[],\"Sysctls\":{\"net.ipv4.ip_forward\":\"1\"}}}");

	ck_assert_str_eq(spec->hostname, "h");
	ck_assert_str_eq(spec->domainname, "d.example");
	ck_assert(spec->root->readonly);
	ck_assert_str_eq(hoy_oci_spec_annotation(spec, "k"), "v");
	ck_assert_str_eq(spec->linux_->masked_paths[0], "/m");
	ck_assert_uint_eq(hoy_strv_len(spec->linux_->masked_paths), 1);
	ck_assert_uint_eq(hoy_strv_len(spec->linux_->readonly_paths), 0);
	ck_assert_str_eq(hoy_oci_kv_get(spec->linux_->sysctl, spec->linux_->n_sysctl, "net.ipv4.ip_forward"), "1");
}
END_TEST

START_TEST(a_device_becomes_a_node_and_a_rule)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built(
		"{\"Image\":\"x\",\"HostConfig\":{\"Devices\":[{\"PathOnHost\":\"/dev/null\","
		"\"PathInContainer\":\"/dev/mine\",\"CgroupPermissions\":\"r\"}]}}");
	const struct hoy_oci_resources *res = spec->linux_->resources;
	const struct hoy_oci_device_rule *rule = &res->devices[res->n_devices - 1];

	ck_assert_uint_eq(spec->linux_->n_devices, 1);
	ck_assert_str_eq(spec->linux_->devices[0].path, "/dev/mine");
	ck_assert_int_eq(*spec->linux_->devices[0].minor, 3);
	ck_assert(rule->allow);
	ck_assert_str_eq(rule->access, "r");
	ck_assert_int_eq(*rule->major, 1);
}
END_TEST

START_TEST(security_options_open_one_thing_each)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built(
		"{\"Image\":\"x\",\"HostConfig\":{\"SecurityOpt\":[\"no-new-privileges\",\"seccomp=unconfined\","
		"\"systempaths=unconfined\",\"apparmor=my-profile\"]}}");

	ck_assert(spec->process->no_new_privileges);
	ck_assert_ptr_null(spec->linux_->seccomp);
	ck_assert_str_eq(spec->process->apparmor_profile, "my-profile");
	ck_assert_uint_eq(hoy_strv_len(spec->linux_->masked_paths), 0);
	ck_assert_uint_eq(hoy_strv_len(spec->process->capabilities->bounding), 14);
}
END_TEST

START_TEST(a_terminal_has_its_size_and_term)
{
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = built(
		"{\"Image\":\"x\",\"Tty\":true,\"HostConfig\":{\"ConsoleSize\":[24,80]}}");

	ck_assert(spec->process->terminal);
	ck_assert_uint_eq(spec->process->console_size->height, 24);
	ck_assert_uint_eq(spec->process->console_size->width, 80);
	ck_assert_str_eq(hoy_env_get(spec->process->env, "TERM"), "xterm");
}
END_TEST

START_TEST(devices_that_are_none_are_refused_by_name)
{
	auto_ptr(hoy_container_config_free) struct hoy_container_config *config = completed(
		"{\"Image\":\"x\",\"HostConfig\":{\"Devices\":[{\"PathOnHost\":\"/etc/passwd\"}]}}");
	const struct hoy_spec_input input = { .config = config };
	struct hoy_oci_linux l = { .resources = calloc(1, sizeof(struct hoy_oci_resources)) };
	struct hoy_oci_spec spec = { .linux_ = &l };
	struct hoy_err err = {};

	ck_assert_int_lt(hoy_spec_add_devices(&spec, &input, &err), 0);
	ck_assert_ptr_nonnull(strstr(err.msg, "\"/etc/passwd\": not a device node"));
	hoy_oci_resources_free(l.resources);
}
END_TEST

START_TEST(a_failed_start_has_dockers_verdict)
{
	static const struct {
		const char *text;
		int exit_code;
		enum hoy_err_kind kind;
	} verdicts[] = {
		{ "exec: \"x\": executable file not found in $PATH", 127, HOY_ERR_INVALID },
		{ "exec: \"/x\": stat /x: no such file or directory", 127, HOY_ERR_INVALID },
		{ "exec: \"/etc\": permission denied", 126, HOY_ERR_INVALID },
		{ "something else broke", 128, HOY_ERR_SYSTEM },
	};

	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		struct hoy_err err = {};
		int exit_code;

		hoy_err_set(&err, HOY_ERR_SYSTEM, EIO, "%s", verdicts[i].text);
		hoy_container_start_verdict(&err, &exit_code);
		ck_assert_int_eq(exit_code, verdicts[i].exit_code);
		ck_assert_int_eq(err.kind, verdicts[i].kind);
	}
}
END_TEST

Suite *suite_container_spec(void)
{
	const TTest *const tests[] = {
		the_image_gives_what_the_request_leaves_open,
		the_process_has_dockers_defaults,
		the_overlay_is_the_first_mount,
		kernel_mounts_and_engine_files_are_in_order,
		mounts_of_the_user_replace_defaults_and_are_sorted,
		namespaces_follow_the_modes,
		limits_reach_the_resources,
		a_plain_container_is_confined,
		a_privileged_container_is_not,
		names_and_annotations_reach_the_spec,
		a_device_becomes_a_node_and_a_rule,
		security_options_open_one_thing_each,
		a_terminal_has_its_size_and_term,
		devices_that_are_none_are_refused_by_name,
		a_failed_start_has_dockers_verdict,
	};

	return hoy_unit_suite("container-spec", tests, ARRAY_LEN(tests));
}
