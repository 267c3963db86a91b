/* Lines, or frames, over the files of a rotated log. */
#include "supervisor/container/log_files.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

#define ROTATED_MAX 1000
#define CHUNK ((size_t) 64 << 10)
#define LINE_MAX_BYTES ((size_t) 1 << 20) /* a part of 16 KiB in which every byte is escaped is far less */

static void close_packed(struct hoy_log_files *files)
{
	for (size_t i = 0; i < files->n_packed; i++)
		hoy_fd_close(&files->packed[i]);
	free(files->packed);
	files->packed = NULL;
	files->n_packed = 0;
}

void hoy_log_files_done(struct hoy_log_files *files)
{
	close_packed(files);
	for (size_t i = 0; i < files->n; i++)
		hoy_fd_close(&files->fds[i]);
	free(files->fds);
	free(files->path);
	hoy_buf_done(&files->in);
	*files = (struct hoy_log_files){};
}

/* --- which files ---------------------------------------------------------------------------- */

static bool same_file(int fd, const struct stat *other)
{
	struct stat st;

	return fstat(fd, &st) == 0 && st.st_dev == other->st_dev && st.st_ino == other->st_ino;
}

/* Opens PATH (0) or PATH.n with `suffix`. -ENOENT: there is none. */
static int open_nth(const char *path, unsigned int n, const char *suffix)
{
	auto_free char *name = n > 0 ? hoy_str_printf("%s.%u%s", path, n, suffix) : strdup(path);
	int fd;

	if (!name)
		return -ENOMEM;
	fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int put_in_front(int **fds, size_t *n, int fd)
{
	int *grown = reallocarray(*fds, *n + 1, sizeof *grown);

	if (!grown) {
		hoy_fd_close(&fd);
		return -ENOMEM;
	}
	memmove(grown + 1, grown, *n * sizeof *grown);
	grown[0] = fd;
	*fds = grown;
	++*n;
	return 0;
}

static bool is_open(const struct hoy_log_files *files, int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return false;
	for (size_t i = 0; i < files->n; i++)
		if (same_file(files->fds[i], &st))
			return true;
	return false;
}

/*
 * Opens from the newest backwards, down to `last` (not opened; NULL: down to the oldest). A rotation meanwhile only
 * moves files to higher numbers: one that was opened already is met again and passed over, none is missed.
 */
static int open_back_to(struct hoy_log_files *files, const struct stat *last)
{
	for (unsigned int n = 0; n < ROTATED_MAX; n++) {
		int fd = open_nth(files->path, n, ""), r = 0;

		if (fd == -ENOENT && n == 0)
			continue; /* between two steps of a rotation */
		if (fd < 0)
			return fd == -ENOENT ? 0 : fd;
		if (last && same_file(fd, last)) {
			hoy_fd_close(&fd);
			return 0;
		}
		if (is_open(files, fd))
			hoy_fd_close(&fd);
		else
			r = put_in_front(&files->fds, &files->n, fd);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The compressed ones behind the oldest that is not; on the way a file has both names for a moment. */
static int open_packed(struct hoy_log_files *files)
{
	int r = 0;

	for (unsigned int n = 1, none = 0; n < ROTATED_MAX && none < 2 && r >= 0; n++) {
		auto_fd int plain = open_nth(files->path, n, "");
		int fd = plain < 0 ? open_nth(files->path, n, ".gz") : -EEXIST;

		if (fd >= 0)
			r = put_in_front(&files->packed, &files->n_packed, fd);
		else if (fd != -EEXIST)
			none++; /* one may be missing in the middle of a rotation */
	}
	return r;
}

/* --- the last lines ---------------------------------------------------------------------------- */

/* Where the last *lines lines of a file begin; *lines is what is still wanted of the files before it. */
static int tail_offset(int fd, int64_t *lines, off_t *ret)
{
	char chunk[4096];
	off_t end = lseek(fd, 0, SEEK_END);
	bool first = true;

	while (end > 0) {
		size_t len = end < (off_t) sizeof chunk ? (size_t) end : sizeof chunk;
		ssize_t n = pread(fd, chunk, len, end - (off_t) len);

		if (n != (ssize_t) len)
			return n < 0 ? -errno : -EIO;
		for (size_t i = len; i > 0; i--) {
			bool at_end = first;

			first = false;
			if (chunk[i - 1] != '\n' || at_end) /* the newline of the last line ends it */
				continue;
			if (--*lines == 0) {
				*ret = end - (off_t) len + (off_t) i;
				return 0;
			}
		}
		end -= (off_t) len;
	}
	if (!first)
		--*lines; /* the first line has no newline in front */
	*ret = 0;
	return 0;
}

/* The same for frames: each has its length behind it too. What does not fit is where the file begins. */
static int tail_offset_of_frames(int fd, int64_t *lines, off_t *ret)
{
	off_t end = lseek(fd, 0, SEEK_END);

	while (end >= 2 * (off_t) sizeof(uint32_t) && *lines > 0) {
		uint32_t be;
		off_t size;

		if (pread(fd, &be, sizeof be, end - (off_t) sizeof be) != sizeof be)
			return -EIO;
		size = (off_t) be32toh(be) + 2 * (off_t) sizeof be;
		if (size > end)
			break;
		end -= size;
		--*lines;
	}
	*ret = *lines == 0 ? end : 0;
	return 0;
}

/* *ret_wanted: entries that are not in these files. */
static int start_at_tail(struct hoy_log_files *files, int64_t *ret_wanted)
{
	size_t i = files->n;

	*ret_wanted = files->tail;
	if (files->tail == 0 && files->n > 0) {
		files->at = files->n - 1;
		files->offset = lseek(files->fds[files->at], 0, SEEK_END);
		return 0;
	}
	while (i > 0 && *ret_wanted > 0) {
		int fd = files->fds[--i];
		int r = files->frames ? tail_offset_of_frames(fd, ret_wanted, &files->offset)
				      : tail_offset(fd, ret_wanted, &files->offset);

		if (r < 0)
			return r;
	}
	files->at = i;
	return 0;
}

int hoy_log_files_open(struct hoy_log_files *files, const char *path, bool frames, int64_t tail, struct hoy_err *err)
{
	int64_t wanted = 1;
	int r;

	*files = (struct hoy_log_files){ .path = strdup(path), .frames = frames, .tail = tail };
	hoy_buf_init(&files->in, LINE_MAX_BYTES + CHUNK);
	if (!files->path)
		return hoy_err_oom(err);
	r = open_back_to(files, NULL);
	if (r >= 0 && tail >= 0)
		r = start_at_tail(files, &wanted);
	if (r >= 0 && wanted > 0 && frames)
		r = open_packed(files);
	if (r >= 0)
		return 0;
	hoy_log_files_done(files);
	return hoy_err_code(err, r, "read log '%s'", path);
}

int hoy_log_files_unpacked(struct hoy_log_files *files, int fd, struct hoy_err *err)
{
	int64_t wanted;
	int r = put_in_front(&files->fds, &files->n, fd);

	close_packed(files);
	files->at = 0;
	files->offset = 0;
	if (r >= 0 && files->tail >= 0)
		r = start_at_tail(files, &wanted);
	return r < 0 ? hoy_err_code(err, r, "read log '%s'", files->path) : 0;
}

/* --- reading -------------------------------------------------------------------------------------- */

/* Forgets the files that are read, and the file `at` too; what follows it is opened. 1: there is more. */
static int go_on_behind(struct hoy_log_files *files)
{
	struct stat st;
	int r;

	if (fstat(files->fds[files->at], &st) < 0)
		return -errno;
	for (size_t i = 0; i < files->n; i++)
		hoy_fd_close(&files->fds[i]);
	files->n = files->at = 0;
	files->offset = 0;
	r = open_back_to(files, &st);
	return r < 0 ? r : 1;
}

/* The newest file has no more: was it rotated away or truncated? 1: look again. */
static int newest_moved(struct hoy_log_files *files)
{
	auto_fd int now = open_nth(files->path, 0, "");
	struct stat st, ours;

	if (now < 0 || fstat(now, &st) < 0 || fstat(files->fds[files->at], &ours) < 0)
		return now == -ENOENT || now >= 0 ? 0 : now;
	if (st.st_dev == ours.st_dev && st.st_ino == ours.st_ino) {
		if (ours.st_size >= files->offset)
			return 0;
		files->offset = 0;
		hoy_buf_clear(&files->in);
		files->given = 0;
		return 1;
	}
	if (ours.st_size > files->offset)
		return 1; /* its last lines came in between */
	return go_on_behind(files);
}

/* Reads on. 1: something came, 0: nothing now. */
static int fill(struct hoy_log_files *files)
{
	if (files->n == 0) {
		int r = open_back_to(files, NULL);

		if (r < 0 || files->n == 0)
			return r;
	}
	for (;;) {
		char *room = hoy_buf_reserve(&files->in, CHUNK);
		ssize_t n = room ? pread(files->fds[files->at], room, CHUNK, files->offset) : -1;
		int r;

		if (!room)
			return -EMSGSIZE;
		if (n < 0)
			return -errno;
		if (n > 0) {
			hoy_buf_commit(&files->in, (size_t) n);
			files->offset += n;
			return 1;
		}
		if (files->at + 1 < files->n) {
			files->at++;
			files->offset = 0;
			continue;
		}
		r = newest_moved(files);
		if (r <= 0)
			return r;
	}
}

/* The next entry in `in`: 1, 0 (it is not whole yet), -EBADMSG. */
static int take_line(struct hoy_log_files *files, char **ret, size_t *ret_len)
{
	char *line = files->in.data ? files->in.data + files->given : NULL;
	char *end = line ? memchr(line, '\n', files->in.len - files->given) : NULL;

	if (!end)
		return 0;
	*end = '\0';
	*ret = line;
	*ret_len = (size_t) (end - line);
	files->given += *ret_len + 1;
	return 1;
}

static int take_frame(struct hoy_log_files *files, char **ret, size_t *ret_len)
{
	size_t there = files->in.len - files->given;
	uint32_t be, behind;

	if (there < sizeof be)
		return 0;
	memcpy(&be, files->in.data + files->given, sizeof be);
	*ret_len = be32toh(be);
	if (*ret_len > LINE_MAX_BYTES)
		return -EBADMSG;
	if (there < *ret_len + 2 * sizeof be)
		return 0;
	*ret = files->in.data + files->given + sizeof be;
	memcpy(&behind, *ret + *ret_len, sizeof behind);
	files->given += *ret_len + 2 * sizeof be;
	return behind == be ? 1 : -EBADMSG;
}

int hoy_log_files_next(struct hoy_log_files *files, char **ret, size_t *ret_len, struct hoy_err *err)
{
	for (;;) {
		int r = files->frames ? take_frame(files, ret, ret_len) : take_line(files, ret, ret_len);

		if (r < 0)
			return hoy_err_code(err, r, "read log '%s': no frame of an entry", files->path);
		if (r > 0)
			return 1;
		hoy_buf_consume(&files->in, files->given);
		files->given = 0;
		r = fill(files);
		if (r < 0)
			return hoy_err_code(err, r, "read log '%s'", files->path);
		if (r == 0)
			return 0;
	}
}
