/* tmpcopyup: a tmpfs starts with what the directory below it holds. */
#ifndef HOY_RUNTIME_COPY_UP_H
#define HOY_RUNTIME_COPY_UP_H

#include "base/err.h"

/* Copies everything below the directory `from` (a descriptor) into `to`: directories, files, symlinks, with mode, owner
 * and times; device nodes, sockets and fifos are left out. Never leaves the file system of `from`. */
int hoy_copy_up(int from, int to, struct hoy_err *err);

#endif
