/*
 * flat_codes_dense.c - a batch of queries against all codes, by the kernels of dense.h
 *
 * Rows that the codes can't rule out are listed with their sums, and no vector is read before all codes have been seen:
 * the k-th nearest code of the list so far bounds the k-th distance, D <= D^ + s + r (sq8.h), and with it the sums that
 * are of use. In the end the k nearest codes' rows are scored, which gives the threshold that most of the others fail.
 * A list that stays more than half full (codes that tell too few rows apart) is scored at once, and the threshold goes
 * on from there.
 *
 * Cost: the codes read and packed once; 1 product a byte and query; some tens of k numbers a query in its list, and
 * vectors hardly more than those within the codes' error of the k-th.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/fail.h"
#include "flat_codes.h"
#include "flat_dense.h"

#define DENSE_SPARE 512u                /* room of a list beyond 2 k */

/* What is left of the rows for one query. */
typedef struct dense_list {
    uint32_t *rows;  /* [capacity] */
    int32_t *values; /* [capacity] of dense.h: the greater the nearer */
    size_t n;
    int64_t square;  /* sum d^2 */
} dense_list;

typedef struct dense_search {
    const flat_index *index;
    const vssi_vectors *v;
    const vssi_dense *kernels;
    flat_codes_query *of; /* [n] */
    size_t n, groups, steps, most, capacity;
    dense_list *lists;    /* [n] */
    char *panels, *queries;
    int32_t *halves, *least, *values, *sorted;
    uint32_t *where, ids[FLAT_DENSE_PANELS * VSSI_DENSE_ROWS];
} dense_search;

/* least = ceil((sum d^2 - cut) / 2) */
static void dense_cut(dense_search *s, size_t q)
{
    double cut = s->of[q].cut;
    s->least[q] = vssi_dense_least(cut < 0 ? INFINITY : ceil(((double)s->lists[q].square - floor(cut)) / 2));
}

static void dense_pack_queries(dense_search *s)
{
    size_t size = s->index->sq8.model.size;
    memset(s->queries, 0, s->groups * vssi_dense_size(s->steps));
    for (size_t q = 0; q < s->groups * VSSI_DENSE_QUERIES; q++) {
        if (q >= s->n) {
            s->least[q] = vssi_dense_least(INFINITY);
            continue;
        }
        const uint8_t *code = s->of[q].code.code;
        s->lists[q].n = 0;
        s->lists[q].square = 0;
        for (size_t i = 0; i < size; i++)
            s->lists[q].square += code[i] * code[i];
        vssi_dense_query_codes(code, size, q % VSSI_DENSE_QUERIES,
                               s->queries + q / VSSI_DENSE_QUERIES * vssi_dense_size(s->steps));
        dense_cut(s, q);
    }
}

static size_t dense_place(dense_search *s, char *memory)
{
    size_t at = 0, panel = vssi_dense_size(s->steps), rows = s->most * VSSI_DENSE_ROWS;
    size_t pairs = rows * VSSI_DENSE_QUERIES + 16;
    s->panels = vssi_flat_dense_take(memory, &at, s->most * panel);
    s->queries = vssi_flat_dense_take(memory, &at, s->groups * panel);
    s->halves = vssi_flat_dense_take(memory, &at, rows * sizeof *s->halves);
    s->least = vssi_flat_dense_take(memory, &at, s->groups * VSSI_DENSE_QUERIES * sizeof *s->least);
    s->where = vssi_flat_dense_take(memory, &at, pairs * sizeof *s->where);
    s->values = vssi_flat_dense_take(memory, &at, pairs * sizeof *s->values);
    s->sorted = vssi_flat_dense_take(memory, &at, s->capacity * sizeof *s->sorted);
    s->lists = vssi_flat_dense_take(memory, &at, s->n * sizeof *s->lists);
    uint32_t *rooms = vssi_flat_dense_take(memory, &at, 2 * s->n * s->capacity * sizeof *rooms);
    for (size_t q = 0; memory && q < s->n; q++) {
        s->lists[q].rows = rooms + 2 * q * s->capacity;
        s->lists[q].values = (int32_t *)(s->lists[q].rows + s->capacity);
    }
    return at;
}

static vss_status dense_begin(dense_search *s, vssi_scratch *scratch, vss_error *err)
{
    char *memory;
    s->steps = vssi_dense_steps(s->index->sq8.model.size);
    s->groups = vssi_flat_dense_groups(s->n);
    s->most = vssi_flat_dense_panels(s->steps);
    s->capacity = 2 * s->of->topk->k + DENSE_SPARE;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, dense_place(s, NULL), 1, &memory, err));
    (void)dense_place(s, memory);
    dense_pack_queries(s);
    return VSS_OK;
}

/* The k-th greatest of values[n], which change places. */
static int32_t dense_select(int32_t *values, size_t n, size_t k)
{
    size_t low = 0, high = n - 1, want = k - 1;
    while (low < high) {
        int32_t middle = values[low + (high - low) / 2];
        size_t i = low, j = high;
        for (;; i++, j--) {
            while (values[i] > middle)
                i++;
            while (values[j] < middle)
                j--;
            if (i >= j)
                break;
            int32_t other = values[i];
            values[i] = values[j];
            values[j] = other;
        }
        if (want <= j)
            high = j;
        else
            low = j + 1;
    }
    return values[want];
}

/* The k-th greatest value of a list that has as many. */
static int32_t dense_kth(dense_search *s, size_t q)
{
    memcpy(s->sorted, s->lists[q].values, s->lists[q].n * sizeof *s->sorted);
    return dense_select(s->sorted, s->lists[q].n, s->of[q].topk->k);
}

/* Drop what has become of no use. */
static void dense_drop(dense_search *s, size_t q)
{
    dense_list *list = &s->lists[q];
    size_t kept = 0;
    for (size_t i = 0; i < list->n; i++) {
        list->rows[kept] = list->rows[i];
        list->values[kept] = list->values[i];
        kept += list->values[i] >= s->least[q];
    }
    list->n = kept;
}

/* Score what is of use, the k nearest codes first. The list is empty then. */
static void dense_offer(dense_search *s, size_t q)
{
    dense_list *list = &s->lists[q];
    int32_t kth = list->n > s->of[q].topk->k ? dense_kth(s, q) : INT32_MIN;
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < list->n; i++) {
            bool first = list->values[i] >= kth;
            if (first == (turn == 0) && list->values[i] >= s->least[q] &&
                vssi_flat_codes_keep(s->index, s->v, &s->of[q], &list->rows[i], 1))
                dense_cut(s, q);
        }
        if (turn == 0 && vssi_flat_codes_flush(s->index, s->v, &s->of[q]))
            dense_cut(s, q);
    }
    list->n = 0;
}

/* Make room in a full list. */
static void dense_reduce(dense_search *s, size_t q)
{
    double nearest = (double)s->lists[q].square - 2 * (double)dense_kth(s, q) + 1; /* sum (c - d)^2, or one more */
    if (vssi_flat_codes_bound(s->index, &s->of[q], nearest))
        dense_cut(s, q);
    dense_drop(s, q);
    if (s->lists[q].n > s->capacity / 2)
        dense_offer(s, q);
}

/* Put the pairs of group g into the queries' lists. */
static void dense_hits(dense_search *s, size_t g, size_t n_hits)
{
    for (size_t i = 0; i < n_hits; i++) {
        size_t q = g * VSSI_DENSE_QUERIES + s->where[i] % VSSI_DENSE_QUERIES;
        uint32_t row = s->ids[s->where[i] / VSSI_DENSE_QUERIES];
        dense_list *list = &s->lists[q];
        if (s->values[i] < s->least[q] || vssi_flat_codes_outlier(s->index, row))
            continue;
        list->rows[list->n] = row;
        list->values[list->n++] = s->values[i];
        if (list->n == s->capacity)
            dense_reduce(s, q);
    }
}

/* All queries against the panels. */
static void dense_multiply(dense_search *s, vssi_dense_job *job)
{
    for (size_t g = 0; g < s->groups; g++) {
        vssi_dense_codes with = {s->halves, s->least + g * VSSI_DENSE_QUERIES};
        job->queries = s->queries + g * vssi_dense_size(s->steps);
        job->n_queries = vssi_min(VSSI_DENSE_QUERIES, s->n - g * VSSI_DENSE_QUERIES);
        dense_hits(s, g, s->kernels->codes(job, &with, s->where, s->values));
    }
}

/* Pack up to `panels` panels of the rows from *at on; returns how many rows. */
static size_t dense_pack(dense_search *s, size_t *at, size_t end, size_t panels, vssi_dense_job *job)
{
    const char *codes = (const char *)s->index->sq8.codes, *rows[VSSI_DENSE_ROWS];
    size_t size = s->index->sq8.model.size, count = 0;
    for (job->n_panels = 0; job->n_panels < panels; job->n_panels++) {
        uint32_t *ids = s->ids + job->n_panels * VSSI_DENSE_ROWS;
        size_t n = vssi_flat_next(s->of->query, at, end, ids, VSSI_DENSE_ROWS);
        if (n == 0)
            break;
        for (size_t r = 0; r < n; r++)
            rows[r] = codes + ids[r] * size;
        s->kernels->pack_codes(rows, n, size, s->panels + job->n_panels * vssi_dense_size(s->steps),
                               s->halves + job->n_panels * VSSI_DENSE_ROWS);
        count += n;
    }
    return count;
}

vss_status vssi_flat_codes_dense(const flat_index *index, const vssi_vectors *v, flat_codes_query *of, size_t n,
                                 const flat_codes_range *range, vssi_scratch *scratch, vss_error *err)
{
    dense_search s = {.index = index, .v = v, .kernels = vssi_dense_best(), .of = of, .n = n};
    const vssi_query *query = of->query;
    size_t asked = FLAT_ASK, panels = 1, count;
    VSSI_TRY(dense_begin(&s, scratch, err));
    vssi_dense_job job = {.panels = s.panels, .steps = s.steps};
    for (size_t at = range->begin;; asked += count * n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(query->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        count = dense_pack(&s, &at, range->end, panels, &job);
        if (count == 0)
            break;
        panels = vssi_min(2 * panels, s.most);
        dense_multiply(&s, &job);
        scratch->distances += count * n;
    }
    for (size_t q = 0; q < n; q++) {
        if (s.lists[q].n >= of[q].topk->k)
            dense_reduce(&s, q);
        dense_offer(&s, q);
    }
    return VSS_OK;
}
