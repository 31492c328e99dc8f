/*
 * grow.c - indexes in memory of rows that are not sealed yet
 *
 * Growing rows lie in several memory segments (insert.c). One that has reached VSSI_GROW_ROWS is not merged any more
 * and gets the indexes that are defined, built as a sealed segment's are, so that its recall is the same; smaller ones
 * are scanned. A write brings at most one segment its indexes, after its rows are visible, and only when a search has
 * had to scan such a segment since: loading pays for none. Readers go on with the snapshot without them meanwhile. So a
 * row is built into a graph at most once before it is sealed, some 15 microseconds of the writer's time at 128
 * components; growing a graph row by row would cost more of it (docs/performance.md). Deleted rows stay in the graph
 * and are left out by the bitmap of the search, as in sealed segments. A build that fails leaves the segment to be
 * scanned.
 *
 * An index with a model that suits the rows comes from VSSI_INDEX_MIN_ROWS on: rows are only assigned to its lists and
 * coded, 7 to 32 microseconds each; the model stays open from one build to the next. A segment that has one can still
 * be merged; then the merged one gets its own at once, from the codes that are there, and sealing takes them over as
 * well: as a rule a row is coded once. Locks: write_mutex, held by the caller.
 */
#include "../base/checked.h"
#include "collection.h"

#define GROW_PARAMS 64u /* parameters of an index type at most, as search.c has room for */

/* Are rows of this definition assigned to lists that are there already: then fewer of them are worth an index. */
static bool grow_modelled(const vssi_manifest_definition *definition)
{
    return definition->model.name != NULL;
}

/* Rows from which on a growing part is worth an index. */
static size_t grow_least(const vss_collection *col)
{
    for (size_t i = 0; i < col->manifest->n_definitions; i++)
        if (grow_modelled(&col->manifest->definitions[i]))
            return VSSI_INDEX_MIN_ROWS;
    return VSSI_GROW_ROWS;
}

/* The growing part that gets its indexes, of those that no flush is sealing: the last, where the parts that it was
 * merged from had theirs; else the first that wants any, if a search has missed them. SIZE_MAX: none. */
static size_t grow_part(vss_collection *col)
{
    const vssi_snapshot *s = col->snapshot;
    const size_t fixed = vssi_max(s->n_sealed, col->n_frozen), least = grow_least(col);
    if (s->n_parts > fixed && s->parts[s->n_parts - 1].n_formers > 0)
        return s->n_parts - 1;
    for (size_t i = fixed; i < s->n_parts; i++) {
        const vssi_part *p = &s->parts[i];
        if (!p->settled && vssi_segment_rows(p->segment) >= least)
            return atomic_exchange(&col->growing_scanned, false) ? i : SIZE_MAX;
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
static void grow_model(vss_collection *col, const vssi_manifest_definition *definition, const vssi_index_ops *ops,
                       const vssi_field *field, vssi_build *build)
{
    bool suits = false;
    if (vssi_model_keep(&col->grow_model, &col->db->heap, &col->db->storage, col->prefix, &definition->model, ops,
                        field, &build->model, NULL) != VSS_OK) {
        build->model = NULL;
        return;
    }
    if (ops->suits(build, &suits, NULL) != VSS_OK || !suits)
        build->model = NULL;
}

/* Former indexes of a field as sources [n_formers] of a build. */
static void grow_sources(const vssi_part *merged, size_t field, const vssi_index_ops *ops, vssi_source *sources,
                         vssi_build *build)
{
    for (size_t i = 0; i < merged->n_formers; i++) {
        const vssi_former *f = &merged->formers[i];
        if (f->index->field == field && f->index->ops == ops)
            sources[build->n_sources++] = (vssi_source){atomic_load(&f->index->opened),
                                                        f->deleted == NULL ? NULL : f->deleted->words, f->rows,
                                                        f->first};
    }
    build->sources = sources;
}

/* The index that a definition asks of a part; merged: the same part as it was published. *out NULL: its type keeps
 * nothing, or a few rows are scanned. */
static vss_status grow_build(vss_collection *col, vssi_part *part, const vssi_part *merged,
                             const vssi_manifest_definition *definition, vssi_segment_index **out, vss_error *err)
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
    vssi_source *sources;
    VSSI_TRY(vssi_alloc(build.heap, merged->n_formers + 1, sizeof *sources, &sources, err));
    if (ops->train != NULL && grow_modelled(definition)) {
        grow_model(col, definition, ops, &schema->fields[field], &build);
        grow_sources(merged, field, ops, sources, &build);
    }
    vss_status status = VSS_OK;
    if (build.model != NULL || vectors.rows >= VSSI_GROW_ROWS)
        status = vssi_segment_index_make(&build, ops, field, out, err);
    vssi_free(build.heap, sources);
    return status;
}

static vss_status grow_indexes(vss_collection *col, vssi_part *part, const vssi_part *merged, vss_error *err)
{
    const vssi_manifest *m = col->manifest;
    for (size_t i = 0; i < m->n_definitions; i++) {
        vssi_segment_index *index;
        VSSI_TRY(vssi_realloc(&col->db->heap, part->n_indexes + 1, sizeof *part->indexes, &part->indexes, err));
        VSSI_TRY(grow_build(col, part, merged, &m->definitions[i], &index, err));
        if (index != NULL)
            part->indexes[part->n_indexes++] = index;
    }
    return VSS_OK;
}

void vssi_collection_grow(vss_collection *col)
{
    vssi_snapshot *s;
    vss_error err = {.status = VSS_OK};
    size_t at = col->manifest->n_definitions > 0 ? grow_part(col) : SIZE_MAX;
    if (at == SIZE_MAX)
        return;
    vss_status status = grow_snapshot(col->snapshot, &s, &err);
    if (status == VSS_OK) {
        status = grow_indexes(col, &s->parts[at], &col->snapshot->parts[at], &err);
        s->parts[at].settled = true;
        vssi_collection_publish(col, s);
    }
    if (status != VSS_OK)
        vssi_db_log(col->db, VSS_LOG_WARNING, "collection \"%s\": growing rows are scanned: %s", col->name,
                    err.message);
}
