/* String helpers. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

bool hoy_str_eq(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool hoy_str_starts(const char *str, const char *prefix)
{
	return strncmp(str, prefix, strlen(prefix)) == 0;
}

bool hoy_str_ends(const char *str, const char *suffix)
{
	size_t len = strlen(str), tail = strlen(suffix);

	return len >= tail && memcmp(str + len - tail, suffix, tail) == 0;
}

char *hoy_str_concat(const char *a, const char *b)
{
	size_t len = strlen(a), size = strlen(b) + 1;
	char *str = malloc(len + size);

	if (str) {
		memcpy(str, a, len);
		memcpy(str + len, b, size);
	}
	return str;
}

char *hoy_str_printf(const char *fmt, ...)
{
	va_list args;
	char *str;
	int n;

	va_start(args, fmt);
	n = vasprintf(&str, fmt, args);
	va_end(args);
	return n < 0 ? NULL : str;
}

int hoy_str_to_u64(const char *str, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char) str[0]))
		return -EINVAL;
	errno = 0;
	value = strtoull(str, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno)
		return -errno;
	*ret = value;
	return 0;
}

int hoy_str_to_i64(const char *str, int64_t *ret)
{
	long long value;
	char *end;

	if (!isdigit((unsigned char) str[str[0] == '-']))
		return -EINVAL;
	errno = 0;
	value = strtoll(str, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno)
		return -errno;
	*ret = value;
	return 0;
}

int hoy_str_to_uint(const char *str, unsigned int *ret)
{
	uint64_t value;
	int r = hoy_str_to_u64(str, &value);

	if (r < 0)
		return r;
	if (value > UINT_MAX)
		return -ERANGE;
	*ret = (unsigned int) value;
	return 0;
}

int hoy_str_to_int(const char *str, int *ret)
{
	int64_t value;
	int r = hoy_str_to_i64(str, &value);

	if (r < 0)
		return r;
	if (value > INT_MAX || value < INT_MIN)
		return -ERANGE;
	*ret = (int) value;
	return 0;
}

int hoy_str_to_mode(const char *str, mode_t *ret)
{
	unsigned long value;
	char *end;

	if (str[0] < '0' || str[0] > '7')
		return -EINVAL;
	errno = 0;
	value = strtoul(str, &end, 8);
	if (*end)
		return -EINVAL;
	if (errno || value > 07777)
		return -ERANGE;
	*ret = (mode_t) value;
	return 0;
}

/*
 * Reads digits with at most one point and gives their value times `unit`, rounded down; *str ends behind them. Whole
 * numbers all the way: exact, and strtold would bring most of libc's floating point into a static program.
 */
static int decimal(const char **str, uint64_t unit, unsigned __int128 *ret)
{
	unsigned __int128 whole = 0;
	uint64_t fraction = 0, scale = 1;
	const char *p = *str, *first = p;

	for (; isdigit((unsigned char) *p); p++)
		if (whole <= INT64_MAX) /* beyond, it is out of range whatever follows */
			whole = whole * 10 + (unsigned int) (*p - '0');
	if (*p == '.')
		for (first++, p++; isdigit((unsigned char) *p); p++)
			if (scale < 1000000000000000000U) {
				fraction = fraction * 10 + (unsigned int) (*p - '0');
				scale *= 10;
			}
	if (p == first)
		return -EINVAL;
	*ret = whole * unit + (unsigned __int128) fraction * unit / scale;
	*str = p;
	return 0;
}

int hoy_str_to_bytes(const char *str, int64_t *ret)
{
	static const char units[] = "kmgtp";
	const char *number = str, *unit;
	unsigned __int128 value;
	int shift = 0;

	if (decimal(&str, 1, &value) < 0)
		return -EINVAL;
	while (*str == ' ')
		str++;
	if (*str) {
		unit = strchr(units, tolower((unsigned char) *str));
		if (unit && *unit) {
			shift = (int) (unit - units + 1) * 10;
			str++;
			if (tolower((unsigned char) *str) == 'i' && tolower((unsigned char) str[1]) == 'b')
				str++;
		}
		if (tolower((unsigned char) *str) == 'b')
			str++;
		if (*str)
			return -EINVAL;
	}
	(void) decimal(&number, 1ULL << shift, &value);
	if (value >= INT64_MAX)
		return -ERANGE;
	*ret = (int64_t) value;
	return 0;
}

int hoy_str_to_duration(const char *str, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = { { "ns", 1 }, { "us", 1000 }, { "µs", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
		{ "m", 60000000000 }, { "h", 3600000000000 } };
	bool negative = *str == '-';
	unsigned __int128 total = 0;

	if (*str == '-' || *str == '+')
		str++;
	if (strcmp(str, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*str)
		return -EINVAL;
	while (*str) {
		const char *unit = str + strspn(str, "0123456789.");
		size_t letters = strcspn(unit, "0123456789."), i;
		unsigned __int128 value;

		for (i = 0; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].name) == letters && strncmp(unit, units[i].name, letters) == 0)
				break;
		if (i == ARRAY_LEN(units) || decimal(&str, units[i].ns, &value) < 0 || str != unit)
			return -EINVAL;
		total += value;
		if (total >= INT64_MAX)
			return -ERANGE;
		str = unit + letters;
	}
	*ret_ns = negative ? -(int64_t) total : (int64_t) total;
	return 0;
}

static const struct {
	int number;
	const char *name;
} signals[] = {
	{ SIGHUP, "SIGHUP" }, { SIGINT, "SIGINT" }, { SIGQUIT, "SIGQUIT" }, { SIGILL, "SIGILL" },
	{ SIGTRAP, "SIGTRAP" }, { SIGABRT, "SIGABRT" }, { SIGBUS, "SIGBUS" }, { SIGFPE, "SIGFPE" },
	{ SIGKILL, "SIGKILL" }, { SIGUSR1, "SIGUSR1" }, { SIGSEGV, "SIGSEGV" }, { SIGUSR2, "SIGUSR2" },
	{ SIGPIPE, "SIGPIPE" }, { SIGALRM, "SIGALRM" }, { SIGTERM, "SIGTERM" }, { SIGSTKFLT, "SIGSTKFLT" },
	{ SIGCHLD, "SIGCHLD" }, { SIGCONT, "SIGCONT" }, { SIGSTOP, "SIGSTOP" }, { SIGTSTP, "SIGTSTP" },
	{ SIGTTIN, "SIGTTIN" }, { SIGTTOU, "SIGTTOU" }, { SIGURG, "SIGURG" }, { SIGXCPU, "SIGXCPU" },
	{ SIGXFSZ, "SIGXFSZ" }, { SIGVTALRM, "SIGVTALRM" }, { SIGPROF, "SIGPROF" }, { SIGWINCH, "SIGWINCH" },
	{ SIGIO, "SIGIO" }, { SIGPWR, "SIGPWR" }, { SIGSYS, "SIGSYS" }, { SIGABRT, "SIGIOT" }, { SIGCHLD, "SIGCLD" },
	{ SIGIO, "SIGPOLL" }, /* other names of the same numbers */
};

/* "RTMIN+3", "RTMAX-2", in capitals. */
static int realtime_signal(const char *name)
{
	bool from_min = hoy_str_starts(name, "RTMIN");
	unsigned int off = 0;

	if (!from_min && !hoy_str_starts(name, "RTMAX"))
		return -EINVAL;
	name += strlen("RTMIN");
	if (*name && (*name != (from_min ? '+' : '-') || hoy_str_to_uint(name + 1, &off) < 0 || off > 30))
		return -EINVAL;
	return from_min ? 34 + (int) off : 64 - (int) off;
}

int hoy_signal_from_string(const char *str)
{
	char capitals[sizeof "SIGRTMIN+30"];
	const char *name = capitals;
	unsigned int number;
	size_t len = 0;

	if (hoy_str_to_uint(str, &number) == 0)
		return number >= 1 && number <= 64 ? (int) number : -EINVAL;
	for (; str[len] && len + 1 < sizeof capitals; len++)
		capitals[len] = (char) toupper((unsigned char) str[len]);
	if (str[len])
		return -EINVAL;
	capitals[len] = '\0';
	if (hoy_str_starts(name, "SIG"))
		name += 3;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (strcmp(name, signals[i].name + 3) == 0)
			return signals[i].number;
	return realtime_signal(name);
}

const char *hoy_signal_to_string(int sig)
{
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (signals[i].number == sig)
			return signals[i].name;
	return NULL;
}

void hoy_strv_free(char **v)
{
	for (char **p = v; p && *p; p++)
		free(*p);
	free(v);
}

size_t hoy_strv_len(char *const *v)
{
	size_t n = 0;

	while (v && v[n])
		n++;
	return n;
}

char **hoy_strv_copy(char *const *v)
{
	size_t len = hoy_strv_len(v);
	char **copy = calloc(len + 1, sizeof *copy);

	for (size_t i = 0; copy && i < len; i++) {
		copy[i] = strdup(v[i]);
		if (!copy[i]) {
			hoy_strv_free(copy);
			return NULL;
		}
	}
	return copy;
}

static int strv_add_owned(char ***v, char *str)
{
	size_t len = hoy_strv_len(*v);
	char **grown;

	if (!str)
		return -ENOMEM;
	/* The room is not stored and the vector may come from anywhere (copied, parsed, split: as large as it is long),
	 * so it is asked for each time; the allocator makes that cheap. */
	grown = realloc(*v, (len + 2) * sizeof *grown);
	if (!grown) {
		free(str);
		return -ENOMEM;
	}
	grown[len] = str;
	grown[len + 1] = NULL;
	*v = grown;
	return 0;
}

int hoy_strv_add(char ***v, const char *str)
{
	return strv_add_owned(v, strdup(str));
}

int hoy_strv_addf(char ***v, const char *fmt, ...)
{
	va_list args;
	char *str;
	int n;

	va_start(args, fmt);
	n = vasprintf(&str, fmt, args);
	va_end(args);
	return strv_add_owned(v, n < 0 ? NULL : str);
}

char **hoy_str_split(const char *str, char sep)
{
	size_t n = 1, i = 0;
	char **v;

	for (const char *p = str; *p; p++)
		n += *p == sep;
	v = calloc(n + 1, sizeof *v);
	if (!v)
		return NULL;
	for (;;) {
		const char *end = strchrnul(str, sep);

		v[i] = strndup(str, (size_t) (end - str));
		if (!v[i++]) {
			hoy_strv_free(v);
			return NULL;
		}
		if (!*end)
			return v;
		str = end + 1;
	}
}

bool hoy_strv_has(char *const *v, const char *str)
{
	for (; v && *v; v++)
		if (strcmp(*v, str) == 0)
			return true;
	return false;
}

static ssize_t env_index(char *const *env, const char *key, size_t key_len)
{
	for (ssize_t i = 0; env && env[i]; i++)
		if (strncmp(env[i], key, key_len) == 0 && env[i][key_len] == '=')
			return i;
	return -1;
}

const char *hoy_env_get(char *const *env, const char *key)
{
	size_t len = strlen(key);
	ssize_t i = env_index(env, key, len);

	return i < 0 ? NULL : env[i] + len + 1;
}

int hoy_env_set(char ***env, const char *entry)
{
	ssize_t i = env_index(*env, entry, strcspn(entry, "="));
	char *copy;

	if (i < 0)
		return hoy_strv_add(env, entry);
	copy = strdup(entry);
	if (!copy)
		return -ENOMEM;
	free((*env)[i]);
	(*env)[i] = copy;
	return 0;
}

void hoy_env_unset(char **env, const char *key)
{
	ssize_t i = env_index(env, key, strlen(key));

	if (i < 0)
		return;
	free(env[i]);
	for (; env[i]; i++)
		env[i] = env[i + 1];
}

void hoy_hex(const void *data, size_t len, char *out)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digits[p[i] >> 4];
		out[2 * i + 1] = digits[p[i] & 15];
	}
	out[2 * len] = '\0';
}

void hoy_random(void *out, size_t len)
{
	char *p = out;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0)
			continue; /* EINTR: the pool is ready since boot, nothing else can happen */
		p += n;
		len -= (size_t) n;
	}
}
