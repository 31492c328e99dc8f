/*
 * test_compact.c - compaction: the same rows in fewer segments, nothing left behind, searches beside it
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/storage/storage.h"
#include "../support/maker.h"

enum { DIM = 4, ROWS = 12000 };

typedef struct fixture {
    vssi_heap heap;
    vss_storage storage;
    vss_db *db;
    vss_collection *col;
    float *vectors;
} fixture;

static vss_db *open_db(const fixture *f, vss_open_mode mode)
{
    vss_db *db;
    vss_error err;
    vss_storage storage = f->storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    storage.close = NULL;
    options.storage = &storage;
    options.mode = mode;
    MUST(vss_db_open("compact", &options, &db, &err));
    return db;
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    maker_random r = {3};
    vss_error err;
    *state = f;
    vssi_heap_init(&f->heap, NULL, 0);
    MUST(vssi_storage_memory(&f->heap, &f->storage, &err));
    f->vectors = malloc(ROWS * DIM * sizeof *f->vectors);
    maker_vectors(&r, f->vectors, ROWS, DIM, false);
    f->db = open_db(f, VSS_OPEN_CREATE);
    f->col = maker_create(f->db, DIM, VSS_METRIC_COSINE);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    free(f->vectors);
    free(f);
    return 0;
}

static vss_collection_stats stats_of(vss_collection *col)
{
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    vss_error err;
    MUST(vss_collection_stats_get(col, &stats, &err));
    return stats;
}

static uint64_t hash_bytes(uint64_t hash, const void *data, size_t size)
{
    for (const uint8_t *byte = data; size > 0; size--)
        hash = (hash ^ *byte++) * 0x100000001b3u;
    return hash;
}

static uint64_t hash_column(uint64_t hash, const vss_column *c)
{
    size_t n = (size_t)c->length;
    for (size_t r = 0; r < n; r++) {
        bool null = c->validity != NULL && !((c->validity[r / 8] >> (r % 8)) & 1);
        hash = hash_bytes(hash, &null, 1);
        if (c->type == VSS_TYPE_STRING && !null)
            hash = hash_bytes(hash, (const char *)c->data + c->offsets[r], (size_t)(c->offsets[r + 1] - c->offsets[r]));
    }
    if (c->type == VSS_TYPE_INT64)
        hash = hash_bytes(hash, c->data, n * 8);
    if (c->type == VSS_TYPE_VECTOR_F32)
        hash = hash_bytes(hash, c->data, n * c->dim * 4);
    return hash;
}

/* Every row with every field, and an exact search. */
static uint64_t contents_of(vss_collection *col, const float *query)
{
    static int64_t all[ROWS];
    const char *fields[] = {"number", "name", "v"};
    vss_result *rows, *hits;
    vss_error err;
    for (int64_t k = 0; k < ROWS; k++)
        all[k] = k;
    vss_column keys = maker_keys(all, ROWS);
    MUST(vss_collection_get(col, &keys, fields, 3, &rows, &err));
    uint64_t hash = hash_column(0xcbf29ce484222325u, vss_result_keys(rows));
    for (size_t i = 0; i < 3; i++)
        hash = hash_column(hash, vss_result_field(rows, fields[i]));
    vss_search_request request = VSS_INIT(vss_search_request);
    request.queries = query, request.n_queries = 5, request.dim = DIM, request.k = 20, request.params = "exact=1";
    MUST(vss_collection_search(col, &request, &hits, &err));
    hash = hash_column(hash, vss_result_keys(hits));
    hash = hash_bytes(hash, vss_result_distances(hits), vss_result_rows(hits) * sizeof(float));
    vss_result_free(rows);
    vss_result_free(hits);
    return hash;
}

static void fill(fixture *f, size_t from, size_t n, size_t a_segment)
{
    vss_error err;
    for (size_t i = from; i < from + n; i += a_segment) {
        maker_insert(f->col, f->vectors + i * DIM, a_segment, DIM, (int64_t)i, 1);
        MUST(vss_collection_flush(f->col, &err));
    }
}

static void compact(fixture *f)
{
    vss_error err;
    MUST(vss_collection_compact(f->col, &err));
    MUST(vss_collection_check(f->db, "c", NULL, NULL, NULL, NULL, NULL, &err));
}

typedef struct stored {
    const vss_storage *storage;
    size_t objects;
    uint64_t bytes;
} stored;

static int stored_add(void *arg, const char *name)
{
    stored *s = arg;
    uint64_t size;
    vss_error err;
    MUST(s->storage->size(s->storage->state, name, &size, &err));
    s->objects++;
    s->bytes += size;
    return 0;
}

static stored stored_of(const fixture *f)
{
    stored s = {.storage = &f->storage};
    vss_error err;
    MUST(f->storage.list(f->storage.state, "", 0, stored_add, &s, &err));
    return s;
}

static void compact__keeps_the_rows(void **state)
{
    fixture *f = *state;
    vss_error err;
    fill(f, 0, 9000, 1500);
    MUST(vss_collection_delete_where(f->col, "number < 10", NULL, &err));
    MUST(vss_collection_build_index(f->col, "v", "hnsw", "m=8", NULL, &err));
    maker_insert(f->col, f->vectors + 9000 * DIM, 100, DIM, 9000, 1); /* growing */
    uint64_t before = contents_of(f->col, f->vectors);
    assert_int_equal(stats_of(f->col).segments, 7);
    compact(f);
    vss_collection_stats stats = stats_of(f->col);
    assert_int_equal(stats.segments, 1);
    assert_int_equal(stats.deleted, 0);
    assert_int_equal(stats.rows, 8100 + 100);
    assert_int_equal(contents_of(f->col, f->vectors), before);
    stored left = stored_of(f);
    assert_int_equal(left.objects, 3); /* manifest, segment, index: it has rows enough for one now */
    assert_int_equal(left.bytes, stats.bytes);
    compact(f);
    assert_int_equal(stats_of(f->col).version, stats.version); /* nothing to do */
    MUST(vss_db_close(f->db, &err));
    f->db = open_db(f, VSS_OPEN_EXISTING);
    MUST(vss_collection_open(f->db, "c", &f->col, &err));
    assert_int_equal(contents_of(f->col, f->vectors), before);
}

/* A fifth is the limit; one segment alone is left as it is below it. */
static void compact__rewrites_from_a_fifth_on(void **state)
{
    fixture *f = *state;
    vss_error err;
    fill(f, 0, 1000, 1000);
    MUST(vss_collection_delete_where(f->col, "id < 199", NULL, &err));
    compact(f);
    assert_int_equal(stats_of(f->col).deleted, 199);
    MUST(vss_collection_delete_where(f->col, "id == 199", NULL, &err));
    compact(f);
    assert_int_equal(stats_of(f->col).deleted, 0);
    assert_int_equal(stats_of(f->col).rows, 800);
    MUST(vss_collection_delete_where(f->col, "id >= 0", NULL, &err));
    compact(f);
    assert_int_equal(stats_of(f->col).segments, 0);
    assert_int_equal(stored_of(f).objects, 1);
    maker_insert(f->col, f->vectors, 10, DIM, 0, 1);
    assert_int_equal(stats_of(f->col).rows, 10);
}

/* What a crash left without a name goes; what is not the library's stays. */
static void compact__removes_orphans(void **state)
{
    fixture *f = *state;
    vss_error err;
    uint64_t size;
    static const char *const gone[] = {"c/s/orphan.seg", "c/i/x", "c/d/y.del", "c/w/00000000000000000099"};
    fill(f, 0, 200, 200);
    for (size_t i = 0; i < 4; i++)
        MUST(f->storage.put(f->storage.state, gone[i], &(vss_span){"x", 1}, 1, &err));
    MUST(f->storage.put(f->storage.state, "c/notes", &(vss_span){"x", 1}, 1, &err));
    compact(f);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(f->storage.size(f->storage.state, gone[i], &size, &err), VSS_ERR_NOT_FOUND);
    MUST(f->storage.size(f->storage.state, "c/notes", &size, &err));
    MUST(f->storage.remove(f->storage.state, "c/notes", &err));
}

/* A reader keeps the version it opened; the next one opens the new one. */
static void compact__leaves_readers_alone(void **state)
{
    fixture *f = *state;
    vss_error err;
    vss_collection *seen;
    fill(f, 0, 3000, 500);
    MUST(vss_collection_delete_where(f->col, "number < 50", NULL, &err));
    MUST(vss_collection_flush(f->col, &err));
    vss_db *reader = open_db(f, VSS_OPEN_READ_ONLY);
    MUST(vss_collection_open(reader, "c", &seen, &err));
    uint64_t before = contents_of(f->col, f->vectors);
    compact(f);
    assert_int_equal(contents_of(seen, f->vectors), before);
    assert_int_equal(stats_of(seen).segments, 6);
    MUST(vss_db_close(reader, &err));
    reader = open_db(f, VSS_OPEN_READ_ONLY);
    MUST(vss_collection_open(reader, "c", &seen, &err));
    assert_int_equal(contents_of(seen, f->vectors), before);
    assert_int_equal(stats_of(seen).segments, 1);
    MUST(vss_db_close(reader, &err));
}

typedef struct searcher {
    fixture *f;
    uint64_t expected;
    _Atomic bool stop;
    _Atomic size_t done, wrong;
} searcher;

static void *search_on(void *arg)
{
    searcher *s = arg;
    vss_search_request request = VSS_INIT(vss_search_request);
    vss_result *hits;
    vss_error err;
    request.queries = s->f->vectors, request.n_queries = 3, request.dim = DIM, request.k = 10;
    request.params = "exact=1";
    while (!atomic_load(&s->stop)) {
        if (vss_collection_search(s->f->col, &request, &hits, &err) != VSS_OK) {
            atomic_fetch_add(&s->wrong, 1);
            continue;
        }
        uint64_t hash = hash_column(0, vss_result_keys(hits));
        atomic_fetch_add(&s->wrong, hash != s->expected);
        atomic_fetch_add(&s->done, 1);
        vss_result_free(hits);
    }
    return NULL;
}

static void compact__goes_on_beside_searches(void **state)
{
    fixture *f = *state;
    vss_error err;
    pthread_t threads[2];
    searcher s = {.f = f};
    vss_search_request request = VSS_INIT(vss_search_request);
    vss_result *hits;
    fill(f, 0, 6000, 300);
    request.queries = f->vectors, request.n_queries = 3, request.dim = DIM, request.k = 10, request.params = "exact=1";
    MUST(vss_collection_search(f->col, &request, &hits, &err));
    s.expected = hash_column(0, vss_result_keys(hits));
    vss_result_free(hits);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, search_on, &s), 0);
    for (int64_t round = 0; round < 8; round++) { /* rows that no query finds come and go */
        maker_insert(f->col, f->vectors + 6000 * DIM, 1, DIM, 6000 + round, 1);
        vss_column key = maker_keys(&(int64_t){6000 + round}, 1);
        MUST(vss_collection_delete(f->col, &key, NULL, &err));
        compact(f);
    }
    while (atomic_load(&s.done) < 50)
        (void)usleep(1000);
    atomic_store(&s.stop, true);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    print_message("%zu searches beside 8 compactions\n", atomic_load(&s.done));
    assert_int_equal(atomic_load(&s.wrong), 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(compact__keeps_the_rows),
        CASE(compact__rewrites_from_a_fifth_on),
        CASE(compact__removes_orphans),
        CASE(compact__leaves_readers_alone),
        CASE(compact__goes_on_beside_searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
