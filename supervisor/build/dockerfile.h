/*
 * A Dockerfile as text, taken apart: directives, stages, instructions with their flags. Pure: no file is opened and
 * nothing is expanded; plan.h does that. The text comes from strangers: size, lines, nesting and counts are limited.
 *
 * Everything a struct hoy_dockerfile points to lives in it and ends with hoy_dockerfile_free(). Strings are
 * NUL-terminated and as written (continuation lines joined, heredocs taken out), quotes and `$` included, unless a
 * field says otherwise. Lists have a count and no terminator.
 */
#ifndef HOY_SUPERVISOR_BUILD_DOCKERFILE_H
#define HOY_SUPERVISOR_BUILD_DOCKERFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum {
	HOY_DOCKERFILE_MAX_SIZE = 4 << 20, /* bytes of text */
	HOY_DOCKERFILE_MAX_INSTRUCTIONS = 10000,
	HOY_DOCKERFILE_MAX_HEREDOCS = 100, /* of one instruction */
	HOY_DOCKERFILE_MAX_WORDS = 10000,  /* of one instruction */
};

/* From the first byte to behind the last one; lines and columns count from 1, columns in bytes. 0: unknown. */
struct hoy_dockerfile_place {
	uint32_t line, column;
	uint32_t end_line, end_column;
};

struct hoy_dockerfile_words {
	const char *const *words;
	size_t n;
};

/* `<<EOF`, `<<-EOF`, `<<"EOF"`. */
struct hoy_dockerfile_heredoc {
	const char *name;    /* the delimiter without quotes: the file name it gets in COPY */
	const char *content; /* tabs stripped for <<-; ends with a newline unless empty */
	const char *raw;     /* the same with its tabs */
	bool expand; /* the delimiter was not quoted: variables are expanded (COPY, ADD; RUN leaves it to the shell) */
	bool strip_tabs;
	struct hoy_dockerfile_place at;
};

struct hoy_dockerfile_heredocs {
	const struct hoy_dockerfile_heredoc *list;
	size_t n;
};

/* RUN, CMD, ENTRYPOINT, SHELL and the command of HEALTHCHECK. */
struct hoy_dockerfile_command {
	bool shell;                       /* a text for a shell, not a list of arguments */
	const char *text;                 /* shell: the whole line; exec: the JSON as written */
	struct hoy_dockerfile_words args; /* exec: the arguments (JSON strings decoded) */
};

/* `--name=value`, in the order given. A flag without '=' has an empty value and `bare` set. */
struct hoy_dockerfile_flag {
	const char *name; /* without "--" */
	const char *value;
	bool bare;
	struct hoy_dockerfile_place at;
};

struct hoy_dockerfile_pair { /* ENV, LABEL, ARG */
	const char *key;
	const char *value; /* with its quotes; NULL: `ARG name` without default */
	struct hoy_dockerfile_place at;
};

struct hoy_dockerfile_pairs {
	const struct hoy_dockerfile_pair *list;
	size_t n;
	bool legacy; /* `ENV key the whole rest`, without '=' */
};

enum hoy_dockerfile_kind {
	HOY_DOCKERFILE_ADD,
	HOY_DOCKERFILE_ARG,
	HOY_DOCKERFILE_CMD,
	HOY_DOCKERFILE_COPY,
	HOY_DOCKERFILE_ENTRYPOINT,
	HOY_DOCKERFILE_ENV,
	HOY_DOCKERFILE_EXPOSE,
	HOY_DOCKERFILE_FROM,
	HOY_DOCKERFILE_HEALTHCHECK,
	HOY_DOCKERFILE_LABEL,
	HOY_DOCKERFILE_MAINTAINER,
	HOY_DOCKERFILE_ONBUILD,
	HOY_DOCKERFILE_RUN,
	HOY_DOCKERFILE_SHELL,
	HOY_DOCKERFILE_STOPSIGNAL,
	HOY_DOCKERFILE_USER,
	HOY_DOCKERFILE_VOLUME,
	HOY_DOCKERFILE_WORKDIR,
	_HOY_DOCKERFILE_KIND_MAX,
};
const char *hoy_dockerfile_kind_name(enum hoy_dockerfile_kind kind); /* "ADD" */

struct hoy_dockerfile_from {
	const char *image; /* a stage, an image, or "scratch" */
	const char *name;  /* AS name, in lower case; NULL: none */
	const char *platform;
	const char *name_written; /* as written; NULL: none */
};

struct hoy_dockerfile_run {
	struct hoy_dockerfile_command command;
	struct hoy_dockerfile_words mounts; /* values of --mount=, to be read with their variables expanded */
	const char *network;                /* "default", "none", "host"; NULL: not given */
	const char *security;               /* "sandbox", "insecure"; NULL: not given */
	struct hoy_dockerfile_words devices;
};

struct hoy_dockerfile_copy { /* COPY and ADD; files given as heredocs are the instruction's `heredocs` */
	struct hoy_dockerfile_words sources; /* without heredocs */
	const char *dest;
	const char *from; /* COPY; NULL: the build context */
	const char *chown, *chmod;
	const char *checksum; /* ADD */
	struct hoy_dockerfile_words excludes;
	bool link, parents;
	bool keep_git_dir;      /* ADD */
	bool unpack, no_unpack; /* ADD: --unpack, --unpack=false; neither: local archives only */
};

struct hoy_dockerfile_healthcheck {
	bool none;                                               /* HEALTHCHECK NONE */
	int64_t interval, timeout, start_period, start_interval; /* nanoseconds; 0: not given */
	int64_t retries;
	struct hoy_dockerfile_command command;
};

struct hoy_dockerfile_instruction {
	enum hoy_dockerfile_kind kind;
	const char *keyword; /* as written: "run" */
	const char *text;    /* the instruction as one line, without heredoc bodies */
	struct hoy_dockerfile_place at;
	const struct hoy_dockerfile_flag *flags;
	size_t n_flags;
	struct hoy_dockerfile_heredocs heredocs;
	union {
		struct hoy_dockerfile_from from;
		struct hoy_dockerfile_run run;
		struct hoy_dockerfile_copy copy;       /* COPY, ADD */
		struct hoy_dockerfile_pairs pairs;     /* ENV, LABEL, ARG */
		struct hoy_dockerfile_words words;     /* EXPOSE, VOLUME */
		struct hoy_dockerfile_command command; /* CMD, ENTRYPOINT, SHELL (always exec) */
		struct hoy_dockerfile_healthcheck healthcheck;
		const char *value;    /* WORKDIR, USER, STOPSIGNAL, MAINTAINER */
		const char *on_build; /* ONBUILD: the trigger's text */
	};
};

struct hoy_dockerfile_stage {
	const struct hoy_dockerfile_instruction *from;
	const struct hoy_dockerfile_instruction *instructions; /* those behind FROM */
	size_t n;
};

/* A remark that stops nothing. */
struct hoy_dockerfile_warning {
	const char *rule; /* the check's name ("NoEmptyContinuation"); NULL: none */
	const char *text;
	struct hoy_dockerfile_place at;
};

struct hoy_dockerfile {
	const char *name; /* for messages: "Dockerfile" */
	const char *text; /* the whole text, NUL-terminated */
	size_t len;
	const char *syntax; /* directives; NULL: not given */
	const char *check;
	char escape;                                   /* '\\' or '`' */
	const struct hoy_dockerfile_instruction *args; /* the ARGs before the first FROM */
	size_t n_args;
	const struct hoy_dockerfile_stage *stages; /* at least one */
	size_t n_stages;
	const struct hoy_dockerfile_warning *warnings;
	size_t n_warnings;
};

/* Parses a whole file. `name` is copied. Errors are HOY_ERR_INVALID: "Dockerfile:3:1: unknown instruction: COPPY (did
 * you mean COPY?)" and below it the line with a mark. A UTF-8 byte order mark is skipped. */
int hoy_dockerfile_parse(
	const char *name, const char *text, size_t len, struct hoy_dockerfile **ret, struct hoy_err *err);
void hoy_dockerfile_free(struct hoy_dockerfile *file); /* NULL is fine */
HOY_DEFINE_AUTO_PTR(struct hoy_dockerfile, hoy_dockerfile_free);

/* One instruction without a FROM: an ONBUILD trigger, or `--change` of commit and import. `name` as above. On success
 * `(*ret)->args[0]` is the instruction. */
int hoy_dockerfile_parse_line(const char *name, const char *text, struct hoy_dockerfile **ret, struct hoy_err *err);

/* An error at a place: "NAME:LINE:COLUMN: text", the line and a mark under it. Returns -EINVAL. */
int hoy_dockerfile_err(const struct hoy_dockerfile *file, const struct hoy_dockerfile_place *at, struct hoy_err *err,
	const char *fmt, ...) HOY_PRINTF(4, 5);

#endif
