/*
 * salvage.c - what can still be read of a damaged collection, into a new one
 *
 * Three steps. Find: the newest manifest that can be read, of each of its segments the rows that are whole, then the
 * logs (salvage_log.c); parts are in the order in which they were written, and of rows with one key the newest stays.
 * Write: a new collection of what is left (salvage_write.c). Index: the defined indexes, built anew. Nothing stored is
 * trusted but what a hash vouches for; key tables are made anew. Cost: one read of everything, key tables of all rows,
 * the rows of the logs and of one segment in memory. Locks: none on the source.
 */
#include "salvage.h"
#include "salvage_run.h"

#include <stdio.h>
#include <string.h>

#include "../base/bitmap.h"

/* ---- manifest ---- */

typedef struct salvage_versions {
    size_t prefix;
    uint64_t below; /* look for the greatest number below */
    uint64_t found;
} salvage_versions;

static int salvage_version(void *arg, const char *name)
{
    salvage_versions *v = arg;
    const uint64_t number = strlen(name) > v->prefix ? vssi_manifest_number(name + v->prefix) : 0;
    if (number < v->below && number > v->found)
        v->found = number;
    return 0;
}

/* The newest manifest that can be read; a line for each newer one. */
static vss_status salvage_manifest(salvage_run *run, const char *name, vss_error *err)
{
    const vss_storage *storage = &run->from->storage;
    char folder[96], object[32];
    snprintf(folder, sizeof folder, "%sm/", run->prefix);
    salvage_versions v = {.prefix = strlen(folder), .below = UINT64_MAX};
    vss_error why = {.status = VSS_OK};
    for (;; v.below = v.found) {
        v.found = 0;
        VSSI_TRY(storage->list(storage->state, folder, 1, salvage_version, &v, err));
        if (v.found == 0 && v.below == UINT64_MAX)
            return vssi_fail(err, VSS_ERR_NOT_FOUND, "no collection \"%s\" in \"%s\"", name, run->from->path);
        if (v.found == 0)
            return vssi_fail(err, VSS_ERR_CORRUPT, "no manifest of collection \"%s\" can be read: %.300s", name,
                             why.message);
        vss_status status = vssi_manifest_read(run->heap, storage, run->prefix, v.found, &run->manifest, NULL, &why);
        if (status == VSS_OK && !run->manifest->dropped)
            break;
        if (status == VSS_OK)
            return vssi_fail(err, VSS_ERR_NOT_FOUND, "collection \"%s\" in \"%s\" was dropped", name, run->from->path);
        if (vssi_salvage_fatal(status))
            return vssi_fail(err, status, "%s", why.message);
        vssi_manifest_name(v.found, object);
        (void)vssi_salvage_line(run, object, why.message);
    }
    run->report->version = run->manifest->version;
    run->sequence = run->manifest->sequence;
    return VSS_OK;
}

/* ---- segments ---- */

/* The deleted rows of a segment are gone, too. */
static vss_status salvage_deletes(salvage_run *run, const vssi_manifest_segment *g, uint64_t *gone, bool *unsure,
                                  vss_error *err)
{
    const size_t rows = (size_t)g->rows;
    vss_error why = {.status = VSS_OK};
    uint64_t *bitmap;
    char line[600];
    if (g->deletes.name == NULL)
        return VSS_OK;
    const vss_status status = vssi_deletes_read(run->heap, &run->from->storage, run->prefix, &g->deletes, rows,
                                                g->deleted, &bitmap, &why);
    if (vssi_salvage_fatal(status))
        return vssi_fail(err, status, "%s", why.message);
    if (status != VSS_OK) {
        (void)snprintf(line, sizeof line, "%llu deleted rows of %s come back: %.300s",
                       (unsigned long long)g->deleted, g->object.name, why.message);
        (void)vssi_salvage_line(run, g->deletes.name, line);
        *unsure = true;
        return VSS_OK;
    }
    run->report->lost -= vssi_bitmap_count(gone, rows);
    for (size_t w = 0; w < vssi_bitmap_words(rows); w++)
        gone[w] |= bitmap[w];
    run->report->lost += vssi_bitmap_count(gone, rows) - g->deleted;
    vssi_free(run->heap, bitmap);
    return VSS_OK;
}

static vss_status salvage_segment(salvage_run *run, const vssi_manifest_segment *g, vss_error *err)
{
    const size_t rows = (size_t)g->rows;
    vss_error why = {.status = VSS_OK};
    vssi_segment *segment;
    uint64_t *gone;
    VSSI_TRY(vssi_alloc_zero(run->heap, vssi_bitmap_words(rows), sizeof *gone, &gone, err));
    vss_status status = vssi_segment_salvage(run->heap, &run->from->storage, run->prefix, run->manifest->schema,
                                             &g->object, rows, gone, vssi_salvage_line, run, &segment, &why);
    if (status != VSS_OK) {
        vssi_free(run->heap, gone);
        if (vssi_salvage_fatal(status))
            return vssi_fail(err, status, "%s", why.message);
        char line[600];
        (void)snprintf(line, sizeof line, "all %llu rows are lost: %.300s",
                       (unsigned long long)(g->rows - g->deleted), why.message);
        (void)vssi_salvage_line(run, g->object.name, line);
        run->report->lost += g->rows - g->deleted;
        return VSS_OK;
    }
    run->report->lost += vssi_bitmap_count(gone, rows);
    bool unsure = false;
    status = salvage_deletes(run, g, gone, &unsure, err);
    if (status != VSS_OK) {
        vssi_segment_unref(segment);
        vssi_free(run->heap, gone);
        return status;
    }
    VSSI_TRY(vssi_salvage_add(run, segment, gone, g->object.name, err));
    run->parts[run->n_parts - 1].unsure = unsure;
    return VSS_OK;
}

/* Is there a row of the same key that counts in place of this one of part p? */
static bool salvage_replaced(const salvage_run *run, size_t p, size_t row)
{
    const vssi_key key = vssi_segment_key(run->parts[p].segment, row);
    if (vssi_segment_find(run->parts[p].segment, &key) != row)
        return true;
    for (size_t q = 0; q < run->n_parts; q++) {
        const bool counts = run->parts[p].unsure != run->parts[q].unsure ? run->parts[p].unsure : q > p;
        const size_t at = counts ? vssi_segment_find(run->parts[q].segment, &key) : SIZE_MAX;
        if (at != SIZE_MAX && !vssi_bitmap_get(run->parts[q].gone, at))
            return true;
    }
    return false;
}

/* Deleted rows that came back stand behind rows that were written in their place. */
static void salvage_newest(salvage_run *run)
{
    for (size_t p = 0; p < run->n_parts; p++)
        for (size_t row = 0; row < vssi_segment_rows(run->parts[p].segment); row++)
            if (!vssi_bitmap_get(run->parts[p].gone, row) && salvage_replaced(run, p, row))
                vssi_bitmap_set(run->parts[p].gone, row);
}

static vss_status salvage_find(salvage_run *run, const char *name, vss_error *err)
{
    uint64_t done = 0, total = 0;
    VSSI_TRY(salvage_manifest(run, name, err));
    const vssi_manifest *m = run->manifest;
    for (size_t i = 0; i < m->n_segments; i++)
        total += m->segments[i].rows;
    for (size_t i = 0; i < m->n_segments && !vssi_salvage_stopped(run); i++) {
        VSSI_TRY(salvage_segment(run, &m->segments[i], err));
        done += m->segments[i].rows;
        (void)vssi_control_report(&run->control, "reading", done, total);
    }
    salvage_newest(run);
    return vssi_salvage_logs(run, err);
}

/* What would make the work vain, before it. */
static vss_status salvage_target(vss_db *to, const char *name, vss_error *err)
{
    bool exists;
    if (to->mode == VSS_OPEN_READ_ONLY)
        return vssi_fail(err, VSS_ERR_READ_ONLY, "database \"%s\" is open read-only", to->path);
    VSSI_TRY(vssi_collection_exists(to, name, &exists, err));
    return exists ? vssi_fail(err, VSS_ERR_EXISTS, "collection \"%s\" exists already", name) : VSS_OK;
}

vss_status vssi_collection_salvage(vss_db *from, const char *name, vss_db *to, const char *new_name, vss_check_fn fn,
                                   void *state, vss_progress_fn progress, void *progress_state,
                                   vss_salvage_report *report, vss_error *err)
{
    salvage_run run = {.from = from, .to = to, .heap = &to->heap, .name = new_name, .fn = fn, .state = state,
                       .report = report};
    VSSI_TRY(salvage_target(to, new_name, err));
    snprintf(run.prefix, sizeof run.prefix, "%s/", name);
    vssi_control_init(&run.control, 0, progress, progress_state);
    vss_status status = salvage_find(&run, name, err);
    if (status == VSS_OK && vssi_salvage_stopped(&run))
        status = vssi_fail(err, VSS_ERR_CANCELLED, "the salvage was cancelled");
    if (status == VSS_OK)
        status = vssi_salvage_write(&run, err);
    for (size_t p = 0; p < run.n_parts; p++) {
        vssi_segment_unref(run.parts[p].segment);
        vssi_free(run.heap, run.parts[p].gone);
    }
    vssi_free(run.heap, run.parts);
    vssi_manifest_free(run.manifest);
    vssi_control_destroy(&run.control);
    return status;
}
