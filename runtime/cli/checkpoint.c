/* checkpoint and restore. */
#include <errno.h>
#include <stdlib.h>
#include <sys/prctl.h>

#include "base/fd.h"
#include "runtime/apply/criu.h"
#include "runtime/cli/command.h"
#include "runtime/cli/foreground.h"

struct values {
	struct hoy_criu_options criu;
	const char *empty_ns[HOY_MAX_STRINGS];
	const char *bundle, *console_socket, *pid_file;
	bool detach, keep, no_subreaper, no_pivot;
};
#define O(name, letter, kind, member, help) HOY_OPTION(struct values, name, letter, kind, member, help)

#define COMMON_OPTIONS                                                                                                 \
	O("image-path", 0, STRING, criu.image_path, "directory of the images (default: checkpoint)"),                  \
		O("work-path", 0, STRING, criu.work_path, "directory for CRIU's log (default: that of the images)"),   \
		O("tcp-established", 0, FLAG, criu.tcp_established, "keep established TCP connections"),               \
		O("ext-unix-sk", 0, FLAG, criu.ext_unix_sk, "allow unix sockets whose other end is outside"),          \
		O("shell-job", 0, FLAG, criu.shell_job, "allow processes of a session from outside"),                  \
		O("file-locks", 0, FLAG, criu.file_locks, "keep file locks"),                                          \
		O("lazy-pages", 0, FLAG, criu.lazy_pages, "move memory when it is asked for"),                         \
		O("auto-dedup", 0, FLAG, criu.auto_dedup, "free what an image has twice"),                             \
		O("manage-cgroups-mode", 0, STRING, criu.cgroups_mode, "soft (default), full, strict or ignore"),      \
		O("empty-ns", 0, STRINGS, empty_ns, "namespace without its contents: network, which always is")

static const struct hoy_option checkpoint_options[] = {
	COMMON_OPTIONS,
	O("parent-path", 0, STRING, criu.parent_path, "images of the dump before, relative to --image-path"),
	O("leave-running", 0, FLAG, criu.leave_running, "let the container go on"),
	O("pre-dump", 0, FLAG, criu.pre_dump, "save memory only and let the container go on"),
	O("tcp-skip-in-flight", 0, FLAG, criu.tcp_skip_in_flight, "leave out connections that are being made"),
	O("link-remap", 0, FLAG, criu.link_remap, "give unlinked files a name again"),
	O("page-server", 0, STRING, criu.page_server, "ADDRESS:PORT that memory is sent to or asked from"),
	O("status-fd", 0, INT, criu.status_fd, "descriptor that gets a byte when lazy pages can be asked for"),
};

static const struct hoy_option restore_options[] = {
	COMMON_OPTIONS,
	O("bundle", 'b', STRING, bundle, "directory of config.json (default: the current one)"),
	O("console-socket", 0, STRING, console_socket, "unix socket that gets the terminal's master"),
	O("pid-file", 0, STRING, pid_file, "file to write the process id to"),
	O("detach", 'd', FLAG, detach, "return when the processes run"),
	O("keep", 0, FLAG, keep, "do not delete the container when its program ends"),
	O("no-subreaper", 0, FLAG, no_subreaper, "do not adopt processes that the container leaves behind"),
	O("no-pivot", 0, FLAG, no_pivot, "refused: criu knows pivot_root only"),
	O("lsm-profile", 0, STRING, criu.lsm_profile, "TYPE:LABEL for the processes instead of the saved one"),
	O("lsm-mount-context", 0, STRING, criu.lsm_mount_context, "SELinux context for mounts that have one"),
};

static int checkpoint_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	struct values *v = values;
	int r = hoy_state_load(g->root, args[0], /* lock= */ true, &state, err);

	v->criu.empty_ns = v->empty_ns;
	return r < 0 ? r : hoy_container_checkpoint(g->root, &state, &v->criu, err);
}

static int restore(const struct hoy_globals *g, const struct values *v, const char *id, struct hoy_container *ret,
	struct hoy_err *err)
{
	auto_free char *bundle = NULL;
	struct hoy_create_options o = {
		.root = g->root,
		.id = id,
		.console_socket = v->console_socket,
		.pid_file = v->pid_file,
		.rootless = hoy_globals_rootless(g),
		.systemd_cgroup = g->systemd_cgroup,
		.no_cgroup = g->no_cgroup,
		.no_pivot = v->no_pivot,
		.run = true,
		.detach = v->detach,
	};
	int r = hoy_state_check_id(id, err);

	if (r == 0)
		r = hoy_bundle_path(v->bundle, &bundle, err);
	if (r < 0)
		return r;
	o.bundle = bundle;
	return hoy_container_restore(&o, &v->criu, ret, err);
}

static int restore_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_container_done) struct hoy_container c = {
		.state = { .dir = -EBADF }, .pidfd = -EBADF, .sync = -EBADF, .master = -EBADF
	};
	struct values *v = values;
	int r = hoy_foreground_prepare(!v->detach, err);

	v->criu.empty_ns = v->empty_ns;
	if (r == 0)
		r = restore(g, v, args[0], &c, err);
	if (r < 0)
		return r;
	/* To wait for it we had to adopt the first process; others need not follow. */
	if (v->no_subreaper)
		(void) prctl(PR_SET_CHILD_SUBREAPER, 0);
	return hoy_foreground_stay(g->root, &c, v->detach, v->keep, err);
}

const struct hoy_command hoy_cmd_checkpoint = {
	.name = "checkpoint",
	.args = "CONTAINER",
	.summary = "Save the processes of a running container to files",
	.min_args = 1,
	.max_args = 1,
	.options = checkpoint_options,
	.n_options = ARRAY_LEN(checkpoint_options),
	.options_size = sizeof(struct values),
	.run = checkpoint_run,
};

const struct hoy_command hoy_cmd_restore = {
	.name = "restore",
	.args = "CONTAINER",
	.summary = "Make a container from saved processes and a bundle",
	.min_args = 1,
	.max_args = 1,
	.options = restore_options,
	.n_options = ARRAY_LEN(restore_options),
	.options_size = sizeof(struct values),
	.run = restore_run,
};
