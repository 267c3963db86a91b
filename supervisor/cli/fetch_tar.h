/* A tar that the engine sends. */
#ifndef HOY_CLI_FETCH_TAR_H
#define HOY_CLI_FETCH_TAR_H

#include "supervisor/cli/cli.h"

/* GET of `path` into the file `output`, which is there when it is complete, or to stdout (NULL), which may be no
 * terminal. */
int hoy_fetch_tar(struct hoy_cli *cli, const char *path, const char *output, struct hoy_err *err);

#endif
