/* start, kill, delete. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "runtime/apply/lifecycle.h"
#include "runtime/cli/command.h"
#include "runtime/cli/pattern.h"
#include "runtime/texts.h"

static int start_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	int r = hoy_state_load(g->root, args[0], true, &state, err);

	(void) values;
	return r < 0 ? r : hoy_container_start(&state, err);
}

#define REGEX_HELP "CONTAINER is an extended regular expression: all that match it"

/*
 * What a command does to one container, or with --regex to each whose id matches, in the order of their ids. One that
 * fails does not keep it from the others.
 */
typedef int (*one_fn)(const char *root, const char *id, const void *arg, struct hoy_err *err);

static int for_each(const char *root, const char *expression, one_fn one, const void *arg, struct hoy_err *err)
{
	auto_(hoy_pattern_done) struct hoy_pattern pattern = {};
	auto_ptr(hoy_strv_free) char **ids = NULL;
	size_t n = 0, failed = 0;
	int r = hoy_pattern_compile(expression, &pattern, err);

	if (r == 0)
		r = hoy_state_list(root, &ids, err);
	if (r < 0)
		return r;
	for (char **id = ids; *id; id++) {
		struct hoy_err why;

		r = hoy_pattern_matches(&pattern, *id);
		if (r < 0)
			return hoy_err_oom(err);
		n += r > 0;
		r = r == 0 ? 0 : one(root, *id, arg, &why);
		if (r >= 0 || r == -ENOENT) /* deleted meanwhile */
			continue;
		hoy_log_warn("%s: %s", *id, hoy_err_str(&why));
		failed++;
	}
	return failed ? hoy_err_conflict(err, "--regex: %zu of %zu containers: see the warnings", failed, n) : 0;
}

struct kill_values {
	bool all, regex;
};
static const struct hoy_option kill_options[] = {
	HOY_OPTION(struct kill_values, "all", 'a', FLAG, all, "signal every process of the container"),
	HOY_OPTION(struct kill_values, "regex", 'r', FLAG, regex, REGEX_HELP),
};
struct kill_how {
	int sig;
	bool all;
};

static int kill_one(const char *root, const char *id, const void *arg, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	const struct kill_how *how = arg;
	int r = hoy_state_look(root, id, &state, err);

	return r < 0 ? r : hoy_container_kill(&state, how->sig, how->all, err);
}

static int kill_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	const struct kill_values *v = values;
	struct kill_how how = { SIGTERM, v->all };

	if (args[1]) {
		how.sig = strcmp(args[1], "0") == 0 ? 0 : hoy_signal_from_string(args[1]); /* 0: is it there */
		if (how.sig < 0)
			return hoy_err_invalid(err, "unknown signal \"%s\"", args[1]);
	}
	return v->regex ? for_each(g->root, args[0], kill_one, &how, err) : kill_one(g->root, args[0], &how, err);
}

struct delete_values {
	bool force, regex;
};
static const struct hoy_option delete_options[] = {
	HOY_OPTION(struct delete_values, "force", 'f', FLAG, force, "kill the container if it still runs"),
	HOY_OPTION(struct delete_values, "regex", 'r', FLAG, regex, REGEX_HELP),
};

static int delete_one(const char *root, const char *id, const void *arg, struct hoy_err *err)
{
	auto_(hoy_state_done) struct hoy_state state = { .dir = -EBADF };
	const struct delete_values *v = arg;
	int r = hoy_state_load(root, id, true, &state, err);

	if (r == -ENOENT && v->force)
		return 0;
	return r < 0 ? r : hoy_container_delete(root, &state, v->force, err);
}

static int delete_run(const struct hoy_globals *g, void *values, char **args, struct hoy_err *err)
{
	const struct delete_values *v = values;

	return v->regex ? for_each(g->root, args[0], delete_one, v, err) : delete_one(g->root, args[0], v, err);
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
