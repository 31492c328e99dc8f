/*
 * search.c - k nearest rows for many queries: plan once, run each query over every segment, merge, read the fields
 *
 * Queries are shared among the threads in small groups; each query is worked on by one thread, whose scratch memory
 * holds its candidates. Distances of candidates are recomputed in float64 before they compete, so that the result of an
 * exact search does not depend on threads, batches or kernels. Locks: none but for taking snapshot and scratch.
 */
#include "search.h"

#include <math.h>
#include <string.h>

#define SEARCH_GROUP 8 /* queries a task */

/* The type's search parameters and "exact", from one text. */
static vss_status search_params(search *s, vss_error *err)
{
    vssi_param table[64];
    uint64_t values[64];
    size_t n = s->type->n_params;
    for (size_t i = 0; i < n; i++)
        table[i] = s->type->params[i];
    table[n] = (vssi_param){.name = "exact", .max = 1, .search = true, .help = "1: compare every row"};
    VSSI_TRY(vssi_param_parse("search", table, n + 1, true, s->request->params, values, err));
    memcpy(s->params, values, n * sizeof *values);
    s->exact = values[n] == 1;
    return VSS_OK;
}

/* The index type defined for the field, flat where there is none. */
static const vssi_index_ops *search_type(const search *s)
{
    const vssi_index_ops *type = atomic_load(&s->col->types[s->field]);
    return type != NULL ? type : vssi_index_type_find("flat");
}

static bool search_half(vss_type type) { return type == VSS_TYPE_VECTOR_F16 || type == VSS_TYPE_VECTOR_BF16; }

static vss_status search_queries(search *s, vss_error *err)
{
    const vssi_field *f = &s->schema->fields[s->field];
    const vss_search_request *r = s->request;
    s->query_type = r->query_type == VSS_TYPE_NONE ? f->type : r->query_type;
    if (s->query_type != f->type && !(s->query_type == VSS_TYPE_VECTOR_F32 && search_half(f->type)))
        return vssi_fail(err, VSS_ERR_INVALID, "queries are %s, field \"%s\" is %s", vss_type_name(s->query_type),
                         f->name, vss_type_name(f->type));
    if (r->dim != f->dim)
        return vssi_fail(err, VSS_ERR_INVALID, "queries have dimension %u, field \"%s\" has %u", r->dim, f->name, f->dim);
    s->query_size = vssi_value_size(s->query_type, f->dim);
    for (size_t q = 0; q < r->n_queries; q++)
        VSSI_TRY(vssi_vector_check("queries", q, s->query_type, s->query_type,
                                   (const uint8_t *)r->queries + q * s->query_size, f->dim, f->metric, err));
    return VSS_OK;
}

static void search_fail(search *s, vss_status status, const vss_error *err)
{
    vssi_mutex_lock(&s->error_mutex);
    if (s->status == VSS_OK) {
        s->status = status;
        if (s->err != NULL)
            *s->err = *err;
    }
    vssi_mutex_unlock(&s->error_mutex);
}

/* One query over one part: hits, sorted. */
static vss_status search_run(search *s, search_part *p, bool scan, const vssi_query *query, rescore *r, size_t limit_n,
                             float limit, vssi_scratch *scratch, vssi_topk *topk, vss_error *err)
{
    double relative, absolute;
    vssi_topk_source source;
    vssi_rescore_source(r, &source);
    vssi_rescore_bound(p, r->query_norm, &relative, &absolute);
    VSSI_TRY(vssi_topk_init(topk, scratch, s->request->k, relative, absolute, &source, err));
    if (limit_n == s->request->k)
        vssi_topk_limit(topk, limit);
    uint64_t before = scratch->distances;
    vss_status status = scan ? vssi_flat_search(NULL, &p->vectors, query, scratch, topk, err)
                             : p->ops->search(p->opened, &p->vectors, query, scratch, topk, err);
    if (status == VSS_OK)
        status = vssi_topk_finish(topk, err);
    atomic_fetch_add_explicit(&p->distances, scratch->distances - before, memory_order_relaxed);
    atomic_fetch_add_explicit(&p->recomputed, topk->recomputed, memory_order_relaxed);
    return status;
}

static bool search_before(const search *s, const vssi_place *a, uint32_t part, const vssi_hit *b)
{
    if (a->value != b->value)
        return a->value < b->value;
    vssi_key x = vssi_segment_key(s->parts[a->part].part->segment, a->row);
    vssi_key y = vssi_segment_key(s->parts[part].part->segment, b->row);
    return vssi_key_compare(&x, &y) < 0;
}

/* places[n] and hits, both sorted, into places[at most width], sorted. From the back, in place. */
static uint32_t search_merge(const search *s, vssi_place *places, uint32_t n, uint32_t part, const vssi_topk *topk,
                             vssi_place *temp)
{
    uint32_t a = 0, b = 0, out = 0;
    while (out < s->width && (a < n || b < topk->n_hits)) {
        if (b == topk->n_hits || (a < n && search_before(s, &places[a], part, &topk->hits[b])))
            temp[out++] = places[a++];
        else {
            temp[out++] = (vssi_place){topk->hits[b].value, part, topk->hits[b].row};
            b++;
        }
    }
    memcpy(places, temp, out * sizeof *temp);
    return out;
}

static size_t search_wanted(const search *s, const search_part *p)
{
    return p->n_allow < s->request->k ? p->n_allow : s->request->k;
}

static vss_status search_part_query(search *s, search_part *p, uint32_t number, size_t q, const vssi_query *base,
                                    rescore *r, vssi_scratch *scratch, vssi_place *temp, vss_error *err)
{
    vssi_topk topk;
    vssi_query query = *base;
    vssi_place *places = s->places + q * s->width;
    uint32_t n = s->counts[q];
    float limit = n > 0 ? places[n - 1].value : 0;
    bool scan = p->plan != VSS_PLAN_INDEX;
    uint64_t begin = s->request->explain ? vssi_now_ns() : 0;
    query.allow = p->allow;
    query.n_allow = p->n_allow;
    r->part = p;
    VSSI_TRY(search_run(s, p, scan, &query, r, n, limit, scratch, &topk, err));
    if (!scan && topk.n_hits < search_wanted(s, p) && n < s->request->k && !vssi_control_stopped(&s->control)) {
        VSSI_TRY(vssi_search_verify(s, p, err));
        VSSI_TRY(search_run(s, p, true, &query, r, n, limit, scratch, &topk, err));
        atomic_store_explicit(&p->fell_back, true, memory_order_relaxed);
    }
    s->counts[q] = search_merge(s, places, n, number, &topk, temp);
    if (s->request->explain)
        atomic_fetch_add_explicit(&p->search_ns, vssi_now_ns() - begin, memory_order_relaxed);
    return VSS_OK;
}

/* Query q as kernels and rescoring take it, in scratch. */
static vss_status search_query_vector(const search *s, size_t q, vssi_scratch *scratch, rescore *r, vss_error *err)
{
    const vssi_field *f = &s->schema->fields[s->field];
    const uint8_t *given = (const uint8_t *)s->request->queries + q * s->query_size;
    vssi_simd_type kind = vssi_vector_kind(s->query_type);
    float *room;
    size_t stride = ((size_t)f->dim + 15) / 16 * 16;
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_QUERY, 2 * stride, sizeof *room, &room, err));
    if (kind == VSSI_SIMD_F16 || kind == VSSI_SIMD_BF16) {
        vssi_simd_widen(kind, given, f->dim, room);
        kind = VSSI_SIMD_F32;
    } else {
        memcpy(room, given, s->query_size);
    }
    r->query = room;
    r->widened = room + stride;
    r->query_norm = kind == VSSI_SIMD_BITS ? 0 : sqrt(vssi_exact(kind, VSSI_SIMD_IP, room, room, f->dim));
    return VSS_OK;
}

static vss_status search_query(search *s, size_t q, vssi_scratch *scratch, vss_error *err)
{
    rescore r = {.search = s};
    vssi_place *temp;
    VSSI_TRY(search_query_vector(s, q, scratch, &r, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_FREE, s->width, sizeof *temp, &temp, err));
    vssi_query query = {.probe = {r.query, r.query_norm > 0 ? (float)(1 / r.query_norm) : 0}, .params = s->params, .control = &s->control};
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i].plan != VSS_PLAN_NOTHING && !vssi_control_stopped(&s->control))
            VSSI_TRY(search_part_query(s, &s->parts[i], (uint32_t)i, q, &query, &r, scratch, temp, err));
    return VSS_OK;
}

static void search_task(void *arg, size_t task)
{
    search *s = arg;
    vssi_scratch_node *node;
    vss_error err = {.status = VSS_OK};
    size_t end = (task + 1) * SEARCH_GROUP;
    vss_status status = vssi_scratch_take(s->col, &node, &err);
    if (status != VSS_OK) {
        search_fail(s, status, &err);
        return;
    }
    if (end > s->request->n_queries)
        end = s->request->n_queries;
    for (size_t q = task * SEARCH_GROUP; q < end && status == VSS_OK; q++) {
        if (vssi_control_stopped(&s->control))
            break;
        status = search_query(s, q, &node->scratch, &err);
        size_t done = atomic_fetch_add(&s->done, 1) + 1;
        if (s->request->progress != NULL)
            vssi_control_report(&s->control, "search", done, s->request->n_queries);
    }
    if (status != VSS_OK)
        search_fail(s, status, &err);
    vssi_scratch_give(s->col, node);
}

/* Room for the places: no query gets more rows than pass. */
static vss_status search_room(search *s, vss_error *err)
{
    uint64_t passing = 0;
    size_t places;
    vssi_heap *heap = &s->col->db->heap;
    for (size_t i = 0; i < s->n_parts; i++)
        passing += s->parts[i].n_allow;
    s->width = passing < s->request->k ? (size_t)passing : s->request->k;
    places = s->width * s->request->n_queries; /* both at most 16,384 */
    VSSI_TRY(vssi_alloc(heap, places, sizeof *s->places, &s->places, err));
    return vssi_alloc_zero(heap, s->request->n_queries, sizeof *s->counts, &s->counts, err);
}

static vss_status search_execute(search *s, vss_error *err)
{
    size_t n = s->request->n_queries, tasks = (n + SEARCH_GROUP - 1) / SEARCH_GROUP;
    size_t threads = s->request->threads == 0 ? 1 : s->request->threads;
    VSSI_TRY(search_room(s, err));
    if (s->width > 0)
        vssi_parallel_for(vssi_db_executor(s->col->db), threads, tasks, search_task, s);
    VSSI_TRY(s->status);
    if (atomic_load(&s->control.stop) == VSS_ERR_CANCELLED)
        return vssi_fail(err, VSS_ERR_CANCELLED, "the search was cancelled");
    return VSS_OK;
}

static vss_status search_explain(const search *s, uint64_t begin, vss_result *result, vss_error *err)
{
    VSSI_TRY(vssi_alloc_zero(&result->db->heap, s->n_parts, sizeof *result->explain_segments,
                             &result->explain_segments, err));
    for (size_t i = 0; i < s->n_parts; i++) {
        const search_part *p = &s->parts[i];
        result->explain_segments[i] = (vss_explain_segment){
            .plan = atomic_load(&p->fell_back) ? VSS_PLAN_INDEX_THEN_SCAN : p->plan,
            .index = p->ops != NULL ? p->ops->name : NULL,
            .rows = p->vectors.rows,
            .passing = p->n_allow,
            .distances = atomic_load(&p->distances),
            .recomputed = atomic_load(&p->recomputed),
            .filter_ns = p->filter_ns,
            .search_ns = atomic_load(&p->search_ns)};
    }
    result->explain = (vss_explain){.struct_size = sizeof result->explain,
                                    .version = s->snapshot->version,
                                    .sequence = s->snapshot->sequence,
                                    .total_ns = vssi_now_ns() - begin,
                                    .n_segments = s->n_parts,
                                    .segments = result->explain_segments};
    result->explained = true;
    return VSS_OK;
}

static vss_status search_result(search *s, const size_t *fields, vss_result *result, vss_error *err)
{
    size_t total = 0;
    for (size_t q = 0; q < s->request->n_queries; q++) {
        if (s->counts[q] > 0)
            memmove(s->places + total, s->places + q * s->width, s->counts[q] * sizeof *s->places);
        total += s->counts[q];
        result->offsets[q + 1] = (int64_t)total;
    }
    if (atomic_load(&s->control.stop) == VSS_ERR_DEADLINE)
        result->flags |= VSS_RESULT_TRUNCATED;
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i].plan == VSS_PLAN_INDEX)
            result->flags |= VSS_RESULT_APPROXIMATE;
    return vssi_result_fill(result, s->schema, s->snapshot, s->places, total, true, s->similarity, fields,
                            s->request->n_fields, err);
}

static void search_end(search *s)
{
    vssi_heap *heap = &s->col->db->heap;
    for (size_t i = 0; i < s->n_parts; i++)
        vssi_free(heap, s->parts[i].allow);
    vssi_free(heap, s->parts);
    vssi_free(heap, s->places);
    vssi_free(heap, s->counts);
    vssi_filter_free(s->filter);
    vssi_snapshot_unref(s->snapshot);
    vssi_mutex_destroy(&s->error_mutex);
    vssi_control_destroy(&s->control);
}

/* Everything that can be wrong with a request, before any work. */
static vss_status search_check(search *s, size_t *fields, vss_error *err)
{
    const vss_search_request *r = s->request;
    VSSI_TRY(vssi_schema_vector_field(s->schema, r->field, &s->field, err));
    VSSI_TRY(vssi_result_fields(s->schema, r->fields, r->n_fields, fields, err));
    if (r->exclude != NULL)
        VSSI_TRY(vssi_keys_check(s->schema, r->exclude, err));
    s->type = search_type(s);
    vss_metric metric = s->schema->fields[s->field].metric;
    s->similarity = metric == VSS_METRIC_IP || metric == VSS_METRIC_COSINE;
    VSSI_TRY(search_params(s, err));
    VSSI_TRY(search_queries(s, err));
    return r->filter == NULL ? VSS_OK : vssi_filter_compile(&s->col->db->heap, s->schema, r->filter, &s->filter, err);
}

vss_status vssi_collection_search(vss_collection *col, const vss_search_request *request, vss_result **out,
                                  vss_error *err)
{
    vss_status status;
    vss_result *result = NULL;
    size_t fields[VSS_MAX_FIELDS];
    uint64_t begin = vssi_now_ns();
    search s = {.col = col, .request = request, .schema = vssi_collection_fields(col), .err = err};
    vssi_control_init(&s.control, request->deadline_ms, request->progress, request->progress_state);
    vssi_mutex_init(&s.error_mutex);
    VSSI_TRY_GOTO(search_check(&s, fields, err), out);
    s.snapshot = vssi_collection_snapshot(col);
    VSSI_TRY_GOTO(vssi_search_plan(&s, err), out);
    VSSI_TRY_GOTO(search_execute(&s, err), out);
    VSSI_TRY_GOTO(vssi_result_create(col->db, request->n_queries, &result, err), out);
    VSSI_TRY_GOTO(search_result(&s, fields, result, err), out);
    if (request->explain)
        VSSI_TRY_GOTO(search_explain(&s, begin, result, err), out);
    *out = result;
    result = NULL;
out:
    vssi_result_free(result);
    search_end(&s);
    return status;
}
