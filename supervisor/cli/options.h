/*
 * Command-line options from tables, with the rules docker users know: `--flag value`, `--flag=value`, `-x value`,
 * `-xvalue`, clustered booleans (`-it`), `--bool=false`, `--` ends options. A command is parsed either with options
 * anywhere (`rm x -f`) or up to the first argument only (`run IMAGE CMD -x`).
 */
#ifndef HOY_CLI_OPTIONS_H
#define HOY_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/buf.h"

enum hoy_option_type {
	HOY_OPTION_BOOL,     /* bool */
	HOY_OPTION_STRING,   /* const char *, points into argv */
	HOY_OPTION_LIST,     /* char **, owned by the values struct */
	HOY_OPTION_STRINGS,  /* the same; one value may name several: "a,b" */
	HOY_OPTION_INT,      /* int64_t */
	HOY_OPTION_UINT,     /* int64_t >= 0 */
	HOY_OPTION_BYTES,    /* int64_t: "64m" */
	HOY_OPTION_DECIMAL,  /* double: "1.5" */
	HOY_OPTION_DURATION, /* int64_t nanoseconds: "1m30s" */
	HOY_OPTION_REFUSED,  /* known to docker, not supported: the help column says what is refused and why */
};

struct hoy_option {
	char letter;      /* 0: none */
	const char *name; /* long name without dashes */
	enum hoy_option_type type;
	const char *value; /* how help shows the value: "string", "list", "bytes" ...; NULL for bool */
	const char *help;
	size_t offset;     /* of the member in the values struct */
	size_t set_offset; /* of a bool that tells whether it was given, or NO_SET */
	bool hidden;       /* another spelling, not in the help */
};
#define HOY_OPTION_NO_SET ((size_t) -1)
#define HOY_OPTION(letter, name, type, value, values_type, member, help)                                               \
	{                                                                                                              \
		letter, name, type, value, help, offsetof(values_type, member), HOY_OPTION_NO_SET, false               \
	}
#define HOY_OPTION_WITH_SET(letter, name, type, value, values_type, member, set_member, help)                          \
	{                                                                                                              \
		letter, name, type, value, help, offsetof(values_type, member), offsetof(values_type, set_member),     \
			false                                                                                          \
	}
#define HOY_OPTION_REFUSE(letter, name, value, help)                                                                   \
	{                                                                                                              \
		letter, name, HOY_OPTION_REFUSED, value, help, 0, HOY_OPTION_NO_SET, true                              \
	}
/* Another spelling of an option that stands in the table too. */
#define HOY_OPTION_HIDDEN(letter, name, type, value, values_type, member)                                              \
	{                                                                                                              \
		letter, name, type, value, "", offsetof(values_type, member), HOY_OPTION_NO_SET, true                  \
	}
#define HOY_OPTION_END                                                                                                 \
	{                                                                                                              \
		0, NULL, HOY_OPTION_BOOL, NULL, NULL, 0, 0, false                                                      \
	}

enum { HOY_OPTIONS_STOP_AT_ARGUMENT = 1 };

/*
 * Parses argv[1..]. What is not an option is collected in order at the front of `ret_args` (room for argc + 1
 * pointers, NULL-terminated). "--help" and "-h" set *ret_help (unless the table has an option with that letter or
 * name). 0 or -EINVAL with the text docker's users know ("unknown flag: --x", "flag needs an argument: --name").
 */
int hoy_options_parse(const struct hoy_option *table, int argc, char **argv, int flags, void *values, char **ret_args,
	bool *ret_help, struct hoy_err *err);

/* Frees the lists in `values`. */
void hoy_options_done(const struct hoy_option *table, void *values);

/* The part of a command's help under `title`: sorted by name, aligned, wrapped at 80 columns. */
void hoy_options_help(const struct hoy_option *table, const char *title, struct hoy_buf *out);

/* A flag's or key's "true", "0", "F" and so on, as Go's strconv.ParseBool takes them. 0 or -EINVAL. */
int hoy_options_bool(const char *text, bool *ret);

#endif
