/*
 * The command line: a table of commands, each with a table of options next to its function. Help, argument counts and
 * the refusal of what is unknown come from the tables.
 */
#ifndef HOY_RUNTIME_COMMAND_H
#define HOY_RUNTIME_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct hoy_globals {
	const char *root; /* --root, absolute */
	char *root_owned;
	bool root_given;
	int rootless_option; /* --rootless; -1: auto. hoy_globals_rootless() decides */
	bool systemd_cgroup; /* --systemd-cgroup, or --cgroup-manager=systemd */
	bool no_cgroup;      /* --cgroup-manager=disabled */
	bool debug;
	const char *log;
	bool log_json;
	const char *program, *command; /* for error texts */
};

/* Is this a user without the rights of the machine's root? */
bool hoy_globals_rootless(const struct hoy_globals *globals);

enum hoy_option_kind {
	HOY_OPTION_FLAG,
	HOY_OPTION_STRING,
	HOY_OPTION_STRINGS, /* may be given again: NULL-terminated vector of borrowed strings */
	HOY_OPTION_UINT,
	HOY_OPTION_INT,
};

struct hoy_option {
	const char *name; /* without the dashes */
	char letter;      /* 0: none */
	enum hoy_option_kind kind;
	size_t offset; /* in the command's struct of values */
	const char *help;
};
#define HOY_OPTION(T, name_, letter_, kind_, member_, help_)                                                           \
	{                                                                                                              \
		.name = (name_), .letter = (letter_), .kind = HOY_OPTION_##kind_, .offset = offsetof(T, member_),      \
		.help = (help_)                                                                                        \
	}
#define HOY_MAX_STRINGS 256 /* of one HOY_OPTION_STRINGS option: const char *member[HOY_MAX_STRINGS] */

struct hoy_command {
	const char *name;
	const char *args; /* as help shows them */
	const char *summary;
	unsigned int min_args, max_args; /* max_args 0 with min_args > 0: any number */
	const struct hoy_option *options;
	size_t n_options;
	bool options_end_at_id; /* exec: what follows the container's id is the program's */
	/* `options` is the command's zeroed struct, filled in. Returns the exit status, or -errno with err. */
	int (*run)(const struct hoy_globals *globals, void *options, char **args, struct hoy_err *err);
	size_t options_size;
	int error_status; /* exit status for its errors; 0: 1 */
};

extern const struct hoy_command hoy_cmd_checkpoint, hoy_cmd_create, hoy_cmd_delete, hoy_cmd_events, hoy_cmd_exec,
	hoy_cmd_features, hoy_cmd_kill, hoy_cmd_list, hoy_cmd_mounts, hoy_cmd_pause, hoy_cmd_ps, hoy_cmd_restore,
	hoy_cmd_resume, hoy_cmd_run, hoy_cmd_spec, hoy_cmd_start, hoy_cmd_state, hoy_cmd_update;

/*
 * Parses the options in front of (and, unless options_end_at_id, among) the arguments. *ret_args is a NULL-terminated
 * part of `argv`, which is reordered. "--" ends the options. Errors name the option.
 */
int hoy_options_parse(const struct hoy_option *options, size_t n_options, bool stop_at_argument, char **argv,
	void *values, char ***ret_args, struct hoy_err *err);

/* --bundle made absolute; NULL is the current directory. Heap. */
int hoy_bundle_path(const char *bundle, char **ret, struct hoy_err *err);

/* One line per option. */
void hoy_options_help(const struct hoy_option *options, size_t n_options);

#endif
