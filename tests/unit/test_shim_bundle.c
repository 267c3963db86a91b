/* shim/bundle.c */
#include "shim/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/path.h"
#include "base/ttrpc/options.pb-c.h"
#include "tests/unit/unit.h"

Suite *suite_shim_bundle(void);

/* Any{"containerd.runc.v1.Options", {binary_name "/usr/sbin/runc", root "/run/r"}} */
static const char options_any[] = "\x0a\x1a"
				  "containerd.runc.v1.Options"
				  "\x12\x18"
				  "\x32\x0e/usr/sbin/runc"
				  "\x3a\x06/run/r";

START_TEST(an_any_of_options_on_stdin)
{
	struct hoy_shim_options options = { 0 };
	struct hoy_shim_bootstrap bootstrap = { 0 };

	ck_assert_int_eq(
		hoy_shim_options_from_stdin(&options, &bootstrap, options_any, sizeof options_any - 1, NULL), 0);
	ck_assert_str_eq(options.binary_name, "/usr/sbin/runc");
	ck_assert_str_eq(options.root, "/run/r");
	ck_assert_ptr_null(options.socket_dir);
	ck_assert_ptr_null(bootstrap.id);
	hoy_shim_options_done(&options);
}
END_TEST

START_TEST(bootstrap_parameters_on_stdin)
{
	Hoy__Pb__BootstrapParams params = HOY__PB__BOOTSTRAP_PARAMS__INIT;
	Hoy__Pb__BootstrapExtension extension = HOY__PB__BOOTSTRAP_EXTENSION__INIT, *extensions[] = { &extension };
	Hoy__Pb__Any *any = hoy__pb__any__unpack(NULL, sizeof options_any - 1, (const uint8_t *) options_any);
	struct hoy_shim_options options = { 0 };
	struct hoy_shim_bootstrap bootstrap = { 0 };
	uint8_t packed[512];
	size_t len;

	ck_assert_ptr_nonnull(any);
	params.instance_id = (char *) "id";
	params.namespace_ = (char *) "ns"; /* both forms begin with two strings */
	params.log_level = -4;
	params.ttrpc_address = (char *) "/run/t";
	params.grpc_address = (char *) "/run/g";
	params.containerd_binary = (char *) "/usr/bin/containerd";
	params.socket_dir = (char *) "/run/hoy/s";
	params.n_extensions = 1;
	params.extensions = extensions;
	extension.value = any;
	len = hoy__pb__bootstrap_params__pack(&params, packed);
	ck_assert_int_eq(hoy_shim_options_from_stdin(&options, &bootstrap, packed, len, NULL), 0);
	ck_assert_str_eq(options.binary_name, "/usr/sbin/runc");
	ck_assert_str_eq(options.socket_dir, "/run/hoy/s");
	ck_assert_str_eq(bootstrap.id, "id");
	ck_assert_str_eq(bootstrap.namespace_, "ns");
	ck_assert_str_eq(bootstrap.ttrpc_address, "/run/t");
	ck_assert_str_eq(bootstrap.grpc_address, "/run/g");
	ck_assert_str_eq(bootstrap.containerd_binary, "/usr/bin/containerd");
	ck_assert(bootstrap.debug);
	hoy_shim_bootstrap_done(&bootstrap);
	hoy_shim_options_done(&options);
	hoy__pb__any__free_unpacked(any, NULL);
}
END_TEST

START_TEST(unknown_options_are_ignored_and_garbage_refused)
{
	struct hoy_shim_options options = { 0 };
	struct hoy_shim_bootstrap bootstrap = { 0 };

	ck_assert_int_eq(hoy_shim_options_set(&options, "some.other.Options", "\xff", 1, NULL), 0);
	ck_assert_int_eq(hoy_shim_options_set(&options, "types/containerd.runc.v1.Options", "\xff", 1, NULL), -EINVAL);
	ck_assert_int_eq(hoy_shim_options_from_stdin(&options, &bootstrap, "\xff\xff", 2, NULL), -EINVAL);
	ck_assert_ptr_null(options.binary_name);
}
END_TEST

static int set_config(struct hoy_shim_options *options, const char *body, struct hoy_err *err)
{
	Hoy__Pb__RuntimeOptions message = HOY__PB__RUNTIME_OPTIONS__INIT;
	uint8_t packed[512];
	size_t len;

	message.config_body.data = (uint8_t *) body;
	message.config_body.len = strlen(body);
	len = hoy__pb__runtime_options__pack(&message, packed);
	return hoy_shim_options_set(options, "runtimeoptions.v1.Options", packed, len, err);
}

START_TEST(options_from_a_configuration_file)
{
	struct hoy_shim_options options = { 0 };
	struct hoy_err err;

	ck_assert_int_eq(
		set_config(&options,
			"# of the runtime\n\n  SystemdCgroup = true\r\nBinaryName=\"/usr/bin/crun\"\nIoUid = 7\n",
			NULL),
		0);
	ck_assert(options.systemd_cgroup);
	ck_assert_str_eq(options.binary_name, "/usr/bin/crun");
	ck_assert_uint_eq(options.io_uid, 7);
	ck_assert_int_eq(set_config(&options, "KillTimeout = 3\nBootstrapVersion = 3", NULL), 0);
	ck_assert_uint_eq(options.kill_timeout, 3);
	ck_assert_uint_eq(options.bootstrap_version, 3);
	ck_assert_int_eq(set_config(&options, "BootstrapVersion = 4", &err), -EINVAL);
	ck_assert_int_eq(set_config(&options, "SystemdCgroup = \"yes\"", &err), -EINVAL);
	ck_assert_int_eq(set_config(&options, "Root = /bare", &err), -EINVAL);
	ck_assert_int_eq(set_config(&options, "Colour = \"red\"", &err), -EINVAL);
	ck_assert_str_eq(err.msg, "runtime options: 'Colour' is unknown");
	hoy_shim_options_done(&options);
}
END_TEST

START_TEST(options_survive_on_disk)
{
	struct hoy_shim_options options = {
		.systemd_cgroup = true,
		.io_uid = 1000,
		.io_gid = 2000,
		.kill_timeout = 0,
	};
	struct hoy_shim_options loaded;
	char dir[] = "/tmp/hoy-bundle-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(hoy_shim_options_load(dir, &loaded, NULL), 0);
	ck_assert_ptr_null(loaded.binary_name);
	ck_assert_uint_eq(loaded.kill_timeout, HOY_SHIM_DEFAULT_KILL_TIMEOUT);
	options.binary_name = strdup("runc \"x\"");
	ck_assert_int_eq(hoy_shim_options_save(&options, dir, NULL), 0);
	ck_assert_int_eq(hoy_shim_options_load(dir, &loaded, NULL), 0);
	ck_assert_str_eq(loaded.binary_name, "runc \"x\"");
	ck_assert(loaded.systemd_cgroup);
	ck_assert_uint_eq(loaded.io_uid, 1000);
	ck_assert_uint_eq(loaded.io_gid, 2000);
	ck_assert_uint_eq(loaded.kill_timeout, 0);
	hoy_shim_options_done(&options);
	hoy_shim_options_done(&loaded);
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, dir, NULL), 0);
}
END_TEST

static int load_text(const char *dir, const char *text, struct hoy_shim_options *ret, struct hoy_err *err)
{
	auto_free char *path = hoy_path_join(dir, "options.json");

	ck_assert_int_eq(hoy_file_write(AT_FDCWD, path, text, strlen(text), 0600, 0, NULL), 0);
	return hoy_shim_options_load(dir, ret, err);
}

START_TEST(options_of_an_older_shim_are_read_of_a_newer_one_refused)
{
	char dir[] = "/tmp/hoy-bundle-XXXXXX";
	struct hoy_shim_options loaded;
	struct hoy_err err = { 0 };

	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(load_text(dir, "{\"version\":1,\"root\":\"/r\"}", &loaded, NULL), 0);
	ck_assert_str_eq(loaded.root, "/r");
	ck_assert_uint_eq(loaded.kill_timeout, HOY_SHIM_DEFAULT_KILL_TIMEOUT);
	hoy_shim_options_done(&loaded);
	ck_assert_int_lt(load_text(dir, "{\"version\":2,\"root\":\"/r\"}", &loaded, &err), 0);
	ck_assert_int_eq(err.kind, HOY_ERR_UNSUPPORTED);
	ck_assert_ptr_nonnull(strstr(err.msg, "options.json has version 2, this shim reads up to 1"));
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, dir, NULL), 0);
}
END_TEST

static char *group_of(const char *dir, const char *config)
{
	auto_free char *path = hoy_path_join(dir, "config.json");
	char *group = NULL;

	ck_assert_int_eq(hoy_file_write(AT_FDCWD, path, config, strlen(config), 0600, 0, NULL), 0);
	ck_assert_int_eq(hoy_bundle_group(dir, "id", &group, NULL), 0);
	return group;
}

START_TEST(containers_of_a_pod_share_a_group)
{
	char dir[] = "/tmp/hoy-bundle-XXXXXX";
	auto_free char *pod = NULL, *own = NULL, *odd = NULL;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	pod = group_of(dir, "{\"annotations\":{\"io.kubernetes.cri.sandbox-id\":\"pod\"}}");
	own = group_of(dir, "{}");
	odd = group_of(dir, "{\"annotations\":[1],\"linux\":{\"namespaces\":[{\"type\":\"pid\"}]}}");
	ck_assert_str_eq(pod, "pod");
	ck_assert_str_eq(own, "id");
	ck_assert_str_eq(odd, "id");
	ck_assert(hoy_bundle_has_pid_namespace(dir));
	free(group_of(dir, "{\"linux\":{\"namespaces\":[{\"type\":\"pid\",\"path\":\"/proc/1/ns/pid\"}]}}"));
	ck_assert(!hoy_bundle_has_pid_namespace(dir));
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, dir, NULL), 0);
}
END_TEST

START_TEST(ids_are_checked)
{
	static const char *const good[] = { "a", "A1", "a.b-c_d", "0123456789012345678901234567890123456789" };
	static const char *const bad[] = { "", ".", "..", "a/b", "-a", "a-", "a..b", "a b", "\xc3\xa9" };
	char long_id[78];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		ck_assert_msg(hoy_shim_id_is_valid(good[i]), "%s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		ck_assert_msg(!hoy_shim_id_is_valid(bad[i]), "%s", bad[i]);
	memset(long_id, 'a', sizeof long_id);
	long_id[77] = '\0';
	ck_assert(!hoy_shim_id_is_valid(long_id));
	long_id[76] = '\0';
	ck_assert(hoy_shim_id_is_valid(long_id));
}
END_TEST

START_TEST(a_pid_file_is_read_strictly)
{
	char dir[] = "/tmp/hoy-bundle-XXXXXX";
	auto_free char *path = NULL;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	path = hoy_path_join(dir, "init.pid");
	ck_assert_int_eq(hoy_bundle_read_pid(dir, "init.pid"), 0);
	ck_assert_int_eq(hoy_bundle_write_pid(dir, 4711, NULL), 0);
	ck_assert_int_eq(hoy_bundle_read_pid(dir, "init.pid"), 4711);
	ck_assert_int_eq(hoy_file_write(AT_FDCWD, path, "-1", 2, 0600, 0, NULL), 0);
	ck_assert_int_eq(hoy_bundle_read_pid(dir, "init.pid"), 0);
	ck_assert_int_eq(hoy_path_remove_all(AT_FDCWD, dir, NULL), 0);
}
END_TEST

Suite *suite_shim_bundle(void)
{
	const TTest *const tests[] = { an_any_of_options_on_stdin, bootstrap_parameters_on_stdin,
		unknown_options_are_ignored_and_garbage_refused, options_from_a_configuration_file,
		options_survive_on_disk, options_of_an_older_shim_are_read_of_a_newer_one_refused,
		containers_of_a_pod_share_a_group, ids_are_checked, a_pid_file_is_read_strictly };

	return hoy_unit_suite("shim bundle", tests, ARRAY_LEN(tests));
}
