/* The only file that reads through libarchive. ARCHIVE_WARN is not failure; ARCHIVE_RETRY is, for a header. */
#include "supervisor/worker/layer/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <string.h>

#define DEFAULT_MAX_ENTRIES 5000000

static la_ssize_t on_read(struct archive *reader, void *userdata, const void **ret)
{
	struct hoy_layer_archive *a = userdata;
	ssize_t n = hoy_layer_stream_next(a->stream, ret, &a->failed);

	if (n < 0)
		archive_set_error(reader, EIO, "input failed");
	return n < 0 ? ARCHIVE_FATAL : n;
}

/* Our own error when the stream had one, else what libarchive says about the bytes. */
static int failed(struct hoy_layer_archive *a, struct hoy_err *err)
{
	const char *why = archive_error_string(a->reader);

	if (a->failed.errnum)
		return hoy_err_import(err, &a->failed);
	if (archive_errno(a->reader) == ENOMEM)
		return hoy_err_oom(err);
	if (why && strstr(why, "Unrecognized archive format"))
		return hoy_err_invalid(err, "not a tar archive");
	return hoy_err_invalid(err, "broken tar archive: %s", why ? why : "unknown reason");
}

int hoy_layer_archive_open(
	struct hoy_layer_archive *archive, struct hoy_layer_stream *stream, uint64_t max_entries, struct hoy_err *err)
{
	*archive = (struct hoy_layer_archive){
		.reader = archive_read_new(),
		.stream = stream,
		.max_entries = max_entries ? max_entries : DEFAULT_MAX_ENTRIES,
	};
	if (!archive->reader)
		return hoy_err_oom(err);
	if (archive_read_support_format_tar(archive->reader) != ARCHIVE_OK ||
		archive_read_support_format_empty(archive->reader) != ARCHIVE_OK)
		return failed(archive, err);
	if (archive_read_open(archive->reader, archive, /* open= */ NULL, on_read, /* close= */ NULL) != ARCHIVE_OK)
		return failed(archive, err);
	return 0;
}

void hoy_layer_archive_done(struct hoy_layer_archive *archive)
{
	if (archive->reader)
		(void) archive_read_free(archive->reader);
	archive->reader = NULL;
}

int hoy_layer_archive_next(struct hoy_layer_archive *archive, struct archive_entry **ret, struct hoy_err *err)
{
	int r = archive_read_next_header(archive->reader, ret);

	if (r == ARCHIVE_EOF)
		return archive->failed.errnum ? failed(archive, err) : 0;
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return failed(archive, err);
	if (++archive->entries > archive->max_entries)
		return hoy_err_invalid(err, "more than %llu entries", (unsigned long long) archive->max_entries);
	return 1;
}

const char *hoy_layer_archive_path(struct archive_entry *entry)
{
	const char *path = archive_entry_pathname(entry);

	return path ? path : archive_entry_pathname_utf8(entry);
}

const char *hoy_layer_archive_hardlink(struct archive_entry *entry)
{
	const char *target = archive_entry_hardlink(entry);

	return target ? target : archive_entry_hardlink_utf8(entry);
}

const char *hoy_layer_archive_symlink(struct archive_entry *entry)
{
	const char *target = archive_entry_symlink(entry);

	return target ? target : archive_entry_symlink_utf8(entry);
}

int hoy_layer_archive_data(
	struct hoy_layer_archive *archive, const void **ret, size_t *ret_len, int64_t *ret_offset, struct hoy_err *err)
{
	la_int64_t offset = 0;
	int r = archive_read_data_block(archive->reader, ret, ret_len, &offset);

	if (r == ARCHIVE_EOF)
		return 0;
	if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
		return failed(archive, err);
	*ret_offset = offset;
	return 1;
}
