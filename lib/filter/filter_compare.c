/*
 * filter_compare.c - the leaves of a plan, 64 rows at a time
 *
 * Each test yields a word of hits; nulls are masked out behind it. Words without a row still in question are skipped,
 * and tests on texts and arrays look only at rows that are in question. The loops over numbers have no branch and
 * compile to vector code: compare into bytes, then gather the bytes' low bits by one multiplication.
 */
#include "filter_stages.h"

/* Bytes of 0 or 1 as bits. */
static uint64_t filter_compare_pack(const uint8_t hits[64])
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t bytes;
        memcpy(&bytes, hits + i * 8, 8);
        word |= ((bytes * 0x0102040810204080u) >> 56) << (i * 8);
    }
    return word;
}

/* Up to 64 bits from a byte-wise bitmap; first is a multiple of 64. */
static uint64_t filter_compare_bits(const uint8_t *bits, size_t first, size_t n)
{
    uint64_t word = 0;
    memcpy(&word, bits + first / 8, n / 8 + (n % 8 != 0));
    return word;
}

static uint64_t filter_compare_known(const vss_column *view, size_t first, size_t n)
{
    return view->validity == NULL ? ~(uint64_t)0 : filter_compare_bits(view->validity, first, n);
}

static vssi_filter_text filter_compare_text(const vss_column *view, size_t row)
{
    size_t size = (size_t)(view->offsets[row + 1] - view->offsets[row]);
    return (vssi_filter_text){size > 0 ? (const char *)view->data + view->offsets[row] : "", size};
}

/* ---- ranges ---- */

#define FILTER_RANGE(name, T, KEY)                                                              \
    static uint64_t name(const vss_column *view, size_t first, size_t n, int64_t from, int64_t to) \
    {                                                                                           \
        uint8_t hits[64] = {0};                                                                 \
        const uint8_t *data = (const uint8_t *)view->data + first * sizeof(T);                  \
        T lo = (T)from, hi = (T)to;                                                             \
        for (size_t i = 0; i < n; i++) {                                                        \
            T value;                                                                            \
            memcpy(&value, data + i * sizeof value, sizeof value);                              \
            value = (T)KEY(value);                                                              \
            hits[i] = (uint8_t)((value >= lo) & (value <= hi));                                 \
        }                                                                                       \
        return filter_compare_pack(hits);                                                       \
    }

FILTER_RANGE(filter_compare_int8, int8_t, )
FILTER_RANGE(filter_compare_int16, int16_t, )
FILTER_RANGE(filter_compare_int32, int32_t, )
FILTER_RANGE(filter_compare_int64, int64_t, )
FILTER_RANGE(filter_compare_float32, int32_t, vssi_filter_key32)
FILTER_RANGE(filter_compare_float64, int64_t, vssi_filter_key64)

static uint64_t filter_compare_range(const vssi_filter_plan *leaf, const vss_column *view, size_t first, size_t n)
{
    int64_t lo = leaf->range.lo, hi = leaf->range.hi;
    switch (leaf->type) {
    case VSS_TYPE_INT8: return filter_compare_int8(view, first, n, lo, hi);
    case VSS_TYPE_INT16: return filter_compare_int16(view, first, n, lo, hi);
    case VSS_TYPE_INT32: return filter_compare_int32(view, first, n, lo, hi);
    case VSS_TYPE_FLOAT32: return filter_compare_float32(view, first, n, lo, hi);
    case VSS_TYPE_FLOAT64: return filter_compare_float64(view, first, n, lo, hi);
    default: return filter_compare_int64(view, first, n, lo, hi);
    }
}

static uint64_t filter_compare_truth(const vssi_filter_plan *leaf, const vss_column *view, size_t first, size_t n)
{
    uint64_t bits = filter_compare_bits(view->data, first, n);
    return (leaf->truth.on_true ? bits : 0) | (leaf->truth.on_false ? ~bits : 0);
}

/* ---- sets ---- */

static uint64_t filter_compare_in(const vssi_filter_plan *leaf, const vss_column *view, size_t first, size_t n,
                                  uint64_t wanted)
{
    const vssi_filter_set *set = leaf->member.set;
    int64_t keys[64];
    uint64_t hits = 0;
    bool text = leaf->type == VSS_TYPE_STRING;
    if (!text)
        vssi_filter_keys(view, first, n, keys);
    for (; wanted != 0; wanted &= wanted - 1) {
        unsigned i = (unsigned)__builtin_ctzll(wanted);
        size_t at = text ? vssi_filter_set_text(set, filter_compare_text(view, first + i))
                         : vssi_filter_set_key(set, keys[i]);
        hits |= (uint64_t)(at != SIZE_MAX) << i;
    }
    return hits;
}

static size_t filter_compare_element(const vssi_filter_plan *leaf, const vss_column *elements, size_t i)
{
    if (leaf->type == VSS_TYPE_STRING)
        return vssi_filter_set_text(leaf->member.set, filter_compare_text(elements, i));
    int64_t key;
    vssi_filter_keys(elements, i, 1, &key);
    return vssi_filter_set_key(leaf->member.set, key);
}

/* Whether elements [begin, end) hold one of the set, or each of it. */
static bool filter_compare_elements(const vssi_filter_plan *leaf, const vss_column *elements, size_t begin, size_t end)
{
    bool all = leaf->member.all;
    size_t left = leaf->member.set->n;
    if (all && (leaf->member.impossible || left > VSSI_FILTER_ARRAY_MAX || left > end - begin))
        return false;
    uint64_t seen[VSSI_FILTER_ARRAY_MAX / 64];
    if (all)
        memset(seen, 0, vssi_bitmap_words(left) * sizeof *seen);
    for (size_t i = begin; i < end && left > 0; i++) {
        size_t at = filter_compare_element(leaf, elements, i);
        if (at == SIZE_MAX)
            continue;
        if (!all)
            return true;
        left -= !vssi_bitmap_get(seen, at);
        vssi_bitmap_set(seen, at);
    }
    return all && left == 0;
}

static uint64_t filter_compare_contains(const vssi_filter_plan *leaf, const vss_column *view, size_t first,
                                        uint64_t wanted)
{
    uint64_t hits = 0;
    for (; wanted != 0; wanted &= wanted - 1) {
        unsigned i = (unsigned)__builtin_ctzll(wanted);
        const int64_t *offsets = view->offsets + first + i;
        hits |= (uint64_t)filter_compare_elements(leaf, view->data, (size_t)offsets[0], (size_t)offsets[1]) << i;
    }
    return hits;
}

/* ---- texts ---- */

static uint64_t filter_compare_texts(const vssi_filter_plan *leaf, const vss_column *view, size_t first,
                                     uint64_t wanted)
{
    uint64_t hits = 0;
    for (; wanted != 0; wanted &= wanted - 1) {
        unsigned i = (unsigned)__builtin_ctzll(wanted);
        vssi_filter_text text = filter_compare_text(view, first + i);
        bool hit = leaf->kind == VSSI_PLAN_LIKE
                       ? vssi_filter_pattern_match(leaf->pattern, text)
                       : vssi_filter_op_holds(leaf->compare.op, vssi_filter_order_text(text, leaf->compare.text));
        hits |= (uint64_t)hit << i;
    }
    return hits;
}

/* ---- two fields ---- */

static double filter_compare_real(const vss_column *view, size_t row)
{
    double wide;
    float narrow;
    if (view->type == VSS_TYPE_FLOAT64) {
        memcpy(&wide, (const uint8_t *)view->data + row * sizeof wide, sizeof wide);
        return wide;
    }
    memcpy(&narrow, (const uint8_t *)view->data + row * sizeof narrow, sizeof narrow);
    return narrow;
}

static bool filter_compare_is_real(vss_type type) { return type == VSS_TYPE_FLOAT32 || type == VSS_TYPE_FLOAT64; }

/* The outcome of two fields in a row. */
static int filter_compare_row(const vss_column *a, const vss_column *b, size_t row)
{
    static const int flipped[] = {VSSI_GREATER, VSSI_EQUAL, VSSI_LESS, VSSI_UNORDERED};
    int64_t key_a, key_b;
    bool real_a = filter_compare_is_real(a->type), real_b = filter_compare_is_real(b->type);
    if (a->type == VSS_TYPE_STRING)
        return vssi_filter_order_text(filter_compare_text(a, row), filter_compare_text(b, row));
    if (real_a && real_b)
        return vssi_filter_order_real(filter_compare_real(a, row), filter_compare_real(b, row));
    if (!real_a)
        vssi_filter_keys(a, row, 1, &key_a);
    if (!real_b)
        vssi_filter_keys(b, row, 1, &key_b);
    if (real_b)
        return vssi_filter_order_mixed(key_a, filter_compare_real(b, row));
    if (real_a)
        return flipped[vssi_filter_order_mixed(key_b, filter_compare_real(a, row))];
    return key_a < key_b ? VSSI_LESS : key_a > key_b ? VSSI_GREATER : VSSI_EQUAL;
}

static uint64_t filter_compare_fields(const vssi_filter_plan *leaf, const vss_column *a, const vss_column *b,
                                      size_t first, uint64_t wanted)
{
    uint64_t hits = 0;
    for (; wanted != 0; wanted &= wanted - 1) {
        unsigned i = (unsigned)__builtin_ctzll(wanted);
        hits |= (uint64_t)vssi_filter_op_holds(leaf->fields.op, filter_compare_row(a, b, first + i)) << i;
    }
    return hits;
}

/* ---- all of them ---- */

/* The rows among `wanted` (none of them null) that hit; bits of others mean nothing. */
static uint64_t filter_compare_word(const vssi_filter_plan *leaf, const vss_column *view, const vss_column *other,
                                    size_t first, size_t n, uint64_t wanted)
{
    switch (leaf->kind) {
    case VSSI_PLAN_BOOL: return filter_compare_truth(leaf, view, first, n);
    case VSSI_PLAN_RANGE: return filter_compare_range(leaf, view, first, n);
    case VSSI_PLAN_IN: return filter_compare_in(leaf, view, first, n, wanted);
    case VSSI_PLAN_CONTAINS: return filter_compare_contains(leaf, view, first, wanted);
    case VSSI_PLAN_FIELDS: return filter_compare_fields(leaf, view, other, first, wanted);
    default: return filter_compare_texts(leaf, view, first, wanted);
    }
}

void vssi_filter_leaf(const vssi_filter_plan *leaf, const vss_column *view, const vss_column *other, size_t rows,
                      uint64_t *map)
{
    for (size_t first = 0; first < rows; first += 64) {
        uint64_t *word = &map[first / 64], flip = leaf->negate ? ~(uint64_t)0 : 0;
        size_t n = rows - first < 64 ? rows - first : 64;
        if (*word == 0)
            continue;
        uint64_t known = filter_compare_known(view, first, n);
        if (leaf->kind == VSSI_PLAN_NULL) {
            *word &= ~known ^ flip;
            continue;
        }
        if (other != NULL)
            known &= filter_compare_known(other, first, n);
        *word &= known;
        if (*word != 0)
            *word &= filter_compare_word(leaf, view, other, first, n, *word) ^ flip;
    }
}
