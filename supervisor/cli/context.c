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

static int parse_default(struct hoy_http_host *ret, struct hoy_err *err)
{
	auto_free char *socket = hoy_context_default_socket();
	auto_free char *url = socket ? hoy_str_printf("unix://%s", socket) : NULL;

	return url ? hoy_http_host_parse(url, ret, err) : hoy_err_oom(err);
}

/* A tcp:// context with certificates, or one that does without, is behind TLS. */
static int take_certificates(const struct hoy_config *config, const char *name, const struct hoy_json *meta,
	struct hoy_http_host *host, struct hoy_err *err)
{
	auto_free char *directory = hoy_context_tls_directory(config, name);
	char **const paths[HOY_CONTEXT_TLS_FILES] = { &host->tls_ca, &host->tls_cert, &host->tls_key };

	if (!host->name)
		return 0;
	if (!directory)
		return hoy_err_oom(err);
	host->tls_verify = !hoy_context_skips_verify(meta);
	host->tls = !host->tls_verify;
	for (size_t i = 0; i < HOY_CONTEXT_TLS_FILES; i++) {
		auto_free char *path = hoy_path_join(directory, hoy_context_tls_names[i]);

		if (!path)
			return hoy_err_oom(err);
		if (access(path, F_OK) < 0)
			continue;
		*paths[i] = TAKE_PTR(path);
		host->tls = true;
	}
	return 0;
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
		if (r == 0)
			r = hoy_http_host_parse(hoy_context_host(meta), ret, err);
		return r < 0 ? r : take_certificates(config, name, meta, ret, err);
	}
	*ret_default = true;
	return parse_default(ret, err);
}

#define ROOTS_DIRECTORY "/run/hoy"
#define ROOTS_SOCKET ROOTS_DIRECTORY "/hoy.sock"

/* Where the daemon that we would start has its socket, lock and log; NULL: nowhere. */
static char *own_directory(void)
{
	auto_free char *runtime = geteuid() == 0 ? NULL : hoy_path_user_runtime();

	return geteuid() == 0 ? strdup(ROOTS_DIRECTORY) : runtime ? hoy_path_join(runtime, "hoy") : NULL;
}

char *hoy_context_default_socket(void)
{
	auto_free char *directory = own_directory();
	auto_free char *own = directory ? hoy_path_join(directory, "hoy.sock") : NULL;

	if (!own || (geteuid() != 0 && access(own, F_OK) < 0 && access(ROOTS_SOCKET, R_OK | W_OK) == 0))
		return strdup(ROOTS_SOCKET);
	return TAKE_PTR(own);
}

static bool daemon_answers(const char *socket)
{
	const struct hoy_http_request ping = { .method = "HEAD", .path = "/_ping", .body_fd = -1, .probe = true };
	auto_free char *url = hoy_str_printf("unix://%s", socket);
	struct hoy_http_host host = { .url = url, .path = (char *) socket };
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };

	return url && hoy_http_send(&host, &ping, &http, NULL) == 0 && http.status == 200;
}

/* hoyd with a clean environment: of ours only what says where a user's directories are. */
static int daemon_environment(char ***ret)
{
	static const char *const kept[] = { "HOME", "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME",
		"DBUS_SESSION_BUS_ADDRESS" };
	int r = hoy_strv_add(ret, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

	if (geteuid() == 0)
		return r < 0 ? r : hoy_strv_add(ret, "HOME=/root");
	for (size_t i = 0; r >= 0 && i < ARRAY_LEN(kept); i++)
		if (getenv(kept[i]))
			r = hoy_strv_addf(ret, "%s=%s", kept[i], getenv(kept[i]));
	return r;
}

static int spawn_daemon(const char *log_path, pid_t *ret_pid, int *ret_pidfd, struct hoy_err *err)
{
	char *const argv[] = { "hoyd", NULL };
	auto_ptr(hoy_strv_free) char **envp = NULL;
	auto_free char *path = NULL;
	auto_fd int log = -EBADF;
	int fds[3] = { -1, -1, -1 };
	int r = hoy_helper_find("hoyd", HOY_HELPER_PROGRAM, &path, err);

	if (r < 0)
		return r;
	if (daemon_environment(&envp) < 0)
		return hoy_err_oom(err);
	log = open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (log < 0)
		return hoy_err_sys(err, "open '%s'", log_path);
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

/* The lock is held: the one who had it may have started what answers now. */
static int start_in(const char *directory, struct hoy_err *err)
{
	auto_free char *socket = hoy_path_join(directory, "hoy.sock"), *log = hoy_path_join(directory, "hoyd.log");
	auto_fd int pidfd = -EBADF;
	struct pollfd ended;
	pid_t pid;
	int r;

	if (!socket || !log)
		return hoy_err_oom(err);
	if (daemon_answers(socket))
		return 0;
	(void) fprintf(stderr, "hoy: no daemon answers on %s: starting hoyd\n", socket);
	r = spawn_daemon(log, &pid, &pidfd, err);
	if (r < 0)
		return r;
	ended = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	for (int tries = 0; tries < 500; tries++) {
		if (daemon_answers(socket))
			return 0;
		if (poll(&ended, 1, 20) > 0)
			return hoy_err_set(err, HOY_ERR_SYSTEM, ECHILD, "hoyd ended at once: see %s", log);
	}
	return hoy_err_code(err, -ETIMEDOUT, "hoyd (pid %d) does not answer: see %s", (int) pid, log);
}

int hoy_context_start_daemon(struct hoy_err *err)
{
	auto_free char *directory = own_directory();
	auto_free char *lock_path = directory ? hoy_path_join(directory, "start.lock") : NULL;
	auto_fd int lock = -EBADF;
	int r;

	if (!lock_path)
		return hoy_err_set(err, HOY_ERR_SYSTEM, ECONNREFUSED,
			"Cannot connect to the Hoy daemon at unix://" ROOTS_SOCKET
			". Is the hoyd daemon running? (one of your own needs XDG_RUNTIME_DIR; root's: sudo hoyd)");
	r = hoy_path_mkdir_all(directory, 0711, err);
	if (r < 0)
		return r;
	/* Two first commands at once start one daemon: the second finds it answering when the lock is free. */
	lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0 || flock(lock, LOCK_EX) < 0)
		return hoy_err_sys(err, "lock '%s'", lock_path);
	return start_in(directory, err);
}
