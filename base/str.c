/* String helpers. */
#include "base/str.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <time.h>

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

int hoy_str_to_bytes(const char *str, int64_t *ret)
{
	static const char units[] = "kmgtp";
	const char *unit;
	long double value;
	int shift = 0;
	char *end;

	if (!isdigit((unsigned char) str[0]) && str[0] != '.')
		return -EINVAL;
	for (const char *p = str; *p && (isdigit((unsigned char) *p) || *p == '.'); p++)
		if (p[1] == 'x' || p[1] == 'X')
			return -EINVAL; /* strtold would take hexadecimal */
	value = strtold(str, &end);
	if (end == str)
		return -EINVAL;
	while (*end == ' ')
		end++;
	if (*end) {
		unit = strchr(units, tolower((unsigned char) *end));
		if (unit && *unit) {
			shift = (int) (unit - units + 1) * 10;
			end++;
			if (tolower((unsigned char) *end) == 'i' && tolower((unsigned char) end[1]) == 'b')
				end++;
		}
		if (tolower((unsigned char) *end) == 'b')
			end++;
		if (*end)
			return -EINVAL;
	}
	value *= (long double) (1LL << shift);
	if (!(value < (long double) INT64_MAX))
		return -ERANGE;
	*ret = (int64_t) value;
	return 0;
}

int hoy_str_to_duration(const char *str, int64_t *ret_ns)
{
	static const struct {
		const char *name;
		long double ns;
	} units[] = { { "ns", 1 }, { "us", 1e3L }, { "µs", 1e3L }, { "ms", 1e6L }, { "s", 1e9L }, { "m", 60e9L },
		{ "h", 3600e9L } };
	bool negative = *str == '-';
	long double total = 0;

	if (*str == '-' || *str == '+')
		str++;
	if (strcmp(str, "0") == 0) {
		*ret_ns = 0;
		return 0;
	}
	if (!*str)
		return -EINVAL;
	while (*str) {
		size_t digits = strspn(str, "0123456789."), letters, i;
		char *end;
		long double value;

		if (!digits || digits > 40)
			return -EINVAL;
		value = strtold(str, &end);
		if (end != str + digits)
			return -EINVAL;
		letters = strcspn(end, "0123456789.");
		for (i = 0; i < ARRAY_LEN(units); i++)
			if (strlen(units[i].name) == letters && strncmp(end, units[i].name, letters) == 0)
				break;
		if (i == ARRAY_LEN(units))
			return -EINVAL;
		total += value * units[i].ns;
		str = end + letters;
	}
	if (!(total < (long double) INT64_MAX))
		return -ERANGE;
	*ret_ns = (int64_t) (negative ? -total : total);
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

int hoy_signal_from_string(const char *str)
{
	unsigned int number;
	int base = 0;

	if (hoy_str_to_uint(str, &number) == 0)
		return number >= 1 && number <= 64 ? (int) number : -EINVAL;
	if (strncasecmp(str, "SIG", 3) == 0)
		str += 3;
	for (size_t i = 0; i < ARRAY_LEN(signals); i++)
		if (strcasecmp(str, signals[i].name + 3) == 0)
			return signals[i].number;
	if (strncasecmp(str, "RTMIN", 5) == 0)
		base = 34;
	else if (strncasecmp(str, "RTMAX", 5) == 0)
		base = 64;
	else
		return -EINVAL;
	if (!str[5])
		return base;
	if (str[5] != (base == 34 ? '+' : '-') || hoy_str_to_uint(str + 6, &number) < 0 || number > 30)
		return -EINVAL;
	return base == 34 ? base + (int) number : base - (int) number;
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

void hoy_time_format(const struct timespec *ts, char out[HOY_TIME_MAX])
{
	struct tm tm;
	size_t n;

	gmtime_r(&ts->tv_sec, &tm);
	n = strftime(out, HOY_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	(void) snprintf(out + n, HOY_TIME_MAX - n, ".%09ldZ", ts->tv_nsec);
}

void hoy_time_now(char out[HOY_TIME_MAX])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	hoy_time_format(&ts, out);
}

int hoy_time_parse(const char *str, struct timespec *ret)
{
	unsigned int year, month, day, hour, minute, second, off_hour, off_minute;
	long nsec = 0, scale = 100000000;
	struct tm tm;
	int used = 0;
	char sign[2];

	if (sscanf(str, "%4u-%2u-%2u%*1[Tt ]%2u:%2u:%2u%n", &year, &month, &day, &hour, &minute, &second, &used) != 6 ||
		!used)
		return -EINVAL;
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
		return -EINVAL;
	str += used;
	if (*str == '.') {
		if (!isdigit((unsigned char) *++str))
			return -EINVAL;
		for (; isdigit((unsigned char) *str); str++, scale /= 10)
			nsec += (*str - '0') * scale;
	}
	tm = (struct tm){
		.tm_year = (int) year - 1900,
		.tm_mon = (int) month - 1,
		.tm_mday = (int) day,
		.tm_hour = (int) hour,
		.tm_min = (int) minute,
		.tm_sec = (int) second,
	};
	ret->tv_sec = timegm(&tm);
	ret->tv_nsec = nsec;
	if ((*str == 'Z' || *str == 'z') && !str[1])
		return 0;
	if (sscanf(str, "%1[+-]%2u:%2u%n", sign, &off_hour, &off_minute, &used) != 3 || str[used])
		return -EINVAL;
	if (off_hour > 23 || off_minute > 59)
		return -EINVAL;
	ret->tv_sec += (sign[0] == '-' ? 1 : -1) * (time_t) (off_hour * 3600 + off_minute * 60);
	return 0;
}
