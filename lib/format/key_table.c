/*
 * key_table.c - build the key table and compare keys
 *
 * Counting sort into buckets, then each bucket by key, equal keys by row, so that same keys give same bytes. Cost: one
 * hash a row and a sort of buckets of one row on average; n log n at worst, when keys are chosen to share a bucket.
 * No locks; a table is constant once it is built.
 */
#include "key_table.h"

#include <string.h>

#include "../base/bytes.h"
#include "../base/fail.h"

size_t vssi_key_table_buckets(size_t rows)
{
    size_t buckets = 64;
    while (buckets < rows)
        buckets *= 2;
    return buckets;
}

uint64_t vssi_key_hash(const vssi_key *key)
{
    uint8_t bytes[8];
    if (key->is_text)
        return vssi_hash(key->text, key->size, 0);
    vssi_store64(bytes, (uint64_t)key->number);
    return vssi_hash(bytes, sizeof bytes, 0);
}

int vssi_key_compare(const vssi_key *a, const vssi_key *b)
{
    if (!a->is_text)
        return (a->number > b->number) - (a->number < b->number);
    const size_t common = a->size < b->size ? a->size : b->size;
    const int order = common > 0 ? memcmp(a->text, b->text, common) : 0;
    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

vssi_key vssi_key_of(const vss_column *view, size_t row)
{
    if (view->type != VSS_TYPE_STRING)
        return (vssi_key){.number = vssi_column_int(view, row)};
    return (vssi_key){.is_text = true, .text = (const char *)view->data + view->offsets[row],
                      .size = (size_t)(view->offsets[row + 1] - view->offsets[row])};
}

static bool key_table_before(const vss_column *keys, uint32_t a, uint32_t b)
{
    const vssi_key x = vssi_key_of(keys, a), y = vssi_key_of(keys, b);
    const int order = vssi_key_compare(&x, &y);
    return order != 0 ? order < 0 : a < b;
}

/* Let the row at `at` sink to its place in a heap of n rows whose greatest is at 0. */
static void key_table_sink(const vss_column *keys, uint32_t *rows, size_t at, size_t n)
{
    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && key_table_before(keys, rows[child], rows[child + 1]))
            child++;
        if (!key_table_before(keys, rows[at], rows[child]))
            return;
        const uint32_t row = rows[at];
        rows[at] = rows[child];
        rows[child] = row;
        at = child;
    }
}

static void key_table_sort(const vss_column *keys, uint32_t *rows, size_t n)
{
    for (size_t at = n / 2; at-- > 0;)
        key_table_sink(keys, rows, at, n);
    for (size_t end = n; end > 1; end--) {
        const uint32_t row = rows[0];
        rows[0] = rows[end - 1];
        rows[end - 1] = row;
        key_table_sink(keys, rows, 0, end - 1);
    }
}

/* starts [buckets + 1] and the order behind it. bucket_of [rows]. */
static void key_table_fill(const vss_column *keys, const uint32_t *bucket_of, uint32_t *starts, size_t buckets)
{
    const size_t rows = (size_t)keys->length;
    uint32_t *order = starts + buckets + 1;
    memset(starts, 0, (buckets + 1) * sizeof *starts);
    for (size_t row = 0; row < rows; row++)
        starts[bucket_of[row] + 1]++;
    for (size_t b = 0; b < buckets; b++)
        starts[b + 1] += starts[b];
    for (size_t row = rows; row-- > 0;) /* from the back: starts[b + 1] ends up where bucket b begins */
        order[--starts[bucket_of[row] + 1]] = (uint32_t)row;
    memmove(starts, starts + 1, buckets * sizeof *starts);
    starts[buckets] = (uint32_t)rows;
    for (size_t b = 0; b < buckets; b++)
        if (starts[b + 1] - starts[b] > 1)
            key_table_sort(keys, order + starts[b], starts[b + 1] - starts[b]);
}

vss_status vssi_key_table_build(vssi_heap *heap, const vss_column *keys, uint32_t **out, vss_error *err)
{
    const size_t rows = (size_t)keys->length, buckets = vssi_key_table_buckets(rows);
    uint32_t *table, *bucket_of;
    *out = NULL;
    VSSI_TRY(vssi_alloc(heap, vssi_key_table_words(rows), sizeof *table, &table, err));
    const vss_status status = vssi_alloc(heap, rows, sizeof *bucket_of, &bucket_of, err);
    if (status != VSS_OK) {
        vssi_free(heap, table);
        return status;
    }
    for (size_t row = 0; row < rows; row++) {
        const vssi_key key = vssi_key_of(keys, row);
        bucket_of[row] = (uint32_t)(vssi_key_hash(&key) & (buckets - 1));
    }
    key_table_fill(keys, bucket_of, table, buckets);
    vssi_free(heap, bucket_of);
    *out = table;
    return VSS_OK;
}
