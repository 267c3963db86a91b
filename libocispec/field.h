/*
 * Field tables: one table per JSON object says which member goes where in a C struct, and drives parse, print,
 * validate and free. Used for the OCI documents and for any other JSON document of ours.
 *
 *	struct point { char *name; int64_t x, *y; char **tags; };
 *
 *	static const struct hoy_field point_fields[] = {
 *		HOY_FIELD_STRING(struct point, "name", name, HOY_FIELD_REQUIRED),
 *		HOY_FIELD_I64(struct point, "x", x, 0),
 *		HOY_FIELD_I64_PTR(struct point, "y", y, 0),
 *		HOY_FIELD_STRV(struct point, "tags", tags, 0),
 *	};
 *	const struct hoy_object point_object = HOY_OBJECT(struct point, point_fields, point_check);
 *
 *	struct point *p;
 *	int r = hoy_field_parse(&point_object, text, len, NULL, (void **) &p, err);
 *	...
 *	hoy_field_free(&point_object, p);
 *
 * The struct is all zero before parsing: absent is NULL, 0, false. A JSON null is the same as an absent member. Every
 * pointer is malloc'd on its own, so that a caller may change the struct before it frees it. A member may have any
 * of the types below; the macros check at compile time that the C type fits.
 */
#ifndef HOY_LIBOCISPEC_FIELD_H
#define HOY_LIBOCISPEC_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"

/* A map of strings in document order: struct hoy_oci_kv *m; size_t n_m. */
struct hoy_oci_kv {
	char *key;
	char *value;
};

enum hoy_field_kind {
	HOY_KIND_STRING,     /* char * */
	HOY_KIND_STRV,       /* char **, NULL-terminated; [] is a vector with no strings */
	HOY_KIND_BOOL,       /* bool; printed when true or HOY_FIELD_ALWAYS */
	HOY_KIND_BOOL_PTR,   /* bool * */
	HOY_KIND_I32,        /* int32_t; numbers are printed unless 0, or with HOY_FIELD_ALWAYS */
	HOY_KIND_I32_PTR,    /* int32_t * */
	HOY_KIND_I64,        /* int64_t */
	HOY_KIND_I64_PTR,    /* int64_t * */
	HOY_KIND_U16_PTR,    /* uint16_t * */
	HOY_KIND_U32,        /* uint32_t */
	HOY_KIND_U32_PTR,    /* uint32_t * */
	HOY_KIND_U64,        /* uint64_t */
	HOY_KIND_U64_PTR,    /* uint64_t * */
	HOY_KIND_U32S,       /* uint32_t * + count: a list of numbers */
	HOY_KIND_ENUM,       /* an enum whose 0 is "absent" */
	HOY_KIND_ENUMS,      /* enum * + count */
	HOY_KIND_KV,         /* struct hoy_oci_kv * + count: a map of strings */
	HOY_KIND_KEYS,       /* char **: the keys of a map whose values are empty objects ({"80/tcp": {}}) */
	HOY_KIND_OBJECT,     /* struct T, embedded; always there */
	HOY_KIND_OBJECT_PTR, /* struct T * */
	HOY_KIND_OBJECTS,    /* struct T * + count: a list of objects */
	HOY_KIND_OBJECT_MAP, /* struct T * + count: a map of objects; T's first member is char *, the key */
	HOY_KIND_RAW,        /* char *: any JSON value, kept as compact text */
	HOY_KIND_DROP,       /* known, never kept */
};

enum hoy_field_flags {
	HOY_FIELD_REQUIRED = 1 << 0,   /* parse: absent (or null) is an error "...: missing"; print: always */
	HOY_FIELD_ALWAYS = 1 << 1,     /* print even when 0/false; an absent string as "", a list or map as null */
	HOY_FIELD_OMIT_EMPTY = 1 << 2, /* print: leave out an empty list, map or string; parse: "" becomes NULL */
	HOY_FIELD_STRING_OK = 1 << 3, /* STRV: a plain string counts as a list of one, as docker's Cmd and Entrypoint */
	HOY_FIELD_EMPTY_LIST = 1 << 4, /* print: an absent list as [], an absent map as {} */
};

/* Values of an enumeration: names[i] is the text of value i; names[0] is NULL (absent). */
struct hoy_enum {
	const char *const *names;
	size_t n;
};
#define HOY_ENUM(names_)                                                                                               \
	{                                                                                                              \
		.names = (names_), .n = sizeof(names_) / sizeof((names_)[0])                                           \
	}
const char *hoy_enum_to_string(const struct hoy_enum *e, int value);  /* NULL: no such value, or 0 */
int hoy_enum_from_string(const struct hoy_enum *e, const char *name); /* -EINVAL: unknown */

struct hoy_field {
	const char *name;
	uint8_t kind;
	uint8_t flags;
	uint16_t offset;
	uint16_t count_offset; /* of the size_t, for lists */
	union {
		const struct hoy_object *object;
		const struct hoy_enum *values;
	};
};

/* Where a value stands in its document; frames live on the stack. Rendered as "linux.namespaces[2]". */
struct hoy_field_path {
	const struct hoy_field_path *parent; /* NULL: the root */
	const char *name;                    /* NULL: element `index` of a list */
	size_t index;
};

struct hoy_object {
	const char *what; /* root documents, for errors: "config.json" */
	size_t size;      /* of the struct */
	const struct hoy_field *fields;
	size_t n_fields;
	/* Checks one object beyond types; its parts are checked afterwards by their own hooks. May be NULL. */
	int (*check)(const void *object, const struct hoy_field_path *at, struct hoy_err *err);
};
#define HOY_OBJECT(T, fields_, check_)                                                                                 \
	{                                                                                                              \
		.size = sizeof(T), .fields = (fields_), .n_fields = ARRAY_LEN(fields_), .check = (check_)              \
	}

/* --- the whole way: text <-> struct --------------------------------------------------------------------------- */

struct hoy_field_options {
	const struct hoy_json_limits *limits; /* NULL: those of hoy_json_parse() */
	bool any_case;                        /* member names match as Go's decoder does: exact first, then any case */
	char ***unknown; /* not NULL: paths of unknown members are added to this vector (100 at most) */
};

/* `options` may be NULL. On success *ret is a new struct, to be freed with hoy_field_free(). Does not call check. */
int hoy_field_parse(const struct hoy_object *object, const char *text, size_t len,
	const struct hoy_field_options *options, void **ret, struct hoy_err *err);

/* The same from a parsed value; `at` is where it stands (NULL: the root). */
int hoy_field_parse_value(const struct hoy_object *object, const struct hoy_json *value,
	const struct hoy_field_path *at, const struct hoy_field_options *options, void **ret, struct hoy_err *err);

/* Into a struct of the caller that already has values (defaults): a member that is given replaces what was there,
 * objects are merged, as Go's decoder does. On failure the struct is valid but partly changed. */
int hoy_field_merge(const struct hoy_object *object, const struct hoy_json *value,
	const struct hoy_field_options *options, void *into, struct hoy_err *err);

/* Looks for required members that are absent and calls all check hooks, the outermost first. */
int hoy_field_validate(const struct hoy_object *object, const void *value, struct hoy_err *err);

/* Appends the text; `indent` spaces per level, 0 is compact. */
int hoy_field_print(const struct hoy_object *object, const void *value, struct hoy_buf *buf, unsigned int indent,
	struct hoy_err *err);

/* As a member `key` of (NULL: an element of, or the root of) what the writer writes. */
void hoy_field_write(const struct hoy_object *object, const void *value, struct hoy_json_writer *w, const char *key);

void hoy_field_free(const struct hoy_object *object, void *value); /* the struct too; NULL is fine */
void hoy_field_done(const struct hoy_object *object, void *value); /* only what is inside; leaves it all zero */

/* A deep copy; NULL when out of memory. */
void *hoy_field_copy(const struct hoy_object *object, const void *value);

/* --- for check hooks ------------------------------------------------------------------------------------------ */

/* "path.member: text", EINVAL. `member` is NULL for the object itself; it may carry an index: "args[0]". */
int hoy_field_invalid(const struct hoy_field_path *at, struct hoy_err *err, const char *member, const char *fmt, ...)
	HOY_PRINTF(4, 5);

/* The path as text, "" for the root. */
#define HOY_FIELD_PATH_MAX 512
const char *hoy_field_path_text(const struct hoy_field_path *at, char buf[HOY_FIELD_PATH_MAX]);

/* --- listing -------------------------------------------------------------------------------------------------- */

/* Calls `fn` for every field below `object`, depth first: "linux.namespaces[].type", "linux.netDevices.*.name". */
void hoy_field_walk(const struct hoy_object *object,
	void (*fn)(const char *path, const struct hoy_field *field, void *userdata), void *userdata);

/* Not an object and not a list or map of objects. */
bool hoy_field_is_leaf(const struct hoy_field *field);

/* --- building documents --------------------------------------------------------------------------------------- */

/* A malloc'd number: spec->linux_->resources->pids->limit is plain, memory->limit = hoy_field_new(int64_t, n). NULL
 * when out of memory. */
#define hoy_field_new(type, value)                                                                                     \
	({                                                                                                             \
		type *_new = malloc(sizeof *_new);                                                                     \
		if (_new)                                                                                              \
			*_new = (value);                                                                               \
		_new;                                                                                                  \
	})

/* Appends one zeroed element to a list and returns it, NULL when out of memory:
 * struct hoy_oci_mount *m = hoy_field_add(&spec->mounts, &spec->n_mounts); */
#define hoy_field_add(list, count) ((__typeof__(*(list))) hoy_field_add_(list, count, sizeof **(list)))
void *hoy_field_add_(void *list, size_t *count, size_t size);

/* Appends copies of both; 0 or -ENOMEM. */
int hoy_oci_kv_add(struct hoy_oci_kv **list, size_t *count, const char *key, const char *value);
/* The value of a key, or NULL. */
const char *hoy_oci_kv_get(const struct hoy_oci_kv *list, size_t count, const char *key);
/* Appends copies of both or replaces the value; 0 or -ENOMEM. */
int hoy_oci_kv_set(struct hoy_oci_kv **list, size_t *count, const char *key, const char *value);

/* --- the rows of a table -------------------------------------------------------------------------------------- */

/* offsetof that fails to compile when the member has another type. */
#define HOY_FIELD_AT(T, member, type)                                                                                  \
	(offsetof(T, member) +                                                                                         \
		0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((T *) 0)->member), type) ? 1 : -1]))
#define HOY_FIELD_ROW(T, name_, member, type, kind_, flags_)                                                           \
	{                                                                                                              \
		.name = (name_), .kind = (kind_), .flags = (flags_), .offset = HOY_FIELD_AT(T, member, type)           \
	}
#define HOY_FIELD_LIST_ROW(T, name_, member, type, kind_, flags_)                                                      \
	{                                                                                                              \
		.name = (name_), .kind = (kind_), .flags = (flags_), .offset = HOY_FIELD_AT(T, member, type),          \
		.count_offset = HOY_FIELD_AT(T, n_##member, size_t)                                                    \
	}

#define HOY_FIELD_STRING(T, name, member, flags) HOY_FIELD_ROW(T, name, member, char *, HOY_KIND_STRING, flags)
#define HOY_FIELD_STRV(T, name, member, flags) HOY_FIELD_ROW(T, name, member, char **, HOY_KIND_STRV, flags)
#define HOY_FIELD_BOOL(T, name, member, flags) HOY_FIELD_ROW(T, name, member, bool, HOY_KIND_BOOL, flags)
#define HOY_FIELD_BOOL_PTR(T, name, member, flags) HOY_FIELD_ROW(T, name, member, bool *, HOY_KIND_BOOL_PTR, flags)
#define HOY_FIELD_I32(T, name, member, flags) HOY_FIELD_ROW(T, name, member, int32_t, HOY_KIND_I32, flags)
#define HOY_FIELD_I32_PTR(T, name, member, flags) HOY_FIELD_ROW(T, name, member, int32_t *, HOY_KIND_I32_PTR, flags)
#define HOY_FIELD_I64(T, name, member, flags) HOY_FIELD_ROW(T, name, member, int64_t, HOY_KIND_I64, flags)
#define HOY_FIELD_I64_PTR(T, name, member, flags) HOY_FIELD_ROW(T, name, member, int64_t *, HOY_KIND_I64_PTR, flags)
#define HOY_FIELD_U16_PTR(T, name, member, flags) HOY_FIELD_ROW(T, name, member, uint16_t *, HOY_KIND_U16_PTR, flags)
#define HOY_FIELD_U32(T, name, member, flags) HOY_FIELD_ROW(T, name, member, uint32_t, HOY_KIND_U32, flags)
#define HOY_FIELD_U32_PTR(T, name, member, flags) HOY_FIELD_ROW(T, name, member, uint32_t *, HOY_KIND_U32_PTR, flags)
#define HOY_FIELD_U64(T, name, member, flags) HOY_FIELD_ROW(T, name, member, uint64_t, HOY_KIND_U64, flags)
#define HOY_FIELD_U64_PTR(T, name, member, flags) HOY_FIELD_ROW(T, name, member, uint64_t *, HOY_KIND_U64_PTR, flags)
#define HOY_FIELD_KEYS(T, name, member, flags) HOY_FIELD_ROW(T, name, member, char **, HOY_KIND_KEYS, flags)
#define HOY_FIELD_RAW(T, name, member, flags) HOY_FIELD_ROW(T, name, member, char *, HOY_KIND_RAW, flags)
#define HOY_FIELD_DROP(name_)                                                                                          \
	{                                                                                                              \
		.name = (name_), .kind = HOY_KIND_DROP                                                                 \
	}

/* Lists: the count is the member n_<member>. */
#define HOY_FIELD_U32S(T, name, member, flags) HOY_FIELD_LIST_ROW(T, name, member, uint32_t *, HOY_KIND_U32S, flags)
#define HOY_FIELD_KV(T, name, member, flags)                                                                           \
	HOY_FIELD_LIST_ROW(T, name, member, struct hoy_oci_kv *, HOY_KIND_KV, flags)

/* With a table of values (struct hoy_enum *) or of a sub-object (struct hoy_object *). Enums are 4 bytes wide. */
#define HOY_FIELD_ENUM(T, name_, member, values_, flags_)                                                              \
	{                                                                                                              \
		.name = (name_), .kind = HOY_KIND_ENUM, .flags = (flags_), .values = (values_),                        \
		.offset = offsetof(T, member) + 0 * sizeof(char[sizeof(((T *) 0)->member) == sizeof(int) ? 1 : -1])    \
	}
#define HOY_FIELD_ENUMS(T, name_, member, values_, flags_)                                                             \
	{                                                                                                              \
		.name = (name_), .kind = HOY_KIND_ENUMS, .flags = (flags_), .values = (values_),                       \
		.offset = offsetof(T, member) + 0 * sizeof(char[sizeof(*((T *) 0)->member) == sizeof(int) ? 1 : -1]),  \
		.count_offset = HOY_FIELD_AT(T, n_##member, size_t)                                                    \
	}
#define HOY_FIELD_OBJECT(T, name_, member, type, object_, flags_)                                                      \
	{                                                                                                              \
		.name = (name_), .kind = HOY_KIND_OBJECT, .flags = (flags_), .object = (object_),                      \
		.offset = HOY_FIELD_AT(T, member, type)                                                                \
	}
#define HOY_FIELD_OBJECT_PTR(T, name_, member, type, object_, flags_)                                                  \
	{                                                                                                              \
		.name = (name_), .kind = HOY_KIND_OBJECT_PTR, .flags = (flags_), .object = (object_),                  \
		.offset = HOY_FIELD_AT(T, member, type *)                                                              \
	}
#define HOY_FIELD_OBJECTS(T, name_, member, type, object_, flags_)                                                     \
	{                                                                                                              \
		.name = (name_), .kind = HOY_KIND_OBJECTS, .flags = (flags_), .object = (object_),                     \
		.offset = HOY_FIELD_AT(T, member, type *), .count_offset = HOY_FIELD_AT(T, n_##member, size_t)         \
	}
#define HOY_FIELD_OBJECT_MAP(T, name_, member, type, object_, flags_)                                                  \
	{                                                                                                              \
		.name = (name_), .kind = HOY_KIND_OBJECT_MAP, .flags = (flags_), .object = (object_),                  \
		.offset = HOY_FIELD_AT(T, member, type *), .count_offset = HOY_FIELD_AT(T, n_##member, size_t)         \
	}

#endif
