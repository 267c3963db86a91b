/*
 * Overlays of up to 500 layers. From Linux 6.7 each layer is an option of its own (lowerdir+). Before, all of them are
 * one string of at most a page: then we stand in the directory that the layers have in common and name them from
 * there.
 */
#include "runtime/child/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/fd.h"
#include "base/str.h"
#include "runtime/child/mount_api.h"
#include "runtime/plan/plan.h"

#define LOWERDIR "lowerdir="

char **hoy_overlay_split(const char *lowerdir)
{
	auto_ptr(hoy_strv_free) char **parts = calloc(1, sizeof *parts);
	auto_(hoy_buf_done) struct hoy_buf part = {};

	for (const char *p = lowerdir; parts; p++) {
		if (*p == '\\' && p[1]) {
			(void) hoy_buf_addc(&part, *++p);
			continue;
		}
		if (*p && *p != ':') {
			(void) hoy_buf_addc(&part, *p);
			continue;
		}
		if (part.failed || hoy_strv_add(&parts, part.len ? part.data : "") < 0)
			return NULL;
		hoy_buf_clear(&part);
		if (!*p)
			break;
	}
	return TAKE_PTR(parts);
}

char *hoy_overlay_common_dir(char *const *paths)
{
	size_t len = 0;

	if (!paths[0] || paths[0][0] != '/')
		return strdup("/");
	for (size_t i = 1; paths[0][i]; i++) {
		bool same = paths[0][i] == '/';

		for (char *const *p = paths; *p && same; p++)
			same = strncmp(paths[0], *p, i) == 0 && (*p)[i] == '/';
		if (same)
			len = i;
	}
	return len ? strndup(paths[0], len) : strdup("/");
}

/* The options with each layer as one of its own. */
static char **one_option_per_layer(char *const *data, char *const *layers)
{
	auto_ptr(hoy_strv_free) char **out = calloc(1, sizeof *out);

	if (!out)
		return NULL;
	for (; layers && *layers; layers++)
		if (hoy_strv_addf(&out, "lowerdir+=%s", *layers) < 0)
			return NULL;
	for (; data && *data; data++)
		if (!hoy_str_starts(*data, LOWERDIR) && hoy_strv_add(&out, *data) < 0)
			return NULL;
	return TAKE_PTR(out);
}

static void add_escaped(struct hoy_buf *buf, const char *path)
{
	for (; *path; path++) {
		if (*path == ':' || *path == '\\' || *path == ',')
			(void) hoy_buf_addc(buf, '\\');
		(void) hoy_buf_addc(buf, *path);
	}
}

/* All layers in one string, named from `dir`. */
static char **one_option(char *const *data, char *const *layers, const char *dir)
{
	auto_ptr(hoy_strv_free) char **out = calloc(1, sizeof *out);
	auto_(hoy_buf_done) struct hoy_buf lower = {};
	size_t skip = strcmp(dir, "/") == 0 ? 0 : strlen(dir) + 1;

	(void) hoy_buf_adds(&lower, LOWERDIR);
	for (char *const *l = layers; *l; l++) {
		if (l != layers)
			(void) hoy_buf_addc(&lower, ':');
		add_escaped(&lower, *l + skip);
	}
	if (!out || lower.failed || hoy_strv_add(&out, lower.data) < 0)
		return NULL;
	for (; data && *data; data++)
		if (!hoy_str_starts(*data, LOWERDIR) && hoy_strv_add(&out, *data) < 0)
			return NULL;
	return TAKE_PTR(out);
}

static int mount_by_string(
	const struct hoy_plan_mount *m, char *const *layers, int target, const char *target_path, struct hoy_err *err)
{
	auto_free char *dir = hoy_overlay_common_dir(layers);
	auto_ptr(hoy_strv_free) char **options = dir ? one_option(m->data, layers, dir) : NULL;
	auto_fd int mounted = -EBADF;
	int r;

	if (!options)
		return hoy_err_oom(err);
	if (chdir(dir) < 0)
		return hoy_err_sys(err, "chdir '%s'", dir);
	r = hoy_mount_new_by_string("overlay", m->source, options, target, err);
	if (r < 0)
		return r;
	mounted = open(target_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (mounted < 0)
		return hoy_err_sys(err, "open '%s'", target_path);
	r = hoy_mount_set(mounted, m->attr_set, m->attr_clr, false, err);
	return r < 0 ? r : TAKE_FD(mounted);
}

int hoy_overlay_mount(const struct hoy_plan_mount *m, int target, const char *target_path, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **layers = NULL, **options = NULL;
	auto_fd int mount = -EBADF;
	struct hoy_err probe = {};
	int r;

	for (char **d = m->data; d && *d; d++)
		if (hoy_str_starts(*d, LOWERDIR) && !layers) {
			layers = hoy_overlay_split(*d + strlen(LOWERDIR));
			if (!layers)
				return hoy_err_oom(err);
		}
	if (!layers)
		return hoy_err_invalid(err, "mounts[%zu].options: an overlay needs a lowerdir", m->index);
	options = one_option_per_layer(m->data, layers);
	if (!options)
		return hoy_err_oom(err);
	mount = hoy_mount_new("overlay", m->source, options, m->attr_set, &probe);
	if (mount == -EINVAL) /* perhaps a kernel without lowerdir+; if it is something else the next try says so too */
		return mount_by_string(m, layers, target, target_path, err);
	if (mount < 0)
		return hoy_err_import(err, &probe);
	r = hoy_mount_attach(mount, target, err);
	return r < 0 ? r : TAKE_FD(mount);
}
