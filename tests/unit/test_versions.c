/*
 * test_versions.c - eight searching threads beside a writer, flushes and compactions: every answer is that of one
 * committed version
 *
 * The writer keeps, for every sequence, which value each key has then. A search tells its sequence (explain), which
 * must lie between the newest one acknowledged before the call and the newest one begun before its end; its keys and
 * distances must be those of the rows of that version, and a count of all rows must be that of some version. Run under
 * TSan, too.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/maker.h"

enum { KEYS = 300, READERS = 8, BATCHES = 120, K = 12 };

typedef struct version {
    float values[KEYS]; /* by key; below 0: no row */
} version;

typedef struct world {
    vss_db *db;
    vss_collection *col;
    version *versions;              /* [BATCHES + 1] by sequence */
    _Atomic uint64_t acknowledged;  /* sequences; a version is written before it is begun */
    _Atomic uint64_t begun;
    _Atomic bool done;
    _Atomic size_t searches, wrong;
} world;

static void put(world *w, const int64_t *keys, const float *values, size_t n)
{
    vss_column id = maker_keys(keys, n), v = VSS_INIT(vss_column);
    float vectors[KEYS * 2];
    vss_error err;
    for (size_t i = 0; i < n; i++) {
        vectors[2 * i] = values[i];
        vectors[2 * i + 1] = 0;
    }
    v.type = VSS_TYPE_VECTOR_F32, v.dim = 2, v.length = n, v.data = vectors;
    const char *names[] = {"id", "number", "v"};
    const vss_column *columns[] = {&id, &id, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    MUST(vss_collection_upsert(w->col, &batch, NULL, &err));
}

/* One batch: rows replaced, added or deleted. */
static void write_batch(world *w, uint64_t sequence, maker_random *r)
{
    version *next = &w->versions[sequence];
    int64_t keys[40];
    float values[40];
    vss_error err;
    const size_t n = 1 + maker_next(r) % 40;
    const int64_t first = (int64_t)(maker_next(r) % (KEYS - 40));
    *next = w->versions[sequence - 1];
    const bool remove = maker_next(r) % 3 == 0 && next->values[first] >= 0;
    for (size_t i = 0; i < n; i++) {
        keys[i] = first + (int64_t)i;
        values[i] = (float)(sequence * 1000 + (uint64_t)keys[i]);
        next->values[keys[i]] = remove ? -1 : values[i];
    }
    atomic_store(&w->begun, sequence);
    if (remove) {
        const vss_column column = maker_keys(keys, n);
        MUST(vss_collection_delete(w->col, &column, NULL, &err));
    } else {
        put(w, keys, values, n);
    }
    atomic_store(&w->acknowledged, sequence);
}

/* The K nearest values to the query, by distance, then key, as the exact search gives them. */
static size_t expected(const version *v, float query, int64_t keys[K], float distances[K])
{
    size_t n = 0;
    for (int64_t key = 0; key < KEYS; key++) {
        if (v->values[key] < 0)
            continue;
        const double apart = (double)v->values[key] - (double)query;
        const float distance = (float)(apart * apart);
        size_t at = n < K ? n++ : K;
        if (at == K && !(distance < distances[K - 1]))
            continue;
        for (at = at == K ? K - 1 : at; at > 0 && distances[at - 1] > distance; at--) {
            keys[at] = keys[at - 1];
            distances[at] = distances[at - 1];
        }
        keys[at] = key;
        distances[at] = distance;
    }
    return n;
}

static bool search_once(world *w, maker_random *r)
{
    const float query[2] = {(float)(maker_next(r) % (BATCHES * 1000)), 0};
    vss_search_request request = VSS_INIT(vss_search_request);
    int64_t keys[K];
    float distances[K];
    vss_result *hits;
    vss_error err;
    request.queries = query, request.n_queries = 1, request.dim = 2, request.k = K, request.explain = 1;
    request.filter = maker_next(r) % 4 == 0 ? "number >= 0" : NULL;
    const uint64_t low = atomic_load(&w->acknowledged);
    if (vss_collection_search(w->col, &request, &hits, &err) != VSS_OK)
        return false;
    const uint64_t high = atomic_load(&w->begun), sequence = vss_result_explain(hits)->sequence;
    bool right = sequence >= low && sequence <= high;
    if (right) {
        const size_t n = expected(&w->versions[sequence], query[0], keys, distances);
        right = vss_result_rows(hits) == n &&
                (n == 0 || (memcmp(vss_result_keys(hits)->data, keys, n * sizeof *keys) == 0 &&
                            memcmp(vss_result_distances(hits), distances, n * sizeof *distances) == 0));
    }
    vss_result_free(hits);
    return right;
}

static void *reader(void *arg)
{
    world *w = arg;
    static _Atomic uint64_t seed;
    maker_random r = {1000 + atomic_fetch_add(&seed, 1)};
    while (!atomic_load(&w->done) || atomic_load(&w->searches) < READERS * 20) {
        if (!search_once(w, &r))
            atomic_fetch_add(&w->wrong, 1);
        atomic_fetch_add(&w->searches, 1);
    }
    return NULL;
}

/* Flushes and compactions of their own, beside the writer. */
static void *keeper(void *arg)
{
    world *w = arg;
    vss_error err;
    for (size_t i = 0; !atomic_load(&w->done); i++) {
        const vss_status status =
            i % 3 == 2 ? vss_collection_compact(w->col, &err) : vss_collection_flush(w->col, &err);
        if (status != VSS_OK)
            atomic_fetch_add(&w->wrong, 1);
        (void)usleep(2000);
    }
    return NULL;
}

static void versions__are_what_searches_see(void **state)
{
    static world w;
    pthread_t readers[READERS], keeping;
    maker_random r = {5};
    vss_error err;
    (void)state;
    w.versions = calloc(BATCHES + 1, sizeof *w.versions);
    for (int k = 0; k < KEYS; k++)
        w.versions[0].values[k] = -1;
    MUST(vss_db_open("mem:", NULL, &w.db, &err));
    w.col = maker_create(w.db, 2, VSS_METRIC_L2);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, reader, &w), 0);
    assert_int_equal(pthread_create(&keeping, NULL, keeper, &w), 0);
    for (uint64_t sequence = 1; sequence <= BATCHES; sequence++) {
        write_batch(&w, sequence, &r);
        const size_t seen = atomic_load(&w.searches);
        while (atomic_load(&w.searches) < seen + READERS) /* some searches a version */
            sched_yield();
    }
    atomic_store(&w.done, true);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    assert_int_equal(pthread_join(keeping, NULL), 0);
    print_message("%d versions, %zu searches in %d threads, %zu of no version\n", BATCHES, atomic_load(&w.searches),
                  READERS, atomic_load(&w.wrong));
    assert_int_equal(atomic_load(&w.wrong), 0);
    assert_true(atomic_load(&w.searches) >= (size_t)BATCHES * READERS);
    MUST(vss_db_close(w.db, &err));
    free(w.versions);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(versions__are_what_searches_see)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
