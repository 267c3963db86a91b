/*
 * RFC 3339 without libc's calendar: gmtime() looks for the machine's time zone on disk before it answers in UTC, and
 * with strftime(), timegm() and sscanf() it is a tenth of a static program.
 */
#include "base/time.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "base/defs.h"

#define DAY 86400
#define FIRST_SECOND (-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_SECOND 253402300799    /* 9999-12-31T23:59:59Z */

static bool is_leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to the first of January; years from 1. */
static int64_t year_begin(int year)
{
	int before = year - 1;

	return 365LL * before + before / 4 - before / 100 + before / 400 - 719162;
}

/* Days of the year before the month (1 to 13). */
static int month_begin(int year, int month)
{
	static const int days[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365 };

	return days[month - 1] + (month > 2 && is_leap(year));
}

/* `width` digits of `number`, and what follows them; returns where to go on. */
static char *put(char *out, int64_t number, int width, char behind)
{
	for (int i = width - 1; i >= 0; i--, number /= 10)
		out[i] = (char) ('0' + number % 10);
	out[width] = behind;
	return out + width + 1;
}

/* Once for every line of a log: no printf. */
void hoy_time_format(const struct timespec *ts, char out[HOY_TIME_MAX])
{
	int64_t at = MAX(MIN((int64_t) ts->tv_sec, (int64_t) LAST_SECOND), (int64_t) FIRST_SECOND);
	int64_t day = (at - (int64_t) FIRST_SECOND) / DAY + FIRST_SECOND / DAY;
	int second = (int) (at - day * DAY), month = 12, year;

	year = 1970 + (int) (day / 365); /* at most a few years too late after 1970, too early before: */
	while (year > 9999 || year_begin(year) > day)
		year--;
	while (year < 1 || (year < 9999 && year_begin(year + 1) <= day))
		year++;
	day -= year_begin(year);
	while (month_begin(year, month) > day)
		month--;
	out = put(out, year, 4, '-');
	out = put(out, month, 2, '-');
	out = put(out, day - month_begin(year, month) + 1, 2, 'T');
	out = put(out, second / 3600, 2, ':');
	out = put(out, second / 60 % 60, 2, ':');
	out = put(out, second % 60, 2, '.');
	*put(out, ts->tv_nsec, 9, 'Z') = '\0';
}

void hoy_time_now(char out[HOY_TIME_MAX])
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	hoy_time_format(&ts, out);
}

/* A number of exactly `digits` digits up to `most`, and behind it a character of `ends`. */
static bool take(const char **str, int digits, int most, const char *ends, int *ret)
{
	const char *p = *str;

	for (*ret = 0; digits; digits--, p++) {
		if (!isdigit((unsigned char) *p))
			return false;
		*ret = *ret * 10 + *p - '0';
	}
	if (*ends) {
		while (*ends && *ends != *p)
			ends++;
		if (!*ends)
			return false;
		p++;
	}
	*str = p;
	return *ret <= most;
}

static int take_offset(const char *str, time_t *ret)
{
	const char sign = *str;
	int hour, minute;

	*ret = 0;
	if ((sign == 'Z' || sign == 'z') && !str[1])
		return 0;
	if (sign != '+' && sign != '-')
		return -EINVAL;
	str++;
	if (!take(&str, 2, 23, ":", &hour) || !take(&str, 2, 59, "", &minute) || *str)
		return -EINVAL;
	*ret = (sign == '-' ? -60 : 60) * (time_t) (hour * 60 + minute);
	return 0;
}

int hoy_time_parse(const char *str, struct timespec *ret)
{
	int year, month, day, hour, minute, second;
	long nsec = 0, scale = 100000000;
	time_t offset;

	if (!take(&str, 4, 9999, "-", &year) || !take(&str, 2, 12, "-", &month) || !take(&str, 2, 31, "Tt ", &day) ||
		!take(&str, 2, 23, ":", &hour) || !take(&str, 2, 59, ":", &minute) || !take(&str, 2, 60, "", &second))
		return -EINVAL;
	if (year < 1 || month < 1 || day < 1 || day > month_begin(year, month + 1) - month_begin(year, month))
		return -EINVAL;
	if (*str == '.') {
		if (!isdigit((unsigned char) *++str))
			return -EINVAL;
		for (; isdigit((unsigned char) *str); str++, scale /= 10)
			nsec += (*str - '0') * scale;
	}
	if (take_offset(str, &offset) < 0)
		return -EINVAL;
	ret->tv_sec = (year_begin(year) + month_begin(year, month) + day - 1) * DAY + hour * 3600 + minute * 60 +
		      second - offset;
	ret->tv_nsec = nsec;
	return 0;
}
