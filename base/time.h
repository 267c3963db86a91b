/* Times as text: RFC 3339. */
#ifndef HOY_BASE_TIME_H
#define HOY_BASE_TIME_H

struct timespec;

/* In UTC with nanoseconds ("2026-11-21T08:50:06.123456789Z"); years are kept within 1 and 9999, as the format is. */
#define HOY_TIME_MAX 48
void hoy_time_format(const struct timespec *ts, char out[HOY_TIME_MAX]);
void hoy_time_now(char out[HOY_TIME_MAX]);

/* Takes any fraction and offset. 0 or -EINVAL. */
int hoy_time_parse(const char *str, struct timespec *ret);

#endif
