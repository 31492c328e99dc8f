/*
 * grow.c - indexes in memory of rows that are not sealed yet
 *
 * Growing rows lie in several memory segments (insert.c). One that has reached VSSI_GROW_ROWS is not merged any more
 * and gets the indexes that are defined, built as a sealed segment's are, so that its recall is the same; smaller ones
 * are scanned. A write brings at most one segment its indexes, after its rows are visible, and only when a search has
 * had to scan such a segment since: loading pays for none. Readers go on with the snapshot without them meanwhile. So a
 * row is built into a graph at most once before it is sealed, some 15 microseconds of the writer's time at 128
 * components; growing a graph row by row would cost more of it (docs/performance.md). Where the index has a model that
 * suits the rows, they are only assigned to its lists and coded, and sealing takes that over. Deleted rows stay in the graph
 * and are left out by the bitmap of the search, as in sealed segments. A build that fails leaves the segment to be
 * scanned. Locks: write_mutex, held by the caller.
 */
#include "../base/checked.h"
#include "collection.h"
#include "model.h"

#define GROW_PARAMS 64u /* parameters of an index type at most, as search.c has room for */

/* The first growing part that wants indexes, of those that no flush is sealing; SIZE_MAX: none does. */
static size_t grow_part(const vss_collection *col)
{
    const vssi_snapshot *s = col->snapshot;
    for (size_t i = vssi_max(s->n_sealed, col->n_frozen); i < s->n_parts; i++) {
        const vssi_part *p = &s->parts[i];
        if (!p->settled && vssi_segment_rows(p->segment) >= VSSI_GROW_ROWS)
            return i;
    }
    return SIZE_MAX;
}

/* The newest snapshot once more. */
static vss_status grow_snapshot(const vssi_snapshot *old, vssi_snapshot **out, vss_error *err)
{
    vssi_snapshot *s;
    VSSI_TRY(vssi_snapshot_create(old->heap, old->n_parts, &s, err));
    s->version = old->version;
    s->sequence = old->sequence;
    s->n_sealed = old->n_sealed;
    for (size_t i = 0; i < old->n_parts; i++) {
        vss_status status = vssi_part_share(s->heap, &old->parts[i], &s->parts[i], err);
        if (status != VSS_OK) {
            vssi_snapshot_unref(s);
            return status;
        }
    }
    *out = s;
    return VSS_OK;
}

/* The definition's model for a build that it suits; else the build trains what it needs, for itself. */
static void grow_model(const vss_collection *col, const vssi_manifest_definition *definition, const vssi_index_ops *ops,
                       const vssi_field *field, vssi_model *model, vssi_build *build)
{
    bool suits = false;
    if (vssi_model_open(&col->db->heap, &col->db->storage, col->prefix, &definition->model, ops, field, model, NULL) !=
        VSS_OK)
        return;
    build->model = &model->image;
    if (ops->suits(build, &suits, NULL) != VSS_OK || !suits)
        build->model = NULL;
}

/* The index that a definition asks of a part; *out NULL: its type keeps nothing. */
static vss_status grow_build(vss_collection *col, vssi_part *part, const vssi_manifest_definition *definition,
                             vssi_segment_index **out, vss_error *err)
{
    const vssi_schema *schema = vssi_collection_fields(col);
    const vssi_index_ops *ops = vssi_index_type_find(definition->type);
    uint64_t values[GROW_PARAMS];
    vssi_vectors vectors;
    size_t field = 0;
    *out = NULL;
    while (field < schema->n_fields && schema->fields[field].id != definition->field)
        field++;
    if (ops == NULL || field == schema->n_fields)
        return VSS_OK;
    VSSI_TRY(vssi_vectors_of(part->segment, schema, field, &vectors, err));
    VSSI_TRY(vssi_param_parse(ops->name, ops->params, ops->n_params, false, definition->params, values, err));
    vssi_build build = {.heap = &col->db->heap, .vectors = &vectors, .params = values,
                        .executor = vssi_db_executor(col->db), .threads = 1, .text = definition->params};
    vssi_model model = {.heap = NULL};
    if (ops->train != NULL && definition->model.name != NULL)
        grow_model(col, definition, ops, &schema->fields[field], &model, &build);
    vss_status status = vssi_segment_index_make(&build, ops, field, out, err);
    vssi_model_close(&model);
    return status;
}

static vss_status grow_indexes(vss_collection *col, vssi_part *part, vss_error *err)
{
    const vssi_manifest *m = col->manifest;
    for (size_t i = 0; i < m->n_definitions; i++) {
        vssi_segment_index *index;
        VSSI_TRY(vssi_realloc(&col->db->heap, part->n_indexes + 1, sizeof *part->indexes, &part->indexes, err));
        VSSI_TRY(grow_build(col, part, &m->definitions[i], &index, err));
        if (index != NULL)
            part->indexes[part->n_indexes++] = index;
    }
    return VSS_OK;
}

void vssi_collection_grow(vss_collection *col)
{
    vssi_snapshot *s;
    vss_error err = {.status = VSS_OK};
    size_t at = grow_part(col);
    if (at == SIZE_MAX || col->manifest->n_definitions == 0 || !atomic_exchange(&col->growing_scanned, false))
        return;
    vss_status status = grow_snapshot(col->snapshot, &s, &err);
    if (status == VSS_OK) {
        status = grow_indexes(col, &s->parts[at], &err);
        s->parts[at].settled = true;
        vssi_collection_publish(col, s);
    }
    if (status != VSS_OK)
        vssi_db_log(col->db, VSS_LOG_WARNING, "collection \"%s\": growing rows are scanned: %s", col->name,
                    err.message);
}
