/* Why CRIU failed, from its log. */
#ifndef HOY_RUNTIME_CRIU_LOG_H
#define HOY_RUNTIME_CRIU_LOG_H

#include <stddef.h>

/* The line of a log that says most about a failure, without time and source position; heap, NULL: none. */
char *hoy_criu_log_reason(const char *text, size_t len);

#endif
