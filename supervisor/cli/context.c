/* Which engine, and starting our own when nobody is there. */
#include "supervisor/cli/context.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/helper.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/cli/context_store.h"

char *hoy_context_current(const char *given, const struct hoy_config *config)
{
	const char *name = given ? given : getenv("DOCKER_CONTEXT");
	const char *host = getenv("DOCKER_HOST");

	if (!given && host && *host)
		name = "default";
	else if (!name || !*name)
		name = hoy_config_text(config, "currentContext");
	return strdup(name && *name ? name : "default");
}

int hoy_context_resolve(const char *host, const char *context, const struct hoy_config *config,
	struct hoy_http_host *ret, bool *ret_default, struct hoy_err *err)
{
	auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;
	auto_free char *name = NULL;
	const char *from_env = getenv("DOCKER_HOST");
	int r;

	*ret_default = false;
	if (host && context)
		return hoy_err_invalid(err, "conflicting options: cannot specify both --host and --context");
	if (host)
		return hoy_http_host_parse(host, ret, err);
	if (!context && from_env && *from_env)
		return hoy_http_host_parse(from_env, ret, err);
	name = hoy_context_current(context, config);
	if (!name)
		return hoy_err_oom(err);
	if (strcmp(name, "default") != 0) {
		r = hoy_context_load(config, name, &meta, err);
		return r < 0 ? r : hoy_http_host_parse(hoy_context_host(meta), ret, err);
	}
	*ret_default = true;
	return hoy_http_host_parse("unix://" HOY_DEFAULT_SOCKET, ret, err);
}

static bool daemon_answers(void)
{
	const struct hoy_http_request ping = { .method = "HEAD", .path = "/_ping", .body_fd = -1, .probe = true };
	struct hoy_http_host host = { .url = (char *) "unix://" HOY_DEFAULT_SOCKET,
		.path = (char *) HOY_DEFAULT_SOCKET };
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };

	return hoy_http_send(&host, &ping, &http, NULL) == 0 && http.status == 200;
}

/* hoyd with a clean environment, its output in /run/hoy/hoyd.log. */
static int spawn_daemon(pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err)
{
	char *const argv[] = { "hoyd", NULL };
	char *const envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
		NULL };
	auto_free char *path = NULL;
	auto_fd int log = -EBADF;
	int fds[3] = { -1, -1, -1 };
	int r = hoy_helper_find("hoyd", HOY_HELPER_PROGRAM, &path, err);

	if (r < 0)
		return r;
	log = open("/run/hoy/hoyd.log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log < 0)
		return hoy_err_sys(err, "open '/run/hoy/hoyd.log'");
	fds[1] = fds[2] = log;
	return hoy_process_spawn(&(struct hoy_spawn){ .path = path,
					 .argv = argv,
					 .envp = envp,
					 .cwd = "/",
					 .fds = fds,
					 .n_fds = 3,
					 .new_session = true },
		ret_pid, ret_pidfd, err);
}

int hoy_context_start_daemon(struct hoy_err *err)
{
	auto_fd int lock = -EBADF, pidfd = -EBADF;
	struct pollfd ended;
	pid_t pid;
	int r;

	if (geteuid() != 0)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ECONNREFUSED,
			"Cannot connect to the Hoy daemon at unix://" HOY_DEFAULT_SOCKET
			". Is the hoyd daemon running? (only root may start it: sudo hoyd)");
	r = hoy_path_mkdir_all("/run/hoy", 0711, err);
	if (r < 0)
		return r;
	/* Two first commands at once start one daemon: the second finds it answering when the lock is free. */
	lock = open("/run/hoy/start.lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return hoy_err_sys(err, "lock '/run/hoy/start.lock'");
	if (daemon_answers())
		return 0;
	(void) fprintf(stderr, "hoy: no daemon answers on " HOY_DEFAULT_SOCKET ": starting hoyd\n");
	r = spawn_daemon(&pid, &pidfd, err);
	if (r < 0)
		return r;
	ended = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	for (int tries = 0; tries < 500; tries++) {
		if (daemon_answers())
			return 0;
		if (poll(&ended, 1, 20) > 0)
			return hoy_err_set(err, HOY_ERR_SYSTEM, ECHILD, "hoyd ended at once: see /run/hoy/hoyd.log");
	}
	return hoy_err_code(err, -ETIMEDOUT, "hoyd (pid %d) does not answer: see /run/hoy/hoyd.log", (int) pid);
}
