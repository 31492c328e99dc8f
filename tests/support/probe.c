/*
 * probe.c - counts, searches and gets over every field of a schema
 */
#include "probe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/base/hash.h"
#include "specimen.h"

typedef struct probe_run {
    vss_collection *col;
    const vss_schema *schema;
    const char *names[VSS_MAX_FIELDS];
    probe *out;
} probe_run;

/* ---- digests: every byte that is returned is read ---- */

static uint64_t probe_mix(uint64_t digest, const void *data, size_t size)
{
    return size == 0 ? digest : vssi_hash(data, size, digest);
}

static size_t probe_value_size(const vss_column *c)
{
    switch (c->type) {
    case VSS_TYPE_INT8:
        return 1;
    case VSS_TYPE_INT16:
        return 2;
    case VSS_TYPE_INT32:
    case VSS_TYPE_FLOAT32:
        return 4;
    case VSS_TYPE_VECTOR_F32:
        return c->dim * sizeof(float);
    default:
        return 8;
    }
}

static uint64_t probe_values(uint64_t digest, const vss_column *c)
{
    if (c->type == VSS_TYPE_STRING || c->type == VSS_TYPE_JSON) {
        const size_t size = (size_t)(c->offsets[c->length] - c->offsets[0]);
        return size == 0 ? digest : probe_mix(digest, (const char *)c->data + c->offsets[0], size);
    }
    if (c->type == VSS_TYPE_BOOL)
        return probe_mix(digest, c->data, c->length / 8);
    return probe_mix(digest, c->data, c->length * probe_value_size(c));
}

static uint64_t probe_column(uint64_t digest, const vss_column *c)
{
    if (c == NULL || c->length == 0)
        return digest;
    if (c->validity != NULL)
        digest = probe_mix(digest, c->validity, c->length / 8);
    if (c->offsets != NULL)
        digest = probe_mix(digest, c->offsets, (c->length + 1) * sizeof *c->offsets);
    if (c->type != VSS_TYPE_ARRAY)
        return probe_values(digest, c);
    const vss_column *child = c->data;
    if (child->offsets != NULL)
        digest = probe_mix(digest, child->offsets, (child->length + 1) * sizeof *child->offsets);
    return child->length == 0 ? digest : probe_values(digest, child);
}

static uint64_t probe_result(const probe_run *run, const vss_result *r)
{
    const size_t queries = vss_result_queries(r), rows = vss_result_rows(r);
    const float *distances = vss_result_distances(r);
    uint64_t digest = probe_mix(rows, vss_result_offsets(r), (queries + 1) * sizeof(int64_t));
    digest = probe_column(digest, vss_result_keys(r));
    if (distances != NULL)
        digest = probe_mix(digest, distances, rows * sizeof *distances);
    for (size_t i = 0; i < run->schema->n_fields; i++)
        digest = probe_column(digest, vss_result_field(r, run->names[i]));
    return digest;
}

static void probe_note(probe_run *run, const char *what, const char *name, vss_status status, uint64_t digest,
                       const vss_error *err)
{
    if (run->out->n_answers == PROBE_MAX)
        return;
    probe_answer *a = &run->out->answers[run->out->n_answers++];
    snprintf(a->what, sizeof a->what, "%s %.50s", what, name);
    a->status = status;
    a->digest = status == VSS_OK ? digest : 0;
    snprintf(a->line, sizeof a->line, "%.100s", status == VSS_OK ? "" : err->message);
}

/* ---- questions ---- */

/* A filter that about half of the rows pass; false for a vector. */
static bool probe_filter(const vss_field *f, char *out, size_t size)
{
    switch (f->type) {
    case VSS_TYPE_BOOL:
        snprintf(out, size, "%s == true", f->name);
        return true;
    case VSS_TYPE_STRING:
        snprintf(out, size, "%s >= \"k0010\" and %s != \"x\" or %s like \"s%%\"", f->name, f->name, f->name);
        return true;
    case VSS_TYPE_JSON:
        snprintf(out, size, "%s is not null", f->name);
        return true;
    case VSS_TYPE_TIMESTAMP:
        snprintf(out, size, "%s > \"2023-11-15T00:00:00Z\"", f->name);
        return true;
    case VSS_TYPE_ARRAY:
        snprintf(out, size, "array_contains(%s, %s)", f->name, f->element == VSS_TYPE_STRING ? "\"s\"" : "1");
        return true;
    default:
        snprintf(out, size, "%s > 10", f->name);
        return f->type < VSS_TYPE_VECTOR_F32;
    }
}

static void probe_count(probe_run *run, const char *filter)
{
    uint64_t count = 0;
    vss_error err = {VSS_OK};
    const vss_status status = vss_collection_count(run->col, filter, &count, &err);
    probe_note(run, "count", filter == NULL ? "" : filter, status, count, &err);
}

/* A column of keys of the schema's type: some that the specimens have and some that none has. */
static void probe_keys(const probe_run *run, vss_column *keys)
{
    static const int64_t numbers[8] = {0, 7, 3, 25, -1, INT64_MAX, 4201, 34};
    static const int64_t offsets[7] = {0, 5, 10, 15, 20, 25, 27};
    *keys = (vss_column){.struct_size = sizeof *keys, .type = VSS_TYPE_INT64, .length = 8, .data = numbers};
    for (size_t i = 0; i < run->schema->n_fields; i++)
        if ((run->schema->fields[i]->flags & VSS_FIELD_PRIMARY) && run->schema->fields[i]->type == VSS_TYPE_STRING)
            *keys = (vss_column){.struct_size = sizeof *keys, .type = VSS_TYPE_STRING, .length = 6, .offsets = offsets,
                                 .data = "k0000k0007k0003k0025k9999kx"};
}

static void probe_get(probe_run *run)
{
    vss_column keys;
    vss_result *result;
    vss_error err = {VSS_OK};
    probe_keys(run, &keys);
    const vss_status status = vss_collection_get(run->col, &keys, run->names, run->schema->n_fields, &result, &err);
    probe_note(run, "get", "", status, status == VSS_OK ? probe_result(run, result) : 0, &err);
    vss_result_free(result);
}

static void probe_search(probe_run *run, const vss_field *f, const char *params, const char *filter, bool exclude)
{
    char what[40];
    float *queries = calloc(2 * (size_t)f->dim, sizeof *queries);
    vss_column keys;
    vss_result *result;
    vss_error err = {VSS_OK};
    vss_search_request request = VSS_INIT(vss_search_request);
    if (queries == NULL)
        abort();
    for (uint32_t i = 0; i < 2 * f->dim; i++)
        queries[i] = specimen_component(9, i);
    request.field = f->name;
    request.queries = queries;
    request.n_queries = 2;
    request.dim = f->dim;
    request.k = 10;
    request.params = params;
    request.filter = filter;
    request.fields = run->names;
    request.n_fields = run->schema->n_fields;
    probe_keys(run, &keys);
    request.exclude = exclude ? &keys : NULL;
    const vss_status status = vss_collection_search(run->col, &request, &result, &err);
    snprintf(what, sizeof what, "search %s%s %.14s", params == NULL ? "" : params, exclude ? " exclude" : "", f->name);
    probe_note(run, what, filter == NULL ? "" : filter, status, status == VSS_OK ? probe_result(run, result) : 0, &err);
    vss_result_free(result);
    free(queries);
}

static int probe_index_info(void *state, const vss_index_info *info)
{
    uint64_t *digest = state;
    *digest = probe_mix(*digest, info->field, strlen(info->field));
    *digest = probe_mix(*digest, info->type, strlen(info->type));
    *digest = probe_mix(*digest, info->params, strlen(info->params));
    *digest += info->rows + info->bytes;
    return 0;
}

static void probe_figures(probe_run *run)
{
    vss_collection_stats stats = VSS_INIT(vss_collection_stats);
    vss_error err = {VSS_OK};
    uint64_t digest = 0;
    vss_status status = vss_collection_stats_get(run->col, &stats, &err);
    const uint64_t figures[] = {stats.rows, stats.deleted, stats.segments, stats.growing, stats.version, stats.sequence,
                                stats.bytes};
    probe_note(run, "stats", "", status, probe_mix(0, figures, sizeof figures), &err);
    status = vss_collection_indexes(run->col, probe_index_info, &digest, &err);
    probe_note(run, "indexes", "", status, digest, &err);
    const char *json = vss_collection_schema_json(run->col);
    probe_note(run, "schema", "", VSS_OK, probe_mix(0, json, strlen(json)), &err);
}

static void probe_fields(probe_run *run, bool brief)
{
    char filter[1024] = "", first[1024] = "";
    for (size_t i = 0; i < run->schema->n_fields; i++)
        if (probe_filter(run->schema->fields[i], filter, sizeof filter)) {
            if (brief && first[0] != '\0')
                continue;
            probe_count(run, filter);
            strcpy(first, filter);
        }
    for (size_t i = 0; i < run->schema->n_fields; i++) {
        const vss_field *f = run->schema->fields[i];
        if (f->type != VSS_TYPE_VECTOR_F32)
            continue;
        probe_search(run, f, NULL, NULL, false);
        probe_search(run, f, "exact=1", NULL, false);
        if (first[0] != '\0')
            probe_search(run, f, NULL, first, !brief);
        if (!brief)
            probe_search(run, f, NULL, NULL, true);
    }
}

static vss_status probe_mount(archive *a, bool map, vss_open_mode mode, vss_db **db, vss_error *err)
{
    vss_storage storage;
    vss_db_options options = VSS_INIT(vss_db_options);
    archive_storage(a, map, &storage);
    options.storage = &storage;
    options.mode = mode;
    return vss_db_open("archive", &options, db, err);
}

vss_status probe_ask(archive *a, const char *collection, bool map, bool brief, probe *out)
{
    vss_db *db;
    vss_error err = {VSS_OK};
    probe_run run = {.out = out};
    out->n_answers = 0;
    out->peak = 0;
    vss_status status = probe_mount(a, map, VSS_OPEN_READ_ONLY, &db, &err);
    if (status != VSS_OK)
        return status;
    status = vss_collection_open(db, collection, &run.col, &err);
    probe_note(&run, "open", collection, status, 0, &err);
    if (status == VSS_OK) {
        run.schema = vss_collection_schema(run.col);
        for (size_t i = 0; i < run.schema->n_fields; i++)
            run.names[i] = run.schema->fields[i]->name;
        probe_figures(&run);
        probe_count(&run, NULL);
        probe_get(&run);
        probe_fields(&run, brief);
    }
    (void)vss_db_memory(db, NULL, &out->peak, NULL);
    (void)vss_db_close(db, NULL);
    return status;
}

const probe_answer *probe_compare(const probe *sound, const probe *found)
{
    for (size_t i = 0; i < found->n_answers; i++) {
        const probe_answer *a = &found->answers[i];
        if (a->status != VSS_OK)
            continue;
        if (i >= sound->n_answers || strcmp(a->what, sound->answers[i].what) != 0 ||
            a->status != sound->answers[i].status || a->digest != sound->answers[i].digest)
            return a;
    }
    return NULL;
}

/* How an index is built anew: as the types that take over models and codes, those of hostile bytes here. */
typedef struct probe_rebuild {
    const char *type, *params;
} probe_rebuild;

static int probe_choose(void *state, const vss_index_info *info)
{
    static const probe_rebuild known[] = {{"flat", "codes=sq8,prefix=4"}, {"ivf_rabitq", "nlist=9,bits=3"},
                                          {"ivf_pq", "nlist=9,m=2"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].type, info->type) == 0)
            *(probe_rebuild *)state = known[i];
    return 0;
}

/* Every kind of write; true when one ended in INTERNAL. */
static bool probe_change(const probe_run *run)
{
    vss_column keys;
    const char *vector = NULL;
    char filter[1024] = "";
    bool internal = false;
    probe_rebuild rebuild = {"ivf_flat", "nlist=2"};
    for (size_t i = 0; i < run->schema->n_fields; i++) {
        const vss_field *f = run->schema->fields[i];
        if (f->type == VSS_TYPE_VECTOR_F32 && vector == NULL)
            vector = f->name;
        else if (filter[0] == '\0' && !probe_filter(f, filter, sizeof filter))
            filter[0] = '\0';
    }
    probe_keys(run, &keys);
    internal |= vss_collection_delete(run->col, &keys, NULL, NULL) == VSS_ERR_INTERNAL;
    internal |= vss_collection_flush(run->col, NULL) == VSS_ERR_INTERNAL;
    internal |= vss_collection_indexes(run->col, probe_choose, &rebuild, NULL) == VSS_ERR_INTERNAL;
    internal |= vss_collection_build_index(run->col, vector, rebuild.type, rebuild.params, NULL, NULL) ==
                VSS_ERR_INTERNAL;
    internal |= vss_collection_delete_where(run->col, filter, NULL, NULL) == VSS_ERR_INTERNAL;
    return internal;
}

vss_status probe_write(archive *a, const char *collection, bool map)
{
    vss_db *db;
    probe_run run = {0};
    bool internal = false;
    vss_status status = probe_mount(a, map, VSS_OPEN_EXISTING, &db, NULL);
    if (status != VSS_OK)
        return status;
    status = vss_collection_open(db, collection, &run.col, NULL);
    if (status == VSS_OK) {
        run.schema = vss_collection_schema(run.col);
        internal = probe_change(&run);
    }
    internal |= vss_db_close(db, NULL) == VSS_ERR_INTERNAL;
    return internal ? VSS_ERR_INTERNAL : status;
}

vss_status probe_check(archive *a, const char *collection, bool map, vss_check_report *report, uint64_t *peak,
                       vss_error *err)
{
    vss_db *db;
    const vss_status mounted = probe_mount(a, map, VSS_OPEN_READ_ONLY, &db, err);
    if (mounted != VSS_OK)
        return mounted;
    const vss_status status = vss_collection_check(db, collection, NULL, NULL, NULL, NULL, report, err);
    if (peak != NULL)
        (void)vss_db_memory(db, NULL, peak, NULL);
    (void)vss_db_close(db, NULL);
    return status;
}
