/* A walk in the order of names, without recursion: a frame per directory on the way down, its names in memory. */
#include "supervisor/worker/layer/pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/worker/layer/attrs.h"
#include "supervisor/worker/layer/tar_write.h"
#include "supervisor/worker/layer/twin.h"

#define MAX_XATTR_NAMES ((size_t) 64 << 10)
#define OPAQUE_XATTR "user.overlay.opaque"
#define WHITEOUT ".wh."
#define OPAQUE_MARK ".wh..wh..opq"

struct frame {
	char **names; /* sorted */
	size_t n, next;
	size_t path_len; /* of the directory, in packing's `path` */
	bool opaque;
};

/* The first name of a file that has several. */
struct linked {
	dev_t dev;
	ino_t ino; /* 0: a free place */
	char *path;
};

struct packing {
	const struct hoy_layer_pack *options;
	struct hoy_layer_sink *sink;
	struct frame *frames;
	size_t n_frames, frames_size;
	int dir; /* the topmost frame's directory; -EBADF: to be opened */
	char path[HOY_LAYER_NAME_MAX];
	struct linked *links; /* open addressing, a power of two */
	size_t n_links, links_size;
	struct hoy_buf xattrs;
	struct hoy_layer_tree twin; /* when options->twin >= 0 */
	uint64_t entries, bytes, left_out, clamped;
};

static void frame_done(struct frame *frame)
{
	for (size_t i = 0; i < frame->n; i++)
		free(frame->names[i]);
	free(frame->names);
}

static void packing_done(struct packing *p)
{
	while (p->n_frames > 0)
		frame_done(&p->frames[--p->n_frames]);
	free(p->frames);
	for (size_t i = 0; i < p->links_size; i++)
		free(p->links[i].path);
	free(p->links);
	hoy_buf_done(&p->xattrs);
	hoy_layer_tree_done(&p->twin);
	hoy_fd_close(&p->dir);
}

/* --- directories --- */

static int open_dir(const struct packing *p, const char *path, struct hoy_err *err)
{
	const struct open_how how = { .flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
	int fd;

	do
		fd = (int) syscall(SYS_openat2, p->options->root, *path ? path : ".", &how, sizeof how);
	while (fd < 0 && (errno == EAGAIN || errno == EINTR));
	return fd < 0 ? hoy_err_sys(err, "open directory '%s'", path) : fd;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static int read_names(struct frame *frame, DIR *dir, struct hoy_err *err)
{
	struct dirent *entry;
	size_t size = 0;

	while (errno = 0, (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (frame->n == size) {
			char **names = reallocarray(frame->names, size = size ? 2 * size : 16, sizeof *names);

			if (!names)
				return hoy_err_oom(err);
			frame->names = names;
		}
		frame->names[frame->n] = strdup(entry->d_name);
		if (!frame->names[frame->n])
			return hoy_err_oom(err);
		frame->n++;
	}
	if (errno)
		return hoy_err_sys(err, "read a directory");
	if (frame->n > 1)
		qsort(frame->names, frame->n, sizeof *frame->names, by_name);
	return 0;
}

static bool is_opaque(int fd)
{
	char value[4];

	return fgetxattr(fd, OPAQUE_XATTR, value, sizeof value) == 1 && value[0] == 'y';
}

/* The directory `path` becomes the topmost frame. */
static int enter(struct packing *p, size_t path_len, struct hoy_err *err)
{
	struct frame frame = { .path_len = path_len };
	int fd = open_dir(p, p->path, err), r;
	DIR *dir;

	if (fd < 0)
		return fd;
	if (p->n_frames == p->frames_size) {
		size_t size = p->frames_size ? 2 * p->frames_size : 16;
		struct frame *frames = reallocarray(p->frames, size, sizeof *frames);

		if (!frames) {
			hoy_fd_close(&fd);
			return hoy_err_oom(err);
		}
		p->frames = frames;
		p->frames_size = size;
	}
	frame.opaque = is_opaque(fd);
	dir = fdopendir(fd);
	if (!dir) {
		hoy_fd_close(&fd);
		return hoy_err_oom(err);
	}
	r = read_names(&frame, dir, err);
	(void) closedir(dir);
	p->frames[p->n_frames++] = frame;
	hoy_fd_close(&p->dir);
	return r;
}

static void leave(struct packing *p)
{
	frame_done(&p->frames[--p->n_frames]);
	hoy_fd_close(&p->dir);
}

/* --- hard links --- */

static size_t place_of(const struct linked *links, size_t size, dev_t dev, ino_t ino)
{
	size_t at = (size_t) ((ino * 0x9e3779b97f4a7c15ull) ^ dev) & (size - 1);

	while (links[at].ino && (links[at].ino != ino || links[at].dev != dev))
		at = (at + 1) & (size - 1);
	return at;
}

static int grow_links(struct packing *p)
{
	size_t size = p->links_size ? 2 * p->links_size : 1024;
	struct linked *links;

	if (2 * p->n_links < p->links_size)
		return 0;
	links = calloc(size, sizeof *links);
	if (!links)
		return -ENOMEM;
	for (size_t i = 0; i < p->links_size; i++)
		if (p->links[i].ino)
			links[place_of(links, size, p->links[i].dev, p->links[i].ino)] = p->links[i];
	free(p->links);
	p->links = links;
	p->links_size = size;
	return 0;
}

/* The name the file was written by; NULL: this is the first one, which is remembered. */
static int first_name(struct packing *p, const struct stat *st, const char **ret, struct hoy_err *err)
{
	struct linked *link;

	*ret = NULL;
	if (st->st_nlink < 2 || st->st_ino == 0)
		return 0;
	if (grow_links(p) < 0)
		return hoy_err_oom(err);
	link = &p->links[place_of(p->links, p->links_size, st->st_dev, st->st_ino)];
	if (link->ino) {
		*ret = link->path;
		return 0;
	}
	link->path = strdup(p->path);
	if (!link->path)
		return hoy_err_oom(err);
	link->dev = st->st_dev;
	link->ino = st->st_ino;
	p->n_links++;
	return 0;
}

/* --- entries --- */

static int read_xattr(struct packing *p, int fd, const char *name, struct hoy_err *err)
{
	auto_free char *value = NULL;
	ssize_t size = fgetxattr(fd, name, NULL, 0);

	if (size < 0)
		return 0;
	value = malloc((size_t) size + 1);
	if (!value)
		return hoy_err_oom(err);
	size = fgetxattr(fd, name, value, (size_t) size);
	if (size >= 0)
		hoy_tar_add_xattr(&p->xattrs, name, value, (size_t) size);
	return 0;
}

static int read_xattrs(struct packing *p, int fd, struct hoy_err *err)
{
	auto_free char *names = NULL;
	ssize_t len;
	int r = 0;

	hoy_buf_clear(&p->xattrs);
	if (p->options->neutral)
		return 0;
	len = flistxattr(fd, NULL, 0);
	if (len <= 0 || (size_t) len > MAX_XATTR_NAMES)
		return 0;
	names = malloc((size_t) len);
	if (!names)
		return hoy_err_oom(err);
	len = flistxattr(fd, names, (size_t) len);
	for (const char *name = names; r == 0 && name < names + len; name += strlen(name) + 1)
		if (hoy_layer_attrs_keeps_xattr(name))
			r = read_xattr(p, fd, name, err);
	return r;
}

static int put_header(struct packing *p, const struct stat *st, const struct hoy_tar_entry *entry, struct hoy_err *err)
{
	struct hoy_tar_entry full = *entry;

	full.mode = st->st_mode & 07777;
	full.uid = st->st_uid;
	full.gid = st->st_gid;
	full.mtime = st->st_mtim;
	if (p->options->clamp && (full.mtime.tv_sec > p->options->latest ||
					 (full.mtime.tv_sec == p->options->latest && full.mtime.tv_nsec > 0))) {
		full.mtime = (struct timespec){ .tv_sec = (time_t) p->options->latest };
		p->clamped++;
	}
	if (p->options->neutral) {
		full.mode = S_ISDIR(st->st_mode) ? 0755 : 0644;
		full.uid = full.gid = 0;
		full.mtime = (struct timespec){ 0 };
	}
	full.xattrs = p->xattrs.len ? &p->xattrs : NULL;
	p->entries++;
	return hoy_tar_header(p->sink, &full, err);
}

static bool has_twin(const struct packing *p)
{
	return p->options->twin >= 0;
}

static int put_mark(struct packing *p, size_t dir_len, const char *prefix, const char *name, struct hoy_err *err)
{
	auto_free char *path = hoy_str_printf("%.*s%s%s%s", (int) dir_len, p->path, dir_len ? "/" : "", prefix, name);
	const struct hoy_tar_entry entry = { .type = HOY_TAR_FILE, .name = path, .mode = 0600 };

	int r;

	if (!path)
		return hoy_err_oom(err);
	p->entries++;
	r = hoy_tar_header(p->sink, &entry, err);
	return r == 0 && has_twin(p) ? hoy_layer_twin_mark(&p->twin, path, err) : r;
}

/* The content, into the tar and the twin. */
static int pack_content(struct packing *p, int fd, const struct stat *st, struct hoy_err *err)
{
	auto_fd int copy = has_twin(p) ? hoy_layer_twin_file(&p->twin, p->path, err) : -ENOENT;
	int r = copy < 0 && copy != -ENOENT ? copy : 0;

	if (r == 0 && st->st_size > 0)
		r = hoy_layer_sink_file(p->sink, fd, (uint64_t) st->st_size, copy, err);
	return r == 0 && copy >= 0 ? hoy_layer_twin_file_end(&p->twin, copy, fd, st, err) : r;
}

static int pack_file(struct packing *p, const char *base, struct hoy_err *err)
{
	auto_fd int fd = openat(p->dir, base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct hoy_tar_entry entry = { .type = HOY_TAR_FILE, .name = p->path };
	struct stat st;
	int r;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return hoy_err_sys(err, "open it");
	if (!S_ISREG(st.st_mode))
		return 0; /* changed under our eyes */
	entry.size = (uint64_t) st.st_size;
	p->bytes += entry.size;
	r = read_xattrs(p, fd, err);
	if (r == 0)
		r = put_header(p, &st, &entry, err);
	if (r == 0)
		r = pack_content(p, fd, &st, err);
	return r < 0 ? r : hoy_tar_pad(p->sink, entry.size, err);
}

static int pack_dir(struct packing *p, const char *base, size_t path_len, struct hoy_err *err)
{
	auto_free char *name = *p->path ? hoy_str_printf("%s/", p->path) : strdup("./");
	struct hoy_tar_entry entry = { .type = HOY_TAR_DIR, .name = name };
	auto_fd int fd = openat(p->dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	int r;

	if (!name)
		return hoy_err_oom(err);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || fstat(fd, &st) < 0)
		return hoy_err_sys(err, "open directory");
	r = read_xattrs(p, fd, err);
	if (r == 0)
		r = put_header(p, &st, &entry, err);
	if (r == 0 && has_twin(p))
		r = hoy_layer_twin_dir(&p->twin, p->path, fd, &st, err);
	if (r == 0)
		r = enter(p, path_len, err);
	if (r == 0 && p->options->layer && p->frames[p->n_frames - 1].opaque)
		r = put_mark(p, path_len, "", OPAQUE_MARK, err);
	return r;
}

static int pack_symlink(struct packing *p, const char *base, const struct stat *st, struct hoy_err *err)
{
	char target[HOY_LAYER_NAME_MAX];
	struct hoy_tar_entry entry = { .type = HOY_TAR_SYMLINK, .name = p->path, .link = target };
	ssize_t len = readlinkat(p->dir, base, target, sizeof target - 1);
	int r;

	if (len < 0)
		return errno == ENOENT ? 0 : hoy_err_sys(err, "read the link");
	target[len] = '\0';
	hoy_buf_clear(&p->xattrs);
	r = put_header(p, st, &entry, err);
	return r == 0 && has_twin(p) ? hoy_layer_twin_node(&p->twin, p->path, st, target, err) : r;
}

static int pack_node(struct packing *p, enum hoy_tar_type type, const struct stat *st, struct hoy_err *err)
{
	const struct hoy_tar_entry entry = { .type = type, .name = p->path, .device = st->st_rdev };
	int r;

	hoy_buf_clear(&p->xattrs);
	r = put_header(p, st, &entry, err);
	return r == 0 && has_twin(p) ? hoy_layer_twin_node(&p->twin, p->path, st, /* link= */ NULL, err) : r;
}

/* What was made for the engine's own mounts, and is empty, is no part of the image. */
static bool is_skipped(const struct packing *p, const char *base, const struct stat *st)
{
	static const char *const mounts[] = { ".dockerenv", "dev/console", "dev/mqueue", "dev/pts", "dev/shm",
		"etc/hostname", "etc/hosts", "etc/resolv.conf", "proc", "sys", NULL };

	if (!p->options->layer || !hoy_strv_has((char *const *) (uintptr_t) mounts, p->path))
		return false;
	if (S_ISDIR(st->st_mode)) {
		auto_fd int fd = openat(p->dir, base, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		DIR *dir = fd < 0 ? NULL : fdopendir(fd);
		bool found = false;
		struct dirent *entry;

		if (!dir)
			return false;
		(void) TAKE_FD(fd);
		while (!found && (entry = readdir(dir)))
			found = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
		(void) closedir(dir);
		return !found;
	}
	return !S_ISREG(st->st_mode) || st->st_size == 0;
}

static int pack_kind(struct packing *p, const char *base, size_t path_len, const struct stat *st, struct hoy_err *err)
{
	const char *first;
	int r;

	if (S_ISDIR(st->st_mode))
		return pack_dir(p, base, path_len, err);
	r = first_name(p, st, &first, err);
	if (r < 0)
		return r;
	if (first) {
		const struct hoy_tar_entry entry = { .type = HOY_TAR_HARD_LINK, .name = p->path, .link = first };

		hoy_buf_clear(&p->xattrs);
		r = put_header(p, st, &entry, err);
		return r == 0 && has_twin(p) ? hoy_layer_twin_link(&p->twin, p->path, first, err) : r;
	}
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return pack_file(p, base, err);
	case S_IFLNK:
		return pack_symlink(p, base, st, err);
	case S_IFCHR:
		return pack_node(p, HOY_TAR_CHAR, st, err);
	case S_IFBLK:
		return pack_node(p, HOY_TAR_BLOCK, st, err);
	case S_IFIFO:
		return pack_node(p, HOY_TAR_FIFO, st, err);
	default:
		return 0;
	}
}

/* One name of the topmost frame; `path` is its directory before and after. */
static int pack_entry(struct packing *p, struct frame *frame, const char *base, struct hoy_err *err)
{
	size_t dir_len = frame->path_len, len = dir_len + (dir_len > 0) + strlen(base);
	struct stat st;
	int r;

	if (len + 2 > sizeof p->path)
		return hoy_err_invalid(err, "'%.100s...': a path of more than %zu bytes", p->path, sizeof p->path - 2);
	if (fstatat(p->dir, base, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : hoy_err_sys(err, "look at '%s/%s'", p->path, base);
	if (p->options->layer && S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0))
		return put_mark(p, dir_len, WHITEOUT, base, err);
	if (dir_len > 0)
		p->path[dir_len] = '/';
	memcpy(p->path + dir_len + (dir_len > 0), base, strlen(base) + 1);
	if (is_skipped(p, base, &st)) {
		p->left_out++;
		return 0;
	}
	r = pack_kind(p, base, len, &st, err);
	return r < 0 ? hoy_err_wrap(err, "'%s'", p->path) : 0;
}

static int pack_all(struct packing *p, struct hoy_err *err)
{
	int r = enter(p, 0, err);

	while (r == 0 && p->n_frames > 0) {
		struct frame *frame = &p->frames[p->n_frames - 1];

		p->path[frame->path_len] = '\0';
		if (frame->next == frame->n) {
			leave(p);
			continue;
		}
		if (p->dir < 0)
			p->dir = open_dir(p, p->path, err);
		if (p->dir < 0)
			return p->dir;
		r = pack_entry(p, frame, frame->names[frame->next++], err);
	}
	return r;
}

int hoy_layer_pack(const struct hoy_layer_pack *pack, struct hoy_layer_sink *sink, struct hoy_layer_reply *done,
	struct hoy_err *err)
{
	auto_(packing_done) struct packing p = { .options = pack, .sink = sink, .dir = -EBADF };
	int r;

	hoy_layer_twin_init(&p.twin, pack->twin);
	r = pack_all(&p, err);
	if (r == 0 && has_twin(&p))
		r = hoy_layer_tree_set_times(&p.twin, err);
	if (r == 0)
		r = hoy_tar_end(sink, err);
	if (r == 0)
		r = hoy_layer_sink_finish(sink, done, err);
	done->done.entries = p.entries;
	done->done.unpacked = p.bytes;
	done->done.left_out = p.left_out;
	done->done.clamped = p.clamped;
	return r;
}
