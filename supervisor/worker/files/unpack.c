/* A client's archive into a directory of a container: hoy-layer's unpacking, without what layers mean by some names. */
#include "supervisor/worker/files/files.h"
#include "supervisor/worker/layer/apply.h"

int hoy_files_unpack(int dir, struct hoy_layer_stream *input, const struct hoy_files_put *how, uint64_t *ret_bytes,
	struct hoy_err *err)
{
	const struct hoy_layer_apply apply = {
		.root = dir,
		.lower = -1,
		.diff_id = "",
		.plain = true,
		.with_root = how->with_root,
		.no_overwrite = how->no_overwrite,
		.chown = how->chown,
		.uid = how->uid,
		.gid = how->gid,
	};
	struct hoy_layer_reply done = { 0 };
	int r = hoy_layer_apply(&apply, input, &done, err);

	*ret_bytes = done.done.unpacked;
	return r;
}
