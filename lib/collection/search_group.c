/*
 * search_group.c - one task of a search: a group of queries over a range of the rows of every segment
 *
 * Many queries are shared among the threads by queries, in groups that a scan takes through the rows together; few by
 * ranges of rows, each with hits of its own that are merged in the end. Where an index chooses the rows, groups are
 * small and a query is worked on by one thread. A device gets all queries in one group, as far as their candidates
 * allow; where it walks over graphs, so many that they keep it busy: the threads code queries for the next walks and
 * order what the last ones found meanwhile. How many that are does not depend on the threads, as what a query finds
 * may depend on its group (index/hnsw/hnsw_walks.c). A task's candidates are in the scratch memory of its thread: at
 * most GROUP_BYTES for a group. Locks: error_mutex for the first failure.
 */
#include <math.h>
#include <string.h>

#include "../base/checked.h"
#include "search.h"

#define GROUP_INDEX 8u                  /* queries a task where no part takes several at once */
#define GROUP_MOST 1024u                /* and where one does */
#define GROUP_LEAST 64u                 /* but at least, whatever the next one says */
#define GROUP_QUERIES ((size_t)1 << 20) /* bytes of float32 queries, which stay in the second-level cache */
#define GROUP_BYTES ((size_t)32 << 20)  /* of candidates */
#define GROUP_WALKS 2048u               /* queries that keep a device busy with walks */
#define GROUP_SPLIT 64u                 /* queries a thread, below which rows are shared instead */
#define GROUP_HITS ((size_t)1 << 20)    /* of all queries, above which rows are not shared */
#define GROUP_ROWS 16384u               /* at least, in a range */
#define GROUP_FETCH 16u                 /* candidates whose rows are asked for ahead */
#define GROUP_FETCH_BYTES 512u          /* of each */

/* One query of the group. */
typedef struct group_query {
    rescore rescore;
    vssi_topk_source source;
} group_query;

typedef struct group {
    search *search;
    vssi_scratch *scratch;
    size_t first, n;         /* queries */
    size_t range;
    group_query *of;         /* [n] */
    vssi_query *queries;     /* [n] */
    vssi_topk *topks;        /* [n] */
    vssi_place *places;      /* [n][width], the search's, of this range */
    uint32_t *counts;        /* [n] */
    vssi_place *temp, *more; /* [width] and [k], to merge */
} group;

typedef vss_status (*group_batch)(const void *index, const vssi_vectors *vectors, const vssi_query *queries, size_t n,
                                  vssi_scratch *scratch, vssi_topk *topks, vss_error *err);

static bool group_scans(const search_part *p) { return p->plan != VSS_PLAN_INDEX; }

/* How the part takes several queries at once; NULL: it doesn't. */
static group_batch group_batch_of(const search_part *p)
{
    return group_scans(p) ? vssi_flat_search_batch : p->ops->search_batch;
}

/* Queries that stay in the second cache while rows go by. */
static size_t group_cached(uint32_t dim)
{
    return vssi_min(GROUP_MOST, vssi_max(GROUP_QUERIES / sizeof(float) / dim, GROUP_LEAST));
}

void vssi_search_share(search *s, size_t threads)
{
    size_t n = s->request->n_queries, rows = 0, most = GROUP_INDEX;
    bool exact = true, device = false, walks = true;
    for (size_t i = 0; i < s->n_parts; i++) {
        const search_part *p = &s->parts[i];
        if (p->plan == VSS_PLAN_NOTHING)
            continue;
        rows += p->vectors.rows;
        device = device || p->device != NULL;
        walks = walks && (p->device == NULL || (p->through != NULL && p->ops->walks != NULL));
        exact = exact && (group_scans(p) || p->ops->exact);
        if (group_batch_of(p) != NULL)
            most = vssi_max(most, group_scans(p) || p->ops->exact ? group_cached(p->vectors.dim) : GROUP_MOST);
    }
    bool few = n < threads * GROUP_SPLIT && n * s->k <= GROUP_HITS;
    if (device)
        most = VSS_MAX_QUERIES;
    s->ranges = exact && few && !device ? vssi_max(vssi_min(threads, rows / GROUP_ROWS), 1) : 1;
    most = vssi_min(most, vssi_max(GROUP_BYTES / vssi_topk_size(s->k), 1));
    size_t share = s->ranges > 1 || device ? n : (n + threads - 1) / threads;
    if (device && walks)
        share = vssi_min(GROUP_WALKS, n);
    size_t tasks = vssi_max((share + most - 1) / most, 1);
    s->group = vssi_max((share + tasks - 1) / tasks, 1);
}

static bool group_before(const search *s, const vssi_place *a, const vssi_place *b)
{
    if (a->value != b->value)
        return a->value < b->value;
    vssi_key x = vssi_segment_key(s->parts[a->part].part->segment, a->row);
    vssi_key y = vssi_segment_key(s->parts[b->part].part->segment, b->row);
    return vssi_key_compare(&x, &y) < 0;
}

/* places[n] and more[m], both sorted, into places[at most width], sorted; returns how many. */
static uint32_t group_merge(const search *s, vssi_place *places, uint32_t n, const vssi_place *more, uint32_t m,
                            vssi_place *temp)
{
    uint32_t a = 0, b = 0, out = 0;
    while (out < s->width && (a < n || b < m)) {
        bool first = b == m || (a < n && group_before(s, &places[a], &more[b]));
        temp[out++] = first ? places[a++] : more[b++];
    }
    memcpy(places, temp, out * sizeof *temp);
    return out;
}

/* Merge what the top-k of query q found in part number `part`. */
static void group_take(group *g, size_t q, uint32_t part)
{
    const vssi_topk *topk = &g->topks[q];
    for (size_t i = 0; i < topk->n_hits; i++)
        g->more[i] = (vssi_place){topk->hits[i].value, part, topk->hits[i].row};
    g->counts[q] = group_merge(g->search, g->places + q * g->search->width, g->counts[q], g->more,
                               (uint32_t)topk->n_hits, g->temp);
}

/* Are the scores that the part's rows come with the values. */
static bool group_values(const group *g, bool scan) { return g->search->estimates && !scan; }

/* Top-ks for the queries [first, first + n) in a part, each limited by what its query has. values: scores are. */
static vss_status group_begin(group *g, search_part *p, bool values, size_t first, size_t n, vss_error *err)
{
    const search *s = g->search;
    size_t size = vssi_topk_size(s->k);
    uint8_t *memory;
    VSSI_TRY(vssi_scratch_get(g->scratch, VSSI_SCRATCH_TOPK, n, size, &memory, err));
    for (size_t q = first; q < first + n; q++) {
        double relative = 0, absolute = 0;
        g->of[q].source.exact = NULL;
        if (!values) {
            vssi_rescore_source(&g->of[q].rescore, &g->of[q].source);
            vssi_rescore_bound(p, g->of[q].rescore.query_norm, &relative, &absolute);
        }
        vssi_topk_begin(&g->topks[q], memory + (q - first) * size, s->k, relative, absolute, &g->of[q].source,
                        err);
        vssi_topk_range(&g->topks[q], s->near, s->far);
        g->of[q].rescore.part = p;
        g->queries[q].allow = p->allow;
        g->queries[q].n_allow = p->n_allow;
        if (g->counts[q] == s->k)
            vssi_topk_limit(&g->topks[q], g->places[q * s->width + g->counts[q] - 1].value);
    }
    return VSS_OK;
}

/* Rows of a query's candidates, which are anywhere, are wanted soon. */
static void group_fetch(const search_part *p, const vssi_topk *topk)
{
    const size_t size = vssi_min(p->vectors.row_size, GROUP_FETCH_BYTES);
    for (size_t i = 0; i < topk->n_candidates && i < GROUP_FETCH; i++) {
        const char *row = vssi_vectors_row(&p->vectors, topk->candidates[i].row);
        for (size_t offset = 0; offset < size; offset += 64)
            __builtin_prefetch(row + offset);
    }
}

/* Exact hits of the queries [first, first + n), and the counts that explain. */
static vss_status group_finish(group *g, search_part *p, size_t first, size_t n, uint64_t before, vss_error *err)
{
    uint64_t recomputed = 0;
    vss_status status = VSS_OK;
    for (size_t q = first; q < first + n && status == VSS_OK; q++) {
        if (q + 1 < first + n)
            group_fetch(p, &g->topks[q + 1]);
        status = vssi_topk_finish(&g->topks[q], err);
        recomputed += g->topks[q].recomputed;
    }
    atomic_fetch_add_explicit(&p->distances, g->scratch->distances - before, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->recomputed, recomputed, memory_order_relaxed);
    return status;
}

/* One query over one part, by scan or through the part's index. */
static vss_status group_one(group *g, search_part *p, bool scan, size_t q, vss_error *err)
{
    uint64_t before = g->scratch->distances;
    VSSI_TRY(group_begin(g, p, group_values(g, scan), q, 1, err));
    VSSI_TRY(scan ? vssi_flat_search(NULL, &p->vectors, &g->queries[q], g->scratch, &g->topks[q], err)
                  : p->ops->search(p->opened, &p->vectors, &g->queries[q], g->scratch, &g->topks[q], err));
    return group_finish(g, p, q, 1, before, err);
}

/* Has the index come back with fewer rows than there are. */
static bool group_short(group *g, const search_part *p, size_t q)
{
    search *s = g->search;
    return !group_scans(p) && !p->ops->exact && g->topks[q].n_hits < vssi_min(p->n_allow, s->k) &&
           g->counts[q] < s->k && !vssi_control_stopped(&s->control);
}

/* Scan for a query that the index had too few rows for. */
static vss_status group_scan_again(group *g, search_part *p, size_t q, vss_error *err)
{
    VSSI_TRY(vssi_search_verify(g->search, p, err));
    atomic_store_explicit(&p->fell_back, true, memory_order_relaxed);
    return group_one(g, p, true, q, err);
}

static vss_status group_part_query(group *g, search_part *p, uint32_t part, size_t q, vss_error *err)
{
    VSSI_TRY(group_one(g, p, group_scans(p), q, err));
    if (group_short(g, p, q))
        VSSI_TRY(group_scan_again(g, p, q, err));
    group_take(g, q, part);
    return VSS_OK;
}

/* All queries of the group over one part at once. */
static vss_status group_part_batch(group *g, search_part *p, uint32_t part, vss_error *err)
{
    uint64_t before = g->scratch->distances;
    VSSI_TRY(group_begin(g, p, group_values(g, group_scans(p)), 0, g->n, err));
    VSSI_TRY(group_batch_of(p)(p->opened, &p->vectors, g->queries, g->n, g->scratch, g->topks, err));
    VSSI_TRY(group_finish(g, p, 0, g->n, before, err));
    for (size_t q = 0; q < g->n; q++) { /* the others' hits lie where a scan will have its own */
        if (!group_short(g, p, q))
            group_take(g, q, part);
    }
    for (size_t q = 0; q < g->n; q++) {
        if (!group_short(g, p, q))
            continue;
        if (g->search->estimates) /* alone, the types of this library answer by their codes in full */
            VSSI_TRY(group_one(g, p, false, q, err));
        if (group_short(g, p, q))
            VSSI_TRY(group_scan_again(g, p, q, err));
        group_take(g, q, part);
    }
    return VSS_OK;
}

/* How the part's device walks; it compares every allowed row where a walk would need more room than it has. */
static vss_status group_device_walks(group *g, search_part *p, vssi_walks *walks, vssi_device_rows *with,
                                     vss_error *err)
{
    const size_t most = p->device->graphs;
    VSSI_TRY(p->ops->walks(p->opened, &p->vectors, g->queries, g->n, g->search->k, most, g->scratch, walks, err));
    if (walks->pool <= most)
        with->walks = walks;
    else
        atomic_store_explicit(&p->fell_back, true, memory_order_relaxed);
    return VSS_OK;
}

/* What the part's device compares the queries with; the lists that they look at, or how they walk, where it goes by
 * those. */
static vss_status group_device_rows(group *g, search_part *p, vssi_probes *probes, vssi_walks *walks,
                                    vssi_device_rows *with, vss_error *err)
{
    *with = (vssi_device_rows){.device = p->device, .vectors = &p->vectors,
                               .places = vssi_segment_places(p->part->segment, g->search->field)};
    if (p->through == NULL)
        return VSS_OK;
    with->through = &p->through->places;
    if (p->ops->walks != NULL)
        return group_device_walks(g, p, walks, with, err);
    with->probes = probes;
    return p->ops->probe(p->opened, &p->vectors, g->queries, g->n, g->scratch, g->topks, probes, err);
}

/* After a device: what it has settled is taken, what it left or had too few rows for the CPU does. */
static vss_status group_device_rest(group *g, search_part *p, uint32_t part, const bool *unsettled, vss_error *err)
{
    for (size_t q = 0; q < g->n; q++) { /* the others' hits lie where the CPU will have its own */
        if (!unsettled[q] && !group_short(g, p, q))
            group_take(g, q, part);
    }
    for (size_t q = 0; q < g->n; q++) {
        if (unsettled[q]) {
            VSSI_TRY(group_part_query(g, p, part, q, err));
        } else if (group_short(g, p, q)) {
            VSSI_TRY(group_scan_again(g, p, q, err));
            group_take(g, q, part);
        }
    }
    return VSS_OK;
}

/* All queries of the group over one part by its device. *done false: the CPU is to do it. */
static vss_status group_part_device(group *g, search_part *p, uint32_t part, bool *done, vss_error *err)
{
    const search *s = g->search;
    uint64_t before = g->scratch->distances;
    bool *unsettled;
    vssi_probes probes;
    vssi_walks walks;
    vssi_device_rows with;
    vss_error why = {.status = VSS_OK};
    VSSI_TRY(group_begin(g, p, true, 0, g->n, err));
    VSSI_TRY(group_device_rows(g, p, &probes, &walks, &with, err));
    VSSI_TRY(vssi_scratch_get(g->scratch, VSSI_SCRATCH_FREE + 4, g->n, sizeof *unsettled, &unsettled, err));
    vss_status status = vssi_device_search(&with, g->queries, g->n, g->scratch, g->topks, unsettled, &why);
    *done = s->request->device_required || !vssi_device_replaceable(status);
    if (!*done) {
        atomic_store(&p->device_failed, true);
        vssi_db_log(s->col->db, VSS_LOG_WARNING, "the CPU searches in place of device \"%s\": %s", p->device->name,
                    why.message);
        return VSS_OK;
    }
    if (status != VSS_OK)
        *err = why;
    VSSI_TRY(status);
    VSSI_TRY(group_finish(g, p, 0, g->n, before, err));
    return group_device_rest(g, p, part, unsettled, err);
}

/* The group's range of the part's rows, in whole words of its bitmap. False: it has none. */
static bool group_range(group *g, const search_part *p)
{
    size_t rows = p->vectors.rows, ranges = g->search->ranges, words = rows / 64;
    size_t begin = words * g->range / ranges * 64;
    size_t end = g->range + 1 == ranges ? rows : words * (g->range + 1) / ranges * 64;
    for (size_t q = 0; q < g->n; q++) {
        g->queries[q].begin = begin;
        g->queries[q].end = end;
    }
    return begin < end;
}

/* The same by the CPU. */
static vss_status group_part_cpu(group *g, search_part *p, uint32_t part, vss_error *err)
{
    if (g->n > 1 && group_batch_of(p) != NULL)
        return group_part_batch(g, p, part, err);
    for (size_t q = 0; q < g->n && !vssi_control_stopped(&g->search->control); q++)
        VSSI_TRY(group_part_query(g, p, part, q, err));
    return VSS_OK;
}

static vss_status group_part(group *g, search_part *p, uint32_t part, vss_error *err)
{
    bool explain = g->search->request->explain != 0, done = false;
    uint64_t begin = explain ? vssi_now_ns() : 0;
    if (p->device != NULL && !atomic_load(&p->device_failed))
        VSSI_TRY(group_part_device(g, p, part, &done, err));
    if (!done)
        VSSI_TRY(group_part_cpu(g, p, part, err));
    if (explain)
        atomic_fetch_add_explicit(&p->search_ns, vssi_now_ns() - begin, memory_order_relaxed);
    return VSS_OK;
}

/* The queries as kernels and rescoring take them. */
static vss_status group_vectors(group *g, vss_error *err)
{
    const search *s = g->search;
    const vssi_field *f = &s->schema->fields[s->field];
    size_t stride = ((size_t)f->dim + 15) / 16 * 16;
    float *room;
    VSSI_TRY(vssi_scratch_get(g->scratch, VSSI_SCRATCH_QUERY, (g->n + 1) * stride, sizeof *room, &room, err));
    for (size_t q = 0; q < g->n; q++) {
        const uint8_t *given = (const uint8_t *)s->request->queries + (g->first + q) * s->query_size;
        vssi_simd_type kind = vssi_vector_kind(s->query_type);
        float *vector = room + q * stride;
        if (kind == VSSI_SIMD_F16 || kind == VSSI_SIMD_BF16) {
            vssi_simd_widen(kind, given, f->dim, vector);
            kind = VSSI_SIMD_F32;
        } else {
            memcpy(vector, given, s->query_size);
        }
        bool normed = f->metric == VSS_METRIC_IP || f->metric == VSS_METRIC_COSINE;
        double norm = normed ? sqrt(vssi_exact(kind, VSSI_SIMD_IP, vector, vector, f->dim)) : 0;
        g->of[q].rescore = (rescore){.search = s, .query = vector, .query_norm = norm, .widened = room + g->n * stride};
        vssi_rescore_source(&g->of[q].rescore, &g->of[q].source);
        g->queries[q] = (vssi_query){.probe = {vector, norm > 0 ? (float)(1 / norm) : 0}, .params = s->params,
                                     .control = &g->search->control};
    }
    return VSS_OK;
}

static vss_status group_room(group *g, vss_error *err)
{
    const search *s = g->search;
    VSSI_TRY(vssi_scratch_get(g->scratch, VSSI_SCRATCH_FREE, s->width + s->k, sizeof *g->temp, &g->temp, err));
    VSSI_TRY(vssi_scratch_get(g->scratch, VSSI_SCRATCH_FREE + 1, g->n, sizeof *g->of, &g->of, err));
    VSSI_TRY(vssi_scratch_get(g->scratch, VSSI_SCRATCH_FREE + 2, g->n, sizeof *g->queries, &g->queries, err));
    VSSI_TRY(vssi_scratch_get(g->scratch, VSSI_SCRATCH_FREE + 3, g->n, sizeof *g->topks, &g->topks, err));
    g->more = g->temp + s->width;
    return group_vectors(g, err);
}

static vss_status group_run(group *g, vss_error *err)
{
    search *s = g->search;
    VSSI_TRY(group_room(g, err));
    for (size_t i = 0; i < s->n_parts; i++) {
        search_part *p = &s->parts[i];
        if (p->plan != VSS_PLAN_NOTHING && !vssi_control_stopped(&s->control) && group_range(g, p))
            VSSI_TRY(group_part(g, p, (uint32_t)i, err));
    }
    return VSS_OK;
}

static void group_fail(search *s, vss_status status, const vss_error *err)
{
    vssi_mutex_lock(&s->error_mutex);
    if (s->status == VSS_OK) {
        s->status = status;
        if (s->err != NULL)
            *s->err = *err;
    }
    vssi_mutex_unlock(&s->error_mutex);
}

void vssi_search_task(void *arg, size_t t)
{
    search *s = arg;
    vssi_scratch_node *node;
    vss_error err = {.status = VSS_OK};
    size_t all = s->request->n_queries, first = t / s->ranges * s->group, range = t % s->ranges;
    group g = {.search = s, .first = first, .n = vssi_min(s->group, all - first), .range = range,
               .places = s->places + (range * all + first) * s->width, .counts = s->counts + range * all + first};
    vss_status status = vssi_scratch_take(s->col, &node, &err);
    if (status == VSS_OK) {
        g.scratch = &node->scratch;
        if (!vssi_control_stopped(&s->control))
            status = group_run(&g, &err);
        size_t done = atomic_fetch_add(&s->done, g.n) + g.n;
        if (status == VSS_OK && s->request->progress != NULL)
            vssi_control_report(&s->control, "search", done / s->ranges, all);
        vssi_scratch_give(s->col, node);
    }
    if (status != VSS_OK)
        group_fail(s, status, &err);
}

vss_status vssi_search_join(search *s, vss_error *err)
{
    size_t n = s->request->n_queries;
    vssi_place *temp;
    VSSI_TRY(vssi_alloc(&s->col->db->heap, s->width, sizeof *temp, &temp, err));
    for (size_t range = 1; range < s->ranges; range++) {
        for (size_t q = 0; q < n; q++) {
            size_t other = range * n + q;
            s->counts[q] = group_merge(s, s->places + q * s->width, s->counts[q], s->places + other * s->width,
                                       s->counts[other], temp);
        }
    }
    vssi_free(&s->col->db->heap, temp);
    return VSS_OK;
}
