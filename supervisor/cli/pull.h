/* Pulling an image, for the command and for those that need a missing one. */
#ifndef HOY_CLI_PULL_H
#define HOY_CLI_PULL_H

#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"

struct hoy_cli;

/* Without tag and digest: latest. `platform` may be NULL; progress goes to `out` (NULL: nowhere). */
int hoy_cli_pull(struct hoy_cli *cli, const char *image, const char *platform, FILE *out, struct hoy_err *err);

/* With its progress to `out` (NULL: nowhere). Without tag: latest. */
int hoy_cli_push(struct hoy_cli *cli, const char *image, FILE *out, struct hoy_err *err);

/* The ':' or '@' that tag or digest of an image's name begin with, NULL without. */
const char *hoy_cli_image_tag(const char *image);

/* There is no content trust here: whoever asks for it (--disable-content-trust=false, or DOCKER_CONTENT_TRUST when the
 * flag is not `given`) is refused. */
int hoy_cli_check_trust(bool given, bool disabled, struct hoy_err *err);

#endif
