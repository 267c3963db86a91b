/* What the files of scoped sockets share. */
#ifndef HOY_API_SCOPE_INTERNAL_H
#define HOY_API_SCOPE_INTERNAL_H

#include "supervisor/api/internal.h"

struct hoy_line_file;

/* One that is closed stays as long as the API: connections may be open still, which find it so. */
struct hoy_scope {
	struct hoy_scope *next;
	struct hoy_api_door door;
	struct hoy_scope_policy *policy;
	struct hoy_line_file *audit; /* of the list in scopes.c */
	bool closed;
	bool failed; /* the last line of the audit log */
};

#endif
