/* Which engine, and starting our own when nobody is there. */
#include "supervisor/cli/context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"

#define CONFIG_MAX ((size_t) 4 << 20)

static int read_json(const char *path, struct hoy_json **ret, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = CONFIG_MAX };
	int r = hoy_file_read(AT_FDCWD, path, &text, err);

	if (r < 0)
		return r;
	r = hoy_json_parse(text.data, text.len, NULL, ret, err);
	return r < 0 ? hoy_err_wrap(err, "'%s'", path) : 0;
}

/* The engine's address in a context's meta.json: {"Name":..,"Endpoints":{"docker":{"Host":..}}}. NULL: another one. */
static char *host_of_context(const char *path, const char *name)
{
	auto_ptr(hoy_json_free) struct hoy_json *meta = NULL;
	const struct hoy_json *endpoint;
	const char *host;

	if (read_json(path, &meta, NULL) < 0 || !hoy_str_eq(hoy_json_string(hoy_json_get(meta, "Name")), name))
		return NULL;
	endpoint = hoy_json_get(hoy_json_get(meta, "Endpoints"), "docker");
	host = hoy_json_string(hoy_json_get(endpoint, "Host"));
	return host ? strdup(host) : NULL;
}

/* The docker CLI names the directories by digest; the name is inside, so all are looked at. */
static int find_context(const char *config_dir, const char *name, char **ret, struct hoy_err *err)
{
	auto_free char *meta_dir = hoy_path_join(config_dir, "contexts/meta");
	char *found = NULL;
	struct dirent *entry;
	DIR *dir;

	if (!meta_dir)
		return hoy_err_oom(err);
	dir = opendir(meta_dir);
	while (dir && !found && (entry = readdir(dir))) {
		auto_free char *path = hoy_str_printf("%s/%s/meta.json", meta_dir, entry->d_name);

		if (path && entry->d_name[0] != '.')
			found = host_of_context(path, name);
	}
	if (dir)
		(void) closedir(dir);
	if (!found)
		return hoy_err_not_found(err, "context \"%s\": context not found in %s", name, meta_dir);
	*ret = found;
	return 0;
}

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
	auto_free char *name = NULL, *found = NULL;
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
		r = find_context(config->dir, name, &found, err);
		return r < 0 ? r : hoy_http_host_parse(found, ret, err);
	}
	*ret_default = true;
	return hoy_http_host_parse("unix://" HOY_DEFAULT_SOCKET, ret, err);
}

static bool daemon_answers(void)
{
	const struct hoy_http_request ping = { .method = "HEAD", .path = "/_ping", .body_fd = -1, .probe = true };
	struct hoy_http_host host = { .url = "unix://" HOY_DEFAULT_SOCKET, .path = (char *) HOY_DEFAULT_SOCKET };
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
