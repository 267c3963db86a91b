/* `delete` and `-info`: what is asked of the program when no shim runs. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "base/ttrpc/options.pb-c.h"
#include "base/ttrpc/task.pb-c.h"
#include "shim/bundle.h"
#include "shim/flags.h"
#include "shim/protocol.h"
#include "shim/rootfs.h"
#include "shim/runtime.h"
#include "shim/start.h"

#define RUNTIME_TIMEOUT_MS 5000
#define STATUS_KILLED 137
#define MAX_FEATURES ((size_t) 256 << 10)

static int print(const ProtobufCMessage *message, struct hoy_err *err)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	auto_free uint8_t *data = malloc(len + 1);
	int r;

	if (!data)
		return hoy_err_oom(err);
	protobuf_c_message_pack(message, data);
	r = hoy_fd_write_all(STDOUT_FILENO, data, len);
	return r < 0 ? hoy_err_code(err, r, "print the answer") : 0;
}

/* --- delete ------------------------------------------------------------------------------------------------------- */

/* hoyrun's own state, and runc's, is a directory with the container's name: where there is none nobody need be asked, nor
 * even looked for. */
static bool is_unknown(const struct hoy_shim_options *options, const char *namespace_, const char *id)
{
	const char *name = options->binary_name ? hoy_path_base(options->binary_name) : "hoyrun";
	auto_free char *root = hoy_path_join(options->root ? options->root : HOY_SHIM_DEFAULT_ROOT, namespace_);
	auto_free char *state = root ? hoy_path_join(root, id) : NULL;

	return (strcmp(name, "hoyrun") == 0 || strcmp(name, "runc") == 0) && state && access(state, F_OK) < 0 &&
	       errno == ENOENT;
}

/* The runtime knows what belongs to the container: `delete --force` kills it all. Bounded in time. */
static int force_delete(const struct hoy_runtime *runtime, const char *id, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	struct hoy_spawn spawn = { .path = runtime->binary, .cwd = "/", .cgroup_fd = -1 };
	struct pollfd poll_fd = { .events = POLLIN };
	auto_fd int pidfd = -EBADF;
	siginfo_t si;
	pid_t pid;
	int r;

	r = hoy_runtime_argv(runtime, "delete", &argv, err);
	if (r >= 0 && (hoy_strv_add(&argv, "--force") < 0 || hoy_strv_add(&argv, id) < 0))
		r = hoy_err_oom(err);
	if (r < 0)
		return r;
	spawn.argv = argv;
	r = hoy_process_spawn(&spawn, &pid, &pidfd, err);
	if (r < 0)
		return r;
	poll_fd.fd = pidfd;
	if (TEMP_FAILURE_RETRY(poll(&poll_fd, 1, RUNTIME_TIMEOUT_MS)) == 0)
		(void) hoy_pidfd_signal(pidfd, SIGKILL);
	return hoy_process_wait(pid, &si, err);
}

/* A dead shim could not remove its socket. */
static void remove_stale_socket(const char *bundle)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = 4096 };
	auto_free char *path = hoy_path_join(bundle, HOY_SHIM_ADDRESS_FILE);
	auto_fd int alive = -EBADF;
	const char *socket;

	if (!path || hoy_file_read(AT_FDCWD, path, &text, /* err= */ NULL) < 0 || !text.data)
		return;
	if (!hoy_str_starts(text.data, "unix:///"))
		return;
	socket = text.data + strlen("unix://");
	alive = hoy_fd_unix_connect(socket, SOCK_STREAM, /* err= */ NULL);
	if (alive == -ECONNREFUSED)
		(void) unlink(socket);
}

static int clean_up(const char *bundle, const char *namespace_, const char *id, struct hoy_err *err)
{
	auto_(hoy_shim_options_done) struct hoy_shim_options options = HOY_SHIM_OPTIONS_INIT;
	auto_(hoy_runtime_done) struct hoy_runtime runtime = { 0 };
	int r = hoy_shim_options_load(bundle, &options, err);

	if (r >= 0 && !is_unknown(&options, namespace_, id)) {
		r = hoy_runtime_init(&runtime, &options, namespace_, bundle, err);
		if (r >= 0)
			r = force_delete(&runtime, id, err);
	}
	remove_stale_socket(bundle);
	return r < 0 ? r : hoy_rootfs_unmount(bundle, err);
}

int hoy_shim_delete(const struct hoy_shim_flags *flags, struct hoy_err *err)
{
	Hoy__Pb__DeleteResponse response = HOY__PB__DELETE_RESPONSE__INIT;
	Hoy__Pb__Timestamp time = HOY__PB__TIMESTAMP__INIT;
	auto_free char *cwd = NULL;
	const char *bundle = flags->bundle;
	struct timespec now;
	int r;

	if (!flags->namespace_ || !hoy_path_is_component(flags->namespace_) || !flags->id ||
		!hoy_shim_id_is_valid(flags->id))
		return hoy_err_invalid(err, "delete needs -namespace and a valid -id");
	if (!bundle)
		bundle = cwd = getcwd(NULL, 0);
	if (!bundle)
		return hoy_err_sys(err, "find the bundle");
	response.pid = (uint32_t) hoy_bundle_read_pid(bundle, HOY_SHIM_PID_FILE);
	r = clean_up(bundle, flags->namespace_, flags->id, err);
	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &now);
	time.seconds = now.tv_sec;
	time.nanos = (int32_t) now.tv_nsec;
	response.exit_status = STATUS_KILLED;
	response.exited_at = &time;
	return print(&response.base, err);
}

/* --- info --------------------------------------------------------------------------------------------------------- */

/* JSON of `hoyrun features`; NULL when it doesn't tell. */
static char *runtime_features(const char *binary)
{
	auto_free char *ours = NULL, *output = NULL;
	const char *argv[] = { "runtime", "features", NULL };
	struct hoy_spawn spawn = { .argv = (char *const *) argv, .cgroup_fd = -1 };
	int status;

	if (!binary && hoy_helper_find("hoyrun", HOY_HELPER_PROGRAM, &ours, /* err= */ NULL) < 0)
		return NULL;
	spawn.path = binary ? binary : ours;
	if (hoy_process_run(&spawn, MAX_FEATURES, &output, &status, /* err= */ NULL) < 0 || status)
		return NULL;
	return TAKE_PTR(output);
}

int hoy_shim_info(struct hoy_err *err)
{
	Hoy__Pb__RuntimeInfo info = HOY__PB__RUNTIME_INFO__INIT;
	Hoy__Pb__RuntimeVersion version = HOY__PB__RUNTIME_VERSION__INIT;
	Hoy__Pb__Any any = HOY__PB__ANY__INIT;
	auto_(hoy_shim_options_done) struct hoy_shim_options options = HOY_SHIM_OPTIONS_INIT;
	auto_(hoy_shim_bootstrap_done) struct hoy_shim_bootstrap bootstrap = { 0 };
	auto_free char *features = NULL;
	int r = isatty(STDIN_FILENO) ? 0 : hoy_shim_read_stdin(&options, &bootstrap, err);

	if (r < 0)
		return r;
	features = runtime_features(options.binary_name);
	version.version = (char *) PACKAGE_VERSION;
	info.name = (char *) "io.containerd.hoy.v2";
	info.version = &version;
	if (features) {
		any.type_url = (char *) "types.containerd.io/opencontainers/runtime-spec/1/features/Features";
		any.value.data = (uint8_t *) features;
		any.value.len = strlen(features);
		info.features = &any;
	}
	return print(&info.base, err);
}
