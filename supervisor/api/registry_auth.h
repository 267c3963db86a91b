/* The header X-Registry-Auth: credentials for one registry, as base64 of a JSON object. */
#ifndef HOY_API_REGISTRY_AUTH_H
#define HOY_API_REGISTRY_AUTH_H

#include "base/err.h"

struct hoy_registry_auth {
	char *username, *password, *identity_token, *registry_token; /* NULL: not given */
};

/* URL-safe or plain base64, padded or not. NULL and the empty text are no credentials. HOY_ERR_INVALID for anything
 * that is not base64 or no such object; the error never holds what was sent. */
int hoy_registry_auth_parse(const char *header, struct hoy_registry_auth *ret, struct hoy_err *err);
void hoy_registry_auth_done(struct hoy_registry_auth *auth); /* secrets are wiped */

#endif
