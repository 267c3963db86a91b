/* mounts add, mounts remove: for a container that runs or waits for start. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "libocispec/runtime.h"
#include "runtime/apply/lifecycle.h"
#include "runtime/apply/live_mounts.h"
#include "runtime/cli/command.h"
#include "runtime/sealed.h"
#include "runtime/state/state.h"
#include "runtime/texts.h"

#define MOUNTS_MAX ((size_t) 16 << 20)

static int read_mounts(const char *path, struct hoy_oci_spec *spec, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = MOUNTS_MAX };
	int r;

	if (strcmp(path, "-") == 0)
		r = hoy_file_read_fd(STDIN_FILENO, "stdin", &text, err);
	else
		r = hoy_file_read(AT_FDCWD, path, &text, err);
	if (r == 0)
		r = hoy_oci_spec_replace_mounts(spec, text.data ? text.data : "", text.len, err);
	return r < 0 ? hoy_err_wrap(err, "%s", path) : 0;
}

static int mounts_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	auto_ptr(hoy_oci_spec_free) struct hoy_oci_spec *spec = NULL;
	bool remove = strcmp(args[0], "remove") == 0;
	enum hoy_status status;
	int r;

	(void) values;
	if (!remove && strcmp(args[0], "add") != 0)
		return hoy_err_invalid(err, "mounts: '%s' is neither add nor remove", args[0]);
	r = hoy_sealed_ensure(err);
	if (r == 0)
		r = hoy_state_load(g->root, args[1], /* lock= */ true, &state, err);
	if (r < 0)
		return r;
	status = hoy_state_status(&state);
	if (status == HOY_STATUS_STOPPED || status == HOY_STATUS_CREATING)
		return hoy_err_conflict(err, TEXT_NOT_RUNNING);
	r = hoy_container_config(&state, &spec, err);
	if (r == 0)
		r = read_mounts(args[2], spec, err);
	return r < 0 ? r : hoy_container_mounts(&state, spec, remove, err);
}

const struct hoy_command hoy_cmd_mounts = {
	.name = "mounts",
	.args = "add|remove CONTAINER FILE",
	.summary = "Add the mounts of a file to a running container, or remove them",
	.min_args = 3,
	.max_args = 3,
	.run = mounts_run,
};
