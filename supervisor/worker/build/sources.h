/* The sources of COPY and ADD: which names of a tree a pattern means. Nothing outside `root` is ever reached. */
#ifndef HOY_SUPERVISOR_WORKER_BUILD_SOURCES_H
#define HOY_SUPERVISOR_WORKER_BUILD_SOURCES_H

#include <stdbool.h>

#include "base/err.h"

/* Names of a directory, sorted. */
int hoy_sources_names(int dir, char ***ret, struct hoy_err *err);

/* The names below `root` that `text` means, sorted, without a leading '/': itself, or what matches it as a pattern. ""
 * is the root. Whether a name without a pattern exists is not looked at. `deep`: a part "**" is any number of
 * directories. */
int hoy_sources_match(int root, const char *text, bool is_pattern, bool deep, char ***ret, struct hoy_err *err);

#endif
