/*
 * The tar is ustar, with a pax header in front of names and sizes that it can't hold. Owners are left out (what is
 * copied in a build is root's), so that the same files give the same bytes for everybody.
 */
#include "supervisor/cli/build_context.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/process.h"
#include "base/str.h"
#include "supervisor/build/ignore.h"

#define BLOCK 512
#define SMALL_MAX ((size_t) 256 << 10)
#define DEPTH_MAX 400

struct writer {
	const struct hoy_build_context *context;
	struct hoy_ignore *ignore;
	int out;
	struct hoy_buf pending; /* headers and small files, written together */
	char block[128 << 10];
};

static int flush(struct writer *w, struct hoy_err *err)
{
	int r = hoy_buf_check(&w->pending, "context", err);

	if (r == 0 && w->pending.len > 0 && (r = hoy_fd_write_all(w->out, w->pending.data, w->pending.len)) < 0)
		r = hoy_err_code(err, r, "send the build context");
	hoy_buf_clear(&w->pending);
	return r;
}

/* --- tar -------------------------------------------------------------------------------------- */

static void put_octal(char *field, size_t size, uint64_t value)
{
	field[size - 1] = '\0';
	for (size_t i = size - 1; i-- > 0; value >>= 3)
		field[i] = (char) ('0' + (value & 7));
}

static void put_header(
	struct writer *w, char type, const char *name, const char *link, mode_t mode, uint64_t size, time_t mtime)
{
	char head[BLOCK] = "";
	unsigned int sum = 0;

	(void) snprintf(head, 101, "%s", name); /* the byte behind it is set next */
	put_octal(head + 100, 8, mode & 07777);
	put_octal(head + 108, 8, 0);
	put_octal(head + 116, 8, 0);
	put_octal(head + 124, 12, size);
	put_octal(head + 136, 12, mtime > 0 ? (uint64_t) mtime : 0);
	memset(head + 148, ' ', 8);
	head[156] = type;
	if (link)
		(void) snprintf(head + 157, 100, "%s", link);
	memcpy(head + 257, "ustar\00000", 8);
	for (size_t i = 0; i < sizeof head; i++)
		sum += (unsigned char) head[i];
	put_octal(head + 148, 7, sum);
	(void) hoy_buf_add(&w->pending, head, sizeof head);
}

static void put_padding(struct writer *w, uint64_t size)
{
	static const char zeros[BLOCK];

	if (size % BLOCK)
		(void) hoy_buf_add(&w->pending, zeros, BLOCK - size % BLOCK);
}

/* "LEN key=value\n", where LEN counts itself. */
static void add_record(struct hoy_buf *records, const char *key, const char *value)
{
	size_t len = strlen(key) + strlen(value) + 3, digits = 1;

	for (size_t n = 10; len + digits >= n; n *= 10)
		digits++;
	(void) hoy_buf_addf(records, "%zu %s=%s\n", len + digits, key, value);
}

static void put_entry(
	struct writer *w, char type, const char *name, const char *link, const struct stat *st, uint64_t size)
{
	auto_(hoy_buf_done) struct hoy_buf records = {};
	char number[32];

	if (strlen(name) > 100)
		add_record(&records, "path", name);
	if (link && strlen(link) > 99)
		add_record(&records, "linkpath", link);
	if (size >= (uint64_t) 1 << 33) {
		(void) snprintf(number, sizeof number, "%llu", (unsigned long long) size);
		add_record(&records, "size", number);
	}
	if (records.len > 0) {
		put_header(w, 'x', "pax", NULL, 0644, records.len, 0);
		(void) hoy_buf_add(&w->pending, records.data, records.len);
		put_padding(w, records.len);
	}
	put_header(w, type, name, link, st->st_mode, records.len > 0 && size >= (uint64_t) 1 << 33 ? 0 : size,
		st->st_mtime);
}

/* --- files ------------------------------------------------------------------------------------ */

static int send_content(struct writer *w, int fd, const char *path, uint64_t size, struct hoy_err *err)
{
	uint64_t left = size;
	int r = 0;

	while (left > 0 && r == 0) {
		size_t piece = left < sizeof w->block ? (size_t) left : sizeof w->block;
		ssize_t n = hoy_fd_read_full(fd, w->block, piece);

		if (n < 0)
			return hoy_err_code(err, (int) n, "read '%s'", path);
		if ((size_t) n < piece) /* it became shorter */
			memset(w->block + n, 0, piece - (size_t) n);
		(void) hoy_buf_add(&w->pending, w->block, piece);
		left -= piece;
		if (w->pending.len > SMALL_MAX)
			r = flush(w, err);
	}
	put_padding(w, size);
	return r;
}

static int send_file(struct writer *w, int dir, const char *name, const char *path, struct hoy_err *err)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return hoy_err_sys(err, "open '%s'", path);
	if (!S_ISREG(st.st_mode))
		return hoy_err_invalid(err, "'%s' changed meanwhile", path);
	put_entry(w, '0', path, NULL, &st, (uint64_t) st.st_size);
	return send_content(w, fd, path, (uint64_t) st.st_size, err);
}

static int send_link(
	struct writer *w, int dir, const char *name, const char *path, const struct stat *st, struct hoy_err *err)
{
	char target[4097];
	ssize_t n = readlinkat(dir, name, target, sizeof target - 1);

	if (n < 0)
		return hoy_err_sys(err, "read the link '%s'", path);
	target[n] = '\0';
	put_entry(w, '2', path, target, st, 0);
	return 0;
}

static int send_dir(struct writer *w, int dir, const char *path, int depth, struct hoy_err *err);

/* The engine reads these, whatever the ignore file says. */
static bool is_needed(const struct writer *w, const char *path)
{
	return hoy_str_eq(path, w->context->dockerfile ? w->context->dockerfile : "Dockerfile") ||
	       strcmp(path, ".dockerignore") == 0;
}

static int send_one(struct writer *w, int dir, const char *name, const char *path, int depth, struct hoy_err *err)
{
	bool excluded = w->ignore && !is_needed(w, path) && hoy_ignore_excludes(w->ignore, path);
	auto_fd int below = -EBADF;
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "look at '%s'", path);
	if (!S_ISDIR(st.st_mode) && (excluded || (w->context->text && hoy_str_eq(path, w->context->dockerfile))))
		return 0;
	if (S_ISREG(st.st_mode))
		return send_file(w, dir, name, path, err);
	if (S_ISLNK(st.st_mode))
		return send_link(w, dir, name, path, &st, err);
	if (S_ISFIFO(st.st_mode)) {
		put_entry(w, '6', path, NULL, &st, 0);
		return 0;
	}
	if (!S_ISDIR(st.st_mode))
		return S_ISSOCK(st.st_mode) ? 0
					    : hoy_err_invalid(err, "'%s' is a device: add it to .dockerignore", path);
	below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return hoy_err_sys(err, "open '%s'", path);
	if (!excluded) {
		auto_free char *entry = hoy_str_printf("%s/", path);

		if (!entry)
			return hoy_err_oom(err);
		put_entry(w, '5', entry, NULL, &st, 0);
	}
	return send_dir(w, below, path, depth + 1, err);
}

/* `name` below the directory `path`, sorted as they come from scandirat(). */
static int send_dir(struct writer *w, int dir, const char *path, int depth, struct hoy_err *err)
{
	struct dirent **entries = NULL;
	int n = depth > DEPTH_MAX ? -1 : scandirat(dir, ".", &entries, NULL, alphasort), r = 0;

	if (n < 0)
		return depth > DEPTH_MAX ? hoy_err_invalid(err, "'%s': too many directories in each other", path)
					 : hoy_err_sys(err, "read the directory '%s'", path);
	for (int i = 0; i < n; i++) {
		auto_free char *whole = NULL;

		if (r == 0 && hoy_path_is_component(entries[i]->d_name)) {
			whole = *path ? hoy_str_printf("%s/%s", path, entries[i]->d_name) : strdup(entries[i]->d_name);
			r = whole ? send_one(w, dir, entries[i]->d_name, whole, depth, err) : hoy_err_oom(err);
		}
		if (r == 0 && w->pending.len > SMALL_MAX)
			r = flush(w, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

static void send_text(struct writer *w, const char *name, const char *text, size_t len)
{
	const struct stat st = { .st_mode = S_IFREG | 0644 };

	put_entry(w, '0', name, NULL, &st, len);
	(void) hoy_buf_add(&w->pending, text, len);
	put_padding(w, len);
}

/* A Dockerfile from elsewhere is no part of the context: it goes along with an ignore file that says so. */
static int send_elsewhere(struct writer *w, int dir, struct hoy_err *err)
{
	const struct hoy_build_context *c = w->context;
	auto_free char *name = hoy_str_printf("%s.dockerignore", c->dockerfile);
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_IGNORE_MAX_SIZE };
	int r = 0;

	if (c->ignore)
		(void) hoy_buf_adds(&text, c->ignore);
	else if ((r = hoy_file_read(dir, ".dockerignore", &text, NULL)) < 0 && r != -ENOENT)
		return hoy_err_code(err, r, "read '.dockerignore'");
	(void) hoy_buf_addf(&text, "\n/%s\n/%s.dockerignore\n", c->dockerfile, c->dockerfile);
	r = hoy_buf_check(&text, "the ignore file", err);
	if (r == 0 && !name)
		r = hoy_err_oom(err);
	if (r < 0)
		return r;
	send_text(w, c->dockerfile, c->text, c->text_len);
	send_text(w, name, text.data, text.len);
	return 0;
}

static int send_end(struct writer *w, struct hoy_err *err)
{
	static const char zeros[2 * BLOCK];

	(void) hoy_buf_add(&w->pending, zeros, sizeof zeros);
	return flush(w, err);
}

/* --- a directory ------------------------------------------------------------------------------ */

/* The Dockerfile's own ignore file, else that of the context. */
static int read_ignore(struct writer *w, int dir, struct hoy_err *err)
{
	auto_free char *own = hoy_str_printf(
		"%s.dockerignore", w->context->dockerfile ? w->context->dockerfile : "Dockerfile");
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = HOY_IGNORE_MAX_SIZE };
	const char *name = own;
	int r = own ? 0 : hoy_err_oom(err);

	if (w->context->ignore)
		return hoy_ignore_parse(own, w->context->ignore, strlen(w->context->ignore), &w->ignore, err);
	if (r == 0)
		r = hoy_file_read(dir, own, &text, NULL);
	if (r == -ENOENT)
		r = hoy_file_read(dir, name = ".dockerignore", &text, NULL);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return hoy_err_code(err, r, "read '%s'", name);
	return hoy_ignore_parse(name, text.data ? text.data : "", text.len, &w->ignore, err);
}

static int send_directory(struct writer *w, struct hoy_err *err)
{
	auto_fd int dir = open(w->context->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (dir < 0)
		return hoy_err_sys(err, "open the build context '%s'", w->context->dir);
	r = read_ignore(w, dir, err);
	if (r == 0)
		r = send_dir(w, dir, "", 0, err);
	if (r == 0 && w->context->text)
		r = send_elsewhere(w, dir, err);
	return r < 0 ? r : send_end(w, err);
}

/* --- stdin ------------------------------------------------------------------------------------ */

static bool is_archive(const char *data, size_t len)
{
	static const struct {
		const char *magic;
		size_t len;
	} kinds[] = { { "\x1f\x8b", 2 }, { "BZh", 3 },
		{ "\xfd"
		  "7zXZ",
			5 },
		{ "\x28\xb5\x2f\xfd", 4 } };

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (len >= kinds[i].len && memcmp(data, kinds[i].magic, kinds[i].len) == 0)
			return true;
	return len >= BLOCK && memcmp(data + 257, "ustar", 5) == 0;
}

/* A tar as it is; else it is a Dockerfile, and all there is. */
static int send_stdin(struct writer *w, struct hoy_err *err)
{
	ssize_t n = hoy_fd_read_full(STDIN_FILENO, w->block, sizeof w->block);
	int r = 0;

	if (n < 0)
		return hoy_err_code(err, (int) n, "read stdin");
	if (n == 0)
		return hoy_err_invalid(err, "unable to prepare context: nothing came on stdin");
	if (!is_archive(w->block, (size_t) n)) {
		auto_(hoy_buf_done) struct hoy_buf text = { .cap = 4 << 20 };

		(void) hoy_buf_add(&text, w->block, (size_t) n);
		r = hoy_file_read_fd(STDIN_FILENO, "stdin", &text, err);
		if (r < 0)
			return r;
		send_text(w, "Dockerfile", text.data, text.len);
		return send_end(w, err);
	}
	while (n > 0 && r == 0) {
		r = hoy_fd_write_all(w->out, w->block, (size_t) n);
		n = r < 0 ? 0 : hoy_fd_read_full(STDIN_FILENO, w->block, sizeof w->block);
	}
	return r < 0   ? hoy_err_code(err, r, "send the build context")
	       : n < 0 ? hoy_err_code(err, (int) n, "read stdin")
		       : 0;
}

/* --- a process -------------------------------------------------------------------------------- */

_Noreturn static void write_context(const struct hoy_build_context *context, int out)
{
	struct writer *w = calloc(1, sizeof *w);
	struct hoy_err err = {};
	int r;

	(void) signal(SIGPIPE, SIG_DFL); /* who reads has its reasons */
	if (!w)
		_exit(1);
	w->context = context;
	w->out = out;
	w->pending.cap = 2 * SMALL_MAX + sizeof w->block;
	r = context->dir ? send_directory(w, &err) : send_stdin(w, &err);
	if (r < 0)
		(void) fprintf(stderr, "hoy: %s\n", hoy_err_str(&err));
	_exit(r < 0);
}

int hoy_build_context_start(const struct hoy_build_context *context, pid_t *ret, struct hoy_err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return hoy_err_sys(err, "make a pipe");
	(void) fcntl(fds[1], F_SETPIPE_SZ, 1 << 20); /* refused beyond the user's share: then it stays smaller */
	(void) fflush(NULL);
	*ret = fork();
	if (*ret == 0) {
		hoy_fd_close(&fds[0]);
		write_context(context, fds[1]);
	}
	hoy_fd_close(&fds[1]);
	if (*ret < 0) {
		hoy_fd_close(&fds[0]);
		return hoy_err_sys(err, "make a process");
	}
	return fds[0];
}

int hoy_build_context_end(pid_t pid, struct hoy_err *err)
{
	siginfo_t si;
	int r = hoy_process_wait(pid, &si, err);

	/* It has told why. An engine that does not read on has its own words. */
	if (r == 0 && si.si_code == CLD_EXITED && si.si_status != 0)
		return hoy_err_set(err, HOY_ERR_INVALID, EINVAL, "the build context could not be sent");
	return r;
}
