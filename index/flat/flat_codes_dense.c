/*
 * flat_codes_dense.c - a batch of queries against all codes, by the kernels of dense.h
 *
 * Codes are multiplied where they lie, block by block of some hundred rows; where a filter leaves fewer than three
 * quarters of them, or the last ones of all, they are copied first. Rows that the codes can't rule out are listed with
 * their values, and no vector is read before all codes have been seen: the k-th nearest code of the list so far bounds
 * the k-th distance, D <= D^ + s + r (sq8.h), and with it the values that are of use. In the end the k nearest codes'
 * rows are scored, which gives the threshold that most of the others fail. A list that hardly gets shorter (codes that
 * tell too few rows apart) is scored at once, and the threshold goes on from there.
 *
 * Where there are many more rows, some thousand of them from all over the range come first, of which nothing is listed:
 * the greatest value of every sixteen is enough for a k-th, and with it few rows are listed later.
 *
 * Cost: the codes read once; 1 product a byte and query; some tens of k numbers a query in its list, and vectors hardly
 * more than those within the codes' error of the k-th.
 */
#include <math.h>
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/fail.h"
#include "../kth.h"
#include "flat_codes.h"
#include "flat_dense.h"

#define DENSE_FULL 64u       /* places of a list beyond 2 k that are filled before it is looked at first */
#define DENSE_SPARE 512u     /* those that it has */
#define DENSE_MOST 512u      /* rows of a block */
#define DENSE_COPY_AHEAD 4u  /* rows */
#define DENSE_ASK 512u       /* lines */
#define DENSE_FIRST 4096u    /* rows that come first */
#define DENSE_RUN 64u        /* of them side by side */
#define DENSE_TIMES 8u       /* so many times as many there must be */
#define DENSE_SIXTEENS (DENSE_FIRST / 16)

/* What is left of the rows for one query. */
typedef struct dense_list {
    uint32_t *rows;  /* [capacity] */
    int32_t *values; /* [capacity] of dense.h: the greater the nearer */
    size_t n, full;  /* full: where it is reduced */
    int64_t square;  /* sum d^2 */
} dense_list;

typedef struct dense_search {
    const flat_index *index;
    const vssi_vectors *v;
    const vssi_dense *kernels;
    flat_codes_query *of; /* [n] */
    size_t n, groups, most, capacity;
    bool few, many;       /* so few rows are allowed that they are copied; so many that some come first */
    dense_list *lists;    /* [n] */
    char *copies, *queries;
    int32_t *norms, *least, *values, *greatest;
    uint32_t *where, *keys, *ids;
    size_t first;         /* of the block */
    vssi_dense_codes job;
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
    memset(s->queries, 0, s->groups * vssi_dense_size(s->job.steps));
    for (size_t q = 0; q < s->groups * VSSI_DENSE_QUERIES; q++) {
        if (q >= s->n) {
            s->least[q] = vssi_dense_least(INFINITY);
            continue;
        }
        const uint8_t *code = s->of[q].code.code;
        s->lists[q].n = 0;
        s->lists[q].full = 2 * s->of->topk->k + DENSE_FULL;
        s->lists[q].square = 0;
        for (size_t i = 0; i < size; i++)
            s->lists[q].square += code[i] * code[i];
        vssi_dense_query_codes(code, size, q % VSSI_DENSE_QUERIES,
                               s->queries + q / VSSI_DENSE_QUERIES * vssi_dense_size(s->job.steps));
        dense_cut(s, q);
    }
}

static size_t dense_place(dense_search *s, char *memory)
{
    size_t at = 0, group = vssi_dense_size(s->job.steps), pairs = s->most * VSSI_DENSE_QUERIES + 16;
    s->queries = vssi_flat_dense_take(memory, &at, s->groups * group);
    s->copies = vssi_flat_dense_take(memory, &at, s->most * s->job.steps * VSSI_DENSE_STEP);
    s->norms = vssi_flat_dense_take(memory, &at, s->most * sizeof *s->norms);
    s->ids = vssi_flat_dense_take(memory, &at, s->most * sizeof *s->ids);
    s->least = vssi_flat_dense_take(memory, &at, s->groups * VSSI_DENSE_QUERIES * sizeof *s->least);
    s->where = vssi_flat_dense_take(memory, &at, pairs * sizeof *s->where);
    s->values = vssi_flat_dense_take(memory, &at, pairs * sizeof *s->values);
    s->keys = vssi_flat_dense_take(memory, &at, vssi_max(s->capacity, DENSE_SIXTEENS) * sizeof *s->keys);
    s->greatest = vssi_flat_dense_take(memory, &at, s->many ? s->groups * DENSE_SIXTEENS * VSSI_DENSE_QUERIES * 4 : 0);
    s->lists = vssi_flat_dense_take(memory, &at, s->n * sizeof *s->lists);
    uint32_t *rooms = vssi_flat_dense_take(memory, &at, 2 * s->n * s->capacity * sizeof *rooms);
    for (size_t q = 0; memory && q < s->n; q++) {
        s->lists[q].rows = rooms + 2 * q * s->capacity;
        s->lists[q].values = (int32_t *)(s->lists[q].rows + s->capacity);
    }
    return at;
}

static vss_status dense_begin(dense_search *s, size_t range, vssi_scratch *scratch, vss_error *err)
{
    char *memory;
    const vssi_query *query = s->of->query;
    size_t size = s->index->sq8.model.size, rows = FLAT_DENSE_BYTES / size / VSSI_DENSE_WHOLE * VSSI_DENSE_WHOLE;
    s->job.steps = vssi_dense_steps(size);
    s->groups = vssi_flat_dense_groups(s->n);
    s->most = vssi_max(VSSI_DENSE_WHOLE, vssi_min(rows, DENSE_MOST));
    s->capacity = 2 * s->of->topk->k + DENSE_SPARE;
    s->few = query->allow && query->n_allow < s->v->rows - s->v->rows / 4;
    s->many = !query->allow && range >= DENSE_TIMES * DENSE_FIRST && s->of->topk->k <= DENSE_SIXTEENS / 4;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_TILE, dense_place(s, NULL), 1, &memory, err));
    (void)dense_place(s, memory);
    dense_pack_queries(s);
    return VSS_OK;
}

/* The k-th greatest of n >= k values that are `stride` apart. */
static int32_t dense_kth(dense_search *s, const int32_t *values, size_t n, size_t stride)
{
    for (size_t i = 0; i < n; i++)
        s->keys[i] = ~((uint32_t)values[i * stride] ^ 0x80000000u); /* falling with the value */
    return (int32_t)(~vssi_kth(s->keys, n, s->of->topk->k) ^ 0x80000000u);
}

/* k rows that may be returned have values from kth on. */
static void dense_bound(dense_search *s, size_t q, int32_t kth)
{
    double nearest = (double)s->lists[q].square - 2 * (double)kth + 1; /* sum (c - d)^2, or one more */
    if (vssi_flat_codes_bound(s->index, &s->of[q], nearest))
        dense_cut(s, q);
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

/* Score the rows whose values are of use and in [low, high), asked for together. */
static void dense_score(dense_search *s, size_t q, int64_t low, int64_t high)
{
    dense_list *list = &s->lists[q];
    size_t n = 0, size = s->v->row_size;
    for (size_t i = 0; i < list->n; i++) {
        if (list->values[i] < low || list->values[i] >= high || list->values[i] < s->least[q])
            continue;
        const char *row = vssi_vectors_row(s->v, list->rows[i]);
        for (size_t at = 0; at < size && n < DENSE_ASK; at += VSSI_DENSE_STEP, n++)
            __builtin_prefetch(row + at);
    }
    for (size_t i = 0; i < list->n; i++) {
        if (list->values[i] >= low && list->values[i] < high && list->values[i] >= s->least[q] &&
            vssi_flat_codes_keep(s->index, s->v, &s->of[q], &list->rows[i], 1))
            dense_cut(s, q);
    }
    if (vssi_flat_codes_flush(s->index, s->v, &s->of[q]))
        dense_cut(s, q);
}

/* Score what is of use, the k nearest codes first. The list is empty then. */
static void dense_offer(dense_search *s, size_t q)
{
    dense_list *list = &s->lists[q];
    int32_t kth = list->n > s->of->topk->k ? dense_kth(s, list->values, list->n, 1) : INT32_MIN;
    dense_score(s, q, kth, INT64_MAX);
    dense_score(s, q, INT64_MIN, kth);
    list->n = 0;
}

/* Make room in a full list. */
static void dense_reduce(dense_search *s, size_t q)
{
    dense_bound(s, q, dense_kth(s, s->lists[q].values, s->lists[q].n, 1));
    dense_drop(s, q);
    if (s->lists[q].n > s->capacity / 2)
        dense_offer(s, q);
    s->lists[q].full = vssi_max(2 * s->of[q].topk->k + DENSE_FULL, 2 * s->lists[q].n);
}

/* Put the pairs of group g into the queries' lists. */
static void dense_hits(dense_search *s, size_t g, size_t n_hits)
{
    const uint64_t *allow = s->few ? NULL : s->of->query->allow;
    for (size_t i = 0; i < n_hits; i++) {
        size_t q = g * VSSI_DENSE_QUERIES + s->where[i] % VSSI_DENSE_QUERIES, place = s->where[i] / VSSI_DENSE_QUERIES;
        uint32_t row = s->few ? s->ids[place] : (uint32_t)(s->first + place);
        dense_list *list = &s->lists[q];
        if (s->values[i] < s->least[q] || (allow && !vssi_bitmap_get(allow, row)) ||
            vssi_flat_codes_outliers(s->index, row, (size_t)row + 1))
            continue;
        list->rows[list->n] = row;
        list->values[list->n++] = s->values[i];
        if (list->n == list->full)
            dense_reduce(s, q);
    }
}

/* The g-th group against the block, while its share of `bytes` from `next` on is asked for. */
static void dense_group(dense_search *s, size_t g, const char *next, size_t bytes)
{
    vssi_dense_codes *job = &s->job;
    job->next_bytes = bytes / s->groups;
    job->next = next + g * job->next_bytes;
    job->queries = s->queries + g * vssi_dense_size(job->steps);
    job->n_queries = vssi_min(VSSI_DENSE_QUERIES, s->n - g * VSSI_DENSE_QUERIES);
    job->least = s->least + g * VSSI_DENSE_QUERIES;
}

/* n rows from s->first on, where they lie. */
static void dense_rows(dense_search *s, size_t n)
{
    s->job.stride = s->index->sq8.model.size;
    s->job.rows = (const char *)s->index->sq8.codes + s->first * s->job.stride;
    s->job.norms = s->index->norms + s->first;
    s->job.n_rows = n;
}

/* Copy n rows' codes and norms, those in ids or, of all, those from s->first on. */
static void dense_copy(dense_search *s, size_t n)
{
    const char *codes = (const char *)s->index->sq8.codes;
    size_t size = s->index->sq8.model.size, stride = s->job.steps * VSSI_DENSE_STEP;
    for (size_t r = 0; r < n; r++) {
        size_t row = s->few ? s->ids[r] : s->first + r;
        for (size_t at = 0; s->few && r + DENSE_COPY_AHEAD < n && at < size; at += VSSI_DENSE_STEP)
            __builtin_prefetch(codes + s->ids[r + DENSE_COPY_AHEAD] * size + at);
        memcpy(s->copies + r * stride, codes + row * size, size);
        s->norms[r] = s->index->norms[row];
    }
    s->job.rows = s->copies;
    s->job.stride = stride;
    s->job.norms = s->norms;
}

/* Of n rows from s->first on how many can be multiplied where they lie: the kernel reads beyond the last one. */
static size_t dense_whole(const dense_search *s, size_t n)
{
    size_t size = s->index->sq8.model.size, over = s->job.steps * VSSI_DENSE_STEP - size;
    size_t left = s->v->rows - s->first, beyond = (over + size - 1) / size;
    size_t whole = vssi_round_up(n, VSSI_DENSE_WHOLE);
    if (left >= whole + beyond)
        return n;
    return left > beyond ? (left - beyond) / VSSI_DENSE_WHOLE * VSSI_DENSE_WHOLE : 0;
}

/* The next block of at most `most` rows from *at on against all queries. Returns how many rows. */
static size_t dense_block(dense_search *s, size_t *at, size_t end, size_t most)
{
    const char *codes = (const char *)s->index->sq8.codes;
    size_t size = s->index->sq8.model.size, n = vssi_min(most, end - *at), whole = 0;
    s->first = *at;
    if (s->few) {
        n = vssi_bitmap_rows(s->of->query->allow, *at, end, s->ids, most, at);
    } else {
        whole = dense_whole(s, n);
        n = whole > 0 ? whole : n;
        *at += n;
    }
    if (n == 0)
        return 0;
    dense_rows(s, n);
    if (whole == 0)
        dense_copy(s, n);
    size_t next = s->few ? 0 : vssi_min(vssi_min(2 * n, s->most), end - *at) * size;
    for (size_t g = 0; g < s->groups; g++) {
        dense_group(s, g, codes + *at * size, next);
        dense_hits(s, g, s->kernels->codes(&s->job, s->where, s->values));
    }
    return n;
}

/* Runs of rows from all over the range, none with an outlier, for a first cut. Returns how many rows. */
static size_t dense_first(dense_search *s, const flat_codes_range *range)
{
    const size_t apart = (range->end - range->begin) / (DENSE_FIRST / DENSE_RUN), size = s->index->sq8.model.size;
    const size_t sixteens = DENSE_RUN / 16, group = DENSE_SIXTEENS * VSSI_DENSE_QUERIES;
    size_t n = 0;
    for (size_t at = range->begin; at + apart <= range->end && n < DENSE_SIXTEENS; at += apart) {
        if (vssi_flat_codes_outliers(s->index, at, at + DENSE_RUN))
            continue;
        s->first = at;
        dense_rows(s, DENSE_RUN);
        for (size_t g = 0; g < s->groups; g++) {
            dense_group(s, g, s->job.rows + apart * size, at + 2 * apart <= range->end ? DENSE_RUN * size : 0);
            s->kernels->greatest(&s->job, s->greatest + g * group + n * VSSI_DENSE_QUERIES);
        }
        n += sixteens;
    }
    for (size_t q = 0; q < s->n && n >= s->of->topk->k; q++) {
        const int32_t *of = s->greatest + q / VSSI_DENSE_QUERIES * group + q % VSSI_DENSE_QUERIES;
        dense_bound(s, q, dense_kth(s, of, n, VSSI_DENSE_QUERIES));
    }
    return n * 16;
}

vss_status vssi_flat_codes_dense(const flat_index *index, const vssi_vectors *v, flat_codes_query *of, size_t n,
                                 const flat_codes_range *range, vssi_scratch *scratch, vss_error *err)
{
    dense_search s = {.index = index, .v = v, .kernels = vssi_dense_best(), .of = of, .n = n};
    const vssi_query *query = of->query;
    size_t asked = FLAT_ASK, most, count;
    VSSI_TRY(dense_begin(&s, range->end - range->begin, scratch, err));
    if (s.many)
        scratch->distances += dense_first(&s, range) * n;
    most = s.many ? s.most : VSSI_DENSE_WHOLE;
    for (size_t at = range->begin;; asked += count * n) {
        if (asked >= FLAT_ASK && vssi_control_stopped(query->control))
            return VSS_OK;
        asked = asked >= FLAT_ASK ? 0 : asked;
        count = dense_block(&s, &at, range->end, most);
        if (count == 0)
            break;
        most = vssi_min(2 * most, s.most);
        scratch->distances += count * n;
    }
    for (size_t q = 0; q < n; q++) {
        if (s.lists[q].n >= of[q].topk->k)
            dense_reduce(&s, q);
        dense_offer(&s, q);
    }
    return VSS_OK;
}
