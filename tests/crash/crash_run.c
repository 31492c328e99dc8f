/*
 * crash_run.c - see crash_run.h
 */
#include "crash_run.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 48 };

/* Names and salts of the library's, the same in every run: an image of a disk has one hash. */
uint64_t __wrap_vssi_random_name(void);
static uint64_t crash_names;
uint64_t __wrap_vssi_random_name(void) { return (++crash_names * 0x9e3779b97f4a7c15u) ^ 0x5bf03635u; }

void crash_run_begin(crash_run *r, crash_disk *disk, vss_sync_mode sync)
{
    /* The other contents are written before they are read. */
    memset(r, 0, offsetof(crash_run, contents) + 2 * sizeof r->contents[0]);
    crash_names = 0;
    r->disk = disk;
    r->sync = sync;
    r->n = 1; /* nothing at all */
}

static vss_status crash_create(crash_run *r, vss_error *err)
{
    vss_field id = VSS_INIT(vss_field), number = VSS_INIT(vss_field), v = VSS_INIT(vss_field);
    id.name = "id", id.type = VSS_TYPE_INT64, id.flags = VSS_FIELD_PRIMARY;
    number.name = "number", number.type = VSS_TYPE_INT64;
    v.name = "v", v.type = VSS_TYPE_VECTOR_F32, v.dim = DIM, v.metric = VSS_METRIC_L2;
    const vss_field *fields[] = {&id, &number, &v};
    vss_schema schema = VSS_INIT(vss_schema);
    schema.n_fields = 3, schema.fields = fields;
    return vss_collection_create(r->db, "c", &schema, &r->col, err);
}

vss_status crash_run_open(crash_run *r, bool create, vss_error *err)
{
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    crash_disk_storage(r->disk, &storage);
    options.storage = r->storage != NULL ? r->storage : &storage;
    options.allocator = r->allocator;
    options.sync = r->sync;
    vss_status status = vss_db_open("disk", &options, &r->db, err);
    if (status == VSS_OK)
        status = create ? crash_create(r, err) : vss_collection_open(r->db, "c", &r->col, err);
    return status;
}

void crash_run_kill(crash_run *r)
{
    bool dead = r->disk->dead;
    r->disk->dead = true;
    (void)vss_db_close(r->db, NULL);
    r->disk->dead = dead;
    r->db = NULL;
    r->col = NULL;
}

/* ---- operations ---- */

typedef struct crash_rows {
    int64_t keys[CRASH_KEYS], numbers[CRASH_KEYS];
    float vectors[CRASH_KEYS][DIM];
    vss_column columns[3];
} crash_rows;

static void crash_vector(int64_t key, int64_t stamp, float *out)
{
    for (int i = 0; i < DIM; i++)
        out[i] = (float)(key * (i + 1) % 89 + stamp * 100);
}

static vss_status crash_write(crash_run *r, const crash_op *op, uint16_t stamp, vss_error *err)
{
    static crash_rows rows;
    const char *names[] = {"id", "number", "v"};
    for (int i = 0; i < op->n; i++) {
        rows.keys[i] = op->first + i;
        rows.numbers[i] = stamp;
        crash_vector(rows.keys[i], stamp, rows.vectors[i]);
    }
    rows.columns[0] = maker_keys(rows.keys, (size_t)op->n);
    rows.columns[1] = maker_keys(rows.numbers, (size_t)op->n);
    rows.columns[2] = (vss_column){.struct_size = sizeof(vss_column), .type = VSS_TYPE_VECTOR_F32, .dim = DIM,
                                   .length = (uint64_t)op->n, .data = rows.vectors};
    const vss_column *columns[] = {&rows.columns[0], &rows.columns[1], &rows.columns[2]};
    vss_batch batch = VSS_INIT(vss_batch);
    batch.n_columns = 3, batch.names = names, batch.columns = columns;
    return op->kind == OP_INSERT ? vss_collection_insert(r->col, &batch, NULL, err)
                                 : vss_collection_upsert(r->col, &batch, NULL, err);
}

static vss_status crash_delete(crash_run *r, const crash_op *op, vss_error *err)
{
    int64_t keys[CRASH_KEYS];
    char filter[64];
    if (op->kind == OP_DELETE_WHERE) {
        (void)snprintf(filter, sizeof filter, "%d <= id < %d", op->first, op->first + op->n);
        return vss_collection_delete_where(r->col, filter, NULL, err);
    }
    for (int i = 0; i < op->n; i++)
        keys[i] = op->first + i;
    vss_column column = maker_keys(keys, (size_t)op->n);
    return vss_collection_delete(r->col, &column, NULL, err);
}

static vss_status crash_reopen(crash_run *r, vss_error *err)
{
    vss_status status = vss_db_close(r->db, err);
    r->db = NULL;
    r->col = NULL;
    return status == VSS_OK ? crash_run_open(r, false, err) : status;
}

static vss_status crash_call(crash_run *r, const crash_op *op, uint16_t stamp, vss_error *err)
{
    switch (op->kind) {
    case OP_INSERT:
    case OP_UPSERT:
        return crash_write(r, op, stamp, err);
    case OP_DELETE:
    case OP_DELETE_WHERE:
        return crash_delete(r, op, err);
    case OP_INDEX:
        return vss_collection_build_index(r->col, "v", "hnsw", "m=4,ef_construction=16", NULL, err);
    case OP_REOPEN:
        return crash_reopen(r, err);
    case OP_COMPACT:
        return vss_collection_compact(r->col, err);
    default:
        return vss_collection_flush(r->col, err);
    }
}

/* What the operation makes of the newest content. False: an insert of a key that is live. */
static bool crash_apply(const crash_op *op, uint16_t stamp, crash_content *c)
{
    if (op->kind != OP_INSERT && op->kind != OP_UPSERT && op->kind != OP_DELETE && op->kind != OP_DELETE_WHERE)
        return true;
    for (int k = op->first; k < op->first + op->n; k++)
        if (op->kind == OP_INSERT && c->stamps[k] != 0)
            return false;
    for (int k = op->first; k < op->first + op->n; k++)
        c->stamps[k] = op->kind == OP_INSERT || op->kind == OP_UPSERT ? stamp : 0;
    return true;
}

/* A write. */
static vss_status crash_run_write(crash_run *r, const crash_op *op, vss_error *err)
{
    uint16_t stamp = ++r->stamp;
    crash_content *next = &r->contents[r->n];
    *next = r->contents[r->n - 1];
    bool fits = crash_apply(op, stamp, next);
    vss_status status = crash_call(r, op, stamp, err);
    if (!fits) {
        if (!r->disk->dead && (r->storage == NULL || status == VSS_OK)) /* a fault may come first */
            assert_int_equal(status, VSS_ERR_EXISTS);
        return VSS_OK;
    }
    r->n++;
    if (status == VSS_OK && r->sync == VSS_SYNC_COMMIT)
        r->floor = r->n - 1;
    return status;
}

/* An object is about to be put: the next write comes first. No write may come between a commit and what follows. */
static void crash_beside(void *arg, const char *name)
{
    crash_run *r = arg;
    vss_error err;
    if (r->n_beside == 0 || strncmp(name, "c/m/", 4) == 0)
        return;
    r->n_beside--;
    vss_status status = crash_run_write(r, r->beside++, &err);
    if (status != VSS_OK) {
        r->n_beside = 0;
        r->beside_status = status;
        if (!r->disk->dead && r->disk->fail_sync == 0)
            fail_msg("beside: %s: %s", vss_status_name(status), err.message);
    }
}

vss_status crash_run_op(crash_run *r, const crash_op *op, vss_error *err)
{
    if (op->kind < OP_FLUSH)
        return crash_run_write(r, op, err);
    const size_t before = r->n - 1; /* what it makes durable */
    r->disk->beside = crash_beside;
    r->disk->beside_arg = r;
    r->beside_status = VSS_OK;
    vss_status status = crash_call(r, op, 0, err);
    r->disk->beside = NULL;
    if (r->beside_status != VSS_OK)
        return r->beside_status;
    if (status == VSS_OK && before > r->floor)
        r->floor = before;
    return status;
}

vss_status crash_run_all(crash_run *r, const crash_op *ops, vss_error *err)
{
    r->contents[1].exists = true;
    r->n = 2;
    vss_status status = crash_run_open(r, true, err);
    if (status == VSS_OK)
        r->floor = 1;
    for (size_t i = 0; status == VSS_OK && ops[i].kind != OP_END; i++) {
        r->beside = &ops[i + 1];
        r->n_beside = (size_t)ops[i].beside;
        status = crash_run_op(r, &ops[i], err);
        i = (size_t)(r->beside - ops) - 1; /* those that found no object to be put beside come now */
    }
    return status;
}

/* ---- what is found ---- */

void crash_read(vss_collection *col, crash_content *out)
{
    int64_t all[CRASH_KEYS];
    const char *fields[] = {"number", "v"};
    vss_result *rows;
    uint64_t count;
    vss_error err;
    for (int i = 0; i < CRASH_KEYS; i++)
        all[i] = i;
    vss_column keys = maker_keys(all, CRASH_KEYS);
    memset(out, 0, sizeof *out);
    out->exists = true;
    MUST(vss_collection_get(col, &keys, fields, 2, &rows, &err));
    MUST(vss_collection_count(col, "id >= 0", &count, &err));
    assert_int_equal(count, vss_result_rows(rows));
    const int64_t *found = vss_result_keys(rows)->data, *numbers = vss_result_field(rows, "number")->data;
    const float *vectors = vss_result_field(rows, "v")->data;
    for (size_t i = 0; i < vss_result_rows(rows); i++) {
        float expected[DIM];
        crash_vector(found[i], numbers[i], expected);
        assert_memory_equal(vectors + i * DIM, expected, sizeof expected);
        out->stamps[found[i]] = (uint16_t)numbers[i];
    }
    vss_result_free(rows);
}

int crash_find(const crash_run *r, const crash_content *found)
{
    for (size_t i = r->n; i-- > r->floor;)
        if (memcmp(&r->contents[i], found, sizeof *found) == 0)
            return (int)i;
    return -1;
}
