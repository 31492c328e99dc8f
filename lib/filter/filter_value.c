/*
 * filter_value.c - numbers of any type as keys, literals among them, and exact comparisons
 *
 * Nothing is rounded on the way: an int64 and a double are compared by value. One exception is Milvus' and NumPy's: a
 * literal with a fraction or an exponent is rounded to float32 before it is compared with a float32 field, so that
 * `score == 0.1` finds the rows into which 0.1 was put. NaN in a column compares as IEEE 754 says: only != holds.
 */
#include <float.h>
#include <math.h>

#include "filter_stages.h"

#define FILTER_TWO_63 9223372036854775808.0

static int64_t filter_value_key64(double v)
{
    int64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return vssi_filter_key64(bits);
}

static int64_t filter_value_key32(float v)
{
    int32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return vssi_filter_key32(bits);
}

/* The keys that values of the type have; NaN has others. */
static void filter_value_domain(vss_type type, int64_t *min, int64_t *max)
{
    switch (type) {
    case VSS_TYPE_BOOL: *min = 0, *max = 1; break;
    case VSS_TYPE_INT8: *min = INT8_MIN, *max = INT8_MAX; break;
    case VSS_TYPE_INT16: *min = INT16_MIN, *max = INT16_MAX; break;
    case VSS_TYPE_INT32: *min = INT32_MIN, *max = INT32_MAX; break;
    case VSS_TYPE_FLOAT32: *min = filter_value_key32(-INFINITY), *max = filter_value_key32(INFINITY); break;
    case VSS_TYPE_FLOAT64: *min = filter_value_key64(-INFINITY), *max = filter_value_key64(INFINITY); break;
    default: *min = INT64_MIN, *max = INT64_MAX; break;
    }
}

/* ---- literals among keys ---- */

static vssi_filter_point filter_value_int_of_int(vss_type type, int64_t v)
{
    int64_t min, max;
    filter_value_domain(type, &min, &max);
    if (v < min)
        return (vssi_filter_point){.below = true};
    return v > max ? (vssi_filter_point){.floor = max} : (vssi_filter_point){.exact = true, .floor = v};
}

static vssi_filter_point filter_value_int_of_real(vss_type type, double v)
{
    double whole = floor(v);
    if (whole >= FILTER_TWO_63) {
        vssi_filter_point last = filter_value_int_of_int(type, INT64_MAX);
        last.exact = false;
        return last;
    }
    if (whole < -FILTER_TWO_63)
        return (vssi_filter_point){.below = true};
    vssi_filter_point point = filter_value_int_of_int(type, (int64_t)whole);
    point.exact = point.exact && whole == v;
    return point;
}

/* `key` is that of the float nearest to the literal, outcome how the literal stands to that float. */
static vssi_filter_point filter_value_near(int64_t key, int outcome)
{
    return (vssi_filter_point){.exact = outcome == VSSI_EQUAL, .floor = outcome == VSSI_LESS ? key - 1 : key};
}

static vssi_filter_point filter_value_float_of_real(double v)
{
    if (v > (double)FLT_MAX)
        return (vssi_filter_point){.floor = filter_value_key32(FLT_MAX)};
    if (v < -(double)FLT_MAX)
        return (vssi_filter_point){.floor = filter_value_key32(-INFINITY)};
    return (vssi_filter_point){.exact = true, .floor = filter_value_key32((float)v)};
}

bool vssi_filter_point_of(vss_type type, const vssi_filter_literal *literal, vssi_filter_point *out)
{
    bool whole = literal->kind == VSSI_LITERAL_INT;
    if (type == VSS_TYPE_BOOL) {
        bool is_truth = literal->kind == VSSI_LITERAL_BOOL;
        *out = (vssi_filter_point){.exact = is_truth, .floor = is_truth && literal->truth};
        return is_truth;
    }
    if (literal->kind == VSSI_LITERAL_TIME && type == VSS_TYPE_TIMESTAMP)
        whole = true;
    else if (!whole && literal->kind != VSSI_LITERAL_FLOAT)
        return false;
    switch (type) {
    case VSS_TYPE_INT8:
    case VSS_TYPE_INT16:
    case VSS_TYPE_INT32:
    case VSS_TYPE_INT64:
    case VSS_TYPE_TIMESTAMP:
        *out = whole ? filter_value_int_of_int(type, literal->number) : filter_value_int_of_real(type, literal->real);
        return true;
    case VSS_TYPE_FLOAT32: {
        float near = (float)literal->number;
        *out = whole ? filter_value_near(filter_value_key32(near), vssi_filter_order_mixed(literal->number, near))
                     : filter_value_float_of_real(literal->real);
        return true;
    }
    case VSS_TYPE_FLOAT64: {
        double near = (double)literal->number;
        *out = whole ? filter_value_near(filter_value_key64(near), vssi_filter_order_mixed(literal->number, near))
                     : filter_value_near(filter_value_key64(literal->real), VSSI_EQUAL);
        return true;
    }
    default: return false;
    }
}

void vssi_filter_range(vss_type type, vssi_filter_op op, vssi_filter_point point, int64_t *lo, int64_t *hi)
{
    int64_t min, max;
    filter_value_domain(type, &min, &max);
    *lo = min;
    *hi = max;
    bool none = false;
    if (op == VSSI_OP_EQ) {
        *lo = *hi = point.floor;
        none = !point.exact || point.below;
    } else if (op == VSSI_OP_LT && point.exact) {
        none = point.floor == min;
        *hi = none ? min : point.floor - 1;
    } else if (op == VSSI_OP_LT || op == VSSI_OP_LE) {
        none = point.below;
        *hi = point.floor;
    } else if (op == VSSI_OP_GE && point.exact) {
        *lo = point.floor;
    } else if (!point.below) {
        none = point.floor == max;
        *lo = none ? max : point.floor + 1;
    }
    if (none) {
        *lo = 1;
        *hi = 0;
    }
}

/* ---- order ---- */

static int filter_value_order_int(int64_t a, int64_t b)
{
    return a < b ? VSSI_LESS : a > b ? VSSI_GREATER : VSSI_EQUAL;
}

int vssi_filter_order_real(double a, double b)
{
    if (isnan(a) || isnan(b))
        return VSSI_UNORDERED;
    return a < b ? VSSI_LESS : a > b ? VSSI_GREATER : VSSI_EQUAL;
}

int vssi_filter_order_mixed(int64_t a, double b)
{
    if (isnan(b))
        return VSSI_UNORDERED;
    if (b >= FILTER_TWO_63)
        return VSSI_LESS;
    if (b < -FILTER_TWO_63)
        return VSSI_GREATER;
    int64_t whole = (int64_t)b;
    if (a != whole)
        return a < whole ? VSSI_LESS : VSSI_GREATER;
    return vssi_filter_order_real(0, b - (double)whole);
}

int vssi_filter_order_text(vssi_filter_text a, vssi_filter_text b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order < 0 ? VSSI_LESS : VSSI_GREATER;
    return a.size < b.size ? VSSI_LESS : a.size > b.size ? VSSI_GREATER : VSSI_EQUAL;
}

bool vssi_filter_order_literals(const vssi_filter_literal *a, const vssi_filter_literal *b, int *outcome)
{
    static const int flipped[] = {VSSI_GREATER, VSSI_EQUAL, VSSI_LESS, VSSI_UNORDERED};
    if (a->kind == VSSI_LITERAL_INT && b->kind == VSSI_LITERAL_FLOAT)
        *outcome = vssi_filter_order_mixed(a->number, b->real);
    else if (a->kind == VSSI_LITERAL_FLOAT && b->kind == VSSI_LITERAL_INT)
        *outcome = flipped[vssi_filter_order_mixed(b->number, a->real)];
    else if (a->kind != b->kind)
        return false;
    else if (a->kind == VSSI_LITERAL_BOOL)
        *outcome = filter_value_order_int(a->truth, b->truth);
    else if (a->kind == VSSI_LITERAL_FLOAT)
        *outcome = vssi_filter_order_real(a->real, b->real);
    else if (a->kind == VSSI_LITERAL_STRING)
        *outcome = vssi_filter_order_text(a->text, b->text);
    else
        *outcome = filter_value_order_int(a->number, b->number);
    return true;
}

/* ---- columns as keys ---- */

#define FILTER_KEYS(T, KEY)                                              \
    do {                                                                 \
        for (size_t i = 0; i < n; i++) {                                 \
            T value;                                                     \
            memcpy(&value, data + (first + i) * sizeof value, sizeof value); \
            keys[i] = KEY(value);                                        \
        }                                                                \
    } while (0)

void vssi_filter_keys(const vss_column *view, size_t first, size_t n, int64_t *keys)
{
    const uint8_t *data = view->data;
    switch (view->type) {
    case VSS_TYPE_BOOL:
        for (size_t i = 0; i < n; i++)
            keys[i] = vssi_bit(data, first + i);
        break;
    case VSS_TYPE_INT8: FILTER_KEYS(int8_t, ); break;
    case VSS_TYPE_INT16: FILTER_KEYS(int16_t, ); break;
    case VSS_TYPE_INT32: FILTER_KEYS(int32_t, ); break;
    case VSS_TYPE_FLOAT32: FILTER_KEYS(int32_t, vssi_filter_key32); break;
    case VSS_TYPE_FLOAT64: FILTER_KEYS(int64_t, vssi_filter_key64); break;
    default: FILTER_KEYS(int64_t, ); break;
    }
}
