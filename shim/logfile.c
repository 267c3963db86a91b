/* The files of a log: writing, rotation, compression. What is in them is log.c's business. */
#include "shim/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/process.h"
#include "base/str.h"
#include "shim/reaper.h"

#define LOG_MODE 0640
#define BUSY_BATCH ((size_t) 32 << 10)

struct hoy_outlog_file {
	struct hoy_outlog_options options;
	struct hoy_reaper *reaper;
	struct hoy_watch *compressor; /* at work */
	int fd;
	int64_t size;
	bool warned;
	struct hoy_buf batch; /* entries of the call that is running */
};
HOY_DEFINE_AUTO_PTR(struct hoy_outlog_file, hoy_outlog_file_free);

static int open_file(struct hoy_outlog_file *file, struct hoy_err *err)
{
	struct stat st;

	file->fd = open(file->options.path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, LOG_MODE);
	if (file->fd < 0)
		return hoy_err_sys(err, "open log '%s'", file->options.path);
	if (fstat(file->fd, &st) < 0)
		return hoy_err_sys(err, "stat log '%s'", file->options.path);
	file->size = st.st_size;
	return 0;
}

int hoy_outlog_file_open(const struct hoy_outlog_options *options, struct hoy_reaper *reaper,
	struct hoy_outlog_file **ret, struct hoy_err *err)
{
	auto_ptr(hoy_outlog_file_free) struct hoy_outlog_file *file = calloc(1, sizeof *file);
	int r;

	if (!file)
		return hoy_err_oom(err);
	file->fd = -EBADF;
	file->reaper = reaper;
	file->options = *options;
	file->options.fields = NULL;
	file->options.path = strdup(options->path);
	if (!file->options.path)
		return hoy_err_oom(err);
	r = open_file(file, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(file);
	return 0;
}

void hoy_outlog_file_free(struct hoy_outlog_file *file)
{
	if (!file)
		return;
	hoy_watch_free(file->compressor); /* it ends by itself */
	hoy_fd_close(&file->fd);
	hoy_buf_done(&file->batch);
	hoy_outlog_options_done(&file->options);
	free(file);
}

static void warn_once(struct hoy_outlog_file *file, const struct hoy_err *err)
{
	if (!file->warned)
		hoy_log_err(err, "output is lost");
	file->warned = true;
}

/* --- rotation ----------------------------------------------------------------------------------------------------- */

static char *numbered(const struct hoy_outlog_options *options, unsigned int i, const char *suffix)
{
	return i ? hoy_str_printf("%s.%u%s", options->path, i, suffix) : strdup(options->path);
}

/* PATH, PATH.1 ... move up by one; what would be PATH.max_file goes. Only old ones may be compressed. */
static void shift_files(const struct hoy_outlog_options *options)
{
	static const char *const suffixes[] = { "", ".gz" };

	for (unsigned int i = options->max_file - 1; i >= 1; i--)
		for (size_t s = 0; s < ARRAY_LEN(suffixes); s++) {
			auto_free char *to = numbered(options, i, suffixes[s]);
			auto_free char *from = numbered(options, i - 1, suffixes[s]);

			if (!from || !to || (i == 1 && s > 0))
				continue;
			if (i == options->max_file - 1)
				(void) unlink(to);
			(void) rename(from, to);
		}
}

static void on_compressed(void *userdata, const siginfo_t *si)
{
	struct hoy_outlog_file *file = userdata;

	file->compressor = NULL;
	if (hoy_process_status(si) != 0)
		hoy_log_warn("log '%s.1' could not be compressed, ignoring", file->options.path);
}

static void compress(struct hoy_outlog_file *file)
{
	auto_free char *old = numbered(&file->options, 1, ""), *program = NULL;
	const char *argv[] = { "hoy-log", "compress", old, NULL };
	struct hoy_spawn spawn = { .argv = (char *const *) argv, .cwd = "/", .cgroup_fd = -1 };
	const int fds[] = { -1, -1, STDERR_FILENO };
	struct hoy_err err = {};
	pid_t pid;
	int r = old ? hoy_helper_find("hoy-log", HOY_HELPER_LIBEXEC, &program, &err) : hoy_err_oom(&err);

	spawn.path = program;
	spawn.fds = fds;
	spawn.n_fds = ARRAY_LEN(fds);
	if (r >= 0)
		r = hoy_process_spawn(&spawn, &pid, /* ret_pidfd= */ NULL, &err);
	if (r >= 0)
		r = hoy_reaper_watch(file->reaper, pid, on_compressed, file, &file->compressor, &err);
	if (r < 0)
		hoy_log_ignored(&err, "compress log '%s'", old);
}

static void rotate(struct hoy_outlog_file *file)
{
	struct hoy_err err = {};

	if (file->options.max_file <= 1) {
		if (ftruncate(file->fd, 0) == 0)
			file->size = 0;
		return;
	}
	shift_files(&file->options);
	hoy_fd_close(&file->fd);
	if (open_file(file, &err) < 0)
		warn_once(file, &err);
	if (file->options.compress && file->reaper)
		compress(file);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void write_batch(struct hoy_outlog_file *file)
{
	struct hoy_err err = {};
	int r;

	if (!file->batch.len)
		return;
	if (file->fd < 0 && open_file(file, &err) < 0) {
		warn_once(file, &err);
		hoy_buf_clear(&file->batch);
		return;
	}
	r = hoy_fd_write_all(file->fd, file->batch.data, file->batch.len);
	if (r < 0) {
		hoy_err_code(&err, r, "write log '%s'", file->options.path);
		warn_once(file, &err);
		(void) !ftruncate(file->fd, file->size); /* no torn entry stays */
	} else {
		file->size += (int64_t) file->batch.len;
		file->warned = false;
	}
	hoy_buf_clear(&file->batch);
}

static bool is_full(const struct hoy_outlog_file *file)
{
	return file->options.max_size > 0 && file->size + (int64_t) file->batch.len >= file->options.max_size;
}

struct hoy_buf *hoy_outlog_file_batch(struct hoy_outlog_file *file)
{
	if (is_full(file)) {
		write_batch(file);
		/* names must not move under the compressor: the file grows a little over its size meanwhile */
		if (is_full(file) && !file->compressor)
			rotate(file);
	}
	return &file->batch;
}

void hoy_outlog_file_flush(struct hoy_outlog_file *file)
{
	bool is_busy = file->batch.len >= BUSY_BATCH;

	write_batch(file);
	if (!is_busy) /* an idle shim holds no memory for it; one whose container pours out needs it again at once */
		hoy_buf_done(&file->batch);
}
