/* start, kill, delete. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "runtime/apply/lifecycle.h"
#include "runtime/cli/command.h"
#include "runtime/texts.h"

static int start_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	int r = hoy_state_load(g->root, args[0], true, &state, err);

	(void) values;
	return r < 0 ? r : hoy_container_start(&state, err);
}

#define REGEX_REFUSED "--regex: patterns of container names are not supported"

struct kill_values {
	bool all, regex;
};
static const struct hoy_option kill_options[] = {
	HOY_OPTION(struct kill_values, "all", 'a', FLAG, all, "signal every process of the container"),
	HOY_OPTION(struct kill_values, "regex", 'r', FLAG, regex, "refused"),
};

static int kill_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	const struct kill_values *v = values;
	int sig = SIGTERM, r;

	if (v->regex)
		return hoy_err_unsupported(err, REGEX_REFUSED);
	if (args[1]) {
		sig = strcmp(args[1], "0") == 0 ? 0 : hoy_signal_from_string(args[1]); /* 0: is it there */
		if (sig < 0)
			return hoy_err_invalid(err, "unknown signal \"%s\"", args[1]);
	}
	r = hoy_state_look(g->root, args[0], &state, err);
	return r < 0 ? r : hoy_container_kill(&state, sig, v->all, err);
}

struct delete_values {
	bool force, regex;
};
static const struct hoy_option delete_options[] = {
	HOY_OPTION(struct delete_values, "force", 'f', FLAG, force, "kill the container if it still runs"),
	HOY_OPTION(struct delete_values, "regex", 'r', FLAG, regex, "refused"),
};

static int delete_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	const struct delete_values *v = values;
	int r;

	if (v->regex)
		return hoy_err_unsupported(err, REGEX_REFUSED);
	r = hoy_state_load(g->root, args[0], true, &state, err);
	if (r == -ENOENT && v->force)
		return 0;
	return r < 0 ? r : hoy_container_delete(g->root, &state, v->force, err);
}

const struct hoy_command hoy_cmd_start = {
	.name = "start",
	.args = "CONTAINER",
	.summary = "Execute the program of a created container",
	.min_args = 1,
	.max_args = 1,
	.run = start_run,
};

const struct hoy_command hoy_cmd_kill = {
	.name = "kill",
	.args = "CONTAINER [SIGNAL]",
	.summary = "Send a signal (default: TERM) to the container's first process",
	.min_args = 1,
	.max_args = 2,
	.options = kill_options,
	.n_options = ARRAY_LEN(kill_options),
	.options_size = sizeof(struct kill_values),
	.run = kill_run,
};

const struct hoy_command hoy_cmd_delete = {
	.name = "delete",
	.args = "CONTAINER",
	.summary = "Delete a stopped container and all it holds",
	.min_args = 1,
	.max_args = 1,
	.options = delete_options,
	.n_options = ARRAY_LEN(delete_options),
	.options_size = sizeof(struct delete_values),
	.run = delete_run,
};
