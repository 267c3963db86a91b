#include "supervisor/container/sizes.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "supervisor/container/internal.h"
#include "supervisor/image/image.h"
#include "supervisor/volume/files.h"

struct sizing {
	hoy_container_sized done;
	void *userdata;
	struct hoy_container_size *sizes; /* root_fs: the image's part until the end */
	size_t n;
};

static void sizing_free(struct sizing *s)
{
	free(s->sizes);
	free(s);
}

static void on_sizes(void *userdata, const struct hoy_err *err, const uint64_t *bytes, size_t n)
{
	struct sizing *s = userdata;

	for (size_t i = 0; i < s->n; i++) {
		s->sizes[i].rw = !err && i < n && bytes[i] <= INT64_MAX ? (int64_t) bytes[i] : -1;
		s->sizes[i].root_fs += s->sizes[i].rw < 0 ? 0 : s->sizes[i].rw;
	}
	s->done(s->userdata, err, err ? NULL : s->sizes, err ? 0 : s->n);
	sizing_free(s);
}

int hoy_container_sizes(struct hoy_containers *containers, char *const *ids, hoy_container_sized done, void *userdata,
	struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **dirs = NULL;
	struct sizing *s = calloc(1, sizeof *s);
	int r = 0;

	if (!s)
		return hoy_err_oom(err);
	*s = (struct sizing){ .done = done, .userdata = userdata };
	s->sizes = calloc(hoy_strv_len(ids) + 1, sizeof *s->sizes);
	if (!s->sizes)
		r = hoy_err_oom(err);
	for (char *const *id = ids; r >= 0 && id && *id; id++) {
		struct hoy_container_size *size = &s->sizes[s->n++];
		const struct hoy_container_info *info;

		(void) snprintf(size->id, sizeof size->id, "%s", *id);
		r = hoy_containers_find(containers, *id, &info, err);
		if (r >= 0 && hoy_strv_add(&dirs, info->upper_dir) < 0)
			r = hoy_err_oom(err);
		if (r >= 0)
			size->root_fs = hoy_layers_size(containers->options.images, hoy_container_chain_id(info));
	}
	if (r >= 0)
		r = hoy_files_sizes(containers->options.volumes, dirs, on_sizes, s, err);
	if (r < 0)
		sizing_free(s);
	return r < 0 ? r : 0;
}
