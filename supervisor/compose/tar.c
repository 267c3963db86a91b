/* A tar archive of a service's configs and secrets. */
#include "supervisor/compose/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "supervisor/compose/body.h"

#define BLOCK ((size_t) 512)
#define FILE_MAX ((size_t) 16 << 20)

/* POSIX.1-1988 ustar header. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
		version[2], user[32], group[32], major[8], minor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

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
		return hoy_err_invalid(err, "the target '%s' is too long", path);
	memcpy(h->prefix, path, cut);
	memcpy(h->name, path + cut + 1, len - cut - 1);
	return 0;
}

int hoy_compose_tar_add(struct hoy_buf *out, const char *path, const char *data, size_t len, unsigned int uid,
	unsigned int gid, unsigned int mode, struct hoy_err *err)
{
	struct header h = { .type = '0', .magic = "ustar", .version = { '0', '0' } };
	const unsigned char *bytes = (const unsigned char *) &h;
	unsigned int sum = 0;
	size_t rest = len % BLOCK;
	int r = fill_name(&h, path[0] == '/' ? path + 1 : path, err);

	if (r < 0)
		return r;
	if (uid > 07777777 || gid > 07777777)
		return hoy_err_invalid(err, "uid %u or gid %u is too large for an archive", uid, gid);
	(void) snprintf(h.mode, sizeof h.mode, "%07o", mode & 07777U);
	(void) snprintf(h.uid, sizeof h.uid, "%07o", uid & 07777777U);
	(void) snprintf(h.gid, sizeof h.gid, "%07o", gid & 07777777U);
	(void) snprintf(h.size, sizeof h.size, "%011llo", (unsigned long long) len & 077777777777ULL);
	(void) snprintf(h.mtime, sizeof h.mtime, "%011o", 0U);
	memset(h.checksum, ' ', sizeof h.checksum);
	for (size_t i = 0; i < sizeof h; i++)
		sum += bytes[i];
	(void) snprintf(h.checksum, sizeof h.checksum, "%06o", sum & 0777777U);
	(void) hoy_buf_add(out, &h, sizeof h);
	(void) hoy_buf_add(out, data, len);
	if (rest)
		(void) hoy_buf_add(out, (const char[BLOCK]){ 0 }, BLOCK - rest);
	return hoy_buf_check(out, "the archive", err);
}

void hoy_compose_tar_end(struct hoy_buf *out)
{
	(void) hoy_buf_add(out, (const char[2 * BLOCK]){ 0 }, 2 * BLOCK);
}

static int id_of(const char *what, const char *text, unsigned int *ret, struct hoy_err *err)
{
	*ret = 0;
	if (text && hoy_str_to_uint(text, ret) < 0)
		return hoy_err_invalid(err, "%s \"%s\" is no number", what, text);
	return 0;
}

static int add_mounts(
	struct hoy_compose *app, struct hoy_compose_mount **list, bool secret, struct hoy_buf *out, struct hoy_err *err)
{
	const char *what = secret ? "secret" : "config";

	hoy_compose_each(struct hoy_compose_mount, m, list)
	{
		const struct hoy_compose_file_object *object = secret ? hoy_compose_secret_find(app->project, m->source)
								      : hoy_compose_config_find(
										app->project, m->source);
		auto_(hoy_buf_done) struct hoy_buf data = { .cap = FILE_MAX };
		auto_free char *target = hoy_compose_mount_target(m, secret);
		unsigned int uid, gid;
		int r;

		if (!object || !target)
			return hoy_err_oom(err);
		if (object->external || hoy_compose_mount_is_bind(m, object))
			continue;
		r = id_of("uid", m->uid, &uid, err);
		if (r == 0)
			r = id_of("gid", m->gid, &gid, err);
		if (r == 0)
			r = hoy_compose_read_object(app->project, object, what, &data, err);
		if (r == 0)
			r = hoy_compose_tar_add(out, target, data.data ? data.data : "", data.len, uid, gid,
				m->mode ? (unsigned int) *m->mode : 0444, err);
		if (r < 0)
			return hoy_err_wrap(err, "%s %s", what, m->source);
	}
	return 0;
}

/* Empty when all of the service's configs and secrets are bind mounts. */
static int archive_of(
	struct hoy_compose *app, const struct hoy_compose_service *service, struct hoy_buf *out, struct hoy_err *err)
{
	int r = add_mounts(app, service->secrets, /* secret= */ true, out, err);

	if (r == 0)
		r = add_mounts(app, service->configs, /* secret= */ false, out, err);
	if (r < 0)
		return hoy_err_wrap(err, "service \"%s\"", service->name);
	if (!out->len)
		return 0;
	hoy_compose_tar_end(out);
	return hoy_buf_check(out, "the archive", err);
}

int hoy_compose_contents_hash(struct hoy_compose *app, const struct hoy_compose_service *service,
	char ret[HOY_COMPOSE_HASH_SIZE], struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf archive = {};
	unsigned char digest[32];
	int r = archive_of(app, service, &archive, err);

	ret[0] = '\0';
	if (r < 0 || !archive.len)
		return r;
	hoy_sha256(archive.data, archive.len, digest);
	hoy_hex(digest, sizeof digest, ret);
	return 0;
}

int hoy_compose_copy_files(
	struct hoy_compose *app, const struct hoy_compose_service *service, const char *id, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf archive = {};
	auto_(hoy_http_done) struct hoy_http http = { .fd = -EBADF };
	auto_free char *path = hoy_str_printf("/containers/%s/archive?path=%%2F", id);
	struct hoy_http_request request = {
		.method = "PUT", .path = path, .content_type = "application/x-tar", .body_fd = -1
	};
	int r = path ? archive_of(app, service, &archive, err) : hoy_err_oom(err);

	if (r < 0 || !archive.len || app->globals->dry_run)
		return r;
	request.body = archive.data;
	request.body_len = archive.len;
	r = hoy_cli_open(app->cli, &request, &http, err);
	return r < 0 ? hoy_err_wrap(err, "copy configs and secrets of service \"%s\"", service->name) : 0;
}
