/* Calls of the runtime's command line, and what its log says when one fails. */
#include "shim/runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/helper.h"
#include "base/json.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/bundle.h"
#include "shim/protocol.h"
#include "shim/reaper.h"

#define MAX_LOG ((size_t) 256 << 10) /* the last errors are at its end: earlier ones are not looked at */

struct hoy_runtime_run {
	struct hoy_runtime log; /* only `bundle`, for the error */
	struct hoy_watch *watch;
	off_t log_start;
	hoy_runtime_exit exit;
	void *userdata;
};

static char *log_path(const struct hoy_runtime *runtime)
{
	return hoy_path_join(runtime->bundle, HOY_SHIM_RUNTIME_LOG);
}

int hoy_runtime_init(struct hoy_runtime *runtime, const struct hoy_shim_options *options, const char *namespace_,
	const char *bundle, struct hoy_err *err)
{
	const char *root = options->root ? options->root : HOY_SHIM_DEFAULT_ROOT;

	*runtime = (struct hoy_runtime){ .systemd_cgroup = options->systemd_cgroup };
	if (options->binary_name) {
		runtime->binary = strdup(options->binary_name);
	} else {
		int r = hoy_helper_find("hoyrun", HOY_HELPER_PROGRAM, &runtime->binary, err);

		if (r < 0)
			return r;
	}
	runtime->root = hoy_path_join(root, namespace_);
	runtime->bundle = strdup(bundle);
	if (runtime->binary && runtime->root && runtime->bundle)
		return 0;
	hoy_runtime_done(runtime);
	return hoy_err_oom(err);
}

void hoy_runtime_done(struct hoy_runtime *runtime)
{
	free(runtime->binary);
	free(runtime->root);
	free(runtime->bundle);
	*runtime = (struct hoy_runtime){ 0 };
}

int hoy_runtime_argv(const struct hoy_runtime *runtime, const char *verb, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_free char *log = log_path(runtime);
	const char *const args[] = { runtime->binary, "--root", runtime->root, "--log", log, "--log-format", "json" };

	for (size_t i = 0; i < ARRAY_LEN(args); i++)
		if (!args[i] || hoy_strv_add(&argv, args[i]) < 0)
			return hoy_err_oom(err);
	if (runtime->systemd_cgroup && hoy_strv_add(&argv, "--systemd-cgroup") < 0)
		return hoy_err_oom(err);
	if (hoy_strv_add(&argv, verb) < 0)
		return hoy_err_oom(err);
	*ret = TAKE_PTR(argv);
	return 0;
}

/* --- errors ------------------------------------------------------------------------------------------------------- */

off_t hoy_runtime_log_size(const struct hoy_runtime *runtime)
{
	auto_free char *path = log_path(runtime);
	struct stat st;

	return path && stat(path, &st) == 0 ? st.st_size : 0;
}

static bool take_error(const char *line, size_t len, char *ret, size_t size)
{
	auto_ptr(hoy_json_free) struct hoy_json *doc = NULL;
	const struct hoy_json *level, *msg;

	if (!len || hoy_json_parse(line, len, /* limits= */ NULL, &doc, /* err= */ NULL) < 0)
		return false;
	level = hoy_json_get(doc, "level");
	msg = hoy_json_get(doc, "msg");
	if (!level || !msg || !hoy_json_string(msg))
		return false;
	if (!hoy_str_eq(hoy_json_string(level), "error") && !hoy_str_eq(hoy_json_string(level), "fatal"))
		return false;
	(void) snprintf(ret, size, "%s", hoy_json_string(msg));
	return true;
}

bool hoy_runtime_last_error(const struct hoy_runtime *runtime, off_t from, char *ret, size_t size)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = MAX_LOG };
	auto_free char *path = log_path(runtime);
	auto_fd int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -EBADF;
	off_t end = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
	bool found = false;

	if (end <= from || lseek(fd, MAX(from, end - (off_t) MAX_LOG), SEEK_SET) < 0)
		return false;
	if (hoy_file_read_fd(fd, path, &text, /* err= */ NULL) < 0 || !text.data)
		return false;
	for (const char *line = text.data, *next; *line; line = next) {
		size_t len = strcspn(line, "\n");

		next = line + len + (line[len] == '\n');
		found |= take_error(line, len, ret, size);
	}
	return found;
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void on_runtime_exit(void *userdata, const siginfo_t *si)
{
	struct hoy_runtime_run *run = userdata;
	hoy_runtime_exit exit = run->exit;
	void *exit_userdata = run->userdata;
	struct hoy_err err = {};
	char text[sizeof err.msg];
	int status = hoy_process_status(si);

	run->watch = NULL;
	if (status) {
		if (!hoy_runtime_last_error(&run->log, run->log_start, text, sizeof text))
			(void) snprintf(text, sizeof text, "the runtime ended with exit status %d", status);
		hoy_err_set(&err, HOY_ERR_SYSTEM, EIO, "%s", text);
	}
	hoy_runtime_run_free(run);
	exit(exit_userdata, status ? &err : NULL);
}

int hoy_runtime_start(const struct hoy_runtime *runtime, struct hoy_reaper *reaper, char *const *argv, const int *fds,
	hoy_runtime_exit exit, void *userdata, struct hoy_runtime_run **ret, struct hoy_err *err)
{
	const struct hoy_spawn spawn = {
		.path = runtime->binary,
		.argv = argv,
		.cwd = runtime->bundle,
		.fds = fds,
		.n_fds = fds ? 3 : 0,
		.cgroup_fd = -1,
	};
	struct hoy_runtime_run *run = calloc(1, sizeof *run);
	pid_t pid;
	int r;

	if (!run)
		return hoy_err_oom(err);
	run->exit = exit;
	run->userdata = userdata;
	run->log_start = hoy_runtime_log_size(runtime);
	run->log.bundle = strdup(runtime->bundle);
	r = run->log.bundle ? hoy_process_spawn(&spawn, &pid, /* ret_pidfd= */ NULL, err) : hoy_err_oom(err);
	if (r >= 0)
		r = hoy_reaper_watch(reaper, pid, on_runtime_exit, run, &run->watch, err);
	if (r < 0) {
		hoy_runtime_run_free(run);
		return r;
	}
	*ret = run;
	return 0;
}

void hoy_runtime_run_free(struct hoy_runtime_run *run)
{
	if (!run)
		return;
	hoy_watch_free(run->watch);
	hoy_runtime_done(&run->log);
	free(run);
}
