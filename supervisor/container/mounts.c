/* The mounts a container was asked to have, in one list: Binds, then Mounts. Which volumes they are is volumes.c's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/path.h"
#include "base/str.h"
#include "supervisor/container/config_internal.h"

static void mount_done(struct hoy_container_mount_info *m)
{
	free(m->type);
	free(m->name);
	free(m->source);
	free(m->destination);
	free(m->driver);
	free(m->mode);
	free(m->propagation);
	free(m->subpath);
	free(m->chain_id);
}

void hoy_container_mounts_free(struct hoy_container_mount_info *mounts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		mount_done(&mounts[i]);
	free(mounts);
}

static int fill(struct hoy_container_mount_info *info, const char *type, const char *source, const char *destination,
	const char *mode, const char *propagation)
{
	bool volume = strcmp(type, "volume") == 0;

	info->type = strdup(type);
	info->source = strdup(volume ? "" : source);
	if (volume)
		info->name = strdup(source);
	info->driver = volume ? strdup("local") : NULL;
	info->destination = hoy_path_clean(destination);
	info->mode = strdup(mode);
	info->propagation = strdup(propagation);
	return info->type && info->source && info->destination && info->mode && info->propagation &&
			       (!volume || (info->name && info->driver))
		       ? 0
		       : -1;
}

static int add_bind(struct hoy_container_mount_info *info, const char *text, struct hoy_err *err)
{
	auto_(hoy_bind_done) struct hoy_bind bind = {};
	int r = hoy_bind_parse(text, &bind, err);

	if (r < 0)
		return r;
	info->rw = !bind.read_only;
	info->flat = bind.non_recursive;
	info->make_source = !bind.is_volume;
	info->named = bind.is_volume;
	info->copy = bind.is_volume && !bind.no_copy;
	if (bind.is_volume)
		r = fill(info, "volume", bind.source, bind.destination, *bind.mode ? bind.mode : "z", "");
	else
		r = fill(info, "bind", bind.source, bind.destination, bind.mode,
			bind.propagation ? bind.propagation : "rprivate");
	return r < 0 ? hoy_err_oom(err) : 0;
}

static int add_volume(
	struct hoy_container_mount_info *info, const struct hoy_container_mount_request *m, struct hoy_err *err)
{
	const struct hoy_container_volume_options *options = m->volume_options;
	const char *subpath = options && options->subpath ? options->subpath : "";

	info->named = m->source && *m->source;
	info->copy = !(options && options->no_copy) && !*subpath;
	if (*subpath) {
		info->subpath = strdup(subpath);
		if (!info->subpath)
			return hoy_err_oom(err);
	}
	if (fill(info, "volume", info->named ? m->source : "", m->target, "z", "") < 0)
		return hoy_err_oom(err);
	return 0;
}

/* Always read-only: its layers are everybody's. Which image it is, is image_mounts.c's. */
static int add_image(
	struct hoy_container_mount_info *info, const struct hoy_container_mount_request *m, struct hoy_err *err)
{
	const char *subpath = m->image_options && m->image_options->subpath ? m->image_options->subpath : "";

	info->rw = false;
	info->name = strdup(m->source);
	info->subpath = *subpath ? strdup(subpath) : NULL;
	if (!info->name || (*subpath && !info->subpath) || fill(info, "image", "", m->target, "", "") < 0)
		return hoy_err_oom(err);
	return 0;
}

static int add_mount(
	struct hoy_container_mount_info *info, const struct hoy_container_mount_request *m, struct hoy_err *err)
{
	const struct hoy_container_bind_options *options = m->bind_options;
	const char *propagation = options && options->propagation ? options->propagation : "";
	bool bind = strcmp(m->type, "bind") == 0;

	info->rw = !m->read_only;
	if (strcmp(m->type, "volume") == 0)
		return add_volume(info, m, err);
	if (strcmp(m->type, "image") == 0)
		return add_image(info, m, err);
	if (bind && !*propagation)
		propagation = "rprivate";
	info->make_source = options && options->create_mountpoint;
	info->flat = options && options->non_recursive;
	info->read_only_flat = options && options->read_only_non_recursive;
	info->tmpfs_size = m->tmpfs_options ? m->tmpfs_options->size_bytes : 0;
	info->tmpfs_mode = m->tmpfs_options ? m->tmpfs_options->mode : 0;
	if (fill(info, m->type, bind ? m->source : "", m->target, "", propagation) < 0)
		return hoy_err_oom(err);
	return 0;
}

int hoy_container_mounts_list(const struct hoy_container_config *config, struct hoy_container_mount_info **ret,
	size_t *ret_n, struct hoy_err *err)
{
	const struct hoy_container_host_config *host = &config->host;
	size_t most = hoy_strv_len(host->binds) + host->n_mounts, n = 0;
	struct hoy_container_mount_info *mounts = calloc(most + 1, sizeof *mounts);
	int r = 0;

	if (!mounts)
		return hoy_err_oom(err);
	for (size_t i = 0; host->binds && host->binds[i] && r >= 0; i++)
		r = add_bind(&mounts[n++], host->binds[i], err);
	for (size_t i = 0; i < host->n_mounts && r >= 0; i++)
		r = add_mount(&mounts[n++], &host->mounts[i], err);
	if (r < 0) {
		hoy_container_mounts_free(mounts, n);
		return r;
	}
	*ret = mounts;
	*ret_n = n;
	return 0;
}

int hoy_volumes_from_split(const char *entry, char **ret_id, bool *ret_read_only, struct hoy_err *err)
{
	size_t len = strcspn(entry, ":");
	auto_ptr(hoy_strv_free) char **modes = hoy_str_split(entry[len] ? entry + len + 1 : "", ',');

	if (!modes)
		return hoy_err_oom(err);
	if (len == 0)
		return hoy_err_invalid(err, "malformed volumes-from specification: %s", entry);
	*ret_read_only = false;
	for (char **mode = modes; *mode; mode++) {
		if (strcmp(*mode, "ro") == 0)
			*ret_read_only = true;
		else if (**mode && strcmp(*mode, "rw") != 0 && strcmp(*mode, "z") != 0 && strcmp(*mode, "Z") != 0 &&
			 strcmp(*mode, "nocopy") != 0)
			return hoy_err_invalid(err, "invalid mode for volumes-from: %s", entry + len + 1);
	}
	*ret_id = strndup(entry, len);
	return *ret_id ? 0 : hoy_err_oom(err);
}

/* --- as text ---------------------------------------------------------------------------------------------------- */

#define T struct hoy_container_mount_info
static const struct hoy_field fields[] = {
	HOY_FIELD_STRING(T, "type", type, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "name", name, 0),
	HOY_FIELD_STRING(T, "source", source, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "destination", destination, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "driver", driver, 0),
	HOY_FIELD_STRING(T, "mode", mode, HOY_FIELD_ALWAYS),
	HOY_FIELD_STRING(T, "propagation", propagation, HOY_FIELD_ALWAYS),
	HOY_FIELD_BOOL(T, "rw", rw, 0),
	HOY_FIELD_STRING(T, "subpath", subpath, 0),
	HOY_FIELD_STRING(T, "chainId", chain_id, 0),
	HOY_FIELD_BOOL(T, "named", named, 0),
	HOY_FIELD_BOOL(T, "copy", copy, 0),
	HOY_FIELD_BOOL(T, "makeSource", make_source, 0),
	HOY_FIELD_BOOL(T, "flat", flat, 0),
	HOY_FIELD_BOOL(T, "readOnlyFlat", read_only_flat, 0),
	HOY_FIELD_I64(T, "tmpfsSize", tmpfs_size, 0),
	HOY_FIELD_U32(T, "tmpfsMode", tmpfs_mode, 0),
};
static const struct hoy_object object = HOY_OBJECT(T, fields, NULL);
#undef T

struct document {
	struct hoy_container_mount_info *mounts;
	size_t n_mounts;
};
#define T struct document
static const struct hoy_field document_fields[] = {
	HOY_FIELD_OBJECTS(T, "mounts", mounts, struct hoy_container_mount_info, &object, HOY_FIELD_EMPTY_LIST),
};
static const struct hoy_object document_object = HOY_OBJECT(T, document_fields, NULL);
#undef T

int hoy_container_mounts_print(
	const struct hoy_container_mount_info *mounts, size_t n, struct hoy_buf *buf, struct hoy_err *err)
{
	const struct document document = { (struct hoy_container_mount_info *) (uintptr_t) mounts, n };

	return hoy_field_print(&document_object, &document, buf, 0, err);
}

int hoy_container_mounts_parse(
	const char *text, struct hoy_container_mount_info **ret, size_t *ret_n, struct hoy_err *err)
{
	struct document *document;
	int r = hoy_field_parse(&document_object, text, strlen(text), NULL, (void **) &document, err);

	if (r < 0)
		return r;
	*ret = document->mounts;
	*ret_n = document->n_mounts;
	free(document);
	return 0;
}
