/* The value of COPY --chmod: octal, or symbolic as chmod(1) has it. */
#ifndef HOY_SUPERVISOR_BUILD_CHMOD_H
#define HOY_SUPERVISOR_BUILD_CHMOD_H

#include <stdbool.h>
#include <sys/types.h>

/* What becomes of the permission bits `mode` by "755", "u=rwX,go=rX", "+x" ...: without letters in front of the
 * operator all three are meant, whatever the umask. 0, or -EINVAL for a text that is none. */
int hoy_chmod_apply(const char *text, mode_t mode, bool is_dir, mode_t *ret);

#endif
