/*
 * device_search.c - queries to a device, and the rows that it answers with to the top-ks
 *
 * The device's values are what the CPU would compute, so that they are offered as they are. What it answers is looked
 * at like anything that comes from outside: a row that is not there, or not allowed, is a failure of the device. Cost
 * beside the device's: queries that do not lie evenly copied, and some k numbers a query. Locks: none here.
 */
#include <string.h>

#include "../../lib/base/bitmap.h"
#include "../../lib/base/checked.h"
#include "../../lib/base/fail.h"
#include "device.h"

#define DEVICE_TIES 32u /* places beyond k and an eighth of it, for rows that tie with the k-th */

/* A search as the device takes it, in scratch memory. */
typedef struct device_job {
    vss_device_search search;
    vss_device_hits hits;
    float *limits;
} device_job;

#define DEVICE_NUMBERS 3u /* of a query beside its rows: count, limit, scored */

static vss_device_vectors device_vectors(const vssi_vectors *v)
{
    return (vss_device_vectors){.struct_size = sizeof(vss_device_vectors), .type = v->type, .metric = v->metric,
                                .dim = v->dim, .rows = v->rows, .data = v->data};
}

vss_status vssi_device_takes(const vss_device *device, const vssi_vectors *v, size_t k, vss_error *err)
{
    vss_error why = {.status = VSS_OK};
    vss_device_vectors shape = device_vectors(v);
    shape.rows = 0;
    shape.data = NULL;
    vss_status status = device->takes(device->state, &shape, (uint32_t)k, &why);
    if (status != VSS_OK && err != NULL)
        *err = vssi_device_told(device, status, &why);
    return status;
}

static vss_status device_queries(const vssi_vectors *v, const vssi_query *queries, size_t n, vssi_scratch *scratch,
                                 vss_device_search *search, vss_error *err)
{
    bool halves = v->kind == VSSI_SIMD_F16 || v->kind == VSSI_SIMD_BF16; /* whose queries are float32 */
    size_t size = vssi_simd_row_size(halves ? VSSI_SIMD_F32 : v->kind, v->dim);
    const char *first = queries[0].probe.vector;
    size_t stride = n > 1 ? (size_t)((const char *)queries[1].probe.vector - first) : size;
    bool even = stride >= size && stride % 4 == 0 && stride < 2 * size + 64;
    char *copy;
    for (size_t q = 2; q < n && even; q++)
        even = queries[q].probe.vector == first + q * stride;
    search->queries = first;
    search->query_stride = stride;
    if (even)
        return VSS_OK;
    search->query_stride = (size_t)vssi_round_up(size, 4);
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_CODES, n, search->query_stride, &copy, err));
    for (size_t q = 0; q < n; q++)
        memcpy(copy + q * search->query_stride, queries[q].probe.vector, size);
    search->queries = copy;
    return VSS_OK;
}

static vss_status device_prepare(device_job *job, const vssi_vectors *v, const vssi_query *queries, size_t n,
                                 vssi_scratch *scratch, const vssi_topk *topks, vss_error *err)
{
    size_t k = topks[0].k, width = vssi_min(k + k / 8 + DEVICE_TIES, v->rows);
    uint32_t *room;
    job->search = (vss_device_search){.struct_size = sizeof job->search, .k = (uint32_t)k, .width = (uint32_t)width,
                                      .n_queries = n, .allow = queries[0].allow, .n_allow = queries[0].n_allow,
                                      .state = queries[0].control, .stopped = vssi_device_stopped};
    job->search.k = (uint32_t)vssi_min(k, width);
    VSSI_TRY(device_queries(v, queries, n, scratch, &job->search, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_ROWS, n * (width + DEVICE_NUMBERS), sizeof *room, &room, err));
    VSSI_TRY(vssi_scratch_get(scratch, VSSI_SCRATCH_SCORES, n * width, sizeof(float), &job->hits.values, err));
    job->hits.struct_size = sizeof job->hits;
    job->hits.counts = room;
    job->limits = (float *)(room + n);
    job->hits.scored = room + 2 * n;
    job->hits.rows = room + DEVICE_NUMBERS * n;
    for (size_t q = 0; q < n; q++)
        job->limits[q] = topks[q].threshold;
    job->search.limits = job->limits;
    return VSS_OK;
}

/* Are the rows that came back for a query there, and allowed. */
static vss_status device_check(const vss_device *device, const device_job *job, const vssi_vectors *v, size_t q,
                               vss_error *err)
{
    const vss_device_search *s = &job->search;
    if (job->hits.counts[q] > s->width)
        return vssi_fail(err, VSS_ERR_DEVICE, "device \"%s\": %u rows for query %zu, which has room for %u",
                         device->name, job->hits.counts[q], q, s->width);
    for (size_t i = 0; i < job->hits.counts[q]; i++) {
        uint32_t row = job->hits.rows[q * s->width + i];
        if (row >= v->rows || (s->allow != NULL && !vssi_bitmap_get(s->allow, row)))
            return vssi_fail(err, VSS_ERR_DEVICE, "device \"%s\": row %u for query %zu, of %zu rows, is not %s",
                             device->name, row, q, v->rows, row >= v->rows ? "there" : "allowed");
    }
    return VSS_OK;
}

static vss_status device_run(const vssi_device_rows *with, device_job *job, vss_error *err)
{
    const vss_device *device = with->device;
    vss_error why = {.status = VSS_OK};
    vss_device_vectors vectors = device_vectors(with->vectors);
    if (with->probes != NULL) {
        job->search.lists = &with->probes->lists;
        job->search.lists_place = vssi_device_place(device, with->through);
        job->search.probe_begins = with->probes->begins;
        job->search.probes = with->probes->probes;
    }
    if (with->walks != NULL) {
        job->search.graph = &with->walks->graph;
        job->search.graph_place = vssi_device_place(device, with->through);
        job->search.pool = with->walks->pool;
        job->search.codes = with->walks->codes;
        job->search.code_stride = with->walks->code_stride;
    } else {
        job->hits.scored = NULL;
    }
    vss_status status = device->search(device->state, vssi_device_place(device, with->places), &vectors, &job->search,
                                       &job->hits, &why);
    if (status != VSS_OK && err != NULL)
        *err = vssi_device_told(device, status, &why);
    return status;
}

/* Rows that the device has compared. */
static uint64_t device_compared(const vssi_device_rows *with, const device_job *job, size_t n)
{
    uint64_t rows = 0;
    for (size_t q = 0; q < n && with->walks != NULL; q++)
        rows += job->hits.scored[q];
    if (with->walks != NULL)
        return rows;
    if (with->probes == NULL)
        return n * (job->search.allow != NULL ? job->search.n_allow : with->vectors->rows);
    for (uint64_t p = 0; p < with->probes->begins[n]; p++) {
        const uint32_t *begins = with->probes->lists.begins + with->probes->probes[p];
        rows += begins[1] - begins[0];
    }
    return rows;
}

vss_status vssi_device_search(const vssi_device_rows *with, const vssi_query *queries, size_t n, vssi_scratch *scratch,
                              vssi_topk *topks, bool *unsettled, vss_error *err)
{
    device_job job = {.limits = NULL};
    VSSI_TRY(device_prepare(&job, with->vectors, queries, n, scratch, topks, err));
    vss_status status = device_run(with, &job, err);
    if (vssi_device_stopped(queries[0].control)) { /* what a scan does then: it ends with what it has */
        memset(unsettled, 0, n * sizeof *unsettled);
        return VSS_OK;
    }
    VSSI_TRY(status);
    for (size_t q = 0; q < n; q++) {
        unsettled[q] = job.hits.counts[q] == VSS_DEVICE_UNSETTLED || (with->walks != NULL && with->walks->outside[q]);
        if (!unsettled[q])
            VSSI_TRY(device_check(with->device, &job, with->vectors, q, err));
    }
    for (size_t q = 0; q < n; q++)
        if (!unsettled[q])
            vssi_topk_add(&topks[q], job.hits.values + q * job.search.width, job.hits.rows + q * job.search.width,
                          job.hits.counts[q]);
    scratch->distances += device_compared(with, &job, n);
    return VSS_OK;
}
