/*
 * test_compact_beside.c - writes that land while rows are sealed, indexed and compacted: none waits, is lost or undone
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../support/fault_storage.h"
#include "../support/maker.h"
#include "../../lib/storage/storage.h"

enum { DIM = 4, WRITERS = 2, KEYS = 9000, WRITES = 400, ROUNDS = 12, PATIENCE = 60 };

typedef struct fixture {
    vssi_heap heap;
    fault_storage faults;
    vss_storage storage;
    vss_db *db;
    vss_collection *col;
    sem_t reached, go; /* of a job that is held up at the put of an object */
    const char *hold;  /* such an object; NULL: none */
} fixture;

static void wait_for(sem_t *s)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += PATIENCE;
    assert_int_equal(sem_timedwait(s, &end), 0);
}

static void hold_put(void *arg, const char *name)
{
    fixture *f = arg;
    if (f->hold == NULL || strncmp(name, f->hold, strlen(f->hold)) != 0)
        return;
    f->hold = NULL;
    sem_post(&f->reached);
    wait_for(&f->go);
}

static void open_db(fixture *f)
{
    vss_error err;
    vss_storage storage = f->storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    storage.close = NULL;
    options.storage = &storage;
    MUST(vss_db_open("beside", &options, &f->db, &err));
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    vss_storage inner;
    vss_error err;
    *state = f;
    vssi_heap_init(&f->heap, NULL, 0);
    MUST(vssi_storage_memory(&f->heap, &inner, &err));
    fault_storage_wrap(&f->faults, &inner, &f->storage);
    f->faults.before_put = hold_put;
    f->faults.before_arg = f;
    sem_init(&f->reached, 0, 0);
    sem_init(&f->go, 0, 0);
    open_db(f);
    f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    sem_destroy(&f->reached);
    sem_destroy(&f->go);
    free(f);
    return 0;
}

/* Rows of keys first, first + 1, ...: number and vector say which write they are of. */
static void write_rows(vss_collection *col, int64_t first, size_t n, int64_t stamp, bool replace)
{
    int64_t *keys = malloc(n * sizeof *keys), *numbers = malloc(n * sizeof *numbers);
    float *vectors = malloc(n * DIM * sizeof *vectors);
    const char *names[] = {"id", "number", "v"};
    vss_error err;
    for (size_t i = 0; i < n; i++) {
        keys[i] = first + (int64_t)i;
        numbers[i] = stamp;
        for (size_t d = 0; d < DIM; d++)
            vectors[i * DIM + d] = (float)(keys[i] * (int64_t)(d + 1) % 97) + (float)stamp;
    }
    vss_column id = maker_keys(keys, n), number = maker_keys(numbers, n), v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.dim = DIM, v.length = n, v.data = vectors;
    const vss_column *columns[] = {&id, &number, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    if (replace)
        MUST(vss_collection_upsert(col, &batch, NULL, &err));
    else
        MUST(vss_collection_insert(col, &batch, NULL, &err));
    free(keys);
    free(numbers);
    free(vectors);
}

static void remove_rows(vss_collection *col, int64_t first, size_t n)
{
    int64_t keys[64];
    vss_error err;
    for (size_t i = 0; i < n; i++)
        keys[i] = first + (int64_t)i;
    vss_column column = maker_keys(keys, n);
    MUST(vss_collection_delete(col, &column, NULL, &err));
}

/* Every key from first on has the stamp that model says, 0: is not there. */
static void expect_rows(vss_collection *col, int64_t first, const int64_t *model, size_t n)
{
    const char *fields[] = {"number", "v"};
    int64_t *keys = malloc(n * sizeof *keys);
    size_t live = 0, at = 0;
    vss_result *rows;
    vss_error err;
    for (size_t i = 0; i < n; i++) {
        keys[i] = first + (int64_t)i;
        live += model[i] != 0;
    }
    vss_column column = maker_keys(keys, n);
    MUST(vss_collection_get(col, &column, fields, 2, &rows, &err));
    assert_int_equal(vss_result_rows(rows), live);
    const int64_t *found = vss_result_keys(rows)->data, *numbers = vss_result_field(rows, "number")->data;
    const float *vectors = vss_result_field(rows, "v")->data;
    for (size_t i = 0; i < n; i++) {
        if (model[i] == 0)
            continue;
        assert_int_equal(found[at], keys[i]);
        assert_int_equal(numbers[at], model[i]);
        assert_true(vectors[at * DIM] == (float)(keys[i] % 97) + (float)model[i]);
        at++;
    }
    vss_result_free(rows);
    free(keys);
}

static void expect_all(fixture *f, const int64_t *model, size_t n)
{
    vss_error err;
    uint64_t count, live = 0;
    for (size_t i = 0; i < n; i++)
        live += model[i] != 0;
    for (int reopened = 0; reopened < 2; reopened++) {
        expect_rows(f->col, 0, model, n);
        MUST(vss_collection_count(f->col, "id >= 0", &count, &err));
        assert_int_equal(count, live);
        MUST(vss_collection_check(f->db, "c", NULL, NULL, NULL, NULL, NULL, &err));
        if (reopened == 1)
            break;
        MUST(vss_db_close(f->db, &err));
        open_db(f);
        MUST(vss_collection_open(f->db, "c", &f->col, &err));
    }
}

/* ---- a job that is held up ---- */

typedef enum job { JOB_FLUSH, JOB_INDEX, JOB_COMPACT } job;

typedef struct running {
    fixture *f;
    job what;
} running;

static vss_status do_job(vss_collection *col, job what, vss_error *err)
{
    if (what == JOB_COMPACT)
        return vss_collection_compact(col, err);
    return what == JOB_FLUSH ? vss_collection_flush(col, err)
                             : vss_collection_build_index(col, "v", "hnsw", "m=4,ef_construction=16", NULL, err);
}

static void *run_job(void *arg)
{
    const running *r = arg;
    vss_error err;
    MUST(do_job(r->f->col, r->what, &err));
    return NULL;
}

/* While the job waits for its storage: rows of all kinds are inserted, replaced and deleted, some of them twice. */
static void write_beside(fixture *f, int64_t *model)
{
    write_rows(f->col, 5000, 10, 2, false);
    write_rows(f->col, 100, 50, 3, true);   /* sealed rows */
    write_rows(f->col, 4190, 20, 4, true);  /* sealed, growing and new ones */
    write_rows(f->col, 120, 10, 5, true);   /* replaced again */
    remove_rows(f->col, 200, 40);
    remove_rows(f->col, 110, 5);            /* replaced, then deleted */
    remove_rows(f->col, 5000, 3);           /* inserted, then deleted */
    write_rows(f->col, 210, 5, 6, false);   /* deleted, then inserted */
    for (int64_t k = 0; k < 6000; k++) {
        if (k >= 5000 && k < 5010)
            model[k] = k < 5003 ? 0 : 2;
        if (k >= 100 && k < 150)
            model[k] = k >= 110 && k < 115 ? 0 : k >= 120 && k < 130 ? 5 : 3;
        if (k >= 4190 && k < 4210)
            model[k] = 4;
        if (k >= 200 && k < 240)
            model[k] = k >= 210 && k < 215 ? 6 : 0;
    }
}

static void hold_up(fixture *f, job what, const char *hold)
{
    static int64_t model[6000];
    running r = {f, what};
    pthread_t thread;
    vss_error err;
    memset(model, 0, sizeof model);
    for (int64_t k = 0; k < 4196; k++)
        model[k] = 1;
    write_rows(f->col, 0, 4100, 1, false);
    MUST(vss_collection_flush(f->col, &err));
    write_rows(f->col, 4100, 90, 1, false);
    if (what == JOB_COMPACT)
        MUST(vss_collection_flush(f->col, &err));
    if (what == JOB_FLUSH)
        MUST(vss_collection_build_index(f->col, "v", "flat", "codes=sq8", NULL, &err));
    write_rows(f->col, 4190, 6, 1, false);
    f->hold = hold;
    assert_int_equal(pthread_create(&thread, NULL, run_job, &r), 0);
    wait_for(&f->reached);
    write_beside(f, model); /* returns although the job stands still */
    expect_rows(f->col, 0, model, 6000);
    sem_post(&f->go);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_all(f, model, 6000);
    MUST(vss_collection_compact(f->col, &err));
    expect_all(f, model, 6000);
}

static void beside__a_flush(void **state) { hold_up(*state, JOB_FLUSH, "c/s/"); }
static void beside__an_index_build(void **state) { hold_up(*state, JOB_INDEX, "c/i/"); }
static void beside__the_flush_of_a_compaction(void **state) { hold_up(*state, JOB_COMPACT, "c/s/"); }
static void beside__the_indexes_of_a_compaction(void **state)
{
    fixture *f = *state;
    vss_error err;
    MUST(vss_collection_build_index(f->col, "v", "hnsw", "m=4,ef_construction=16", NULL, &err));
    hold_up(f, JOB_COMPACT, "c/i/");
}

/* A flush goes through while a compaction stands still; what it sealed stays. */
static void beside__flushes_and_a_compaction(void **state)
{
    fixture *f = *state;
    static int64_t model[6000];
    running r = {f, JOB_COMPACT};
    pthread_t thread;
    vss_error err;
    memset(model, 0, sizeof model);
    for (int64_t k = 0; k < 900; k += 300) {
        write_rows(f->col, k, 300, 1, false);
        MUST(vss_collection_flush(f->col, &err));
    }
    for (int64_t k = 0; k < 900; k++)
        model[k] = 1;
    f->hold = "c/s/";
    assert_int_equal(pthread_create(&thread, NULL, run_job, &r), 0);
    wait_for(&f->reached);
    for (int64_t round = 0; round < 3; round++) {
        write_rows(f->col, 1000 + round * 10, 10, 2, false);
        write_rows(f->col, round * 300, 20, 3, true);
        remove_rows(f->col, round * 300 + 10, 30);
        for (int64_t k = 0; k < 40; k++) {
            model[1000 + round * 10 + k % 10] = 2;
            model[round * 300 + k] = k < 10 ? 3 : 0;
        }
        MUST(vss_collection_flush(f->col, &err));
    }
    remove_rows(f->col, 1000, 5);
    memset(&model[1000], 0, 5 * sizeof *model);
    sem_post(&f->go);
    assert_int_equal(pthread_join(thread, NULL), 0);
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    MUST(vss_collection_stats_get(f->col, &stats, &err));
    assert_int_equal(stats.segments, 4); /* one in place of three, and the three sealed meanwhile */
    expect_all(f, model, 6000);
}

/* ---- many threads ---- */

typedef struct writer {
    fixture *f;
    int64_t first;
    uint64_t seed;
    int64_t model[KEYS / WRITERS];
    pthread_t thread;
} writer;

static void *write_on(void *arg)
{
    writer *w = arg;
    maker_random r = {w->seed};
    for (int64_t stamp = 1; stamp <= WRITES; stamp++) {
        const size_t n = 1 + maker_next(&r) % 60, at = maker_next(&r) % (KEYS / WRITERS - n);
        const bool removes = maker_next(&r) % 3 == 0;
        if (removes)
            remove_rows(w->f->col, w->first + (int64_t)at, n);
        else
            write_rows(w->f->col, w->first + (int64_t)at, n, stamp, true);
        for (size_t i = 0; i < n; i++)
            w->model[at + i] = removes ? 0 : stamp;
        if (stamp % 40 == 0)
            expect_rows(w->f->col, w->first, w->model, KEYS / WRITERS);
    }
    return NULL;
}

static void beside__many_writers(void **state)
{
    fixture *f = *state;
    static writer writers[WRITERS];
    static int64_t model[KEYS];
    vss_error err;
    for (int i = 0; i < WRITERS; i++) {
        writer *w = &writers[i];
        w->f = f;
        w->first = i * (KEYS / WRITERS);
        w->seed = (uint64_t)i + 5;
        memset(w->model, 0, sizeof w->model);
        write_rows(f->col, w->first, 4200, -1, false);
        for (size_t k = 0; k < 4200; k++)
            w->model[k] = -1;
    }
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]), 0);
    for (int round = 0; round < ROUNDS; round++) {
        MUST(do_job(f->col, (job)(round % 3), &err));
        MUST(vss_collection_check(f->db, "c", NULL, NULL, NULL, NULL, NULL, &err));
    }
    for (int i = 0; i < WRITERS; i++) {
        assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
        memcpy(model + writers[i].first, writers[i].model, sizeof writers[i].model);
    }
    expect_all(f, model, KEYS);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(beside__a_flush),
        CASE(beside__an_index_build),
        CASE(beside__the_flush_of_a_compaction),
        CASE(beside__the_indexes_of_a_compaction),
        CASE(beside__flushes_and_a_compaction),
        CASE(beside__many_writers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
