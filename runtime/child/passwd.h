/* The passwd file of a container, as text. */
#ifndef HOY_RUNTIME_PASSWD_H
#define HOY_RUNTIME_PASSWD_H

#include <sys/types.h>

/* Home directory of the first line with that uid, heap; NULL: none (or empty). */
char *hoy_passwd_home(const char *text, uid_t uid);

/* Name of the first line with that uid, heap; NULL: none. */
char *hoy_passwd_name(const char *text, uid_t uid);

#endif
