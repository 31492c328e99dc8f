/*
 * hnsw_search.c - walk the graph towards a query
 *
 * Best-first search with a pool (simd/pool.h) of the L nearest rows seen, sorted, each marked once its links have been
 * followed; the walk ends when all are. L is ef, at least k. It begins at the entries around the centre that is nearest
 * (hnsw_entries.c); a large pool, and one for a filter, at all centres too. Marks of visited rows are 8-bit epochs, few
 * enough bytes to stay in the second cache, cleared when the epoch wraps. A row from memory costs far more than its
 * score, so that three rows are under way at a time: the links of one have been asked for; those of another are
 * picked, without a branch, and their codes asked for; those of a third are scored in one call and taken into the pool.
 * A row is followed before what the two before it lead to is known: some 5 % more scores, none of them waited for. No
 * allocation a hop. Counts and places read from the index are bounded where they are used; whatever they hold, each
 * place enters the pool at most once.
 *
 * With a filter the walk goes over all rows, so that it can't be cut off from any, and the allowed ones of its pool are
 * offered. L is such that, where they lie as everywhere, ef of them are in it or, if that takes fewer, half as many
 * again as k beside ef rows: the pool's last rows are found less surely than its first. Where the filter turns away
 * what is near the query fewer than k may be in it: then the walk is begun anew with a larger pool, as long as that
 * costs less than to score the allowed rows one by one. Where there was none at all, or that does not do, the caller
 * scans.
 *
 * Where the index has codes, the walk scores those, and in the end the vectors of the first k rows of the pool and of
 * all that their k-th score does not rule out (search_cut): of the pool, what is found is what scoring all of it
 * would find, but for rare rows. A query far outside the grid of the codes, where they would say little, walks on the
 * vectors.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../simd/pool.h"
#include "hnsw.h"

#define SEARCH_ASK 256u          /* expansions between two questions to the control */
#define SEARCH_POOL_MAX 65536u   /* rows, with a filter */
#define SEARCH_WIDEN 8u          /* times as large a pool, at most, for a filter */
#define SEARCH_ROWS_A_PLACE 12u  /* rows that are scored in the time that a place in the pool takes */
#define SEARCH_OUTSIDE 4.0       /* steps a component that a query may be off its code, in the mean square, */
#define SEARCH_OUTSIDE_NIBBLES 8.0 /* and where they are eighths of those of the rows */
#define SEARCH_DEVIATIONS 3.0    /* of rounding, that a row is scored by its vector for */
#define SEARCH_FETCH 1024u       /* bytes of a row fetched ahead */
#define SEARCH_LINE 64u
#define SEARCH_BLINDLY 128u      /* bytes of a row that are asked for whether it was visited or not */
#define SEARCH_EPOCH_MASK 0xffu
#define SEARCH_EVERYWHERE 4u     /* places of the pool a group of entries, from which on walks begin at all centres */
#define SEARCH_NONE UINT32_MAX

/* Places to be scored. */
typedef struct search_batch {
    uint32_t *rows; /* [walk's batch] */
    size_t n;
} search_batch;

typedef struct search_walk {
    const vssi_hnsw_index *index;
    const vssi_vectors *vectors;
    const vssi_probe *query;
    uint8_t *visited; /* [rows] */
    uint8_t epoch;
    vssi_pool pool;
    const vssi_pool_kernels *kernels;
    const void *fetch;   /* rows that the walk scores, fetch_size bytes each */
    size_t fetch_size, fetch_bytes;
    uint32_t *rows;    /* [2 * batch] two batches; in the end the rows found */
    uint32_t *mapped;  /* [batch] the rows of one, where the walk is on vectors */
    float *scores;  /* [2 * batch] */
    size_t batch;
    search_batch due;  /* the next to be scored */
    bool coded;          /* the walk is on codes */
    vssi_hnsw_query code; /* the query, where the index has codes */
    uint64_t scored;
} search_walk;

size_t vssi_hnsw_capacity(const vssi_query *query, size_t rows, size_t k)
{
    size_t ef = vssi_max((size_t)query->params[HNSW_PARAM_EF], k), most = vssi_min(rows, vssi_max(SEARCH_POOL_MAX, ef));
    size_t all, some;
    if (!query->allow || query->n_allow >= rows)
        return vssi_min(ef, rows);
    if (!vssi_mul(ef, rows, &all) || !vssi_mul(k + k / 2, rows, &some))
        return most;
    return vssi_min(vssi_min(all / query->n_allow + 1, ef + some / query->n_allow), most);
}

/* A larger pool for a walk that has met `found` allowed rows; 0: there are enough, or a scan costs less. */
static size_t search_wider(const search_walk *walk, const vssi_query *query, size_t k, size_t found)
{
    size_t capacity = walk->pool.capacity, most = vssi_min(walk->index->rows, SEARCH_POOL_MAX);
    if (!query->allow || found == 0 || found >= vssi_min(k, query->n_allow) || vssi_control_stopped(query->control))
        return 0;
    size_t wider = vssi_min(capacity * vssi_min(SEARCH_WIDEN, 1 + (k + k / 2) / found), most);
    return wider > capacity && wider * SEARCH_ROWS_A_PLACE <= query->n_allow ? wider : 0;
}

/* A fresh epoch of the visited marks. Marks are 0 where the slot has grown, and no epoch is 0. */
static vss_status search_visited(search_walk *walk, vssi_scratch *scratch, vss_error *err)
{
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_VISITED, walk->index->rows, sizeof *walk->visited, &walk->visited,
                              err));
    scratch->epoch = (scratch->epoch + 1) & SEARCH_EPOCH_MASK;
    if (scratch->epoch == 0) {
        memset(walk->visited, 0, scratch->size[VSSI_SCRATCH_VISITED]);
        scratch->epoch = 1;
    }
    walk->epoch = (uint8_t)scratch->epoch;
    return VSS_OK;
}

static vss_status search_prepare(search_walk *walk, vssi_scratch *scratch, vss_error *err)
{
    walk->batch = vssi_max(walk->pool.capacity, vssi_max(walk->index->stride, walk->index->n_groups));
    VSSI_TRY(search_visited(walk, scratch, err));
    size_t room = vssi_pool_room(walk->pool.capacity);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_POOL, 2 * room, sizeof(float), &walk->pool.scores, err));
    walk->pool.rows = (uint32_t *)(void *)(walk->pool.scores + room);
    vssi_pool_clear(&walk->pool);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, 3 * walk->batch, sizeof *walk->rows, &walk->rows, err));
    walk->mapped = walk->rows + 2 * walk->batch;
    return vssi_scratch_get(scratch, VSSI_SCRATCH_SCORES, 2 * walk->batch, sizeof *walk->scores, &walk->scores, err);
}

bool vssi_hnsw_inside(const vssi_hnsw_index *index, const vssi_hnsw_query *query)
{
    const vssi_sq8_model *model = &index->sq8.model;
    const double outside = index->form == HNSW_CODES_SQ4 ? SEARCH_OUTSIDE_NIBBLES : SEARCH_OUTSIDE;
    return query->code.radius <= outside * sqrt((double)model->width) * model->step;
}

static vss_status search_prepare_code(search_walk *walk, vssi_scratch *scratch, vss_error *err)
{
    VSSI_TRY(vssi_hnsw_form_prepare(walk->index, walk->query, scratch, &walk->code, err));
    walk->coded = vssi_hnsw_inside(walk->index, &walk->code);
    return VSS_OK;
}

/* The row at a place; a damaged map leads to some row. */
static inline uint32_t search_row(const search_walk *walk, uint32_t place)
{
    uint32_t row = walk->index->map ? walk->index->map[place] : place;
    return row < walk->index->rows ? row : 0;
}

/* Put the scores that lead the walk, of places[n], into walk->scores. */
static void search_score(search_walk *walk, const uint32_t *places, size_t n)
{
    walk->scored += n;
    if (walk->coded) {
        walk->index->gather(walk->code.gathered, walk->index->sq8.codes, walk->index->gather_dim, places, n,
                            walk->scores);
        return;
    }
    if (walk->index->map) {
        for (size_t i = 0; i < n; i++)
            walk->mapped[i] = search_row(walk, places[i]);
        places = walk->mapped;
    }
    vssi_vectors_score_gather(walk->vectors, walk->query, places, n, walk->scores);
}

/* Ask for the row that a score will be computed of: for the second cache, which has room for more requests. */
static inline void search_fetch(const search_walk *walk, uint32_t row)
{
    const char *at = (const char *)walk->fetch + row * walk->fetch_size;
    for (size_t offset = 0; offset < walk->fetch_bytes; offset += SEARCH_LINE)
        __builtin_prefetch(at + offset, 0, 2);
}

/* Ask for the links of a row: three lines hold most rows whole. */
static inline void search_fetch_links(const search_walk *walk, uint32_t row)
{
    const uint32_t *links = walk->index->graph + (size_t)row * walk->index->stride;
    __builtin_prefetch(links);
    __builtin_prefetch(links + 16);
    __builtin_prefetch(links + 32);
}

/* Put the unvisited of places[n] into the batch and ask for what they are scored by. Of a line or two that is done
 * before it is known which they are: the others lie in a cache. */
static void search_pick(const search_walk *walk, const uint32_t *places, size_t n, search_batch *batch)
{
    size_t fresh = 0;
    const bool blindly = walk->fetch_bytes <= SEARCH_BLINDLY;
    const uint32_t last = (uint32_t)walk->index->rows - 1;
    uint8_t *visited = walk->visited;
    uint8_t epoch = walk->epoch;
    uint32_t *out = batch->rows;
    for (size_t i = 0; i < n; i++) {
        uint32_t row = places[i] < last ? places[i] : last;
        if (blindly)
            search_fetch(walk, row);
        out[fresh] = row;
        fresh += visited[row] != epoch;
        visited[row] = epoch;
    }
    batch->n = fresh;
    for (size_t i = 0; i < fresh && !blindly; i++)
        search_fetch(walk, out[i]);
}

/* Score a batch and take it into the pool. Returns the foremost place taken. */
static size_t search_take(search_walk *walk, const search_batch *batch)
{
    search_score(walk, batch->rows, batch->n);
    return walk->kernels->take(&walk->pool, walk->scores, batch->rows, batch->n);
}

/* What the walk fetches ahead, and its kernels. */
static void search_bind(search_walk *walk)
{
    walk->kernels = vssi_pool_best();
    walk->fetch = walk->coded ? walk->index->sq8.codes : walk->vectors->data;
    walk->fetch_size = walk->coded ? walk->index->sq8.model.size : walk->vectors->row_size;
    walk->fetch_bytes = walk->coded || !walk->index->map ? vssi_min(walk->fetch_size, SEARCH_FETCH) : 0;
}

/* Take the entries [first, end) into the pool. */
static void search_enter(search_walk *walk, size_t first, size_t end)
{
    for (size_t at = first; at < end; at += walk->batch) {
        search_pick(walk, walk->index->entries + at, vssi_min(walk->batch, end - at), &walk->due);
        search_take(walk, &walk->due);
    }
    walk->due.n = 0;
}

/* Begin at the centre that is nearest and the entries around it; `everywhere`, at all centres too. */
static void search_start(search_walk *walk, bool everywhere)
{
    const vssi_hnsw_index *index = walk->index;
    const uint32_t last = (uint32_t)index->rows - 1;
    size_t best = 0, groups = index->n_groups;
    for (size_t g = 0; g < groups; g++)
        walk->due.rows[g] = index->entries[g] < last ? index->entries[g] : last;
    search_score(walk, walk->due.rows, groups);
    for (size_t g = 1; g < groups; g++)
        best = walk->scores[g] < walk->scores[best] ? g : best;
    search_enter(walk, groups + index->groups[best], groups + index->groups[best + 1]);
    search_enter(walk, everywhere ? 0 : best, everywhere ? groups : best + 1);
}

/* The first place of the pool, from *at on, that is to be followed; SEARCH_NONE: there is none. Asks for its links. */
static uint32_t search_choose(search_walk *walk, size_t *at)
{
    if (*at >= walk->pool.n)
        return SEARCH_NONE;
    uint32_t place = walk->pool.rows[*at];
    walk->pool.rows[*at] |= VSSI_POOL_FOLLOWED;
    search_fetch_links(walk, place);
    *at = walk->kernels->next(&walk->pool, *at + 1);
    return place;
}

/* Three rows are under way: the links of one are asked for, the codes of another's links, and a third's are scored. */
static void search_run(search_walk *walk, const vssi_query *query)
{
    const size_t limit = walk->index->stride - 1;
    search_batch fresh = {walk->rows + walk->batch, 0};
    uint32_t held = SEARCH_NONE;
    size_t at = 0, expansions = 0;
    walk->due = (search_batch){walk->rows, 0};
    search_start(walk, query->allow != NULL || walk->pool.capacity >= SEARCH_EVERYWHERE * walk->index->n_groups);
    for (;;) {
        if (++expansions % SEARCH_ASK == 0 && vssi_control_stopped(query->control))
            return;
        uint32_t chosen = search_choose(walk, &at);
        if (chosen == SEARCH_NONE && held == SEARCH_NONE && walk->due.n == 0)
            return;
        fresh.n = 0;
        if (held != SEARCH_NONE) {
            const uint32_t *links = walk->index->graph + (size_t)held * walk->index->stride;
            search_pick(walk, links + 1, vssi_min(links[0], limit), &fresh);
        }
        held = chosen;
        if (walk->due.n > 0)
            at = vssi_min(at, search_take(walk, &walk->due));
        search_batch scored = walk->due;
        walk->due = fresh;
        fresh = scored;
    }
}

/*
 * The greatest sum of squared steps that a row may have and still matter. Rounding moves a row by r (as usual where the
 * model knows it, else at most) from its point and the query by s, in directions that have nothing to do with each
 * other or with the way from one to the other: then the sum is off by r^2 + s^2 in the mean, with a deviation of
 * sqrt((4 A^2 + 2 (r^2 + s^2)) (r^2 + s^2) / width), A the distance. SEARCH_DEVIATIONS of them are allowed for, or what
 * codec/sq8.h proves where that is less.
 */
static double search_cut(const search_walk *walk, float threshold)
{
    const vssi_sq8_model *m = &walk->index->sq8.model;
    double proven = vssi_sq8_cut(&walk->index->sq8, &walk->code.code, threshold);
    if (!(proven < INFINITY) || proven < 0)
        return proven;
    double r = (m->usual > 0 && m->usual < m->radius ? m->usual : m->radius) / m->step;
    double s = walk->code.code.radius / m->step, noise = r * r + s * s;
    double distance = fmax(sqrt(proven) - m->radius / m->step - s, 0), square = distance * distance;
    return fmin(proven, square + noise + SEARCH_DEVIATIONS * sqrt((4 * square + 2 * noise) * noise / m->width));
}

/* Of rows[n], found by codes in the order of scores, score by the vectors those that may be among the nearest k, at
 * most `rerank` of them where it isn't 0. Returns how many. */
static size_t search_rerank(search_walk *walk, size_t n, size_t rerank, const vssi_topk *topk)
{
    float *exact = walk->scores + walk->batch, worst = -INFINITY;
    size_t first = vssi_min(n, topk->k), end = first, limit = rerank ? vssi_min(n, vssi_max(rerank, topk->k)) : n;
    vssi_vectors_pick(walk->vectors, walk->rows, first);
    vssi_vectors_score_gather(walk->vectors, walk->query, walk->rows, first, exact);
    for (size_t i = 0; i < first; i++)
        worst = fmaxf(worst, exact[i]);
    double cut = search_cut(walk, fminf(vssi_topk_bound(topk, worst), topk->threshold));
    while (end < limit && (double)walk->scores[end] <= cut)
        end++;
    vssi_vectors_pick(walk->vectors, walk->rows + first, end - first);
    vssi_vectors_score_gather(walk->vectors, walk->query, walk->rows + first, end - first, exact + first);
    walk->scored += end;
    return end;
}

/* Put the allowed rows of the pool, and their scores, in walk->rows and walk->scores. Returns how many. */
static size_t search_found(search_walk *walk, const vssi_query *query)
{
    size_t n = 0;
    for (size_t i = 0; i < walk->pool.n; i++) {
        uint32_t row = search_row(walk, walk->pool.rows[i] & ~VSSI_POOL_FOLLOWED);
        if (query->allow && !vssi_bitmap_get(query->allow, row))
            continue;
        walk->rows[n] = row;
        walk->scores[n++] = walk->pool.scores[i];
    }
    return n;
}

static void search_offer(search_walk *walk, const vssi_query *query, size_t n, vssi_topk *topk)
{
    float *scores = walk->scores;
    if (walk->coded) {
        n = search_rerank(walk, n, (size_t)query->params[HNSW_PARAM_RERANK], topk);
        scores += walk->batch;
    }
    vssi_topk_add(topk, scores, walk->rows, n);
}

vss_status vssi_hnsw_search(const void *index, const vssi_vectors *vectors, const vssi_query *query,
                            vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    search_walk walk = {.index = index, .vectors = vectors, .query = &query->probe};
    if (walk.index->rows == 0 || (query->allow && query->n_allow == 0))
        return VSS_OK;
    size_t capacity = vssi_hnsw_capacity(query, walk.index->rows, topk->k), found = 0;
    if (walk.index->coded)
        VSSI_TRY(search_prepare_code(&walk, scratch, err));
    search_bind(&walk);
    while (capacity > 0) {
        walk.pool.capacity = capacity;
        VSSI_TRY(search_prepare(&walk, scratch, err));
        search_run(&walk, query);
        found = search_found(&walk, query);
        capacity = search_wider(&walk, query, topk->k, found);
    }
    search_offer(&walk, query, found, topk);
    scratch->distances += walk.scored;
    return topk->status;
}
