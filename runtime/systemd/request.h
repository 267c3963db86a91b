/*
 * What hoyrun asks of hoyrun-systemd (the conversation itself is that of base/helper.h). JSON by a field table, because
 * it carries linux.resources as it is.
 *
 *	start    makes the scope, then asks HOY_UNIT_HELD: a scope lives only while it has processes, so the helper
 *	         keeps a sleeping one in it, whose pid the question tells, until it hears GO
 *	set      new limits for a unit that exists
 *	attach   moves a process into it that we have no right to move
 *	stop     ends it and forgets it; a unit that is gone is fine
 */
#ifndef HOY_RUNTIME_SYSTEMD_REQUEST_H
#define HOY_RUNTIME_SYSTEMD_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "libocispec/field.h"

#define HOY_SYSTEMD_HELPER "hoyrun-systemd"
#define HOY_UNIT_HELD "held"
#define HOY_UNIT_ANNOTATION "org.systemd.property."

struct hoy_oci_resources;

enum hoy_unit_op {
	HOY_UNIT_OP_UNSET,
	HOY_UNIT_START,
	HOY_UNIT_SET,
	HOY_UNIT_ATTACH,
	HOY_UNIT_STOP,
};

struct hoy_unit_request {
	enum hoy_unit_op op;
	bool user; /* the user's manager, not the system's */
	char *unit;
	bool unified; /* start, set: the limits are those of cgroup v2 */
	char *slice;  /* start */
	char *id;     /* start: for the description */
	char *cgroup; /* set: the directory, for values that are not given; attach: the group below the unit's or NULL
		       */
	int32_t pid;  /* attach */
	struct hoy_oci_resources *resources; /* start, set; may be NULL */
	struct hoy_oci_kv *annotations;      /* start: those that start with HOY_UNIT_ANNOTATION */
	size_t n_annotations;
};

int hoy_unit_request_print(const struct hoy_unit_request *request, struct hoy_buf *buf, struct hoy_err *err);
int hoy_unit_request_parse(const char *text, size_t len, struct hoy_unit_request **ret, struct hoy_err *err);
void hoy_unit_request_free(struct hoy_unit_request *request);
HOY_DEFINE_AUTO_PTR(struct hoy_unit_request, hoy_unit_request_free);

#endif
