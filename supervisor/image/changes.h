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

/* Parts of it, for builds. Values are taken as they are. 0, -ENOMEM or HOY_ERR_INVALID. */
int hoy_image_run_set_env(struct hoy_oci_image_run *run, const char *key, const char *value, struct hoy_err *err);
int hoy_image_run_set_label(struct hoy_oci_image_run *run, const char *key, const char *value, struct hoy_err *err);
/* Ports and ranges ("80", "53/udp", "8000-8010"), NULL-terminated; cut to pieces while they are read. */
int hoy_image_run_expose(struct hoy_oci_image_run *run, char **words, struct hoy_err *err);

#endif
