#include "base/ustar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"

#define BLOCK ((size_t) 512)

struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
		version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

/* The sum of the header's bytes, those of the sum itself counted as blanks. */
static unsigned int checksum_of(const struct header *h)
{
	const unsigned char *bytes = (const unsigned char *) h;
	unsigned int sum = ' ' * sizeof h->checksum;

	for (size_t i = 0; i < sizeof *h; i++)
		if (i < offsetof(struct header, checksum) || i >= offsetof(struct header, type))
			sum += bytes[i];
	return sum;
}

/* --- writing ------------------------------------------------------------------ */

static int fill_name(struct header *h, const char *path, struct hoy_err *err)
{
	size_t len = strlen(path), cut = 0;

	if (len <= sizeof h->name) {
		memcpy(h->name, path, len);
		return 0;
	}
	/* The rest goes into the prefix, split at a '/'. */
	for (size_t i = 0; i < len && i <= sizeof h->prefix; i++)
		if (path[i] == '/' && len - i - 1 <= sizeof h->name)
			cut = i;
	if (!cut)
		return hoy_err_invalid(err, "the path '%s' is too long for an archive", path);
	memcpy(h->prefix, path, cut);
	memcpy(h->name, path + cut + 1, len - cut - 1);
	return 0;
}

int hoy_ustar_add(struct hoy_buf *out, const struct hoy_ustar_file *file, struct hoy_err *err)
{
	struct header h = { .type = '0', .magic = "ustar", .version = { '0', '0' } };
	size_t rest = file->len % BLOCK;
	int r = fill_name(&h, file->path[0] == '/' ? file->path + 1 : file->path, err);

	if (r < 0)
		return r;
	if (file->uid > 07777777 || file->gid > 07777777)
		return hoy_err_invalid(err, "uid %u or gid %u is too large for an archive", file->uid, file->gid);
	(void) snprintf(h.mode, sizeof h.mode, "%07o", file->mode & 07777U);
	(void) snprintf(h.uid, sizeof h.uid, "%07o", file->uid & 07777777U);
	(void) snprintf(h.gid, sizeof h.gid, "%07o", file->gid & 07777777U);
	(void) snprintf(h.size, sizeof h.size, "%011llo", (unsigned long long) file->len & 077777777777ULL);
	(void) snprintf(h.mtime, sizeof h.mtime, "%011o", 0U);
	(void) snprintf(h.checksum, sizeof h.checksum, "%06o", checksum_of(&h) & 0777777U);
	h.checksum[7] = ' ';
	(void) hoy_buf_add(out, &h, sizeof h);
	(void) hoy_buf_add(out, file->data, file->len);
	if (rest)
		(void) hoy_buf_add(out, (const char[BLOCK]){ 0 }, BLOCK - rest);
	return hoy_buf_check(out, "the archive", err);
}

void hoy_ustar_end(struct hoy_buf *out)
{
	(void) hoy_buf_add(out, (const char[2 * BLOCK]){ 0 }, 2 * BLOCK);
}

/* --- reading ------------------------------------------------------------------ */

/* Octal digits between blanks, ended by a blank, a NUL or the field's end. */
static int read_octal(const char *field, size_t len, size_t *ret)
{
	size_t i = 0, value = 0;

	while (i < len && field[i] == ' ')
		i++;
	for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
		value = value * 8 + (size_t) (field[i] - '0'); /* 12 digits at most */
	if (i < len && field[i] != ' ' && field[i] != '\0')
		return -EINVAL;
	*ret = value;
	return 0;
}

static void read_path(const struct header *h, struct hoy_ustar *tar)
{
	size_t prefix = strncmp(h->magic, "ustar", 5) == 0 ? strnlen(h->prefix, sizeof h->prefix) : 0;
	size_t name = strnlen(h->name, sizeof h->name), at = 0;

	if (prefix) {
		memcpy(tar->path, h->prefix, prefix);
		tar->path[prefix] = '/';
		at = prefix + 1;
	}
	memcpy(tar->path + at, h->name, name);
	tar->path[at + name] = '\0';
}

int hoy_ustar_next(struct hoy_ustar *tar, struct hoy_err *err)
{
	static const char zeros[BLOCK];
	const struct header *h = (const struct header *) tar->rest; /* all bytes: any alignment will do */
	size_t sum, padded;

	if (!tar->len || (tar->len >= BLOCK && memcmp(tar->rest, zeros, BLOCK) == 0))
		return 0;
	if (tar->len < BLOCK)
		return hoy_err_invalid(err, "this is no tar archive, or one that ends in the midst of a header");
	if (read_octal(h->checksum, sizeof h->checksum, &sum) < 0 || sum != checksum_of(h))
		return hoy_err_invalid(err, "this is no tar archive, or a damaged one: a header's checksum is wrong");
	if (read_octal(h->size, sizeof h->size, &tar->data_len) < 0)
		return hoy_err_invalid(err, "the tar archive holds an entry with a size that is no number");
	read_path(h, tar);
	tar->regular = h->type == '0' || h->type == '\0';
	tar->data = tar->rest + BLOCK;
	if (tar->data_len > tar->len - BLOCK)
		return hoy_err_invalid(err, "the tar archive ends in the midst of '%s'", tar->path);
	/* Some writers leave out what fills the last block. */
	padded = MIN((tar->data_len + BLOCK - 1) / BLOCK * BLOCK, tar->len - BLOCK);
	tar->rest += BLOCK + padded;
	tar->len -= BLOCK + padded;
	return 1;
}
