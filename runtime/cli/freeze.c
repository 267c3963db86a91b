/* pause, resume, ps. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cgroup/cgroup.h"
#include "base/fd.h"
#include "base/json.h"
#include "base/process.h"
#include "runtime/cli/command.h"
#include "runtime/state/state.h"
#include "runtime/texts.h"

#define FREEZE_TIMEOUT_MS 10000
#define PS_OUTPUT_MAX ((size_t) 16 << 20)

static int open_group(const struct hoy_globals *g, const char *id, struct hoy_state *state, struct hoy_cgroup **ret,
	struct hoy_err *err)
{
	int r = hoy_state_load(g->root, id, false, state, err);

	if (r < 0)
		return r;
	if (!state->cgroup)
		return hoy_err_unsupported(err, "container '%s' has no cgroup of its own", id);
	return hoy_cgroup_from_string(state->cgroup, ret, err);
}

static int pause_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	enum hoy_status status;
	int r = open_group(g, args[0], &state, &cg, err);

	(void) values;
	if (r < 0)
		return r;
	status = hoy_state_status(&state);
	if (status != HOY_STATUS_RUNNING && status != HOY_STATUS_CREATED)
		return hoy_err_conflict(err, TEXT_PAUSE_STATE, hoy_status_to_string(status));
	return hoy_cgroup_freeze(cg, FREEZE_TIMEOUT_MS, err);
}

static int resume_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	int r = open_group(g, args[0], &state, &cg, err);

	(void) values;
	if (r < 0)
		return r;
	if (hoy_state_status(&state) != HOY_STATUS_PAUSED)
		return hoy_err_conflict(err, TEXT_NOT_PAUSED);
	return hoy_cgroup_thaw(cg, err);
}

struct ps_values {
	const char *format;
};
static const struct hoy_option ps_options[] = {
	HOY_OPTION(struct ps_values, "format", 'f', STRING, format, "table or json"),
};

static int print_json(const pid_t *pids, size_t n, struct hoy_err *err)
{
	auto_(hoy_buf_done) struct hoy_buf text = {};
	struct hoy_json_writer w = { .buf = &text };
	int r;

	hoy_json_array(&w, NULL);
	for (size_t i = 0; i < n; i++)
		hoy_json_add_i64(&w, NULL, pids[i]);
	hoy_json_end(&w);
	(void) hoy_buf_addc(&text, '\n');
	r = hoy_buf_check(&text, "ps", err);
	if (r == 0)
		r = hoy_fd_write_all(STDOUT_FILENO, text.data, text.len);
	return r < 0 ? hoy_err_code(err, r, "write to stdout") : 0;
}

/* Number of the column called PID; -1: none. */
static int find_pid_column(const char *line)
{
	for (int column = 0;; column++) {
		line += strspn(line, " ");
		if (!*line)
			return -1;
		if (strncmp(line, "PID", 3) == 0 && (line[3] == ' ' || !line[3]))
			return column;
		line += strcspn(line, " ");
	}
}

static bool is_of_container(const char *line, int column, const pid_t *pids, size_t n)
{
	long pid;

	line += strspn(line, " ");
	for (; column > 0 && *line; column--) {
		line += strcspn(line, " ");
		line += strspn(line, " ");
	}
	pid = strtol(line, NULL, 10);
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* What the host's ps shows of all processes, cut down to the container's. */
static int print_table(char **args, const pid_t *pids, size_t n, struct hoy_err *err)
{
	static char ps[] = "ps", all[] = "-ef";
	char *defaults[] = { ps, all, NULL };
	auto_ptr(hoy_strv_free) char **argv = NULL;
	auto_ptr(hoy_strv_free) char **lines = NULL;
	auto_free char *output = NULL;
	struct hoy_spawn spawn = { .path = ps };
	int status, column, r = hoy_strv_add(&argv, ps);

	for (char **a = args; r == 0 && *a; a++)
		r = hoy_strv_add(&argv, *a);
	if (r < 0)
		return hoy_err_oom(err);
	spawn.argv = args[0] ? argv : defaults;
	r = hoy_process_run(&spawn, PS_OUTPUT_MAX, &output, &status, err);
	if (r < 0)
		return r;
	if (status)
		return hoy_err_set(err, HOY_ERR_INVALID, EINVAL, "ps: %s", output);
	lines = hoy_str_split(output, '\n');
	if (!lines)
		return hoy_err_oom(err);
	column = lines[0] ? find_pid_column(lines[0]) : -1;
	if (column < 0)
		return hoy_err_invalid(err, "ps: no column 'PID' in what it shows");
	(void) printf("%s\n", lines[0]);
	for (char **l = lines + 1; *l; l++)
		if (**l && is_of_container(*l, column, pids, n))
			(void) printf("%s\n", *l);
	return fflush(stdout) ? hoy_err_sys(err, "write to stdout") : 0;
}

static int ps_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	auto_ptr(hoy_cgroup_free) struct hoy_cgroup *cg = NULL;
	const struct ps_values *v = values;
	auto_free pid_t *pids = NULL;
	size_t n = 0;
	int r = open_group(g, args[0], &state, &cg, err);

	if (r == 0)
		r = hoy_cgroup_pids(cg, &pids, &n, err);
	if (r < 0)
		return r;
	if (v->format && strcmp(v->format, "json") == 0)
		return print_json(pids, n, err);
	if (v->format && strcmp(v->format, "table") != 0)
		return hoy_err_invalid(err, "ps: invalid format option '%s'", v->format);
	return print_table(args + 1, pids, n, err);
}

const struct hoy_command hoy_cmd_pause = {
	.name = "pause",
	.args = "CONTAINER",
	.summary = "Stop all processes of a container where they are",
	.min_args = 1,
	.max_args = 1,
	.run = pause_run,
};

const struct hoy_command hoy_cmd_resume = {
	.name = "resume",
	.args = "CONTAINER",
	.summary = "Let a paused container go on",
	.min_args = 1,
	.max_args = 1,
	.run = resume_run,
};

const struct hoy_command hoy_cmd_ps = {
	.name = "ps",
	.args = "CONTAINER [PS-OPTION...]",
	.summary = "Show the processes of a container",
	.min_args = 1,
	.options = ps_options,
	.n_options = ARRAY_LEN(ps_options),
	.options_size = sizeof(struct ps_values),
	.options_end_at_id = true,
	.run = ps_run,
};
