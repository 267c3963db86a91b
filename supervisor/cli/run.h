/* What `run` and `debug` have in common. */
#ifndef HOY_CLI_RUN_H
#define HOY_CLI_RUN_H

#include "supervisor/cli/create_request.h"

struct hoy_cli;

/* Creates the container that `o` and cli->args (image, command) describe; pulls what is missing. *ret_id is heap. */
int hoy_run_create(struct hoy_cli *cli, const struct hoy_run_options *o, char **ret_id, struct hoy_err *err);

/* Attaches, starts, copies streams: the exit status. Tells what went wrong. */
int hoy_run_attached(struct hoy_cli *cli, const struct hoy_run_options *o, const char *id);

#endif
