/*
 * test_refine.c - refine=0: answers by codes alone, flagged, near the truth, and without a look at a stored vector
 *
 * The storage hands out copies of objects in pages of its own. Once the collection is open the pages that hold the
 * vectors are filled with other bytes and closed to reading: any look at them ends the program. Opened again they are
 * found damaged by a search that refines.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../lib/storage/storage.h"
#include "../support/maker.h"

enum { ROWS = 6000, DIM = 24, QUERIES = 8, K = 10, MAPS = 16, PAGE = 4096 };

typedef struct refine_map {
    uint8_t *data;
    size_t size; /* of whole pages */
} refine_map;

typedef struct fixture {
    vssi_heap heap;
    vss_storage inner;
    refine_map maps[MAPS];
    vss_db *db;
    vss_collection *col;
    float *vectors; /* [ROWS][DIM] */
    uint8_t *closed;
    size_t closed_size;
} fixture;

static vss_status refine_read(void *state, const char *name, uint64_t offset, void *buffer, size_t size, vss_error *err)
{
    fixture *f = state;
    return f->inner.read(f->inner.state, name, offset, buffer, size, err);
}

static vss_status refine_put(void *state, const char *name, const vss_span *parts, size_t n_parts, vss_error *err)
{
    fixture *f = state;
    return f->inner.put(f->inner.state, name, parts, n_parts, err);
}

static vss_status refine_list(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg,
                              vss_error *err)
{
    fixture *f = state;
    return f->inner.list(f->inner.state, prefix, shallow, fn, arg, err);
}

static vss_status refine_size(void *state, const char *name, uint64_t *size, vss_error *err)
{
    fixture *f = state;
    return f->inner.size(f->inner.state, name, size, err);
}

static vss_status refine_remove(void *state, const char *name, vss_error *err)
{
    fixture *f = state;
    return f->inner.remove(f->inner.state, name, err);
}

static vss_status refine_do_map(void *state, const char *name, uint64_t size, const void **data, vss_error *err)
{
    fixture *f = state;
    size_t pages = ((size_t)size + PAGE - 1) / PAGE * PAGE, i = 0;
    uint8_t *copy = mmap(NULL, pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(copy != MAP_FAILED);
    while (f->maps[i].data != NULL)
        assert_true(++i < MAPS);
    f->maps[i] = (refine_map){copy, pages};
    *data = copy;
    return f->inner.read(f->inner.state, name, 0, copy, (size_t)size, err);
}

static void refine_unmap(void *state, const void *data, uint64_t size)
{
    fixture *f = state;
    size_t i = 0;
    (void)size;
    while (f->maps[i].data != data)
        assert_true(++i < MAPS);
    assert_int_equal(munmap(f->maps[i].data, f->maps[i].size), 0);
    f->maps[i] = (refine_map){NULL, 0};
}

static void open_db(fixture *f)
{
    vss_error err;
    const vss_storage storage = {.struct_size = sizeof storage, .state = f, .read = refine_read, .put = refine_put,
                                 .list = refine_list, .size = refine_size, .remove = refine_remove,
                                 .map = refine_do_map, .unmap = refine_unmap};
    vss_db_options options = VSS_INIT(vss_db_options);
    options.storage = &storage;
    MUST(vss_db_open("refine", &options, &f->db, &err));
}

/* Close to reading the pages that hold nothing but vectors. */
static void close_vectors(fixture *f)
{
    const size_t bytes = (size_t)ROWS * DIM * sizeof *f->vectors;
    uint8_t *found = NULL;
    for (size_t i = 0; i < MAPS && found == NULL; i++) {
        if (f->maps[i].data != NULL)
            found = memmem(f->maps[i].data, f->maps[i].size, f->vectors, bytes);
    }
    assert_non_null(found);
    size_t skip = (PAGE - (uintptr_t)found % PAGE) % PAGE;
    f->closed = found + skip;
    f->closed_size = (bytes - skip) / PAGE * PAGE;
    assert_true(f->closed_size > bytes * 9 / 10);
    memset(f->closed, 0x41, f->closed_size);
    assert_int_equal(mprotect(f->closed, f->closed_size, PROT_NONE), 0);
}

static void set_up(fixture *f, vss_metric metric, const char *type, const char *params)
{
    maker_random r = {77};
    vss_build_options build = VSS_INIT(vss_build_options);
    vss_error err;
    *f = (fixture){.vectors = malloc((size_t)ROWS * DIM * sizeof *f->vectors)};
    vssi_heap_init(&f->heap, NULL, 0);
    MUST(vssi_storage_memory(&f->heap, &f->inner, &err));
    maker_vectors(&r, f->vectors, ROWS, DIM, false);
    open_db(f);
    f->col = maker_create(f->db, DIM, metric);
    maker_insert(f->col, f->vectors, ROWS, DIM, 0, 1);
    MUST(vss_collection_flush(f->col, &err));
    MUST(vss_collection_build_index(f->col, "v", type, params, &build, &err));
    MUST(vss_db_close(f->db, &err));
    open_db(f);
    MUST(vss_collection_open(f->db, "c", &f->col, &err));
    close_vectors(f);
}

static void tear_down(fixture *f)
{
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    f->inner.close(f->inner.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    free(f->vectors);
}

static vss_status ask(fixture *f, size_t n, uint32_t k, const char *filter, const char *params, vss_result **result)
{
    vss_error err;
    vss_search_request request = VSS_INIT(vss_search_request);
    float queries[QUERIES * DIM];
    for (size_t i = 0; i < n * DIM; i++) /* rows, moved a little */
        queries[i] = f->vectors[i] + (i % 3 == 0 ? 0.1f : -0.05f);
    request.queries = queries;
    request.n_queries = n;
    request.dim = DIM;
    request.k = k;
    request.filter = filter;
    request.params = params;
    return vss_collection_search(f->col, &request, result, &err);
}

/* The true distance of a query of ask() and a row. */
static double truth(const fixture *f, size_t q, int64_t row, vss_metric metric)
{
    double a[DIM], b[DIM];
    for (size_t i = 0; i < DIM; i++) {
        size_t at = q * DIM + i;
        a[i] = (double)(f->vectors[at] + (at % 3 == 0 ? 0.1f : -0.05f));
        b[i] = (double)f->vectors[(size_t)row * DIM + i];
    }
    return (double)maker_distance(a, b, DIM, metric);
}

typedef struct refine_case {
    const char *type, *params;
    double slack; /* a distance may be off by so much, as a share of |q|^2 (cosine: of 1) */
} refine_case;

static const refine_case cases[] = {
    {"ivf_sq8", "nlist=16", 0.1},
    {"ivf_rabitq", "nlist=16,bits=6", 0.2},
    {"ivf_rabitq", "nlist=16,bits=1", 1.5},
    {"ivf_pq", "nlist=16,m=24,nbits=4", 0.4},
};

static void check_hits(fixture *f, size_t n, vss_metric metric, double slack)
{
    vss_result *result;
    vss_error err;
    MUST(ask(f, n, K, NULL, "refine=0,nprobe=16,rerank=100", &result));
    assert_int_equal(vss_result_flags_get(result), VSS_RESULT_APPROXIMATE | VSS_RESULT_ESTIMATED);
    assert_int_equal(vss_result_rows(result), n * K);
    const int64_t *keys = vss_result_keys(result)->data;
    const float *distances = vss_result_distances(result);
    for (size_t i = 0; i < n * K; i++) {
        double off = fabs((double)distances[i] - truth(f, i / K, keys[i], metric));
        if (off > slack * (metric == VSS_METRIC_COSINE ? 1 : DIM / 3.0))
            fail_msg("metric %d: row %d at %g, off by %g", (int)metric, (int)keys[i], (double)distances[i], off);
        if (i % K > 0) /* nearest first */
            assert_true(metric == VSS_METRIC_L2 ? distances[i] >= distances[i - 1] : distances[i] <= distances[i - 1]);
        if (i % K == 0 && metric != VSS_METRIC_IP && slack < 1) /* the row itself */
            assert_int_equal(keys[i], i / K);
    }
    vss_result_free(result);
}

static void test_codes_alone(void **state)
{
    static const vss_metric metrics[] = {VSS_METRIC_L2, VSS_METRIC_IP, VSS_METRIC_COSINE};
    (void)state;
    for (size_t c = 0; c < 3 * sizeof cases / sizeof *cases; c++) {
        const refine_case *one = &cases[c / 3];
        vss_metric metric = metrics[c % 3];
        vss_result *result;
        fixture f;
        set_up(&f, metric, one->type, one->params);
        check_hits(&f, 1, metric, one->slack);
        check_hits(&f, QUERIES, metric, one->slack);
        for (size_t n = 1; n <= QUERIES; n += QUERIES - 1) { /* 60 rows pass, a list has few of them */
            assert_int_equal(ask(&f, n, 50, "number == 7", "refine=0,nprobe=1", &result), VSS_OK);
            assert_int_equal(vss_result_rows(result), n * 50);
            vss_result_free(result);
        }
        assert_int_equal(mprotect(f.closed, f.closed_size, PROT_READ), 0);
        assert_int_equal(ask(&f, 1, K, NULL, NULL, &result), VSS_ERR_CORRUPT);
        tear_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
