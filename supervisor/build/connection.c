#include "supervisor/build/connection.h"

#include <fcntl.h>

#include "base/base64.h"
#include "base/fd.h"
#include "supervisor/build/engine.h"
#include "supervisor/image/image.h"
#include "supervisor/image/worker_run.h"

int hoy_build_connection_print(
	struct hoy_json_writer *w, const char *role, const void *extra, size_t extra_len, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf encoded = { 0 };

	(void) hoy_buf_adds(&encoded, "");
	if (extra_len > 0 && hoy_base64_encode(&encoded, extra, extra_len, /* url_safe= */ false) < 0)
		return hoy_err_oom(err);
	hoy_json_object(w, NULL);
	hoy_json_add_string(w, "role", role);
	hoy_json_array(w, "fds");
	hoy_json_add_string(w, NULL, "connection");
	hoy_json_add_string(w, NULL, "target");
	hoy_json_end(w);
	hoy_json_add_string(w, "extra", encoded.data);
	return 0;
}

int hoy_build_connection_start(struct hoy_builds *builds, const struct hoy_buf *begin, int fd,
	const struct hoy_worker_run_options *options, char **ret_dir, struct hoy_worker_run **ret, struct hoy_err *err)
{
	struct hoy_worker_run_options own = *options;
	auto_fd int target = -EBADF;
	int r = hoy_images_new_dir(builds->options.images, ret_dir, err);

	if (r < 0)
		return r;
	target = open(*ret_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (target < 0)
		return hoy_err_sys(err, "open '%s'", *ret_dir);
	own.loop = builds->options.loop;
	own.name = "hoy-build";
	own.path = builds->helper;
	r = hoy_worker_run_start(&own, ret, err);
	return r < 0 ? r : hoy_worker_run_send(*ret, begin->data, begin->len, (const int[]){ fd, target }, 2, err);
}
