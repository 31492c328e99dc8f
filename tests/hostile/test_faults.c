/*
 * test_faults.c - every storage call and every allocation of a scenario fails once, in turn
 *
 * A scenario is run with its Nth storage call (or allocation) failing, N = 1, 2, ... until it runs through. After each
 * failure: the error is of the right kind, the handles still answer, the live rows are those before or those after the failed
 * step and no others, the same step then succeeds, and nothing is leaked (the allocator's blocks are counted).
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/storage/storage.h"
#include "../support/fault_storage.h"
#include "../support/maker.h"

enum { DIM = 3, ROWS = 4200 };

/* An allocator that counts its blocks and fails the call `target`. */
typedef struct counting_allocator {
    _Atomic long blocks;
    _Atomic uint64_t calls;
    uint64_t target;
} counting_allocator;

static void *counting_alloc(void *state, size_t size, size_t align)
{
    counting_allocator *a = state;
    if (atomic_fetch_add(&a->calls, 1) + 1 == a->target)
        return NULL;
    atomic_fetch_add(&a->blocks, 1);
    return aligned_alloc(align, (size + align - 1) / align * align);
}

static void counting_release(void *state, void *block, size_t size, size_t align)
{
    (void)size;
    (void)align;
    atomic_fetch_sub(&((counting_allocator *)state)->blocks, 1);
    free(block);
}

typedef struct world {
    counting_allocator allocator;
    vssi_heap storage_heap; /* the storage outlives databases and does not fail by allocation */
    vss_storage memory;
    fault_storage faults;
    vss_storage storage;
    float *vectors;
    vss_db *db;
    vss_collection *col;
} world;

/* Databases are opened on storages that outlive them. */
static vss_db_options kept_storage(const vss_storage *from, vss_storage *kept)
{
    vss_db_options options = VSS_INIT(vss_db_options);
    *kept = *from;
    kept->close = NULL;
    options.storage = kept;
    return options;
}

/* ---- steps: each may fail; run again it must succeed ---- */

static vss_status step_open(world *w, vss_error *err)
{
    vss_allocator allocator = {sizeof allocator, &w->allocator, counting_alloc, counting_release};
    vss_storage storage;
    vss_db_options options = kept_storage(&w->storage, &storage);
    options.allocator = &allocator;
    vss_status status = w->db != NULL ? VSS_OK : vss_db_open("faults", &options, &w->db, err);
    if (status == VSS_OK && w->col == NULL)
        status = vss_collection_open(w->db, "c", &w->col, err);
    return status;
}

static vss_status step_insert(world *w, vss_error *err)
{
    int64_t keys[20], *key = keys;
    for (int64_t i = 0; i < 20; i++)
        keys[i] = ROWS + i;
    vss_column id = maker_keys(key, 20), v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.length = 20, v.dim = DIM, v.data = w->vectors;
    const char *names[] = {"id", "number", "v"};
    const vss_column *columns[] = {&id, &id, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    return vss_collection_insert(w->col, &batch, NULL, err);
}

static vss_status step_delete(world *w, vss_error *err)
{
    int64_t keys[] = {1, 2, 3, 4100};
    vss_column column = maker_keys(keys, 4);
    return vss_collection_delete(w->col, &column, NULL, err);
}

static vss_status step_delete_where(world *w, vss_error *err)
{
    return vss_collection_delete_where(w->col, "number in [5, 6] or name like \"n7%\"", NULL, err);
}

static vss_status step_flush(world *w, vss_error *err)
{
    vss_status status = step_delete(w, err);
    if (status == VSS_OK)
        status = step_insert(w, err);
    if (status == VSS_ERR_EXISTS)
        status = VSS_OK; /* the run before got so far */
    return status == VSS_OK ? vss_collection_flush(w->col, err) : status;
}

static vss_status step_build_hnsw(world *w, vss_error *err)
{
    return vss_collection_build_index(w->col, "v", "hnsw", "m=4,ef_construction=16", NULL, err);
}

static vss_status search(world *w, const char *filter, const char *params, vss_error *err)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    const char *fields[] = {"name", "v"};
    vss_result *result;
    request.queries = w->vectors;
    request.n_queries = 12;
    request.dim = DIM;
    request.k = 5;
    request.filter = filter;
    request.params = params;
    request.fields = fields;
    request.n_fields = 2;
    request.threads = 2;
    request.explain = 1;
    vss_status status = vss_collection_search(w->col, &request, &result, err);
    if (status == VSS_OK)
        assert_int_equal(vss_result_rows(result), 60);
    else
        assert_null(result);
    vss_result_free(result);
    return status;
}

static vss_status step_search(world *w, vss_error *err) { return search(w, NULL, NULL, err); }
static vss_status step_search_exact(world *w, vss_error *err) { return search(w, NULL, "exact=1", err); }
static vss_status step_search_filtered(world *w, vss_error *err)
{
    return search(w, "number < 90 and name is not null", NULL, err);
}

static vss_status step_get(world *w, vss_error *err)
{
    int64_t keys[] = {9, 4000, -1};
    const char *fields[] = {"name", "number"};
    vss_column column = maker_keys(keys, 3);
    vss_result *result;
    vss_status status = vss_collection_get(w->col, &column, fields, 2, &result, err);
    vss_result_free(result);
    return status;
}

static vss_status step_count(world *w, vss_error *err)
{
    uint64_t count;
    return vss_collection_count(w->col, "number between_is_no_word", &count, err) == VSS_ERR_INVALID
               ? vss_collection_count(w->col, "name == 'n3' and 10 < number <= 60", &count, err)
               : err->status;
}

static vss_status step_check(world *w, vss_error *err)
{
    return vss_collection_check(w->db, "c", NULL, NULL, NULL, NULL, NULL, err);
}

static const struct {
    const char *name;
    vss_status (*run)(world *w, vss_error *err);
    bool opens; /* the step itself opens */
} steps[] = {{"open", step_open, true},          {"insert", step_insert, false},
             {"delete", step_delete, false},     {"delete_where", step_delete_where, false},
             {"flush", step_flush, false},       {"build hnsw", step_build_hnsw, false},
             {"search", step_search, false},     {"search exact", step_search_exact, false},
             {"search filtered", step_search_filtered, false}, {"get", step_get, false},
             {"count", step_count, false},       {"check", step_check, false}};
enum { STEPS = sizeof steps / sizeof *steps };

/* A stored collection of ROWS rows with an index and some deletes; made once, copied for every world. */
static vss_storage model;
static vssi_heap model_heap;
static float *model_vectors;

static int make_model(void **state)
{
    (void)state;
    vss_error err;
    vss_storage kept;
    vss_db *db;
    maker_random r = {5};
    vssi_heap_init(&model_heap, NULL, 0);
    MUST(vssi_storage_memory(&model_heap, &model, &err));
    model_vectors = malloc(ROWS * DIM * sizeof *model_vectors);
    maker_vectors(&r, model_vectors, ROWS, DIM, false);
    vss_db_options options = kept_storage(&model, &kept);
    MUST(vss_db_open("faults", &options, &db, &err));
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_COSINE);
    maker_insert(col, model_vectors, ROWS, DIM, 0, 1);
    MUST(vss_collection_build_index(col, "v", "hnsw", "m=4,ef_construction=16", NULL, &err));
    MUST(vss_collection_delete_where(col, "number == 0", NULL, &err));
    MUST(vss_db_close(db, &err));
    return 0;
}

static int free_model(void **state)
{
    (void)state;
    model.close(model.state);
    free(model_vectors);
    return 0;
}

static int copy_object(void *arg, const char *name)
{
    const vss_storage *to = arg;
    uint64_t size;
    vss_error err;
    MUST(model.size(model.state, name, &size, &err));
    uint8_t *bytes = malloc((size_t)size + 1);
    MUST(model.read(model.state, name, 0, bytes, (size_t)size, &err));
    vss_span span = {bytes, (size_t)size};
    MUST(to->put(to->state, name, &span, 1, &err));
    free(bytes);
    return 0;
}

static void world_begin(world *w)
{
    vss_error err;
    memset(w, 0, sizeof *w);
    vssi_heap_init(&w->storage_heap, NULL, 0);
    MUST(vssi_storage_memory(&w->storage_heap, &w->memory, &err));
    MUST(model.list(model.state, "", 0, copy_object, &w->memory, &err));
    fault_storage_wrap(&w->faults, &w->memory, &w->storage);
    w->vectors = model_vectors;
}

static void world_close(world *w)
{
    fault_storage_fail(&w->faults, FAULT_ANY, 0, VSS_OK, FAULT_ONCE);
    w->allocator.target = 0;
    (void)vss_db_close(w->db, NULL);
    w->db = NULL;
    w->col = NULL;
    if (atomic_load(&w->allocator.blocks) != 0)
        fail_msg("%ld blocks leaked", atomic_load(&w->allocator.blocks));
}

static void world_end(world *w)
{
    w->storage.close(w->storage.state);
    assert_int_equal(atomic_load(&w->storage_heap.used), 0);
}

static uint64_t live_rows(world *w)
{
    uint64_t count = 0;
    vss_error err;
    MUST(vss_collection_count(w->col, NULL, &count, &err));
    return count;
}

typedef enum fault_source { BY_STORAGE_IO, BY_STORAGE_SPACE, BY_ALLOCATION } fault_source;

/* Run one step with its nth call failing. False: the step ran through before the fault. */
static bool fault_once(size_t step, fault_source source, uint64_t n)
{
    world w;
    vss_error err = {.status = VSS_OK};
    uint64_t before = 0;
    world_begin(&w);
    if (!steps[step].opens) {
        MUST(step_open(&w, &err));
        before = live_rows(&w);
    }
    uint64_t failed = atomic_load(&w.faults.failed);
    if (source == BY_ALLOCATION)
        w.allocator.target = atomic_load(&w.allocator.calls) + n;
    else
        fault_storage_fail(&w.faults, FAULT_ANY, n, source == BY_STORAGE_IO ? VSS_ERR_IO : VSS_ERR_NO_SPACE, FAULT_ONCE);
    vss_status status = steps[step].run(&w, &err);
    bool hit = source == BY_ALLOCATION ? atomic_load(&w.allocator.calls) >= w.allocator.target
                                       : atomic_load(&w.faults.failed) > failed;
    w.allocator.target = 0;
    fault_storage_fail(&w.faults, FAULT_ANY, 0, VSS_OK, FAULT_ONCE);
    if (status != VSS_OK) {
        vss_status expected = source == BY_ALLOCATION ? VSS_ERR_NO_MEMORY
                              : source == BY_STORAGE_IO ? VSS_ERR_IO : VSS_ERR_NO_SPACE;
        bool checked = strcmp(steps[step].name, "check") == 0 && status == VSS_ERR_CORRUPT; /* could not be read: a fault found */
        if (!hit || (status != expected && !checked))
            fail_msg("step %s, call %llu: %s: %s", steps[step].name, (unsigned long long)n, vss_status_name(status),
                     err.message);
        assert_true(err.message[0] != '\0' && strchr(err.message, '\n') == NULL);
        if (w.col != NULL && strcmp(steps[step].name, "flush") != 0 && !steps[step].opens)
            assert_int_equal(live_rows(&w), before);
        MUST(steps[step].run(&w, &err)); /* the next call is right */
    }
    MUST(step_open(&w, &err));
    uint64_t after = live_rows(&w);
    MUST(step_check(&w, &err));
    world_close(&w);
    MUST(step_open(&w, &err)); /* what close flushed is what was there */
    assert_int_equal(live_rows(&w), after);
    MUST(step_check(&w, &err));
    world_close(&w);
    world_end(&w);
    return hit;
}

static void sweep(fault_source source, const char *what)
{
    size_t points = 0;
    uint64_t stride = getenv("VSS_TIER") != NULL && strcmp(getenv("VSS_TIER"), "full") == 0 ? 1 : 3;
    for (size_t step = 0; step < STEPS; step++)
        for (uint64_t n = 1; fault_once(step, source, n); n += n < 40 ? 1 : stride)
            points++;
    print_message("%s: %zu points in %d scenarios, 0 unexplained\n", what, points, (int)STEPS);
    assert_true(points > STEPS);
}

static void faults__storage_io(void **state) { (void)state; sweep(BY_STORAGE_IO, "storage calls failing, IO"); }
static void faults__storage_full(void **state) { (void)state; sweep(BY_STORAGE_SPACE, "storage calls failing, full"); }
static void faults__allocation(void **state) { (void)state; sweep(BY_ALLOCATION, "allocations failing"); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults__storage_io),
        cmocka_unit_test(faults__storage_full),
        cmocka_unit_test(faults__allocation),
    };
    return cmocka_run_group_tests(tests, make_model, free_model);
}
