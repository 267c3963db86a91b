/*
 * hoy-git: the worker that brings git repositories for builds. Serves one request of hoyd's (protocol.h) and exits. git
 * itself is a program of its own, which runs with as little as this process leaves itself (confine.h).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/worker/git/confine.h"
#include "supervisor/worker/git/protocol.h"
#include "supervisor/worker/git/refs.h"

#define OUTPUT_MAX ((size_t) 16 << 20)
#define WORK "work" /* the repository, below the home */
#define TOLD_MAX 400

struct worker {
	struct hoy_json *request;
	const char *git;
	char **env;
	const char *url;
	char commit[HOY_GIT_COMMIT_MAX];
	char *ref; /* the whole name; NULL: a commit was asked for */
};

static const char *text_of(const struct worker *w, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(w->request, key));

	return text ? text : "";
}

/* --- git ---------------------------------------------------------------------------------------------------------- */

static int find_git(struct worker *w, struct hoy_err *err)
{
	static const char *const places[] = { "/usr/bin/git", "/usr/local/bin/git", "/bin/git" };

	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (access(places[i], X_OK) == 0) {
			w->git = places[i];
			return 0;
		}
	return hoy_err_unsupported(err, "git repositories need git on the engine's host: install the package git");
}

/* Nothing of whoever started hoyd but its proxies. */
static int make_env(struct worker *w, struct hoy_err *err)
{
	static const char *const fixed[] = { "PATH=/usr/local/bin:/usr/bin:/bin", ("HOME=" HOY_GIT_HOME), "LC_ALL=C",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true",
		"GIT_ALLOW_PROTOCOL=https:http:git", "GIT_LFS_SKIP_SMUDGE=1" };
	static const char *const proxies[] = { "http_proxy", "https_proxy", "no_proxy" };

	for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
		if (hoy_strv_add(&w->env, fixed[i]) < 0)
			return hoy_err_oom(err);
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++)
		if (*text_of(w, proxies[i]) && hoy_strv_addf(&w->env, "%s=%s", proxies[i], text_of(w, proxies[i])) < 0)
			return hoy_err_oom(err);
	return 0;
}

/* The last words of git, without what a terminal would obey. */
static void clean(char *text)
{
	size_t len = strlen(text);

	if (len > TOLD_MAX)
		memmove(text, text + len - TOLD_MAX, TOLD_MAX + 1);
	for (char *c = text; *c; c++)
		if ((unsigned char) *c < ' ' || *c == 0x7f)
			*c = ' ';
	for (len = strlen(text); len > 0 && text[len - 1] == ' '; len--)
		text[len - 1] = '\0';
}

/* Runs "git ARGS...", NULL-terminated, in `cwd`. *ret_output (heap, may be NULL) is what it printed. */
static int run_git(const struct worker *w, const char *cwd, char **ret_output, struct hoy_err *err, ...)
{
	static const char *const always[] = { "git", "-c", "core.hooksPath=/dev/null", "-c", "credential.helper=", "-c",
		"safe.directory=*", "-c", "advice.detachedHead=false", "-c", "core.fsmonitor=false", "-c", "gc.auto=0",
		"-c", "protocol.version=2" };
	char *argv[ARRAY_LEN(always) + 16] = { 0 };
	auto_free char *output = NULL;
	const char *arg, *verb = "";
	size_t n = ARRAY_LEN(always);
	int status = 0, r;
	va_list args;

	for (size_t i = 0; i < n; i++)
		argv[i] = (char *) (uintptr_t) always[i];
	va_start(args, err);
	while ((arg = va_arg(args, const char *)) && n < ARRAY_LEN(argv) - 1) {
		if (n == ARRAY_LEN(always))
			verb = arg;
		argv[n++] = (char *) (uintptr_t) arg;
	}
	va_end(args);
	r = hoy_process_run(
		&(struct hoy_spawn){
			.path = w->git, .argv = argv, .envp = w->env, .cwd = cwd, .death_signal = SIGKILL },
		OUTPUT_MAX, &output, &status, err);
	if (r < 0)
		return hoy_err_wrap(err, "git %s", verb);
	if (status != 0) {
		clean(output);
		return hoy_err_set(
			err, HOY_ERR_INVALID, EIO, "git %s of '%s': %s", verb, w->url, *output ? output : "failed");
	}
	if (ret_output)
		*ret_output = TAKE_PTR(output);
	return 0;
}

/* --- which commit ------------------------------------------------------------------------------------------------- */

static int find_commit(struct worker *w, struct hoy_err *err)
{
	const char *ref = text_of(w, "ref");
	auto_free char *list = NULL;
	int r;

	if (hoy_git_is_commit(ref)) {
		(void) snprintf(w->commit, sizeof w->commit, "%s", ref);
		return 0;
	}
	r = run_git(w, HOY_GIT_HOME, &list, err, "ls-remote", "--", w->url, NULL);
	if (r < 0)
		return r;
	r = hoy_git_find_ref(list, ref, w->commit, &w->ref);
	if (r == -ENOENT)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, "the repository '%s' has no branch or tag '%s'",
			w->url, *ref ? ref : "HEAD");
	return r < 0 ? hoy_err_code(err, r, "find '%s'", ref) : 0;
}

static int check_commit(const struct worker *w, struct hoy_err *err)
{
	const char *want = text_of(w, "checksum");

	if (hoy_str_starts(w->commit, want))
		return 0;
	return hoy_err_invalid(err, "the commit of '%s' is %s, and not %s as --checksum says", w->url, w->commit, want);
}

/* --- its files ---------------------------------------------------------------------------------------------------- */

/* That commit alone, where the server has it so; else all there is. */
static int fetch(const struct worker *w, struct hoy_err *err)
{
	struct hoy_err ignored = { 0 };
	auto_free char *exists = hoy_str_printf("%s^{commit}", w->commit);

	if (!exists)
		return hoy_err_oom(err);
	if (run_git(w, WORK, NULL, &ignored, "fetch", "-q", "--depth=1", "--no-tags", "--", w->url,
		    w->ref ? w->ref : w->commit, NULL) == 0 &&
		run_git(w, WORK, NULL, &ignored, "cat-file", "-e", exists, NULL) == 0)
		return 0;
	return run_git(w, WORK, NULL, err, "fetch", "-q", "--no-tags", "--", w->url,
		"+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*", NULL);
}

/* Where submodules are, each has a file that says where its repository is. */
static int unlink_submodules(const struct worker *w, struct hoy_err *err)
{
	auto_free char *list = NULL;
	auto_ptr(hoy_strv_free) char **dirs = NULL;
	int r = run_git(w, WORK, &list, err, "submodule", "-q", "foreach", "--recursive", "pwd", NULL);

	if (r == 0 && !(dirs = hoy_str_split(list, '\n')))
		r = hoy_err_oom(err);
	for (char **dir = dirs; r == 0 && dir && *dir; dir++) {
		auto_free char *file = **dir ? hoy_str_printf("%s/.git", *dir) : NULL;

		if (file && unlink(file) < 0 && errno != ENOENT)
			r = hoy_err_sys(err, "remove '%s'", file);
	}
	return r;
}

static int check_out(const struct worker *w, struct hoy_err *err)
{
	int r;

	if (mkdir(WORK, 0755) < 0)
		return hoy_err_sys(err, "make a directory for the repository");
	r = run_git(w, WORK, NULL, err, "init", "-q", "--template=", ".", NULL);
	if (r == 0)
		r = run_git(w, WORK, NULL, err, "remote", "add", "origin", w->url, NULL);
	if (r == 0)
		r = fetch(w, err);
	if (r == 0)
		r = run_git(w, WORK, NULL, err, "checkout", "-q", "--detach", w->commit, NULL);
	if (r == 0)
		r = run_git(
			w, WORK, NULL, err, "submodule", "-q", "update", "--init", "--recursive", "--depth=1", NULL);
	if (r == 0 && !hoy_json_bool(hoy_json_get(w->request, "keep_git_dir"))) {
		r = unlink_submodules(w, err);
		if (r == 0)
			r = hoy_path_remove_all(AT_FDCWD, WORK "/.git", err);
	}
	return r;
}

/* What is in the directory that was asked for becomes the tree. */
static int move_entries(int from, int to, struct hoy_err *err)
{
	int copy = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *entry;

	if (!dir) {
		hoy_fd_close(&copy);
		return hoy_err_sys(err, "read the repository");
	}
	while (r == 0 && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			renameat(from, entry->d_name, to, entry->d_name) < 0)
			r = hoy_err_sys(err, "move '%s'", entry->d_name);
	(void) closedir(dir);
	return r;
}

static int choose_tree(const struct worker *w, struct hoy_err *err)
{
	const char *subdir = text_of(w, "subdir");
	auto_fd int work = -EBADF, from = -EBADF, to = -EBADF;
	int r;

	if (!*subdir)
		return rename(WORK, HOY_GIT_TREE) < 0 ? hoy_err_sys(err, "keep the repository") : 0;
	work = open(WORK, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (work < 0)
		return hoy_err_sys(err, "open the repository");
	from = hoy_path_open_in_root(work, subdir, O_PATH | O_DIRECTORY, 0, NULL);
	if (from < 0)
		return hoy_err_set(
			err, HOY_ERR_NOT_FOUND, ENOENT, "the repository '%s' has no directory '%s'", w->url, subdir);
	if (mkdir(HOY_GIT_TREE, 0755) < 0 || (to = open(HOY_GIT_TREE, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
		return hoy_err_sys(err, "make a directory");
	r = move_entries(from, to, err);
	return r < 0 ? r : hoy_path_remove_all(AT_FDCWD, WORK, err);
}

/* --- one request -------------------------------------------------------------------------------------------------- */

static int receive_request(struct worker *w, int *ret_target, struct hoy_err *err)
{
	auto_free char *text = malloc(HOY_GIT_REQUEST_MAX);
	size_t n_fds = 1;
	ssize_t n;

	if (!text)
		return hoy_err_oom(err);
	n = hoy_fd_recv(HOY_GIT_SOCKET_FD, text, HOY_GIT_REQUEST_MAX, ret_target, &n_fds);
	if (n <= 0)
		return hoy_err_code(err, n < 0 ? (int) n : -EPROTO, "receive the request");
	if (n_fds == 0)
		*ret_target = -EBADF;
	return hoy_json_parse(text, (size_t) n, /* limits= */ NULL, &w->request, err);
}

static int serve(struct worker *w, struct hoy_err *err)
{
	auto_fd int target = -EBADF;
	int r = receive_request(w, &target, err);

	if (r == 0)
		r = find_git(w, err);
	if (r == 0)
		r = hoy_git_confine(target, err);
	if (r < 0)
		return r;
	w->url = text_of(w, "url");
	r = make_env(w, err);
	if (r == 0)
		r = find_commit(w, err);
	if (r == 0)
		r = check_commit(w, err);
	if (r == 0 && target >= 0)
		r = check_out(w, err);
	return r < 0 || target < 0 ? r : choose_tree(w, err);
}

int main(void)
{
	struct hoy_git_reply reply = { .type = HOY_GIT_DONE };
	struct worker w = { 0 };
	struct hoy_err err = { 0 };
	struct stat st;
	int r;

	if (fstat(HOY_GIT_SOCKET_FD, &st) < 0 || !S_ISSOCK(st.st_mode)) {
		(void) fprintf(stderr, "hoy-git: a helper of hoyd, which starts it with a socket; see hoyd(8)\n");
		return 2;
	}
	(void) hoy_fd_set_cloexec(HOY_GIT_SOCKET_FD, true);
	(void) signal(SIGPIPE, SIG_IGN);
	(void) umask(022);
	r = serve(&w, &err);
	if (r < 0)
		reply = (struct hoy_git_reply){ .type = HOY_GIT_ERROR, .err = err };
	else
		memcpy(reply.commit, w.commit, sizeof reply.commit);
	hoy_strv_free(w.env);
	hoy_json_free(w.request);
	free(w.ref);
	if (hoy_fd_send(HOY_GIT_SOCKET_FD, &reply, sizeof reply, /* fds= */ NULL, 0) < 0)
		r = -EPIPE;
	_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
}
