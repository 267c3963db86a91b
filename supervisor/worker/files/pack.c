/* A tree as a tar. Directories are read in the order of their names; every file is opened by descriptor and only when
 * it is a regular one, so that whatever a container puts in its place meanwhile is not followed. */
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/str.h"
#include "supervisor/worker/files/files.h"
#include "supervisor/worker/layer/attrs.h"

#define XATTR_NAMES_MAX ((size_t) 64 << 10)
#define DEPTH_MAX 400 /* directories in each other; each costs two descriptors */

struct packing {
	const struct hoy_view *view;
	struct archive *writer;
	struct archive_entry_linkresolver *links;
	int output;
	bool sparse;           /* gaps are told */
	struct hoy_err failed; /* of the output, which libarchive only passes on as "failed" */
};

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

int hoy_files_names(int dir, char ***ret, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = calloc(1, sizeof *names);
	int own = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = own < 0 ? NULL : fdopendir(own);
	struct dirent *entry;
	size_t n = 0, room = 1;

	if (!stream) {
		if (own >= 0)
			(void) close(own);
		return hoy_err_sys(err, "read a directory");
	}
	while (names && (entry = readdir(stream))) {
		char **grown = names;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (n + 1 == room) {
			room *= 2;
			grown = reallocarray(names, room + 1, sizeof *names);
			if (!grown)
				break;
			names = grown;
		}
		names[n] = strdup(entry->d_name);
		names[n + 1] = NULL;
		if (!names[n++])
			break;
	}
	(void) closedir(stream);
	if (!names || entry)
		return hoy_err_oom(err);
	qsort(names, n, sizeof *names, compare);
	*ret = TAKE_PTR(names);
	return 0;
}

static la_ssize_t on_write(struct archive *writer, void *userdata, const void *data, size_t len)
{
	struct packing *p = userdata;
	int r = hoy_fd_write_all(p->output, data, len);

	if (r < 0) {
		(void) hoy_err_code(&p->failed, r, "write the archive");
		archive_set_error(writer, -r, "output failed");
		return ARCHIVE_FATAL;
	}
	return (la_ssize_t) len;
}

static int check(struct packing *p, int code, const char *what, struct hoy_err *err)
{
	if (code == ARCHIVE_OK || code == ARCHIVE_WARN)
		return 0;
	if (p->failed.errnum)
		return hoy_err_import(err, &p->failed);
	return hoy_err_set(err, HOY_ERR_SYSTEM, EIO, "%s: %s", what, archive_error_string(p->writer));
}

static void add_xattrs(int fd, struct archive_entry *entry)
{
	ssize_t len = flistxattr(fd, NULL, 0);
	auto_free char *names = NULL;

	if (len <= 0 || (size_t) len > XATTR_NAMES_MAX)
		return;
	names = malloc((size_t) len);
	len = names ? flistxattr(fd, names, (size_t) len) : 0;
	for (const char *name = names; len > 0 && name < names + len; name += strlen(name) + 1) {
		ssize_t size = hoy_layer_attrs_keeps_xattr(name) ? fgetxattr(fd, name, NULL, 0) : -1;
		auto_free char *value = size < 0 ? NULL : malloc((size_t) size + 1);

		if (value && (size = fgetxattr(fd, name, value, (size_t) size)) >= 0)
			archive_entry_xattr_add_entry(entry, name, value, (size_t) size);
	}
}

/* As much as was announced, whatever the file is by now: libarchive cuts what is too much and fills up with zeros. */
static int write_content(struct packing *p, int fd, int64_t size, struct hoy_err *err)
{
	char block[65536];
	ssize_t n = 0;

	for (; size > 0; size -= n) {
		n = read(fd, block, sizeof block);
		if (n < 0)
			return hoy_err_sys(err, "read");
		if (n == 0)
			break;
		if (archive_write_data(p->writer, block, (size_t) n) < 0)
			return check(p, ARCHIVE_FATAL, "write the archive", err);
	}
	return 0;
}

/* Tells libarchive where the data is; it drops what it is given for the gaps. */
static int add_gaps(int fd, int64_t size, struct archive_entry *entry, struct hoy_err *err)
{
	off_t at = lseek(fd, 0, SEEK_HOLE);

	if (at < 0 || at >= size) /* none; or a file system that does not know */
		return lseek(fd, 0, SEEK_SET) < 0 ? hoy_err_sys(err, "read") : 0;
	for (off_t hole = 0; hole < size;) {
		off_t data = lseek(fd, hole, SEEK_DATA);

		if (data < 0 && errno == ENXIO) { /* it ends with a gap */
			archive_entry_sparse_add_entry(entry, size, 0);
			break;
		}
		hole = data < 0 ? data : lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			return hoy_err_sys(err, "look for gaps");
		archive_entry_sparse_add_entry(entry, data, MIN(hole, size) - data);
	}
	return lseek(fd, 0, SEEK_SET) < 0 ? hoy_err_sys(err, "read") : 0;
}

static int set_link(int fd, struct archive_entry *entry, struct hoy_err *err)
{
	char target[4096];
	ssize_t n = readlinkat(fd, "", target, sizeof target - 1);

	if (n < 0)
		return hoy_err_sys(err, "read a symbolic link");
	target[n] = '\0';
	archive_entry_copy_symlink(entry, target);
	return 0;
}

/* `path` is O_PATH, `content` the same opened for reading (files and directories). */
static int write_entry(
	struct packing *p, int path, int content, const struct stat *st, const char *name, struct hoy_err *err)
{
	struct archive_entry *entry = archive_entry_new(), *sparse = NULL;
	auto_free char *slashed = S_ISDIR(st->st_mode) && !hoy_str_ends(name, "/") ? hoy_str_printf("%s/", name)
										   : strdup(name);
	int64_t size;
	int r = entry && slashed ? 0 : hoy_err_oom(err);

	if (r == 0) {
		archive_entry_copy_stat(entry, st);
		archive_entry_copy_pathname(entry, slashed);
		archive_entry_unset_atime(entry);
		archive_entry_unset_ctime(entry);
		archive_entry_unset_birthtime(entry);
		if (S_ISLNK(st->st_mode))
			r = set_link(path, entry, err);
		else if (content >= 0)
			add_xattrs(content, entry);
	}
	if (r == 0) {
		archive_entry_linkify(p->links, &entry, &sparse);
		size = archive_entry_size_is_set(entry) && S_ISREG(st->st_mode) && !archive_entry_hardlink(entry)
			       ? archive_entry_size(entry)
			       : 0;
		if (p->sparse && content >= 0 && size > 0)
			r = add_gaps(content, size, entry, err);
		if (r == 0)
			r = check(p, archive_write_header(p->writer, entry), "write the archive", err);
		if (r == 0 && content >= 0 && size > 0)
			r = write_content(p, content, size, err);
	}
	archive_entry_free(entry);
	return r;
}

static int pack_one(struct packing *p, int fd, const char *name, unsigned int depth, struct hoy_err *err);

static int pack_dir(struct packing *p, int dir, const char *name, unsigned int depth, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **names = NULL;
	int r = hoy_files_names(dir, &names, err);

	if (r == 0 && depth >= DEPTH_MAX)
		r = hoy_err_set(err, HOY_ERR_SYSTEM, ELOOP, "more than %d directories in each other", DEPTH_MAX);
	for (char **n = names; r == 0 && *n; n++) {
		auto_free char *path = hoy_str_ends(name, "/") ? hoy_str_printf("%s%s", name, *n)
							       : hoy_str_printf("%s/%s", name, *n);
		auto_fd int fd = openat(dir, *n, O_PATH | O_NOFOLLOW | O_CLOEXEC);

		if (!path)
			return hoy_err_oom(err);
		if (fd < 0 && errno == ENOENT)
			continue; /* gone meanwhile */
		r = fd < 0 ? hoy_err_sys(err, "open '%s'", path) : pack_one(p, fd, path, depth + 1, err);
	}
	return r;
}

static int pack_one(struct packing *p, int fd, const char *name, unsigned int depth, struct hoy_err *err)
{
	auto_fd int content = -EBADF;
	struct stat st;
	int r = 0;

	if (fstat(fd, &st) < 0)
		return hoy_err_sys(err, "look at '%s'", name);
	if (S_ISSOCK(st.st_mode))
		return 0; /* a tar can't hold it */
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
		content = hoy_view_reopen(p->view, fd, err);
		if (content < 0)
			return hoy_err_wrap(err, "'%s'", name);
	}
	r = write_entry(p, fd, content, &st, name, err);
	return r == 0 && S_ISDIR(st.st_mode) ? pack_dir(p, content, name, depth, err) : r;
}

static int begin(struct packing *p, struct hoy_err *err)
{
	p->writer = archive_write_new();
	p->links = archive_entry_linkresolver_new();
	if (!p->writer || !p->links)
		return hoy_err_oom(err);
	/* the whole format has times to the nanosecond for every entry */
	if ((p->sparse ? archive_write_set_format_pax(p->writer)
		       : archive_write_set_format_pax_restricted(p->writer)) != ARCHIVE_OK ||
		archive_write_set_bytes_per_block(p->writer, 65536) != ARCHIVE_OK ||
		archive_write_set_bytes_in_last_block(p->writer, 1) != ARCHIVE_OK ||
		archive_write_open(p->writer, p, NULL, on_write, NULL) != ARCHIVE_OK)
		return check(p, ARCHIVE_FATAL, "begin the archive", err);
	archive_entry_linkresolver_set_strategy(p->links, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED);
	return 0;
}

int hoy_files_pack(const struct hoy_view *view, const struct hoy_files_target *target, bool sparse, int output,
	struct hoy_err *err)
{
	struct packing p = { .view = view, .sparse = sparse, .output = output };
	int r = begin(&p, err);

	if (r == 0)
		r = pack_one(&p, target->fd, target->reply.name, 0, err);
	if (r == 0)
		r = check(&p, archive_write_close(p.writer), "end the archive", err);
	if (p.writer) {
		if (r < 0)
			(void) archive_write_fail(p.writer);
		(void) archive_write_free(p.writer);
	}
	if (p.links)
		archive_entry_linkresolver_free(p.links);
	return r;
}
