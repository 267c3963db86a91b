/*
 * Mounts of images (`--mount type=image`): read-only overlays of an image's layers, or of a directory in them. The runtime
 * makes the overlay in the container's own mount namespace, so that nothing of it is on the host. The container holds the
 * layers from its creation to its removal, whatever becomes of the image.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/str.h"
#include "supervisor/container/internal.h"
#include "supervisor/container/layered.h"
#include "supervisor/image/image.h"

static bool is_image(const struct hoy_container_mount_info *m)
{
	return strcmp(m->type, "image") == 0;
}

int hoy_container_image_mount_resolve(struct hoy_container *c, struct hoy_container_mount_info *m, struct hoy_err *err)
{
	const struct hoy_image *image;
	struct hoy_err own = {};
	int r = hoy_images_find(c->room->options.images, m->name, &image, &own);

	if (r < 0 &&
		own.kind == HOY_ERR_NOT_FOUND) /* of a create it means the container's image: clients would pull it */
		return hoy_err_invalid(err, "mount %s: No such image: %s", m->destination, m->name);
	if (r < 0)
		return hoy_err_import(err, &own);
	free(m->source);
	m->source = strdup(image->id);
	m->chain_id = strdup(image->chain_id);
	return m->source && m->chain_id ? 0 : hoy_err_oom(err);
}

int hoy_container_image_mounts_hold(struct hoy_container *c, struct hoy_err *err)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < c->info.n_mounts; i++) {
		struct hoy_container_mount_info *m = &c->info.mounts[i];

		if (!is_image(m) || m->holds_layers || !m->chain_id || !*m->chain_id)
			continue;
		r = hoy_layers_hold(c->room->options.images, m->chain_id, err);
		m->holds_layers = r >= 0;
	}
	return r;
}

void hoy_container_image_mounts_release(struct hoy_container *c)
{
	for (size_t i = 0; i < c->info.n_mounts; i++) {
		struct hoy_container_mount_info *m = &c->info.mounts[i];

		if (m->holds_layers)
			hoy_layers_release(c->room->options.images, m->chain_id);
		m->holds_layers = false;
	}
}

/* An overlay without a layer to write in wants two at least: the store's empty directory is the lower one then. */
static int add_empty(struct hoy_container *c, char ***lowers, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **empty = NULL;
	int r = hoy_layers_paths(c->room->options.images, "", &empty, err);

	if (r < 0)
		return r;
	return hoy_strv_add(lowers, empty[0]) < 0 ? hoy_err_oom(err) : 0;
}

static int find_parts(struct hoy_container *c, const struct hoy_container_mount_info *m, char ***ret,
	struct stat *ret_st, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **layers = NULL;
	int r = hoy_layers_paths(c->room->options.images, m->chain_id ? m->chain_id : "", &layers, err);

	if (r < 0)
		return r;
	r = hoy_layered_parts(layers, m->subpath ? m->subpath : "/", ret, ret_st);
	return r < 0 ? hoy_err_code(err, r, "cannot access path %s of image %s", m->subpath ? m->subpath : "/", m->name)
		     : 0;
}

int hoy_container_image_mount_parts(struct hoy_container *c, const struct hoy_container_mount_info *m,
	char ***ret_lowers, char **ret_source, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **parts = NULL;
	struct stat st;
	int r = find_parts(c, m, &parts, &st, err);

	if (r < 0)
		return r;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return hoy_err_invalid(
			err, "%s of image %s is neither a directory nor a regular file", m->subpath, m->name);
	if (S_ISREG(st.st_mode) || !m->chain_id ||
		!*m->chain_id) { /* without layers it is the empty directory itself */
		*ret_source = strdup(parts[0]);
		return *ret_source ? 0 : hoy_err_oom(err);
	}
	if (!parts[1])
		r = add_empty(c, &parts, err);
	if (r >= 0)
		*ret_lowers = TAKE_PTR(parts);
	return r;
}
