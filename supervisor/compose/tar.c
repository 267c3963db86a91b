/* A tar archive of a service's configs and secrets. */
#include "supervisor/compose/tar.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/sha256.h"
#include "base/str.h"
#include "base/ustar.h"
#include "supervisor/compose/body.h"

#define FILE_MAX ((size_t) 16 << 20)

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
			r = hoy_ustar_add(out,
				&(struct hoy_ustar_file){ .path = target,
					.data = data.data ? data.data : "",
					.len = data.len,
					.uid = uid,
					.gid = gid,
					.mode = m->mode ? (unsigned int) *m->mode : 0444 },
				err);
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
	hoy_ustar_end(out);
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
