/*
 * key_table.c - build the key table and compare keys
 *
 * Linear probing at most half full, rows put in in order, so that same keys give same bytes. Cost: one hash and about
 * 1.5 probes a row. No locks; a table is constant once it is built.
 */
#include "key_table.h"

#include <string.h>

#include "../base/bytes.h"

size_t vssi_key_table_slots(size_t rows)
{
    size_t slots = 64;
    while (slots < 2 * rows)
        slots *= 2;
    return slots;
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

vss_status vssi_key_table_build(vssi_heap *heap, const vss_column *keys, uint32_t **out, vss_error *err)
{
    const size_t slots = vssi_key_table_slots((size_t)keys->length);
    uint32_t *table;
    *out = NULL;
    vss_status status = vssi_alloc(heap, slots, sizeof *table, &table, err);
    if (status != VSS_OK)
        return status;
    memset(table, 0xff, slots * sizeof *table);
    for (size_t row = 0; row < keys->length; row++) {
        const vssi_key key = vssi_key_of(keys, row);
        size_t slot = (size_t)vssi_key_hash(&key) & (slots - 1);
        while (table[slot] != VSSI_KEY_EMPTY)
            slot = (slot + 1) & (slots - 1);
        table[slot] = (uint32_t)row;
    }
    *out = table;
    return VSS_OK;
}
