/* Log drivers that are programs. */
#include "shim/logger.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/reaper.h"
#include "shim/uri.h"

#define NS_PER_S ((uint64_t) 1000000000)
#define READY_NS (10 * NS_PER_S)
#define GRACE_NS (5 * NS_PER_S)
#define EXIT_NS (NS_PER_S / 20) /* from the end of its ready pipe to its exit, if it is one */

extern char **environ;

struct hoy_logger {
	pid_t pid; /* 0: it has ended */
	struct hoy_watch *watch;
	int ready_fd;
	struct hoy_source *ready_source, *timer;
	hoy_logger_ready ready; /* NULL: was called */
	void *userdata;
	bool orphan, terminated;
	int failed; /* its exit status, when it ended before it was ready */
	size_t *lingering;
};

int hoy_logger_parse(const char *uri, char ***ret_argv, struct hoy_err *err)
{
	static const char scheme[] = "binary://";
	auto_ptr(hoy_strv_free) char **argv = NULL;
	const char *path = uri + sizeof scheme - 1;
	const char *query = hoy_str_starts(uri, scheme) ? strchr(path, '?') : NULL;
	auto_ptr(hoy_strv_free) char **pairs = NULL;
	auto_free char *decoded = NULL;

	if (!hoy_str_starts(uri, scheme) || *path != '/')
		return hoy_err_invalid(err, "log URI '%s' is not binary:///path", uri);
	decoded = hoy_uri_decode(path, query ? (size_t) (query - path) : strlen(path));
	if (!decoded || hoy_strv_add(&argv, decoded) < 0 || hoy_uri_query(uri, &pairs) < 0)
		return hoy_err_oom(err);
	for (char **pair = pairs; *pair; pair++)
		if (hoy_strv_add(&argv, *pair) < 0)
			return hoy_err_oom(err);
	*ret_argv = TAKE_PTR(argv);
	return 0;
}

static void destroy(struct hoy_logger *logger)
{
	hoy_watch_free(logger->watch);
	hoy_source_free(logger->ready_source);
	hoy_source_free(logger->timer);
	hoy_fd_close(&logger->ready_fd);
	if (logger->orphan)
		(*logger->lingering)--;
	free(logger);
}

static void tell_ready(struct hoy_logger *logger)
{
	hoy_logger_ready ready = logger->ready;

	logger->ready = NULL;
	logger->ready_source = hoy_source_free(logger->ready_source);
	hoy_fd_close(&logger->ready_fd);
	if (ready && !logger->orphan)
		ready(logger->userdata);
}

/* A byte says that it is ready; so does closing the pipe, unless it was the driver's end that closed it. */
static void on_ready(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_logger *logger = userdata;
	char byte;

	(void) events;
	if (read(logger->ready_fd, &byte, 1) == 0) {
		(void) hoy_source_set_events(source, 0, NULL);
		hoy_source_set_timer(logger->timer, EXIT_NS);
		return;
	}
	hoy_source_set_timer(logger->timer, UINT64_MAX);
	tell_ready(logger);
}

static void on_timer(struct hoy_source *source, void *userdata)
{
	struct hoy_logger *logger = userdata;

	if (!logger->orphan) {
		tell_ready(logger);
		return;
	}
	(void) kill(logger->pid, logger->terminated ? SIGKILL : SIGTERM);
	logger->terminated = true;
	hoy_source_set_timer(source, GRACE_NS);
}

static void on_logger_exit(void *userdata, const siginfo_t *si)
{
	struct hoy_logger *logger = userdata;

	logger->watch = NULL;
	logger->pid = 0;
	if (logger->orphan) {
		destroy(logger);
	} else if (logger->ready) {
		logger->failed = hoy_process_status(si);
		hoy_source_set_timer(logger->timer, UINT64_MAX);
		tell_ready(logger); /* which may free it */
	}
}

static int spawn(
	struct hoy_logger *logger, const struct hoy_logger_options *options, const int fds[6], struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **argv = NULL, **env = hoy_strv_copy(environ);
	auto_free char *id = hoy_str_printf("CONTAINER_ID=%s", options->id);
	auto_free char *namespace_ = hoy_str_printf("CONTAINER_NAMESPACE=%s", options->namespace_);
	struct hoy_spawn how = { .fds = fds, .n_fds = 6, .new_group = true, .cgroup_fd = -1 };
	int r = hoy_logger_parse(options->uri, &argv, err);

	if (r < 0)
		return r;
	if (!env || !id || !namespace_ || hoy_env_set(&env, id) < 0 || hoy_env_set(&env, namespace_) < 0)
		return hoy_err_oom(err);
	how.path = argv[0];
	how.argv = argv;
	how.envp = env;
	r = hoy_process_spawn(&how, &logger->pid, /* ret_pidfd= */ NULL, err);
	if (r < 0)
		return hoy_err_wrap(err, "log driver");
	return hoy_reaper_watch(options->reaper, logger->pid, on_logger_exit, logger, &logger->watch, err);
}

static int make_pipes(int read_ends[2], int write_ends[2], int ready[2], struct hoy_err *err)
{
	for (int i = 0; i < 2; i++) {
		int ends[2];

		if (pipe2(ends, O_CLOEXEC) < 0)
			return hoy_err_sys(err, "make a pipe");
		read_ends[i] = ends[0];
		write_ends[i] = ends[1];
	}
	return pipe2(ready, O_CLOEXEC) < 0 ? hoy_err_sys(err, "make a pipe") : 0;
}

int hoy_logger_check(const struct hoy_logger *logger, struct hoy_err *err)
{
	if (!logger->failed)
		return 0;
	return hoy_err_set(err, HOY_ERR_SYSTEM, EIO,
		"the log driver ended with exit status %d before it was ready (its reason is in the shim's log)",
		logger->failed);
}

int hoy_logger_start(const struct hoy_logger_options *options, hoy_logger_ready ready, void *userdata, int ret_fds[2],
	struct hoy_logger **ret, struct hoy_err *err)
{
	struct hoy_logger *logger = calloc(1, sizeof *logger);
	int read_ends[2] = { -EBADF, -EBADF }, write_ends[2] = { -EBADF, -EBADF }, ready_ends[2] = { -EBADF, -EBADF };
	int r;

	if (!logger)
		return hoy_err_oom(err);
	*logger = (struct hoy_logger){ .ready = ready, .userdata = userdata, .lingering = options->lingering };
	r = make_pipes(read_ends, write_ends, ready_ends, err);
	logger->ready_fd = ready_ends[0];
	if (r >= 0)
		r = hoy_loop_io(options->loop, &logger->ready_source, logger->ready_fd, EPOLLIN, on_ready, logger, err);
	if (r >= 0)
		r = hoy_loop_timer(options->loop, &logger->timer, READY_NS, on_timer, logger, err);
	if (r >= 0) {
		const int fds[6] = { -1, -1, STDERR_FILENO, read_ends[0], read_ends[1], ready_ends[1] };

		r = spawn(logger, options, fds, err);
	}
	hoy_fd_close(&read_ends[0]);
	hoy_fd_close(&read_ends[1]);
	hoy_fd_close(&ready_ends[1]);
	if (r < 0) {
		hoy_fd_close(&write_ends[0]);
		hoy_fd_close(&write_ends[1]);
		destroy(logger);
		return r;
	}
	memcpy(ret_fds, write_ends, sizeof write_ends);
	*ret = logger;
	return 0;
}

void hoy_logger_free(struct hoy_logger *logger)
{
	if (!logger)
		return;
	if (!logger->pid) {
		destroy(logger);
		return;
	}
	logger->orphan = true;
	(*logger->lingering)++;
	hoy_source_set_timer(logger->timer, GRACE_NS);
}
