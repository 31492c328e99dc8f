/*
 * filter_number.c - a number of a filter text, without its sign
 *
 * Integers are decimal, hexadecimal (0x), octal (0 in front) or binary (0b); reals decimal, or hexadecimal with a
 * binary exponent. An integer past 64 bits becomes a real. strtod reads the decimal point of the host's locale, so it
 * is handed whole digits and an exponent, "1.25" as "125e-2": correctly rounded and the same everywhere.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "filter_stages.h"

#define FILTER_EXPONENT_MAX 100000000 /* past any that matters for a text of 1 MiB */

/* What a number's text is made of. */
typedef struct filter_parts {
    unsigned base;
    bool point, exponent; /* written? */
    bool overflow;        /* the digits don't fit 64 bits */
    size_t digits;        /* written, all of them */
    uint64_t value;       /* of the digits as an integer */
    long scale;           /* power of ten, or of two for base 16 */
    char *copy;           /* the digits as strtod takes them */
    size_t n;             /* bytes of copy */
} filter_parts;

static unsigned filter_number_digit(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (unsigned)(c - 'a') + 10;
    return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 99;
}

static void filter_number_add(filter_parts *p, char c, unsigned digit)
{
    uint64_t value;
    p->overflow = p->overflow || __builtin_mul_overflow(p->value, (uint64_t)p->base, &value) ||
                  __builtin_add_overflow(value, (uint64_t)digit, &value);
    if (!p->overflow)
        p->value = value;
    p->copy[p->n++] = c;
    p->digits++;
    if (p->point)
        p->scale -= p->base == 16 ? 4 : 1;
}

/* The exponent behind its letter: text[size]. */
static bool filter_number_exponent(filter_parts *p, const char *text, size_t size)
{
    bool minus = size > 0 && text[0] == '-';
    size_t i = size > 0 && (text[0] == '-' || text[0] == '+');
    long value = 0;
    if (i == size)
        return false;
    for (; i < size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value < FILTER_EXPONENT_MAX ? value * 10 + (text[i] - '0') : value;
    }
    p->exponent = true;
    p->scale += minus ? -value : value;
    return true;
}

static bool filter_number_scan(filter_parts *p, const char *text, size_t size)
{
    char letter = p->base == 16 ? 'p' : 'e';
    for (size_t i = 0; i < size; i++) {
        unsigned digit = filter_number_digit(text[i]);
        if (digit < p->base)
            filter_number_add(p, text[i], digit);
        else if (text[i] == '.' && !p->point && p->base >= 10)
            p->point = true;
        else if ((text[i] | 0x20) == letter && p->base >= 10 && p->digits > 0)
            return filter_number_exponent(p, text + i + 1, size - i - 1);
        else
            return false;
    }
    return p->digits > 0 && (p->base == 10 || !p->point);
}

static unsigned filter_number_base(const char *text, size_t size, size_t *skip)
{
    char mark = size > 1 && text[0] == '0' ? (char)(text[1] | 0x20) : 0;
    *skip = mark == 'x' || mark == 'b' ? 2 : 0;
    if (*skip > 0)
        return mark == 'x' ? 16 : 2;
    if (size < 2 || text[0] != '0')
        return 10;
    for (size_t i = 1; i < size; i++)
        if (text[i] == '.' || (text[i] | 0x20) == 'e')
            return 10;
    return 8;
}

vss_status vssi_filter_number_parse(vssi_filter_job *job, size_t at, size_t size, vssi_filter_number *out)
{
    const char *text = job->text + at;
    char shown[VSSI_FILTER_SHOWN];
    filter_parts p = {0};
    size_t skip;
    p.base = filter_number_base(text, size, &skip);
    VSSI_TRY(vssi_filter_arena_alloc(&job->scratch, size + 32, 1, &p.copy, job->err));
    if (p.base == 16) {
        memcpy(p.copy, "0x", 2);
        p.n = 2;
    }
    if (!filter_number_scan(&p, text + skip, size - skip))
        return vssi_filter_fail(job, at, "\"%s\" is not a number", vssi_filter_show(shown, text, size));
    *out = (vssi_filter_number){.integer = !p.point && !p.exponent && !p.overflow, .magnitude = p.value};
    if (out->integer) {
        out->real = (double)p.value;
        return VSS_OK;
    }
    snprintf(p.copy + p.n, 24, "%c%ld", p.base == 16 ? 'p' : 'e', p.scale);
    out->real = p.base >= 10 ? strtod(p.copy, NULL) : HUGE_VAL;
    if (!isfinite(out->real))
        return vssi_filter_fail(job, at, "the number \"%s\" is too large", vssi_filter_show(shown, text, size));
    return VSS_OK;
}
