/*
 * test_model.c - one trained model for the segments of a collection: sealed apart, merged, growing, replaced, damaged
 */
#include <stdlib.h>
#include <string.h>

#include "../../index/ivf/ivf.h"
#include "../../lib/collection/collection.h"
#include "../../lib/collection/model.h"
#include "../support/archive.h"
#include "../support/maker.h"

enum { DIM = 16, BATCH = 6000, ROWS = 6 * BATCH, K = 10, QUERIES = 100 };

typedef struct fixture {
    archive files;
    vss_storage storage;
    vss_db *db;
    vss_collection *col;
    float *vectors;  /* [ROWS][DIM]: around 60 centers */
    size_t warned;   /* lines of the log about a model */
    size_t calls, fail_at; /* allocations, and the one that fails; 0: none */
} fixture;

static void *model_alloc(void *state, size_t size, size_t align)
{
    fixture *f = state;
    return ++f->calls == f->fail_at ? NULL : aligned_alloc(align, (size + align - 1) / align * align);
}

static void model_release(void *state, void *block, size_t size, size_t align)
{
    (void)state, (void)size, (void)align;
    free(block);
}

static void model_log(void *state, vss_log_level level, const char *line)
{
    fixture *f = state;
    (void)level;
    f->warned += strstr(line, "a new model is trained") != NULL;
}

static void model_open(fixture *f)
{
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_error err;
    archive_storage(&f->files, true, &f->storage);
    options.storage = &f->storage;
    const vss_allocator allocator = {sizeof allocator, f, model_alloc, model_release};
    options.allocator = &allocator;
    options.log = model_log;
    options.log_state = f;
    MUST(vss_db_open("archive", &options, &f->db, &err));
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    maker_random r = {3};
    float centers[60 * DIM];
    *state = f;
    f->vectors = malloc(ROWS * DIM * sizeof *f->vectors);
    maker_vectors(&r, centers, 60, DIM, false);
    maker_vectors(&r, f->vectors, ROWS, DIM, false);
    for (size_t i = 0; i < (size_t)ROWS * DIM; i++)
        f->vectors[i] = 0.3f * f->vectors[i] + centers[i / DIM * 7 % 60 * DIM + i % DIM];
    model_open(f);
    f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    archive_free(&f->files);
    free(f->vectors);
    free(f);
    return 0;
}

static void reopen(fixture *f)
{
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    model_open(f);
    MUST(vss_collection_open(f->db, "c", &f->col, &err));
}

static void add(fixture *f, size_t batch)
{
    maker_insert(f->col, f->vectors + batch * BATCH * DIM, BATCH, DIM, (int64_t)(batch * BATCH), 1);
}

static void add_sealed(fixture *f, size_t batch)
{
    vss_error err;
    add(f, batch);
    MUST(vss_collection_flush(f->col, &err));
}

static vss_result *search(fixture *f, const float *queries, size_t n, const char *params)
{
    vss_search_request request = VSS_INIT(vss_search_request);
    vss_result *result;
    vss_error err;
    request.queries = queries;
    request.n_queries = n;
    request.dim = DIM;
    request.k = K;
    request.params = params;
    request.explain = 1;
    MUST(vss_collection_search(f->col, &request, &result, &err));
    return result;
}

/* Share of hits that are no farther than the true k-th; the queries are rows. */
static double recall(fixture *f)
{
    size_t good = 0;
    vss_result *truth = search(f, f->vectors, QUERIES, "exact=1"), *hits = search(f, f->vectors, QUERIES, "nprobe=12");
    assert_int_equal(vss_result_rows(hits), QUERIES * K);
    for (size_t i = 0; i < (size_t)QUERIES * K; i++)
        good += vss_result_distances(hits)[i] <= vss_result_distances(truth)[i / K * K + K - 1];
    vss_result_free(truth);
    vss_result_free(hits);
    return (double)good / (QUERIES * K);
}

/* The model's hash of each part that a search reads by lists; 0: it is scanned. */
static size_t models(fixture *f, uint64_t *hashes)
{
    vss_result_free(search(f, f->vectors, 1, NULL)); /* opens them */
    vssi_snapshot *s = vssi_collection_snapshot(f->col);
    size_t n = s->n_parts;
    for (size_t i = 0; i < n; i++) {
        const vssi_part *p = &s->parts[i];
        const ivf_index *index = p->n_indexes > 0 ? atomic_load(&p->indexes[0]->opened) : NULL;
        hashes[i] = index == NULL ? 0 : index->header.model;
    }
    vssi_snapshot_unref(s);
    return n;
}

static size_t model_files(const fixture *f)
{
    size_t n = 0;
    for (size_t i = 0; i < f->files.n_files; i++)
        n += !f->files.files[i].removed && strstr(f->files.files[i].name, ".mdl") != NULL;
    return n;
}

static void check(fixture *f, vss_status expected)
{
    vss_check_report report = VSS_INIT(vss_check_report);
    vss_error err;
    assert_int_equal(vss_collection_check(f->db, "c", NULL, NULL, NULL, NULL, &report, &err), expected);
}

static void build(fixture *f, const char *type, const char *params)
{
    vss_error err;
    MUST(vss_collection_build_index(f->col, NULL, type, params, NULL, &err));
}

/* Segments sealed apart have one model, their merger has it too, and no other file than one says so. */
static void one_model_serves_many_segments(void **state)
{
    static const char *const types[] = {"ivf_flat", "ivf_sq8", "ivf_rabitq", "ivf_pq"};
    fixture *f = *state;
    vss_error err;
    for (size_t t = 0; t < 4; t++) {
        uint64_t hashes[8];
        if (t > 0) {
            MUST(vss_collection_close(f->col, &err));
            MUST(vss_collection_drop(f->db, "c", &err));
            f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
        }
        add_sealed(f, 0);
        build(f, types[t], "nlist=64");
        add_sealed(f, 1);
        add_sealed(f, 2);
        assert_int_equal(models(f, hashes), 3);
        assert_true(hashes[0] != 0 && hashes[1] == hashes[0] && hashes[2] == hashes[0]);
        assert_int_equal(model_files(f), 1);
        assert_true(recall(f) > 0.9);
        const int64_t gone[] = {0, 1, 7000, 12001};
        const vss_column keys = maker_keys(gone, 4);
        MUST(vss_collection_delete(f->col, &keys, NULL, &err));
        uint64_t model = hashes[0];
        MUST(vss_collection_compact(f->col, &err));
        assert_int_equal(models(f, hashes), 1);
        assert_true(hashes[0] == model);
        assert_int_equal(model_files(f), 1);
        assert_true(recall(f) > 0.9);
        check(f, VSS_OK);
    }
    assert_int_equal(f->warned, 0);
}

/* Building the index again trains it again; the old model goes with the next collection. */
static void an_index_built_anew_has_a_new_model(void **state)
{
    fixture *f = *state;
    uint64_t before[8], after[8];
    vss_error err;
    add_sealed(f, 0);
    build(f, "ivf_rabitq", "nlist=64");
    models(f, before);
    add_sealed(f, 1);
    build(f, "ivf_rabitq", "nlist=64,bits=2");
    assert_int_equal(models(f, after), 2);
    assert_true(after[0] == after[1] && after[0] != before[0]);
    MUST(vss_collection_compact(f->col, &err));
    assert_int_equal(model_files(f), 1);
    build(f, "hnsw", NULL); /* has none */
    MUST(vss_collection_compact(f->col, &err));
    assert_int_equal(model_files(f), 0);
    check(f, VSS_OK);
}

/* A center may be a row: after a purge nothing is left that was trained on rows which are gone. */
static void a_purge_trains_anew(void **state)
{
    fixture *f = *state;
    uint64_t before[8], after[8];
    vss_error err;
    add_sealed(f, 0);
    build(f, "ivf_sq8", "nlist=64");
    add_sealed(f, 1);
    models(f, before);
    const int64_t gone[] = {3, 4, 5};
    const vss_column keys = maker_keys(gone, 3);
    MUST(vss_collection_delete(f->col, &keys, NULL, &err));
    MUST(vss_collection_purge(f->col, &err));
    size_t n = models(f, after);
    for (size_t i = 0; i < n; i++)
        assert_true(after[i] != before[0] && after[i] == after[0]);
    assert_int_equal(model_files(f), 1);
    assert_true(recall(f) > 0.9);
    check(f, VSS_OK);
}

/* Rows of another kind get lists of their own, which serve from then on. */
static void rows_that_drifted_are_trained_on(void **state)
{
    fixture *f = *state;
    uint64_t hashes[8];
    add_sealed(f, 0);
    build(f, "ivf_sq8", "nlist=64");
    for (size_t i = BATCH * DIM; i < (size_t)3 * BATCH * DIM; i++)
        f->vectors[i] = 3 * f->vectors[i] + 4;
    add_sealed(f, 1);
    add_sealed(f, 2);
    assert_int_equal(models(f, hashes), 3);
    assert_true(hashes[1] != hashes[0] && hashes[2] == hashes[1]);
    assert_true(recall(f) > 0.9);
    assert_int_equal(f->warned, 0);
    check(f, VSS_OK);
}

/* Growing rows are read by the lists of the sealed ones, with deletes, and sealing takes their codes over. */
static void growing_rows_are_read_by_lists(void **state)
{
    fixture *f = *state;
    uint64_t hashes[8];
    vss_error err;
    add_sealed(f, 0);
    build(f, "ivf_rabitq", "nlist=64");
    for (size_t b = 1; b < 5; b++)
        add(f, b);
    size_t n = models(f, hashes); /* a search that misses an index; the next write brings it */
    assert_int_equal(hashes[n - 1], 0);
    add(f, 5);
    n = models(f, hashes);
    size_t listed = 0;
    for (size_t i = 1; i < n; i++)
        listed += hashes[i] == hashes[0];
    assert_int_equal(listed, 1);
    vss_result *hits = search(f, f->vectors + 2 * BATCH * DIM, 1, NULL);
    const int64_t *keys = vss_result_keys(hits)->data;
    assert_int_equal(keys[0], 2 * BATCH);
    const vss_explain *explain = vss_result_explain(hits);
    uint64_t rows = 0;
    for (size_t i = 0; i < explain->n_segments; i++)
        rows += explain->segments[i].plan == VSS_PLAN_INDEX ? explain->segments[i].rows : 0;
    assert_true(rows >= BATCH + VSSI_GROW_ROWS);
    const vss_column gone = maker_keys(keys, 1);
    MUST(vss_collection_delete(f->col, &gone, NULL, &err));
    vss_result_free(hits);
    hits = search(f, f->vectors + 2 * BATCH * DIM, 1, NULL);
    assert_int_not_equal(((const int64_t *)vss_result_keys(hits)->data)[0], 2 * BATCH);
    vss_result_free(hits);
    double before = recall(f);
    MUST(vss_collection_flush(f->col, &err));
    assert_int_equal(models(f, hashes), 2);
    assert_true(hashes[1] == hashes[0]);
    assert_true(before > 0.9 && recall(f) > 0.9);
    check(f, VSS_OK);
}

/* All lists are read and all of their rows scored: what the exact search returns. */
static void expect_exact(fixture *f)
{
    const float *queries = f->vectors + 2 * BATCH * DIM;
    vss_result *truth = search(f, queries, QUERIES, "exact=1");
    vss_result *hits = search(f, queries, QUERIES, "nprobe=64,rerank=65536");
    assert_int_equal(vss_result_rows(hits), vss_result_rows(truth));
    assert_memory_equal(vss_result_keys(hits)->data, vss_result_keys(truth)->data,
                        vss_result_rows(truth) * sizeof(int64_t));
    assert_memory_equal(vss_result_distances(hits), vss_result_distances(truth),
                        vss_result_rows(truth) * sizeof(float));
    vss_result_free(truth);
    vss_result_free(hits);
}

/* Small batches, some of whose rows replace others: from 4,096 rows on they are in lists, and what is merged with them
 * is at once, without another search. */
static void growing_rows_join_the_lists(void **state)
{
    enum { SMALL = 1000, BATCHES = 16 };
    fixture *f = *state;
    vss_error err;
    uint64_t hashes[8];
    add_sealed(f, 0);
    build(f, "ivf_rabitq", "nlist=64");
    for (size_t b = 0; b < BATCHES; b++) {
        const float *rows = f->vectors + (BATCH + b * SMALL) * DIM;
        maker_insert(f->col, rows, SMALL, DIM, (int64_t)(BATCH + b * SMALL), 1);
        if (b == 8) { /* eight batches are one part, which was missed by the search before */
            assert_int_equal(models(f, hashes), 3);
            assert_true(hashes[1] == hashes[0] && hashes[2] == 0);
        }
        if (b == 7 || b == 8)
            expect_exact(f);
        const int64_t gone[] = {BATCH + (int64_t)b * SMALL + 3, BATCH + (int64_t)b * 100};
        const vss_column keys = maker_keys(gone, 2);
        MUST(vss_collection_delete(f->col, &keys, NULL, &err));
    }
    assert_int_equal(models(f, hashes), 2);
    assert_true(hashes[1] == hashes[0]);
    expect_exact(f);
    MUST(vss_collection_flush(f->col, &err));
    assert_int_equal(models(f, hashes), 2);
    assert_true(hashes[1] == hashes[0]);
    expect_exact(f);
    check(f, VSS_OK);
}

/* The codes that are taken over are those that a build from the rows would make: the same object, byte for byte. */
static void merging_gives_the_bytes_of_building(void **state)
{
    fixture *f = *state;
    vss_error err;
    archive_file merged = {0};
    size_t found = 0;
    add_sealed(f, 0);
    build(f, "ivf_rabitq", "nlist=64");
    for (size_t b = 1; b < 5; b++)
        add(f, b);
    vss_result_free(search(f, f->vectors, 1, NULL));
    add(f, 5);
    MUST(vss_collection_flush(f->col, &err));
    MUST(vss_collection_compact(f->col, &err));
    reopen(f);
    for (size_t i = 0; i < f->files.n_files; i++)
        if (!f->files.files[i].removed && strstr(f->files.files[i].name, ".idx") != NULL) {
            merged = f->files.files[i];
            found++;
        }
    assert_int_equal(found, 1);
    vssi_snapshot *s = vssi_collection_snapshot(f->col);
    vssi_heap *heap = &f->db->heap;
    vssi_vectors v;
    vssi_model model;
    vssi_image image;
    const vssi_schema *schema = vssi_collection_fields(f->col);
    const vssi_manifest_definition *d = &f->col->manifest->definitions[0];
    const vssi_index_ops *ops = vssi_index_type_find("ivf_rabitq");
    uint64_t params[16];
    size_t field = s->parts[0].indexes[0]->field;
    MUST(vssi_vectors_of(s->parts[0].segment, schema, field, &v, &err));
    MUST(vssi_param_parse("test", ops->params, ops->n_params, false, d->params, params, &err));
    MUST(vssi_model_open(heap, &f->db->storage, f->col->prefix, &d->model, ops, &schema->fields[field], &model, &err));
    const vssi_build coded = {.heap = heap, .vectors = &v, .params = params, .threads = 1, .model = &model.image};
    MUST(ops->build(&coded, &image, &err));
    for (size_t i = 0; i < image.n_blocks; i++) { /* each block stands in the object somewhere */
        size_t size = image.blocks[i].element * image.blocks[i].count, at = 0;
        while (at + size <= merged.size && memcmp(merged.data + at, image.blocks[i].data, size) != 0)
            at += 64;
        assert_true(at + size <= merged.size);
    }
    vssi_image_free(heap, &image);
    vssi_model_close(&model);
    vssi_snapshot_unref(s);
}

/* A model that is damaged is found by a check, harms no search, and stops no flush: another is trained. */
static void a_damaged_model_is_replaced(void **state)
{
    fixture *f = *state;
    uint64_t hashes[8];
    add_sealed(f, 0);
    build(f, "ivf_pq", "nlist=64");
    reopen(f);
    for (size_t i = 0; i < f->files.n_files; i++)
        if (!f->files.files[i].removed && strstr(f->files.files[i].name, ".mdl") != NULL)
            f->files.files[i].data[f->files.files[i].size / 2] ^= 1;
    check(f, VSS_ERR_CORRUPT);
    assert_true(recall(f) > 0.9);
    add_sealed(f, 1);
    assert_int_equal(f->warned, 1);
    assert_int_equal(models(f, hashes), 2);
    assert_true(hashes[1] != 0);
    add_sealed(f, 2);
    assert_int_equal(f->warned, 1);
    check(f, VSS_OK);
}

/* Of three segments built at once one is trained on, and its model serves the others. */
static void a_build_trains_once(void **state)
{
    fixture *f = *state;
    uint64_t hashes[8];
    for (size_t b = 0; b < 3; b++)
        add_sealed(f, b);
    build(f, "ivf_rabitq", "nlist=64");
    assert_int_equal(models(f, hashes), 3);
    assert_true(hashes[0] != 0 && hashes[1] == hashes[0] && hashes[2] == hashes[0]);
    assert_int_equal(model_files(f), 1);
}

/* A collection built apart takes another's model, whatever its rows, and says what does not fit. */
static void a_model_is_taken_from_another_collection(void **state)
{
    fixture *f = *state;
    vss_build_options options = VSS_INIT(vss_build_options);
    uint64_t hashes[8], given;
    vss_db *db;
    vss_error err;
    add_sealed(f, 0);
    options.model_of = f->col;
    MUST(vss_db_open("mem:", NULL, &db, &err));
    vss_collection *apart = maker_create(db, DIM, VSS_METRIC_L2), *theirs = f->col;
    for (size_t i = BATCH * DIM; i < (size_t)3 * BATCH * DIM; i++)
        f->vectors[i] = 3 * f->vectors[i] + 4;
    maker_insert(apart, f->vectors + BATCH * DIM, BATCH, DIM, 0, 1);
    assert_int_equal(vss_collection_build_index(apart, NULL, "ivf_sq8", "nlist=64", &options, &err), VSS_ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "no model"));
    build(f, "ivf_sq8", "nlist=64");
    models(f, hashes);
    given = hashes[0];
    assert_int_equal(vss_collection_build_index(apart, NULL, "ivf_pq", "nlist=64", &options, &err), VSS_ERR_INVALID);
    assert_non_null(strstr(err.message, "of ivf_sq8, the index of ivf_pq"));
    MUST(vss_collection_build_index(apart, NULL, "ivf_sq8", "nlist=64", &options, &err));
    f->col = apart;
    assert_int_equal(models(f, hashes), 1);
    assert_true(hashes[0] == given);
    f->col = theirs;
    vss_collection *longer;
    vss_schema *schema;
    static const char json[] = "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true},"
                               "{\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 17, \"metric\": \"l2\"}]}";
    MUST(vss_schema_parse(json, sizeof json - 1, &schema, &err));
    MUST(vss_collection_create(db, "longer", schema, &longer, &err));
    assert_int_equal(vss_collection_build_index(longer, NULL, "ivf_sq8", "nlist=64", &options, &err), VSS_ERR_INVALID);
    assert_non_null(strstr(err.message, "is not for field"));
    vss_schema_free(schema);
    options.model_of = theirs; /* its own: built again without training */
    MUST(vss_collection_build_index(theirs, NULL, "ivf_sq8", "nlist=64", &options, &err));
    models(f, hashes);
    assert_true(hashes[0] == given);
    MUST(vss_db_close(db, &err));
    check(f, VSS_OK);
}

/* An allocation that fails anywhere in a flush or a compaction fails it as a whole; again, it is done. */
static void memory_may_end_in_a_job(void **state)
{
    fixture *f = *state;
    vss_error err;
    uint64_t hashes[8];
    size_t refused = 0;
    add_sealed(f, 0);
    build(f, "ivf_rabitq", "nlist=64");
    add_sealed(f, 1);
    add(f, 2);
    for (size_t fail = 1;; fail += 3) {
        f->calls = 0;
        f->fail_at = fail;
        vss_status status = vss_collection_compact(f->col, &err); /* flushes first */
        f->fail_at = 0;
        if (status == VSS_OK)
            break;
        assert_int_equal(status, VSS_ERR_NO_MEMORY);
        refused++;
    }
    assert_true(refused > 50);
    MUST(vss_collection_compact(f->col, &err));
    assert_int_equal(models(f, hashes), 1);
    assert_int_equal(model_files(f), 1);
    assert_true(recall(f) > 0.9);
    check(f, VSS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_model_serves_many_segments, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_index_built_anew_has_a_new_model, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_purge_trains_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(rows_that_drifted_are_trained_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(growing_rows_are_read_by_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(growing_rows_join_the_lists, set_up, tear_down),
        cmocka_unit_test_setup_teardown(merging_gives_the_bytes_of_building, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_model_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_build_trains_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_model_is_taken_from_another_collection, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_may_end_in_a_job, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
