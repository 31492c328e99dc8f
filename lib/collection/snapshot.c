/*
 * snapshot.c - snapshots, their parts, and tombstones: share, copy, let go
 *
 * Cost: a new snapshot copies one small struct a segment, never rows. Locks: none; reference counts are atomic.
 */
#include "snapshot.h"

#include <assert.h>
#include <string.h>

#include "../base/bitmap.h"
#include "../base/checked.h"
#include "../base/fail.h"

vss_status vssi_tombstones_copy(vssi_heap *heap, const vssi_tombstones *from, size_t rows, vssi_tombstones **out,
                                vss_error *err)
{
    vssi_tombstones *t;
    size_t words = vssi_bitmap_words(rows);
    VSSI_TRY(vssi_alloc_zero(heap, 1, sizeof *t + words * sizeof(uint64_t), &t, err));
    t->heap = heap;
    atomic_init(&t->refs, 1);
    if (from != NULL) {
        t->count = from->count;
        memcpy(t->words, from->words, words * sizeof(uint64_t));
    }
    *out = t;
    return VSS_OK;
}

vssi_tombstones *vssi_tombstones_ref(vssi_tombstones *t)
{
    if (t != NULL)
        atomic_fetch_add(&t->refs, 1);
    return t;
}

void vssi_tombstones_unref(vssi_tombstones *t)
{
    if (t != NULL && atomic_fetch_sub(&t->refs, 1) == 1)
        vssi_free(t->heap, t);
}

vss_status vssi_snapshot_create(vssi_heap *heap, size_t n_parts, vssi_snapshot **out, vss_error *err)
{
    vssi_snapshot *s;
    size_t size;
    *out = NULL;
    if (!vssi_mul(n_parts, sizeof(vssi_part), &size) || !vssi_add(size, sizeof *s, &size))
        return vssi_fail_memory(err, SIZE_MAX);
    VSSI_TRY(vssi_alloc_zero(heap, 1, size, &s, err));
    s->heap = heap;
    atomic_init(&s->refs, 1);
    s->n_parts = n_parts;
    *out = s;
    return VSS_OK;
}

vssi_snapshot *vssi_snapshot_ref(vssi_snapshot *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void vssi_snapshot_unref(vssi_snapshot *s)
{
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->n_parts; i++) {
        vssi_part *p = &s->parts[i];
        for (size_t j = 0; j < p->n_indexes; j++)
            vssi_segment_index_unref(p->indexes[j]);
        vssi_free(s->heap, p->indexes);
        for (size_t j = 0; j < p->n_formers; j++) {
            vssi_segment_index_unref(p->formers[j].index);
            vssi_tombstones_unref(p->formers[j].deleted);
        }
        vssi_free(s->heap, p->formers);
        vssi_tombstones_unref(p->deleted);
        vssi_segment_unref(p->segment);
    }
    vssi_free(s->heap, s);
}

vss_status vssi_part_share(vssi_heap *heap, const vssi_part *from, vssi_part *to, vss_error *err)
{
    if (from->n_indexes > 0) {
        VSSI_TRY(vssi_alloc(heap, from->n_indexes, sizeof *to->indexes, &to->indexes, err));
        for (size_t i = 0; i < from->n_indexes; i++)
            to->indexes[i] = vssi_segment_index_ref(from->indexes[i]);
    }
    to->n_indexes = from->n_indexes;
    to->segment = vssi_segment_ref(from->segment);
    to->deleted = vssi_tombstones_ref(from->deleted);
    to->sealed = from->sealed;
    to->settled = from->settled;
    return VSS_OK;
}

bool vssi_snapshot_find(const vssi_snapshot *s, const vssi_key *key, size_t *part, size_t *row)
{
    for (size_t i = s->n_parts; i-- > 0;) { /* newest first */
        const vssi_part *p = &s->parts[i];
        size_t r = vssi_segment_find(p->segment, key);
        if (r == SIZE_MAX || (p->deleted != NULL && vssi_bitmap_get(p->deleted->words, r)))
            continue;
        *part = i;
        *row = r;
        return true;
    }
    return false;
}

vss_status vssi_snapshot_keys_ready(const vssi_snapshot *s, vss_error *err)
{
    for (size_t i = 0; i < s->n_parts; i++)
        VSSI_TRY(vssi_segment_keys_ready(s->parts[i].segment, err));
    return VSS_OK;
}

uint64_t vssi_snapshot_live(const vssi_snapshot *s)
{
    uint64_t live = 0;
    for (size_t i = 0; i < s->n_parts; i++)
        live += vssi_part_live(&s->parts[i]);
    return live;
}
