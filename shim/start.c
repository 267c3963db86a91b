/* `start`: the handshake that leaves a running shim behind. Nothing but the address may appear on stdout and stderr. */
#include "shim/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/bundle.h"
#include "shim/flags.h"
#include "shim/protocol.h"
#include "shim/server.h"
#include "shim/socket.h"

#define MAX_STDIN ((size_t) 10 << 20)
#define MAX_SOCKET_PATH 106
#define OOM_SCORE_MAX 1000

int hoy_shim_read_stdin(struct hoy_shim_options *options, struct hoy_shim_bootstrap *bootstrap, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf input = { .cap = MAX_STDIN };
	int r = hoy_file_read_fd(STDIN_FILENO, "options on stdin", &input, err);

	if (r < 0 || !input.len)
		return r;
	return hoy_shim_options_from_stdin(options, bootstrap, input.data, input.len, err);
}

/* The command line goes first; the server learns of the rest by its environment. */
static void fill_in(struct hoy_shim_flags *flags, const struct hoy_shim_bootstrap *bootstrap)
{
	if (!flags->id)
		flags->id = bootstrap->id;
	if (!flags->namespace_)
		flags->namespace_ = bootstrap->namespace_;
	if (!flags->address)
		flags->address = bootstrap->grpc_address;
	if (!flags->publish_binary)
		flags->publish_binary = bootstrap->containerd_binary;
	flags->debug |= bootstrap->debug;
	if (bootstrap->ttrpc_address)
		(void) setenv("TTRPC_ADDRESS", bootstrap->ttrpc_address, /* overwrite= */ 0);
}

/* --- the socket --------------------------------------------------------------------------------------------------- */

static int write_address(const char *socket, char **ret_address, struct hoy_err *err)
{
	char *address = hoy_str_printf("unix://%s", socket);
	int r;

	if (!address)
		return hoy_err_oom(err);
	r = hoy_file_write(AT_FDCWD, HOY_SHIM_ADDRESS_FILE, address, strlen(address), 0600, /* flags= */ 0, err);
	if (r < 0) {
		free(address);
		return r;
	}
	*ret_address = address;
	return 0;
}

/* --- the server --------------------------------------------------------------------------------------------------- */

/* containerd's fifo, which must neither block nor break us when nobody reads it; else a file. */
static int open_log(void)
{
	struct stat st;

	if (stat("log", &st) == 0 && S_ISFIFO(st.st_mode))
		return open("log", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return open(HOY_SHIM_LOG_FILE, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* A shim goes a little before its caller, never after its container. */
static void adjust_oom_score(void)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = 64 };
	auto_free char *path = hoy_str_printf("/proc/%d/oom_score_adj", (int) getppid());
	auto_free char *value = NULL;
	int score;

	if (!path || hoy_file_read(AT_FDCWD, path, &text, /* err= */ NULL) < 0 || !text.data)
		return;
	text.data[strcspn(text.data, "\n")] = '\0';
	if (hoy_str_to_int(text.data, &score) < 0)
		return;
	value = hoy_str_printf("%d", MIN(score + 1, OOM_SCORE_MAX));
	if (value)
		(void) hoy_file_set(AT_FDCWD, "/proc/self/oom_score_adj", value, /* err= */ NULL);
}

/* containerd's `sched_core`: what is not of this shim never runs on the other threads of a core at the same time. The
 * server and its containers inherit it. */
static int take_core(struct hoy_err *err)
{
	const char *wanted = getenv("SCHED_CORE");

	if (wanted && *wanted && prctl(PR_SCHED_CORE, PR_SCHED_CORE_CREATE, 0, PR_SCHED_CORE_SCOPE_THREAD_GROUP, 0) < 0)
		return hoy_err_sys(
			err, "take a core of its own (SCHED_CORE; 'sched_core' of containerd's configuration)");
	return 0;
}

static int enter_cgroup(const char *path, struct hoy_cgroup_entry *ret, struct hoy_err *err)
{
	auto_ptr(hoy_cgroup_host_free) struct hoy_cgroup_host *host = NULL;
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cgroup = NULL;
	int r = hoy_cgroup_host_detect(&host, err);

	if (r >= 0)
		r = hoy_cgroup_new(host, path, &cgroup, err);
	if (r >= 0)
		r = hoy_cgroup_open_entry(cgroup, /* subs= */ NULL, ret, err);
	if (r >= 0)
		r = hoy_cgroup_enter_v1(ret, err); /* ourselves: the server is born there */
	return r < 0 ? hoy_err_wrap(err, "shim cgroup '%s'", path) : 0;
}

static char *own_path(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path);

	return n > 0 && (size_t) n < sizeof path ? strndup(path, (size_t) n) : strdup("/proc/self/exe");
}

static int spawn_server(const struct hoy_shim_flags *flags, const char *socket, int listener,
	const struct hoy_shim_options *options, struct hoy_err *err)
{
	auto_(hoy_cgroup_entry_close) struct hoy_cgroup_entry entry = HOY_CGROUP_ENTRY_INIT;
	auto_fd int log = open_log();
	auto_free char *self = own_path(); /* rather than the link, so that ps shows a name */
	const int fds[] = { -1, -1, log, listener };
	const char *argv[] = { "containerd-shim-hoy-v2", "-namespace", flags->namespace_, "-id", flags->id, "-address",
		flags->address, "-socket", socket, flags->debug ? "-debug=true" : "-debug=false", "-publish-binary",
		flags->publish_binary ? flags->publish_binary : "", HOY_SHIM_SERVER_ACTION, NULL };
	struct hoy_spawn spawn = {
		.path = self,
		.argv = (char *const *) argv,
		.cwd = "/",
		.fds = fds,
		.n_fds = ARRAY_LEN(fds),
		.new_session = true,
		.cgroup_fd = -1,
	};
	pid_t pid;
	int r;

	if (!self)
		return hoy_err_oom(err);
	if (options->shim_cgroup) {
		r = enter_cgroup(options->shim_cgroup, &entry, err);
		if (r < 0)
			return r;
		spawn.cgroup_fd = entry.v2_fd;
	}
	r = take_core(err);
	if (r < 0)
		return r;
	adjust_oom_score();
	return hoy_process_spawn(&spawn, &pid, /* ret_pidfd= */ NULL, err);
}

static int check_flags(const struct hoy_shim_flags *flags, struct hoy_err *err)
{
	if (!flags->namespace_ || !hoy_path_is_component(flags->namespace_))
		return hoy_err_invalid(err, "start needs -namespace");
	if (!flags->address || !*flags->address)
		return hoy_err_invalid(err, "start needs -address");
	if (!flags->id || !hoy_shim_id_is_valid(flags->id))
		return hoy_err_invalid(err, "start needs a valid -id");
	return 0;
}

static int start_in(const struct hoy_shim_flags *flags, const struct hoy_shim_options *options, const char *dir,
	char **ret_address, struct hoy_err *err)
{
	auto_free char *group = NULL, *socket = NULL;
	auto_fd int lock = -EBADF, listener = -EBADF;
	int r = hoy_bundle_group(".", flags->id, &group, err);

	if (r < 0)
		return r;
	socket = hoy_shim_socket_path(dir, flags->address, flags->namespace_, group);
	if (!socket)
		return hoy_err_oom(err);
	if (strlen(socket) > MAX_SOCKET_PATH)
		return hoy_err_invalid(err, "socket path '%s' is longer than %d bytes", socket, MAX_SOCKET_PATH);
	lock = hoy_shim_socket_lock(dir, err);
	if (lock < 0)
		return lock;
	listener = hoy_shim_socket_listen(socket, flags->id, err);
	if (listener == -EALREADY)
		return write_address(socket, ret_address, err);
	if (listener < 0)
		return listener;
	r = write_address(socket, ret_address, err);
	if (r >= 0)
		r = spawn_server(flags, socket, listener, options, err);
	if (r < 0)
		(void) unlink(socket);
	return r;
}

/* Callers before containerd 1.7 know the bare address only, all others know it as well. */
static int print_address(const char *address, unsigned int version, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r;

	if (!version) {
		(void) hoy_buf_adds(&text, address);
	} else {
		hoy_json_object(&w, NULL);
		hoy_json_add_u64(&w, "version", version);
		hoy_json_add_string(&w, "address", address);
		hoy_json_add_string(&w, "protocol", "ttrpc");
		hoy_json_end(&w);
	}
	r = hoy_buf_check(&text, "address", err);
	if (r < 0)
		return r;
	r = hoy_fd_write_all(STDOUT_FILENO, text.data, text.len);
	return r < 0 ? hoy_err_code(err, r, "print the address") : 0;
}

int hoy_shim_start(const struct hoy_shim_flags *given, struct hoy_err *err)
{
	auto_(hoy_shim_options_done) struct hoy_shim_options options = HOY_SHIM_OPTIONS_INIT;
	auto_(hoy_shim_bootstrap_done) struct hoy_shim_bootstrap bootstrap = { 0 };
	struct hoy_shim_flags flags = *given;
	auto_free char *address = NULL;
	int r = hoy_shim_read_stdin(&options, &bootstrap, err);

	if (r < 0)
		return r;
	fill_in(&flags, &bootstrap);
	r = check_flags(&flags, err);
	if (r >= 0)
		r = hoy_shim_options_save(&options, ".", err);
	if (r >= 0)
		r = start_in(&flags, &options, options.socket_dir ? options.socket_dir : HOY_SHIM_DEFAULT_SOCKET_DIR,
			&address, err);
	return r < 0 ? r : print_address(address, options.bootstrap_version, err);
}
