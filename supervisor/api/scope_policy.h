/*
 * What one scoped socket may be used for: an element of daemon.json's "scoped-sockets", or the value of hoyd's
 * --scoped-socket. Pure.
 *
 *	{"path": "/run/hoy/ci.sock", "group": "ci", "mode": "0660", "read-only": false, "ports": false,
 *	 "labels": {"team": "ci"}, "allow": ["containers", "exec", "images.read"], "audit": "/var/log/hoy/ci.log"}
 */
#ifndef HOY_API_SCOPE_POLICY_H
#define HOY_API_SCOPE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "libocispec/field.h"

struct hoy_scope_policy {
	char *path;  /* of the socket; absolute */
	char *group; /* NULL: the one of hoyd's other sockets */
	char *mode_text;
	mode_t mode;
	bool read_only;
	bool ports; /* containers may publish ports of the host */
	struct hoy_oci_kv *labels;
	size_t n_labels; /* 0: all objects are in the scope */
	char **allow;    /* groups of calls: "images" is all of "images.read", "images.pull" ... */
	char *audit;     /* file; NULL: hoyd's own */
};

/* HOY_ERR_INVALID, with the name of the member: an unknown one too, a group of calls that there is not, no group. */
int hoy_scope_policy_parse(const char *text, size_t len, struct hoy_scope_policy **ret, struct hoy_err *err);
void hoy_scope_policy_free(struct hoy_scope_policy *policy);
HOY_DEFINE_AUTO_PTR(struct hoy_scope_policy, hoy_scope_policy_free);

/* Is it among those allowed? */
bool hoy_scope_policy_allows(const struct hoy_scope_policy *policy, const char *group);
/* Does whoever has these labels belong to the scope? */
bool hoy_scope_policy_covers(const struct hoy_scope_policy *policy, const struct hoy_oci_kv *labels, size_t n_labels);

#endif
