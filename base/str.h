/* Strings: numbers and sizes parsed strictly, string vectors, hex, names for signals. */
#ifndef HOY_BASE_STR_H
#define HOY_BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

bool hoy_str_eq(const char *a, const char *b); /* NULL equals NULL only */
bool hoy_str_starts(const char *str, const char *prefix);
bool hoy_str_ends(const char *str, const char *suffix);

/* asprintf that returns the string, NULL when out of memory. */
char *hoy_str_printf(const char *fmt, ...) HOY_PRINTF(1, 2);
char *hoy_str_concat(const char *a, const char *b); /* without printf's pages, which a forked child pays for */

/* The whole string as a decimal number, no sign (unsigned), spaces or rest allowed. 0, -EINVAL or -ERANGE. */
int hoy_str_to_u64(const char *str, uint64_t *ret);
int hoy_str_to_i64(const char *str, int64_t *ret);
int hoy_str_to_uint(const char *str, unsigned int *ret); /* <= UINT_MAX */
int hoy_str_to_int(const char *str, int *ret);
int hoy_str_to_mode(const char *str, mode_t *ret); /* octal, <= 07777 */

/* "64m", "1.5g", "512" (bytes), "1 MiB", "10kB": powers of 1024, as docker's RAMInBytes. 0 or -EINVAL/-ERANGE. */
int hoy_str_to_bytes(const char *str, int64_t *ret);

/* Go's time.Duration text ("1h30m", "1.5s", "300ms") in nanoseconds. */
int hoy_str_to_duration(const char *str, int64_t *ret_ns);

/* "TERM", "SIGTERM", "term" or "15" to 15; SIGRTMIN+N too. -EINVAL when unknown. */
int hoy_signal_from_string(const char *str);
/* "SIGTERM" for 15; NULL when it has no name. */
const char *hoy_signal_to_string(int sig);

/* NULL-terminated vectors of owned strings. */
void hoy_strv_free(char **v); /* NULL is fine */
HOY_DEFINE_AUTO_PTR(char *, hoy_strv_free);
size_t hoy_strv_len(char *const *v);
char **hoy_strv_copy(char *const *v);         /* NULL when out of memory */
int hoy_strv_add(char ***v, const char *str); /* appends a copy; 0 or -ENOMEM */
int hoy_strv_addf(char ***v, const char *fmt, ...) HOY_PRINTF(2, 3);
char **hoy_str_split(const char *str, char sep); /* empty parts are kept; "" gives one */
bool hoy_strv_has(char *const *v, const char *str);
/* "K=V" entry of an environment vector, or NULL; points behind the '='. */
const char *hoy_env_get(char *const *env, const char *key);
/* Sets or replaces "K=V" (whole entry given). 0 or -ENOMEM. */
int hoy_env_set(char ***env, const char *entry);
/* Takes the entry of `key` out, if there is one. */
void hoy_env_unset(char **env, const char *key);

/* Lower-case hex of `len` bytes, `out` holds 2*len+1. */
void hoy_hex(const void *data, size_t len, char *out);

/* `len` random bytes from the kernel. */
void hoy_random(void *out, size_t len);

#endif
