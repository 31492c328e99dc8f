/*
 * text.c - UTF-8, names and times
 *
 * Nothing here depends on the locale. Dates are proleptic Gregorian; the conversion between days and dates counts in
 * eras of 400 years that begin in March, so that the leap day is the last of its year.
 */
#include "text.h"

#include <stdio.h>
#include <string.h>

#include "bytes.h"

#define TEXT_SECOND INT64_C(1000000)
#define TEXT_DAY (86400 * TEXT_SECOND)

/* Bytes of the sequence at p[0 .. size), 0 where there is none: overlong, a surrogate, past U+10FFFF, cut short. */
static size_t text_sequence(const uint8_t *p, size_t size)
{
    size_t length = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (length < 2 || length > size)
        return length <= size ? length : 0;
    /* Only the second byte's range depends on the first. */
    uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool vssi_utf8_valid(const char *text, size_t size)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t at = 0; at < size;) {
        if (size - at >= 8 && (vssi_load64(p + at) & UINT64_C(0x8080808080808080)) == 0) {
            at += 8;
            continue;
        }
        size_t length = text_sequence(p + at, size - at);
        if (length == 0)
            return false;
        at += length;
    }
    return true;
}

static bool text_is_digit(char c) { return c >= '0' && c <= '9'; }
static bool text_is_lower(char c) { return c >= 'a' && c <= 'z'; }
static bool text_is_upper(char c) { return c >= 'A' && c <= 'Z'; }

bool vssi_field_name_valid(const char *name)
{
    size_t i = 0;
    for (; name[i] != '\0' && i < 256; i++)
        if (!(text_is_lower(name[i]) || text_is_upper(name[i]) || name[i] == '_' || (i > 0 && text_is_digit(name[i]))))
            return false;
    return i >= 1 && i <= 255;
}

bool vssi_collection_name_valid(const char *name)
{
    size_t i = 0;
    for (; name[i] != '\0' && i < 64; i++)
        if (!(text_is_lower(name[i]) || text_is_digit(name[i]) || (i > 0 && (name[i] == '_' || name[i] == '-'))))
            return false;
    return i >= 1 && i <= 63;
}

bool vssi_object_name_valid(const char *name)
{
    size_t i = 0;
    bool part_begins = true;
    for (; name[i] != '\0' && i < 513; i++) {
        char c = name[i];
        if (part_begins && (c == '/' || c == '.'))
            return false;
        if (!(text_is_lower(c) || text_is_digit(c) || c == '.' || c == '_' || c == '-' || c == '/'))
            return false;
        part_begins = c == '/';
    }
    return i <= 512 && !part_begins;
}

/* Days since 1970-01-01. */
static int64_t text_days_from_date(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static void text_date_from_days(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted = (5 * day_of_year + 2) / 153;
    *day = day_of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = year_of_era + era * 400 + (*month <= 2);
}

typedef struct text_cursor {
    const char *text;
    size_t size;
    size_t at;
} text_cursor;

static bool text_accept(text_cursor *c, char wanted)
{
    if (c->at == c->size || c->text[c->at] != wanted)
        return false;
    c->at++;
    return true;
}

/* Exactly `digits` decimal digits, the number low to high. */
static bool text_number(text_cursor *c, size_t digits, int64_t low, int64_t high, int64_t *value)
{
    if (c->size - c->at < digits)
        return false;
    *value = 0;
    for (size_t i = 0; i < digits; i++) {
        char d = c->text[c->at++];
        if (!text_is_digit(d))
            return false;
        *value = *value * 10 + (d - '0');
    }
    return *value >= low && *value <= high;
}

static bool text_date(text_cursor *c, int64_t *days)
{
    static const uint8_t lengths[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!text_number(c, 4, 1, 9999, &year) || !text_accept(c, '-') || !text_number(c, 2, 1, 12, &month) ||
        !text_accept(c, '-') || !text_number(c, 2, 1, 31, &day))
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > lengths[month - 1] + (month == 2 && leap))
        return false;
    *days = text_days_from_date(year, month, day);
    return true;
}

/* ".789": one to nine digits; what is finer than a microsecond is cut off. */
static bool text_fraction(text_cursor *c, int64_t *micros)
{
    size_t digits = 0;
    *micros = 0;
    for (; c->at < c->size && text_is_digit(c->text[c->at]); c->at++, digits++)
        if (digits < 6)
            *micros = *micros * 10 + (c->text[c->at] - '0');
    for (size_t i = digits; i < 6; i++)
        *micros *= 10;
    return digits >= 1 && digits <= 9;
}

/* "12:34", "12:34:56", "12:34:56.789" since midnight. */
static bool text_clock(text_cursor *c, int64_t *micros)
{
    int64_t hour, minute, second = 0, fraction = 0;
    if (!text_number(c, 2, 0, 23, &hour) || !text_accept(c, ':') || !text_number(c, 2, 0, 59, &minute))
        return false;
    if (text_accept(c, ':')) {
        if (!text_number(c, 2, 0, 59, &second))
            return false;
        if (text_accept(c, '.') && !text_fraction(c, &fraction))
            return false;
    }
    *micros = ((hour * 60 + minute) * 60 + second) * TEXT_SECOND + fraction;
    return true;
}

/* "", "Z", "+01:00": what the clock is ahead of UTC. */
static bool text_zone(text_cursor *c, int64_t *micros)
{
    *micros = 0;
    if (c->at == c->size || text_accept(c, 'Z'))
        return true;
    bool west = text_accept(c, '-');
    int64_t hours, minutes;
    if ((!west && !text_accept(c, '+')) || !text_number(c, 2, 0, 23, &hours) || !text_accept(c, ':') ||
        !text_number(c, 2, 0, 59, &minutes))
        return false;
    *micros = (hours * 60 + minutes) * 60 * TEXT_SECOND;
    if (west)
        *micros = -*micros;
    return true;
}

bool vssi_time_parse(const char *text, size_t size, int64_t *micros)
{
    text_cursor c = {text, size, 0};
    int64_t days, clock = 0, zone = 0;
    if (!text_date(&c, &days))
        return false;
    if ((text_accept(&c, 'T') || text_accept(&c, ' ')) && !(text_clock(&c, &clock) && text_zone(&c, &zone)))
        return false;
    if (c.at != c.size)
        return false;
    int64_t time = days * TEXT_DAY + clock - zone;
    /* A zone can carry the first and the last day out of the years that have four digits. */
    if (time < text_days_from_date(1, 1, 1) * TEXT_DAY || time >= text_days_from_date(10000, 1, 1) * TEXT_DAY)
        return false;
    *micros = time;
    return true;
}

void vssi_time_format(int64_t micros, char *out)
{
    int64_t days = micros / TEXT_DAY;
    int64_t rest = micros % TEXT_DAY;
    if (rest < 0) {
        rest += TEXT_DAY;
        days--;
    }
    int64_t year, month, day;
    text_date_from_days(days, &year, &month, &day);
    int64_t seconds = rest / TEXT_SECOND;
    /* Years without four digits are written as ISO 8601's expanded ones, six digits with a sign. */
    const char *format = year >= 1 && year <= 9999 ? "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ"
                                                   : "%+07d-%02d-%02dT%02d:%02d:%02d.%06dZ";
    (void)snprintf(out, 32, format, (int)year, (int)month, (int)day, (int)(seconds / 3600), (int)(seconds / 60 % 60),
                   (int)(seconds % 60), (int)(rest % TEXT_SECOND));
}
