/*
 * iso8601.c - ISO 8601 times, years 0001 to 9999 in, every int64 out
 *
 * Days are counted by the proleptic Gregorian calendar in years that begin in March, so that the leap day comes last.
 */
#include "iso8601.h"

#include <stdio.h>

#define TIME_SECOND INT64_C(1000000)
#define TIME_DAY (86400 * TIME_SECOND)

static int64_t time_days(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t era = (y >= 0 ? y : y - 399) / 400, in_era = y - era * 400;
    int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719468;
}

static void time_civil(int64_t days, int64_t *year, int *month, int *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097, in_era = z - era * 146097;
    int64_t y = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * y + y / 4 - y / 100), m = (5 * in_year + 2) / 153;
    *day = (int)(in_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = y + era * 400 + (*month <= 2);
}

/* Exactly count digits. */
static bool time_digits(const char **p, int count, int64_t *value)
{
    *value = 0;
    for (int i = 0; i < count; i++, ++*p) {
        if (**p < '0' || **p > '9')
            return false;
        *value = *value * 10 + (**p - '0');
    }
    return true;
}

static bool time_take(const char **p, char c) { return **p == c && ++*p; }

static bool time_parse_date(const char **p, int64_t *days)
{
    static const int64_t lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!time_digits(p, 4, &year) || !time_take(p, '-') || !time_digits(p, 2, &month) || !time_take(p, '-') ||
        !time_digits(p, 2, &day) || year < 1 || month < 1 || month > 12)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day < 1 || day > lengths[month - 1] + (leap && month == 2))
        return false;
    *days = time_days(year, month, day);
    return true;
}

static bool time_parse_clock(const char **p, int64_t *micros)
{
    int64_t hour, minute, second = 0, fraction = 0;
    if (!time_digits(p, 2, &hour) || !time_take(p, ':') || !time_digits(p, 2, &minute))
        return false;
    if (time_take(p, ':') && !time_digits(p, 2, &second))
        return false;
    if (hour > 23 || minute > 59 || second > 59)
        return false;
    if (time_take(p, '.')) {
        if (**p < '0' || **p > '9')
            return false;
        int64_t unit = TIME_SECOND / 10;
        for (; **p >= '0' && **p <= '9'; ++*p, unit /= 10)
            fraction += unit * (**p - '0');
    }
    *micros = (hour * 3600 + minute * 60 + second) * TIME_SECOND + fraction;
    return true;
}

static bool time_parse_zone(const char **p, int64_t *micros)
{
    int64_t hour, minute, sign = **p == '-' ? -1 : 1;
    *micros = 0;
    if (!**p || time_take(p, 'Z'))
        return true;
    if (!time_take(p, '+') && !time_take(p, '-'))
        return false;
    if (!time_digits(p, 2, &hour))
        return false;
    time_take(p, ':');
    if (!time_digits(p, 2, &minute) || hour > 23 || minute > 59)
        return false;
    *micros = sign * (hour * 3600 + minute * 60) * TIME_SECOND;
    return true;
}

bool cli_time_parse(const char *text, int64_t *micros)
{
    const char *p = text;
    int64_t days, clock = 0, zone = 0;
    if (!time_parse_date(&p, &days))
        return false;
    if (time_take(&p, 'T') || time_take(&p, ' ')) {
        if (!time_parse_clock(&p, &clock) || !time_parse_zone(&p, &zone))
            return false;
    }
    *micros = days * TIME_DAY + clock - zone;
    return *p == 0;
}

const char *cli_time_format(int64_t micros, char *out)
{
    int64_t days = micros / TIME_DAY, rest = micros % TIME_DAY, year;
    int month, day;
    if (rest < 0) {
        rest += TIME_DAY;
        days--;
    }
    time_civil(days, &year, &month, &day);
    int64_t second = rest / TIME_SECOND;
    snprintf(out, CLI_TIME_SIZE, "%04lld-%02d-%02dT%02d:%02d:%02d.%06dZ", (long long)year, month, day,
             (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60), (int)(rest % TIME_SECOND));
    return out;
}
