/* state, and what list shows of each container. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "libocispec/runtime.h"
#include "runtime/apply/create.h"
#include "runtime/child/passwd.h"
#include "runtime/cli/command.h"
#include "runtime/cli/state.h"
#include "runtime/state/state.h"
#include "runtime/texts.h"

#define PASSWD_MAX ((size_t) 4 << 20)
#define INDENT 2

static const enum hoy_oci_status oci_status[] = {
	[HOY_STATUS_CREATING] = HOY_OCI_STATUS_CREATING,
	[HOY_STATUS_CREATED] = HOY_OCI_STATUS_CREATED,
	[HOY_STATUS_RUNNING] = HOY_OCI_STATUS_RUNNING,
	[HOY_STATUS_PAUSED] = HOY_OCI_STATUS_PAUSED,
	[HOY_STATUS_STOPPED] = HOY_OCI_STATUS_STOPPED,
};

/* No name service: it would be the slowest part of the command, and it needs a dynamic libc. */
char *hoy_owner_name(uid_t uid)
{
	auto_(hoy_buf_done) struct hoy_buf text = { .cap = PASSWD_MAX };
	char *name = NULL;

	if (uid == 0)
		return strdup("root");
	if (hoy_file_read(AT_FDCWD, "/etc/passwd", &text, NULL) == 0 && text.data)
		name = hoy_passwd_name(text.data, uid);
	return name ? name : hoy_str_printf("#%u", uid);
}

static int print_all(const struct hoy_buf *text, struct hoy_err *err)
{
	int r = hoy_fd_write_all(STDOUT_FILENO, text->data, text->len);

	return r < 0 ? hoy_err_code(err, r, "write to stdout") : 0;
}

void hoy_fill_state(const struct hoy_state *state, enum hoy_status status, char *owner, struct hoy_oci_state *ret)
{
	hoy_container_state(
		state, oci_status[status], status == HOY_STATUS_STOPPED ? 0 : state->pid, /* for_hooks= */ false, ret);
	ret->owner = owner;
}

static int state_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	auto_(hoy_buf_done) struct hoy_buf text = {};
	auto_free char *owner = NULL;
	struct hoy_oci_state doc;
	int r = hoy_state_look(g->root, args[0], &state, err);

	(void) values;
	if (r < 0)
		return r;
	if (!state.read)
		return hoy_err_set(err, HOY_ERR_NOT_FOUND, ENOENT, TEXT_NOT_FOUND);
	owner = hoy_owner_name(state.owner);
	hoy_fill_state(&state, hoy_state_status(&state), owner, &doc);
	r = hoy_oci_state_print(&doc, &text, INDENT, err);
	if (r == 0)
		r = hoy_buf_addc(&text, '\n') < 0 ? hoy_err_oom(err) : print_all(&text, err);
	return r;
}

const struct hoy_command hoy_cmd_state = {
	.name = "state",
	.args = "CONTAINER",
	.summary = "Show the state of a container as JSON",
	.min_args = 1,
	.max_args = 1,
	.run = state_run,
};
