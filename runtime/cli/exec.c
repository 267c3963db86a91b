/* exec: the process is the container's own, changed by the options, or one from a file. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/file.h"
#include "libocispec/runtime.h"
#include "runtime/apply/create.h"
#include "runtime/apply/exec.h"
#include "runtime/apply/lifecycle.h"
#include "runtime/cli/command.h"
#include "runtime/cli/foreground.h"
#include "runtime/sealed.h"
#include "runtime/texts.h"

#define EXEC_ERROR 255
#define PROCESS_MAX ((size_t) 16 << 20)

struct exec_values {
	const char *console_socket, *pidfd_socket, *cwd, *user, *process, *pid_file, *process_label, *apparmor;
	const char *env[HOY_MAX_STRINGS], *gids[HOY_MAX_STRINGS], *caps[HOY_MAX_STRINGS], *cgroups[HOY_MAX_STRINGS];
	bool tty, detach, no_new_privs, ignore_paused, no_subreaper;
	unsigned int preserve_fds;
};
#define O(name, letter, kind, member, help) HOY_OPTION(struct exec_values, name, letter, kind, member, help)

static const struct hoy_option exec_options[] = {
	O("console-socket", 0, STRING, console_socket, "unix socket that gets the terminal's master"),
	O("pidfd-socket", 0, STRING, pidfd_socket, "unix socket that gets a pidfd of the process"),
	O("cwd", 0, STRING, cwd, "working directory"),
	O("env", 'e', STRINGS, env, "variable NAME=VALUE to add; may be given again"),
	O("tty", 't', FLAG, tty, "give the process a terminal"),
	O("user", 'u', STRING, user, "UID[:GID]"),
	O("additional-gids", 'g', STRINGS, gids, "group to add; may be given again"),
	O("process", 'p', STRING, process, "file with the process object"),
	O("detach", 'd', FLAG, detach, "return when the program runs"),
	O("pid-file", 0, STRING, pid_file, "file to write the process id to"),
	O("process-label", 0, STRING, process_label, "SELinux label"),
	O("apparmor", 0, STRING, apparmor, "AppArmor profile"),
	O("no-new-privs", 0, FLAG, no_new_privs, "no new privileges"),
	O("cap", 'c', STRINGS, caps, "capability to add; may be given again"),
	O("preserve-fds", 0, UINT, preserve_fds, "pass N descriptors from 3 on"),
	O("cgroup", 0, STRINGS, cgroups, "group below the container's, [CONTROLLER,...:]PATH; may be given again"),
	O("ignore-paused", 0, FLAG, ignore_paused, "also in a paused container; the process waits for resume"),
	O("no-subreaper", 0, FLAG, no_subreaper, "do not adopt processes that the program leaves behind"),
};

static int replace(char **to, const char *value)
{
	if (!value)
		return 0;
	free(*to);
	*to = strdup(value);
	return *to ? 0 : -ENOMEM;
}

static int set_user(struct hoy_oci_user *user, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **part = text ? hoy_str_split(text, ':') : NULL;

	if (!text)
		return 0;
	if (!part)
		return hoy_err_oom(err);
	if (hoy_strv_len(part) > 2 || hoy_str_to_uint(part[0], &user->uid) < 0 ||
		(part[1] && hoy_str_to_uint(part[1], &user->gid) < 0))
		return hoy_err_invalid(err, "option --user: '%s' is not UID[:GID]", text);
	return 0;
}

static int add_gids(struct hoy_oci_user *user, const char *const *gids, struct hoy_err *err)
{
	for (; *gids; gids++) {
		uint32_t *more = reallocarray(user->additional_gids, user->n_additional_gids + 1, sizeof *more);

		if (!more)
			return hoy_err_oom(err);
		user->additional_gids = more;
		if (hoy_str_to_uint(*gids, &more[user->n_additional_gids]) < 0)
			return hoy_err_invalid(err, "option --additional-gids: '%s' is not a number", *gids);
		user->n_additional_gids++;
	}
	return 0;
}

static int add_caps(struct hoy_oci_process *p, const char *const *caps)
{
	int r = 0;

	if (!*caps)
		return 0;
	if (!p->capabilities)
		p->capabilities = calloc(1, sizeof *p->capabilities);
	if (!p->capabilities)
		return -ENOMEM;
	for (; r == 0 && *caps; caps++) {
		r = hoy_strv_add(&p->capabilities->bounding, *caps);
		if (r == 0)
			r = hoy_strv_add(&p->capabilities->permitted, *caps);
		if (r == 0)
			r = hoy_strv_add(&p->capabilities->effective, *caps);
		/* Ambient ones must be inheritable too; those are never added here. */
		if (r == 0 && p->capabilities->inheritable && p->capabilities->inheritable[0])
			r = hoy_strv_add(&p->capabilities->ambient, *caps);
	}
	return r;
}

/* The container's own process with what the options say. */
static int from_options(struct hoy_oci_process *p, const struct exec_values *v, char **args, struct hoy_err *err)
{
	int r;

	hoy_strv_free(p->args);
	p->args = hoy_strv_copy(args);
	p->terminal = v->tty;
	free(p->console_size);
	p->console_size = NULL;
	p->no_new_privileges |= v->no_new_privs;
	r = p->args ? replace(&p->cwd, v->cwd) : -ENOMEM;
	if (r == 0)
		r = replace(&p->apparmor_profile, v->apparmor);
	if (r == 0)
		r = replace(&p->selinux_label, v->process_label);
	for (const char *const *e = v->env; r == 0 && *e; e++)
		r = hoy_env_set(&p->env, *e);
	if (r == 0)
		r = add_caps(p, v->caps);
	if (r < 0)
		return hoy_err_oom(err);
	r = set_user(&p->user, v->user, err);
	return r < 0 ? r : add_gids(&p->user, v->gids, err);
}

#define INHERIT(member)                                                                                                \
	do {                                                                                                           \
		if (!to->member)                                                                                       \
			to->member = TAKE_PTR(from->member);                                                           \
	} while (0)

/* What the file leaves open is as in the container. */
static void inherit(struct hoy_oci_process *to, struct hoy_oci_process *from)
{
	INHERIT(capabilities);
	INHERIT(apparmor_profile);
	INHERIT(selinux_label);
	INHERIT(scheduler);
	INHERIT(io_priority);
	INHERIT(exec_cpu_affinity);
	INHERIT(oom_score_adj);
	if (!to->n_rlimits) {
		free(to->rlimits);
		to->rlimits = TAKE_PTR(from->rlimits);
		to->n_rlimits = from->n_rlimits;
		from->n_rlimits = 0;
	}
}

static int from_file(struct hoy_oci_spec *spec, const char *path, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = PROCESS_MAX };
	struct hoy_oci_process *process;
	int r = hoy_file_read(AT_FDCWD, path, &text, err);

	if (r == 0)
		r = hoy_oci_process_parse(text.data, text.len, &process, err);
	if (r < 0)
		return hoy_err_wrap(err, "%s", path);
	inherit(process, spec->process);
	hoy_oci_process_free(spec->process);
	spec->process = process;
	return 0;
}

static int check_state(const struct hoy_state *state, const struct exec_values *v, int *ret_pidfd, struct hoy_err *err)
{
	switch (hoy_state_status_pidfd(state, ret_pidfd)) {
	case HOY_STATUS_STOPPED:
	case HOY_STATUS_CREATING:
		return hoy_err_conflict(err, TEXT_EXEC_STOPPED);
	case HOY_STATUS_PAUSED:
		return v->ignore_paused ? 0 : hoy_err_conflict(err, TEXT_PAUSED);
	case HOY_STATUS_CREATED:
	case HOY_STATUS_RUNNING:
		break;
	}
	return 0;
}

static int make_process(struct hoy_oci_spec *spec, const struct exec_values *v, char **args, struct hoy_err *err)
{
	if (v->process)
		return args[0] ? hoy_err_invalid(err, "exec: --process and a program exclude each other")
			       : from_file(spec, v->process, err);
	if (!args[0])
		return hoy_err_invalid(err, "exec: requires a program");
	return from_options(spec->process, v, args, err);
}

static int exec_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_container_done) struct hoy_container c = {
		.state = { .dir = -EBADF }, .pidfd = -EBADF, .sync = -EBADF, .master = -EBADF
	};
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	const struct exec_values *v = values;
	struct hoy_exec_options o = {
		.console_socket = v->console_socket,
		.pidfd_socket = v->pidfd_socket,
		.pid_file = v->pid_file,
		.cgroups = v->cgroups,
		.preserve_fds = v->preserve_fds,
		.detach = v->detach,
	};
	auto_fd int init = -EBADF;
	int status = 0, r = hoy_sealed_ensure(err);

	if (r == 0)
		r = hoy_state_load(g->root, args[0], false, &state, err);
	if (r == 0)
		r = check_state(&state, v, &init, err);
	if (r == 0)
		r = hoy_container_config(&state, &spec, err);
	if (r == 0)
		r = make_process(spec, v, args + 1, err);
	if (r == 0)
		r = hoy_foreground_prepare(!v->detach && !v->no_subreaper, err);
	if (r == 0) {
		o.init = TAKE_FD(init);
		r = hoy_container_exec(&state, spec, &o, &c, err);
	}
	if (r == 0 && !v->detach)
		r = hoy_foreground_serve(&c, &status, err);
	return r < 0 ? r : status;
}

const struct hoy_command hoy_cmd_exec = {
	.name = "exec",
	.args = "CONTAINER PROGRAM [ARGUMENT...]",
	.summary = "Run another process in a container",
	.min_args = 1,
	.max_args = 0,
	.options = exec_options,
	.n_options = ARRAY_LEN(exec_options),
	.options_size = sizeof(struct exec_values),
	.options_end_at_id = true,
	.error_status = EXEC_ERROR,
	.run = exec_run,
};
