/*
 * `--change`: Dockerfile instructions that edit an image's run configuration: CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK
 * LABEL ONBUILD STOPSIGNAL USER VOLUME WORKDIR. Anything else is refused by name. No variables are expanded.
 */
#ifndef HOY_SUPERVISOR_IMAGE_CHANGES_H
#define HOY_SUPERVISOR_IMAGE_CHANGES_H

#include "base/err.h"

struct hoy_oci_image_run;

/* Applies one instruction. The strings in `run` are owned by it. HOY_ERR_INVALID names the instruction. */
int hoy_image_change(struct hoy_oci_image_run *run, const char *instruction, struct hoy_err *err);

#endif
