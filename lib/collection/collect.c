/*
 * collect.c - remove the objects that no one needs: of older versions, and those that a crash left without a name
 *
 * The newest manifest is durable, the writer's lock is held and no commit is in the making, so whatever it does not
 * name can never be named again. Of logs it is their numbers that count: batches may go on being written.
 * Mappings and snapshots in this and other processes outlive the removal of their objects; who opens an older version
 * at this moment finds an object gone and begins again with the newest. Only names in the collection's own folders are
 * touched. Cost: one listing and a removal an object. Locks: job_mutex, held by the caller, and seal_mutex;
 * write_mutex for the number of the newest log.
 */
#include <stdlib.h>
#include <string.h>

#include "../format/wal.h"
#include "collection.h"

typedef struct collect_run {
    size_t prefix;      /* bytes of "name/" */
    size_t n_kept;
    const char **kept;  /* sorted; names below the collection */
    vssi_writer unused; /* whole names, each ended by NUL */
} collect_run;

static int collect_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int collect_look(void *arg, const char *name)
{
    static const char *const folders[] = {"m/", "s/", "i/", "d/", "w/"};
    collect_run *run = arg;
    const char *below = name + run->prefix;
    bool ours = false;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ours = ours || strncmp(below, folders[i], 2) == 0;
    if (ours && bsearch(&below, run->kept, run->n_kept, sizeof *run->kept, collect_compare) == NULL)
        vssi_write_bytes(&run->unused, name, strlen(name) + 1);
    return run->unused.status != VSS_OK;
}

/* What the manifest names, and itself. manifest[32] holds its name. */
static vss_status collect_keep(const vss_collection *col, collect_run *run, char *manifest, vss_error *err)
{
    const vssi_manifest *m = col->manifest;
    size_t n = 1 + m->n_definitions;
    for (size_t i = 0; i < m->n_segments; i++)
        n += 2 + m->segments[i].n_indexes;
    VSSI_TRY(vssi_alloc(&col->db->heap, n, sizeof *run->kept, &run->kept, err));
    for (size_t i = 0; i < m->n_segments; i++) {
        const vssi_manifest_segment *g = &m->segments[i];
        run->kept[run->n_kept++] = g->object.name;
        if (g->deletes.name != NULL)
            run->kept[run->n_kept++] = g->deletes.name;
        for (size_t j = 0; j < g->n_indexes; j++)
            run->kept[run->n_kept++] = g->indexes[j].object.name;
    }
    for (size_t i = 0; i < m->n_definitions; i++)
        if (m->definitions[i].model.name != NULL)
            run->kept[run->n_kept++] = m->definitions[i].model.name;
    vssi_manifest_name(m->version, manifest);
    run->kept[run->n_kept++] = manifest;
    qsort(run->kept, run->n_kept, sizeof *run->kept, collect_compare);
    return VSS_OK;
}

/* Is it a log that holds batches, or the one that is written now? Asked after the listing, so that its number is
 * known. */
static bool collect_live_log(vss_collection *col, const char *below)
{
    char first[32], last[32];
    vssi_wal_name(col->manifest->log_first, first);
    vssi_mutex_lock(&col->write_mutex);
    vssi_wal_name(col->log_number, last);
    vssi_mutex_unlock(&col->write_mutex);
    return strcmp(below, first) >= 0 && strcmp(below, last) <= 0;
}

static vss_status collect_remove(vss_collection *col, const collect_run *run, vss_error *err)
{
    const vss_storage *storage = &col->db->storage;
    const char *names = (const char *)run->unused.data;
    for (size_t at = 0; at < run->unused.size; at += strlen(names + at) + 1) {
        if (collect_live_log(col, names + at + run->prefix))
            continue;
        vss_status status = storage->remove(storage->state, names + at, err);
        if (status != VSS_OK && status != VSS_ERR_NOT_FOUND)
            return status;
    }
    return VSS_OK;
}

static vss_status collect_unused(vss_collection *col, vss_error *err)
{
    const vss_storage *storage = &col->db->storage;
    vssi_heap *heap = &col->db->heap;
    collect_run run = {.prefix = strlen(col->prefix), .unused = {.heap = heap, .err = err}};
    char manifest[32];
    vss_status status = collect_keep(col, &run, manifest, err);
    if (status == VSS_OK)
        status = storage->list(storage->state, col->prefix, 0, collect_look, &run, err);
    if (status == VSS_OK)
        status = run.unused.status;
    if (status == VSS_OK)
        status = collect_remove(col, &run, err);
    vssi_free(heap, run.unused.data);
    vssi_free(heap, run.kept);
    return status;
}

vss_status vssi_collection_collect(vss_collection *col, vss_error *err)
{
    vssi_mutex_lock(&col->seal_mutex);
    const vss_status status = collect_unused(col, err);
    vssi_mutex_unlock(&col->seal_mutex);
    return status;
}
