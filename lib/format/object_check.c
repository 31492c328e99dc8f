/*
 * object_check.c - compare every hash of an object anew, whatever was verified before
 *
 * Cost: one pass over all bytes. Allocates nothing, keeps nothing, takes no locks.
 */
#include <stdio.h>

#include "column_part.h"
#include "object_private.h"

typedef struct object_check {
    const vssi_object *object;
    vssi_fault_fn fn;
    void *state;
    uint64_t faults;
} object_check;

static void object_fault(object_check *c, size_t entry, const char *what, uint64_t number)
{
    const vssi_object_entry *e = &c->object->entries[entry];
    char line[160];
    snprintf(line, sizeof line, "block %zu (%s, field %u): %s %llu is damaged", entry, vssi_block_name(e->kind),
             e->field, what, (unsigned long long)number);
    c->faults++;
    if (c->fn != NULL)
        c->fn(c->state, c->object->name, line);
}

/* Hashes that are damaged themselves are reported when their own block is looked at. */
static const void *object_check_hashes(const object_check *c, size_t entry)
{
    const vssi_object_entry *h = &c->object->entries[c->object->entries[entry].hashed_by];
    return vssi_object_block_good(c->object->view.data, h) ? c->object->view.data + h->offset : NULL;
}

static void object_check_chunks(object_check *c, size_t entry)
{
    const vssi_object_entry *e = &c->object->entries[entry];
    const uint64_t *hashes = object_check_hashes(c, entry);
    for (uint64_t i = 0; hashes != NULL && i < vssi_object_chunks(e->size); i++)
        if (!vssi_object_chunk_good(c->object, e, hashes, i))
            object_fault(c, entry, "chunk", i);
}

static void object_check_column(object_check *c, size_t entry)
{
    const vssi_object_entry *e = &c->object->entries[entry];
    const vssi_object_entry *h = &c->object->entries[e->hashed_by];
    const uint8_t *index = object_check_hashes(c, entry);
    uint64_t at = 0;
    if (index == NULL)
        return;
    for (size_t p = 0; p < h->count; p++) {
        vssi_column_part part;
        uint64_t end;
        if (!vssi_column_part_find(e, h, index, p, VSS_TYPE_NONE, &part, &end) || part.offset != at) {
            object_fault(c, entry, "the place of part", p);
            return;
        }
        if (!vssi_column_part_good(c->object, e, &part, end))
            object_fault(c, entry, "part", p);
        at = end;
    }
    if (at != vssi_object_padded(e->size))
        object_fault(c, entry, "the end of part", h->count);
}

uint64_t vssi_object_check_block(const vssi_object *object, size_t entry, vssi_fault_fn fn, void *state)
{
    object_check c = {object, fn, state, 0};
    const vssi_object_entry *e = &object->entries[entry];
    if (e->kind == VSSI_BLOCK_COLUMN)
        object_check_column(&c, entry);
    else if (e->hashed_by != 0)
        object_check_chunks(&c, entry);
    else if (!vssi_object_block_good(object->view.data, e))
        object_fault(&c, entry, "the block at", e->offset);
    return c.faults;
}

uint64_t vssi_object_check(vssi_object *object, vssi_fault_fn fn, void *state)
{
    uint64_t faults = 0;
    for (size_t i = 0; i < object->n_entries; i++)
        faults += vssi_object_check_block(object, i, fn, state);
    return faults;
}
