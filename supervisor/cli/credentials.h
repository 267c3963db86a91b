/*
 * Credentials for registries, as the docker command line keeps them: in config.json ("auths"), or with a helper program
 * ("credHelpers", "credsStore") that speaks the credential-helper protocol. DOCKER_AUTH_CONFIG may carry "auths" too.
 */
#ifndef HOY_CLI_CREDENTIALS_H
#define HOY_CLI_CREDENTIALS_H

#include "base/err.h"
#include "supervisor/cli/config.h"

/* Docker Hub's key. */
#define HOY_REGISTRY_HUB "https://index.docker.io/v1/"

struct hoy_credentials {
	char *username, *password, *identity_token, *registry_token; /* NULL: not there */
};
void hoy_credentials_done(struct hoy_credentials *credentials); /* secrets are wiped */

/* The registry that an image's name says, as credentials are kept for it: "localhost:5000", or Hub's key. Heap. */
char *hoy_credentials_server_of(const char *image);

/* None is no error: all members are NULL. */
int hoy_credentials_get(
	const struct hoy_config *config, const char *server, struct hoy_credentials *ret, struct hoy_err *err);
/* *ret_plain: they lie in config.json, readable for whoever reads that. */
int hoy_credentials_store(struct hoy_config *config, const char *server, const struct hoy_credentials *credentials,
	bool *ret_plain, struct hoy_err *err);
/* *ret_found: there were some. */
int hoy_credentials_erase(struct hoy_config *config, const char *server, bool *ret_found, struct hoy_err *err);

/* The value of X-Registry-Auth for the registry of `image`. Heap. */
int hoy_credentials_header(const struct hoy_config *config, const char *image, char **ret, struct hoy_err *err);

#endif
