/* state and list. */
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
static char *owner_name(uid_t uid)
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

static void fill_state(const struct hoy_state *state, char *owner, struct hoy_oci_state *ret)
{
	enum hoy_status status = hoy_state_status(state);

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
	owner = owner_name(state.owner);
	fill_state(&state, owner, &doc);
	r = hoy_oci_state_print(&doc, &text, INDENT, err);
	if (r == 0)
		r = hoy_buf_addc(&text, '\n') < 0 ? hoy_err_oom(err) : print_all(&text, err);
	return r;
}

struct list_values {
	const char *format;
	bool quiet;
};
static const struct hoy_option list_options[] = {
	HOY_OPTION(struct list_values, "format", 'f', STRING, format, "table or json"),
	HOY_OPTION(struct list_values, "quiet", 'q', FLAG, quiet, "ids only"),
};

enum { COL_ID, COL_PID, COL_STATUS, COL_BUNDLE, COL_CREATED, COL_OWNER, N_COLUMNS };
#define MIN_WIDTH 12
#define PADDING 3

struct row {
	char *cell[N_COLUMNS];
};

static void free_rows(struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < N_COLUMNS; j++)
			free(rows[i].cell[j]);
	free(rows);
}

static void print_table(const struct row *rows, size_t n, struct hoy_buf *out)
{
	size_t width[N_COLUMNS];

	for (size_t j = 0; j < N_COLUMNS; j++) {
		width[j] = MIN_WIDTH;
		for (size_t i = 0; i < n; i++)
			width[j] = MAX(width[j], strlen(rows[i].cell[j]) + PADDING);
	}
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j + 1 < N_COLUMNS; j++)
			(void) hoy_buf_addf(out, "%-*s", (int) width[j], rows[i].cell[j]);
		(void) hoy_buf_addf(out, "%s\n", rows[i].cell[N_COLUMNS - 1]);
	}
}

static int fill_row(const struct hoy_oci_state *doc, struct row *row)
{
	row->cell[COL_ID] = strdup(doc->id);
	row->cell[COL_PID] = hoy_str_printf("%d", doc->pid);
	row->cell[COL_STATUS] = strdup(hoy_oci_status_to_string(doc->status));
	row->cell[COL_BUNDLE] = strdup(doc->bundle ? doc->bundle : "");
	row->cell[COL_CREATED] = strdup(doc->created ? doc->created : "");
	row->cell[COL_OWNER] = strdup(doc->owner ? doc->owner : "");
	for (size_t i = 0; i < N_COLUMNS; i++)
		if (!row->cell[i])
			return -ENOMEM;
	return 0;
}

static int list_table(const struct hoy_globals *g, char **ids, struct hoy_buf *out, struct hoy_err *err)
{
	static const char *const head[] = { "ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER" };
	struct row *rows = calloc(hoy_strv_len(ids) + 1, sizeof *rows);
	size_t n = 1;
	int r = rows ? 0 : -ENOMEM;

	for (size_t i = 0; r == 0 && i < N_COLUMNS; i++)
		r = (rows[0].cell[i] = strdup(head[i])) ? 0 : -ENOMEM;
	for (; r == 0 && *ids; ids++) {
		auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
		auto_free char *owner = NULL;
		struct hoy_oci_state doc;

		if (hoy_state_look(g->root, *ids, &state, NULL) < 0 || !state.read)
			continue;
		owner = owner_name(state.owner);
		fill_state(&state, owner, &doc);
		r = fill_row(&doc, &rows[n++]);
	}
	if (r == 0)
		print_table(rows, n, out);
	free_rows(rows, rows ? n : 0);
	return r < 0 ? hoy_err_oom(err) : 0;
}

static int list_json(const struct hoy_globals *g, char **ids, struct hoy_buf *out, struct hoy_err *err)
{
	size_t n = 0;

	(void) hoy_buf_addc(out, '[');
	for (; *ids; ids++) {
		auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
		auto_free char *owner = NULL;
		struct hoy_oci_state doc;
		int r;

		if (hoy_state_look(g->root, *ids, &state, NULL) < 0 || !state.read)
			continue;
		owner = owner_name(state.owner);
		fill_state(&state, owner, &doc);
		if (n++)
			(void) hoy_buf_addc(out, ',');
		r = hoy_oci_state_print(&doc, out, 0, err);
		if (r < 0)
			return r;
	}
	(void) hoy_buf_addc(out, ']');
	return hoy_buf_check(out, "list", err);
}

static int list_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_ptr(hoy_strv_free) char **ids = NULL;
	auto_(hoy_buf_done) struct hoy_buf out = {};
	const struct list_values *v = values;
	bool json = v->format && strcmp(v->format, "json") == 0;
	int r;

	(void) args;
	if (v->format && !json && strcmp(v->format, "table") != 0)
		return hoy_err_invalid(err, "list: invalid format option '%s'", v->format);
	if (g->root_given && faccessat(AT_FDCWD, g->root, F_OK, 0) < 0)
		return hoy_err_sys(err, "open '%s'", g->root);
	r = hoy_state_list(g->root, &ids, err);
	if (r < 0)
		return r;
	if (v->quiet) {
		for (char **id = ids; *id; id++)
			(void) hoy_buf_addf(&out, "%s\n", *id);
		r = hoy_buf_check(&out, "list", err);
	} else {
		r = json ? list_json(g, ids, &out, err) : list_table(g, ids, &out, err);
	}
	return r < 0 || !out.len ? r : print_all(&out, err);
}

const struct hoy_command hoy_cmd_state = {
	.name = "state",
	.args = "CONTAINER",
	.summary = "Show the state of a container as JSON",
	.min_args = 1,
	.max_args = 1,
	.run = state_run,
};

const struct hoy_command hoy_cmd_list = {
	.name = "list",
	.args = "",
	.summary = "List the containers",
	.options = list_options,
	.n_options = ARRAY_LEN(list_options),
	.options_size = sizeof(struct list_values),
	.run = list_run,
};
