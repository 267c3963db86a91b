/* The last steps: working directory, environment, the program, the descriptors it gets. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "runtime/child/child.h"
#include "runtime/child/passwd.h"
#include "runtime/texts.h"

#define PASSWD_MAX ((size_t) 4 << 20)

/* A directory that leaks in from outside (a descriptor left open, reached by /proc/self/fd) is not below our root: the
 * kernel then has no path for it. */
static int check_working_dir(const char *cwd, struct hoy_err *err)
{
	auto_free char *whole = NULL;
	char path[256];
	long n = syscall(SYS_getcwd, path, sizeof path);
	const char *now = path;

	if (n < 0 && errno == ERANGE)
		now = whole = getcwd(NULL, 0);
	else if (n < 0)
		now = NULL;
	if (!now)
		return hoy_err_sys(err, "process.cwd: '%s' is not in the container", cwd);
	if (now[0] != '/')
		return hoy_err_set(err, HOY_ERR_INVALID, EPERM, "process.cwd: '%s' is not in the container", cwd);
	return 0;
}

int hoy_child_working_dir(struct hoy_child *c, struct hoy_err *err)
{
	const char *cwd = c->plan->spec->process->cwd;

	if (c->cwd_error && chdir(cwd) < 0)
		return hoy_err_code(err, -c->cwd_error, "process.cwd: chdir '%s'", cwd);
	/* Who was not told to go anywhere else stands at the root since pivot_root() or setns(). */
	return strcmp(cwd, "/") == 0 ? 0 : check_working_dir(cwd, err);
}

static int add_home(struct hoy_child *c, char ***env, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = PASSWD_MAX };
	auto_fd int fd = hoy_path_open_in_root(c->root, "/etc/passwd", O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, NULL);
	auto_free char *home = NULL, *entry = NULL;
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		hoy_file_read_fd(fd, "/etc/passwd", &text, NULL) == 0 && text.data)
		home = hoy_passwd_home(text.data, c->plan->spec->process->user.uid);
	entry = hoy_str_concat("HOME=", home ? home : "/");
	return !entry || hoy_env_set(env, entry) < 0 ? hoy_err_oom(err) : 0;
}

int hoy_child_environment(struct hoy_child *c, struct hoy_err *err)
{
	char ***env = (char ***) &c->plan->env;
	const char *home = hoy_env_get(*env, "HOME");

	if (c->plan->params.listen_fds && hoy_strv_addf(env, "LISTEN_PID=%d", (int) getpid()) < 0)
		return hoy_err_oom(err);
	if (home && home[0])
		return 0;
	return add_home(c, env, err);
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* `soon`: execve() comes next and finds out about directories, too. */
static bool is_executable(const char *path, bool soon, int *ret_errnum)
{
	int errnum = faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;

	*ret_errnum = (errnum == EACCES || (!errnum && !soon)) && is_directory(path) ? EISDIR : errnum;
	return *ret_errnum == 0;
}

static int exec_failed(const char *name, int errnum, struct hoy_err *err)
{
	auto_free char *why = strdup(strerror(errnum));

	if (why)
		why[0] = (char) tolower((unsigned char) why[0]);
	return hoy_err_set(err, HOY_ERR_SYSTEM, errnum, TEXT_EXEC_FAILED, name, why ? why : "");
}

static int find_in_path(const char *name, const char *path, char **ret, struct hoy_err *err)
{
	bool denied = false;

	while (path && *path) {
		size_t len = strcspn(path, ":");
		auto_free char *dir = strndup(path, len);
		auto_free char *full = dir ? hoy_path_join(len ? dir : ".", name) : NULL;
		int errnum;

		if (!full)
			return hoy_err_oom(err);
		if (is_executable(full, /* soon= */ false, &errnum)) {
			*ret = TAKE_PTR(full);
			return 0;
		}
		denied |= errnum == EACCES;
		path += len + (path[len] == ':');
	}
	if (denied)
		return hoy_err_set(err, HOY_ERR_INVALID, EACCES, TEXT_EXEC_DENIED, name);
	return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, TEXT_EXEC_NOT_IN_PATH, name);
}

int hoy_child_find_program(struct hoy_child *c, struct hoy_err *err)
{
	const char *name = c->plan->spec->process->args[0];
	int errnum;

	if (!strchr(name, '/'))
		return find_in_path(name, hoy_env_get(c->plan->env, "PATH"), &c->program, err);
	if (is_executable(name, c->start_listener < 0, &errnum)) {
		c->program = strdup(name);
		return c->program ? 0 : hoy_err_oom(err);
	}
	if (errnum == ENOENT)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, TEXT_EXEC_MISSING, name, name);
	if (errnum == EACCES)
		return hoy_err_set(err, HOY_ERR_INVALID, EACCES, TEXT_EXEC_DENIED, name);
	if (errnum == EISDIR)
		return hoy_err_set(err, HOY_ERR_INVALID, EISDIR, TEXT_EXEC_DIRECTORY, name);
	return exec_failed(name, errnum, err);
}

/* What a sweep must spare: all that a later step may still want. */
static int *kept_fds(const struct hoy_child *c, size_t *ret_n)
{
	const struct hoy_plan *plan = c->plan;
	const int single[] = { c->sync, c->start_listener, c->console_socket, c->root, c->procfs, c->sysfs, c->dev,
		c->proc };
	const struct {
		const int *fds;
		size_t n;
	} lists[] = { { single, ARRAY_LEN(single) }, { c->join_fds, plan->n_joins }, { c->trees, plan->n_mounts },
		{ c->idmaps, plan->n_mounts }, { c->late_readonly, plan->n_mounts } };
	int *keep = calloc(ARRAY_LEN(single) + plan->n_joins + 3 * plan->n_mounts, sizeof *keep);
	size_t n = 0;

	for (size_t i = 0; keep && i < ARRAY_LEN(lists); i++)
		for (size_t k = 0; lists[i].fds && k < lists[i].n; k++)
			if (lists[i].fds[k] >= 0)
				keep[n++] = lists[i].fds[k];
	*ret_n = n;
	return keep;
}

int hoy_child_sweep(struct hoy_child *c, struct hoy_err *err)
{
	size_t n;
	auto_free int *keep = kept_fds(c, &n);
	int r = keep ? hoy_fd_close_except(3 + (int) c->plan->params.preserve_fds, keep, n) : -ENOMEM;

	return r < 0 ? hoy_err_code(err, r, "close descriptors") : 0;
}

/* While we wait for `start` nothing is open but stdio, what the container is meant to get, and our own sockets. */
int hoy_child_close_fds(struct hoy_child *c, struct hoy_err *err)
{
	int first = 3 + (int) c->plan->params.preserve_fds, keep[] = { c->sync, c->start_listener }, r;

	/* What has come through our own execve() is the caller's; what is close-on-exec is ours, in its place. */
	for (int fd = 3; fd < first; fd++) {
		int flags = fcntl(fd, F_GETFD);

		if (flags < 0 || flags & FD_CLOEXEC)
			return hoy_err_code(err, -EBADF, "--preserve-fds: descriptor %d", fd);
	}
	r = hoy_fd_close_except(first, keep, ARRAY_LEN(keep));
	return r < 0 ? hoy_err_code(err, r, "close descriptors") : 0;
}

int hoy_child_exec(struct hoy_child *c, struct hoy_err *err)
{
	const char *name = c->plan->spec->process->args[0];

	(void) execve(c->program, c->plan->spec->process->args, c->plan->env);
	if (errno == EACCES && is_directory(c->program))
		return hoy_err_set(err, HOY_ERR_INVALID, EISDIR, TEXT_EXEC_DIRECTORY, name);
	return exec_failed(name, errno, err);
}
