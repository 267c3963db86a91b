/* A runtime that the container can't overwrite. */
#ifndef HOY_RUNTIME_SEALED_H
#define HOY_RUNTIME_SEALED_H

#include <stdbool.h>

#include "base/err.h"

/*
 * A container's program can get hold of the runtime's executable (an entry point "#!/proc/self/exe" runs it inside,
 * CVE-2019-5736) and write to it once it no longer runs. So the commands that put a process into a container execute
 * themselves once more, from a read-only detached clone of their own mount: through that mount nobody can open the
 * file for writing, whatever its owner. Returns at once when that has happened already (or the file lies on a
 * read-only mount). Where mounts can't be cloned, for lack of rights, a sealed copy in memory takes its place.
 */
int hoy_sealed_ensure(struct hoy_err *err);

/* Set by cli/entry.c, which has looked before there was a C library. */
extern bool hoy_sealed_already;

#endif
