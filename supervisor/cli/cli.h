/*
 * hoy: the table of commands, and what every command gets. A command is a row next to its function; main.c lists
 * pointers to the rows. It talks to the engine by the REST API only.
 */
#ifndef HOY_CLI_CLI_H
#define HOY_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "supervisor/cli/http.h"
#include "supervisor/cli/options.h"

/* Exit codes of `run`, as docker's users know them. Everything else exits with 0, 1 or the container's code. */
enum {
	HOY_EXIT_ENGINE = 125, /* the engine (or we) refused */
	HOY_EXIT_NOT_EXECUTABLE = 126,
	HOY_EXIT_NOT_FOUND = 127,
};

struct hoy_command;

struct hoy_cli {
	const char *program; /* "hoy" */
	const struct hoy_command *command;
	struct hoy_http_host host;
	bool default_host;  /* neither -H, DOCKER_HOST nor a context named one: we may start the daemon */
	const void *values; /* the command's parsed options */
	char **args;        /* NULL-terminated arguments */
	size_t n_args;
	void *values_rw; /* the same as `values`; freed by main */
};

struct hoy_command {
	const char *name;          /* "ps", or "image ls" for one below a group */
	const char *alias;         /* another name for the same, e.g. "container ls"; NULL: none */
	const char *args;          /* "CONTAINER [CONTAINER...]" */
	size_t min_args, max_args; /* max 0: none; SIZE_MAX: any */
	const char *summary;
	const struct hoy_option *options;
	size_t values_size;   /* the struct the options point into */
	const void *defaults; /* its initial value; NULL: zeros */
	int flags;            /* HOY_OPTIONS_STOP_AT_ARGUMENT */
	/* Returns the exit status; a failure is told by hoy_cli_fail(). */
	int (*run)(struct hoy_cli *cli);
};

/* Prints "hoy: TEXT" on stderr; returns `status` for the caller's return. */
int hoy_cli_fail(const struct hoy_cli *cli, int status, const struct hoy_err *err);

/*
 * One API call. A status of 400 and above becomes an
 * error with the engine's message ("Error response from daemon: ..."), its kind following the status. `body` is JSON
 * text or NULL. On success *ret (may be NULL) is the parsed answer, NULL when it had no body; the caller frees it.
 */
int hoy_cli_call(const struct hoy_cli *cli, const char *method, const char *path, const char *body,
	struct hoy_json **ret, struct hoy_err *err);

/* The same, but the answer's body is left to be read as a stream. */
int hoy_cli_open(
	const struct hoy_cli *cli, const struct hoy_http_request *request, struct hoy_http *ret, struct hoy_err *err);

/* Turns an answer of 400 and above into an error; reads its body. */
int hoy_cli_answer_error(struct hoy_http *http, struct hoy_err *err);

/* Calls `one` for each argument, prints the argument after each success, errors as they come. 0, or 1 if any failed. */
int hoy_cli_each_arg(
	struct hoy_cli *cli, int (*one)(struct hoy_cli *cli, const char *arg, struct hoy_err *err), bool print);

/* Members of an answer: "", 0 and false when they are absent or of another type. */
const char *hoy_cli_text(const struct hoy_json *object, const char *key);
int64_t hoy_cli_number(const struct hoy_json *object, const char *key);
bool hoy_cli_bool(const struct hoy_json *object, const char *key);

/* The tables of the command files. */
extern const struct hoy_command hoy_cmd_attach, hoy_cmd_images, hoy_cmd_import, hoy_cmd_info, hoy_cmd_inspect,
	hoy_cmd_kill, hoy_cmd_load, hoy_cmd_logs, hoy_cmd_ps, hoy_cmd_pull, hoy_cmd_rm, hoy_cmd_rmi, hoy_cmd_run,
	hoy_cmd_start, hoy_cmd_create, hoy_cmd_stop, hoy_cmd_version, hoy_cmd_wait;

#endif
