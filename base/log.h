/*
 * The log: one line, one write(), to one descriptor. Text (`time level msg`) or JSON lines in the shape that containerd
 * decodes: {"level":"error","msg":"...","time":"<RFC 3339>"}. Only main, handlers and routers log errors; libraries
 * return them. A tolerated failure is a warning that ends in ", ignoring".
 */
#ifndef HOY_BASE_LOG_H
#define HOY_BASE_LOG_H

#include "base/err.h"

enum hoy_log_level { HOY_LOG_ERROR, HOY_LOG_WARN, HOY_LOG_INFO, HOY_LOG_DEBUG };
enum hoy_log_format { HOY_LOG_TEXT, HOY_LOG_JSON };

/* Where this process logs. The one process-wide setting; main calls it, the fd stays the caller's (default: 2). */
void hoy_log_setup(int fd, enum hoy_log_format format, enum hoy_log_level most);
bool hoy_log_enabled(enum hoy_log_level level);

/* The fd is a datagram socket of the system's logger: each line is a message under this name, which stays the caller's.
 * Level and time are the logger's own fields then, so that text is the bare message. */
enum hoy_log_sink { HOY_LOG_TO_FILE, HOY_LOG_TO_SYSLOG, HOY_LOG_TO_JOURNAL };
void hoy_log_setup_sink(enum hoy_log_sink sink, const char *name);

void hoy_log(enum hoy_log_level level, const char *fmt, ...) HOY_PRINTF(2, 3);
#define hoy_log_debug(...)                                                                                             \
	do {                                                                                                           \
		if (hoy_log_enabled(HOY_LOG_DEBUG))                                                                    \
			hoy_log(HOY_LOG_DEBUG, __VA_ARGS__);                                                           \
	} while (0)
#define hoy_log_info(...) hoy_log(HOY_LOG_INFO, __VA_ARGS__)
#define hoy_log_warn(...) hoy_log(HOY_LOG_WARN, __VA_ARGS__)
#define hoy_log_error(...) hoy_log(HOY_LOG_ERROR, __VA_ARGS__)

/* Logs "context: error text". */
void hoy_log_err(const struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);
/* The same as a warning that ends in ", ignoring". */
void hoy_log_ignored(const struct hoy_err *err, const char *fmt, ...) HOY_PRINTF(2, 3);

#endif
