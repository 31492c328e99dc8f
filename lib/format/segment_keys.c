/*
 * segment_keys.c - the keys of a segment: as a view, one by one, found by the key table
 *
 * Stored offsets, buckets and rows may hold anything and are bounded at every use. Cost of finding one: a bucket's
 * logarithm of comparisons. No locks.
 */
#include <assert.h>

#include "../base/text.h"
#include "limits.h"
#include "segment_private.h"

vss_column vssi_segment_key_view(const vssi_segment *segment)
{
    vss_column view = {.struct_size = sizeof view, .length = segment->rows};
    view.type = segment->text_keys ? VSS_TYPE_STRING : VSS_TYPE_INT64;
    view.offsets = segment->text_keys ? segment->offsets : NULL;
    view.data = segment->text_keys ? (const void *)segment->texts : segment->numbers;
    return view;
}

/* Stored offsets may hold anything: they are cut to what is there. */
vssi_key vssi_segment_key(const vssi_segment *segment, size_t row)
{
    assert(row < segment->rows);
    if (!segment->text_keys)
        return (vssi_key){.number = segment->numbers[row]};
    uint64_t begin = (uint64_t)segment->offsets[row], end = (uint64_t)segment->offsets[row + 1];
    end = end < segment->texts_size ? end : segment->texts_size;
    begin = begin < end ? begin : end;
    return (vssi_key){.is_text = true, .text = segment->texts + begin, .size = (size_t)(end - begin)};
}

void vssi_segment_key_range(vssi_segment *segment)
{
    int64_t least = INT64_MAX, greatest = INT64_MIN;
    for (size_t row = 0; row < segment->rows; row++) {
        least = segment->numbers[row] < least ? segment->numbers[row] : least;
        greatest = segment->numbers[row] > greatest ? segment->numbers[row] : greatest;
    }
    atomic_store_explicit(&segment->least, least, memory_order_relaxed); /* by any number of threads, the same */
    atomic_store_explicit(&segment->greatest, greatest, memory_order_relaxed);
}

size_t vssi_segment_find(const vssi_segment *segment, const vssi_key *key)
{
    const size_t buckets = vssi_key_table_buckets(segment->rows);
    const uint32_t *starts = segment->table, *order = starts + buckets + 1;
    if (key->is_text != segment->text_keys)
        return SIZE_MAX;
    if (!key->is_text && (key->number < atomic_load_explicit(&segment->least, memory_order_relaxed) ||
                          key->number > atomic_load_explicit(&segment->greatest, memory_order_relaxed)))
        return SIZE_MAX;
    const size_t bucket = (size_t)vssi_key_hash(key) & (buckets - 1);
    size_t low = starts[bucket], high = starts[bucket + 1]; /* of a mapping: bounded here, and so are the rows */
    if (high > segment->rows)
        high = segment->rows;
    const size_t end = high;
    while (low < high) { /* the first row whose key is not before */
        const size_t middle = low + (high - low) / 2;
        if (order[middle] >= segment->rows)
            return SIZE_MAX;
        const vssi_key found = vssi_segment_key(segment, order[middle]);
        if (vssi_key_compare(&found, key) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low >= end || order[low] >= segment->rows)
        return SIZE_MAX;
    const vssi_key found = vssi_segment_key(segment, order[low]);
    return vssi_key_compare(&found, key) == 0 ? order[low] : SIZE_MAX;
}

const char *vssi_segment_keys_wrong(const vssi_segment *segment, size_t first, size_t n)
{
    const int64_t *o = segment->offsets;
    if (!segment->text_keys)
        return NULL;
    for (size_t row = first; row < first + n; row++) {
        if (o[row] < 0 || o[row + 1] <= o[row] || (uint64_t)o[row + 1] > segment->texts_size)
            return "the offsets of its keys are malformed";
        if (o[row + 1] - o[row] > VSSI_TEXT_MAX)
            return "a key is too long";
        if (!vssi_utf8_valid(segment->texts + o[row], (size_t)(o[row + 1] - o[row])))
            return "a key is not UTF-8";
    }
    return NULL;
}
