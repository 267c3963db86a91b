/* Files of lines. */
#include "supervisor/api/line_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"

struct hoy_line_file {
	char *path;
	int fd;
	int64_t size, max;
	unsigned int older;
};

static int open_file(struct hoy_line_file *file, struct hoy_err *err)
{
	struct stat st;
	char last = '\n';

	file->fd = open(file->path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file->fd < 0 || fstat(file->fd, &st) < 0)
		return hoy_err_sys(err, "open '%s'", file->path);
	file->size = st.st_size;
	/* half a line of a full disk or a power loss: the next one is a line of its own */
	if (st.st_size > 0 && pread(file->fd, &last, 1, st.st_size - 1) == 1 && last != '\n')
		(void) hoy_fd_write_all(file->fd, "\n", 1);
	return 0;
}

int hoy_line_file_open(
	const char *path, int64_t max, unsigned int older, struct hoy_line_file **ret, struct hoy_err *err)
{
	auto_ptr(hoy_line_file_free) struct hoy_line_file *file = calloc(1, sizeof *file);
	int r;

	if (!file)
		return hoy_err_oom(err);
	file->fd = -EBADF;
	file->max = max;
	file->older = older;
	file->path = strdup(path);
	if (!file->path)
		return hoy_err_oom(err);
	r = open_file(file, err);
	if (r >= 0)
		*ret = TAKE_PTR(file);
	return r;
}

void hoy_line_file_free(struct hoy_line_file *file)
{
	if (!file)
		return;
	hoy_fd_close(&file->fd);
	free(file->path);
	free(file);
}

const char *hoy_line_file_path(const struct hoy_line_file *file)
{
	return file->path;
}

static int rotate(struct hoy_line_file *file, struct hoy_err *err)
{
	for (unsigned int i = file->older; i > 0; i--) {
		auto_free char *to = hoy_str_printf("%s.%u", file->path, i);
		auto_free char *from = i > 1 ? hoy_str_printf("%s.%u", file->path, i - 1) : strdup(file->path);

		if (!from || !to)
			return hoy_err_oom(err);
		if (rename(from, to) < 0 && errno != ENOENT)
			return hoy_err_sys(err, "rename '%s'", from);
	}
	hoy_fd_close(&file->fd);
	return open_file(file, err);
}

int hoy_line_file_add(struct hoy_line_file *file, const char *line, size_t len, struct hoy_err *err)
{
	int r = 0;

	if (file->size > 0 && file->size + (int64_t) len > file->max)
		r = rotate(file, err);
	if (r >= 0 && file->fd < 0)
		r = open_file(file, err);
	if (r < 0)
		return r;
	r = hoy_fd_write_all(file->fd, line, len);
	if (r < 0) {
		(void) !ftruncate(file->fd, file->size); /* no torn line stays */
		return hoy_err_code(err, r, "write '%s'", file->path);
	}
	file->size += (int64_t) len;
	return 0;
}
