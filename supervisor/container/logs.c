/* The log of a container as the body of an answer: lines picked, stamped and framed; following by inotify. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/helper.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/process.h"
#include "base/str.h"
#include "base/time.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/log_entry.h"
#include "supervisor/container/log_files.h"

#define LINES_AT_ONCE 4096 /* looked at in one call: lines that nobody wants must not hold up the loop */

struct hoy_log_reader {
	struct hoy_log_reader *next;
	struct hoy_container *container; /* NULL: it is gone, or nothing is followed */
	struct hoy_container_logs how;
	struct hoy_log_files files;
	bool framed;
	bool ended;          /* no more output will come */
	bool is_over;        /* a line behind `until` was met */
	bool waiting;        /* the caller wants to be called */
	bool inside_line[2]; /* of stdout and stderr: the last entry had no newline */
	int inotify;
	struct hoy_source *changes;
	struct hoy_source *until;    /* the time after which nothing is wanted */
	struct hoy_source *again;    /* goes on after LINES_AT_ONCE */
	struct hoy_source *unpacker; /* a program that unpacks compressed files is at work */
	int unpacked;                /* where to */
	struct hoy_loop *loop;
	hoy_log_ready ready;
	void *userdata;
};

/* --- one entry -------------------------------------------------------------------------------- */

static int compare_times(const struct timespec *a, const struct timespec *b)
{
	if (a->tv_sec != b->tv_sec)
		return a->tv_sec < b->tv_sec ? -1 : 1;
	return a->tv_nsec < b->tv_nsec ? -1 : a->tv_nsec > b->tv_nsec;
}

static bool is_set(const struct timespec *ts)
{
	return ts->tv_sec != 0 || ts->tv_nsec != 0;
}

/* Exactly nine digits of fraction: the form that sorts. */
static void add_stamp(struct hoy_buf *buf, const struct hoy_log_entry *entry)
{
	char stamp[HOY_TIME_MAX];

	hoy_time_format(&entry->at, stamp);
	hoy_buf_addf(buf, "%s ", stamp);
}

static void add_entry(struct hoy_log_reader *reader, struct hoy_buf *buf, const struct hoy_log_entry *entry)
{
	size_t header = buf->len, len;

	if (reader->framed)
		hoy_buf_add(buf, (const char[8]){ (char) (entry->stream + 1) }, 8);
	if (reader->how.timestamps && !reader->inside_line[entry->stream])
		add_stamp(buf, entry);
	if (reader->how.details && !reader->inside_line[entry->stream])
		hoy_buf_addc(buf, ' '); /* the attributes, of which a json-file of ours has none, and their end */
	hoy_buf_add(buf, entry->text, entry->len);
	if (entry->ends_line)
		hoy_buf_addc(buf, '\n');
	reader->inside_line[entry->stream] = !entry->ends_line && !(entry->len && entry->text[entry->len - 1] == '\n');
	if (!reader->framed || buf->failed)
		return;
	len = buf->len - header - 8;
	for (int i = 0; i < 4; i++)
		buf->data[header + 4 + (size_t) i] = (char) (len >> (24 - 8 * i));
}

/* True when the entry is behind `until`. */
static bool take_entry(struct hoy_log_reader *reader, struct hoy_buf *buf, const char *text, size_t len)
{
	auto_(hoy_log_entry_done) struct hoy_log_entry entry = {};

	if (!(reader->files.frames ? hoy_log_entry_from_local(text, len, &entry)
				   : hoy_log_entry_from_json(text, len, &entry)))
		return false;
	if (is_set(&reader->how.since) && compare_times(&entry.at, &reader->how.since) < 0)
		return false;
	if (is_set(&reader->how.until) && compare_times(&entry.at, &reader->how.until) > 0)
		return true;
	if (entry.stream == HOY_LOG_STDERR ? reader->how.stderr_ : reader->how.stdout_)
		add_entry(reader, buf, &entry);
	return false;
}

static void wake(struct hoy_log_reader *reader)
{
	if (!reader->waiting)
		return;
	reader->waiting = false;
	reader->ready(reader, reader->userdata);
}

static void on_again(struct hoy_source *source, void *userdata)
{
	(void) source;
	wake(userdata);
}

static int wait_for_next_turn(struct hoy_log_reader *reader, struct hoy_err *err)
{
	reader->waiting = true;
	if (reader->again) {
		hoy_source_set_timer(reader->again, 0);
		return HOY_LOG_WAIT;
	}
	if (hoy_loop_timer(reader->loop, &reader->again, 0, on_again, reader, err) < 0)
		return hoy_err_wrap(err, "read log");
	return HOY_LOG_WAIT;
}

int hoy_log_reader_read(struct hoy_log_reader *reader, struct hoy_buf *buf, size_t enough, struct hoy_err *err)
{
	size_t before = buf->len;

	if (reader->is_over)
		return HOY_LOG_END;
	if (reader->unpacker) {
		reader->waiting = true;
		return HOY_LOG_WAIT;
	}
	for (unsigned int lines = 0; buf->len - before < enough; lines++) {
		bool ended = reader->ended; /* asked before the look, so that nothing slips in between */
		char *line;
		size_t len;
		int r;

		if (lines == LINES_AT_ONCE)
			return buf->len > before ? HOY_LOG_DATA : wait_for_next_turn(reader, err);
		r = hoy_log_files_next(&reader->files, &line, &len, err);
		if (r < 0)
			return r;
		if (r > 0) {
			if (!take_entry(reader, buf, line, len))
				continue;
			reader->is_over = true;
			return buf->len > before ? HOY_LOG_DATA : HOY_LOG_END;
		}
		if (buf->len > before)
			break;
		reader->waiting = !ended;
		return ended ? HOY_LOG_END : HOY_LOG_WAIT;
	}
	return hoy_buf_check(buf, "log message", err) < 0 ? -EMSGSIZE : HOY_LOG_DATA;
}

/* --- following ------------------------------------------------------------------------------------ */

static void on_change(struct hoy_source *source, uint32_t events, void *userdata)
{
	struct hoy_log_reader *reader = userdata;
	char events_read[4096] __attribute__((aligned(8)));

	(void) source;
	(void) events;
	while (read(reader->inotify, events_read, sizeof events_read) > 0)
		;
	wake(reader);
}

static void on_until(struct hoy_source *source, void *userdata)
{
	struct hoy_log_reader *reader = userdata;

	(void) source;
	reader->ended = true;
	wake(reader);
}

void hoy_container_readers_tell(struct hoy_container *c)
{
	struct hoy_log_reader *reader = c->readers, *next;

	for (; reader; reader = next) {
		next = reader->next;
		reader->ended = true;
		wake(reader);
	}
}

void hoy_container_readers_forget(struct hoy_container *c)
{
	while (c->readers) {
		struct hoy_log_reader *reader = c->readers;

		c->readers = reader->next;
		reader->container = NULL;
		reader->ended = true;
	}
}

static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t) (slash - path)) : strdup(".");
}

static int follow(struct hoy_log_reader *reader, struct hoy_container *c, struct hoy_err *err)
{
	struct hoy_loop *loop = c->room->options.loop;
	auto_free char *dir = directory_of(c->info.log_path);
	struct timespec now = hoy_now();
	int r = 0;

	if (!dir)
		return hoy_err_oom(err);
	reader->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (reader->inotify < 0)
		return hoy_err_sys(err, "follow the log: inotify");
	if (inotify_add_watch(reader->inotify, dir, IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0)
		return hoy_err_sys(err, "follow the log: watch '%s'", dir);
	r = hoy_loop_io(loop, &reader->changes, reader->inotify, EPOLLIN, on_change, reader, err);
	if (r >= 0 && is_set(&reader->how.until)) {
		int64_t left = hoy_timespec_to_ns(&reader->how.until) - hoy_timespec_to_ns(&now);

		r = hoy_loop_timer(loop, &reader->until, left > 0 ? (uint64_t) left : 0, on_until, reader, err);
	}
	if (r < 0)
		return r;
	reader->container = c;
	reader->next = c->readers;
	c->readers = reader;
	return 0;
}

/* --- compressed files ------------------------------------------------------------------------------- */

static void on_unpacked(struct hoy_source *source, const siginfo_t *si, void *userdata)
{
	struct hoy_log_reader *reader = userdata;
	struct hoy_err err = {};

	reader->unpacker = hoy_source_free(source);
	if (hoy_process_status(si) != 0)
		hoy_log_warn(
			"the compressed files of log '%s' can't be read, ignoring what they hold", reader->files.path);
	if (hoy_log_files_unpacked(&reader->files, TAKE_FD(reader->unpacked), &err) < 0) {
		hoy_log_err(&err, "read log");
		reader->is_over = true;
	}
	wake(reader);
}

/* hoy-log unpacks them into a file without a name beside them; nothing is read before. */
static int unpack(struct hoy_log_reader *reader, struct hoy_err *err)
{
	const char *argv[] = { "hoy-log", "unpack", NULL };
	auto_free char *program = NULL, *dir = directory_of(reader->files.path);
	size_t n = reader->files.n_packed + 3;
	auto_free int *fds = calloc(n, sizeof *fds);
	struct hoy_spawn spawn = { .argv = (char *const *) argv, .cwd = "/", .fds = fds, .n_fds = n, .cgroup_fd = -1 };
	pid_t pid;
	int r = hoy_helper_find("hoy-log", HOY_HELPER_LIBEXEC, &program, err);

	if (!fds || !dir)
		return hoy_err_oom(err);
	if (r < 0)
		return r;
	reader->unpacked = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (reader->unpacked < 0)
		return hoy_err_sys(err, "unpack log '%s'", reader->files.path);
	fds[0] = -1;
	fds[1] = reader->unpacked;
	fds[2] = STDERR_FILENO;
	memcpy(fds + 3, reader->files.packed, reader->files.n_packed * sizeof *fds);
	spawn.path = program;
	r = hoy_process_spawn(&spawn, &pid, /* ret_pidfd= */ NULL, err);
	return r < 0 ? r : hoy_loop_child(reader->loop, &reader->unpacker, pid, on_unpacked, reader, err);
}

/* --- opening ---------------------------------------------------------------------------------------- */

void hoy_log_reader_free(struct hoy_log_reader *reader)
{
	if (!reader)
		return;
	if (reader->container) {
		struct hoy_log_reader **p = &reader->container->readers;

		while (*p != reader)
			p = &(*p)->next;
		*p = reader->next;
	}
	hoy_source_free(reader->changes);
	hoy_source_free(reader->until);
	hoy_source_free(reader->again);
	hoy_source_free(reader->unpacker);
	hoy_fd_close(&reader->unpacked);
	hoy_fd_close(&reader->inotify);
	hoy_log_files_done(&reader->files);
	free(reader);
}

int hoy_container_logs(struct hoy_containers *room, const char *ref, const struct hoy_container_logs *how,
	hoy_log_ready ready, void *userdata, struct hoy_log_reader **ret, bool *ret_framed, struct hoy_err *err)
{
	auto_ptr(hoy_log_reader_free) struct hoy_log_reader *reader = calloc(1, sizeof *reader);
	struct hoy_container *c;
	int r = hoy_containers_lookup(room, ref, &c, err);

	if (!reader)
		return hoy_err_oom(err);
	reader->inotify = reader->unpacked = -EBADF;
	if (r < 0)
		return r;
	if (!hoy_container_log_is_readable(c))
		return hoy_err_unsupported(err, "configured logging driver does not support reading");
	reader->how = *how;
	reader->framed = !c->config->tty && !how->raw;
	reader->loop = room->options.loop;
	reader->ready = ready;
	reader->userdata = userdata;
	reader->ended = !how->follow || c->phase == HOY_PHASE_IDLE || c->phase == HOY_PHASE_REMOVING;
	if (!reader->ended) /* the watch first: nothing is written unseen between it and the first look */
		r = follow(reader, c, err);
	if (r >= 0)
		r = hoy_log_files_open(
			&reader->files, c->info.log_path, hoy_container_log_has_frames(c), how->tail, err);
	if (r >= 0 && reader->files.n_packed > 0)
		r = unpack(reader, err);
	if (r < 0)
		return r;
	*ret_framed = reader->framed;
	*ret = TAKE_PTR(reader);
	return 0;
}
