/* Nothing of the archive's own names reaches the file system here: files are called by their number. */
#include "supervisor/worker/layer/split.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "supervisor/worker/layer/archive.h"
#include "supervisor/worker/layer/hash.h"
#include "supervisor/worker/layer/name.h"

#define DEFAULT_MAX_ENTRIES 100000
#define MAGIC_LEN 8

struct splitting {
	const struct hoy_layer_split *options;
	struct hoy_layer_archive archive;
	struct hoy_layer_hash hash;
	uint32_t n_files;
};

static void splitting_done(struct splitting *s)
{
	hoy_layer_archive_done(&s->archive);
	hoy_layer_hash_done(&s->hash);
}

/* Image archives have no sparse files: a gap would make the digest one of other bytes. */
static int copy_content(struct splitting *s, int fd, struct hoy_layer_reply *reply, struct hoy_err *err)
{
	unsigned char magic[MAGIC_LEN];
	size_t n_magic = 0, len;
	const void *data;
	int64_t offset;
	int r;

	while ((r = hoy_layer_archive_data(&s->archive, &data, &len, &offset, err)) > 0) {
		if ((uint64_t) offset != reply->entry.size)
			return hoy_err_unsupported(err, "a sparse file in an image archive");
		if (n_magic < MAGIC_LEN) {
			size_t n = MIN(len, MAGIC_LEN - n_magic);

			memcpy(magic + n_magic, data, n);
			n_magic += n;
		}
		r = hoy_layer_hash_add(&s->hash, data, len, err);
		if (r < 0)
			return r;
		r = hoy_fd_write_all(fd, data, len);
		if (r < 0)
			return hoy_err_code(err, r, "write");
		reply->entry.size += len;
	}
	reply->entry.compression = hoy_layer_compression_of(magic, n_magic);
	return r;
}

static int split_file(
	struct splitting *s, struct archive_entry *entry, struct hoy_layer_reply *reply, struct hoy_err *err)
{
	auto_fd int fd = -EBADF;
	char number[16];
	int r;

	(void) snprintf(number, sizeof number, "%u", s->n_files);
	fd = openat(s->options->root, number, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return hoy_err_sys(err, "create file %s", number);
	r = hoy_layer_hash_init(&s->hash, err);
	if (r < 0)
		return r;
	r = copy_content(s, fd, reply, err);
	if (r < 0)
		return r;
	if ((int64_t) reply->entry.size != archive_entry_size(entry))
		return hoy_err_unsupported(err, "a sparse file in an image archive");
	reply->entry.type = HOY_LAYER_ENTRY_FILE;
	reply->entry.number = s->n_files++;
	return hoy_layer_hash_finish(&s->hash, reply->entry.digest, err);
}

/* Symbolic links are relative to their directory, hard links to the root. */
static int link_target(
	const struct hoy_layer_name *name, struct archive_entry *entry, struct hoy_layer_name *ret, struct hoy_err *err)
{
	const char *hard = hoy_layer_archive_hardlink(entry), *soft = hoy_layer_archive_symlink(entry);
	char joined[2 * HOY_LAYER_NAME_MAX];

	if (hard)
		return hoy_layer_name_parse(hard, ret, err);
	if (!soft || strlen(soft) >= HOY_LAYER_NAME_MAX)
		return hoy_err_invalid(err, "a link to nothing");
	(void) snprintf(joined, sizeof joined, "%.*s/%s", *soft == '/' ? 0 : (int) name->parent_len, name->path, soft);
	return hoy_layer_name_parse(joined, ret, err);
}

/* Fills the names behind the fixed part; the length of the packet. */
static size_t put_names(struct hoy_layer_reply *reply, const char *name, const char *target)
{
	size_t len = strlen(name) + 1;

	memcpy(reply->entry.names, name, len);
	if (target) {
		memcpy(reply->entry.names + len, target, strlen(target) + 1);
		len += strlen(target) + 1;
	}
	return offsetof(struct hoy_layer_reply, entry.names) + len;
}

static int split_named(
	struct splitting *s, const struct hoy_layer_name *name, struct archive_entry *entry, struct hoy_err *err)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name target = { 0 };
	struct hoy_layer_reply reply = { .type = HOY_LAYER_ENTRY };
	mode_t type = archive_entry_filetype(entry);
	int r;

	if (type == AE_IFDIR)
		return 0;
	if (archive_entry_hardlink(entry) || type == AE_IFLNK) {
		r = link_target(name, entry, &target, err);
		reply.entry.type = HOY_LAYER_ENTRY_LINK;
	} else if (type == AE_IFREG) {
		r = split_file(s, entry, &reply, err);
	} else {
		return hoy_err_invalid(err, "an image archive has files, directories and links only");
	}
	if (r < 0)
		return r;
	return s->options->on_entry(&reply, put_names(&reply, name->path, target.path), s->options->userdata, err);
}

static int split_entry(struct splitting *s, struct archive_entry *entry, struct hoy_err *err)
{
	auto_(hoy_layer_name_done) struct hoy_layer_name name = { 0 };
	const char *path = hoy_layer_archive_path(entry);
	int r;

	if (!path)
		return hoy_err_invalid(err, "an entry without a name");
	r = hoy_layer_name_parse(path, &name, err);
	if (r < 0)
		return r;
	r = split_named(s, &name, entry, err);
	return r < 0 ? hoy_err_wrap(err, "entry '%s'", path) : 0;
}

int hoy_layer_split(const struct hoy_layer_split *split, struct hoy_layer_stream *stream, struct hoy_layer_reply *done,
	struct hoy_err *err)
{
	auto_(splitting_done) struct splitting s = { .options = split };
	struct archive_entry *entry;
	int r = hoy_layer_archive_open(
		&s.archive, stream, split->max_entries ? split->max_entries : DEFAULT_MAX_ENTRIES, err);

	if (r < 0)
		return r;
	while ((r = hoy_layer_archive_next(&s.archive, &entry, err)) > 0) {
		r = split_entry(&s, entry, err);
		if (r < 0)
			return r;
	}
	if (r < 0)
		return r;
	r = hoy_layer_stream_finish(stream, done, err);
	done->done.entries = s.archive.entries;
	return r;
}
