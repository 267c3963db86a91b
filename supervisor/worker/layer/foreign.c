#include "supervisor/worker/layer/foreign.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"

struct hoy_layer_foreign {
	struct hoy_layer_foreign_options options;
	struct archive *reader;
	bool open;
	struct hoy_err failed; /* of `read` */
};

bool hoy_layer_foreign_is(const void *data, size_t len)
{
	static const char xz[] = { '\xfd', '7', 'z', 'X', 'Z', '\0' };

	return (len >= sizeof xz && memcmp(data, xz, sizeof xz) == 0) || (len >= 3 && memcmp(data, "BZh", 3) == 0);
}

static la_ssize_t on_read(struct archive *reader, void *userdata, const void **ret)
{
	struct hoy_layer_foreign *f = userdata;
	ssize_t n = f->options.read(ret, f->options.userdata, &f->failed);

	if (n < 0)
		archive_set_error(reader, EIO, "input failed");
	return n < 0 ? ARCHIVE_FATAL : n;
}

static int failed(struct hoy_layer_foreign *f, struct hoy_err *err)
{
	const char *why = archive_error_string(f->reader);

	if (f->failed.errnum)
		return hoy_err_import(err, &f->failed);
	return hoy_err_invalid(err, "broken compressed data: %s", why ? why : "unknown reason");
}

int hoy_layer_foreign_new(
	const struct hoy_layer_foreign_options *options, struct hoy_layer_foreign **ret, struct hoy_err *err)
{
	auto_ptr(hoy_layer_foreign_free) struct hoy_layer_foreign *f = calloc(1, sizeof *f);

	if (!f)
		return hoy_err_oom(err);
	f->options = *options;
	f->reader = archive_read_new();
	if (!f->reader)
		return hoy_err_oom(err);
	if (archive_read_support_filter_xz(f->reader) != ARCHIVE_OK ||
		archive_read_support_filter_bzip2(f->reader) != ARCHIVE_OK ||
		archive_read_support_format_raw(f->reader) != ARCHIVE_OK)
		return failed(f, err);
	*ret = TAKE_PTR(f);
	return 0;
}

void hoy_layer_foreign_free(struct hoy_layer_foreign *foreign)
{
	if (!foreign)
		return;
	if (foreign->reader)
		(void) archive_read_free(foreign->reader);
	free(foreign);
}

static int open_first(struct hoy_layer_foreign *f, struct hoy_err *err)
{
	struct archive_entry *entry;

	if (archive_read_open(f->reader, f, /* open= */ NULL, on_read, /* close= */ NULL) != ARCHIVE_OK ||
		archive_read_next_header(f->reader, &entry) != ARCHIVE_OK)
		return failed(f, err);
	f->open = true;
	return 0;
}

ssize_t hoy_layer_foreign_next(struct hoy_layer_foreign *foreign, const void **ret, struct hoy_err *err)
{
	la_int64_t offset;
	size_t len = 0;
	int r = foreign->open ? 0 : open_first(foreign, err);

	if (r < 0)
		return r;
	do
		r = archive_read_data_block(foreign->reader, ret, &len, &offset);
	while (r == ARCHIVE_OK && len == 0);
	if (r == ARCHIVE_EOF)
		return 0;
	return r == ARCHIVE_OK ? (ssize_t) len : failed(foreign, err);
}
