/*
 * JSON: the only file that knows yajl is json.c. Text becomes a tree of ours (depth, size and node count capped, UTF-8
 * checked, duplicate keys refused); numbers stay text until somebody types them, so that 64-bit limits are exact.
 *
 * Output is compact, keeps member order, escapes only what JSON requires (never "\/").
 */
#ifndef HOY_BASE_JSON_H
#define HOY_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum hoy_json_type { HOY_JSON_NULL, HOY_JSON_BOOL, HOY_JSON_NUMBER, HOY_JSON_STRING, HOY_JSON_ARRAY, HOY_JSON_OBJECT };

struct hoy_json; /* one value; children belong to their parent, all of a document live in one arena */

struct hoy_json_limits {
	size_t max_size;  /* bytes of text; 0: 16 MiB */
	size_t max_depth; /* 0: 128 */
	size_t max_nodes; /* 0: 1,000,000 */
};

/* Parses exactly one value with nothing but white space behind it. Errors name line and column, or the path of a
 * duplicate key. `limits` may be NULL. The caller frees the result (it owns copies of all text). */
int hoy_json_parse(
	const char *text, size_t len, const struct hoy_json_limits *limits, struct hoy_json **ret, struct hoy_err *err);
void hoy_json_free(struct hoy_json *root); /* a root only; NULL is fine */
HOY_DEFINE_AUTO_PTR(struct hoy_json, hoy_json_free);

/* Reading. A NULL value reads as a null, so that look-ups chain: hoy_json_string(hoy_json_get(hoy_json_get(...))). */
enum hoy_json_type hoy_json_type(const struct hoy_json *value);
const char *hoy_json_type_name(enum hoy_json_type type); /* "string", "object", ... as error texts say it */

/* Scalars. The string is NUL-terminated; one with an embedded NUL was refused by the parser. */
bool hoy_json_bool(const struct hoy_json *value);
const char *hoy_json_string(const struct hoy_json *value);       /* NULL unless a string */
const char *hoy_json_number_text(const struct hoy_json *value);  /* NULL unless a number */
int hoy_json_to_i64(const struct hoy_json *value, int64_t *ret); /* -EINVAL: not an integer, -ERANGE */
int hoy_json_to_u64(const struct hoy_json *value, uint64_t *ret);
int hoy_json_to_double(const struct hoy_json *value, double *ret);

/* What Go calls a zero value: null, false, 0, "", [], {}. */
bool hoy_json_is_neutral(const struct hoy_json *value);

/* Children, in document order. For objects `key` of a child is its member name. */
size_t hoy_json_len(const struct hoy_json *value);
const struct hoy_json *hoy_json_first(const struct hoy_json *value); /* NULL: none */
const struct hoy_json *hoy_json_next(const struct hoy_json *child);
const char *hoy_json_key(const struct hoy_json *child);
const struct hoy_json *hoy_json_get(const struct hoy_json *object, const char *key);    /* NULL: absent */
const struct hoy_json *hoy_json_get_ci(const struct hoy_json *object, const char *key); /* as Go: any case */
#define hoy_json_each(child, parent)                                                                                   \
	for (const struct hoy_json *child = hoy_json_first(parent); child; child = hoy_json_next(child))

/*
 * Writing: straight into a buffer, no tree. Commas are the writer's business; a wrong nesting is an assert. A string
 * with invalid UTF-8 is written with U+FFFD, as Go does. Check hoy_buf_check() at the end.
 *
 *	struct hoy_json_writer w = { .buf = &buf };
 *	hoy_json_object(&w, NULL);
 *	hoy_json_add_string(&w, "Id", id);
 *	hoy_json_array(&w, "Names"); hoy_json_add_string(&w, NULL, name); hoy_json_end(&w);
 *	hoy_json_end(&w);
 */
struct hoy_json_writer {
	struct hoy_buf *buf;
	unsigned int indent; /* spaces per level; 0: compact */
	unsigned int depth;
	bool has_member;      /* something was written at this level */
	uint64_t is_array[3]; /* bit per depth */
};

/* `key` is NULL inside arrays and for the root. */
void hoy_json_object(struct hoy_json_writer *w, const char *key);
void hoy_json_array(struct hoy_json_writer *w, const char *key);
void hoy_json_end(struct hoy_json_writer *w); /* closes the innermost object or array */
void hoy_json_add_null(struct hoy_json_writer *w, const char *key);
void hoy_json_add_bool(struct hoy_json_writer *w, const char *key, bool value);
void hoy_json_add_i64(struct hoy_json_writer *w, const char *key, int64_t value);
void hoy_json_add_u64(struct hoy_json_writer *w, const char *key, uint64_t value);
void hoy_json_add_double(struct hoy_json_writer *w, const char *key, double value);
void hoy_json_add_string(struct hoy_json_writer *w, const char *key, const char *value); /* NULL value: null */
void hoy_json_add_stringn(struct hoy_json_writer *w, const char *key, const char *value, size_t len);
void hoy_json_add_strv(struct hoy_json_writer *w, const char *key, char *const *values);           /* NULL: null */
void hoy_json_add_value(struct hoy_json_writer *w, const char *key, const struct hoy_json *value); /* a parsed value */
void hoy_json_add_raw(struct hoy_json_writer *w, const char *key, const char *text); /* trusted JSON text */

#endif
