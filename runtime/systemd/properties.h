/*
 * The properties of a unit, as data: made from a request by pure functions, sent by bus.c. A property is its name, its
 * D-Bus signature and its values as text: one for a basic type, any number for "as" and "ay", pairs for "a(ss)" and
 * "a(st)".
 */
#ifndef HOY_RUNTIME_SYSTEMD_PROPERTIES_H
#define HOY_RUNTIME_SYSTEMD_PROPERTIES_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "runtime/systemd/request.h"

struct hoy_unit_property {
	char *name;
	char signature[8];
	char **values;
};

struct hoy_unit_properties {
	struct hoy_unit_property *list;
	size_t n;
};
void hoy_unit_properties_done(struct hoy_unit_properties *props);

/* What a unit is made with: its place, accounting, delegation, limits, device rules (v1 only: on v2 the runtime's own
 * program decides), then the annotations, which may replace any of these. `pid`: the scope's first process. */
int hoy_unit_properties_start(
	const struct hoy_unit_request *request, int pid, struct hoy_unit_properties *ret, struct hoy_err *err);

/* The limits alone. */
int hoy_unit_properties_set(
	const struct hoy_unit_request *request, struct hoy_unit_properties *ret, struct hoy_err *err);

/* Adds one, in place of one of the same name. Takes over nothing; `values` is copied. */
int hoy_unit_properties_add(struct hoy_unit_properties *props, const char *name, const char *signature,
	char *const *values, struct hoy_err *err);

/* "Name signature value value\n" for each. */
int hoy_unit_properties_print(const struct hoy_unit_properties *props, struct hoy_buf *buf, struct hoy_err *err);

/* The value of an annotation, a GVariant in its text form: booleans, numbers, strings and lists of these. `*ret_values`
 * is owned. -EINVAL: not such a text; -EOPNOTSUPP: of a type that no unit property of use has. */
int hoy_gvariant_parse(const char *text, char ret_signature[8], char ***ret_values, struct hoy_err *err);

#endif
