/*
 * salvage_write.c - what a salvage found as a new collection: a segment for each part, one commit, then the indexes
 *
 * Rows of sealed segments are gathered column part by column part, their values checked as those of an insert are, so
 * that the new collection holds nothing that no call would have taken. Cost: memory for the rows of one segment. Locks:
 * the new collection's, taken by its creation.
 */
#include <stdio.h>
#include <string.h>

#include "../base/bitmap.h"
#include "salvage_run.h"

static size_t salvage_left(const salvage_part *p)
{
    const size_t rows = vssi_segment_rows(p->segment);
    return rows - vssi_bitmap_count(p->gone, rows);
}

static vss_status salvage_columns(salvage_run *run, vssi_column **columns, vss_error *err)
{
    const vssi_schema *schema = run->manifest->schema;
    memset(columns, 0, schema->n_fields * sizeof *columns);
    for (size_t f = 0; f < schema->n_fields; f++) {
        const vssi_field *def = &schema->fields[f];
        VSSI_TRY(vssi_column_create(run->heap, def->type, def->element, def->dim,
                                    (def->flags & VSS_FIELD_NULLABLE) != 0, &columns[f], err));
    }
    return VSS_OK;
}

/* Are the values from row `first` on such as a call takes? */
static vss_status salvage_values(const salvage_run *run, vssi_column *const *columns, size_t first, vss_error *err)
{
    const vssi_schema *schema = run->manifest->schema;
    for (size_t f = 0; f < schema->n_fields; f++) {
        vss_status status;
        vssi_column *fresh;
        const vssi_field *def = &schema->fields[f];
        const size_t n = (size_t)columns[f]->view.length - first;
        VSSI_TRY(vssi_column_create(run->heap, def->type, def->element, def->dim,
                                    (def->flags & VSS_FIELD_NULLABLE) != 0, &fresh, err));
        status = vssi_column_append(fresh, &columns[f]->view, first, n, err);
        if (status == VSS_OK)
            status = vssi_values_check(def, &fresh->view, err);
        vssi_column_free(fresh);
        VSSI_TRY(status);
    }
    return VSS_OK;
}

/* The rows of one column part; those that no call would have taken are lost. */
static vss_status salvage_gather_part(salvage_run *run, const salvage_part *p, size_t part, vssi_column **columns,
                                      vss_error *err)
{
    const size_t before = (size_t)columns[0]->view.length;
    vss_error why = {.status = VSS_OK};
    char line[600];
    VSSI_TRY(vssi_segment_salvage_part(p->segment, part, p->gone, columns, err));
    const size_t n = (size_t)columns[0]->view.length - before;
    const vss_status status = n == 0 ? VSS_OK : salvage_values(run, columns, before, &why);
    if (vssi_salvage_fatal(status))
        return vssi_fail(err, status, "%s", why.message);
    if (status == VSS_OK)
        return VSS_OK;
    for (size_t f = 0; f < run->manifest->schema->n_fields; f++)
        vssi_column_truncate(columns[f], before);
    run->report->lost += n;
    (void)snprintf(line, sizeof line, "%zu of the rows %zu to %zu are lost: %.300s", n, part * VSSI_COLUMN_ROWS,
                   part * VSSI_COLUMN_ROWS + VSSI_COLUMN_ROWS - 1, why.message);
    (void)vssi_salvage_line(run, p->object, line);
    return VSS_OK;
}

/* What is left of a sealed segment, in memory; NULL when nothing is. */
static vss_status salvage_gather(salvage_run *run, const salvage_part *p, vssi_segment **out, vss_error *err)
{
    const size_t n_fields = run->manifest->schema->n_fields;
    vssi_column *columns[VSS_MAX_FIELDS];
    vss_status status = salvage_columns(run, columns, err);
    *out = NULL;
    for (size_t part = 0; status == VSS_OK && part < vssi_segment_salvage_parts(p->segment); part++)
        status = salvage_gather_part(run, p, part, columns, err);
    if (status == VSS_OK && columns[0]->view.length > 0)
        return vssi_segment_from_columns(run->heap, run->manifest->schema, columns, out, err);
    vssi_columns_free(columns, n_fields);
    return status;
}

static int64_t salvage_next_key(const vssi_segment *s, int64_t next)
{
    for (size_t row = 0; row < vssi_segment_rows(s); row++) {
        const vssi_key key = vssi_segment_key(s, row);
        if (!key.is_text && key.number >= next && key.number < INT64_MAX)
            next = key.number + 1;
    }
    return next;
}

/* One more segment of the new collection. */
static vss_status salvage_store(salvage_run *run, vss_collection *col, vssi_segment *rows, vssi_manifest *m,
                                vss_error *err)
{
    vssi_manifest_segment *g = &m->segments[m->n_segments];
    char name[64];
    (void)snprintf(name, sizeof name, "s/%020llu-%016llx.seg", (unsigned long long)m->version,
                   (unsigned long long)vssi_random_name());
    VSSI_TRY(vssi_segment_write(rows, &run->to->storage, col->prefix, name, &g->object, err));
    g->rows = vssi_segment_rows(rows);
    m->n_segments++;
    run->report->rows += g->rows;
    if (col->schema->fields[col->schema->key].flags & VSS_FIELD_AUTO_ID)
        m->next_auto_key = salvage_next_key(rows, m->next_auto_key);
    return VSS_OK;
}

static vss_status salvage_part_out(salvage_run *run, vss_collection *col, const salvage_part *p, vssi_manifest *m,
                                   vss_error *err)
{
    vssi_segment *const parts[] = {p->segment};
    const uint64_t *const gone[] = {p->gone};
    vssi_segment *rows;
    if (salvage_left(p) == 0)
        return VSS_OK;
    if (p->object != NULL)
        VSSI_TRY(salvage_gather(run, p, &rows, err));
    else
        VSSI_TRY(vssi_segment_merge(run->heap, run->manifest->schema, parts, gone, 1, &rows, err));
    const vss_status status = rows == NULL ? VSS_OK : salvage_store(run, col, rows, m, err);
    vssi_segment_unref(rows);
    return status;
}

/* Version 2 of the new collection: every part. */
static vss_status salvage_commit(salvage_run *run, vss_collection *col, vss_error *err)
{
    vssi_manifest *m;
    vss_status status;
    VSSI_TRY(vssi_manifest_clone(col->manifest, &m, err));
    m->version++;
    m->sequence = run->sequence;
    m->next_auto_key = run->manifest->next_auto_key;
    VSSI_TRY_GOTO(vssi_alloc_zero(run->heap, run->n_parts, sizeof *m->segments, &m->segments, err), out);
    for (size_t p = 0; p < run->n_parts && !vssi_salvage_stopped(run); p++) {
        VSSI_TRY_GOTO(salvage_part_out(run, col, &run->parts[p], m, err), out);
        (void)vssi_control_report(&run->control, "writing", p + 1, run->n_parts);
    }
    status = vssi_salvage_stopped(run) ? vssi_fail(err, VSS_ERR_CANCELLED, "the salvage was cancelled")
                                       : vssi_manifest_commit(m, &run->to->storage, col->prefix, err);
out:
    vssi_manifest_free(m);
    return status;
}

/* The indexes that were defined. One that can't be built is a loss, not a failure. */
static vss_status salvage_indexes(salvage_run *run, vss_collection *col, vss_error *err)
{
    const vssi_manifest *m = run->manifest;
    const vss_build_options options = VSS_INIT(vss_build_options);
    for (size_t i = 0; i < m->n_definitions; i++) {
        const vssi_manifest_definition *d = &m->definitions[i];
        vss_error why = {.status = VSS_OK};
        const vssi_field *f = vssi_schema_field(m->schema, d->field);
        const char *field = f == NULL ? NULL : f->name;
        char line[600];
        const vss_status status =
            vssi_collection_build_index(col, field, d->type, d->params, &options, &why);
        if (vssi_salvage_fatal(status))
            return vssi_fail(err, status, "%s", why.message);
        if (status == VSS_OK)
            continue;
        (void)snprintf(line, sizeof line, "the %s index of field \"%s\" could not be built: %.300s", d->type,
                       field == NULL ? "" : field, why.message);
        (void)vssi_salvage_line(run, "index", line);
    }
    return VSS_OK;
}

static vss_status salvage_fill(salvage_run *run, vss_collection *col, vss_error *err)
{
    vss_status status = salvage_commit(run, col, err);
    const vss_status closed = vssi_collection_close(col, status == VSS_OK ? err : NULL); /* it knows version 1 only */
    VSSI_TRY(status);
    VSSI_TRY(closed);
    if (run->manifest->n_definitions == 0)
        return VSS_OK;
    VSSI_TRY(vssi_collection_open(run->to, run->name, &col, err));
    status = salvage_indexes(run, col, err);
    const vss_status late = vssi_collection_close(col, status == VSS_OK ? err : NULL);
    return status != VSS_OK ? status : late;
}

vss_status vssi_salvage_write(salvage_run *run, vss_error *err)
{
    vss_collection *col;
    VSSI_TRY(vssi_collection_create(run->to, run->name, &run->manifest->schema->open, &col, err));
    const vss_status status = salvage_fill(run, col, err);
    if (status != VSS_OK)
        (void)vssi_collection_drop(run->to, run->name, NULL);
    return status;
}
