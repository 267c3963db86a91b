/*
 * Image references: "busybox", "localhost:5000/a/b:1.2", "name@sha256:..." taken apart and normalised as docker does.
 *
 * The first part is a registry host when it holds '.' or ':', is "localhost", or has an upper-case letter; without one
 * the host is docker.io, and a docker.io name of one part lives in "library/". Nothing here asks a registry or a store.
 */
#ifndef HOY_LIBOCISPEC_REFERENCE_H
#define HOY_LIBOCISPEC_REFERENCE_H

#include <stdbool.h>

#include "base/err.h"

struct hoy_reference {
	char *domain; /* "docker.io" */
	char *path;   /* "library/busybox" */
	char *tag;    /* NULL: none was given */
	char *digest; /* "sha256:<hex>"; NULL: none was given */
};

/*
 * Parses and normalises. Errors are HOY_ERR_INVALID with docker's texts ("invalid reference format", ...: "repository
 * name (library/Web) must be lowercase"). A bare 64-digit hex name is refused: it could not be told from an ID.
 */
int hoy_reference_parse(const char *text, struct hoy_reference *ret, struct hoy_err *err);
void hoy_reference_done(struct hoy_reference *ref);

/* Gives a name without tag and digest the tag "latest". 0 or -ENOMEM. */
int hoy_reference_default_tag(struct hoy_reference *ref);

/* "docker.io/library/busybox", the whole "docker.io/library/busybox:1@sha256:...", and the short form that users see
 * ("busybox:1"; parts that are absent are left out). Heap, NULL when out of memory. */
char *hoy_reference_name(const struct hoy_reference *ref);
char *hoy_reference_to_string(const struct hoy_reference *ref);
char *hoy_reference_familiar_name(const struct hoy_reference *ref);
char *hoy_reference_familiar(const struct hoy_reference *ref);

/* The `reference` filter: shell pattern ('*', '?', '[a-z]'; '*' stops at '/') against the familiar name with and
 * without its tag or digest. False for a pattern that is none. */
bool hoy_reference_matches(const struct hoy_reference *ref, const char *pattern);

/* The same for a name as users see it, against any of several patterns; false when it is no reference. */
bool hoy_reference_text_matches(const char *text, char *const *patterns);

bool hoy_reference_tag_is_valid(const char *tag);
/* "sha256:" and 64 lower-case hex digits: the only algorithm content is stored by. */
bool hoy_digest_is_valid(const char *digest);

#endif
