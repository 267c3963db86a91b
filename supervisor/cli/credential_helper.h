/* docker-credential-NAME, a program that keeps secrets: one verb, its input on stdin, its answer or refusal on stdout.
 */
#ifndef HOY_CLI_CREDENTIAL_HELPER_H
#define HOY_CLI_CREDENTIAL_HELPER_H

#include "base/err.h"

/* Both stay NULL when it has none for that server. */
int hoy_credential_helper_get(
	const char *name, const char *server, char **ret_username, char **ret_secret, struct hoy_err *err);
int hoy_credential_helper_store(
	const char *name, const char *server, const char *username, const char *secret, struct hoy_err *err);
int hoy_credential_helper_erase(const char *name, const char *server, struct hoy_err *err);

#endif
