/* The header WWW-Authenticate, as registries send it: what a client has to show, and where it gets that. */
#ifndef HOY_SUPERVISOR_WORKER_FETCH_CHALLENGE_H
#define HOY_SUPERVISOR_WORKER_FETCH_CHALLENGE_H

#include "base/err.h"

enum hoy_challenge_scheme { HOY_CHALLENGE_NONE, HOY_CHALLENGE_BASIC, HOY_CHALLENGE_BEARER };

struct hoy_challenge {
	enum hoy_challenge_scheme scheme;
	char *realm, *service, *scope; /* owned; NULL: not given */
};

/* Several challenges may stand in one header: Bearer counts more than Basic, unknown ones are skipped (scheme NONE when
 * there are only such). HOY_ERR_INVALID for a header that can't be read, or Bearer without realm. RFC 9110, 11.6.1. */
int hoy_challenge_parse(const char *header, struct hoy_challenge *ret, struct hoy_err *err);
void hoy_challenge_done(struct hoy_challenge *challenge);

#endif
