/*
 * plan.c - how each segment is searched: which rows may be returned, and by scan or by index
 *
 * The index, unless few rows pass, when those are scanned: of a graph n with n^2 at most 18 * k * rows, of a type that
 * filters well 1,024 or 0.4 %, of others 5 %; but for the second, 4,096 in any case. A walk over a graph takes a time
 * that grows with k * rows / n, a scan with n; where they are equal was measured (docs/performance.md). Decided once a
 * search and segment, for all its queries.
 */
#include <string.h>

#include "../base/bitmap.h"
#include "../base/checked.h"
#include "search.h"

#define PLAN_SCAN_ROWS 4096
#define PLAN_SCAN_SHARE 20 /* one in */
#define PLAN_FILTER_ROWS 1024 /* for a type that filters */
#define PLAN_FILTER_SHARE 256
#define PLAN_WALK 18.0

static void plan_exclude(const search *s, search_part *p)
{
    const vss_column *keys = s->request->exclude;
    for (size_t i = 0; keys != NULL && i < keys->length; i++) {
        vssi_key key = vssi_key_of(keys, i);
        size_t row = vssi_segment_find(p->part->segment, &key);
        if (row != SIZE_MAX)
            vssi_bitmap_clear(p->allow, row);
    }
}

/* allow and n_allow: matching, live, not excluded. */
static vss_status plan_rows(search *s, search_part *p, vss_error *err)
{
    size_t rows = p->vectors.rows, passing = rows;
    vssi_heap *heap = &s->col->db->heap;
    uint64_t begin = vssi_now_ns();
    p->n_allow = rows;
    if (s->filter == NULL && p->part->deleted == NULL && s->request->exclude == NULL)
        return VSS_OK;
    VSSI_TRY(vssi_alloc(heap, vssi_bitmap_words(rows), sizeof *p->allow, &p->allow, err));
    if (s->filter != NULL)
        VSSI_TRY(vssi_part_filter(p->part, s->filter, p->allow, &passing, err));
    else
        vssi_bitmap_fill(p->allow, rows);
    if (p->part->deleted != NULL)
        vssi_bitmap_subtract(p->allow, p->part->deleted->words, rows);
    plan_exclude(s, p);
    p->n_allow = p->part->deleted == NULL && s->request->exclude == NULL ? passing
                                                                         : vssi_bitmap_count(p->allow, rows);
    if (p->n_allow == rows) {
        vssi_free(heap, p->allow);
        p->allow = NULL;
    }
    p->filter_ns = vssi_now_ns() - begin;
    return VSS_OK;
}

/* Do so few rows pass that comparing those is the least work. */
static bool plan_few(const search *s, const search_part *p)
{
    double n = (double)p->n_allow, rows = (double)p->vectors.rows;
    if (p->allow == NULL || p->n_allow <= (s->type->filters ? PLAN_FILTER_ROWS : PLAN_SCAN_ROWS))
        return p->allow != NULL;
    if (s->type->scattered)
        return n * n <= PLAN_WALK * (double)s->k * rows;
    return n * (s->type->filters ? PLAN_FILTER_SHARE : PLAN_SCAN_SHARE) <= rows;
}

/* The part's index of the field, if it is to be used. */
static vssi_segment_index *plan_index(const search *s, const search_part *p)
{
    if (s->exact || (s->request->range && !s->type->exact))
        return NULL;
    if (!s->type->exact && !s->estimates && plan_few(s, p))
        return NULL;
    for (size_t i = 0; i < p->part->n_indexes; i++)
        if (p->part->indexes[i]->field == s->field && p->part->indexes[i]->ops == s->type)
            return p->part->indexes[i];
    return NULL;
}

/* Tell the writer that a growing segment could do with an index. */
static void plan_miss(search *s, const search_part *p)
{
    const size_t least = s->type->train != NULL ? VSSI_INDEX_MIN_ROWS : VSSI_GROW_ROWS; /* at least (grow.c) */
    if (!p->part->sealed && !p->part->settled && p->vectors.rows >= least && !s->exact && !s->request->range &&
        !atomic_load_explicit(&s->col->growing_scanned, memory_order_relaxed))
        atomic_store(&s->col->growing_scanned, true);
}

/* What the index's search wants. */
static vss_status plan_open(const search *s, search_part *p, vssi_segment_index *index, vss_error *err)
{
    if (index->ops->trusting && !s->trusted)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "%s: indexes of this type are not safe to open on hostile bytes: "
                         "say trusted=1 where the files are trusted, or exact=1", index->ops->name);
    return vssi_segment_index_get(index, &p->vectors, &p->opened, err);
}

static vss_status plan_part(search *s, search_part *p, vss_error *err)
{
    VSSI_TRY(vssi_segment_keys_ready(p->part->segment, err));
    VSSI_TRY(vssi_vectors_of(p->part->segment, s->schema, s->field, &p->vectors, err));
    VSSI_TRY(plan_rows(s, p, err));
    if (p->n_allow == 0) {
        p->plan = VSS_PLAN_NOTHING;
        return VSS_OK;
    }
    vssi_segment_index *index = plan_index(s, p);
    VSSI_TRY(vssi_search_device(s, p, index, err));
    if (index != NULL && (p->device == NULL || p->through != NULL)) {
        p->plan = VSS_PLAN_INDEX;
        p->ops = index->ops;
        VSSI_TRY(plan_open(s, p, index, err));
        return index->ops->exact ? vssi_search_verify(s, p, err) : VSS_OK; /* it leaves rows out by what it reads */
    }
    p->plan = p->allow == NULL ? VSS_PLAN_SCAN : VSS_PLAN_SCAN_ROWS;
    plan_miss(s, p);
    return s->request->n_queries == 0 ? VSS_OK : vssi_search_verify(s, p, err);
}

vss_status vssi_search_plan(search *s, vss_error *err)
{
    VSSI_TRY(vssi_alloc_zero(&s->col->db->heap, s->snapshot->n_parts, sizeof *s->parts, &s->parts, err));
    s->n_parts = s->snapshot->n_parts;
    for (size_t i = 0; i < s->n_parts; i++) {
        s->parts[i].part = &s->snapshot->parts[i];
        VSSI_TRY(plan_part(s, &s->parts[i], err));
    }
    return VSS_OK;
}

/* The first and the last row allowed in whole words of the bitmap; false: there is none. */
static bool plan_bounds(const uint64_t *allow, size_t word, size_t end, size_t *first, size_t *last)
{
    while (word < end && allow[word] == 0)
        word++;
    if (word == end)
        return false;
    *first = word * 64 + (size_t)__builtin_ctzll(allow[word]);
    while (allow[end - 1] == 0)
        end--;
    *last = end * 64 - 1 - (size_t)__builtin_clzll(allow[end - 1]);
    return true;
}

/* Make sure of the allowed rows. Those of at most a chunk's size are taken together: the chunks that they span have one
 * of them each. */
static vss_status plan_verify(const search *s, const search_part *p, vss_error *err)
{
    size_t words = vssi_bitmap_words(p->vectors.rows), step = VSSI_CHUNK_SIZE / p->vectors.row_size / 64, first, last;
    uint32_t batch[512];
    for (size_t word = 0; step > 0 && word < words; word += step)
        if (plan_bounds(p->allow, word, vssi_min(word + step, words), &first, &last))
            VSSI_TRY(vssi_segment_verify_vectors(p->part->segment, s->field, first, last - first + 1, err));
    for (size_t at = 0; step == 0 && at < p->vectors.rows;) {
        size_t n = vssi_bitmap_rows(p->allow, at, p->vectors.rows, batch, 512, &at);
        for (size_t i = 0; i < n; i++)
            VSSI_TRY(vssi_segment_verify_vectors(p->part->segment, s->field, batch[i], 1, err));
    }
    return VSS_OK;
}

vss_status vssi_search_verify(const search *s, search_part *p, vss_error *err)
{
    if (atomic_load_explicit(&p->verified, memory_order_acquire))
        return VSS_OK;
    if (p->allow == NULL)
        VSSI_TRY(vssi_segment_verify_vectors(p->part->segment, s->field, 0, p->vectors.rows, err));
    else
        VSSI_TRY(plan_verify(s, p, err));
    atomic_store_explicit(&p->verified, true, memory_order_release);
    return VSS_OK;
}
