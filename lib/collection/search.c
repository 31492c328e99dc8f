/*
 * search.c - k nearest rows for many queries: plan once, run the queries over every segment, merge, read the fields
 *
 * The work is shared among the threads by queries or by rows (search_group.c). Distances of candidates are recomputed
 * in float64 before they compete, so that the result of an exact search does not depend on threads, batches or kernels.
 * Locks: none but for taking snapshot and scratch.
 */
#include "../base/checked.h"
#include "search.h"

#include <math.h>
#include <string.h>

/* The type's search parameters, "exact" and, for a type that trusts its bytes, "trusted", from one text. */
static vss_status search_params(search *s, vss_error *err)
{
    vssi_param table[64];
    uint64_t values[64];
    size_t n = s->type->n_params;
    for (size_t i = 0; i < n; i++)
        table[i] = s->type->params[i];
    table[n] = (vssi_param){.name = "exact", .max = 1, .search = true, .help = "1: compare every row"};
    table[n + 1] = (vssi_param){.name = "trusted", .max = 1, .search = true, .help = "1: the stored bytes are trusted"};
    VSSI_TRY(vssi_param_parse("search", table, n + 1 + s->type->trusting, true, s->request->params, values, err));
    memcpy(s->params, values, n * sizeof *values);
    s->exact = values[n] == 1;
    for (size_t i = 0; i < n; i++)
        s->estimates = s->estimates || (strcmp(table[i].name, VSSI_PARAM_REFINE) == 0 && values[i] == 0);
    s->trusted = s->type->trusting && values[n + 1] == 1;
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
        return vssi_fail(err, VSS_ERR_INVALID, "queries have dimension %u, field \"%s\" has %u", r->dim, f->name,
                         f->dim);
    s->query_size = vssi_value_size(s->query_type, f->dim);
    for (size_t q = 0; q < r->n_queries; q++)
        VSSI_TRY(vssi_vector_check("queries", q, s->query_type, s->query_type,
                                   (const uint8_t *)r->queries + q * s->query_size, f->dim, f->metric, err));
    return VSS_OK;
}

/* Room for the places: no query gets more rows than pass. */
static vss_status search_room(search *s, vss_error *err)
{
    uint64_t passing = 0;
    size_t lists = s->request->n_queries * s->ranges, places;
    vssi_heap *heap = &s->col->db->heap;
    for (size_t i = 0; i < s->n_parts; i++)
        passing += s->parts[i].n_allow;
    s->width = passing < s->k ? (size_t)passing : s->k;
    if (!vssi_mul(s->width, lists, &places))
        return vssi_fail(err, VSS_ERR_NO_MEMORY, "out of memory (%zu times %zu hits wanted)", lists, s->width);
    VSSI_TRY(vssi_alloc(heap, places, sizeof *s->places, &s->places, err));
    return vssi_alloc_zero(heap, lists, sizeof *s->counts, &s->counts, err);
}

static vss_status search_execute(search *s, vss_error *err)
{
    size_t n = s->request->n_queries, threads = s->request->threads == 0 ? 1 : s->request->threads;
    vssi_search_share(s, threads);
    VSSI_TRY(search_room(s, err));
    if (s->width > 0 && n > 0)
        vssi_parallel_for(vssi_db_executor(s->col->db), threads, (n + s->group - 1) / s->group * s->ranges,
                          vssi_search_task, s);
    VSSI_TRY(s->status);
    if (atomic_load(&s->control.stop) == VSS_ERR_CANCELLED)
        return vssi_fail(err, VSS_ERR_CANCELLED, "the search was cancelled");
    return s->ranges > 1 && s->width > 0 ? vssi_search_join(s, err) : VSS_OK;
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
            .device = p->device != NULL && !atomic_load(&p->device_failed) ? p->device->name : NULL,
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
        if (s->counts[q] > s->request->k) {
            s->counts[q] = s->request->k;
            result->flags |= VSS_RESULT_CAPPED;
        }
        if (s->counts[q] > 0)
            memmove(s->places + total, s->places + q * s->width, s->counts[q] * sizeof *s->places);
        total += s->counts[q];
        result->offsets[q + 1] = (int64_t)total;
    }
    if (atomic_load(&s->control.stop) == VSS_ERR_DEADLINE)
        result->flags |= VSS_RESULT_TRUNCATED;
    for (size_t i = 0; i < s->n_parts; i++)
        if (s->parts[i].plan == VSS_PLAN_INDEX && !s->parts[i].ops->exact)
            result->flags |= VSS_RESULT_APPROXIMATE | (s->estimates ? VSS_RESULT_ESTIMATED : 0);
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

/* The device that is asked for. */
static vss_status search_device(search *s, vss_error *err)
{
    const vss_search_request *r = s->request;
    VSSI_TRY(vssi_device_named(r->device, &s->device, err));
    if (s->device != NULL && r->device_required && r->range)
        return vssi_fail(err, VSS_ERR_UNSUPPORTED, "device \"%s\": a search within a range is the CPU's",
                         s->device->name);
    return VSS_OK;
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
    s->k = r->k + (r->range != 0);
    s->near = !r->range ? -INFINITY : s->similarity ? -r->range_high : r->range_low;
    s->far = !r->range ? INFINITY : s->similarity ? -r->range_low : r->range_high;
    VSSI_TRY(search_params(s, err));
    VSSI_TRY(search_device(s, err));
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
