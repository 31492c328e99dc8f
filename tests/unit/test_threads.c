/*
 * test_threads.c - one writer beside many readers: every read sees exactly one committed batch boundary
 *
 * The writer inserts batches of BATCH rows and deletes whole batches, so that in every committed state the number of
 * live rows is a multiple of BATCH and a batch is whole or absent.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/maker.h"

enum { DIM = 8, BATCH = 64, ROUNDS = 90, READERS = 4 };

typedef struct stage {
    vss_collection *col;
    _Atomic bool done;
    _Atomic size_t searches;
    _Atomic size_t faults;
} stage;

/* All rows of a batch, or none: keys b * BATCH .. b * BATCH + BATCH - 1. */
static size_t torn_batches(const int64_t *keys, size_t n)
{
    size_t counts[ROUNDS] = {0}, torn = 0;
    for (size_t i = 0; i < n; i++)
        counts[keys[i] / BATCH]++;
    for (size_t b = 0; b < ROUNDS; b++)
        torn += counts[b] != 0 && counts[b] != BATCH;
    return torn;
}

static void *reader(void *arg)
{
    stage *s = arg;
    float query[DIM] = {0.1f, 0.2f, 0.3f};
    while (!atomic_load(&s->done)) {
        vss_search_request request = VSS_INIT(vss_search_request);
        vss_result *result;
        uint64_t count = 1;
        request.queries = query;
        request.n_queries = 1;
        request.dim = DIM;
        request.k = BATCH * ROUNDS;
        request.params = "exact=1";
        if (vss_collection_search(s->col, &request, &result, NULL) != VSS_OK) {
            atomic_fetch_add(&s->faults, 1);
            continue;
        }
        atomic_fetch_add(&s->faults, torn_batches(vss_result_keys(result)->data, vss_result_rows(result)));
        vss_result_free(result);
        if (vss_collection_count(s->col, "number >= 0", &count, NULL) != VSS_OK || count % BATCH != 0)
            atomic_fetch_add(&s->faults, 1);
        atomic_fetch_add(&s->searches, 1);
    }
    return NULL;
}

static void write_rounds(vss_collection *col)
{
    maker_random r = {7};
    float vectors[BATCH * DIM];
    int64_t keys[BATCH];
    vss_error err;
    for (size_t b = 0; b < ROUNDS; b++) {
        maker_vectors(&r, vectors, BATCH, DIM, false);
        maker_insert(col, vectors, BATCH, DIM, (int64_t)(b * BATCH), 1);
        if (b % 5 == 4) {
            for (size_t i = 0; i < BATCH; i++)
                keys[i] = (int64_t)((b - 2) * BATCH + i);
            vss_column column = maker_keys(keys, BATCH);
            MUST(vss_collection_delete(col, &column, NULL, &err));
        }
        if (b % 20 == 19)
            MUST(vss_collection_flush(col, &err));
        if (b == ROUNDS - 10)
            MUST(vss_collection_build_index(col, "v", "hnsw", NULL, NULL, &err));
    }
}

static void threads__readers_see_whole_batches(void **state)
{
    (void)state;
    vss_db *db;
    vss_error err;
    pthread_t threads[READERS];
    MUST(vss_db_open("mem:", NULL, &db, &err));
    stage s = {.col = maker_create(db, DIM, VSS_METRIC_L2)};
    for (size_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reader, &s), 0);
    write_rounds(s.col);
    while (atomic_load(&s.searches) < 50)
        ;
    atomic_store(&s.done, true);
    for (size_t i = 0; i < READERS; i++)
        pthread_join(threads[i], NULL);
    print_message("%zu searches beside a writer, %zu faults\n", atomic_load(&s.searches), atomic_load(&s.faults));
    assert_int_equal(atomic_load(&s.faults), 0);
    MUST(vss_db_close(db, &err));
}

/* The host's pool: runs the tasks backwards and counts them. */
static void backwards(void *state, size_t n_tasks, void (*task)(void *arg, size_t i), void *arg)
{
    *(size_t *)state += n_tasks;
    for (size_t i = n_tasks; i-- > 0;)
        task(arg, i);
}

static void threads__executor_replaces_threads(void **state)
{
    (void)state;
    size_t tasks = 0;
    vss_executor executor = {sizeof executor, &tasks, backwards};
    vss_db_options options = VSS_INIT(vss_db_options);
    vss_db *db;
    vss_error err;
    maker_random r = {3};
    float *vectors = malloc(100 * DIM * sizeof *vectors);
    vss_result *result;
    options.executor = &executor;
    MUST(vss_db_open("mem:", &options, &db, &err));
    vss_collection *col = maker_create(db, DIM, VSS_METRIC_L2);
    maker_vectors(&r, vectors, 100, DIM, false);
    maker_insert(col, vectors, 100, DIM, 0, 1);
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = vectors;
    request.n_queries = 100;
    request.dim = DIM;
    request.k = 1;
    request.threads = 4;
    MUST(vss_collection_search(col, &request, &result, &err));
    const int64_t *keys = vss_result_keys(result)->data;
    assert_int_equal(vss_result_rows(result), 100);
    for (int64_t i = 0; i < 100; i++)
        assert_int_equal(keys[i], i); /* each row is its own nearest */
    assert_true(tasks > 1);
    vss_result_free(result);
    MUST(vss_db_close(db, &err));
    free(vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads__readers_see_whole_batches),
        cmocka_unit_test(threads__executor_replaces_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
