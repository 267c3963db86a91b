/*
 * hoy: the rows of the table of commands, and what every command gets. A command is a row next to its function;
 * commands.def lists them. It talks to the engine by the REST API only; lists and objects are printed by format.h.
 */
#ifndef HOY_CLI_CLI_H
#define HOY_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "supervisor/cli/config.h"
#include "supervisor/cli/http.h"
#include "supervisor/cli/options.h"

/* Exit codes of `run`, as docker's users know them. Everything else exits with 0, 1 or the container's code. */
enum {
	HOY_EXIT_ENGINE = 125, /* the engine (or we) refused */
	HOY_EXIT_NOT_EXECUTABLE = 126,
	HOY_EXIT_NOT_FOUND = 127,
};

struct hoy_command;
struct hoy_compose_globals;

struct hoy_cli {
	const char *program; /* "hoy" */
	const struct hoy_command *command;
	const char *called;       /* the words the command was called by: "ps", "container ls" */
	struct hoy_config config; /* ~/.docker/config.json */
	struct hoy_http_host host;
	bool debug;         /* -D */
	bool dry_run;       /* calls that change something are not sent: they succeed */
	bool default_host;  /* neither -H, DOCKER_HOST nor a context named one: we may start the daemon */
	const void *values; /* the command's parsed options */
	char **args;        /* NULL-terminated arguments */
	size_t n_args;
	void *values_rw;                           /* the same as `values`; freed by who runs the command */
	const struct hoy_compose_globals *compose; /* of a command below `compose`; else NULL */
};

/* Flags of a row. */
enum {
	/* HOY_OPTIONS_STOP_AT_ARGUMENT = 1 */
	HOY_COMMAND_HIDDEN = 2,  /* not in help and completion */
	HOY_COMMAND_NO_HOST = 4, /* does not talk to an engine: cli->host is not set */
};

struct hoy_command {
	const char *name;  /* "ps", or "image ls" for one below a group */
	const char *alias; /* other names for the same, ", " between: "container ls, container ps"; NULL: none */
	const char *args;  /* "CONTAINER [CONTAINER...]" */
	size_t min_args, max_args; /* max 0: none; SIZE_MAX: any */
	const char *summary;
	const struct hoy_option *options;
	size_t values_size;   /* the struct the options point into */
	const void *defaults; /* its initial value; NULL: zeros */
	int flags;            /* HOY_OPTIONS_STOP_AT_ARGUMENT, HOY_COMMAND_... */
	/* Returns the exit status; a failure is told by hoy_cli_fail(). */
	int (*run)(struct hoy_cli *cli);
};

/* Prints the error on stderr and returns `status`. With 125 and above as docker's run: "hoy: " in front, where help is
 * behind. */
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

/* Is it our engine? Others would pass `what` over without a word; the error names it. */
int hoy_cli_check_engine(const struct hoy_cli *cli, const char *what, struct hoy_err *err);

/* Members of an answer: "", 0 and false when they are absent or of another type. */
const char *hoy_cli_text(const struct hoy_json *object, const char *key);
int64_t hoy_cli_number(const struct hoy_json *object, const char *key);
bool hoy_cli_bool(const struct hoy_json *object, const char *key);

/* The rows of the command files. */
#define HOY_COMMAND(name) extern const struct hoy_command hoy_cmd_##name;
#include "supervisor/cli/commands.def"
#undef HOY_COMMAND

#endif
