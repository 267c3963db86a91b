/* create and run. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/path.h"
#include "base/process.h"
#include "runtime/apply/create.h"
#include "runtime/apply/lifecycle.h"
#include "runtime/cli/command.h"
#include "runtime/cli/foreground.h"
#include "runtime/sealed.h"
#include "runtime/sync.h"
#include "runtime/texts.h"

struct create_values {
	const char *bundle, *config, *console_socket, *pidfd_socket, *pid_file;
	bool no_pivot, no_new_keyring, detach, keep, no_subreaper;
	unsigned int preserve_fds;
};
#define O(name, letter, kind, member, help) HOY_OPTION(struct create_values, name, letter, kind, member, help)

#define CREATE_OPTIONS                                                                                                 \
	O("bundle", 'b', STRING, bundle, "directory of config.json (default: the current one)"),                       \
		O("config", 'f', STRING, config, "file in the bundle to use instead of config.json"),                  \
		O("console-socket", 0, STRING, console_socket, "unix socket that gets the terminal's master"),         \
		O("pidfd-socket", 0, STRING, pidfd_socket, "unix socket that gets a pidfd of the container"),          \
		O("pid-file", 0, STRING, pid_file, "file to write the process id to"),                                 \
		O("no-pivot", 0, FLAG, no_pivot, "move the root instead of pivot_root (for a rootfs on a ramdisk)"),   \
		O("no-new-keyring", 0, FLAG, no_new_keyring, "keep the caller's session keyring"),                     \
		O("preserve-fds", 0, UINT, preserve_fds, "pass N descriptors from 3 on to the container")

static const struct hoy_option create_options[] = { CREATE_OPTIONS };
static const struct hoy_option run_options[] = {
	CREATE_OPTIONS,
	O("detach", 'd', FLAG, detach, "return when the program runs"),
	O("keep", 0, FLAG, keep, "do not delete the container when its program ends"),
	O("no-subreaper", 0, FLAG, no_subreaper, "do not adopt processes that the container leaves behind"),
};

static int create(const struct hoy_globals *g, const struct create_values *v, const char *id, bool run,
	struct hoy_container *ret, struct hoy_err *err)
{
	auto_free char *bundle = NULL;
	struct hoy_create_options o = {
		.root = g->root,
		.id = id,
		.config = v->config,
		.console_socket = v->console_socket,
		.pidfd_socket = v->pidfd_socket,
		.pid_file = v->pid_file,
		.rootless = hoy_globals_rootless(g),
		.systemd_cgroup = g->systemd_cgroup,
		.no_cgroup = g->no_cgroup,
		.no_pivot = v->no_pivot,
		.no_new_keyring = v->no_new_keyring,
		.preserve_fds = v->preserve_fds,
		.run = run,
		.detach = v->detach,
	};
	int r;

	r = hoy_state_check_id(id, err);
	if (r == 0)
		r = hoy_bundle_path(v->bundle, &bundle, err);
	if (r < 0)
		return r;
	o.bundle = bundle;
	return hoy_container_create(&o, ret, err);
}

static int create_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_container_done) struct hoy_container c = {
		.state = { .dir = -EBADF }, .pidfd = -EBADF, .sync = -EBADF, .master = -EBADF
	};
	int r = hoy_sealed_ensure(err);

	if (r == 0)
		r = create(g, values, args[0], /* run= */ false, &c, err);
	return r < 0 ? hoy_err_wrap(err, TEXT_RUN_FAILED, g->program, g->command) : 0;
}

static int start_program(struct hoy_container *c, struct hoy_err *err)
{
	int r = hoy_sync_wait_exec(c->sync, err);

	if (r < 0)
		return hoy_err_wrap(err, TEXT_START_PROCESS);
	return hoy_container_started(&c->state, c->spec->hooks, c->pidfd, err);
}

static int run_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_container_done) struct hoy_container c = {
		.state = { .dir = -EBADF }, .pidfd = -EBADF, .sync = -EBADF, .master = -EBADF
	};
	const struct create_values *v = values;
	struct hoy_err why = {};
	int r;

	r = hoy_sealed_ensure(err);
	if (r == 0)
		r = hoy_foreground_prepare(!v->detach && !v->no_subreaper, err);
	if (r == 0)
		r = create(g, v, args[0], /* run= */ true, &c, err);
	if (r < 0)
		return hoy_err_wrap(err, TEXT_RUN_FAILED, g->program, g->command);
	r = start_program(&c, err);
	if (r < 0) { /* of no use to anybody */
		if (hoy_container_delete(g->root, &c.state, /* force= */ true, &why) < 0)
			hoy_log_ignored(&why, "delete container '%s'", args[0]);
		return hoy_err_wrap(err, TEXT_RUN_FAILED, g->program, g->command);
	}
	return hoy_foreground_stay(g->root, &c, v->detach, v->keep, err);
}

const struct hoy_command hoy_cmd_create = {
	.name = "create",
	.args = "CONTAINER",
	.summary = "Create a container from a bundle; its program waits for start",
	.min_args = 1,
	.max_args = 1,
	.options = create_options,
	.n_options = ARRAY_LEN(create_options),
	.options_size = sizeof(struct create_values),
	.run = create_run,
};

const struct hoy_command hoy_cmd_run = {
	.name = "run",
	.args = "CONTAINER",
	.summary = "Create and start a container, wait for it and delete it",
	.min_args = 1,
	.max_args = 1,
	.options = run_options,
	.n_options = ARRAY_LEN(run_options),
	.options_size = sizeof(struct create_values),
	.run = run_run,
};
