/*
 * check.c - every byte of the newest version of a collection and of its logs against its hash, every reference against
 * what it names
 *
 * Works on storage alone, beside any handle. Cost: one read of all objects. What is below it reports whatever it can't
 * read as a fault found; memory that is refused is none, so the check allocates through a heap of its own that
 * remembers the refusal, ends there and returns it.
 */
#include <stdio.h>
#include <string.h>

#include "../format/wal.h"
#include "collection.h"

typedef struct check_run {
    vss_db *db;
    vssi_heap heap;    /* the database's, by way of check_alloc */
    vss_error refused; /* the first allocation that failed; VSS_OK: none */
    char prefix[80];
    vss_check_fn fn;
    void *state;
    vss_check_report *report;
    uint64_t total; /* bytes there are, for progress */
    vssi_control control;
    bool ended;     /* fn asked for it */
} check_run;

static void *check_alloc(void *state, size_t size, size_t align)
{
    check_run *run = state;
    vss_error err;
    void *block;
    (void)align; /* every block of a heap is aligned as every heap asks */
    if (vssi_alloc(&run->db->heap, size, 1, &block, &err) != VSS_OK && run->refused.status == VSS_OK)
        run->refused = err;
    return block;
}

static void check_release(void *state, void *block, size_t size, size_t align)
{
    check_run *run = state;
    (void)size;
    (void)align;
    vssi_free(&run->db->heap, block);
}

static bool check_refused(const check_run *run) { return run->refused.status != VSS_OK; }

static int check_line(void *state, const char *object, const char *line)
{
    check_run *run = state;
    if (run->fn != NULL && !run->ended && !check_refused(run))
        run->ended = run->fn(run->state, object, line) != 0;
    return run->ended || check_refused(run);
}

static void check_fault(check_run *run, const char *object, const char *line)
{
    run->report->errors++;
    check_line(run, object, line);
}

static void check_counted(check_run *run, uint64_t bytes)
{
    run->report->files++;
    run->report->bytes += bytes;
    vssi_control_report(&run->control, "check", run->report->bytes, run->total);
}

static bool check_stopped(check_run *run)
{
    return run->ended || check_refused(run) || vssi_control_stopped(&run->control);
}

static void check_index(check_run *run, const vssi_manifest *m, const vssi_manifest_index *index,
                        vssi_segment *segment, size_t rows)
{
    vss_error err = {.status = VSS_OK};
    vssi_segment_index *opened;
    vssi_vectors vectors;
    size_t field = 0;
    while (field < m->schema->n_fields && m->schema->fields[field].id != index->field)
        field++;
    if (field == m->schema->n_fields) {
        check_fault(run, index->object.name, "an index of a field that is not in the schema");
    } else if (vssi_segment_index_open(&run->heap, &run->db->storage, run->prefix, &index->object, m->schema, field,
                                       rows, &opened, &err) != VSS_OK) {
        check_fault(run, index->object.name, err.message);
    } else {
        if (vssi_vectors_of(segment, m->schema, field, &vectors, &err) != VSS_OK)
            check_fault(run, index->object.name, err.message);
        else
            run->report->errors += vssi_segment_index_check(opened, &vectors, check_line, run);
        vssi_segment_index_unref(opened);
    }
    check_counted(run, index->object.size);
}

static void check_deletes(check_run *run, const vssi_manifest_segment *g)
{
    vss_error err = {.status = VSS_OK};
    uint64_t *bitmap;
    if (vssi_deletes_read(&run->heap, &run->db->storage, run->prefix, &g->deletes, (size_t)g->rows, g->deleted,
                          &bitmap, &err) != VSS_OK)
        check_fault(run, g->deletes.name, err.message);
    else
        vssi_free(&run->heap, bitmap);
    check_counted(run, g->deletes.size);
}

static void check_segment(check_run *run, const vssi_manifest *m, const vssi_manifest_segment *g)
{
    vss_error err = {.status = VSS_OK};
    vssi_segment *segment;
    bool opened = vssi_segment_open(&run->heap, &run->db->storage, run->prefix, m->schema, &g->object, &segment,
                                    &err) == VSS_OK;
    if (!opened)
        check_fault(run, g->object.name, err.message);
    else if (vssi_segment_rows(segment) != g->rows)
        check_fault(run, g->object.name, "the number of rows is not what the manifest says");
    else
        run->report->errors += vssi_segment_check(segment, check_line, run);
    check_counted(run, g->object.size);
    if (g->deletes.name != NULL && !check_stopped(run))
        check_deletes(run, g);
    for (size_t i = 0; opened && i < g->n_indexes && !check_stopped(run); i++)
        check_index(run, m, &g->indexes[i], segment, (size_t)g->rows);
    if (opened)
        vssi_segment_unref(segment);
}

typedef struct check_log {
    check_run *run;
    const vssi_manifest *m;
} check_log;

/* Do the values of a batch decode? */
static vss_status check_frame(void *state, const vssi_wal_frame *frame, vss_error *err)
{
    const check_log *log = state;
    vssi_heap *heap = &log->run->heap;
    vssi_column *columns[VSS_MAX_FIELDS], *keys;
    if (frame->kind == VSSI_WAL_DELETE) {
        VSSI_TRY(vssi_wal_unpack_keys(heap, log->m->schema, frame, &keys, err));
        vssi_column_free(keys);
        return VSS_OK;
    }
    VSSI_TRY(vssi_wal_unpack_rows(heap, log->m->schema, frame, columns, err));
    vssi_columns_free(columns, log->m->schema->n_fields);
    return VSS_OK;
}

/* Every frame of the logs that follow the manifest. What a commit has removed meanwhile is no fault. */
static void check_logs(check_run *run, const vssi_manifest *m)
{
    const vss_storage *storage = &run->db->storage;
    check_log log = {run, m};
    vss_error err = {.status = VSS_OK};
    uint64_t *numbers;
    size_t n;
    if (!run->db->logged)
        return;
    if (vssi_wal_list(&run->heap, storage, run->prefix, &numbers, &n, &err) != VSS_OK)
        check_fault(run, "w/", err.message);
    for (size_t i = 0; numbers != NULL && i < n && !check_stopped(run); i++) {
        vssi_wal_header header;
        bool begun;
        char name[32];
        uint64_t size = 0, cut;
        if (numbers[i] < m->log_first)
            continue;
        vssi_wal_name(numbers[i], name);
        vss_status status = vssi_wal_open(storage, run->prefix, numbers[i], &header, &begun, &err);
        if (status == VSS_OK && !begun)
            continue;
        if (status == VSS_OK)
            status = vssi_wal_read(&run->heap, storage, run->prefix, &header, check_frame, &log, &size, &cut, &err);
        if (status != VSS_OK && status != VSS_ERR_NOT_FOUND)
            check_fault(run, name, err.message);
        check_counted(run, size);
    }
    vssi_free(&run->heap, numbers);
}

static uint64_t check_total(const vssi_manifest *m)
{
    uint64_t total = 0;
    for (size_t i = 0; i < m->n_segments; i++) {
        total += m->segments[i].object.size + m->segments[i].deletes.size;
        for (size_t j = 0; j < m->segments[i].n_indexes; j++)
            total += m->segments[i].indexes[j].object.size;
    }
    return total;
}

static vss_status check_manifest(check_run *run, const char *name, vss_error *err)
{
    vssi_manifest *m;
    uint64_t version, size = 0;
    vss_error found = {.status = VSS_OK};
    char object[32];
    VSSI_TRY(vssi_manifest_newest(&run->db->storage, run->prefix, &version, err));
    if (version == 0)
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "no collection \"%s\" in \"%s\"", name, run->db->path);
    vssi_manifest_name(version, object);
    vss_status status = vssi_manifest_read(&run->heap, &run->db->storage, run->prefix, version, &m, &size, &found);
    if (status == VSS_ERR_CORRUPT) {
        check_fault(run, object, found.message);
        check_counted(run, size);
        return VSS_OK;
    }
    if (status != VSS_OK) {
        if (err != NULL)
            *err = found;
        return status;
    }
    if (m->dropped) {
        vssi_manifest_free(m);
        return vssi_fail(err, VSS_ERR_NOT_FOUND, "no collection \"%s\" in \"%s\"", name, run->db->path);
    }
    run->total = check_total(m) + size;
    check_counted(run, size);
    for (size_t i = 0; i < m->n_segments && !check_stopped(run); i++)
        check_segment(run, m, &m->segments[i]);
    if (!check_stopped(run))
        check_logs(run, m);
    vssi_manifest_free(m);
    return VSS_OK;
}

vss_status vssi_collection_check(vss_db *db, const char *name, vss_check_fn fn, void *state, vss_progress_fn progress,
                                 void *progress_state, vss_check_report *report, vss_error *err)
{
    check_run run = {.db = db, .fn = fn, .state = state, .report = report};
    const vss_allocator hook = {sizeof hook, &run, check_alloc, check_release};
    vssi_heap_init(&run.heap, &hook, 0);
    snprintf(run.prefix, sizeof run.prefix, "%s/", name);
    vssi_control_init(&run.control, 0, progress, progress_state);
    vss_status status = check_manifest(&run, name, err);
    if (status == VSS_OK && atomic_load(&run.control.stop) != 0)
        status = vssi_fail(err, VSS_ERR_CANCELLED, "the check was cancelled");
    if (check_refused(&run)) {
        status = run.refused.status;
        if (err != NULL)
            *err = run.refused;
    } else if (status == VSS_OK && report->errors > 0) {
        status = vssi_fail(err, VSS_ERR_CORRUPT, "collection \"%s\": %llu errors in %llu files", name,
                           (unsigned long long)report->errors, (unsigned long long)report->files);
    }
    vssi_control_destroy(&run.control);
    return status;
}
