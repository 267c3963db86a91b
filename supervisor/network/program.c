/* Helpers that outlive hoyd: found, started, connected to. */
#include "supervisor/network/program.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

struct hoy_program {
	struct hoy_loop *loop;
	char *name, *exec_root, *argument;
	char *socket_path;
	char *log_path;
	int cgroup_fd;
	struct hoy_source *child; /* the one we started, to be reaped */
};

int hoy_program_new(
	struct hoy_loop *loop, const struct hoy_program_start *start, struct hoy_program **ret, struct hoy_err *err)
{
	struct hoy_program *program = calloc(1, sizeof *program);

	if (!program)
		return hoy_err_oom(err);
	program->loop = loop;
	program->cgroup_fd = start->cgroup_fd;
	program->name = strdup(start->name);
	program->exec_root = strdup(start->exec_root);
	program->argument = start->argument ? strdup(start->argument) : NULL;
	program->socket_path = hoy_str_printf("%s/%s.sock", start->exec_root, start->name);
	program->log_path = hoy_str_printf("%s/%s.log", start->exec_root, start->name);
	if (!program->name || !program->exec_root || (start->argument && !program->argument) || !program->socket_path ||
		!program->log_path) {
		hoy_program_free(program);
		return hoy_err_oom(err);
	}
	*ret = program;
	return 0;
}

void hoy_program_free(struct hoy_program *program)
{
	if (!program)
		return;
	program->child = hoy_source_free(program->child);
	free(program->name);
	free(program->exec_root);
	free(program->argument);
	free(program->socket_path);
	free(program->log_path);
	free(program);
}

static void on_child(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct hoy_program *program = userdata;

	(void) source;
	if (hoy_process_status(si) != 0)
		hoy_log_warn(
			"%s ended with status %d, see '%s'", program->name, hoy_process_status(si), program->log_path);
	program->child = hoy_source_free(program->child);
}

int hoy_program_spawn(const struct hoy_program_start *start, pid_t *ret_pid, struct hoy_err *err)
{
	auto_free char *path = NULL, *socket_path = hoy_str_printf("%s/%s.sock", start->exec_root, start->name),
		       *log_path = hoy_str_printf("%s/%s.log", start->exec_root, start->name);
	auto_fd int listening = -EBADF, log = -EBADF;
	int r = socket_path && log_path ? hoy_helper_find(start->name, HOY_HELPER_LIBEXEC, &path, err)
					: hoy_err_oom(err);

	if (r < 0)
		return r;
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (log < 0)
		return hoy_err_sys(err, "open '%s'", log_path);
	if (unlink(socket_path) < 0 && errno != ENOENT)
		return hoy_err_sys(err, "remove '%s'", socket_path);
	listening = hoy_fd_unix_listen(socket_path, SOCK_SEQPACKET | SOCK_NONBLOCK, 0600, err);
	if (listening < 0)
		return listening;

	char *argv[] = { (char *) start->name, socket_path, (char *) start->argument, NULL };
	char *envp[] = { "LANG=C", NULL };
	const int fds[] = { -1, log, log, listening };
	const struct hoy_spawn spawn = {
		.path = path,
		.argv = argv,
		.envp = envp,
		.cwd = "/",
		.fds = fds,
		.n_fds = 4,
		.new_session = true,
		.cgroup_fd = start->cgroup_fd,
	};

	return hoy_process_spawn(&spawn, ret_pid, NULL, err);
}

static int start(struct hoy_program *program, struct hoy_err *err)
{
	const struct hoy_program_start how = { .name = program->name,
		.exec_root = program->exec_root,
		.argument = program->argument,
		.cgroup_fd = program->cgroup_fd };
	pid_t pid;
	int r = hoy_program_spawn(&how, &pid, err);

	if (r < 0)
		return r;
	program->child = hoy_source_free(program->child);
	return hoy_loop_child(program->loop, &program->child, pid, on_child, program, err);
}

int hoy_program_connect(struct hoy_program *program, struct hoy_err *err)
{
	int sock = hoy_fd_unix_connect(program->socket_path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);

	if (sock == -ENOENT || sock == -ECONNREFUSED) {
		int r = start(program, err);

		if (r < 0)
			return r;
		sock = hoy_fd_unix_connect(program->socket_path, SOCK_SEQPACKET | SOCK_NONBLOCK, err);
	}
	return sock;
}

void hoy_program_gone(struct hoy_program *program)
{
	(void) unlink(program->socket_path);
}

const char *hoy_program_log(const struct hoy_program *program)
{
	return program->log_path;
}
