/*
 * COPY, ADD and WORKDIR: files of a build context, or of another stage, go into a stage's tree. Where they go is
 * resolved inside the view and where they come from inside the source, both by descriptor, whatever links there are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/build/chmod.h"
#include "supervisor/build/ignore.h"
#include "supervisor/worker/build/sources.h"
#include "supervisor/worker/files/files.h"
#include "supervisor/worker/layer/hash.h"
#include "supervisor/worker/layer/stream.h"

#define DIGEST_BLOCK ((size_t) 256 << 10)

struct placing {
	const struct hoy_view *view;
	const char *dest; /* absolute and clean */
	bool dest_is_dir;
	bool unpack, unpack_urls;
	int remotes;      /* directory of what came from elsewhere; < 0: none */
	bool parents;     /* what leads to a source comes along */
	bool keeps_owner; /* unpacked archives keep the owners they tell */
	struct hoy_files_owner owner;
	uint64_t bytes;
};

static const char *text_of(const struct hoy_json *object, const char *key)
{
	const char *text = hoy_json_string(hoy_json_get(object, key));

	return text ? text : "";
}

/* --- directories -------------------------------------------------------------------------------------------------- */

/* One directory more below `parent`, which is what `path` without its last part names. An O_PATH descriptor. */
static int make_dir(struct placing *p, int parent, const char *path, struct hoy_err *err)
{
	const char *name = hoy_path_base(path);
	int fd;

	if (mkdirat(parent, name, 0755) < 0)
		return hoy_err_sys(err, "make the directory '%s'", path);
	fd = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return hoy_err_sys(err, "open the directory '%s'", path);
	if (fchownat(parent, name, p->owner.uid, p->owner.gid, AT_SYMLINK_NOFOLLOW) < 0) {
		hoy_fd_close(&fd);
		return hoy_err_sys(err, "set the owner of '%s'", path);
	}
	return fd;
}

/* The directory `path`, made with all above it where they are missing: they get the copy's owner. O_PATH. */
static int make_dirs(struct placing *p, const char *path, bool *ret_made, struct hoy_err *err)
{
	auto_fd int at = hoy_path_open_in_root(p->view->root, "/", O_PATH | O_DIRECTORY, 0, err);
	auto_free char *prefix = strdup(path);

	*ret_made = false;
	if (!prefix)
		return hoy_err_oom(err);
	for (size_t end = 1; at >= 0 && path[end - 1]; end++) {
		int next;

		if (end == 1 || (path[end] && path[end] != '/'))
			continue;
		prefix[end] = '\0';
		next = hoy_path_open_in_root(p->view->root, prefix, O_PATH | O_DIRECTORY, 0, NULL);
		if (next == -ENOTDIR)
			return hoy_err_invalid(err, "cannot create the directory '%s': a file is in its place", prefix);
		*ret_made = next == -ENOENT;
		if (next == -ENOENT)
			next = make_dir(p, at, prefix, err);
		else if (next < 0)
			return hoy_err_code(err, next, "open '%s'", prefix);
		hoy_fd_close(&at);
		at = next;
		if (path[end])
			prefix[end] = '/';
		else
			break;
	}
	return at < 0 ? at : TAKE_FD(at);
}

static int make_parent(struct placing *p, const char *path, struct hoy_err *err)
{
	auto_free char *dir = strndup(path, (size_t) (hoy_path_base(path) - path));
	size_t len = dir ? strlen(dir) : 0;
	bool made;

	if (!dir)
		return hoy_err_oom(err);
	if (len > 1)
		dir[len - 1] = '\0';
	return make_dirs(p, *dir ? dir : "/", &made, err);
}

/* --- archives --------------------------------------------------------------------------------- */

static int open_archive(int file, struct hoy_layer_stream **ret, struct hoy_err *err)
{
	const struct hoy_layer_stream_options options = {
		.fd = file, .copy_fd = -EBADF, .max_bytes = (uint64_t) 1 << 40, .no_digests = true, .foreign = true
	};

	return lseek(file, 0, SEEK_SET) < 0 ? hoy_err_sys(err, "read an archive")
					    : hoy_layer_stream_new(&options, ret, err);
}

/* A tar, compressed or not: its first header has the mark that all but the oldest have. */
static bool is_archive(int file)
{
	auto_ptr(hoy_layer_stream_free) struct hoy_layer_stream *stream = NULL;
	const void *block;
	ssize_t n;

	if (open_archive(file, &stream, NULL) < 0)
		return false;
	n = hoy_layer_stream_next(stream, &block, NULL);
	return n >= 512 && memcmp((const char *) block + 257, "ustar", 5) == 0;
}

/* Returns > 0 when it was one. */
static int unpack_archive(struct placing *p, int fd, struct hoy_err *err)
{
	auto_ptr(hoy_layer_stream_free) struct hoy_layer_stream *stream = NULL;
	const struct hoy_files_put how = {
		.no_overwrite = true, .chown = !p->keeps_owner, .uid = p->owner.uid, .gid = p->owner.gid
	};
	auto_fd int file = hoy_view_reopen(p->view, fd, err), found = -EBADF, dir = -EBADF;
	uint64_t bytes = 0;
	bool made;
	int r;

	if (file < 0)
		return file;
	if (!is_archive(file))
		return 0;
	found = make_dirs(p, p->dest, &made, err);
	if (found < 0)
		return found;
	dir = hoy_view_reopen(p->view, found, err);
	if (dir < 0)
		return dir;
	r = open_archive(file, &stream, err);
	if (r == 0)
		r = hoy_files_unpack(dir, stream, &how, &bytes, err);
	p->bytes += bytes;
	return r < 0 ? r : 1;
}

/* --- one source ------------------------------------------------------------------------------- */

/* What is in it goes into the destination, which is a directory. One that is made is like it. */
static int place_dir(struct placing *p, int fd, const struct stat *st, struct hoy_err *err)
{
	bool made;
	auto_fd int target = make_dirs(p, p->dest, &made, err), from = -EBADF, to = -EBADF;
	int r;

	if (target < 0)
		return target;
	from = hoy_view_reopen(p->view, fd, err);
	if (from < 0)
		return from;
	to = hoy_view_reopen(p->view, target, err);
	if (to < 0)
		return to;
	r = hoy_files_copy_content(p->view, from, to, &p->owner, &p->bytes, err);
	return r == 0 && made ? hoy_files_give(&p->owner, to, st, err) : r;
}

/* The directory that something goes into and the name it gets there. */
static int open_place(struct placing *p, const char *source, char **ret_name, struct hoy_err *err)
{
	auto_fd int there = hoy_path_open_in_root(p->view->root, p->dest, O_PATH | O_DIRECTORY, 0, NULL), dir = -EBADF;
	bool made, inside = p->dest_is_dir || there >= 0;

	dir = inside ? make_dirs(p, p->dest, &made, err) : make_parent(p, p->dest, err);
	if (dir < 0)
		return dir;
	*ret_name = strdup(hoy_path_base(inside ? source : p->dest));
	return *ret_name ? hoy_view_reopen(p->view, dir, err) : hoy_err_oom(err);
}

/* One of the sources as such, not what is in it: a directory that was named is always meant. */
static bool is_excluded(const struct placing *p, const char *path, bool is_dir, bool is_pattern)
{
	if (!p->owner.excludes || (is_dir && !is_pattern))
		return false;
	return hoy_ignore_excludes(p->owner.excludes, path) && (!is_dir || hoy_ignore_prunes(p->owner.excludes, path));
}

static int place_one(struct placing *p, int source, const char *path, bool is_pattern, struct hoy_err *err)
{
	auto_fd int fd = hoy_path_open_in_root(source, *path ? path : "/", O_PATH, 0, NULL), dir = -EBADF;
	auto_free char *name = NULL;
	struct stat st;
	int r;

	if (fd == -ENOENT || fd == -ENOTDIR)
		return hoy_err_not_found(err, "\"/%s\": not found", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return hoy_err_code(err, fd < 0 ? fd : -errno, "open '%s'", path);
	if (!p->parents && is_excluded(p, hoy_path_base(path), S_ISDIR(st.st_mode), is_pattern))
		return 0;
	if (S_ISDIR(st.st_mode))
		return place_dir(p, fd, &st, err);
	if (p->unpack && S_ISREG(st.st_mode)) {
		r = unpack_archive(p, fd, err);
		if (r != 0)
			return r < 0 ? hoy_err_wrap(err, "unpack '%s'", path) : 0;
	}
	dir = open_place(p, path, &name, err);
	return dir < 0 ? dir : hoy_files_copy_as(p->view, fd, dir, name, &p->owner, &p->bytes, err);
}

/* Directories below the destination that were made on the way to a source become like those of the source. */
static int give_parents(struct placing *p, int source, const char *pivot, const char *dest, const char *path,
	size_t n_there, struct hoy_err *err)
{
	size_t n = 0;
	int r = 0;

	for (const char *end = strchr(path, '/'); r == 0 && end; end = strchr(end + 1, '/')) {
		int len = (int) (end - path);
		auto_free char *from = hoy_str_printf("%s/%.*s", pivot, len, path);
		auto_free char *to = hoy_str_printf("%s/%.*s", dest, len, path);
		auto_fd int from_fd = -EBADF, to_fd = -EBADF, fd = -EBADF;
		struct stat st;

		if (!from || !to)
			return hoy_err_oom(err);
		if (n++ < n_there)
			continue;
		from_fd = hoy_path_open_in_root(source, from, O_PATH | O_DIRECTORY, 0, err);
		to_fd = from_fd < 0 ? from_fd : hoy_path_open_in_root(p->view->root, to, O_PATH, 0, err);
		if (to_fd < 0)
			return to_fd;
		if (fstat(from_fd, &st) < 0)
			return hoy_err_sys(err, "look at '%s'", from);
		fd = hoy_view_reopen(p->view, to_fd, err);
		r = fd < 0 ? fd : hoy_files_give(&p->owner, fd, &st, err);
	}
	return r;
}

/* --parents: `path` below the pivot is its name below the destination too. */
static int place_with_parents(
	struct placing *p, int source, const char *pivot, const char *path, bool is_pattern, struct hoy_err *err)
{
	const char *rest = path + strlen(pivot) + (*pivot != '\0');
	auto_free char *whole = hoy_path_join(p->dest, *rest ? rest : "."), *prefix = hoy_str_printf("%s/", rest);
	auto_free char *above = whole ? strndup(whole, (size_t) (hoy_path_base(whole) - whole)) : NULL;
	struct placing inner = *p;
	size_t n_there = 0;
	struct stat st;
	auto_fd int fd = hoy_path_open_in_root(source, *path ? path : "/", O_PATH, 0, NULL);
	int r;

	if (!whole || !prefix || !above)
		return hoy_err_oom(err);
	if (strlen(path) < strlen(pivot) || (fd >= 0 && fstat(fd, &st) < 0))
		return hoy_err_code(err, -EPROTO, "source '%s'", path);
	if (fd >= 0 && *rest && is_excluded(p, rest, S_ISDIR(st.st_mode), is_pattern))
		return 0;
	for (const char *end = strchr(rest, '/'); end; end = strchr(end + 1, '/')) {
		auto_free char *dir = hoy_str_printf("%s/%.*s", p->dest, (int) (end - rest), rest);
		auto_fd int there = dir ? hoy_path_open_in_root(p->view->root, dir, O_PATH, 0, NULL) : -ENOMEM;

		n_there += there >= 0;
	}
	inner.owner.prefix = *rest ? prefix : "";
	inner.dest_is_dir = true;
	inner.dest = fd >= 0 && S_ISDIR(st.st_mode) ? whole : above;
	r = place_one(&inner, source, path, is_pattern, err);
	p->bytes = inner.bytes;
	return r < 0 ? r : give_parents(p, source, pivot, p->dest, rest, n_there, err);
}

/* What a worker that speaks with strangers has brought is what it said it is. */
static int check_digest(int dir, const char *name, const char *digest, struct hoy_err *err)
{
	auto_fd int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	auto_free char *block = malloc(DIGEST_BLOCK);
	char found[HOY_LAYER_DIGEST_MAX];
	struct hoy_layer_hash hash = { 0 };
	ssize_t n = 0;
	int r = fd < 0   ? hoy_err_sys(err, "open '%s'", name)
		: !block ? hoy_err_oom(err)
			 : hoy_layer_hash_init(&hash, err);

	while (r == 0 && (n = hoy_fd_read_full(fd, block, DIGEST_BLOCK)) > 0)
		r = hoy_layer_hash_add(&hash, block, (size_t) n, err);
	if (r == 0 && n < 0)
		r = hoy_err_code(err, (int) n, "read '%s'", name);
	if (r == 0)
		r = hoy_layer_hash_finish(&hash, found, err);
	hoy_layer_hash_done(&hash);
	if (r == 0 && strcmp(found, digest) != 0)
		r = hoy_err_invalid(err, "'%s' is not what was downloaded: %s, expected %s", name, found, digest);
	return r;
}

static int place_remote(struct placing *p, const struct hoy_json *what, struct hoy_err *err)
{
	const char *name = text_of(what, "text");
	auto_fd int dir = openat(p->remotes, text_of(what, "remote"), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct placing inner = *p;
	int r = dir < 0 ? hoy_err_sys(err, "open what was brought") : 0;

	if (r == 0 && *text_of(what, "digest"))
		r = check_digest(dir, name, text_of(what, "digest"), err);
	inner.unpack = p->unpack_urls;
	inner.parents = false;
	if (r == 0)
		r = place_one(&inner, dir, name, /* is_pattern= */ false, err);
	p->bytes = inner.bytes;
	return r;
}

static int place_matches(struct placing *p, int source, const struct hoy_json *what, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **paths = NULL;
	bool is_pattern = hoy_json_bool(hoy_json_get(what, "pattern"));
	int r = 0;

	if (*text_of(what, "remote"))
		return place_remote(p, what, err);
	if (source < 0)
		return hoy_err_code(err, -EPROTO, "request to build");
	r = hoy_sources_match(source, text_of(what, "text"), is_pattern, p->parents, &paths, err);

	if (r == 0 && !*paths)
		return hoy_err_not_found(
			err, "no source files were specified: nothing matches '%s'", text_of(what, "text"));
	if (r == 0 && paths[1] && !p->dest_is_dir && !p->parents)
		return hoy_err_invalid(err, "When using COPY with more than one source file, the destination must be a "
					    "directory and end with a /");
	for (char **path = paths; r == 0 && *path; path++)
		r = p->parents ? place_with_parents(p, source, text_of(what, "pivot"), *path, is_pattern, err)
			       : place_one(p, source, *path, is_pattern, err);
	return r;
}

/* --- files that come with the Dockerfile ------------------------------------------------------ */

static int place_file(struct placing *p, const struct hoy_json *what, struct hoy_err *err)
{
	const char *content = text_of(what, "content");
	struct stat st = { .st_mode = S_IFREG | 0644 };
	auto_fd int dir = -EBADF, fd = -EBADF;
	auto_free char *name = NULL;
	int r;

	dir = open_place(p, text_of(what, "name"), &name, err);
	if (dir < 0)
		return dir;
	if (unlinkat(dir, name, 0) < 0 && errno != ENOENT)
		return hoy_err_sys(err, "replace '%s'", name);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return hoy_err_sys(err, "create '%s'", name);
	r = hoy_fd_write_all(fd, content, strlen(content));
	if (r < 0)
		return hoy_err_code(err, r, "write '%s'", name);
	p->bytes += strlen(content);
	return hoy_files_give(&p->owner, fd, &st, err);
}

/* --- all -------------------------------------------------------------------------------------- */

static int parse_owner(struct placing *p, const char *text, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **ids = hoy_str_split(text, ':');

	p->keeps_owner = !*text;
	p->owner.keep = !*text && p->view->other >= 0; /* of a stage or image; a context's owners mean nothing */
	if (!*text)
		return 0;
	if (ids && hoy_strv_len(ids) == 2 && hoy_str_to_uint(ids[0], &p->owner.uid) == 0 &&
		hoy_str_to_uint(ids[1], &p->owner.gid) == 0)
		return 0;
	return hoy_err_code(err, -EPROTO, "owner '%s'", text);
}

static int parse_excludes(const struct hoy_json *request, struct hoy_ignore **ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **patterns = NULL;

	hoy_json_each(pattern, hoy_json_get(request, "excludes"))
	{
		if (hoy_strv_add(&patterns, hoy_json_string(pattern) ? hoy_json_string(pattern) : "") < 0)
			return hoy_err_oom(err);
	}
	return patterns ? hoy_ignore_from_list(patterns, ret, err) : 0;
}

int hoy_files_build(const struct hoy_view *view, const struct hoy_json *request, int source, int remotes,
	uint64_t *ret_bytes, struct hoy_err *err)
{
	const struct hoy_json *sources = hoy_json_get(request, "sources"), *files = hoy_json_get(request, "files");
	struct placing p = {
		.view = view,
		.dest = text_of(request, "path"),
		.dest_is_dir = hoy_json_bool(hoy_json_get(request, "is_dir")),
		.unpack = hoy_json_bool(hoy_json_get(request, "unpack")),
		.unpack_urls = hoy_json_bool(hoy_json_get(request, "unpack_urls")),
		.remotes = remotes,
		.parents = hoy_json_bool(hoy_json_get(request, "parents")),
		.owner.chmod = *text_of(request, "mode") ? text_of(request, "mode") : NULL,
		.owner.prefix = "",
	};
	auto_ptr(hoy_ignore_free) struct hoy_ignore *excludes = NULL;
	mode_t ignored;
	int r = parse_owner(&p, text_of(request, "owner"), err);

	if (r == 0 && (*p.dest != '/' || (p.owner.chmod && hoy_chmod_apply(p.owner.chmod, 0, false, &ignored) < 0)))
		r = hoy_err_code(err, -EPROTO, "request to build");
	if (r == 0)
		r = parse_excludes(request, &excludes, err);
	p.owner.excludes = excludes;
	if (r == 0 && !sources && !files) {
		bool made;
		auto_fd int dir = make_dirs(&p, p.dest, &made, err);

		return dir < 0 ? dir : 0;
	}
	hoy_json_each(what, sources)
	{
		if (r == 0)
			r = place_matches(&p, source, what, err);
	}
	hoy_json_each(what, files)
	{
		if (r == 0)
			r = place_file(&p, what, err);
	}
	*ret_bytes = p.bytes;
	return r;
}
