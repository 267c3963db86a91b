#include "supervisor/worker/layer/tar_write.h"

#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#define BLOCK 512
#define OCTAL_7 07777777u        /* what seven octal digits hold */
#define OCTAL_11 077777777777ull /* and eleven */

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
		version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

/* `size` - 1 digits and a NUL; what does not fit is said in the pax header. */
static void octal(char *field, size_t size, uint64_t value)
{
	char text[24];
	uint64_t max = size == 12 ? OCTAL_11 : OCTAL_7;

	(void) snprintf(text, sizeof text, "%0*llo", (int) size - 1, (unsigned long long) (value > max ? 0 : value));
	memcpy(field, text, size);
}

/* "LENGTH KEY=VALUE\n", where the length counts its own digits. */
static void add_record(struct hoy_buf *records, const char *key, const void *value, size_t size)
{
	size_t rest = strlen(key) + size + 3, len = rest;
	char text[24];

	do
		len = rest + (size_t) snprintf(text, sizeof text, "%zu", len);
	while (len != rest + (size_t) snprintf(text, sizeof text, "%zu", len));
	(void) hoy_buf_addf(records, "%zu %s=", len, key);
	(void) hoy_buf_add(records, value, size);
	(void) hoy_buf_addc(records, '\n');
}

static void add_text(struct hoy_buf *records, const char *key, const char *value)
{
	add_record(records, key, value, strlen(value));
}

static void add_number(struct hoy_buf *records, const char *key, uint64_t value)
{
	char text[24];

	(void) snprintf(text, sizeof text, "%llu", (unsigned long long) value);
	add_text(records, key, text);
}

void hoy_tar_add_xattr(struct hoy_buf *records, const char *name, const void *value, size_t size)
{
	char key[300];

	(void) snprintf(key, sizeof key, "SCHILY.xattr.%s", name);
	add_record(records, key, value, size);
}

static void add_time(struct hoy_buf *records, const struct timespec *mtime)
{
	long long seconds = mtime->tv_sec;
	long ns = mtime->tv_nsec;
	char text[48];

	/* Before 1970 the fraction counts the other way. */
	if (seconds < 0 && ns > 0) {
		seconds++;
		ns = 1000000000 - ns;
		(void) snprintf(text, sizeof text, "%s%lld.%09ld", seconds == 0 ? "-" : "", seconds, ns);
	} else {
		(void) snprintf(text, sizeof text, "%lld.%09ld", seconds, ns);
	}
	add_text(records, "mtime", text);
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char) *text >= 0x80)
			return false;
	return true;
}

/* Long names are split at a slash when both halves fit. */
static bool put_name(struct header *h, const char *name)
{
	size_t len = strlen(name), at;

	if (len <= sizeof h->name) {
		memcpy(h->name, name, len);
		return true;
	}
	for (at = MIN(len - 2, sizeof h->prefix); at > 0; at--)
		if (name[at] == '/' && len - at - 1 <= sizeof h->name)
			break;
	if (at == 0 || at > sizeof h->prefix) {
		memcpy(h->name, name, sizeof h->name);
		return false;
	}
	memcpy(h->prefix, name, at);
	memcpy(h->name, name + at + 1, len - at - 1);
	return true;
}

static void add_records(struct header *h, const struct hoy_tar_entry *entry, struct hoy_buf *records)
{
	bool fits = put_name(h, entry->name);

	if (!fits || !is_ascii(entry->name))
		add_text(records, "path", entry->name);
	if (entry->link) {
		size_t len = strlen(entry->link);

		memcpy(h->link, entry->link, MIN(len, sizeof h->link));
		if (len > sizeof h->link || !is_ascii(entry->link))
			add_text(records, "linkpath", entry->link);
	}
	if (entry->size > OCTAL_11)
		add_number(records, "size", entry->size);
	if (entry->uid > OCTAL_7)
		add_number(records, "uid", entry->uid);
	if (entry->gid > OCTAL_7)
		add_number(records, "gid", entry->gid);
	if (entry->mtime.tv_nsec || entry->mtime.tv_sec < 0 || (uint64_t) entry->mtime.tv_sec > OCTAL_11)
		add_time(records, &entry->mtime);
	if (entry->xattrs)
		(void) hoy_buf_add(records, entry->xattrs->data, entry->xattrs->len);
}

static void finish_header(struct header *h, char type, mode_t mode, uint64_t size)
{
	const unsigned char *bytes = (const unsigned char *) h;
	unsigned int sum = 0;

	octal(h->mode, sizeof h->mode, mode & 07777);
	octal(h->size, sizeof h->size, size);
	h->type = type;
	memcpy(h->magic, "ustar", 6);
	memcpy(h->version, "00", 2);
	memset(h->checksum, ' ', sizeof h->checksum);
	for (size_t i = 0; i < sizeof *h; i++)
		sum += bytes[i];
	octal(h->checksum, sizeof h->checksum - 1, sum);
}

int hoy_tar_pad(struct hoy_layer_sink *sink, uint64_t size, struct hoy_err *err)
{
	return hoy_layer_sink_zeros(sink, (BLOCK - size % BLOCK) % BLOCK, err);
}

static int put_records(struct hoy_layer_sink *sink, const struct hoy_buf *records, struct hoy_err *err)
{
	struct header h = { .name = "PaxHeaders/entry" };
	int r;

	octal(h.uid, sizeof h.uid, 0);
	octal(h.gid, sizeof h.gid, 0);
	octal(h.mtime, sizeof h.mtime, 0);
	finish_header(&h, 'x', 0644, records->len);
	r = hoy_layer_sink_write(sink, &h, sizeof h, err);
	if (r == 0)
		r = hoy_layer_sink_write(sink, records->data, records->len, err);
	return r < 0 ? r : hoy_tar_pad(sink, records->len, err);
}

int hoy_tar_header(struct hoy_layer_sink *sink, const struct hoy_tar_entry *entry, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf records = { 0 };
	struct header h = { 0 };
	int r;

	add_records(&h, entry, &records);
	r = hoy_buf_check(&records, "pax header", err);
	if (r == 0 && records.len > 0)
		r = put_records(sink, &records, err);
	if (r < 0)
		return r;
	octal(h.uid, sizeof h.uid, entry->uid);
	octal(h.gid, sizeof h.gid, entry->gid);
	octal(h.mtime, sizeof h.mtime, entry->mtime.tv_sec < 0 ? 0 : (uint64_t) entry->mtime.tv_sec);
	octal(h.major, sizeof h.major, major(entry->device));
	octal(h.minor, sizeof h.minor, minor(entry->device));
	finish_header(&h, (char) entry->type, entry->mode, entry->size);
	return hoy_layer_sink_write(sink, &h, sizeof h, err);
}

int hoy_tar_end(struct hoy_layer_sink *sink, struct hoy_err *err)
{
	return hoy_layer_sink_zeros(sink, 2 * BLOCK, err);
}
