/* Pulling an image, for the command and for those that need a missing one. */
#ifndef HOY_CLI_PULL_H
#define HOY_CLI_PULL_H

#include <stdio.h>

#include "base/err.h"

struct hoy_cli;

/* Without tag and digest: latest. `platform` may be NULL; progress goes to `out` (NULL: nowhere). */
int hoy_cli_pull(struct hoy_cli *cli, const char *image, const char *platform, FILE *out, struct hoy_err *err);

#endif
