/*
 * test_background.c - an executor that takes work: sealing, indexing and compacting behind the host's back
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/storage/storage.h"
#include "../support/fault_storage.h"
#include "../support/maker.h"

enum { DIM = 16, BATCH = 500, MEMORY = 4 << 20, PATIENCE_MS = 30000 };

typedef struct task {
    void (*fn)(void *arg);
    void *arg;
} task;

typedef enum manner { AT_ONCE, KEEP, REFUSE, THREAD } manner;

/* An executor that works at once, keeps a task for later, refuses it, or starts a thread for it. */
typedef struct host {
    manner how;
    task kept;
    _Atomic size_t asked;
    _Atomic size_t threads; /* that have not ended */
    char line[200];         /* the last warning */
} host;

static void *host_thread(void *arg)
{
    host *h = arg;
    h->kept.fn(h->kept.arg);
    atomic_fetch_sub(&h->threads, 1);
    return NULL;
}

static int host_submit(void *state, void (*fn)(void *arg), void *arg)
{
    host *h = state;
    pthread_t thread;
    atomic_fetch_add(&h->asked, 1);
    if (h->how == REFUSE)
        return 1;
    if (h->how == AT_ONCE) {
        fn(arg);
        return 0;
    }
    while (atomic_load(&h->threads) > 0) /* the one before is leaving */
        (void)usleep(100);
    h->kept = (task){fn, arg};
    if (h->how == THREAD) {
        atomic_fetch_add(&h->threads, 1);
        assert_int_equal(pthread_create(&thread, NULL, host_thread, h), 0);
        (void)pthread_detach(thread);
    }
    return 0;
}

static void host_log(void *state, vss_log_level level, const char *line)
{
    host *h = state;
    if (level == VSS_LOG_WARNING)
        (void)snprintf(h->line, sizeof h->line, "%s", line);
}

typedef struct fixture {
    vssi_heap heap;
    fault_storage faults;
    vss_storage storage;
    host host;
    vss_db *db;
    vss_collection *col;
    float *vectors;
    int64_t next;
} fixture;

static void open_db(fixture *f, uint64_t memory)
{
    vss_error err;
    vss_storage storage = f->storage;
    vss_executor executor = {.struct_size = sizeof executor, .state = &f->host, .submit = host_submit};
    vss_db_options options = VSS_INIT(vss_db_options);
    storage.close = NULL;
    options.storage = &storage;
    options.executor = &executor;
    options.background_memory = memory;
    options.log = host_log;
    options.log_state = &f->host;
    MUST(vss_db_open("background", &options, &f->db, &err));
}

static int set_up(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    maker_random r = {3};
    vss_storage inner;
    vss_error err;
    *state = f;
    vssi_heap_init(&f->heap, NULL, 0);
    MUST(vssi_storage_memory(&f->heap, &inner, &err));
    fault_storage_wrap(&f->faults, &inner, &f->storage);
    f->vectors = malloc(BATCH * DIM * sizeof *f->vectors);
    maker_vectors(&r, f->vectors, BATCH, DIM, false);
    open_db(f, MEMORY);
    f->col = maker_create(f->db, DIM, VSS_METRIC_L2);
    return 0;
}

static int tear_down(void **state)
{
    fixture *f = *state;
    vss_error err;
    MUST(vss_db_close(f->db, &err));
    while (atomic_load(&f->host.threads) > 0)
        (void)usleep(100);
    if (f->host.how == KEEP) /* a task that is never called would be lost memory */
        f->host.kept.fn(f->host.kept.arg);
    f->storage.close(f->storage.state);
    assert_int_equal(atomic_load(&f->heap.used), 0);
    free(f->vectors);
    free(f);
    return 0;
}

static vss_collection_stats stats_of(const fixture *f)
{
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    vss_error err;
    MUST(vss_collection_stats_get(f->col, &stats, &err));
    return stats;
}

static void insert(fixture *f, size_t batches)
{
    for (size_t i = 0; i < batches; i++, f->next += BATCH)
        maker_insert(f->col, f->vectors, BATCH, DIM, f->next, 1);
}

static uint64_t count(const fixture *f, const char *filter)
{
    uint64_t n;
    vss_error err;
    MUST(vss_collection_count(f->col, filter, &n, &err));
    return n;
}

static int index_rows(void *state, const vss_index_info *info)
{
    *(uint64_t *)state += info->rows;
    return 0;
}

static uint64_t indexed(const fixture *f)
{
    uint64_t rows = 0;
    vss_error err;
    MUST(vss_collection_indexes(f->col, index_rows, &rows, &err));
    return rows;
}

/* What grows is sealed in pieces of a quarter of the memory, indexed; holes and crowds of small segments go. */
static void grow_and_shrink(fixture *f)
{
    vss_error err;
    MUST(vss_collection_build_index(f->col, "v", "hnsw", "m=4,ef_construction=8", NULL, &err));
    for (int i = 0; i < PATIENCE_MS && (indexed(f) == 0 || i == 0); i += 10) {
        insert(f, 4);
        (void)usleep(1000);
    }
    assert_true(indexed(f) >= 4096);
    assert_int_equal(count(f, "id >= 0"), f->next);
    MUST(vss_collection_flush(f->col, &err));
    MUST(vss_collection_delete_where(f->col, "number < 50", NULL, &err));
    for (int i = 0; i < PATIENCE_MS && stats_of(f).deleted > 0; i += 10)
        (void)usleep(10000);
    assert_int_equal(stats_of(f).deleted, 0);
    assert_int_equal(count(f, "number < 50"), 0);
    assert_int_equal(count(f, NULL), f->next / 2);
    assert_int_equal(stats_of(f).background, VSS_OK);
    for (size_t i = 0; i < 10; i++) {
        insert(f, 1);
        MUST(vss_collection_flush(f->col, &err));
    }
    insert(f, 1);
    for (int i = 0; i < PATIENCE_MS && stats_of(f).segments > 8; i += 10)
        (void)usleep(10000);
    assert_true(stats_of(f).segments <= 8);
    MUST(vss_collection_check(f->db, "c", NULL, NULL, NULL, NULL, NULL, &err));
}

static void background__at_once(void **state) { grow_and_shrink(*state); }

static void background__on_a_thread(void **state)
{
    fixture *f = *state;
    f->host.how = THREAD;
    grow_and_shrink(f);
    insert(f, 60); /* closed while work is under way */
}

/* Memory stays within what was allowed, about: not all rows are kept from being sealed. */
static void background__keeps_to_its_memory(void **state)
{
    fixture *f = *state;
    uint64_t held;
    vss_error err;
    f->host.how = KEEP; /* work is taken and not done */
    insert(f, 200);
    assert_true(atomic_load(&f->host.asked) == 1);
    assert_true(stats_of(f).segments > 1); /* the writer did it when twice as many rows had come */
    MUST(vss_db_memory(f->db, &held, NULL, &err));
    assert_true(held < MEMORY);
    assert_int_equal(count(f, NULL), f->next);
}

/* A task that is called after the close finds nothing to do, and nothing that is gone. */
static void background__after_the_close(void **state)
{
    fixture *f = *state;
    vss_error err;
    f->host.how = KEEP;
    insert(f, 40);
    assert_int_equal(atomic_load(&f->host.asked), 1);
    MUST(vss_db_close(f->db, &err));
    f->host.kept.fn(f->host.kept.arg);
    f->host.how = AT_ONCE;
    open_db(f, 0);
    MUST(vss_collection_open(f->db, "c", &f->col, &err));
    assert_int_equal(count(f, NULL), f->next);
}

/* A host that refuses is not asked with every write. */
static void background__refused(void **state)
{
    fixture *f = *state;
    f->host.how = REFUSE;
    insert(f, 60);
    assert_true(atomic_load(&f->host.asked) >= 1 && atomic_load(&f->host.asked) < 10);
    assert_int_equal(count(f, NULL), f->next);
}

static void delete_beside(void *arg, const char *name)
{
    fixture *f = arg;
    vss_error err;
    (void)name;
    f->faults.before_put = NULL;
    MUST(vss_collection_delete_where(f->col, "id >= 4000 && id < 7000", NULL, &err));
}

/* The last write of all comes while a task is at work: what it leaves to do is done all the same. */
static void background__nothing_is_missed(void **state)
{
    fixture *f = *state;
    vss_error err;
    insert(f, 8);
    MUST(vss_collection_flush(f->col, &err));
    insert(f, 8);
    MUST(vss_collection_flush(f->col, &err));
    f->faults.before_arg = f;
    f->faults.before_put = delete_beside;
    MUST(vss_collection_delete_where(f->col, "id < 2500", NULL, &err));
    assert_null(f->faults.before_put);
    for (int i = 0; i < 1000 && stats_of(f).deleted > 0; i += 10)
        (void)usleep(10000);
    assert_int_equal(stats_of(f).deleted, 0);
    assert_int_equal(count(f, NULL), 2500);
}

static void work_beside(void *arg, const char *name)
{
    fixture *f = arg;
    pthread_t thread;
    (void)name;
    f->faults.before_put = NULL;
    atomic_fetch_add(&f->host.threads, 1);
    assert_int_equal(pthread_create(&thread, NULL, host_thread, &f->host), 0);
    (void)pthread_detach(thread);
    (void)usleep(50000); /* it finds deleted rows, and waits for the compaction that takes them away */
}

/* A task that the caller forestalls has not failed: the next write that leaves work asks for one at once. */
static void background__forestalled(void **state)
{
    fixture *f = *state;
    vss_error err;
    f->host.how = KEEP;
    insert(f, 4);
    MUST(vss_collection_flush(f->col, &err));
    MUST(vss_collection_delete_where(f->col, "id < 1000", NULL, &err));
    assert_int_equal(atomic_load(&f->host.asked), 1);
    f->faults.before_arg = f;
    f->faults.before_put = work_beside;
    MUST(vss_collection_compact(f->col, &err));
    assert_null(f->faults.before_put);
    while (atomic_load(&f->host.threads) > 0)
        (void)usleep(100);
    f->host.how = AT_ONCE;
    MUST(vss_collection_delete_where(f->col, "id < 1500", NULL, &err));
    assert_int_equal(atomic_load(&f->host.asked), 2);
    assert_int_equal(stats_of(f).deleted, 0);
}

/* A failure is told, changes nothing, and is made good later. */
static void background__fails(void **state)
{
    fixture *f = *state;
    vss_error err;
    fault_storage_fail(&f->faults, FAULT_PUT, 1, VSS_ERR_NO_SPACE, FAULT_FOREVER);
    insert(f, 24);
    assert_int_equal(stats_of(f).background, VSS_ERR_NO_SPACE);
    assert_non_null(strstr(f->host.line, "work in the background failed: injected fault"));
    assert_int_equal(stats_of(f).segments, 1); /* growing */
    assert_int_equal(vss_collection_flush(f->col, &err), VSS_ERR_NO_SPACE);
    assert_int_equal(count(f, NULL), f->next);
    fault_storage_fail(&f->faults, FAULT_ANY, 0, VSS_OK, FAULT_ONCE);
    (void)usleep(1100000);
    insert(f, 1);
    assert_int_equal(stats_of(f).background, VSS_OK);
    assert_int_equal(stats_of(f).growing, 0);
    assert_int_equal(count(f, NULL), f->next);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(background__at_once),
        CASE(background__on_a_thread),
        CASE(background__keeps_to_its_memory),
        CASE(background__after_the_close),
        CASE(background__refused),
        CASE(background__nothing_is_missed),
        CASE(background__forestalled),
        CASE(background__fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
