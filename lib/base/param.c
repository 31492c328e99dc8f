/*
 * param.c - parse "m=32,ef_construction=200" against a table
 *
 * One pass over the text, a linear look-up in a table of a few rows. Takes no memory: the value of a text is its place.
 */
#include "param.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

typedef struct param_slice {
    const char *text;
    size_t size;
} param_slice;

static bool param_is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

static param_slice param_trim(const char *begin, const char *end)
{
    while (begin < end && param_is_blank(*begin))
        begin++;
    while (end > begin && param_is_blank(end[-1]))
        end--;
    return (param_slice){begin, (size_t)(end - begin)};
}

static bool param_equal(param_slice s, const char *name)
{
    return name != NULL && strlen(name) == s.size && memcmp(name, s.text, s.size) == 0;
}

/* For messages: as much of a slice as a line has room for. */
static int param_shown(param_slice s) { return s.size < 100 ? (int)s.size : 100; }

static vss_status param_unknown(const char *what, const vssi_param *table, size_t n_params, bool search,
                                param_slice name, vss_error *err)
{
    char known[300] = "";
    size_t length = 0;
    for (size_t i = 0; i < n_params && length < sizeof known; i++)
        if (table[i].search == search) {
            int written = snprintf(known + length, sizeof known - length, "%s%s", length != 0 ? ", " : "",
                                   table[i].name);
            length += written > 0 ? (size_t)written : 0;
        }
    if (length == 0)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: no parameter \"%.*s\"; there are none", what, param_shown(name),
                         name.text);
    return vssi_fail(err, VSS_ERR_INVALID, "%s: no parameter \"%.*s\"; there are %s", what, param_shown(name),
                     name.text, known);
}

/* Decimal digits to a number; a number past uint64 is passed as its maximum, which *huge tells. False: not digits. */
static bool param_number(param_slice s, uint64_t *value, bool *huge)
{
    *value = 0;
    *huge = false;
    if (s.size == 0)
        return false;
    for (size_t i = 0; i < s.size; i++) {
        if (s.text[i] < '0' || s.text[i] > '9')
            return false;
        if (__builtin_mul_overflow(*value, (uint64_t)10, value) ||
            __builtin_add_overflow(*value, (uint64_t)(s.text[i] - '0'), value))
            *huge = true;
    }
    return true;
}

/* A value that has a name. */
static vss_status param_named(const char *what, const vssi_param *param, param_slice s, uint64_t *value, vss_error *err)
{
    char known[200] = "";
    size_t length = 0;
    for (uint64_t i = param->min; i <= param->max; i++) {
        if (param_equal(s, param->names[i])) {
            *value = i;
            return VSS_OK;
        }
        int written = snprintf(known + length, sizeof known - length, "%s%s", length != 0 ? ", " : "", param->names[i]);
        length = written > 0 && length + (size_t)written < sizeof known ? length + (size_t)written : length;
    }
    return vssi_fail(err, VSS_ERR_INVALID, "%s: parameter \"%s\" is \"%.*s\", must be one of %s", what, param->name,
                     param_shown(s), s.text, known);
}

static vss_status param_value(const char *what, const vssi_param *param, param_slice s, uint64_t *value, vss_error *err)
{
    uint64_t number;
    bool huge;
    if (param->names != NULL)
        return param_named(what, param, s, value, err);
    if (!param_number(s, &number, &huge))
        return vssi_fail(err, VSS_ERR_INVALID, "%s: parameter \"%s\" is \"%.*s\", must be a whole number, %llu to %llu",
                         what, param->name, param_shown(s), s.text, (unsigned long long)param->min,
                         (unsigned long long)param->max);
    if (huge || number < param->min || number > param->max)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: parameter \"%s\" is %.*s, must be %llu to %llu", what, param->name,
                         param_shown(s), s.text, (unsigned long long)param->min, (unsigned long long)param->max);
    *value = number;
    return VSS_OK;
}

/* Where an item ends: at the comma or the end. */
static const char *param_stop(const char *at, const char *end)
{
    const char *comma = memchr(at, ',', (size_t)(end - at));
    return comma != NULL ? comma : end;
}

/* A text that begins at `at`; *stop moves on over the items that belong to it. */
static vss_status param_text(const char *what, const vssi_param *param, const char *whole, const char *at,
                             const char **stop, const char *end, uint64_t *value, vss_error *err)
{
    while (*stop < end) {
        const char *next = param_stop(*stop + 1, end);
        if (memchr(*stop + 1, '=', (size_t)(next - *stop - 1)) != NULL)
            break;
        *stop = next;
    }
    param_slice s = param_trim(at, *stop);
    if (s.size == 0 || s.size > VSSI_PARAM_TEXT_MAX)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: parameter \"%s\" has %zu bytes, must have 1 to %u", what,
                         param->name, s.size, VSSI_PARAM_TEXT_MAX);
    *value = vssi_param_text_value((size_t)(s.text - whole), s.size);
    return VSS_OK;
}

/* One "name=value" of the whole text, from `at` to *stop. seen has bit i where parameter i was given before. */
static vss_status param_item(const char *what, const vssi_param *table, size_t n_params, bool search, const char *whole,
                             const char *at, const char **stop, uint64_t *values, uint64_t *seen, vss_error *err)
{
    const param_slice item = param_trim(at, *stop);
    const char *equals = item.size != 0 ? memchr(item.text, '=', item.size) : NULL;
    if (equals == NULL)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: expected name=value, got \"%.*s\"", what, param_shown(item),
                         item.text);
    param_slice name = param_trim(item.text, equals);
    param_slice value = param_trim(equals + 1, item.text + item.size);
    size_t i = 0;
    while (i < n_params && (table[i].search != search ||
                            !(param_equal(name, table[i].name) || param_equal(name, table[i].alias))))
        i++;
    if (i == n_params)
        return param_unknown(what, table, n_params, search, name, err);
    if ((*seen >> i & 1) != 0)
        return vssi_fail(err, VSS_ERR_INVALID, "%s: parameter \"%s\" is given twice", what, table[i].name);
    *seen |= (uint64_t)1 << i;
    if (table[i].text)
        return param_text(what, &table[i], whole, equals + 1, stop, *stop + strlen(*stop), &values[i], err);
    return param_value(what, &table[i], value, &values[i], err);
}

vss_status vssi_param_parse(const char *what, const vssi_param *table, size_t n_params, bool search, const char *text,
                            uint64_t *values, vss_error *err)
{
    assert(n_params <= 64);
    for (size_t i = 0; i < n_params; i++)
        values[i] = table[i].default_value;
    if (text == NULL)
        return VSS_OK;
    const char *end = text + strlen(text);
    if (param_trim(text, end).size == 0)
        return VSS_OK;
    uint64_t seen = 0;
    for (const char *at = text;;) {
        const char *stop = param_stop(at, end);
        VSSI_TRY(param_item(what, table, n_params, search, text, at, &stop, values, &seen, err));
        if (stop == end)
            return VSS_OK;
        at = stop + 1;
    }
}
