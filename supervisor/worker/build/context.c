#include "supervisor/worker/build/context.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/worker/build/sources.h"
#include "supervisor/worker/layer/hash.h"

#define DEPTH_MAX 400

int hoy_context_read(int root, const char *path, size_t cap, struct hoy_buf *buf, struct hoy_err *err)
{
	auto_fd int fd = hoy_path_open_in_root(root, path, O_RDONLY | O_NONBLOCK, 0, err);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return hoy_err_invalid(err, "'%s' is not a regular file", path);
	hoy_buf_init(buf, cap);
	return hoy_file_read_fd(fd, path, buf, err);
}

/* --- ignored files ---------------------------------------------------------------------------------------------- */

static int remove_below(int dir, const char *path, const struct hoy_ignore *ignore, int depth, struct hoy_err *err);

static int look_at(
	int dir, const char *name, const char *path, const struct hoy_ignore *ignore, int depth, struct hoy_err *err)
{
	bool excluded = hoy_ignore_excludes(ignore, path);
	auto_fd int below = -EBADF;
	struct stat st;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "look at '%s'", path);
	if (!S_ISDIR(st.st_mode))
		return excluded && unlinkat(dir, name, 0) < 0 ? hoy_err_sys(err, "remove '%s'", path) : 0;
	if (excluded && hoy_ignore_prunes(ignore, path))
		return hoy_path_remove_all(dir, name, err);
	below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return hoy_err_sys(err, "open '%s'", path);
	r = remove_below(below, path, ignore, depth + 1, err);
	/* One that holds nothing that was brought back is not there either. */
	if (r == 0 && excluded && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOTEMPTY && errno != EEXIST)
		return hoy_err_sys(err, "remove '%s'", path);
	return r;
}

static int remove_below(int dir, const char *path, const struct hoy_ignore *ignore, int depth, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = depth > DEPTH_MAX ? hoy_err_invalid(err, "more than %d directories in each other", DEPTH_MAX)
				  : hoy_sources_names(dir, &names, err);

	for (char **name = names; r == 0 && name && *name; name++) {
		auto_free char *whole = *path ? hoy_str_printf("%s/%s", path, *name) : strdup(*name);

		r = whole ? look_at(dir, *name, whole, ignore, depth, err) : hoy_err_oom(err);
	}
	return r;
}

int hoy_context_remove_ignored(int root, const struct hoy_ignore *ignore, struct hoy_err *err)
{
	return remove_below(root, "", ignore, 0, err);
}

/* --- digests ------------------------------------------------------------------------------------------------------ */

struct hashing {
	struct hoy_layer_hash hash;
	int root;
	const struct hoy_ignore *excludes; /* NULL: none */
	char block[64 << 10];
};

static int add_text(struct hashing *h, const char *text, struct hoy_err *err)
{
	return hoy_layer_hash_add(&h->hash, text, strlen(text) + 1, err);
}

static int add_number(struct hashing *h, uint64_t number, struct hoy_err *err)
{
	return hoy_layer_hash_add(&h->hash, &number, sizeof number, err);
}

static int add_content(struct hashing *h, int fd, const char *path, struct hoy_err *err)
{
	uint64_t all = 0;
	int r = 0;

	while (r == 0) {
		ssize_t n = hoy_fd_read_full(fd, h->block, sizeof h->block);

		if (n < 0)
			return hoy_err_code(err, (int) n, "read '%s'", path);
		if (n == 0)
			break;
		all += (uint64_t) n;
		r = hoy_layer_hash_add(&h->hash, h->block, (size_t) n, err);
	}
	return r < 0 ? r : add_number(h, all, err);
}

static int add_entry(struct hashing *h, int dir, const char *name, const char *path, int depth, struct hoy_err *err);

/* `path` is what patterns of --exclude see of it. */
static int add_dir(struct hashing *h, int fd, const char *path, int depth, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = depth > DEPTH_MAX ? hoy_err_invalid(err, "more than %d directories in each other", DEPTH_MAX)
				  : hoy_sources_names(fd, &names, err);

	for (char **name = names; r == 0 && name && *name; name++) {
		auto_free char *below = *path ? hoy_str_printf("%s/%s", path, *name) : strdup(*name);

		if (!below)
			return hoy_err_oom(err);
		if (!hoy_ignore_excludes(h->excludes, below) || !hoy_ignore_prunes(h->excludes, below))
			r = add_entry(h, fd, *name, below, depth + 1, err);
	}
	return r < 0 ? r : add_text(h, "", err); /* the end of the directory */
}

static int add_opened(struct hashing *h, int fd, const struct stat *st, const char *told, const char *path, int depth,
	struct hoy_err *err)
{
	int r = add_text(h, told, err);

	if (r == 0)
		r = add_number(h, st->st_mode, err);
	if (r < 0)
		return r;
	return S_ISDIR(st->st_mode)   ? add_dir(h, fd, path, depth, err)
	       : S_ISREG(st->st_mode) ? add_content(h, fd, told, err)
				      : 0;
}

static int add_entry(struct hashing *h, int dir, const char *name, const char *path, int depth, struct hoy_err *err)
{
	auto_fd int fd = -EBADF;
	struct stat st;
	char target[4097];
	ssize_t n;
	int r;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return hoy_err_sys(err, "look at '%s'", path);
	if (S_ISLNK(st.st_mode)) {
		n = readlinkat(dir, name, target, sizeof target - 1);
		if (n < 0)
			return hoy_err_sys(err, "read the link '%s'", path);
		target[n] = '\0';
		r = add_opened(h, -EBADF, &st, name, path, depth, err);
		return r < 0 ? r : add_text(h, target, err);
	}
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd < 0)
			return hoy_err_sys(err, "open '%s'", path);
	}
	return add_opened(h, fd, &st, name, path, depth, err);
}

/* What leads to a source and becomes part of the image: names and modes. */
static int add_parents(struct hashing *h, const char *pivot, const char *path, struct hoy_err *err)
{
	int r = 0;

	for (const char *end = strchr(path + strlen(pivot), '/'); r == 0 && end; end = strchr(end + 1, '/')) {
		auto_free char *dir = strndup(path, (size_t) (end - path));
		auto_fd int fd = dir ? hoy_path_open_in_root(h->root, *dir ? dir : "/", O_PATH, 0, err) : -ENOMEM;
		struct stat st;

		if (fd < 0)
			return fd;
		if (fstat(fd, &st) < 0)
			return hoy_err_sys(err, "look at '%s'", dir);
		r = add_number(h, st.st_mode, err);
	}
	return r < 0 ? r : add_text(h, path + strlen(pivot), err);
}

/* A source itself is followed when it is a link; what a directory is called does not matter, as its content is copied.
 * With `pivot`, where the parents that are kept begin, all names count. */
static int add_source(struct hashing *h, const char *path, const char *pivot, bool is_pattern, struct hoy_err *err)
{
	auto_fd int fd = hoy_path_open_in_root(h->root, *path ? path : "/", O_RDONLY | O_NONBLOCK, 0, err);
	const char *below;
	struct stat st;
	int r = 0;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return hoy_err_sys(err, "look at '%s'", path);
	below = pivot                 ? path + strlen(pivot) + (*pivot && path[strlen(pivot)])
		: S_ISDIR(st.st_mode) ? ""
				      : hoy_path_base(path);
	if (!S_ISDIR(st.st_mode) && hoy_ignore_excludes(h->excludes, below))
		return 0;
	if (S_ISDIR(st.st_mode) && is_pattern && hoy_ignore_excludes(h->excludes, hoy_path_base(path)) &&
		hoy_ignore_prunes(h->excludes, hoy_path_base(path)))
		return 0;
	if (pivot)
		r = add_parents(h, pivot, path, err);
	if (r < 0)
		return r;
	return add_opened(h, fd, &st, S_ISDIR(st.st_mode) ? "." : hoy_path_base(path), below, 0, err);
}

static int add_sources(
	struct hashing *h, const struct hoy_build_source *source, bool parents, char **ret_missing, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **paths = NULL;
	const char *pivot = source->pivot ? source->pivot : parents ? "" : NULL;
	int r = hoy_sources_match(h->root, source->text, source->is_pattern, parents, &paths, err);

	if (r == 0 && !*paths)
		r = -ENOENT;
	for (char **path = paths; r == 0 && *path; path++)
		r = add_source(h, *path, pivot, source->is_pattern, err);
	if (r == -ENOENT || r == -ENOTDIR) {
		*ret_missing = strdup(source->text);
		return *ret_missing ? -ENOENT : hoy_err_oom(err);
	}
	return r;
}

int hoy_context_digest(int root, const struct hoy_build_copy *copy, char ret[HOY_LAYER_DIGEST_MAX], char **ret_missing,
	struct hoy_err *err)
{
	struct hashing h = { .root = root };
	auto_ptr(hoy_ignore_free) struct hoy_ignore *excludes = NULL;
	int r = copy->excludes && *copy->excludes ? hoy_ignore_from_list(copy->excludes, &excludes, err) : 0;

	if (r == 0)
		r = hoy_layer_hash_init(&h.hash, err);
	if (r < 0)
		return r;
	h.excludes = excludes;
	for (size_t i = 0; r == 0 && i < copy->n_sources; i++)
		if (copy->sources[i].kind == HOY_BUILD_SOURCE_PATH)
			r = add_sources(&h, &copy->sources[i], copy->parents, ret_missing, err);
	if (r == 0)
		r = hoy_layer_hash_finish(&h.hash, ret, err);
	hoy_layer_hash_done(&h.hash);
	return r;
}
