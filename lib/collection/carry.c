/*
 * carry.c - what a commit makes of a snapshot: new parts in place of old ones, and every delete that came after the
 * base
 *
 * Parts keep their places while a job runs: seals add sealed parts behind those of the base, new rows add growing ones
 * behind these, and deletes only set bits. So a part of the base is found by its number in any later snapshot, and a
 * row that lived in the base is the n-th live one of its part, whatever was deleted since. Cost: a small struct a
 * part, a pass over the bitmaps of those parts that were moved and have deletes newer than the base. No locks.
 */
#include "../base/bitmap.h"
#include "../base/checked.h"
#include "seal_job.h"

static seal_move carry_move(const seal_job *job, size_t part)
{
    return job->moves == NULL || part >= job->base->n_parts ? (seal_move){SEAL_KEPT, 0} : job->moves[part];
}

/* Rows that lived in the base and are deleted now, at their new places. */
static void carry_deletes(const vssi_part *base, const vssi_part *now, size_t first, vssi_tombstones *to)
{
    const uint64_t *before = vssi_part_tombstones(base);
    size_t place = first;
    for (size_t w = 0; w < vssi_bitmap_words(vssi_segment_rows(base->segment)); w++) {
        const uint64_t live = before == NULL ? UINT64_MAX : ~before[w];
        for (uint64_t gone = now->deleted->words[w] & live; gone != 0; gone &= gone - 1) {
            const uint64_t below = (gone & -gone) - 1;
            vssi_bitmap_set(to->words, place + (size_t)__builtin_popcountll(live & below));
            to->count++;
        }
        place += (size_t)__builtin_popcountll(live);
    }
}

/* A piece as part of the snapshot made of `from`. */
static vss_status carry_piece(const seal_job *job, const vssi_snapshot *from, size_t piece, vssi_part *to,
                              vss_error *err)
{
    VSSI_TRY(vssi_part_share(from->heap, &job->pieces[piece].part, to, err));
    for (size_t i = 0; i < job->base->n_parts; i++) {
        const vssi_part *base = &job->base->parts[i], *now = &from->parts[i];
        const seal_move move = carry_move(job, i);
        if (move.to != piece || now->deleted == base->deleted)
            continue;
        if (to->deleted == NULL)
            VSSI_TRY(vssi_tombstones_copy(from->heap, NULL, vssi_segment_rows(to->segment), &to->deleted, err));
        carry_deletes(base, now, move.first, to->deleted);
    }
    return VSS_OK;
}

/* A part that stays, with the indexes that the job built for it. */
static vss_status carry_kept(const seal_job *job, size_t part, const vssi_part *from, vssi_part *to, vss_error *err)
{
    vssi_heap *heap = &job->col->db->heap;
    VSSI_TRY(vssi_part_share(heap, from, to, err));
    for (size_t b = 0; b < job->n_built; b++) {
        const seal_built *built = &job->built[b];
        if (built->part != part)
            continue;
        for (size_t i = 0; i < to->n_indexes; i++)
            if (to->indexes[i]->field == built->field) {
                vssi_segment_index_unref(to->indexes[i]);
                to->indexes[i] = to->indexes[--to->n_indexes];
            }
        if (built->opened == NULL)
            continue;
        VSSI_TRY(vssi_realloc(heap, to->n_indexes + 1, sizeof(vssi_segment_index *), &to->indexes, err));
        to->indexes[to->n_indexes++] = vssi_segment_index_ref(built->opened);
    }
    return VSS_OK;
}

vss_status vssi_carry_snapshot(const seal_job *job, const vssi_snapshot *from, uint64_t version, vssi_snapshot **out,
                               vss_error *err)
{
    const size_t growing = vssi_max(job->base->n_parts, from->n_sealed);
    vssi_snapshot *s;
    vss_status status;
    size_t n = job->n_pieces;
    for (size_t i = 0; i < from->n_parts; i++)
        n += carry_move(job, i).to == SEAL_KEPT;
    VSSI_TRY(vssi_snapshot_create(from->heap, n, &s, err));
    n = 0;
    for (size_t i = 0; i < growing; i++)
        if (carry_move(job, i).to == SEAL_KEPT)
            VSSI_TRY_GOTO(carry_kept(job, i, &from->parts[i], &s->parts[n++], err), fail);
    for (size_t i = 0; i < job->n_pieces; i++)
        VSSI_TRY_GOTO(carry_piece(job, from, i, &s->parts[n++], err), fail);
    s->n_sealed = n;
    for (size_t i = growing; i < from->n_parts; i++)
        VSSI_TRY_GOTO(carry_kept(job, i, &from->parts[i], &s->parts[n++], err), fail);
    s->version = version;
    s->sequence = from->sequence;
    *out = s;
    return VSS_OK;
fail:
    vssi_snapshot_unref(s);
    return status;
}
