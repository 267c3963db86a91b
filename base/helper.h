/* Finding our other programs: beside our own executable first, so that a build directory is complete by itself. */
#ifndef HOY_BASE_HELPER_H
#define HOY_BASE_HELPER_H

#include "base/err.h"

/*
 * The path of a helper program (hoy-net, hoy-layer: installed in HOY_LIBEXECDIR) or of a program of ours (hoyrun:
 * HOY_BINDIR, then PATH). Looked for beside /proc/self/exe, then there. *ret_path is owned. -ENOENT says where it
 * was looked for.
 */
enum hoy_helper_kind { HOY_HELPER_LIBEXEC, HOY_HELPER_PROGRAM };
int hoy_helper_find(const char *name, enum hoy_helper_kind kind, char **ret_path, struct hoy_err *err);

#endif
