/* Texts for people and for the disk: URLs in them without the credentials that may stand there. */
#ifndef HOY_BASE_REDACT_H
#define HOY_BASE_REDACT_H

#include <stdbool.h>

#include "base/err.h"

/* "Get https://me:secret@host/x" as "Get https://xxxxx@host/x": heap, NULL when out of memory. What stands before an
 * '@' in the host's part goes, of every scheme but ssh, where it is a name without a password. */
char *hoy_redact(const char *text);
bool hoy_has_credentials(const char *text); /* would hoy_redact() change it? */
void hoy_err_redact(struct hoy_err *err);   /* its text; NULL is fine */

#endif
