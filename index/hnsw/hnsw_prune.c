/*
 * hnsw_prune.c - which of a row's near rows become its links
 *
 * Robust pruning (Vamana): candidates in order of distance; one is passed over when a link chosen before is nearer
 * to it, by the factor alpha, than the row is. Distances are squared here, so the factor is alpha^2. Up to 128
 * candidates are ordered by keys (simd/pairs.h), more by sorting. Cost: a copy of the candidates' vectors, and the
 * distances of each link from those that are not passed over yet, from cache. A device may do it (hnsw_device_prune.c),
 * by the same rules.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "hnsw.h"

#define PRUNE_ALPHA2 1.21f
#define PRUNE_FEW 128u   /* candidates ordered by keys */

static void prune_sift(uint64_t *keys, size_t root, size_t n)
{
    uint64_t moving = keys[root];
    for (size_t child; (child = 2 * root + 1) < n; root = child) {
        child += child + 1 < n && keys[child] < keys[child + 1];
        if (moving >= keys[child])
            break;
        keys[root] = keys[child];
    }
    keys[root] = moving;
}

void vssi_hnsw_sort(uint64_t *keys, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        prune_sift(keys, i, n);
    for (size_t last = n; last-- > 1;) {
        uint64_t largest = keys[0];
        keys[0] = keys[last];
        keys[last] = largest;
        prune_sift(keys, 0, last);
    }
}

void vssi_hnsw_seen_clear(vssi_hnsw_worker *worker, size_t n)
{
    size_t size = 16;
    worker->seen_shift = 28;
    for (; size < 2 * n; size *= 2)
        worker->seen_shift--;
    memset(worker->seen, 0xff, size * sizeof *worker->seen); /* HNSW_FREE */
}

bool vssi_hnsw_seen_add(vssi_hnsw_worker *worker, uint32_t place)
{
    uint32_t mask = UINT32_MAX >> worker->seen_shift, at = place * 0x9e3779b1u >> worker->seen_shift;
    for (; worker->seen[at] != HNSW_FREE; at = (at + 1) & mask) {
        if (worker->seen[at] == place)
            return false;
    }
    worker->seen[at] = place;
    return true;
}

/* Up to PRUNE_FEW: the ids in order of their distance, worst[] the distances. */
static void prune_order_few(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t place, size_t n)
{
    uint32_t keys[PRUNE_FEW];
    vssi_hnsw_distances(b, worker, place, worker->ids, n, worker->scores);
    for (size_t i = 0; i < n; i++) {
        worker->keys[i] = vssi_pairs_key(worker->scores[i], (uint32_t)i);
        worker->alive[i] = worker->ids[i];
    }
    for (size_t i = n; i % VSSI_PAIRS_ROWS != 0; i++)
        worker->keys[i] = VSSI_PAIRS_NONE;
    b->pairs->least(worker->keys, n, n, keys);
    for (size_t i = 0; i < n; i++) {
        worker->ids[i] = worker->alive[vssi_pairs_number(keys[i])];
        worker->worst[i] = worker->scores[vssi_pairs_number(keys[i])];
    }
}

static float prune_score(uint64_t key)
{
    union {
        uint32_t bits;
        float value;
    } pun = {(uint32_t)(key >> 32)};
    return pun.value;
}

/* Candidates that are looked at: a third more than there may be links. */
static size_t prune_most(const vssi_hnsw_build *b) { return vssi_min(b->packed_rows, b->degree + b->degree / 3); }

/* The same of any number: as many of the nearest as are looked at. Returns how many. */
static size_t prune_order(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t place, size_t n)
{
    size_t most = vssi_min(n, prune_most(b));
    if (n <= PRUNE_FEW) {
        prune_order_few(b, worker, place, n);
        return most;
    }
    for (size_t begin = 0; begin < n; begin += b->packed_rows) {
        size_t count = vssi_min(b->packed_rows, n - begin);
        vssi_hnsw_distances(b, worker, place, worker->ids + begin, count, worker->scores);
        for (size_t i = 0; i < count; i++)
            worker->lists[begin + i] = vssi_hnsw_key(worker->scores[i], worker->ids[begin + i]);
    }
    vssi_hnsw_sort(worker->lists, n);
    for (size_t i = 0; i < most; i++) {
        worker->ids[i] = (uint32_t)worker->lists[i];
        worker->worst[i] = prune_score(worker->lists[i]);
    }
    return most;
}

size_t vssi_hnsw_prune(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t place, size_t n, uint32_t *links)
{
    size_t chosen = 0, n_alive = prune_order(b, worker, place, n);
    for (size_t i = 0; i < n_alive; i++) {
        vssi_hnsw_pack(b, worker->ids[i], worker->packed + i * b->vector_size);
        worker->alive[i] = (uint32_t)i;
    }
    while (n_alive > 0 && chosen < b->degree) {
        uint32_t link = worker->alive[0];
        size_t left = 0;
        links[chosen++] = worker->ids[link];
        b->l2_gather(worker->packed + link * b->vector_size, worker->packed, b->vector_dim, worker->alive + 1,
                     n_alive - 1, worker->scores);
        for (size_t i = 1; i < n_alive; i++) {
            uint32_t at = worker->alive[i];
            worker->alive[left] = at;
            left += !(PRUNE_ALPHA2 * worker->scores[i - 1] < worker->worst[at]);
        }
        n_alive = left;
    }
    return chosen;
}

/* What the leaves left with a row, each place once. */
static size_t prune_gather(const vssi_hnsw_build *b, vssi_hnsw_worker *worker, uint32_t place)
{
    size_t n = 0;
    vssi_hnsw_seen_clear(worker, b->chunks * b->keep + 1);
    vssi_hnsw_seen_add(worker, place);
    for (size_t c = 0; c < b->filled; c++) {
        const uint32_t *chunk = vssi_hnsw_chunk(b, place, c);
        for (size_t i = 0; i < b->keep && chunk[i] != HNSW_FREE; i++) {
            worker->ids[n] = chunk[i];
            n += vssi_hnsw_seen_add(worker, chunk[i]);
        }
    }
    return n;
}

/* The same as it lies there, for a device. */
static size_t prune_size(const vssi_hnsw_build *b, const void *arg, size_t i)
{
    (void)arg, (void)i;
    return b->filled * b->keep;
}

static void prune_copy(const vssi_hnsw_build *b, const void *arg, size_t place, uint32_t *candidates)
{
    (void)arg;
    for (size_t c = 0; c < b->filled; c++)
        memcpy(candidates + c * b->keep, vssi_hnsw_chunk(b, place, c), b->keep * sizeof *candidates);
}

static void prune_take(vssi_hnsw_build *b, const void *arg, size_t place, const uint32_t *chosen, size_t n)
{
    (void)arg;
    uint32_t *links = vssi_hnsw_links(b, place);
    memcpy(links + 1, chosen, n * sizeof *links);
    links[0] = (uint32_t)n;
}

static void prune_row(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const void *arg, size_t place)
{
    (void)arg;
    uint32_t *links = vssi_hnsw_links(b, place);
    size_t n = prune_gather(b, worker, (uint32_t)place);
    links[0] = (uint32_t)vssi_hnsw_prune(b, worker, (uint32_t)place, n, links + 1);
}

typedef struct prune_work {
    const vssi_hnsw_pruning *pruning;
    bool *done; /* [units] that a device has done; NULL: none */
} prune_work;

static void prune_unit(vssi_hnsw_build *b, vssi_hnsw_worker *worker, void *arg, size_t unit)
{
    const prune_work *work = arg;
    const vssi_hnsw_pruning *p = work->pruning;
    size_t end = vssi_min((unit + 1) * HNSW_PRUNE_UNIT, p->n);
    for (size_t i = unit * HNSW_PRUNE_UNIT; i < end && !(work->done && work->done[unit]); i++)
        p->row(b, worker, p->arg, p->rows ? p->rows[i] : i);
}

vss_status vssi_hnsw_prune_rows(vssi_hnsw_build *b, const vssi_hnsw_pruning *pruning, vss_error *err)
{
    prune_work work = {pruning, NULL};
    vss_status status = VSS_OK;
    if (vssi_hnsw_on_device(b))
        status = vssi_hnsw_device_prune(b, pruning, &work.done, err);
    if (status == VSS_OK && (work.done == NULL || !vssi_hnsw_on_device(b)))
        status = vssi_hnsw_run(b, vssi_hnsw_divide(pruning->n, HNSW_PRUNE_UNIT), pruning->weight * HNSW_PRUNE_UNIT,
                               prune_unit, &work, err);
    vssi_free(b->heap, work.done);
    return status;
}

void vssi_hnsw_prune_links(const vssi_hnsw_build *b, vssi_hnsw_pruning *pruning)
{
    pruning->most = prune_most(b);
    pruning->degree = b->degree;
    pruning->factor = PRUNE_ALPHA2;
    pruning->take = prune_take;
    pruning->weight = 1;
}

vss_status vssi_hnsw_prune_all(vssi_hnsw_build *b, vss_error *err)
{
    vssi_hnsw_pruning pruning = {.n = b->n_nodes, .usual = b->filled * b->keep, .size = prune_size,
                                 .copy = prune_copy, .row = prune_row};
    vssi_hnsw_prune_links(b, &pruning);
    VSSI_TRY(vssi_hnsw_workers_fit(b, b->chunks * b->keep + 1, err));
    return vssi_hnsw_prune_rows(b, &pruning, err);
}

/* The nearest candidates into the chunks inside the graph. */
static void prune_narrow_take(vssi_hnsw_build *b, const void *arg, size_t place, const uint32_t *nearest, size_t n)
{
    (void)arg;
    for (size_t c = 0; c < b->filled; c++)
        memset(vssi_hnsw_chunk(b, place, c), 0xff, b->keep * sizeof *nearest); /* HNSW_FREE */
    memcpy(vssi_hnsw_links(b, place), nearest, n * sizeof *nearest);
}

static void prune_narrow_row(vssi_hnsw_build *b, vssi_hnsw_worker *worker, const void *arg, size_t place)
{
    size_t n = prune_order(b, worker, (uint32_t)place, prune_gather(b, worker, (uint32_t)place));
    prune_narrow_take(b, arg, place, worker->ids, vssi_min(n, b->inside * b->keep));
}

vss_status vssi_hnsw_prune_narrow(vssi_hnsw_build *b, vss_error *err)
{
    const vssi_hnsw_pruning pruning = {.n = b->n_nodes, .usual = b->filled * b->keep, .most = prune_most(b),
                                       .degree = vssi_min(prune_most(b), b->inside * b->keep), .factor = INFINITY,
                                       .size = prune_size, .copy = prune_copy, .take = prune_narrow_take,
                                       .row = prune_narrow_row};
    VSSI_TRY(vssi_hnsw_workers_fit(b, b->chunks * b->keep + 1, err));
    VSSI_TRY(vssi_hnsw_prune_rows(b, &pruning, err));
    b->filled = b->inside;
    return VSS_OK;
}
