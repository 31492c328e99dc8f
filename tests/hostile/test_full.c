/*
 * test_full.c - a disk that is full: at every size of it, what does not fit is refused, and nothing else changes
 *
 * A program of all kinds of writes runs on a storage of so many bytes. The call that meets its end returns NO_SPACE;
 * then every row is as before, in the handle, in a second handle that only reads, and after a crash of the process;
 * what the call had stored is gone. With space again the same call and all that follow succeed, to the state of a disk
 * that was never full.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/storage/storage.h"
#include "../support/maker.h"
#include "../support/tier.h"

enum { DIM = 4, KEYS = 5200, ROWS = 4300 };

/* A storage in memory of limited size; the state of what is wrapped is shared by all of its copies. */
typedef struct full_disk {
    vssi_heap heap;
    vss_storage inner;
    uint64_t used, most, limit;
    size_t refused;
} full_disk;

typedef struct full_log {
    void *inner;
    char name[96];
} full_log;

static vss_status full_take(full_disk *d, uint64_t bytes, const char *name, vss_error *err)
{
    if (d->used + bytes > d->limit) {
        d->refused++;
        *err = (vss_error){.status = VSS_ERR_NO_SPACE};
        (void)snprintf(err->message, sizeof err->message, "\"%s\": no space left", name);
        return VSS_ERR_NO_SPACE;
    }
    d->used += bytes;
    d->most = d->used > d->most ? d->used : d->most;
    return VSS_OK;
}

static uint64_t full_sum(const vss_span *parts, size_t n)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += parts[i].size;
    return sum;
}

static vss_status full_read(void *state, const char *name, uint64_t offset, void *buffer, size_t size, vss_error *err)
{
    full_disk *d = state;
    return d->inner.read(d->inner.state, name, offset, buffer, size, err);
}

static vss_status full_put(void *state, const char *name, const vss_span *parts, size_t n, vss_error *err)
{
    full_disk *d = state;
    vss_error own;
    vss_status status = full_take(d, full_sum(parts, n), name, err == NULL ? &own : err);
    return status == VSS_OK ? d->inner.put(d->inner.state, name, parts, n, err) : status;
}

static vss_status full_list(void *state, const char *prefix, int shallow, vss_storage_list_fn fn, void *arg,
                            vss_error *err)
{
    full_disk *d = state;
    return d->inner.list(d->inner.state, prefix, shallow, fn, arg, err);
}

static vss_status full_size(void *state, const char *name, uint64_t *size, vss_error *err)
{
    full_disk *d = state;
    return d->inner.size(d->inner.state, name, size, err);
}

static vss_status full_remove(void *state, const char *name, vss_error *err)
{
    full_disk *d = state;
    uint64_t size;
    if (d->inner.size(d->inner.state, name, &size, NULL) == VSS_OK)
        d->used -= size;
    return d->inner.remove(d->inner.state, name, err);
}

static vss_status full_map(void *state, const char *name, uint64_t size, const void **data, vss_error *err)
{
    full_disk *d = state;
    return d->inner.map(d->inner.state, name, size, data, err);
}

static void full_unmap(void *state, const void *data, uint64_t size)
{
    full_disk *d = state;
    d->inner.unmap(d->inner.state, data, size);
}

static vss_status full_log_open(void *state, const char *name, void **log, vss_error *err)
{
    full_disk *d = state;
    full_log *l = calloc(1, sizeof *l);
    vss_status status = full_take(d, 0, name, err);
    if (status == VSS_OK)
        status = d->inner.log_open(d->inner.state, name, &l->inner, err);
    (void)snprintf(l->name, sizeof l->name, "%s", name);
    *log = l;
    if (status != VSS_OK)
        free(l);
    return status;
}

static vss_status full_log_append(void *state, void *log, const vss_span *parts, size_t n, vss_error *err)
{
    full_disk *d = state;
    full_log *l = log;
    vss_status status = full_take(d, full_sum(parts, n), l->name, err);
    return status == VSS_OK ? d->inner.log_append(d->inner.state, l->inner, parts, n, err) : status;
}

static vss_status full_log_sync(void *state, void *log, vss_error *err)
{
    full_disk *d = state;
    return d->inner.log_sync(d->inner.state, ((full_log *)log)->inner, err);
}

static void full_log_close(void *state, void *log)
{
    full_disk *d = state;
    d->inner.log_close(d->inner.state, ((full_log *)log)->inner);
    free(log);
}

static vss_storage full_storage(full_disk *d)
{
    return (vss_storage){.struct_size = sizeof(vss_storage), .state = d, .read = full_read, .put = full_put,
                         .list = full_list, .size = full_size, .remove = full_remove, .map = full_map,
                         .unmap = full_unmap, .log_open = full_log_open, .log_append = full_log_append,
                         .log_sync = full_log_sync, .log_close = full_log_close};
}

/* ---- the program ---- */

typedef struct world {
    full_disk disk;
    vss_db *db;
    vss_collection *col;
    int64_t model[KEYS]; /* number of each key's row, 0: none */
} world;

static vss_status open_world(world *w, vss_open_mode mode, vss_db **db, vss_collection **col, vss_error *err)
{
    vss_storage storage = full_storage(&w->disk);
    vss_db_options options = VSS_INIT(vss_db_options);
    options.storage = &storage;
    options.mode = mode;
    if (vss_db_open("full", &options, db, err) != VSS_OK)
        fail_msg("%s", err->message);
    return vss_collection_open(*db, "c", col, err);
}

static vss_status write_rows(world *w, int64_t first, size_t n, int64_t stamp, vss_error *err)
{
    static int64_t keys[ROWS], numbers[ROWS];
    static float vectors[ROWS * DIM];
    const char *names[] = {"id", "number", "v"};
    for (size_t i = 0; i < n; i++) {
        keys[i] = first + (int64_t)i;
        numbers[i] = stamp;
        for (size_t d = 0; d < DIM; d++)
            vectors[i * DIM + d] = (float)(keys[i] * (int64_t)(d + 1) % 97);
    }
    vss_column id = maker_keys(keys, n), number = maker_keys(numbers, n), v = VSS_INIT(vss_column);
    v.type = VSS_TYPE_VECTOR_F32, v.dim = DIM, v.length = n, v.data = vectors;
    const vss_column *columns[] = {&id, &number, &v};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    return vss_collection_upsert(w->col, &batch, NULL, err);
}

typedef enum act { CREATE, WRITE, DELETE, FLUSH, INDEX, COMPACT, PURGE, REOPEN } act;

typedef struct step {
    act what;
    int64_t first;
    size_t n;
} step;

static const step steps[] = {
    {CREATE, 0, 0},    {WRITE, 0, ROWS},   {WRITE, 4250, 100}, {FLUSH, 0, 0},   {INDEX, 0, 0},      {DELETE, 10, 40},
    {WRITE, 4400, 300}, {FLUSH, 0, 0},     {WRITE, 30, 50},    {REOPEN, 0, 0},  {DELETE, 4000, 90}, {FLUSH, 0, 0},
    {COMPACT, 0, 0},   {DELETE, 200, 20},  {PURGE, 0, 0},      {WRITE, 5000, 99}, {REOPEN, 0, 0},   {COMPACT, 0, 0}};
enum { STEPS = sizeof steps / sizeof *steps };

static vss_status act_delete(world *w, const step *s, vss_error *err)
{
    int64_t keys[100];
    for (size_t i = 0; i < s->n; i++)
        keys[i] = s->first + (int64_t)i;
    vss_column column = maker_keys(keys, s->n);
    return vss_collection_delete(w->col, &column, NULL, err);
}

/* Close and open; what the close could not flush is in the log. */
static vss_status act_reopen(world *w, vss_error *err)
{
    if (w->db != NULL) {
        vss_status closed = vss_db_close(w->db, err);
        assert_true(closed == VSS_OK || closed == VSS_ERR_NO_SPACE);
    }
    vss_status status = open_world(w, VSS_OPEN_EXISTING, &w->db, &w->col, err);
    if (status != VSS_OK) {
        assert_int_equal(vss_db_close(w->db, NULL), VSS_OK);
        w->db = NULL;
    }
    return status;
}

static vss_status act_create(world *w, vss_error *err)
{
    static const char fields[] = "{\"fields\": [{\"name\": \"id\", \"type\": \"int64\", \"primary\": true},"
                                 " {\"name\": \"number\", \"type\": \"int64\"},"
                                 " {\"name\": \"v\", \"type\": \"vector<f32>\", \"dim\": 4, \"metric\": \"l2\"}]}";
    vss_schema *schema;
    if (vss_schema_parse(fields, sizeof fields - 1, &schema, err) != VSS_OK)
        fail_msg("%s", err->message);
    vss_status status = vss_collection_create(w->db, "c", schema, &w->col, err);
    vss_schema_free(schema);
    return status;
}

static vss_status act_call(world *w, size_t at, vss_error *err)
{
    const step *s = &steps[at];
    switch (s->what) {
    case CREATE: return act_create(w, err);
    case WRITE: return write_rows(w, s->first, s->n, (int64_t)at + 1, err);
    case DELETE: return act_delete(w, s, err);
    case INDEX: return vss_collection_build_index(w->col, "v", "hnsw", "m=4,ef_construction=8", NULL, err);
    case COMPACT: return vss_collection_compact(w->col, err);
    case PURGE: return vss_collection_purge(w->col, err);
    case REOPEN: return act_reopen(w, err);
    default: return vss_collection_flush(w->col, err);
    }
}

static void act_model(world *w, size_t at)
{
    const step *s = &steps[at];
    for (size_t i = 0; i < s->n; i++)
        w->model[s->first + (int64_t)i] = s->what == WRITE ? (int64_t)at + 1 : 0;
}

static void expect_rows(const world *w, vss_collection *col, size_t at)
{
    static int64_t keys[KEYS];
    const char *fields[] = {"number"};
    size_t live = 0;
    vss_result *rows;
    vss_error err;
    for (size_t i = 0; i < KEYS; i++)
        keys[i] = (int64_t)i;
    vss_column column = maker_keys(keys, KEYS);
    MUST(vss_collection_get(col, &column, fields, 1, &rows, &err));
    const int64_t *numbers = vss_result_field(rows, "number")->data;
    for (size_t i = 0; i < KEYS; i++)
        if (w->model[i] != 0) {
            if (live >= vss_result_rows(rows) || numbers[live] != w->model[i])
                fail_msg("step %zu, %llu bytes: key %zu", at, (unsigned long long)w->disk.limit, i);
            live++;
        }
    assert_int_equal(vss_result_rows(rows), live);
    vss_result_free(rows);
}

static void expect_readable(world *w, size_t at)
{
    vss_db *db;
    vss_collection *col;
    vss_error err;
    if (w->db != NULL && at > 0)
        expect_rows(w, w->col, at);
    if (at == 0)
        return;
    MUST(open_world(w, VSS_OPEN_READ_ONLY, &db, &col, &err));
    expect_rows(w, col, at);
    MUST(vss_db_close(db, &err));
}

/* The program on a disk of so many bytes. False: it was not full. */
static bool run_with(uint64_t limit, uint64_t *most, size_t *failures, bool crash)
{
    static world w;
    vss_error err;
    size_t at = 0;
    memset(&w, 0, sizeof w);
    vssi_heap_init(&w.disk.heap, NULL, 0);
    MUST(vssi_storage_memory(&w.disk.heap, &w.disk.inner, &err));
    w.disk.limit = limit;
    vss_storage storage = full_storage(&w.disk);
    vss_db_options options = VSS_INIT(vss_db_options);
    options.storage = &storage;
    MUST(vss_db_open("full", &options, &w.db, &err));
    for (; at < STEPS; at++) {
        const uint64_t used = w.disk.used;
        vss_status status = act_call(&w, at, &err);
        if (status != VSS_OK) {
            assert_int_equal(status, VSS_ERR_NO_SPACE);
            ++*failures;
            if (steps[at].what == COMPACT || steps[at].what == INDEX)
                assert_true(w.disk.used <= used + 4096); /* deletes that were flushed, no more */
            expect_readable(&w, at);
            if (crash && at > 0) { /* the close finds no space either; the log has what it could not flush */
                (void)vss_db_close(w.db, &err);
                w.db = NULL;
                expect_readable(&w, at);
            }
            w.disk.limit = UINT64_MAX;
            if (w.db == NULL)
                MUST(act_reopen(&w, &err));
            MUST(act_call(&w, at, &err));
        }
        act_model(&w, at);
    }
    const bool full = w.disk.refused > 0;
    w.disk.limit = UINT64_MAX;
    expect_readable(&w, at);
    MUST(vss_collection_check(w.db, "c", NULL, NULL, NULL, NULL, NULL, &err));
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    MUST(vss_collection_stats_get(w.col, &stats, &err));
    assert_int_equal(stats.bytes, w.disk.used); /* nothing is left behind */
    MUST(vss_db_close(w.db, &err));
    *most = w.disk.most;
    w.disk.inner.close(w.disk.inner.state);
    assert_int_equal(atomic_load(&w.disk.heap.used), 0);
    return full;
}

static void full__at_every_size(void **state)
{
    uint64_t most, ignored;
    size_t failures = 0, sizes = 0;
    (void)state;
    assert_false(run_with(UINT64_MAX, &most, &failures, false));
    const uint64_t stride = tier_full() ? 64 : most / 300;
    for (uint64_t limit = 0; run_with(limit, &ignored, &failures, sizes % 2 == 1); limit += limit < 4096 ? 64 : stride)
        sizes++;
    print_message("%zu sizes of a disk, %zu calls that found it full\n", sizes, failures);
    assert_true(failures >= sizes && sizes > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(full__at_every_size)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
