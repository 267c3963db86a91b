/* Lookups over stacked layer directories, without mounting them. */
#include "supervisor/container/layered.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"

#define LINKS_MAX 40

/* One directory of the container: the same path in all layers that have a part of it, top first. */
struct part {
	int fd;
	size_t layer; /* its place among the directories */
};
struct stack {
	struct part *parts;
	size_t n;
};

static void stack_done(struct stack *stack)
{
	for (size_t i = 0; i < stack->n; i++)
		hoy_fd_close(&stack->parts[i].fd);
	free(stack->parts);
	*stack = (struct stack){};
}

static int stack_add(struct stack *stack, int fd, size_t layer)
{
	struct part *grown = reallocarray(stack->parts, stack->n + 1, sizeof *grown);

	if (!grown) {
		hoy_fd_close(&fd);
		return -ENOMEM;
	}
	stack->parts = grown;
	stack->parts[stack->n++] = (struct part){ fd, layer };
	return 0;
}

static int stack_open_root(struct stack *stack, char *const *dirs)
{
	int r = 0;

	for (size_t i = 0; dirs[i] && r >= 0; i++) {
		int fd = open(dirs[i], O_PATH | O_DIRECTORY | O_CLOEXEC);

		if (fd < 0)
			return -errno;
		r = stack_add(stack, fd, i);
	}
	return r;
}

/* Extended attributes are read through /proc: the descriptors are O_PATH. */
static bool has_attr(int fd, const char *name)
{
	char proc[HOY_PROC_FD_MAX], value[4];

	return getxattr(hoy_path_proc_fd(fd, proc), name, value, sizeof value) >= 0;
}

static bool is_whiteout(int fd, const struct stat *st)
{
	if (S_ISCHR(st->st_mode))
		return st->st_rdev == makedev(0, 0);
	return S_ISREG(st->st_mode) && st->st_size == 0 && has_attr(fd, "user.overlay.whiteout");
}

/* What `name` is in the merged directory: its part in every layer for a directory, else the topmost one alone. */
static int lookup(const struct stack *dir, const char *name, struct stack *ret, struct stat *ret_st)
{
	auto_(stack_done) struct stack found = {};

	for (size_t i = 0; i < dir->n; i++) {
		auto_fd int fd = openat(dir->parts[i].fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
		struct stat st;
		bool is_dir;

		if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
			continue;
		if (fd < 0 || fstat(fd, &st) < 0)
			return -errno;
		is_dir = S_ISDIR(st.st_mode);
		if (is_whiteout(fd, &st) || (found.n > 0 && !is_dir))
			break;
		if (found.n == 0)
			*ret_st = st;
		{
			bool last = !is_dir || has_attr(fd, "user.overlay.opaque");
			int r = stack_add(&found, TAKE_FD(fd), dir->parts[i].layer);

			if (r < 0)
				return r;
			if (last)
				break;
		}
	}
	if (found.n == 0)
		return -ENOENT;
	*ret = found;
	found = (struct stack){};
	return 0;
}

/* The target of a link put in front of the rest of the path, cleaned and absolute: ".." can't leave "/". */
static int follow(const struct stack *link, const char *dir_path, const char *rest, char **ret)
{
	char target[4096];
	ssize_t len = readlinkat(link->parts[0].fd, "", target, sizeof target - 1);
	auto_free char *joined = NULL, *whole = NULL;

	if (len < 0)
		return -errno;
	target[len] = '\0';
	joined = hoy_path_join(dir_path, target);
	whole = joined ? hoy_str_printf("%s/%s", joined, rest) : NULL;
	*ret = whole ? hoy_path_clean(whole) : NULL;
	return *ret ? 0 : -ENOMEM;
}

static int reopen_file(const struct stack *found, const struct stat *st)
{
	char proc[HOY_PROC_FD_MAX];
	int fd;

	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	fd = open(hoy_path_proc_fd(found->parts[0].fd, proc), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int stat_part(const struct part *part, struct stat *ret)
{
	return fstat(part->fd, ret) < 0 ? -errno : 0;
}

/* Walks an absolute, clean path. Returns what is there, or with *ret_next set where a link sends it. */
static int walk(char *const *dirs, const char *path, struct stack *ret, struct stat *ret_st, char **ret_next)
{
	auto_(stack_done) struct stack at = {};
	int r = stack_open_root(&at, dirs);

	if (r >= 0)
		r = at.n > 0 ? stat_part(&at.parts[0], ret_st) : -ENOENT;
	for (const char *p = path + 1; r >= 0 && *p;) {
		size_t len = strcspn(p, "/");
		const char *rest = p[len] ? p + len + 1 : "";
		auto_free char *name = strndup(p, len), *dir_path = strndup(path, (size_t) (p - path));
		struct stack next = {};

		if (!name || !dir_path)
			return -ENOMEM;
		r = lookup(&at, name, &next, ret_st);
		if (r < 0)
			return r;
		stack_done(&at);
		at = next;
		if (S_ISLNK(ret_st->st_mode))
			return follow(&at, dir_path, rest, ret_next);
		if (*rest && !S_ISDIR(ret_st->st_mode))
			return -ENOTDIR;
		p = rest;
	}
	if (r < 0)
		return r;
	*ret = at;
	at = (struct stack){};
	return 0;
}

/* `ret_path` is where it was found: absolute, clean and without links. */
static int find(char *const *dirs, const char *path, struct stack *ret, struct stat *ret_st, char **ret_path)
{
	auto_free char *at = NULL, *rooted = hoy_str_printf("/%s", path);

	at = rooted ? hoy_path_clean(rooted) : NULL;
	for (int links = 0; at && links < LINKS_MAX; links++) {
		auto_free char *next = NULL;
		int r = walk(dirs, at, ret, ret_st, &next);

		if (r < 0)
			return r;
		if (!next) {
			*ret_path = TAKE_PTR(at);
			return 0;
		}
		free(at);
		at = TAKE_PTR(next);
	}
	return at ? -ELOOP : -ENOMEM;
}

int hoy_layered_open(char *const *dirs, const char *path, struct hoy_err *err)
{
	auto_(stack_done) struct stack found = {};
	auto_free char *at = NULL;
	struct stat st;
	int r = find(dirs, path, &found, &st, &at);

	if (r >= 0)
		r = reopen_file(&found, &st);
	return r < 0 ? hoy_err_code(err, r, "open '%s' in the container's layers", path) : r;
}

int hoy_layered_stat(char *const *dirs, const char *path, struct stat *ret)
{
	auto_(stack_done) struct stack found = {};
	auto_free char *at = NULL;

	return find(dirs, path, &found, ret, &at);
}

int hoy_layered_parts(char *const *dirs, const char *path, char ***ret, struct stat *ret_st)
{
	auto_(stack_done) struct stack found = {};
	auto_ptr(hoy_strv_free) char **parts = NULL;
	auto_free char *at = NULL;
	int r = find(dirs, path, &found, ret_st, &at);

	for (size_t i = 0; r >= 0 && i < found.n; i++)
		r = hoy_strv_addf(&parts, "%s%s", dirs[found.parts[i].layer], at[1] ? at : "");
	if (r >= 0)
		*ret = TAKE_PTR(parts);
	return r;
}
