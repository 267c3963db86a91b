/*
 * The shapes of a compose file: one table of fields per object. A row says what a value may be, how its short form
 * becomes the long one, how two files' values merge, which struct member it fills (project.h) and how it is printed;
 * the order of rows is the order of printing. shapes.c has the tables, and nothing else names a key's type.
 */
#ifndef HOY_COMPOSE_SHAPE_H
#define HOY_COMPOSE_SHAPE_H

#include "supervisor/compose/node.h"

enum hoy_shape_kind {
	HOY_SHAPE_STRING,         /* const char * */
	HOY_SHAPE_TEXT,           /* const char *; a number or boolean is its text */
	HOY_SHAPE_BOOL,           /* bool */
	HOY_SHAPE_BOOL_PTR,       /* const bool * */
	HOY_SHAPE_OPT_OUT,        /* bool that is true unless said otherwise */
	HOY_SHAPE_INT,            /* int64_t */
	HOY_SHAPE_INT_PTR,        /* const int64_t * */
	HOY_SHAPE_FLOAT,          /* double */
	HOY_SHAPE_BYTES,          /* int64_t: 64m; the canonical text is the number of bytes */
	HOY_SHAPE_DURATION,       /* int64_t, nanoseconds; the canonical text is Go's: 1m30s */
	HOY_SHAPE_DURATION_PTR,   /* const int64_t * */
	HOY_SHAPE_MODE,           /* int64_t: octal text, or a number */
	HOY_SHAPE_MODE_PTR,       /* const int64_t *; the canonical text is octal */
	HOY_SHAPE_COUNT,          /* int64_t, "all" is -1 */
	HOY_SHAPE_STRINGS,        /* char ** */
	HOY_SHAPE_STRING_OR_LIST, /* char ** */
	HOY_SHAPE_TEXTS,          /* char **; items may be numbers */
	HOY_SHAPE_COMMAND,        /* char **: a string is split as a shell does */
	HOY_SHAPE_TEST,           /* char **: a string is CMD-SHELL */
	HOY_SHAPE_HOSTS,          /* char **, "host=ip" */
	HOY_SHAPE_SSH,            /* char **, "id" or "id=path" */
	HOY_SHAPE_ENV,            /* struct hoy_compose_pair *: map, or list of K=V; a name alone has no value */
	HOY_SHAPE_LABELS,         /* the same; a name alone is empty */
	HOY_SHAPE_OPTIONS,        /* struct hoy_compose_pair *: a map of scalars only */
	HOY_SHAPE_OBJECT,         /* struct T * */
	HOY_SHAPE_OBJECTS,        /* struct T **: a list */
	HOY_SHAPE_MAP,            /* struct T **: a map, T.name is the key */
	HOY_SHAPE_MULTI,          /* struct hoy_compose_multi **: a map of scalars or lists of them */
	HOY_SHAPE_LEGACY,         /* read and told, never kept */
};

/* Which items of a list are the same: the later replaces the earlier. */
enum hoy_shape_unique {
	HOY_UNIQUE_NONE,
	HOY_UNIQUE_TEXT,   /* the item's text */
	HOY_UNIQUE_TARGET, /* its target */
	HOY_UNIQUE_MOUNT,  /* its target, by default its source */
	HOY_UNIQUE_PATH,   /* its path */
	HOY_UNIQUE_PORT,   /* address, published, target, protocol */
	HOY_UNIQUE_SUBNET, /* its subnet; the two are merged */
};

enum hoy_shape_flags {
	HOY_SHAPE_REQUIRED = 1 << 0,
	HOY_SHAPE_REPLACE = 1 << 1,           /* a later file's value takes the place of an earlier one's */
	HOY_SHAPE_ALWAYS_JSON = 1 << 2,       /* JSON has it when absent: null, or {} for an object */
	HOY_SHAPE_ALWAYS = 1 << 3,            /* printed also when false, 0 or empty */
	HOY_SHAPE_NULL_OK = 1 << 4,           /* an object that may be empty (networks: {front: }) */
	HOY_SHAPE_CAPITAL = 1 << 5,           /* JSON writes the key with a capital */
	HOY_SHAPE_USER_KEYS = 1 << 6,         /* a map's keys are names: [a-zA-Z0-9._-]+ */
	HOY_SHAPE_NEEDS_SAME_DRIVER = 1 << 7, /* logging: options meet only under one driver */
	HOY_SHAPE_NOT_PRINTED = 1 << 8,
};

struct hoy_shape_canon;
struct hoy_shape;

struct hoy_shape_field {
	const char *name;
	enum hoy_shape_kind kind;
	enum hoy_shape_unique unique;
	unsigned int flags;
	size_t offset;
	const struct hoy_shape *shape; /* of objects */
	const char *choices;           /* "a|b|c": what a string may be; NULL: anything */
	int64_t min, max;              /* of integers, when max > min */
	/* Turns a short form into a tree of `shape` (or of several: a list, which takes the item's place). */
	struct hoy_node *(*expand)(struct hoy_arena *arena, const struct hoy_node *node, struct hoy_err *err);
};

struct hoy_shape {
	const char *what; /* for messages */
	size_t size;
	const struct hoy_shape_field *fields;
	size_t n;
	bool closed; /* not even x- keys */
};

/* A row of `include`, which the loader dissolves. */
struct hoy_compose_include {
	const char *name; /* NULL */
	const struct hoy_node *node;
	char **path;
	const char *project_directory;
	char **env_file;
};

extern const struct hoy_shape hoy_shape_project, hoy_shape_service, hoy_shape_include;

const struct hoy_shape_field *hoy_shape_field_find(const struct hoy_shape *shape, const char *name);
/* The field whose name is nearest to a misspelt one; NULL: none is near. */
const char *hoy_shape_nearest(const struct hoy_shape *shape, const char *name);
bool hoy_shape_is_extension(const char *key); /* x-... */
/* What may still be replaced (--no-interpolate): it has a dollar sign that is not doubled. */
bool hoy_shape_is_open(const struct hoy_node *node);

/*
 * Checks a tree (one file's, variables replaced) against `shape` and brings it into the long form, in place. With
 * `open`, strings with variables in them are let be. Errors: "file:line:column: services.web: ...".
 */
int hoy_shape_canonical(struct hoy_arena *arena, const struct hoy_shape *shape, struct hoy_node *node, const char *path,
	bool open, struct hoy_err *err);

/* Merges `over` into `base`, both canonical. Nodes move from `over`, which is then of no use. */
int hoy_shape_merge(struct hoy_arena *arena, const struct hoy_shape *shape, struct hoy_node *base,
	struct hoy_node *over, struct hoy_err *err);

/* Takes out what a !reset left standing. */
void hoy_shape_finish_merge(struct hoy_node *node);

/* Fills the struct of `shape` from a canonical tree. */
int hoy_shape_decode(struct hoy_arena *arena, const struct hoy_shape *shape, const struct hoy_node *node, void *object,
	struct hoy_err *err);

#endif
